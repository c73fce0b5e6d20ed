// The raster of an orbit, as in ofdb_core.formulas.raster: the same float64 operations in the same order.

import { colours, put } from "./canvas.js";

export const SIDE = 512; // pixels of the picture whose filling rate the search looks at, each side
const PAD = 6;
const GRAY = 127;
const HUES = 128;
const BEFORE_NAN = 100;

function dropNaN({ x, y }) {
  for (const axis of ["x", "y"]) {
    const values = { x, y }[axis];
    const first = values.findIndex(Number.isNaN);
    if (first < 0) continue;
    const kept = (_, i) => !Number.isNaN(values[i]) && !(i >= first - BEFORE_NAN && i < first);
    [x, y] = [x.filter(kept), y.filter(kept)];
  }
  return { x, y };
}

/** Lowest and highest of the first n values; NaN if one of them is NaN. */
function extent(values, n) {
  let low = values[0];
  let high = values[0];
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const value = values[i];
    if (value < low) low = value;
    if (value > high) high = value;
    if (value !== value) sum = NaN;
  }
  return [low + sum, high + sum];
}

/** The points without NaN, and {shift, span} of each axis, by which they are stretched to the picture. */
function fit(points, n) {
  let [x, y] = [extent(points.x, n), extent(points.y, n)];
  if (Number.isNaN(x[0]) || Number.isNaN(y[0])) {
    points = dropNaN({ x: points.x.slice(0, n), y: points.y.slice(0, n) });
    n = points.x.length;
    [x, y] = n
      ? [extent(points.x, n), extent(points.y, n)]
      : [
          [0, 1],
          [0, 1],
        ];
  }
  const scale = (/** @type {number[]} */ [low, high]) => {
    const shift = Math.min(low, 0);
    return { shift, span: high - shift - (low - shift) };
  };
  return { points, n, x: scale(x), y: scale(y) };
}

const pixel = (value, { shift, span }, inner) => {
  const place = ((value - shift) / span) * inner + PAD;
  return place >= 0 && place < 65536 ? place | 0 : 0;
};

/** The picture of an orbit, size x size palette indices, first row on top; kind: point_gray and so on, masks: patches. */
export function draw(points, kind, size, masks, n = points.x.length) {
  if (!(size >= 2 * PAD + 1 && size < 65536)) throw new Error(`The picture has ${size} pixels a side; at least 13.`);
  const image = new Uint8Array(size * size);
  const fitted = fit(points, n);
  const inner = size - 2 * PAD;
  const { x: xs, y: ys } = fitted.points;
  const { x: ofX, y: ofY } = fitted;
  const hues = kind.endsWith("gray") ? 1 : HUES;
  if (kind.startsWith("point")) {
    for (let i = 0; i < fitted.n; i++) {
      const x = pixel(xs[i], ofX, inner);
      const y = pixel(ys[i], ofY, inner);
      if (x < size && y < size) image[(size - 1 - y) * size + x] = 1 + (i % hues);
    }
    return image;
  }
  for (let i = 0; i < fitted.n; i++) {
    const x = pixel(xs[i], ofX, inner) + 1;
    const y = pixel(ys[i], ofY, inner) + 1;
    const mask = masks[i];
    const colour = 1 + (i % hues);
    if (x > size || y > size) continue;
    const rows = Math.min(3, size - y);
    const columns = Math.min(3, size - x);
    for (let row = 0, at = (size - 1 - y) * size + x; row < rows; row++, at -= size)
      for (let column = 0; column < columns; column++)
        image[at + column] = mask & (256 >> (3 * row + column)) ? colour : 0;
  }
  return image;
}

/** The share of the pixels of a picture that the first n points light as dots. */
export function fillingRate(points, n = points.x.length, size = SIDE) {
  const seen = new Uint8Array(size * size);
  const fitted = fit(points, n);
  const inner = size - 2 * PAD;
  const { x: xs, y: ys } = fitted.points;
  const { x: ofX, y: ofY } = fitted;
  let lit = 0;
  for (let i = 0; i < fitted.n; i++) {
    const x = pixel(xs[i], ofX, inner);
    const y = pixel(ys[i], ofY, inner);
    if (x >= size || y >= size) continue;
    lit += 1 - seen[y * size + x];
    seen[y * size + x] = 1;
  }
  return lit / (size * size);
}

/** The colours [r, g, b] of the indices of a picture, black first. */
export function palette(kind) {
  if (kind.endsWith("gray"))
    return [
      [0, 0, 0],
      [GRAY, GRAY, GRAY],
    ];
  const hues = Array.from({ length: HUES }, (_, i) => {
    const sector = (3 / Math.PI) * (2 * Math.PI * (i / HUES));
    const rest = sector - Math.floor(sector);
    const v = 0.75;
    const p = v * 0.25;
    const q = v * (1 - 0.75 * rest);
    const t = v * (1 - 0.75 * (1 - rest));
    const order = [
      [p, t, v],
      [p, v, q],
      [t, v, p],
      [v, q, p],
      [v, p, t],
      [q, p, v],
    ][Math.floor(sector)];
    return order.map((channel) => Math.trunc(channel * 255));
  });
  return [[0, 0, 0], ...hues];
}

/** Show a picture of palette indices on a canvas, which is resized to it. */
export function paint(canvas, image, kind) {
  const table = colours(palette(kind));
  const words = new Uint32Array(image.length);
  for (let i = 0; i < image.length; i++) words[i] = table[image[i]];
  put(canvas, words);
}
