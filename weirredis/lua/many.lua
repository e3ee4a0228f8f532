-- many: interval, tolerance, cost, and by choice a count for each key. Decides count
-- requests of that cost on each, one after the other, as allow would. Replies for each
-- key as allow does if all or none of them are admitted, or else with how many and the
-- debt afterwards.
local after = debt + cost
if after > tolerance then
	reply = -1 - debt
elseif count == 1 then
	debt, changed, reply = after, true, after
else
	local room = tolerance - debt
	local admitted = math.min((room - math.fmod(room, cost)) / cost, count)
	debt, changed = debt + admitted * cost, true
	reply = admitted == count and debt or { admitted, debt }
end
