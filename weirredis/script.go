package weirredis

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"

	"github.com/redis/rueidis"
)

// A script is one operation on one key, made of read.lua, its own lines, and
// write.lua.
type script struct {
	text, sha1 string
	args       int // how many it has beside the key
}

var (
	allowScript   = newScript("allow", 3)
	severalScript = newScript("several", 4)
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
	var text []byte
	for _, part := range []string{"read", name, "write"} {
		b, err := lua.ReadFile("lua/" + part + ".lua")
		if err != nil {
			panic(err) // it is part of the package
		}
		text = append(text, b...)
	}
	sum := sha1.Sum(text)
	return &script{string(text), hex.EncodeToString(sum[:]), args}
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

// command asks for the script by its SHA-1, or whole. Neither is a command that the
// client would send to a replica, or a second time by itself.
func (r *request) command(client rueidis.Client, whole bool) rueidis.Completed {
	args := r.args[:r.script.args]
	if whole {
		return client.B().Eval().Script(r.script.text).Numkeys(1).Key(r.name).Arg(args...).Build()
	}
	return client.B().Evalsha().Sha1(r.script.sha1).Numkeys(1).Key(r.name).Arg(args...).Build()
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
	switch {
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
