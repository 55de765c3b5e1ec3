package firstboot

import (
	"encoding/json"
	"errors"
	"fmt"

	"ringboot/firstboot/host"
	"ringboot/firstboot/seal"
	"ringboot/firstboot/trust"
	"ringboot/profiles"
)

// keptVersion is the form of a file whose key the TPM holds. An agent that does
// not know it refuses the file; a key that lies there as it is has the older form.
const keptVersion = trust.OwnVersion + 1

// sealedHere is where a key lies that the TPM holds.
const sealedHere = "sealed to its TPM"

// keptKey is the file with the node's own key: sealed, or with the reason why not.
type keptKey struct {
	trust.Own
	Sealed *seal.Sealed `json:"sealed,omitempty"` // in the place of Key
	Bare   string       `json:"bare,omitempty"`   // why Key is there
}

// keep seals a key where there is a TPM 2.0. Where there is none, or it does not
// do that now, the key is kept as it is, and says why.
func keep(p *Parts, own trust.Own) keptKey {
	k := keptKey{Own: own}
	sealed, err := p.tpm().Seal(own.Key)
	if err != nil {
		k.Bare = err.Error()
		return k
	}
	k.Version, k.Key, k.Sealed = keptVersion, nil, &sealed
	return k
}

func (p *Parts) tpm() seal.TPM { return seal.TPM{Root: p.root} }

// parseKept reads a file with an own key.
func parseKept(p *Parts, path string, text []byte) (keptKey, error) {
	var k keptKey
	err := json.Unmarshal(text, &k)
	if err == nil && k.Version > keptVersion {
		return k, host.Newer(path, k.Version, keptVersion)
	}
	if err == nil && (k.Version < trust.OwnVersion || (k.Version == keptVersion) != (k.Sealed != nil)) {
		err = fmt.Errorf("version %d", k.Version)
	}
	if err != nil {
		return k, fmt.Errorf("%s is damaged (%w): on another member run sudo firstboot revoke %s, and install this machine anew from a new stick", path, err, p.Node.Name)
	}
	return k, nil
}

// open gives back the key. What the TPM does not open is
// never made anew: only people know whether this is still the machine.
func (k keptKey) open(p *Parts) (trust.Own, error) {
	if k.Sealed == nil {
		return k.Own, nil
	}
	key, err := p.tpm().Open(*k.Sealed)
	switch {
	case errors.Is(err, seal.ErrForeign):
		return k.Own, fmt.Errorf("%s is sealed to another TPM: this is another machine's disk or backup, or the TPM was cleared; put the disk back into its machine, or on another member run sudo firstboot admit %s and install this machine anew from a new stick", profiles.OwnFile, p.Node.Name)
	case errors.Is(err, seal.ErrNone):
		return k.Own, fmt.Errorf("%s is sealed to a TPM and this machine shows none: switch it on in the firmware's setup; if it is gone, on another member run sudo firstboot admit %s and install this machine anew from a new stick", profiles.OwnFile, p.Node.Name)
	case err != nil:
		return k.Own, fmt.Errorf("%s is sealed to the TPM of this machine, which does not open it (%w): nothing was changed; if it stays, power the machine off and on", profiles.OwnFile, err)
	}
	k.Own.Version, k.Own.Key = trust.OwnVersion, key
	return k.Own, nil
}

// place is where a key lies, in a few words for people.
func (k keptKey) place() string {
	if k.Sealed != nil {
		return sealedHere
	}
	why := k.Bare
	if why == "" {
		why = "it was made by an earlier agent"
	}
	return "in " + profiles.OwnFile + " for root alone: " + why
}

func (k keptKey) write(p *Parts, path string) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := p.Host.Files.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep the node's own key: %w", err)
	}
	return p.Host.Files.Sync()
}
