-- several: interval, tolerance, cost, count. Decides count requests of that cost, one
-- after the other, as allow would. Replies with how many it admitted and the debt
-- afterwards.
local tolerance, cost, count = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local room = math.max(tolerance - debt, 0)
local admitted = math.min((room - math.fmod(room, cost)) / cost, count)
if admitted > 0 then
	debt, changed = debt + admitted * cost, true
end
reply = { admitted, debt }
