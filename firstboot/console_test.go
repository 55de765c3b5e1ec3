package firstboot

import (
	"testing"
	"testing/fstest"

	"ringboot/firstboot/pve"
	"ringboot/firstboot/status"
)

func TestTheConsoleIsLeftToWhoWorksThere(t *testing.T) {
	stat := func(name string, tty string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("12 (" + name + ") S 1 12 12 " + tty + " 12 4194560 0 0")}
	}
	for name, c := range map[string]struct {
		proc fstest.MapFS
		want bool
	}{
		"waiting for a name": {fstest.MapFS{"12/stat": stat("agetty", "1025"), "99/stat": stat("bash", "34816")}, false},
		"somebody logs in":   {fstest.MapFS{"12/stat": stat("login", "1025")}, true},
		"somebody works":     {fstest.MapFS{"12/stat": stat("agetty) R", "0"), "13/stat": stat("ba) (sh", "1025")}, true},
		"nobody":             {fstest.MapFS{"12/stat": stat("systemd", "0"), "13/stat": &fstest.MapFile{Data: []byte("garbage")}}, false},
	} {
		if got := occupied(c.proc); got != c.want {
			t.Errorf("%s: occupied is %v", name, got)
		}
	}
}

func TestTheConsoleKeepsTheTextOfProxmox(t *testing.T) {
	issue := "\n------\n\nWelcome to the Proxmox Virtual Environment. Please use your web browser to \nconfigure this server - connect to:\n\n  https://10.203.3.11:8006/\n\n------\n\\n \\l\n"
	got := screenOf(fstest.MapFS{greeting: &fstest.MapFile{Data: []byte(issue)}}, "+--+\n| a |\n+--+\n")
	want := "\x1b[H\x1b[2J------\r\n\r\nWelcome to the Proxmox Virtual Environment. Please use your web browser to \r\nconfigure this server - connect to:\r\n\r\n  https://10.203.3.11:8006/\r\n\r\n------\r\n" +
		"+--+\r\n| a |\r\n+--+\r\n\r\nPress Enter to log in.\r\n"
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if alone := screenOf(fstest.MapFS{}, "+--+\n"); alone != "\x1b[H\x1b[2J+--+\r\n\r\nPress Enter to log in.\r\n" {
		t.Errorf("without it: %q", alone)
	}
}

func TestMembershipIsReadFromPmxcfs(t *testing.T) {
	said := func(text string) map[string]status.State {
		m, err := pve.ParseMembers([]byte(text))
		if err != nil {
			m = pve.Membership{}
		}
		return membersOf(m)
	}
	got := said(`{"nodename":"frege","version":5,"cluster":{"name":"principia","version":3,"nodes":3,"quorate":1},
"nodelist":{"frege":{"id":1,"online":1,"ip":"10.203.3.11"},"russell":{"id":2,"online":1},"wittgenstein":{"id":3,"online":0}}}`)
	for node, want := range map[string]status.State{
		"frege":        {OK: true},
		"russell":      {Why: "in cluster principia, its /etc/pve is not in step yet"},
		"wittgenstein": {Why: "in cluster principia, not online"},
	} {
		if got[node] != want {
			t.Errorf("%s: got %+v, want %+v", node, got[node], want)
		}
	}
	for _, text := range []string{"", "{", `{"nodename":"frege","version":1}`} {
		if got := said(text); len(got) != 0 {
			t.Errorf("%q gave %v", text, got)
		}
	}
}
