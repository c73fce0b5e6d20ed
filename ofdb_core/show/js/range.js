// A range of a property's values: drawn over their histogram, or typed as two numbers.

import { rounded } from "./collection.js";
import { h } from "./elements.js";

const BINS = 40;

/** The number of values in each of BINS bins of this width, from `low` on. */
function countsOf(values, low, width) {
  const counts = new Array(BINS).fill(0);
  for (const value of values) counts[Math.min(BINS - 1, Math.floor((value - low) / width))] += 1;
  return counts;
}

/** changed() is called when the range changes. Returns {element, holds(i), choose(least, most), clear()}. */
export function rangeOf(name, meaning, values, changed) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const width = (high - low) / BINS || 1;
  const counts = countsOf(values, low, width);
  const highest = Math.max(...counts);
  let least = -Infinity;
  let most = Infinity;

  const bars = counts.map((count, i) => {
    const height = count ? Math.max((10 * count) / highest, 0.4) : 0;
    return h("svg:rect", { x: i + 0.08, y: 10 - height, width: 0.84, height });
  });
  const histogram = h(
    "svg:svg",
    { viewBox: `0 0 ${BINS} 10`, preserveAspectRatio: "none", "aria-hidden": "true" },
    ...bars,
  );
  const end = (what, limit) =>
    h("input", {
      type: "number",
      step: "any",
      placeholder: rounded(limit, 3),
      "aria-label": `${name}, ${what}`,
      oninput: () => typed(),
    });
  const first = end("least", low);
  const last = end("most", high);

  function show() {
    bars.forEach((bar, i) => bar.classList.toggle("in", low + (i + 1) * width > least && low + i * width <= most));
  }
  function typed() {
    least = first.value === "" ? -Infinity : Number(first.value);
    most = last.value === "" ? Infinity : Number(last.value);
    show();
    changed();
  }
  /** Set the range; an infinite end is left empty. */
  function choose(from, to) {
    const text = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : "");
    [first.value, last.value] = [text(from), text(to)];
    typed();
  }
  const clear = () => choose(-Infinity, Infinity);

  /** @type {number | null} the value at which the pointer began */
  let began = null;
  const valueAt = (event) => {
    const box = histogram.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    return low + Math.min(Math.max(share, 0), 1) * (high - low);
  };
  histogram.addEventListener("pointerdown", (event) => {
    histogram.setPointerCapture(event.pointerId);
    began = valueAt(event);
  });
  histogram.addEventListener("pointermove", (event) => {
    if (began !== null) choose(Math.min(began, valueAt(event)), Math.max(began, valueAt(event)));
  });
  histogram.addEventListener("pointerup", (event) => {
    if (began !== null && Math.abs(valueAt(event) - began) < width / 2) clear(); // a click
    began = null;
  });
  histogram.addEventListener("pointercancel", () => (began = null));

  show();
  const element = h(
    "fieldset",
    { class: "filter", title: meaning },
    h("div", { class: "name" }, h("span", {}, name)),
    histogram,
    h("div", { class: "ends" }, first, last),
  );
  return { element, holds: (i) => values[i] >= least && values[i] <= most, choose, clear };
}
