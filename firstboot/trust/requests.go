package trust

import (
	"slices"
	"time"
)

// Asker is a kind of party that may ask something of an agent.
type Asker string

const (
	// Node is another node of the plan, proven by its certificate.
	Node Asker = "node"
	// Coordinator is the node that runs the acceptance; the room of the
	// request checks that it is the one.
	Coordinator Asker = "coordinator"
	// Keeper is what stays on a settled node of the plan, proven by a key of its
	// own for which the node's key gave its word: it looks after its peers.
	Keeper Asker = "keeper"
	// Reader is an operator's certificate: it changes nothing, but that it may
	// say no to a power cut.
	Reader Asker = "reader"
	// Root is root on the node itself, over the agent's socket.
	Root Asker = "root"
)

// Life is what a node is doing, which decides what may be asked of it.
type Life string

const (
	// Forming is a node whose builder works through the plan.
	Forming Life = "forming"
	// Woken is a settled node whose builder root asked for, for a while.
	Woken Life = "woken"
	// Settled is a node that its builder has left; the keeper answers.
	Settled Life = "settled"
)

// Lives are all of them.
func Lives() []Life { return []Life{Forming, Woken, Settled} }

// Rate is how often one asker, from one address, may ask.
type Rate struct {
	Times int
	Per   time.Duration
}

// Request is one thing that may be asked of an agent. What has no row here
// does not exist, whoever registers a handler for it.
type Request struct {
	Method  string
	By      []Asker
	In      []Life
	Rate    Rate
	Asks    int    // bytes of a question, at most
	Answers int    // bytes of an answer, at most
	Does    string // what it does, for people
}

// Sizes of questions and answers.
const (
	word  = 4 << 10
	page  = 64 << 10
	sheet = 256 << 10
	book  = 1 << 20
	whole = 4 << 20
)

// What most rows share.
var (
	nodes       = []Asker{Node}
	orders      = []Asker{Coordinator}
	readers     = []Asker{Node, Reader}
	watchers    = []Asker{Node, Keeper, Reader}
	rootHere    = []Asker{Root}
	always      = Lives()
	builderRuns = []Life{Forming, Woken}

	often    = Rate{1200, time.Minute} // what is read in every round, and in passes that follow each other
	seldom   = Rate{30, time.Minute}   // what is done once and tried again
	hardly   = Rate{4, time.Hour}      // what hurts
	byPeople = Rate{600, time.Minute}  // what root asks on the node
)

// Requests are all that may be asked of an agent, over the channel or over the
// socket: by whom, in which life of the node, how often and how large.
func Requests() []Request {
	return []Request{
		{MethodHello, watchers, always, often, word, page, "says who it is, of which start, and how far"},
		{MethodFacts, readers, always, often, word, sheet, "says what must be equal or sound on all nodes"},
		{MethodStatus, []Asker{Node, Keeper, Reader, Root}, always, often, word, sheet, "says how far it is, step by step"},
		{MethodRing, readers, always, often, word, sheet, "says how it sees the ring"},
		{MethodReport, readers, always, often, word, whole, "gives the acceptance report"},
		{MethodPage, []Asker{Reader, Root}, always, seldom, word, word, "gives a link that lets one browser see the whole status page, once"},
		{MethodBindings, watchers, always, often, word, whole, "gives the keys to which the nodes are bound, with the proofs"},
		{MethodOrder, nodes, always, Rate{60, time.Hour}, word, word, "takes an order that root on a bound node signed: on a settled node systemd looks at it anew and calls the builder back for that task, for two hours at most"},
		{"report.node", nodes, builderRuns, often, word, book, "gives this node's part of the report"},
		{"cluster.view", nodes, builderRuns, often, word, sheet, "says how it sees the cluster"},
		{"cluster.proof", nodes, builderRuns, often, word, sheet, "says what corosync and pmxcfs of it really do"},
		{"cluster.key", nodes, builderRuns, seldom, word, page, "hands the cluster's key to a node that has none, once; to another machine of its name only if root has admitted it"},
		{"cluster.kick", nodes, builderRuns, often, word, word, "looks again"},
		{"ceph.local", nodes, builderRuns, often, word, sheet, "says how far its own part of Ceph is"},
		{"ceph.monitor", nodes, builderRuns, seldom, word, word, "makes its own monitor, where the plan that root laid on it has grown by the node that asks, and gives it one"},
		{"accept.get", nodes, builderRuns, often, word, book, "gives its record of the acceptance"},
		{"accept.renew", nodes, builderRuns, seldom, word, word, "begins, for a new machine, the drills again that harm nobody's guests, once, for another report"},
		{"accept.answer", nodes, builderRuns, often, word, word, "says of which power cut it was told, and whether somebody said no"},
		{MethodNo, readers, builderRuns, seldom, word, word, "takes a no to the power cut that the profile proposes; an operator's is handed on to all nodes"},
		{"accept.notice", orders, builderRuns, seldom, word, word, "shows for a minute that the power of a node is to be cut"},
		{"accept.state", orders, builderRuns, often, word, page, "says what runs on it"},
		{"accept.ready", orders, builderRuns, often, word, page, "says whether all its steps are done"},
		{"accept.put", orders, builderRuns, often, book, word, "keeps the record of the acceptance"},
		{"accept.listen", orders, builderRuns, often, word, word, "opens the passive end of a measurement over the ring"},
		{"accept.measure", orders, builderRuns, often, word, page, "measures a cable of the ring"},
		{"accept.migrate", orders, builderRuns, seldom, word, page, "moves the acceptance's own guest"},
		{"accept.destroy", orders, builderRuns, seldom, word, word, "removes the acceptance's own guest"},
		{"accept.management", orders, builderRuns, seldom, word, page, "asks all management interfaces for their first page"},
		{"accept.corosync", orders, builderRuns, often, word, page, "says how it sees corosync's links"},
		{"accept.cut", orders, builderRuns, hardly, word, word, "resets itself, once, where it was named as the victim before"},
		{"accept.forget", orders, builderRuns, seldom, word, word, "forgets the record, for another acceptance"},
		{"trust.revoke-here", rootHere, builderRuns, byPeople, word, word, "takes the key of a node away"},
		{"trust.renew-here", rootHere, builderRuns, byPeople, word, word, "makes another own key for this node"},
		{"picture", rootHere, always, byPeople, word, whole, "draws the cluster as it is seen from here"},
		{"apply", rootHere, always, byPeople, page, book, "makes one pass through the plan, or shows it"},
		{"accept", rootHere, builderRuns, byPeople, word, word, "runs the acceptance or some of its drills again, goes on without those that are left, consents to a power cut of this node, or says no to one"},
		{"cluster.leave-here", rootHere, builderRuns, byPeople, word, word, "takes this node out of a cluster that carries nothing yet"},
		{"cluster.admit-here", rootHere, builderRuns, byPeople, word, word, "consents that a new machine of one node gets the cluster's key, for half an hour"},
	}
}

// requestOf is the row of a method.
func requestOf(method string) (Request, bool) {
	all := Requests()
	i := slices.IndexFunc(all, func(r Request) bool { return r.Method == method })
	if i < 0 {
		return Request{}, false
	}
	return all[i], true
}
