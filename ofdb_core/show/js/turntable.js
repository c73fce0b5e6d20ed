// A model of points, to turn with the mouse, and beside it the exact view that training sees from there.
//
// The camera is that of ofdb_core.formulas.camera, operation by operation in float32 (Math.fround), so that the view has
// its pixels. No OpenGL is needed. Rows of a matrix are arrays; angles are in radians, as for camera.rotation.

import { h } from "./elements.js";

const f = Math.fround, degree = Math.PI / 180;
const DISTANCE = 4, ZOOM = f(1 / f(Math.tan(f(f(45 * degree) / 2)))), DEPTH = f(-101 / 99), DEPTH_AT_0 = f(-200 / 99);
const dot = (a, b) => f(f(f(a[0] * b[0]) + f(a[1] * b[1])) + f(a[2] * b[2]));
const cross = (a, b) => [0, 1, 2].map((i) => {
  const j = (i + 1) % 3, k = (i + 2) % 3;
  return f(f(a[j] * b[k]) - f(b[j] * a[k]));
});

/** The columns of the matrix Ry(a) Rz(b) Ry(c) of one to three angles. */
export function rotation(angles) {
  let columns = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  angles.forEach((angle, axis) => {
    const [c, s] = [f(Math.cos(f(angle))), f(Math.sin(f(angle)))], same = f(c + f(1 - c)), [x, y, z] = columns;
    const mixed = (u, p, v, q) => u.map((_, i) => f(f(u[i] * p) + f(v[i] * q))), scaled = (u) => u.map((value) => f(value * same));
    columns = axis % 2 ? [mixed(x, c, y, s), mixed(y, c, x, -s), scaled(z)] : [mixed(x, c, z, -s), scaled(y), mixed(x, s, z, c)];
  });
  return columns;
}

/** World to camera: three rows of four, right, up and back, of a camera on -x that the rotation has carried with it. */
function lookAt([first, second]) {
  const far = first.map((value) => f(value * DISTANCE)), eye = far.map((value) => -value);
  const unit = (v) => ((length) => v.map((value) => f(value * length)))(f(1 / f(Math.sqrt(dot(v, v)))));
  const ahead = unit(far), right = unit(cross(ahead, second));
  return [right, cross(right, ahead), ahead.map((value) => -value)].map((row) => [...row, -dot(row, eye)]);
}

/** Call each(row, column, distance) for every point (x, y, z in turn, float32) that the camera sees in size x size pixels. */
function project(points, columns, size, side, each) {
  const [[a, b, c, d], [e, g, h, i], [k, l, m, n]] = lookAt(columns), middle = size / 2, rounding = side % 2 ? 0 : 128;
  for (let at = 0; at < points.length; at += 3) {
    const x = points[at], y = points[at + 1], z = points[at + 2];
    const right = f(f(f(f(f(a * x) + f(b * y)) + f(c * z)) + d) * ZOOM), up = f(f(f(f(f(e * x) + f(g * y)) + f(h * z)) + i) * ZOOM);
    const back = f(f(f(f(k * x) + f(l * y)) + f(m * z)) + n), ahead = -back, depth = f(f(back * DEPTH) + DEPTH_AT_0);
    if (!(Math.abs(right) <= ahead && Math.abs(up) <= ahead && Math.abs(depth) <= ahead)) continue;
    const share = f(1 / ahead), column = f(f(right * share) * middle + middle), row = f(f(up * share) * middle + middle);
    each((Math.trunc(f(f(256 * row) + 0.5)) + rounding) >> 8, (Math.trunc(f(f(256 * column) + 0.5)) + rounding) >> 8, ahead);
  }
}

/** The view (size * size) of 0 and 1, row by row, as camera.render makes it; angles in radians. */
export function view(points, angles, size = 224, side = 1) {
  const image = new Uint8Array(size * size), before = side >> 1;
  project(points, rotation(angles), size, side, (row, column) => {
    for (let y = Math.max(0, row - before); y < Math.min(size, row - before + side); y++)
      for (let x = Math.max(0, column - before); x < Math.min(size, column - before + side); x++) image[y * size + x] = 1;
  });
  return image;
}

/** The model with depth as light, nearer points over farther ones, on a canvas. */
function paintModel(canvas, points, angles) {
  const size = canvas.width, data = new Uint32Array(size * size).fill(0xff1a1410), near = new Float32Array(size * size).fill(Infinity);
  project(points, rotation(angles), size, 2, (row, column, distance) => {
    const light = Math.min(1, Math.max(0.18, (5.1 - distance) / 2));
    const colour = (0xff000000 | ((90 + 165 * light) << 16) | ((60 + 160 * light) << 8) | (30 + 110 * light * light)) >>> 0;
    for (const place of [row * size + column, row * size + column - 1, (row - 1) * size + column, (row - 1) * size + column - 1])
      if (place >= 0 && place < data.length && distance < near[place]) (near[place] = distance), (data[place] = colour);
  });
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data.buffer), size, size), 0, 0);
}

function paintView(canvas, image) {
  const size = Math.sqrt(image.length), data = Uint32Array.from(image, (lit) => (lit ? 0xffffffff : 0xff000000));
  canvas.width = canvas.height = size;
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data.buffer), size, size), 0, 0);
}

/**
 * The turntable inside an element. options: points (Float32Array, x, y, z in turn), angles (three, radians), pointSize,
 * changed(angles, pointSize). Returns {angles, turn(angles, pointSize), remove()}.
 */
export function mount(root, options) {
  const points = options.points;
  let angles = [...(options.angles ?? [0, 0, 0])], side = options.pointSize ?? 1, frame = 0, from = null;
  const model = h("canvas", { width: 448, height: 448, tabindex: 0, role: "application", class: "ofdb-turn",
    title: "drag to turn the model; the arrow keys do it, too", "aria-label": "The model: drag it or press arrow keys to turn it" });
  const seen = h("canvas", { role: "img", "aria-label": "The view that training sees", "data-ofdb": "view" });
  const dials = ["1, about Y (°)", "2, about Z (°)", "3, about Y (°)"].map((name, i) =>
    h("input", { type: "range", min: -180, max: 180, step: 1, "aria-label": name, title: `the camera's turn ${name}`,
      oninput: () => set(angles.with(i, dials[i].valueAsNumber * degree)) }));
  const pixels = h("select", { "aria-label": "Size of a point", title: "how many pixels a point has in the view, each side",
    onchange: () => ((side = Number(pixels.value)), set(angles)) }, ...[1, 2, 3].map((n) => h("option", { value: n }, `${n} px`)));
  const words = dials.map(() => h("output"));

  function draw() {
    frame = 0;
    paintModel(model, points, angles);
    paintView(seen, view(points, angles, 224, side));
    dials.forEach((dial, i) => {
      dial.value = angles[i] / degree;
      words[i].textContent = `${Math.round(angles[i] / degree)}°`;
    });
    pixels.value = side;
  }
  function set(next, tell = true) {
    angles = next.map((angle) => Math.atan2(Math.sin(angle), Math.cos(angle)));
    frame ||= requestAnimationFrame(draw);
    if (tell) options.changed?.(angles, side);
  }
  const turn = (right, down) => set([angles[0] + right * degree, angles[1] + down * degree, angles[2]]);
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
  root.replaceChildren(h("div", { class: "ofdb-explorer" },
    h("div", { class: "ofdb-stage" },
      h("figure", {}, model, h("figcaption", {}, `${(points.length / 3).toLocaleString("en")} points: drag to turn them.`)),
      h("figure", { class: "ofdb-narrow" }, seen, h("figcaption", {}, "What training sees from there: 224 × 224 pixels."),
        ...dials.map((dial, i) => h("label", { class: "ofdb-dial" }, h("span", {}, dial.ariaLabel), dial, words[i])),
        h("label", { class: "ofdb-dial" }, h("span", {}, "a point has"), pixels)))));
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
  const bytes = model.get("points"), data = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
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
