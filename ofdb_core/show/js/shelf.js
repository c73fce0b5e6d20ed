// A collection to look through: sorted and filtered by its properties, with one category opened.

import { showCategory } from "./category.js";
import { rounded } from "./collection.js";
import { h } from "./elements.js";
import { rangeOf } from "./range.js";
import { TILE, tilesOf } from "./tiles.js";

/** A button that is pressed or not; changed(pressed). Returns {element, pressed, release()}. */
function toggle(text, title, changed, more = {}) {
  const set = (pressed) => element.setAttribute("aria-pressed", String(pressed));
  const element = h(
    "button",
    {
      title,
      "aria-pressed": "false",
      ...more,
      onclick: () => {
        set(!held.pressed);
        changed(held.pressed);
      },
    },
    text,
  );
  const held = {
    element,
    release: () => set(false),
    get pressed() {
      return element.getAttribute("aria-pressed") === "true";
    },
  };
  return held;
}

/** The meanings of the properties, folded. */
function legendOf(meanings) {
  const rows = Object.entries(meanings).flatMap(([name, meaning]) => [h("dt", {}, name), h("dd", {}, meaning)]);
  return h("details", { class: "meanings" }, h("summary", {}, "what the numbers mean"), h("dl", {}, ...rows));
}

/** Show a `Collection` inside an element, its categories in `dialog`; options as for `mount`. Returns what removes it. */
export function shelve(root, collection, dialog, options) {
  const { alike, meanings, names, properties } = collection.data;
  const { likeness } = properties;
  let shown = [];
  const ranges = Object.entries(properties).map(([name, values]) => ({
    name,
    ...rangeOf(name, meanings[name], values, update),
  }));
  const sort = h(
    "select",
    { "aria-label": "sort by", onchange: update },
    h("option", { value: "" }, "number"),
    ...ranges.map(({ name }) => h("option", { value: name }, name)),
  );
  const downwards = toggle("↓", "from the largest to the smallest", update, { "aria-label": "sort downwards" });
  const duplicates = likeness.filter((value) => value >= alike).length;
  const twins = toggle(`near-duplicates: ${rounded(duplicates)}`, meanings.likeness, (pressed) =>
    ranges.find(({ name }) => name === "likeness")?.choose(pressed ? alike : -Infinity, Infinity),
  );
  const find = h("input", {
    type: "search",
    placeholder: "number",
    "aria-label": "go to a category",
    size: 8,
    onchange: () => {
      const wanted = names.findIndex((name) => name === find.value || Number(name) === Number(find.value || NaN));
      if (wanted >= 0) open(wanted);
      else if (find.value) count.textContent = `There is no category ${find.value}.`;
    },
  });
  const zoom = h("input", {
    type: "range",
    min: TILE.min,
    max: TILE.max,
    step: TILE.step,
    value: TILE.usual,
    "aria-label": "size of a picture",
    oninput: () => tiles.resize(zoom.valueAsNumber),
  });
  const clear = h(
    "button",
    {
      onclick: () => {
        ranges.forEach((range) => range.clear());
        twins.release();
      },
    },
    "clear filters",
  );
  const count = h("output", { class: "count", "aria-live": "polite" });
  const tiles = tilesOf(
    collection,
    (category) => (sort.value ? `${names[category]} · ${rounded(properties[sort.value][category])}` : names[category]),
    open,
  );

  function update() {
    const values = properties[sort.value];
    const sign = downwards.pressed ? -1 : 1;
    shown = names.map((_, i) => i).filter((i) => ranges.every((range) => range.holds(i)));
    if (values) shown.sort((one, other) => sign * (values[one] - values[other]) || one - other);
    else if (sign < 0) shown.reverse();
    count.textContent = `${rounded(shown.length)} of ${rounded(collection.count)}`;
    tiles.show(shown);
  }

  function open(category) {
    const step = (by) => open(shown[(shown.indexOf(category) + by + shown.length) % shown.length] ?? category);
    showCategory(dialog, collection, category, { step, open, ...options });
  }

  root.replaceChildren(
    h(
      "div",
      { class: "row" },
      h("label", {}, "sort by", sort),
      downwards.element,
      twins.element,
      h("label", {}, "go to", find),
      h("label", {}, "size", zoom),
      clear,
      count,
    ),
    h(
      "details",
      { open: matchMedia("(min-width: 44rem)").matches },
      h("summary", {}, "filters"), // on a phone the pictures come first
      h("div", { class: "filters" }, ...ranges.map(({ element }) => element)),
      legendOf(meanings),
    ),
    tiles.element,
  );
  update();
  return tiles.remove;
}
