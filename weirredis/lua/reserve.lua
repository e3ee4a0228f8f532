-- reserve: interval, tolerance, cost, patience. Takes the next place, behind all
-- that is owed, if it comes up within patience; there is none beyond longest.
-- Replies with whether it was taken, the debt (afterwards), and the clock.
local after = debt + ARGV[3]
if after <= longest and after - ARGV[2] <= tonumber(ARGV[4]) then
	debt, changed, reply = after, true, { 1, after, now }
else
	reply = { 0, debt, now }
end
