// The visible part of the plane: moved with the pointer, zoomed with the wheel or by buttons.

import { choose, isFinite, orbit } from "./chaos_game.js";
import { HANDLES, place } from "./maps.js";
import { numbers } from "./streams.js";

const FAR = 50; // points farther out are not shown at first

/**
 * The visible part of an `Edited` system on `overlay`, an SVG of `side` pixels each side; schedule() asks for a drawing.
 * Returns {screen(place), at(pointer event), fit(), zoom(factor), view}: view is {x, y, reach}, the middle and half a side.
 */
export function sightOf(overlay, side, edited, schedule) {
  const half = side / 2;
  let view = { x: 0, y: 0, reach: 1 };
  /** @type {[number, number] | null} where the pointer was, while it moves the plane */
  let from = null;

  /** @type {(place: number[]) => number[]} */
  const screen = ([x, y]) => [((x - view.x) / view.reach + 1) * half, (1 - (y - view.y) / view.reach) * half];
  const at = (event) => {
    const box = overlay.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * side;
    const y = ((event.clientY - box.top) / box.height) * side;
    return [view.x + (x / half - 1) * view.reach, view.y + (1 - y / half) * view.reach];
  };
  const show = (next) => {
    view = next;
    schedule();
  };

  function fit() {
    const { rows } = edited;
    const corners = rows.flatMap((row) => HANDLES.slice(1, 5).map((corner) => place(row, corner)));
    const drawn = orbit(rows, choose(rows, numbers("random", 100, 2000)));
    if (isFinite(drawn)) for (let i = 100; i < 2000; i += 10) corners.push([drawn.x[i], drawn.y[i]]);
    const all = [...corners, [-1, -1], [1, 1]].filter(([x, y]) => Math.abs(x) < FAR && Math.abs(y) < FAR);
    const [x, y] = [0, 1].map((axis) => {
      const values = all.map((place) => place[axis]);
      return { low: Math.min(...values), high: Math.max(...values) };
    });
    const reach = 0.56 * Math.max(x.high - x.low, y.high - y.low);
    show({ x: (x.low + x.high) / 2, y: (y.low + y.high) / 2, reach });
  }

  const zoom = (factor) => show({ ...view, reach: Math.min(100, Math.max(0.01, view.reach * factor)) });
  overlay.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey && !overlay.contains(document.activeElement)) return;
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.1 : 1 / 1.1);
    },
    { passive: false },
  );

  overlay.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    overlay.setPointerCapture(event.pointerId);
    from = [event.clientX, event.clientY];
  });
  overlay.addEventListener("pointermove", (event) => {
    if (!from || edited.held) return;
    const unit = (2 * view.reach) / overlay.getBoundingClientRect().width;
    const [right, down] = [event.clientX - from[0], event.clientY - from[1]];
    from = [event.clientX, event.clientY];
    show({ ...view, x: view.x - right * unit, y: view.y + down * unit });
  });
  for (const end of ["pointerup", "pointercancel"]) overlay.addEventListener(end, () => (from = null));

  return {
    screen,
    at,
    fit,
    zoom,
    get view() {
      return view;
    },
  };
}
