package weirfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

// What may stand in a file, for messages.
const (
	quotaForm    = `a quota such as "300/1m" or "300/1m burst 50"`
	overrideForm = quotaForm + `, or an object that has one as "quota"`
	untilForm    = `a time such as "2027-01-31T00:00:00Z" (RFC 3339)`
)

// maxQuotaText is more than anybody writes of a quota; the longest that
// Quota.String writes has 73 bytes. ParseQuota repeats the text in its error.
const maxQuotaText = 128

// A parser reads a document into a config.
type parser struct {
	*reader
	config *Config
}

// parse returns what could be read of a document, and everything that is wrong
// with it, in order.
func parse(data []byte) (*Config, Errors) {
	p := &parser{newReader(data), &Config{}}
	if refusal := refuseWhole(data); refusal != nil {
		return p.config, Errors{refusal}
	}
	p.document()
	// Missing fields are reported at the beginning of their object, but after
	// its fields.
	slices.SortStableFunc(p.errs, (*Error).compare)
	return p.config, p.errs
}

// refuseWhole returns an error for what need not be read.
func refuseWhole(data []byte) *Error {
	if len(data) > MaxBytes {
		return &Error{Field: ".", Value: "of more than " + strconv.Itoa(MaxBytes) + " bytes", Allowed: "no longer"}
	}
	// JSON has none (RFC 8259, section 8.1), some editors write one, and none
	// shows it: encoding/json's complaint about an ï would be a riddle.
	if bytes.HasPrefix(data, []byte("\ufeff")) {
		return &Error{Line: 1, Column: 1, Field: ".", Value: "preceded by a byte order mark",
			Allowed: "saved as UTF-8 without one"}
	}
	return nil
}

func (p *parser) document() {
	given := false
	begin, complete := p.object(itself, func(name string) {
		switch name {
		case "quotas":
			given = true
			p.quotas()
		case "overrides":
			p.overrides()
		default:
			p.unknown(`quotas or overrides`)
		}
	})
	if complete && !given {
		p.missing(begin, "quotas", "an object with a quota for each of the four partitions")
	}
	if p.broken {
		return
	}
	// The document has ended. Not so the file, perhaps.
	p.start = p.beginning(int(p.decoder.InputOffset()))
	p.at = p.placeOf(p.start)
	switch token, err := p.decoder.Token(); {
	case err == nil:
		p.fail(p.at, "followed by "+describe(token), "all that there is")
	case !errors.Is(err, io.EOF):
		p.breakOff(err)
	}
}

// quotas reads the quotas of the partitions.
func (p *parser) quotas() {
	var given [len(partitions)]bool
	begin, complete := p.object(itself, func(name string) {
		part, ok := p.partition(name)
		if !ok {
			return
		}
		given[part] = true
		token, ok := p.next()
		if !ok {
			return
		}
		if text, isText := token.(string); isText {
			p.config.quotas[part], _ = p.quota(text)
		} else {
			p.wrongType(token, quotaForm)
		}
	})
	for _, part := range partitions {
		if complete && !given[part] {
			p.missing(begin, part.String(), quotaForm)
		}
	}
}

// overrides reads the overrides of all partitions.
func (p *parser) overrides() {
	p.object(itself, func(name string) {
		part, ok := p.partition(name)
		if !ok {
			return
		}
		identity := itself
		if part == weir.IP {
			identity = addressIdentity
		}
		p.object(identity, func(name string) { p.override(part, name) })
	})
}

// addressIdentity is the same for the two ways of writing one IPv4 address.
func addressIdentity(name string) string {
	if key, _ := addressKey(name); key != "" {
		return key
	}
	return name
}

// override reads the override of one key.
func (p *parser) override(part weir.Partition, name string) {
	o := Override{Partition: part, Line: p.at.line, Column: p.at.column}
	keyed := p.key(&o, name)
	token, ok := p.next()
	if !ok {
		return
	}
	switch v := token.(type) {
	case string:
		o.Quota, ok = p.quota(v)
	default:
		if token != json.Delim('{') {
			p.wrongType(token, overrideForm)
			return
		}
		ok = p.terms(&o)
	}
	if keyed && ok {
		p.config.overrides = append(p.config.overrides, o)
	}
}

// key sets the key that a name means.
func (p *parser) key(o *Override, name string) bool {
	o.Key = name
	switch {
	case o.Partition == weir.IP:
		key, allowed := addressKey(name)
		if key == "" {
			p.fail(p.at, "not how requests are counted", allowed)
			return false
		}
		o.Key = key
	case name == "":
		p.fail(p.at, "empty", "the id of a business or a user: no request is counted by none")
		return false
	}
	return true
}

// terms reads an override that is an object.
func (p *parser) terms(o *Override) (ok bool) {
	begin, given := p.at, false
	complete := p.members(itself, func(name string) {
		var read func(text string)
		var allowed string
		switch name {
		case "quota":
			given = true
			read, allowed = func(text string) { o.Quota, ok = p.quota(text) }, quotaForm
		case "note":
			read, allowed = func(text string) { o.Note = text; p.checkText(text, "a text") }, "a text"
		case "until":
			read, allowed = func(text string) { o.Until = p.until(text) }, untilForm
		default:
			p.unknown("quota, note or until")
			return
		}
		token, more := p.next()
		if text, isText := token.(string); isText {
			read(text)
		} else if more {
			p.wrongType(token, allowed)
		}
	})
	if complete && !given {
		p.missing(begin, "quota", quotaForm)
	}
	return ok
}

// quota reads the text, the token that was read last, as a quota.
func (p *parser) quota(text string) (q weir.Quota, ok bool) {
	if !p.checkText(text, "a quota") {
		return q, false
	}
	if len(text) > maxQuotaText {
		p.fail(p.at, quote(text), "shorter: "+quotaForm)
		return q, false
	}
	q, err := weir.ParseQuota(text)
	if err == nil {
		return q, true
	}
	e := &Error{Line: p.at.line, Column: p.at.column, Value: quote(text), Allowed: quotaForm, Err: err}
	var parse *weir.ParseError
	if errors.As(err, &parse) && int(p.decoder.InputOffset())-p.start == len(text)+len(`""`) {
		e.Column += len(`"`) + parse.Offset // nothing in it is escaped, so it can be counted
	}
	p.report(e)
	return q, false
}

// until reads the text, the token that was read last, as the end of an override.
func (p *parser) until(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.IsZero() { // which would mean that there is no end
		p.fail(p.at, quote(text), untilForm)
	}
	return t
}

// partition returns the partition of a name, the token that was read last. For a
// name of none, the value after it is skipped.
func (p *parser) partition(name string) (weir.Partition, bool) {
	names := make([]string, len(partitions))
	for i, part := range partitions {
		if names[i] = part.String(); names[i] == name {
			return part, true
		}
	}
	last := len(names) - 1
	p.unknown(strings.Join(names[:last], ", ") + " or " + names[last])
	return 0, false
}

// unknown reports the name that was read last, and skips its value.
func (p *parser) unknown(allowed string) {
	p.fail(p.at, "an unknown name", allowed)
	if token, ok := p.next(); ok {
		p.skip(token)
	}
}

// missing reports that an object lacks a field.
func (p *parser) missing(begin place, name, allowed string) {
	p.path = append(p.path, name)
	p.fail(begin, "missing", allowed)
	p.path = p.path[:len(p.path)-1]
}
