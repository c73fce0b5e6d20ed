// The explorer of iterated function systems (IFS), for a notebook (anywidget) and for a page without a kernel.
//
// The first half computes: the random streams, the chaos game and the raster of ofdb_core.formulas, in the same order of
// the same float64 operations, so that a picture has the same pixels. The second half is what one sees and touches.
// A system is an array of rows [a, b, c, d, e, f, p], as in its CSV file: x' = a x + b y + e, y' = c x + d y + f.

// ---------------------------------------------------------------------------------------------- streams of random numbers

/** MT19937. A number seeds it as numpy.random.RandomState(number), an array as Python's random.seed does. */
export class Mersenne {
  constructor(key) {
    const state = (this.state = new Uint32Array(624));
    this.used = 624;
    const begin = (seed) => {
      state[0] = seed;
      for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
    };
    if (typeof key === "number") return begin(key), this;
    begin(19650218);
    let i = 1, j = 0;
    const step = (factor, added) => {
      state[i] = (state[i] ^ Math.imul(state[i - 1] ^ (state[i - 1] >>> 30), factor)) + added;
      if (++i === 624) (state[0] = state[623]), (i = 1);
    };
    for (let left = Math.max(624, key.length); left; left--) {
      step(1664525, key[j] + j);
      if (++j === key.length) j = 0;
    }
    for (let left = 623; left; left--) step(1566083941, -i);
    state[0] = 0x80000000;
  }

  /** The next 32 bits. */
  word() {
    const state = this.state;
    if (this.used === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i] & 0x80000000) | (state[i === 623 ? 0 : i + 1] & 0x7fffffff);
        state[i] = state[i < 227 ? i + 397 : i - 227] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.used = 0;
    }
    let y = state[this.used++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** n numbers in [0, 1), as random_sample(n) of NumPy. */
  random(n) {
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const high = this.word() >>> 5;
      out[i] = (high * 67108864 + (this.word() >>> 6)) / 9007199254740992;
    }
    return out;
  }

  /** n numbers in [low, high), as uniform(low, high, n) of NumPy. */
  uniform(low, high, n) {
    return this.random(n).map((u) => low + (high - low) * u);
  }

  /** A number in low..high - 1, as randint(low, high) of NumPy. */
  integer(low, high) {
    const span = high - 1 - low, mask = 2 ** (32 - Math.clz32(span)) - 1;
    for (;;) {
      const drawn = (this.word() & mask) >>> 0;
      if (drawn <= span) return low + drawn;
    }
  }

  /** n binary 3 x 3 patches in 1..511, as random.randrange(1, 512) of Python. */
  patches(n) {
    const out = new Uint16Array(n);
    for (let i = 0; i < n; ) {
      const top = this.word() >>> 23;
      if (top !== 511) out[i++] = top + 1;
    }
    return out;
  }
}

// -------------------------------------------------------------------------------------------------------------- systems

export const determinant = ([a, b, c, d]) => Math.abs(a * d - b * c);

/** The system with p in proportion to |det A|; in equal parts where every map is flat. */
export function shared(rows) {
  const areas = rows.map(determinant), total = areas.reduce((sum, area) => sum + area, 0);
  return rows.map((row, i) => [...row.slice(0, 6), total ? areas[i] / total : 1 / rows.length]);
}

/** The system with each coefficient multiplied; factors: a row of six for all maps, or one row a map. p stays. */
export function weighted(rows, factors) {
  const of = (i) => (typeof factors[0] === "number" ? factors : factors[i]);
  return rows.map((row, i) => row.map((value, column) => (column < 6 ? value * of(i)[column] : value)));
}

/** A random system, as the search of ofdb_core draws it from its stream. */
export function sample(stream) {
  const rows = Array.from({ length: stream.integer(2, 8) }, () => null);
  return shared(rows.map(() => [...stream.uniform(-1, 1, 6)]));
}

/** The next system of the search's stream that fills enough, as the search judges it; null after `tries`. */
export function searched(stream, rate = ACCEPTED, tries = 1000) {
  for (let i = 0; i < tries; i++) {
    const rows = sample(stream);
    if (fillingRate(orbit(rows, choose(rows, stream.random(JUDGED)))) >= rate) return rows;
  }
  return null;
}

/** FractalDB's 25 weights of an instance: a coefficient of every map by 1 - 2s, 1 - s, 1, 1 + s, 1 + 2s. */
export function weightRows(spread) {
  const exact = (value) => Number(value.toFixed(12));
  const factors = [exact(1 - 2 * spread) || 0.01, exact(1 - spread), 1, exact(1 + spread), exact(1 + 2 * spread)];
  const places = [0, 1, 2, 3, 4, 5].flatMap((place) => factors.filter((f) => !place || f !== 1).map((f) => [place, f]));
  return places.map(([place, factor]) => [1, 1, 1, 1, 1, 1].map((one, i) => (i === place ? factor : one)));
}

/** Category `number` of 1p-frac around a system: each coefficient times a number in 1 - delta..1 + delta. */
export function perturbed(rows, delta, seed, number) {
  const factors = new Mersenne([seed, number]).uniform(1 - delta, 1 + delta, 6 * rows.length);
  return weighted(rows, rows.map((_, i) => factors.subarray(6 * i, 6 * i + 6)));
}

/** The system as one line that ofdb_core.formulas.ifs.parse reads: numbers of a map by spaces, maps by semicolons. */
export const toText = (rows) => rows.map((row) => row.join(" ")).join("; ");

/** The system as its CSV file, digit for digit as ofdb_core.formulas.ifs.save writes it. */
export const toCSV = (rows) =>
  rows.map((row) => row.map((v) => v.toExponential(18).replace(/e([+-])(\d)$/, "e$10$2")).join(",") + "\n").join("");

/** The system of a line or of a CSV's text; without a seventh number p follows |det A|. Throws what is wrong. */
export function parse(text) {
  const lines = text.split(/[;\n]/).map((line) => line.trim()).filter(Boolean);
  const rows = lines.map((line) => line.split(/[\s,]+/).map(Number));
  if (!rows.length) throw new Error("There are no numbers in it.");
  rows.forEach((row, i) => {
    if (row.some((value) => !Number.isFinite(value))) throw new Error(`Map ${i} holds something that is no number.`);
    if (row.length !== rows[0].length || ![6, 7].includes(row.length))
      throw new Error(`Map ${i} has ${row.length} numbers; each has six (a to f), or seven with p.`);
  });
  const system = rows[0].length === 6 ? shared(rows) : rows;
  const wrong = refusal(system);
  if (wrong) throw new Error(wrong);
  return system;
}

/** Why these rows are no system, as a sentence, or "". */
export function refusal(rows) {
  const total = rows.reduce((sum, row) => sum + row[6], 0);
  if (!rows.length || rows.length > 255) return `${rows.length} maps; a system has 1 to 255.`;
  if (rows.flat().some((value) => !Number.isFinite(value))) return "A value is not a number.";
  if (rows.some((row) => row[6] < 0)) return "A probability is negative.";
  return Math.abs(total - 1) > 1e-6 ? `The probabilities add up to ${total.toPrecision(6)}, and must to 1.` : "";
}

// ------------------------------------------------------------------------------------------- the chaos game and its raster

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

const kept = new Map();

/** The random numbers that every image uses, and its patches; made once. */
export function numbers(what, key, n) {
  const name = `${what} ${key} ${n}`;
  if (!kept.has(name)) {
    if (kept.size > 7) kept.delete(kept.keys().next().value);
    kept.set(name, new Mersenne(key)[what](n));
  }
  return kept.get(name);
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

const colours = (entries) => Uint32Array.from(entries, ([r, g, b, a = 255]) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0);

/** Show a picture of palette indices on a canvas, which takes its size. */
export function paint(canvas, image, kind) {
  const size = Math.sqrt(image.length), table = colours(palette(kind));
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const data = new Uint32Array(image.length);
  for (let i = 0; i < image.length; i++) data[i] = table[image[i]];
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data.buffer), size, size), 0, 0);
}

// ------------------------------------------------------------------------------------------------------------- geometry

/** The five numbers of a map's A: it turns by `turn` after a stretch by s1 along the direction `axis` and by s2 across. */
export function parts([a, b, c, d]) {
  const [E, F, G, H] = [(a + d) / 2, (a - d) / 2, (c + b) / 2, (c - b) / 2], degree = 180 / Math.PI;
  const [Q, R] = [Math.hypot(E, H), Math.hypot(F, G)], [sum, difference] = [Math.atan2(G, F), Math.atan2(H, E)];
  const s2 = Q - R, round = (angle) => ((((angle * degree + 180) % 360) + 360) % 360) - 180;
  return { turn: round(difference), s1: Q + R, s2: Math.abs(s2), axis: round((sum - difference) / 2), mirror: s2 < 0 };
}

/** The entries [a, b, c, d] of A from its `parts`. */
export function assembled({ turn, s1, s2, axis, mirror }) {
  const [left, right] = [turn + axis, -axis].map((angle) => (angle * Math.PI) / 180), small = mirror ? -s2 : s2;
  const [cl, sl, cr, sr] = [Math.cos(left), Math.sin(left), Math.cos(right), Math.sin(right)];
  return [cl * s1 * cr - sl * small * sr, -cl * s1 * sr - sl * small * cr, sl * s1 * cr + cl * small * sr,
    -sl * s1 * sr + cl * small * cr];
}

/** The handles of a map, places (x, y) of the square -1..1: its middle, four corners, four middles of edges. */
const HANDLES = [[0, 0], [-1, -1], [1, -1], [1, 1], [-1, 1], [0, -1], [1, 0], [0, 1], [-1, 0]];
const place = ([a, b, c, d, e, f], [x, y]) => [a * x + b * y + e, c * x + d * y + f];
const CALLED = ["whole", "lower left corner", "lower right corner", "upper right corner", "upper left corner",
  "lower edge", "right edge", "upper edge", "left edge"];
const DOES = ["moves the map", ...Array(4).fill("turns and scales the map (Shift: turns only)"),
  ...Array(4).fill("stretches and shears the map; the opposite edge stays")];

/** The row whose handle has come to `to`: the whole moves, a corner turns and scales, an edge stretches and shears. */
export function pulled(row, handle, to, turnOnly = false) {
  let [a, b, c, d, e, f, p] = row;
  const [sx, sy] = HANDLES[handle];
  if (handle === 0) [e, f] = to;
  else if (handle < 5) {
    const [x, y] = [place(row, [sx, sy])[0] - e, place(row, [sx, sy])[1] - f], [u, v] = [to[0] - e, to[1] - f];
    const length = x * x + y * y;
    if (length < 1e-12) return row;
    let [real, imaginary] = [(u * x + v * y) / length, (v * x - u * y) / length];
    const size = turnOnly ? Math.hypot(real, imaginary) || 1 : 1;
    [real, imaginary] = [real / size, imaginary / size];
    [a, c] = [real * a - imaginary * c, imaginary * a + real * c];
    [b, d] = [real * b - imaginary * d, imaginary * b + real * d];
  } else {
    const other = place(row, [-sx, -sy]), sign = sx + sy;
    const half = [((to[0] - other[0]) / 2) * sign, ((to[1] - other[1]) / 2) * sign];
    [e, f] = [(to[0] + other[0]) / 2, (to[1] + other[1]) / 2];
    if (sx) [a, c] = half;
    else [b, d] = half;
  }
  return [...[a, b, c, d, e, f].map((value, i) => (value === row[i] ? value : Math.round(value * 1e4) / 1e4)), p];
}

const half = (turn, x, y, scale = 0.5, mirror = 1) => {
  const [c, s] = [scale * Math.cos(turn), scale * Math.sin(turn)].map((value) => Math.round(value * 1e12) / 1e12);
  return [c, -s * mirror, s, c * mirror, x, y];
};
const third = Math.PI / 3;

/** Systems that everybody knows, in the square -1..1. */
export const CLASSICS = {
  "Sierpinski triangle": shared([half(0, -0.5, -0.5), half(0, 0.5, -0.5), half(0, 0, 0.5)]),
  "Barnsley's fern": [
    [0, 0, 0, 0.16, 0, -0.84, 0.01], [0.85, 0.04, -0.04, 0.85, 0.04, 0.17, 0.85],
    [0.2, -0.26, 0.23, 0.22, -0.26, -0.46, 0.07], [-0.15, 0.28, 0.26, 0.24, 0.28, -0.672, 0.07]],
  "Heighway dragon": shared([half(Math.PI / 4, -0.25, 0, Math.SQRT1_2), half((3 * Math.PI) / 4, 0.75, 0, Math.SQRT1_2)]),
  "Koch curve": shared([half(0, -2 / 3, 0, 1 / 3), half(third, -1 / 6, Math.sqrt(3) / 6, 1 / 3),
    half(-third, 1 / 6, Math.sqrt(3) / 6, 1 / 3), half(0, 2 / 3, 0, 1 / 3)]),
  "Tree": [
    [0, 0, 0, 0.5, 0, -0.5, 0.05], [0.42, -0.42, 0.42, 0.42, -0.42, 0.12, 0.4],
    [0.42, 0.42, -0.42, 0.42, 0.42, 0.12, 0.4], [0.1, 0, 0, 0.1, 0, -0.2, 0.15]],
};

// ----------------------------------------------------------------------------------------------------- what one sees

const MAP_COLOURS = [[77, 144, 254], [255, 140, 66], [64, 186, 126], [224, 86, 134], [160, 120, 240], [236, 190, 60],
  [70, 196, 208], [180, 130, 100]];
const colourOf = (map) => `rgb(${MAP_COLOURS[map % MAP_COLOURS.length]})`;
const LETTERS = ["a", "b", "c", "d", "e", "f"];
const ABOUT = {
  a: "how x becomes x", b: "how y becomes x", c: "how x becomes y", d: "how y becomes y", e: "how far it moves along x",
  f: "how far it moves along y", p: "how often the chaos game picks this map", turn: "rotation: how far it turns, in degrees",
  s1: "the larger singular value: how much it stretches where it stretches most",
  s2: "the smaller singular value: how much it stretches across", axis: "the direction of the larger stretch, in degrees",
};
const PLANE = 512, MOST_POINTS = 5e6, SHOWN_INSTANCES = 12;

/** An HTML element (or with `svg:` before its name one of SVG), with attributes, `on` listeners, and children. */
function h(name, attributes = {}, ...children) {
  const element = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}
const button = (text, title, onclick, more = {}) => h("button", { type: "button", title, "aria-label": title, onclick, ...more }, text);

/**
 * The explorer inside an element.
 *
 * options: system (rows); settings (see USUAL); published(number) and mine(number), promises of rows, where there are
 * such systems; save(rows), a promise of a sentence (without it a file is downloaded); changed(rows) hears of each change.
 * Returns {system, open(rows), remove(), times}: the milliseconds of each drawing are in `times`, newest last.
 */
export function mount(root, options = {}) {
  const settings = { ...USUAL, ...options.settings };
  let rows = (options.system ?? CLASSICS["Sierpinski triangle"]).map((row) => [...row]);
  let follow, selected = 0, view = null, past = [], future = [], settled = rows, shown = 0, dragging = false, frame = 0;
  let pinned = null, playing = 0, seedOfInstances = 1;
  const buffers = {}, times = [], light = { image: null };

  // the two pictures
  const planeCanvas = h("canvas", { width: PLANE, height: PLANE, "aria-hidden": "true" });
  const overlay = h("svg:svg", { viewBox: `0 0 ${PLANE} ${PLANE}`, role: "group", "aria-label": "The maps of the system, to drag" });
  const canvas = h("canvas", { role: "img", "aria-label": "The picture of the system", "data-ofdb": "picture" });
  const other = h("canvas", { role: "img", "aria-label": "The picture put aside" });
  const status = h("p", { class: "ofdb-status", role: "status", "aria-live": "polite" });
  const trouble = h("p", { class: "ofdb-trouble", role: "alert", hidden: true });

  // ------------------------------------------------------------------ changing the system

  const follows = (system) => system.every((row, i) => Math.abs(row[6] - shared(system)[i][6]) < 1e-9);

  function change(next, { keep = true, reselect = false } = {}) {
    const structure = next.length !== rows.length || reselect;
    rows = follow ? shared(next) : next;
    selected = Math.min(selected, rows.length - 1);
    if (keep) commit();
    if (structure) rebuild();
    options.changed?.(rows);
    schedule();
  }

  function commit() {
    if (JSON.stringify(rows) === JSON.stringify(settled)) return;
    past.push(settled);
    future = [];
    settled = rows;
    buttons();
  }

  function open(system, { fitted = true } = {}) {
    const wrong = refusal(system);
    if (wrong) return tell(wrong);
    tell("");
    follow = false;
    change(system.map((row) => [...row]), { reselect: true });
    follow = follows(system);
    if (fitted) fitView();
    rebuild();
  }

  function travel(from, to) {
    if (!from.length) return;
    to.push(settled);
    rows = settled = from.pop();
    follow = follows(rows);
    selected = Math.min(selected, rows.length - 1);
    tell("");
    options.changed?.(rows);
    rebuild();
    buttons();
  }
  const undo = () => travel(past, future), redo = () => travel(future, past);

  function tell(sentence) {
    trouble.textContent = sentence;
    trouble.hidden = !sentence;
  }
  const kindly = (action) => async (...given) => {
    try {
      await action(...given);
    } catch (error) {
      tell(String(error?.message ?? error));
    }
  };

  // ------------------------------------------------------------------ drawing

  function schedule() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      refresh();
    });
  }

  function refresh() {
    const began = performance.now(), { draw: kind, size, weight, seed, category } = settings;
    const points = dragging ? Math.min(settings.points, USUAL.points) : settings.points;
    placeHandles();
    fillNumbers();
    if (!(points >= 2 && points <= MOST_POINTS))
      return tell(`${points} points; the explorer draws 2 to ${MOST_POINTS.toLocaleString("en")}.`);
    if (!(size >= 16 && size <= 2048)) return tell(`${size} pixels a side; the explorer draws 16 to 2,048.`);
    const u = numbers("random", 100, points), choices = (buffers.choices = choose(rows, u, sized(buffers.choices, points)));
    const drawn = orbit(weight === 1 ? rows : weighted(rows, [weight, 1, 1, 1, 1, 1]), choices, (buffers.orbit ??= {}));
    if (isFinite(drawn)) {
      const count = shown ? Math.min(shown, points) : points;
      const key = category === null || category === undefined ? [seed] : [seed, category];
      light.image = draw(drawn, kind, size, kind.startsWith("patch") ? numbers("patches", key, points) : null, count);
      paint(canvas, light.image, kind);
      paintPlane(drawn, choices, count);
      const judged = Math.min(JUDGED, points), rate = fillingRate(drawn, judged), accepted = rate >= ACCEPTED;
      status.replaceChildren(
        h("strong", {}, `${(100 * rate).toFixed(1)} %`), ` of ${SIDE} × ${SIDE} pixels are lit by ${judged.toLocaleString("en")} points: `,
        h("span", { class: accepted ? "ofdb-yes" : "ofdb-no" },
          accepted ? "the search would take it" : `the search would not take it (it needs ${100 * ACCEPTED} %)`),
        shown ? ` · ${count.toLocaleString("en")} points shown` : "");
      canvas.dataset.rate = rate;
      if (running) tell(""), (running = false);
    } else {
      running = true;
      tell("This system runs off to infinity: its maps do not contract enough. The picture is the last good one; make a map smaller, or undo.");
    }
    times.push(performance.now() - began);
    if (times.length > 1000) times.shift();
  }
  let running = false;
  const sized = (array, n) => (array?.length === n ? array : new Uint8Array(n));

  /** The points in the plane, true to scale, each in the colour of the map that made it. */
  function paintPlane({ x, y }, choices, n) {
    buffers.plane ??= new Uint32Array(PLANE * PLANE);
    const data = buffers.plane, table = colours(MAP_COLOURS), scale = PLANE / 2 / view.reach;
    data.fill(0);
    for (let i = 1; i < n; i++) {
      const column = ((x[i] - view.x) * scale + PLANE / 2) | 0, line = (PLANE / 2 - (y[i] - view.y) * scale) | 0;
      if (column > 0 && column < PLANE && line > 0 && line < PLANE) data[line * PLANE + column] = table[choices[i - 1] & 7];
    }
    planeCanvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(data.buffer), PLANE, PLANE), 0, 0);
    steps.replaceChildren();
    if (shown && shown <= 2000) {
      for (let i = Math.max(1, n - 8); i < n; i++)
        steps.append(line([x[i - 1], y[i - 1]], [x[i], y[i]], colourOf(choices[i - 1]), (i - n + 9) / 9));
      const at = screen([x[n - 1], y[n - 1]]);
      steps.append(h("svg:circle", { cx: at[0], cy: at[1], r: 5, class: "ofdb-now" }));
    }
  }
  const line = (from, to, stroke, opacity, dashes = "none") => {
    const [[x1, y1], [x2, y2]] = [screen(from), screen(to)];
    return h("svg:line", { x1, y1, x2, y2, stroke, opacity, "stroke-width": 2, "stroke-dasharray": dashes });
  };

  // ------------------------------------------------------------------ the plane and its handles

  const screen = ([x, y]) => [((x - view.x) / view.reach + 1) * (PLANE / 2), (1 - (y - view.y) / view.reach) * (PLANE / 2)];
  const world = ([x, y]) => [view.x + (x / (PLANE / 2) - 1) * view.reach, view.y + (1 - y / (PLANE / 2)) * view.reach];
  const pointer = (event) => {
    const box = overlay.getBoundingClientRect();
    return world([((event.clientX - box.left) / box.width) * PLANE, ((event.clientY - box.top) / box.height) * PLANE]);
  };

  function fitView() {
    const corners = rows.flatMap((row) => HANDLES.slice(1, 5).map((corner) => place(row, corner)));
    const drawn = orbit(rows, choose(rows, numbers("random", 100, 2000)));
    if (isFinite(drawn)) for (let i = 100; i < 2000; i += 10) corners.push([drawn.x[i], drawn.y[i]]);
    const all = [...corners, [-1, -1], [1, 1]].filter(([x, y]) => Math.abs(x) < 50 && Math.abs(y) < 50);
    const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)], middle = (of) => (Math.min(...of) + Math.max(...of)) / 2;
    const reach = 0.56 * Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
    view = { x: middle(xs), y: middle(ys), reach };
    schedule();
  }

  let shapes = [];
  const axes = h("svg:g", { class: "ofdb-axes" }), steps = h("svg:g", {}), bodies = h("svg:g", {}), knobs = h("svg:g", {});
  overlay.append(axes, steps, bodies, knobs);

  /** Make controls anew; the focus stays on the one of the same name, or goes to the tab of the chosen map. */
  function keepingFocus(makeAnew) {
    const focused = () => root.getRootNode().activeElement, was = root.contains(focused()) ? focused().getAttribute("aria-label") : "";
    makeAnew();
    if (!was || root.contains(focused())) return;
    for (const name of [`[aria-label="${was}"]`, ".ofdb-tabs [aria-pressed=true]"])
      if (!root.contains(focused())) root.querySelector(name)?.focus({ preventScroll: true });
  }
  const rebuild = () => keepingFocus(handlesAndPanel), panel = () => keepingFocus(numbersOfMap);

  function handlesAndPanel() {
    view ?? fitView();
    bodies.replaceChildren();
    knobs.replaceChildren();
    shapes = rows.map((_, map) => {
      const body = h("svg:polygon", { class: "ofdb-map", ...grips(map, 0), stroke: colourOf(map), fill: colourOf(map) });
      const edge = h("svg:line", { class: "ofdb-edge" }), name = h("svg:text", { class: "ofdb-name", fill: colourOf(map) }, String(map));
      bodies.append(body, edge, name);
      return { body, edge, name };
    });
    handles = HANDLES.map((_, handle) =>
      handle && h("svg:circle", { r: handle < 5 ? 7 : 5.5, class: handle < 5 ? "ofdb-corner" : "ofdb-side", ...grips(null, handle) }));
    knobs.append(...handles.slice(1));
    numbersOfMap();
    schedule();
  }
  let handles = [];

  function grips(map, handle) {
    const which = () => map ?? selected;
    const title = `${map === null ? "" : `map ${map}, `}${CALLED[handle]}: ${DOES[handle]}; arrow keys move it`;
    let offset = [0, 0];
    return {
      tabindex: 0, role: "button", "aria-label": title, "data-handle": handle, "data-map": map ?? "selected",
      onfocus: () => map !== null && select(map),
      onpointerdown: (event) => {
        event.preventDefault();
        event.stopPropagation();
        if (event.button) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        event.currentTarget.focus({ preventScroll: true });
        const [x, y] = pointer(event), at = place(rows[which()], HANDLES[handle]);
        offset = [at[0] - x, at[1] - y];
        dragging = true;
      },
      onpointermove: (event) => {
        if (!dragging || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
        const [x, y] = pointer(event);
        move(which(), handle, [x + offset[0], y + offset[1]], event.shiftKey, false);
      },
      onpointerup: () => settle(),
      onpointercancel: () => settle(),
      onkeydown: (event) => {
        const step = (view.reach / 128) * (event.shiftKey ? 8 : 1);
        const by = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
        if (!by) return;
        event.preventDefault();
        event.stopPropagation();
        const at = place(rows[which()], HANDLES[handle]);
        move(which(), handle, [at[0] + by[0], at[1] + by[1]], false, true);
      },
    };
  }
  const move = (map, handle, to, turnOnly, keep) =>
    change(rows.map((row, i) => (i === map ? pulled(row, handle, to, turnOnly) : row)), { keep });
  function settle() {
    if (!dragging) return;
    dragging = false;
    commit();
    schedule();
  }

  function select(map) {
    if (map === selected) return;
    selected = map;
    panel();
    schedule();
  }

  function placeHandles() {
    const corners = (row) => HANDLES.slice(1, 5).map((corner) => screen(place(row, corner)));
    const square = corners([1, 0, 0, 1, 0, 0]).map((at) => at.join()).join(" "), [x0, y0] = screen([0, 0]);
    axes.replaceChildren(
      h("svg:line", { x1: 0, x2: PLANE, y1: y0, y2: y0 }), h("svg:line", { y1: 0, y2: PLANE, x1: x0, x2: x0 }),
      h("svg:polygon", { points: square, class: "ofdb-square" }), line([-1, -1], [1, -1], "#e5484d", 1, "5 5"));
    rows.forEach((row, map) => {
      const at = corners(row), { body, edge, name } = shapes[map], [x, y] = screen([row[4], row[5]]);
      body.setAttribute("points", at.map((corner) => corner.join()).join(" "));
      body.classList.toggle("ofdb-selected", map === selected);
      [["x1", at[0][0]], ["y1", at[0][1]], ["x2", at[1][0]], ["y2", at[1][1]]].forEach(([key, value]) => edge.setAttribute(key, value));
      name.setAttribute("x", x);
      name.setAttribute("y", y);
    });
    handles.forEach((knob, handle) => {
      if (!handle) return;
      const [x, y] = screen(place(rows[selected], HANDLES[handle]));
      knob.setAttribute("cx", x);
      knob.setAttribute("cy", y);
      knob.setAttribute("fill", colourOf(selected));
    });
  }

  let pan = null;
  overlay.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    overlay.setPointerCapture(event.pointerId);
    pan = [event.clientX, event.clientY];
  });
  overlay.addEventListener("pointermove", (event) => {
    if (!pan || dragging) return;
    const unit = (2 * view.reach) / overlay.getBoundingClientRect().width;
    view = { ...view, x: view.x - (event.clientX - pan[0]) * unit, y: view.y + (event.clientY - pan[1]) * unit };
    pan = [event.clientX, event.clientY];
    schedule();
  });
  for (const end of ["pointerup", "pointercancel"]) overlay.addEventListener(end, () => (pan = null));
  const zoom = (factor) => {
    view = { ...view, reach: Math.min(100, Math.max(0.01, view.reach * factor)) };
    schedule();
  };
  overlay.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !overlay.contains(document.activeElement)) return;
    event.preventDefault();
    zoom(event.deltaY > 0 ? 1.1 : 1 / 1.1);
  }, { passive: false });

  // ------------------------------------------------------------------ the numbers of the chosen map

  const maps = h("div", { class: "ofdb-tabs", role: "group", "aria-label": "Maps" }), fields = {}, table = h("div", { class: "ofdb-fields" });
  let typing = null; // the field in which a number is half written, which no drawing overwrites
  const number = (name, label, onchange, more = {}) => {
    const input = h("input", { type: "number", step: "any", "aria-label": `${label}: ${ABOUT[name] ?? label}`, title: ABOUT[name] ?? label, ...more,
      oninput: () => (typing = input), onblur: () => (typing = null),
      onchange: kindly(() => {
        typing = null;
        const value = input.valueAsNumber;
        if (!Number.isFinite(value)) throw new Error(`${label} needs a number.`);
        tell("");
        onchange(value);
      }) });
    return [h("label", { title: ABOUT[name] ?? label }, h("span", {}, label), input), input];
  };

  function numbersOfMap() {
    maps.replaceChildren(
      ...rows.map((_, map) => button(String(map), `show the numbers of map ${map}`, () => select(map),
        { "aria-pressed": String(map === selected), style: `--map: ${colourOf(map)}` })),
      button("+ map", "add a map: a copy of this one at half the size", add),
      button("− map", "remove the chosen map", remove, { disabled: rows.length === 1 }));
    const put = (column) => (value) => change(rows.map((row, i) => (i === selected ? row.with(column, value) : row)));
    const shape = (name) => (value) => {
      const five = { ...parts(rows[selected]), [name]: value };
      change(rows.map((row, i) => (i === selected ? [...assembled(five), ...row.slice(4)] : row)));
    };
    table.replaceChildren();
    for (const letter of ["a", "b", "e", "c", "d", "f"]) {
      const [label, input] = number(letter, letter, put(LETTERS.indexOf(letter)));
      (fields[letter] = input), table.append(label);
    }
    for (const [name, label, more] of [["turn", "turn °"], ["s1", "σ₁", { min: 0 }], ["s2", "σ₂", { min: 0 }], ["axis", "axis °"]]) {
      const [field, input] = number(name, label, shape(name), more);
      (fields[name] = input), table.append(field);
    }
    fields.mirror = h("input", { type: "checkbox", "aria-label": "mirrored", onchange: () => shape("mirror")(fields.mirror.checked) });
    const [chance, p] = number("p", "p", (value) => {
      if (!(value >= 0 && value <= 1)) throw new Error("p is a probability: from 0 to 1.");
      const rest = 1 - rows[selected][6], share = (row) => (rest ? (row[6] * (1 - value)) / rest : (1 - value) / (rows.length - 1));
      if (rows.length === 1) throw new Error("The only map has p = 1.");
      follow = false;
      change(rows.map((row, i) => row.with(6, i === selected ? value : share(row))), { reselect: true });
    }, { min: 0, max: 1 });
    fields.p = p;
    fields.follow = h("input", { type: "checkbox", "aria-label": "p follows the area of each map",
      onchange: () => ((follow = fields.follow.checked), change(rows)) });
    table.append(
      h("label", { class: "ofdb-check", title: "whether it shows the left hand as the right one" }, fields.mirror, "mirrored"), chance,
      h("label", { class: "ofdb-check", title: "p in proportion to the area |det A|, as in the search; else as you set it" }, fields.follow, "p follows area"));
    fillNumbers();
  }

  function fillNumbers() {
    const row = rows[selected], five = parts(row), set = (name, value) => {
      if (typing !== fields[name]) fields[name].value = String(value);
    };
    LETTERS.forEach((letter, column) => set(letter, row[column]));
    for (const name of ["turn", "axis", "s1", "s2"]) set(name, Number(five[name].toFixed(4)));
    set("p", Number(row[6].toFixed(6)));
    fields.mirror.checked = five.mirror;
    fields.follow.checked = follow;
    [...maps.children].slice(0, rows.length).forEach((tab, map) => tab.setAttribute("aria-pressed", String(map === selected)));
  }

  function add() {
    if (rows.length >= 255) return tell("A system has at most 255 maps.");
    const [a, b, c, d, e, f, p] = rows[selected], copy = [a / 2, b / 2, c / 2, d / 2, e + view.reach / 8, f + view.reach / 8, p / 2];
    selected = rows.length;
    const total = 1 + copy[6];
    change([...rows, copy].map((row) => row.with(6, row[6] / total)));
  }
  function remove() {
    const left = rows.filter((_, i) => i !== selected), total = left.reduce((sum, row) => sum + row[6], 0);
    change(left.map((row) => row.with(6, total ? row[6] / total : 1 / left.length)));
  }

  // ------------------------------------------------------------------ where systems come from and go to

  const from = h("select", { "aria-label": "Start from", title: "where to start" },
    h("optgroup", { label: "classics" }, ...Object.keys(CLASSICS).map((name) => h("option", {}, name))),
    h("optgroup", { label: "categories" },
      ...[["published", "published category …"], ["mine", "category of this run …"]].filter(([name]) => options[name]).map(([value, text]) => h("option", { value }, text)),
      h("option", { value: "random" }, "random, that the search takes"), h("option", { value: "any" }, "random, as it comes")));
  const which = h("input", { type: "number", min: 0, value: 0, step: 1, "aria-label": "Number of the category", title: "the number of the category, from 0" });
  const begin = kindly(async () => {
    tell("");
    const source = from.value;
    if (options[source]) return open(await options[source](Math.max(0, which.valueAsNumber || 0)));
    if (source === "random" || source === "any") {
      const stream = new Mersenne([...crypto.getRandomValues(new Uint32Array(2))]);
      const found = source === "any" ? sample(stream) : searched(stream);
      return found ? open(found) : tell("None of 1,000 random systems fills enough. Try again.");
    }
    open(source === "given" ? options.system : CLASSICS[source]);
  });
  from.addEventListener("change", () => {
    which.hidden = !options[from.value];
    begin();
  });
  which.addEventListener("change", begin);
  which.hidden = true;
  if (options.system) {
    from.prepend(h("option", { value: "given" }, "the system given"));
    from.value = "given";
  }

  const copy = (what, make) => kindly(async () => {
    const text = make(rows);
    tell("");
    paste.value = text;
    try {
      await navigator.clipboard.writeText(text);
      note(`${what} is in the clipboard and in the box.`);
    } catch { // a page that came by plain http has no clipboard, and a reader may refuse it
      paste.select();
      note(`${what} is in the box, selected: this page may not use the clipboard.`);
    }
  });
  const paste = h("textarea", { rows: 2, spellcheck: "false", "aria-label": "A system as text", title: "a line (maps separated by ;) or a CSV's text; press Enter to open it",
    placeholder: "paste a system here: a b c d e f p; a b c …",
    onkeydown: (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.shiftKey) event.preventDefault(), read();
    } });
  const read = kindly(() => open(parse(paste.value)));
  const said = h("span", { class: "ofdb-note", role: "status" });
  const note = (text) => (said.textContent = text);
  const save = kindly(async () => {
    if (running) throw new Error("A system that runs off to infinity is not saved, since it has no picture. Make a map smaller, or undo.");
    tell("");
    if (options.save) return note(await options.save(rows));
    const link = h("a", { href: URL.createObjectURL(new Blob([toCSV(rows)], { type: "text/csv" })), download: "00000.csv" });
    link.click();
    note("00000.csv was saved among the downloads.");
  });

  // ------------------------------------------------------------------ comparing, stepping, instances

  const aside = h("figure", { hidden: true }, other, h("figcaption", {}));
  const pin = () => {
    if (!light.image) return;
    pinned = rows;
    paint(other, light.image, settings.draw);
    aside.lastChild.replaceChildren("put aside · ", button("⇄ swap", "open the system put aside, and put this one there", swap), " ",
      button("✕", "put the second picture away", () => (aside.hidden = true)));
    aside.hidden = false;
  };
  const swap = () => {
    const there = pinned;
    pin();
    open(there, { fitted: false });
  };

  const stepper = h("input", { type: "range", min: 0, max: 100, value: 100, "aria-label": "Points of the chaos game", title: "how many points of the chaos game are shown",
    oninput: () => reach(stepper.valueAsNumber >= 100 ? 0 : Math.round(settings.points ** (stepper.valueAsNumber / 100))) });
  const counted = h("output", {}, "all points");
  function reach(count) {
    shown = count >= settings.points ? 0 : Math.max(0, count);
    counted.textContent = shown ? `${shown.toLocaleString("en")} point${shown === 1 ? "" : "s"}` : "all points";
    stepper.value = shown ? (100 * Math.log(shown)) / Math.log(settings.points) : 100;
    schedule();
  }
  const stop = () => {
    clearInterval(playing);
    playing = 0;
    play.textContent = "▶";
  };
  const play = button("▶", "play the chaos game, or stop it", () => {
    if (playing) return stop();
    if (!shown) reach(1);
    play.textContent = "❚❚";
    playing = setInterval(() => {
      if (!root.isConnected) return stop();
      reach(shown + Math.max(1, Math.round(shown / 20)));
      if (!shown) stop();
    }, 60);
  });

  const sheet = h("div", { class: "ofdb-sheet" });
  const spread = h("input", { type: "range", min: 0, max: 0.5, step: 0.01, value: 0.1, "aria-label": "How much the instances vary", title: "1p-frac: delta; FractalDB: the step of its weights", oninput: () => instances() });
  const rule = h("select", { "aria-label": "How instances are made", title: "how instances are made of this system", onchange: () => {
    spread.value = rule.value === "frac" ? 0.1 : 0.4;
    instances();
  } }, h("option", { value: "frac" }, "1p-frac: each coefficient × (1 ± δ)"), h("option", { value: "weights" }, "FractalDB: a coefficient weighted"));
  function instances() {
    const value = spread.valueAsNumber;
    const made = rule.value === "weights" ? weightRows(value).map((row) => weighted(rows, row))
      : Array.from({ length: SHOWN_INSTANCES }, (_, i) => perturbed(rows, value, seedOfInstances, i));
    spreadText.textContent = `${rule.value === "frac" ? "δ" : "s"} = ${value}`;
    sheet.replaceChildren(...made.map((system, i) => {
      const small = h("canvas", {}), points = orbit(system, choose(system, numbers("random", 100, 20000)));
      if (isFinite(points)) paint(small, draw(points, "point_gray", 112, null), "point_gray");
      const what = isFinite(points) ? `instance ${i}: open it` : `instance ${i} runs off to infinity`;
      return button(small, what, () => open(system), { disabled: !isFinite(points) });
    }));
  }
  const spreadText = h("output", {});
  const varied = h("details", { ontoggle: () => varied.open && instances() },
    h("summary", { title: "what the families make of this one system" }, "Instances"),
    h("div", { class: "ofdb-row" }, rule, spread, spreadText, button("others", "draw other instances (1p-frac)", () => (seedOfInstances++, instances())),
      button("of this system", "make them of the system as it is now", () => instances())), sheet);

  const kind = h("select", { "aria-label": "Drawing", title: "a dot for each point or a random 3 × 3 patch, in gray or in hues", onchange: () => ((settings.draw = kind.value), schedule()) },
    ...["point_gray", "patch_gray", "point_color", "patch_color"].map((name) => h("option", { value: name, selected: name === settings.draw }, name.replace("_", ", "))));
  const setting = (name, label, title, more) => {
    const [field, input] = number(name, label, (value) => {
      input.value = settings[name] = name === "weight" ? value : Math.round(value);
      schedule();
    }, { title, "aria-label": `${label}: ${title}`, ...more });
    input.value = settings[name];
    return field;
  };

  const back = button("↶ undo", "undo (Ctrl+Z)", undo), again = button("↷ redo", "redo (Ctrl+Y)", redo);
  const buttons = () => {
    back.setAttribute("aria-disabled", String(!past.length)); // not `disabled`, which would take the focus away
    again.setAttribute("aria-disabled", String(!future.length));
  };
  buttons();

  const box = h("div", { class: "ofdb-explorer", role: "group", "aria-label": "Explorer of iterated function systems",
    onkeydown: (event) => {
      const key = event.key.toLowerCase();
      if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
        event.preventDefault();
        (key === "y" || event.shiftKey ? redo : undo)();
      }
      event.stopPropagation();
    } },
    h("div", { class: "ofdb-row" }, h("label", {}, h("span", {}, "start from"), from), which,
      button("⟳ again", "start from it again; a random choice gives another system", begin), h("span", { class: "ofdb-gap" }), back, again,
      button("◫ put aside", "keep this picture beside the next ones, to compare", pin)),
    h("div", { class: "ofdb-stage" },
      h("figure", {}, h("div", { class: "ofdb-plane" }, planeCanvas, overlay,
        h("div", { class: "ofdb-zoom" }, button("+", "come nearer", () => zoom(0.8)), button("−", "go farther away", () => zoom(1.25)), button("fit", "show all of it", fitView))),
        h("figcaption", {}, "Each map carries the dashed square to its parallelogram, red edge to red edge: drag it.")),
      h("figure", {}, canvas, h("figcaption", {}, "The picture, each axis stretched to fill it.")), aside),
    status, trouble,
    h("div", { class: "ofdb-panels" },
      h("section", { "aria-label": "numbers of a map" }, maps, table),
      h("section", { "aria-label": "picture and text" },
        h("div", { class: "ofdb-row" }, h("label", {}, h("span", {}, "draw"), kind), setting("size", "pixels", "of the picture, each side", { min: 16, max: 2048 }),
          setting("points", "points", "of the chaos game", { min: 2, max: MOST_POINTS }), setting("weight", "weight on a", "a factor on the coefficient a of every map; 2D-OFDB has 0.2")),
        h("div", { class: "ofdb-row", "aria-label": "chaos game", role: "group" }, play, button("+1", "one point more", () => (stop(), reach(shown ? shown + 1 : 1))),
          stepper, counted, button("all", "show all points", () => (stop(), reach(0)))),
        h("div", { class: "ofdb-row" }, paste),
        h("div", { class: "ofdb-row" }, button("open", "open the system in the box", read), button("copy line", "copy the system as a line of text", copy("The line", toText)),
          button("copy CSV", "copy the system as the text of a category's file", copy("The CSV", toCSV)),
          button("save", "save the system as a category's file", save, { class: "ofdb-main" }), said))),
    varied);
  root.replaceChildren(box);
  follow = follows(rows);
  rebuild();

  return {
    get system() {
      return rows;
    },
    open,
    remove: () => (stop(), cancelAnimationFrame(frame), root.replaceChildren()),
    times,
  };
}

/** The widget's view in a notebook; `mount` with the kernel behind it. */
function render({ model, el }) {
  const waiting = new Map();
  let asked = 0, sending = 0;
  const ask = (what, value) => new Promise((resolve, reject) => {
    waiting.set(++asked, { resolve, reject });
    model.send({ what, value, number: asked });
  });
  const answered = ({ number, answer, error }) => {
    const { resolve, reject } = waiting.get(number) ?? {};
    waiting.delete(number);
    error ? reject?.(new Error(error)) : resolve?.(answer);
  };
  const explorer = mount(el, {
    system: model.get("rows"),
    settings: model.get("settings"),
    published: (number) => ask("published", number),
    mine: model.get("root") ? (number) => ask("mine", number) : undefined,
    save: (rows) => ask("save", rows),
    changed: () => (sending ||= setTimeout(send, 50)),
  });
  const send = () => {
    sending = 0;
    model.set("rows", explorer.system);
    model.save_changes();
  };
  const received = () => JSON.stringify(model.get("rows")) !== JSON.stringify(explorer.system) && !sending && explorer.open(model.get("rows"));
  model.on("msg:custom", answered);
  model.on("change:rows", received);
  el.ofdb = explorer;
  return () => {
    model.off("msg:custom", answered);
    model.off("change:rows", received);
    explorer.remove();
  };
}

export default { render };
