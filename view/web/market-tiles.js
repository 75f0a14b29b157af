// A bounded cache of tiles of books and trades. It requests few tiles at a time, and cancels
// requests that are no longer wanted.

import { getMarketTile, TILE_CELLS } from "./api.js";
import { levelFor, stepNs, tilesIn } from "./tiles.js";

const TILES_MAX = 300;
const BYTES_MAX = 128 << 20; // of all tiles
const REQUESTS_MAX = 2;      // an answer may take the server seconds
const PARENT_LEVELS = 8;     // how much coarser a substitute may be
const SUBSTITUTE_BINS = 4;
const K_MIN = 17;
const K_MAX = 48;
const RETRY_MS = 1000;
const REFRESH_COST = 4; // a tile that grows is as old as this many times what its answer took
const REFRESH_MS_MAX = 60_000;
const BUSY = 503;

const CELLS = BigInt(TILE_CELLS);

// Bits of a column's state.
export const KNOWN = 1;     // a book was known in a part of it
export const UNKNOWN = 2;   // no book was known in a part of it
export const UNTRUSTED = 4; // the book was not to be trusted in a part of it
export const UNSURE = 8;    // trades may be missing

// Heights of price rows are numbered: ..., 0: 1, 1: 2, 2: 5, 3: 10, ...
// The height for tiles of which only the columns are used: all prices are in a few rows.
export const COLUMNS_ONLY = 27;

export function binText(number) {
  const digit = [1, 2, 5][(number % 3 + 3) % 3];
  const power = Math.floor(number / 3);
  return power >= 0 ? digit + "0".repeat(power) : `0.${"0".repeat(-power - 1)}${digit}`;
}

// The smallest height that is at least this value.
export function binFor(value) {
  let number = Math.floor(3 * Math.log10(value)) - 1;
  while (Number(binText(number)) < value * (1 - 1e-9))
    number++;
  return number;
}

// The level whose columns are 1 to 2 device pixels wide.
export function marketLevel(state, devicePixels) {
  return Math.max(K_MIN, levelFor(2 * Number(state.span) / devicePixels));
}

function keyOf({ market, bin, k, i }) {
  return `${market.key} ${bin} ${k} ${i}`;
}

export class MarketTiles {
  #tiles = new Map(); // in the order of their last use
  #pending = new Map();
  #wanted = new Map();
  #failures = new Map(); // errors that a second request would not change
  #bins = new Map();     // of a market's key: numbers of heights that were loaded
  #ticks = new Map();    // of a market's key: the smallest price step that was seen
  #bytes = 0;
  #retryAt = 0;
  #count = 0;
  #onChange;

  // onChange(error): a tile arrived (error is null), or a request failed.
  constructor(onChange) {
    this.#onChange = onChange;
  }

  #find(tile) {
    const key = keyOf(tile);
    const found = this.#tiles.get(key);
    if (found !== undefined) {
      this.#tiles.delete(key);
      this.#tiles.set(key, found);
    }
    return found;
  }

  tick(market) {
    return this.#ticks.get(market.key) ?? 0;
  }

  // The tile or its substitutes in the cache: a tile of another height of rows, the finer tiles of
  // both halves, or a coarser tile. Returns tiles with the range of cells: [{tile, from, to}].
  #best(market, k, i, bins) {
    const find = (level, index) => {
      for (const bin of bins) {
        const tile = this.#find({ market, bin, k: level, i: index });
        if (tile !== undefined)
          return tile;
      }
      return undefined;
    };
    const exact = find(k, i);
    if (exact)
      return [{ tile: exact, from: 0, to: TILE_CELLS }];
    const halves = k > K_MIN ? [find(k - 1, 2n * i), find(k - 1, 2n * i + 1n)] : [];
    if (halves[0] && halves[1])
      return halves.map((tile) => ({ tile, from: 0, to: TILE_CELLS }));
    for (let up = 1; up <= PARENT_LEVELS && k + up <= K_MAX; up++) {
      const tile = find(k + up, i >> BigInt(up));
      if (tile) {
        const count = TILE_CELLS >> up;
        const from = Number(i & ((1n << BigInt(up)) - 1n)) * count;
        return [{ tile, from, to: from + count }];
      }
    }
    return [];
  }

  // What is loaded of the view: [{tile, first, last, from, to, x, step}]. Cells first..last of a tile
  // are used, and from..to of them are in the view; cell c begins at x + c * step, in units of the
  // given width. bin: the preferred height of rows. use: "rows" takes only tiles with usable rows.
  parts(market, k, bin, state, width, use) {
    const loaded = [...this.#bins.get(market.key) ?? []].filter((other) => other !== bin);
    const bins = use === "columns" ? [bin, ...loaded]
      : [bin, ...loaded.filter((other) => other !== COLUMNS_ONLY)
        .sort((a, b) => Math.abs(a - bin) - Math.abs(b - bin)).slice(0, SUBSTITUTE_BINS)];
    return tilesIn(k, state.from, state.to).flatMap((i) => this.#best(market, k, i, bins))
      .map(({ tile, from, to }) => {
        const step = Number(stepNs(tile.k)) / Number(state.span) * width;
        const x = state.partOf(tile.i * (CELLS << BigInt(tile.k))) * width;
        return { tile, x, step, first: from, last: to, from: Math.max(from, Math.floor(-x / step)),
                 to: Math.min(to, Math.ceil((width - x) / step)) };
      })
      .filter(({ from, to }) => from < to);
  }

  // Want the tiles of the view, and no others: from the middle outwards. bin: the height of rows;
  // null: any.
  want(market, k, bin, state) {
    const numbers = tilesIn(k, state.from, state.to);
    const middle = numbers[numbers.length >> 1];
    const distance = (i) => (i > middle ? i - middle : middle - i);
    numbers.sort((a, b) => Number(distance(a) - distance(b)));
    const bins = [COLUMNS_ONLY, ...this.#bins.get(market.key) ?? []];
    const wanted = numbers.map((i) => ({ market, k, i, bin: bin ??
      bins.find((one) => this.#tiles.has(keyOf({ market, k, i, bin: one }))) ?? COLUMNS_ONLY }));
    this.#wanted = new Map(wanted.map((tile) => [keyOf(tile), tile]));
    for (const [key, abort] of this.#pending)
      if (!this.#wanted.has(key))
        abort.abort();
    this.#start();
  }

  wantNothing() {
    this.#wanted.clear();
    for (const abort of this.#pending.values())
      abort.abort();
  }

  // A wanted tile is on its way.
  get isLoading() {
    return this.#pending.size > 0;
  }

  // Why a wanted tile is missing: an error, or undefined.
  get failure() {
    for (const key of this.#wanted.keys())
      if (this.#failures.has(key))
        return this.#failures.get(key);
    return undefined;
  }

  // Why parts() has no cell at a time.
  missingReason(state, ns) {
    if (ns < state.from || ns >= state.to)
      return "outside the shown time";
    return this.failure === undefined ? "loading" : "not loaded";
  }

  // Request tiles again that failed.
  retry() {
    this.#failures.clear();
    this.#start();
  }

  #start() {
    if (performance.now() < this.#retryAt)
      return;
    for (const [key, wanted] of this.#wanted) {
      if (this.#pending.size >= REQUESTS_MAX)
        return;
      const tile = this.#tiles.get(key);
      const isMissing = tile === undefined ? !this.#failures.has(key) : tile.isStale;
      if (isMissing && !this.#pending.has(key))
        this.#request(key, wanted);
    }
  }

  async #request(key, { market, k, i, bin }) {
    const abort = new AbortController();
    this.#pending.set(key, abort);
    const begunAt = performance.now();
    let failure = null;
    try {
      const tile = await getMarketTile(market, k, i, binText(bin), abort.signal);
      const loadedAt = performance.now();
      this.#add(key, Object.assign(tile, { market, k, i, bin, isStale: abort.isStale === true,
        height: Number(binText(bin)), id: ++this.#count, loadedAt,
        refreshMs: Math.max(REFRESH_COST * (loadedAt - begunAt),
          Math.min(REFRESH_MS_MAX, 2 ** k / 1e6)) }));
    } catch (error) {
      failure = error;
    }
    this.#pending.delete(key);
    if (failure !== null && failure.name !== "AbortError") {
      if (failure.status === undefined || failure.status === BUSY) {
        this.#retryAt = performance.now() + RETRY_MS;
        setTimeout(() => this.#start(), RETRY_MS + 1);
      } else {
        if (this.#failures.size >= TILES_MAX)
          this.#failures.clear();
        this.#failures.set(key, failure);
      }
    }
    this.#start();
    if (failure?.name !== "AbortError")
      this.#onChange(failure);
  }

  #add(key, tile) {
    const { market, bin } = tile;
    this.#remove(key);
    this.#tiles.set(key, tile);
    this.#bytes += tile.bytes;
    this.#bins.set(market.key, (this.#bins.get(market.key) ?? new Set()).add(bin));
    if (tile.tick !== null)
      this.#ticks.set(market.key,
        Math.min(this.#ticks.get(market.key) ?? Infinity, Number(tile.tick)));
    for (const old of this.#tiles.keys()) {
      if (this.#tiles.size <= TILES_MAX && this.#bytes <= BYTES_MAX)
        break;
      // Tiles in view stay, or they would be requested again at once.
      if (!this.#wanted.has(old))
        this.#remove(old);
    }
  }

  #remove(key) {
    this.#bytes -= this.#tiles.get(key)?.bytes ?? 0;
    this.#tiles.delete(key);
  }

  // All tiles are out of date. They are shown until the new ones arrive.
  expireAll() {
    for (const tile of this.#tiles.values())
      tile.isStale = true;
    for (const abort of this.#pending.values())
      abort.isStale = true;
    this.#failures.clear();
    this.#start();
  }

  // Frames were recorded after a time. Tiles with longer columns change less often.
  expireGrowing(after) {
    for (const tile of this.#tiles.values())
      tile.isStale ||= !tile.isFinal && (tile.i + 1n) * (CELLS << BigInt(tile.k)) > after &&
        performance.now() - tile.loadedAt > tile.refreshMs;
    this.#start();
  }
}

// The tile and the cell at a time, or null.
export function cellAt(parts, ns) {
  for (const { tile, from, to } of parts) {
    const cell = Number((ns >> BigInt(tile.k)) - tile.i * CELLS);
    if (cell >= from && cell < to)
      return { tile, cell };
  }
  return null;
}

// Columns combined into bars of at least this width and length in time. A bar holds the trades'
// sums and first, highest, lowest and last prices (NaN: no trade).
export function barsOf(parts, widthMin, nsMin = 0) {
  const bars = [];
  for (const { tile, from, to, x, step } of parts) {
    let count = 1;
    while (count < TILE_CELLS && (count * step < widthMin || count * 2 ** tile.k < nsMin))
      count *= 2;
    for (let first = from - from % count; first < to; first += count) {
      const bar = { x: x + first * step, width: count * step, buy: 0, sell: 0, open: NaN,
                    high: -Infinity, low: Infinity, close: NaN, isUnsure: false, tile, first,
                    count };
      for (let cell = first; cell < first + count; cell++) {
        bar.isUnsure ||= (tile.state[cell] & UNSURE) !== 0;
        bar.buy += tile.buy[cell];
        bar.sell += tile.sell[cell];
        if (Number.isNaN(tile.close[cell]))
          continue;
        if (Number.isNaN(bar.open))
          bar.open = tile.open[cell];
        bar.high = Math.max(bar.high, tile.high[cell]);
        bar.low = Math.min(bar.low, tile.low[cell]);
        bar.close = tile.close[cell];
      }
      bars.push(bar);
    }
  }
  return bars;
}
