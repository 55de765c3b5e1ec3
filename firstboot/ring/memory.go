package ring

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/host"
)

// remembered is the content of StateFile.
type remembered struct {
	Version int               `json:"version"`
	Peers   map[string]string `json:"peers"` // port to node
}

func (k *Keeper) recall() {
	if k.opt.Files == nil {
		return
	}
	text, err := k.opt.Files.ReadFile(k.opt.State)
	if err != nil {
		return
	}
	var was remembered
	if json.Unmarshal(text, &was) != nil || was.Version != 1 {
		return // worth a second of probing, no more
	}
	for i, p := range k.opt.Config.Ports {
		node, told := was.Peers[p.Name]
		if _, ok := k.opt.Config.Peer(node); ok || told && node == "" && k.opt.Config.End() {
			k.peers[i] = node
		}
	}
}

// remember writes the peers down when they changed.
func (r *run) remember() {
	if r.opt.Files == nil || r.opt.Config.Segment != nil {
		return
	}
	now := remembered{Version: 1, Peers: map[string]string{}}
	for i, p := range r.opt.Config.Ports {
		if !r.core.links[i].alive && !r.core.free(i) {
			return // half a picture would be worse than the old one
		}
		now.Peers[p.Name] = r.core.peerAt(i)
	}
	text, err := json.Marshal(now)
	if err != nil {
		return
	}
	text = append(text, '\n')
	old, err := r.opt.Files.ReadFile(r.opt.State)
	if err == nil && string(old) == string(text) {
		return
	}
	if err := r.opt.Files.WriteFile(r.opt.State, text, 0o600); err != nil && !errors.Is(err, fs.ErrPermission) {
		r.core.event(time.Now(), "state", fmt.Sprintf("remember the peers: %v", err))
	}
}

func bootID(files host.Files) string {
	if files == nil {
		return ""
	}
	text, err := files.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return string(text[:min(len(text), len("00000000-0000-0000-0000-000000000000"))])
}
