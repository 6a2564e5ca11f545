package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// The rules of the terminal:
//
//   - Results go to stdout; progress, warnings and errors to stderr, so that stdout can be piped.
//   - Colour and the live line only when stderr is a terminal, TERM is not "dumb" and NO_COLOR is not set.
//   - An error is one line, "lunchrush: what", followed by "hint: what to do" where there is advice.
//   - Nothing else is printed that the caller did not ask for.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	live     bool // stderr is a terminal that can rewrite its line
	color    bool
	errWidth func() int // columns of stderr
	outWidth func() int // columns of stdout, 80 when it is no terminal
}

func newTerminal(in io.Reader, out, err io.Writer) *terminal {
	t := &terminal{in: in, out: out, err: err}
	t.errWidth = widthOf(err)
	t.outWidth = widthOf(out)
	dumb := os.Getenv("TERM") == "dumb"
	t.live = isTerminal(err) && !dumb
	t.color = t.live && os.Getenv("NO_COLOR") == ""
	return t
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func widthOf(w io.Writer) func() int {
	return func() int {
		if f, ok := w.(*os.File); ok {
			if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
				return width
			}
		}
		return 80
	}
}

// The colours that mean something; everything else is plain.
const (
	red    = "31;1"
	green  = "32;1"
	yellow = "33;1"
	dim    = "2"
)

func (t *terminal) paint(code, s string) string {
	if !t.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// say prints a line about what is going on.
func (t *terminal) say(format string, args ...any) {
	fmt.Fprintf(t.err, format+"\n", args...)
}

// fail prints an error and its hint.
func (t *terminal) fail(err error) {
	text := strings.TrimRight(err.Error(), "\n")
	fmt.Fprintf(t.err, "%s %s\n", t.paint(red, "lunchrush:"), text)
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(t.err, "hint: %s\n", hint)
	}
}

func hintOf(err error) string {
	var usage *usageError
	if errors.As(err, &usage) {
		return usage.hint
	}
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return hinted.hint
	}
	return ""
}
