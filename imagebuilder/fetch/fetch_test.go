package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var iso = bytes.Repeat([]byte("an ISO, not really. "), 50000) // 1 MB

func sumOf(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// vendor serves the ISO and the list. The first breaks connections end after
// that many bytes each.
func vendor(t *testing.T, list string, breaks ...int) (*httptest.Server, *[]string) {
	t.Helper()
	var ranges []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/iso/SHA256SUMS":
			fmt.Fprint(w, list)
		case "/iso/proxmox-ve_9.2-1.iso":
			ranges = append(ranges, r.Header.Get("Range"))
			if len(breaks) > 0 {
				n := breaks[0]
				breaks = breaks[1:]
				from := 0
				if h := r.Header.Get("Range"); h != "" {
					fmt.Sscanf(h, "bytes=%d-", &from)
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, len(iso)-1, len(iso)))
				}
				w.Header().Set("Content-Length", fmt.Sprint(len(iso)-from))
				if from > 0 {
					w.WriteHeader(http.StatusPartialContent)
				}
				w.Write(iso[from : from+n])
				panic(http.ErrAbortHandler)
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(iso))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server, &ranges
}

func goodList() string {
	return strings.Repeat("0", 64) + "  other.iso\n" + sumOf(iso) + "  proxmox-ve_9.2-1.iso\n"
}

func download(server *httptest.Server, dir string) Download {
	return Download{Client: server.Client(), From: server.URL + "/iso", Version: "9.2-1", Dir: dir, Pinned: sumOf(iso), Patience: 20 * time.Second}
}

func TestDownload(t *testing.T) {
	server, _ := vendor(t, goodList())
	dir := t.TempDir()
	d := download(server, dir)
	var done, total int64
	d.Progress = func(a, b int64) { done, total = a, b }
	path, err := d.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, iso) || done != int64(len(iso)) || total != done {
		t.Errorf("got %d bytes, progress %d of %d, %v", len(got), done, total, err)
	}
	if Find("9.2-1", t.TempDir(), dir) != path {
		t.Error("the downloaded ISO is not found afterwards")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDownloadGoesOnWhereItBroke(t *testing.T) {
	server, ranges := vendor(t, goodList(), 300000, 200000)
	path, err := download(server, t.TempDir()).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, iso) {
		t.Error("the pieces do not make the ISO")
	}
	if len(*ranges) != 3 || (*ranges)[0] != "" || (*ranges)[1] == "" || (*ranges)[2] == "" {
		t.Errorf("asked for the ranges %q, want the second and third to go on", *ranges)
	}
}

func TestDownloadOfAnEarlierRunIsGoneOnWith(t *testing.T) {
	server, ranges := vendor(t, goodList())
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "proxmox-ve_9.2-1.iso.part"), iso[:400000], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := download(server, dir).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if (*ranges)[0] != "bytes=400000-" {
		t.Errorf("asked for %q", (*ranges)[0])
	}
}

func TestDownloadRefuses(t *testing.T) {
	tests := []struct {
		name, list string
		change     func(*Download)
		is         error
		want       string
	}{
		{"the vendor's list disagrees with ours", goodList(), func(d *Download) { d.Pinned = strings.Repeat("a", 64) }, ErrSum, "do not use that download before you know why"},
		{"the ISO is another", sumOf([]byte("x")) + "  proxmox-ve_9.2-1.iso\n", func(d *Download) { d.Pinned = "" }, ErrSum, "it was removed, download it again"},
		{"an unknown version", "", nil, nil, "the vendor's list of checksums has no proxmox-ve_9.2-1.iso: is proxmox.version right?"},
		{"no server", goodList(), func(d *Download) { d.From = "http://127.0.0.1:1/iso" }, ErrOffline, "get http://127.0.0.1:1/iso/proxmox-ve_9.2-1.iso on another computer and give it with --iso FILE"},
		{"a proxy's error page", goodList(), func(d *Download) { d.From += "/elsewhere" }, ErrOffline, "says 404 Not Found"},
	}
	for _, test := range tests {
		server, _ := vendor(t, test.list)
		dir := t.TempDir()
		d := download(server, dir)
		if test.change != nil {
			test.change(&d)
		}
		_, err := d.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v behind", test.name, left)
		}
	}
}

func TestDownloadEndsWithItsContext(t *testing.T) {
	entered := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "SHA256SUMS") {
			fmt.Fprint(w, goodList())
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(iso)))
		w.Write(iso[:1000])
		w.(http.Flusher).Flush()
		close(entered)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	go func() { <-entered; cancel(why) }()
	if _, err := download(server, t.TempDir()).Run(ctx); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestASilentServerCountsAsBroken(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "SHA256SUMS") {
			fmt.Fprint(w, goodList())
			return
		}
		if asked++; asked == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(iso)))
			w.Write(iso[:1000])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(iso))
	}))
	defer server.Close()
	d := download(server, t.TempDir())
	d.Patience = 2 * time.Second
	if _, err := d.Run(t.Context()); err != nil || asked != 2 {
		t.Errorf("asked %d times, %v", asked, err)
	}
}

func TestASumIsRememberedAsLongAsTheFileIsTheSame(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.iso")
	write := func(text string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() (string, bool) {
		t.Helper()
		read := false
		got, err := Sum(t.Context(), filepath.Join(dir, "cache"), path, func(int64, int64) { read = true })
		if err != nil {
			t.Fatal(err)
		}
		return got, read
	}
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	write("one", day)
	if got, read := ask(); got != sumOf([]byte("one")) || !read {
		t.Errorf("first time: %s, read: %v", got, read)
	}
	if got, read := ask(); got != sumOf([]byte("one")) || read {
		t.Errorf("second time: %s, read: %v", got, read)
	}
	write("two", day.Add(time.Nanosecond*1000))
	if got, read := ask(); got != sumOf([]byte("two")) || !read {
		t.Errorf("after a change: %s, read: %v", got, read)
	}
}

func TestPinned(t *testing.T) {
	sum, ok := Pinned("9.2-1")
	if _, err := hex.DecodeString(sum); err != nil || !ok || len(sum) != 64 {
		t.Errorf("9.2-1: %q is no SHA-256 sum", sum)
	}
	for _, version := range []string{"9.2-9", "9.9-1", "8.4-1"} {
		if sum, ok := Pinned(version); ok {
			t.Errorf("%s: %s is the sum of another ISO", version, sum)
		}
	}
}
