// The kernel behind the explorer's widget: questions to it, and its answers.

/** Returns {ask(what, value), a promise of the answer, close()}. model: the widget's, of anywidget. */
function kernelOf(model) {
  const waiting = new Map();
  let asked = 0;
  const ask = (what, value) =>
    new Promise((resolve, reject) => {
      waiting.set(++asked, { resolve, reject });
      model.send({ what, value, number: asked });
    });
  const answered = ({ number, answer, error }) => {
    const { resolve, reject } = waiting.get(number) ?? {};
    waiting.delete(number);
    error ? reject?.(new Error(error)) : resolve?.(answer);
  };
  model.on("msg:custom", answered);
  return { ask, close: () => model.off("msg:custom", answered) };
}

/** The widget's view in a notebook: `mount` of the explorer with the kernel behind it. */
export function showWidget({ model, el }, mount) {
  const kernel = kernelOf(model);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let sending;
  const send = () => {
    sending = undefined;
    model.set("rows", explorer.system);
    model.save_changes();
  };
  const explorer = mount(el, {
    system: model.get("rows"),
    settings: model.get("settings"),
    published: (number) => kernel.ask("published", number),
    mine: model.get("root") ? (number) => kernel.ask("mine", number) : undefined,
    parse: (text) => kernel.ask("parse", text),
    save: (rows) => kernel.ask("save", rows),
    saveAs: (rows, name) => kernel.ask("saveAs", { rows, name }),
    changed: () => (sending ??= setTimeout(send, 50)),
  });
  const received = () => {
    const same = JSON.stringify(model.get("rows")) === JSON.stringify(explorer.system);
    if (!same && sending === undefined) explorer.open(model.get("rows"));
  };
  model.on("change:rows", received);
  el.ofdb = explorer;
  return () => {
    kernel.close();
    model.off("change:rows", received);
    explorer.remove();
  };
}
