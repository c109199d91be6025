package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/mainstemdb/mainstem/bench/internal/load"
	"github.com/mainstemdb/mainstem/bench/internal/peer"
	"github.com/mainstemdb/mainstem/bench/internal/strace"
)

// A visit is one system measured for one stretch of time, in a process of its
// own: no system runs in the heap, or beside the compactions, of another, and
// what the process used is what the system used.

// Job says what a visit does.
type Job struct {
	Task    string      `json:"task"`
	Peer    string      `json:"peer"`
	Dir     string      `json:"dir"`
	Clients int         `json:"clients"`
	Variant string      `json:"variant,omitempty"`
	Kinds   []peer.Kind `json:"kinds,omitempty"`
	Keys    int         `json:"keys,omitempty"`
	// Partitions are those of a log that nodes share; 0 is one.
	Partitions int `json:"partitions,omitempty"`
	// Steps are the numbers of keys at which growth measures.
	Steps []int         `json:"steps,omitempty"`
	Warm  time.Duration `json:"warm,omitempty"`
	For   time.Duration `json:"for"`
	// Rate is arrivals per second of an open loop.
	Rate float64 `json:"rate,omitempty"`
	// Fill is how many transactions a log holds before it is read.
	Fill int `json:"fill,omitempty"`
	// Beside runs an open-loop writer at half its peak beside the clients.
	Beside bool `json:"beside,omitempty"`
	// OneVersion has the clients of growth keep one version each, not one for each key.
	OneVersion bool  `json:"one_version,omitempty"`
	Memory     int64 `json:"memory,omitempty"`
	CallerIDs  bool  `json:"caller_ids,omitempty"`
	// Marked makes the operations visible in a trace; a single client marks each.
	Marked bool `json:"marked,omitempty"`
	// Anew removes the state before a log is opened, so that all of it is replayed.
	Anew bool `json:"anew,omitempty"`
	// Profile is a file for a processor profile of the window.
	Profile string `json:"profile,omitempty"`
	// Serial tells visits of one directory apart.
	Serial int `json:"serial,omitempty"`
	// Slice is the length of the stretches that a soak is cut into.
	Slice time.Duration `json:"slice,omitempty"`
	// Postgres is the server that all rows of a scenario share; where it is nil, a
	// visit that needs one starts its own.
	Postgres *peer.Shared `json:"postgres,omitempty"`
	// Database is the visit's own, dropped at its end unless Keep says that others
	// come for it.
	Database string `json:"database,omitempty"`
	Keep     bool   `json:"keep,omitempty"`
	// Retain is what a database is to hold before it is measured, and Rows how much of it.
	Retain string `json:"retain,omitempty"`
	Rows   int    `json:"rows,omitempty"`
	// Poll is how often a relay asks; one with Listen sleeps while nothing comes.
	Poll   time.Duration `json:"poll,omitempty"`
	Listen bool          `json:"listen,omitempty"`
}

// Figure is what a visit measured.
type Figure struct {
	Ops       int64           `json:"ops"`
	Elapsed   time.Duration   `json:"elapsed"`
	Latencies *load.Latencies `json:"latencies,omitempty"`
	// CPU is what was used in that time, and Of says by whom; Written and
	// Flushes are the device's.
	CPU     time.Duration `json:"cpu"`
	Written int64         `json:"written"`
	Flushes int64         `json:"flushes"`
	// ClientCPU is what the clients of a server used, and WAL the bytes of log that
	// it wrote, where that is counted.
	ClientCPU time.Duration     `json:"client_cpu,omitempty"`
	WAL       int64             `json:"wal,omitempty"`
	Of        string            `json:"of,omitempty"`
	Settings  map[string]string `json:"settings,omitempty"`
	Extra
}

// Rate is operations per second.
func (f *Figure) Rate() float64 { return load.Outcome{Ops: f.Ops, Elapsed: f.Elapsed}.Rate() }

// reply is how a visit ends.
type reply struct {
	Figures []Figure `json:"figures,omitempty"`
	Missing string   `json:"missing,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// tasks are what a visit can do.
var tasks = map[string]func(context.Context, *Job) ([]Figure, error){
	"closed": closed, "open": openLoop, "feed": feed, "follow": follow, "die": die, "replay": replay,
	"growth": growth, "soak": soak, "overload": overload, "floor-state": floorState,
	"retain": retain, "relay": relay, "delay": delay, "bloat": bloat,
	"levels": levels, "takeover": takeover, "followers": followers, "move": move, "idle-feeds": idleFeeds,
}

// visitVariable marks the process of a visit.
const visitVariable = "MAINSTEM_BENCH_VISIT"

// serveVisit is the visiting process: a job comes in, a reply goes out. When its
// input ends, whoever asked is gone, and it stops.
func serveVisit(in io.Reader, out io.Writer) int {
	signal.Ignore(os.Interrupt) // the parent hears it and closes the input: servers are stopped in order
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	decoder := json.NewDecoder(in)
	var job Job
	if err := decoder.Decode(&job); err != nil {
		fmt.Fprintln(os.Stderr, "bench: a visit without a job:", err)
		return 1
	}
	go func() {
		_, _ = io.Copy(io.Discard, in) // its end is what counts
		cancel(errors.New("the benchmark was ended"))
	}()
	var r reply
	task := tasks[job.Task]
	if task == nil {
		r.Error = "no task is called " + job.Task
	} else if figures, err := task(ctx, &job); errors.Is(err, peer.ErrMissing) {
		r.Missing = err.Error()
	} else if err != nil {
		r.Error = err.Error()
	} else {
		r.Figures = figures
	}
	if err := json.NewEncoder(out).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// errMissing says that a system is not on this machine.
type errMissing struct{ why string }

func (e errMissing) Error() string { return e.why }

// visit runs a job in a process of its own.
func visit(ctx context.Context, job *Job) ([]Figure, error) {
	figures, _, err := visitTraced(ctx, job, "")
	return figures, err
}

// visitTraced is visit, under strace if trace names a file.
func visitTraced(ctx context.Context, job *Job, trace string) ([]Figure, strace.Report, error) {
	var none strace.Report
	if err := os.MkdirAll(job.Dir, 0o711); err != nil { // a server of another user reaches its own directory
		return nil, none, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, none, err
	}
	cmd := exec.Command(self)
	if trace != "" {
		if err := strace.Wrap(cmd, trace); err != nil {
			return nil, none, err
		}
	}
	r, err := ask(ctx, cmd, job)
	switch {
	case err != nil:
		return nil, none, fmt.Errorf("%s, %s with %d clients: %w", job.Peer, job.Task, job.Clients, err)
	case r.Missing != "":
		return nil, none, errMissing{r.Missing}
	case r.Error != "":
		return nil, none, fmt.Errorf("%s, %s with %d clients: %s", job.Peer, job.Task, job.Clients, r.Error)
	}
	if trace == "" {
		return r.Figures, none, nil
	}
	report, err := readTrace(trace, job.Dir)
	return r.Figures, report, err
}

// ask hands a job to a process and waits for its reply.
func ask(ctx context.Context, cmd *exec.Cmd, job *Job) (r reply, err error) {
	cmd.Env = append(os.Environ(), visitVariable+"=1")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	in, err := cmd.StdinPipe()
	if err != nil {
		return r, err
	}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	stop := context.AfterFunc(ctx, func() { _ = in.Close() }) // an end is all it can hear
	defer stop()
	sent := json.NewEncoder(in).Encode(job)
	ended := cmd.Wait()
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	if job.Task == "die" { // it killed itself, as asked
		return r, nil
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return r, fmt.Errorf("the visit gave no answer: %w: %.2000s", errors.Join(err, sent, ended), said.String())
	}
	return r, nil
}

func readTrace(name, dir string) (strace.Report, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return strace.Report{}, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return strace.Report{}, err
	}
	trace, err := os.ReadFile(name)
	if err != nil {
		return strace.Report{}, fmt.Errorf("%w: %w", strace.ErrMissing, err)
	}
	return strace.Read(bytes.NewReader(trace), dir)
}
