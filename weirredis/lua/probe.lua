-- probe: interval. Writes what is there, to see whether the server would take it
-- (it does not when it is a replica, or out of memory). A debt of 0 says what no
-- value says, and is gone after a millisecond.
redis.call('SET', key, struct.pack('<ddd', now, debt, interval), 'PXAT', string.format('%.0f', (now + debt) / 1000 + 0.5))
recounted = false
