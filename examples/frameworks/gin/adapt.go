package main

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
)

// passage is a request's way through the middleware, where its context leads.
type passage struct {
	gin      *gin.Context
	admitted bool
}

type passageKey struct{}

// adapt makes net/http middleware gin's. It is wrapped around its handler once,
// not for each request, so the request's context has to lead back to gin's.
func adapt(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	handler := middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := r.Context().Value(passageKey{}).(*passage)
		p.admitted = true
		p.gin.Request = r
		p.gin.Next()
		// Gin's handlers write to gin's writer. The one that the middleware may have
		// put around it, such as that of WithRefund, has yet to hear of the status.
		if w != p.gin.Writer {
			w.WriteHeader(p.gin.Writer.Status())
		}
	}))
	return func(c *gin.Context) {
		p := &passage{gin: c}
		handler.ServeHTTP(c.Writer, c.Request.WithContext(context.WithValue(c.Request.Context(), passageKey{}, p)))
		if !p.admitted {
			c.Abort() // or gin would call the handlers after this one
		}
	}
}
