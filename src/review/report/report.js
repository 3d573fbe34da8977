"use strict";
(function () {
  const doc = document;
  const byId = (id) => doc.getElementById(id);
  const meta = JSON.parse(byId("meta").textContent);
  const words = JSON.parse(byId("words").textContent);
  const HEIGHT = 34;
  // The places of a row's values.
  const ROW = 0, NAME = 1, TARGET = 2, OUTCOME = 3, EVIDENCE = 4, DETAIL = 5, REASON = 6, TICKET = 7, NOTED = 8, NOTES = 9,
    CREATED = 10, PRINT = 11, ARN_OF = 12, ARN = 13, OPERATION = 14, SETTLED = 15, SETTLED_AS = 16, BY = 17, ATTEMPTS = 18,
    STORY = 19;
  const word = (value) => (typeof value === "number" ? words[value] : value === null || value === undefined ? "" : value);
  const human = (outcome) => outcome.replace(/_/g, " ");
  const time = (ms) => (ms === null ? "" : new Date(meta.base + ms).toISOString());
  function make(tag, className, text) {
    const element = doc.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  const rows = [], texts = [];
  let shown = [], at = 0, sortBy = ROW, down = false, loaded = false;

  const grid = byId("grid"), space = byId("space"), count = byId("count"), search = byId("search");
  const outcomeBox = byId("outcome"), targetBox = byId("target");
  if (!grid) return;
  const head = grid.querySelector(".head");
  const view = () => grid.clientHeight - head.offsetHeight;
  doc.documentElement.classList.add("js");

  // Blocks are read one after the other, so that the page answers meanwhile.
  const blocks = Array.from(doc.querySelectorAll("script.rows"));
  function load() {
    const block = blocks.shift();
    if (!block) {
      loaded = true;
      fill(outcomeBox, OUTCOME, human);
      fill(targetBox, TARGET, (text) => text);
      apply();
      return;
    }
    for (const row of JSON.parse(block.textContent)) {
      rows.push(row);
      texts.push(textOf(row));
    }
    block.remove();
    if (rows.length <= 5000 || blocks.length === 0) apply();
    setTimeout(load, 0);
  }
  // Everything of a row that a search finds, in lower case.
  function textOf(row) {
    let text = row[ROW] + "\n" + row[NAME] + "\n" + word(row[TARGET]) + "\n" + human(word(row[OUTCOME])) + "\n" + word(row[EVIDENCE])
      + "\n" + word(row[DETAIL]) + "\n" + word(row[REASON]) + "\n" + word(row[TICKET]) + "\n" + word(row[NOTED]) + "\n"
      + word(row[NOTES]) + "\n" + (row[ARN] || "") + "\n" + (row[PRINT] || "") + "\n" + (row[OPERATION] || "");
    for (const attempt of row[ATTEMPTS]) text += "\n" + (attempt[4] || "") + "\n" + word(attempt[2]) + "\n" + word(attempt[5]);
    return text.toLowerCase();
  }
  function fill(box, place, name) {
    const found = new Map();
    for (const row of rows) {
      const text = word(row[place]);
      found.set(text, (found.get(text) || 0) + 1);
    }
    for (const text of Array.from(found.keys()).sort()) {
      const option = make("option", "", name(text) + " (" + found.get(text).toLocaleString("en") + ")");
      option.value = text;
      box.append(option);
    }
  }

  function apply() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const outcome = outcomeBox.value, target = targetBox.value;
    const next = [];
    each: for (let index = 0; index < rows.length; index++) {
      if (outcome && word(rows[index][OUTCOME]) !== outcome) continue;
      if (target && word(rows[index][TARGET]) !== target) continue;
      for (const part of wanted) if (!texts[index].includes(part)) continue each;
      next.push(index);
    }
    if (sortBy !== ROW || down) sort(next);
    shown = next;
    at = 0;
    space.style.height = shown.length * HEIGHT + "px";
    grid.setAttribute("aria-rowcount", String(shown.length + 1));
    const all = meta.of === rows.length ? "" : loaded ? " shown here, of " + meta.of.toLocaleString("en") : ", reading more";
    count.textContent = shown.length.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " rows" + all;
    grid.scrollTop = 0;
    draw();
  }
  function sort(indexes) {
    const key = sortBy === ATTEMPTS ? (row) => row[ATTEMPTS].length : sortBy === ROW ? (row) => row[ROW] : sortBy === DETAIL ? detailOf
      : (row) => word(row[sortBy]);
    const keys = new Map(indexes.map((index) => [index, key(rows[index])]));
    const turn = down ? -1 : 1;
    indexes.sort((a, b) => {
      const left = keys.get(a), right = keys.get(b);
      return left < right ? -turn : left > right ? turn : a - b;
    });
  }

  function draw() {
    const first = Math.max(0, Math.floor(grid.scrollTop / HEIGHT) - 8);
    const last = Math.min(shown.length, Math.ceil((grid.scrollTop + view()) / HEIGHT) + 8);
    const lines = doc.createDocumentFragment();
    for (let place = first; place < last; place++) lines.append(line(place));
    space.replaceChildren(lines);
    mark();
  }
  function line(place) {
    const row = rows[shown[place]];
    const outcome = word(row[OUTCOME]);
    const element = make("div", "r row");
    element.id = "row-" + place;
    element.setAttribute("role", "row");
    element.setAttribute("aria-rowindex", String(place + 2));
    element.style.top = place * HEIGHT + "px";
    const cells = [["num", String(row[ROW])], ["", row[NAME]], ["opt", word(row[TARGET])], ["tag tag-" + outcome, human(outcome)],
      ["opt big", word(row[EVIDENCE])], ["opt", detailOf(row)], ["opt big num", String(row[ATTEMPTS].length)]];
    for (const [className, text] of cells) {
      const cell = make("div", className, text);
      cell.setAttribute("role", "gridcell");
      if (text.length > 12) cell.title = text;
      element.append(cell);
    }
    element.addEventListener("click", () => { at = place; mark(); open(); });
    return element;
  }
  // What the column shows: it is sorted by that, too.
  function detailOf(row) {
    return word(row[DETAIL]) || word(row[NOTES]) || errorOf(row);
  }
  function errorOf(row) {
    const last = row[ATTEMPTS][row[ATTEMPTS].length - 1];
    return last ? word(last[5]) : "";
  }
  function mark() {
    for (const element of space.children) {
      const on = element.id === "row-" + at;
      element.classList.toggle("on", on);
      element.setAttribute("aria-selected", String(on));
    }
    if (byId("row-" + at)) grid.setAttribute("aria-activedescendant", "row-" + at);
    else grid.removeAttribute("aria-activedescendant");
  }
  function go(place) {
    at = Math.max(0, Math.min(shown.length - 1, place));
    const top = at * HEIGHT;
    if (top < grid.scrollTop) grid.scrollTop = top;
    if (top + HEIGHT > grid.scrollTop + view()) grid.scrollTop = top + HEIGHT - view();
    draw();
  }

  // The story of a row.
  const dialog = byId("story");
  function open() {
    const row = rows[shown[at]];
    if (!row) return;
    const outcome = word(row[OUTCOME]);
    byId("story-title").textContent = "Row " + row[ROW] + ": " + row[NAME];
    const list = make("dl");
    const fact = (name, text) => { if (text) list.append(make("dt", "", name), make("dd", "", text)); };
    fact("Outcome", human(outcome) + (row[EVIDENCE] === null ? "" : " (evidence: " + word(row[EVIDENCE]) + ")"));
    fact("Its run determined", human(word(row[SETTLED_AS])));
    fact("Resolved by", word(row[BY]));
    fact("Detail", word(row[DETAIL]));
    fact("Account and region", word(row[TARGET]));
    fact("Notes of the plan", word(row[NOTES]));
    fact("Reason", word(row[REASON]));
    fact("Ticket", word(row[TICKET]));
    fact("Key pair's ARN", row[ARN] ? word(row[ARN_OF]) + "/" + row[ARN] : "");
    fact("Created", row[CREATED]);
    fact("Fingerprint", row[PRINT]);
    fact("Operation", row[OPERATION]);
    fact("Settled", time(row[SETTLED]));
    fact("Other columns", word(row[NOTED]));
    const steps = make("ol", "story");
    const step = (ms, text) => {
      const item = make("li");
      item.append(make("time", "", ms === null ? "" : time(ms)), doc.createTextNode(text));
      steps.append(item);
    };
    if (row[STORY]) {
      for (const [seq, ms, kind, gist] of row[STORY]) step(ms, "entry " + seq + ", " + word(kind).replace(/_/g, " ") + ": " + word(gist));
    } else {
      for (const [ms, took, kind, status, request, error] of row[ATTEMPTS]) {
        step(ms, "asked for the deletion");
        if (took < 0) { step(null, "no end is recorded"); continue; }
        step(ms + took, word(kind) + (status === null ? "" : ", HTTP " + status) + " after " + took + " ms" + (error === null ? "" : ": " + word(error))
          + (request ? "; request id " + request : ""));
      }
      if (row[SETTLED] !== null) step(row[SETTLED], human(outcome));
    }
    if (!steps.children.length) step(null, "nothing was asked for");
    const more = make("p", "soft", "Every entry: keybatch show " + meta.run + " " + row[ROW]);
    byId("story-body").replaceChildren(list, make("h3", "", "What happened"), steps, more);
    dialog.showModal();
    dialog.scrollTop = 0;
  }
  byId("story-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => grid.focus());

  grid.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid) return;
    const page = Math.max(1, Math.floor(view() / HEIGHT) - 1);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: shown.length - 1 };
    if (event.key in steps) go(steps[event.key]);
    else if (event.key === "Enter" || event.key === " ") open();
    else return;
    event.preventDefault();
  });
  let waiting = 0;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(apply, 20); });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { search.value = ""; apply(); }
    if (event.key === "ArrowDown") { grid.focus(); event.preventDefault(); }
  });
  outcomeBox.addEventListener("change", apply);
  targetBox.addEventListener("change", apply);
  for (const button of doc.querySelectorAll(".head button")) {
    button.addEventListener("click", () => {
      const by = Number(button.dataset.by);
      down = by === sortBy ? !down : false;
      sortBy = by;
      for (const other of doc.querySelectorAll(".head button")) {
        const mine = other === button;
        other.parentElement.setAttribute("aria-sort", mine ? (down ? "descending" : "ascending") : "none");
        other.textContent = other.dataset.name + (mine ? (down ? " \u2193" : " \u2191") : "");
      }
      apply();
    });
  }
  addEventListener("resize", draw);
  load();
})();
