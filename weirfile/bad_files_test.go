package weirfile

import "strings"

// three is a good file but for its overrides, which begin on line 3.
const three = `{"quotas": {"ip": "1/1s", "user": "1/1s", "business": "1/1s", "business-intake": "1/1s"},
 "overrides": {
`

// oneLine is a good file on one line but for its overrides, which begin in column
// 96.
func oneLine(overrides string) string {
	return `{"quotas":{"ip":"1/1s","user":"1/1s","business":"1/1s","business-intake":"1/1s"}, "overrides": ` + overrides + `}`
}

// What messages say is allowed.
const (
	aQuota  = `a quota such as "300/1m" or "300/1m burst 50"`
	aName   = `ip, user, business or business-intake`
	allFour = `an object with a quota for each of the four partitions`
)

// badFiles are refused, with these messages.
var badFiles = []struct {
	name, content string
	want          []string // beginnings of the lines
}{
	{"empty", "", []string{"1:1: the file: unexpected end of JSON input"}},
	{"white space", " \n ", []string{"2:1: the file: unexpected end"}},
	{"null", "null", []string{"1:1: the file is null; it must be an object"}},
	{"array", "\n [{}, [1]]", []string{"2:2: the file is an array; it must be an object"}},
	{"text", `"{}"`, []string{`1:1: the file is "{}"; it must be an object`}},
	{"number", "1e999", []string{"1:1: the file is 1e999; it must be an object"}},
	{"long number", strings.Repeat("1", 200), []string{"1:1: the file is a number of 200 digits; it must be an object"}},
	{"true", "true", []string{"1:1: the file is true; it must be an object"}},
	{"no JSON", "quotas:\n", []string{"1:1: the file: invalid character 'q'"}},
	{"UTF-16", "\xff\xfe{\x00}\x00", []string{"1:1: the file: invalid character"}},
	{"byte order mark", "\ufeff{}", []string{"1:1: the file is preceded by a byte order mark; it must be saved as UTF-8 without one"}},
	{"NUL", three + "}}\x00", []string{"3:3: the file: invalid character '\\x00'"}},
	{"comment", "{ // quotas\n}", []string{"1:3: the file: invalid character '/'"}},
	{"comma at the end", three + `"user": {"7": "1/1s",}}}`, []string{`3:22: .overrides.user: invalid character '}'`}},
	{"missing", "\n {}", []string{"2:2: .quotas is missing; it must be " + allFour}},
	{"missing partitions", `{"quotas":` + "\n" + `{"user": "1/1s"}}`, []string{
		`2:1: .quotas.ip is missing; it must be ` + aQuota,
		`2:1: .quotas.business is missing; it must be ` + aQuota,
		`2:1: .quotas["business-intake"] is missing; it must be ` + aQuota,
	}},
	{"quotas null", `{"quotas": null}`, []string{"1:12: .quotas is null; it must be an object"}},
	{"overrides null", oneLine(`null`), []string{"1:96: .overrides is null; it must be an object"}},
	{"overrides array", oneLine(`[]`), []string{"1:96: .overrides is an array; it must be an object"}},
	{"unknown", three + `}, "Quotas": {"a": [1, {}]}, "version": 1}`, []string{
		"3:4: .Quotas is an unknown name; it must be quotas or overrides",
		"3:30: .version is an unknown name; it must be quotas or overrides",
	}},
	{"unknown partitions", three + `"busines": {"a": "1/1s"}, "IP": {}, "": 1}}`, []string{
		"3:1: .overrides.busines is an unknown name; it must be " + aName,
		"3:27: .overrides.IP is an unknown name; it must be " + aName,
		`3:37: .overrides[""] is an unknown name; it must be ` + aName,
	}},
	{"partition of a wrong type", three + `"user": "1/1s", "ip": [{"1":2}]}}`, []string{
		`3:9: .overrides.user is "1/1s"; it must be an object`,
		`3:23: .overrides.ip is an array; it must be an object`,
	}},
	{"given again", three + `"user": {"7": "1/1s",` + "\n" + ` "7": "1/1m"}, "user": {}, "\u0075ser": {}}, "quotas": {}}`, []string{
		`4:2: .overrides.user["7"] is given again; it must be given once, as it is in line 3`,
		`4:16: .overrides.user is given again; it must be given once, as it is in line 3`,
		`4:28: .overrides.user is given again; it must be given once, as it is in line 3`,
		`4:46: .quotas is given again; it must be given once, as it is in line 1`,
		`4:56: .quotas.ip is missing`, `4:56: .quotas.user is missing`, `4:56: .quotas.business is missing`,
		`4:56: .quotas["business-intake"] is missing`,
	}},
	{"quota given again", `{"quotas": {"ip": "1/1s", "ip": "2/1s", "user": "1/1s", "business": "1/1s", "business-intake": "1/1s"}}`,
		[]string{`1:27: .quotas.ip is given again; it must be given once, as it is in line 1`}},
	{"one address twice", three + `"ip": {"192.0.2.1": "1/1s", "192.0.2.1/32": "1/1m"}}}`, []string{
		`3:29: .overrides.ip["192.0.2.1/32"] is given again; it must be given once, as it is in line 3`,
	}},
	{"quotas that are none", three + `"user": {"a": "", "b": "300", "c": "300/1x", "d": "0/1m", "e": "5/1m burst 0", "f": "\u0035/1x"}}}`, []string{
		`3:16: .overrides.user.a is "": weir: quota "": at byte 0: want a slash`,
		`3:28: .overrides.user.b is "300": weir: quota "300": at byte 3: want a slash`,
		`3:41: .overrides.user.c is "300/1x": weir: quota "300/1x": at byte 4: want a period`,
		`3:51: .overrides.user.d is "0/1m": weir: Quota.Limit is 0; it must be above 0`,
		`3:76: .overrides.user.e is "5/1m burst 0": weir: quota "5/1m burst 0": at byte 11: want`,
		`3:85: .overrides.user.f is "5/1x": weir: quota "5/1x": at byte 2: want a period`,
	}},
	{"quotas of wrong types", three + `"user": {"a": 300, "b": null, "c": [300], "d": true}}}`, []string{
		`3:15: .overrides.user.a is 300; it must be ` + aQuota + `, or an object that has one as "quota"`,
		`3:25: .overrides.user.b is null`, `3:36: .overrides.user.c is an array`, `3:48: .overrides.user.d is true`,
	}},
	{"long quota", three + `"user": {"a": "` + strings.Repeat("0", 125) + `1/1m"}}}`, []string{
		`3:15: .overrides.user.a is "` + strings.Repeat("0", maxShown) + `"…; it must be shorter: ` + aQuota,
	}},
	{"terms", three + `"user": {"a": {}, "b": {"quota": 3, "note": [], "until": {}}, "c": {"quota": "1/1m", "Note": "x", "note": "x"}}}}`, []string{
		`3:15: .overrides.user.a.quota is missing; it must be ` + aQuota,
		`3:34: .overrides.user.b.quota is 3; it must be ` + aQuota,
		`3:45: .overrides.user.b.note is an array; it must be a text`,
		`3:58: .overrides.user.b.until is an object; it must be a time such as "2027-01-31T00:00:00Z" (RFC 3339)`,
		`3:86: .overrides.user.c.Note is an unknown name; it must be quota, note or until`,
	}},
	{"until", three + `"user": {"a": {"quota": "1/1m", "until": "2027-01-31"}, "b": {"quota": "1/1m", "until": "0001-01-01T00:00:00Z"},` + "\n" +
		`"c": {"quota": "1/1m", "until": "2027-01-31T00:00:00"}}}}`, []string{
		`3:42: .overrides.user.a.until is "2027-01-31"; it must be a time such as`,
		`3:89: .overrides.user.b.until is "0001-01-01T00:00:00Z"; it must be a time such as`,
		`4:33: .overrides.user.c.until is "2027-01-31T00:00:00"; it must be a time such as`,
	}},
	{"keys", three + `"business": {"": "1/1s"}, "ip": {"": "1/1s", "2001:DB8::/64": "1/1s"}}}`, []string{
		`3:14: .overrides.business[""] is empty; it must be the id of a business or a user`,
		`3:34: .overrides.ip[""] is not how requests are counted; it must be an IPv4 address, an IPv6 prefix such as`,
		`3:46: .overrides.ip["2001:DB8::/64"] is not how requests are counted; it must be written 2001:db8::/64`,
	}},
	{"texts", three + `"user": {"a` + "\xff" + `": "1/1s", "b\u0000": "1/1s", "\ud800": "1/1s", "\\ud800": "1/1s", "d": {"quota": "1/1s", "note": "\udc00"},` + "\n" + `"\ud83d\ud83d": "1/1s", "\ud83dx": "1/1s", "\ud83d\n": "1/1s", "\ud83d\ude80\uD83D\uDE80": "1/1s"}}}`, []string{
		`3:10: .overrides.user["a�"] is not UTF-8; it must be a name in UTF-8`,
		`3:24: .overrides.user["b\x00"] is a text with NUL in it; it must be a name without`,
		`3:43: .overrides.user["�"] is half of a surrogate pair; it must be a name of whole characters`,
		`3:111: .overrides.user.d.note is half of a surrogate pair; it must be a text of whole characters`,
		`4:1: .overrides.user["��"] is half of`, `4:25: .overrides.user["�x"] is half of`, `4:44: .overrides.user["�\n"] is half of`,
	}},
	{"second document", "{}{}", []string{
		"1:1: .quotas is missing", "1:3: the file is followed by an object; it must be all that there is",
	}},
	{"trailing text", three + "}}\n\n  1", []string{"5:3: the file is followed by 1; it must be all that there is"}},
	{"trailing rubbish", three + "}}\n]", []string{"4:1: the file: invalid character ']' after top-level value"}},
	{"errors before a syntax error", three + `"user": {"a": 5, "b": {"quota": "0/1m"`, []string{
		`3:15: .overrides.user.a is 5`, `3:33: .overrides.user.b.quota is "0/1m"`,
		`3:38: .overrides.user.b: unexpected end of JSON input`,
	}},
	{"deep", three + `"user": ` + strings.Repeat("[", maxDepth+1), []string{
		`3:9: .overrides.user is an array`, `3:109: .overrides.user is nested in more than 100 others; it must be flatter`,
	}},
}
