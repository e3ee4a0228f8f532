package weirredis

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"

	"github.com/redis/rueidis"
)

// A script is one operation on one key, made of read.lua, its own lines, and
// write.lua.
type script struct{ text, sha1 string }

var (
	allowScript   = newScript("allow")
	peekScript    = newScript("peek")
	refundScript  = newScript("refund")
	chargeScript  = newScript("charge")
	probeScript   = newScript("probe")
	reserveScript = newScript("reserve")
	leaveScript   = newScript("leave")
	leaseScript   = newScript("lease")
	returnScript  = newScript("return")
)

//go:embed lua
var lua embed.FS

func newScript(name string) *script {
	var text []byte
	for _, part := range []string{"read", name, "write"} {
		b, err := lua.ReadFile("lua/" + part + ".lua")
		if err != nil {
			panic(err) // it is part of the package
		}
		text = append(text, b...)
	}
	sum := sha1.Sum(text)
	return &script{string(text), hex.EncodeToString(sum[:])}
}

// run asks for the script by its SHA-1, and sends it whole to a server that does not
// know it: a new one, or after SCRIPT FLUSH. Neither is a command that the client would
// send to a replica, or a second time by itself.
func (sc *script) run(ctx context.Context, client rueidis.Client, name string, args []string) rueidis.RedisResult {
	reply := client.Do(ctx, client.B().Evalsha().Sha1(sc.sha1).Numkeys(1).Key(name).Arg(args...).Build())
	if err, ok := rueidis.IsRedisErr(reply.Error()); ok && err.IsNoScript() {
		reply = client.Do(ctx, client.B().Eval().Script(sc.text).Numkeys(1).Key(name).Arg(args...).Build())
	}
	return reply
}
