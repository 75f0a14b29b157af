// The tiles of markets: books and trades over time.

import { getMarketTile, hasMarketTile, TILE_CELLS } from "./api.js";
import { TileStore } from "./tile-store.js";
import {
  bestTiles,
  finestSaved,
  levelFor,
  middleFirst,
  stepNs,
  tileEnd,
  tilesIn,
} from "./tiles.js";

const LIMITS = { tiles: 300, bytes: 128 << 20, requests: 2 }; // an answer may take seconds
const SUBSTITUTE_BINS = 4;
const K_MIN = 17;
const REFRESH_COST = 4; // a tile that grows is as old as this many times what its answer took
const REFRESH_MS_MAX = 60_000;
const BUSY = 503;
const BIN_MIN = -54; // the numbers of heights that a page may have saved
const BIN_MAX = 27;

const CELLS = BigInt(TILE_CELLS);

// Bits of a column's state.
export const KNOWN = 1; // a book was known in a part of it
export const UNKNOWN = 2; // no book was known in a part of it
export const UNTRUSTED = 4; // the book was not to be trusted in a part of it
export const UNSURE = 8; // trades may be missing

// Heights of price rows are numbered: ..., 0: 1, 1: 2, 2: 5, 3: 10, ...
// The height for tiles of which only the columns are used: all prices are in a few rows.
export const COLUMNS_ONLY = 27;

export function binText(number) {
  const digit = [1, 2, 5][((number % 3) + 3) % 3];
  const power = Math.floor(number / 3);
  return power >= 0 ? digit + "0".repeat(power) : `0.${"0".repeat(-power - 1)}${digit}`;
}

// The smallest height that is at least this value.
export function binFor(value) {
  let number = Math.floor(3 * Math.log10(value)) - 1;
  while (Number(binText(number)) < value * (1 - 1e-9)) number++;
  return number;
}

// The level whose columns are 1 to 2 device pixels wide.
export function marketLevel(state, devicePixels) {
  return Math.max(K_MIN, levelFor((2 * Number(state.span)) / devicePixels));
}

function withKey(market, k, i, bin) {
  return { market, k, i, bin, key: `${market.key} ${bin} ${k} ${i}` };
}

// A wanted tile, or in its place one of a saved page: with the nearest height of rows.
function savedOrWanted(market, k, i, wantedBin) {
  const bins = Array.from({ length: BIN_MAX - BIN_MIN + 1 }, (_, at) => BIN_MIN + at).sort(
    (a, b) => Math.abs(a - wantedBin) - Math.abs(b - wantedBin)
  );
  const savedBin = (at) => bins.find((bin) => hasMarketTile(market, at.k, at.i, binText(bin)));
  const at = finestSaved({ k, i }, (place) => savedBin(place) !== undefined);
  return withKey(market, at.k, at.i, savedBin(at) ?? wantedBin);
}

export class MarketTiles {
  #bins = new Map(); // of a market's key: numbers of heights that were loaded
  #ticks = new Map(); // of a market's key: the smallest price step that was seen
  #count = 0;
  #store;

  // onChange(error): a tile arrived (error is null), or a request failed.
  constructor(onChange) {
    this.#store = new TileStore({
      limits: LIMITS,
      onChange,
      request: (wanted, signal) => this.#request(wanted, signal),
      isFinal: ({ status }) => status !== undefined && status !== BUSY,
    });
  }

  async #request({ market, k, i, bin }, signal) {
    const begunAt = performance.now();
    const tile = await getMarketTile(market, k, i, binText(bin), signal);
    const loadedAt = performance.now();
    this.#bins.set(market.key, (this.#bins.get(market.key) ?? new Set()).add(bin));
    if (tile.tick !== null)
      this.#ticks.set(market.key, Math.min(this.tick(market) || Infinity, Number(tile.tick)));
    return Object.assign(tile, {
      height: Number(binText(bin)),
      id: ++this.#count,
      loadedAt,
      refreshMs: Math.max(
        REFRESH_COST * (loadedAt - begunAt),
        Math.min(REFRESH_MS_MAX, 2 ** k / 1e6)
      ),
    });
  }

  get isLoading() {
    return this.#store.isLoading;
  }

  // The smallest price step that was seen, or 0.
  tick(market) {
    return this.#ticks.get(market.key) ?? 0;
  }

  // The first tile in the cache that has one of these heights of rows.
  #find(market, k, i, bins) {
    for (const bin of bins) {
      const tile = this.#store.find(withKey(market, k, i, bin).key);
      if (tile !== undefined) return tile;
    }
    return undefined;
  }

  // What is loaded of the view: [{tile, first, last, from, to, x, step}]. Cells first..last of a
  // tile are used, and from..to of them are in the view; cell c begins at x + c * step, in units of
  // the given width. bin: the preferred height of rows. use: "columns", or "rows", which takes only
  // tiles with usable rows.
  parts(market, k, bin, state, width, use) {
    const loaded = [...(this.#bins.get(market.key) ?? [])].filter((other) => other !== bin);
    const bins =
      use === "columns"
        ? [bin, ...loaded]
        : [
            bin,
            ...loaded
              .filter((other) => other !== COLUMNS_ONLY)
              .sort((a, b) => Math.abs(a - bin) - Math.abs(b - bin))
              .slice(0, SUBSTITUTE_BINS),
          ];
    return tilesIn(k, state.from, state.to)
      .flatMap((number) =>
        bestTiles(k, number, K_MIN, (level, i) => this.#find(market, level, i, bins))
      )
      .map(({ tile, from, to }) => {
        const step = (Number(stepNs(tile.k)) / Number(state.span)) * width;
        const x = state.partOf(tile.i * (CELLS << BigInt(tile.k))) * width;
        return {
          tile,
          x,
          step,
          first: from,
          last: to,
          from: Math.max(from, Math.floor(-x / step)),
          to: Math.min(to, Math.ceil((width - x) / step)),
        };
      })
      .filter(({ from, to }) => from < to);
  }

  // Want the tiles of the view, and no others. bin: the height of rows; null: any.
  want(market, k, bin, state) {
    const bins = [COLUMNS_ONLY, ...(this.#bins.get(market.key) ?? [])];
    const loaded = (i) => bins.find((one) => this.#store.has(withKey(market, k, i, one).key));
    this.#store.want(
      middleFirst(tilesIn(k, state.from, state.to)).map((i) =>
        savedOrWanted(market, k, i, bin ?? loaded(i) ?? COLUMNS_ONLY)
      )
    );
  }

  wantNothing() {
    this.#store.want([]);
  }

  get isLoading() {
    return this.#store.isLoading;
  }

  get failure() {
    return this.#store.failure;
  }

  retry() {
    this.#store.retry();
  }

  // Why parts() has no cell at a time.
  missingReason(state, ns) {
    if (ns < state.from || ns >= state.to) return "outside the shown time";
    return this.failure === undefined ? "loading" : "not loaded";
  }

  // All tiles are out of date.
  expireAll() {
    this.#store.expire(() => true);
    this.#store.retry();
  }

  // Frames were recorded after a time. Tiles with longer columns change less often.
  expireGrowing(after) {
    this.#store.expire(
      (tile) =>
        tile.isFinal === false &&
        tileEnd(tile) > after &&
        performance.now() - tile.loadedAt > tile.refreshMs
    );
  }
}

// The tile and the cell at a time, or null.
export function cellAt(parts, ns) {
  for (const { tile, from, to } of parts) {
    const cell = Number((ns >> BigInt(tile.k)) - tile.i * CELLS);
    if (cell >= from && cell < to) return { tile, cell };
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
    for (let first = from - (from % count); first < to; first += count) {
      const bar = {
        x: x + first * step,
        width: count * step,
        buy: 0,
        sell: 0,
        open: NaN,
        high: -Infinity,
        low: Infinity,
        close: NaN,
        isUnsure: false,
        tile,
        first,
        count,
      };
      for (let cell = first; cell < first + count; cell++) {
        bar.isUnsure ||= (tile.state[cell] & UNSURE) !== 0;
        bar.buy += tile.buy[cell];
        bar.sell += tile.sell[cell];
        if (Number.isNaN(tile.close[cell])) continue;
        if (Number.isNaN(bar.open)) bar.open = tile.open[cell];
        bar.high = Math.max(bar.high, tile.high[cell]);
        bar.low = Math.min(bar.low, tile.low[cell]);
        bar.close = tile.close[cell];
      }
      bars.push(bar);
    }
  }
  return bars;
}
