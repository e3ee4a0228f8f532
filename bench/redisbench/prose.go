package redisbench

// What the report says around its tables.
const (
	setupText = `All ask one server, in one run. Its processor time and theirs come from the same cores, so a client that takes less leaves more
to the server. A run is one subject under one load at one point, in processes of its own; all subjects follow each other at a
point, and who is first goes round. The time of a single caller is divided between four processes a round. *Callers* ask one request after another; *10 × 8* are ten processes with eight callers each.
*Busy poll* is a matter of the connection: it looks for the answer instead of sleeping, while one caller waits and no more. Any client
with such connections would gain as much.
`

	glanceText = `Decisions a second, and commands that the server ran for a decision, those that its scripts run included. In *italics*: a call
of the server that limits nobody. Bold is the best of a column. The last two columns name the loads under which some requests
got an error, or more was admitted than the quota allows.
`

	versusText = `Decisions a second as a multiple of those of the fastest of the others, each as its documentation recommends.`

	pipelinedText = `go-redis can pipeline the calls of many callers by itself, too, if it is told so; it marks that as experimental. Here it is
among the others.`

	callersChart = `Up is better. One process.`

	processesChart = `Up is better. Eight callers in each process.`

	attackChart = `Up is better. One process; fewer than one in a hundred requests is admitted.`

	shortcutText = `## Decisions that need no call

By a single caller, nothing else going on, without a reading of the clock but the limiter's own.

`

	detailsText = `## All figures

Decisions a second are of all processes together, in parentheses the least and the greatest round. Latency is of single requests,
a reading of the clock and failed ones included. *Commands* are those that the server ran for a decision (INFO commandstats, without
the measuring's own), those that its scripts ran included; *scripts* of them are EVAL and EVALSHA. *Server's time* is its processor
time for a decision, *server busy* the same as a part of one processor's. *Objects* are allocated in the process for a decision.

`

	admittedText = `## What was admitted

Every load knows what the quota admits: the first two every request, *attack* the burst and one for each interval that has passed
on the server's clock from before the first request until after the last. These were outside of that, by the round that was furthest
off, or got an error instead of a decision:

`
)
