package mainstem_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mainstemdb/mainstem"
)

type account struct{ Owner string }

var accounts = mainstem.NewKeys("account/", mainstem.JSON[account]())

// Typed keys are package variables; the group comes with the transaction or
// the view.
func ExampleKeys() {
	db := openExample()
	defer db.Close()
	ctx, bank := context.Background(), db.Group("bank")
	receipt, err := bank.Do(ctx, "open-1", func(tx *mainstem.Txn) error {
		if err := accounts.Key("2").Put(tx, account{Owner: "Grace"}); err != nil {
			return err
		}
		return accounts.Key("1").Put(tx, account{Owner: "Ada"})
	})
	if err != nil {
		log.Fatal(err)
	}
	view, err := bank.View(ctx, mainstem.AtLeast(receipt.Token))
	if err != nil {
		log.Fatal(err)
	}
	defer view.Close()
	for item, err := range accounts.All(ctx, view) {
		fmt.Println(item.ID, item.Value.Owner, err)
	}
	// Output:
	// 1 Ada <nil>
	// 2 Grace <nil>
}

// Events are values of an interface; each type has a stable name of its own.
func ExampleStream() {
	db := openExample()
	defer db.Close()
	registry := mainstem.NewRegistry[OrderEvent]()
	mainstem.Register[Placed](registry, "order.placed.v1", "placed") // "placed" is what old events are called
	mainstem.Register[Shipped](registry, "order.shipped.v1")
	events := mainstem.NewStream("events", registry)

	ctx, order := context.Background(), db.Group("order-7")
	for version, event := range []OrderEvent{Placed{Item: "tea"}, Shipped{By: "ship"}} {
		_, err := order.Do(ctx, "", func(tx *mainstem.Txn) error {
			_, err := events.AppendAt(tx, uint64(version), event) // nobody else has appended meanwhile
			return err
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	view, err := order.View(ctx, mainstem.Latest())
	if err != nil {
		log.Fatal(err)
	}
	defer view.Close()
	for e, err := range events.Read(ctx, view, 0) {
		fmt.Printf("%d %s %+v %v\n", e.Number, e.Type, e.Event, err)
	}
	// Output:
	// 1 order.placed.v1 {Item:tea} <nil>
	// 2 order.shipped.v1 {By:ship} <nil>
}

// A session reads its own writes, also from a replica and also after its token
// has travelled through a cookie.
func ExampleDB_Session() {
	db := openExample()
	defer db.Close()
	ctx := context.Background()
	first := db.Session(mainstem.Token{})
	_, err := first.DB().Group("cart-1").Do(ctx, "", func(tx *mainstem.Txn) error { tx.Put("tea", []byte("2")); return nil })
	if err != nil {
		log.Fatal(err)
	}
	cookie := first.Token().String()

	token, err := mainstem.ParseToken(cookie)
	if err != nil {
		log.Fatal(err)
	}
	tea, err := db.Session(token).DB().Group("cart-1").Get(ctx, "tea", mainstem.Local())
	fmt.Println(tea.Value, err)
	// Output:
	// 2 <nil>
}
