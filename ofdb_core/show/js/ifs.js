// Systems: drawing, varying, writing and reading them, as in ofdb_core.formulas.ifs.
//
// A system is an array of rows [a, b, c, d, e, f, p], as in its CSV file: x' = a x + b y + e, y' = c x + d y + f.

import { Mersenne } from "./streams.js";

export const determinant = ([a, b, c, d]) => Math.abs(a * d - b * c);

/** The system with p in proportion to |det A|; in equal parts if every map is flat. */
export function shared(rows) {
  const areas = rows.map(determinant);
  const total = areas.reduce((sum, area) => sum + area, 0);
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
  return weighted(
    rows,
    rows.map((_, i) => factors.subarray(6 * i, 6 * i + 6)),
  );
}

/** The system as one line that ofdb_core.formulas.ifs.parse reads: numbers of a map by spaces, maps by semicolons. */
export const toText = (rows) => rows.map((row) => row.join(" ")).join("; ");

/** The system as its CSV file, digit for digit as ofdb_core.formulas.ifs.save writes it. */
export const toCSV = (rows) =>
  rows.map((row) => row.map((v) => v.toExponential(18).replace(/e([+-])(\d)$/, "e$10$2")).join(",") + "\n").join("");

/** Whether a text is a file of Fractint's or a flame, which the kernel reads. */
export const isOfAnotherProgram = (text) => /^\s*</.test(text) || /^[^#;{\n]*\{/m.test(text);

/** The words of each row in a line: semicolons stand between rows, or between numbers, which may have a decimal comma. */
function wordsOf(line) {
  const parts = line
    .split(";")
    .map((part) => part.trim())
    .filter(Boolean);
  if (parts.length > 1 && parts.every((part) => !/\s|,.*,/.test(part)))
    return [parts.map((part) => part.replace(",", "."))];
  return parts.map((part) => part.split(/\s*[,\t]\s*|\s+/));
}

/** The places of a to f, and of p, if these words name them; else null. */
function orderOf(words) {
  const names = words.map((word) => word.toLowerCase().replace(/^(prob|probability|weight)$/, "p"));
  if (![6, 7].includes(names.length) || new Set(names).size < names.length) return null;
  const order = [..."abcdefp"].map((name) => names.indexOf(name)).filter((place) => place >= 0);
  return order.length === names.length ? order : null;
}

/**
 * The system of a text, in the forms of a table that ofdb_core.formulas.ifs.parse reads. Without p, it is in proportion
 * to |det A|, or a thousandth of the sum; else it is divided by its sum, and tell(sentence) is called if that is not 1.
 * Throws what is wrong.
 */
export function parse(text, tell = (_) => {}) {
  if (isOfAnotherProgram(text))
    throw new Error("Only Python reads the files of other programs: ifs.load reads this one.");
  let words = text.split("\n").flatMap((line) => wordsOf(line.split("#")[0]));
  const order = words.length ? orderOf(words[0]) : null;
  if (order) words = words.slice(1);
  if (!words.length) throw new Error("There are no numbers in it.");
  const rows = words.map((row) => row.map((word) => (/^[-+.\deE]+$/.test(word) ? Number(word) : NaN)));
  rows.forEach((row, i) => {
    if (row.some((value) => !Number.isFinite(value))) throw new Error(`Map ${i} holds something that is no number.`);
    if (row.length !== (order ?? rows[0]).length || ![6, 7].includes(row.length))
      throw new Error(`Map ${i} has ${row.length} numbers; each has six (a to f), or seven with p.`);
  });
  const system = order ? rows.map((row) => order.map((place) => row[place])) : rows;
  const total = system.reduce((sum, row) => sum + row[6], 0);
  if (system[0].length === 7 && total > 0 && Math.abs(total - 1) > 1e-6)
    tell(`p adds up to ${Number(total.toPrecision(6))}, so each p is divided by the sum.`);
  const whole =
    system[0].length === 6 ? drawn(system) : Math.abs(total - 1) > 1e-6 && total > 0 ? divided(system, total) : system;
  const wrong = refusal(whole);
  if (wrong) throw new Error(wrong);
  return whole;
}

const divided = (rows, total) => rows.map((row) => [...row.slice(0, 6), row[6] / total]);

/** The system with p as of `shared`, but with a part for flat maps, too. */
function drawn(rows) {
  const parts = shared(rows).map((row) => [...row.slice(0, 6), Math.max(row[6], 0.001)]);
  return divided(
    parts,
    parts.reduce((sum, row) => sum + row[6], 0),
  );
}

/** Why these rows are no system, as a sentence, or "". */
export function refusal(rows) {
  const total = rows.reduce((sum, row) => sum + row[6], 0);
  if (!rows.length || rows.length > 255) return `${rows.length} maps; a system has 1 to 255.`;
  if (rows.flat().some((value) => !Number.isFinite(value))) return "A value is not a number.";
  if (rows.some((row) => row[6] < 0)) return "A probability is negative.";
  return Math.abs(total - 1) > 1e-6 ? `The probabilities add up to ${total.toPrecision(6)}, and must to 1.` : "";
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
    [0, 0, 0, 0.16, 0, -0.84, 0.01],
    [0.85, 0.04, -0.04, 0.85, 0.04, 0.17, 0.85],
    [0.2, -0.26, 0.23, 0.22, -0.26, -0.46, 0.07],
    [-0.15, 0.28, 0.26, 0.24, 0.28, -0.672, 0.07],
  ],
  "Heighway dragon": shared([
    half(Math.PI / 4, -0.25, 0, Math.SQRT1_2),
    half((3 * Math.PI) / 4, 0.75, 0, Math.SQRT1_2),
  ]),
  "Koch curve": shared([
    half(0, -2 / 3, 0, 1 / 3),
    half(third, -1 / 6, Math.sqrt(3) / 6, 1 / 3),
    half(-third, 1 / 6, Math.sqrt(3) / 6, 1 / 3),
    half(0, 2 / 3, 0, 1 / 3),
  ]),
  Tree: [
    [0, 0, 0, 0.5, 0, -0.5, 0.05],
    [0.42, -0.42, 0.42, 0.42, -0.42, 0.12, 0.4],
    [0.42, 0.42, -0.42, 0.42, 0.42, 0.12, 0.4],
    [0.1, 0, 0, 0.1, 0, -0.2, 0.15],
  ],
};
