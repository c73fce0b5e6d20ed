// The explorer of iterated function systems (IFS), for a notebook (anywidget) and for a page without a kernel.

import { asideOf } from "./aside.js";
import { JUDGED, USUAL } from "./chaos_game.js";
import { Drawing, MOST_POINTS } from "./drawing.js";
import { Edited } from "./edited.js";
import { alarm, button, h, keepingFocus } from "./elements.js";
import { fieldsOf } from "./fields.js";
import { historyOf } from "./history.js";
import { CLASSICS } from "./ifs.js";
import { instancesOf } from "./instances.js";
import { showWidget } from "./kernel.js";
import { planeOf } from "./plane.js";
import { playerOf } from "./player.js";
import { paint } from "./raster.js";
import { settingsOf } from "./settings.js";
import { sourcesOf } from "./sources.js";
import { textsOf } from "./texts.js";
import { verdictOf } from "./verdict.js";

const RUNS_OFF =
  "This system runs off to infinity: its maps do not contract enough. The picture is the last good one; " +
  "make a map smaller, or undo.";

/**
 * The explorer inside an element.
 *
 * options: system (rows); settings (see USUAL); published(number) and mine(number), promises of rows, if there are such
 * systems; save(rows), a promise of a sentence (without it a file is downloaded); parse(text), a promise of the rows of another program's
 * file; saveAs(rows, name), a promise of a sentence, saves a picture, a film or a file of that form; changed(rows) is called after each change.
 * Returns {system, open(rows), remove(), times}: the milliseconds of each drawing are in `times`, newest last.
 */
export function mount(root, options = {}) {
  const settings = { ...USUAL, ...options.settings };
  const times = [];
  const said = alarm();
  const drawing = new Drawing(settings);
  let frame = 0;
  let off = false;

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
    const points = edited.held ? Math.min(settings.points, USUAL.points) : settings.points;
    plane.placeHandles();
    fields.fill();
    history.refresh();
    const wasOff = off;
    if (drawing.refusal) return said.tell(drawing.refusal);
    const drawn = drawing.draw(edited.rows, points, player.shown);
    off = !drawn;
    if (!drawn) return said.tell(RUNS_OFF);
    const { orbit, choices, count } = drawn;
    paint(canvas, drawing.image, settings.draw);
    plane.draw(orbit, choices, count, player.shown && player.shown <= 2000);
    const more = player.shown ? ` · ${count.toLocaleString("en")} points shown` : "";
    canvas.dataset.rate = String(verdict.judge(orbit, Math.min(JUDGED, points), more));
    if (wasOff) said.tell("");
  }

  // ------------------------------------------------------------------ what is there

  const canvas = h("canvas", { role: "img", "aria-label": "The picture of the system", "data-ofdb": "picture" });
  const verdict = verdictOf();
  const plane = planeOf(edited, schedule);
  const player = playerOf(settings, schedule);
  const fields = fieldsOf(
    edited,
    said,
    said.kindly(() => edited.add(plane.reach / 8)),
  );
  const aside = asideOf(edited, open, () => ({ image: drawing.image, kind: settings.draw }));
  const [box, texts] = textsOf(options, edited, said, open, () => off);
  const history = historyOf(edited, said);

  root.replaceChildren(
    h(
      "div",
      {
        class: "ofdb-explorer",
        role: "group",
        "aria-label": "Explorer of iterated function systems",
        onkeydown: history.onkeydown,
      },
      h(
        "div",
        { class: "ofdb-row" },
        ...sourcesOf(options, said, open),
        h("span", { class: "ofdb-gap" }),
        ...history.elements,
        button("◫ put aside", "keep this picture beside the next ones, to compare", aside.pin),
      ),
      h(
        "div",
        { class: "ofdb-stage" },
        h(
          "figure",
          {},
          plane.element,
          h(
            "figcaption",
            {},
            "Each map carries the dashed square to its parallelogram, red edge to red edge: drag it.",
          ),
        ),
        h("figure", {}, canvas, h("figcaption", {}, "The picture, each axis stretched to fill it.")),
        aside.element,
      ),
      verdict.element,
      said.element,
      h(
        "div",
        { class: "ofdb-panels" },
        h("section", { "aria-label": "numbers of a map" }, ...fields.elements),
        h(
          "section",
          { "aria-label": "picture and text" },
          h("div", { class: "ofdb-row" }, ...settingsOf(settings, said, schedule, MOST_POINTS)),
          h("div", { class: "ofdb-row", "aria-label": "chaos game", role: "group" }, ...player.elements),
          h("div", { class: "ofdb-row" }, ...box),
          h("div", { class: "ofdb-row" }, ...texts),
        ),
      ),
      instancesOf(edited, open),
    ),
  );
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

export default { render: (context) => showWidget(context, mount) };
