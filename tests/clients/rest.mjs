// Stockmeter's REST as these scripts use it.

/** Sends requests to a server; what is no success is an error. */
export function restOf(base) {
  return async (method, path, body) => {
    const headers = { "Content-Type": "application/json" };
    if (method !== "GET" && path !== "/products") {
      // For servers that require it.
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

/** The server-sent events of a response, each with its `event`, `id` and `data`; comments are left out. */
export async function* eventsOf(response) {
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    // The last one has not ended yet.
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
