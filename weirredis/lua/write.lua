-- What every script ends with. Refusals and peeks write nothing, unless the debt was
-- recounted: or it would go on to fall at the old price, later than was told, or until
-- the clock has caught up, not at all.
--
-- The key goes by itself once nothing is owed. Its expiry is an instant, not a
-- length: a server that was suspended between the start of the script and the
-- reading of its clock would count a length from the former. It is rounded up to
-- milliseconds. (Written out here: the server takes three times as long for it.)
--
-- A key without a value is not to be there: to MGET, other things than strings are not.
if changed or recounted then
	if debt > 0 then
		if not call('SET', key, pack('<ddd', now, debt, interval), 'PXAT', format('%.0f', (now + debt) / 1000 + 0.5), value and 'XX' or 'NX') then
			return redis.error_reply('WRONGTYPE the key holds something else than weir writes')
		end
	else
		call('DEL', key)
	end
end
return reply
