package base

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
	"ringboot/profiles"
	"ringboot/rehearsal/crash"
	"ringboot/rehearsal/nodetest"
)

// An account as a crash, the installer or its owner has left it: what of it is
// missing, and what becomes of it. What a person set stays.
func TestAccountsAreFinished(t *testing.T) {
	const passwd, group = "root:x:0:0:root:/root:/bin/bash\nkellen:x:1000:1000::/home/kellen:/bin/bash\n", "root:x:0:\nkellen:x:1000:\n"
	const shadow = "root:*:20000:0:99999:7:::\nkellen:" + hash + ":20000:0:99999:7:::\n"
	whole := map[string]string{"/etc/passwd": passwd, "/etc/group": group, "/etc/shadow": shadow, "/home/kellen/.ssh/authorized_keys": key1 + "\n"}
	user := profiles.User{Name: "kellen", Sudo: "none", PasswordHash: hash, Keys: []string{key1}}
	bare := user
	bare.PasswordHash = ""
	for name, c := range map[string]struct {
		user  profiles.User
		files map[string]string // instead of the whole ones; "-": none
		owner int               // of the home
		want  []string          // what is announced
		runs  []string
		after map[string]string
	}{
		"whole":         {user, nil, 1000, nil, nil, nil},
		"none":          {user, map[string]string{"/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n", "/etc/group": "root:x:0:\n", "/etc/shadow": "root:*:20000:0:99999:7:::\n", "/home/kellen/.ssh/authorized_keys": "-"}, -1, []string{"user kellen: no account -> account with 1 keys"}, []string{"useradd --create-home --shell /bin/bash --user-group kellen", "chpasswd --encrypted"}, map[string]string{"/home/kellen/.ssh/authorized_keys": key1 + "\n", "/etc/shadow": shadow}},
		"with a group":  {user, map[string]string{"/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n", "/etc/shadow": "", "/home/kellen/.ssh/authorized_keys": "-"}, -1, []string{"user kellen: no account -> account with 1 keys"}, []string{"useradd --create-home --shell /bin/bash --gid kellen kellen", "chpasswd --encrypted"}, nil},
		"no entry":      {user, map[string]string{"/etc/shadow": ""}, 1000, []string{"user kellen: no password entry -> password as the profile says"}, []string{"chpasswd --encrypted"}, map[string]string{"/etc/shadow": "kellen:" + hash + ":20000:0:99999:7:::\n"}},
		"empty":         {user, map[string]string{"/etc/shadow": "kellen::20000:0:99999:7:::\n"}, 1000, []string{"user kellen: no password entry -> password as the profile says"}, []string{"chpasswd --encrypted"}, nil},
		"locked":        {user, map[string]string{"/etc/shadow": "kellen:!:20000:0:99999:7:::\n"}, 1000, []string{"user kellen: no password entry -> password as the profile says"}, []string{"chpasswd --encrypted"}, nil},
		"locked twice":  {user, map[string]string{"/etc/shadow": "kellen:!!:20000:0:99999:7:::\n"}, 1000, []string{"user kellen: no password entry -> password as the profile says"}, []string{"chpasswd --encrypted"}, nil},
		"locked anyway": {user, map[string]string{"/etc/shadow": "kellen:!*:20000:0:99999:7:::\n"}, 1000, []string{"user kellen: no password entry -> password as the profile says"}, []string{"chpasswd --encrypted"}, nil},
		"by hand":       {user, map[string]string{"/etc/shadow": "kellen:$y$another:20000:0:99999:7:::\n"}, 1000, nil, nil, map[string]string{"/etc/shadow": "kellen:$y$another:20000:0:99999:7:::\n"}},
		"keys only":     {user, map[string]string{"/etc/shadow": "kellen:*:20000:0:99999:7:::\n"}, 1000, []string{"user kellen: no password entry -> password as the profile says"}, []string{"chpasswd --encrypted"}, nil},
		"as planned":    {bare, map[string]string{"/etc/shadow": "kellen:*:20000:0:99999:7:::\n"}, 1000, nil, nil, nil},
		"no password":   {bare, map[string]string{"/etc/shadow": "kellen:!:20000:0:99999:7:::\n"}, 1000, []string{"user kellen: no password entry -> password as the profile says"}, []string{"chpasswd --encrypted"}, map[string]string{"/etc/shadow": "kellen:*:20000:0:99999:7:::\n"}},
		"no group":      {user, map[string]string{"/etc/group": "root:x:0:\nkel:1000\n"}, 1000, []string{"user kellen: no group of its own -> group kellen"}, []string{"groupadd --gid 1000 kellen"}, map[string]string{"/etc/group": "root:x:0:\nkel:1000\nkellen:x:1000:\n"}},
		"no home":       {user, map[string]string{"/home/kellen/.ssh/authorized_keys": "-"}, -1, []string{"/home/kellen:  -> home of kellen", "/home/kellen/.ssh/authorized_keys:  -> 1 keys"}, nil, map[string]string{"/home/kellen/.ssh/authorized_keys": key1 + "\n"}},
		"root's home":   {user, nil, 0, []string{"/home/kellen:  -> home of kellen"}, nil, nil},
		"no keys":       {user, map[string]string{"/home/kellen/.ssh/authorized_keys": ""}, 1000, []string{"/home/kellen/.ssh/authorized_keys:  -> 1 keys"}, nil, map[string]string{"/home/kellen/.ssh/authorized_keys": key1 + "\n"}},
		"other keys":    {user, map[string]string{"/home/kellen/.ssh/authorized_keys": key2}, 1000, []string{"/home/kellen/.ssh/authorized_keys:  -> 1 keys"}, nil, map[string]string{"/home/kellen/.ssh/authorized_keys": key2 + "\n" + key1 + "\n"}},
		"none wanted":   {profiles.User{Name: "kellen", Sudo: "none", PasswordHash: hash}, map[string]string{"/home/kellen/.ssh/authorized_keys": "-"}, 1000, nil, nil, map[string]string{"/home/kellen/.ssh/authorized_keys": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) { p.Users = []profiles.User{c.user} })
			for path, text := range whole {
				if other, ok := c.files[path]; ok {
					text = other
				}
				if text != "-" {
					b.put(t, path, text)
				}
			}
			if c.owner >= 0 {
				b.MkdirAll("/home/kellen", 0o700)
				b.Chown("/home/kellen", c.owner, c.owner)
			} else {
				b.RemoveAll("/home/kellen")
			}
			announced, v := converge(t, b.part(t, "accounts"))
			if d := cmp.Diff(c.want, announced); d != "" || v.State != step.Done || len(v.Risks) > 0 {
				t.Errorf("%s %s %q %s", v.State, v.Reason, v.Risks, d)
			}
			if d := cmp.Diff(c.runs, b.Calls); d != "" {
				t.Error(d)
			}
			for path, want := range c.after {
				if got := b.text(path); got != want {
					t.Errorf("%s is %q, want %q", path, got, want)
				}
			}
			home, err := b.Stat("/home/kellen")
			if err != nil || c.owner != 1000 && home.Mode().Perm() != 0o700 {
				t.Errorf("home: %v", err)
			}
			if ok, err := ownHome(b.Host().Files, account{1000, 1000, "/home/kellen"}); !ok || err != nil {
				t.Errorf("whose home: %v, %v", ok, err)
			}
			if dir, err := b.Stat("/home/kellen/.ssh"); err == nil && c.want != nil && strings.Contains(c.want[len(c.want)-1], "keys") && dir.Mode().Perm() != 0o700 {
				t.Errorf(".ssh is %s", dir.Mode())
			}
		})
	}
}

// What is odd about an account is said: who cannot log in, who cannot become
// root, a line that is damaged, a home that is none, a useradd that did nothing.
func TestWhatIsOddAboutAnAccount(t *testing.T) {
	for name, c := range map[string]struct {
		user  profiles.User
		put   map[string]string
		says  string // of looking
		risks string
	}{
		"neither key nor password":    {profiles.User{Name: "kellen", Sudo: "none"}, nil, "user kellen is not as the profile says", "kellen has neither a key nor a password and cannot log in"},
		"a password for sudo, and no": {profiles.User{Name: "kellen", Sudo: "password", Keys: []string{key1}}, nil, "user kellen is not as the profile says", "kellen needs a password for sudo and has none: set one with passwd kellen"},
		"damaged":                     {profiles.User{Name: "kellen", Keys: []string{key1}}, map[string]string{"/etc/passwd": "kellen:x:ten:1000::/home/kellen:/bin/bash\n"}, "/etc/passwd has a damaged line for kellen: mend it with vipw", ""},
		"damaged too":                 {profiles.User{Name: "kellen", Keys: []string{key1}}, map[string]string{"/etc/passwd": "kellen:x:1000:ten::/home/kellen:/bin/bash\n"}, "/etc/passwd has a damaged line for kellen: mend it with vipw", ""},
		"half a line":                 {profiles.User{Name: "kellen", Keys: []string{key1}}, map[string]string{"/etc/passwd": "kellen:x:1000:1000::/home/kellen\n"}, "user kellen is not as the profile says", ""},
		"a file for a home":           {profiles.User{Name: "kellen", Keys: []string{key1}}, map[string]string{"/etc/passwd": "kellen:x:1000:1000::/home/kellen:/bin/bash\n", "/home/kellen": ""}, "/home/kellen is no directory: move it away", ""},
	} {
		b := newBench(t, func(_ *nodetest.Options, p *profiles.Profile, _ *profiles.Node) { p.Users = []profiles.User{c.user} })
		for path, text := range c.put {
			b.put(t, path, text)
		}
		v, err := b.part(t, "accounts").Check(t.Context())
		says := v.Reason
		if err != nil {
			says = err.Error()
		}
		if says != c.says || strings.Join(v.Risks, "; ") != c.risks {
			t.Errorf("%s: %q %q", name, says, v.Risks)
		}
	}
	b := newBench(t, nil)
	for says, run := range map[string]scripted{
		"user kellen: useradd made no account (file does not exist)": func(host.Cmd) (host.Result, error) { return host.Result{}, nil },
		"user kellen: useradd: name is taken": func(host.Cmd) (host.Result, error) {
			return host.Result{Code: 9, Stderr: []byte("name is taken\n")}, nil
		},
		"user kellen: refused": func(host.Cmd) (host.Result, error) { return host.Result{}, crash.ErrRefused },
	} {
		h := b.Host()
		h.Commands = run
		if err := accountsItem(h, b.profile).make(t.Context()); err == nil || err.Error() != says {
			t.Errorf("%v, want %s", err, says)
		}
	}
	if _, v := converge(t, b.part(t, "accounts")); v.State != step.Done || b.Calls[0] != "useradd --create-home --shell /bin/bash --comment Administrator --user-group kellen" {
		t.Errorf("%s, ran %q", v.Reason, b.Calls)
	}
}

// Keys are added to those that are there, each once, whatever stands around them.
func TestKeysAreAdded(t *testing.T) {
	for _, c := range []struct{ have, want string }{
		{"", "a\nb\n"}, {"a\nb\n", "a\nb\n"}, {"b", "b\na\n"}, {"c\n\n", "c\n\na\nb\n"}, {"# mine\nb\n", "# mine\nb\na\n"},
	} {
		if got := wantKeys([]byte(c.have), []string{" a\n", "b"}); got != c.want {
			t.Errorf("%q becomes %q, want %q", c.have, got, c.want)
		}
	}
}
