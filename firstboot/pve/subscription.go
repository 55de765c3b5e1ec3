package pve

import (
	"context"
	"strings"
	"time"
)

// Subscription is what a node says of its key.
type Subscription struct {
	Key     string
	Status  string // active | new | notfound | invalid | expired | suspended
	Message string
}

// Active reports whether Proxmox's shop has agreed.
func (s Subscription) Active() bool { return strings.EqualFold(s.Status, "active") }

// Says is the status in words.
func (s Subscription) Says() string {
	if s.Message == "" {
		return strings.ToLower(s.Status)
	}
	return strings.ToLower(s.Status) + ": " + s.Message
}

// ParseSubscription reads pvesubscription get: a line for each field.
func ParseSubscription(text []byte) (out Subscription) {
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "key":
			out.Key = value
		case "status":
			out.Status = value
		case "message":
			out.Message = value
		}
	}
	return out
}

// Subscription asks for the node's key and what became of it.
func (s Shell) Subscription(ctx context.Context) (Subscription, error) {
	r, err := s.read(ctx, "pvesubscription", "get")
	if err != nil {
		return Subscription{}, err
	}
	return ParseSubscription(r.Stdout), nil
}

// EnterSubscription enters a key. Where the shop cannot be reached the tool
// says so and keeps the key, and Proxmox VE asks again by itself.
func (s Shell) EnterSubscription(ctx context.Context, key string) error {
	_, err := s.change(ctx, 2*time.Minute, "pvesubscription", "set", key)
	return err
}
