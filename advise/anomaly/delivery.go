package anomaly

import "slices"

// Delivery is what a path from a sender to an effect promises.
type Delivery struct {
	Name   string   `json:"name"           yaml:"name"`
	Title  string   `json:"title"          yaml:"title"`
	Also   []string `json:"also,omitempty" yaml:"also"`
	Means  string   `json:"means"          yaml:"means"`
	Needs  []string `json:"needs"          yaml:"needs"`
	Loses  []string `json:"loses"          yaml:"loses"`
	Fits   []string `json:"fits"           yaml:"fits"`
	Source []string `json:"source"         yaml:"source"`
}

var deliveryTable = table[Delivery]("deliveries.yaml")

// Deliveries are all delivery semantics.
func Deliveries() []Delivery { return slices.Clone(deliveryTable()) }

// LookupDelivery finds one. The error is an *UnknownError.
func LookupDelivery(name string) (Delivery, error) {
	return find("delivery semantics", name, deliveryTable(), func(d *Delivery) []string { return append([]string{d.Name, d.Title}, d.Also...) })
}

// Path is how messages get from a sender to their effect.
type Path struct {
	Repeats     bool `json:"repeats"`      // the sender repeats until acknowledged, after its own restart too
	AckAfter    bool `json:"ack_after"`    // the receiver acknowledges after the effect is on disk
	Remembers   bool `json:"remembers"`    // the receiver stores the ID or position in the transaction of the effect
	KeepsLonger bool `json:"keeps_longer"` // and for longer than the latest repetition
}

// Of says what a path promises. Remembering without repetition loses still.
func (p Path) Of() Delivery {
	name := "at_most_once"
	switch {
	case p.Repeats && p.AckAfter && p.Remembers && p.KeepsLonger:
		name = "effectively_once"
	case p.Repeats && p.AckAfter:
		name = "at_least_once"
	}
	d, err := LookupDelivery(name)
	if err != nil {
		panic(err) //tidy:panic the embedded data has all three
	}
	return d
}

// Open are the anomalies that a path lets in. A path that repeats and acknowledges too
// early has both.
func (p Path) Open() (names []string) {
	if !p.Repeats || !p.AckAfter {
		names = append(names, "lost_event")
	}
	if p.Repeats && (!p.Remembers || !p.KeepsLonger) {
		names = append(names, "duplicate_effect")
	}
	return names
}
