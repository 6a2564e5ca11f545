package reports

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The elements of a JUnit file, as CI systems read them.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name      string         `xml:"name,attr"`
		Tests     int            `xml:"tests,attr"`
		Failures  int            `xml:"failures,attr"`
		Errors    int            `xml:"errors,attr"`
		Skipped   int            `xml:"skipped,attr"`
		Timestamp string         `xml:"timestamp,attr,omitempty"`
		Settings  *junitSettings `xml:"properties,omitempty"`
		Cases     []junitCase    `xml:"testcase"`
		Out       string         `xml:"system-out,omitempty"`
	}
	junitSettings struct {
		All []junitProperty `xml:"property"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Error   *junitMessage `xml:"error,omitempty"`
		Skipped *junitSkip    `xml:"skipped,omitempty"`
	}
	junitSkip struct {
		Message string `xml:"message,attr"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes the checks as a JUnit file: one suite for the verdict, the certificate, the invariants and the
// expectations each, one case for each check.
//
// A check that was measured and missed is a failure. One that could not be measured is an error, and so is a missed check
// of the certificate: it says that the run proves nothing, not that the service is wrong. The verdict's own case keeps a
// run without any check from looking green.
func JUnit(w io.Writer, a *Analysis) error {
	class := strings.Join([]string{"lunchrush", a.Run.Scenario, cmp.Or(a.Run.Profile, "hardened")}, ".")
	file := junitSuites{Name: "lunchrush " + a.Run.ID}
	for _, suite := range []junitSuite{
		junitVerdict(a, class),
		junitChecks("certificate", class, a.Certificate),
		junitChecks("invariants", class, a.Invariants),
		junitChecks("expectations", class, a.Expect),
	} {
		if !a.Run.StartedAt.IsZero() {
			suite.Timestamp = a.Run.StartedAt.UTC().Format("2006-01-02T15:04:05")
		}
		file.add(suite)
	}
	return file.write(w)
}

// add counts a suite and takes it into the file.
func (f *junitSuites) add(s junitSuite) {
	s.Tests = len(s.Cases)
	for _, c := range s.Cases {
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
	}
	f.Tests, f.Failures, f.Errors = f.Tests+s.Tests, f.Failures+s.Failures, f.Errors+s.Errors
	f.Suites = append(f.Suites, s)
}

func (f *junitSuites) write(w io.Writer) error {
	out, err := xml.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("writing junit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	return err
}

func junitVerdict(a *Analysis, class string) junitSuite {
	c := junitCase{Name: "verdict", Class: class}
	message := &junitMessage{Message: a.Verdict.Headline, Type: strings.ToLower(a.Verdict.Outcome)}
	if a.Verdict.Likely != "" {
		message.Text = "likely: " + a.Verdict.Likely
	}
	switch a.Verdict.Outcome {
	case Pass:
	case Fail:
		c.Failure = message
	default:
		c.Error = message
	}
	return junitSuite{
		Name:  "verdict",
		Cases: []junitCase{c},
		Settings: &junitSettings{[]junitProperty{
			{"scenario", a.Run.Scenario},
			{"profile", a.Run.Profile},
			{"seed", fmt.Sprint(a.Run.Seed)},
			{"testbed", a.Run.Testbed},
			{"plan_sha256", a.Run.PlanSHA256},
			{"exit_code", fmt.Sprint(a.Verdict.ExitCode)},
			{"loss_fen", fmt.Sprint(a.Verdict.LossFen)},
			{"repeat", repeatLine(&a.Run)},
		}},
		Out: strings.Join(a.Warnings, "\n"),
	}
}

func junitChecks(name, class string, checks []Check) junitSuite {
	suite := junitSuite{Name: name}
	for _, check := range checks {
		c := junitCase{Name: check.Name, Class: class + "." + name}
		message := &junitMessage{Message: fmt.Sprintf("want %s, got %s", check.Want, check.Got), Type: check.Status, Text: check.Note}
		switch {
		case check.Status == "pass":
		case check.Status == "fail" && name != "certificate":
			c.Failure = message
		default:
			c.Error = message
		}
		suite.Cases = append(suite.Cases, c)
	}
	return suite
}
