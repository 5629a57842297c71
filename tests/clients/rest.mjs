// REST client for the scripts in this folder.

/** Returns a function that sends requests to a server and throws if the status is not 2xx. */
export function createRestClient(base) {
  return async (method, path, body) => {
    const headers = { "Content-Type": "application/json" };
    if (method !== "GET" && path !== "/products") {
      // Servers may be configured to require it.
      headers["If-Match"] = "*";
    }
    const response = await fetch(new URL(path, base), { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) {
      throw new Error(`${method} ${path}: ${response.status} ${text}`);
    }
    return text ? JSON.parse(text) : undefined;
  };
}

/** Yields the server-sent events of a response with `event`, `id` and `data`, without comments. */
export async function* readEvents(response) {
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    // The last block is still incomplete.
    text = blocks.pop();
    for (const block of blocks) {
      const event = parse(block);
      if (event.data !== undefined) {
        yield event;
      }
    }
  }
}

function parse(block) {
  const event = {};
  for (const line of block.split("\n")) {
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "data" && event.data !== undefined) {
      event.data += `\n${value}`;
    } else if (field) {
      event[field] = value;
    }
  }
  return event;
}
