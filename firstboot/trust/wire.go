// Package trust is the mutually authenticated channel between agents, and
// what may be asked over it.
//
// Every request runs over TLS 1.3 with both certificates checked against the
// cluster's CA and the expected node name. The package carries requests and
// answers; what a request does is decided by whoever registers its handler.
package trust

import (
	"context"
	"encoding/json"
	"time"
)

// Caller asks another agent. An implementation exists over TLS, and one in
// memory for tests of the steps.
type Caller interface {
	// Call sends in as JSON to the method of the named node and decodes the
	// answer into out. in and out may be nil.
	Call(ctx context.Context, node, method string, in, out any) error
}

// Handler answers one method. peer is the authenticated name of the asking
// node, or "" followed by the certificate's role for an operator ("operator").
type Handler func(ctx context.Context, peer string, in json.RawMessage) (any, error)

// Registry takes handlers. Method names are lower case with dots: cluster.key.
type Registry interface {
	Handle(method string, h Handler)
}

// Methods that every agent answers. What a step needs beyond them, it names itself.
const (
	MethodHello  = "hello"
	MethodFacts  = "facts"
	MethodStatus = "status"
	MethodRing   = "ring"
	MethodReport = "report"
	MethodPage   = "page" // the answer is a PageLink

	MethodBindings = "trust.bindings"
	// MethodNo says no to the power cut that the profile proposes: a node hands it
	// on, and an operator may say it to any of them.
	MethodNo = "accept.no"
)

// PageLink lets one browser see the whole status page, once.
type PageLink struct {
	Link  string    `json:"link"`
	Until time.Time `json:"until"` // it is over then, followed or not
}
