package machine

import (
	"context"
	"strconv"
	"strings"

	"ringboot/rehearsal/sim"
)

// corosync is what the tools of the machine's real corosync say; false if none runs.
func (n *node) corosync(ctx context.Context) (sim.Corosync, bool) {
	out, code, err := n.run(ctx, "corosync-quorumtool", "-s")
	if code == 1 || err != nil && out == "" {
		return sim.Corosync{}, false
	}
	q := parseQuorum(out)
	if got, err := n.do(ctx, message{Do: doRead, Path: sim.HostConf}); err == nil {
		q.Conf, _ = sim.ParseConf(got.Content)
	}
	links, _, _ := n.run(ctx, "corosync-cfgtool", "-n")
	q.Links = parseLinks(links)
	return q, true
}

func parseQuorum(text string) sim.Corosync {
	var q sim.Corosync
	table := false
	for _, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(line, ":")
		f := strings.Fields(value)
		n := 0
		if len(f) > 0 {
			n, _ = strconv.Atoi(f[0])
		}
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "Nodeid"):
			table = true
		case table:
			if id, err := strconv.Atoi(strings.TrimSpace(strings.Split(strings.TrimSpace(line)+" ", " ")[0])); err == nil {
				q.Members = append(q.Members, id)
			}
		case key == "Quorate":
			q.Quorate = strings.TrimSpace(value) == "Yes"
		case key == "Expected votes":
			q.Expected = n
		case key == "Quorum":
			q.Quorum = n
		case key == "Node ID":
			q.NodeID = n
		case key == "Ring ID":
			q.RingID = strings.TrimSpace(value)
		}
	}
	return q
}

func parseLinks(text string) []sim.Link {
	var list []sim.Link
	node := 0
	for _, line := range strings.Split(text, "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && f[0] == "nodeid:":
			node, _ = strconv.Atoi(f[1])
		case len(f) > 4 && f[0] == "LINK:":
			l := sim.Link{NodeID: node, Connected: strings.Contains(line, " connected ")}
			l.Number, _ = strconv.Atoi(f[1])
			l.From, l.To, _ = strings.Cut(strings.Trim(f[3], "()"), "->")
			l.MTU, _ = strconv.Atoi(f[len(f)-1])
			list = append(list, l)
		}
	}
	return list
}
