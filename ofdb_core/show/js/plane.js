// The plane: the points, true to scale, and over them the maps, to drag.

import { assign, button, h } from "./elements.js";
import { CALLED, colourOf, DOES, HANDLES, place, pulled } from "./maps.js";
import { pointsOf } from "./points.js";
import { sightOf } from "./sight.js";

const PLANE = 512; // pixels, each side

/**
 * The plane of an `Edited` system; schedule() asks for a drawing.
 * Returns {element, draw(points, choices, n, stepping), placeHandles(), rebuild() for other maps, fit(), reach}, half a side.
 */
export function planeOf(edited, schedule) {
  const overlay = h("svg:svg", {
    viewBox: `0 0 ${PLANE} ${PLANE}`,
    role: "group",
    "aria-label": "The maps of the system, to drag",
  });
  const axes = h("svg:g", { class: "ofdb-axes" });
  const bodies = h("svg:g", {});
  const knobs = h("svg:g", {});
  const sight = sightOf(overlay, PLANE, edited, schedule);
  const { screen } = sight;
  const points = pointsOf(PLANE, sight);
  overlay.append(axes, points.steps, bodies, knobs);
  let shapes = [];
  let handles = [];

  function rebuild() {
    if (!shapes.length) sight.fit();
    bodies.replaceChildren();
    knobs.replaceChildren();
    shapes = edited.rows.map((_, map) => {
      const body = h("svg:polygon", {
        class: "ofdb-map",
        ...grips(map, 0),
        stroke: colourOf(map),
        fill: colourOf(map),
      });
      const edge = h("svg:line", { class: "ofdb-edge" });
      const name = h("svg:text", { class: "ofdb-name", fill: colourOf(map) }, String(map));
      bodies.append(body, edge, name);
      return { body, edge, name };
    });
    handles = HANDLES.map(
      (_, handle) =>
        handle &&
        h("svg:circle", {
          r: handle < 5 ? 7 : 5.5,
          class: handle < 5 ? "ofdb-corner" : "ofdb-side",
          ...grips(null, handle),
        }),
    );
    knobs.append(...handles.slice(1));
    schedule();
  }

  /** A handle's listeners and labels; map: null for the selected one. */
  function grips(map, handle) {
    const which = () => map ?? edited.selected;
    const at = () => place(edited.rows[which()], HANDLES[handle]);
    const move = (to, turnOnly, keep) =>
      edited.changeMap((row) => pulled(row, handle, to, turnOnly), which(), { keep });
    let offset = [0, 0];
    return {
      tabindex: 0,
      role: "button",
      "data-handle": handle,
      "data-map": map ?? "selected",
      "aria-label": `${map === null ? "" : `map ${map}, `}${CALLED[handle]}: ${DOES[handle]}; arrow keys move it`,
      onfocus: () => map !== null && edited.select(map),
      onpointerdown: (event) => {
        event.preventDefault();
        event.stopPropagation();
        if (event.button) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        event.currentTarget.focus({ preventScroll: true });
        const [x, y] = sight.at(event);
        offset = [at()[0] - x, at()[1] - y];
        edited.held = true;
      },
      onpointermove: (event) => {
        if (!edited.held || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
        const [x, y] = sight.at(event);
        move([x + offset[0], y + offset[1]], event.shiftKey, false);
      },
      onpointerup: () => edited.settle(),
      onpointercancel: () => edited.settle(),
      onkeydown: (event) => {
        const step = (sight.view.reach / 128) * (event.shiftKey ? 8 : 1);
        const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[
          event.key
        ];
        if (!by) return;
        event.preventDefault();
        event.stopPropagation();
        move([at()[0] + by[0], at()[1] + by[1]], false, true);
      },
    };
  }

  function placeHandles() {
    const corners = (row) => HANDLES.slice(1, 5).map((corner) => screen(place(row, corner)));
    const outline = (row) =>
      corners(row)
        .map((corner) => corner.join())
        .join(" ");
    const lowerEdge = (row) => {
      const [[x1, y1], [x2, y2]] = corners(row);
      return { x1, y1, x2, y2 };
    };
    const unmoved = [1, 0, 0, 1, 0, 0];
    const [x0, y0] = screen([0, 0]);
    axes.replaceChildren(
      h("svg:line", { x1: 0, x2: PLANE, y1: y0, y2: y0 }),
      h("svg:line", { y1: 0, y2: PLANE, x1: x0, x2: x0 }),
      h("svg:polygon", { points: outline(unmoved), class: "ofdb-square" }),
      h("svg:line", { ...lowerEdge(unmoved), stroke: "#e5484d", "stroke-width": 2, "stroke-dasharray": "5 5" }),
    );
    edited.rows.forEach((row, map) => {
      const { body, edge, name } = shapes[map];
      const [x, y] = screen([row[4], row[5]]);
      assign(body, { points: outline(row) });
      body.classList.toggle("ofdb-selected", map === edited.selected);
      assign(edge, lowerEdge(row));
      assign(name, { x, y });
    });
    handles.forEach((knob, handle) => {
      if (!handle) return;
      const [cx, cy] = screen(place(edited.rows[edited.selected], HANDLES[handle]));
      assign(knob, { cx, cy, fill: colourOf(edited.selected) });
    });
  }

  const element = h(
    "div",
    { class: "ofdb-plane" },
    points.canvas,
    overlay,
    h(
      "div",
      { class: "ofdb-zoom" },
      button("+", "come nearer", () => sight.zoom(0.8)),
      button("−", "go farther away", () => sight.zoom(1.25)),
      button("fit", "show all of it", sight.fit),
    ),
  );
  return {
    element,
    draw: points.draw,
    placeHandles,
    rebuild,
    fit: sight.fit,
    get reach() {
      return sight.view.reach;
    },
  };
}
