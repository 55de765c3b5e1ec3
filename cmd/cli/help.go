package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ringboot/profiles/fault"
	"ringboot/profiles/spelling"
)

// helpWidth is how wide help is where the screen does not say, or is wider.
const helpWidth = 100

// help shows examples first: they are what people look for.
func help(c *cobra.Command, width int) string {
	if width == 0 || width > helpWidth {
		width = helpWidth
	}
	var b strings.Builder
	about := c.Long
	if about == "" {
		about = c.Short + "."
	}
	fmt.Fprintf(&b, "%s\n\n", Wrap(strings.TrimSpace(about), width))
	if c.HasExample() {
		fmt.Fprintf(&b, "Examples:\n%s\n\n", c.Example)
	}
	fmt.Fprintf(&b, "Usage:\n  %s\n", c.UseLine())
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n\nCommands:\n", c.CommandPath())
		padding := 0
		for _, s := range c.Commands() {
			if s.IsAvailableCommand() {
				padding = max(padding, len(s.Name()))
			}
		}
		for _, s := range c.Commands() {
			if s.IsAvailableCommand() {
				fmt.Fprintln(&b, Hang(fmt.Sprintf("  %-*s  ", padding, s.Name()), s.Short, width))
			}
		}
	}
	if c.HasAvailableLocalFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s\n", strings.TrimRight(c.LocalFlags().FlagUsagesWrapped(width), "\n"))
	}
	if c.HasAvailableInheritedFlags() {
		fmt.Fprintf(&b, "\nFlags of all commands:\n%s\n", strings.TrimRight(c.InheritedFlags().FlagUsagesWrapped(width), "\n"))
	}
	if !c.HasParent() {
		fmt.Fprintf(&b, "\n%s\n%s\n", Hang("Exit codes: ", codes(), width), "Manual: "+c.Name()+" man | man -l -")
	}
	return b.String()
}

// codes are the exit codes in one line.
func codes() string {
	var all []string
	for _, row := range fault.Kinds() {
		all = append(all, fmt.Sprintf("%d %s", row.Kind, row.Says))
	}
	return strings.Join(all, ", ")
}

// newHelp is the command help: what it does not know is an error.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Show the help of a command", Example: "  " + root.Name() + " help man",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return names(root), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c := root
			for _, word := range args {
				next := child(c, word)
				if next == nil {
					hint := ""
					if near := spelling.Nearest(word, names(c)); near != "" {
						hint = ": did you mean " + near + "?"
					}
					return fault.Usage.Errorf("there is no help for %q%s", word, hint)
				}
				c = next
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

func child(c *cobra.Command, name string) *cobra.Command {
	for _, s := range c.Commands() {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

// newCompletion writes the completion of a shell.
func newCompletion(program string, t *Terminal) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	what := strings.Join(shells, "|")
	return &cobra.Command{
		Use: "completion " + what, Short: "Write the completion of a shell",
		Example:   "  source <(" + program + " completion bash)",
		ValidArgs: shells,
		Args:      One(what),
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(t.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(t.Stdout)
			case "fish":
				return root.GenFishCompletion(t.Stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(t.Stdout)
			}
			return fault.Usage.Errorf("there is no completion for %q: name one of %s", args[0], strings.Join(shells, ", "))
		},
	}
}

// Complete offers words for a flag of a command, worked out when they are asked for.
func Complete(c *cobra.Command, flag string, words func(context.Context) []string) {
	if err := c.RegisterFlagCompletionFunc(flag, Offer(words)); err != nil {
		panic(err) // a flag that the command does not have: its own test meets it
	}
}

// Offer is the completion of a command's words.
func Offer(words func(context.Context) []string) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx := c.Context()
		if ctx == nil { // cobra has none when a shell asks
			ctx = context.Background()
		}
		return words(ctx), cobra.ShellCompDirectiveNoFileComp
	}
}
