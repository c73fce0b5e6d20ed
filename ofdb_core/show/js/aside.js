// A picture put aside, to compare.

import { button, h } from "./elements.js";
import { paint } from "./raster.js";

/** A picture put aside, to compare; drawn(): {image, kind} of the picture now. Returns {element, pin()}. */
export function asideOf(edited, open, drawn) {
  /** @type {number[][]} the system of the picture */
  let pinned = [];
  const canvas = h("canvas", { role: "img", "aria-label": "The picture put aside" });
  const pin = () => {
    const { image, kind } = drawn();
    if (!image) return;
    pinned = edited.rows;
    paint(canvas, image, kind);
    element.hidden = false;
  };
  const swap = () => {
    const there = pinned;
    pin();
    open(there, { fitted: false });
  };
  const element = h(
    "figure",
    { hidden: true },
    canvas,
    h(
      "figcaption",
      {},
      "put aside · ",
      button("⇄ swap", "open the system put aside, and put this one there", swap),
      " ",
      button("✕", "put the second picture away", () => (element.hidden = true)),
    ),
  );
  return { element, pin };
}
