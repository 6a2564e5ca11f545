// Package reports reads run folders and judges them: audit of the three books, latency, load certificate, expectations,
// verdict; and writes what people and machines read: text, HTML, JSON, JUnit, Markdown. Of several folders it tells how they
// differ, and how they went over time.
//
// A report is a pure function of the folder: it can be made again at any time, also for a run that was killed. It never
// guesses: what the books do not say is "indeterminate", and a check without samples never passes.
package reports
