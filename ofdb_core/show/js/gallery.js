// A gallery of categories: tiles of sprite sheets, of which only those in sight are elements, sorted and filtered by
// what was measured. `mount` fills an element of a page; the default export is the widget of a notebook.

const make = (name, attributes = {}, ...inside) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on") || key === "hidden" || key === "disabled") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...inside);
  return element;
};
const drawn = (name, attributes) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const words = (value, digits = 4) => (Number.isInteger(value) ? value.toLocaleString("en") : Number(value.toPrecision(digits)).toString());

// The picture of tile `number` of a set, `size` pixels wide, as a style.
function tileStyle(set, number, size) {
  const each = set.across * set.across, at = number % each, last = Math.ceil(set.count * set.pictures / each) - 1;
  const sheet = Math.floor(number / each), left = set.count * set.pictures - sheet * each;
  const rows = sheet === last ? Math.ceil(left / set.across) : set.across;
  return `background-image:url(${set.url(sheet)});background-size:${set.across * size}px ${rows * size}px;` +
    `background-position:${-(at % set.across) * size}px ${-Math.floor(at / set.across) * size}px`;
}

const bytesOf = (text) => { // of base64
  const plain = atob(text), bytes = new Uint8Array(plain.length);
  for (let i = 0; i < plain.length; i++) bytes[i] = plain.charCodeAt(i);
  return bytes;
};

// What a set needs to be shown: a sheet gets the address of a picture in memory when it is first in sight.
function prepared(set) {
  const urls = [];
  const url = (sheet) => (urls[sheet] ??= URL.createObjectURL(new Blob([bytesOf(set.sheets[sheet].split(",", 2)[1])], {type: "image/webp"})));
  return {...set, urls, url, count: set.names.length, starts: starts(set.systems)};
}

// Where the rows of each system begin.
function starts(systems) {
  const found = [0];
  for (const maps of systems?.maps ?? []) found.push(found.at(-1) + maps);
  return found;
}

// The maps of a category, an array of rows of float64, each A row by row, t and p.
export function system(set, category) {
  const {d, rows} = set.systems, wide = d * d + d + 1;
  set.table ??= new Float64Array(bytesOf(rows).buffer);
  return Array.from({length: set.systems.maps[category]}, (_, map) => {
    const start = (set.starts[category] + map) * wide;
    return Array.from(set.table.subarray(start, start + wide));
  });
}

// A histogram over which a range can be drawn, and the same range as two numbers; changed() is called when it changes.
function filter(name, meaning, values, changed) {
  const bins = 40, low = Math.min(...values), high = Math.max(...values), width = (high - low) / bins || 1;
  const counts = new Array(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - low) / width))] += 1;
  const most = Math.max(...counts), picture = drawn("svg", {viewBox: `0 0 ${bins} 10`, preserveAspectRatio: "none", "aria-hidden": "true"});
  const bars = counts.map((count, i) => {
    const height = count ? Math.max(10 * count / most, 0.4) : 0;
    return picture.appendChild(drawn("rect", {x: i + 0.08, y: 10 - height, width: 0.84, height}));
  });
  const range = {low: -Infinity, high: Infinity};
  const ends = ["least", "most"].map((end) => make("input", {type: "number", step: "any", placeholder: words(end === "least" ? low : high, 3),
    "aria-label": `${name}, ${end}`, oninput: typed}));
  const element = make("fieldset", {class: "filter", title: meaning}, make("div", {class: "name"}, make("span", {}, name)), picture, make("div", {class: "ends"}, ...ends));
  const show = () => bars.forEach((bar, i) => bar.setAttribute("class", low + (i + 1) * width > range.low && low + i * width <= range.high ? "in" : ""));
  function typed() {
    const [least, most] = ends.map((end) => end.value);
    set(least === "" ? -Infinity : Number(least), most === "" ? Infinity : Number(most));
  }
  function set(least, most) { Object.assign(range, {low: least, high: most}); show(); changed(); }
  function type(least, most) {
    ends[0].value = least === -Infinity ? "" : words(least); ends[1].value = most === Infinity ? "" : words(most); typed();
  }
  let from = null;
  const at = (event) => { const box = picture.getBoundingClientRect(); return low + Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * (high - low); };
  picture.onpointerdown = (event) => { picture.setPointerCapture(event.pointerId); from = at(event); };
  picture.onpointermove = (event) => { if (from !== null) type(Math.min(from, at(event)), Math.max(from, at(event))); };
  picture.onpointerup = (event) => { if (Math.abs(at(event) - from) < width / 2) type(-Infinity, Infinity); from = null; };
  picture.onpointercancel = () => { from = null; };
  show();
  return {element, name, holds: (i) => values[i] >= range.low && values[i] <= range.high, type, clear: () => type(-Infinity, Infinity)};
}

// What is known of one category, in a dialog; step(+1 or -1) is the next one shown.
function detail(dialog, set, category, {step, open, explorer, draw}) {
  const focused = () => dialog.getRootNode().activeElement, was = dialog.contains(focused()) ? focused().getAttribute("aria-label") : "";
  const how = set.drawn && {...set.drawn, category: Number(set.names[category])}; // the very picture that the category has
  const size = 352, picture = set.files
    ? make("img", {class: "picture", src: set.files[category][0], alt: `category ${set.names[category]}`})
    : make("div", {class: "picture", role: "img", "aria-label": `category ${set.names[category]}`});
  const live = draw && how && set.systems?.d === 2 && set.pictures === 1;
  const fall = make(live ? "canvas" : "div", {class: "picture", role: "img", "aria-label": `category ${set.names[category]}`});
  const tile = (number, wide) => tileStyle(set, number, wide);
  const sized = (number) => { fall.setAttribute("style", `width:${size}px;max-width:100%;height:${size}px;${tile(number, size)}`); };
  if (live) draw(fall, system(set, category), how);
  else sized(category * set.pictures);
  if (set.files) picture.onerror = () => picture.replaceWith(fall);
  const shown = set.files ? picture : fall;
  const strip = make("div", {class: "strip"});
  const instances = set.files ? set.files[category] : [];
  for (const [k, file] of instances.length > 1 ? instances.slice(0, 24).entries() : []) {
    strip.append(make("button", {"aria-label": `picture ${k}`, onclick: () => { picture.src = file; }}, make("img", {src: file, alt: "", loading: "lazy"})));
  }
  if (!set.files && set.pictures > 1) {
    for (let k = 0; k < set.pictures; k++) {
      const number = category * set.pictures + k;
      strip.append(make("button", {style: tile(number, 56), "aria-label": `picture ${k}`, onclick: () => sized(number)}));
    }
  }
  const facts = make("dl");
  for (const [name, values] of Object.entries(set.properties)) {
    facts.append(make("dt", {title: set.meanings[name]}, name), make("dd", {}, words(values[category])));
  }
  const right = make("div", {}, facts), twin = set.nearest[category];
  if (twin >= 0) {
    right.append(make("button", {class: "twin", onclick: () => open(twin)}, make("i", {style: tile(twin * set.pictures, 56)}),
      `most like it: ${set.names[twin]} (${words(set.properties.likeness[category])})`));
  }
  if (set.systems) right.append(coefficients(set, category));
  const close = make("button", {"aria-label": "close", onclick: () => dialog.close()}, "✕");
  const left = make("div", {}, shown, strip);
  dialog.replaceChildren(make("header", {}, make("h3", {}, `${set.title}, category ${set.names[category]}`),
    make("button", {"aria-label": "previous category", onclick: () => step(-1)}, "←"),
    make("button", {"aria-label": "next category", onclick: () => step(1)}, "→"), close), make("div", {class: "two"}, left, right));
  if (explorer && set.systems?.d === 2) {
    const place = make("div");
    dialog.append(make("button", {class: "explore", onclick: (event) => {
      explorer(place, system(set, category), how ?? {});
      event.target.remove();
      place.querySelector("select").focus();
    }}, "Explore: drag its maps"), place);
  }
  dialog.onkeydown = (event) => {
    if (event.target.closest("input, select, textarea, canvas, .ofdb-explorer")) return;
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(event.key === "ArrowLeft" ? -1 : 1);
  };
  if (!dialog.open) dialog.showModal();
  else if (!dialog.contains(focused())) dialog.querySelector(`[aria-label="${was}"], [aria-label="next category"]`).focus();
}

function coefficients(set, category) {
  const rows = system(set, category), names = [..."abcdefghijklmnop"].slice(0, rows[0].length - 1).concat("p");
  const copy = make("button", {onclick: async () => {
    const text = rows.map((row) => row.join(",")).join("\n");
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = "copied";
    } catch { // a page that came by plain http has no clipboard
      const box = make("textarea", {readonly: "", rows: String(rows.length + 1), wrap: "off", "aria-label": "the system as CSV"}, text);
      copy.replaceWith(box);
      box.select();
    }
  }}, "copy as CSV");
  const head = make("tr", {}, ...names.map((name) => make("th", {}, name)));
  const body = rows.map((row) => make("tr", {}, ...row.map((value) => make("td", {}, value.toFixed(3)))));
  return make("div", {}, make("div", {class: "wide"}, make("table", {}, head, ...body)), make("div", {class: "row"}, copy));
}

// One set in an element.
function showSet(place, set, dialog, options) {
  let shown = [], size = 96, columns = 1, active = 0;
  const tiles = make("div", {class: "tiles", role: "group", "aria-label": `categories of ${set.title}`}), space = make("div", {class: "space"});
  const none = make("div", {class: "none", hidden: true}, "No category is within all ranges.");
  const count = make("output", {class: "count", "aria-live": "polite"}), elements = new Map();
  tiles.append(space, none);
  const filters = Object.entries(set.properties).map(([name, values]) => filter(name, set.meanings[name], values, update));
  const sort = make("select", {"aria-label": "sort by", onchange: update}, make("option", {value: ""}, "number"),
    ...Object.keys(set.properties).map((name) => make("option", {value: name}, name)));
  const direction = make("button", {"aria-label": "sort downwards", title: "from the largest to the smallest", "aria-pressed": "false", onclick: () => {
    direction.setAttribute("aria-pressed", String(direction.getAttribute("aria-pressed") !== "true")); update();
  }}, "↓");
  const twins = make("button", {title: set.meanings.likeness, "aria-pressed": "false", onclick: () => {
    const on = twins.getAttribute("aria-pressed") !== "true";
    twins.setAttribute("aria-pressed", String(on));
    filters.find((each) => each.name === "likeness").type(on ? set.alike : -Infinity, Infinity);
  }}, `near-duplicates: ${set.properties.likeness.filter((value) => value >= set.alike).length.toLocaleString("en")}`);
  const find = make("input", {type: "search", placeholder: "number", "aria-label": "go to a category", size: "8", onchange: () => {
    const wanted = set.names.findIndex((name) => name === find.value || Number(name) === Number(find.value || NaN));
    if (wanted >= 0) open(wanted);
    else if (find.value) count.textContent = `There is no category ${find.value}.`;
  }});
  const zoom = make("input", {type: "range", min: "40", max: "224", step: "8", value: String(size), "aria-label": "size of a picture", oninput: () => { size = Number(zoom.value); layOut(); }});
  const clear = make("button", {onclick: () => { filters.forEach((each) => each.clear()); twins.setAttribute("aria-pressed", "false"); }}, "clear filters");
  const ranges = make("details", {}, make("summary", {}, "filters"), make("div", {class: "filters"}, ...filters.map((each) => each.element)));
  ranges.open = matchMedia("(min-width: 44rem)").matches; // on a phone the pictures come first
  place.replaceChildren(make("div", {class: "row"}, make("label", {}, "sort by", sort), direction, twins, make("label", {}, "go to", find), make("label", {}, "size", zoom), clear, count),
    ranges, tiles);

  function update() {
    shown = [];
    for (let i = 0; i < set.count; i++) if (filters.every((each) => each.holds(i))) shown.push(i);
    const values = set.properties[sort.value], sign = direction.getAttribute("aria-pressed") === "true" ? -1 : 1;
    if (values) shown.sort((one, other) => sign * (values[one] - values[other]) || one - other);
    else if (sign < 0) shown.reverse();
    count.textContent = `${shown.length.toLocaleString("en")} of ${set.count.toLocaleString("en")}`;
    none.hidden = shown.length > 0;
    active = 0;
    tiles.scrollTop = 0;
    layOut();
  }
  function layOut() {
    columns = Math.max(1, Math.floor(tiles.clientWidth / size));
    space.style.height = `${Math.ceil(shown.length / columns) * size}px`;
    for (const element of elements.values()) element.remove();
    elements.clear();
    draw();
  }
  function draw() { // keep the elements of what stays in sight
    const first = Math.max(0, Math.floor(tiles.scrollTop / size) - 1) * columns;
    const end = Math.min(shown.length, (Math.ceil((tiles.scrollTop + tiles.clientHeight) / size) + 1) * columns);
    for (const [at, element] of elements) if (at < first || at >= end) { element.remove(); elements.delete(at); }
    const wide = tiles.clientWidth / columns;
    for (let at = first; at < end; at++) {
      if (elements.has(at)) continue;
      const category = shown[at], number = category * set.pictures;
      const style = (k) => `width:${size}px;height:${size}px;transform:translate(${(at % columns) * wide + (wide - size) / 2}px,${Math.floor(at / columns) * size}px);${tileStyle(set, number + k, size)}`;
      const tile = make("button", {class: "tile", style: style(0), tabindex: at === active ? "0" : "-1", "data-at": at, "aria-label": `category ${set.names[category]}`,
        onclick: () => { active = at; open(category); }}, make("span", {}, label(category)));
      if (set.pictures > 1) { // the pointer turns it
        tile.onpointermove = (event) => tile.setAttribute("style", style(Math.min(set.pictures - 1, Math.floor(event.offsetX / size * set.pictures))));
        tile.onpointerleave = () => tile.setAttribute("style", style(0));
      }
      elements.set(at, space.appendChild(tile));
    }
  }
  function label(category) { return sort.value ? `${set.names[category]} · ${words(set.properties[sort.value][category])}` : set.names[category]; }
  function open(category) {
    const step = (by) => open(shown[(shown.indexOf(category) + by + shown.length) % shown.length] ?? category);
    detail(dialog, set, category, {step, open, ...options});
  }
  function focus(at) {
    active = Math.min(Math.max(at, 0), shown.length - 1);
    const top = Math.floor(active / columns) * size;
    if (top < tiles.scrollTop) tiles.scrollTop = top;
    else if (top + size > tiles.scrollTop + tiles.clientHeight) tiles.scrollTop = top + size - tiles.clientHeight;
    draw();
    elements.get(active)?.focus({preventScroll: true});
  }
  tiles.onkeydown = (event) => {
    const by = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -active, End: shown.length}[event.key];
    if (by !== undefined && event.target.dataset.at) { event.preventDefault(); focus(Number(event.target.dataset.at) + by); }
  };
  tiles.onscroll = draw;
  const watch = new ResizeObserver(layOut);
  watch.observe(tiles);
  update();
  return () => watch.disconnect();
}

// Fill an element with the gallery of data.sets; options.explorer(element, system, settings) shows a system to explore,
// and options.draw(canvas, system, settings) its picture, in a page that has them.
export function mount(element, data, options = {}) {
  const place = make("div"), dialog = make("dialog", {"aria-label": "a category"}), sets = data.sets.map(prepared);
  let leave = () => {};
  const tabs = make("div", {class: "row", role: "tablist", hidden: sets.length < 2}, ...sets.map((set) => make("button", {role: "tab",
    onclick: () => choose(set)}, `${set.title} (${set.count.toLocaleString("en")})`)));
  const choose = (set) => {
    leave();
    [...tabs.children].forEach((tab, i) => tab.setAttribute("aria-selected", String(sets[i] === set)));
    leave = showSet(place, set, dialog, options);
  };
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close(); };
  element.classList.add("gallery");
  element.replaceChildren(tabs, place, dialog);
  choose(sets[0]);
  return () => { leave(); sets.forEach((set) => set.urls.forEach((address) => URL.revokeObjectURL(address))); };
}

// The widget: the pictures come when they are asked for, so that a stored notebook does not hold them.
export default {
  render({model, el}) {
    el.textContent = "The gallery is live in JupyterLab: run this cell.";
    let leave = () => {};
    model.on("msg:custom", (data) => { if (data.sets) leave = mount(el, data); });
    model.send("sets");
    return () => leave();
  },
};
