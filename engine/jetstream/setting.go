package jetstream

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// Setting is one setting of a server or a stream that is not as a log needs it.
type Setting struct {
	Name      string // as NATS spells it, and whose it is
	Want, Got string
	// Weak is true if the log works, and can lose what it acknowledges.
	Weak bool
}

// String says what is, and what is needed.
func (s Setting) String() string { return fmt.Sprintf("%s is %s, not %s", s.Name, s.Got, s.Want) }

// Refused is Open's error for settings that it does not accept.
type Refused struct {
	Stream   string
	Settings []Setting
}

// Error names every setting, and what to do.
func (r *Refused) Error() string {
	said := make([]string, len(r.Settings))
	for i, s := range r.Settings {
		said[i] = s.String()
	}
	do := "change it on the server or the stream"
	if r.weak() {
		do += ", or accept that acknowledged data can be lost (AcceptWeakDurability)"
	}
	return fmt.Sprintf("jetstream: stream %s cannot hold a log: %s; %s", r.Stream, strings.Join(said, "; "), do)
}

// weak is true if a log works with all of them, and can lose what it acknowledges.
func (r *Refused) weak() bool {
	return !slices.ContainsFunc(r.Settings, func(s Setting) bool { return !s.Weak })
}

// wanted is the stream of a log. Nothing ages out of it and nobody can delete
// from it; a new generation is a new stream.
func (o *Options) wanted() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:         o.stream(),
		Description:  fmt.Sprintf("Mainstem: the log of partition %d of %s, generation %d", o.Partition, o.Name, o.Generation),
		Subjects:     []string{o.subject()},
		Retention:    jetstream.LimitsPolicy,
		Discard:      jetstream.DiscardNew,
		Storage:      jetstream.FileStorage,
		Replicas:     o.Replicas,
		MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1,
		DenyDelete: true, DenyPurge: true,
		RePublish: &jetstream.RePublish{Source: o.subject(), Destination: o.news(), HeadersOnly: true},
		Metadata:  o.meta,
	}
}

// differences are the settings of a stream that are not as wanted.
func (o *Options) differences(got *jetstream.StreamConfig) (bad []Setting) {
	want := o.wanted()
	for _, s := range []Setting{
		{Name: "subjects", Want: strings.Join(want.Subjects, " "), Got: strings.Join(got.Subjects, " ")},
		{Name: "retention", Want: want.Retention.String(), Got: got.Retention.String()},
		{Name: "discard", Want: want.Discard.String(), Got: got.Discard.String()},
		{Name: "max_msgs", Want: "-1", Got: strconv.FormatInt(got.MaxMsgs, 10)},
		{Name: "max_bytes", Want: "-1", Got: strconv.FormatInt(got.MaxBytes, 10)},
		{Name: "max_msgs_per_subject", Want: "-1", Got: strconv.FormatInt(got.MaxMsgsPerSubject, 10)},
		{Name: "max_msg_size", Want: "-1", Got: strconv.Itoa(int(got.MaxMsgSize))},
		{Name: "max_age", Want: "0s", Got: got.MaxAge.String()},
		{Name: "first_seq", Want: "1", Got: strconv.FormatUint(max(1, got.FirstSeq), 10)},
		off("no_ack", got.NoAck), off("sealed", got.Sealed),
		off("mirror", got.Mirror != nil), off("sources", len(got.Sources) > 0),
		off("subject_transform", got.SubjectTransform != nil),
		off("allow_rollup_hdrs", got.AllowRollup), off("allow_direct", got.AllowDirect),
		off("allow_msg_ttl", got.AllowMsgTTL), off("allow_msg_counter", got.AllowMsgCounter),
		off("allow_msg_schedules", got.AllowMsgSchedules),
		off("allow_atomic", got.AllowAtomicPublish), off("allow_batched", got.AllowBatchPublish),
		{Name: "republish", Want: spell(want.RePublish), Got: spell(got.RePublish)},
		{Name: "num_replicas", Want: strconv.Itoa(want.Replicas), Got: strconv.Itoa(min(want.Replicas, got.Replicas))},
		{Name: "storage", Want: want.Storage.String(), Got: got.Storage.String(), Weak: true},
		{Name: "persist_mode", Want: want.PersistMode.String(), Got: got.PersistMode.String(), Weak: true},
		{Name: "deny_delete", Want: "true", Got: strconv.FormatBool(got.DenyDelete), Weak: true},
		{Name: "deny_purge", Want: "true", Got: strconv.FormatBool(got.DenyPurge), Weak: true},
	} {
		if s.Want != s.Got {
			bad = append(bad, s)
		}
	}
	if got.Replicas < 3 {
		bad = append(bad, Setting{Name: "num_replicas", Want: "3 or more", Got: strconv.Itoa(got.Replicas), Weak: true})
	}
	return bad
}

func off(name string, on bool) Setting {
	return Setting{Name: name, Want: "false", Got: strconv.FormatBool(on)}
}

func spell(r *jetstream.RePublish) string {
	if r == nil {
		return "none"
	}
	return fmt.Sprintf("from %s to %s, headers only: %v", r.Source, r.Destination, r.HeadersOnly)
}
