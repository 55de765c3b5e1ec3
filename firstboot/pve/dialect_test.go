package pve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringboot/firstboot/host"
	"ringboot/profiles"
)

// said answers as the tool ceph of one release does, and notes what it was asked.
type said struct {
	answers map[string]json.RawMessage
	asked   []string
}

func (s *said) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	line := strings.TrimPrefix(strings.Join(cmd.Argv, " "), "ceph --connect-timeout 10 ")
	s.asked = append(s.asked, line)
	command := strings.TrimSuffix(line, " -f json")
	for name, answer := range s.answers {
		if command == name || strings.HasPrefix(command, name+" ") {
			return host.Result{Stdout: append([]byte("\n"), bytes.ReplaceAll(answer, []byte(`"@inf"`), []byte("inf"))...)}, nil
		}
	}
	return host.Result{}, nil
}

// The answers of Ceph 19.2 and 20.2 say the same to us.
func TestCephInEveryDialect(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range profiles.Releases() {
		for _, c := range r.Ceph {
			if seen[c.Name] {
				continue
			}
			seen[c.Name] = true
			t.Run(c.Name, func(t *testing.T) { cephDialect(t, c) })
		}
	}
}

func cephDialect(t *testing.T, release profiles.CephRelease) {
	raw, err := os.ReadFile(filepath.Join("../../rehearsal/tools/ceph/dialect", release.Name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Derived          string
		Answers, Samples map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &d); err != nil || !strings.Contains(d.Derived, "Ceph "+release.Version+",") {
		t.Fatalf("%v, derived %q", err, d.Derived)
	}
	for name, text := range d.Samples {
		d.Answers[name] = text
	}
	tool := &said{answers: d.Answers}
	c := Ceph{Shell{Host: host.Host{Files: host.New(t.TempDir()).Files, Commands: tool}, Node: "frege"}}
	ctx := t.Context()
	got := func(v any, err error) string {
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%+v", v)
	}
	check := func(what, have, want string) {
		t.Helper()
		if have != want {
			t.Errorf("%s:\n%s\nwant\n%s", what, have, want)
		}
	}
	check("status", got(c.Health(ctx)), "{FSID:e35b06ce-917c-4e3c-9c7c-02bf5b2646ad Status:HEALTH_WARN Checks:[{Code:OSDMAP_FLAGS Severity:HEALTH_WARN Message:noout flag(s) set Muted:false}] Quorum:[frege russell wittgenstein] Monitors:3 OSDs:3 Up:3 In:3 PGs:33 Clean:33}")
	check("managers", got(c.Managers(ctx)), "{Active:russell Available:true Standby:[frege]}")
	check("tree", got(c.Tree(ctx)), "[{ID:0 Host:frege Class:nvme Weight:1.81929 Up:true In:true} {ID:1 Host:russell Class:nvme Weight:1.81929 Up:true In:true} {ID:2 Host:wittgenstein Class:nvme Weight:1.81929 Up:true In:true}]")
	check("pools", got(c.Pools(ctx)), "[{Name:vm Size:3 MinSize:2 PGs:32 Autoscale:on Ratio:0 Apps:[rbd]}]")
	check("file systems", got(c.FileSystems(ctx)), "[cephfs]")
	check("capacity", got(c.Capacity(ctx)), "{Raw:386547056640 Used:94072832 Usable:map[vm:122373873664]}")
	check("disk", got(c.DeviceID(ctx, 0)), "Samsung_SSD_990_PRO_2TB_S7L9NJ0X100001")
	if err := c.ArchiveCrashes(ctx, "frege", time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
	check("the crash that is archived", tool.asked[len(tool.asked)-1], "crash archive 2026-11-26T15:41:29.164051Z_0d1f")
	if !json.Valid(bytes.ReplaceAll(d.Answers["osd pool ls detail"], []byte(`"@inf"`), []byte("1"))) || !bytes.Contains(d.Answers["osd pool ls detail"], []byte(`"@inf"`)) {
		t.Error("the pool's scores are not those that are no JSON")
	}
}

// What is no JSON for another reason stays an error, and a word in a text stays.
func TestNoNumberIsNoExcuse(t *testing.T) {
	for text, want := range map[string]string{
		`[{"name":"a:inf,b"}]`:            "[a:inf,b]",
		`[{"name":"a","x":-nan,"y":inf}]`: "[a]",
		`[{"name":"a","x":[nan, inf]}]`:   "[a]",
		`[{"name":"a","x":infinite}]`:     "ceph --connect-timeout 10 printed no JSON: invalid character 'i' looking for beginning of value",
		``:                                "ceph --connect-timeout 10 printed no JSON: unexpected end of JSON input",
	} {
		tool := &said{answers: map[string]json.RawMessage{"fs ls": json.RawMessage(text)}}
		c := Ceph{Shell{Host: host.Host{Files: host.New(t.TempDir()).Files, Commands: tool}, Node: "frege"}}
		have, err := c.FileSystems(t.Context())
		got := fmt.Sprint(have)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
