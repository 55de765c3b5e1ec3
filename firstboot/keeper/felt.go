package keeper

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// FeltFile is where ringboot-feel.service, which has no rights and touches what
// the keeper must never wait for, says whether the cluster's file system answers.
const FeltFile = "/run/ringboot-feel/felt.json"

// Felt is the content of FeltFile.
type Felt struct {
	At   time.Time `json:"at"`             // since when it is so
	Hung string    `json:"hung,omitempty"` // the sentence; "": it answers
}

// feltEvery is how often the file is read.
const feltEvery = 2 * time.Second

// feel says when the cluster's file system stops answering, and when it is back.
func (k *Keeper) feel(ctx context.Context) error {
	tick := time.NewTicker(feltEvery)
	defer tick.Stop()
	for {
		var text []byte
		info, err := k.files.Lstat(FeltFile)
		if err == nil && info.Mode().IsRegular() && info.Size() <= maxFelt { // another program wrote it
			text, err = k.files.ReadFile(FeltFile)
		}
		var now Felt
		if err == nil && json.Unmarshal(text, &now) == nil && !now.At.IsZero() { // else it was not felt: what was so stays
			now.Hung = strings.ToValidUTF8(now.Hung[:min(len(now.Hung), maxSentence)], "")
			k.mu.Lock()
			was := k.felt
			k.felt = now
			k.mu.Unlock()
			switch {
			case now.Hung == was.Hung:
			case now.Hung == "":
				path, _, _ := strings.Cut(was.Hung, " ")
				k.note(path + " answers again")
			default:
				k.note(now.Hung)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// maxFelt bounds that file, bytes.
const maxFelt = 4096

// maxSentence bounds what is shown of a sentence that another program wrote.
const maxSentence = 400

// Warnings are all risks, and first of them a cluster's file system that hangs.
func (t Told) Warnings() []string {
	if t.Hung == "" {
		return slices.Clone(t.Risks)
	}
	return append([]string{t.Hung}, t.Risks...)
}

// warnings are those of root's last look, and a hang as it is now: what root saw
// of one is over when the file system answered after that.
func (k *Keeper) warnings(t Told) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.felt.Hung != "" || k.felt.At.After(t.At) {
		t.Hung = k.felt.Hung
	}
	return t.Warnings()
}
