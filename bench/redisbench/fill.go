package redisbench

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// fillers is how many fill at once.
const fillers = 32

// Fill asks once for each of the keys that a load draws from, so that none is new when
// it is drawn: a run would be over before most of them are.
func (r *Runner) Fill(ctx context.Context, s Subject, load Load) error {
	l, err := s.New(Env{Addr: r.Server.Addr(), Callers: fillers, Quota: load.Quota})
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	keys := newKeys(load, 0, r.Keys, "").many
	all, ctx := errgroup.WithContext(ctx)
	for i := range fillers {
		all.Go(func() error {
			for k := i; k < len(keys) && ctx.Err() == nil; k += fillers {
				switch ok, err := l.Allow(ctx, keys[k]); {
				case err != nil:
					return fmt.Errorf("%s: the first request of %s: %w", s.Name, keys[k], err)
				case !ok:
					return fmt.Errorf("%s: the first request of %s was refused", s.Name, keys[k])
				}
			}
			return ctx.Err()
		})
	}
	if err := all.Wait(); err != nil {
		_ = l.Close() // the first error is the one to tell
		return err
	}
	return l.Close()
}
