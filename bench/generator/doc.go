// Command generator measures what lunchrush's own load costs, beside other generators on the same machine in the same run:
//
//	go run ./bench/generator
//
// Each round sends the same signed WeChat notifications at the same rate to the same kind of sink, once by lunchrush's
// timeline with all its book-keeping (intent and answer of each send in the books, three histograms, vegeta's results),
// once by `vegeta attack`, which is built from the module's own source, and once by k6 where that can be built. The CPU
// time of each sender is what the kernel says of its process; signing is done before. The sink is a process of its own.
//
// It prints ratios and judges nothing by its exit code: a busy machine would fail it.
package main
