// The camera of ofdb_core.formulas.camera, operation by operation in float32 (Math.fround), for equal pixels.
//
// No OpenGL is needed. Rows of a matrix are arrays; angles are in radians, as for camera.rotation.

import { put } from "./canvas.js";

const f = Math.fround;
const degree = Math.PI / 180;
const DISTANCE = 4;
const ZOOM = f(1 / f(Math.tan(f(f(45 * degree) / 2))));
const DEPTH = f(-101 / 99);
const DEPTH_AT_0 = f(-200 / 99);
const dot = (a, b) => f(f(f(a[0] * b[0]) + f(a[1] * b[1])) + f(a[2] * b[2]));
const cross = (a, b) =>
  [0, 1, 2].map((i) => {
    const j = (i + 1) % 3;
    const k = (i + 2) % 3;
    return f(f(a[j] * b[k]) - f(b[j] * a[k]));
  });

/** The columns of the matrix Ry(a) Rz(b) Ry(c) of one to three angles. */
export function rotation(angles) {
  let columns = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  angles.forEach((angle, axis) => {
    const [c, s] = [f(Math.cos(f(angle))), f(Math.sin(f(angle)))];
    const same = f(c + f(1 - c));
    const [x, y, z] = columns;
    const mixed = (u, p, v, q) => u.map((_, i) => f(f(u[i] * p) + f(v[i] * q)));
    const scaled = (u) => u.map((value) => f(value * same));
    columns =
      axis % 2
        ? [mixed(x, c, y, s), mixed(y, c, x, -s), scaled(z)]
        : [mixed(x, c, z, -s), scaled(y), mixed(x, s, z, c)];
  });
  return columns;
}

/** World to camera: three rows of four, right, up and back, of a camera on -x that the rotation moves. */
function lookAt([first, second]) {
  const far = first.map((value) => f(value * DISTANCE));
  const eye = far.map((value) => -value);
  const unit = (v) => ((length) => v.map((value) => f(value * length)))(f(1 / f(Math.sqrt(dot(v, v)))));
  const ahead = unit(far);
  const right = unit(cross(ahead, second));
  return [right, cross(right, ahead), ahead.map((value) => -value)].map((row) => [...row, -dot(row, eye)]);
}

/** Call each(row, column, distance) for every point (x, y, z in turn, float32) that the camera sees in size x size pixels. */
function project(points, columns, size, side, each) {
  const [[a, b, c, d], [e, g, h, i], [k, l, m, n]] = lookAt(columns);
  const middle = size / 2;
  const rounding = side % 2 ? 0 : 128;
  for (let at = 0; at < points.length; at += 3) {
    const x = points[at];
    const y = points[at + 1];
    const z = points[at + 2];
    const right = f(f(f(f(f(a * x) + f(b * y)) + f(c * z)) + d) * ZOOM);
    const up = f(f(f(f(f(e * x) + f(g * y)) + f(h * z)) + i) * ZOOM);
    const back = f(f(f(f(k * x) + f(l * y)) + f(m * z)) + n);
    const ahead = -back;
    const depth = f(f(back * DEPTH) + DEPTH_AT_0);
    if (!(Math.abs(right) <= ahead && Math.abs(up) <= ahead && Math.abs(depth) <= ahead)) continue;
    const share = f(1 / ahead);
    const column = f(f(right * share) * middle + middle);
    const row = f(f(up * share) * middle + middle);
    each(
      (Math.trunc(f(f(256 * row) + 0.5)) + rounding) >> 8,
      (Math.trunc(f(f(256 * column) + 0.5)) + rounding) >> 8,
      ahead,
    );
  }
}

/** The view (size * size) of 0 and 1, row by row, as from camera.render; angles in radians. */
export function view(points, angles, size = 224, side = 1) {
  const image = new Uint8Array(size * size);
  const before = side >> 1;
  project(points, rotation(angles), size, side, (row, column) => {
    for (let y = Math.max(0, row - before); y < Math.min(size, row - before + side); y++)
      for (let x = Math.max(0, column - before); x < Math.min(size, column - before + side); x++)
        image[y * size + x] = 1;
  });
  return image;
}

/** Draw the model on a canvas: brightness is depth, and nearer points cover farther ones. */
export function paintModel(canvas, points, angles) {
  const size = canvas.width;
  const data = new Uint32Array(size * size).fill(0xff1a1410);
  const near = new Float32Array(size * size).fill(Infinity);
  project(points, rotation(angles), size, 2, (row, column, distance) => {
    const light = Math.min(1, Math.max(0.18, (5.1 - distance) / 2));
    const colour =
      (0xff000000 | ((90 + 165 * light) << 16) | ((60 + 160 * light) << 8) | (30 + 110 * light * light)) >>> 0;
    for (const place of [
      row * size + column,
      row * size + column - 1,
      (row - 1) * size + column,
      (row - 1) * size + column - 1,
    ])
      if (place >= 0 && place < data.length && distance < near[place])
        ((near[place] = distance), (data[place] = colour));
  });
  put(canvas, data);
}

/** Draw a view, the result of `view`, on a canvas. */
export const paintView = (canvas, image) =>
  put(
    canvas,
    Uint32Array.from(image, (lit) => (lit ? 0xffffffff : 0xff000000)),
  );
