// The system being edited: its rows, the selected map, and the steps to undo and redo.

import { refusal, shared } from "./ifs.js";

const MOST_MAPS = 255;
const follows = (rows) => shared(rows).every((row, i) => Math.abs(row[6] - rows[i][6]) < 1e-9);
const copied = (rows) => rows.map((row) => [...row]);

/**
 * heard(what) is called after each visible change: "numbers" of the maps, the "maps" themselves (or how their p
 * are found), which one is "selected", or "settled": there is one more thing to undo.
 */
export class Edited {
  constructor(rows, heard) {
    this.rows = this.settled = copied(rows);
    this.follow = follows(this.rows); // whether p follows the areas of the maps
    this.selected = 0;
    this.held = false; // by a drag, whose steps are undone as one
    this.past = [];
    this.future = [];
    this.heard = heard;
  }

  /** keep: whether it can be undone; maps: whether the maps, or the rule for their p, are new. */
  change(rows, { keep = true, maps = rows.length !== this.rows.length } = {}) {
    this.rows = this.follow ? shared(rows) : rows;
    this.selected = Math.min(this.selected, rows.length - 1);
    if (keep) this.#remember();
    this.heard(maps ? "maps" : "numbers");
  }

  /** Like `change`, for one map (the selected one by default); of(row): the new row. */
  changeMap(of, map = this.selected, how = {}) {
    this.change(
      this.rows.map((row, i) => (i === map ? of(row) : row)),
      how,
    );
  }

  /** Let p follow the areas of the maps, or stay as it is. */
  followAreas(follow) {
    this.follow = follow;
    this.change(this.rows);
  }

  /** Load another system; throws if it is none. */
  open(rows) {
    const wrong = refusal(rows);
    if (wrong) throw new Error(wrong);
    this.follow = false;
    this.change(copied(rows), { maps: true });
    this.follow = follows(rows);
  }

  /** The drag is over. */
  settle() {
    if (!this.held) return;
    this.held = false;
    this.#remember();
    this.heard("settled");
  }

  #remember() {
    if (JSON.stringify(this.rows) === JSON.stringify(this.settled)) return;
    this.past.push(this.settled);
    this.future = [];
    this.settled = this.rows;
  }

  undo() {
    this.#travel(this.past, this.future);
  }

  redo() {
    this.#travel(this.future, this.past);
  }

  #travel(from, to) {
    if (!from.length) return;
    to.push(this.settled);
    this.rows = this.settled = from.pop();
    this.follow = follows(this.rows);
    this.selected = Math.min(this.selected, this.rows.length - 1);
    this.heard("maps");
  }

  select(map) {
    if (map === this.selected) return;
    this.selected = map;
    this.heard("selected");
  }

  /** Add a map: the selected one at half the size, moved by `by` to the right and up. */
  add(by) {
    if (this.rows.length >= MOST_MAPS) throw new Error(`A system has at most ${MOST_MAPS} maps.`);
    const [a, b, c, d, e, f, p] = this.rows[this.selected];
    const copy = [a / 2, b / 2, c / 2, d / 2, e + by, f + by, p / 2];
    this.selected = this.rows.length;
    this.change([...this.rows, copy].map((row) => row.with(6, row[6] / (1 + copy[6]))));
  }

  /** Remove the selected map. */
  remove() {
    const left = this.rows.filter((_, i) => i !== this.selected);
    const total = left.reduce((sum, row) => sum + row[6], 0);
    this.change(left.map((row) => row.with(6, total ? row[6] / total : 1 / left.length)));
  }

  /** Give the selected map this probability, and the others the rest, in their proportions. */
  weigh(p) {
    if (!(p >= 0 && p <= 1)) throw new Error("p is a probability: from 0 to 1.");
    if (this.rows.length === 1) throw new Error("The only map has p = 1.");
    const rest = 1 - this.rows[this.selected][6];
    const share = (row) => (rest ? (row[6] * (1 - p)) / rest : (1 - p) / (this.rows.length - 1));
    this.follow = false;
    this.change(
      this.rows.map((row, i) => row.with(6, i === this.selected ? p : share(row))),
      { maps: true },
    );
  }
}
