// Package fetch finds the stock ISO: among the files that are there, else at
// the vendor's, with resume and with a checksum that is known beforehand.
//
// It looks into no ISO. What it downloaded has its final name only once its
// checksum is right.
package fetch

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"ringboot/profiles"
	"ringboot/profiles/fault"
)

// Vendor is where Proxmox keeps its ISOs, beside a list of checksums.
const Vendor = "https://enterprise.proxmox.com/iso"

// Pinned returns the checksum that the ISO of a version is known to have, from
// the table of releases. A downloaded ISO must agree with it and with the
// vendor's own list.
func Pinned(version string) (string, bool) {
	r, newer, err := profiles.ReleaseOf(version)
	if err != nil || newer {
		return "", false
	}
	sum, ok := r.ISOs[version]
	return sum, ok
}

// FileName is the vendor's name of the ISO of a version such as 9.2-1.
func FileName(version string) string { return "proxmox-ve_" + version + ".iso" }

// Find returns the first of the directories' files that has the ISO's name, or "".
func Find(version string, directories ...string) string {
	for _, dir := range directories {
		path := filepath.Join(dir, FileName(version))
		if is, err := os.Stat(path); err == nil && is.Mode().IsRegular() && is.Size() > 0 {
			return path
		}
	}
	return ""
}

// Errors that a caller tells apart.
var (
	ErrOffline = fault.Precondition.New("the ISO could not be downloaded")
	ErrSum     = fault.Unverified.New("the checksum is not the one that it must be")
)

const (
	tries    = 5                // a broken connection is resumed so often
	patience = 30 * time.Second // without a byte, the connection counts as broken
	maxList  = 1 << 20          // bytes of the vendor's list
)

// Download is one download. Progress may be nil; it is told bytes.
type Download struct {
	Client   *http.Client // nil: the default one
	From     string       // address of the directory; "": Vendor
	Version  string
	Dir      string
	Pinned   string // checksum known beforehand; "" takes the vendor's list alone
	Patience time.Duration
	Progress func(done, total int64)
}

// Run downloads the ISO and returns its path. What an earlier run left behind
// is gone on with.
func (d Download) Run(ctx context.Context) (string, error) {
	d.Client, d.From, d.Patience = cmp.Or(d.Client, http.DefaultClient), cmp.Or(d.From, Vendor), cmp.Or(d.Patience, patience)
	if d.Progress == nil {
		d.Progress = func(int64, int64) {}
	}
	final := filepath.Join(d.Dir, FileName(d.Version))
	if err := os.MkdirAll(d.Dir, 0o755); err != nil {
		return "", fmt.Errorf("download: %w", err)
	}
	want, err := d.sum(ctx)
	if err != nil {
		return "", err
	}
	part := final + ".part"
	for try := 1; ; try++ {
		err = d.more(ctx, part)
		if err == nil || try == tries || ctx.Err() != nil || errors.Is(err, errFinal) {
			break
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", d.offline(err)
	}
	got, err := Hash(ctx, part, nil)
	if err != nil {
		return "", err
	}
	if got != want {
		os.Remove(part)
		return "", fmt.Errorf("%w: %s has %s, not %s: it was removed, download it again", ErrSum, FileName(d.Version), got, want)
	}
	return final, os.Rename(part, final)
}

// offline says what to do without a network.
func (d Download) offline(err error) error {
	return fmt.Errorf("%w: %w: get %s/%s on another computer and give it with --iso FILE", ErrOffline, err, d.From, FileName(d.Version))
}

// sum asks for the vendor's list and holds it against the pinned checksum.
func (d Download) sum(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	body, err := d.get(ctx, "SHA256SUMS", 0)
	if err != nil {
		return "", d.offline(err)
	}
	defer body.Close()
	lines := bufio.NewScanner(io.LimitReader(body, maxList))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 2 || strings.TrimPrefix(fields[1], "*") != FileName(d.Version) {
			continue
		}
		if d.Pinned != "" && d.Pinned != fields[0] {
			return "", fmt.Errorf("%w: for %s the vendor's list says %s, this mkimage knows %s: do not use that download before you know why", ErrSum, FileName(d.Version), fields[0], d.Pinned)
		}
		return fields[0], nil
	}
	if err := lines.Err(); err != nil {
		return "", d.offline(err)
	}
	return "", fmt.Errorf("the vendor's list of checksums has no %s: is proxmox.version right?", FileName(d.Version))
}

// errFinal is what another try would meet again.
var errFinal = errors.New("the server refuses")

// reply is what the server sends.
type reply struct {
	io.ReadCloser
	code   int
	length int64 // of what comes; -1: it does not say
}

// get asks for a file from byte on. partial tells whether the server did so.
func (d Download) get(ctx context.Context, name string, from int64) (reply, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.From+"/"+name, nil)
	if err != nil {
		return reply{}, err
	}
	if from > 0 {
		request.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	response, err := d.Client.Do(request)
	if err != nil {
		return reply{}, err
	}
	switch {
	case response.StatusCode == http.StatusOK, response.StatusCode == http.StatusPartialContent,
		response.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return reply{response.Body, response.StatusCode, response.ContentLength}, nil
	}
	response.Body.Close()
	err = fmt.Errorf("%s says %s", request.URL, response.Status)
	if response.StatusCode < http.StatusInternalServerError {
		err = fmt.Errorf("%w: %w", errFinal, err)
	}
	return reply{}, err
}

// more goes on with the file until it is complete or the connection breaks.
func (d Download) more(ctx context.Context, part string) error {
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%w: %w", errFinal, err)
	}
	defer f.Close()
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(d.Patience, func() { cancel(fmt.Errorf("no byte came for %s", d.Patience)) })
	defer idle.Stop()
	body, err := d.get(ctx, FileName(d.Version), have)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer body.Close()
	switch body.code {
	case http.StatusRequestedRangeNotSatisfiable:
		return nil // all of it is there; the checksum will tell
	case http.StatusOK: // the server starts from the beginning
		have = 0
		if err := f.Truncate(0); err != nil {
			return err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	total := have + body.length
	buffer := make([]byte, 256<<10)
	for {
		n, err := body.Read(buffer)
		if n > 0 {
			idle.Reset(d.Patience)
			if _, err := f.Write(buffer[:n]); err != nil {
				return fmt.Errorf("%w: %w", errFinal, err)
			}
			have += int64(n)
			d.Progress(have, total)
		}
		if errors.Is(err, io.EOF) {
			return f.Sync()
		}
		if err != nil {
			return causeOf(ctx, err)
		}
	}
}

func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Hash returns the SHA-256 sum of a file. It ends within a second of its context.
func Hash(ctx context.Context, path string, progress func(done, total int64)) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	is, err := f.Stat()
	if err != nil {
		return "", err
	}
	sum, buffer := sha256.New(), make([]byte, 1<<20)
	for done := int64(0); ; {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		n, err := f.Read(buffer)
		sum.Write(buffer[:n])
		done += int64(n)
		if progress != nil {
			progress(done, is.Size())
		}
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", err
		}
	}
}
