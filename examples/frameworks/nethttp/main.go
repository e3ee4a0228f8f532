// Nethttp is a service of net/http alone, with its limits.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/weirhq/weir/examples/frameworks/internal/limits"
)

func main() {
	limit, err := limits.New(limits.PerClient)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(limits.Addr, routes(limit)))
}

func routes(limit func(http.Handler) http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", ok)
	mux.HandleFunc("GET /contacts", ok)
	mux.HandleFunc("GET /export", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not now", http.StatusServiceUnavailable)
	})
	return limit(mux)
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
