package sim

import (
	"context"
	"time"

	"github.com/mainstemdb/mainstem"
	"github.com/mainstemdb/mainstem/internal/model"
)

// idAge is how long IDs are kept in every configuration of a simulation.
const idAge = 24 * time.Hour

// Model is the model as a target.
type Model struct {
	db      *mainstem.DB
	backend *model.Backend
}

// NewModel is an empty model.
func NewModel() *Model {
	b := model.NewBackend(model.New(idAge))
	return &Model{db: mainstem.New(b), backend: b}
}

// DB is the model's database.
func (m *Model) DB() *mainstem.DB { return m.db }

// Step lets time pass.
func (m *Model) Step(d time.Duration) { m.backend.Step(d) }

// Restart does nothing: a model has no process.
func (m *Model) Restart(context.Context) error { return nil }
