package reports

import (
	"bytes"
	_ "embed"
	"errors"
	"io"
	"path/filepath"
)

// JSONFile is the analysis for programs, described by [Schema].
const JSONFile = "report.json"

// Schema is the JSON Schema (draft 2020-12) of report.json.
//
//go:embed report.schema.json
var Schema []byte

// JSON writes report.json: the whole Analysis.
func JSON(w io.Writer, a *Analysis) error { return writeJSON(w, a) }

// Write writes every report of an analysis into the run folder dir: report.json and what [WriteFiles] writes.
func Write(dir string, a *Analysis) error {
	var b bytes.Buffer
	err := JSON(&b, a)
	if err == nil {
		err = replaceFile(filepath.Join(dir, JSONFile), b.Bytes())
	}
	return errors.Join(err, WriteFiles(dir, a))
}
