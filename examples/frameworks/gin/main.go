// Gin is a service of github.com/gin-gonic/gin, with its limits.
package main

import (
	"log"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/weirhq/weir/examples/frameworks/internal/limits"
)

func main() {
	limit, err := limits.New(limits.PerClient)
	if err != nil {
		log.Fatal(err)
	}
	gin.SetMode(gin.ReleaseMode)
	log.Fatal(http.ListenAndServe(limits.Addr, routes(limit)))
}

func routes(limit func(http.Handler) http.Handler) http.Handler {
	engine := gin.New()
	engine.Use(adapt(limit))
	engine.GET("/health", ok)
	engine.GET("/contacts", ok)
	engine.GET("/export", func(c *gin.Context) { c.String(http.StatusServiceUnavailable, "not now\n") })
	return engine
}

func ok(c *gin.Context) { c.String(http.StatusOK, "ok\n") }
