-- For wrk: counts responses by what they mean, and prints one line that is easily read.

local threads = {}

function setup(thread)
	table.insert(threads, thread)
end

function init()
	admitted, refused, other = 0, 0, 0
end

function response(status, headers)
	if status == 200 then
		admitted = admitted + 1
	elseif status == 429 and headers["Retry-After"] == "1" then
		refused = refused + 1
	else
		other = other + 1
	end
end

function done(summary)
	local sums = { admitted = 0, refused = 0, other = 0 }
	for _, thread in ipairs(threads) do
		for name, sum in pairs(sums) do
			sums[name] = sum + thread:get(name)
		end
	end
	local e = summary.errors
	print(string.format("counted: admitted=%d refused=%d other=%d errors=%d",
		sums.admitted, sums.refused, sums.other, e.connect + e.read + e.write + e.timeout))
end
