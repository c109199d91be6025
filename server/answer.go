package server

import (
	"net/http"
	"sync"
	"time"
)

// timedAnswer ends an answer that its client does not take: it could be as large as
// LimitAnswers, and keeps a view or transactions under way.
type timedAnswer struct {
	http.ResponseWriter
	control *http.ResponseController

	mu    sync.Mutex
	until time.Time // of the write that runs; zero between two
	late  *time.Timer
}

// atOnce is how many bytes a client has AnswerTimeout for.
const atOnce = 64 << 10

// Write writes so much at a time.
func (a *timedAnswer) Write(p []byte) (n int, err error) {
	for first := true; err == nil && (first || n < len(p)); first = false {
		m := 0
		err = a.within(func() error {
			m, err = a.ResponseWriter.Write(p[n:min(len(p), n+atOnce)])
			return err
		})
		n += m
	}
	return n, err
}

// Flush sends what was written, which streams need.
func (a *timedAnswer) Flush() { _ = a.FlushError() } // as http.Flusher has it, who is gone cannot be told

// FlushError is Flush for http.ResponseController.
func (a *timedAnswer) FlushError() error { return a.within(a.control.Flush) }

// Unwrap is for http.ResponseController.
func (a *timedAnswer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// within writes, and no longer than AnswerTimeout. A deadline that is set only then
// costs an answer that is taken nothing.
func (a *timedAnswer) within(write func() error) error {
	a.mark(true)
	defer a.mark(false)
	return write()
}

// mark begins or ends the time for a write. Between the two the request is not over,
// so that its connection may be told.
func (a *timedAnswer) mark(writing bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !writing:
		a.until = time.Time{}
		a.late.Stop()
		return
	case a.late == nil:
		a.late = time.AfterFunc(AnswerTimeout, a.end)
	default:
		a.late.Reset(AnswerTimeout)
	}
	a.until = time.Now().Add(AnswerTimeout - time.Millisecond) // before the timer
}

// end ends the write that has run for too long. It may come late, during the next one.
func (a *timedAnswer) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.until.IsZero() && !time.Now().Before(a.until) {
		_ = a.control.SetWriteDeadline(time.Now()) // the servers that HTTP makes have one
	}
}
