"""The page's style sheet and script, in full: they are written into the page, which so needs nothing else."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c2430; --muted: #5d6875; --grid: #e1e6ec; --shade: #f5f7f9;
  --validation: #1f5fbf; --training: #c9731a; --bar: #9dbfeb; --found: #ffe79a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161c; --ink: #e4e9ef; --muted: #98a4b3; --grid: #2a323d; --shade: #1a2028;
    --validation: #75aef5; --training: #eda95a; --bar: #34609b; --found: #665200;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 68rem; padding: 2.5rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 -apple-system, "Segoe UI", Roboto, "Noto Sans", Helvetica, Arial, sans-serif;
}
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; text-wrap: balance; }
h2 { margin: 0; font-size: 1.25rem; letter-spacing: -0.005em; }
p { max-width: 46rem; }
.under { margin: 0.4rem 0 0; max-width: none; color: var(--muted); }
section { margin-top: 2.75rem; }

.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.25rem 1.5rem;
  margin: 1.75rem 0 0; padding: 1.25rem 0; border: solid var(--grid); border-width: 1px 0;
}
.figures div { display: flex; flex-direction: column; }
.figures dt { color: var(--muted); font-size: 0.85rem; }
.figures dd { margin: 0; font-size: 0.85rem; color: var(--muted); }
.figures dd:first-of-type {
  font-size: 1.6rem; font-weight: 650; line-height: 1.25; color: var(--ink); font-variant-numeric: tabular-nums;
}

.curves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem 2.5rem; }
figure { margin: 1rem 0 0; }
.curve { display: block; width: 100%; max-width: 36rem; height: auto; }
figcaption, .note { margin: 0.5rem 0 0; color: var(--muted); font-size: 0.875rem; max-width: 46rem; }

.heading { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 0.5rem 1.5rem; }
.find { display: flex; align-items: baseline; gap: 0.75rem; color: var(--muted); font-size: 0.875rem; }
.find[hidden], .find output:empty { display: none; }
.find input {
  width: 13rem; padding: 0.35rem 0.6rem; border: 1px solid var(--grid); border-radius: 6px;
  background: var(--shade); color: inherit; font: inherit; font-size: 1rem;
}
.find input:focus-visible, th button:focus-visible, summary:focus-visible {
  outline: 2px solid var(--validation); outline-offset: 2px;
}

table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td {
  padding: 0.5rem 0.75rem 0.5rem 0; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: top;
}
th { color: var(--muted); font-size: 0.875rem; font-weight: 500; white-space: nowrap; }
#units { margin-top: 0.75rem; }
#units thead th { position: sticky; top: 0; background: var(--paper); z-index: 1; }
#units tbody tr:hover { background: var(--shade); }
.unit { width: 3.5rem; color: var(--muted); }
td.unit { text-align: right; padding-right: 1.25rem; }
td.share, td.information { white-space: nowrap; }
.share { width: 10rem; } .information { width: 10rem; }
.bar { display: inline-block; width: 5.5rem; height: 0.8rem; margin-right: 0.5rem; vertical-align: -0.05rem; }
.bar i { display: block; height: 100%; min-width: 2px; border-radius: 2px; background: var(--bar); }
th button { all: unset; cursor: pointer; color: inherit; }
th button:hover { color: var(--ink); }
th[aria-sort] { color: var(--ink); }
th button::after { content: " ▾"; visibility: hidden; }
th[aria-sort] button::after { visibility: visible; }
th[aria-sort="ascending"] button::after { content: " ▴"; }

.words { line-height: 1.6; }
.words bdi { margin-right: 0.6em; display: inline-block; }
.w0 { color: var(--muted); font-weight: 400; }
.w1 { color: color-mix(in srgb, var(--muted) 45%, var(--ink)); font-weight: 400; }
.w2 { font-weight: 500; } .w3 { font-weight: 700; }
bdi.found { background: var(--found); color: var(--ink); border-radius: 3px; box-shadow: 0 0 0 0.15em var(--found); }

details { border-top: 1px solid var(--grid); }
details:last-of-type { border-bottom: 1px solid var(--grid); }
summary { cursor: pointer; padding: 0.8rem 0; font-weight: 600; }
details > :not(summary) { margin-left: 1.1rem; }
details > :last-child { margin-bottom: 1.25rem; }
details p { margin-top: 0; }
.dead { color: var(--muted); opacity: 0.85; }
details table { width: auto; min-width: min(100%, 34rem); font-size: 0.9375rem; }
.settings th { font: 0.85rem ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
.settings th, .settings td { padding-block: 0.3rem; vertical-align: baseline; }
.settings td { overflow-wrap: anywhere; }
.settings tbody th[colspan] { padding-top: 1.1rem; color: var(--ink); font: inherit; font-weight: 600; }
dl.meaning dt { font-weight: 600; }
dl.meaning dd { margin: 0.1rem 0 0.9rem; max-width: 46rem; }
footer { margin-top: 2rem; color: var(--muted); font-size: 0.875rem; }

@media (max-width: 44rem) {
  body { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  .figures { grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }
  .find { width: 100%; }
  .find input { flex: 1; min-width: 0; }
  #units, #units thead, #units tbody { display: block; }
  #units tr:not([hidden]) { display: grid; grid-template-columns: 2.5rem 1fr 1fr; align-items: baseline; }
  #units thead th { position: static; }
  #units thead .words { display: none; }
  #units thead tr { border-bottom: 1px solid var(--grid); }
  #units tbody tr { padding: 0.6rem 0; border-bottom: 1px solid var(--grid); }
  #units th, #units td { width: auto; padding: 0.15rem 0; border: 0; }
  td.unit { text-align: left; }
  #units .words { grid-column: 1 / -1; }
  .bar { width: 4.2rem; }
  details > :not(summary) { margin-left: 0; }
}
@media print {
  :root {
    --paper: #ffffff; --ink: #000000; --muted: #555555; --grid: #cccccc; --shade: #ffffff;
    --validation: #1f5fbf; --training: #c9731a; --bar: #9dbfeb; --found: #ffffff;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  .bar i { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .curves { grid-template-columns: 1fr 1fr; }
  .find { display: none; }
  #units thead th { position: static; }
  tr, figure, .figures { break-inside: avoid; }
  h2, summary { break-after: avoid; }
}
"""

# Without the script the page is whole, in its first order and with no box to find words. With it, an address that ends
# in #sort=share&order=ascending or #find=word does what a click on a header or a word in the box does.
SCRIPT = """
(() => {
  const table = document.querySelector("#units");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const box = document.querySelector(".find input"), told = document.querySelector(".find output");
  const opposite = { ascending: "descending", descending: "ascending" };

  function sort(name, order) {
    const column = heads.findIndex(head => head.className === name);
    if (column < 0) return;
    order = opposite[order] ? order : heads[column].dataset.first;
    const sign = order === "ascending" ? 1 : -1;
    const key = row => row.cells[column].dataset.value;
    const numeric = name !== "words";
    rows.sort((a, b) => sign * (numeric ? key(a) - key(b) : key(a).localeCompare(key(b))));
    body.append(...rows);
    for (const head of heads) head.removeAttribute("aria-sort");
    heads[column].setAttribute("aria-sort", order);
  }

  function find(text) {
    const wanted = text.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      let any = !wanted;
      for (const word of row.querySelectorAll("bdi")) {
        const found = wanted !== "" && word.textContent.toLowerCase().includes(wanted);
        word.classList.toggle("found", found);
        any ||= found;
      }
      row.hidden = !any;
      shown += any;
    }
    told.value = wanted ? shown + " of " + rows.length + " units" : "";
  }

  function obey() {
    const asked = new URLSearchParams(location.hash.slice(1));
    if (asked.has("sort")) sort(asked.get("sort"), asked.get("order"));
    if (asked.has("find")) find(box.value = asked.get("find"));
  }

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(head.className, opposite[head.getAttribute("aria-sort")]));
  }
  box.addEventListener("input", () => find(box.value));
  document.querySelector(".find").hidden = false;
  addEventListener("hashchange", obey);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(each => each.open = true));
  obey();
})();
"""
