package weir

import (
	"strconv"
	"strings"
)

// A Route is a method and a path.
//
// Methods match exactly, as HTTP compares them: "post" is not "POST", and a GET
// route does not cover HEAD; where the router serves HEAD by a GET handler, list
// both.
//
// Paths match after both have been brought into one form, so that no spelling
// of a path lets its sender choose a partition. In this order:
//
//  1. Everything from the first '?' or '#' on is cut. If what is left does not
//     begin with a slash, the scheme and host of a whole URL ("http://host/leads")
//     are dropped, and a slash is put before whatever remains: "" is "/".
//  2. Percent-encoding is decoded, once: "/%6Ceads" and "/leads%2Fintake" are
//     "/leads" and "/leads/intake". A '%' without two hexadecimal digits is kept.
//  3. It is cleaned as [path.Clean] does: doubled slashes, "." and ".." segments
//     and a trailing slash go.
//  4. The letters A to Z become a to z. Nothing beyond ASCII is folded, for no
//     router takes "/leadſ" (long s) for "/leads".
//
// This is how net/http reads a path, and what is no more than this is taken
// literally: ';' and '\' are ordinary characters and a second layer of
// percent-encoding is not removed, because to Go's routers "/leads;x", "/leads\"
// and "/%256Ceads" are other paths, which reach no intake handler. To fold them
// as well would not be the safe side: a ".." after them would then remove
// another segment here than it does in the router, and "/leads/..;/x/../.."
// would be /leads there and / here.
type Route struct {
	Method string // "POST"; not empty
	Path   string // "/leads/intake", without wildcards; begins with a slash
}

// defaultIntakeRoutes are the intake routes of the service that weir was built
// for.
var defaultIntakeRoutes = []Route{
	{"POST", "/leads"},
	{"POST", "/leads/intake"},
	{"GET", "/leads/intake"},
}

// validate refuses a route that could never match, or not match what its author
// meant.
func (r Route) validate() error {
	switch {
	case r.Method == "" || strings.ContainsAny(r.Method, " \t\r\n/"):
		return &ConfigError{"WithIntakeRoutes: Route.Method", strconv.Quote(r.Method), `an HTTP method, such as "POST"`}
	case !strings.HasPrefix(r.Path, "/"):
		return &ConfigError{"WithIntakeRoutes: Route.Path", strconv.Quote(r.Path), `a path that begins with a slash, such as "/leads"`}
	case strings.ContainsAny(r.Path, "?#{}*"):
		return &ConfigError{"WithIntakeRoutes: Route.Path", strconv.Quote(r.Path), "literal: no query, fragment or wildcard"}
	}
	return nil
}

// A routeSet is a set of routes whose paths are clean. It is small: a service has
// few intake routes, and walking them costs less than hashing.
type routeSet []Route

func newRouteSet(routes []Route) (routeSet, error) {
	set := make(routeSet, 0, len(routes))
	for _, r := range routes {
		if err := r.validate(); err != nil {
			return nil, err
		}
		set = append(set, Route{strings.Clone(r.Method), string(appendCleanPath(nil, r.Path))})
	}
	return set, nil
}

// contains reports whether a request of this method and path, however spelled,
// is for one of the routes. It allocates only to clean a path that is not clean
// and longer than its buffer.
func (set routeSet) contains(method, path string) bool {
	// Most requests end in this loop: another method, or a route as it is.
	possible := false
	for i := range set {
		if set[i].Method == method {
			if set[i].Path == path {
				return true
			}
			possible = true
		}
	}
	if !possible || isCleanPath(path) {
		return false
	}
	var buf [128]byte
	clean := appendCleanPath(buf[:0], path)
	for i := range set {
		if set[i].Method == method && set[i].Path == string(clean) {
			return true
		}
	}
	return false
}

// isCleanPath reports that appendCleanPath would change nothing. It may say no
// to a clean path ("/.well-known"), never yes to another. It takes a quarter of
// the time that cleaning and comparing would.
func isCleanPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c > '?': // nearly all of a usual path
			if 'A' <= c && c <= 'Z' {
				return false
			}
		case c == '/':
			if i+1 == len(path) {
				return i == 0
			}
			if next := path[i+1]; next == '/' || next == '.' {
				return false
			}
		case c == '%', c == '?', c == '#':
			return false
		}
	}
	return true
}

// appendCleanPath appends path in the form that the doc comment of Route
// describes, in one pass, to an empty dst.
func appendCleanPath(dst []byte, path string) []byte {
	path = trimToPath(path)
	dst = append(dst, '/')
	segment := 1 // where the unfinished last segment begins; dst[segment-1] is a slash
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' && i+2 < len(path) {
			if hi, lo := unhex(path[i+1]), unhex(path[i+2]); hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		switch {
		case c == '/':
			dst = endSegment(dst, segment)
			segment = len(dst)
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		default:
			dst = append(dst, c)
		}
	}
	dst = endSegment(dst, segment)
	if len(dst) > 1 {
		dst = dst[:len(dst)-1] // its slash
	}
	return dst
}

// trimToPath cuts off what is not the path: query, fragment, scheme and host.
func trimToPath(path string) string {
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	if strings.HasPrefix(path, "/") {
		return path
	}
	if _, rest, ok := strings.Cut(path, "://"); ok {
		_, path, _ = strings.Cut(rest, "/") // the host goes
	}
	return path
}

// endSegment ends the segment of dst that begins at start: an empty one and "."
// are removed, ".." with the segment before it, any other gets its slash.
func endSegment(dst []byte, start int) []byte {
	switch string(dst[start:]) {
	case "", ".":
		return dst[:start]
	case "..":
		end := start - 1 // the slash of the segment before, or the first of all
		for end > 0 && dst[end-1] != '/' {
			end--
		}
		return dst[:max(end, 1)]
	}
	return append(dst, '/')
}

// unhex returns the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
