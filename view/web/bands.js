// The rows of the timeline: a band for each topic, and for each symbol of an open topic. Their
// labels are buttons in the left column.

import { bandKey } from "./api.js";
import { el } from "./dom.js";

const PROOFS = ["proven", "warned", "unverifiable"];
const PROOF_TITLES = {
  proven: "proven: each missing frame breaks a rule",
  warned: "warned: most missing frames break a rule",
  unverifiable: "unverifiable: no rule shows a missing frame; only recorded gaps do",
};

// Topics of an archive with their symbols, sorted. Names that begin with "_" are last. side and
// label are the archive's, if it is one of two (pair.js). Members of a band: source is the group of
// its tiles (getTiles in api.js), twin is the same band of the other archive, openKey is the topic's
// key in the set of open topics, pinKey the band's key in the set of pinned ones.
export function makeTopics(rows, side = "", label = "") {
  const topics = new Map();
  const source = side === "" ? null : { side, feed: null, topic: null };
  for (const row of rows) {
    const key = bandKey(row.feed, row.topic, null, side);
    let topic = topics.get(key);
    if (topic === undefined) {
      topic = {
        key,
        side,
        label,
        feed: row.feed,
        topic: row.topic,
        symbol: null,
        group: null,
        source,
        proof: -1,
        twin: null,
        openKey: key,
        pinKey: key,
        symbols: new Map(),
      };
      topics.set(key, topic);
    }
    const proof = row.isMissing ? -1 : PROOFS.indexOf(row.proof);
    topic.proof = Math.max(topic.proof, proof); // the weakest of its symbols; -1: not recorded
    const symbolKey = bandKey(row.feed, row.topic, row.symbol, side);
    topic.symbols.set(symbolKey, {
      ...topic,
      key: symbolKey,
      pinKey: symbolKey,
      symbol: row.symbol,
      group: topic,
      source: topic,
      proof,
      symbols: new Map(),
    });
  }
  const { compare } = new Intl.Collator("en", { numeric: true }); // orderbook.50, orderbook.200
  const sorted = [...topics.values()].sort(
    (a, b) =>
      compare(a.feed, b.feed) ||
      a.topic.startsWith("_") - b.topic.startsWith("_") ||
      compare(a.topic, b.topic)
  );
  for (const topic of sorted)
    topic.symbols = new Map([...topic.symbols].sort((a, b) => compare(a[1].symbol, b[1].symbol)));
  return sorted;
}

export function isExpandable(band) {
  return band.symbols.size > 1 || [...band.symbols.values()].some(({ symbol }) => symbol !== "");
}

export function withTwin(band) {
  return band.twin === null ? [band] : [band, band.twin];
}

// The rows that are shown, {bands, pinned}: first the pinned ones, whose number is `pinned`, then
// those that match the filter, whose words are parts of feed, topic or symbol. A pinned topic takes
// its open symbols along; a topic whose symbols match is shown with them. open, pinned: sets of the
// first archive's keys.
export function visibleBands(topics, { open, pinned, filter }) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (band) => {
    const name = bandName({ ...band, label: "" }).toLowerCase();
    return words.every((word) => name.includes(word));
  };
  const above = [];
  const below = [];
  for (const topic of topics) {
    const isOpen = open.has(topic.key) && isExpandable(topic);
    const isPinned = pinned.has(topic.key);
    const symbols = [...topic.symbols.values()];
    const isMatch = matches(topic);
    const free = symbols.filter(({ key }) => !pinned.has(key));
    const found = isMatch ? (isOpen ? free : []) : isExpandable(topic) ? free.filter(matches) : [];
    above.push(
      ...(isPinned ? [topic] : []),
      ...symbols.filter((symbol) => pinned.has(symbol.key) || (isPinned && isOpen))
    );
    if (!isPinned && (isMatch || found.length > 0)) below.push(topic, ...found);
  }
  return { bands: [...above, ...below].flatMap(withTwin), pinned: above.flatMap(withTwin).length };
}

// The time of a band's frames by the archives' newest rows (sides: as in pair.js): {first, last},
// both 0 if it has no frame.
export function bandTime(band, sides) {
  const isOwn = (row) =>
    row.feed === band.feed &&
    row.topic === band.topic &&
    (band.symbol === null || row.symbol === band.symbol) &&
    row.first_ns !== 0n;
  const rows = sides.find(({ side }) => side === band.side)?.rows.filter(isOwn) ?? [];
  const pick = (name, isBetter) =>
    rows.reduce((ns, row) => (isBetter(row[name], ns) ? row[name] : ns), rows[0]?.[name] ?? 0n);
  return { first: pick("first_ns", (a, b) => a < b), last: pick("last_ns", (a, b) => a > b) };
}

export function bandName(band) {
  const name = [band.feed, band.topic];
  if (band.symbol !== null) name.push(band.symbol || "(no symbol)");
  return (band.label && band.label + ": ") + name.join(" / ");
}

// What a click on a button of a row does, by the button's class.
const ACTIONS = { "band-name": "choose", toggle: "toggle", pin: "pin" };

// The column of labels. handlers: choose(band), toggle(band), pin(band).
export class BandLabels {
  #list;
  #handlers;
  #rows = new Map();
  #rowOf = new WeakMap(); // of an element of the list
  #stuck = 0;

  // One listener serves all rows, of which there may be hundreds.
  constructor(list, handlers) {
    this.#list = list;
    this.#handlers = handlers;
    list.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      const row = this.#rowOf.get(button?.closest("li"));
      if (row !== undefined) this.#handlers[ACTIONS[button.className]](row.band);
    });
  }

  // Existing rows are kept, so that the focus stays. open, pinned: as in visibleBands.
  set(bands, open, pinned) {
    const rows = new Map();
    for (const band of bands) {
      const row = this.#rows.get(band.key) ?? this.#makeRow(band);
      const isPinned = pinned.has(band.pinKey);
      row.pin?.setAttribute("aria-pressed", String(isPinned));
      row.feed.textContent =
        band.symbol === null
          ? `${band.feed} / `
          : isPinned // else its topic is above it
            ? `${band.topic} / `
            : "";
      row.toggle?.setAttribute("aria-expanded", String(open.has(band.openKey)));
      const proof = PROOFS[band.proof] ?? "not recorded";
      row.proof.textContent = proof;
      row.proof.title = PROOF_TITLES[proof] ?? "only the other archive has this";
      row.proof.className = "proof " + (PROOFS[band.proof] ?? "");
      row.band = band;
      rows.set(band.key, row);
    }
    for (const [key, row] of this.#rows) if (!rows.has(key)) row.element.remove();
    let before = this.#list.firstChild;
    for (const row of rows.values()) {
      if (row.element === before) before = before.nextSibling;
      else this.#list.insertBefore(row.element, before);
    }
    this.#rows = rows;
    this.stick(this.#stuck);
  }

  // The first rows stay where they are when the list is scrolled.
  stick(count) {
    this.#stuck = count;
    [...this.#rows.values()].forEach(({ element }, index) => {
      const isStuck = index < count;
      if (isStuck) element.style.setProperty("--row", index);
      if (isStuck !== element.classList.contains("stuck")) element.classList.toggle("stuck");
    });
  }

  choose(key) {
    for (const [rowKey, row] of this.#rows)
      row.name.setAttribute("aria-pressed", String(rowKey === key));
  }

  #makeRow(band) {
    const row = { band };
    const isTopic = band.symbol === null;
    row.proof = el("span");
    row.feed = el("span", { class: "feed" });
    row.name = el(
      "button",
      { type: "button", class: "band-name", title: bandName(band) },
      band.label && el("span", { class: `side ${band.side}`, text: band.label }),
      row.feed,
      el("span", { class: "topic", text: isTopic ? band.topic : band.symbol || "(no symbol)" }),
      row.proof
    );
    if (isTopic && band.side === "" && isExpandable(band))
      row.toggle = el("button", {
        type: "button",
        class: "toggle",
        "aria-label": `Symbols of ${bandName({ ...band, label: "" })}`,
      });
    if (band.side === "")
      row.pin = el("button", {
        type: "button",
        class: "pin",
        title: "Keep this row on top",
        "aria-label": `Keep ${bandName({ ...band, label: "" })} on top`,
      });
    row.element = el(
      "li",
      { class: isTopic ? "band" : "band symbol" },
      row.toggle ?? el("span", { class: "toggle" }),
      row.name,
      row.pin ?? el("span", { class: "pin" })
    );
    this.#rowOf.set(row.element, row);
    return row;
  }
}
