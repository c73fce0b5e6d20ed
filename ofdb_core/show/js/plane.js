// The plane: the points where they are, true to scale, and on them the maps, to drag.

import { choose, colours, isFinite, orbit } from "./chaos_game.js";
import { button, h } from "./elements.js";
import { CALLED, colourOf, DOES, HANDLES, MAP_COLOURS, place, pulled } from "./maps.js";
import { numbers } from "./streams.js";

const PLANE = 512; // pixels, each side

/**
 * The plane of an `Edited` system; schedule() asks for a drawing.
 * Returns {element, draw(points, choices, n, stepping), placeHandles(), rebuild() for other maps, fit(), reach}, half a side.
 */
export function planeOf(edited, schedule) {
  const canvas = h("canvas", { width: PLANE, height: PLANE, "aria-hidden": "true" });
  const overlay = h("svg:svg", { viewBox: `0 0 ${PLANE} ${PLANE}`, role: "group", "aria-label": "The maps of the system, to drag" });
  const axes = h("svg:g", { class: "ofdb-axes" }), steps = h("svg:g", {}), bodies = h("svg:g", {}), knobs = h("svg:g", {});
  overlay.append(axes, steps, bodies, knobs);
  const data = new Uint32Array(PLANE * PLANE), table = colours(MAP_COLOURS);
  let view = null, shapes = [], handles = [], pan = null;

  // ------------------------------------------------------------------ what is in sight

  const screen = ([x, y]) => [((x - view.x) / view.reach + 1) * (PLANE / 2), (1 - (y - view.y) / view.reach) * (PLANE / 2)];
  const world = ([x, y]) => [view.x + (x / (PLANE / 2) - 1) * view.reach, view.y + (1 - y / (PLANE / 2)) * view.reach];
  const pointer = (event) => {
    const box = overlay.getBoundingClientRect();
    return world([((event.clientX - box.left) / box.width) * PLANE, ((event.clientY - box.top) / box.height) * PLANE]);
  };

  function fit() {
    const { rows } = edited, corners = rows.flatMap((row) => HANDLES.slice(1, 5).map((corner) => place(row, corner)));
    const drawn = orbit(rows, choose(rows, numbers("random", 100, 2000)));
    if (isFinite(drawn)) for (let i = 100; i < 2000; i += 10) corners.push([drawn.x[i], drawn.y[i]]);
    const all = [...corners, [-1, -1], [1, 1]].filter(([x, y]) => Math.abs(x) < 50 && Math.abs(y) < 50);
    const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)], middle = (of) => (Math.min(...of) + Math.max(...of)) / 2;
    const reach = 0.56 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    view = { x: middle(xs), y: middle(ys), reach };
    schedule();
  }

  const zoom = (factor) => {
    view = { ...view, reach: Math.min(100, Math.max(0.01, view.reach * factor)) };
    schedule();
  };
  overlay.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !overlay.contains(document.activeElement)) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.1 : 1 / 1.1);
  }, { passive: false });

  overlay.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    overlay.setPointerCapture(event.pointerId);
    pan = [event.clientX, event.clientY];
  });
  overlay.addEventListener("pointermove", (event) => {
    if (!pan || edited.held) return;
    const unit = (2 * view.reach) / overlay.getBoundingClientRect().width;
    view = { ...view, x: view.x - (event.clientX - pan[0]) * unit, y: view.y + (event.clientY - pan[1]) * unit };
    pan = [event.clientX, event.clientY];
    schedule();
  });
  for (const end of ["pointerup", "pointercancel"]) overlay.addEventListener(end, () => (pan = null));

  // ------------------------------------------------------------------ the points

  /** The first n points, each in the colour of the map that made it; stepping: with the last steps of the chaos game. */
  function draw({ x, y }, choices, n, stepping) {
    const scale = PLANE / 2 / view.reach;
    data.fill(0);
    for (let i = 1; i < n; i++) {
      const column = ((x[i] - view.x) * scale + PLANE / 2) | 0, line = (PLANE / 2 - (y[i] - view.y) * scale) | 0;
      if (column > 0 && column < PLANE && line > 0 && line < PLANE) data[line * PLANE + column] = table[choices[i - 1] & 7];
    }
    canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data.buffer), PLANE, PLANE), 0, 0);
    steps.replaceChildren();
    if (!stepping) return;
    for (let i = Math.max(1, n - 8); i < n; i++)
      steps.append(line([x[i - 1], y[i - 1]], [x[i], y[i]], colourOf(choices[i - 1]), (i - n + 9) / 9));
    const at = screen([x[n - 1], y[n - 1]]);
    steps.append(h("svg:circle", { cx: at[0], cy: at[1], r: 5, class: "ofdb-now" }));
  }
  const line = (from, to, stroke, opacity, dashes = "none") => {
    const [[x1, y1], [x2, y2]] = [screen(from), screen(to)];
    return h("svg:line", { x1, y1, x2, y2, stroke, opacity, "stroke-width": 2, "stroke-dasharray": dashes });
  };

  // ------------------------------------------------------------------ the maps and their handles

  function rebuild() {
    view ?? fit();
    bodies.replaceChildren();
    knobs.replaceChildren();
    shapes = edited.rows.map((_, map) => {
      const body = h("svg:polygon", { class: "ofdb-map", ...grips(map, 0), stroke: colourOf(map), fill: colourOf(map) });
      const edge = h("svg:line", { class: "ofdb-edge" }), name = h("svg:text", { class: "ofdb-name", fill: colourOf(map) }, String(map));
      bodies.append(body, edge, name);
      return { body, edge, name };
    });
    handles = HANDLES.map((_, handle) =>
      handle && h("svg:circle", { r: handle < 5 ? 7 : 5.5, class: handle < 5 ? "ofdb-corner" : "ofdb-side", ...grips(null, handle) }));
    knobs.append(...handles.slice(1));
    schedule();
  }

  /** What a handle listens to and says of itself; map: null for the one that is selected. */
  function grips(map, handle) {
    const which = () => map ?? edited.selected, at = () => place(edited.rows[which()], HANDLES[handle]);
    const move = (to, turnOnly, keep) => edited.changeMap((row) => pulled(row, handle, to, turnOnly), which(), { keep });
    let offset = [0, 0];
    return {
      tabindex: 0, role: "button", "data-handle": handle, "data-map": map ?? "selected",
      "aria-label": `${map === null ? "" : `map ${map}, `}${CALLED[handle]}: ${DOES[handle]}; arrow keys move it`,
      onfocus: () => map !== null && edited.select(map),
      onpointerdown: (event) => {
        event.preventDefault();
        event.stopPropagation();
        if (event.button) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        event.currentTarget.focus({ preventScroll: true });
        const [x, y] = pointer(event);
        offset = [at()[0] - x, at()[1] - y];
        edited.held = true;
      },
      onpointermove: (event) => {
        if (!edited.held || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
        const [x, y] = pointer(event);
        move([x + offset[0], y + offset[1]], event.shiftKey, false);
      },
      onpointerup: () => edited.settle(),
      onpointercancel: () => edited.settle(),
      onkeydown: (event) => {
        const step = (view.reach / 128) * (event.shiftKey ? 8 : 1);
        const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
        if (!by) return;
        event.preventDefault();
        event.stopPropagation();
        move([at()[0] + by[0], at()[1] + by[1]], false, true);
      },
    };
  }

  function placeHandles() {
    const corners = (row) => HANDLES.slice(1, 5).map((corner) => screen(place(row, corner)));
    const square = corners([1, 0, 0, 1, 0, 0]).map((at) => at.join()).join(" "), [x0, y0] = screen([0, 0]);
    axes.replaceChildren(
      h("svg:line", { x1: 0, x2: PLANE, y1: y0, y2: y0 }), h("svg:line", { y1: 0, y2: PLANE, x1: x0, x2: x0 }),
      h("svg:polygon", { points: square, class: "ofdb-square" }), line([-1, -1], [1, -1], "#e5484d", 1, "5 5"));
    edited.rows.forEach((row, map) => {
      const at = corners(row), { body, edge, name } = shapes[map], [x, y] = screen([row[4], row[5]]);
      body.setAttribute("points", at.map((corner) => corner.join()).join(" "));
      body.classList.toggle("ofdb-selected", map === edited.selected);
      [["x1", at[0][0]], ["y1", at[0][1]], ["x2", at[1][0]], ["y2", at[1][1]]].forEach(([key, value]) => edge.setAttribute(key, value));
      name.setAttribute("x", x);
      name.setAttribute("y", y);
    });
    handles.forEach((knob, handle) => {
      if (!handle) return;
      const [x, y] = screen(place(edited.rows[edited.selected], HANDLES[handle]));
      knob.setAttribute("cx", x);
      knob.setAttribute("cy", y);
      knob.setAttribute("fill", colourOf(edited.selected));
    });
  }

  const element = h("div", { class: "ofdb-plane" }, canvas, overlay, h("div", { class: "ofdb-zoom" },
    button("+", "come nearer", () => zoom(0.8)), button("−", "go farther away", () => zoom(1.25)), button("fit", "show all of it", fit)));
  return {
    element, draw, placeHandles, rebuild, fit,
    get reach() {
      return view.reach;
    },
  };
}
