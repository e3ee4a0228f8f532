package redistest

import (
	"bufio"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func readOne(text string) (any, *replyReader, error) {
	r := &replyReader{br: bufio.NewReader(strings.NewReader(text))}
	reply, err := r.next()
	return reply, r, err
}

func TestReplies(t *testing.T) {
	for text, want := range map[string]any{
		"+OK\r\n":                         "OK",
		"-ERR no\r\n":                     Error("ERR no"),
		":-12\r\n":                        int64(-12),
		"$-1\r\n":                         nil,
		"$0\r\n\r\n":                      "",
		"$4\r\na\r\nb\r\n":                "a\r\nb",
		"*-1\r\n":                         nil,
		"*0\r\n":                          []any{},
		"*2\r\n:1\r\n*1\r\n$1\r\nx\r\n":   []any{int64(1), []any{"x"}},
		"_\r\n":                           nil,
		"#t\r\n":                          true,
		"#f\r\n":                          false,
		",1.5\r\n":                        1.5,
		"(123456789012345678901\r\n":      "123456789012345678901",
		"!5\r\nERR x\r\n":                 Error("ERR x"),
		"=5\r\ntxt:x\r\n":                 "x",
		"=2\r\nab\r\n":                    "",
		"%1\r\n+k\r\n:1\r\n":              []any{"k", int64(1)},
		"~1\r\n:1\r\n":                    []any{int64(1)},
		">1\r\n+pushed\r\n":               []any{"pushed"},
		"|1\r\n+ttl\r\n:3\r\n+answer\r\n": "answer",
	} {
		got, r, err := readOne(text + "+next\r\n")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %#v, %v; want %#v", text, got, err, want)
		}
		if string(r.raw) != text {
			t.Errorf("%q: its bytes are kept as %q", text, r.raw)
		}
		if next, err := r.next(); next != "next" || err != nil {
			t.Errorf("%q: then %v, %v; want next", text, next, err)
		}
		// Cut anywhere it is an error: the end of the connection in mid-reply.
		for n := range len(text) {
			want := io.ErrUnexpectedEOF
			if n == 0 {
				want = io.EOF
			}
			if _, _, err := readOne(text[:n]); !errors.Is(err, want) {
				t.Errorf("%q: error %v, want %v", text[:n], err, want)
			}
		}
	}
}

func TestBadReplies(t *testing.T) {
	for _, text := range []string{
		"\r\n", "+OK\n", "?x\r\n", ":x\r\n", ",x\r\n", "$x\r\n", "$-2\r\n", "$1\r\nab\r\n", "$536870913\r\n",
		"*x\r\n", "*-2\r\n", "*536870913\r\n", strings.Repeat("*1\r\n", maxDepth+2) + ":1\r\n",
	} {
		if got, _, err := readOne(text); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %#v, %v; want an error that says what is wrong", text, got, err)
		}
	}
}

// FuzzReplies reads any bytes: no panic, and what is kept is what was read.
func FuzzReplies(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		got, r, err := readOne(text)
		if !strings.HasPrefix(text, string(r.raw)) {
			t.Fatalf("%q: its bytes are kept as %q", text, r.raw)
		}
		if err != nil {
			return
		}
		again, _, err := readOne(string(r.raw))
		// A NaN is not itself.
		if err != nil || !reflect.DeepEqual(again, got) && !strings.Contains(strings.ToLower(text), "nan") {
			t.Fatalf("%q: %#v, and from its own bytes %#v, %v", text, got, again, err)
		}
	})
}
