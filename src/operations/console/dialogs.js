// Dialogs: add, edit and delete a product, and import a file.

import { create, find, openDialog, parse, Problem, request, sentence, show, showPrice, write } from "./api.js";

const JSON_BODY = { "Content-Type": "application/json" };
/** Maximum number of errors of a file that the page lists. */
const SHOWN_ERRORS = 100;
/** Time after which the browser has begun to save a file, in milliseconds. */
const REVOKE_MS = 60_000;
const FIELDS = ["id", "name", "price", "amount"];
const LABELS = { id: "Id", name: "Name", price: "Price", amount: "Stock" };
const inputs = Object.fromEntries(FIELDS.map((field) => [field, find(`product-${field}`)]));

/** Returns a product as text fields, with its version. Proxies that compress a response mark its entity tag as weak. */
async function read(response) {
  const { id, name, price, amount } = parse(await response.text());
  const version = /"(.*)"/.exec(response.headers.get("ETag"))?.[1];
  return { id: String(id), name, price, amount: String(amount), version };
}

const get = async (id) => read(await request("GET", `/products/${id}`));

/** Opens the dialog for a new product. Returns the created product, or `undefined`. */
export function add() {
  fill("Add a product", { id: "", name: "", price: "", amount: "" });
  find("id-field").hidden = false;
  return openDialog(find("editor"), () =>
    attempt(async () => {
      const { id, ...fields } = entered();
      const body = write(id.trim() ? { id, ...fields } : fields);
      return read(await request("POST", "/products", { headers: JSON_BODY, body }));
    }),
  );
}

/** Opens the dialog for a product. Returns the changed product, or `undefined`. */
export async function edit(id) {
  let stored = await get(id);
  fill(`Edit product ${id}`, stored);
  find("id-field").hidden = true;
  /** Stores the fields that differ from the stored ones, unless another client has changed the product. */
  const save = () =>
    attempt(async () => {
      const changed = Object.entries(entered()).filter(([field, text]) => field !== "id" && text !== stored[field]);
      const headers = { ...JSON_BODY, "If-Match": `"${stored.version}"` };
      const body = write(Object.fromEntries(changed));
      try {
        return await read(await request("PATCH", `/products/${id}`, { headers, body }));
      } catch (problem) {
        if (problem.status !== 412) {
          throw problem;
        }
      }
      const before = stored;
      stored = await get(id);
      showConflict(before, stored);
      throw new Problem(412, "Another client has changed this product. Your values are not stored.");
    });
  find("reload").onclick = () => fill(`Edit product ${id}`, stored);
  find("overwrite").onclick = () => {
    decide(false);
    find("editor").querySelector("form").requestSubmit();
  };
  return openDialog(find("editor"), save);
}

const entered = () => Object.fromEntries(FIELDS.map((field) => [field, inputs[field].value]));

function fill(title, product) {
  find("editor-title").textContent = title;
  find("editor").querySelector("[role=alert]").textContent = "";
  decide(false);
  showFieldErrors([]);
  FIELDS.forEach((field) => (inputs[field].value = product[field]));
  inputs.name.focus();
}

/** Runs a change, and shows the errors of the fields next to them. */
async function attempt(change) {
  showFieldErrors([]);
  try {
    return await change();
  } catch (problem) {
    showFieldErrors(problem.errors ?? []);
    throw problem;
  }
}

function showFieldErrors(errors) {
  for (const field of FIELDS) {
    const error = errors.find(({ pointer }) => pointer === `/${field}`);
    find(`${field}-error`).textContent = error ? sentence(error.detail) : "";
    inputs[field].ariaInvalid = error ? "true" : null;
  }
  FIELDS.map((field) => inputs[field]).find((input) => input.ariaInvalid)?.focus();
}

/** Shows what another client has stored. */
function showConflict(before, stored) {
  const changed = ["name", "price", "amount"].filter((field) => before[field] !== stored[field]);
  const rows = changed.map((field) => {
    const cells = [before[field], stored[field]].map((text) => create("td", {}, text));
    return create("tr", {}, create("th", { scope: "row" }, LABELS[field]), ...cells);
  });
  find("conflict").querySelector("tbody").replaceChildren(...rows);
  decide(true);
  find("reload").focus();
}

/** Shows or hides the decision about a conflict. Until the user has decided, not even the Enter key saves anything. */
function decide(isOpen) {
  find("conflict").hidden = !isOpen;
  const save = find("editor").querySelector("[type=submit]");
  save.hidden = isOpen;
  save.disabled = isOpen;
}

/** Asks whether to delete a product. Returns the product if it was deleted, otherwise `undefined`. */
export async function remove(id) {
  let stored;
  const ask = async () => {
    stored = await get(id);
    const text = `Product ${id}, “${stored.name}”: price ${showPrice(stored.price)}, ${stored.amount} in stock.`;
    find("deleted-product").textContent = text;
  };
  await ask();
  return openDialog(find("deletion"), async () => {
    try {
      await request("DELETE", `/products/${id}`, { headers: { "If-Match": `"${stored.version}"` } });
    } catch (problem) {
      if (problem.status !== 412) {
        throw problem;
      }
      await ask();
      throw new Problem(412, "Another client has just changed this product. Delete it anyway?");
    }
    return stored;
  });
}

/** Adjusts the stock of a product, and returns the product. Some servers require `If-Match`. */
export async function adjustStock(id, delta) {
  const headers = { ...JSON_BODY, "If-Match": "*" };
  return read(await request("POST", `/products/${id}/stock`, { headers, body: write({ delta }) }));
}

/** Opens the dialog for a file. Returns the number of imported products, or `undefined`. */
export function importFile(files) {
  const input = find("file");
  const list = find("file-errors");
  const button = find("importer").querySelector("[type=submit]");
  input.value = "";
  if (files) {
    input.files = files;
  }
  find("replace").checked = false;
  list.hidden = true;
  return openDialog(find("importer"), async (signal) => {
    list.hidden = true;
    if (!input.files.length) {
      throw new Problem(0, "Choose a file first.");
    }
    const prefer = find("replace").checked ? { Prefer: "resolution=merge-duplicates" } : {};
    const headers = { "Content-Type": "text/csv", ...prefer };
    button.textContent = "Importing…";
    try {
      const response = await request("POST", "/products", { headers, body: input.files[0], signal });
      return (await response.json()).products;
    } catch (problem) {
      const errors = problem.errors ?? [];
      list.replaceChildren(...errors.slice(0, SHOWN_ERRORS).map((error) => create("li", {}, showLine(error))));
      list.hidden = errors.length === 0;
      throw errors.length ? new Problem(problem.status, `Nothing is imported. Errors in the file: ${errors.length}`) : problem;
    } finally {
      button.textContent = "Import";
    }
  });
}

function showLine({ pointer, line, detail }) {
  const field = pointer.split("/").at(-1);
  return `${line ? `Line ${line}: ` : ""}${field ? `${field} ` : ""}${detail}`;
}

/** Saves all products as a file. A link cannot send the token. */
export async function exportFile(path) {
  const blob = await (await request("GET", path)).blob();
  const url = URL.createObjectURL(blob);
  create("a", { href: url, download: "products.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_MS);
  show(`Exported ${blob.size.toLocaleString("en")} bytes.`);
}
