package reports

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var comparePage = template.Must(template.New("compare.html.tmpl").Funcs(template.FuncMap{
	"count":     func(n int) string { return count(int64(n)) },
	"several":   several,
	"lower":     strings.ToLower,
	"breakable": breakable,
}).ParseFS(assets, "templates/compare.html.tmpl"))

// CompareHTML writes the page of a comparison: one file that needs no network. It is to lie in the folder dir, from which its
// links to the runs' reports go out.
func CompareHTML(w io.Writer, c *Comparison, dir string) error {
	style, err := stylesOf("templates/report.css", "templates/compare.css")
	if err != nil {
		return err
	}
	o := newOverlay(c)
	p := &comparedPage{
		Comparison: c, style: style,
		Wide:   template.HTML(o.draw("overlay-wide", "overlay wide", 1080)),
		Narrow: template.HTML(o.draw("overlay-narrow", "overlay narrow", 400)),
		Books:  booksOf(c), dir: dir,
	}
	for _, kind := range slices.Concat(kinds[:4], callKinds) {
		if drawn := overlaidPercentiles(kind, c); drawn != "" {
			p.Percentiles = append(p.Percentiles, template.HTML(drawn))
		}
	}
	for i := range c.Rows {
		r := comparedRow{&c.Rows[i], template.HTML(drawDots(&c.Rows[i]))}
		switch {
		case r.A.N+r.B.N == 0:
			p.Unknown = append(p.Unknown, r.Name)
		case r.Named || r.Says != Same:
			p.Shown = append(p.Shown, r)
		case r.Why == everSame:
			p.Constant = append(p.Constant, r)
		default:
			p.Chance = append(p.Chance, r)
		}
	}
	var b bytes.Buffer
	if err := comparePage.Execute(&b, p); err != nil {
		return fmt.Errorf("drawing the comparison: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// style is a page's style sheet, and the policy that lets it and nothing else in.
type style struct {
	CSS    template.CSS
	Policy string
}

func stylesOf(names ...string) (style, error) {
	var all []byte
	for _, name := range names {
		css, err := assets.ReadFile(name)
		if err != nil {
			return style{}, err
		}
		all = append(all, css...)
	}
	return style{template.CSS(all), fmt.Sprintf("default-src 'none'; style-src '%s'; base-uri 'none'; form-action 'none'", fence(all))}, nil
}

// A comparedPage is what the template of a comparison draws from.
type comparedPage struct {
	*Comparison
	style
	Wide, Narrow template.HTML
	Percentiles  []template.HTML
	Shown        []comparedRow // that differ, or that the scenario names
	Chance       []comparedRow // of which the runs show no difference
	Constant     []comparedRow
	Unknown      []string
	Books        []bookRow

	dir string // in which the page is to lie
}

// A comparedRow is a line of the table, with its runs as dots.
type comparedRow struct {
	*Row
	Dots template.HTML
}

// Figure, Delta and Evidence are the cells of a line.
func (r comparedRow) Figure(side string) string {
	return unbroken(map[string]*Spread{"a": &r.A, "b": &r.B}[side].text(r.Unit))
}

// Delta is the change, with a true minus.
func (r comparedRow) Delta() string { return strings.Replace(r.change(), "-", "−", 1) }

// Evidence is p and how many runs stand behind it, and why there is no difference.
func (r comparedRow) Evidence() string { return strings.Trim(r.evidence(), "()") }

// Tone is the class of the change's colour.
func (r comparedRow) Tone() string {
	return map[string]string{Improved: "pass", Worsened: "fail", Changed: "unsure"}[r.Says]
}

// Moved is what the change comes to, "−2.21 s"; "" for none.
func (r comparedRow) Moved() string {
	if r.Says == Same || r.A.Median == nil || r.B.Median == nil {
		return ""
	}
	by := *r.B.Median - *r.A.Median
	sign := "+"
	if by < 0 {
		sign, by = "−", -by
	}
	return unbroken(sign + value(r.Unit, by))
}

// Cards are the figures of the first screen: what the scenario names, then what a report has there, at most eight.
func (p *comparedPage) Cards() []comparedRow {
	var cards []comparedRow
	take := func(which func(Row) bool) {
		for i := range p.Rows {
			r := comparedRow{Row: &p.Rows[i]}
			if len(cards) < 8 && r.A.N+r.B.N > 0 && r.Unit != "word" && which(*r.Row) &&
				!slices.ContainsFunc(cards, func(c comparedRow) bool { return c.Name == r.Name }) {
				cards = append(cards, r)
			}
		}
	}
	take(func(r Row) bool { return r.Name == "loss.total" })
	take(func(r Row) bool { return r.Named && r.Says != Same })
	take(func(r Row) bool {
		return slices.Contains([]string{"notify.p99", "create.p99", "pay_to_dispense.p99", "goodput.ratio", "backlog.max", "recovery_time"}, r.Name)
	})
	take(func(r Row) bool { return r.Named })
	take(func(r Row) bool { return r.Says != Same })
	return cards
}

// Head is "A as-was against B hardened".
func (p *comparedPage) Head() string {
	return fmt.Sprintf("%s %s against %s %s", p.A.Name, settingTraits[0].sum(&p.A), p.B.Name, settingTraits[0].sum(&p.B))
}

// Under is what was played, and where.
func (p *comparedPage) Under() string {
	m := &p.A.Runs[0].Run
	return fmt.Sprintf("plan %s · seed %d · %s", planName(m), m.Seed, orDash(m.Testbed))
}

// Groups are both sides.
func (p *comparedPage) Groups() []*Group { return []*Group{&p.A, &p.B} }

// Title is the side in a line.
func (g *Group) Title() string { return g.title() }

// Notes say how the table is to be read.
func (p *comparedPage) Notes() []string { return p.notes(len(p.Rows))[1:] } // the sum stands above

// Link leads to the report of a run; "" when there is none.
func (p *comparedPage) Link(dir string) string { return linkTo(p.dir, dir) }

// linkTo is the address of the report in the run folder run, from a page in the folder dir; "" when there is no such file, or
// no way.
func linkTo(dir, run string) string {
	if _, err := os.Stat(filepath.Join(run, ReportFile)); err != nil {
		return ""
	}
	from, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	to, err := filepath.Abs(filepath.Join(run, ReportFile))
	if err != nil {
		return ""
	}
	way, err := filepath.Rel(from, to)
	if err != nil {
		return ""
	}
	var parts []string
	for _, part := range strings.Split(filepath.ToSlash(way), "/") {
		parts = append(parts, url.PathEscape(part))
	}
	return "./" + strings.Join(parts, "/")
}

// A bookRow is one line of both sides' books: orders of a class, or an amount.
type bookRow struct {
	Name, Says string
	A, B       string
	Bad, Sum   bool
}

// booksOf adds up the books of each side's runs: every order in its class, every fen in its place.
func booksOf(c *Comparison) []bookRow {
	sides := []*Group{&c.A, &c.B}
	sum := func(of func(*Audit) int64) (a, b int64) {
		var n [2]int64
		for i, g := range sides {
			for _, x := range g.analyses {
				n[i] += of(&x.Audit)
			}
		}
		return n[0], n[1]
	}
	orders := func(name, says string, bad, total bool, of func(*Audit) int64) bookRow {
		a, b := sum(of)
		return bookRow{Name: name, Says: says, A: count(a), B: count(b), Bad: bad && a+b > 0, Sum: total}
	}
	money := func(name string, bad, total bool, of func(*Audit) int64) bookRow {
		a, b := sum(of)
		return bookRow{Name: name, A: yuan(a), B: yuan(b), Bad: bad && a+b != 0, Sum: total}
	}
	var rows []bookRow
	for _, class := range classes {
		row := orders(string(class), meanings[class], class.Bad(), false, func(a *Audit) int64 { return int64(a.Classes[class]) })
		if row.A != "0" || row.B != "0" {
			rows = append(rows, row)
		}
	}
	return append(rows,
		orders("all orders", "Every order has exactly one class.", false, true, func(a *Audit) int64 { return int64(a.Orders) }),
		money("paid by buyers, yuan", false, false, func(a *Audit) int64 { return a.PaidFen }),
		money("− goods that fell for it", false, false, func(a *Audit) int64 { return a.DispensedFen }),
		money("− refunded", false, false, func(a *Audit) int64 { return a.RefundedFen }),
		money("− still open", false, false, func(a *Audit) int64 { return a.OpenFen }),
		money("= unaccounted for", true, true, func(a *Audit) int64 { return a.PaidFen - a.DispensedFen - a.RefundedFen - a.OpenFen }),
		money("money or goods gone wrong, yuan", true, false, func(a *Audit) int64 { return a.LossFen }),
	)
}
