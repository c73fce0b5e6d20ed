// What stands around the picture: where systems come from and go to, the chaos game step by step, comparing, instances.

import { draw, isFinite, orbit, choose, paint, searched } from "./chaos_game.js";
import { button, h, number } from "./elements.js";
import { CLASSICS, parse, perturbed, sample, toCSV, toText, weighted, weightRows } from "./ifs.js";
import { Mersenne, numbers } from "./streams.js";

const SHOWN_INSTANCES = 12;

/** Where to start; options as for `mount`. Returns the elements. */
export function sourcesOf(options, said, open) {
  const numbered = [["published", "published category …"], ["mine", "category of this run …"]].filter(([name]) => options[name]);
  const from = h("select", { "aria-label": "Start from", title: "where to start" },
    ...(options.system ? [h("option", { value: "given" }, "the system given")] : []),
    h("optgroup", { label: "classics" }, ...Object.keys(CLASSICS).map((name) => h("option", {}, name))),
    h("optgroup", { label: "categories" }, ...numbered.map(([value, text]) => h("option", { value }, text)),
      h("option", { value: "random" }, "random, that the search takes"), h("option", { value: "any" }, "random, as it comes")));
  const which = h("input", { type: "number", min: 0, value: 0, step: 1, hidden: true, "aria-label": "Number of the category",
    title: "the number of the category, from 0" });
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
  return [h("label", {}, h("span", {}, "start from"), from), which,
    button("⟳ again", "start from it again; a random choice gives another system", begin)];
}

/** The system as text, and where to take it; options as for `mount`, off(): whether it runs off. Returns two rows of elements. */
export function textsOf(options, edited, said, open, off) {
  const told = h("span", { class: "ofdb-note", role: "status" }), note = (text) => (told.textContent = text);
  const box = h("textarea", { rows: 2, spellcheck: "false", "aria-label": "A system as text",
    title: "a line (maps separated by ;) or a CSV's text; press Enter to open it",
    placeholder: "paste a system here: a b c d e f p; a b c …",
    onkeydown: (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.shiftKey) event.preventDefault(), read();
    } });
  const read = said.kindly(() => open(parse(box.value)));
  const copy = (what, make) => said.kindly(async () => {
    const text = make(edited.rows);
    said.tell("");
    box.value = text;
    try {
      await navigator.clipboard.writeText(text);
      note(`${what} is in the clipboard and in the box.`);
    } catch { // a page that came by plain http has no clipboard, and a reader may refuse it
      box.select();
      note(`${what} is in the box, selected: this page may not use the clipboard.`);
    }
  });
  const save = said.kindly(async () => {
    if (off()) throw new Error("A system that runs off to infinity is not saved, since it has no picture. Make a map smaller, or undo.");
    said.tell("");
    if (options.save) return note(await options.save(edited.rows));
    const file = new Blob([toCSV(edited.rows)], { type: "text/csv" });
    h("a", { href: URL.createObjectURL(file), download: "00000.csv" }).click();
    note("00000.csv was saved among the downloads.");
  });
  return [[box], [button("open", "open the system in the box", read),
    button("copy line", "copy the system as a line of text", copy("The line", toText)),
    button("copy CSV", "copy the system as the text of a category's file", copy("The CSV", toCSV)),
    button("save", "save the system as a category's file", save, { class: "ofdb-main" }), told]];
}

/** How the picture is drawn: fields that change `settings`. Returns the elements. */
export function settingsOf(settings, said, schedule, mostPoints) {
  const kinds = ["point_gray", "patch_gray", "point_color", "patch_color"];
  const kind = h("select", { "aria-label": "Drawing", title: "a dot for each point or a random 3 × 3 patch, in gray or in hues",
    onchange: () => ((settings.draw = kind.value), schedule()) },
    ...kinds.map((value) => h("option", { value, selected: value === settings.draw }, value.replace("_", ", "))));
  const field = (name, label, about, more) => {
    const [element, input] = number(said, label, about, (value) => {
      input.value = settings[name] = name === "weight" ? value : Math.round(value);
      schedule();
    }, more);
    input.value = settings[name];
    return element;
  };
  return [h("label", {}, h("span", {}, "draw"), kind), field("size", "pixels", "of the picture, each side", { min: 16, max: 2048 }),
    field("points", "points", "of the chaos game", { min: 2, max: mostPoints }),
    field("weight", "weight on a", "a factor on the coefficient a of every map; 2D-OFDB has 0.2")];
}

/** The chaos game point by point. Returns {elements, stop(), shown}, the number of points shown, 0 for all of them. */
export function playerOf(settings, schedule) {
  let shown = 0, playing = 0;
  const slider = h("input", { type: "range", min: 0, max: 100, value: 100, "aria-label": "Points of the chaos game",
    title: "how many points of the chaos game are shown",
    oninput: () => reach(slider.valueAsNumber >= 100 ? 0 : Math.round(settings.points ** (slider.valueAsNumber / 100))) });
  const counted = h("output", {}, "all points");
  function reach(count) {
    shown = count >= settings.points ? 0 : Math.max(0, count);
    counted.textContent = shown ? `${shown.toLocaleString("en")} point${shown === 1 ? "" : "s"}` : "all points";
    slider.value = shown ? (100 * Math.log(shown)) / Math.log(settings.points) : 100;
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
      if (!play.isConnected) return stop();
      reach(shown + Math.max(1, Math.round(shown / 20)));
      if (!shown) stop();
    }, 60);
  });
  const elements = [play, button("+1", "one point more", () => (stop(), reach(shown ? shown + 1 : 1))), slider, counted,
    button("all", "show all points", () => (stop(), reach(0)))];
  return {
    elements, stop,
    get shown() {
      return shown;
    },
  };
}

/** A picture put aside, to compare; drawn(): {image, kind} of the picture now. Returns {element, pin()}. */
export function asideOf(edited, open, drawn) {
  let pinned = null;
  const canvas = h("canvas", { role: "img", "aria-label": "The picture put aside" });
  const pin = () => {
    const { image, kind } = drawn();
    if (!image) return;
    pinned = edited.rows;
    paint(canvas, image, kind);
    element.hidden = false;
  };
  const swap = () => {
    const there = pinned;
    pin();
    open(there, { fitted: false });
  };
  const element = h("figure", { hidden: true }, canvas, h("figcaption", {}, "put aside · ",
    button("⇄ swap", "open the system put aside, and put this one there", swap), " ",
    button("✕", "put the second picture away", () => (element.hidden = true))));
  return { element, pin };
}

/** What the families make of the system, folded until it is asked for. Returns the element. */
export function instancesOf(edited, open) {
  let seed = 1;
  const sheet = h("div", { class: "ofdb-sheet" }), told = h("output", {});
  const spread = h("input", { type: "range", min: 0, max: 0.5, step: 0.01, value: 0.1, "aria-label": "How much the instances vary",
    title: "1p-frac: delta; FractalDB: the step of its weights", oninput: () => show() });
  const rule = h("select", { "aria-label": "How instances are made", title: "how instances are made of this system", onchange: () => {
    spread.value = rule.value === "frac" ? 0.1 : 0.4;
    show();
  } }, h("option", { value: "frac" }, "1p-frac: each coefficient × (1 ± δ)"), h("option", { value: "weights" }, "FractalDB: a coefficient weighted"));
  const small = (rows, i) => {
    const canvas = h("canvas", {}), points = orbit(rows, choose(rows, numbers("random", 100, 20000))), good = isFinite(points);
    if (good) paint(canvas, draw(points, "point_gray", 112, null), "point_gray");
    return button(canvas, good ? `instance ${i}: open it` : `instance ${i} runs off to infinity`, () => open(rows), { disabled: !good });
  };
  function show() {
    const { rows } = edited, value = spread.valueAsNumber;
    const made = rule.value === "weights" ? weightRows(value).map((row) => weighted(rows, row))
      : Array.from({ length: SHOWN_INSTANCES }, (_, i) => perturbed(rows, value, seed, i));
    told.textContent = `${rule.value === "frac" ? "δ" : "s"} = ${value}`;
    sheet.replaceChildren(...made.map(small));
  }
  const element = h("details", { ontoggle: () => element.open && show() },
    h("summary", { title: "what the families make of this one system" }, "Instances"),
    h("div", { class: "ofdb-row" }, rule, spread, told, button("others", "draw other instances (1p-frac)", () => (seed++, show())),
      button("of this system", "make them of the system as it is now", show)), sheet);
  return element;
}
