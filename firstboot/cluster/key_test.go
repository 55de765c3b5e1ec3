package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/trial"
)

// asks is what a node hears that asks another one for the key.
func (c *tried) asks(from, to string, have string) (got keyAnswer, err error) {
	c.t.Helper()
	err = c.Do(func() error {
		return c.Machine(from).Call(c.t.Context(), to, methodKey, keyRequest{Have: have}, &got)
	})
	return got, err
}

// Who gets the key of a cluster, and what everybody else hears.
func TestWhoGetsTheKey(t *testing.T) {
	c := try(t, whole3())
	c.Machine("frege").Start()
	if got, err := c.asks("russell", "frege", ""); err != nil || got.Wait != "frege has not founded principia yet" {
		t.Errorf("before it is founded: %+v, %v", got, err)
	}
	c.Start()
	c.done(10 * time.Minute)
	sum := pve.Sum(mustRead(t, c, "frege", pve.KeyFile))
	refused := "frege hands the key of principia to no second machine of the name russell: if a new one takes the place of a lost one, run firstboot admit russell on frege"
	if got, err := c.asks("russell", "frege", ""); err != nil || got.Wait != "frege still sees the old russell: two machines of one name must not run" || got.Key != nil {
		t.Errorf("a second machine beside the first: %+v, %v", got, err)
	}
	if got, err := c.asks("russell", "frege", "other"); err != nil || got.Refused != "russell has another corosync key than frege, and gives up none by itself: run firstboot leave on the one that is wrong" {
		t.Errorf("another key: %+v, %v", got, err)
	}
	if got, err := c.asks("russell", "frege", sum); err != nil || got.Key != nil || len(got.Conf) == 0 || got.Refused+got.Wait != "" {
		t.Errorf("who has it gets the configuration: %+v, %v", got, err)
	}
	for _, stranger := range []string{"goedel", "frege"} {
		if got, err := c.clusters["frege"].handOver(t.Context(), stranger, keyRequest{}); err != nil || got.Refused != stranger+" is no node of principia" {
			t.Errorf("%s: %+v, %v", stranger, got, err)
		}
	}
	// Off, and forgotten by the others: its certificate says that it was a member once.
	c.Machine("russell").End()
	c.World.PowerCut("russell", 0)
	c.rest(time.Minute)
	if got, err := c.clusters["frege"].handOver(t.Context(), "russell", keyRequest{}); err != nil || got.Refused != refused {
		t.Errorf("a machine that nobody admitted: %+v, %v", got, err)
	}
}

func mustRead(t *testing.T, c *tried, node, file string) []byte {
	t.Helper()
	text, err := c.World.Node(node).Files().ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What is handed over is looked at before anything is done with it.
func TestWhatIsHandedOverIsLookedAt(t *testing.T) {
	p := plan3()
	conf := planned(p).Text()
	grown := []byte(strings.Replace(string(conf), "name: russell", "name: goedel", 1))
	for name, k := range map[string]struct {
		answer keyAnswer
		err    string
		notYet bool
	}{
		"key and configuration": {keyAnswer{Key: make([]byte, pve.KeySize), Conf: conf}, "", false},
		"the configuration":     {keyAnswer{Conf: conf}, "", false},
		"half a key":            {keyAnswer{Key: make([]byte, 128), Conf: conf}, "the corosync key that was handed over has 128 bytes instead of 256", false},
		"no configuration":      {keyAnswer{}, "the configuration that was handed over: ", false},
		"another cluster's":     {keyAnswer{Conf: grown}, "the cluster principia has grown beyond the profile by goedel", false},
		"patience":              {keyAnswer{Wait: "not founded yet"}, "not founded yet", true},
		"a refusal":             {keyAnswer{Refused: "no second machine"}, "no second machine", true},
	} {
		c := try(t, p)
		c.Machine("russell").Start()
		c.Machine("frege").Start()
		c.Machine("frege").Answers().Handle(methodKey, func(context.Context, string, json.RawMessage) (any, error) { return k.answer, nil })
		err := c.Do(func() error {
			key, got, err := c.clusters["russell"].obtain(t.Context(), "frege")
			if err == nil && (len(key) != len(k.answer.Key) || string(got) != string(conf)) {
				t.Errorf("%s: got %d bytes of a key and %q", name, len(key), got)
			}
			return err
		})
		if (err == nil) != (k.err == "") || err != nil && !strings.HasPrefix(err.Error(), k.err) || step.IsNotYet(err) != k.notYet {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := try(t, p)
	c.Machine("russell").Start()
	if _, _, err := c.clusters["russell"].obtain(t.Context(), "frege"); err == nil || err.Error() != "ask frege for the key of principia: connect frege: connection refused" {
		t.Errorf("a founder that is off: %v", err)
	}
}

// Nothing that a node has of its own is set aside, also where it came while it asked.
func TestWhatCameMeanwhileIsNotLost(t *testing.T) {
	c := try(t, plan3())
	c.Machine("russell").Start()
	c.World.Node("russell").AddGuest("100")
	err := c.Do(func() error { return c.clusters["russell"].enter(t.Context(), "") })
	var wait *step.NotYet
	if !errors.As(err, &wait) || wait.Reason != "russell holds guest qemu-server/100: nothing was changed" {
		t.Errorf("%v", err)
	}
	if story := c.Story("russell"); strings.Contains(story, "$") || strings.Contains(story, "write") {
		t.Errorf("something was changed:\n%s", story)
	}
	if v := c.clusters["russell"].look(); v.Name != "" || len(v.Foreign) != 1 {
		t.Errorf("it says %+v", v)
	}
	// What cannot be read may be anything.
	c.Trouble = &trial.Trouble{Of: func(_, what string) bool { return what == "list /etc/pve" }}
	if v := c.clusters["russell"].look(); !strings.Contains(v.Wrong, "trouble 1.") {
		t.Errorf("it says %+v", v)
	}
	c.Trouble = nil
}

// A verdict keeps for a minute: what holds is not asked of three nodes all the time.
func TestHowLongAVerdictKeeps(t *testing.T) {
	o := Options{Profile: &profiles.Profile{}}
	if c, p := New(o), NewProof(o); c.Recheck() != time.Minute || p.Recheck() != time.Minute || c.Name() != "cluster" || p.Name() != "proof" {
		t.Errorf("%s %v, %s %v", c.Name(), c.Recheck(), p.Name(), p.Recheck())
	}
}

// An admission ends when its machine shows that it has the key, and for no other reason.
func TestWhenAnAdmissionIsUsedUp(t *testing.T) {
	c := try(t, plan3())
	c.idle = true
	c.Start()
	s, files := c.clusters["frege"], c.World.Node("frege").Files()
	const handed, open = `{"node":"russell","until":"2099-01-01T00:00:00Z","handed":true}`, `{"node":"russell","until":"2099-01-01T00:00:00Z"}`
	for name, k := range map[string]struct {
		lies  string
		key   string
		peers map[string]answer
		used  bool
	}{
		"it has the key":        {handed, "key", map[string]answer{"russell": {view: view{Key: "key"}}}, true},
		"it was not handed yet": {open, "key", map[string]answer{"russell": {view: view{Key: "key"}}}, false},
		"it has another one":    {handed, "key", map[string]answer{"russell": {view: view{Key: "other"}}}, false},
		"nobody has one":        {handed, "", map[string]answer{"russell": {}}, false},
		"it does not answer":    {handed, "key", map[string]answer{"russell": {err: errors.New("no route"), view: view{Key: "key"}}}, false},
		"it is not asked":       {handed, "key", nil, false},
		"half a file":           {"{", "key", map[string]answer{"": {view: view{Key: "key"}}}, false},
	} {
		if err := errors.Join(files.WriteFile(admitFile, []byte(k.lies), 0o600), files.Remove(keyedFile("russell"))); err != nil {
			t.Fatal(err)
		}
		if err := s.arrived(k.key, k.peers); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.exists("frege", admitFile) == k.used || c.exists("frege", keyedFile("russell")) != k.used {
			t.Errorf("%s: used up %v", name, !c.exists("frege", admitFile))
		}
	}
	for name, k := range map[string]struct {
		lies, node, want string
	}{
		"its machine":     {open, "russell", handed},
		"another machine": {open, "wittgenstein", open},
		"a second time":   {handed, "russell", handed},
		"no admission":    {"{", "", "{"},
	} {
		if err := files.WriteFile(admitFile, []byte(k.lies), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Machine("frege").Log = nil
		if err := s.hand(k.node); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := string(mustRead(t, c, "frege", admitFile)); got != k.want || k.lies == k.want && len(c.Machine("frege").Log) > 0 {
			t.Errorf("%s: %s %q", name, got, c.Machine("frege").Log)
		}
		if err := s.dismiss(k.node); err != nil || c.exists("frege", admitFile) == (k.node == "russell") {
			t.Errorf("%s: dismissed %v %v", name, !c.exists("frege", admitFile), err)
		}
	}
}
