// The gallery of a data set's categories, for a page and for a notebook (anywidget).

import { Collection, rounded } from "./collection.js";
import { h } from "./elements.js";
import { shelve } from "./shelf.js";

/**
 * The gallery inside an element, a tab for each of data.sets. options.explorer(element, system, settings) shows a system to
 * explore, and options.draw(canvas, system, settings) its picture, in a page that has them. Returns what removes it.
 */
export function mount(root, data, options = {}) {
  const collections = data.sets.map((each) => new Collection(each));
  const shelf = h("div");
  const dialog = h("dialog", {
    "aria-label": "a category",
    onclick: (event) => {
      if (event.target === dialog) dialog.close(); // beside it
    },
  });
  let leave = () => {};
  const choose = (collection) => {
    leave();
    tabs.forEach((tab, i) => tab.setAttribute("aria-selected", String(collections[i] === collection)));
    leave = shelve(shelf, collection, dialog, options);
  };
  const tabs = collections.map((collection) =>
    h(
      "button",
      { role: "tab", onclick: () => choose(collection) },
      `${collection.data.title} (${rounded(collection.count)})`,
    ),
  );
  root.classList.add("gallery");
  root.replaceChildren(h("div", { class: "row", role: "tablist", hidden: tabs.length < 2 }, ...tabs), shelf, dialog);
  choose(collections[0]);
  return () => {
    leave();
    collections.forEach((collection) => collection.close());
  };
}

/** The widget's view in a notebook: the pictures come on request, so that a stored notebook has none. */
function render({ model, el }) {
  let leave = () => {};
  const received = (data) => {
    if (data.sets) leave = mount(el, data);
  };
  el.textContent = "The gallery is live in JupyterLab: run this cell.";
  model.on("msg:custom", received);
  model.send("sets");
  return () => {
    model.off("msg:custom", received);
    leave();
  };
}

export default { render };
