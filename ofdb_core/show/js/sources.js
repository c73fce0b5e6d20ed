// Sources of a system: the first one, a classic, a category, or a random one.

import { searched } from "./chaos_game.js";
import { button, h } from "./elements.js";
import { CLASSICS, sample } from "./ifs.js";
import { Mersenne } from "./streams.js";

/** The choice of a source; options as for `mount`. Returns the elements. */
export function sourcesOf(options, said, open) {
  const numbered = [
    ["published", "published category …"],
    ["mine", "category of this run …"],
  ].filter(([name]) => options[name]);
  const from = h(
    "select",
    { "aria-label": "Start from", title: "where to start" },
    ...(options.system ? [h("option", { value: "given" }, "the system given")] : []),
    h("optgroup", { label: "classics" }, ...Object.keys(CLASSICS).map((name) => h("option", {}, name))),
    h(
      "optgroup",
      { label: "categories" },
      ...numbered.map(([value, text]) => h("option", { value }, text)),
      h("option", { value: "random" }, "random, that the search takes"),
      h("option", { value: "any" }, "random, as it comes"),
    ),
  );
  const which = h("input", {
    type: "number",
    min: 0,
    value: 0,
    step: 1,
    hidden: true,
    "aria-label": "Number of the category",
    title: "the number of the category, from 0",
  });
  const begin = said.kindly(async () => {
    said.tell("");
    const source = from.value;
    if (options[source]) return open(await options[source](Math.max(0, which.valueAsNumber || 0)));
    if (source === "random" || source === "any") {
      const stream = new Mersenne([...crypto.getRandomValues(new Uint32Array(2))]);
      const found = source === "any" ? sample(stream) : searched(stream);
      return found ? open(found) : said.tell("None of 1,000 random systems fills enough. Try again.");
    }
    open(source === "given" ? options.system : CLASSICS[source]);
  });
  from.addEventListener("change", () => {
    which.hidden = !options[from.value];
    begin();
  });
  which.addEventListener("change", begin);
  return [
    h("label", {}, h("span", {}, "start from"), from),
    which,
    button("⟳ again", "start from it again; a random choice gives another system", begin),
  ];
}
