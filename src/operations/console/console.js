// The table of products, and the actions on it.

import { create, find, hasToken, parse, request, show, showPrice } from "./api.js";
import { add, adjustStock, edit, exportFile, importFile, remove } from "./dialogs.js";
import { follow } from "./live.js";

const PAGE_SIZE = 50;
/** Time without typing after which the search starts, in milliseconds. */
const SEARCH_MS = 250;
/** Minimum time between two counts of the products, in milliseconds. */
const COUNT_MS = 2000;
/** The same, as a multiple of the time that the last count took. */
const COUNT_SHARE = 20;

const body = find("products").querySelector("tbody");
const stillness = matchMedia("(prefers-reduced-motion: reduce)");
/** Rows of the table by the ids of their products. */
let rows = new Map();
let sort = "id";
/** Text that the listed names contain. The search field is ahead of it while the user is typing. */
let searched = "";
/** Path of the page. */
let current;
/** Paths of other pages by their relation. */
let links = {};
/** Controller of the request for a page, while it is running. */
let loading;
/** Changes that arrived during this request. The page may lack them. */
let arrived = [];
/** Versions that the user's own changes have made, and ids that they have deleted. They leave the list up to date. */
const own = new Set();

const query = (parameters) => `/products?${new URLSearchParams(parameters)}`;
const filter = () => (searched ? { name: `contains.${searched}` } : {});
const firstPage = () => query({ limit: PAGE_SIZE, sort, ...filter() });

/** Shows a page of products. */
async function load(path) {
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  arrived = [];
  body.ariaBusy = "true";
  try {
    const response = await request("GET", path, { signal });
    const products = parse(await response.text());
    if (products.length === 0 && path !== firstPage()) {
      return load(firstPage());
    }
    current = path;
    links = readLinks(response.headers.get("Link") ?? "");
    showPage(products);
    loading = undefined;
    apply(arrived);
  } catch (problem) {
    if (!signal.aborted) {
      loading = undefined;
      show(problem);
    }
  }
  body.ariaBusy = String(loading !== undefined);
}

const readLinks = (header) =>
  Object.fromEntries([...header.matchAll(/<([^>]+)>; rel="(\w+)"/g)].map(([, path, relation]) => [relation, path]));

function showPage(products) {
  const hadFocus = body.contains(document.activeElement);
  rows = new Map(products.map((product) => [product.id, newRow(product)]));
  body.replaceChildren(...[...rows.values()].map(({ element }) => element));
  if (hadFocus) {
    find("products-title").focus({ preventScroll: true });
  }
  find("empty").textContent = searched ? "No product has this text in its name." : "There are no products yet.";
  find("empty").hidden = products.length > 0;
  find("stale").hidden = true;
  for (const button of find("pages").children) {
    button.ariaDisabled = String(!links[button.dataset.relation]);
  }
}

/** Shows the current state of the page. */
function reload() {
  countSoon();
  return load(current ?? firstPage());
}

function search() {
  searched = find("search").value;
  find("export").href = query({ format: "csv", ...filter() });
  load(firstPage());
  count();
}

let counts = 0;
/** Counts all products, and those that match the search. Returns the duration. */
async function count() {
  const start = performance.now();
  const number = ++counts;
  const ask = async (filter) => {
    const response = await request("GET", query({ limit: 1, count: "exact", ...filter }), { background: true });
    return Number(response.headers.get("X-Total-Count")).toLocaleString("en");
  };
  try {
    const total = await ask({});
    const matches = searched && `${await ask(filter())} of ${total} products match`;
    // A later count has begun with another search.
    if (number === counts) {
      find("total").textContent = total;
      find("matches").textContent = matches;
    }
  } catch (problem) {
    find("matches").textContent = problem.message;
  }
  return performance.now() - start;
}

let timer;
let pause = 0;
/** Counts after a pause. It grows with the duration of a count, because a count of millions of rows takes long. */
function countSoon() {
  timer ??= setTimeout(async () => {
    timer = undefined;
    pause = Math.max(COUNT_MS, COUNT_SHARE * (await count()));
  }, pause);
}

function newRow(product) {
  const { id } = product;
  const row = { seen: new Set(), queue: Promise.resolve(), name: create("th", { scope: "row" }) };
  row.price = create("td", { className: "number" });
  row.amount = create("td", { className: "number" });
  const button = (text, label, onclick) => [create("button", { type: "button", onclick }, text), label];
  row.buttons = [
    button("−", "Reduce the stock of", () => adjust(row, id, "-")),
    button("+", "Increase the stock of", () => adjust(row, id, "")),
    button("Edit", "Edit", () => open(async () => accept(await edit(id)))),
    button("Delete", "Delete", () => open(async () => removed(await remove(id)))),
  ];
  const cells = [create("td", { className: "number id" }, String(id)), row.name, row.price, row.amount];
  const actions = create("td", { className: "row-actions" }, ...row.buttons.map(([button]) => button));
  row.element = create("tr", {}, ...cells, actions);
  fillRow(row, product);
  return row;
}

function fillRow(row, { name, price, amount }) {
  row.element.className = "";
  row.name.textContent = name;
  row.price.textContent = showPrice(price);
  row.amount.textContent = amount;
  row.buttons.forEach(([button, label]) => (button.ariaLabel = `${label} ${name}`));
}

/** Changes the stock by the step. Adjustments of one product follow each other, so that the last response is the newest. */
function adjust(row, id, sign) {
  const delta = sign + find("step").value.trim();
  row.queue = row.queue.then(() => adjustStock(id, delta)).then(accept, show);
}

let isOpen = false;
/** Runs an action with a dialog, unless another one is running. */
async function open(action) {
  if (!isOpen) {
    isOpen = true;
    await action().catch(show);
    isOpen = false;
  }
}

/** Shows a product that the user has changed, unless an event has shown it already. */
function accept(product) {
  if (product) {
    own.add(product.version);
    const row = rows.get(Number(product.id));
    if (row && !row.seen.has(product.version)) {
      fillRow(row, product);
    }
    show(`Saved “${product.name}”: price ${showPrice(product.price)}, ${product.amount} in stock.`);
  }
}

function added(product) {
  if (product) {
    own.add(product.version);
    show(`Added “${product.name}” with the id ${product.id}.`);
    reload();
  }
}

function removed(product) {
  if (product) {
    own.add(Number(product.id));
    show(`Deleted “${product.name}”.`);
    reload();
  }
}

function imported(products) {
  if (products !== undefined) {
    show(`Products imported: ${products.toLocaleString("en")}.`);
    reload();
  }
}

/** Shows changes in the rows of the page. Rows keep their order, so that no button moves under a pointer. */
function apply(changes) {
  if (loading) {
    arrived.push(...changes);
  }
  for (const { kind, id, version, product } of changes) {
    const row = rows.get(id);
    row?.seen.add(version);
    if (row && product) {
      fillRow(row, product);
    } else if (row) {
      row.element.className = "deleted";
    }
    if (row && !stillness.matches) {
      row.element.animate([{ backgroundColor: "var(--flash)" }, {}], 1500);
    }
    const isOwn = own.delete(kind === "deleted" ? id : version);
    const counted = kind === "created" || kind === "deleted";
    if (!isOwn && (counted || (kind === "updated" ? !sort.endsWith("id") || searched : sort.endsWith("amount")))) {
      find("stale").hidden = false;
    }
    if (counted) {
      countSoon();
    }
  }
}

let following;
/** Follows the server while the page is visible. A hidden page would keep one of the browser's few connections. */
function followWhileVisible() {
  following?.abort();
  following = undefined;
  if (!document.hidden && find("pause").ariaPressed === "false") {
    following = new AbortController();
    follow(following.signal, apply, reload);
  }
}

let typing;
find("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, SEARCH_MS);
});
find("products").querySelector("thead").addEventListener("click", ({ target }) => {
  const key = target.dataset.sort;
  if (key) {
    sort = sort === key ? `-${key}` : key;
    for (const heading of find("products").querySelectorAll("[data-sort]")) {
      heading.parentElement.ariaSort = heading !== target ? null : sort === key ? "ascending" : "descending";
    }
    load(firstPage());
  }
});
find("pages").addEventListener("click", ({ target }) => {
  const path = links[target.dataset.relation];
  if (path) {
    load(path);
  }
});
find("stale").querySelector("button").addEventListener("click", reload);
find("add").addEventListener("click", () => open(async () => added(await add())));
find("import").addEventListener("click", () => open(async () => imported(await importFile())));
find("export").addEventListener("click", (event) => {
  if (hasToken()) {
    event.preventDefault();
    exportFile(event.target.href).catch(show);
  }
});
find("pause").addEventListener("click", ({ target }) => {
  target.ariaPressed = String(target.ariaPressed === "false");
  followWhileVisible();
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const { files } = event.dataTransfer;
  if (find("importer").open) {
    find("file").files = files;
  } else if (files.length) {
    open(async () => imported(await importFile(files)));
  }
});
document.addEventListener("visibilitychange", followWhileVisible);
document.addEventListener("token", () => {
  followWhileVisible();
  reload();
});

// If the first request asks for a token, the others have it.
await reload();
followWhileVisible();
