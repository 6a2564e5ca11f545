package reports

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// IndexFile is the list of the runs in a folder of run folders.
const IndexFile = "index.html"

// indexLimit bounds the list: the newest runs are the ones looked for.
const indexLimit = 500

var indexPage = template.Must(template.New("index.html.tmpl").Funcs(template.FuncMap{
	"yuan":  yuan,
	"count": func(n int) string { return count(int64(n)) },
	"lower": strings.ToLower,
}).ParseFS(assets, "templates/index.html.tmpl"))

// An indexRow is one run in the list.
type indexRow struct {
	Folder  string
	Run     runlog.Manifest
	Verdict Verdict // zero while the run has no report
	Orders  int
	Bad     int
}

// Link leads from the list to the run's report.
func (r indexRow) Link() string { return "./" + url.PathEscape(r.Folder) + "/" + ReportFile }

// Index writes index.html into dir, a folder of run folders: each run with its verdict, what it lost, and a link to its
// report, the newest first. Folders without a readable run.json are left out; a run that has no report yet is listed without
// a verdict.
func Index(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var rows []indexRow
	for _, entry := range entries {
		if row, ok := readIndexRow(dir, entry); ok {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(x, y indexRow) int {
		return cmp.Or(y.Run.StartedAt.Compare(x.Run.StartedAt), cmp.Compare(y.Folder, x.Folder))
	})
	left := max(len(rows)-indexLimit, 0)
	css, err := assets.ReadFile("templates/report.css")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	err = indexPage.Execute(&b, map[string]any{
		"Rows": rows[:len(rows)-left], "Left": left, "CSS": template.CSS(css),
		"Policy": fmt.Sprintf("default-src 'none'; style-src '%s'; base-uri 'none'; form-action 'none'", fence(css)),
	})
	if err != nil {
		return fmt.Errorf("drawing the list of runs: %w", err)
	}
	return replaceFile(filepath.Join(dir, IndexFile), b.Bytes())
}

func readIndexRow(dir string, entry os.DirEntry) (indexRow, bool) {
	if !entry.IsDir() {
		return indexRow{}, false
	}
	folder, err := runlog.Open(filepath.Join(dir, entry.Name()))
	if err != nil {
		return indexRow{}, false
	}
	row := indexRow{Folder: entry.Name(), Run: folder.Manifest}
	content, err := os.ReadFile(filepath.Join(dir, entry.Name(), JSONFile))
	if err != nil {
		return row, errors.Is(err, os.ErrNotExist)
	}
	var report struct {
		Verdict Verdict
		Audit   struct {
			Orders  int
			Classes map[Class]int
		}
	}
	if json.Unmarshal(content, &report) == nil { // one that was cut short counts as none
		row.Verdict, row.Orders = report.Verdict, report.Audit.Orders
		row.Bad = badOrders(&Audit{Classes: report.Audit.Classes})
	}
	return row, true
}
