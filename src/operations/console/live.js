// Shows health, requests, latency and changes, and updates them.

import { create, find, parse, request, sentence, showPrice } from "./api.js";

/** Time between two readings of the metrics, in milliseconds. */
const POLL_MS = 3000;
/** Time that the plots show, in milliseconds. */
const PLOTTED_MS = 5 * 60_000;
/** Time in which changes are collected before they are shown, in milliseconds. */
const BATCH_MS = 250;
/** Number of changes that the list keeps. */
const KEPT_CHANGES = 50;
/** Time without a byte after which a stream counts as lost, in milliseconds. The server sends a comment every 15 s. */
const SILENCE_MS = 45_000;
/** Delays before a lost stream is opened again, in milliseconds. Each one is twice the previous one. */
const MIN_RECONNECT_MS = 1000;
const MAX_RECONNECT_MS = 30_000;
const HISTOGRAM = "http_server_request_duration_seconds_bucket{";
/** Routes that this page polls, and event streams, whose durations are no latencies. */
const EXCLUDED = /http_route="\/(metrics|health|products\/changes)[/"]/;

const sleep = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** Follows the server until the signal aborts. Calls `onChanges` with an array of changes, and `onMissed` if some were missed. */
export function follow(signal, onChanges, onMissed) {
  poll(signal, showHealth);
  poll(signal, showMetrics);
  followChanges(signal, onChanges, onMissed);
}

/** Calls a function periodically, until the signal aborts or the function returns false. */
async function poll(signal, read) {
  while (!signal.aborted && (await read()) !== false) {
    await sleep(POLL_MS);
  }
}

async function showHealth() {
  const health = await fetch("/health").then((response) => response.json()).catch(() => null);
  const { reads, writes, kind } = health?.database ?? {};
  const state = health === null ? "Unreachable" : reads !== "ok" ? "Unavailable" : writes !== "ok" ? "Read-only" : "Healthy";
  // Repeating the same text would make screen readers repeat it.
  if (find("health").textContent !== state) {
    find("health").textContent = state;
    find("health").dataset.state = state;
  }
  find("version").textContent = health?.version ?? "";
  find("health-detail").textContent = health ? `reads ${reads}, writes ${writes}, ${kind}` : "the server does not respond";
}

/** Cumulative counts of the previous reading by the upper bounds of the buckets, and the time of the reading. */
let previous;
let points = [];

/** Reads the metrics and draws the plots. Returns false if the caller may not read them. */
async function showMetrics() {
  const time = performance.now();
  let text;
  try {
    text = await (await request("GET", "/metrics", { background: true })).text();
  } catch (problem) {
    showNoPlots(problem.status === 404 ? "The metrics have a listener of their own (STOCKMETER_METRICS_LISTEN)." : problem.message);
    return ![401, 403, 404].includes(problem.status);
  }
  const counts = new Map();
  for (const line of text.split("\n")) {
    if (line.startsWith(HISTOGRAM) && !EXCLUDED.test(line)) {
      const bound = Number(/le="([^"]+)"/.exec(line)[1].replace("+Inf", "Infinity"));
      counts.set(bound, (counts.get(bound) ?? 0) + Number(line.slice(line.lastIndexOf(" "))));
    }
  }
  const buckets = [...counts].sort(([a], [b]) => a - b);
  const total = counts.get(Infinity);
  // Counters restart at 0 with the server.
  if (previous && total >= previous.counts.get(Infinity)) {
    const added = buckets.map(([bound, count]) => [bound, count - (previous.counts.get(bound) ?? 0)]);
    points.push({ time, rate: (added.at(-1)[1] * 1000) / (time - previous.time), latency: quantile(0.95, added) });
    points = points.filter((point) => point.time >= time - PLOTTED_MS);
    draw(find("rate"), time, ({ rate }) => rate, showRate);
    draw(find("latency"), time, ({ latency }) => latency, showSeconds);
  }
  previous = { counts, time };
}

/** Returns a quantile of a histogram, as Prometheus estimates it; `null` if the histogram is empty. */
function quantile(share, buckets) {
  const rank = share * buckets.at(-1)[1];
  let lower = 0;
  let below = 0;
  for (const [bound, count] of rank > 0 ? buckets : []) {
    if (count >= rank) {
      return bound === Infinity ? lower : lower + ((bound - lower) * (rank - below)) / (count - below);
    }
    lower = bound;
    below = count;
  }
  return null;
}

const showRate = (rate) => (rate >= 100 ? Math.round(rate).toLocaleString("en") : rate.toFixed(1));
const showSeconds = (seconds) => (seconds < 1 ? `${Number((seconds * 1000).toPrecision(2))} ms` : `${seconds.toFixed(1)} s`);

/** Draws one value of the points. Intervals without a value remain empty. */
function draw(tile, now, value, text) {
  const values = points.map(value);
  const known = values.filter((value) => value !== null);
  const highest = Math.max(...known, 0);
  let path = "";
  values.forEach((value, index) => {
    if (value !== null) {
      const x = 300 - ((now - points[index].time) / PLOTTED_MS) * 300;
      const y = 55 - (highest && (value / highest) * 53);
      // A line without length makes a single point visible.
      path += path && values[index - 1] !== null ? `L${x},${y}` : `M${x},${y}h0`;
    }
  });
  const latest = values.at(-1);
  const range = known.length ? `at most ${text(highest)} in 5 minutes` : "no requests in 5 minutes";
  const [figure, note] = tile.querySelectorAll("p");
  figure.textContent = latest === null ? "–" : text(latest);
  note.textContent = range;
  tile.querySelector("path").setAttribute("d", path);
  tile.querySelector("svg").setAttribute("aria-label", `Now ${latest === null ? "no requests" : text(latest)}, ${range}`);
}

function showNoPlots(reason) {
  points = [];
  previous = undefined;
  for (const tile of [find("rate"), find("latency")]) {
    const [figure, note] = tile.querySelectorAll("p");
    figure.textContent = "–";
    note.textContent = reason;
    tile.querySelector("path").setAttribute("d", "");
    tile.querySelector("svg").setAttribute("aria-label", reason);
  }
}

/** Id of the last event, with which the stream continues. */
let lastId = "";
/** Number of received changes. */
let count = 0;

/** Follows the changes until the signal aborts. */
async function followChanges(signal, onChanges, onMissed) {
  signal.addEventListener("abort", () => showState("paused"));
  let delay = MIN_RECONNECT_MS;
  while (!signal.aborted) {
    let reason = "The stream ended.";
    try {
      const headers = { Accept: "text/event-stream", ...(lastId && { "Last-Event-ID": lastId }) };
      const response = await request("GET", "/products/changes", { headers, signal, background: true });
      showState("live");
      delay = MIN_RECONNECT_MS;
      // Without an id, the stream begins now. Changes before that are in no event.
      if (!lastId) {
        onMissed();
      }
      const received = collect(onChanges, onMissed);
      for await (const { event, id, data } of events(response.body)) {
        if (event === "error") {
          reason = sentence(parse(data).detail);
          break;
        }
        lastId = id;
        received({ kind: event, ...parse(data) });
      }
    } catch (problem) {
      if (signal.aborted) {
        return;
      }
      if ([401, 403].includes(problem.status)) {
        showState(problem.message);
        return;
      }
      reason = problem.message;
    }
    showState(`${reason} Connecting again`);
    await sleep(delay);
    delay = Math.min(2 * delay, MAX_RECONNECT_MS);
  }
}

/** Shows the state of the stream, with the number of changes. */
function showState(state) {
  find("changes-state").textContent = `${state} (${count.toLocaleString("en")} received)`;
}

/** Returns a function that takes changes. They are shown together, because there can be thousands in a second. */
function collect(onChanges, onMissed) {
  let batch = [];
  const flush = () => {
    const changes = batch.filter(({ kind }) => kind !== "resync");
    const missed = changes.length < batch.length;
    batch = [];
    count += changes.length;
    find("changes").prepend(...changes.slice(-KEPT_CHANGES).reverse().map(line));
    [...find("changes").children].slice(KEPT_CHANGES).forEach((line) => line.remove());
    showState("live");
    onChanges(changes);
    if (missed) {
      onMissed();
    }
  };
  return (change) => {
    if (batch.push(change) === 1) {
      setTimeout(flush, BATCH_MS);
    }
  };
}

function line({ kind, id, at, product }) {
  const time = create("time", { dateTime: at }, new Date(at).toLocaleTimeString("en-GB"));
  const state = product ? `${product.name} · ${showPrice(product.price)} · ${product.amount} in stock` : "";
  return create("li", {}, time, ` ${kind === "stock_moved" ? "stock" : kind} `, create("b", {}, String(id)), ` ${state}`);
}

/** Yields the server-sent events of a stream. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const silence = setTimeout(() => reader.cancel(), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done) {
        return;
      }
      const blocks = (text + value).split("\n\n");
      // The last block is still incomplete.
      text = blocks.pop();
      for (const block of blocks) {
        const event = Object.fromEntries(block.split("\n").map((line) => /^(\w*): ?(.*)$/.exec(line)?.slice(1) ?? []));
        if (event.data) {
          yield event;
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

