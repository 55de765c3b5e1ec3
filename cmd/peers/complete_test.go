package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAShellCompletesClustersAndStates(t *testing.T) {
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	for _, name := range []string{"alpha", "beta"} {
		check(t, os.MkdirAll(filepath.Join(data, "ringboot", name), 0o700))
		check(t, os.WriteFile(filepath.Join(data, "ringboot", name, "operator.crt"), nil, 0o600))
	}
	for flag, want := range map[string]string{"--cluster": "alpha\nbeta\n", "--wait": "formed\naccepted\n"} {
		var out bytes.Buffer
		if err := run(t.Context(), []string{"__complete", flag, ""}, nil, &out, io.Discard); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: %v %q", flag, err, out.String())
		}
	}
}
