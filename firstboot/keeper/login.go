package keeper

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

const (
	// linkTime is how long a link lets in that nobody has followed yet.
	linkTime = 10 * time.Minute
	// loginTime is how long a browser is let in then.
	loginTime = 12 * time.Hour
	// maxLinks bounds the links that wait to be followed.
	maxLinks = 32
	// loginCookie can be set over TLS alone, and for this address alone.
	loginCookie = "__Host-ringboot"
	loginPath   = "/login"
	loginKey    = "once"
)

// logins let people in who were given a link on the node, or by its keyring's
// owner. A link is good once. What a browser keeps afterwards is signed with a
// key that comes from the page's own, so that it outlives the change from builder
// to keeper.
type logins struct {
	mu    sync.Mutex
	now   func() time.Time
	key   []byte               // nil: there is no page yet
	links map[string]time.Time // by the sum of what is in the link: until when
}

func newLogins() *logins { return &logins{now: time.Now, links: map[string]time.Time{}} }

// keyed takes the key from the page's certificate.
func (l *logins) keyed(cert tls.Certificate) error {
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	m := hmac.New(sha256.New, der)
	m.Write([]byte("ringboot page login 1"))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.key = m.Sum(nil)
	return nil
}

func sumOf(word string) string { s := sha256.Sum256([]byte(word)); return string(s[:]) }

// give makes what lets one browser in, once.
func (l *logins) give() (word string, until time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for sum, end := range l.links {
		if !now.Before(end) {
			delete(l.links, sum)
		}
	}
	switch {
	case l.key == nil:
		return "", until, fault.Precondition.New("the status page does not run yet: it comes with step management")
	case len(l.links) >= maxLinks:
		return "", until, fault.Refused.Errorf("%d links wait to be followed: the oldest is over in %s at most", maxLinks, linkTime)
	}
	word, until = rand.Text()+rand.Text(), now.Add(linkTime)
	l.links[sumOf(word)] = until
	return word, until, nil
}

// take uses a link up and returns the cookie.
func (l *logins) take(word string) (*http.Cookie, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum, now := sumOf(word), l.now()
	end, ok := l.links[sum]
	delete(l.links, sum)
	if !ok || !now.Before(end) || l.key == nil {
		return nil, false
	}
	until := binary.BigEndian.AppendUint64(nil, uint64(now.Add(loginTime).Unix()))
	return &http.Cookie{Name: loginCookie, Value: base64.RawURLEncoding.EncodeToString(append(until, l.sign(until)...)), Path: "/",
		MaxAge: int(loginTime.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}, true
}

// sign is the word of this page for a time. The caller holds the lock.
func (l *logins) sign(until []byte) []byte {
	m := hmac.New(sha256.New, l.key)
	m.Write(until)
	return m.Sum(nil)
}

// in reports whether a request comes from a browser that was let in.
func (l *logins) in(r *http.Request) bool {
	c, err := r.Cookie(loginCookie)
	if err != nil {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(raw) != 8+sha256.Size {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	left := time.Unix(int64(binary.BigEndian.Uint64(raw[:8])), 0).Sub(l.now())
	return l.key != nil && hmac.Equal(raw[8:], l.sign(raw[:8])) && 0 < left && left <= loginTime
}

// Link answers MethodPage: a link to the status page that lets one browser in.
func (c *Resident) Link(context.Context, string, json.RawMessage) (any, error) {
	if !c.o.Profile.Agent.StatusPage {
		return nil, fault.Precondition.New("this node serves no status page: agent.status_page is off")
	}
	word, until, err := c.logins.give()
	if err != nil {
		return nil, err
	}
	at := net.JoinHostPort(c.o.Node.Address.String(), strconv.Itoa(c.o.Profile.Agent.StatusPort))
	return trust.PageLink{Link: "https://" + at + loginPath + "?" + loginKey + "=" + word, Until: until}, nil
}

// login lets a browser in that follows a link, and tells whether it was asked to.
func (g *page) login(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != loginPath {
		return false
	}
	if r.Method != http.MethodGet || g.logins == nil { // what looks a link over does not use it up
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	cookie, ok := g.logins.take(r.URL.Query().Get(loginKey))
	if !ok {
		http.Error(w, errLink.Error(), http.StatusForbidden)
		return true
	}
	http.SetCookie(w, cookie)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return true
}

// errLink is said to a browser whose link lets nobody in.
var errLink = errors.New("this link was followed before, or is over: type firstboot page as root on this node for another one")

// errStranger is said to a browser that was not let in.
var errStranger = errors.New("this is shown after a login: type firstboot page as root on this node, or peers open where the images were made, and follow the link")
