package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ringboot/profiles/fault"
	"ringboot/profiles/spelling"
)

// Words are the words of a root command, which has none: what stands there is
// a command that there is not. meant may know what else was meant; it returns
// the whole command line, or nothing.
func Words(meant func(word string) string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var line string
		if meant != nil {
			line = meant(args[0])
		}
		if near := spelling.Nearest(args[0], names(c)); line == "" && near != "" {
			line = c.CommandPath() + " " + near
		}
		text := fmt.Sprintf("unknown command %q", args[0])
		if line != "" {
			return fault.Usage.Errorf("%s: did you mean %s?", text, line)
		}
		return fault.Usage.Errorf("%s: %s --help lists what there is", text, c.CommandPath())
	}
}

// names are the commands of a root that people call.
func names(c *cobra.Command) []string {
	var out []string
	for _, s := range c.Commands() {
		if !s.Hidden {
			out = append(out, s.Name())
		}
	}
	return out
}

// None is for a command that takes no words.
func None() cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fault.Usage.Errorf("%s takes no words, and got %q (%[1]s --help)", c.CommandPath(), args[0])
		}
		return nil
	}
}

// One is for a command that takes exactly one word, which stands for what.
func One(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fault.Usage.Errorf("which one? %s %s", c.CommandPath(), what)
		case len(args) > 1:
			return fault.Usage.Errorf("%s takes one %s, and got %q as well", c.CommandPath(), what, args[1])
		case args[0] == "":
			return fault.Usage.Errorf("%s is empty: name one", what)
		}
		return nil
	}
}

// AtMostOne is for a command that takes one word or none.
func AtMostOne(what string) cobra.PositionalArgs {
	one := One(what)
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return one(c, args)
	}
}

// flagError says what is wrong with a flag, and what was meant.
func flagError(program string, c *cobra.Command, err error) error {
	text := err.Error()
	var again *twice
	if errors.As(err, &again) {
		return fault.Usage.Wrap(again)
	}
	if word, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
		var known []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				known = append(known, f.Name)
			}
		})
		if near := spelling.Nearest(word, known); near != "" {
			return fault.Usage.Errorf("unknown flag: --%s: did you mean --%s?", word, near)
		}
	}
	var value *pflag.InvalidValueError
	if errors.As(err, &value) {
		switch kind := value.GetFlag().Value.Type(); {
		case strings.Contains(kind, "int"):
			return fault.Usage.Errorf("--%s takes a whole number, not %q", value.GetFlag().Name, value.GetValue())
		case kind == "duration":
			return fault.Usage.Errorf("--%s takes a time such as 30s, 5m or 1h30m, not %q", value.GetFlag().Name, value.GetValue())
		case kind == "bool":
			return fault.Usage.Errorf("--%s is said or left out: it takes no %q", value.GetFlag().Name, value.GetValue())
		}
	}
	path := c.CommandPath()
	if path == "" {
		path = program
	}
	return fault.Usage.Errorf("%w (%s --help)", err, path)
}

// strict has every command refuse a flag that is empty, or given twice where
// one value counts: an unset variable of a script must not mean a default.
func strict(c *cobra.Command) {
	once := func(f *pflag.Flag) {
		if _, seen := f.Value.(*single); f.Value.Type() == "string" && !seen {
			f.Value = &single{Value: f.Value, name: f.Name}
		}
	}
	c.Flags().VisitAll(once)
	c.PersistentFlags().VisitAll(once)
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			if err := noneEmpty(c.Flags()); err != nil {
				return err
			}
			return run(c, args)
		}
	}
	for _, s := range c.Commands() {
		strict(s)
	}
}

// single is a flag that has one value.
type single struct {
	pflag.Value
	name  string
	given bool
}

// Set takes the value, once.
func (s *single) Set(text string) error {
	if s.given {
		return &twice{s.name}
	}
	s.given = true
	return s.Value.Set(text)
}

// twice is the error of a flag that is given again.
type twice struct{ name string }

func (t *twice) Error() string { return "--" + t.name + " is given twice: once is enough" }

func noneEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		empty := f.Value.Type() == "string" && strings.TrimSpace(f.Value.String()) == ""
		if list, ok := f.Value.(pflag.SliceValue); ok {
			for _, v := range list.GetSlice() {
				empty = empty || strings.TrimSpace(v) == ""
			}
		}
		if empty && err == nil {
			err = fault.Usage.Errorf("--%s is empty: give a value, or leave it out", f.Name)
		}
	})
	return err
}
