package leads

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
)

// Flags are what the command line says.
type Flags struct {
	Serve       bool
	Addr        string // to serve on
	Quotas      string // a file; none if empty
	Debug       string // an address for /debug/weir; none if empty
	Redis       string // the address of the server of the limits; none if empty
	RedisPrefix string // of names there; never empty where Redis is not
}

// Parse reads the command line. If it asks for nothing but help, or is wrong, there
// are no flags, and the program ends with that status: stderr has been told why.
func Parse(args []string, stderr io.Writer) (f *Flags, status int) {
	f = new(Flags)
	set := flag.NewFlagSet("leads", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.BoolVar(&f.Serve, "serve", false, "serve until interrupted, instead of demonstrating the limits")
	set.StringVar(&f.Addr, "addr", "127.0.0.1:8080", "the `address` that -serve listens on")
	set.StringVar(&f.Quotas, "quotas", "", "the `file` of quotas for -serve, see package weirfile; none: those of rate-limits.md")
	set.StringVar(&f.Debug, "debug", "", "the `address` on which -serve shows /debug/weir; empty for none")
	set.StringVar(&f.Redis, "redis", "", "the `address` of a Redis or Valkey server: all processes that have it share their limits")
	set.StringVar(&f.RedisPrefix, "redis-prefix", "", "the `prefix` of names on the server; none: \""+servingPrefix+
		"\" for -serve, and for a demonstration one that nobody else has")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, 0
	case err != nil:
		return nil, 2
	case set.NArg() > 0:
		fmt.Fprintf(stderr, "leads: unexpected argument %q\n", set.Arg(0))
		return nil, 2
	}
	if err := f.complete(); err != nil {
		fmt.Fprintln(stderr, "leads:", err)
		return nil, 2
	}
	return f, 0
}

// complete checks what -redis goes together with, and makes up the prefix.
func (f *Flags) complete() error {
	if f.Redis == "" {
		if f.RedisPrefix != "" {
			return errors.New("-redis-prefix is nothing without -redis")
		}
		return nil
	}
	if host, port, err := net.SplitHostPort(f.Redis); err != nil || host == "" || port == "" {
		return fmt.Errorf("-redis is %q: it must be host:port, such as 127.0.0.1:6379", f.Redis)
	}
	switch {
	case f.Quotas != "":
		return errors.New("-quotas and -redis: a quota file is for limits of one process, since shared ones have no overrides")
	case f.Debug != "":
		return errors.New("-debug and -redis: /debug/weir shows limits of one process")
	case f.RedisPrefix != "":
	case f.Serve:
		f.RedisPrefix = servingPrefix
	default:
		f.RedisPrefix = ownPrefix()
	}
	return nil
}
