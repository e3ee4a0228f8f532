-- What every script begins with. While one runs, the server does nothing else.
local call, format, pack, parse = redis.call, string.format, struct.pack, struct.unpack
local interval = tonumber(ARGV[1])
local longest = 4503599627370496
local time = call('TIME')
local now = time[1] * 1000000 + time[2]
