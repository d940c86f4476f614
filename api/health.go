package api

import (
	"context"
	"net/http"
)

// tagHealth marks the operations that are answered however much is under way.
const tagHealth = "Health"

func (a *api) registerHealth() {
	handle(a, a.operation(route{
		id: "live", method: http.MethodGet, path: "/livez", tag: tagHealth,
		summary: "Whether the process answers", description: "Always 200 while it does.",
	}), func(context.Context, *healthInput) (*healthOutput, error) { return healthy(), nil })
	handle(a, a.operation(route{
		id: "ready", method: http.MethodGet, path: "/readyz", tag: tagHealth,
		summary: "Whether requests can be answered now", description: "503 while the database cannot be reached or the process is stopping: send requests elsewhere.",
	}), func(ctx context.Context, _ *healthInput) (*healthOutput, error) {
		if err := a.ping(ctx); err != nil {
			return nil, &notReady{err}
		}
		return healthy(), nil
	})
}

// notReady makes whatever keeps the gateway from answering a 503.
type notReady struct{ cause error }

func (n *notReady) Error() string { return "not ready: " + n.cause.Error() }
func (n *notReady) Unwrap() error { return n.cause }

type healthInput struct{ Caller }

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

func healthy() *healthOutput {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out
}
