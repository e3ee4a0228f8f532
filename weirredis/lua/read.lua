-- What is said of key by value, what the server has of it.
--
-- A value is three whole numbers: written, debt, interval. At the instant
-- written (microseconds of the server's clock) the key stood debt microseconds
-- ahead of it, at a price of interval microseconds a request. Its theoretical
-- arrival time is written + debt. A key that is not there has no debt. They are
-- kept as three doubles of 8 bytes: writing and parsing digits took more than a
-- quarter of the server's time for a request.
--
-- Lua's numbers are doubles, whole and exact up to 2^53. The bounds, which Go
-- keeps for the arguments:
--
--     now, written                     ≤ 2^52, until the year 2112
--     interval ≤ cost ≤ tolerance      ≤ 2^51, 71 years
--     debt                             ≤ 2^52 = longest; what allow admits, ≤ tolerance
--     debt + cost                      ≤ 2^52 + 2^51
--     now + debt, the arrival time     ≤ 2^53
local debt = 0
local recounted = false -- the debt is to be written down as it now stands
if value then
	if #value ~= 24 then
		return redis.error_reply('WEIR a value of ' .. #value .. ' bytes: it must be of 24, as weir writes them')
	end
	local written, price
	written, debt, price = parse('<ddd', value)
	if not (debt >= 0 and debt <= longest and price >= 1) then
		return redis.error_reply('WEIR a value of ' .. #value .. ' bytes that are no debt: it must be as weir writes them')
	end
	if now >= written then
		debt = debt - (now - written)
		if debt < 0 then
			debt = 0
		end
	else
		-- The clock has stepped back, or another server has taken over whose clock
		-- is behind. What was owed is owed still, from now on: nobody is forgiven
		-- anything, and nobody waits until the clock is there again.
		recounted = debt > 0
	end
	if debt > 0 and price ~= interval then
		-- The debt of as many requests at another price, rounded up: changing
		-- quotas forgives nothing. The remainder's part is exact while its product
		-- is; two prices of more than 95 s can take it beyond, and then it comes
		-- out up to 6 µs too high, never too low.
		local rest = math.fmod(debt, price)
		local product = rest * interval
		local part
		if product <= 9007199254740992 then
			local over = math.fmod(product, price)
			part = (product - over) / price
			if over > 0 then
				part = part + 1
			end
		else
			part = product / price
			part = math.ceil(part + part / 1125899906842624) + 1
		end
		debt = math.min((debt - rest) / price * interval + part, longest)
		recounted = true
	end
end
local changed, reply = false, debt
