// The documents: decodes them, filters them by words, unit and label, and shows them on the map and in the list.
(async () => {
  const byId = id => document.getElementById(id), pageData = byId("page-data");
  if (!pageData) return;
  const page = JSON.parse(pageData.textContent), PAGE_SIZE = 30, N_COLORS = 20;
  let data;
  byId("needs-script").hidden = true;
  try {
    const bytes = Uint8Array.from(atob(byId("document-data").textContent), character => character.charCodeAt(0));
    data = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
  } catch (error) {
    byId("unreadable").hidden = false;
    return;
  }
  const n = data.titles.length, number = value => value.toLocaleString("en-US");
  const explorer = document.querySelector(".explorer"), query = byId("query"), pickUnit = byId("pick-unit"), pickLabel = byId("pick-label");
  const pickColor = byId("pick-color"), tip = byId("tip"), results = byId("results"), canvas = byId("map");
  explorer.hidden = false;

  const shortName = unit => page.units[unit].short;
  const unitsOn = i => data.units[i].filter((_, place) => place % 2 === 0);
  const haystacks = data.titles.map((title, i) =>
    [title, data.texts[i], data.ids?.[i], data.words?.[i], page.labels?.names[data.labels[i]], ...unitsOn(i).map(unit => page.units[unit].name)].join("\n").toLowerCase());

  const dateText = i => (data.dates && data.dates[i] !== null ? new Date(data.dates[i] * 864e5).toISOString().slice(0, 10) : "");

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "color") made.style.setProperty("--color", value);
      else if (key in made) made[key] = value;
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  // Colors: a palette for labels, units and themes, the most frequent first; a scale for dates.
  const variable = place => (place >= 0 && place < N_COLORS ? `--c${place}` : "--c-none");
  function ranked(values) {
    const counts = new Map();
    for (const value of values) if (value >= 0) counts.set(value, (counts.get(value) || 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  }
  function categories(name, values, nameOf, { keep = false, pick } = {}) {
    const groups = keep ? ranked(values).sort((a, b) => a[0] - b[0]) : ranked(values);
    const placeOf = new Map(groups.map(([value], place) => [value, keep ? value : place]));
    return { name, pick, textOf: i => (values[i] >= 0 ? nameOf(values[i]) : ""), groups: groups.map(([value, count]) => ({ value, count, text: nameOf(value), color: variable(placeOf.get(value)) })),
      indexOf: i => Math.min(N_COLORS, placeOf.get(values[i]) ?? N_COLORS), colors: [...Array(N_COLORS).keys(), -1].map(variable) };
  }
  function dates() {
    const known = data.dates.filter(day => day !== null).sort((a, b) => a - b), STEPS = 48;
    const low = known[Math.floor(0.01 * known.length)], high = known[Math.ceil(0.99 * known.length) - 1];
    const at = share => `hsl(${Math.round(262 - 214 * share)} ${Math.round(55 + 25 * share)}% ${Math.round(46 + 10 * share)}%)`;
    const text = day => new Date(day * 864e5).toISOString().slice(0, 10);
    return { name: page.dates.column, textOf: dateText, scale: [text(low), text(high), at], colors: [...Array(STEPS).keys()].map(step => at(step / (STEPS - 1))).concat("--c-none"),
      indexOf: i => (data.dates[i] === null ? STEPS : Math.round(Math.max(0, Math.min(1, (data.dates[i] - low) / (high - low || 1))) * (STEPS - 1))) };
  }
  const schemes = {};
  if (data.labels) schemes.label = categories(page.labels.column, data.labels, value => page.labels.names[value], { keep: true, pick: pickLabel });
  schemes.unit = categories("unit", data.main, shortName, { pick: pickUnit });
  if (data.themes) schemes.theme = categories("theme", data.themes, value => `${value}: ${page.themes[value] ?? ""}`);
  if (data.dates) schemes.date = dates();
  for (const [key, scheme] of Object.entries(schemes)) pickColor.append(element("option", { value: key }, scheme.name));
  let scheme = Object.values(schemes)[0];

  const map = new DotMap(canvas, Float32Array.from(data.x, value => value / 9999), Float32Array.from(data.y, value => value / 9999), { onHover: showTip, onSelect: select });
  map.labels = placeLabels();

  // The name of a unit stands in the middle of the documents for which it is the main unit, if they are near each other.
  function placeLabels() {
    const members = new Map(), middle = values => values.sort((a, b) => a - b)[values.length >> 1];
    data.main.forEach((unit, i) => { if (unit >= 0) members.set(unit, [...(members.get(unit) || []), i]); });
    const largest = Math.max(1, ...[...members.values()].map(each => each.length));
    return [...members].filter(([, each]) => each.length >= Math.max(3, n / 2000)).map(([unit, each]) => {
      let near = each, x, y;
      for (let round = 0; round < 4; round++) { // the median of the nearer half, again and again, is in the densest group
        x = middle(near.map(i => data.x[i])); y = middle(near.map(i => data.y[i]));
        near = [...each].sort((a, b) => Math.hypot(data.x[a] - x, data.y[a] - y) - Math.hypot(data.x[b] - x, data.y[b] - y)).slice(0, Math.ceil(each.length / 2));
      }
      return { unit, text: shortName(unit), x: x / 9999, y: y / 9999, weight: Math.sqrt(each.length / largest) };
    }).sort((a, b) => b.weight - a.weight);
  }

  const chip = (text, count, color, pressed, onClick, title = "") => element("button", { type: "button", className: "chip", ariaPressed: String(pressed), title, onclick: onClick },
    ...(color ? [element("i", { className: "dot", color: `var(${color})` })] : []), element("span", {}, text), ...(count === null ? [] : [element("small", {}, count)]));
  const dot = i => element("i", { className: "dot", color: scheme.colors[scheme.indexOf(i)].startsWith("--") ? `var(${scheme.colors[scheme.indexOf(i)]})` : scheme.colors[scheme.indexOf(i)] });

  function metaOf(i) {
    const others = [scheme !== schemes.label && data.labels && page.labels.names[data.labels[i]], data.ids?.[i], scheme !== schemes.date && dateText(i)];
    const rest = others.filter(Boolean).map(text => element("span", {}, text));
    return element("div", { className: "meta" }, element("span", {}, dot(i), scheme.textOf(i)), ...rest);
  }

  function showTip(i) {
    tip.hidden = i < 0;
    if (i < 0) return;
    const on = unitsOn(i).slice(0, 4).map(shortName);
    tip.replaceChildren(element("strong", {}, data.titles[i]), metaOf(i), element("p", {}, data.texts[i]));
    if (on.length) tip.append(element("div", { className: "meta units" }, element("span", {}, `Units: ${on.join(" · ")}`)));
    const [x, y] = map.toScreen(i), { offsetWidth: width, offsetHeight: height } = tip;
    tip.style.left = `${Math.max(8, Math.min(map.width - width - 8, x - width / 2))}px`;
    tip.style.top = `${y + 18 + height < map.height || y < height + 18 ? y + 16 : y - height - 16}px`;
    if (document.activeElement === canvas) byId("spoken").textContent = `${data.titles[i]}. ${on.length ? `Units: ${on.join(", ")}.` : ""}`;
  }

  // Filters.
  let matches = [], listed = 0;
  function filter() {
    const terms = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const unit = pickUnit.value === "" ? -1 : +pickUnit.value, label = pickLabel && pickLabel.value !== "" ? +pickLabel.value : -1;
    matches = [];
    for (let i = 0; i < n; i++) {
      const shows = (label < 0 || data.labels[i] === label) && (unit < 0 || probability(i, unit) > 0) && terms.every(term => haystacks[i].includes(term));
      map.shows[i] = shows;
      if (shows) matches.push(i);
    }
    if (unit >= 0) matches.sort((a, b) => (data.main[b] === unit) - (data.main[a] === unit) || probability(b, unit) - probability(a, unit) || a - b);
    if (map.selected >= 0 && !map.shows[map.selected]) map.selected = -1;
    map.hover(-1);
    tip.hidden = true;
    for (const each of map.labels) each.dimmed = unit >= 0 && each.unit !== unit;
    map.labels.sort((a, b) => (b.unit === unit) - (a.unit === unit) || b.weight - a.weight);
    map.redraw();
    const filtered = terms.length || unit >= 0 || label >= 0;
    byId("count").value = filtered ? `${number(matches.length)} of ${number(n)} ${page.noun}s` : `${number(n)} ${page.noun}s`;
    byId("reset").hidden = !filtered;
    suggest(terms);
    list(true);
    legend();
  }
  function probability(i, unit) {
    const on = data.units[i];
    for (let place = 0; place < on.length; place += 2) if (on[place] === unit) return on[place + 1];
    return 0;
  }
  function suggest(terms) {
    const hits = byId("hits"), found = terms.length ? Object.keys(page.units).filter(unit => terms.some(term => [page.units[unit].name, ...page.units[unit].words].some(word => word.toLowerCase().includes(term)))) : [];
    hits.hidden = !found.length;
    hits.replaceChildren("Units with these words:", ...found.slice(0, 8).map(unit => chip(shortName(unit), null, "", pickUnit.value === unit, () => { query.value = ""; pick(pickUnit, unit); })));
  }

  function pick(select, value) {
    select.value = select.value === String(value) ? "" : String(value);
    filter();
  }

  function legend() {
    const box = byId("legend");
    if (scheme.scale) {
      const [low, high, at] = scheme.scale, bar = element("i");
      bar.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(at).join(", ")})`;
      return box.replaceChildren(element("div", { className: "scale" }, low, bar, high));
    }
    const shown = scheme.groups.slice(0, N_COLORS);
    box.replaceChildren(...shown.map(({ value, count, text, color }) => chip(text, number(count), color, scheme.pick?.value === String(value), () => scheme.pick && pick(scheme.pick, value))));
    const others = scheme.groups.length - shown.length;
    if (others > 0) box.append(element("span", { className: "meta" }, `and ${others} more in gray`));
  }

  // The list.
  function list(again) {
    if (again) { listed = 0; results.replaceChildren(); results.closest(".scroll").scrollTop = 0; }
    for (const i of matches.slice(listed, listed + PAGE_SIZE)) results.append(rowOf(i));
    listed = Math.min(matches.length, listed + PAGE_SIZE);
    byId("more").hidden = listed >= matches.length;
    byId("empty").hidden = matches.length > 0;
  }
  function rowOf(i) {
    const title = element("button", { type: "button", className: "title", onclick: () => select(i) }, data.titles[i]);
    const chips = element("div", { className: "chips" });
    for (let place = 0; place < Math.min(10, data.units[i].length); place += 2) {
      const unit = data.units[i][place];
      chips.append(chip(shortName(unit), data.units[i][place + 1] < 100 ? `${data.units[i][place + 1]}%` : null, "", pickUnit.value === String(unit), () => pick(pickUnit, unit), page.units[unit].name));
    }
    const row = element("tr", { ariaSelected: String(map.selected === i), role: "row" }, element("td", { role: "cell" }, title, metaOf(i), element("div", { className: "text" }, data.texts[i]), chips));
    row.dataset.document = i;
    row.addEventListener("pointerenter", () => { map.hovered = i; map.drawRings(); });
    row.addEventListener("pointerleave", () => { map.hovered = -1; map.drawRings(); });
    return row;
  }
  function select(i) {
    if (i === map.selected) i = -1;
    map.selected = i;
    for (const row of results.rows) row.ariaSelected = String(+row.dataset.document === i);
    if (i < 0) return map.drawRings();
    let row = [...results.rows].find(each => +each.dataset.document === i);
    if (!row) { row = rowOf(i); results.prepend(row); }
    const scroll = results.closest(".scroll");
    scroll.scrollTop += row.getBoundingClientRect().top - scroll.getBoundingClientRect().top - 8;
    map.reveal(i);
  }

  function recolor() {
    scheme = schemes[pickColor.value];
    map.colors = scheme.colors;
    for (let i = 0; i < n; i++) map.colorOf[i] = scheme.indexOf(i);
    map.redraw();
    legend();
    list(true);
  }

  query.addEventListener("input", filter);
  for (const select of [pickUnit, pickLabel]) select?.addEventListener("change", filter);
  pickColor.addEventListener("change", recolor);
  byId("reset").addEventListener("click", () => { query.value = pickUnit.value = ""; if (pickLabel) pickLabel.value = ""; filter(); query.focus(); });
  byId("more").addEventListener("click", () => list(false));
  byId("zoom-in").addEventListener("click", () => map.zoomBy(1.6));
  byId("zoom-out").addEventListener("click", () => map.zoomBy(1 / 1.6));
  byId("zoom-all").addEventListener("click", () => map.showAll());
  for (const button of document.querySelectorAll(".show")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      query.value = ""; pickUnit.value = button.dataset.unit;
      if (pickLabel) pickLabel.value = "";
      filter();
      byId("documents").scrollIntoView();
    });
  }
  addEventListener("keydown", event => {
    if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) { event.preventDefault(); query.focus(); }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => map.draw());
  matchMedia("print").addEventListener("change", () => map.draw());
  recolor();
  filter();
  document.documentElement.dataset.ready = "true";
})();
