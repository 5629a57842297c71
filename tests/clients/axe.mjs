// Accessibility checks of a page with axe-core, which also checks the best practices that no standard requires.

import axe from "axe-core";

/** Checks a page in its current state, and adds an error for each rule that it violates. */
export async function checkAccessibility(page, name, errors) {
  // The page's policy allows no injected script elements.
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate("axe.run()");
  for (const { id, help, nodes } of violations) {
    errors.push(`${name}: ${id} (${help}): ${nodes.map(({ target, any }) => `${target} ${any[0]?.message ?? ""}`).join("; ")}`);
  }
  if (passes.length < 10) {
    errors.push(`${name}: axe-core checked only ${passes.length} rules`);
  }
}
