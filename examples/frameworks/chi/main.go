// Chi is a service of github.com/go-chi/chi, with its limits.
package main

import (
	"fmt"
	"log"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/weirhq/weir/examples/frameworks/internal/limits"
)

func main() {
	limit, err := limits.New(limits.PerClient)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(limits.Addr, routes(limit)))
}

// routes needs no adapter: chi's middleware is net/http's.
func routes(limit func(http.Handler) http.Handler) http.Handler {
	router := chi.NewRouter()
	router.Use(limit)
	router.Get("/health", ok)
	router.Get("/contacts", ok)
	router.Get("/export", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not now", http.StatusServiceUnavailable)
	})
	return router
}

func ok(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
