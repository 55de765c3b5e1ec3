package storage

import (
	"context"
	"fmt"
	"strings"

	"ringboot/firstboot/apt"
	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
)

// cephAsks is what a node wants to know of another one's part of Ceph.
type cephAsks struct {
	Packages bool `json:"packages,omitempty"` // which it has, and nothing else
}

// packages answers a peer that is about to install Ceph.
func (s *Ceph) packages(ctx context.Context) (cephLocal, error) {
	l := cephLocal{Node: s.o.Node}
	i, err := s.ceph.Installation(ctx)
	if err != nil || !i.Whole() {
		return l, err
	}
	l.Installed, l.Release = true, i.Release
	l.Packages, err = s.ceph.Packages(ctx)
	return l, err
}

// pins hold a node that installs Ceph to the versions that the others have, of
// each package the newest, in the form of apt_preferences(5); "" where none has
// any yet. What the sources have no more is installed as they have it, and the
// gate names it. A machine that comes to a cluster with Ceph does not begin
// before a member has told.
func (s *Ceph) pins(ctx context.Context, v cephView) (string, error) {
	set := map[string]string{}
	var mute []string
	for _, n := range s.o.Profile.Others(s.o.Node) {
		var l cephLocal
		if err := s.o.Peers.Call(ctx, n.Name, methodCephLocal, cephAsks{Packages: true}, &l); err != nil {
			mute = append(mute, fmt.Sprintf("%s (%v)", n.Name, err))
		}
		for name, version := range l.Packages {
			if set[name] == "" || apt.Compare(version, set[name]) > 0 {
				set[name] = version
			}
		}
	}
	switch {
	case len(set) == 0 && len(mute) > 0 && (v.heir || v.replaces):
		return "", &step.NotYet{Reason: fmt.Sprintf("Ceph is installed once a member says which versions it has: no answer of %s", strings.Join(mute, ", "))}
	case len(set) == 0:
		return "", ctx.Err()
	}
	own, err := host.ReadOptional(s.o.Host.Files, "/etc/apt/preferences")
	return apt.Pins(set, string(own)), err
}
