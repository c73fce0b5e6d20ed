// The points of the plane, each in the colour of the map that made it, and the last steps of the chaos game.

import { colours, put } from "./canvas.js";
import { h } from "./elements.js";
import { colourOf, MAP_COLOURS } from "./maps.js";

const STEPS = 8; // on show

/**
 * On a canvas of `side` pixels each side; sight: the visible part, from `sightOf`.
 * Returns {canvas, steps, draw(points, choices, n, stepping)}: steps is an element of SVG; of the first n points.
 */
export function pointsOf(side, sight) {
  const canvas = h("canvas", { width: side, height: side, "aria-hidden": "true" });
  const steps = h("svg:g");
  const words = new Uint32Array(side * side);
  const table = colours(MAP_COLOURS);

  function draw({ x, y }, choices, n, stepping) {
    const { view } = sight;
    const half = side / 2;
    const scale = half / view.reach;
    words.fill(0);
    for (let i = 1; i < n; i++) {
      const column = ((x[i] - view.x) * scale + half) | 0;
      const row = (half - (y[i] - view.y) * scale) | 0;
      if (column > 0 && column < side && row > 0 && row < side) words[row * side + column] = table[choices[i - 1] & 7];
    }
    put(canvas, words);
    steps.replaceChildren();
    if (stepping) drawSteps({ x, y }, choices, n);
  }

  function drawSteps({ x, y }, choices, n) {
    const at = (i) => sight.screen([x[i], y[i]]);
    for (let i = Math.max(1, n - STEPS); i < n; i++) {
      const [x1, y1] = at(i - 1);
      const [x2, y2] = at(i);
      const look = { stroke: colourOf(choices[i - 1]), "stroke-width": 2, opacity: (i - n + STEPS + 1) / (STEPS + 1) };
      steps.append(h("svg:line", { x1, y1, x2, y2, ...look }));
    }
    const [cx, cy] = at(n - 1);
    steps.append(h("svg:circle", { cx, cy, r: 5, class: "ofdb-now" }));
  }

  return { canvas, steps, draw };
}
