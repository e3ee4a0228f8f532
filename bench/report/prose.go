package report

// What the report says around its tables.
const (
	speedText = `## Speed

Time of a decision, and the same as a multiple of the floor, least and greatest of the rounds in parentheses. Several callers: the
time between decisions of all of them together. New keys: the mean, other loads: the median of slices of about 2 ms.

`

	allocationsText = `## Allocations

Objects and bytes that a decision allocates. The caller's making of the key is not counted, except for addresses where a
limiter takes strings only.`

	latencyText = `## Latency of single decisions

One reading of the clock included. The slowest ones show what growing, cleaning and collecting cost those who come by, and what
the machine does to everybody: compare with *array*.

`

	memoryText = `## Memory

By the heap. *A live key* is what a limiter holds once all keys have come, divided by them; the text of the key, 16 bytes, is
counted where it is kept. The flood brings 250,000 never-seen keys a second for %s, under a quota whose period is %s, then
1,000 a second for as long: *left* is what is still held at the end.

`

	admittedText = `## What was admitted

Every load knows the fewest and the most requests that the quota admits. These limiters were outside, by the round that was furthest
off:

`

	elsewhereText = `
What needs a special moment to show, such as the edge of a window or a late caller, is in
[bench/peers/overadmit_test.go](../bench/peers/overadmit_test.go), each with its count.

`

	speedChart = `Time of a decision as a multiple of the floor: left is better.`

	latencyChart = `Single decisions while the table grows from nothing: left is better, and dots that lie close together mean that nobody waits
for somebody else's growth.`

	memoryChart = `Heap while never-seen keys come at a fixed rate for half of the time, and hardly any in the other half: saw teeth are garbage that
is not collected yet, and what is left at the right is really held.`

	explanation = `× is a multiple of the *floor* (one clock read, one XXH64 of the key, one uncontended CAS), timed in turn with the limiter in the
same process. *array* is the floor with a word for each key in an array of its final size; it limits nobody. Bold is the best
of a column. An empty field: not applicable, or not ended; the last column names the loads under which more was admitted
than the quota allows.
`
)
