// The tiles of a collection, to scroll through: only those in sight are elements.

import { h } from "./elements.js";

export const TILE = { min: 40, usual: 96, max: 224, step: 8 }; // pixels

/**
 * The tiles of a `Collection`; label(category): its words; open(category) is called on a choice.
 * Returns {element, show(categories, in order), resize(pixels), remove()}.
 */
export function tilesOf(collection, label, open) {
  const { names, pictures, title } = collection.data;
  const elements = new Map(); // of tiles in sight, by position
  let shown = [];
  let size = TILE.usual;
  let columns = 1;
  let active = 0;
  const space = h("div", { class: "space" });
  const none = h("div", { class: "none", hidden: true }, "No category is within all ranges.");
  const element = h(
    "div",
    {
      class: "tiles",
      role: "group",
      "aria-label": `categories of ${title}`,
      onscroll: () => draw(),
      onkeydown: moveFocus,
    },
    space,
    none,
  );

  function layOut() {
    columns = Math.max(1, Math.floor(element.clientWidth / size));
    space.style.height = `${Math.ceil(shown.length / columns) * size}px`;
    elements.clear();
    space.replaceChildren();
    draw();
  }

  function draw() {
    const first = Math.max(0, Math.floor(element.scrollTop / size) - 1) * columns;
    const bottom = Math.ceil((element.scrollTop + element.clientHeight) / size);
    const end = Math.min(shown.length, (bottom + 1) * columns);
    for (const [at, tile] of elements)
      if (at < first || at >= end) {
        tile.remove();
        elements.delete(at);
      }
    for (let at = first; at < end; at++) if (!elements.has(at)) elements.set(at, space.appendChild(tileAt(at)));
  }

  function tileAt(at) {
    const category = shown[at];
    const width = element.clientWidth / columns;
    const x = (at % columns) * width + (width - size) / 2;
    const y = Math.floor(at / columns) * size;
    const style = (picture) =>
      `width:${size}px;height:${size}px;transform:translate(${x}px,${y}px);` +
      collection.tile(category * pictures + picture, size);
    const choose = () => {
      active = at;
      open(category);
    };
    const tile = h(
      "button",
      {
        class: "tile",
        style: style(0),
        tabindex: at === active ? 0 : -1,
        "data-at": at,
        "aria-label": `category ${names[category]}`,
        onclick: choose,
      },
      h("span", {}, label(category)),
    );
    if (pictures > 1) {
      const under = (event) => Math.min(pictures - 1, Math.floor((event.offsetX / size) * pictures));
      tile.addEventListener("pointermove", (event) => tile.setAttribute("style", style(under(event))));
      tile.addEventListener("pointerleave", () => tile.setAttribute("style", style(0)));
    }
    return tile;
  }

  function moveFocus(event) {
    const moves = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns,
      ArrowDown: columns,
      Home: -shown.length,
      End: shown.length,
    };
    const by = moves[event.key];
    const from = event.target.dataset.at;
    if (by === undefined || from === undefined) return;
    event.preventDefault();
    active = Math.min(Math.max(Number(from) + by, 0), shown.length - 1);
    const top = Math.floor(active / columns) * size;
    const bottom = top + size;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (bottom > element.scrollTop + element.clientHeight) element.scrollTop = bottom - element.clientHeight;
    draw();
    elements.get(active)?.focus({ preventScroll: true });
  }

  const watch = new ResizeObserver(layOut);
  watch.observe(element);
  return {
    element,
    show(categories) {
      [shown, active] = [categories, 0];
      none.hidden = shown.length > 0;
      element.scrollTop = 0;
      layOut();
    },
    resize(pixels) {
      size = pixels;
      layOut();
    },
    remove: () => watch.disconnect(),
  };
}
