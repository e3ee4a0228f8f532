package leads

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

func printIntroduction(out io.Writer, server string, streams []stream, oneAddress bool) {
	total := 0
	for _, s := range streams {
		total += s.requests
	}
	fmt.Fprintf(out, "The service of rate-limits.md on http://%s: %d requests per %.0f s for each partition.\n",
		server, documented.Limit, documented.Period.Seconds())
	fmt.Fprintf(out, "Sending it %d requests, to all partitions at once.\n", total)
	if oneAddress {
		fmt.Fprintln(out, "This system has no loopback address but 127.0.0.1: all callers share it.")
	}
}

func printServer(out io.Writer, on *server) {
	fmt.Fprintf(out, "The limits are on the server %s, in keys that begin with %q.\n", on.addr, on.prefix)
}

func printTable(out io.Writer, rows []*row, conns int64) {
	const line = "%-19s %5v %9v %8v  %-12s %s\n"
	fmt.Fprintln(out)
	fmt.Fprintf(out, line, "PARTITION", "SENT", "ADMITTED", "REFUSED", "RETRY-AFTER", "WHY COUNTED THERE")
	var sent int
	var elapsed time.Duration
	for _, r := range rows {
		waits := "none"
		if len(r.retryAfter) > 0 {
			waits = strings.Join(slices.Sorted(maps.Keys(r.retryAfter)), ", ") + " s"
		}
		first := true
		for _, reason := range slices.Sorted(maps.Keys(r.reasons)) {
			why := fmt.Sprintf("%d %v", r.reasons[reason], reason)
			if first {
				fmt.Fprintf(out, line, r.partition, r.sent, r.admitted, r.refused, waits, why)
			} else {
				fmt.Fprintf(out, line, "", "", "", "", "", why)
			}
			first = false
		}
		sent += r.sent
		elapsed = max(elapsed, r.longest.to)
	}
	fmt.Fprintf(out, "\n%d requests over %d connections in %.2f s: %.0f requests a second.\n",
		sent, conns, elapsed.Seconds(), float64(sent)/elapsed.Seconds())
	fmt.Fprintf(out, "In that time a partition may admit at most %d: %d at once, and one more each %v.\n",
		documented.MaxIn(elapsed), documented.MaxIn(0), documented.Period/time.Duration(documented.Limit))
}

func printLookups(out io.Writer, streams []stream, made map[string]int) {
	remarks := map[weir.Reason]string{
		weir.BySource:           "one for all that ask at the same time; then it is remembered",
		weir.SourceUnknown:      "that there is no such source is remembered too",
		weir.SourceDisabled:     "a disabled one is a source like any other",
		weir.SourceLookupFailed: "a failure is not remembered: each request tries again",
	}
	asked := map[string]int{}
	for _, s := range streams {
		asked[s.sourceKey] += s.requests
	}
	fmt.Fprintln(out, "\nLookups of source keys:")
	for _, s := range streams {
		if remark := remarks[s.reason]; remark != "" && asked[s.sourceKey] > 0 {
			fmt.Fprintf(out, "  %-7s %2d for %d requests: %s\n", s.sourceKey, made[s.sourceKey], asked[s.sourceKey], remark)
			asked[s.sourceKey] = 0 // printed
		}
	}
}

func printWire(out io.Writer, e endpoint, s stream, wire string) {
	fmt.Fprintf(out, "\nA refusal on the wire (%s %s of %s):\n\n", e.method, e.path, s.partition)
	for line := range strings.SplitSeq(strings.ReplaceAll(wire, "\r\n", "\n"), "\n") {
		fmt.Fprintln(out, strings.TrimRight("    "+line, " "))
	}
}

func printProofTitle(out io.Writer, s stream) {
	fmt.Fprintf(out, "\nWho waits as told is admitted (%s):\n", s.partition)
}

func printAsked(out io.Writer, at time.Duration, e endpoint, got reply, remark string) {
	result := fmt.Sprint(got.status)
	if got.retryAfter != "" {
		result += ", Retry-After: " + got.retryAfter
	}
	line := fmt.Sprintf("  after %.3f s  %s %s  %-19s  %s", at.Seconds(), e.method, e.path, result, remark)
	fmt.Fprintln(out, strings.TrimRight(line, " "))
}

func printShared(out io.Writer, here, there, both *row) {
	fmt.Fprintf(out, "\nTwo processes, one budget (%s):\n", both.partition)
	const line = "  %-12s  %3d sent, %3d admitted, %3d refused%s\n"
	fmt.Fprintf(out, line, "this process", here.sent, here.admitted, here.refused, "")
	fmt.Fprintf(out, line, "a second one", there.sent, there.admitted, there.refused, "")
	most := fmt.Sprintf(": at most %d in %.2f s", documented.MaxIn(both.longest.length()), both.longest.length().Seconds())
	fmt.Fprintf(out, line, "together", both.sent, both.admitted, both.refused, most)
}

// printStats tells what limits on a server cost this process.
func printStats(out io.Writer, shared Shared) {
	s := shared.Stats()
	fmt.Fprintf(out, "\nThis process made %d decisions by %d calls to the server: %d refusals needed none, since it\n"+
		"had said until when, and those asked for at once shared one. %d were made without it.\n",
		s.Decisions, s.Calls, s.RefusedHere, s.FellBack)
	fmt.Fprintf(out, "While the server cannot be asked, %s.\n", shared.Fallback())
}

func printConclusion(out io.Writer) {
	fmt.Fprintln(out, "\nAll of it is what the limits demand.")
}

// printInvitation tells how to try the service by hand.
func printInvitation(out io.Writer, server string) {
	base := "http://" + server
	fmt.Fprintf(out, `Serving on %[1]s, %[2]d requests per %.0[3]f s for each partition. Ctrl-C ends it.

  curl -i -H 'Authorization: Bearer acme-token' %[1]s/contacts   # business:42
  curl -i -H 'Authorization: Bearer ada-token' %[1]s/me          # user:42
  curl -i -X POST '%[1]s/leads?sourceKey=spring'                 # business-intake:42
  curl -i -X POST '%[1]s/leads?sourceKey=winter'                 # disabled: by address

Spend a budget, and see what is refused:

  curl -s -o /dev/null -w '%%{http_code}\n' '%[1]s/health?[1-310]' | sort | uniq -c
  curl -i %[1]s/health
`, base, documented.Limit, documented.Period.Seconds())
}
