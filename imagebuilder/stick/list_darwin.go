package stick

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// List returns the devices that may be sticks.
func List(ctx context.Context) ([]Device, error) {
	names, mounted, err := wholeDisks(ctx)
	if err != nil {
		return nil, err
	}
	var out []Device
	for _, name := range names {
		d, err := ask(ctx, name, mounted[name])
		if err != nil {
			return nil, err
		}
		if d.Removable {
			out = append(out, d)
		}
	}
	return out, nil
}

// Find returns the disk of that path.
func Find(ctx context.Context, path string) (Device, error) {
	names, mounted, err := wholeDisks(ctx)
	if err != nil {
		return Device{}, err
	}
	name := strings.TrimPrefix(strings.TrimPrefix(path, "/dev/"), "r")
	for _, n := range names {
		if n == name {
			return ask(ctx, name, mounted[name])
		}
	}
	return Device{}, fmt.Errorf("%s is no whole disk: mkimage sticks lists what is there", path)
}

func wholeDisks(ctx context.Context) ([]string, map[string][]string, error) {
	text, err := exec.CommandContext(ctx, "diskutil", "list", "-plist").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("diskutil list: %w", err)
	}
	return parseDiskutilList(text)
}

func ask(ctx context.Context, name string, mounted []string) (Device, error) {
	text, err := exec.CommandContext(ctx, "diskutil", "info", "-plist", name).Output()
	if err != nil {
		return Device{}, fmt.Errorf("diskutil info %s: %w", name, err)
	}
	return parseDiskutilInfo(text, mounted)
}
