-- return: interval, cost, arrival, left. Gives back what is left of a lease, as
-- far as time has not paid for it: no more than what was ahead of the clock when
-- the lease was taken and is ahead of it still, by the server's clock (arrival is
-- the theoretical arrival time that the lease left) and by the holder's. Replies
-- with what it gave back.
reply = math.max(math.min(tonumber(ARGV[2]), ARGV[3] - now, tonumber(ARGV[4]), debt), 0)
if reply > 0 then
	debt, changed = debt - reply, true
end
