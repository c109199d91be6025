package demo

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestReadOrders(t *testing.T) {
	for _, c := range []struct {
		text string
		want []Order
	}{
		{"1808,21-07-2015,tropical fruit\n2552,05-01-2015,whole milk\n", []Order{{"row-1", "tropical fruit", 1}, {"row-2", "whole milk", 1}}},
		{"item\nmilk\nsoda\n", []Order{{"row-1", "milk", 1}, {"row-2", "soda", 1}}},
		{"id,quantity,x,item\na,3,,milk\nb,1,,soda\n", []Order{{"a", "milk", 3}, {"b", "soda", 1}}},
	} {
		got, err := readOrders(strings.NewReader(c.text))
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
	for text, want := range map[string]string{
		"":                               "empty",
		"item\n":                         "nothing else",
		"a,b\n":                          "neither a header",
		"item,quantity\nmilk,none\n":     "line 2: quantity",
		"item,quantity\nmilk,0\n":        "line 2: quantity",
		"item\n\"\"\n":                   "line 2: item",
		"id,item\na,milk\na,soda\n":      "stands twice",
		"id,item\n~a,milk\n":             "line 2:",
		"id,item\n,milk\n":               "line 2:",
		"1,2,milk\n1,2\n":                "wrong number of fields",
		"1808,21-07-2015,\"broken\nfile": "quote",
	} {
		if _, err := readOrders(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestSeedRepeats: purchases, stock and kills come of the seed alone.
func TestSeedRepeats(t *testing.T) {
	a, b, c := generate(1, 500), generate(1, 500), generate(2, 500)
	if !reflect.DeepEqual(a, b) || reflect.DeepEqual(a, c) {
		t.Error("the same seed must give the same purchases, another seed others")
	}
	if !reflect.DeepEqual(stockFor(a, 1), stockFor(b, 1)) || reflect.DeepEqual(stockFor(a, 1), stockFor(a, 2)) {
		t.Error("the same seed must give the same stock, another seed another")
	}
}

// TestSomeItemsSellOut: of generated demand, some items sell out and some do not.
func TestSomeItemsSellOut(t *testing.T) {
	orders := generate(3, 2000)
	stock, wanted := stockFor(orders, 3), map[string]int64{}
	for _, o := range orders {
		wanted[o.Item] += o.Quantity
	}
	short := 0
	for item, n := range stock {
		if n < wanted[item] {
			short++
		}
	}
	if short < len(stock)/4 || short > len(stock)*3/4 {
		t.Errorf("%d of %d items sell out", short, len(stock))
	}
}

func TestPercentile(t *testing.T) {
	var times []time.Duration
	for i := range 1000 {
		times = append(times, time.Duration(i+1)*time.Millisecond)
	}
	for q, want := range map[float64]float64{0.5: 500, 0.99: 990, 0.999: 999, 1: 1000} {
		if got := percentile(times, q); got != want {
			t.Errorf("percentile %v is %v, want %v", q, got, want)
		}
	}
	if percentile(nil, 0.5) != 0 || percentile(times[:1], 0.99) != 1 {
		t.Error("of none it is 0, of one that one")
	}
}
