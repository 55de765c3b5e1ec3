package profiles

import "time"

// Names of the steps of the plan. The agent's steps call themselves by them.
const (
	StepIdentity   = "identity"
	StepBase       = "base"
	StepManagement = "management"
	StepRing       = "ring"
	StepPeers      = "peers"
	StepCluster    = "cluster"
	StepProof      = "proof"
	StepCeph       = "ceph"
	StepHA         = "ha"
	StepAccept     = "accept"
	StepReport     = "report"
)

// stage is one step of the plan, as it is shown to whoever waits for it.
type stage struct {
	name  string
	usual time.Duration // in the rehearsal that the README shows
	doing string        // what a node does meanwhile, after its name
}

// stages is the table of the steps, in the order of the plan.
func stages() []stage {
	return []stage{
		{StepIdentity, time.Second, "finds out who it is"},
		{StepBase, 10 * time.Second, "installs packages and users"},
		{StepManagement, 16 * time.Second, "makes the management network redundant"},
		{StepRing, 6 * time.Second, "brings up the ring"},
		{StepPeers, 2 * time.Second, "meets its peers"},
		{StepCluster, 26 * time.Second, "makes the cluster"},
		{StepProof, 12 * time.Second, "proves that every node sees every node"},
		{StepCeph, 272 * time.Second, "installs Ceph and makes the storage"},
		{StepHA, 14 * time.Second, "sets up high availability"},
		{StepAccept, 335 * time.Second, "tries links, storage, migration and maintenance"},
		{StepReport, 18 * time.Second, "writes the report"},
	}
}

// Steps are the names of all steps, in the order in which a node goes through
// them. The agent's plan is held against it, and whoever shows or plays a trip
// reads it.
func Steps() []string {
	return wordsOf(stages(), func(s stage) string { return s.name })
}

// Usual is how long a step took in the rehearsal that the README shows, for
// whoever waits; 0 for a name that is no step. A rehearsal runs without the
// hardware, on two processors: real machines are quicker at most steps.
func Usual(step string) time.Duration { return stageOf(step).usual }

// Doing is what a node does in a step, to be read after its name; "" for a name
// that is no step.
func Doing(step string) string { return stageOf(step).doing }

func stageOf(step string) stage {
	row, _ := rowOf(stages(), func(s stage) bool { return s.name == step })
	return row
}
