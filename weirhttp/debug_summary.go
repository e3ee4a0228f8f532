package weirhttp

import "slices"

// A summary finds the most frequent keys of a stream with m counters, by
// Space-Saving (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient Computation of
// Frequent and Top-k Elements in Data Streams", ICDT 2005): a key without a counter
// takes over the one that has counted least, with what it has counted. So
//
//   - a key has been seen at most as often as its counter says, and at least as
//     often as that less what it took over;
//   - a key without a counter, at most as often as the least counter says;
//   - which is at most the length of the stream divided by m: so every key that
//     makes up more than that has a counter.
//
// A step costs a look-up and, as counters rise by one, a binary search: they are
// kept in order, and one that rises changes places with the first of its equals.
type summary struct {
	seen  int64 // length of the stream
	used  int   // counters
	slots []slot
	order []uint16  // of slots, by falling count
	heads []uint16  // of the chains of slots by the low bits of their hashes: a slot + 1, or 0
	texts []keyText // of the slots; nil unless keys are shown
}

// A slot is a counter and whose it is.
type slot struct {
	hash  uint64
	count int64
	over  int64  // what it took over
	place uint16 // in order
	next  uint16 // of its chain: a slot + 1, or 0
}

func (s *summary) init(counters int, withTexts bool) {
	heads := 1
	for heads < counters {
		heads *= 2
	}
	s.slots = make([]slot, counters)
	s.order = make([]uint16, counters)
	s.heads = make([]uint16, heads)
	if withTexts {
		s.texts = make([]keyText, counters)
	}
}

func (s *summary) reset() {
	s.seen, s.used = 0, 0
	clear(s.heads)
}

// clone copies what [topKeys.top] needs.
func (s *summary) clone() summary {
	c := *s
	c.slots = slices.Clone(s.slots[:s.used])
	if s.texts != nil {
		c.texts = slices.Clone(s.texts[:s.used])
	}
	return c
}

// add counts a key, and returns the slot that it has, and whether it is new there.
func (s *summary) add(hash uint64) (at int, isNew bool) {
	s.seen++
	head := s.head(hash)
	for next := *head; next != 0; next = s.slots[next-1].next {
		if s.slots[next-1].hash == hash {
			s.raise(next - 1)
			return int(next - 1), false
		}
	}
	took := s.take()
	s.slots[took].hash = hash
	s.slots[took].next = *head
	*head = took + 1
	s.raise(took)
	return int(took), true
}

func (s *summary) head(hash uint64) *uint16 { return &s.heads[hash&uint64(len(s.heads)-1)] }

// take frees a slot of its key: one that has none yet, or the one that has counted
// least. It stays last in the order.
func (s *summary) take() uint16 {
	if s.used < len(s.slots) {
		took := uint16(s.used)
		s.order[took] = took
		s.slots[took] = slot{place: took}
		s.used++
		return took
	}
	took := s.order[len(s.order)-1]
	link := s.head(s.slots[took].hash)
	for *link != took+1 {
		link = &s.slots[*link-1].next
	}
	*link = s.slots[took].next
	s.slots[took].over = s.slots[took].count
	return took
}

// raise adds one to a counter.
func (s *summary) raise(at uint16) {
	sl := &s.slots[at]
	// The first place in the order whose count is not above this one's.
	low, high := uint16(0), sl.place
	for low < high {
		mid := (low + high) / 2
		if s.slots[s.order[mid]].count > sl.count {
			low = mid + 1
		} else {
			high = mid
		}
	}
	first := s.order[low]
	s.order[low], s.order[sl.place] = at, first
	s.slots[first].place = sl.place
	sl.place = low
	sl.count++
}

// least is how often a key without a counter can have been seen at most.
func (s *summary) least() int64 {
	if s.used < len(s.order) {
		return 0
	}
	return s.slots[s.order[s.used-1]].count
}
