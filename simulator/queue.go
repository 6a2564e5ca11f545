package simulator

// A sendQueue is a binary heap of entries, the earliest first; of two due at one moment the one pushed first. It is
// container/heap without the interface calls, which cost as much as the rest of a push.
type sendQueue []*entry

func (e *entry) before(f *entry) bool {
	if e.Due != f.Due {
		return e.Due < f.Due
	}
	return e.seq < f.seq
}

func (q *sendQueue) push(e *entry) {
	h := append(*q, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(h[up]) {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	*q = h
}

// pop takes the earliest entry out of a queue that is not empty.
func (q *sendQueue) pop() *entry {
	h := *q
	first, last := h[0], h[len(h)-1]
	h[len(h)-1] = nil
	h = h[:len(h)-1]
	*q = h
	if len(h) == 0 {
		return first
	}
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if right := down + 1; right < len(h) && h[right].before(h[down]) {
			down = right
		}
		if !h[down].before(last) {
			break
		}
		h[i] = h[down]
		i = down
	}
	h[i] = last
	return first
}
