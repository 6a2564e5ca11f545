// Package svg draws charts as SVG text: scales with round ticks, lines with gaps, areas, steps, bands and marks.
//
// A drawing holds no colours and no fonts: every shape carries a class and the page's style sheet decides, so the same
// drawing serves light, dark and paper. All text that comes from outside is escaped here; a drawing is safe to put
// into a page as it is. The package knows nothing of runs or reports.
package svg
