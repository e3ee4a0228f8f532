package weirhttp

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
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
	//	RateLimit: "business";r=299;t=1
	//
	// q is the quota's Limit, w its Period in seconds, left out if that is not a
	// whole number of them; r what remains; t the seconds until all of it is
	// there again, or in a refusal what Retry-After says, left out if no wait
	// would help. Where several policies apply, RateLimit-Policy lists them all,
	// and RateLimit tells of the one that has the say. Later drafts rename
	// parameters, and will have names of their own here.
	Draft11 Fields = iota

	// Draft11Keyed is Draft11 with the parameter pk, by which callers can tell
	// their budgets apart: a keyed hash of the partition's key, under a key of
	// this process that nobody knows. It tells neither the key nor whether two
	// processes mean the same one.
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

// told is a policy, and what was last written of it.
type told struct {
	weir.Policy
	quoted string
	text   atomic.Pointer[policyText]
}

// policyText is an item of RateLimit-Policy without pk.
type policyText struct {
	weir.Quota
	text string
}

func newTeller(forms []Fields, b budget) *teller {
	t := &teller{forms: forms, budget: b}
	for _, policies := range b.groups() {
		group := make([]told, len(policies))
		for i, p := range policies {
			group[i].Policy, group[i].quoted = p, quote(p.Name)
		}
		t.groups = append(t.groups, group)
	}
	var key [16]byte
	rand.Read(key[:]) // never fails: crypto/rand ends the program instead
	t.k0, t.k1 = binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])
	return t
}

// quote makes a String of a structured field (RFC 9651, section 3.3.3). A pattern
// of http.ServeMux may have characters that a String may not: they become '_'.
func quote(name string) string {
	b := []byte{'"'}
	for _, c := range []byte(name) {
		switch {
		case c < ' ' || c > '~':
			b = append(b, '_')
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
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
	room   [80]byte
}

func (f *field) set(h http.Header, name string, text string) {
	f.values[0] = text
	h[name] = f.values[:1:1]
}

func (t *teller) draft11(h http.Header, o Outcome, keyed bool) {
	group := t.groups[t.budget.group(o)]
	var pk []byte
	var pkRoom [24]byte
	if keyed {
		pk = t.appendKey(pkRoom[:0], o)
	}
	// RateLimit-Policy is written once for a quota, and mostly the only policy's.
	policies := new([1]string)
	policies[0] = group[0].item(t.budget.quota(o, 0))
	if len(group) > 1 || keyed {
		var b strings.Builder
		for i := range group {
			q := t.budget.quota(o, i)
			if q.Limit == 0 {
				continue // a tier, and no IPv6 address
			}
			if b.Len() > 0 {
				b.WriteString(", ")
			}
			b.WriteString(group[i].item(q))
			b.Write(pk)
		}
		policies[0] = b.String()
	}
	h["Ratelimit-Policy"] = policies[:1:1]

	f := new(field)
	b := append(f.room[:0], group[o.Policy].quoted...)
	b = strconv.AppendInt(append(b, ";r="...), o.Remaining, 10)
	if o.Allowed {
		b = strconv.AppendInt(append(b, ";t="...), seconds(o.ResetAfter), 10)
	} else if o.RetryAfter != weir.Never {
		b = strconv.AppendInt(append(b, ";t="...), o.RetryAfterSeconds(), 10)
	}
	f.set(h, "Ratelimit", unsafeString(append(b, pk...)))
}

// item is the policy's item of RateLimit-Policy for a quota, which is nearly
// always the same one.
func (p *told) item(q weir.Quota) string {
	if last := p.text.Load(); last != nil && last.Quota == q {
		return last.text
	}
	b := strconv.AppendInt([]byte(p.quoted+";q="), q.Limit, 10)
	if q.Period%time.Second == 0 {
		b = strconv.AppendInt(append(b, ";w="...), int64(q.Period/time.Second), 10)
	}
	now := &policyText{q, string(b)}
	if p.Limiter.Quota() == q { // and not that of one key, which would push the others' out
		p.text.Store(now)
	}
	return now.text
}

// appendKey appends the parameter pk, a Byte Sequence.
func (t *teller) appendKey(b []byte, o Outcome) []byte {
	text := o.Text
	if o.Text == "" {
		text = o.Key.String()
	}
	sum := binary.BigEndian.AppendUint64(make([]byte, 0, 8), siphash.Sum64(t.k0, t.k1, o.Route+"\x00"+text))
	b = append(b, ";pk=:"...)
	return append(base64.StdEncoding.AppendEncode(b, sum), ':')
}

func xRateLimit(h http.Header, o Outcome) {
	f := new(struct {
		values [3]string
		room   [60]byte
	})
	b, at := f.room[:0], 0
	for i, v := range [...]int64{o.Limit, o.Remaining, time.Now().Unix() + seconds(o.ResetAfter)} {
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
	return int64((d + time.Second - 1) / time.Second)
}

// problem is the problem document of quota-exceeded.
func (t *teller) problem(o Outcome) string {
	name := t.groups[t.budget.group(o)][o.Policy].Name
	return `{
  "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
  "status": 429,
  "title": "Too many requests.",
  "detail": "The API rate limit for this account has been exceeded.",
  "violated-policies": [` + strconv.Quote(name) + `]
}`
}

// unsafeString is the text of bytes that are not written any more.
func unsafeString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
