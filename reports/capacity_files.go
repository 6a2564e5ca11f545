package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// The files of a capacity report.
const (
	CapacityJSONFile = "capacity.json"
	CapacityHTMLFile = "capacity.html"
	CapacityMDFile   = "capacity.md"
)

// CapacityJSON writes the whole Capacity.
func CapacityJSON(w io.Writer, c *Capacity) error { return writeJSON(w, c) }

// WriteCapacity writes every report of a search into dir, each whole or not at all.
func WriteCapacity(dir string, c *Capacity) error {
	var errs []error
	for _, file := range []struct {
		name  string
		write func(io.Writer, *Capacity) error
	}{
		{CapacityJSONFile, CapacityJSON},
		{CapacityHTMLFile, CapacityHTML},
		{CapacityMDFile, CapacityMarkdown},
	} {
		var b bytes.Buffer
		if err := file.write(&b, c); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file.name, err))
			continue
		}
		if err := replaceFile(filepath.Join(dir, file.name), b.Bytes()); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ReadCapacity reads capacity.json and concludes anew from its trials.
func ReadCapacity(text []byte) (*Capacity, error) {
	c := new(Capacity)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, err
	}
	if c.Schema != CapacitySchema {
		return nil, fmt.Errorf("is of schema %d, this program reads %d", c.Schema, CapacitySchema)
	}
	c.Conclude()
	return c, nil
}
