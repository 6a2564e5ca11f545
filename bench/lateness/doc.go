// Command lateness measures how punctual lunchrush's sends leave while a whole service works beside it:
//
//	go run ./bench/lateness
//
// It runs one scenario of its own, about 1,000 sends a second for 20 seconds (orders, notifications, results and the
// heartbeats of 6,000 machines), with the service, its database and its Redis in processes of their own on the same
// machine, and prints how long after their due time the sends left. Whether the run passed is not its question.
package main
