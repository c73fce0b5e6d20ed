// A model of points, to turn with the mouse, and beside it the exact view that training sees.

import { paintModel, paintView, view } from "./camera.js";
import { h } from "./elements.js";

const DEGREE = Math.PI / 180;

/**
 * The turntable inside an element. options: points (Float32Array, x, y, z in turn), angles (three, radians), pointSize,
 * changed(angles, pointSize). Returns {angles, turn(angles, pointSize), remove()}.
 */
export function mount(root, options) {
  const points = options.points;
  let angles = [...(options.angles ?? [0, 0, 0])];
  let side = options.pointSize ?? 1;
  let frame = 0;
  /** @type {[number, number] | null} where the pointer was, while it turns the model */
  let from = null;
  const model = h("canvas", {
    width: 448,
    height: 448,
    tabindex: 0,
    role: "application",
    class: "ofdb-turn",
    title: "drag to turn the model; the arrow keys do it, too",
    "aria-label": "The model: drag it or press arrow keys to turn it",
  });
  const seen = h("canvas", { role: "img", "aria-label": "The view that training sees", "data-ofdb": "view" });
  const turns = ["1, about Y (°)", "2, about Z (°)", "3, about Y (°)"];
  const dials = turns.map((name, i) =>
    h("input", {
      type: "range",
      min: -180,
      max: 180,
      step: 1,
      "aria-label": name,
      title: `the camera's turn ${name}`,
      oninput: () => set(angles.with(i, dials[i].valueAsNumber * DEGREE)),
    }),
  );
  const pixels = h(
    "select",
    {
      "aria-label": "Size of a point",
      title: "how many pixels a point has in the view, each side",
      onchange: () => ((side = Number(pixels.value)), set(angles)),
    },
    ...[1, 2, 3].map((n) => h("option", { value: n }, `${n} px`)),
  );
  const words = dials.map(() => h("output"));

  function draw() {
    frame = 0;
    paintModel(model, points, angles);
    paintView(seen, view(points, angles, 224, side));
    dials.forEach((dial, i) => {
      dial.valueAsNumber = angles[i] / DEGREE;
      words[i].textContent = `${Math.round(angles[i] / DEGREE)}°`;
    });
    pixels.value = side;
  }
  function set(next, tell = true) {
    angles = next.map((angle) => Math.atan2(Math.sin(angle), Math.cos(angle)));
    frame ||= requestAnimationFrame(draw);
    if (tell) options.changed?.(angles, side);
  }
  const turn = (right, down) => set([angles[0] + right * DEGREE, angles[1] + down * DEGREE, angles[2]]);
  model.addEventListener("pointerdown", (event) => {
    model.setPointerCapture(event.pointerId);
    from = [event.clientX, event.clientY];
  });
  model.addEventListener("pointermove", (event) => {
    if (!from) return;
    turn((event.clientX - from[0]) / 2, (event.clientY - from[1]) / 2);
    from = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) model.addEventListener(end, () => (from = null));
  model.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    turn(...by);
  });
  root.replaceChildren(
    h(
      "div",
      { class: "ofdb-explorer" },
      h(
        "div",
        { class: "ofdb-stage" },
        h(
          "figure",
          {},
          model,
          h("figcaption", {}, `${(points.length / 3).toLocaleString("en")} points: drag to turn them.`),
        ),
        h(
          "figure",
          { class: "ofdb-narrow" },
          seen,
          h("figcaption", {}, "What training sees from there: 224 × 224 pixels."),
          ...dials.map((dial, i) => h("label", { class: "ofdb-dial" }, h("span", {}, turns[i]), dial, words[i])),
          h("label", { class: "ofdb-dial" }, h("span", {}, "a point has"), pixels),
        ),
      ),
    ),
  );
  draw();
  return {
    get angles() {
      return angles;
    },
    turn: (next, size) => ((side = size ?? side), set(next, false)),
    remove: () => (cancelAnimationFrame(frame), root.replaceChildren()),
  };
}

/** The widget's view in a notebook. */
function render({ model, el }) {
  const bytes = model.get("points");
  const data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  let sending = 0;
  const table = mount(el, {
    points: new Float32Array(data),
    angles: model.get("angles"),
    pointSize: model.get("point_size"),
    changed: (angles, side) => {
      model.set("angles", angles);
      model.set("point_size", side);
      sending ||= setTimeout(() => ((sending = 0), model.save_changes()), 50);
    },
  });
  const received = () => sending || table.turn(model.get("angles"), model.get("point_size"));
  model.on("change:angles change:point_size", received);
  return () => {
    model.off("change:angles change:point_size", received);
    table.remove();
  };
}

export default { render };
