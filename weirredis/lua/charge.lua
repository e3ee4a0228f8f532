-- charge: interval, cost. Adds to what is owed, whether it fits or not.
debt, changed = math.min(debt + ARGV[2], longest), true
