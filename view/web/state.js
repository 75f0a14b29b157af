// The view, and its form in the URL's fragment, so that a copied link shows the same.

export const TABS = ["gaps", "frames", "book", "days", "ask", "commands",
  "differences"];

const SPAN_MIN = 100n;
const TIME_MAX = 4_000_000_000_000_000_000n; // the year 2096
const WRITE_MS = 300; // browsers limit how often a page may change its URL

export class ViewState {
  from = 0n;
  to = 0n;         // exclusive; 0: not known yet
  cursor = null;   // ns
  band = null;     // key of the chosen band (bandKey in api.js)
  open = new Set();
  tab = "gaps";
  onlyBand = true; // restrict frames and commands to the chosen band
  follow = false;

  #listeners = [];
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
      if (this[name] === value)
        continue;
      this[name] = value;
      changed.add(name);
    }
    if (changed.size === 0)
      return;
    if (this.side !== side)
      changed.add("side");
    this.#writeSoon();
    for (const listener of this.#listeners)
      listener(changed);
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

  #writeSoon() {
    if (this.#timer === 0)
      this.#timer = setTimeout(() => this.write(), WRITE_MS);
  }

  write() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.to !== 0n)
      history.replaceState(null, "", "#" + this.toHash());
  }

  toHash() {
    const parts = [`from=${this.from}`, `to=${this.to}`];
    if (this.cursor !== null)
      parts.push(`cursor=${this.cursor}`);
    if (this.band !== null)
      parts.push(`band=${this.band}`);
    if (this.open.size > 0)
      parts.push(`open=${[...this.open].join(",")}`);
    parts.push(`tab=${this.tab}`, `only=${this.onlyBand ? 1 : 0}`);
    if (this.follow)
      parts.push("follow=1");
    return parts.join("&");
  }

  // Read the URL. Ignore unusable values.
  read(hash) {
    const members = new Map(hash.replace(/^#/, "").split("&").map((part) => {
      const at = part.indexOf("=");
      return [part.slice(0, at), part.slice(at + 1)];
    }));
    const time = (name) =>
      (/^\d{1,19}$/.test(members.get(name) ?? "") ? BigInt(members.get(name)) : null);
    const patch = {};
    if (time("from") !== null && time("to") !== null && time("from") < time("to"))
      Object.assign(patch, { from: time("from"), to: time("to") });
    if (time("cursor") !== null)
      patch.cursor = time("cursor");
    if (members.get("band"))
      patch.band = members.get("band");
    if (members.has("from"))
      patch.open = new Set((members.get("open") ?? "").split(",").filter((key) => key !== ""));
    if (TABS.includes(members.get("tab")))
      patch.tab = members.get("tab");
    if (members.has("only"))
      patch.onlyBand = members.get("only") !== "0";
    patch.follow = members.get("follow") === "1";
    this.set(patch);
  }
}

function clampRange(from, to) {
  if (to - from < SPAN_MIN) {
    from = (from + to - SPAN_MIN) / 2n;
    to = from + SPAN_MIN;
  }
  if (from < 0n)
    [from, to] = [0n, to - from];
  if (to > TIME_MAX)
    [from, to] = [from - (to - TIME_MAX) > 0n ? from - (to - TIME_MAX) : 0n, TIME_MAX];
  return { from, to };
}
