// The search's verdict on the system: whether its picture fills enough.

import { ACCEPTED } from "./chaos_game.js";
import { h } from "./elements.js";
import { fillingRate, SIDE } from "./raster.js";

/** Returns {element, judge(points, n, more words)}, which looks at the first n points and returns the filling rate. */
export function verdictOf() {
  const element = h("p", { class: "ofdb-status", role: "status", "aria-live": "polite" });
  function judge(points, n, more) {
    const rate = fillingRate(points, n);
    const accepted = rate >= ACCEPTED;
    const verdict = accepted
      ? "the search would take it"
      : `the search would not take it (it needs ${100 * ACCEPTED} %)`;
    element.replaceChildren(
      h("strong", {}, `${(100 * rate).toFixed(1)} %`),
      ` of ${SIDE} × ${SIDE} pixels are lit by ${n.toLocaleString("en")} points: `,
      h("span", { class: accepted ? "ofdb-yes" : "ofdb-no" }, verdict),
      more,
    );
    return rate;
  }
  return { element, judge };
}
