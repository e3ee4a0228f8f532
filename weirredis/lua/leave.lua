-- leave: interval, cost, arrival. Gives back a place if the key's theoretical
-- arrival time is still what taking the place made it: then nobody is behind.
-- Replies with 1 if so.
reply = 0
if debt > 0 and not recounted and now + debt == tonumber(ARGV[3]) then
	debt, changed, reply = math.max(debt - ARGV[2], 0), true, 1
end
