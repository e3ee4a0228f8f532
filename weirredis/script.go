package weirredis

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/redis/rueidis"
)

// A script is one operation on one key, made of clock.lua, read.lua, its own lines, and
// write.lua; manyScript is one on many keys, each once.
type script struct {
	text, sha1 string
	args       int // how many it has beside the key
}

var (
	allowScript   = newScript("allow", 3)
	manyScript    = makeScript(3, "clock", manyKeys[0], "read", "many", "write", manyKeys[1]) // and counts
	peekScript    = newScript("peek", 1)
	refundScript  = newScript("refund", 2)
	chargeScript  = newScript("charge", 2)
	probeScript   = newScript("probe", 1)
	reserveScript = newScript("reserve", 4)
	leaveScript   = newScript("leave", 3)
	leaseScript   = newScript("lease", 4)
	returnScript  = newScript("return", 4)
)

//go:embed lua
var lua embed.FS

func newScript(name string, args int) *script {
	return makeScript(args, "clock", oneKey, "read", name, "write")
}

const oneKey = `
local key = KEYS[1]
local value = call('GET', key)
`

// manyKeys are before and after what is done for each key.
var manyKeys = [2]string{`
local tolerance, cost, counted = tonumber(ARGV[2]), tonumber(ARGV[3]), #ARGV > 3
local function decide(key, value, count)
`, `
end
local replies, values = {}, #KEYS > 1 and call('MGET', unpack(KEYS)) or { call('GET', KEYS[1]) }
for i = 1, #KEYS do
	replies[i] = decide(KEYS[i], values[i], counted and tonumber(ARGV[3 + i]) or 1)
end
return replies
`}

// makeScript joins files of lua, by their names, and lines.
func makeScript(args int, parts ...string) *script {
	var text strings.Builder
	for _, part := range parts {
		if !strings.Contains(part, "\n") {
			file, err := lua.ReadFile("lua/" + part + ".lua")
			if err != nil {
				panic(err) // it is part of the package
			}
			part = string(file)
		}
		text.WriteString(part)
	}
	sum := sha1.Sum([]byte(text.String()))
	return &script{text.String(), hex.EncodeToString(sum[:]), args}
}

// command asks for the script by its SHA-1, or whole. Neither is a command that the
// client would send to a replica, or a second time by itself.
func (s *script) command(client rueidis.Client, whole bool, args []string, keys ...string) rueidis.Completed {
	n := int64(len(keys))
	if whole {
		return client.B().Eval().Script(s.text).Numkeys(n).Key(keys...).Arg(args...).Build()
	}
	return client.B().Evalsha().Sha1(s.sha1).Numkeys(n).Key(keys...).Arg(args...).Build()
}

// A request is one script to be run on one key.
type request struct {
	script *script
	name   string
	args   [4]string // as many as the script has
}

// A reply is what a script replied: one number, or several.
type reply struct {
	n    int64
	more []int64
	err  error
}

// run runs a request by itself.
func (r *request) run(ctx context.Context, client rueidis.Client) reply {
	result := client.Do(ctx, r.command(client, false))
	if unknown(result) {
		result = client.Do(ctx, r.command(client, true))
	}
	return parse(result)
}

func (r *request) command(client rueidis.Client, whole bool) rueidis.Completed {
	return r.script.command(client, whole, r.args[:r.script.args], r.name)
}

// unknown reports whether the server does not know the script: it is new, or somebody
// has flushed its scripts.
func unknown(result rueidis.RedisResult) bool {
	err, ok := rueidis.IsRedisErr(result.Error())
	return ok && err.IsNoScript()
}

var errReply = errors.New("weirredis: a reply that the script does not give")

func parse(result rueidis.RedisResult) (r reply) {
	message, err := result.ToMessage()
	if err != nil {
		return reply{err: err}
	}
	return parseMessage(&message)
}

func parseMessage(message *rueidis.RedisMessage) (r reply) {
	switch err := message.Error(); {
	case err != nil:
		r.err = err
	case message.IsInt64():
		r.n, r.err = message.AsInt64()
	case message.IsArray():
		if r.more, r.err = message.AsIntSlice(); r.err == nil && len(r.more) < 2 {
			r.err = errReply
		}
	default:
		r.err = errReply
	}
	return r
}
