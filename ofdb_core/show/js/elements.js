// Elements of a page, and what is told to who uses them.

/** An HTML element (or with `svg:` before its name one of SVG), with attributes, `on` listeners, and children. */
export function h(name, attributes = {}, ...children) {
  const element = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4)) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** A button; title: what it does, in words. */
export const button = (text, title, onclick, more = {}) => h("button", { type: "button", title, "aria-label": title, onclick, ...more }, text);

/** A labelled input of a number, [label, input]; changed(value) hears of each finite one. said: an `alarm`. */
export function number(said, name, about, changed, more = {}) {
  const input = h("input", { type: "number", step: "any", "aria-label": `${name}: ${about}`, title: about, ...more,
    onchange: said.kindly(() => {
      const value = input.valueAsNumber;
      if (!Number.isFinite(value)) throw new Error(`${name} needs a number.`);
      said.tell("");
      changed(value);
    }) });
  return [h("label", { title: about }, h("span", {}, name), input), input];
}

/** Make controls inside `root` anew: the focus stays on the one of the same name, or goes to the one that is `pressed`. */
export function keepingFocus(root, makeAnew) {
  const focused = () => root.getRootNode().activeElement, was = root.contains(focused()) ? focused().getAttribute("aria-label") : "";
  makeAnew();
  if (!was || root.contains(focused())) return;
  for (const found of [`[aria-label="${was}"]`, "[aria-pressed=true]"])
    if (!root.contains(focused())) root.querySelector(found)?.focus({ preventScroll: true });
}

/** A line for what went wrong: {element, tell(sentence), kindly(action)}, an action whose error is told. */
export function alarm() {
  const element = h("p", { class: "ofdb-trouble", role: "alert", hidden: true });
  const tell = (sentence) => {
    element.textContent = sentence;
    element.hidden = !sentence;
  };
  const kindly = (action) => async (...given) => {
    try {
      await action(...given);
    } catch (error) {
      tell(String(error?.message ?? error));
    }
  };
  return { element, tell, kindly };
}
