package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ringboot/imagebuilder/agent"
	"ringboot/rehearsal/base"
	"ringboot/rehearsal/need"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mkimage": main})
}

// TestCommands runs the scripts that need nothing but Go.
func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: ownHome, Cmds: scriptCommands(t, nil)})
}

// TestCommandsWithTheAgent runs the scripts that write what carries the agent.
func TestCommandsWithTheAgent(t *testing.T) {
	needAgent(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/agent", Setup: ownHome, Cmds: scriptCommands(t, nil)})
}

// TestImages runs the scripts that make images.
func TestImages(t *testing.T) {
	need.Slow(t)
	need.Tools(t, "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	need.File(t, "/usr/lib/grub/i386-pc/cdboot.img", "grub-pc-bin")
	need.File(t, "/usr/lib/grub/x86_64-efi/part_gpt.mod", "grub-efi-amd64-bin")
	needAgent(t)
	s := &stocks{t: t, made: map[string]string{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/image", Cmds: scriptCommands(t, s),
		Setup: func(e *testscript.Env) error {
			e.Setenv("RINGBOOT_ISO_MIRROR", server.URL)
			return ownHome(e)
		},
	})
}

// TestSticks runs the scripts that write to a loop device.
func TestSticks(t *testing.T) {
	need.Slow(t)
	need.Root(t)
	need.Tools(t, "losetup:mount", "grub-mkrescue:grub-common", "xorriso", "mformat:mtools")
	needAgent(t)
	s := &stocks{t: t, made: map[string]string{}}
	testscript.Run(t, testscript.Params{Dir: "testdata/stick", Setup: ownHome, Cmds: scriptCommands(t, s)})
}

func needAgent(t testing.TB) {
	t.Helper()
	if _, err := agent.Open(); err == nil {
		return
	}
	if need.InCI() {
		t.Fatal("CI skips nothing: the agent is not built, run make test")
	}
	t.Skip("the agent is not built: run make test")
}

// ownHome keeps keyring and cache of a script to itself.
func ownHome(e *testscript.Env) error {
	home := filepath.Join(e.WorkDir, "home")
	e.Setenv("HOME", home)
	e.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
	e.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	return os.MkdirAll(home, 0o755)
}

// stocks makes each kind of stock ISO once.
type stocks struct {
	t    *testing.T
	mu   sync.Mutex
	made map[string]string
}

func (s *stocks) iso(release string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path, ok := s.made[release]; ok {
		return path, nil
	}
	path, err := base.Skeleton(s.t.Context(), s.t.TempDir(), base.SkeletonOptions{Release: release})
	if err == nil {
		s.made[release] = path
	}
	return path, err
}

// serve is the vendor: it has 9.9-1, which no checksum is pinned for, and a
// file of the right name and wrong content for 9.1-1.
func (s *stocks) serve(w http.ResponseWriter, r *http.Request) {
	path, err := s.iso("9.9-1")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	switch r.URL.Path {
	case "/SHA256SUMS":
		content, err := os.ReadFile(path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%x  proxmox-ve_9.9-1.iso\n%x  proxmox-ve_9.1-1.iso\n", sha256.Sum256(content), sha256.Sum256(content))
	case "/proxmox-ve_9.9-1.iso", "/proxmox-ve_9.1-1.iso":
		http.ServeFile(w, r, path)
	default:
		http.NotFound(w, r)
	}
}

func scriptCommands(t *testing.T, s *stocks) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		// code N PROGRAM ARGS... runs a program and demands its exit code.
		"code": func(ts *testscript.TestScript, _ bool, args []string) {
			want, err := strconv.Atoi(args[0])
			ts.Check(err)
			err = ts.Exec(args[1], args[2:]...)
			got := 0
			var failed *exec.ExitError
			if errors.As(err, &failed) {
				got = failed.ExitCode()
			} else if err != nil {
				ts.Fatalf("%v", err)
			}
			if got != want {
				ts.Fatalf("exit code %d, want %d", got, want)
			}
		},
		// stock FILE [RELEASE] puts a stock ISO there.
		"stock": func(ts *testscript.TestScript, _ bool, args []string) {
			release := "9.2-1"
			if len(args) > 1 {
				release = args[1]
			}
			path, err := s.iso(release)
			ts.Check(err)
			content, err := os.ReadFile(path)
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o644))
		},
		// loop VARIABLE MIB makes a loop device.
		"loop": func(ts *testscript.TestScript, _ bool, args []string) {
			mib, err := strconv.ParseInt(args[1], 10, 64)
			ts.Check(err)
			file := ts.MkAbs(args[0] + ".device")
			ts.Check(os.WriteFile(file, nil, 0o600))
			ts.Check(os.Truncate(file, mib<<20))
			out, err := exec.Command("losetup", "--find", "--show", file).Output()
			ts.Check(err)
			device := strings.TrimSpace(string(out))
			ts.Setenv(args[0], device)
			ts.Defer(func() {
				if out, err := exec.Command("losetup", "-d", device).CombinedOutput(); err != nil {
					t.Errorf("losetup -d %s: %v: %s", device, err, out)
				}
			})
		},
		// spend FILE burns the ticket of an image, as a node does.
		"spend": func(ts *testscript.TestScript, _ bool, args []string) {
			ts.Check(spend(ts.MkAbs(args[0])))
		},
		// spoil FILE changes a byte of the menu in an image: preflight may write
		// the answer anew, so that its manifest does not bind it.
		"spoil": func(ts *testscript.TestScript, _ bool, args []string) {
			content, err := os.ReadFile(ts.MkAbs(args[0]))
			ts.Check(err)
			at := bytes.LastIndex(content, []byte("AGAIN: ERASES"))
			if at < 0 {
				ts.Fatalf("no menu in %s", args[0])
			}
			content[at] ^= 1
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), content, 0o600))
		},
		// alone DIRECTORY PATTERN... demands that only files of the patterns are there.
		"alone": func(ts *testscript.TestScript, _ bool, args []string) {
			entries, err := os.ReadDir(ts.MkAbs(args[0]))
			ts.Check(err)
			for _, e := range entries {
				if !slices.ContainsFunc(args[1:], func(pattern string) bool { ok, _ := filepath.Match(pattern, e.Name()); return ok }) {
					ts.Fatalf("%s is left in %s", e.Name(), args[0])
				}
			}
		},
	}
}
