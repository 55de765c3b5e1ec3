package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newManual writes the manual pages of a program from its commands, so that the
// two never disagree.
func newManual(program, version string, t *Terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "man [DIRECTORY]",
		Short:   "Write the manual pages",
		Example: fmt.Sprintf("  %[1]s man | man -l -        # read it\n  %[1]s man /usr/local/share/man/man1", program),
		Args:    AtMostOne("DIRECTORY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			if len(args) == 0 {
				_, err := io.WriteString(t.Stdout, page(root, version))
				return err
			}
			return writePages(root, version, args[0], t.Stdout)
		},
	}
}

// writePages writes a page for each command and prints their names.
func writePages(root *cobra.Command, version, dir string, stdout io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, c := range append([]*cobra.Command{root}, root.Commands()...) {
		if c.Hidden || c.Name() == "help" {
			continue
		}
		name := filepath.Join(dir, title(c)+".1")
		if err := os.WriteFile(name, []byte(page(c, version)), 0o644); err != nil {
			return err
		}
		fmt.Fprintln(stdout, name)
	}
	return nil
}

// title is the name of a command's page.
func title(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// roff escapes text for man(7).
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// paragraphs escapes text and keeps its empty lines.
func paragraphs(s string) string {
	parts := strings.Split(s, "\n\n")
	for i, p := range parts {
		parts[i] = roff(strings.Trim(p, "\n"))
	}
	return strings.Join(parts, "\n.PP\n")
}

// page is one manual page.
func page(c *cobra.Command, version string) string {
	var b strings.Builder
	name := title(c)
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"Ringboot %s\" \"Ringboot\"\n", roff(strings.ToUpper(name)), roff(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	long := c.Long
	if long == "" {
		long = c.Short + "."
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s\n", paragraphs(long))
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(c.Example))
	}
	if c.HasAvailableLocalFlags() {
		b.WriteString(".SH OPTIONS\n")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { option(&b, f) })
	}
	if c.HasAvailableSubCommands() {
		b.WriteString(".SH COMMANDS\n")
		for _, s := range c.Commands() {
			if s.IsAvailableCommand() {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(s.Name()), roff(s.Short))
			}
		}
	}
	fmt.Fprintf(&b, ".SH EXIT STATUS\n%s.\n", roff(codes()))
	return b.String()
}

func option(b *strings.Builder, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	word, usage := pflag.UnquoteUsage(f)
	head := "--" + f.Name
	if f.Shorthand != "" {
		head = "-" + f.Shorthand + ", " + head
	}
	if word != "" {
		head += " " + word
	}
	fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(head), roff(usage))
}
