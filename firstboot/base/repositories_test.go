package base

import (
	"strings"
	"testing"

	"ringboot/profiles"
)

const (
	debianSources = "Types: deb\nURIs: http://mirror.example.org/debian/\nSuites: trixie trixie-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
	pveEnterprise = "Types: deb\nURIs: https://enterprise.proxmox.com/debian/pve\nSuites: trixie\nComponents: pve-enterprise\nSigned-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n"
	ours          = "Types: deb\nURIs: http://download.proxmox.com/debian/pve\nSuites: trixie\nComponents: pve-no-subscription\nSigned-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n"
	oursCeph      = "Types: deb\nURIs: http://download.proxmox.com/debian/ceph-tentacle\nSuites: trixie\nComponents: no-subscription\nSigned-By: /usr/share/keyrings/proxmox-archive-keyring.gpg\n"
	mirror        = "Types: deb\nURIs: https://apt.example.org/docker\nSuites: trixie\nComponents: stable\n"
)

// mirrored has all of Proxmox's packages come from a mirror.
func mirrored(p *profiles.Profile) { p.Proxmox.Mirror = "http://10.0.3.5/debian" }

func TestRepositories(t *testing.T) {
	fresh := files{
		sourcesDir + "/debian.sources":         debianSources,
		sourcesDir + "/pve-enterprise.sources": pveEnterprise,
		cephSources:                            strings.Replace(strings.Replace(pveEnterprise, "/pve", "/ceph-squid", 1), "pve-enterprise", "enterprise", 1),
	}
	const listDir = sourcesDir + "/"
	cases := []struct {
		name string
		now  files
		edit func(*profiles.Profile)
		want map[string]string // changed files
		risk string
	}{
		{"as the installer leaves it", fresh, nil, map[string]string{
			proxmoxSources: ours, cephSources: oursCeph, listDir + "pve-enterprise.sources": "Enabled: no\n" + pveEnterprise,
		}, ""},
		{"done is done", files{proxmoxSources: ours, cephSources: oursCeph, listDir + "pve-enterprise.sources": "Enabled: no\n" + pveEnterprise}, nil, nil, ""},
		{"the same in other words", files{proxmoxSources: strings.Replace(strings.Replace(ours, "http://", "https://", 1), "debian/pve", "debian/pve/", 1), cephSources: oursCeph}, nil, nil, ""},
		{"what is foreign in our file stays", files{proxmoxSources: "# by hand\n" + mirror + "\n" + ours, cephSources: oursCeph}, nil, nil,
			proxmoxSources + " has packages of others (apt.example.org), which are kept and not known to Ringboot"},
		{"ours is put behind what is foreign", files{proxmoxSources: mirror, cephSources: oursCeph}, nil, map[string]string{proxmoxSources: mirror + "\n" + ours},
			proxmoxSources + " has packages of others (apt.example.org), which are kept and not known to Ringboot"},
		{"lines of the older form", files{
			listDir + "pve-enterprise.list": "# stays\ndeb https://enterprise.proxmox.com/debian/pve trixie pve-enterprise\n",
			listDir + "ceph.list":           "deb https://enterprise.proxmox.com/debian/ceph-squid trixie enterprise\n",
			listDir + "pve.list":            "deb [arch=amd64] http://download.proxmox.com/debian/pve trixie pve-no-subscription\n",
		}, nil, map[string]string{
			listDir + "pve-enterprise.list": "# stays\n# deb https://enterprise.proxmox.com/debian/pve trixie pve-enterprise\n",
			listDir + "ceph.list":           "# deb https://enterprise.proxmox.com/debian/ceph-squid trixie enterprise\n",
			cephSources:                     oursCeph,
		}, ""},
		{"another release of Ceph is switched off", files{proxmoxSources: ours, listDir + "old.sources": strings.Replace(oursCeph, "tentacle", "squid", 1)}, nil, map[string]string{
			cephSources: oursCeph, listDir + "old.sources": "Enabled: no\n" + strings.Replace(oursCeph, "tentacle", "squid", 1),
		}, ""},
		{"none leaves Proxmox's as they are", files{listDir + "pve-enterprise.sources": pveEnterprise, cephSources: oursCeph}, func(p *profiles.Profile) { p.Proxmox.Repository = "none" }, nil, ""},
		{"enterprise is switched on again", files{listDir + "pve-enterprise.sources": "Enabled: no\n" + pveEnterprise, cephSources: oursCeph}, func(p *profiles.Profile) { p.Proxmox.Repository = "enterprise" },
			map[string]string{listDir + "pve-enterprise.sources": "Enabled: yes\n" + pveEnterprise}, ""},
		{"a mirror takes the place of Proxmox's", files{proxmoxSources: ours, cephSources: oursCeph, listDir + "pve-enterprise.sources": "Enabled: no\n" + pveEnterprise}, mirrored, map[string]string{
			proxmoxSources: strings.Replace(ours, "http://download.proxmox.com/debian", "http://10.0.3.5/debian", 1), cephSources: strings.Replace(oursCeph, "http://download.proxmox.com/debian", "http://10.0.3.5/debian", 1),
		}, ""},
		{"a mirror of Debian on the same host stays", files{proxmoxSources: strings.Replace(ours, "download.proxmox.com", "10.0.3.5", 1), cephSources: strings.Replace(oursCeph, "download.proxmox.com", "10.0.3.5", 1),
			sourcesDir + "/debian.sources": strings.Replace(debianSources, "mirror.example.org", "10.0.3.5", 1)}, mirrored, nil, ""},
		{"another Debian is named", files{proxmoxSources: ours, cephSources: oursCeph, sourcesList: "deb http://mirror.example.org/debian bookworm main\n"}, nil, nil,
			sourcesList + " has packages of bookworm, and this is trixie: take it out, or an update mixes two systems"},
	}
	for _, r := range profiles.Releases() {
		for _, c := range cases {
			t.Run(r.Name+" "+c.name, func(t *testing.T) {
				p := profiles.Default()
				p.Proxmox.Version = r.Name + "-1" // the suites are the same; Ceph is the profile's
				if c.edit != nil {
					c.edit(p)
				}
				want := c.now.edit(p)
				got := map[string]string{}
				for _, path := range c.now.changed(want) {
					got[path] = want[path]
				}
				if len(got) != len(c.want) {
					t.Errorf("changes %q, want %q", got, c.want)
				}
				for path, text := range c.want {
					if got[path] != text {
						t.Errorf("%s:\n%s\nwant\n%s", path, got[path], text)
					}
				}
				if again := want.changed(want.edit(p)); len(again) > 0 {
					t.Errorf("a second run would change %q", again)
				}
				if risks := strings.Join(want.risks(p), "\n"); risks != c.risk {
					t.Errorf("risks %q, want %q", risks, c.risk)
				}
			})
		}
	}
}
