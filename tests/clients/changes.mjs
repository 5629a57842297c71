// Follows the changes of products over a WebSocket (graphql-ws), server-sent events (graphql-sse) and the REST feed
// at once, and checks that each of the three gets every change exactly once and in order, whatever happens to the
// connections: who loses his comes back with the cursor of the last change.
//
//   node changes.mjs http://127.0.0.1:8000 COUNT [SECONDS]
//
// Prints `subscribed` when a change can be made that all three will see. Ends when each has COUNT changes, after a
// line on stdin, or after so many seconds. COUNT 0 is as many as come until then.

import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient as createSseClient } from "graphql-sse";
import { createClient as createWebSocketClient } from "graphql-ws";
import WebSocket from "ws";
import { eventsOf, restOf } from "./rest.mjs";

const [base, count, seconds] = process.argv.slice(2);
if (!base || !/^\d+$/.test(count)) {
  console.error("usage: node changes.mjs URL COUNT [SECONDS]");
  process.exit(2);
}
const wanted = Number(count);
const rest = restOf(base);
const graphql = new URL("/graphql", base).href;
const query = `subscription ($after: String) {
  productChanged(after: $after) { kind id version cursor }
}`;

/** Before a lost subscription is opened again. */
const RECONNECT_MS = 200;
/** How long nothing must come before it is believed that nothing will. */
const QUIET_MS = 1000;
/** In all, for three subscriptions to be there. */
const SUBSCRIBE_MS = 30_000;

const webSocketClient = createWebSocketClient({
  url: graphql.replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  retryAttempts: 0,
});
// Retrying is ours, so that all reconnects go the same way and are seen.
const sseClient = createSseClient({ url: graphql, retryAttempts: 0 });

const subscribers = [
  subscriber("graphql-ws", (after) => answersOf(webSocketClient, after)),
  subscriber("graphql-sse", (after) => answersOf(sseClient, after)),
  subscriber("rest", feed),
];

let over = false;
let lastEventAt = Date.now();

async function* answersOf(client, after) {
  for await (const { data, errors } of client.iterate({ query, variables: { after } })) {
    if (errors) {
      throw new Error(JSON.stringify(errors));
    }
    yield data.productChanged;
  }
}

async function* feed(after) {
  const headers = { Accept: "text/event-stream", ...(after && { "Last-Event-ID": after }) };
  const response = await fetch(new URL("/products/changes", base), { headers });
  if (response.status !== 200) {
    throw new Error(`${response.status} ${await response.text()}`);
  }
  for await (const { event, id: cursor, data } of eventsOf(response)) {
    if (event === "error") {
      throw new Error(data);
    }
    const { id, version } = JSON.parse(data);
    yield { kind: event.toUpperCase(), id: id === undefined ? null : String(id), version: version ?? null, cursor };
  }
}

/** One that keeps what it is told; `open` gives the changes after a cursor. */
function subscriber(name, open) {
  return { name, open, changes: [], cursor: undefined, reconnects: {}, resyncs: 0, probe: new Set(), counts: false };
}

/** Opens the subscription again and again, and counts why it had to. */
async function follow(subscriber) {
  while (!over) {
    let why = "completed";
    try {
      for await (const change of subscriber.open(subscriber.cursor)) {
        take(subscriber, change);
      }
    } catch (error) {
      why = reason(error);
    }
    subscriber.reconnects[why] = (subscriber.reconnects[why] ?? 0) + 1;
    await sleep(RECONNECT_MS);
  }
}

function take(subscriber, change) {
  lastEventAt = Date.now();
  subscriber.cursor = change.cursor;
  if (change.kind === "RESYNC") {
    subscriber.resyncs += 1;
  } else if (subscriber.counts) {
    subscriber.changes.push(change);
  } else {
    subscriber.probe.add(`${change.kind} ${change.id}`);
    // What comes behind the probe is counted: the same for all, as it is the same change.
    subscriber.counts = change.kind === "DELETED" && change.id === probeId;
  }
}

/** Why a subscription ended: an error, or the CloseEvent of a WebSocket. */
function reason(error) {
  if (error.code && error.reason !== undefined) {
    return `closed ${error.code} ${error.reason}`.trim();
  }
  const cause = error.cause ? ` (${error.cause.message})` : "";
  return `${error.message}${cause}`;
}

let probeId;

/**
 * The protocols don't tell when a subscription has begun. A product that comes, moves until all have seen it, and
 * goes, shows it.
 */
async function untilSubscribed() {
  const end = Date.now() + SUBSCRIBE_MS;
  const created = await rest("POST", "/products", { name: "Probe of changes.mjs", price: 1, amount: 0 });
  probeId = String(created.id);
  while (!subscribers.every(({ probe }) => probe.has(`STOCK_MOVED ${probeId}`))) {
    if (Date.now() > end) {
      const deaf = subscribers.filter(({ probe }) => !probe.has(`STOCK_MOVED ${probeId}`));
      throw new Error(`not subscribed: ${JSON.stringify(deaf.map(({ name, reconnects }) => ({ name, reconnects })))}`);
    }
    await rest("POST", `/products/${probeId}/stock`, { delta: 1 });
    await sleep(100);
  }
  await rest("DELETE", `/products/${probeId}`);
  while (!subscribers.every(({ counts }) => counts)) {
    if (Date.now() > end) {
      throw new Error("the probe's deletion did not come");
    }
    await sleep(10);
  }
}

async function untilAllIsThere() {
  let told = false;
  createInterface({ input: process.stdin }).once("line", () => (told = true));
  const end = seconds ? Date.now() + Number(seconds) * 1000 : Infinity;
  const complete = () => wanted > 0 && subscribers.every(({ changes }) => changes.length >= wanted);
  while (!complete() && !told && Date.now() < end) {
    await sleep(20);
  }
  // One too many may still come, and what is on its way when the line comes.
  while (Date.now() < Math.min(end, lastEventAt + QUIET_MS)) {
    await sleep(20);
  }
}

/** Cursors are opaque to clients, but here their order is known: two hexadecimal numbers, the first one first. */
function isBehind(cursor, other) {
  const [[xact, seq], [otherXact, otherSeq]] = [cursor, other].map((text) =>
    text.split("-").map((part) => BigInt(`0x${part}`)),
  );
  return xact > otherXact || (xact === otherXact && seq > otherSeq);
}

/** A product is created before all else and deleted after it, and has another version after every change. */
function historyFaults(changes) {
  let faults = 0;
  const known = new Map();
  for (const { kind, id, version } of changes) {
    const before = known.get(id);
    const alive = before !== undefined && before.kind !== "DELETED";
    const fits = {
      // Those that were there before we came have no history.
      CREATED: !alive,
      UPDATED: before === undefined || (alive && version !== before.version),
      STOCK_MOVED: before === undefined || (alive && version !== before.version),
      // It has the version that it had last.
      DELETED: before === undefined || (alive && version === before.version),
    };
    if (!fits[kind]) {
      faults += 1;
    }
    known.set(id, { kind, version });
  }
  return faults;
}

function summary({ name, changes, reconnects, resyncs }, all, first) {
  const cursors = new Set(changes.map(({ cursor }) => cursor));
  const kinds = {};
  for (const { kind } of changes) {
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  const backwards = changes.filter(({ cursor }, index) => index > 0 && !isBehind(cursor, changes[index - 1].cursor));
  const told = ({ kind, id, version, cursor }) => `${kind} ${id} ${version} ${cursor}`;
  const differs = changes.findIndex((change, index) => !first[index] || told(change) !== told(first[index]));
  const faults = {
    lost: Math.max(all.size, wanted) - cursors.size,
    repeated: changes.length - cursors.size,
    surplus: wanted > 0 ? Math.max(0, cursors.size - wanted) : 0,
    out_of_order: backwards.length,
    history_faults: historyFaults(changes),
    resyncs,
  };
  const ok = differs === -1 && Object.values(faults).every((n) => n === 0);
  return { subscriber: name, ok, changes: changes.length, kinds, ...faults, differs_at: differs, reconnects };
}

// A fault of ours in there must not look like silence.
Promise.all(subscribers.map(follow)).catch((error) => {
  console.error(error);
  process.exit(1);
});
try {
  await untilSubscribed();
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
console.log("subscribed");
await untilAllIsThere();
over = true;

const all = new Set(subscribers.flatMap(({ changes }) => changes.map(({ cursor }) => cursor)));
const summaries = subscribers.map((subscriber) => summary(subscriber, all, subscribers[0].changes));
summaries.forEach((line) => console.log(JSON.stringify(line)));
process.exit(summaries.every(({ ok }) => ok) ? 0 : 1);
