// The explorer of iterated function systems (IFS), for a notebook (anywidget) and for a page without a kernel.

import { ACCEPTED, choose, draw, fillingRate, isFinite, JUDGED, orbit, paint, SIDE, USUAL } from "./chaos_game.js";
import { asideOf, instancesOf, playerOf, settingsOf, sourcesOf, textsOf } from "./controls.js";
import { Edited } from "./edited.js";
import { alarm, button, h, keepingFocus } from "./elements.js";
import { fieldsOf } from "./fields.js";
import { CLASSICS, weighted } from "./ifs.js";
import { planeOf } from "./plane.js";
import { numbers } from "./streams.js";

const MOST_POINTS = 5e6;
const RUNS_OFF = "This system runs off to infinity: its maps do not contract enough. The picture is the last good one; " +
  "make a map smaller, or undo.";

/**
 * The explorer inside an element.
 *
 * options: system (rows); settings (see USUAL); published(number) and mine(number), promises of rows, where there are
 * such systems; save(rows), a promise of a sentence (without it a file is downloaded); changed(rows) hears of each change.
 * Returns {system, open(rows), remove(), times}: the milliseconds of each drawing are in `times`, newest last.
 */
export function mount(root, options = {}) {
  const settings = { ...USUAL, ...options.settings }, buffers = {}, times = [], said = alarm();
  let frame = 0, image = null, off = false;

  const edited = new Edited(options.system ?? CLASSICS["Sierpinski triangle"], (what) => {
    keepingFocus(root, () => {
      if (what === "maps") plane.rebuild();
      if (what === "maps" || what === "selected") fields.rebuild();
    });
    if (what === "maps" || what === "numbers") options.changed?.(edited.rows);
    schedule();
  });
  const open = said.kindly((rows, { fitted = true } = {}) => {
    edited.open(rows);
    said.tell("");
    if (fitted) plane.fit();
  });

  // ------------------------------------------------------------------ drawing

  function schedule() {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      const began = performance.now();
      refresh();
      times.push(performance.now() - began);
      if (times.length > 1000) times.shift();
    });
  }

  function refresh() {
    const { rows } = edited, { draw: kind, size, weight, seed, category } = settings;
    const points = edited.held ? Math.min(settings.points, USUAL.points) : settings.points;
    plane.placeHandles();
    fields.fill();
    back.setAttribute("aria-disabled", String(!edited.past.length)); // not `disabled`, which would take the focus away
    again.setAttribute("aria-disabled", String(!edited.future.length));
    if (!(points >= 2 && points <= MOST_POINTS))
      return said.tell(`${points} points; the explorer draws 2 to ${MOST_POINTS.toLocaleString("en")}.`);
    if (!(size >= 16 && size <= 2048)) return said.tell(`${size} pixels a side; the explorer draws 16 to 2,048.`);
    if (buffers.choices?.length !== points) buffers.choices = new Uint8Array(points);
    const choices = choose(rows, numbers("random", 100, points), buffers.choices);
    const drawn = orbit(weight === 1 ? rows : weighted(rows, [weight, 1, 1, 1, 1, 1]), choices, (buffers.orbit ??= {}));
    if (!isFinite(drawn)) {
      off = true;
      return said.tell(RUNS_OFF);
    }
    const { shown } = player, count = shown ? Math.min(shown, points) : points;
    const key = category === null || category === undefined ? [seed] : [seed, category];
    image = draw(drawn, kind, size, kind.startsWith("patch") ? numbers("patches", key, points) : null, count);
    paint(canvas, image, kind);
    plane.draw(drawn, choices, count, shown && shown <= 2000);
    judge(drawn, Math.min(JUDGED, points), shown ? ` · ${count.toLocaleString("en")} points shown` : "");
    if (off) said.tell(""), (off = false);
  }

  /** Say what the search would say of the first n points. */
  function judge(points, n, more) {
    const rate = fillingRate(points, n), accepted = rate >= ACCEPTED;
    status.replaceChildren(
      h("strong", {}, `${(100 * rate).toFixed(1)} %`), ` of ${SIDE} × ${SIDE} pixels are lit by ${n.toLocaleString("en")} points: `,
      h("span", { class: accepted ? "ofdb-yes" : "ofdb-no" },
        accepted ? "the search would take it" : `the search would not take it (it needs ${100 * ACCEPTED} %)`), more);
    canvas.dataset.rate = rate;
  }

  // ------------------------------------------------------------------ what is there

  const canvas = h("canvas", { role: "img", "aria-label": "The picture of the system", "data-ofdb": "picture" });
  const status = h("p", { class: "ofdb-status", role: "status", "aria-live": "polite" });
  const plane = planeOf(edited, schedule), player = playerOf(settings, schedule);
  const fields = fieldsOf(edited, said, said.kindly(() => edited.add(plane.reach / 8)));
  const aside = asideOf(edited, open, () => ({ image, kind: settings.draw }));
  const [box, texts] = textsOf(options, edited, said, open, () => off);
  const undo = () => (said.tell(""), edited.undo()), redo = () => (said.tell(""), edited.redo());
  const back = button("↶ undo", "undo (Ctrl+Z)", undo), again = button("↷ redo", "redo (Ctrl+Y)", redo);
  const onkeydown = (event) => {
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      event.preventDefault();
      (key === "y" || event.shiftKey ? redo : undo)();
    }
    event.stopPropagation();
  };

  root.replaceChildren(h("div", { class: "ofdb-explorer", role: "group", "aria-label": "Explorer of iterated function systems", onkeydown },
    h("div", { class: "ofdb-row" }, ...sourcesOf(options, said, open), h("span", { class: "ofdb-gap" }), back, again,
      button("◫ put aside", "keep this picture beside the next ones, to compare", aside.pin)),
    h("div", { class: "ofdb-stage" },
      h("figure", {}, plane.element, h("figcaption", {}, "Each map carries the dashed square to its parallelogram, red edge to red edge: drag it.")),
      h("figure", {}, canvas, h("figcaption", {}, "The picture, each axis stretched to fill it.")), aside.element),
    status, said.element,
    h("div", { class: "ofdb-panels" },
      h("section", { "aria-label": "numbers of a map" }, ...fields.elements),
      h("section", { "aria-label": "picture and text" },
        h("div", { class: "ofdb-row" }, ...settingsOf(settings, said, schedule, MOST_POINTS)),
        h("div", { class: "ofdb-row", "aria-label": "chaos game", role: "group" }, ...player.elements),
        h("div", { class: "ofdb-row" }, ...box), h("div", { class: "ofdb-row" }, ...texts))),
    instancesOf(edited, open)));
  plane.rebuild();
  fields.rebuild();

  return {
    get system() {
      return edited.rows;
    },
    open,
    remove: () => (player.stop(), cancelAnimationFrame(frame), root.replaceChildren()),
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
