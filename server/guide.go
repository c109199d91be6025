package server

import (
	"net/http"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/spelling"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// methods are the names of the calls of the contract.
var methods = func() (names []string) {
	all := pb.File_mainstem_v1_database_proto.Services().ByName("DatabaseService").Methods()
	for i := range all.Len() {
		names = append(names, string(all.Get(i).Name()))
	}
	return names
}()

// types are the content types of the protocols that a call may come in.
var types = []string{"application/json", "application/proto", "application/connect+", "application/grpc"}

// guided tells a person with curl what is wrong where a library would get nothing
// but a status. The status is the same.
func guided(calls http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/"+serviceName+"/")
		switch kind := r.Header.Get("Content-Type"); {
		case !slices.Contains(methods, name):
			missing(w, r, spelling.Nearest(name, methods))
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			answer(w, http.StatusMethodNotAllowed, &mainstem.Error{
				Code: mainstem.Invalid, Message: r.Method + " is not how " + name + " is called",
				Advice: "send POST with Content-Type: application/json, and at least {} as the body",
			})
		case !slices.ContainsFunc(types, func(known string) bool { return strings.HasPrefix(kind, known) }):
			w.Header().Set("Accept-Post", "application/json, application/proto, application/grpc")
			answer(w, http.StatusUnsupportedMediaType, &mainstem.Error{
				Code: mainstem.Invalid, Message: "a body of the type " + short(kind) + " is nothing that " + name + " reads",
				Advice: "send Content-Type: application/json",
			})
		default:
			calls.ServeHTTP(w, r)
		}
	})
}

// nowhere answers what no other handler does.
func nowhere(w http.ResponseWriter, r *http.Request) {
	if slices.Contains([]string{"/feed", "/readyz", "/healthz"}, r.URL.Path) {
		w.Header().Set("Allow", "GET, HEAD")
		answer(w, http.StatusMethodNotAllowed, &mainstem.Error{
			Code: mainstem.Invalid, Message: short(r.Method) + " is not how " + r.URL.Path + " is asked", Advice: "send GET",
		})
		return
	}
	missing(w, r, "")
}

func missing(w http.ResponseWriter, r *http.Request, near string) {
	e := &mainstem.Error{
		Code: mainstem.Invalid, Message: "there is no " + short(r.URL.Path) + " at this server",
		Advice: "calls are POST /" + serviceName + "/NAME, where NAME is one of " + strings.Join(methods, ", ") + "; beside them there are GET /feed, /readyz and /healthz",
	}
	if near != "" {
		e.Advice = "did you mean " + near + "?"
	}
	answer(w, http.StatusNotFound, e)
}

// short is text of a stranger, quoted, that does not flood an answer.
func short(text string) string {
	const most = 80
	if len(text) > most {
		text = text[:most] + "…"
	}
	return `"` + strings.ToValidUTF8(text, "\uFFFD") + `"`
}

// explanations are what a complaint about JSON means to somebody who wrote it by hand.
var explanations = []struct{ part, advice string }{
	{"for bytes field", "bytes are base64; text stands in the field of the same name without _base64"},
	{"for string field", "text stands in quotes"},
	{"for int64 field", "a whole number, in quotes or without"},
	{"for uint64 field", "a whole number of at least 0, in quotes or without"},
	{"for int32 field", "a whole number"},
	{"for bool field", "true or false, without quotes"},
	{"unexpected token", "an object in braces was expected here"},
	{"unexpected EOF", "the JSON ends too early"},
	{"google.protobuf.Duration", "a duration is seconds with an s, as in \"3600s\""},
	{"google.protobuf.Timestamp", "a time is written as in \"2026-11-22T10:00:00Z\""},
}

// complaint is a message that could not be read.
type complaint struct {
	text string
	err  error
}

func (c *complaint) Error() string { return c.text }

func (c *complaint) Unwrap() error { return c.err }

// mostSaid is the most bytes of a complaint about JSON.
const mostSaid = 300

// explained adds what to do. The library writes a blank of one of two kinds behind
// its name, so that nobody relies on its text: where a part is not found any more,
// nothing is added, which TestMistakesInJSON notices.
func explained(err error, d protoreflect.MessageDescriptor) error {
	text := strings.TrimLeft(strings.TrimPrefix(err.Error(), "proto:"), " \u00a0")
	if len(text) > mostSaid { // it repeats what was sent
		text = strings.ToValidUTF8(text[:mostSaid], "") + "…"
	}
	if _, after, ok := strings.Cut(text, `unknown field "`); ok {
		name, _, _ := strings.Cut(after, `"`)
		if near := spelling.Nearest(name, fieldsOf(d, map[protoreflect.FullName]bool{})); near != "" {
			text += `; did you mean "` + near + `"?`
		}
		return &complaint{text, err}
	}
	for _, e := range explanations {
		if strings.Contains(text, e.part) {
			return &complaint{text + "; " + e.advice, err}
		}
	}
	return &complaint{text, err}
}

// fieldsOf are the names of all fields that a message can have, at any depth.
func fieldsOf(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) (names []string) {
	if seen[d.FullName()] {
		return nil
	}
	seen[d.FullName()] = true
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		names = append(names, string(f.Name()))
		if f.Message() != nil {
			names = append(names, fieldsOf(f.Message(), seen)...)
		}
	}
	return names
}
