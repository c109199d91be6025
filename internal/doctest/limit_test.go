package doctest

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/access"
	"github.com/mainstemdb/mainstem/blob"
	"github.com/mainstemdb/mainstem/embedded"
	"github.com/mainstemdb/mainstem/engine/postgres"
	"github.com/mainstemdb/mainstem/journal"
	"github.com/mainstemdb/mainstem/lease"
	"github.com/mainstemdb/mainstem/node"
	"github.com/mainstemdb/mainstem/observe"
	"github.com/mainstemdb/mainstem/pg"
	"github.com/mainstemdb/mainstem/pg/webhook"
	"github.com/mainstemdb/mainstem/pgcluster"
	"github.com/mainstemdb/mainstem/remote"
	"github.com/mainstemdb/mainstem/server"
	"github.com/mainstemdb/mainstem/session"
)

// constants are the limits of the API. A new one gets a line here and a row in
// the reference.
var constants = map[string]int64{
	"mainstem.LimitName":           mainstem.LimitName,
	"mainstem.LimitValue":          mainstem.LimitValue,
	"mainstem.LimitTransaction":    mainstem.LimitTransaction,
	"mainstem.LimitOperations":     mainstem.LimitOperations,
	"mainstem.LimitFingerprint":    mainstem.LimitFingerprint,
	"mainstem.LimitMeta":           mainstem.LimitMeta,
	"mainstem.LimitTTL":            int64(mainstem.LimitTTL),
	"mainstem.LimitOutstanding":    mainstem.LimitOutstanding,
	"mainstem.LimitMarks":          mainstem.LimitMarks,
	"mainstem.LimitFollower":       mainstem.LimitFollower,
	"mainstem.DefaultPatience":     int64(mainstem.DefaultPatience),
	"mainstem.DefaultReruns":       mainstem.DefaultReruns,
	"mainstem.FollowShards":        mainstem.FollowShards,
	"mainstem.Slots":               mainstem.Slots,
	"lease.MinTTL":                 int64(lease.MinTTL),
	"node.MaxPartitions":           node.MaxPartitions,
	"node.LimitName":               node.LimitName,
	"node.LimitRaces":              node.LimitRaces,
	"node.LimitContested":          int64(node.LimitContested),
	"node.LimitURL":                node.LimitURL,
	"node.LimitConfirm":            node.LimitConfirm,
	"node.LimitPace":               int64(node.LimitPace),
	"server.MoveEvery":             int64(server.MoveEvery),
	"node.DefaultPatience":         int64(node.DefaultPatience),
	"node.DefaultTakeOver":         int64(node.DefaultTakeOver),
	"node.DefaultSpread":           int64(node.DefaultSpread),
	"postgres.MaxPartitions":       postgres.MaxPartitions,
	"postgres.LimitSchema":         postgres.LimitSchema,
	"postgres.Patience":            int64(postgres.Patience),
	"postgres.TailTimeout":         int64(postgres.TailTimeout),
	"pgcluster.LimitResolving":     int64(pgcluster.LimitResolving),
	"pgcluster.DefaultLockTimeout": int64(pgcluster.DefaultLockTimeout),
	"pgcluster.MaxLockTimeout":     int64(pgcluster.MaxLockTimeout),
	"postgres.DefaultConnections":  postgres.DefaultConnections,
	"node.MinMemory":               node.MinMemory,
	"node.MinIDAge":                int64(node.MinIDAge),
	"embedded.DefaultMemory":       embedded.DefaultMemory,
	"embedded.DefaultIDAge":        int64(embedded.DefaultIDAge),
	"embedded.DefaultHistory":      int64(embedded.DefaultHistory),
	"embedded.DefaultRetain":       int64(embedded.DefaultRetain),
	"journal.MaxRecord":            journal.MaxRecord,
	"access.LimitPolicy":           access.LimitPolicy,
	"access.LimitClients":          access.LimitClients,
	"access.LimitRules":            access.LimitRules,
	"access.LimitPatterns":         access.LimitPatterns,
	"access.LimitCredentials":      access.LimitCredentials,
	"access.LimitClient":           access.LimitClient,
	"access.LimitRate":             access.LimitRate,
	"access.LimitToken":            access.LimitToken,
	"access.AuditBurst":            access.AuditBurst,
	"access.AuditEvery":            int64(access.AuditEvery),
	"access.PollEvery":             int64(access.PollEvery),
	"access.CertificateEvery":      int64(access.CertificateEvery),
	"observe.LimitFollowers":       observe.LimitFollowers,
	"observe.LimitHot":             observe.LimitHot,
	"observe.LimitLinks":           observe.LimitLinks,
	"observe.LimitParked":          observe.LimitParked,
	"observe.LogBurst":             observe.LogBurst,
	"pg.MinAge":                    int64(pg.MinAge),
	"pg.DefaultAge":                int64(pg.DefaultAge),
	"pg.MaxAge":                    int64(pg.MaxAge),
	"pg.MaxWait":                   int64(pg.MaxWait),
	"pg.MinTTL":                    int64(pg.MinTTL),
	"pg.MaxTTL":                    int64(pg.MaxTTL),
	"pg.LimitEvents":               pg.LimitEvents,
	"pg.LimitEventBytes":           pg.LimitEventBytes,
	"pg.LimitList":                 pg.LimitList,
	"pg.LimitConsumer":             pg.LimitConsumer,
	"pg.LimitAttempts":             pg.LimitAttempts,
	"pg.DefaultAttempts":           pg.DefaultAttempts,
	"pg.DefaultPoll":               int64(pg.DefaultPoll),
	"pg.DefaultTTL":                int64(pg.DefaultTTL),
	"pg.LimitSource":               pg.LimitSource,
	"webhook.LimitParallel":        webhook.LimitParallel,
	"webhook.DefaultTimeout":       int64(webhook.DefaultTimeout),
	"webhook.LimitRetryAfter":      int64(webhook.LimitRetryAfter),
	"webhook.LimitBody":            webhook.LimitBody,
	"webhook.Tolerance":            int64(webhook.Tolerance),
	"server.LimitMessage":          server.LimitMessage,
	"server.LimitHeader":           server.LimitHeader,
	"server.LimitStreams":          server.LimitStreams,
	"server.LimitCommits":          server.LimitCommits,
	"server.LimitViews":            server.LimitViews,
	"server.LimitFeeds":            server.LimitFeeds,
	"server.LimitQueries":          server.LimitQueries,
	"server.LimitAnswers":          server.LimitAnswers,
	"server.ViewIdle":              int64(server.ViewIdle),
	"server.Heartbeat":             int64(server.Heartbeat),
	"server.HeaderTimeout":         int64(server.HeaderTimeout),
	"server.BodyTimeout":           int64(server.BodyTimeout),
	"server.PingAfter":             int64(server.PingAfter),
	"server.PingTimeout":           int64(server.PingTimeout),
	"server.IdleTimeout":           int64(server.IdleTimeout),
	"remote.DefaultTimeout":        int64(remote.DefaultTimeout),
	"remote.DefaultHedge":          int64(remote.DefaultHedge),
	"remote.LimitWaiting":          remote.LimitWaiting,
	"remote.LimitServers":          remote.LimitServers,
	"remote.LimitAnswer":           remote.LimitAnswer,
	"remote.DialTimeout":           int64(remote.DialTimeout),
	"remote.ZoneEvery":             int64(remote.ZoneEvery),
	"remote.PingAfter":             int64(remote.PingAfter),
	"remote.PingTimeout":           int64(remote.PingTimeout),
	"remote.FeedSilence":           int64(remote.FeedSilence),
	"remote.BreakAfter":            remote.BreakAfter,
	"remote.BreakFor":              int64(remote.BreakFor),
	"session.MinKey":               session.MinKey,
	"session.LimitKeys":            session.LimitKeys,
	"session.LimitCookie":          session.LimitCookie,
	"session.DefaultCookieAge":     int64(session.DefaultCookieAge),
	"server.AnswerTimeout":         int64(server.AnswerTimeout),
	"server.PartTimeout":           int64(server.PartTimeout),
	"server.LimitParts":            server.LimitParts,
	"blob.LimitBlob":               blob.LimitBlob,
	"blob.LimitName":               blob.LimitName,
	"node.DepositRecords":          node.DepositRecords,
	"node.DepositEvery":            int64(node.DepositEvery),
	"node.HeldRecords":             node.HeldRecords,
}

var limitRow = regexp.MustCompile("(?m)^\\| [^|]+ \\| ([0-9,]+)( [A-Za-z]+)? \\| `([a-zA-Z.]+)` \\| (?:`([a-z_]+)`|none[^|]*) \\|$")

// TestLimits holds the table of limits against the constants.
func TestLimits(t *testing.T) {
	for _, problem := range wrongLimits(page(t, "docs/reference/limits.md")) {
		t.Error(problem)
	}
}

func wrongLimits(reference string) (problems []string) {
	listed := map[string]bool{}
	for _, row := range limitRow.FindAllStringSubmatch(reference, -1) {
		name := row[3]
		listed[name] = true
		said, err := quantity(row[1], strings.TrimSpace(row[2]))
		real, known := constants[name]
		switch {
		case err != nil:
			problems = append(problems, name+": "+err.Error())
		case !known:
			problems = append(problems, name+" is not among the constants of this test")
		case said != real:
			problems = append(problems, fmt.Sprintf("%s is %d, and the page says %s%s", name, real, row[1], row[2]))
		}
		var code mainstem.Code
		if row[4] != "" && code.UnmarshalText([]byte(row[4])) != nil {
			problems = append(problems, name+": there is no error "+row[4])
		}
	}
	for name := range constants {
		if !listed[name] {
			problems = append(problems, name+" has no row in docs/reference/limits.md")
		}
	}
	return problems
}

func quantity(number, unit string) (int64, error) {
	n, err := strconv.ParseInt(strings.ReplaceAll(number, ",", ""), 10, 64)
	if err != nil {
		return 0, err
	}
	scale, ok := map[string]int64{
		"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20,
		"ms": int64(time.Millisecond), "s": int64(time.Second), "m": int64(time.Minute), "h": int64(time.Hour),
	}[unit]
	if !ok {
		return 0, fmt.Errorf("there is no unit %q", unit)
	}
	return n * scale, nil
}

func TestLimitsGoRed(t *testing.T) {
	problems := strings.Join(wrongLimits("| name | 511 B | `mainstem.LimitName` | `too_large` |\n"+
		"| value | 256 KiB | `mainstem.LimitValue` | `too_big` |\n| new | 1 | `mainstem.LimitNew` | none |\n"), "\n")
	for _, want := range []string{"mainstem.LimitName is 512", "no error too_big", "mainstem.LimitNew is not among", "journal.MaxRecord has no row"} {
		if !strings.Contains(problems, want) {
			t.Errorf("no %q in:\n%s", want, problems)
		}
	}
}
