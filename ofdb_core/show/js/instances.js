// The instances of a system that the families make.

import { choose, isFinite, orbit } from "./chaos_game.js";
import { button, h } from "./elements.js";
import { perturbed, weighted, weightRows } from "./ifs.js";
import { draw, paint } from "./raster.js";
import { numbers } from "./streams.js";

const SHOWN_INSTANCES = 12;

/** The families' instances of the system, folded until opened. Returns the element. */
export function instancesOf(edited, open) {
  let seed = 1;
  const sheet = h("div", { class: "ofdb-sheet" });
  const told = h("output", {});
  const spread = h("input", {
    type: "range",
    min: 0,
    max: 0.5,
    step: 0.01,
    value: 0.1,
    "aria-label": "How much the instances vary",
    title: "1p-frac: delta; FractalDB: the step of its weights",
    oninput: () => show(),
  });
  const rule = h(
    "select",
    {
      "aria-label": "How instances are made",
      title: "how instances are made of this system",
      onchange: () => {
        spread.valueAsNumber = rule.value === "frac" ? 0.1 : 0.4;
        show();
      },
    },
    h("option", { value: "frac" }, "1p-frac: each coefficient × (1 ± δ)"),
    h("option", { value: "weights" }, "FractalDB: a coefficient weighted"),
  );
  const small = (rows, i) => {
    const canvas = h("canvas", {});
    const points = orbit(rows, choose(rows, numbers("random", 100, 20000)));
    const good = isFinite(points);
    if (good) paint(canvas, draw(points, "point_gray", 112, null), "point_gray");
    return button(canvas, good ? `instance ${i}: open it` : `instance ${i} runs off to infinity`, () => open(rows), {
      disabled: !good,
    });
  };
  function show() {
    const { rows } = edited;
    const value = spread.valueAsNumber;
    const made =
      rule.value === "weights"
        ? weightRows(value).map((row) => weighted(rows, row))
        : Array.from({ length: SHOWN_INSTANCES }, (_, i) => perturbed(rows, value, seed, i));
    told.textContent = `${rule.value === "frac" ? "δ" : "s"} = ${value}`;
    sheet.replaceChildren(...made.map(small));
  }
  const element = h(
    "details",
    { ontoggle: () => element.open && show() },
    h("summary", { title: "what the families make of this one system" }, "Instances"),
    h(
      "div",
      { class: "ofdb-row" },
      rule,
      spread,
      told,
      button("others", "draw other instances (1p-frac)", () => (seed++, show())),
      button("of this system", "make them of the system as it is now", show),
    ),
    sheet,
  );
  return element;
}
