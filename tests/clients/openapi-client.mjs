// A client with the types of the OpenAPI document, which openapi.mjs generates. TypeScript checks it.

import createClient from "openapi-fetch";

/** @import { components, paths } from "./__generated__/openapi.d.ts" */

/**
 * Creates, lists, changes and deletes products, and throws if a response is not the expected one.
 * @param {string} base URL of the server
 */
export async function useProducts(base) {
  /** @type {import("openapi-fetch").Client<paths, "application/json" | "application/problem+json">} */
  const client = createClient({ baseUrl: base });

  const created = await client.POST("/products", { body: { name: "Café", price: 19.99, amount: 3 } });
  expect(created.response.status === 201, created.error);
  const several = [{ id: 70, name: "Café au lait", price: 4.5, amount: 1 }, { name: "Tea", price: 3, amount: 1 }];
  const replaced = await client.POST("/products", {
    body: several,
    params: { header: { Prefer: "resolution=merge-duplicates" } },
  });
  expect(replaced.response.status === 200, replaced.error);

  const query = /** @type {const} */ ({ name: "prefix.café", price: "gte.19.99", limit: 1, count: "exact" });
  const list = await client.GET("/products", { params: { query } });
  const product = list.data?.[0];
  expect(product?.name === "Café" && list.response.headers.has("x-total-count"), list);

  const params = { path: { product_id: product.id } };
  const patched = await client.PATCH("/products/{product_id}", { params, body: { price: 18.5 } });
  expect(patched.data?.price === 18.5, patched.error);
  const adjusted = await client.POST("/products/{product_id}/stock", { params, body: { delta: -2 } });
  expect(adjusted.data?.amount === 1, adjusted.error);
  const deleted = await client.DELETE("/products/{product_id}", { params });
  expect(deleted.response.status === 204, deleted.error);
  const missing = await client.GET("/products/{product_id}", { params });
  /** @type {components["schemas"]["ProblemCode"] | undefined} */
  const code = missing.error?.code;
  expect(code === "NOT_FOUND", missing);

  const index = await client.GET("/");
  expect(index.data?.links.products === "/products", index);
}

/**
 * @param {unknown} condition
 * @param {unknown} actual
 * @returns {asserts condition}
 */
function expect(condition, actual) {
  if (!condition) {
    throw new Error(`unexpected: ${JSON.stringify(actual)}`);
  }
}
