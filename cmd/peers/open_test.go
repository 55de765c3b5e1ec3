package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"ringboot/firstboot/trust"
)

// linksOf is what a node hands out as a link to its page. wittgenstein has turned.
func linksOf(name, address string) trust.Handler {
	link := "https://" + address + ":8644/login?once=word"
	if name == "wittgenstein" {
		link = "javascript:alert(1)\x1b[2J"
	}
	return func(context.Context, string, json.RawMessage) (any, error) { return trust.PageLink{Link: link}, nil }
}

// heardBy is how a node takes a no.
func heardBy(name string) trust.Handler {
	return func(context.Context, string, json.RawMessage) (any, error) {
		return heard{Nodes: []string{name}, Missing: []string{"another \x1b[2J"}}, nil
	}
}

// A link to the page of a node is written, and nothing else that a node says.
func TestOpenWritesALink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		s.start(i)
		s.say(names[i], waiting())
	}
	byKeyring := []string{"--keyring", s.keyring, "open"}
	if out, errs, code := s.peers(nil, append(byKeyring, "russell")...); code != 0 || out != "https://10.203.3.12:8644/login?once=word\n" || !strings.Contains(errs, "one browser in, once") {
		t.Errorf("open: %d %s\n%s", code, errs, out)
	}
	if _, errs, code := s.peers(nil, "--keyring", s.keyring, "--no-power-cut"); code != 0 || !strings.Contains(errs, "heard by frege") || !strings.Contains(errs, "not heard yet by another") || strings.Contains(errs, "\x1b") {
		t.Errorf("a no: %d %s", code, errs)
	}
	for node, want := range map[string]string{"wittgenstein": "no link to its page", "goedel": "is no node of this cluster"} {
		if out, errs, code := s.peers(nil, append(byKeyring, node)...); code == 0 || out != "" || !strings.Contains(errs, want) || strings.Contains(errs, "\x1b") {
			t.Errorf("open %s: %d %s\n%s", node, code, errs, out)
		}
	}
}
