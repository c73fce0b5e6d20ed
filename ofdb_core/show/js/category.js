// One category in a dialog: its pictures, its properties, the one most like it, and its system.

import { rounded } from "./collection.js";
import { h, keepingFocus } from "./elements.js";

const PICTURE = 352;
const SMALL = 56; // pixels
const MOST_FILES = 24; // shown in the strip below the picture

/**
 * Show a category in a dialog. step(1 or -1): the next or previous one; open(category); explorer and draw as for `mount`.
 */
export function showCategory(dialog, collection, category, { step, open, explorer, draw }) {
  const { drawn, names, title } = collection.data;
  const settings = drawn && { ...drawn, category: Number(names[category]) }; // those of the image itself
  const press = (text, label, onclick) => h("button", { "aria-label": label, onclick }, text);
  keepingFocus(
    dialog,
    () =>
      dialog.replaceChildren(
        h(
          "header",
          {},
          h("h3", {}, `${title}, category ${names[category]}`),
          press("←", "previous category", () => step(-1)),
          press("→", "next category", () => step(1)),
          press("✕", "close", () => dialog.close()),
        ),
        h(
          "div",
          { class: "two" },
          h("div", {}, ...picturesOf(collection, category, settings, draw)),
          h(
            "div",
            {},
            factsOf(collection, category),
            ...twinOf(collection, category, open),
            ...coefficientsOf(collection, category),
          ),
        ),
        ...explorerOf(collection, category, settings, explorer),
      ),
    "[aria-label='next category']",
  );
  dialog.onkeydown = (event) => {
    if (event.target.closest("input, select, textarea, canvas, .ofdb-explorer")) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(event.key === "ArrowLeft" ? -1 : 1);
  };
  if (!dialog.open) dialog.showModal();
}

/** The picture, and below it a strip of the others: image files if there are any, else tiles. */
function picturesOf(collection, category, settings, draw) {
  const { files, names, pictures, systems } = collection.data;
  const first = category * pictures;
  const label = `category ${names[category]}`;
  const strip = (shown) => h("div", { class: "strip" }, ...(shown.length > 1 ? shown : []));

  function drawn() {
    const attributes = { class: "picture", role: "img", "aria-label": label };
    if (draw && settings && systems?.d === 2 && pictures === 1) {
      const canvas = h("canvas", attributes);
      draw(canvas, collection.system(category), settings);
      return [canvas, strip([])];
    }
    const style = (k) => `width:${PICTURE}px;max-width:100%;height:${PICTURE}px;${collection.tile(first + k, PICTURE)}`;
    const tile = h("div", { ...attributes, style: style(0) });
    const choices = Array.from({ length: pictures }, (_, k) =>
      h("button", {
        style: collection.tile(first + k, SMALL),
        "aria-label": `picture ${k}`,
        onclick: () => tile.setAttribute("style", style(k)),
      }),
    );
    return [tile, strip(choices)];
  }

  if (!files) return drawn();
  const image = h("img", {
    class: "picture",
    src: files[category][0],
    alt: label,
    onerror: () => image.replaceWith(drawn()[0]),
  });
  const choices = files[category]
    .slice(0, MOST_FILES)
    .map((file, k) =>
      h(
        "button",
        { "aria-label": `picture ${k}`, onclick: () => (image.src = file) },
        h("img", { src: file, alt: "", loading: "lazy" }),
      ),
    );
  return [image, strip(choices)];
}

function factsOf(collection, category) {
  const { meanings, properties } = collection.data;
  return h(
    "dl",
    {},
    ...Object.entries(properties).flatMap(([name, values]) => [
      h("dt", { title: meanings[name] }, name),
      h("dd", {}, rounded(values[category])),
    ]),
  );
}

function twinOf(collection, category, open) {
  const { names, nearest, pictures, properties } = collection.data;
  const twin = nearest[category];
  if (twin < 0) return [];
  return [
    h(
      "button",
      { class: "twin", onclick: () => open(twin) },
      h("i", { style: collection.tile(twin * pictures, SMALL) }),
      `most like it: ${names[twin]} (${rounded(properties.likeness[category])})`,
    ),
  ];
}

function coefficientsOf(collection, category) {
  const rows = collection.system(category);
  if (!rows.length) return [];
  const heads = [..."abcdefghijklmnop"].slice(0, rows[0].length - 1).concat("p");
  const copy = h(
    "button",
    {
      onclick: async () => {
        const text = rows.map((row) => row.join(",")).join("\n");
        try {
          await navigator.clipboard.writeText(text);
          copy.textContent = "copied";
        } catch {
          // a page over plain http has no clipboard
          const box = h(
            "textarea",
            { readonly: true, rows: rows.length + 1, wrap: "off", "aria-label": "the system as CSV" },
            text,
          );
          copy.replaceWith(box);
          box.select();
        }
      },
    },
    "copy as CSV",
  );
  const table = h(
    "table",
    {},
    h("tr", {}, ...heads.map((head) => h("th", {}, head))),
    ...rows.map((row) => h("tr", {}, ...row.map((value) => h("td", {}, value.toFixed(3))))),
  );
  return [h("div", { class: "wide" }, table), h("div", { class: "row" }, copy)];
}

function explorerOf(collection, category, settings, explorer) {
  if (!explorer || collection.data.systems?.d !== 2) return [];
  const root = h("div");
  const start = h(
    "button",
    {
      class: "explore",
      onclick: () => {
        explorer(root, collection.system(category), settings ?? {});
        start.remove();
        root.querySelector("select")?.focus();
      },
    },
    "Explore: drag its maps",
  );
  return [start, root];
}
