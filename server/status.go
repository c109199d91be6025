package server

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/wire"
	pb "github.com/mainstemdb/mainstem/proto/mainstem/v1"
)

// Status says what this database is. Whoever may call at all may know it.
func (s service) Status(ctx context.Context, _ *connect.Request[pb.StatusRequest]) (*connect.Response[pb.StatusResponse], error) {
	if _, err := s.guard(ctx, s.backend); err != nil {
		return nil, wire.Fail(err, mainstem.Unavailable)
	}
	return connect.NewResponse(s.status()), nil
}

func (s *Server) status() *pb.StatusResponse {
	promise := s.promise()
	m := &pb.StatusResponse{
		Engine: promise.Engine, Synced: promise.Synced, Machines: int32(promise.Machines),
		Loses: promise.Loses, Weak: promise.Weak, Ready: true,
		Node: s.node, Zone: s.zone,
	}
	if err := s.unready(); err != nil {
		m.Ready, m.Reason = false, err.Error()
	}
	return m
}

// unready is why requests should go elsewhere, or nil.
func (s *Server) unready() error {
	if s.leaving.Err() != nil {
		return errLeaving
	}
	return s.failed()
}

// healthz says that this process runs. Restarting it is no help to a database
// that has stopped by itself before somebody has looked why, and a server that
// drains is alive.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // who asked is gone: nothing to be done
}

// readyz says whether requests should come here, and what an acknowledgement of
// this engine means. It names no data and needs no rights.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	m := s.status()
	body, err := marshal(m)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if !m.GetReady() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n'))
}

// checker is readiness in the protocol of gRPC.
type checker struct{ server *Server }

// Check answers for the whole server and for its one service.
func (c checker) Check(_ context.Context, r *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if r.Service != "" && r.Service != serviceName {
		return nil, connect.NewError(connect.CodeNotFound, mainstem.Errorf(mainstem.Invalid, "no service is called %q", r.Service))
	}
	if c.server.unready() != nil {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}
