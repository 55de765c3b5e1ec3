package early

import (
	"debug/elf"
	"io/fs"
	"path"
	"strings"
)

// Drivers are the kernel modules that an initial file system holds, and what
// they are for.
type Drivers struct {
	files   map[string]string   // path by name
	needs   map[string][]string // names by name
	aliases map[string][]alias  // by bus, the part before the colon
}

type alias struct{ pattern, module string }

// ReadDrivers finds the modules below the directory of a kernel's release, as
// depmod lists them, or anywhere in the file system, as they say themselves.
func ReadDrivers(root fs.FS, release string) Drivers {
	d := Drivers{files: map[string]string{}, needs: map[string][]string{}, aliases: map[string][]alias{}}
	for _, dir := range []string{"lib/modules/" + release, "usr/lib/modules/" + release} {
		deps, errDeps := fs.ReadFile(root, dir+"/modules.dep")
		known, errKnown := fs.ReadFile(root, dir+"/modules.alias")
		if errDeps == nil && errKnown == nil {
			d.depmod(dir, string(deps), string(known))
			return d
		}
	}
	_ = fs.WalkDir(root, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		if e.IsDir() && (p == "proc" || p == "sys" || p == "dev") {
			return fs.SkipDir
		}
		if e.Type().IsRegular() && path.Ext(p) == ".ko" {
			d.read(root, p)
		}
		return nil
	})
	return d
}

// moduleName is the name by which the kernel knows a module's file.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// depmod reads modules.dep and modules.alias (depmod(8), modules.dep(5)).
func (d Drivers) depmod(dir, deps, known string) {
	at := func(file string) string {
		if strings.HasPrefix(file, "/") {
			return strings.TrimPrefix(file, "/")
		}
		return path.Join(dir, file)
	}
	for line := range strings.Lines(deps) {
		file, rest, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		name := moduleName(file)
		d.files[name] = at(file)
		for _, need := range strings.Fields(rest) {
			d.needs[name] = append(d.needs[name], moduleName(need))
		}
	}
	for line := range strings.Lines(known) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "alias" {
			d.alias(f[1], strings.ReplaceAll(f[2], "-", "_"))
		}
	}
}

func (d Drivers) alias(pattern, module string) {
	bus, _, _ := strings.Cut(pattern, ":")
	d.aliases[bus] = append(d.aliases[bus], alias{pattern, module})
}

// read takes what a module says of itself in its section .modinfo.
func (d Drivers) read(root fs.FS, file string) {
	content, err := fs.ReadFile(root, file)
	if err != nil {
		return
	}
	e, err := elf.NewFile(strings.NewReader(string(content)))
	if err != nil {
		return
	}
	section := e.Section(".modinfo")
	if section == nil {
		return
	}
	info, err := section.Data()
	if err != nil {
		return
	}
	name := moduleName(file)
	d.files[name] = file
	for entry := range strings.SplitSeq(string(info), "\x00") {
		key, value, _ := strings.Cut(entry, "=")
		switch key {
		case "alias":
			d.alias(value, name)
		case "depends":
			for need := range strings.SplitSeq(value, ",") {
				if need != "" {
					d.needs[name] = append(d.needs[name], strings.ReplaceAll(need, "-", "_"))
				}
			}
		}
	}
}

// For returns the modules that a device wants, those that they need before them.
func (d Drivers) For(modalias string) []string {
	bus, _, _ := strings.Cut(modalias, ":")
	var out []string
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		for _, need := range d.needs[name] {
			add(need)
		}
		if _, there := d.files[name]; there {
			out = append(out, name)
		}
	}
	for _, a := range d.aliases[bus] {
		// Of ten thousand patterns few begin as the device does.
		if plain, _, _ := strings.Cut(a.pattern, "*"); !strings.ContainsAny(plain, `?[\`) && !strings.HasPrefix(modalias, plain) {
			continue
		}
		if ok, err := path.Match(a.pattern, modalias); err == nil && ok {
			add(a.module)
		}
	}
	return out
}

// wanted reports whether a device matters here: disks, what disks hang on,
// Ethernet and keyboards. The screen's driver, above all, is none of our business.
func wanted(modalias string) bool {
	bus, rest, _ := strings.Cut(modalias, ":")
	switch bus {
	case "virtio", "scsi", "usb", "hid", "mmc", "nvme":
		return true
	case "pci":
		for _, class := range []string{"bc01", "bc02sc00", "bc0Csc03", "bc08sc05"} { // PCI Code and ID Assignment, 1
			if strings.Contains(rest, class) {
				return true
			}
		}
	}
	return false
}
