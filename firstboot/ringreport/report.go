// Package ringreport writes down what a machine's ring is made of and how it
// runs, for somebody else to read: hardware, firmware, kernel, controllers,
// cables, ports, what the keeper has seen and what the kernel said.
//
// Whoever sends it gives nothing away by which a machine, a person or a network
// could be found: no serial number, no hardware address, no address, no name.
// It changes nothing and sends nothing.
package ringreport

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/inventory"
	"ringboot/firstboot/ring/usb4"
	"ringboot/firstboot/status"
	"ringboot/profiles"
)

// Version is the format of a report.
const Version = 1

// Report is one machine's.
type Report struct {
	Version     int                 `json:"version"`
	Made        time.Time           `json:"made"`
	Agent       string              `json:"agent"`
	Kernel      string              `json:"kernel"`
	Words       []string            `json:"kernel_words"` // of its command line, those that matter here
	Machine     inventory.Mainboard `json:"machine"`
	Processor   inventory.CPU       `json:"processor"`
	Transport   string              `json:"transport"`
	Routing     string              `json:"routing"`
	MTU         int                 `json:"mtu"`
	Nodes       int                 `json:"nodes"`
	Verdict     string              `json:"verdict"` // what the keeper says of the whole
	Controllers []usb4.Controller   `json:"controllers"`
	Ports       []Port              `json:"ports"`
	Events      []string            `json:"events"` // what the keeper has told of the ring, the newest last
	Log         []string            `json:"kernel_log"`
	Missing     []string            `json:"missing"` // what could not be read, and why
}

// Port is a port of the ring as the keeper and the kernel see it.
type Port struct {
	status.RingPort
	Wanted   profiles.RingPort `json:"wanted"`   // as the profile finds it
	Counters map[string]string `json:"counters"` // of the kernel, since the port was made
}

// Request is what a report is made from.
type Request struct {
	Agent   string
	Host    host.Host
	Sys     fs.FS // /sys
	Profile *profiles.Profile
	Node    string
	Ring    *status.RingView // nil: the agent does not run
	Status  status.Status
}

// Bounds of what is kept of the past.
const (
	maxEvents = 100
	maxLog    = 400
)

// logWords are what the kernel says of Thunderbolt and of the drivers of rings.
func logWords() string {
	words := []string{"usb4", "tbnet"}
	for _, t := range profiles.Transports() {
		words = append(words, t.Modules...)
	}
	return strings.Join(words, "|")
}

// commandWords begin words of the kernel's command line that change a ring.
var commandWords = []string{"thunderbolt", "intel_iommu", "amd_iommu", "iommu", "pcie", "pci=", "processor.", "intel_idle.", "mitigations"}

// counters are what the kernel counts of a port.
var counters = []string{"rx_packets", "tx_packets", "rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_dropped", "tx_dropped", "rx_crc_errors", "rx_length_errors", "rx_missed_errors"}

// Make reads the machine. What cannot be read is named and left out.
func Make(ctx context.Context, r Request) Report {
	word := func(path string) string {
		text, _ := r.Host.Files.ReadFile(path)
		return strings.TrimSpace(string(text))
	}
	inv := inventory.Read(ctx, host.Host{Files: r.Host.Files}) // without a question to its disks
	out := Report{Version: Version, Made: r.Host.Clock.Now().UTC().Truncate(time.Minute), Agent: r.Agent, Kernel: word("/proc/sys/kernel/osrelease"),
		Words: []string{}, Machine: inv.Machine, Processor: inv.CPU, Events: []string{}, Log: []string{}, Missing: []string{}}
	for w := range strings.FieldsSeq(word("/proc/cmdline")) {
		if slices.ContainsFunc(commandWords, func(begin string) bool { return strings.HasPrefix(w, begin) }) {
			out.Words = append(out.Words, w)
		}
	}
	var err error
	if out.Controllers, err = usb4.Read(r.Sys); err != nil {
		out.Missing = append(out.Missing, "controllers: "+err.Error())
	}
	if out.Controllers == nil {
		out.Controllers = []usb4.Controller{}
	}
	out.ports(r, word)
	for _, e := range r.Status.Events[max(0, len(r.Status.Events)-maxEvents):] {
		out.Events = append(out.Events, e.Time.UTC().Format(time.DateTime)+" "+e.Text)
	}
	out.kernelLog(ctx, r.Host.Commands)
	clean := cleaner{serials: serials(inv), names: names(r, out.Controllers, word("/proc/sys/kernel/hostname"))}
	clean.all(&out)
	return out
}

// ports adds what is known of the ring and its ports.
func (out *Report) ports(r Request, word func(string) string) {
	wanted := map[string]profiles.RingPort{}
	if r.Profile != nil {
		out.Transport, out.Routing, out.MTU, out.Nodes = r.Profile.Ring.Transport, r.Profile.Ring.Routing, r.Profile.Ring.MTU, len(r.Profile.Nodes)
		n, _ := r.Profile.Node(r.Node)
		for _, p := range r.Profile.PortsOf(n) {
			wanted[p.Name] = p
		}
	} else {
		out.Missing = append(out.Missing, "profile: this machine has none")
	}
	view := status.RingView{}
	if r.Ring != nil {
		view = *r.Ring
		out.Verdict = view.Verdict
	} else {
		out.Missing = append(out.Missing, "the keeper's view: no agent answers, so probes, losses and round trips are not known")
		for name := range wanted {
			view.Ports = append(view.Ports, status.RingPort{Name: name})
		}
		slices.SortFunc(view.Ports, func(a, b status.RingPort) int { return strings.Compare(a.Name, b.Name) })
	}
	out.Ports = []Port{}
	for _, p := range view.Ports {
		one := Port{RingPort: p, Wanted: wanted[p.Name], Counters: map[string]string{}}
		for _, c := range counters {
			if n := word("/sys/class/net/" + p.Name + "/statistics/" + c); n != "" {
				one.Counters[c] = n
			}
		}
		out.Ports = append(out.Ports, one)
	}
}

// kernelLog adds what the kernel has said since it started.
func (out *Report) kernelLog(ctx context.Context, c host.Commands) {
	text, err := host.Run(ctx, c, host.Cmd{Argv: []string{"journalctl", "-k", "-b", "--no-pager", "-o", "short-monotonic", "--no-hostname", "-g", logWords()}, ReadOnly: true, Timeout: 30 * time.Second})
	if err != nil {
		out.Missing = append(out.Missing, "kernel log: "+err.Error())
		return
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	out.Log = append(out.Log, lines[max(0, len(lines)-maxLog):]...)
}

// serials are the numbers of the machine and its parts.
func serials(inv inventory.Inventory) []string {
	out := []string{inv.Machine.Serial, inv.Machine.UUID}
	for _, d := range inv.Disks {
		out = append(out, d.Serial, d.Properties["ID_SERIAL"], d.Properties["ID_SERIAL_SHORT"], d.Properties["ID_WWN"])
	}
	return out
}

// names are what machines, people and networks are called here, each with what
// stands in its place.
func names(r Request, controllers []usb4.Controller, own string) map[string]string {
	out := map[string]string{own: "this-machine"}
	for _, c := range controllers {
		for _, x := range c.Peers {
			out[x.DeviceName] = "a-machine"
		}
	}
	if p := r.Profile; p != nil {
		for _, u := range p.Users {
			out[u.Name], out[u.FullName] = "a-user", "a-user"
		}
		out[p.Cluster.Name], out[p.Cluster.Domain], out[p.Cluster.Mail] = "the-cluster", "the-domain", "the-mail"
		for i, n := range p.Nodes {
			out[n.Name] = "node" + string(rune('A'+i%26))
		}
	}
	return out
}
