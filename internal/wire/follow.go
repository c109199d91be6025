package wire

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/mainstemdb/mainstem"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Subscription is s as a message.
func Subscription(s mainstem.Subscription) *pb.FollowRequest {
	like := From(mainstem.From{After: s.After, Match: s.Match, Max: s.Max})
	m := &pb.FollowRequest{Follower: s.Follower, Match: like.GetMatch(), After: like.GetAfter(), Max: like.GetMax()}
	m.HandOver, m.Patience = ttl(s.HandOver), ttl(s.Patience)
	return m
}

// ParseSubscription reads a message.
func ParseSubscription(m *pb.FollowRequest) (s mainstem.Subscription, err error) {
	like, err := ParseFrom(&pb.ChangesRequest{After: m.GetAfter(), Match: m.GetMatch(), Max: m.GetMax()})
	if err != nil {
		return s, err
	}
	s = mainstem.Subscription{Follower: m.GetFollower(), Match: like.Match, After: like.After, Max: like.Max}
	for field, d := range map[string]struct {
		from *durationpb.Duration
		to   *time.Duration
	}{"hand_over": {m.GetHandOver(), &s.HandOver}, "patience": {m.GetPatience(), &s.Patience}} {
		if *d.to, err = parseSpan(field, d.from); err != nil {
			return s, err
		}
	}
	return s, s.Validate()
}

// parseSpan reads a duration that is above 0 or left out.
func parseSpan(field string, d *durationpb.Duration) (time.Duration, error) {
	span, err := parseTTL(d)
	switch {
	case err != nil:
		return 0, mainstem.Errorf(mainstem.Invalid, "%s is outside what a duration holds", field)
	case d != nil && span <= 0:
		return 0, mainstem.Errorf(mainstem.Invalid, "%s of %s; leave it out for the usual one", field, span)
	}
	return span, nil
}

// Delivery is d as a message.
func Delivery(d mainstem.Delivery) *pb.FollowResponse {
	like := Batch(d.Batch)
	m := &pb.FollowResponse{Partition: like.GetPartition(), Changes: like.GetChanges(), Acknowledge: Acknowledgement(d.Acknowledgement)}
	if n := len(d.Changes); n > 0 && d.Head > d.Changes[n-1].Position {
		m.Lag = uint64(d.Head - d.Changes[n-1].Position)
	}
	return m
}

// Acknowledgement is a as a message.
func Acknowledgement(a mainstem.Acknowledgement) *pb.AcknowledgeRequest {
	return &pb.AcknowledgeRequest{Follower: a.Follower, Shard: int32(a.Shard), Fence: uint64(a.Fence), Token: a.Token.String()}
}

// ParseAcknowledgement reads a message.
func ParseAcknowledgement(m *pb.AcknowledgeRequest) (a mainstem.Acknowledgement, err error) {
	a = mainstem.Acknowledgement{Follower: m.GetFollower(), Shard: int(m.GetShard()), Fence: mainstem.FencingToken(m.GetFence())}
	if a.Token, err = mainstem.ParseToken(m.GetToken()); err != nil {
		return a, err
	}
	return a, a.Validate()
}
