package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// The files that WriteFiles makes of an analysis, besides the run folder's own.
const (
	ReportFile  = "report.html"
	JUnitFile   = "junit.xml"
	SummaryFile = "summary.md"
)

// WriteFiles writes report.html, junit.xml and summary.md into the run folder dir. Each file appears whole or not at all,
// and one that cannot be written does not keep the others from being written; the errors are joined.
func WriteFiles(dir string, a *Analysis) error {
	var errs []error
	for _, file := range []struct {
		name  string
		write func(io.Writer, *Analysis) error
	}{
		{ReportFile, HTML},
		{JUnitFile, JUnit},
		{SummaryFile, Markdown},
	} {
		var b bytes.Buffer
		if err := file.write(&b, a); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file.name, err))
			continue
		}
		if err := replaceFile(filepath.Join(dir, file.name), b.Bytes()); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// replaceFile puts content in the place of the file at path in one step: a reader, or a kill -9, never meets half of it.
func replaceFile(path string, content []byte) error {
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
	if err != nil {
		return err
	}
	_, err = part.Write(content)
	err = errors.Join(err, part.Chmod(0o644), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part.Name()))
	}
	return nil
}

// writePage makes a page that is to lie at path, and the folders on the way there.
func writePage(path string, draw func(w io.Writer, dir string) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := draw(&b, dir); err != nil {
		return err
	}
	return replaceFile(path, b.Bytes())
}
