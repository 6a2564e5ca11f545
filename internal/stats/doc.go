// Package stats has the statistics that verdicts between runs rest on: intervals for medians and ratios, tests for a
// difference, fits.
//
// It promises that the same samples give the same answer, with randomness only from a seed that the caller hands in; and it
// never answers from too few samples: it says how many it would need. It knows neither runs nor services, only numbers.
package stats
