// Package diagnosis holds the operators' own queries: what those who ran the documented systems asked their tables when something
// was wrong.
//
// Each is one file of SQL with a comment that says what its answer means. The tables and columns have the documented names, so that
// the queries run here as they ran there. They only read; nothing of the service needs them.
package diagnosis
