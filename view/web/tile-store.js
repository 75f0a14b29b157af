// A bounded store of tiles. It requests few tiles at a time, and cancels requests that are no
// longer wanted.

const RETRY_MS = 1000; // after a failure

// A wanted tile is an object with a key; its tile gets the object's members.
export class TileStore {
  #tiles = new Map(); // in the order of their last use
  #pending = new Map();
  #wanted = new Map();
  #failures = new Map();
  #bytes = 0;
  #retryAt = 0;
  #limits;
  #request;
  #onChange;
  #isFinal;

  // limits: {tiles, bytes, requests}. request(wanted, signal): a promise of a tile with `bytes`.
  // onChange(error): a tile arrived (error is null), or a request failed. isFinal(error): a second
  // request would fail, too.
  constructor({ limits, request, onChange, isFinal = () => false }) {
    this.#limits = limits;
    this.#request = request;
    this.#onChange = onChange;
    this.#isFinal = isFinal;
  }

  find(key) {
    const tile = this.#tiles.get(key);
    if (tile !== undefined) {
      this.#tiles.delete(key);
      this.#tiles.set(key, tile);
    }
    return tile;
  }

  has(key) {
    return this.#tiles.has(key);
  }

  // Set the wanted tiles, the most important first.
  want(list) {
    this.#wanted = new Map(list.map((wanted) => [wanted.key, wanted]));
    for (const [key, pending] of this.#pending)
      if (!this.#wanted.has(key) && pending.waiters === 0) pending.abort.abort();
    this.#start();
  }

  // A tile as a promise, whether or not it is wanted.
  async load(wanted) {
    const tile = this.#tiles.get(wanted.key);
    if (tile && !tile.isStale) return tile;
    const pending = this.#pending.get(wanted.key) ?? this.#begin(wanted);
    pending.waiters++;
    return pending.done;
  }

  get isLoading() {
    return this.#pending.size > 0;
  }

  // Why a wanted tile cannot be loaded: an error, or undefined.
  get failure() {
    return [...this.#wanted.keys()].map((key) => this.#failures.get(key)).find((error) => error);
  }

  // Tiles, loaded or on their way, are out of date. They are shown until the new ones arrive.
  expire(isOld) {
    for (const tile of this.#tiles.values()) tile.isStale ||= isOld(tile);
    for (const pending of this.#pending.values()) pending.isStale ||= isOld(pending.wanted);
    this.#start();
  }

  // Request tiles again that failed.
  retry() {
    this.#failures.clear();
    this.#start();
  }

  #start() {
    if (performance.now() < this.#retryAt) return;
    for (const wanted of this.#wanted.values()) {
      if (this.#pending.size >= this.#limits.requests) return;
      const tile = this.#tiles.get(wanted.key);
      if (
        !this.#pending.has(wanted.key) &&
        !this.#failures.has(wanted.key) &&
        (tile === undefined || tile.isStale)
      )
        this.#begin(wanted);
    }
  }

  #begin(wanted) {
    const pending = { wanted, abort: new AbortController(), waiters: 0, isStale: false };
    pending.done = this.#request(wanted, pending.abort.signal)
      .then((tile) => {
        this.#add(Object.assign(tile, wanted, { isStale: pending.isStale }));
        return tile;
      })
      .finally(() => this.#pending.delete(wanted.key));
    pending.done.then(
      () => {
        this.#start();
        this.#onChange(null);
      },
      (error) => {
        if (error.name === "AbortError") {
          this.#start();
          return;
        }
        if (this.#isFinal(error)) {
          if (this.#failures.size >= this.#limits.tiles) this.#failures.clear();
          this.#failures.set(wanted.key, error);
          this.#start();
        } else {
          this.#retryAt = performance.now() + RETRY_MS;
          setTimeout(() => this.#start(), RETRY_MS + 1);
        }
        this.#onChange(error);
      }
    );
    this.#pending.set(wanted.key, pending);
    return pending;
  }

  #add(tile) {
    this.#remove(tile.key);
    this.#tiles.set(tile.key, tile);
    this.#bytes += tile.bytes;
    for (const old of this.#tiles.keys()) {
      if (this.#tiles.size <= this.#limits.tiles && this.#bytes <= this.#limits.bytes) break;
      // Tiles in view stay, or they would be requested again at once.
      if (!this.#wanted.has(old)) this.#remove(old);
    }
  }

  #remove(key) {
    this.#bytes -= this.#tiles.get(key)?.bytes ?? 0;
    this.#tiles.delete(key);
  }
}
