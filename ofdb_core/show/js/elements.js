// Elements of a page, and alarms for its user.

/** Set attributes and `on` listeners of an element; a value of false or null sets none. */
export function assign(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(key, value === true ? "" : value);
  }
}

/**
 * An HTML element (or with `svg:` before its name one of SVG), with attributes, `on` listeners, and children.
 * @template {keyof HTMLElementTagNameMap | `svg:${keyof SVGElementTagNameMap}`} Name
 * @param {Name} name
 * @param {Record<string, any>} attributes
 * @param {(Node | string)[]} children
 * @returns {Name extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Name]
 *   : Name extends `svg:${infer Tag extends keyof SVGElementTagNameMap}` ? SVGElementTagNameMap[Tag] : never}
 */
export function h(name, attributes = {}, ...children) {
  const element = name.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", name.slice(4))
    : document.createElement(name);
  assign(element, attributes);
  element.append(...children);
  return /** @type {any} */ (element);
}

/** A button; title: what it does, in words. */
export const button = (text, title, onclick, more = {}) =>
  h("button", { type: "button", title, "aria-label": title, onclick, ...more }, text);

/**
 * A labelled input of a number, [label, input]; changed(value) is called for each finite one. said: an `alarm`.
 * @returns {[HTMLLabelElement, HTMLInputElement]}
 */
export function number(said, name, about, changed, more = {}) {
  const input = h("input", {
    type: "number",
    step: "any",
    "aria-label": `${name}: ${about}`,
    title: about,
    ...more,
    onchange: said.kindly(() => {
      const value = input.valueAsNumber;
      if (!Number.isFinite(value)) throw new Error(`${name} needs a number.`);
      said.tell("");
      changed(value);
    }),
  });
  return [h("label", { title: about }, h("span", {}, name), input), input];
}

/**
 * Rebuild the controls inside `root`. A focus inside stays on the control of the same name; if that is gone, it moves
 * to the one of the selector `otherwise`.
 */
export function keepingFocus(root, makeAnew, otherwise = "[aria-pressed=true]") {
  const focused = () => root.getRootNode().activeElement;
  const had = root.contains(focused());
  const name = had && focused().getAttribute("aria-label");
  makeAnew();
  if (!had || root.contains(focused())) return;
  for (const found of [`[aria-label="${name}"]`, otherwise])
    if (!root.contains(focused())) root.querySelector(found)?.focus({ preventScroll: true });
}

/** A line for errors: {element, tell(sentence), kindly(action)}; kindly shows the error of an action. */
export function alarm() {
  const element = h("p", { class: "ofdb-trouble", role: "alert", hidden: true });
  const tell = (sentence) => {
    element.textContent = sentence;
    element.hidden = !sentence;
  };
  const kindly =
    (action) =>
    async (...given) => {
      try {
        await action(...given);
      } catch (error) {
        tell(error instanceof Error ? error.message : String(error));
      }
    };
  return { element, tell, kindly };
}
