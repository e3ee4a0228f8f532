package weirhttp_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// A page on a port where only operators get to.
func ExampleDebug() {
	resolver, err := weir.NewResolver(func(context.Context, string) (weir.Source, error) { return weir.Source{}, weir.ErrNoSource })
	if err != nil {
		log.Fatal(err)
	}
	q := weir.PerMinute(300)
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: q, weir.User: q, weir.Business: q, weir.BusinessIntake: q,
	})
	if err != nil {
		log.Fatal(err)
	}
	debug := weirhttp.NewDebug(limiter)
	limit := weirhttp.New(limiter, weirhttp.Anonymous, weirhttp.WithOnDecision(debug.Observe))
	service, internal := limit(http.NotFoundHandler()), http.NewServeMux()
	internal.Handle("/debug/weir", debug)

	service.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	w := httptest.NewRecorder()
	internal.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/weir?format=json", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), `"totals":{"admitted":1,"refused":0,"shadow_refused":0}`))
	// Output: 200 true
}
