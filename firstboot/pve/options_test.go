package pve

import "testing"

// Options are what they mean: Proxmox VE prints them anew, in another order and
// without the name of the first sub-key, whenever any other option is set.
func TestOptionsAreComparedAsTheyAreMeant(t *testing.T) {
	const want = "type=secure,network=10.203.4.0/24"
	for have, same := range map[string]bool{
		"type=secure,network=10.203.4.0/24":                   true,
		"secure,network=10.203.4.0/24":                        true,
		"network=10.203.4.0/24,type=secure":                   true,
		"network=10.203.4.0/24":                               true, // secure is the default
		"secure,network=10.203.4.0/24,replication=10.0.0.0/8": true, // its owner's
		"insecure,network=10.203.4.0/24":                      false,
		"secure":                                              false,
		"":                                                    false,
		"secure,network=10.203.5.0/24":                        false,
	} {
		o := ParseOptions("console: html5\nmigration: " + have + "\ndescription: x\n")
		if o.MigrationIs(want) != same {
			t.Errorf("%q: the same is %v", have, !same)
		}
	}
	for have, same := range map[string]bool{"shutdown_policy=migrate": true, "": false, "shutdown_policy=freeze": false, "shutdown_policy=conditional": false} {
		if o := ParseOptions("ha: " + have + "\n"); o.HAIs("shutdown_policy=migrate") != same {
			t.Errorf("%q: the same is %v", have, !same)
		}
	}
	if o := ParseOptions(""); !o.HAIs("shutdown_policy=conditional") {
		t.Error("a default that is not written is not there")
	}
	if got := Merge("insecure,network=10.1.0.0/16,replication=10.2.0.0/16", want); got != want+",replication=10.2.0.0/16" {
		t.Errorf("merged: %s", got)
	}
}
