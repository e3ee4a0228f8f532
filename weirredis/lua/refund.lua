-- refund: interval, cost. Gives back, at most all that is owed.
if debt > 0 then
	debt, changed = math.max(debt - ARGV[2], 0), true
end
