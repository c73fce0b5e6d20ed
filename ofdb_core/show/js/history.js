// Undoing and redoing, by buttons and by keys.

import { button } from "./elements.js";

/** The buttons of an `Edited` system; said: an `alarm`. Returns {elements, onkeydown, refresh()}. */
export function historyOf(edited, said) {
  const undo = () => (said.tell(""), edited.undo());
  const redo = () => (said.tell(""), edited.redo());
  const elements = [button("↶ undo", "undo (Ctrl+Z)", undo), button("↷ redo", "redo (Ctrl+Y)", redo)];
  const onkeydown = (event) => {
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      event.preventDefault();
      (key === "y" || event.shiftKey ? redo : undo)();
    }
    event.stopPropagation();
  };
  const refresh = () =>
    [edited.past, edited.future].forEach(
      (steps, i) => elements[i].setAttribute("aria-disabled", String(!steps.length)), // not `disabled`, which would take the focus away
    );
  return { elements, onkeydown, refresh };
}
