// Draws a system by the settings of its picture, reusing the same arrays.

import { choose, isFinite, orbit } from "./chaos_game.js";
import { weighted } from "./ifs.js";
import { draw } from "./raster.js";
import { numbers } from "./streams.js";

export const MOST_POINTS = 5e6;

export class Drawing {
  /** settings: as USUAL of chaos_game.js; after a change, call `draw` again. */
  constructor(settings) {
    this.settings = settings;
    /** @type {import("./chaos_game.js").Points | null} */
    this.orbit = null;
    this.choices = new Uint8Array();
    /** @type {Uint8Array | null} the palette indices of the last good picture */
    this.image = null;
  }

  /** Why the settings cannot be drawn, as a sentence, or "". */
  get refusal() {
    const { size, points } = this.settings;
    if (!(points >= 2 && points <= MOST_POINTS))
      return `${points} points; the explorer draws 2 to ${MOST_POINTS.toLocaleString("en")}.`;
    return size >= 16 && size <= 2048 ? "" : `${size} pixels a side; the explorer draws 16 to 2,048.`;
  }

  /**
   * Draw n points, of which the picture shows the first `shown`, or all for 0. Returns {orbit, choices, count}, the number
   * of points that are shown; null if the system runs off.
   */
  draw(rows, n, shown) {
    const { draw: kind, size, weight, seed, category } = this.settings;
    if (this.choices.length !== n) this.choices = new Uint8Array(n);
    choose(rows, numbers("random", 100, n), this.choices);
    const system = weight === 1 ? rows : weighted(rows, [weight, 1, 1, 1, 1, 1]);
    this.orbit = orbit(system, this.choices, this.orbit);
    if (!isFinite(this.orbit)) return null;
    const count = shown ? Math.min(shown, n) : n;
    const key = category === null || category === undefined ? [seed] : [seed, category];
    const patches = kind.startsWith("patch") ? numbers("patches", key, n) : null;
    this.image = draw(this.orbit, kind, size, patches, count);
    return { orbit: this.orbit, choices: this.choices, count };
  }
}
