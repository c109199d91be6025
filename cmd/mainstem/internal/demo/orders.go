package demo

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"

	"github.com/mainstemdb/mainstem"
)

// Order is one purchase to be made.
type Order struct {
	ID       string // the transaction's ID
	Item     string // the group
	Quantity int64
}

// orders reads the file, or generates.
func (c Config) orders() ([]Order, error) {
	if c.Orders == "" {
		return generate(c.Seed, int(c.Length.Seconds()*2000)), nil
	}
	f, err := os.Open(c.Orders)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	orders, err := readOrders(f)
	if err != nil {
		return nil, fmt.Errorf("orders of %s: %w", c.Orders, err)
	}
	return orders, nil
}

// generate makes n purchases of 1 to 3 pieces of 200 items, whose popularity
// follows Zipf's law with exponent 1.1.
func generate(seed uint64, n int) []Order {
	const items = 200
	rng := rand.New(rand.NewPCG(seed, 0x5a697066))
	zipf := rand.NewZipf(rng, 1.1, 1, items-1)
	orders := make([]Order, n)
	for i := range orders {
		orders[i] = Order{
			ID: "row-" + strconv.Itoa(i+1), Item: fmt.Sprintf("item-%03d", zipf.Uint64()+1), Quantity: 1 + rng.Int64N(3),
		}
	}
	return orders
}

// readOrders reads CSV in one of two forms: with a header line that names a
// column "item" and may name "quantity" and "id", or, when the first line
// names none, in rows of member, date and item, each row one piece.
func readOrders(r io.Reader) ([]Order, error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	first, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty")
	}
	if err != nil {
		return nil, err
	}
	columns := orderColumns{item: slices.Index(first, "item"), quantity: slices.Index(first, "quantity"), id: slices.Index(first, "id")}
	var orders []Order
	if columns.item < 0 {
		if len(first) != 3 {
			return nil, fmt.Errorf(`the first line has %d columns: neither a header with a column "item" nor member,date,item`, len(first))
		}
		columns = orderColumns{item: 2, quantity: -1, id: -1}
		if orders, err = columns.add(orders, first, 1); err != nil {
			return nil, err
		}
	}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		line, _ := in.FieldPos(0)
		if orders, err = columns.add(orders, record, line); err != nil {
			return nil, err
		}
	}
	if len(orders) == 0 {
		return nil, errors.New("there is a header line and nothing else")
	}
	return orders, unique(orders)
}

// orderColumns says where in a row things stand; -1 for nowhere.
type orderColumns struct{ item, quantity, id int }

func (c orderColumns) add(orders []Order, record []string, line int) ([]Order, error) {
	o := Order{ID: "row-" + strconv.Itoa(len(orders)+1), Item: record[c.item], Quantity: 1}
	if c.quantity >= 0 {
		n, err := strconv.ParseInt(record[c.quantity], 10, 32)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("line %d: quantity %q is not a whole number from 1", line, record[c.quantity])
		}
		o.Quantity = n
	}
	if c.id >= 0 {
		o.ID = record[c.id]
	}
	if err := mainstem.CheckGroup(o.Item); err != nil {
		return nil, fmt.Errorf("line %d: item: %w", line, err)
	}
	if id, err := mainstem.ParseID(o.ID); err != nil || id.IsZero() {
		return nil, fmt.Errorf("line %d: %q cannot be an ID: %w", line, o.ID, err)
	}
	return append(orders, o), nil
}

func unique(orders []Order) error {
	seen := make(map[string]bool, len(orders))
	for _, o := range orders {
		if seen[o.ID] {
			return fmt.Errorf("the id %q stands twice", o.ID)
		}
		seen[o.ID] = true
	}
	return nil
}

// stockFor gives each item between 60 and 140 % of what is wanted of it, so
// that about half of the items sell out.
func stockFor(orders []Order, seed uint64) map[string]int64 {
	wanted := map[string]int64{}
	var items []string // in order of appearance: the same seed, the same stock
	for _, o := range orders {
		if wanted[o.Item] == 0 {
			items = append(items, o.Item)
		}
		wanted[o.Item] += o.Quantity
	}
	rng := rand.New(rand.NewPCG(seed, 0x73746f636b))
	stock := make(map[string]int64, len(items))
	for _, item := range items {
		stock[item] = max(1, wanted[item]*(60+rng.Int64N(81))/100)
	}
	return stock
}
