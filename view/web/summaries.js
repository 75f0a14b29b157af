// Decoded frames in a few words, for the list of frames: "Sell 0.181 @ 60620".

import { runVerb } from "./api.js";

const ENTRIES = 3; // of a frame
const SIDES = { Buy: "bid", Sell: "ask" };
const HIDDEN = new Set(["action", "symbol"]);

function tradeText({ side, size, price }) {
  return `${side ?? "Trade"} ${size} @ ${price}`;
}

function levelText({ action, side, size, price }) {
  return `${SIDES[side] ?? side} ${action === "set" ? size : action} @ ${price}`;
}

function itemText(item) {
  return Object.entries(item)
    .filter(([name, value]) => !HIDDEN.has(name) && typeof value !== "object")
    .slice(0, ENTRIES)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

const TEXTS = { trades: tradeText, levels: levelText };

// A message of `replay` in a few words; "" without entries.
export function summaryOf(message) {
  const found = Object.entries(message).find(([, value]) => Array.isArray(value));
  if (found === undefined || found[1].length === 0) return "";
  const [name, entries] = found;
  const isWhole = name === "levels" && message.kind === "snapshot";
  const words = isWhole
    ? ["snapshot"]
    : entries.slice(0, ENTRIES).map((entry) => (TEXTS[name] ?? itemText)(entry));
  const left = entries.length - (isWhole ? 0 : words.length);
  return words.join(", ") + (left > 0 ? `, ${isWhole ? `${left} levels` : `${left} more`}` : "");
}

function keyOf({ feed, line, shard, conn, ordinal, recv_ns: at }) {
  return [feed, line, shard, conn, ordinal, at].join(" ");
}

export class Summaries {
  #texts = new Map();
  #abort = new AbortController();
  #onChange;

  // onChange(): summaries arrived.
  constructor(onChange) {
    this.#onChange = onChange;
  }

  // undefined: not known, or no entries.
  of(frame) {
    return this.#texts.get(keyOf(frame)) || undefined;
  }

  // Decode listed frames: all selected ones ([name, value] pairs) from the first to the last.
  // A frame that is not decoded keeps its bytes in the list; its verdict has the reason.
  async load(frames, selection) {
    this.#abort.abort();
    const { signal } = (this.#abort = new AbortController());
    if (frames.length === 0) return;
    const time = [
      ["from", frames[0].recv_ns],
      ["to", frames.at(-1).recv_ns + 1n],
    ];
    const answer = await runVerb("replay", [...selection, ...time], signal).catch(() => null);
    if (answer === null || signal.aborted) return;
    if (this.#texts.size > 20_000) this.#texts.clear();
    for (const message of answer.results)
      // A frame of several messages has the entries of the first one.
      if (!this.#texts.has(keyOf(message))) this.#texts.set(keyOf(message), summaryOf(message));
    this.#onChange();
  }
}
