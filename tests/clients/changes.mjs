// Follows product changes over a WebSocket (graphql-ws), server-sent events (graphql-sse) and the REST feed at once.
// Checks that each subscriber receives every change exactly once and in order, even if connections are lost.
// A subscriber reconnects with the cursor of its last change.
//
//   node changes.mjs http://127.0.0.1:8000 COUNT [SECONDS]
//
// Prints `subscribed` once all three receive changes. Ends when each has COUNT changes, after a line on stdin, or
// after SECONDS. With COUNT 0 the number of changes is not limited.

import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWebSocketClient } from "graphql-ws";
import WebSocket from "ws";
import { createRestClient, readEvents } from "./rest.mjs";

const [base, count, seconds] = process.argv.slice(2);
if (!base || !/^\d+$/.test(count)) {
  console.error("usage: node changes.mjs URL COUNT [SECONDS]");
  process.exit(2);
}
const wanted = Number(count);
const rest = createRestClient(base);
const graphql = new URL("/graphql", base).href;
const query = `subscription ($after: String) {
  productChanged(after: $after) { kind id version cursor }
}`;

/** Delay before a lost subscription is opened again, in milliseconds. */
const RECONNECT_MS = 200;
/** Time without events after which no more are expected, in milliseconds. */
const QUIET_MS = 1000;
/** Maximum time until all three subscriptions have started, in milliseconds. */
const SUBSCRIBE_MS = 30_000;

const webSocketClient = createWebSocketClient({
  url: graphql.replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  retryAttempts: 0,
});
// The libraries do not retry, because this script reconnects all subscribers in the same way and counts it.
const sseClient = createSseClient({ url: graphql, retryAttempts: 0 });

const subscribers = [
  subscriber("graphql-ws", (after) => graphqlChanges(webSocketClient, after)),
  subscriber("graphql-sse", (after) => graphqlChanges(sseClient, after)),
  subscriber("rest", restChanges),
];

let finished = false;
let lastEventAt = Date.now();

async function* graphqlChanges(client, after) {
  for await (const { data, errors } of client.iterate({ query, variables: { after } })) {
    if (errors) {
      throw new Error(JSON.stringify(errors));
    }
    yield data.productChanged;
  }
}

async function* restChanges(after) {
  const headers = { Accept: "text/event-stream", ...(after && { "Last-Event-ID": after }) };
  const response = await fetch(new URL("/products/changes", base), { headers });
  if (response.status !== 200) {
    throw new Error(`${response.status} ${await response.text()}`);
  }
  for await (const { event, id: cursor, data } of readEvents(response)) {
    if (event === "error") {
      throw new Error(data);
    }
    const { id, version } = JSON.parse(data);
    yield { kind: event.toUpperCase(), id: id === undefined ? null : String(id), version: version ?? null, cursor };
  }
}

/** Returns a subscriber that records its changes. `open` yields the changes after a cursor. */
function subscriber(name, open) {
  return { name, open, changes: [], cursor: undefined, reconnects: {}, resyncs: 0, probe: new Set(), counting: false };
}

/** Reopens the subscription whenever it ends, and counts the causes. */
async function follow(subscriber) {
  while (!finished) {
    let cause = "completed";
    try {
      for await (const change of subscriber.open(subscriber.cursor)) {
        handleChange(subscriber, change);
      }
    } catch (error) {
      cause = reason(error);
    }
    subscriber.reconnects[cause] = (subscriber.reconnects[cause] ?? 0) + 1;
    await sleep(RECONNECT_MS);
  }
}

function handleChange(subscriber, change) {
  lastEventAt = Date.now();
  subscriber.cursor = change.cursor;
  if (change.kind === "RESYNC") {
    subscriber.resyncs += 1;
  } else if (subscriber.counting) {
    subscriber.changes.push(change);
  } else {
    subscriber.probe.add(`${change.kind} ${change.id}`);
    // Counting starts after the deletion of the probe, which is the same change for all subscribers.
    subscriber.counting = change.kind === "DELETED" && change.id === probeId;
  }
}

/** Returns the reason why a subscription ended, from an error or from the CloseEvent of a WebSocket. */
function reason(error) {
  if (error.code && error.reason !== undefined) {
    return `closed ${error.code} ${error.reason}`.trim();
  }
  const cause = error.cause ? ` (${error.cause.message})` : "";
  return `${error.message}${cause}`;
}

let probeId;

/**
 * Waits until all subscribers receive changes, because the protocols do not confirm the start of a subscription.
 * Adjusts the stock of a probe product until each subscriber has received a change, then deletes the product.
 */
async function waitUntilSubscribed() {
  const end = Date.now() + SUBSCRIBE_MS;
  const created = await rest("POST", "/products", { name: "Probe of changes.mjs", price: 1, amount: 0 });
  probeId = String(created.id);
  while (!subscribers.every(({ probe }) => probe.has(`STOCK_MOVED ${probeId}`))) {
    if (Date.now() > end) {
      const missing = subscribers.filter(({ probe }) => !probe.has(`STOCK_MOVED ${probeId}`));
      const states = missing.map(({ name, reconnects }) => ({ name, reconnects }));
      throw new Error(`not subscribed: ${JSON.stringify(states)}`);
    }
    await rest("POST", `/products/${probeId}/stock`, { delta: 1 });
    await sleep(100);
  }
  await rest("DELETE", `/products/${probeId}`);
  while (!subscribers.every(({ counting }) => counting)) {
    if (Date.now() > end) {
      throw new Error("the deletion of the probe was not received");
    }
    await sleep(10);
  }
}

async function waitForChanges() {
  let stopped = false;
  createInterface({ input: process.stdin }).once("line", () => (stopped = true));
  const end = seconds ? Date.now() + Number(seconds) * 1000 : Infinity;
  const complete = () => wanted > 0 && subscribers.every(({ changes }) => changes.length >= wanted);
  while (!complete() && !stopped && Date.now() < end) {
    await sleep(20);
  }
  // Surplus changes may still arrive, as well as changes under way when stdin ended the wait.
  while (Date.now() < Math.min(end, lastEventAt + QUIET_MS)) {
    await sleep(20);
  }
}

/** Returns whether `cursor` is after `other`. Both are opaque to clients, but known here as two hexadecimal numbers. */
function isAfter(cursor, other) {
  const [[transaction, sequence], [otherTransaction, otherSequence]] = [cursor, other].map((text) =>
    text.split("-").map((part) => BigInt(`0x${part}`)),
  );
  return transaction > otherTransaction || (transaction === otherTransaction && sequence > otherSequence);
}

/** Counts changes that contradict the history of their product, such as an update after its deletion. */
function countHistoryErrors(changes) {
  let errors = 0;
  const latest = new Map();
  for (const { kind, id, version } of changes) {
    const before = latest.get(id);
    const exists = before !== undefined && before.kind !== "DELETED";
    const isValid = {
      // Products created before the subscription have no known history.
      CREATED: !exists,
      UPDATED: before === undefined || (exists && version !== before.version),
      STOCK_MOVED: before === undefined || (exists && version !== before.version),
      // A deletion carries the last version of the product.
      DELETED: before === undefined || (exists && version === before.version),
    };
    if (!isValid[kind]) {
      errors += 1;
    }
    latest.set(id, { kind, version });
  }
  return errors;
}

function summary({ name, changes, reconnects, resyncs }, all, first) {
  const cursors = new Set(changes.map(({ cursor }) => cursor));
  const kinds = {};
  for (const { kind } of changes) {
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  const backwards = changes.filter(({ cursor }, index) => index > 0 && !isAfter(cursor, changes[index - 1].cursor));
  const text = ({ kind, id, version, cursor }) => `${kind} ${id} ${version} ${cursor}`;
  const differs = changes.findIndex((change, index) => !first[index] || text(change) !== text(first[index]));
  const errors = {
    lost: Math.max(all.size, wanted) - cursors.size,
    repeated: changes.length - cursors.size,
    surplus: wanted > 0 ? Math.max(0, cursors.size - wanted) : 0,
    out_of_order: backwards.length,
    history_errors: countHistoryErrors(changes),
    resyncs,
  };
  const ok = differs === -1 && Object.values(errors).every((n) => n === 0);
  return { subscriber: name, ok, changes: changes.length, kinds, ...errors, differs_at: differs, reconnects };
}

// A bug in this script must not look like a silent server.
Promise.all(subscribers.map(follow)).catch((error) => {
  console.error(error);
  process.exit(1);
});
try {
  await waitUntilSubscribed();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
console.log("subscribed");
await waitForChanges();
finished = true;

const all = new Set(subscribers.flatMap(({ changes }) => changes.map(({ cursor }) => cursor)));
const summaries = subscribers.map((subscriber) => summary(subscriber, all, subscribers[0].changes));
summaries.forEach((line) => console.log(JSON.stringify(line)));
process.exit(summaries.every(({ ok }) => ok) ? 0 : 1);
