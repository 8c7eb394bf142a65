// The list of units: sorts, finds words, and opens the unit of the address. #sort=share and #find=word work as addresses.
(() => {
  const list = document.querySelector("ol.units");
  addEventListener("beforeprint", () => document.querySelectorAll(".details details").forEach(each => (each.open = true)));
  if (!list) return;
  const items = [...list.children], tools = document.querySelector("#unit-tools");
  const search = tools.querySelector("input"), order = tools.querySelector("select"), found = document.querySelector("#found");
  const ascending = { unit: true, words: true };

  function sort(name) {
    const key = item => item.dataset[name];
    const compare = (a, b) => (name === "words" ? key(a).localeCompare(key(b)) : key(a) - key(b));
    items.sort((a, b) => (ascending[name] ? compare(a, b) : compare(b, a)));
    list.append(...items);
  }

  function find(text) {
    const query = text.trim().toLowerCase();
    let shown = 0;
    for (const item of items) {
      let matches = !query || item.querySelector(".unit").textContent.toLowerCase().includes(query);
      for (const word of item.querySelectorAll("bdi")) {
        const match = query !== "" && word.textContent.toLowerCase().includes(query);
        word.classList.toggle("match", match);
        matches ||= match;
      }
      item.hidden = !matches;
      shown += matches;
    }
    found.value = query ? `${shown} of ${items.length} units` : "";
  }

  function followAddress() {
    const address = location.hash.slice(1);
    const unit = address && document.getElementById(address);
    if (unit && items.includes(unit)) {
      find((search.value = ""));
      unit.querySelector("details").open = true;
      unit.scrollIntoView({ block: "start" });
    }
    const parameters = new URLSearchParams(address);
    if ([...order.options].some(option => option.value === parameters.get("sort"))) sort((order.value = parameters.get("sort")));
    if (parameters.has("find")) find((search.value = parameters.get("find")));
  }

  search.addEventListener("input", () => find(search.value));
  order.addEventListener("change", () => sort(order.value));
  tools.hidden = false;
  addEventListener("hashchange", followAddress);
  followAddress();
})();
