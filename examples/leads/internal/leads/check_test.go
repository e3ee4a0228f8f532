package leads

import (
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// good is a row in which all is as the limits demand: in between 410 and 450 ms,
// two more than the burst.
func good() *row {
	return &row{
		partition:      "user:42",
		planned:        500,
		plannedReasons: map[weir.Reason]int{weir.ByUser: 500},
		sent:           500,
		admitted:       302,
		refused:        198,
		retryAfter:     map[string]int{"1": 198},
		odd:            map[string]int{},
		longest:        window{0, 450 * time.Millisecond},
		shortest:       window{20 * time.Millisecond, 430 * time.Millisecond},
		reasons:        map[weir.Reason]int{weir.ByUser: 500},
	}
}

func TestCheck(t *testing.T) {
	if err := good().check(documented); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*row)
		want  string
	}{
		"one too many":      {func(r *row) { r.admitted, r.refused = 303, 197 }, "303 admitted"},
		"one too few":       {func(r *row) { r.admitted, r.refused = 301, 199 }, "301 admitted"},
		"too quick":         {func(r *row) { r.longest.to = 400*time.Millisecond - 1 }, "demands 302 to 301"},
		"too slow":          {func(r *row) { r.shortest.to += 190 * time.Millisecond }, "demands 303 to 302"},
		"lost":              {func(r *row) { r.refused-- }, "500 sent, 302 admitted and 197 refused"},
		"not sent":          {func(r *row) { r.sent--; r.refused-- }, "499 sent"},
		"too long a wait":   {func(r *row) { r.retryAfter["2"] = 1 }, `1 × Retry-After "2"`},
		"no wait":           {func(r *row) { r.retryAfter["0"] = 1 }, `1 × Retry-After "0"`},
		"nothing said":      {func(r *row) { r.retryAfter[""] = 1 }, `1 × Retry-After ""`},
		"another status":    {func(r *row) { r.odd["status 500"] = 3 }, "3 × status 500"},
		"another reason":    {func(r *row) { r.reasons = map[weir.Reason]int{weir.Anonymous: 500} }, "reasons"},
		"another partition": {func(r *row) { r.reasons[weir.ByUser]-- }, "reasons"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			c.spoil(r)
			if err := r.check(documented); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestCheckAll(t *testing.T) {
	demanded := map[string]int{"spring": 1, unreachable: 20}
	if err := checkAll([]*row{good()}, maps.Clone(demanded), demanded); err != nil {
		t.Fatal(err)
	}
	for name, made := range map[string]map[string]int{
		"not coalesced":      {"spring": 2, unreachable: 20},
		"failure remembered": {"spring": 1, unreachable: 1},
		"never asked":        {unreachable: 20},
		"asked for nothing":  {"spring": 1, unreachable: 20, "": 1},
	} {
		if err := checkAll([]*row{good()}, made, demanded); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	bad := good()
	bad.refused--
	if err := checkAll([]*row{good(), bad}, demanded, demanded); err == nil {
		t.Error("a bad row went unnoticed")
	}
}

// What counts as admitted, as refused, and as neither.
func TestAdd(t *testing.T) {
	for name, c := range map[string]struct {
		got               reply
		err               error
		admitted, refused int
		odd               string
	}{
		"admitted":       {got: reply{status: 202}, admitted: 1},
		"refused":        {got: reply{429, "1", refusal}, refused: 1},
		"another body":   {got: reply{429, "1", refusal + "\n"}, refused: 1, odd: "another body"},
		"another status": {got: reply{status: 200}, odd: "status 200"},
		"no response":    {err: io.ErrUnexpectedEOF, odd: "unexpected EOF"},
	} {
		s := stream{partition: "business-intake:42", requests: 1, status: 202}
		r := rowsOf([]stream{s})[0]
		r.add(&s, c.got, c.err, window{1, 2})
		odd := strings.Join(slices.Collect(maps.Keys(r.odd)), ", ")
		if r.sent != 1 || r.admitted != c.admitted || r.refused != c.refused ||
			(odd == "") != (c.odd == "") || !strings.Contains(odd, c.odd) {
			t.Errorf("%s: %d sent, %d admitted, %d refused, odd: %q", name, r.sent, r.admitted, r.refused, odd)
		}
	}
}

func TestLongestWait(t *testing.T) {
	for quota, want := range map[weir.Quota]int64{
		documented:                                1,
		weir.PerSecond(1):                         1,
		{Limit: 1, Period: time.Second + 1}:       2,
		{Limit: 1000000007, Period: time.Second}:  1,
		{Limit: 59, Period: time.Minute}:          2,
		{Limit: 1, Period: 17 * time.Second}:      17,
		{Limit: 3, Period: 3*time.Second + 1}:     2,
		{Limit: 300, Period: 300 * time.Second}:   1,
		{Limit: 300, Period: 300*time.Second + 1}: 2,
	} {
		if got := longestWait(quota); got != want {
			t.Errorf("%v: %d s, want %d", quota, got, want)
		}
	}
}

// The plan shows every row of the decision table, for every reason there is,
// and spends each budget.
func TestPlanIsWhole(t *testing.T) {
	reasons := map[weir.Reason]bool{}
	budgets := map[string]int{}
	for _, s := range plan(false) {
		reasons[s.reason] = true
		budgets[s.partition] += s.requests
		if s.sourceKey == unreachable && s.conns != 1 {
			t.Errorf("%s is asked for %d at a time: lookups would coalesce", unreachable, s.conns)
		}
	}
	for reason := weir.ByBusiness; reason <= weir.SourceLookupFailed; reason++ {
		if !reasons[reason] {
			t.Errorf("nothing is sent for the reason %v", reason)
		}
	}
	for partition, n := range budgets {
		if n < 500 {
			t.Errorf("%s: %d requests do not spend 300 and what is earned meanwhile", partition, n)
		}
	}
}
