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
  for (let i = 0; i < n; i++) {
    let j = 0;
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
  const image = draw(points, "point_gray", size, null, n);
  let lit = 0;
  for (let i = 0; i < image.length; i++) lit += image[i];
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
