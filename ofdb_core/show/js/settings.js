// The settings of the picture.

import { h, number } from "./elements.js";

/** How the picture is drawn: fields that change `settings`. Returns the elements. */
export function settingsOf(settings, said, schedule, mostPoints) {
  const kinds = ["point_gray", "patch_gray", "point_color", "patch_color"];
  const kind = h(
    "select",
    {
      "aria-label": "Drawing",
      title: "a dot for each point or a random 3 × 3 patch, in gray or in hues",
      onchange: () => ((settings.draw = kind.value), schedule()),
    },
    ...kinds.map((value) => h("option", { value, selected: value === settings.draw }, value.replace("_", ", "))),
  );
  const field = (name, label, about, more) => {
    const [element, input] = number(
      said,
      label,
      about,
      (value) => {
        input.value = settings[name] = name === "weight" ? value : Math.round(value);
        schedule();
      },
      more,
    );
    input.value = settings[name];
    return element;
  };
  return [
    h("label", {}, h("span", {}, "draw"), kind),
    field("size", "pixels", "of the picture, each side", { min: 16, max: 2048 }),
    field("points", "points", "of the chaos game", { min: 2, max: mostPoints }),
    field("weight", "weight on a", "a factor on the coefficient a of every map; 2D-OFDB has 0.2"),
  ];
}
