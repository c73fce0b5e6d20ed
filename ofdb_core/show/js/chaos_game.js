// The chaos game and its raster: those of ofdb_core.formulas, in the same order of the same float64 operations, so that a
// picture has the same pixels.

import { sample, weighted } from "./ifs.js";
import { numbers } from "./streams.js";

export const SIDE = 512, PAD = 6, GRAY = 127, HUES = 128, JUDGED = 100000, ACCEPTED = 0.2;
const BEFORE_NAN = 100;

/** For each random number the first map whose summed probability it does not exceed; the number of maps where none is. */
export function choose(rows, u, out = new Uint8Array(u.length)) {
  let sum = 0;
  const limits = Float64Array.from(rows, (row) => (sum += row[6])), k = limits.length, n = u.length;
  const first = new Uint8Array(1024); // the first map that any number of a 1,024th part of 0..1 can choose
  for (let part = 0, j = 0; part < 1024; part++) {
    while (j < k && !(part / 1024 <= limits[j])) j++;
    first[part] = j;
  }
  for (let i = 0; i < n; i++) {
    let j = first[(u[i] * 1024) | 0];
    while (j < k && !(u[i] <= limits[j])) j++;
    out[i] = j;
  }
  return out;
}

/** The orbit {x, y} of n points under n choices, of which the last is unused; the origin first. */
export function orbit(rows, choices, out = {}) {
  const n = choices.length, k = rows.length, m = Float64Array.from(rows.flatMap((row) => row.slice(0, 6)));
  if (out.x?.length !== n) (out.x = new Float64Array(n)), (out.y = new Float64Array(n));
  const { x: xs, y: ys } = out;
  let x = 0, y = 0;
  xs[0] = ys[0] = 0;
  for (let i = 1; i < n; i++) {
    if (choices[i - 1] < k) {
      const at = 6 * choices[i - 1], before = x;
      x = x * m[at] + y * m[at + 1] + m[at + 4];
      y = before * m[at + 2] + y * m[at + 3] + m[at + 5];
    }
    xs[i] = x;
    ys[i] = y;
  }
  return out;
}

/** Whether every point is finite: one that runs off stays so. */
export const isFinite = ({ x, y }) => Number.isFinite(x[x.length - 1]) && Number.isFinite(y[y.length - 1]);

function dropNaN({ x, y }) {
  for (const axis of ["x", "y"]) {
    const values = { x, y }[axis], first = values.findIndex(Number.isNaN);
    if (first < 0) continue;
    const kept = (_, i) => !Number.isNaN(values[i]) && !(i >= first - BEFORE_NAN && i < first);
    [x, y] = [x.filter(kept), y.filter(kept)];
  }
  return { x, y };
}

/** Lowest and highest of the first n values; NaN where one of them is. */
function extent(values, n) {
  let low = values[0], high = values[0], sum = 0;
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
    [x, y] = n ? [extent(points.x, n), extent(points.y, n)] : [[0, 1], [0, 1]];
  }
  const scale = ([low, high]) => {
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
  const image = new Uint8Array(size * size), fitted = fit(points, n), inner = size - 2 * PAD;
  const { x: xs, y: ys } = fitted.points, { x: ofX, y: ofY } = fitted, hues = kind.endsWith("gray") ? 1 : HUES;
  if (kind.startsWith("point")) {
    for (let i = 0; i < fitted.n; i++) {
      const x = pixel(xs[i], ofX, inner), y = pixel(ys[i], ofY, inner);
      if (x < size && y < size) image[(size - 1 - y) * size + x] = 1 + (i % hues);
    }
    return image;
  }
  for (let i = 0; i < fitted.n; i++) {
    const x = pixel(xs[i], ofX, inner) + 1, y = pixel(ys[i], ofY, inner) + 1, mask = masks[i], colour = 1 + (i % hues);
    if (x > size || y > size) continue;
    const rows = Math.min(3, size - y), columns = Math.min(3, size - x);
    for (let row = 0, at = (size - 1 - y) * size + x; row < rows; row++, at -= size)
      for (let column = 0; column < columns; column++)
        image[at + column] = mask & (256 >> (3 * row + column)) ? colour : 0;
  }
  return image;
}

/** The share of the pixels of a picture that the first n points light as dots. */
export function fillingRate(points, n = points.x.length, size = SIDE) {
  const seen = new Uint8Array(size * size), fitted = fit(points, n), inner = size - 2 * PAD;
  const { x: xs, y: ys } = fitted.points, { x: ofX, y: ofY } = fitted;
  let lit = 0;
  for (let i = 0; i < fitted.n; i++) {
    const x = pixel(xs[i], ofX, inner), y = pixel(ys[i], ofY, inner);
    if (x >= size || y >= size) continue;
    lit += 1 - seen[y * size + x];
    seen[y * size + x] = 1;
  }
  return lit / (size * size);
}

/** The colours [r, g, b] of the indices of a picture, black first. */
export function palette(kind) {
  if (kind.endsWith("gray")) return [[0, 0, 0], [GRAY, GRAY, GRAY]];
  const hues = Array.from({ length: HUES }, (_, i) => {
    const sector = (3 / Math.PI) * (2 * Math.PI * (i / HUES)), rest = sector - Math.floor(sector);
    const v = 0.75, p = v * 0.25, q = v * (1 - 0.75 * rest), t = v * (1 - 0.75 * (1 - rest));
    const order = [[p, t, v], [p, v, q], [t, v, p], [v, q, p], [v, p, t], [q, p, v]][Math.floor(sector)];
    return order.map((channel) => Math.trunc(channel * 255));
  });
  return [[0, 0, 0], ...hues];
}

/** The next system of the search's stream that fills enough, as the search judges it; null after `tries`. */
export function searched(stream, rate = ACCEPTED, tries = 1000) {
  for (let i = 0; i < tries; i++) {
    const rows = sample(stream);
    if (fillingRate(orbit(rows, choose(rows, stream.random(JUDGED)))) >= rate) return rows;
  }
  return null;
}

/** How a picture is made unless something else is said; a category's patches belong to (seed, category). */
export const USUAL = { draw: "point_gray", size: 512, points: 200000, weight: 1, seed: 0, category: null };

/** The picture of a system as palette indices, as ofdb_core.families.fractal_2d.indices makes it. */
export function picture(rows, how = {}) {
  const { draw: kind, size, points, weight, seed, category } = { ...USUAL, ...how };
  const orbitOf = orbit(weighted(rows, [weight, 1, 1, 1, 1, 1]), choose(rows, numbers("random", 100, points)));
  const key = category === null ? [seed] : [seed, category];
  return draw(orbitOf, kind, size, kind.startsWith("patch") ? numbers("patches", key, points) : null);
}

/** Colours [r, g, b] or [r, g, b, a] as the words of a canvas. */
export const colours = (entries) => Uint32Array.from(entries, ([r, g, b, a = 255]) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0);

/** Show a picture of palette indices on a canvas, which takes its size. */
export function paint(canvas, image, kind) {
  const size = Math.sqrt(image.length), table = colours(palette(kind));
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const data = new Uint32Array(image.length);
  for (let i = 0; i < image.length; i++) data[i] = table[image[i]];
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data.buffer), size, size), 0, 0);
}
