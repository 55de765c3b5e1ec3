package keeper

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/status/draw"
	"ringboot/rehearsal/need"
)

// A stranger sees the cluster's name, how far its nodes are and the verdict, and
// is told how to see more.
func TestWhatAStrangerSees(t *testing.T) {
	in := newLogins()
	at, cert := startPage(t, t.TempDir(), in)
	b := newBrowser(t, at, cert)
	seen := 0
	for path, wants := range map[string][]string{
		"/":            {"principia", "waiting", "missing wittgenstein", "russell", "peers 5/11", "firstboot page"},
		"/status.json": {`"cluster": "principia"`, `"state": "waiting"`, `"phase": "peers"`},
	} {
		resp, text := b.get("GET", path)
		seen += len(text)
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s, lacks %q:\n%s", path, resp.Status, want, text)
			}
		}
		// The verdict may name an address, as the nodes' records do.
		bare := strings.ReplaceAll(text, "10.203.3.13:8643 refused", "")
		for _, secret := range inside {
			if strings.Contains(bare, secret) {
				t.Errorf("%s shows %q to a stranger", path, secret)
			}
		}
	}
	for _, path := range []string{"/report", "/login", "/login?once=", "/login?once=guess"} {
		if resp, text := b.get("GET", path); resp.StatusCode != http.StatusForbidden || !strings.Contains(text, "firstboot page") || strings.Contains(text, "the report") {
			t.Errorf("%s: %s %s", path, resp.Status, text)
		}
	}
	var s draw.Stranger
	if _, text := b.get("GET", "/status.json"); json.Unmarshal([]byte(text), &s) != nil || s.Version != draw.Version || len(s.Nodes) != 3 || s.State != status.StateWaiting {
		t.Errorf("the JSON: %+v", s)
	}
	need.Figure("page.bytes_for_strangers", seen, "bytes")
}

// A link lets one browser in, once, and only in its time; what a browser keeps
// is good for this page, for a while, and cannot be made up.
func TestALoginIsForOneBrowserAndAWhile(t *testing.T) {
	now := time.Now()
	in := newLogins()
	in.now = func() time.Time { return now }
	if _, _, err := in.give(); err == nil || err.Error() != "the status page does not run yet: it comes with step management" {
		t.Errorf("before there is a page: %v", err)
	}
	root := t.TempDir()
	at, cert := startPage(t, root, in)
	stranger := newBrowser(t, at, cert)
	word, until, err := in.give()
	if err != nil || until.Sub(now) != linkTime {
		t.Fatalf("%s %v", until, err)
	}
	link := loginPath + "?" + loginKey + "=" + word
	if resp, _ := stranger.get("HEAD", link); resp.StatusCode != http.StatusNoContent || len(resp.Cookies()) > 0 {
		t.Errorf("what looks the link over gets %s %v", resp.Status, resp.Cookies())
	}
	kellen := newBrowser(t, at, cert)
	knows := func(b browser, cookies ...*http.Cookie) bool {
		_, text := b.get("GET", "/report", cookies...)
		return text == "<html>the report"
	}
	if resp, _ := kellen.get("GET", link); resp.StatusCode != 200 || !knows(kellen) || knows(stranger) {
		t.Errorf("the link lets in: %s, %v, a stranger: %v", resp.Status, knows(kellen), knows(stranger))
	}
	if resp, text := stranger.get("GET", link); resp.StatusCode != http.StatusForbidden || knows(stranger) || !strings.Contains(text, "followed before") {
		t.Errorf("the same link once more: %s %s", resp.Status, text)
	}
	late, _, err := in.give()
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(linkTime)
	if resp, _ := stranger.get("GET", loginPath+"?"+loginKey+"="+late); resp.StatusCode != http.StatusForbidden || knows(stranger) {
		t.Errorf("a link that is over: %s", resp.Status)
	}
	other := newLogins() // of another node, with another page
	other.key = []byte("another page's key")
	theirs, _, err := other.give()
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := other.take(theirs)
	in.now = func() time.Time { return now.Add(-time.Hour) } // one that was signed while the clock was wrong
	ahead, _, err := in.give()
	if err != nil {
		t.Fatal(err)
	}
	in.now = func() time.Time { return now.Add(100 * time.Hour) }
	early, _ := func() (*http.Cookie, bool) { in.links[sumOf(ahead)] = now.Add(101 * time.Hour); return in.take(ahead) }()
	in.now = func() time.Time { return now }
	for name, value := range map[string]string{"none": "", "no base64": "%%%", "zeroes": strings.Repeat("A", 54), "another page's": foreign.Value, "one from days ahead": early.Value, "one that was changed": "B" + foreign.Value[1:]} {
		if knows(stranger, &http.Cookie{Name: loginCookie, Value: value}) {
			t.Errorf("a cookie lets in: %s", name)
		}
	}
	// The keeper goes on with the page that the builder had, and its logins.
	keeper := newLogins()
	if err := keeper.keyed(cert); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "https://"+at+"/", nil)
	for _, c := range kellen.client.Jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	if !keeper.in(r) {
		t.Error("after the keeper took the page over the browser is a stranger")
	}
	now = now.Add(loginTime)
	if knows(kellen) {
		t.Error("the login does not end")
	}
	for range maxLinks {
		if _, _, err := in.give(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := in.give(); err == nil || !strings.Contains(err.Error(), "32 links wait to be followed") {
		t.Errorf("links without end: %v", err)
	}
}
