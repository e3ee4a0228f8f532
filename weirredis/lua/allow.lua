-- allow: interval, tolerance, cost. Admits what fits. Replies with the debt
-- afterwards, or for a refusal with -1 - debt.
local after = debt + ARGV[3]
if after <= tonumber(ARGV[2]) then
	debt, changed, reply = after, true, after
else
	reply = -1 - debt
end
