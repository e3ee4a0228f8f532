package weirfile

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir"
)

// FuzzParse demands of every text: errors that stand in it, in order, or a config
// that encoding/json reads the same from it, that survives being written, and
// that a limiter takes.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(good[:len(good)/2]))
	f.Add([]byte(quotaFile("300/1m", `"user": {"a": "1/1s", "a": "1/1s"}, "x": [[1, {"y": null}], "\ud800"]`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := Parse(data)
		if err != nil {
			checkErrors(t, data, config, err)
			return
		}
		if !json.Valid(data) || !utf8.Valid(data) {
			t.Fatalf("%q is no JSON", data)
		}
		checkConfig(t, config)
		checkAsJSON(t, data, config)
		again, err := Parse(encode(t, config))
		if err != nil || !sameConfig(again, config) {
			t.Fatalf("%+v is written %s, which is read as %+v, %v", config, encode(t, config), again, err)
		}
	})
}

func checkErrors(t *testing.T, data []byte, config *Config, err error) {
	var errs Errors
	if !errors.As(err, &errs) || len(errs) == 0 || len(errs) > maxErrors+1 || config != nil {
		t.Fatalf("%q: config %v, %d errors: %v", data, config, len(errs), err)
	}
	lines := strings.Split(string(data), "\n")
	for i, e := range errs {
		if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > len(lines[e.Line-1])+1 {
			t.Errorf("%q: no such place: %v", data, e)
		}
		if i > 0 && errs[i-1].compare(e) > 0 {
			t.Errorf("%q: out of order: %v", data, e)
		}
		if e.Field == "" || e.Err == nil && (e.Value == "" || e.Allowed == "") || strings.Contains(e.Error(), "\n") {
			t.Errorf("%q: %+v", data, e)
		}
		if len(e.Error()) > 2000 {
			t.Errorf("%q: a message of %d bytes", data, len(e.Error()))
		}
	}
}

func checkConfig(t *testing.T, c *Config) {
	for _, part := range partitions {
		if err := c.Quota(part).Validate(); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[budget]bool{}
	for o := range c.Overrides() {
		b := budget{o.Partition, o.Key}
		if err := o.Quota.Validate(); err != nil || o.Key == "" || seen[b] {
			t.Fatalf("%+v: %v, seen: %v", o, err, seen[b])
		}
		seen[b] = true
	}
	limiter := newLimiter(t, stopped)
	if err := c.Apply(limiter); err != nil {
		return // a prefix of another length: see TestCheckPrefixes
	}
	for _, part := range partitions {
		if q := limiter.Limiter(part).Quota(); q != c.Quota(part) {
			t.Fatalf("%v has %v, not %v", part, q, c.Quota(part))
		}
	}
	for o := range c.Overrides() {
		want := o.Quota.Limit
		if !o.InForce(time.Now()) {
			want = c.Quota(o.Partition).Limit
		}
		if d := limiter.Limiter(o.Partition).Peek(o.Key); d.Limit != want {
			t.Fatalf("%+v: limited to %d", o, d.Limit)
		}
	}
}

// checkAsJSON compares with what encoding/json makes of the same text. It is more
// lenient, so it must take whatever Parse takes.
func checkAsJSON(t *testing.T, data []byte, c *Config) {
	var doc struct {
		Quotas    map[string]weir.Quota
		Overrides map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatalf("%q: %v", data, err)
	}
	if len(doc.Quotas) != len(partitions) {
		t.Fatalf("%q: %d quotas", data, len(doc.Quotas))
	}
	for _, part := range partitions {
		if doc.Quotas[part.String()] != c.Quota(part) {
			t.Fatalf("%q: the quota of %v is %v", data, part, c.Quota(part))
		}
	}
	n := 0
	for _, keys := range doc.Overrides {
		n += len(keys)
	}
	if all := slices.Collect(c.Overrides()); len(all) != n {
		t.Fatalf("%q: %d overrides, not %d", data, len(all), n)
	}
	for o := range c.Overrides() {
		raw, ok := doc.Overrides[o.Partition.String()][o.Key]
		if !ok { // one IPv4 address
			raw = doc.Overrides[o.Partition.String()][strings.TrimSuffix(o.Key, "/32")]
		}
		var terms struct {
			Quota weir.Quota
			Note  string
			Until time.Time
		}
		if err := json.Unmarshal(raw, &terms.Quota); err != nil {
			if err := json.Unmarshal(raw, &terms); err != nil {
				t.Fatalf("%q: %s: %v", data, raw, err)
			}
		}
		if terms.Quota != o.Quota || terms.Note != o.Note || !terms.Until.Equal(o.Until) {
			t.Fatalf("%q: %+v, not %+v", data, o, terms)
		}
	}
}

// encode writes a config as a file.
func encode(t *testing.T, c *Config) []byte {
	quotas, overrides := map[string]string{}, map[string]map[string]map[string]string{}
	for _, part := range partitions {
		quotas[part.String()] = c.Quota(part).String()
		overrides[part.String()] = map[string]map[string]string{}
	}
	for o := range c.Overrides() {
		terms := map[string]string{"quota": o.Quota.String(), "note": o.Note}
		if !o.Until.IsZero() {
			terms["until"] = o.Until.Format(time.RFC3339Nano)
		}
		overrides[o.Partition.String()][o.Key] = terms
	}
	data, err := json.Marshal(map[string]any{"quotas": quotas, "overrides": overrides})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sameConfig compares all but the order and the places of overrides.
func sameConfig(a, b *Config) bool {
	if a == nil || a.quotas != b.quotas || len(a.overrides) != len(b.overrides) {
		return false
	}
	index := map[budget]Override{}
	for o := range a.Overrides() {
		index[budget{o.Partition, o.Key}] = o
	}
	for o := range b.Overrides() {
		other := index[budget{o.Partition, o.Key}]
		if o.Quota != other.Quota || o.Note != other.Note || !o.Until.Equal(other.Until) {
			return false
		}
	}
	return true
}
