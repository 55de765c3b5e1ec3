package ceph

import (
	"bytes"
	"embed"
	"encoding/json"
	"maps"
)

// The JSON of each release of Ceph that a release of Proxmox VE installs. No
// recording of them exists: each file says from which public source it is
// derived. "answers" are whole answers, of which this world knows a part;
// "samples" are for parsers alone.
//
//go:embed dialect/*.json
var dialects embed.FS

// inf stands for a number that is none. Ceph's formatter prints a float as C++
// does, so that a score of a pool to which nothing is mapped is no JSON.
const inf = `"@inf"`

// dress gives what this world knows of an answer in the words of a release:
// with every key that the release prints beside.
func dress(release, command string, known any) ([]byte, error) {
	raw, err := json.Marshal(known)
	if err != nil {
		return nil, err
	}
	file, err := dialects.ReadFile("dialect/" + release + ".json")
	if err != nil {
		return raw, nil //nolint:nilerr // an older release: as it is
	}
	var dialect struct{ Answers map[string]any }
	if err := number(file, &dialect); err != nil {
		return nil, err
	}
	whole, there := dialect.Answers[command]
	if !there {
		return raw, nil
	}
	var part any
	if err := number(raw, &part); err != nil {
		return nil, err
	}
	raw, err = json.Marshal(over(whole, part))
	return bytes.ReplaceAll(raw, []byte(inf), []byte("inf")), err
}

// number decodes JSON and leaves its numbers as they are written.
func number(raw []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(out)
}

// over lays what is known over a whole answer. Of a list the known elements
// count, each over the first of the whole; tables with a key for each thing
// (checks, applications) count as they are known.
func over(whole, known any) any {
	switch k := known.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		if !ok {
			return known
		}
		out := maps.Clone(w)
		for key, v := range k {
			if key == "checks" || key == "application_metadata" {
				out[key] = v
				continue
			}
			out[key] = over(w[key], v)
		}
		return out
	case []any:
		w, ok := whole.([]any)
		if !ok || len(w) == 0 {
			return known
		}
		out := make([]any, len(k))
		for i, v := range k {
			out[i] = over(w[0], v)
		}
		return out
	}
	return known
}
