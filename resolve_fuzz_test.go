package weir

import (
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// FuzzResolve compares Resolve with an oracle that was written from the design's
// table and shares no code with it, then spells the path in another way and
// demands the same answer.
func FuzzResolve(f *testing.F) {
	f.Add("POST", "/leads", "", "", "on:42", []byte{203, 0, 113, 7}, 64, []byte{})
	f.Add("GET", "/Leads/./%69ntake/?x", "42", "7", "on:42", make([]byte, 16), 128, []byte("0123456789"))
	f.Add("GET", "/campaigns", "42", "7", "nobody", []byte{}, 1, []byte{1, 2, 3})

	resolvers := map[int]*Resolver{}
	f.Fuzz(func(t *testing.T, method, path, business, user, sourceKey string, addr []byte, bits int, script []byte) {
		bits = 1 + int(uint(bits)%128)
		r := resolvers[bits]
		if r == nil {
			var err error
			if r, err = NewResolver(lookupByName, WithIPv6Prefix(bits), WithSourceCache(100)); err != nil {
				t.Fatal(err)
			}
			resolvers[bits] = r
		}
		req := Request{method, path, business, user, sourceKey, netip.Addr{}}
		if ip, ok := netip.AddrFromSlice(addr); ok {
			req.Addr = ip
		}
		clean := oraclePath(path)
		key, reason := r.Resolve(t.Context(), req)
		want, wantReason := oracleTable(req, clean, bits)
		if key.String() != want || reason.String() != wantReason {
			t.Fatalf("%+v: %v by %v, want %s by %s", req, key, reason, want, wantReason)
		}
		checkKey(t, req, key)

		again := req
		again.Path = respell(clean, script)
		if got, gotReason := r.Resolve(t.Context(), again); got != key || gotReason != reason {
			t.Fatalf("%q: %v by %v, but spelled %q: %v by %v", req.Path, key, reason, again.Path, got, gotReason)
		}
	})
}

// checkKey checks what holds for the key of any request.
func checkKey(t *testing.T, req Request, key PartitionKey) {
	part, text, _ := strings.Cut(key.String(), ":")
	if part != key.Partition.String() {
		t.Fatalf("%#v has string %q, of another partition", key, key)
	}
	if text != key.Key() && text+"/32" != key.Key() {
		t.Fatalf("%#v has string %q and key %q", key, key, key.Key())
	}
	if key.Partition == BusinessIntake {
		if req.SourceKey != "on:"+key.ID || key.ID == "" || len(req.SourceKey) > 1024 {
			t.Fatalf("%+v got the intake of %q", req, key.ID)
		}
		if req.BusinessID != "" && req.BusinessID != key.ID {
			t.Fatalf("business %q got the intake of %q", req.BusinessID, key.ID)
		}
	}
	if (key.Partition == IP) != (key.ID == "") || key.Partition != IP && key.Prefix != (netip.Prefix{}) {
		t.Fatalf("%#v is not canonical", key)
	}
	if key.Prefix != key.Prefix.Masked() {
		t.Fatalf("%#v is not masked", key)
	}
}

// oracleTable is the table of the design, row by row, top to bottom.
func oracleTable(req Request, clean string, bits int) (key, reason string) {
	intake := false
	switch req.Method + " " + clean {
	case "POST /leads", "POST /leads/intake", "GET /leads/intake":
		intake = true
	}
	kind, owner, _ := strings.Cut(req.SourceKey, ":")
	known := strings.Contains(req.SourceKey, ":") && len(req.SourceKey) <= 1024
	on := intake && known && kind == "on" && owner != ""
	off := intake && known && kind == "off"
	down := intake && known && kind == "err"
	mine := req.BusinessID == "" || req.BusinessID == owner
	for _, row := range []struct {
		when        bool
		key, reason string
	}{
		{on && mine, "business-intake:" + owner, "by-source"},
		{on && !mine, oracleAddr(req.Addr, bits), "source-mismatched"},
		{off, oracleAddr(req.Addr, bits), "source-disabled"},
		{down, oracleAddr(req.Addr, bits), "source-lookup-failed"},
		{intake && req.SourceKey == "", oracleAddr(req.Addr, bits), "source-missing"},
		{intake, oracleAddr(req.Addr, bits), "source-unknown"},
		{req.BusinessID != "", "business:" + req.BusinessID, "by-business"},
		{req.UserID != "", "user:" + req.UserID, "by-user"},
	} {
		if row.when {
			return row.key, row.reason
		}
	}
	return oracleAddr(req.Addr, bits), "anonymous"
}

// oracleAddr masks the address byte by byte.
func oracleAddr(addr netip.Addr, bits int) string {
	if addr == (netip.Addr{}) {
		return "ip:unknown"
	}
	b := addr.As16()
	if mapped := string(b[:10]) == string(make([]byte, 10)) && b[10] == 0xff && b[11] == 0xff; mapped {
		return "ip:" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	for i := bits; i < 128; i++ {
		b[i/8] &^= 0x80 >> (i % 8)
	}
	return "ip:" + netip.AddrFrom16(b).String() + "/" + strconv.Itoa(bits)
}

var (
	afterPath = regexp.MustCompile(`(?s)[?#].*`)
	wholeURL  = regexp.MustCompile(`(?s)^[^/].*?://[^/]*|^://[^/]*`)
	escape    = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	upper     = regexp.MustCompile(`[A-Z]`)
)

// oraclePath follows the doc comment of Route step by step.
func oraclePath(p string) string {
	p = afterPath.ReplaceAllString(p, "")
	p = wholeURL.ReplaceAllString(p, "")
	p = escape.ReplaceAllStringFunc("/"+p, func(e string) string {
		n, err := strconv.ParseUint(e[1:], 16, 8)
		if err != nil {
			panic(err)
		}
		return string([]byte{byte(n)})
	})
	return upper.ReplaceAllStringFunc(path.Clean(p), strings.ToLower)
}

// respell writes a clean path in one of the ways that mean the same, as script
// says: each of its bytes chooses how the next byte of the path is written.
func respell(clean string, script []byte) string {
	next := func() byte {
		if len(script) == 0 {
			return 0
		}
		b := script[0]
		script = script[1:]
		return b
	}
	const hex = "0123456789ABCDEFabcdef"
	encoded := func(c byte, choice byte) string {
		lo := c & 15
		if lo >= 10 && choice&1 != 0 {
			lo += 6 // its small letter
		}
		return "%" + string(hex[c>>4]) + string(hex[lo])
	}
	var b strings.Builder
	for i := range len(clean) {
		c, choice := clean[i], next()
		switch {
		case c == '%' || c == '?' || c == '#':
			b.WriteString(encoded(c, choice)) // as it is it would mean something else
		case c == '/':
			b.WriteString([]string{"/", "//", "/./", "/x/../", "%2F", "%2f", "/%2e/", "/%58/.%2E/"}[choice%8])
		case choice%3 == 1:
			b.WriteString(encoded(c, choice/3))
		case choice%3 == 2 && 'a' <= c && c <= 'z':
			b.WriteByte(c - 'a' + 'A')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString([]string{"", "/", "/.", "//", "/x/..", "%2f"}[next()%6])
	b.WriteString([]string{"", "?", "#", "?source=/../x", "#x?y"}[next()%5])
	s := b.String()
	switch next() % 4 {
	case 1:
		if s[0] == '/' {
			return "https://example.com:8080" + s
		}
	case 2:
		if !strings.Contains(s, "://") {
			return strings.TrimPrefix(s, "/")
		}
	}
	if s[0] != '/' && strings.Contains(s, "://") {
		return "/" + s // or it would read as a whole URL
	}
	return s
}
