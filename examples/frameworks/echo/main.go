// Echo is a service of github.com/labstack/echo, with its limits.
package main

import (
	"log"
	"net/http"

	"github.com/labstack/echo/v5"

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
	e := echo.New()
	e.Use(echo.WrapMiddleware(limit), answerErrors)
	e.GET("/health", ok)
	e.GET("/contacts", ok)
	e.GET("/export", func(*echo.Context) error {
		return echo.NewHTTPError(http.StatusServiceUnavailable, "not now")
	})
	return e
}

// answerErrors answers the errors that handlers return before the middleware
// around it ends. Otherwise echo does so afterwards, and WithRefund, which has to
// know the status by then, takes each of them for a 200.
func answerErrors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c *echo.Context) error {
		if err := next(c); err != nil {
			c.Echo().HTTPErrorHandler(c, err)
		}
		return nil
	}
}

func ok(c *echo.Context) error { return c.String(http.StatusOK, "ok\n") }
