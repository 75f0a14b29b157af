// A bounded cache of tiles. It requests few tiles at a time, and cancels requests that are no
// longer wanted.

import { getTile, TILE_CELLS } from "./api.js";

const TILES_MAX = 400;
const CELLS_MAX = 16 << 20; // of all tiles; a cell has 6 bytes
const REQUESTS_MAX = 4;
const PARENT_LEVELS = 8; // how much coarser a substitute may be
const K_MAX = 48;
const RETRY_MS = 1000;

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
  for (let i = from / length; i * length < to; i++)
    numbers.push(i);
  return numbers;
}

function groupName(group) {
  return group === null ? "" : JSON.stringify([group.side, group.feed, group.topic]);
}

export class TileCache {
  #tiles = new Map(); // in the order of their last use
  #pending = new Map();
  #wanted = new Map();
  #cells = 0;
  #retryAt = 0; // after a failure
  #onChange;

  // onChange(error): a tile arrived (error is null), or a request failed.
  constructor(onChange) {
    this.#onChange = onChange;
  }

  #find(k, i, name) {
    const key = `${k}/${i}/${name}`;
    const tile = this.#tiles.get(key);
    if (tile !== undefined) {
      this.#tiles.delete(key);
      this.#tiles.set(key, tile);
    }
    return tile;
  }

  // The tile or its substitutes in the cache: the finer tiles of both halves, or a coarser tile.
  // Returns tiles with the range of cells to use: [{tile, from, to}].
  best(k, i, group) {
    const name = groupName(group);
    const exact = this.#find(k, i, name);
    if (exact)
      return [{ tile: exact, from: 0, to: TILE_CELLS }];
    if (k > 0) {
      const halves = [this.#find(k - 1, 2n * i, name), this.#find(k - 1, 2n * i + 1n, name)];
      if (halves[0] && halves[1])
        return halves.map((tile) => ({ tile, from: 0, to: TILE_CELLS }));
    }
    for (let up = 1; up <= PARENT_LEVELS && k + up <= K_MAX; up++) {
      const tile = this.#find(k + up, i >> BigInt(up), name);
      if (tile) {
        const count = TILE_CELLS >> up;
        const from = Number(i & ((1n << BigInt(up)) - 1n)) * count;
        return [{ tile, from, to: from + count }];
      }
    }
    return [];
  }

  // Set the wanted tiles, the most important first: [{k, i, group}].
  want(list) {
    this.#wanted = new Map(
      list.map((tile) => [`${tile.k}/${tile.i}/${groupName(tile.group)}`, tile]));
    for (const [key, pending] of this.#pending)
      if (!this.#wanted.has(key) && pending.waiters === 0)
        pending.abort.abort();
    this.#start();
  }

  #start() {
    if (performance.now() < this.#retryAt)
      return;
    for (const [key, { k, i, group }] of this.#wanted) {
      if (this.#pending.size >= REQUESTS_MAX)
        return;
      const tile = this.#tiles.get(key);
      if (!this.#pending.has(key) && (tile === undefined || tile.isStale))
        this.#request(key, k, i, group);
    }
  }

  #request(key, k, i, group) {
    const pending = { abort: new AbortController(), waiters: 0 };
    pending.done = getTile(k, i, group, pending.abort.signal).then((tile) => {
      this.#remove(key);
      this.#tiles.set(key, Object.assign(tile, { k, i, isStale: pending.isStale === true }));
      this.#cells += tile.gaps.length;
      for (const old of this.#tiles.keys()) {
        if (this.#tiles.size <= TILES_MAX && this.#cells <= CELLS_MAX)
          break;
        // Tiles in view stay, or they would be requested again at once.
        if (!this.#wanted.has(old))
          this.#remove(old);
      }
      return tile;
    }).finally(() => this.#pending.delete(key));
    pending.done.then(() => {
      this.#start();
      this.#onChange(null);
    }, (error) => {
      if (error.name === "AbortError") {
        this.#start();
        return;
      }
      this.#retryAt = performance.now() + RETRY_MS;
      setTimeout(() => this.#start(), RETRY_MS + 1);
      this.#onChange(error);
    });
    this.#pending.set(key, pending);
    return pending;
  }

  #remove(key) {
    this.#cells -= this.#tiles.get(key)?.gaps.length ?? 0;
    this.#tiles.delete(key);
  }

  // A tile as a promise, for searches.
  async load(k, i, group) {
    const key = `${k}/${i}/${groupName(group)}`;
    const tile = this.#tiles.get(key);
    if (tile && !tile.isStale)
      return tile;
    const pending = this.#pending.get(key) ?? this.#request(key, k, i, group);
    pending.waiters++;
    return pending.done;
  }

  // Tiles that end after a time are out of date. They are shown until the new ones arrive.
  expire(after) {
    const ends = (k, i) => (BigInt(i) + 1n) * (CELLS << BigInt(k)) > after;
    for (const tile of this.#tiles.values())
      tile.isStale ||= ends(tile.k, tile.i);
    for (const [key, pending] of this.#pending)
      pending.isStale ||= ends(...key.split("/", 2));
    this.#start();
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
      while (cell >= 0 && cell < TILE_CELLS && !hasData(tile, key, cell))
        cell += direction;
      if (cell >= 0 && cell < TILE_CELLS) {
        const first = start + (BigInt(cell) << BigInt(level));
        const end = first + stepNs(level);
        const found = direction > 0 ? (first > at ? first : at) : (end - 1n < at ? end - 1n : at);
        if (level === k)
          return found;
        at = found;
        level = Math.max(k, level - 6);
        continue;
      }
      at = direction > 0 ? start + length : start - 1n;
      if (at < 0n || (direction > 0 ? at > limit : at < limit))
        return null;
      level = Math.min(K_MAX, level + 4);
    }
  }
}

function hasData(tile, key, cell) {
  const band = tile.bands.get(key);
  if (band === undefined)
    return false;
  const index = band * TILE_CELLS + cell;
  return tile.received[index] > 0 || tile.frames[index] > 0;
}
