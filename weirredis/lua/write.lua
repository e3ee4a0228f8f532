-- What every script ends with. Refusals write nothing, unless the clock has
-- stepped back: without a new instant to count from, the debt would never fall.
--
-- The key goes by itself once nothing is owed. Its expiry is an instant, not a
-- length: a server that was suspended between the start of the script and the
-- reading of its clock would count a length from the former. (Written out here: the
-- server would take three times as long to write a number out.)
if changed or steppedBack then
	if debt > 0 then
		redis.call('SET', key, struct.pack('<ddd', now, debt, interval), 'PXAT', string.format('%.0f', (now + debt) / 1000 + 1))
	else
		redis.call('DEL', key)
	end
end
return reply
