package main

import (
	"bytes"
	"strings"
	"testing"

	"ringboot/cmd/cli"
	"ringboot/profiles"
)

// What a profile says of disks, networks and ways out stands in its plan, and
// the whole of a subscription's key does not.
func TestThePlanSaysWhatTheProfileSays(t *testing.T) {
	const text = `version: 1
cluster: {name: gtr, domain: example.org, mail: a@example.org, smarthost: 'mail.example.org:25'}
proxmox: {proxy: 'http://10.0.3.5:3142', mirror: 'http://10.0.3.5/proxmox'}
install: INSTALL
management: {prefix: 10.0.3.0/24, gateway: 10.0.3.1, dns: [10.0.3.1], prefix6: 2001:db8::/64, gateway6: fe80::1}
ring: {transport: switch, prefix: 10.0.4.0/24, mtu: 9000, ports: [{name: sfp0, interface: sfp0}]}
ceph: {encrypted: true}
nodes:
  - {name: a, address: 10.0.3.11, address6: '2001:db8::11', subscription: pve2c-0123456789, root_disk: {serial: A1}, DISKS ports: [{mac: '58:47:ca:00:00:01'}, {mac: '58:47:ca:00:00:02'}]}
  - {name: b, address: 10.0.3.12, address6: '2001:db8::12', root_disk: {serial: B1}, DISKS ports: [{mac: '58:47:ca:00:00:03'}, {mac: '58:47:ca:00:00:04'}]}
  - {name: c, address: 10.0.3.13, address6: '2001:db8::13', root_disk: {serial: C1}, DISKS ports: [{mac: '58:47:ca:00:00:05'}, {mac: '58:47:ca:00:00:06'}]}
  - {name: d, address: 10.0.3.14, address6: '2001:db8::14', root_disk: {serial: D1}, osd_disks: [], MIRROR ports: [{mac: '58:47:ca:00:00:07'}, {mac: '58:47:ca:00:00:08'}]}
`
	for _, c := range []struct {
		install, disks, mirror string
		says                   []string
	}{
		{"{size: 96}", "osd_disks: [rest],", "", []string{
			"ext4 on 96 GiB of the disk to erase,", "for ceph:   what the system leaves of its disk, as a partition", "for ceph:   no disk", "risk: a: an OSD shares the system's disk",
			"mail to a@example.org by mail.example.org:25", "from the mirror http://10.0.3.5/proxmox, through the proxy http://10.0.3.5:3142", "OSDs encrypted",
			"10.0.3.11/24 by 10.0.3.1, and 2001:db8::11/64 by fe80::1, on 58:47:ca:00:00:01 and 58:47:ca:00:00:02", "key:        pve2c, the key that ends in 6789",
		}},
		{"{filesystem: zfs (raid1), size: 200}", "mirror_disk: {serial: M-NODE}, osd_disks: [{serial: O-NODE}],", "mirror_disk: {serial: D2},", []string{
			"zfs (raid1) on 200 GiB of the two disks to erase, each of which is enough", "ERASES:     disk with serial A1 and disk with serial M-a, and all that is on it",
			"keeps:      every disk but these two", "ERASES:     disk with serial D1 and disk with serial D2", "for ceph:   disk with serial O-a",
		}},
	} {
		whole := strings.NewReplacer("INSTALL", c.install, "MIRROR", c.mirror).Replace(text)
		for _, node := range []string{"a", "b", "c"} {
			whole = strings.Replace(whole, "DISKS", strings.ReplaceAll(c.disks, "NODE", node), 1)
		}
		p, err := profiles.Load("p.yaml", []byte(whole))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		term := cli.NewTerminal(nil, &out, &out)
		if err := describe(term.Page(&out), cluster{Profile: p, from: "p.yaml"}, []string{"a", "d"}); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("lacks %q:\n%s", want, out.String())
			}
		}
		if strings.Contains(out.String(), "0123456789") {
			t.Errorf("a key is shown:\n%s", out.String())
		}
	}
}
