package conformance

import (
	"context"
	"errors"
	"time"

	"github.com/weirhq/weir"
)

const (
	passing  = "Wait passes at once while something remains"
	done     = "Wait spends nothing when its context is done"
	deadline = "Wait refuses at once what its deadline cannot meet"
	badCost  = "Wait refuses a cost that can never be admitted"
	nothing  = "Wait for nothing passes and spends nothing"
	inOrder  = "Wait serves in the order of arrival, and never early"
	back     = "Wait gives back what a context ends, if nobody is behind"
	kept     = "Wait keeps what a context ends, if somebody is behind"
	waitMax  = "Wait and AllowN together stay within MaxIn"
)

var waitingFaults = []fault{
	{"Wait spends one, whatever is asked", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			if n > 1 && n <= newTerms(w.q, 1).burst {
				n = 1
			}
			return w.l.Wait(ctx, key, n)
		}
	}, []string{passing, deadline, inOrder}},

	{"Wait spends before it looks at the context", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			if ctx.Err() != nil {
				w.force(key, n)
			}
			return w.l.Wait(ctx, key, n)
		}
	}, []string{done}},

	{"Wait for 0 does not look at the context", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			if n == 0 {
				return nil
			}
			return w.l.Wait(ctx, key, n)
		}
	}, []string{done}},

	{"Wait sleeps until its deadline", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			err := w.l.Wait(ctx, key, n)
			if late := (*weir.DeadlineError)(nil); errors.As(err, &late) {
				<-ctx.Done()
			}
			return err
		}
	}, []string{deadline}},

	{"Wait gives a bare error for a deadline", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			err := w.l.Wait(ctx, key, n)
			if errors.Is(err, context.DeadlineExceeded) {
				return context.DeadlineExceeded
			}
			return err
		}
	}, []string{deadline}},

	{"Wait spends though its deadline is too near", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			err := w.l.Wait(ctx, key, n)
			if errors.Is(err, context.DeadlineExceeded) {
				w.force(key, n)
			}
			return err
		}
	}, []string{deadline}},

	{"Wait tells a bad cost by another error", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			err := w.l.Wait(ctx, key, n)
			if cost := (*weir.CostError)(nil); errors.As(err, &cost) {
				return errors.New(err.Error())
			}
			return err
		}
	}, []string{badCost}},

	{"Wait passes a negative cost", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error { return w.l.Wait(ctx, key, max(n, 0)) }
	}, []string{badCost}},

	{"Wait for 0 spends one", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			if n == 0 {
				w.l.Allow(key)
			}
			return w.l.Wait(ctx, key, n)
		}
	}, []string{nothing}},

	{"Wait for 0 waits until one would pass", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			if n == 0 && !w.l.Peek(key).Allowed {
				<-ctx.Done()
			}
			return w.l.Wait(ctx, key, n)
		}
	}, []string{nothing}},

	{"Wait asks again and again, and takes no place", poll, []string{inOrder, back, kept}},

	{"Wait returns early", func(w *wrong) { early(w, 5*time.Millisecond) }, []string{inOrder}},
	{"Wait does not sleep", func(w *wrong) { early(w, time.Hour) }, []string{inOrder}},

	{"Wait wants far more time than is enough", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			at, ok := ctx.Deadline()
			if d := w.l.Peek(key); ok && d.RetryAfter > time.Until(at)/20 {
				return &weir.DeadlineError{Wait: d.RetryAfter, Left: time.Until(at)}
			}
			return w.l.Wait(ctx, key, n)
		}
	}, []string{inOrder}},

	{"Wait is content with half the time that is needed", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			if at, ok := ctx.Deadline(); ok && ctx.Err() == nil {
				later, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Until(at))
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				ctx = later
			}
			return w.l.Wait(ctx, key, n)
		}
	}, []string{deadline}},

	{"Wait does not notice that its context has ended", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			return w.l.Wait(context.WithoutCancel(ctx), key, n)
		}
	}, []string{back, kept}},

	{"Wait never gives back", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			passed := make(chan error, 1)
			go func() { passed <- w.l.Wait(context.WithoutCancel(ctx), key, n) }()
			select {
			case err := <-passed:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}, []string{back}},

	{"Wait gives back twice", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			err := w.l.Wait(ctx, key, n)
			if errors.Is(err, context.Canceled) {
				w.l.Refund(key, n)
			}
			return err
		}
	}, []string{back, waitMax}},

	{"Wait gives back though somebody is behind", func(w *wrong) {
		w.wait = func(ctx context.Context, key string, n int64) error {
			passed := make(chan error, 1)
			go func() { passed <- w.l.Wait(context.WithoutCancel(ctx), key, n) }()
			select {
			case err := <-passed:
				return err
			case <-ctx.Done():
				w.l.Refund(key, n)
				return ctx.Err()
			}
		}
	}, []string{kept}},
}

// early takes its place as it should, and returns that much before it is reached.
func early(w *wrong, by time.Duration) {
	w.wait = func(ctx context.Context, key string, n int64) error {
		passed := make(chan error, 1)
		before := w.l.Peek(key)
		go func() { passed <- w.l.Wait(ctx, key, n) }()
		wait := before.RetryAfter + time.Duration(n-1)*newTerms(w.q, 1).interval
		select {
		case err := <-passed:
			return err
		case <-time.After(wait - by):
			return nil
		}
	}
}

// poll asks again whenever it was told that it would pass.
func poll(w *wrong) {
	w.wait = func(ctx context.Context, key string, n int64) error {
		for {
			d := w.l.AllowN(key, n)
			if d.Allowed {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(d.RetryAfter):
			}
		}
	}
}
