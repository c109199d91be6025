package mainstem_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/mainstemdb/mainstem"
)

// A retry with the same ID gets the first answer; the function does not run
// again. The last piece is sold once.
func ExampleGroup_Do() {
	db := openExample()
	defer db.Close()
	ctx, item := context.Background(), db.Group("item-42")
	if _, err := item.Do(ctx, "delivery-1", func(tx *mainstem.Txn) error { tx.Set("stock", 1); return nil }); err != nil {
		log.Fatal(err)
	}
	for _, order := range []string{"order-7", "order-7", "order-8"} {
		receipt, err := item.Do(ctx, order, func(tx *mainstem.Txn) error {
			tx.Add("stock", -1, mainstem.Floor(0))
			tx.Append("orders", mainstem.Event{Type: "order.placed.v1", Data: []byte(order)})
			return nil
		})
		switch {
		case mainstem.CodeOf(err) == mainstem.OutOfRange:
			fmt.Println(order, "sold out")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(order, "bought at position", receipt.Position, "replayed:", receipt.Replayed)
		}
	}
	// Output:
	// order-7 bought at position 2 replayed: false
	// order-7 bought at position 2 replayed: true
	// order-8 sold out
}

// The reply is stored with the change, and a refusal is remembered too.
func ExampleCall() {
	type SoldOut struct{ Left int64 }
	db := openExample()
	defer db.Close()
	ctx, stock := context.Background(), mainstem.NewCounter("stock")
	buy := func(id string, n int64) {
		left, receipt, err := mainstem.Call(ctx, db.Group("item-42"), id, func(tx *mainstem.Txn) (int64, error) {
			left, err := stock.Get(ctx, tx)
			if err == nil && left < n {
				return 0, mainstem.Refuse(tx, SoldOut{Left: left})
			}
			stock.Add(tx, -n)
			return left - n, err
		})
		var no mainstem.Refused[SoldOut]
		switch {
		case errors.As(err, &no):
			fmt.Println(id, "refused, left:", no.Reply.Left, "replayed:", receipt.Replayed)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(id, "bought, left:", left, "replayed:", receipt.Replayed)
		}
	}
	if _, err := db.Group("item-42").Do(ctx, "delivery-1", func(tx *mainstem.Txn) error { stock.Set(tx, 5); return nil }); err != nil {
		log.Fatal(err)
	}
	buy("order-1", 3)
	buy("order-2", 3)
	buy("order-1", 3)
	buy("order-2", 3)
	// Output:
	// order-1 bought, left: 2 replayed: false
	// order-2 refused, left: 2 replayed: false
	// order-1 bought, left: 2 replayed: true
	// order-2 refused, left: 2 replayed: true
}

// What a function read is still so when it commits: of two that read the same
// balance, one runs again.
func ExampleTxn_Get() {
	db := openExample()
	defer db.Close()
	ctx, account, runs := context.Background(), db.Group("account-1"), 0
	_, err := account.Do(ctx, "monthly-fee", func(tx *mainstem.Txn) error {
		balance, err := tx.Get(ctx, "balance")
		if err != nil {
			return err
		}
		if runs++; runs == 1 { // somebody else is quicker
			_, err = account.Do(ctx, "deposit-9", func(tx *mainstem.Txn) error { tx.Set("balance", 100); return nil })
		}
		tx.Set("balance", balance.Value.Int-10)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	balance, err := account.Get(ctx, "balance", mainstem.Latest())
	fmt.Println(balance.Value, "after", runs, "runs;", err)
	// Output:
	// 90 after 2 runs; <nil>
}
