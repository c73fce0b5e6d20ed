// The system as text: read from a box, copied, and saved.

import { button, h } from "./elements.js";
import { isOfAnotherProgram, parse, toCSV, toText } from "./ifs.js";

/** The system as text, to edit, copy and save; options as for `mount`, off(): whether it runs off. Returns two rows. */
export function textsOf(options, edited, said, open, off) {
  const told = h("span", { class: "ofdb-note", role: "status" });
  const note = (text) => (told.textContent = text);
  const box = h("textarea", {
    rows: 2,
    spellcheck: "false",
    "aria-label": "A system as text",
    title: "a line (maps separated by ;) or a table, with or without p; press Enter to open it",
    placeholder: "paste a system here: a b c d e f p; a b c …",
    onkeydown: (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && !event.shiftKey) (event.preventDefault(), read());
    },
  });
  const read = said.kindly(async () => {
    note("");
    open(options.parse && isOfAnotherProgram(box.value) ? await options.parse(box.value) : parse(box.value, note));
  });
  const copy = (what, make) =>
    said.kindly(async () => {
      const text = make(edited.rows);
      said.tell("");
      box.value = text;
      try {
        await navigator.clipboard.writeText(text);
        note(`${what} is in the clipboard and in the box.`);
      } catch {
        // a page over plain http has no clipboard, and a reader may refuse it
        box.select();
        note(`${what} is in the box, selected: this page may not use the clipboard.`);
      }
    });
  const save = said.kindly(async () => {
    if (off())
      throw new Error(
        "A system that runs off to infinity is not saved, since it has no picture. Make a map smaller, or undo.",
      );
    said.tell("");
    if (options.save) return note(await options.save(edited.rows));
    const file = new Blob([toCSV(edited.rows)], { type: "text/csv" });
    h("a", { href: URL.createObjectURL(file), download: "00000.csv" }).click();
    note("00000.csv was saved among the downloads.");
  });
  const name = h("input", {
    value: "picture.png",
    size: 14,
    "aria-label": "Name of the file",
    title: ".png: a large picture; .svg: the maps; .gif or .webp: a film; .ifs, .flame or .csv: the system",
    onkeydown: (event) => (event.stopPropagation(), event.key === "Enter" && saveAs()),
  });
  const saveAs = said.kindly(async () => {
    note(`${name.value} is being made …`);
    try {
      note(await options.saveAs(edited.rows, name.value));
    } catch (error) {
      note("");
      throw error;
    }
  });
  const named = options.saveAs
    ? [button("save as", "save the system in the form of the name's ending", saveAs), name]
    : [];
  return [
    [box],
    [
      button("open", "open the system in the box", read),
      button("copy line", "copy the system as a line of text", copy("The line", toText)),
      button("copy CSV", "copy the system as the text of a category's file", copy("The CSV", toCSV)),
      button("save", "save the system as a category's file", save, { class: "ofdb-main" }),
      ...named,
      told,
    ],
  ];
}
