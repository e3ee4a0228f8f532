-- lease: interval, tolerance, cost, extra. Admits as allow does, and takes up to
-- extra more ahead of time, in whole requests: at most half of the room that is
-- left then. Replies with what it took in all, 0 for a refusal, the debt
-- (afterwards), and the clock.
local room = ARGV[2] - debt - ARGV[3]
if room >= 0 then
	local half = math.floor(room / 2)
	local taken = ARGV[3] + math.min(tonumber(ARGV[4]), half - math.fmod(half, interval))
	debt, changed = debt + taken, true
	reply = { taken, debt, now }
else
	reply = { 0, debt, now }
end
