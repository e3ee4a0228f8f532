package weirhttp

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir"
)

func businessKey(id string) weir.PartitionKey {
	return weir.PartitionKey{Partition: weir.Business, ID: id}
}

// streams are of keys that are numbers, each as bad for m counters in its way.
func streams(m int) map[string]func(i int) int {
	r := rand.New(rand.NewPCG(5, 6))
	zipf := rand.NewZipf(r, 1.1, 1, 10_000)
	return map[string]func(i int) int{
		"zipf":    func(int) int { return int(zipf.Uint64()) },
		"uniform": func(int) int { return r.IntN(3 * m) },
		// One key more than counters, in turn: each takes over the counter of
		// the one that comes next, so that nobody's count means anything.
		"in turn": func(i int) int { return i % (m + 1) },
		"flood":   func(i int) int { return i },
		"few":     func(i int) int { return i % (m - 1) },
		// The light ones first, then heavy ones that must push them out.
		"late": func(i int) int { return min(i, 5*m+i%5) },
	}
}

// What Space-Saving promises, held against exact counts: of a stream of n keys in m
// counters, no count is below the truth, none is off by more than n/m, and
// whoever makes up more than that is there.
func TestSummaryBounds(t *testing.T) {
	const m, n = 16, 5000
	took := map[string]bool{}
	var s summary
	s.init(m, false)
	for name, key := range streams(m) {
		s.reset() // of what the stream before has left there
		exact := map[int]int64{}
		for i := range n {
			k := key(i)
			exact[k]++
			before := s.used
			if _, isNew := s.add(uint64(k)); isNew && before == m {
				took[name] = true
			}
		}
		sum, kept := int64(0), map[int]bool{}
		for _, c := range s.slots[:s.used] {
			truth := exact[int(c.hash)]
			kept[int(c.hash)] = true
			sum += c.count
			if truth > c.count || truth < c.count-c.over || c.over > n/m {
				t.Errorf("%s: key %d came %d times, counted %d, of which %d were taken over", name, c.hash, truth, c.count, c.over)
			}
		}
		if sum != n {
			t.Errorf("%s: the counters have counted %d", name, sum)
		}
		if s.least() > n/m {
			t.Errorf("%s: the least is %d", name, s.least())
		}
		for k, truth := range exact {
			if !kept[k] && truth > s.least() {
				t.Errorf("%s: key %d came %d times and has no counter; the least has %d", name, k, truth, s.least())
			}
		}
	}
	for name := range streams(m) {
		if took[name] == (name == "few") {
			t.Errorf("%s: counters were taken over: %v", name, took[name])
		}
	}
}

// The same of the sum of all stripes and both periods.
func TestTopKeysBounds(t *testing.T) {
	const listed, n = 10, 60_000
	m := countersFor(listed)
	for name, key := range streams(m * topStripes) {
		top, exact := newTopKeys(listed, true), map[string]int64{}
		r := rand.New(rand.NewPCG(7, 8))
		for i := range n {
			id := fmt.Sprint(key(i))
			exact[id]++
			top.add(r.IntN(debugStripes), uint64(i/(n/2))*periodSeconds, businessKey(id))
		}
		list, seen, othersAtMost := top.top(listed, periodSeconds)
		if seen != n || len(list) != listed {
			t.Fatalf("%s: %d keys, seen %d", name, len(list), seen)
		}
		others := maps.Clone(exact)
		for i, k := range list {
			delete(others, k.text)
			if k.atLeast > exact[k.text] || k.atMost < exact[k.text] {
				t.Errorf("%s: %s was refused %d times, not from %d to %d", name, k.text, exact[k.text], k.atLeast, k.atMost)
			}
			if k.atMost-k.atLeast > n/int64(m) {
				t.Errorf("%s: %s, from %d to %d: wider than %d", name, k.text, k.atLeast, k.atMost, n/m)
			}
			if i > 0 && k.atLeast > list[i-1].atLeast {
				t.Errorf("%s: the %d-th is before one that was refused more", name, i)
			}
		}
		for id, truth := range others {
			if truth > othersAtMost {
				t.Errorf("%s: %s was refused %d times and is not listed; others at most %d times", name, id, truth, othersAtMost)
			}
		}
		if name == "zipf" && (list[0].text != "0" || list[1].text != "1" || list[2].text != "2") {
			t.Errorf("%s: %+v", name, list[:3])
		}
	}
}

func TestTopKeysPeriods(t *testing.T) {
	for _, c := range []struct {
		name    string
		seconds []uint64 // in which keys "0", "1" and so on were refused
		at      uint64
		want    string
	}{
		{"the first period", []uint64{0, 299}, 299, "0 1"},
		{"the second", []uint64{0, 299, 300}, 599, "0 1 2"},
		{"the third", []uint64{0, 299, 300, 600}, 600, "2 3"},
		{"the third, when nobody has come in it", []uint64{0, 299, 300}, 600, "2"},
		{"the fourth, without a third", []uint64{0, 299, 300, 900}, 900, "3"},
		{"an even number later", []uint64{0, 300, 1500, 1800}, 1800, "2 3"},
		{"an odd number later", []uint64{0, 300, 1800}, 1800, "2"},
		{"long after all", []uint64{0, 300}, 1 << 29, ""},
		{"late, by one period", []uint64{300, 299}, 899, "0 1"},
		{"late, by many", []uint64{3000, 0}, 3000, "0 1"},
	} {
		top := newTopKeys(5, true)
		for i, second := range c.seconds {
			top.add(0, second, businessKey(fmt.Sprint(i)))
		}
		list, seen, _ := top.top(5, c.at)
		found := map[string]bool{}
		for _, k := range list {
			found[k.text] = true
		}
		got := []string{}
		for i := range c.seconds {
			if id := fmt.Sprint(i); found[id] {
				got = append(got, id)
			}
		}
		if strings.Join(got, " ") != c.want || int(seen) != len(got) {
			t.Errorf("%s: %v of %d, want %s", c.name, got, seen, c.want)
		}
	}
}

// Who finds a stripe taken counts in another one, and if all are taken, waits:
// nobody is forgotten.
func TestTopKeysWhenStripesAreTaken(t *testing.T) {
	top := newTopKeys(5, false)
	top.stripes[3].mu.Lock()
	top.add(3, 0, businessKey("42"))
	if seen := top.stripes[4].summaries[0].seen; seen != 1 {
		t.Errorf("the next stripe has seen %d", seen)
	}
	for i := range top.stripes {
		if i != 3 {
			top.stripes[i].mu.Lock()
		}
	}
	added := make(chan struct{})
	go func() {
		top.add(3, 0, businessKey("42"))
		close(added)
	}()
	for range 1000 {
		runtime.Gosched()
	}
	select {
	case <-added:
		t.Error("somebody has counted where all stripes were taken")
	default:
	}
	for i := range top.stripes {
		top.stripes[i].mu.Unlock()
	}
	<-added
	if list, seen, _ := top.top(5, 0); seen != 2 || len(list) != 1 || list[0].atLeast != 2 {
		t.Errorf("seen %d: %+v", seen, list)
	}
}

// With fewer keys than counters, nothing is uncertain, however many count at once.
func TestTopKeysConcurrently(t *testing.T) {
	const callers, each, keys = 8, 5000, 50
	top := newTopKeys(keys, true)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range each {
				top.add(0, uint64(i)*2*periodSeconds/each, businessKey(fmt.Sprint(i%keys))) // all want the same stripe
			}
		})
	}
	wg.Wait()
	list, seen, othersAtMost := top.top(keys, periodSeconds)
	if seen != callers*each || len(list) != keys || othersAtMost != 0 {
		t.Fatalf("seen %d, %d keys, others at most %d", seen, len(list), othersAtMost)
	}
	for _, k := range list {
		if k.atLeast != callers*each/keys || k.atMost != k.atLeast {
			t.Errorf("%+v", k)
		}
	}
}

// Keys that are not the same do not look the same, nor do those of two processes.
func TestTopKeysHash(t *testing.T) {
	address := func(prefix string) weir.PartitionKey {
		return weir.PartitionKey{Prefix: netip.MustParsePrefix(prefix)}
	}
	top, other := newTopKeys(5, false), newTopKeys(5, false)
	seen := map[uint64]weir.PartitionKey{}
	for _, key := range []weir.PartitionKey{
		{}, address("0.0.0.0/0"), address("0.0.0.0/32"), address("::/0"), address("::/128"),
		address("203.0.113.7/32"), address("::ffff:203.0.113.7/128"), address("203.0.113.8/32"),
		address("2001:db8::/64"), address("2001:db8::/48"), address("2001:db8:0:1::/64"),
		businessKey(""), businessKey("42"), businessKey("43"), businessKey("42\x00"), businessKey(strings.Repeat("4", 1000)),
	} {
		hash := top.hash(key)
		if earlier, ok := seen[hash]; ok {
			t.Errorf("%v and %v look the same", key, earlier)
		}
		seen[hash] = key
		if hash != top.hash(key) {
			t.Errorf("%v looks different the second time", key)
		}
		if hash == other.hash(key) {
			t.Errorf("%v looks the same everywhere", key)
		}
	}
}

// Unless keys are to be shown, no byte of any is kept.
func TestTopKeysKeepsNoText(t *testing.T) {
	for _, showKeys := range []bool{false, true} {
		top := newTopKeys(5, showKeys)
		for i := range top.stripes {
			for j := range top.stripes[i].summaries {
				if kept := top.stripes[i].summaries[j].texts != nil; kept != showKeys {
					t.Errorf("keys shown: %v, kept: %v", showKeys, kept)
				}
			}
		}
	}
}

func TestKeyText(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct {
		key  weir.PartitionKey
		want string
		cut  bool
	}{
		{businessKey("42"), "42", false},
		{businessKey("a customer, Zoë"), "a customer, Zoë", false},
		{businessKey("<script>alert('x')</script>"), "<script>alert('x')</script>", false},
		{businessKey(""), `""`, false},
		{businessKey(`"42"`), `"\"42\""`, false},
		{businessKey(`a\nb`), `"a\\nb"`, false},
		{businessKey("a\nb"), `"a\nb"`, false},
		{businessKey("\x00\xff"), `"\x00\xff"`, false},
		{businessKey("\u202egnp.exe"), `"\u202egnp.exe"`, false},
		{businessKey("zero\u200bwidth"), `"zero\u200bwidth"`, false},
		{businessKey(long), long, false},
		{businessKey(long + "!"), long, true},
		{businessKey(long[1:] + "ë"), long[1:], true},          // cut through its two bytes
		{businessKey(long[1:] + "\U0001f600"), long[1:], true}, // after one of four
		{businessKey(long[3:] + "\U0001f600"), long[3:], true}, // after three
		{businessKey(long[2:] + "ë!"), long[2:] + "ë", true},
		{businessKey(long[1:] + "\xff\xff"), `"` + long[1:] + `\xff"`, true}, // not the start of anything
		{weir.PartitionKey{}, "unknown", false},
		{weir.PartitionKey{Prefix: netip.MustParsePrefix("203.0.113.7/32")}, "203.0.113.7/32", false},
		{weir.PartitionKey{Prefix: netip.MustParsePrefix("2001:db8::/64")}, "2001:db8::/64", false},
		{weir.PartitionKey{Prefix: netip.MustParsePrefix("2001:db8:1111:2222:3333:4444:5555:6666/128")},
			"2001:db8:1111:2222:3333:4444:5555:6666/128", false},
	} {
		text := keyText{n: 64, cut: !c.cut} // of another key before
		text.set(c.key)
		if got := text.String(); got != c.want || text.cut != c.cut {
			t.Errorf("%q: %s, cut %v, want %s, %v", c.key.Key(), got, text.cut, c.want, c.cut)
		}
		if c.want != `""` && !c.cut && c.want[0] != '"' && c.want != c.key.Key() {
			t.Errorf("%s is not the key that Limiter knows: %s", c.want, c.key.Key())
		}
	}
}
