package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is one as it came, with who sent it.
type span struct {
	*tracepb.Span
	service string
}

// spans are what was heard so far.
type spans struct {
	mu   sync.Mutex
	all  []span
	from time.Time
	more chan struct{} // something came
}

// ServeHTTP takes spans as a collector does.
func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	all, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.all = append(s.all, all...)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default: // it is known
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // of an empty message
}

func read(r *http.Request) (all []span, err error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if body, err = gzip.NewReader(body); err != nil {
			return nil, err
		}
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(body); err != nil {
		return nil, err
	}
	var m collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(text.Bytes(), &m); err != nil {
		return nil, err
	}
	for _, of := range m.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				all = append(all, span{one, attribute(of.GetResource().GetAttributes(), "service.name")})
			}
		}
	}
	return all, nil
}

func attribute(all []*common.KeyValue, name string) string {
	for _, a := range all {
		if a.GetKey() == name {
			if n, ok := a.GetValue().GetValue().(*common.AnyValue_IntValue); ok {
				return strconv.FormatInt(n.IntValue, 10)
			}
			return a.GetValue().GetStringValue()
		}
	}
	return ""
}

// chain is the first request of a name whose effect is known too: its trace, and the
// traces of those that link to it. It has an effect once a span of another trace that
// links to it has another below.
func (s *spans) chain(name string) []span {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, root := range s.all {
		if root.GetName() != name || root.GetStartTimeUnixNano() < uint64(s.from.UnixNano()) {
			continue
		}
		traces := [][]byte{root.GetTraceId()}
		effect := false
		for _, one := range s.all {
			for _, l := range one.GetLinks() {
				if bytes.Equal(l.GetTraceId(), root.GetTraceId()) {
					traces = append(traces, one.GetTraceId())
					effect = effect || slices.ContainsFunc(s.all, func(below span) bool { return bytes.Equal(below.GetParentSpanId(), one.GetSpanId()) })
				}
			}
		}
		if !effect {
			continue
		}
		var found []span
		for _, one := range s.all {
			if slices.ContainsFunc(traces, func(id []byte) bool { return bytes.Equal(id, one.GetTraceId()) }) {
				found = append(found, one)
			}
		}
		return found
	}
	return nil
}

// drawTrace waits for a request, and a second more, so that who sends later is in it.
func drawTrace(ctx context.Context, out io.Writer, listen, root string, after time.Duration) (err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	heard := &spans{more: make(chan struct{}, 1), from: time.Now().Add(after)}
	web := &http.Server{Handler: heard, ReadHeaderTimeout: 5 * time.Second}
	defer func() { err = errors.Join(err, web.Close()) }()
	go web.Serve(l) // it ends with Close
	for heard.chain(root) == nil {
		select {
		case <-heard.more:
		case <-ctx.Done():
			return fmt.Errorf("no span %q with an effect came: %w", root, context.Cause(ctx))
		}
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	_, err = fmt.Fprintf(out, tracePage, style, waterfall(heard.chain(root)))
	return err
}

const tracePage = `<!doctype html><meta charset="utf-8"><title>One request</title><style>%s</style>
<h1>One request <small>and everything that came of it; dashed: a link from an effect to its cause, which is another trace</small></h1>%s
`

// waterfall draws spans from the first to the last, each trace for itself, those below
// others moved in.
func waterfall(all []span) string {
	slices.SortStableFunc(all, func(a, b span) int { return int(a.GetStartTimeUnixNano()) - int(b.GetStartTimeUnixNano()) })
	begin, end := all[0].GetStartTimeUnixNano(), uint64(0)
	for _, one := range all {
		end = max(end, one.GetEndTimeUnixNano())
	}
	rows := ordered(all)
	at := map[string]int{}
	for i, r := range rows {
		at[string(r.GetSpanId())] = i
	}
	const names, bars, high = 240, 860, 26
	x := func(nanos uint64) float64 {
		return names + float64(nanos-begin)/float64(end-begin)*bars
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg width="1440" height="%d">`, high*len(rows)+30)
	var services []string
	for i, r := range rows {
		if !slices.Contains(services, r.service) {
			services = append(services, r.service)
		}
		colour := colours[slices.Index(services, r.service)%len(colours)]
		y := 8 + high*i
		fmt.Fprintf(&b, `<text class="name what" x="%d" y="%d">%s <tspan fill="%s">%s</tspan></text>`, 10+18*r.depth, y+15, html.EscapeString(r.GetName()), colour, html.EscapeString(r.service))
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="16" fill="%s"/>`, x(r.GetStartTimeUnixNano()), y+2, max(2, x(r.GetEndTimeUnixNano())-x(r.GetStartTimeUnixNano())), colour)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s%s</text>`, x(r.GetEndTimeUnixNano())+6, y+14, time.Duration(r.GetEndTimeUnixNano()-r.GetStartTimeUnixNano()).Round(time.Microsecond), details(r.span))
		for _, l := range r.GetLinks() {
			if from, ok := at[string(l.GetSpanId())]; ok {
				fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#fff" stroke-dasharray="3 3"/>`, x(r.GetStartTimeUnixNano()), 8+high*from+18, y+2)
			}
		}
	}
	b.WriteString("</svg>")
	return b.String()
}

// details are the few attributes that tell spans apart.
func details(s span) string {
	var b strings.Builder
	for _, name := range []string{"mainstem.group", "mainstem.position", "mainstem.follower", "mainstem.outcome"} {
		if v := attribute(s.GetAttributes(), name); v != "" {
			fmt.Fprintf(&b, ", %s %s", strings.TrimPrefix(name, "mainstem."), html.EscapeString(v))
		}
	}
	return b.String()
}

type row struct {
	span
	depth int
}

// ordered puts each span below its parent, if that is known.
func ordered(all []span) (rows []row) {
	var below func(parent []byte, depth int)
	below = func(parent []byte, depth int) {
		for _, one := range all {
			if bytes.Equal(one.GetParentSpanId(), parent) {
				rows = append(rows, row{one, depth})
				below(one.GetSpanId(), depth+1)
			}
		}
	}
	for _, one := range all {
		if !slices.ContainsFunc(all, func(p span) bool { return bytes.Equal(p.GetSpanId(), one.GetParentSpanId()) }) {
			rows = append(rows, row{one, 0})
			below(one.GetSpanId(), 1)
		}
	}
	return rows
}
