package harness

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
)

// Judge reads a run folder, judges it, and writes every report into it.
func Judge(dir string) (*reports.Analysis, error) {
	folder, err := runlog.Open(dir)
	if err != nil {
		return nil, err
	}
	analysis, err := reports.Analyse(folder)
	if err != nil {
		return nil, fmt.Errorf("judging %s: %w", dir, err)
	}
	if err := reports.Write(dir, analysis); err != nil {
		return nil, fmt.Errorf("writing the reports of %s: %w", dir, err)
	}
	return analysis, nil
}

// JudgeBy judges run folders in a process of their own, `program report DIR`; "" is this program. Runs that are played meanwhile do
// not wait for it, nor for its garbage. The process ends with this one and hears no Ctrl-C, so that an interrupted run has its report.
func JudgeBy(program string) func(dir string) (*reports.Analysis, error) {
	return func(dir string) (*reports.Analysis, error) {
		name := program
		if name == "" {
			self, err := testbed.Self()
			if err != nil {
				return nil, err
			}
			name = self
		}
		var stderr strings.Builder
		cmd := exec.CommandContext(context.Background(), name, "report", dir)
		cmd.Stderr = &stderr
		err := testbed.RunTied(cmd, syscall.SIGTERM)
		var ended *exec.ExitError
		if errors.As(err, &ended) && ended.ExitCode() >= reports.ExitInconclusive && ended.ExitCode() <= reports.ExitMissed {
			err = nil // that is the run's verdict
		}
		if err != nil {
			return nil, fmt.Errorf("judging %s: %w: %s", dir, err, strings.TrimSpace(stderr.String()))
		}
		return reports.ReadJudged(dir)
	}
}
