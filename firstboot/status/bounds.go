package status

import "encoding/json"

// How much of each kind a node says of itself, at most: many times what an honest
// one has. What draws a cluster compares and sorts it.
const (
	maxRisks  = 100
	maxDrift  = 200
	maxEvents = 100
	maxSteps  = 40
	maxPeers  = 64
	maxPorts  = 16
	maxKeys   = 8
)

// UnmarshalJSON takes of what somebody says no more than he can have to say.
func (s *Status) UnmarshalJSON(text []byte) error {
	type plain Status
	if err := json.Unmarshal(text, (*plain)(s)); err != nil {
		return err
	}
	s.Risks, s.Drift, s.Events = first(s.Risks, maxRisks), first(s.Drift, maxDrift), first(s.Events, maxEvents)
	s.Plans, s.Peers, s.Ring.Ports, s.HostKeys = first(s.Plans, maxSteps), first(s.Peers, maxPeers), first(s.Ring.Ports, maxPorts), first(s.HostKeys, maxKeys)
	return nil
}

func first[T any](all []T, most int) []T { return all[:min(len(all), most)] }
