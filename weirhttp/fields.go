package weirhttp

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/siphash"
)

// Fields are a form in which responses tell callers where they stand, see
// [WithFields]. Each costs an admitted request one allocation a header field, or
// one for its three X- fields.
type Fields uint8

// The forms.
const (
	// Draft11 is RateLimit-Policy and RateLimit as structured fields, as of
	// draft-ietf-httpapi-ratelimit-headers-11:
	//
	//	RateLimit-Policy: "business";q=300;w=60
	//	RateLimit: "business";r=299;t=60
	//
	// q is the quota's Limit, w its Period in seconds, left out if that is not a
	// whole number of them; r what remains; t the seconds until all of it is there
	// again, or in which r requests are earned, if that is longer: so r in t is
	// never more than the quota keeps up (section 6). In a refusal t is what
	// Retry-After says, left out if no wait would help. Numbers end at
	// 999,999,999,999,999, as those of structured fields do. Where several policies apply, RateLimit-Policy lists them all,
	// and RateLimit tells of the one that has the say. Later drafts rename
	// parameters, and will have names of their own here.
	Draft11 Fields = iota

	// Draft11Keyed is Draft11 with the parameter pk, by which callers can tell
	// their budgets apart: a keyed hash of the partition's key, under a key of
	// this process that nobody knows. It tells neither the key nor whether two
	// processes mean the same one. Tiers have none: their budget is of more keys.
	Draft11Keyed

	// XRateLimit is X-RateLimit-Limit, X-RateLimit-Remaining and
	// X-RateLimit-Reset in the meaning that GitHub's API gives them: Reset is
	// when all of the quota is there again, in seconds since 1970 UTC.
	XRateLimit
)

const numFields = 3

// A teller writes fields for one middleware.
type teller struct {
	forms  []Fields
	budget budget
	groups [][]told
	k0, k1 uint64 // of pk
}

// told is a policy and what it is called.
type told struct {
	name   string // printable ASCII
	quoted string // as a String of a structured field (RFC 9651, section 3.3.3)
	tier   bool   // of whole networks
}

func newTeller(forms []Fields, b budget) *teller {
	t := &teller{forms: forms, budget: b}
	for _, policies := range b.groups() {
		group := make([]told, len(policies))
		for i, p := range policies {
			name := printable(p.Name)
			group[i] = told{name, quote(name), strings.HasPrefix(p.Name, weir.IP.String()+"/")}
		}
		t.groups = append(t.groups, group)
	}
	var key [16]byte
	rand.Read(key[:]) // never fails: crypto/rand ends the program instead
	t.k0, t.k1 = binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])
	return t
}

// printable escapes what a String may not have. Patterns of http.ServeMux may have
// any bytes.
func printable(name string) string {
	var b []byte
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' {
			b = fmt.Appendf(b, "%%%02X", c)
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

func quote(printable string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(printable) + `"`
}

func (t *teller) fields(h http.Header, o Outcome) {
	for _, form := range t.forms {
		switch form {
		case Draft11, Draft11Keyed:
			t.draft11(h, o, form == Draft11Keyed)
		case XRateLimit:
			xRateLimit(h, o)
		}
	}
}

// A field is the value of a header field with room for most texts, in one
// allocation.
type field struct {
	values [1]string
	room   [112]byte
}

func (f *field) set(h http.Header, name string, text []byte) {
	f.values[0] = unsafeString(text)
	h[name] = f.values[:1:1]
}

func (t *teller) draft11(h http.Header, o Outcome, keyed bool) {
	group := t.groups[t.budget.group(o)]
	var pk []byte
	var pkRoom [24]byte
	if keyed {
		pk = t.appendKey(pkRoom[:0], o)
	}
	f := new(field)
	b := f.room[:0]
	for i := range group {
		q := t.budget.quota(o, i)
		if q.Limit == 0 {
			continue // a tier, and no IPv6 address
		}
		if len(b) > 0 {
			b = append(b, ", "...)
		}
		b = appendNumber(append(b, group[i].quoted...), ";q=", q.Limit)
		if q.Period%time.Second == 0 {
			b = appendNumber(b, ";w=", int64(q.Period/time.Second))
		}
		if !group[i].tier {
			b = append(b, pk...)
		}
	}
	f.set(h, "Ratelimit-Policy", b)

	f = new(field)
	says := &group[o.Policy]
	b = appendNumber(append(f.room[:0], says.quoted...), ";r=", o.Remaining)
	if o.Allowed {
		b = appendNumber(b, ";t=", max(seconds(o.ResetAfter), earnedIn(o.Remaining, t.budget.quota(o, o.Policy))))
	} else if o.RetryAfter != weir.Never {
		b = appendNumber(b, ";t=", o.RetryAfterSeconds())
	}
	if !says.tier {
		b = append(b, pk...)
	}
	f.set(h, "Ratelimit", b)
}

// largestNumber is that of a structured field (RFC 9651, section 3.3.1).
const largestNumber = 999_999_999_999_999

func appendNumber(b []byte, parameter string, n int64) []byte {
	return strconv.AppendInt(append(b, parameter...), min(n, largestNumber), 10)
}

// earnedIn is in how many seconds, rounded up, the quota earns n requests.
func earnedIn(n int64, q weir.Quota) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(q.Period))
	if hi >= uint64(q.Limit) { // the quota has changed since n was decided by another one
		return largestNumber
	}
	nanos, rest := bits.Div64(hi, lo, uint64(q.Limit))
	if rest > 0 {
		nanos++
	}
	return int64(min((nanos+uint64(time.Second)-1)/uint64(time.Second), largestNumber))
}

// appendKey appends the parameter pk, a Byte Sequence: a hash of the key, hashed
// once more with the group that it is of, so that business 42 and user 42 differ.
func (t *teller) appendKey(b []byte, o Outcome) []byte {
	var room [len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")]byte
	text := o.Text
	switch {
	case o.Key.Partition != weir.IP:
		text = o.Key.ID
	case text == "":
		text = unsafeString(o.Key.Prefix.AppendTo(room[:0]))
	}
	var both [16]byte
	binary.BigEndian.PutUint64(both[:8], siphash.Sum64(t.k0, t.k1, text))
	binary.BigEndian.PutUint64(both[8:], uint64(t.budget.group(o)))
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], siphash.Sum64(t.k0, t.k1, unsafeString(both[:])))
	b = append(b, ";pk=:"...)
	return append(base64.StdEncoding.AppendEncode(b, sum[:]), ':')
}

func xRateLimit(h http.Header, o Outcome) {
	f := new(struct {
		values [3]string
		room   [60]byte
	})
	b, at := f.room[:0], 0
	for i, v := range [...]int64{o.Limit, o.Remaining, seconds(time.Duration(time.Now().UnixNano()) + o.ResetAfter)} {
		b = strconv.AppendInt(b, v, 10)
		f.values[i] = unsafeString(b[at:])
		at = len(b)
	}
	h["X-Ratelimit-Limit"] = f.values[0:1:1]
	h["X-Ratelimit-Remaining"] = f.values[1:2:2]
	h["X-Ratelimit-Reset"] = f.values[2:3:3]
}

// seconds is d rounded up to whole seconds.
func seconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Second) + 1
}

// problem is the problem document of quota-exceeded. It names the policy that has
// the say, also where others are exceeded.
func (t *teller) problem(o Outcome) string {
	// Printable ASCII: what a String of a structured field escapes, JSON does, too.
	name := t.groups[t.budget.group(o)][o.Policy].quoted
	return `{
  "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
  "status": 429,
  "title": "Too many requests.",
  "detail": "The API rate limit for this account has been exceeded.",
  "violated-policies": [` + name + `]
}`
}

// unsafeString is the text of bytes that are not written any more.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
