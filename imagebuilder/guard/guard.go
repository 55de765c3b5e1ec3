// Package guard edits the boot menu of an installation medium so that it never
// installs twice by accident, and says in the menu whom it installs and what
// that erases.
//
// The edit is a function from text to text. Three things decide what the menu
// does by itself: the ticket on the medium, the mark on an installed disk, and
// what the installer does when it is done. The package reads no image, and it
// neither writes the mark nor burns the ticket: the node does.
package guard

import (
	"fmt"
	"strings"

	"ringboot/profiles/fault"
)

// Options say what the menu tells and where it looks.
type Options struct {
	Node         string       // name of the node that the medium installs
	Erases       string       // what the installation erases, in a few words: "disk nvme0n1"
	AfterInstall string       // reboot | power-off
	TicketFile   string       // path of the ticket on the medium
	Tickets      []NodeTicket // instead of Node and TicketFile: a medium for several nodes
	Looks        bool         // the medium only looks at machines: it has no ticket and minds no mark
	MarkFile     string       // path of the mark on the EFI system partition
	Seconds      int          // how long the menu waits before it acts by itself
	Rider        string       // path on the medium of what follows the initrd of the unattended installation; may be empty
	Again        string       // word for the kernel by which the rider learns that a person chose to install all the same
	Serial       bool         // also speak on the first serial port, and let the installer do so
	Words        string       // more words for the kernel of each entry; they stay on the installed system
}

// NodeTicket is the ticket of one node on a medium for several.
type NodeTicket struct{ Node, File string }

// Ids of the menu's entries that matter to tests and to people who script GRUB.
const (
	EntryInstall = "ringboot-install"
	EntryStart   = "ringboot-start"
)

// automatic is the word on the kernel's command line that starts the unattended installer.
const automatic = "proxmox-start-auto-installer"

const (
	beginLine = "# Ringboot guard: begin"
	endLine   = "# Ringboot guard: end"
)

// Errors that a caller tells apart.
var (
	ErrNoAutomatic = fault.Precondition.New("the boot menu of the ISO has no entry for the unattended installation: Proxmox VE 8.2 or later is needed")
	ErrNoInitrd    = fault.Precondition.New("the entry of the boot menu for the unattended installation loads no initrd: this ISO is built in another way than those that are known")
	ErrTwice       = fault.Precondition.New("the boot menu of the ISO carries the guard already: start from the stock ISO, or give it back with mkimage reset")
)

// Edit returns the boot menu with the guard in it. Everything that the stock
// menu offers stays; what it sets as default and time-out no longer counts.
func Edit(config string, o Options) (string, error) {
	if strings.Contains(config, beginLine) {
		return "", ErrTwice
	}
	if err := o.check(); err != nil {
		return "", err
	}
	edited, err := retitle(config, o.words(), o.Rider)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(edited, "\n") {
		edited += "\n"
	}
	return o.fill(prelude) + edited + o.fill(epilogue), nil
}

// check refuses what would break out of the quotes of the menu's text.
func (o Options) check() error {
	for _, t := range o.Tickets {
		if t.Node == "" || t.File == "" || strings.ContainsAny(t.Node+t.File, " \"'$\\`{}\n\r") {
			return fmt.Errorf("boot menu: the ticket %q of node %q would not be one word to GRUB", t.File, t.Node)
		}
	}
	for name, value := range map[string]string{
		"node": o.Node, "erases": o.Erases, "after install": o.AfterInstall, "words": "x" + o.Words, "ticket file": o.TicketFile, "mark file": o.MarkFile,
	} {
		if value == "" {
			return fmt.Errorf("boot menu: %s is empty", name)
		}
		if strings.ContainsAny(value, "\"'$\\`{}\n\r") {
			return fmt.Errorf("boot menu: %s %q holds a character that GRUB would not take as text", name, value)
		}
	}
	if strings.ContainsAny(o.Rider, " \t;\"'$\\`{}\n\r") {
		return fmt.Errorf("boot menu: the path %q would not be one word to GRUB", o.Rider)
	}
	if o.Seconds < 1 {
		return fmt.Errorf("boot menu: a wait of %d seconds leaves nobody time to choose", o.Seconds)
	}
	return nil
}

func (o Options) fill(text string) string {
	serial := ""
	if o.Serial {
		serial = serialLines
	}
	tickets := oneTicket
	if o.Looks {
		tickets = noTicket
	}
	if len(o.Tickets) > 0 {
		tickets = allTicketsBegin
		for _, t := range o.Tickets {
			tickets += strings.NewReplacer("@node@", t.Node, "@ticket@", t.File).Replace(allTicketsEach)
		}
		tickets += allTicketsEnd
	}
	after := "powers off"
	if o.AfterInstall == "reboot" {
		after = "reboots"
	}
	text = strings.ReplaceAll(text, "@tickets@\n", tickets)
	return strings.NewReplacer(
		"@begin@", beginLine, "@end@", endLine, "@node@", o.Node, "@erases@", o.Erases, "@after@", after, "@afterwards@", o.AfterInstall,
		"@ticket@", o.TicketFile, "@mark@", o.MarkFile, "@seconds@", fmt.Sprint(o.Seconds), "@serial@", serial,
		"@install@", EntryInstall, "@again@", o.Again, "@start@", EntryStart,
	).Replace(text)
}

// words are what every kernel of the menu is told beside the stock menu's.
func (o Options) words() string {
	var words []string
	if o.Serial {
		words = append(words, "console=tty0 console=ttyS0,115200")
	}
	if o.Words != "" {
		words = append(words, o.Words)
	}
	return strings.Join(words, " ")
}

// retitle gives each automated entry the title that names node and disk and
// the second initrd, and the first one on the top level the id that the guard
// chooses by.
func retitle(config, words, rider string) (string, error) {
	entries, err := menuEntries(config)
	if err != nil {
		return "", err
	}
	var edits []edit
	found := false
	for _, e := range entries {
		if words != "" {
			for _, at := range e.kernels {
				edits = append(edits, edit{at, at, " " + words})
			}
		}
		if !e.automatic {
			continue
		}
		if rider != "" {
			if len(e.initrds) == 0 {
				return "", ErrNoInitrd
			}
			for _, at := range e.kernels {
				edits = append(edits, edit{at, at, " ${ringboot_again}"})
			}
			for _, at := range e.initrds {
				edits = append(edits, edit{at, at, " " + rider})
			}
		}
		title := `"${ringboot_install}"`
		if !found && e.depth == 0 {
			found = true
			title += " --id " + EntryInstall
			edits = append(edits, e.dropID...)
		} else {
			title = `"${ringboot_install} (` + plain(e.titleText) + `)"`
		}
		edits = append(edits, edit{e.title.from, e.title.to, title})
	}
	if !found {
		return "", ErrNoAutomatic
	}
	return apply(config, edits), nil
}

// plain drops what would have a meaning inside double quotes.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("\"$\\`", r) {
			return -1
		}
		return r
	}, s)
}

// prelude runs before the stock menu. Medium and disks are read once, here.
//
// Setting root to the disk before chainloading matters: otherwise the loaded
// GRUB is told that it came from the medium.
// GRUB cuts titles at 74 letters on a console of 80, so the guard's is terse.
const prelude = `@begin@
insmod part_gpt
insmod part_msdos
insmod fat
insmod iso9660
insmod test
insmod loadenv
insmod search_fs_file
insmod regexp
insmod chain

set ringboot_medium="${root}"
regexp --set=1:ringboot_medium '^([^,]+)' "${root}"
set ringboot_disk=""
set ringboot_whose="no marked disk"
if search --no-floppy --set=ringboot_disk --file @mark@; then
    set ringboot_node=""
    set ringboot_date=""
    if [ -f "(${ringboot_disk})@mark@" ]; then
        load_env -f "(${ringboot_disk})@mark@" ringboot_node ringboot_date
    fi
    set ringboot_whose="disk ${ringboot_node} ${ringboot_date}"
    set ringboot_there="${ringboot_node}, installed ${ringboot_date}"
fi

@tickets@
# Whoever installs although something speaks against it does so on purpose, and
# what looks at the machine first is told.
set ringboot_again=""
if [ "${ringboot_default}" != "@install@" -o -n "${ringboot_disk}" ]; then
    set ringboot_again="@again@"
fi
if [ -n "${ringboot_disk}" ]; then
    set ringboot_default="@start@"
    set ringboot_start="Start the installed system (${ringboot_there})"
else
    set ringboot_start="Go on with the next boot device, erase nothing"
fi

# A submenu sees only what is exported.
export ringboot_install
export ringboot_again

menuentry "${ringboot_start}" --id @start@ {
    if [ -z "${ringboot_disk}" ]; then
        if [ "${grub_platform}" = "efi" ]; then
            if search --no-floppy --set=ringboot_disk --file /EFI/proxmox/grubx64.efi; then
                echo "Starting the Proxmox system that is there."
            fi
        fi
    fi
    if [ -z "${ringboot_disk}" ]; then
        # A BIOS boots one hard disk and does not go on with the next: the stick
        # was that one. A disk without boot code is not started.
        if [ "${grub_platform}" = "pc" ]; then
            for ringboot_try in hd0 hd1 hd2 hd3; do
                if [ "${ringboot_try}" != "${ringboot_medium}" ]; then
                    set root="${ringboot_try}"
                    if chainloader "(${ringboot_try})+1"; then
                        boot
                    fi
                fi
            done
        fi
        echo "No installed disk is seen here: back to the firmware."
        exit
    fi
    if [ "${grub_platform}" = "efi" ]; then
        set root="${ringboot_disk}"
        if [ -f /EFI/BOOT/BOOTX64.EFI ]; then
            chainloader /EFI/BOOT/BOOTX64.EFI
        elif [ -f /EFI/proxmox/shimx64.efi ]; then
            chainloader /EFI/proxmox/shimx64.efi
        else
            chainloader /EFI/proxmox/grubx64.efi
        fi
    else
        regexp --set=1:ringboot_whole '^([^,]+)' "${ringboot_disk}"
        set root="${ringboot_whole}"
        chainloader "(${ringboot_whole})+1"
    fi
    boot
}
menuentry "Guard: ${ringboot_says}; ${ringboot_whose}; @afterwards@" --id ringboot-guard {
    echo "This medium installs @node@ and erases @erases@."
    echo "Medium: ${ringboot_says}. By itself it installs only while its ticket is armed."
    echo "Machine: ${ringboot_whose}. By itself it never installs over such a disk."
    echo "After the installation the machine @after@."
    echo "To arm the medium again: mkimage rearm DEVICE. Any key goes back."
    sleep --interruptible 60
}
@end@
`

// oneTicket reads the ticket of a medium for one node.
const oneTicket = `set ringboot_ticket=""
set ringboot_date=""
if [ -f "(${root})@ticket@" ]; then
    load_env -f "(${root})@ticket@" ringboot_ticket ringboot_date
fi

if [ "${ringboot_ticket}" = "armed" ]; then
    set ringboot_says="ticket armed"
    set ringboot_install="Install @node@: ERASES @erases@"
    set ringboot_default="@install@"
elif [ "${ringboot_ticket}" = "spent" ]; then
    set ringboot_says="ticket spent ${ringboot_date}"
    set ringboot_install="Install @node@ AGAIN: ERASES @erases@"
    set ringboot_default="@start@"
else
    set ringboot_says="ticket unreadable"
    set ringboot_install="Install @node@: ERASES @erases@"
    set ringboot_default="@start@"
fi
`

// allTickets reads the tickets of a medium for all nodes: what is done, and who
// is next. The lines between are once for each node.
const (
	allTicketsBegin = `set ringboot_done=""
set ringboot_next=""
`
	allTicketsEach = `set ringboot_ticket=""
if [ -f "(${root})@ticket@" ]; then
    load_env -f "(${root})@ticket@" ringboot_ticket
fi
if [ "${ringboot_ticket}" = "spent" ]; then
    set ringboot_done="${ringboot_done} @node@"
elif [ "${ringboot_ticket}" = "armed" ]; then
    if [ -z "${ringboot_next}" ]; then
        set ringboot_next="@node@"
    fi
fi
`
	allTicketsEnd = `if [ -z "${ringboot_done}" ]; then
    set ringboot_done=" none"
fi
if [ -n "${ringboot_next}" ]; then
    set ringboot_says="installed:${ringboot_done}; next: ${ringboot_next}"
    set ringboot_install="Install the next machine (${ringboot_next}): ERASES one disk"
    set ringboot_default="@install@"
else
    set ringboot_says="installed:${ringboot_done}; nobody is next"
    set ringboot_install="Install a machine AGAIN: ERASES one disk"
    set ringboot_default="@start@"
fi
`
)

// noTicket is for a medium that only looks: no mark keeps it from that.
const noTicket = `set ringboot_says="only looks, erases nothing"
set ringboot_install="Look at this machine, erase nothing"
set ringboot_default="@install@"
set ringboot_disk=""
`

// epilogue runs after the stock menu and has the last word.
const epilogue = `@begin@ (last word)
@serial@set timeout_style=menu
set timeout=@seconds@
set default="${ringboot_default}"
@end@ (last word)
`

const serialLines = `insmod serial
insmod terminal
serial --unit=0 --speed=115200
terminal_input --append serial
terminal_output --append serial
`
