// Input fields for the numbers of the selected map.

import { button, h, number } from "./elements.js";
import { assembled, colourOf, parts } from "./maps.js";

const LETTERS = ["a", "b", "c", "d", "e", "f"];
const ABOUT = {
  a: "how x becomes x",
  b: "how y becomes x",
  c: "how x becomes y",
  d: "how y becomes y",
  e: "how far it moves along x",
  f: "how far it moves along y",
  p: "how often the chaos game picks this map",
  turn: "rotation: how far it turns, in degrees",
  s1: "the larger singular value: how much it stretches where it stretches most",
  s2: "the smaller singular value: how much it stretches across",
  axis: "the direction of the larger stretch, in degrees",
};

/** The fields of an `Edited` system; add(): adds a map. Returns {elements, rebuild() for other maps, fill()}. */
export function fieldsOf(edited, said, add) {
  const maps = h("div", { class: "ofdb-tabs", role: "group", "aria-label": "Maps" });
  const table = h("div", { class: "ofdb-fields" });
  /** @type {Record<string, HTMLInputElement>} */
  const fields = {};
  /** @type {HTMLInputElement | null} the field with a half-written number, which no drawing overwrites */
  let typing = null;

  const put = (column) => (value) => edited.changeMap((row) => row.with(column, value));
  const shape = (name) => (value) =>
    edited.changeMap((row) => [...assembled({ ...parts(row), [name]: value }), ...row.slice(4)]);
  const field = (name, label, changed, more) => {
    const [element, input] = number(said, label, ABOUT[name], changed, more);
    fields[name] = input;
    input.addEventListener("input", () => (typing = input));
    for (const end of ["change", "blur"]) input.addEventListener(end, () => (typing = null));
    return element;
  };
  const check = (name, label, about, words, changed) => {
    fields[name] = h("input", { type: "checkbox", "aria-label": label, onchange: () => changed(fields[name].checked) });
    return h("label", { class: "ofdb-check", title: about }, fields[name], words);
  };

  function rebuild() {
    maps.replaceChildren(
      ...edited.rows.map((_, map) =>
        button(String(map), `show the numbers of map ${map}`, () => edited.select(map), {
          "aria-pressed": String(map === edited.selected),
          style: `--map: ${colourOf(map)}`,
        }),
      ),
      button("+ map", "add a map: a copy of this one at half the size", add),
      button("− map", "remove the chosen map", () => edited.remove(), { disabled: edited.rows.length === 1 }),
    );
    table.replaceChildren(
      ...["a", "b", "e", "c", "d", "f"].map((letter) => field(letter, letter, put(LETTERS.indexOf(letter)))),
      field("turn", "turn °", shape("turn")),
      field("s1", "σ₁", shape("s1"), { min: 0 }),
      field("s2", "σ₂", shape("s2"), { min: 0 }),
      field("axis", "axis °", shape("axis")),
      check("mirror", "mirrored", "whether it shows the left hand as the right one", "mirrored", shape("mirror")),
      field("p", "p", (value) => edited.weigh(value), { min: 0, max: 1 }),
      check(
        "follow",
        "p follows the area of each map",
        "p in proportion to the area |det A|, as in the search; else as you set it",
        "p follows area",
        (checked) => edited.followAreas(checked),
      ),
    );
    fill();
  }

  /** Show the current numbers, in all fields but the one that is being typed in. */
  function fill() {
    const row = edited.rows[edited.selected];
    const five = parts(row);
    const set = (name, value) => {
      if (typing !== fields[name]) fields[name].value = String(value);
    };
    LETTERS.forEach((letter, column) => set(letter, row[column]));
    for (const name of ["turn", "axis", "s1", "s2"]) set(name, Number(five[name].toFixed(4)));
    set("p", Number(row[6].toFixed(6)));
    fields.mirror.checked = five.mirror;
    fields.follow.checked = edited.follow;
  }

  return { elements: [maps, table], rebuild, fill };
}
