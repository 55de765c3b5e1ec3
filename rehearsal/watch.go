package rehearsal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"ringboot/discovery"
	"ringboot/discovery/grant"
	"ringboot/rehearsal/cable"
)

// Stages of a machine before its agent speaks; after them come the agent's steps.
const (
	StageOff     = "off"
	StageBoot    = "boot"    // firmware, menu, kernel of the medium
	StageInstall = "install" // the installer is at work
	StageStart   = "start"   // installed; the system's own first start
)

// stageFormed is the phase of a node whose steps are all done.
const stageFormed = "formed"

// View is what is known of one machine.
type View struct {
	Node     string
	Stage    string // one of the stages, or the agent's phase
	Step     int    // of the agent, from 1; 0 before it speaks
	Steps    int
	Waiting  string // why, in the agent's own words
	Since    time.Time
	Starts   int // kernels of an installed system that were seen
	Installs int
	Record   *discovery.Record
}

// Event is something that happened to a machine.
type Event struct {
	At   time.Duration // since power-on
	Node string
	Text string
}

// watch follows consoles and announcements and keeps what they tell.
type watch struct {
	mu      sync.Mutex
	start   time.Time
	views   map[string]*View
	order   []string
	events  []Event
	reached map[string]map[string]time.Duration // node -> stage -> when it was first seen
	failure map[string]string
	refusal map[string]string // node -> what preflight says over several lines
	broken  map[string]int    // node -> how often the emulator broke its kernel
	changed chan struct{}
	// vouchers are the keys of the sticks. Each vouches for the key that its node
	// makes itself, with which the node then signs: those are in keys.
	vouchers, keys map[string]ed25519.PublicKey
	say            func(Event)
}

func newWatch(nodes []string, say func(Event)) *watch {
	w := &watch{start: time.Now(), views: map[string]*View{}, order: nodes, reached: map[string]map[string]time.Duration{},
		failure: map[string]string{}, refusal: map[string]string{}, broken: map[string]int{}, changed: make(chan struct{}), vouchers: map[string]ed25519.PublicKey{}, keys: map[string]ed25519.PublicKey{}, say: say}
	for _, n := range nodes {
		w.views[n] = &View{Node: n, Stage: StageOff, Since: w.start}
		w.reached[n] = map[string]time.Duration{}
	}
	return w
}

// trust takes the key of a node's stick from its voucher (PEM).
func (w *watch) trust(node string, certificate []byte) error {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return fmt.Errorf("voucher of %s is no PEM", node)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("voucher of %s: %w", node, err)
	}
	key, ok := c.PublicKey.(ed25519.PublicKey)
	if !ok {
		return fmt.Errorf("voucher of %s has a key that vouches for none", node)
	}
	w.vouchers[node] = key
	return nil
}

// wake tells whoever waits that something changed. The lock is held.
func (w *watch) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// next is closed at the next change.
func (w *watch) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *watch) event(node, text string) {
	e := Event{At: time.Since(w.start), Node: node, Text: text}
	w.events = append(w.events, e)
	if w.say != nil {
		w.say(e)
	}
}

// note keeps something that happened and changes nothing.
func (w *watch) note(node, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.event(node, text)
}

// stage moves a machine to a stage. The lock is held.
func (w *watch) stage(node, stage, text string) {
	v := w.views[node]
	if v.Stage != stage {
		v.Stage, v.Since, v.Waiting = stage, time.Now(), ""
		if _, seen := w.reached[node][stage]; !seen {
			w.reached[node][stage] = time.Since(w.start)
		}
	}
	if text != "" {
		w.event(node, text)
	}
	w.wake()
}

// Lines that a machine's console says. The installer's own words are those of
// the practice medium; the real one has others, and the kernel's first line
// tells it as well.
var (
	lineMedium    = regexp.MustCompile(`^medium: found (\S+)`)
	lineLooks     = regexp.MustCompile(`^preflight: (looked for .*)`)
	lineGoesOn    = regexp.MustCompile(`^(INSTALLS \S+ AND ERASES \S+|INSTALLED ALREADY): `)
	lineRefuses   = regexp.MustCompile(`^(?:STOPPED, nothing was erased|WAITS, for \S+): `)
	lineInstaller = regexp.MustCompile(`^installer: +([0-9.]+) (.*)`)
	lineAgent     = regexp.MustCompile(`(?:firstboot|ringboot)\[\d+\]: (.*)`)
	lineStep      = regexp.MustCompile(`step (\d+) of (\d+), ([a-z]+): (.*)`)
	lineFormed    = regexp.MustCompile(`all (\d+) steps are done`)
	lineFatal     = regexp.MustCompile(`installation failed: .*|no device with valid ISO found.*|Kernel panic - not syncing.*|boot: no root file system.*|error: unknown filesystem.*|ringboot\.service: Failed with result.*|grub rescue>`)
	lineEmulator  = regexp.MustCompile(`IO-APIC \+ timer doesn't work`)
	lineInstalled = regexp.MustCompile(`root=UUID=|root=/dev/`)
)

// maxBroken is how often a kernel is started again that the emulator broke.
const maxBroken = 3

// line takes one line of a console. It tells whether the emulator broke the
// machine's kernel, so that it must be reset.
func (w *watch) line(node, text string) (reset bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.views[node]
	switch {
	case lineEmulator.MatchString(text) && w.broken[node] < maxBroken:
		w.broken[node]++
		w.stage(node, StageBoot, fmt.Sprintf("the emulated timer failed its kernel, which this machine is too busy for: reset %d of %d", w.broken[node], maxBroken))
		return true
	case lineFatal.MatchString(text):
		w.fails(node, lineFatal.FindString(text))
	case lineRefuses.MatchString(text), w.refusal[node] != "":
		w.refuses(node, text)
	case lineLooks.MatchString(text):
		w.event(node, "preflight "+lineLooks.FindStringSubmatch(text)[1])
	case lineGoesOn.MatchString(text):
		w.event(node, "preflight: "+lineGoesOn.FindStringSubmatch(text)[1])
	case strings.Contains(text, "Command line:") && lineInstalled.MatchString(text):
		v.Starts++
		w.stage(node, StageStart, fmt.Sprintf("the installed system starts (%d)", v.Starts))
	case lineMedium.MatchString(text):
		v.Installs++
		w.stage(node, StageInstall, "medium found at "+lineMedium.FindStringSubmatch(text)[1])
	case lineInstaller.MatchString(text):
		w.stage(node, StageInstall, "installer: "+lineInstaller.FindStringSubmatch(text)[2])
	case lineFormed.MatchString(text) && lineAgent.MatchString(text):
		v.Step = v.Steps
		w.stage(node, stageFormed, "all steps are done")
	case lineStep.MatchString(text) && lineAgent.MatchString(text):
		m := lineStep.FindStringSubmatch(text)
		fmt.Sscan(m[1], &v.Step)  //nolint:errcheck // digits
		fmt.Sscan(m[2], &v.Steps) //nolint:errcheck
		if v.Stage != m[3] || v.Waiting != m[4] {
			w.stage(node, m[3], m[3]+": "+m[4])
			v.Waiting = m[4]
		}
	}
	return false
}

// fails keeps the first reason why a machine went wrong. The lock is held.
func (w *watch) fails(node, why string) {
	if w.failure[node] == "" {
		w.failure[node] = strings.TrimSpace(why)
		w.event(node, w.failure[node])
		w.wake()
	}
}

// refuses gathers what preflight says when it does not go on by itself, which
// ends where it waits for a person: nobody is there. The lock is held.
func (w *watch) refuses(node, text string) {
	switch {
	case strings.HasPrefix(text, "Press Enter"), strings.HasPrefix(text, ">"):
		w.fails(node, w.refusal[node])
		w.refusal[node] = ""
	case strings.HasPrefix(text, "["): // the kernel's
	default:
		w.refusal[node] = strings.TrimSpace(w.refusal[node] + " " + strings.TrimSpace(text))
	}
}

// hello takes one frame of a cable of the ring. There the nodes show the keys
// that they made themselves, with their vouchers' word.
func (w *watch) hello(frame []byte) {
	node, word := cable.OwnKey(frame)
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.HasPrefix(word, w.keys[node]) && len(w.keys[node]) > 0 {
		return // it is known
	}
	if key, ok := grant.Open(w.vouchers[node], grant.Own, node, word); ok {
		w.keys[node] = key
	}
}

// frame takes one frame of the switch.
func (w *watch) frame(frame []byte) {
	for _, texts := range cable.Announcements(frame) {
		w.announced(texts)
	}
}

// announced takes the strings of one record. What its node's own key did not
// sign, or the keeper for which the node gave its word, was not heard of it.
func (w *watch) announced(texts []string) {
	message, err := discovery.Parse(texts)
	if err != nil {
		return
	}
	r := message.Record
	w.mu.Lock()
	defer w.mu.Unlock()
	v, known := w.views[r.Node]
	if !known || !message.Verify(w.keys[r.Node]) || v.Record != nil && !newer(r, *v.Record) {
		return
	}
	v.Record = &r
	v.Step, v.Steps = r.Step, r.Steps
	if v.Stage != r.Phase || v.Waiting != r.Waiting {
		w.stage(r.Node, r.Phase, "")
		v.Waiting = r.Waiting
	}
}

// newer reports whether a is a later record than b of the same node. A new run
// of the agent begins at the clock again.
func newer(a, b discovery.Record) bool { return a.Run != b.Run || a.Sequence > b.Sequence }

// Views are all machines in the profile's order.
func (w *watch) all() []View {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]View, 0, len(w.order))
	for _, n := range w.order {
		out = append(out, *w.views[n])
	}
	return out
}
