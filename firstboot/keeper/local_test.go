package keeper_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"ringboot/firstboot/keeper"
)

func TestOneAgentPerNode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	listener, err := keeper.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	var local keeper.Local
	local.Handle("apply", func(_ context.Context, peer string, in json.RawMessage) (any, error) { return peer + string(in), nil })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { local.Serve(ctx, listener); close(ended) }()
	if _, err := keeper.Listen(path); !errors.Is(err, keeper.ErrRunning) {
		t.Errorf("a second agent: %v", err)
	}
	var out string
	if err := keeper.Ask(t.Context(), path, "apply", 7, &out); err != nil || out != "operator7" {
		t.Errorf("%q %v", out, err)
	}
	if err := keeper.Ask(t.Context(), path, "nonsense", nil, nil); err == nil || !strings.Contains(err.Error(), `method "nonsense" is not known here`) {
		t.Error(err)
	}
	cancel()
	<-ended
	if err := keeper.Ask(t.Context(), path, "apply", nil, nil); !errors.Is(err, keeper.ErrNotRunning) {
		t.Error(err)
	}
	again, err := keeper.Listen(path) // the left-over of a dead agent is replaced
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
