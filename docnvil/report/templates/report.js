// Sorts and searches the table of units; an address that ends in #sort=share&order=ascending or #find=word does so too.
(() => {
  const table = document.querySelector("#units");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows], headings = [...table.tHead.rows[0].cells];
  const search = document.querySelector(".find input"), summary = document.querySelector(".find output");
  const opposite = { ascending: "descending", descending: "ascending" };

  function sort(name, order) {
    const column = headings.findIndex(heading => heading.className === name);
    if (column < 0) return;
    order = opposite[order] ? order : headings[column].dataset.first;
    const sign = order === "ascending" ? 1 : -1;
    const key = row => row.cells[column].dataset.value;
    rows.sort((a, b) => sign * (name === "words" ? key(a).localeCompare(key(b)) : key(a) - key(b)));
    body.append(...rows);
    for (const heading of headings) heading.removeAttribute("aria-sort");
    headings[column].setAttribute("aria-sort", order);
  }

  function find(text) {
    const query = text.trim().toLowerCase();
    let shown = 0;
    for (const row of rows) {
      let matches = !query;
      for (const word of row.querySelectorAll("bdi")) {
        const match = query !== "" && word.textContent.toLowerCase().includes(query);
        word.classList.toggle("match", match);
        matches ||= match;
      }
      row.hidden = !matches;
      shown += matches;
    }
    summary.value = query ? shown + " of " + rows.length + " units" : "";
  }

  function followAddress() {
    const parameters = new URLSearchParams(location.hash.slice(1));
    if (parameters.has("sort")) sort(parameters.get("sort"), parameters.get("order"));
    if (parameters.has("find")) find(search.value = parameters.get("find"));
  }

  for (const heading of headings) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(heading.className, opposite[heading.getAttribute("aria-sort")]));
  }
  search.addEventListener("input", () => find(search.value));
  document.querySelector(".find").hidden = false;
  addEventListener("hashchange", followAddress);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(details => details.open = true));
  followAddress();
})();
