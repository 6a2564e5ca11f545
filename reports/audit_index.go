package reports

import (
	"encoding/binary"
	"hash/maphash"
)

// An arena keeps many short strings without a pointer to each, so that a million orders cost the garbage collector
// nothing. The zero value is empty; ref 0 is the empty string.
type arena struct {
	chunks [][]byte
}

// A ref is a string in an arena.
type ref uint32

const (
	arenaBits  = 18 // a chunk is 256 KiB: 2^14 of them are 4 GiB of ids
	arenaChunk = 1 << arenaBits
	idMax      = 1 << 12 // longer ids are cut: none of ours comes near
)

func (a *arena) put(s string) ref {
	if s == "" {
		return 0
	}
	if len(s) > idMax {
		s = s[:idMax]
	}
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])+len(s)+2 > arenaChunk {
		first := make([]byte, 0, arenaChunk)
		if last < 0 {
			first = append(first, 0) // so that no string has ref 0
		}
		a.chunks = append(a.chunks, first)
		last++
	}
	at := len(a.chunks[last])
	a.chunks[last] = binary.LittleEndian.AppendUint16(a.chunks[last], uint16(len(s)))
	a.chunks[last] = append(a.chunks[last], s...)
	return ref(last<<arenaBits | at)
}

func (a *arena) bytes(r ref) []byte {
	if r == 0 {
		return nil
	}
	b := a.chunks[r>>arenaBits][r&(arenaChunk-1):]
	return b[2 : 2+binary.LittleEndian.Uint16(b)]
}

// is reports whether r is s.
func (a *arena) is(r ref, s string) bool {
	if len(s) > idMax {
		s = s[:idMax]
	}
	return string(a.bytes(r)) == s
}

// An index numbers distinct strings from 0 in the order in which they come. It is an open hash table of numbers: about
// 12 bytes for each string besides its own.
type index struct {
	arena *arena
	seed  maphash.Seed
	refs  []ref    // by number
	table []uint32 // number + 1; 0 is free; its length is a power of two
}

func newIndex(a *arena) *index {
	return &index{arena: a, seed: maphash.MakeSeed(), table: make([]uint32, 1<<10)}
}

// number is s's number; fresh says that s was not there before.
func (x *index) number(s string) (n uint32, fresh bool) {
	at := x.slot(s)
	if v := x.table[at]; v != 0 {
		return v - 1, false
	}
	n = uint32(len(x.refs))
	x.refs = append(x.refs, x.arena.put(s))
	x.table[at] = n + 1
	if len(x.refs)*4 > len(x.table)*3 {
		x.grow()
	}
	return n, true
}

// find is s's number if it has one.
func (x *index) find(s string) (n uint32, ok bool) {
	v := x.table[x.slot(s)]
	return v - 1, v != 0
}

// slot is where s stands in the table, or where it would.
func (x *index) slot(s string) uint64 {
	mask := uint64(len(x.table) - 1)
	for at := maphash.String(x.seed, s) & mask; ; at = (at + 1) & mask {
		if v := x.table[at]; v == 0 || x.arena.is(x.refs[v-1], s) {
			return at
		}
	}
}

func (x *index) grow() {
	table := make([]uint32, 2*len(x.table))
	mask := uint64(len(table) - 1)
	for n, r := range x.refs {
		at := maphash.Bytes(x.seed, x.arena.bytes(r)) & mask
		for table[at] != 0 {
			at = (at + 1) & mask
		}
		table[at] = uint32(n) + 1
	}
	x.table = table
}

func (x *index) len() int { return len(x.refs) }

func (x *index) text(n uint32) string { return string(x.arena.bytes(x.refs[n])) }
