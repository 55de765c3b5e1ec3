package management

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"ringboot/firstboot/host"
	"ringboot/firstboot/step"
)

// What a change of the network leaves on disk until it is confirmed. The
// marker exists exactly while the change is on trial.
const (
	networkDir    = "/var/lib/ringboot/network"
	networkBackup = networkDir + "/interfaces"
	networkMarker = networkDir + "/on-trial"
	rollbackUnit  = "ringboot-network-rollback"
	rollbackAfter = 2 * time.Minute
	restoreUnit   = "ringboot-restore-network.service"
	restoreFile   = "/etc/systemd/system/" + restoreUnit
	restoreWanted = "/etc/systemd/system/multi-user.target.wants/" + restoreUnit
	agentProgram  = "/usr/lib/ringboot/firstboot"
	reloadTimeout = 90 * time.Second
)

// restoreText is the unit that gives the old network back after a power cut
// during the trial: before anything reads the configuration.
const restoreText = `[Unit]
Description=Ringboot: give back the last network configuration that worked
DefaultDependencies=no
RequiresMountsFor=/var/lib/ringboot /etc/network
After=local-fs.target systemd-remount-fs.service
Before=network-pre.target networking.service ifupdown2-pre.service
Wants=network-pre.target
ConditionPathExists=` + networkMarker + `

[Service]
Type=oneshot
ExecStart=` + agentProgram + ` restore-network
TimeoutStartSec=30s

[Install]
WantedBy=multi-user.target
`

// RestoreNetwork gives the old network configuration back if a change is on
// trial, and tells whether it did. reload applies it; at boot nothing has been
// applied yet. It may be cut off at any point and run again.
func RestoreNetwork(ctx context.Context, h host.Host, reload bool) (bool, error) {
	if !host.Exists(h.Files, networkMarker) {
		return false, nil
	}
	old, err := h.Files.ReadFile(networkBackup)
	if errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%s says that a change is on trial, but there is no backup in %s: look at %s and remove the marker", networkMarker, networkBackup, interfacesFile)
	}
	if err != nil {
		return false, err
	}
	if err := h.Files.WriteFile(interfacesFile, old, 0o644); err != nil {
		return false, err
	}
	if reload {
		if err := ifreload(ctx, h); err != nil {
			return false, err
		}
	}
	return true, endTrial(h.Files)
}

func ifreload(ctx context.Context, h host.Host) error {
	_, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"ifreload", "-a"}, Timeout: reloadTimeout})
	return err
}

func endTrial(f host.Files) error {
	if err := f.Remove(networkMarker); err != nil {
		return err
	}
	return f.Sync()
}

// beginTrial makes the old network come back by itself: after two minutes by a
// timer, after a power cut by a unit at boot. Only then may anything change.
func beginTrial(ctx context.Context, h host.Host, old []byte) error {
	f := h.Files
	if v, err := step.WantFile(f, restoreFile, restoreText); err != nil {
		return err
	} else if v.State != step.Done {
		if err := f.WriteFile(restoreFile, []byte(restoreText), 0o644); err != nil {
			return err
		}
	}
	if !host.Exists(f, restoreWanted) {
		if err := f.Symlink(restoreFile, restoreWanted); err != nil {
			return err
		}
	}
	if _, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"systemctl", "daemon-reload"}}); err != nil {
		return err
	}
	if err := f.WriteFile(networkBackup, old, 0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil { // the way back before the marker that calls for it
		return err
	}
	if err := f.WriteFile(networkMarker, []byte(h.Clock.Now().UTC().Format(time.RFC3339)+"\n"), 0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	// A timer that an earlier trial left would refuse the name.
	if err := stopTimer(ctx, h); err != nil {
		return err
	}
	_, err := host.Run(ctx, h.Commands, host.Cmd{Argv: []string{"systemd-run", "--unit=" + rollbackUnit, "--collect",
		fmt.Sprintf("--on-active=%d", int(rollbackAfter.Seconds())), agentProgram, "restore-network", "--reload"}})
	return err
}

// stopTimer stops the timer, if there is one; without it systemctl complains,
// and that is no error here.
func stopTimer(ctx context.Context, h host.Host) error {
	_, err := h.Commands.Run(ctx, host.Cmd{Argv: []string{"systemctl", "stop", rollbackUnit + ".timer"}})
	return err
}

// confirm keeps the change that is on trial. The timer goes first: between the
// two a crash leaves the marker, and with it the question whether it works.
func confirm(ctx context.Context, h host.Host) error {
	if err := stopTimer(ctx, h); err != nil {
		return err
	}
	return endTrial(h.Files)
}
