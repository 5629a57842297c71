// Requests to the server's public API, the user's token, and messages.

/** Returns the element with an id. */
export const find = (id) => document.getElementById(id);

/** Returns a new element. Its children are elements or text, never HTML. */
export function create(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Error response (RFC 9457). Its status is 0 if there is no response. */
export class Problem extends Error {
  constructor(status, message, errors = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/** Token of the requests. It is in no storage, because other pages of this origin could read that. */
let token = "";

/** Position after the last write, or at the start of the changes. Reads from a replica of the database include all changes before it. */
let readAfter;

export const hasToken = () => token !== "";

/**
 * Sends a request and returns its response. If the server needs a token, asks the user for it, unless the request runs in the
 * background.
 */
export async function request(method, path, { headers, body, signal, background = false } = {}) {
  for (;;) {
    const sent = token;
    const authorization = sent ? { Authorization: `Bearer ${sent}` } : {};
    const position = readAfter ? { "X-Read-After": readAfter } : {};
    const sentHeaders = { ...authorization, ...position, ...headers };
    const response = await fetch(path, { method, headers: sentHeaders, body, signal }).catch((error) => {
      throw signal?.aborted ? error : new Problem(0, "The server cannot be reached.");
    });
    readAfter = response.headers.get("X-Read-After") ?? readAfter;
    if (response.ok) {
      return response;
    }
    const problem = await readProblem(response);
    // Another request may have asked for the token meanwhile.
    const repeats = response.status === 401 && !background && (token !== sent || (await askForToken(problem.message)));
    if (!repeats) {
      throw problem;
    }
  }
}

async function readProblem(response) {
  const { status } = response;
  const { detail, errors } = await response.json().catch(() => ({}));
  const scope = /scope="(\w+)"/.exec(response.headers.get("WWW-Authenticate") ?? "");
  if (status === 401) {
    return new Problem(status, hasToken() ? "The token is unknown or has ended." : "The server needs a token.");
  }
  if (status === 403 && scope) {
    const caller = hasToken() ? "The token lacks" : "Clients without a token lack";
    return new Problem(status, `${caller} the scope “${scope[1]}”.`);
  }
  return new Problem(status, sentence(detail ?? `The server responded with status ${status}`), errors);
}

/** Returns a message of the server as a sentence. */
export function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}

/**
 * Parses products and changes. Prices stay text, because they can have more digits than a JavaScript number. Only a key can
 * match, because quotes within strings are escaped.
 */
export const parse = (json) => JSON.parse(json.replace(/"price":([-\d.]+)/g, '"price":"$1"'));

/** Returns the JSON of a product's fields, all of them text. The server explains texts that are not a number. */
export function write({ name, ...numbers }) {
  const isNumber = /^-?(0|[1-9]\d*)(\.\d+)?$/;
  const json = (text) => (isNumber.test(text) ? text : JSON.stringify(text));
  const fields = Object.entries(numbers).map(([field, text]) => `"${field}":${json(text.trim())}`);
  return `{${[...(name === undefined ? [] : [`"name":${JSON.stringify(name)}`]), ...fields].join(",")}}`;
}

/** Returns a price with at least two decimals. */
export const showPrice = (price) => price.replace(/\.\d$/, "$&0");

/** Shows the result of an action, or the error if it is a problem. */
export function show(result) {
  const isError = result instanceof Error;
  find("failed").textContent = isError ? result.message : "";
  find("done").textContent = isError ? "" : result;
  find("message").hidden = false;
}

find("message").querySelector("button").addEventListener("click", () => (find("message").hidden = true));

/**
 * Opens a dialog. Returns the result of `submit` once this is neither undefined nor an exception; returns `undefined` if the user
 * closes the dialog, which aborts the signal of `submit`.
 */
export function openDialog(dialog, submit) {
  const [form, alert, button] = ["form", "[role=alert]", "[type=submit]"].map((selector) => dialog.querySelector(selector));
  return new Promise((resolve) => {
    const closing = new AbortController();
    let result;
    alert.textContent = "";
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (button.ariaDisabled === "true") {
        return;
      }
      button.ariaDisabled = "true";
      alert.textContent = "";
      try {
        result = await submit(closing.signal);
      } catch (problem) {
        alert.textContent = problem.message;
      }
      button.ariaDisabled = "false";
      if (result !== undefined) {
        dialog.close();
      }
    };
    dialog.querySelector("[data-close]").onclick = () => dialog.close();
    dialog.onclose = () => {
      closing.abort();
      resolve(result);
    };
    dialog.showModal();
  });
}

/** Question for the token that the user is reading, if there is one. */
let question;

/** Asks for a token. Returns whether the user has entered or removed one, which is also the event `token`. */
async function askForToken(message) {
  question ??= openDialog(find("authorization"), () => {
    token = find("token").value.trim().replace(/^Bearer /i, "");
    document.dispatchEvent(new Event("token"));
    return true;
  });
  find("authorization").querySelector("[role=alert]").textContent = message;
  const isEntered = await question;
  question = undefined;
  find("token").value = "";
  find("token-button").textContent = hasToken() ? "Token in use…" : "Token…";
  return isEntered === true;
}

find("token-button").addEventListener("click", () => askForToken(""));
find("forget").addEventListener("click", () => {
  find("token").value = "";
  find("authorization").querySelector("form").requestSubmit();
});
