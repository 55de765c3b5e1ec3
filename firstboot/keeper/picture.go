package keeper

import (
	"context"
	"fmt"
	"sync"
	"time"

	"ringboot/firstboot/status"
	"ringboot/firstboot/status/draw"
	"ringboot/firstboot/trust"
)

// MethodPicture is the local method that answers the picture of the cluster.
const MethodPicture = "picture"

// pictureTimeout is how long the peers have to answer for a picture.
const pictureTimeout = 2 * time.Second

// Picture asks all trusted peers for their status and draws the cluster as it
// is seen from here.
func (c *Resident) Picture(ctx context.Context) draw.Picture {
	own := c.o.Status()
	s := draw.Sources{Cluster: c.o.Profile.Cluster.Name, Keyring: true, Now: time.Now(), Asked: map[string]status.Status{own.Node: own}, States: map[string]status.PeerStatus{}}
	s.LAN = map[string]string{}
	for _, n := range c.o.Profile.Nodes {
		s.Nodes = append(s.Nodes, n.Name)
		s.LAN[n.Name] = n.Address.String()
	}
	if c.o.Profile.Agent.StatusPage {
		s.Page = c.o.Profile.Agent.StatusPort
	}
	yes := status.State{OK: true}
	s.States[own.Node] = status.PeerStatus{Node: own.Node, Address: c.o.Node.Address.String(), Seen: yes, Reachable: yes, Trusted: yes}
	if d := c.found.Load(); d != nil {
		s.Heard = d.Table().Peers()
		if err := d.Err(); err != nil {
			s.Notes = append(s.Notes, "nothing can be heard: "+err.Error())
		}
		if n := d.Table().Counts().Forged; n > 0 {
			s.Notes = append(s.Notes, fmt.Sprintf("%d records were not signed with their node's key: somebody on this network plays a node", n))
		}
	}
	asking, cancel := context.WithTimeout(ctx, pictureTimeout)
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, peer := range own.Peers {
		s.States[peer.Node] = peer
		if !peer.Trusted.OK {
			continue
		}
		all.Go(func() {
			var status status.Status
			if c.client.Call(asking, peer.Node, trust.MethodStatus, nil, &status) != nil || status.Node != peer.Node {
				return // its states tell
			}
			mu.Lock()
			defer mu.Unlock()
			s.Asked[peer.Node] = status
		})
	}
	all.Wait()
	return draw.New(s)
}
