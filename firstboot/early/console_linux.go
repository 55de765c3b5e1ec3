package early

import (
	"bytes"
	"context"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// consoles are the screen with its keyboard, and the first serial port.
var consoles = [...]string{"/dev/tty0", "/dev/ttyS0"}

// Console is the screen and the first serial port as one: what is written
// appears on both, and a key counts on either.
type Console struct {
	files  []*os.File
	before []unix.Termios
	keys   chan byte
}

// OpenConsole opens what is there. With none it writes nowhere.
func OpenConsole() *Console {
	c := &Console{keys: make(chan byte, 256)}
	for _, name := range consoles {
		// Without a wait for a carrier that no null modem cable has.
		fd, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			unix.Close(fd) // there is no port behind the name
			continue
		}
		raw := *t
		raw.Lflag &^= unix.ICANON | unix.ECHO
		raw.Cflag |= unix.CLOCAL | unix.CREAD
		if strings.Contains(name, "ttyS") {
			raw.Cflag = raw.Cflag&^unix.CBAUD | unix.B115200
			raw.Ispeed, raw.Ospeed = unix.B115200, unix.B115200
		}
		raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
		if err := unix.IoctlSetTermios(fd, unix.TCSETS, &raw); err != nil {
			unix.Close(fd)
			continue
		}
		f := os.NewFile(uintptr(fd), name)
		c.files, c.before = append(c.files, f), append(c.before, *t)
		go c.listen(f)
	}
	return c
}

func (c *Console) listen(f *os.File) {
	b := make([]byte, 64)
	for {
		n, err := f.Read(b)
		if err != nil {
			return // closed: another program takes over
		}
		for _, key := range b[:n] {
			select {
			case c.keys <- key:
			default: // nobody reads this fast
			}
		}
	}
}

// writeTimeout bounds the wait for a serial port at which nobody listens.
const writeTimeout = 3 * time.Second

// Write shows text on all consoles. A console that takes nothing is no error.
func (c *Console) Write(b []byte) (int, error) {
	text := bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	for _, f := range c.files {
		_ = f.SetWriteDeadline(time.Now().Add(writeTimeout)) // not every console has deadlines
		_, _ = f.Write(text)
	}
	return len(b), nil
}

// Key waits for a key on any console.
func (c *Console) Key(ctx context.Context) (byte, error) {
	select {
	case k := <-c.keys:
		return k, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// Forget drops the keys that were pressed before now: whoever pressed them did
// not know the question.
func (c *Console) Forget() {
	for {
		select {
		case <-c.keys:
		default:
			return
		}
	}
}

// Line reads what is typed up to the end of a line, and shows it.
func (c *Console) Line(ctx context.Context) (string, error) {
	var line []byte
	for {
		k, err := c.Key(ctx)
		if err != nil {
			return "", err
		}
		switch {
		case k == '\r' || k == '\n':
			_, _ = c.Write([]byte("\n"))
			return string(line), nil
		case k == 0x7f || k == '\b':
			if len(line) > 0 {
				line = line[:len(line)-1]
				_, _ = c.Write([]byte("\b \b"))
			}
		case k >= ' ' && k < 0x7f && len(line) < 80:
			line = append(line, k)
			_, _ = c.Write([]byte{k})
		}
	}
}

// Close gives the consoles back as they were.
func (c *Console) Close() {
	for i, f := range c.files {
		if raw, err := f.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _ = unix.IoctlSetTermios(int(fd), unix.TCSETSW, &c.before[i]) })
		}
		f.Close()
	}
	c.files = nil
}
