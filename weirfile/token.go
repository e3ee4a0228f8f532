package weirfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of what a hostile file can cost.
const (
	maxErrors = 1000 // reported of one file
	maxDepth  = 100  // of a value that is skipped; the format itself has 4
)

// A reader reads the tokens of a document, knows where each begins, and collects
// what is wrong.
type reader struct {
	source  []byte
	decoder *json.Decoder
	start   int      // offset of the token that was read last
	at      place    // the same by line and column
	path    []string // names on the way to it
	errs    Errors
	broken  bool // nothing can be read any more, and errs say why
	counted place
	passed  int // the offset that counted belongs to
}

// A place is a position in the document.
type place struct{ line, column int }

func newReader(source []byte) *reader {
	r := &reader{source: source, decoder: json.NewDecoder(bytes.NewReader(source)), counted: place{1, 1}}
	r.decoder.UseNumber() // a number is wrong anyway, but must not be a syntax error for its size
	return r
}

// next reads a token. If there is none, the reader is broken.
func (r *reader) next() (token json.Token, ok bool) {
	if r.broken {
		return nil, false
	}
	r.start = r.beginning(int(r.decoder.InputOffset()))
	r.at = r.placeOf(r.start)
	token, err := r.decoder.Token()
	if err != nil {
		r.breakOff(err)
		return nil, false
	}
	return token, true
}

// beginning skips what the decoder skips before a token.
func (r *reader) beginning(offset int) int {
	rest := bytes.TrimLeft(r.source[offset:], " \t\r\n,:")
	return len(r.source) - len(rest)
}

// placeOf counts lines on from the last place asked for, so that asking for
// many, in their order, takes one pass over the document.
func (r *reader) placeOf(offset int) place {
	if offset < r.passed {
		r.passed, r.counted = 0, place{1, 1}
	}
	gap := r.source[r.passed:offset]
	if lines := bytes.Count(gap, []byte{'\n'}); lines > 0 {
		r.counted.line += lines
		r.counted.column = len(gap) - bytes.LastIndexByte(gap, '\n')
	} else {
		r.counted.column += len(gap)
	}
	r.passed = offset
	return r.counted
}

// breakOff reports that the document is not JSON.
func (r *reader) breakOff(err error) {
	// What the decoder says counts from various beginnings, and it ends a
	// document that breaks off with a bare io.EOF. Unmarshal looks at the whole
	// document first, and knows the very byte.
	at := r.at
	if e := syntaxError(r.source); e != nil {
		err = e
		offset := int(e.Offset - syntaxError([]byte{'x'}).Offset)
		if e.Error() == syntaxError(nil).Error() { // it ends too soon: at its last byte
			offset = len(r.source) - 1
		}
		at = r.placeOf(max(offset, 0))
	}
	r.report(&Error{Line: at.line, Column: at.column, Err: err})
	r.broken = true
}

// syntaxError returns what is wrong with a document, or nil. Whether its Offset
// counts the byte at fault depends on the implementation of encoding/json: it
// does, but not with GOEXPERIMENT=jsonv2.
func syntaxError(source []byte) (e *json.SyntaxError) {
	errors.As(json.Unmarshal(source, new(json.RawMessage)), &e)
	return e
}

// skip reads the rest of a value that begins with the given token.
func (r *reader) skip(token json.Token) {
	depth := 0
	for ok := true; ok; token, ok = r.next() {
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				r.fail(r.at, "nested in more than "+strconv.Itoa(maxDepth)+" others", "flatter")
				r.broken = true
				return
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return
		}
	}
}

// object reads an object and calls member after each name, to read its value.
// Names are the same if identity says so. It returns where the object begins,
// and whether it was read to its end; if not, that is reported.
func (r *reader) object(identity func(string) string, member func(name string)) (begin place, complete bool) {
	token, ok := r.next()
	if !ok {
		return place{}, false
	}
	if token != json.Delim('{') {
		r.wrongType(token, "an object")
		return place{}, false
	}
	begin = r.at
	return begin, r.members(identity, member)
}

// members is object after its opening brace.
func (r *reader) members(identity func(string) string, member func(name string)) (complete bool) {
	lines := map[string]int{}
	for {
		token, ok := r.next()
		if !ok {
			return false
		}
		name, ok := token.(string)
		if !ok {
			return true // the closing brace: the decoder lets nothing else stand here
		}
		r.path = append(r.path, name)
		r.checkText(name, "a name")
		id := identity(name)
		if line, again := lines[id]; again {
			r.fail(r.at, "given again", "given once, as it is in line "+strconv.Itoa(line))
		} else {
			lines[id] = r.at.line
		}
		member(name)
		r.path = r.path[:len(r.path)-1]
	}
}

// itself is the identity of names that are the same only if they are equal.
func itself(name string) string { return name }

// checkText reports a text, the token that was read last, that is not what its
// author wrote. The decoder puts U+FFFD in place of bad UTF-8 and of halves of
// surrogate pairs, so that different keys become one.
func (r *reader) checkText(text, what string) bool {
	raw := r.source[r.start:r.decoder.InputOffset()]
	switch {
	case !utf8.Valid(raw):
		r.fail(r.at, "not UTF-8", what+" in UTF-8")
	case hasHalfPair(raw):
		r.fail(r.at, "half of a surrogate pair", what+" of whole characters")
	case strings.IndexByte(text, 0) >= 0:
		r.fail(r.at, "a text with NUL in it", what+" without")
	default:
		return true
	}
	return false
}

// hasHalfPair reports whether a string literal has a \u escape for half of a
// surrogate pair without the other half next to it.
func hasHalfPair(literal []byte) bool {
	for i := 0; i+1 < len(literal); i++ {
		if literal[i] != '\\' {
			continue
		}
		i++ // the escaped character, which may be a backslash
		switch surrogate(literal[i:]) {
		case 'h':
			if i+5 >= len(literal) || literal[i+5] != '\\' || surrogate(literal[i+6:]) != 'l' {
				return true
			}
			i += 6
		case 'l':
			return true
		}
	}
	return false
}

// surrogate says which half of a pair the escape after a backslash is: 'h' for
// the high one, which comes first, 'l' for the low one, or 0.
func surrogate(escape []byte) byte {
	if len(escape) < 5 || escape[0] != 'u' {
		return 0
	}
	unit, _ := strconv.ParseUint(string(escape[1:5]), 16, 16) // the decoder has taken it
	switch {
	case 0xD800 <= unit && unit < 0xDC00:
		return 'h'
	case 0xDC00 <= unit && unit < 0xE000:
		return 'l'
	}
	return 0
}

// wrongType reports a value that begins with the token, and skips it.
func (r *reader) wrongType(token json.Token, allowed string) {
	r.fail(r.at, describe(token), allowed)
	r.skip(token)
}

// describe says in an error what a token, or the value that it begins, is.
func describe(token json.Token) string {
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return "an array"
		}
		return "an object"
	case string:
		return quote(v)
	case json.Number:
		if len(v) > maxShown {
			return "a number of " + strconv.Itoa(len(v)) + " digits"
		}
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return "null"
}

// fail reports what is at the end of the path.
func (r *reader) fail(at place, value, allowed string) {
	r.report(&Error{Line: at.line, Column: at.column, Value: value, Allowed: allowed})
}

// tooMany stands for an error beyond maxErrors and all that would come after it.
func tooMany(e *Error) *Error {
	return &Error{Line: e.Line, Column: e.Column, Field: ".",
		Err: errors.New("more than " + strconv.Itoa(maxErrors) + " errors; the rest was not looked at")}
}

// report adds an error about what is at the end of the path. Beyond the bound the
// document is given up.
func (r *reader) report(e *Error) {
	switch {
	case r.broken:
		return
	case len(r.errs) == maxErrors:
		e = tooMany(e)
		r.broken = true
	default:
		e.Field = fieldOf(r.path...)
	}
	r.errs = append(r.errs, e)
}
