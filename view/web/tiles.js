// The timeline's tiles.

import { getTiles, hasTile, TILE_CELLS, TILES_MAX } from "./api.js";
import { TileStore } from "./tile-store.js";

const LIMITS = { tiles: 400, bytes: 96 << 20, requests: TILES_MAX };
const PARENT_LEVELS = 8; // how much coarser a substitute may be
const K_MAX = 48;
const NOT_FOUND = 404;

const CELLS = BigInt(TILE_CELLS);

// The level whose steps are at most this length, and more than half of it.
export function levelFor(ns) {
  return Math.max(0, Math.min(K_MAX, Math.floor(Math.log2(Math.max(1, ns)))));
}

export function stepNs(k) {
  return 1n << BigInt(k);
}

// Numbers of the tiles that overlap a time range.
export function tilesIn(k, from, to) {
  const numbers = [];
  const length = CELLS << BigInt(k);
  for (let i = from / length; i * length < to; i++) numbers.push(i);
  return numbers;
}

function groupName(group) {
  return group === null ? "" : JSON.stringify([group.side, group.feed, group.topic]);
}

function withKey({ k, i, group }) {
  return { k, i, group, key: `${k}/${i}/${groupName(group)}` };
}

// Tiles of a level that the cache has in place of a tile: the tile itself, the finer tiles of both
// halves, or a coarser tile. Returns tiles with the range of cells to use: [{tile, from, to}].
// find(k, i): a tile, or undefined.
export function bestTiles(k, i, kMin, find) {
  const exact = find(k, i);
  if (exact) return [{ tile: exact, from: 0, to: TILE_CELLS }];
  const halves = k > kMin ? [find(k - 1, 2n * i), find(k - 1, 2n * i + 1n)] : [];
  if (halves[0] && halves[1]) return halves.map((tile) => ({ tile, from: 0, to: TILE_CELLS }));
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

// The wanted tile, or in its place the finest one that a saved page has of its time. {k, i} and
// other members; has(wanted): false if a saved page lacks it.
export function finestSaved(wanted, has) {
  for (let up = 0; up <= PARENT_LEVELS && wanted.k + up <= K_MAX; up++) {
    const coarser = { ...wanted, k: wanted.k + up, i: wanted.i >> BigInt(up) };
    if (has(coarser)) return coarser;
  }
  return wanted;
}

// The end of a tile.
export function tileEnd({ k, i }) {
  return (i + 1n) * (CELLS << BigInt(k));
}

// Numbers of tiles from the middle outwards.
export function middleFirst(numbers) {
  const middle = numbers[numbers.length >> 1];
  const distance = (i) => (i > middle ? i - middle : middle - i);
  return [...numbers].sort((a, b) => Number(distance(a) - distance(b)));
}

// Requests of tiles that are made in one step of the page, as one request for tiles that are side by
// side.
class TileRequests {
  #waiting = []; // {wanted, signal, resolve, reject}

  request(wanted, signal) {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#send());
      this.#waiting.push({ wanted, signal, resolve, reject });
    });
  }

  #send() {
    const waiting = this.#waiting.sort((a, b) => Number(a.wanted.i - b.wanted.i));
    this.#waiting = [];
    while (waiting.length > 0) {
      const run = [waiting.shift()];
      const isNext = ({ wanted: { k, i, group } }) =>
        k === run[0].wanted.k &&
        i === run.at(-1).wanted.i + 1n &&
        groupName(group) === groupName(run[0].wanted.group);
      for (let next = 0; next >= 0 && run.length < TILES_MAX;) {
        next = waiting.findIndex(isNext);
        if (next >= 0) run.push(...waiting.splice(next, 1));
      }
      this.#get(run);
    }
  }

  // A request is cancelled when all its tiles are. Tiles that the answer lacks are requested again.
  async #get(run) {
    const abort = new AbortController();
    let left = run.length;
    const fail = (error) => run.forEach(({ reject }) => reject(error));
    const cancelled = () => new DOMException("not wanted", "AbortError");
    for (const { signal, reject } of run)
      signal.addEventListener("abort", () => {
        reject(cancelled());
        if (--left === 0) abort.abort();
      });
    try {
      const tiles = await getTiles(run[0].wanted, run.length, abort.signal);
      tiles.forEach((tile, index) =>
        run[index].resolve(Object.assign(tile, { bytes: 7 * tile.gaps.length }))
      );
      fail(cancelled());
    } catch (error) {
      fail(error);
    }
  }
}

export class TileCache {
  #store;
  #requests = new TileRequests();

  // onChange(error): a tile arrived (error is null), or a request failed.
  constructor(onChange) {
    this.#store = new TileStore({
      limits: LIMITS,
      onChange,
      request: (wanted, signal) => this.#requests.request(wanted, signal),
      isFinal: ({ status }) => status === NOT_FOUND,
    });
  }

  // The tile or its substitutes: see bestTiles.
  best(k, i, group) {
    const name = groupName(group);
    return bestTiles(k, i, 0, (level, index) => this.#store.find(`${level}/${index}/${name}`));
  }

  get isLoading() {
    return this.#store.isLoading;
  }

  // Set the wanted tiles, the most important first: [{k, i, group}].
  want(list) {
    this.#store.want(list.map((wanted) => withKey(finestSaved(wanted, hasTile))));
  }

  // A tile as a promise, for searches.
  load(k, i, group) {
    return this.#store.load(withKey({ k, i, group }));
  }

  // Tiles that end after a time are out of date. They are shown until the new ones arrive.
  expire(after) {
    this.#store.expire((tile) => tileEnd(tile) > after);
  }

  // The first time from a time on (direction 1), or the last one up to it (-1), at which a band was
  // received, in steps of level k. null: no such time up to limit.
  async search(group, key, from, direction, k, limit) {
    let at = from;
    for (let level = k; ;) {
      const length = CELLS << BigInt(level);
      const i = at / length;
      const tile = await this.load(level, i, group);
      const start = i * length;
      let cell = Number((at - start) >> BigInt(level));
      while (cell >= 0 && cell < TILE_CELLS && !hasData(tile, key, cell)) cell += direction;
      if (cell >= 0 && cell < TILE_CELLS) {
        const first = start + (BigInt(cell) << BigInt(level));
        const end = first + stepNs(level);
        const found = direction > 0 ? (first > at ? first : at) : end - 1n < at ? end - 1n : at;
        if (level === k) return found;
        at = found;
        level = Math.max(k, level - 6);
        continue;
      }
      at = direction > 0 ? start + length : start - 1n;
      if (at < 0n || (direction > 0 ? at > limit : at < limit)) return null;
      level = Math.min(K_MAX, level + 4);
    }
  }
}

function hasData(tile, key, cell) {
  const band = tile.bands.get(key);
  if (band === undefined) return false;
  const index = band * TILE_CELLS + cell;
  return tile.received[index] > 0 || tile.frames[index] > 0;
}
