// Package runlog is the run folder on disk: what was planned, what everyone's book says happened, what was measured.
//
// Playing and judging meet only here, so any run can be judged again. Records are appended and flushed each second; a
// folder whose writer was killed is readable to its last whole record. A record is written before the act it announces
// ("intent"), so that a crash leaves an indeterminate act and never a guess.
//
// The package stores and loads; it draws no conclusions.
package runlog
