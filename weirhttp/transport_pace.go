package weirhttp

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir"
)

// This file is how the requests of one key line up, and how a refusal holds back
// the whole line.
//
// The line itself is the key's in Pace: Wait gives each request a place in time.
// A hold moves the key's TAT in Pace, so that all who come later get places behind
// it; and notes by how much, so that all who have a place already sleep for that
// much longer when they wake. So every distance stays what it was, nobody
// overtakes, and a deadline that is too close shows at once.

// A HeldError is the error of a request that was not sent, because the server has
// refused another one of its key and asked for a wait longer than
// [Transport.MaxWait]. Who already stands in line then gets it when its turn comes.
//
// A key is held back for an hour at most (or for MaxWait, if that is longer), so
// that one absurd Retry-After does not stop a client for good; then the next
// request is tried. From MaxWait before that, requests wait in line for it.
type HeldError struct {
	Key     string        // that is held back
	Asked   time.Duration // for how long, by the server
	Left    time.Duration // until the key is held no longer
	MaxWait time.Duration // the Transport's
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("weirhttp: not sent: the server has refused %q for %v, which is beyond MaxWait, %v; the next is sent in %v",
		e.Key, e.Asked, e.MaxWait, e.Left)
}

// takesTooLong reports whether an error of pass says that a time would have been
// too long, rather than that it is up.
func takesTooLong(err error) bool {
	var deadline *weir.DeadlineError
	var held *HeldError
	return errors.As(err, &deadline) || errors.As(err, &held)
}

const (
	// maxHold bounds a hold, see HeldError.
	maxHold = time.Hour
	// maxIdle is how many lines are kept because they are held, with nobody in
	// them; at some 250 bytes each, 1 MiB. Of one dropped beyond that, Pace still
	// keeps newcomers waiting; they get no HeldError.
	maxIdle = 1 << 12
)

// key is on what a request draws.
func (t *Transport) key(r *http.Request) string {
	if t.Key != nil {
		return t.Key(r)
	}
	if r.URL == nil {
		return "" // an error to Base
	}
	host := strings.ToLower(r.URL.Host)
	switch r.URL.Scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

// pass returns when a request of the key may be sent.
func (t *Transport) pass(ctx context.Context, key string) error {
	l, _ := t.lines.enter(key)
	defer t.lines.leave(l)
	before := l.look()
	if left := before.left(); left > max(t.maxWait(), 0) {
		return &HeldError{key, before.asked, left, t.maxWait()}
	}
	// A hold that comes before the place is taken counts twice: it waits too long.
	if err := t.Pace.Wait(ctx, key, 1); err != nil {
		return err
	}
	// Its turn has come, unless the line was held back since. If it gives up now, its
	// place is lost: others stand behind it.
	for {
		now := l.look()
		if now.dissolved != before.dissolved {
			return &HeldError{key, now.asked, max(now.left(), 0), t.maxWait()}
		}
		wait := max(now.left(), now.moved-before.moved)
		if wait <= 0 {
			return nil
		}
		if err := deadlineError(ctx, wait); err != nil {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		before = now
	}
}

// hold keeps the key back for as long as the server has asked, from now.
func (t *Transport) hold(key string, asked time.Duration) {
	l, alone := t.lines.enter(key)
	defer t.lines.leave(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	until := now.Add(min(asked, max(maxHold, t.maxWait())))
	by := until.Sub(now)
	if l.until.After(now) {
		by = until.Sub(l.until)
	}
	if by <= 0 {
		return // held that long already
	}
	l.until, l.asked = until, asked
	switch {
	case asked > t.maxWait():
		l.dissolved++
		exhaust(t.Pace, key, until.Sub(now))
	case alone || t.Pace.Peek(key).Allowed:
		l.moved += by
		exhaust(t.Pace, key, until.Sub(now))
	default:
		l.moved += by
		move(t.Pace, key, by)
	}
}

// exhaust is for a line with nobody in it who will use his place: one request is
// to be admitted that much later, then one each interval. So it spends what was
// saved up, and what would be meanwhile.
func exhaust(pace *weir.Limiter, key string, after time.Duration) {
	at := pace.Now() + after
	saved := pace.AllowAt(at, key, 0).Remaining
	if saved > 0 && pace.AllowAt(at, key, saved).Allowed {
		pace.Refund(key, 1)
	}
}

// move moves the key's TAT, and so the places still to come, by d: a request is
// spent at the time to which the TAT is to be moved, then given back. A place taken in
// between may come out too early by as much as its own width.
func move(pace *weir.Limiter, key string, d time.Duration) {
	at := pace.Now() + pace.Peek(key).ResetAfter + d
	if pace.AllowAt(at, key, 1).Allowed {
		pace.Refund(key, 1)
	}
}

// lines has a line for each key that has requests in it or is held back. The zero
// value is ready.
type lines struct {
	mu    sync.Mutex
	byKey map[string]*line
	idle  list.List // of *line, held with nobody in them, those since longest first
}

// A line is what the requests of one key share, beyond the key's TAT in Pace.
type line struct {
	key   string
	users int           // guarded by lines.mu, like idle
	idle  *list.Element // in lines.idle; nil while there are users

	mu sync.Mutex
	standing
}

// A standing is what holds have done to a line so far.
type standing struct {
	until     time.Time     // nothing is sent before
	asked     time.Duration // what the server said, for the hold until then
	moved     time.Duration // by how much the places in line were moved, all together
	dissolved int           // how often all in line were sent away, for a hold beyond MaxWait
}

// left is how long the hold still lasts; 0 or less if it is over.
func (s standing) left() time.Duration { return time.Until(s.until) }

// enter joins the line of a key, for as long as until leave, and reports whether
// nobody else was in it.
func (ls *lines) enter(key string) (l *line, alone bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l = ls.byKey[key]
	switch {
	case l == nil:
		if ls.byKey == nil {
			ls.byKey = make(map[string]*line)
		}
		l = &line{key: key}
		ls.byKey[key] = l
	case l.idle != nil:
		ls.idle.Remove(l.idle)
		l.idle = nil
	}
	l.users++
	return l, l.users == 1
}

// leave drops the line if nobody is in it and it is not held; and others that are
// not any more, or too many.
func (ls *lines) leave(l *line) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.users--; l.users > 0 {
		return
	}
	if l.look().left() > 0 {
		l.idle = ls.idle.PushBack(l)
	} else {
		delete(ls.byKey, l.key)
	}
	for e := ls.idle.Front(); e != nil; e = ls.idle.Front() {
		first := e.Value.(*line)
		if ls.idle.Len() <= maxIdle && first.look().left() > 0 {
			break
		}
		ls.idle.Remove(e)
		delete(ls.byKey, first.key)
	}
}

func (l *line) look() standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.standing
}
