// Command tidb is the embedded engine that speaks MySQL's protocol: TiDB with its single-process store (unistore).
//
// It is a module of its own so that nobody who does not need it downloads TiDB's 290 MB of modules; lunchrush builds it
// on first use and runs it as a child process. It was chosen because it loses no update: go-mysql-server and Dolt both
// let two of two compare-and-sets win, which would make a harness about lost orders lie.
//
// What it is not: InnoDB. Its locks, its costs and its error texts differ, SKIP LOCKED is accepted and ignored, and a
// result measured on it says nothing about a database's capacity.
//
// It prints one line of JSON when it listens, {"msg":"listening","mysql":"127.0.0.1:41003","version":"8.0.11-TiDB-..."},
// and ends when its stdin is closed, so that it never outlives the harness that started it.
package main
