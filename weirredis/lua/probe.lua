-- probe: interval. Writes what is there, to see whether the server would take it
-- (it does not when it is a replica, or out of memory). Where nothing is, a debt of 0
-- says as much, for a millisecond. The interval plays no part.
if value then
	redis.call('SET', key, value, 'KEEPTTL')
else
	redis.call('SET', key, struct.pack('<ddd', now, 0, interval), 'PX', 1)
end
recounted = false
