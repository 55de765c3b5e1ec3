package rehearsal

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"ringboot/discovery"
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
	Heard    time.Time // of the last record
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
	changed chan struct{}
	keys    map[string]ed25519.PublicKey
	say     func(Event)
}

func newWatch(nodes []string, say func(Event)) *watch {
	w := &watch{start: time.Now(), views: map[string]*View{}, order: nodes, reached: map[string]map[string]time.Duration{},
		failure: map[string]string{}, changed: make(chan struct{}), keys: map[string]ed25519.PublicKey{}, say: say}
	for _, n := range nodes {
		w.views[n] = &View{Node: n, Stage: StageOff, Since: w.start}
		w.reached[n] = map[string]time.Duration{}
	}
	return w
}

// trust takes the node's key from its certificate (PEM).
func (w *watch) trust(node string, certificate []byte) error {
	block, _ := pem.Decode(certificate)
	if block == nil {
		return fmt.Errorf("certificate of %s is no PEM", node)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("certificate of %s: %w", node, err)
	}
	key, ok := c.PublicKey.(ed25519.PublicKey)
	if !ok {
		return fmt.Errorf("certificate of %s has a key that signs no records", node)
	}
	w.keys[node] = key
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
	lineInstaller = regexp.MustCompile(`^installer: +([0-9.]+) (.*)`)
	lineAgent     = regexp.MustCompile(`(?:firstboot|ringboot)\[\d+\]: (.*)`)
	lineStep      = regexp.MustCompile(`step (\d+) of (\d+), ([a-z]+): (.*)`)
	lineFormed    = regexp.MustCompile(`all (\d+) steps are done`)
	lineFatal     = regexp.MustCompile(`installation failed: .*|no device with valid ISO found.*|Kernel panic - not syncing.*|boot: no root file system.*|error: unknown filesystem.*|ringboot\.service: Failed with result.*|grub rescue>`)
	lineInstalled = regexp.MustCompile(`root=UUID=|root=/dev/`)
)

// line takes one line of a console.
func (w *watch) line(node, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.views[node]
	switch {
	case lineFatal.MatchString(text):
		if w.failure[node] == "" {
			w.failure[node] = strings.TrimSpace(lineFatal.FindString(text))
			w.event(node, w.failure[node])
			w.wake()
		}
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
}

// frame takes one frame of the switch.
func (w *watch) frame(frame []byte) {
	for _, texts := range cable.Announcements(frame) {
		message, err := discovery.Parse(texts)
		if err != nil {
			continue
		}
		r := message.Record
		w.mu.Lock()
		v, known := w.views[r.Node]
		if known && message.Verify(w.keys[r.Node]) && (v.Record == nil || newer(r, *v.Record)) {
			v.Record, v.Heard = &r, time.Now()
			v.Step, v.Steps = r.Step, r.Steps
			if v.Stage != r.Phase || v.Waiting != r.Waiting {
				w.stage(r.Node, r.Phase, "")
				v.Waiting = r.Waiting
			}
		}
		w.mu.Unlock()
	}
}

// newer tells whether a is a later record than b of the same node. A new run
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
