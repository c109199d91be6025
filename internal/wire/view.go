package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Consistency is c as a message; nil where it is none.
func Consistency(c mainstem.Consistency) *pb.Consistency {
	switch c.Level {
	case mainstem.LevelLatest:
		return &pb.Consistency{Level: &pb.Consistency_Latest{Latest: true}}
	case mainstem.LevelAtLeast:
		return &pb.Consistency{Level: &pb.Consistency_AtLeast{AtLeast: c.Token.String()}}
	case mainstem.LevelWithin:
		return &pb.Consistency{Level: &pb.Consistency_Within{Within: durationpb.New(c.Staleness)}}
	case mainstem.LevelAsOf:
		return &pb.Consistency{Level: &pb.Consistency_AsOf{AsOf: uint64(c.Position)}}
	case mainstem.LevelAsOfTime:
		return &pb.Consistency{Level: &pb.Consistency_AsOfTime{AsOfTime: timestamppb.New(c.Time)}}
	case mainstem.LevelLocal:
		return &pb.Consistency{Level: &pb.Consistency_Local{Local: true}}
	default:
		return nil
	}
}

// parseConsistency reads a message. None is no consistency: there is no default (L8).
func parseConsistency(m *pb.Consistency) (c mainstem.Consistency, err error) {
	unnamed := mainstem.Errorf(mainstem.Invalid,
		"a read names its consistency: one of latest, at_least, within, as_of, as_of_time, local")
	switch l := m.GetLevel().(type) {
	case *pb.Consistency_Latest:
		if !l.Latest {
			return c, unnamed
		}
		return mainstem.Latest(), nil
	case *pb.Consistency_AtLeast:
		token, err := mainstem.ParseToken(l.AtLeast)
		return mainstem.AtLeast(token), err
	case *pb.Consistency_Within:
		d, err := parseTTL(l.Within)
		if err != nil {
			return c, mainstem.Errorf(mainstem.Invalid, "within of %d seconds is outside what a duration holds", l.Within.GetSeconds())
		}
		return mainstem.Within(d), nil
	case *pb.Consistency_AsOf:
		return mainstem.AsOf(mainstem.Position(l.AsOf)), nil
	case *pb.Consistency_AsOfTime:
		if err := l.AsOfTime.CheckValid(); err != nil {
			return c, mainstem.Errorf(mainstem.Invalid, "as_of_time: %w", err)
		}
		return mainstem.AsOfTime(l.AsOfTime.AsTime()), nil
	case *pb.Consistency_Local:
		if !l.Local {
			return c, unnamed
		}
		return mainstem.Local(), nil
	default:
		return c, unnamed
	}
}

// ViewRequest is r as a message, without questions.
func ViewRequest(r mainstem.ViewRequest) *pb.ReadRequest {
	return &pb.ReadRequest{
		Group: r.Group, At: Consistency(r.At), Id: r.ID.String(), Born: int64(r.ID.Born), Low: r.ID.Low, FingerprintBase64: r.Fingerprint,
	}
}

// ParseViewRequest reads a message, but for its questions.
func ParseViewRequest(m *pb.ReadRequest) (r mainstem.ViewRequest, err error) {
	if r.At, err = parseConsistency(m.GetAt()); err != nil {
		return r, err
	}
	r.Group, r.Fingerprint = m.GetGroup(), m.GetFingerprintBase64()
	r.ID, err = identity(m.GetId(), m.GetBorn(), m.GetLow())
	return r, err
}

// Stamp is s as a message.
func Stamp(s mainstem.Stamp) *pb.Stamp {
	return &pb.Stamp{
		Token: s.Token.String(), Position: uint64(s.Position), Age: int64(s.Age), Wall: stamp(s.Wall),
		Staleness: int64(s.Staleness), Attempt: s.Attempt,
	}
}

// ParseStamp reads a message.
func ParseStamp(m *pb.Stamp) (mainstem.Stamp, error) {
	token, err := mainstem.ParseToken(m.GetToken())
	return mainstem.Stamp{
		Token: token, Position: mainstem.Position(m.GetPosition()), Age: mainstem.LogAge(m.GetAge()), Wall: wall(m.GetWall()),
		Staleness: time.Duration(m.GetStaleness()), Attempt: m.GetAttempt(),
	}, err
}

// Query is q as a message.
func Query(q mainstem.Query) *pb.Query {
	m, limit := &pb.Query{Group: q.Group}, int32(min(q.Max, 1<<31-1))
	switch q.Kind {
	case mainstem.QueryGet:
		m.Query = &pb.Query_Get{Get: &pb.NameQuery{Name: q.Name}}
	case mainstem.QueryScan:
		m.Query = &pb.Query_Scan{Scan: &pb.RangeQuery{From: q.Name, To: q.To, Max: limit}}
	case mainstem.QueryEvents:
		m.Query = &pb.Query_Events{Events: &pb.EventsQuery{Stream: q.Name, After: q.After, Max: limit}}
	case mainstem.QueryStreams:
		m.Query = &pb.Query_Streams{Streams: &pb.RangeQuery{From: q.Name, To: q.To, Max: limit}}
	case mainstem.QueryLease:
		m.Query = &pb.Query_Lease{Lease: &pb.NameQuery{Name: q.Name}}
	case mainstem.QueryID:
		m.Query = &pb.Query_Id{Id: &pb.NameQuery{Name: q.Name}}
	case mainstem.QueryHistory:
		m.Query = &pb.Query_History{History: &pb.HistoryQuery{Name: q.Name, Max: limit}}
	case mainstem.QueryGroups:
		m.Query = &pb.Query_Groups{Groups: &pb.GroupsQuery{After: q.Name, Max: limit}}
	}
	return m
}

// ParseQuery reads a message; group is that of the view, for a question without.
func ParseQuery(m *pb.Query, group string) (mainstem.Query, error) {
	q := mainstem.Query{Group: m.GetGroup()}
	if q.Group == "" {
		q.Group = group
	}
	var limit int32
	switch one := m.GetQuery().(type) {
	case *pb.Query_Get:
		q.Kind, q.Name = mainstem.QueryGet, one.Get.GetName()
	case *pb.Query_Scan:
		q.Kind, q.Name, q.To, limit = mainstem.QueryScan, one.Scan.GetFrom(), one.Scan.GetTo(), one.Scan.GetMax()
	case *pb.Query_Events:
		q.Kind, q.Name, q.After, limit = mainstem.QueryEvents, one.Events.GetStream(), one.Events.GetAfter(), one.Events.GetMax()
	case *pb.Query_Streams:
		q.Kind, q.Name, q.To, limit = mainstem.QueryStreams, one.Streams.GetFrom(), one.Streams.GetTo(), one.Streams.GetMax()
	case *pb.Query_Lease:
		q.Kind, q.Name = mainstem.QueryLease, one.Lease.GetName()
	case *pb.Query_Id:
		q.Kind, q.Name = mainstem.QueryID, one.Id.GetName()
	case *pb.Query_History:
		q.Kind, q.Name, limit = mainstem.QueryHistory, one.History.GetName(), one.History.GetMax()
	case *pb.Query_Groups:
		q.Kind, q.Name, limit = mainstem.QueryGroups, one.Groups.GetAfter(), one.Groups.GetMax()
	default:
		return q, mainstem.Errorf(mainstem.Invalid, "a question without content, or of a kind that this program does not know")
	}
	if limit < 0 {
		return q, mainstem.Errorf(mainstem.Invalid, "max of %d is below 0", limit)
	}
	q.Max = int(limit)
	return q, nil
}
