// The view, and its form in the URL's fragment, so that a copied link shows the same.

export const TABS = [
  "gaps",
  "frames",
  "book",
  "market",
  "charts",
  "days",
  "ask",
  "commands",
  "differences",
];

// The width of the frames beside a market or charts, in % of the page's: as it is at first, and the
// largest one.
const SPLIT_FIRST = 32;
export const SPLIT_MAX = 60;

const FILTER_MAX = 200; // characters, as in index.html
const SPAN_MIN = 100n;
const TIME_MAX = 4_000_000_000_000_000_000n; // the year 2096
const WRITE_MS = 300; // browsers limit how often a page may change its URL
const PRICE_MAX = 1e15;
const NUMBER_MIN = 1e-12; // of sizes, and of the length of a range
const NUMBER = /^-?\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,3})?$/;

export class ViewState {
  from = 0n;
  to = 0n; // exclusive; 0: not known yet
  cursor = null; // ns
  band = null; // key of the chosen band (bandKey in api.js)
  open = new Set();
  pinned = new Set(); // keys of bands
  filter = ""; // of the timeline's rows
  tab = "gaps";
  onlyBand = true; // restrict frames and commands to the chosen band
  follow = false;
  market = null; // key of the symbol's book (bandKey in api.js)
  prices = null; // {low, high} of the market's picture; null: follow bid and ask
  price = null; // cursor
  sizes = null; // {low, high} of the colours; null: from what is shown
  hidden = new Set(); // of "trades", "candles"
  split = SPLIT_FIRST; // width of the frames beside a market or charts, in %; 0: closed

  #listeners = [];
  #given = new Set(); // names of the URL's members
  #timer = 0;

  listen(listener) {
    this.#listeners.push(listener);
  }

  // Change members. Listeners get the names of those that changed.
  set(patch) {
    const changed = new Set();
    const { side } = this;
    if (patch.from !== undefined || patch.to !== undefined)
      patch = { ...patch, ...clampRange(patch.from ?? this.from, patch.to ?? this.to) };
    for (const [name, value] of Object.entries(patch)) {
      if (this[name] === value) continue;
      this[name] = value;
      changed.add(name);
    }
    if (changed.size === 0) return;
    if (this.side !== side) changed.add("side");
    this.#writeSoon();
    for (const listener of this.#listeners) listener(changed);
  }

  // True if the URL gives the member of this name.
  gives(name) {
    return this.#given.has(name);
  }

  // Change members that the URL does not give.
  setUnlessGiven(patch) {
    this.set(Object.fromEntries(Object.entries(patch).filter(([name]) => !this.#given.has(name))));
  }

  // Change members. The browser's Back button returns to the state before.
  jump(patch) {
    this.write();
    history.pushState(null, "", location.href);
    this.set({ ...patch, follow: false });
  }

  // The archive of the chosen band, as in api.js.
  get side() {
    return this.band?.startsWith("b:") ? "b" : "";
  }

  get span() {
    return this.to - this.from;
  }

  // ---- time and its part of the view ----

  timeAt(part) {
    return this.from + BigInt(Math.round(Number(this.span) * Math.max(0, Math.min(1, part))));
  }

  partOf(ns) {
    return Number(ns - this.from) / Number(this.span);
  }

  zoom(factor, at) {
    const wanted = BigInt(Math.max(1, Math.round(Number(this.span) * factor)));
    const begin = at - BigInt(Math.round(Number(wanted) * this.partOf(at)));
    this.set({ from: begin, to: begin + wanted });
  }

  pan(part) {
    this.panFrom(this.from, part);
  }

  // Move the view so that it begins this part of its length after a time.
  panFrom(from, part) {
    const moved = from + BigInt(Math.round(Number(this.span) * part));
    const begin = moved < 0n ? 0n : moved;
    this.set({ from: begin, to: begin + this.span, follow: false });
  }

  // ---- the URL ----

  #writeSoon() {
    if (this.#timer === 0) this.#timer = setTimeout(() => this.write(), WRITE_MS);
  }

  write() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.to !== 0n) history.replaceState(null, "", "#" + this.toHash());
  }

  toHash() {
    const parts = [`from=${this.from}`, `to=${this.to}`];
    if (this.cursor !== null) parts.push(`cursor=${this.cursor}`);
    if (this.band !== null) parts.push(`band=${this.band}`);
    if (this.open.size > 0) parts.push(`open=${[...this.open].join(",")}`);
    if (this.pinned.size > 0) parts.push(`pin=${[...this.pinned].join(",")}`);
    if (this.filter !== "") parts.push(`filter=${encodeURIComponent(this.filter)}`);
    parts.push(`tab=${this.tab}`, `only=${this.onlyBand ? 1 : 0}`);
    if (this.follow) parts.push("follow=1");
    if (this.market !== null) parts.push(`market=${this.market}`);
    for (const name of ["prices", "sizes"])
      if (this[name] !== null)
        parts.push(`${name}=${shortNumber(this[name].low)}~${shortNumber(this[name].high)}`);
    if (this.price !== null) parts.push(`price=${this.price}`);
    if (this.hidden.size > 0) parts.push(`hide=${[...this.hidden].join(",")}`);
    if (this.split !== SPLIT_FIRST) parts.push(`split=${this.split}`);
    return parts.join("&");
  }

  // Read the URL. Ignore unusable values.
  read(hash) {
    const members = new Map(
      hash
        .replace(/^#/, "")
        .split("&")
        .map((part) => {
          const at = part.indexOf("=");
          return [part.slice(0, at), part.slice(at + 1)];
        })
    );
    this.#given = new Set(members.keys());
    const time = (name) =>
      /^\d{1,19}$/.test(members.get(name) ?? "") ? BigInt(members.get(name)) : null;
    const patch = {};
    if (time("from") !== null && time("to") !== null && time("from") < time("to"))
      Object.assign(patch, { from: time("from"), to: time("to") });
    if (time("cursor") !== null) patch.cursor = time("cursor");
    if (members.get("band")) patch.band = members.get("band");
    const keys = (name) =>
      new Set((members.get(name) ?? "").split(",").filter((key) => key !== ""));
    if (members.has("from")) {
      patch.open = keys("open");
      patch.pinned = keys("pin");
      patch.filter = readText(members.get("filter"));
    }
    if (TABS.includes(members.get("tab"))) patch.tab = members.get("tab");
    if (members.has("only")) patch.onlyBand = members.get("only") !== "0";
    patch.follow = members.get("follow") === "1";
    if (members.get("market")) patch.market = members.get("market");
    if (members.has("from")) {
      patch.prices = readRange(members.get("prices"), -PRICE_MAX);
      patch.sizes = readRange(members.get("sizes"), NUMBER_MIN);
      patch.price = readNumber(members.get("price"));
      patch.hidden = new Set(
        (members.get("hide") ?? "")
          .split(",")
          .filter((name) => ["trades", "candles"].includes(name))
      );
      const split = Number(members.get("split") ?? SPLIT_FIRST);
      patch.split =
        Number.isInteger(split) && split >= 0 && split <= SPLIT_MAX ? split : SPLIT_FIRST;
    }
    this.set(patch);
  }
}

function shortNumber(value) {
  return String(Number(value.toPrecision(12)));
}

// null: not a usable number.
function readNumber(text) {
  const value = NUMBER.test(text ?? "") ? Number(text) : NaN;
  return Math.abs(value) <= PRICE_MAX ? value : null;
}

// "" if the text is absent, or no text that encodeURIComponent has made.
function readText(text) {
  try {
    return decodeURIComponent(text ?? "").slice(0, FILTER_MAX);
  } catch {
    return "";
  }
}

// "low~high", or null.
function readRange(text, least) {
  const [low, high, ...more] = (text ?? "").split("~").map(readNumber);
  const isRange =
    more.length === 0 &&
    low !== null &&
    high != null &&
    low >= least &&
    high - low >= Math.max(1, Math.abs(low), Math.abs(high)) * NUMBER_MIN;
  return isRange ? { low, high } : null;
}

function clampRange(from, to) {
  if (to - from < SPAN_MIN) {
    from = (from + to - SPAN_MIN) / 2n;
    to = from + SPAN_MIN;
  }
  if (from < 0n) [from, to] = [0n, to - from];
  if (to > TIME_MAX)
    [from, to] = [from - (to - TIME_MAX) > 0n ? from - (to - TIME_MAX) : 0n, TIME_MAX];
  return { from, to };
}
