package weirfile

import (
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// An Error is one thing in a quota file that cannot be used.
type Error struct {
	Path   string // of the file; "" if Parse was given its content
	Line   int    // from 1; 0 if it is about the file as a whole
	Column int    // from 1, counted in bytes, as Go's own tools count

	// Field is where in the document it is, in the notation of jq:
	// .overrides.business["42"].quota, or . for the whole. Long names are cut.
	Field string

	// Value is what is there, as JSON or in words: "300/0m", 7, an array,
	// missing, given again. It is cut if it is long, and "" in case of a syntax
	// error.
	Value string

	// Allowed is what may be there: "an object". It is "" in case of a syntax
	// error.
	Allowed string

	// Err is the cause, where another package refused the value: a
	// *weir.ParseError or *weir.ConfigError for a quota, a *json.SyntaxError, or
	// nil.
	Err error
}

// Error returns one line: the position, as compilers write it, the field, its
// value, and what is wrong with it.
//
//	quotas.json:4:17: .quotas.ip is "300/0s": weir: Quota.Period is 0s; it must be above 0
//	quotas.json:9:5: .overrides.busines is an unknown name; it must be ip, user, business or business-intake
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Path)
	if e.Line > 0 {
		if e.Path != "" {
			b.WriteByte(':')
		}
		b.WriteString(strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column))
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Field == "." {
		b.WriteString("the file")
	} else {
		b.WriteString(e.Field)
	}
	if e.Value != "" {
		b.WriteString(" is " + e.Value)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	} else {
		b.WriteString("; it must be " + e.Allowed)
	}
	return b.String()
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// compare orders errors by where they are.
func (e *Error) compare(other *Error) int {
	return cmp.Or(cmp.Compare(e.Line, other.Line), cmp.Compare(e.Column, other.Column))
}

// Errors are all errors of a file, in the order of their lines. There is at least
// one. After a thousand the rest of the file is not looked at, and the last of
// Errors says so.
//
// [errors.As] finds Errors themselves, their first *[Error], and what that one or
// a later one wraps.
type Errors []*Error

// Error returns the errors, each on a line of its own.
func (errs Errors) Error() string {
	var b strings.Builder
	for i, e := range errs {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap returns the errors one by one. It allocates.
func (errs Errors) Unwrap() []error {
	all := make([]error, len(errs))
	for i, e := range errs {
		all[i] = e
	}
	return all
}

// orNil returns errs as an error that is nil if there are none.
func (errs Errors) orNil() error {
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// fieldOf writes the way to a field as jq would.
func fieldOf(path ...string) string {
	if len(path) == 0 {
		return "."
	}
	var b strings.Builder
	for i, name := range path {
		switch {
		case isIdentifier(name):
			b.WriteString("." + name)
		case i == 0: // jq wants a dot first
			b.WriteString(".[" + quote(name) + "]")
		default:
			b.WriteString("[" + quote(name) + "]")
		}
	}
	return b.String()
}

// isIdentifier reports whether jq takes the name without brackets.
func isIdentifier(name string) bool {
	if name == "" || len(name) > maxShown {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case '0' <= c && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return true
}

// maxShown is how many bytes of a text a message repeats: enough for what
// ParseQuota writes and for an IPv6 prefix.
const maxShown = 80

// quote returns a text as JSON has it, for nearly all of them, and cut if it is
// long. What is not printable is escaped, so that a message is one line.
func quote(text string) string {
	if len(text) <= maxShown {
		return strconv.Quote(text)
	}
	end := maxShown
	for end > maxShown-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return strconv.Quote(text[:end]) + "…"
}
