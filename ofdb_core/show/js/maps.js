// A map of a system, a row [a, b, c, d, e, f, p]: split into parts and rebuilt from them, moved by handles, and its colour.

export const MAP_COLOURS = [
  [77, 144, 254],
  [255, 140, 66],
  [64, 186, 126],
  [224, 86, 134],
  [160, 120, 240],
  [236, 190, 60],
  [70, 196, 208],
  [180, 130, 100],
];
export const colourOf = (map) => `rgb(${MAP_COLOURS[map % MAP_COLOURS.length]})`;

/** The five numbers of a map's A: it turns by `turn` after a stretch by s1 along the direction `axis` and by s2 across. */
export function parts([a, b, c, d]) {
  const [E, F, G, H] = [(a + d) / 2, (a - d) / 2, (c + b) / 2, (c - b) / 2];
  const degree = 180 / Math.PI;
  const [Q, R] = [Math.hypot(E, H), Math.hypot(F, G)];
  const [sum, difference] = [Math.atan2(G, F), Math.atan2(H, E)];
  const s2 = Q - R;
  const round = (angle) => ((((angle * degree + 180) % 360) + 360) % 360) - 180;
  return { turn: round(difference), s1: Q + R, s2: Math.abs(s2), axis: round((sum - difference) / 2), mirror: s2 < 0 };
}

/** The entries [a, b, c, d] of A from its `parts`. */
export function assembled({ turn, s1, s2, axis, mirror }) {
  const [left, right] = [turn + axis, -axis].map((angle) => (angle * Math.PI) / 180);
  const small = mirror ? -s2 : s2;
  const [cl, sl, cr, sr] = [Math.cos(left), Math.sin(left), Math.cos(right), Math.sin(right)];
  return [
    cl * s1 * cr - sl * small * sr,
    -cl * s1 * sr - sl * small * cr,
    sl * s1 * cr + cl * small * sr,
    -sl * s1 * sr + cl * small * cr,
  ];
}

/** The handles of a map, places (x, y) of the square -1..1: its middle, four corners, four middles of edges. */
export const HANDLES = [
  [0, 0],
  [-1, -1],
  [1, -1],
  [1, 1],
  [-1, 1],
  [0, -1],
  [1, 0],
  [0, 1],
  [-1, 0],
];
/**
 * The image of a place under a map.
 * @type {(row: number[], place: number[]) => number[]}
 */
export const place = ([a, b, c, d, e, f], [x, y]) => [a * x + b * y + e, c * x + d * y + f];
export const CALLED = [
  "whole",
  "lower left corner",
  "lower right corner",
  "upper right corner",
  "upper left corner",
  "lower edge",
  "right edge",
  "upper edge",
  "left edge",
];
export const DOES = [
  "moves the map",
  ...Array(4).fill("turns and scales the map (Shift: turns only)"),
  ...Array(4).fill("stretches and shears the map; the opposite edge stays"),
];

/** The row, its handle moved to `to`: the middle shifts it, a corner turns and scales, an edge stretches and shears. */
export function pulled(row, handle, to, turnOnly = false) {
  let [a, b, c, d, e, f, p] = row;
  const [sx, sy] = HANDLES[handle];
  if (handle === 0) [e, f] = to;
  else if (handle < 5) {
    const [x, y] = [place(row, [sx, sy])[0] - e, place(row, [sx, sy])[1] - f];
    const [u, v] = [to[0] - e, to[1] - f];
    const length = x * x + y * y;
    if (length < 1e-12) return row;
    let [real, imaginary] = [(u * x + v * y) / length, (v * x - u * y) / length];
    const size = turnOnly ? Math.hypot(real, imaginary) || 1 : 1;
    [real, imaginary] = [real / size, imaginary / size];
    [a, c] = [real * a - imaginary * c, imaginary * a + real * c];
    [b, d] = [real * b - imaginary * d, imaginary * b + real * d];
  } else {
    const other = place(row, [-sx, -sy]);
    const sign = sx + sy;
    const half = [((to[0] - other[0]) / 2) * sign, ((to[1] - other[1]) / 2) * sign];
    [e, f] = [(to[0] + other[0]) / 2, (to[1] + other[1]) / 2];
    if (sx) [a, c] = half;
    else [b, d] = half;
  }
  return [...[a, b, c, d, e, f].map((value, i) => (value === row[i] ? value : Math.round(value * 1e4) / 1e4)), p];
}
