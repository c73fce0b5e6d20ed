// The chaos game, as in ofdb_core.formulas.chaos_game: the same float64 operations in the same order, so that pictures
// agree pixel by pixel.

import { sample, weighted } from "./ifs.js";
import { draw, fillingRate } from "./raster.js";
import { numbers } from "./streams.js";

export const JUDGED = 100000;
export const ACCEPTED = 0.2; // points of an orbit that the search looks at, and the filling rate it wants

/** For each random number the first map whose summed probability it does not exceed; the number of maps if there is none. */
export function choose(rows, u, out = new Uint8Array(u.length)) {
  let sum = 0;
  const limits = Float64Array.from(rows, (row) => (sum += row[6]));
  const k = limits.length;
  const n = u.length;
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

/** @typedef {{x: Float64Array, y: Float64Array}} Points */

/**
 * The orbit of n points under n choices, of which the last is unused; the origin first.
 * @param {Points | null} out an orbit of that length whose arrays are used again
 * @returns {Points}
 */
export function orbit(rows, choices, out = null) {
  const n = choices.length;
  const k = rows.length;
  const m = Float64Array.from(rows.flatMap((row) => row.slice(0, 6)));
  const { x: xs, y: ys } = out && out.x.length === n ? out : { x: new Float64Array(n), y: new Float64Array(n) };
  let x = 0;
  let y = 0;
  xs[0] = ys[0] = 0;
  for (let i = 1; i < n; i++) {
    if (choices[i - 1] < k) {
      const at = 6 * choices[i - 1];
      const before = x;
      x = x * m[at] + y * m[at + 1] + m[at + 4];
      y = before * m[at + 2] + y * m[at + 3] + m[at + 5];
    }
    xs[i] = x;
    ys[i] = y;
  }
  return { x: xs, y: ys };
}

/** Whether every point is finite; the last one tells, since a point that runs off never returns. */
export const isFinite = ({ x, y }) => Number.isFinite(x[x.length - 1]) && Number.isFinite(y[y.length - 1]);

/** The next system of the search's stream that fills enough, as the search judges it; null after `tries`. */
export function searched(stream, rate = ACCEPTED, tries = 1000) {
  for (let i = 0; i < tries; i++) {
    const rows = sample(stream);
    if (fillingRate(orbit(rows, choose(rows, stream.random(JUDGED)))) >= rate) return rows;
  }
  return null;
}

/** The defaults of a picture; a category's patches belong to (seed, category). */
export const USUAL = { draw: "point_gray", size: 512, points: 200000, weight: 1, seed: 0, category: null };

/** The picture of a system as palette indices, as from ofdb_core.families.fractal_2d.indices. */
export function picture(rows, how = {}) {
  const { draw: kind, size, points, weight, seed, category } = { ...USUAL, ...how };
  const orbitOf = orbit(weighted(rows, [weight, 1, 1, 1, 1, 1]), choose(rows, numbers("random", 100, points)));
  const key = category === null ? [seed] : [seed, category];
  return draw(orbitOf, kind, size, kind.startsWith("patch") ? numbers("patches", key, points) : null);
}
