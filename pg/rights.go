package pg

import (
	"fmt"
	"strings"
)

// right is what a service's role needs at run time on some tables, in the words of
// GRANT. Schema grants it, and Check looks for it.
type right struct {
	privileges string
	on         []string
}

// xidOnly is for a restore into another server, whose transaction IDs are its own.
const xidOnly = "UPDATE (xid)"

// ring is a name for each table of the ring.
func ring(names ...string) (all []string) {
	for _, name := range names {
		for k := range slots {
			all = append(all, fmt.Sprintf("%s_%d", name, k))
		}
	}
	return all
}

// tables are all that Schema makes.
var tables = append(ring("event", "numbered"), "layout", "request", "event", "numbered", "stream", "relay", "era", "timeline",
	"cursor", "applied", "parked", "lease", "fence")

// indexes find rows, and keep a name from having two.
var indexes = []string{
	"request_until", "request_claimed", "event_xid", "numbered_position",
	"layout_pkey", "request_pkey", "stream_pkey", "relay_pkey", "era_pkey", "timeline_pkey", "cursor_pkey", "applied_pkey", "parked_pkey", "lease_pkey", "fence_pkey",
}

var rights = []right{
	{"SELECT", tables},
	{"INSERT, UPDATE, DELETE", []string{"request", "cursor", "applied", "parked"}},
	{"INSERT, UPDATE", []string{"stream", "lease", "fence"}},
	{"INSERT", append(ring("event"), "event", "numbered", "era", "timeline")},
	{"UPDATE", []string{"relay"}},
	{xidOnly, []string{"event", "numbered"}},
	{"TRUNCATE", ring("event", "numbered")},
}

// sequence is what an event's identifier is drawn from, which takes USAGE.
const sequence = "event_id"

// grants are rights as statements of SQL, for Schema.
func grants(schema, role string) (statements []string) {
	for _, r := range rights {
		names := make([]string, len(r.on))
		for i, name := range r.on {
			names[i] = schema + "." + name
		}
		statements = append(statements, fmt.Sprintf("GRANT %s ON %s TO %s;", r.privileges, strings.Join(names, ", "), role))
	}
	// Everybody has EXECUTE, unless the database's owner has taken that away.
	return append(statements, fmt.Sprintf("GRANT USAGE ON SEQUENCE %s.%s TO %s;", schema, sequence, role),
		fmt.Sprintf("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %s TO %s;", schema, role))
}

// lackingSQL asks which of some privileges on relations this role lacks, and which
// of the relations are not there.
const lackingSQL = `SELECT name, CASE WHEN to_regclass('$S.' || name) IS NULL THEN '' ELSE privilege END
	FROM unnest($1::text[], $2::text[]) AS wanted (name, privilege)
	WHERE to_regclass('$S.' || name) IS NULL OR NOT CASE privilege
		WHEN 'UPDATE (xid)' THEN has_column_privilege('$S.' || name, 'xid', 'UPDATE')
		WHEN 'USAGE' THEN has_sequence_privilege('$S.' || name, 'USAGE')
		WHEN '' THEN true
		ELSE has_table_privilege('$S.' || name, privilege) END
	UNION ALL SELECT DISTINCT proname, 'EXECUTE' FROM pg_proc WHERE pronamespace = '$S'::regnamespace AND NOT has_function_privilege(oid, 'EXECUTE')
	ORDER BY 1, 2`

// wanted are the arguments of lackingSQL: every right one by one, and the indexes,
// which need none.
func wanted() (names, privileges []string) {
	want := func(name, privilege string) {
		names, privileges = append(names, name), append(privileges, privilege)
	}
	for _, r := range rights {
		for _, name := range r.on {
			for privilege := range strings.SplitSeq(r.privileges, ", ") {
				want(name, privilege)
			}
		}
	}
	for _, name := range indexes {
		want(name, "")
	}
	want(sequence, "USAGE")
	return names, privileges
}
