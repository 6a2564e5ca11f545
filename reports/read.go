package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// Read gives the analysis of a run folder and writes nothing into it. A run is judged anew from its books, so that runs of
// older programs are measured as those of this one; where only run.json and report.json were kept, as of a pipeline's runs,
// the report is taken at its word.
func Read(dir string) (*Analysis, error) {
	f, err := runlog.Open(dir)
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(f.Path(runlog.BooksFile))
	if err == nil {
		a, err := Analyse(f)
		if err != nil {
			return nil, fmt.Errorf("judging %s: %w", dir, err)
		}
		return a, nil
	}
	a, err := ReadJudged(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s has neither %s nor %s: nothing tells how the run went", dir, runlog.BooksFile, JSONFile)
	}
	return a, err
}

// ReadJudged is the analysis that lies in a run folder, as it was written when the run was judged.
func ReadJudged(dir string) (*Analysis, error) {
	f, err := runlog.Open(dir)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(f.Path(JSONFile))
	if err != nil {
		return nil, err
	}
	var a Analysis
	if err := json.Unmarshal(content, &a); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path(JSONFile), err)
	}
	a.Run = f.Manifest
	return &a, nil
}
