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
// key in the set of open topics.
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

export function visibleBands(topics, open) {
  return topics
    .flatMap((topic) =>
      open.has(topic.key) && isExpandable(topic) ? [topic, ...topic.symbols.values()] : [topic]
    )
    .flatMap(withTwin);
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

// The column of labels. handlers: choose(band), toggle(band).
export class BandLabels {
  #list;
  #handlers;
  #rows = new Map();

  constructor(list, handlers) {
    this.#list = list;
    this.#handlers = handlers;
  }

  // Existing rows are kept, so that the focus stays.
  set(bands, open) {
    const rows = new Map();
    for (const band of bands) {
      const row = this.#rows.get(band.key) ?? this.#makeRow(band);
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
  }

  choose(key) {
    for (const [rowKey, row] of this.#rows)
      row.name.setAttribute("aria-pressed", String(rowKey === key));
  }

  #makeRow(band) {
    const row = { band };
    const isTopic = band.symbol === null;
    row.proof = el("span");
    row.name = el(
      "button",
      {
        type: "button",
        class: "band-name",
        title: bandName(band),
        onclick: () => this.#handlers.choose(row.band),
      },
      band.label && el("span", { class: `side ${band.side}`, text: band.label }),
      isTopic ? el("span", { class: "feed", text: band.feed + " / " }) : "",
      el("span", { class: "topic", text: isTopic ? band.topic : band.symbol || "(no symbol)" }),
      row.proof
    );
    if (isTopic && band.side === "" && isExpandable(band))
      row.toggle = el("button", {
        type: "button",
        class: "toggle",
        "aria-label": `Symbols of ${bandName({ ...band, label: "" })}`,
        onclick: () => this.#handlers.toggle(row.band),
      });
    row.element = el(
      "li",
      { class: isTopic ? "band" : "band symbol" },
      row.toggle ?? el("span", { class: "toggle" }),
      row.name
    );
    return row;
  }
}
