package firstboot

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"ringboot/firstboot/engine"
	"ringboot/firstboot/host"
	"ringboot/firstboot/keeper"
	"ringboot/firstboot/settled"
	"ringboot/firstboot/trust"
	"ringboot/profiles/fault"
)

// MethodApply makes one pass; it takes PassOptions and answers []Outcome.
const MethodApply = "apply"

// MethodPicture is the local method that answers the picture of the cluster.
const MethodPicture = keeper.MethodPicture

// ErrNotRunning says that neither builder nor keeper answers on this node.
var ErrNotRunning = keeper.ErrNotRunning

// ErrSettled says that the builder has left this node.
var ErrSettled = fault.Precondition.New("this node is settled and its builder has left: firstboot resume runs it for a while")

// Ask calls a method of the builder that runs on this node, below a root.
func Ask(ctx context.Context, root, method string, in, out any) error {
	err := keeper.Ask(ctx, filepath.Join(root, keeper.BuilderSocket), method, in, out)
	if errors.Is(err, ErrNotRunning) {
		if mark, _ := settled.Read(host.New(root).Files); mark != nil {
			return ErrSettled
		}
	}
	return err
}

// AskBuilder is Ask on a node that may be settled: the builder is run for the
// task first.
func AskBuilder(ctx context.Context, root, task, method string, in, out any) error {
	err := Ask(ctx, root, method, in, out)
	if !errors.Is(err, ErrSettled) {
		return err
	}
	if err := Resume(ctx, Options{Root: root}, task, taskTime); err != nil {
		return err
	}
	for end := time.Now().Add(startTime); ; time.Sleep(startTime / 60) {
		if err = Ask(ctx, root, method, in, out); !errors.Is(err, ErrSettled) || time.Now().After(end) || ctx.Err() != nil {
			return err
		}
	}
}

// How long a builder that a command asked for stays, and how long it may take
// to start.
const (
	taskTime  = 2 * time.Hour
	startTime = time.Minute
)

// AskEither asks the builder, or the keeper where the builder has left.
func AskEither(ctx context.Context, root, method string, in, out any) error {
	for end := time.Now().Add(handOverTime); ; {
		err := Ask(ctx, root, method, in, out)
		if errors.Is(err, ErrNotRunning) || errors.Is(err, ErrSettled) {
			settled := errors.Is(err, ErrSettled)
			err = keeper.Ask(ctx, filepath.Join(root, keeper.Socket), method, in, out)
			if settled && errors.Is(err, ErrNotRunning) && time.Now().Before(end) && ctx.Err() == nil {
				time.Sleep(handOverTime / 50) // one of them is on its way
				continue
			}
		}
		return err
	}
}

// handOverTime bounds the moment in which the builder has left and the keeper
// does not answer yet.
const handOverTime = 10 * time.Second

func statusMethod(a *Agent) trust.Handler {
	return func(context.Context, string, json.RawMessage) (any, error) { return a.Status(), nil }
}

func applyMethod(a *Agent) trust.Handler {
	return func(ctx context.Context, _ string, in json.RawMessage) (any, error) {
		var o engine.PassOptions
		if len(in) > 0 {
			if err := json.Unmarshal(in, &o); err != nil {
				return nil, err
			}
		}
		return a.Engine.Pass(ctx, o)
	}
}
