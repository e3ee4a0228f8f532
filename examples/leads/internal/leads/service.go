package leads

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// A service is a small lead-management API behind its rate limits.
type service struct {
	*store
	limiter weir.Decider

	// One of them is the limiter, the other nil.
	local  *weir.PartitionLimiter // counts in this process
	shared Shared                 // counts on a server
}

// newService makes a service that limits every partition to quota, by itself or with
// all others on that server.
func newService(quota weir.Quota, on *server) (*service, error) {
	db := newStore()
	resolver, err := weir.NewResolver(db.lookup)
	if err != nil {
		return nil, err
	}
	quotas := map[weir.Partition]weir.Quota{
		weir.Business:       quota,
		weir.BusinessIntake: quota,
		weir.User:           quota,
		weir.IP:             quota,
	}
	if on != nil {
		shared, err := on.share(resolver, quotas)
		if err != nil {
			return nil, err
		}
		return &service{store: db, limiter: shared, shared: shared}, nil
	}
	limiter, err := weir.NewPartitionLimiter(resolver, quotas)
	if err != nil {
		return nil, err
	}
	return &service{store: db, limiter: limiter, local: limiter}, nil
}

// alone is an error if there is a server of the limits and it did not make every
// decision. What was admitted is then more, or less, than the limits demand.
func (s *service) alone() error {
	if s.shared == nil || s.shared.Stats().FellBack == 0 {
		return nil
	}
	return fmt.Errorf("%d decisions were made without the server of the limits: it did not answer", s.shared.Stats().FellBack)
}

// close lets go of the server of the limits, if there is one.
func (s *service) close() {
	if s.shared != nil {
		s.shared.Close()
	}
}

// describe tells the limiter what is known of a request. The bearer token is
// checked here, before anything is counted: an id that anybody could claim would
// let him spend the budget of others.
func (s *service) describe(r *http.Request) weir.Request {
	who := s.identify(r)
	req := weirhttp.Anonymous(r)
	req.BusinessID = who.businessID
	req.UserID = who.userID
	req.SourceKey = r.URL.Query().Get("sourceKey")
	return req
}

// handler is the API behind its limits: what is not refused goes on to the
// endpoints. Describe is s.describe, or something around it.
func (s *service) handler(describe func(*http.Request) weir.Request, opts ...weirhttp.Option) http.Handler {
	limit := weirhttp.New(s.limiter, describe, opts...)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.ok)
	mux.HandleFunc("GET /contacts", s.authenticated(s.ok))
	mux.HandleFunc("POST /messages", s.authenticated(s.ok))
	mux.HandleFunc("GET /me", s.authenticated(s.ok))
	mux.HandleFunc("POST /leads", s.intake)
	mux.HandleFunc("POST /leads/intake", s.intake)
	mux.HandleFunc("GET /leads/intake", s.intake)
	return limit(mux)
}

func (s *service) ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

func (s *service) authenticated(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.identify(r) == (identity{}) {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

// intake takes a lead if its source key is good.
func (s *service) intake(w http.ResponseWriter, r *http.Request) {
	source, err := s.find(r.Context(), r.URL.Query().Get("sourceKey"))
	caller := s.identify(r).businessID
	switch {
	case errors.Is(err, errUnreachable):
		http.Error(w, "try again", http.StatusServiceUnavailable)
	case err != nil || !source.Enabled || caller != "" && caller != source.BusinessID:
		http.Error(w, "not a source of yours", http.StatusForbidden)
	default:
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, "thank you")
	}
}
