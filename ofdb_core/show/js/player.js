// The chaos game, point by point.

import { button, h } from "./elements.js";

/** The chaos game point by point. Returns {elements, stop(), shown}, the number of points shown, 0 for all of them. */
export function playerOf(settings, schedule) {
  let shown = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} while it plays */
  let playing;
  const slider = h("input", {
    type: "range",
    min: 0,
    max: 100,
    value: 100,
    "aria-label": "Points of the chaos game",
    title: "how many points of the chaos game are shown",
    oninput: () => reach(slider.valueAsNumber >= 100 ? 0 : Math.round(settings.points ** (slider.valueAsNumber / 100))),
  });
  const counted = h("output", {}, "all points");
  function reach(count) {
    shown = count >= settings.points ? 0 : Math.max(0, count);
    counted.textContent = shown ? `${shown.toLocaleString("en")} point${shown === 1 ? "" : "s"}` : "all points";
    slider.valueAsNumber = shown ? (100 * Math.log(shown)) / Math.log(settings.points) : 100;
    schedule();
  }
  const stop = () => {
    clearInterval(playing);
    playing = undefined;
    play.textContent = "▶";
  };
  const play = button("▶", "play the chaos game, or stop it", () => {
    if (playing) return stop();
    if (!shown) reach(1);
    play.textContent = "❚❚";
    playing = setInterval(() => {
      if (!play.isConnected) return stop();
      reach(shown + Math.max(1, Math.round(shown / 20)));
      if (!shown) stop();
    }, 60);
  });
  const elements = [
    play,
    button("+1", "one point more", () => (stop(), reach(shown ? shown + 1 : 1))),
    slider,
    counted,
    button("all", "show all points", () => (stop(), reach(0))),
  ];
  return {
    elements,
    stop,
    get shown() {
      return shown;
    },
  };
}
