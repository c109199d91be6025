import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { DatabaseService } from "./gen/mainstem/v1/database_pb.js";
import { ErrorSchema } from "./gen/mainstem/v1/transaction_pb.js";

const client = createClient(
  DatabaseService,
  createConnectTransport({
    baseUrl: process.env.MAINSTEM_SERVER ?? "http://127.0.0.1:7171",
    httpVersion: "2",
  }),
);

// The second call is the retry: it commits nothing, and answers the first receipt.
for (let call = 0; call < 2; call++) {
  const { receipt } = await client.commit({
    transaction: {
      group: "tickets",
      id: "order-7",
      operations: [
        { operation: { case: "add", value: { name: "sold", delta: 1n, ceiling: 1n } } },
        { operation: { case: "append", value: { stream: "orders", events: [{ type: "order.placed.v1", content: { case: "data", value: "7" } }] } } },
      ],
    },
  });
  console.log("position", receipt?.position, "replayed", receipt?.replayed);
}

const { answers } = await client.read({
  group: "tickets",
  at: { level: { case: "latest", value: true } },
  queries: [{ query: { case: "get", value: { name: "sold" } } }],
});
console.log("sold", answers[0]?.versions[0]?.held.value);

// Another ID is another order, and there is one ticket.
try {
  await client.commit({
    transaction: { group: "tickets", id: "order-8", operations: [{ operation: { case: "add", value: { name: "sold", delta: 1n, ceiling: 1n } } }] },
  });
} catch (err) {
  const failed = ConnectError.from(err);
  const why = failed.findDetails(ErrorSchema)[0]; // Mainstem's own error; without it, nobody knows what happened
  console.log(Code[failed.code], why?.code, "-", why?.message);
}

let token = ""; // kept by a reader that is to go on after it was away
for await (const batch of client.changes({ after: token, match: { groups: ["tickets"] }, drain: true })) {
  for (const change of batch.changes) {
    console.log("change", change.id, change.effects.map((e) => e.name).join(" "));
  }
  token = batch.token;
}
