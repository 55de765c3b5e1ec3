// Package report makes the acceptance report: what was built, what was
// tested, what came out, and what was not tested and why; as JSON, Markdown
// and one HTML page that needs nothing from elsewhere.
//
// It is handed facts and results and writes them down. It asks no node and
// runs no test; the one judgement that it makes is the verdict, which follows
// from the parts by the rules of Conclude.
package report

import (
	"time"

	"ringboot/firstboot/throughput"
	"ringboot/profiles"
)

// Version is the version of the JSON form. It grows when a field changes its
// meaning or goes; new fields do not change it.
const Version = 1

// Report is everything that the report says.
type Report struct {
	Version   int        `json:"version"`
	Made      time.Time  `json:"made"`
	MadeBy    string     `json:"made_by"` // node that ran the acceptance
	Agent     string     `json:"agent"`   // version of the agent
	Run       string     `json:"run"`     // id of the acceptance run
	Verdict   Verdict    `json:"verdict"`
	Summary   []Line     `json:"summary"` // six lines, for whoever reads no further
	Seconds   float64    `json:"took_s"`  // from the first step of the first node to this report; 0: not known
	Cluster   Cluster    `json:"cluster"`
	Ring      Ring       `json:"ring"`
	Ceph      Ceph       `json:"ceph"`
	Access    []Access   `json:"access"`
	Login     Login      `json:"login"`
	HA        HA         `json:"ha"`
	Issues    []Issue    `json:"issues"`
	Risks     []Risk     `json:"risks"`
	Untested  []Untested `json:"untested"`
	NextSteps []string   `json:"next_steps"`
	Timings   []Timing   `json:"timings"`
}

// Outcome is how a part, or the whole, came out.
type Outcome string

// The outcomes, best first.
const (
	Passed   Outcome = "passed"
	Warnings Outcome = "warnings" // works; something should be looked at
	Untried  Outcome = "untried"  // no consent, or not possible here
	Failed   Outcome = "failed"
)

// Verdict is the first thing that one reads.
type Verdict struct {
	Outcome  Outcome  `json:"outcome"`
	Sentence string   `json:"sentence"`
	Reasons  []string `json:"reasons"` // for anything but a clean pass
}

// Line is one line of the summary.
type Line struct {
	Label   string  `json:"label"`
	Outcome Outcome `json:"outcome"`
	Text    string  `json:"text"`
}

// Login is who may log in to the management interface, and where it is asked.
type Login struct {
	Users []string `json:"users"`
	Realm string   `json:"realm"`
}

// Cluster is point 1: the cluster and its nodes.
type Cluster struct {
	Name          string     `json:"name"`
	ID            string     `json:"id"`
	Plan          string     `json:"plan"` // hash of the cluster's part
	Founder       string     `json:"founder"`
	Quorate       bool       `json:"quorate"`
	ConfigVersion int        `json:"config_version"`
	ConfigSame    bool       `json:"config_same"` // corosync.conf is equal on every node
	Nodes         []NodeRow  `json:"nodes"`
	Links         []Corosync `json:"links"`
}

// NodeRow is one machine.
type NodeRow struct {
	Name     string            `json:"name"`
	Address  string            `json:"address"`
	Ring     string            `json:"ring"`
	NodeID   int               `json:"node_id"`
	Online   bool              `json:"online"`
	Plan     string            `json:"plan"` // hash of the node's part
	Maker    string            `json:"maker,omitempty"`
	Model    string            `json:"model,omitempty"`
	Serial   string            `json:"serial,omitempty"`
	BIOS     string            `json:"bios,omitempty"`
	CPU      string            `json:"cpu,omitempty"`
	MemoryMB int               `json:"memory_mb,omitempty"`
	Watchdog string            `json:"watchdog,omitempty"` // kernel driver
	Key      string            `json:"key,omitempty"`      // where its own key lies
	Bindings string            `json:"bindings,omitempty"` // hash of the keys to which the nodes are bound, as it has written it down
	Versions map[string]string `json:"versions"`
	Disks    []DiskRow         `json:"disks"`
}

// DiskRow is one disk and what it is for.
type DiskRow struct {
	Device string `json:"device"`
	Serial string `json:"serial"`
	Model  string `json:"model"`
	Bytes  int64  `json:"bytes"`
	Role   string `json:"role"` // root, osd.3, kept
	Note   string `json:"note,omitempty"`
}

// Corosync is one link of corosync between a node and a peer.
type Corosync struct {
	Node      string `json:"node"`
	Peer      string `json:"peer"`
	Link      int    `json:"link"`
	Connected bool   `json:"connected"`
	MTU       int    `json:"mtu"`
}

// Ring is point 2: the cables and what they carry.
type Ring struct {
	Transport string          `json:"transport"`
	MTU       int             `json:"mtu"`
	Limits    profiles.Limits `json:"limits"`
	Links     []Link          `json:"links"`
}

// Link is one cable with both directions.
type Link struct {
	A       string             `json:"a"`
	APort   string             `json:"a_port"`
	B       string             `json:"b"`
	BPort   string             `json:"b_port"`
	There   *throughput.Result `json:"a_to_b,omitempty"`
	Back    *throughput.Result `json:"b_to_a,omitempty"`
	Grade   throughput.Grade   `json:"grade,omitempty"`
	Verdict string             `json:"verdict"` // one sentence
}

// Ceph is point 3: the storage.
type Ceph struct {
	Enabled  bool      `json:"enabled"`
	Health   string    `json:"health,omitempty"`
	FSID     string    `json:"fsid,omitempty"`
	Release  string    `json:"release,omitempty"`
	Network  string    `json:"network,omitempty"`
	Monitors []string  `json:"monitors,omitempty"` // in quorum
	Active   string    `json:"active_manager,omitempty"`
	Standby  []string  `json:"standby_managers,omitempty"`
	OSDs     []OSD     `json:"osds,omitempty"`
	Pools    []Pool    `json:"pools,omitempty"`
	Raw      int64     `json:"raw_bytes"`
	Used     int64     `json:"used_bytes"`
	Usable   int64     `json:"usable_bytes"` // for guests, after replication
	Allowed  []Allowed `json:"allowed,omitempty"`
	WriteMBs float64   `json:"write_mb_per_s,omitempty"` // 1e6 bytes
	ReadMBs  float64   `json:"read_mb_per_s,omitempty"`
}

// OSD is one disk of Ceph.
type OSD struct {
	ID     int    `json:"id"`
	Node   string `json:"node"`
	Serial string `json:"serial,omitempty"`
	Class  string `json:"class"`
	Bytes  int64  `json:"bytes"`
	Up     bool   `json:"up"`
	In     bool   `json:"in"`
}

// Pool is one pool.
type Pool struct {
	Name      string `json:"name"`
	Size      int    `json:"size"`
	MinSize   int    `json:"min_size"`
	PGs       int    `json:"pgs"`
	Autoscale string `json:"autoscale"`
}

// Allowed is a health warning that does not stop the acceptance.
type Allowed struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Why     string `json:"why"`
}

// Access is point 4: how to reach the management interface.
type Access struct {
	Node        string `json:"node"`
	URL         string `json:"url"`
	Fingerprint string `json:"fingerprint,omitempty"` // SHA-256 of the certificate
	Status      string `json:"status,omitempty"`      // the node's status page, which has this report too
	Answered    bool   `json:"answered"`
	Note        string `json:"note,omitempty"`
}

// HA is point 5: what the cluster does when a node goes.
type HA struct {
	Enabled   bool     `json:"enabled"`
	Migration string   `json:"migration,omitempty"` // as in the datacenter's options
	Policy    string   `json:"policy,omitempty"`
	Drills    []Drill  `json:"drills"`
	TimeLine  []Moment `json:"time_line"`
}

// Drill is one test of the acceptance.
type Drill struct {
	Name     string    `json:"name"`
	Title    string    `json:"title,omitempty"`    // how it is called
	ByLinks  bool      `json:"by_links,omitempty"` // its outcome is told link by link
	Outcome  Outcome   `json:"outcome"`
	Sentence string    `json:"sentence"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Figures  []Figure  `json:"figures,omitempty"`
}

// Figure is one measured number.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Moment is one point of the power cut's time line.
type Moment struct {
	Time  time.Time `json:"time"`
	After float64   `json:"after_s"` // seconds since the cut
	Text  string    `json:"text"`
}

// Severity of an issue.
type Severity string

// The severities.
const (
	Note    Severity = "note"
	Warning Severity = "warning"
	Error   Severity = "error"
)

// Issue is point 6: something that was met on the way.
type Issue struct {
	Severity  Severity  `json:"severity"`
	Node      string    `json:"node,omitempty"`
	Text      string    `json:"text"`
	Remedy    string    `json:"remedy,omitempty"`
	Time      time.Time `json:"time,omitzero"`
	Concluded bool      `json:"concluded,omitempty"` // it follows from the parts
}

// Risk is a weakness that was accepted.
type Risk struct {
	Node string `json:"node,omitempty"`
	Text string `json:"text"`
}

// Untested is what nobody has seen to work.
type Untested struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Timing is how long a step took on a node.
type Timing struct {
	Node    string  `json:"node"`
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}
