package weir

import (
	"math"
	"math/bits"
	"unsafe"
)

// A slot holds one key's TAT, and admissions that no stripe counts yet. Its life,
// each arrow one atomic step:
//
//	      claim                 CAS                    freeze
//	id 0 ───────▶ id, tat 0 ───────────▶ id, tat v ⟲ ──────────▶ id, final v
//	  │                 │                      CAS                 (copied to
//	  │ seal            │ freeze                                    the next
//	  ▼                 ▼                                           table)
//	id sealed     id, final 0 (nothing to copy)
//
// The id is written once, 0 → a key's id or 0 → sealed. The tat moves by CAS
// only, and only while its top bit (frozen) is clear; setting that bit makes it
// final. Nobody ever stores 0 into a tat: a reset key holds 1. So a copier that
// writes a successor's tat only where it is still 0 can be late, or repeated,
// without harm.
//
// Who may write what, when:
//
//	id   claim  an operation that admits, or a copier, that saw no successor
//	     seal   anybody, in a table with a successor
//	tat  CAS    an operation, wherever it found the slot not frozen
//	     CAS 0  a copier, in a successor
//	     freeze anybody, in a table with a successor
//
// A value's admissions belong to the one who replaced it by one without them, or
// froze it: to be added to a stripe. So each is counted once, here or there.
type slot struct {
	id  atomicUint64
	tat atomicTAT
}

type atomicTAT struct{ atomicInt64 }

// Ids 0 and sealed are no key's.
const (
	vacant uint64 = 0
	sealed uint64 = math.MaxUint64
)

// Values of a slot's tat, apart from instants in [1, maxTAT].
const (
	unwritten   int64 = 0             // claimed by somebody who has not stored a TAT yet
	resetTAT    int64 = 1             // before every debt
	firstAway   int64 = maxTAT + 1    // and above, below firstPacked: the TAT lives in a keyQuota, see override.go
	firstPacked int64 = 7 << 60       // and above: a TAT with admissions
	frozen      int64 = math.MinInt64 // the top bit
)

// A packed value is a TAT, of at most packedTAT (417 days after the making of the
// limiter), and up to 31 admissions that no stripe counts yet: by them an
// admission is one locked step and not two, and only every 32nd is both. Later TATs
// are not packed.
//
//	0 111 aaaaa ttttttttt…t
//	      └ 5 ┘ └── 55 ───┘
const (
	packedTAT    int64 = 1<<55 - 1
	oneAdmission int64 = packedTAT + 1
)

// tatOf is the TAT of a slot's value, or the marker that it is.
func tatOf(v int64) int64 {
	if v &^= frozen; v >= firstPacked {
		v &= packedTAT
	}
	return v
}

// admissionsOf are those that a slot's value holds. A frozen one holds none: they
// were counted by whoever froze it.
func admissionsOf(v int64) int64 {
	if v < firstPacked {
		return 0
	}
	return v &^ firstPacked / oneAdmission
}

// admitted is what the value v becomes when one more admission moves its TAT to
// after, and how many admissions then are to be added to a stripe.
func admitted(v, after int64) (next, toCount int64) {
	next = (v&^packedTAT | firstPacked) + oneAdmission + after
	if next < 0 || after > packedTAT { // the 32nd runs over into the top bit
		return after, admissionsOf(v) + 1
	}
	return next, 0
}

// freeze makes the value final. It returns the TAT, and to whoever made it final
// the admissions that it held, which are his to count. It is one atomic Or, then a
// load: unlike a plain store, the Or cannot undo a CAS that came before it, and
// no CAS can succeed after it.
func (a *atomicTAT) freeze() (final, toCount int64) {
	if a.Load() >= 0 {
		toCount = admissionsOf(a.Or(frozen))
	}
	return tatOf(a.Load()), toCount
}

// seal closes an empty slot for ever and reports whether it is closed now.
func (s *slot) seal() bool {
	return s.id.CompareAndSwap(vacant, sealed) || s.id.Load() == sealed
}

// A line is what one cache line holds: a probe looks at all of it before it
// goes on to the next.
type line [slotsPerLine]slot

// A segment is one page of a table, allocated when its first slot is claimed.
// So nobody pays for a large table at once: a page costs 0.5 to 5 µs, a whole
// table of 256 KiB cost 30 to 140 µs. The price is one more load a decision.
type segment [linesPerSegment]line

// What a line, a segment and a step are; see sizes.go for the others.
const (
	slotsPerLine    = 4
	slotsPerSegment = linesPerSegment * slotsPerLine
	stepsPerSegment = linesPerSegment / linesPerStep
)

// closed is a segment in which no slot was ever claimed, of a table that has a
// successor: all of it is sealed at once.
var closed = func() *segment {
	g := new(segment)
	for i := range g {
		for k := range g[i] {
			g[i][k].id.Store(sealed)
		}
	}
	return g
}()

// fillSlots of the slots of a table may be claimed before it gets a successor:
// 3/4. Above that, unsuccessful probes go past the first two lines ever more
// often.
func fillSlots(segments int) int64 { return int64(segments) * slotsPerSegment * 3 / 4 }

// A successor is sized for the keys it will get: at a load of 0.48, so that a
// table that grows holds 21 to 34 bytes a key between two migrations; at 0.53
// when the memory bound made it, so that two of them stay within 64 bytes a key
// even if one shard holds all keys.
const (
	slotsPer10Keys        = 21
	slotsPer10KeysAtBound = 19
	slotsPer10KeysAtLeast = 15 // at 0.67, still below the fill bound
)

// segmentsFor is the number of segments for n keys.
func segmentsFor(n, slotsPer10 int64) int {
	return int(n*slotsPer10/(10*slotsPerSegment)) + 1
}

// A table is the slots of one shard under one quota. What decides is in its
// first cache line, what a Decision only reports in the second, and what claims
// write in the third.
//
// A key's home line is a function of its id alone, its slots are tried in an
// order that is a function of its id alone, and ids are written once: so as
// long as a table lives, everybody finds a key in the same slot, or all agree
// that it is not there.
type table struct {
	// segments are nil, then allocated or, once the table has a successor,
	// closed.
	segments []atomicPointer[segment]
	// next is nil, then the successor, then unlinked: set once by whoever makes
	// the successor, and once by whoever moves the shard on to it. Read it by
	// store.successor, which settles what it returns.
	next atomicPointer[table]
	// born is a reading of the clock from after the table was linked, so not
	// before any that the clock gave to those who decided in its predecessor,
	// unless it has stepped back: the instant around which debts are rescaled to
	// its quota. No operation decides in it with an older reading. It never falls
	// along a chain. 0 until settled.
	born atomicInt64
	// horizon is where a key stands that is not in the table; ≥ born. It never
	// falls along a chain, but for what a rescaling makes of it.
	horizon atomicInt64
	gcra    // the quota that decides here

	// floor is the TAT up to which a copy into this table is dropped: horizon,
	// or above it under Lenient. Not 0 means settled.
	floor atomicInt64
	raise int64 // what the memory bound wants the floor to be, at least
	lap   int64 // the newest lap of the memory bound when it was made
	fill  int64 // claims at which it gets a successor
	_     [16]byte

	used    atomicInt64    // slots claimed, a hint for when to grow
	hand    atomicInt64    // next chunk to claim for sweeping, a hint
	makers  atomicInt64    // who wanted to make the successor, a hint
	through []atomicUint64 // one bit a chunk: swept, and every value arrived
	done    atomicInt64    // bits set in through
	_       [8]byte        // three cache lines: the allocator then aligns it to one
}

// unlinked stands in the next of a table that its shard has left. Who meets it
// starts again from the shard's current table. Without it, one sleeper on an
// old table would keep every later one alive.
var unlinked = new(table)

// newTable makes an empty table that is not settled yet.
func newTable(segments int, g gcra, raise, lap int64) *table {
	return &table{
		segments: make([]atomicPointer[segment], segments),
		gcra:     g, raise: raise, lap: lap, fill: fillSlots(segments),
		through: make([]atomicUint64, (segments*stepsPerSegment+63)/64),
	}
}

// newVoid makes the table of shards that hold nothing yet. It is shared by all
// of them, has one segment that is never there, never gets a successor, and is
// replaced in the shard.
func newVoid(g gcra, born int64) *table {
	t := &table{gcra: g, segments: make([]atomicPointer[segment], 1)}
	t.settle(born, born, born)
	return t
}

// settle fixes where absent keys stand. floor comes last: it tells that the
// others are there.
func (t *table) settle(born, horizon, floor int64) {
	t.born.Store(born)
	t.horizon.Store(horizon)
	t.floor.Store(floor)
}

func (t *table) void() bool { return t.fill == 0 }

// chunks is the number of helping steps that empty the table.
func (t *table) chunks() int64 { return int64(len(t.segments)) * stepsPerSegment }

// bytes is the memory that the table takes.
func (t *table) bytes() int64 {
	n := int64(unsafe.Sizeof(*t)) + int64(len(t.segments))*int64(unsafe.Sizeof(t.segments[0])) + int64(len(t.through))*8
	for i := range t.segments {
		if g := t.segments[i].Load(); g != nil && g != closed {
			n += int64(unsafe.Sizeof(*g))
		}
	}
	return n
}

// open returns a segment, and allocates it if it is not there yet. Whoever
// allocates it writes to it at once, and changes nothing: a fresh page that is
// read first, as a probe does, costs two faults, the second of them with an
// interrupt of the other cores, 3.3 µs together; written first, it costs 1.
func (t *table) open(i int) *segment {
	if g := t.segments[i].Load(); g != nil {
		return g
	}
	g := new(segment)
	g[0][0].id.Store(vacant)
	t.segments[i].CompareAndSwap(nil, g)
	return t.segments[i].Load()
}

// mulhi maps a hash to [0, n), keeping its order: a table twice as large has
// its slots in the same order, so that a sweep writes where it just wrote. rest
// is the hash within the part of its range that went to the same number.
func mulhi(hash uint64, n int) (number int, rest uint64) {
	hi, lo := bits.Mul64(hash, uint64(n))
	return int(hi), lo
}

// What a probe ended at.
type finding uint8

const (
	foundKey  finding = iota // the key's slot
	foundFree                // an empty slot: the key is not in this table, this is where it would be
	foundEnd                 // a sealed slot or the bound: the key is not, and never will be, in this table
)

// lookup is the part of a probe that mostly is enough, and so small that it is
// inlined: the slot that is tried first, if it is the key's.
func (t *table) lookup(id uint64) *slot {
	home, rest := mulhi(id, len(t.segments))
	if g := t.segments[home].Load(); g != nil {
		if s := &g[rest/(1<<64/linesPerSegment)][id%slotsPerLine]; s.id.Load() == id {
			return s
		}
	}
	return nil
}

// lookupBeyond is the rest of it: the other slots of the home line, and, for one
// key of fourteen with a million of them, the lines after it.
func (t *table) lookupBeyond(id uint64) *slot {
	if s, found := t.probe(id, false); found == foundKey {
		return s
	}
	return nil
}

// probe looks for the key. It starts in the middle of the home line, at a slot
// given by the id's lowest bits, so that most keys are found at first sight.
// Where that leads into a segment that is not there, it is foundFree without a
// slot, unless make is set: then the segment is made.
func (t *table) probe(id uint64, make bool) (*slot, finding) {
	home, rest := mulhi(id, len(t.segments))
	first := int(rest / (1 << 64 / linesPerSegment))
	for i := first; i < first+maxProbe && i < first+len(t.segments)*linesPerSegment; i++ {
		if i == linesPerSegment { // never more than one further segment: maxProbe is not more
			if home++; home == len(t.segments) {
				home = 0
			}
		}
		g := t.segments[home].Load()
		if g == nil {
			if !make {
				return nil, foundFree
			}
			g = t.open(home)
		}
		ln := &g[i%linesPerSegment]
		for k := range uint64(slotsPerLine) {
			s := &ln[(id+k)%slotsPerLine]
			switch s.id.Load() {
			case id:
				return s, foundKey
			case vacant:
				return s, foundFree
			case sealed:
				return nil, foundEnd
			}
		}
	}
	return nil, foundEnd
}

// seal closes, in a table with a successor, the place where probe found no key:
// the slot, or all of the segment that is not there. It reports false if the
// place has been taken meanwhile.
func (t *table) seal(id uint64, s *slot) bool {
	if s != nil {
		return s.seal()
	}
	home, _ := mulhi(id, len(t.segments))
	if t.shut(home) {
		return true
	}
	// Either the probe ended in the segment after it, or home has been opened
	// meanwhile, perhaps for this very key: look again.
	t.shut((home + 1) % len(t.segments))
	return false
}

// shut closes a segment that is not there yet.
func (t *table) shut(i int) bool { return t.segments[i].CompareAndSwap(nil, closed) }

// lines are those of a chunk; none if its segment is not there, or closed.
func (t *table) lines(chunk int64) []line {
	g := t.segments[chunk/stepsPerSegment].Load()
	if g == nil || g == closed {
		return nil
	}
	first := chunk % stepsPerSegment * linesPerStep
	return g[first : first+linesPerStep]
}
