// The books of single symbols in the archives, and the one that is shown as a market.

import { bandKey } from "./api.js";
import { el } from "./dom.js";

// True if a row of an archive (getArchive in api.js) is the book of a single symbol.
export function isMarket({ type, symbol }) {
  return type === "book_change" && symbol !== "*" && symbol !== "";
}

// The books of an archive: [{key, side, feed, topic, symbol, grouped, name, source}].
function marketsOf({ rows, side, label }) {
  return rows
    .filter(isMarket)
    .map(({ feed, topic, symbol, grouped }) => ({
      side,
      feed,
      topic,
      symbol,
      grouped,
      key: bandKey(feed, topic, symbol, side),
      name: `${label && label + ": "}${symbol} / ${feed} / ${topic}`,
      source: { side, feed, topic, key: bandKey(feed, topic, null, side) },
    }));
}

export class MarketChoice {
  #state;
  #band; // function
  #markets = [];
  #selects = [];
  #lastBand = null;

  constructor(state, band) {
    this.#state = state;
    this.#band = band;
    state.listen((changed) => {
      if (changed.has("band")) {
        // The first band is chosen by the page if the URL names no band.
        if (!changed.has("market") && (this.#lastBand !== null || this.market === undefined))
          this.#follow();
        this.#lastBand = state.band;
      }
      if (changed.has("market")) this.#repair();
    });
  }

  // sides: as in pair.js.
  setArchives(sides) {
    const { compare } = new Intl.Collator("en", { numeric: true });
    this.#markets = sides.flatMap(marketsOf).sort(
      (a, b) =>
        compare(a.symbol, b.symbol) ||
        compare(a.feed, b.feed) ||
        a.grouped - b.grouped || // rounded prices are not the first choice
        compare(a.topic, b.topic) ||
        compare(a.side, b.side)
    );
    for (const select of this.#selects) this.#fill(select);
    this.#repair();
  }

  // undefined: the archive has no book of a symbol.
  get market() {
    return this.#markets.find(({ key }) => key === this.#state.market);
  }

  // A list of the markets. There may be several.
  makeSelect() {
    const select = el("select", {
      "aria-label": "Market",
      onchange: () => this.#choose(select.value),
    });
    this.#selects.push(select);
    this.#fill(select);
    return select;
  }

  #fill(select) {
    select.replaceChildren(
      ...this.#markets.map(({ key, name }) => el("option", { value: key, text: name }))
    );
    select.value = this.#state.market;
  }

  #repair() {
    if (this.market === undefined && this.#markets.length > 0) {
      this.#follow();
      if (this.market === undefined) this.#choose(this.#markets[0].key);
    }
    for (const select of this.#selects) select.value = this.#state.market;
  }

  // Show the chosen band's book, or a book of its symbol.
  #follow() {
    const band = this.#band();
    if (band === undefined) return;
    const now = this.market;
    const symbols =
      band.symbol === null ? [...band.symbols.values()].map(({ symbol }) => symbol) : [band.symbol];
    const ofSymbol = this.#markets.filter(
      ({ symbol }) => symbols.length === 1 && symbol === symbols[0]
    );
    const candidates = [
      this.#markets.filter(({ key, source }) => key === band.key || source.key === band.key),
      ofSymbol.filter(({ feed, side }) => feed === band.feed && side === band.side),
      ofSymbol.filter(({ feed }) => feed === band.feed),
      ofSymbol,
    ].find((list) => list.length > 0);
    const found =
      candidates?.find((market) => market === now) ??
      candidates?.find(({ symbol }) => symbol === now?.symbol) ??
      candidates?.[0];
    if (found !== undefined) this.#choose(found.key);
  }

  // Prices and sizes of one symbol are no use for another one.
  #choose(key) {
    const before = this.market;
    const found = this.#markets.find((market) => market.key === key);
    const isSame =
      before === undefined ? this.#state.market === null : before.symbol === found.symbol;
    this.#state.set({ market: key, ...(isSame ? {} : { prices: null, price: null, sizes: null }) });
  }
}
