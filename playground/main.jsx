// GraphiQL for the server that serves this page.
import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { GraphiQL } from "graphiql";
import "graphiql/style.css";
import { createRoot } from "react-dom/client";

const base = new URL(".", document.currentScript.src);
const workers = { graphql: "graphql.worker.js", json: "json.worker.js" };
globalThis.MonacoEnvironment = {
  getWorkerUrl: (_, label) => new URL(workers[label] ?? "editor.worker.js", base).href,
};

const queries = [
  `# Pages of three products. Press Ctrl-Enter to run the query, Ctrl-Space for completion.
query Products($first: Int = 3, $after: String) {
  products(first: $first, after: $after, orderBy: [{ field: PRICE, direction: DESC }]) {
    totalCount
    pageInfo { hasNextPage endCursor }
    nodes { id name price amount version }
  }
}
`,
  `mutation Create {
  createProduct(input: { name: "Laptop", price: "999.99", amount: 10 }) {
    id
    version
  }
}
`,
  `# Run this subscription, then change products in another tab.
subscription Changes {
  productChanged {
    kind
    id
    at
    product { name price amount }
  }
}
`,
];

const endpoint = new URL("/graphql", location.href);
const socket = new URL(endpoint);
socket.protocol = endpoint.protocol === "https:" ? "wss:" : "ws:";
const fetcher = createGraphiQLFetcher({ url: endpoint.href, subscriptionUrl: socket.href });
const tabs = queries.map((query) => ({ query }));
// `?query=` and `?variables=` fill the editors.
const parameters = new URLSearchParams(location.search);
createRoot(document.getElementById("playground")).render(
  <GraphiQL
    fetcher={fetcher}
    defaultQuery={queries[0]}
    defaultTabs={tabs}
    initialQuery={parameters.get("query") ?? undefined}
    initialVariables={parameters.get("variables") ?? undefined}
  />,
);
