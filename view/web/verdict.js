// What the chosen frame did: its verdict and, for a book, the best prices before and after it and
// the levels that it changed.

import { escapeGlob, VerbRun, warmUpBegin } from "./command.js";
import { delayed, el, table } from "./dom.js";

const SAME_TIME_MAX = 1000; // frames with one receive time that are compared with the chosen one
const CHANGES_MAX = 100; // changed levels of each side that are shown

export function isSameFrame(a, b) {
  return (
    a.feed === b.feed &&
    a.conn === b.conn &&
    a.ordinal === b.ordinal &&
    BigInt(a.recv_ns) === BigInt(b.recv_ns)
  );
}

// Options of `when` that select a frame's topic up to the frame. With a symbol all its topics are
// read: they are compared with each other.
function topicOptions(frame) {
  const topic = escapeGlob(frame.topic);
  const isOfSymbol = frame.symbol !== null && frame.symbol !== "*";
  return [
    ["feed", escapeGlob(frame.feed)],
    isOfSymbol ? ["symbol", escapeGlob(frame.symbol)] : ["topic", topic],
    ["to", frame.recv_ns + 1n],
  ];
}

// The condition that a frame is of this one's topic. A condition's terms are split at spaces.
function topicCondition(frame) {
  return `topic=${escapeGlob(frame.topic).replaceAll(" ", "?")}`;
}

function verdictText(found) {
  if (found.undecoded !== null) return `not decoded: ${found.undecoded}`;
  if (found.rule !== null) return `broke the rule ${found.rule}`;
  return found.topic === "_control" || found.topic.startsWith("http.")
    ? "no rule applies: it is no frame of a topic"
    : "ok: it broke no rule";
}

function trustText(book) {
  return book.broken
    ? "; the book after it is broken: do not trust it"
    : "; the book after it is trusted";
}

function bestText(price, size) {
  return price === null ? "empty" : `${price} × ${size}`;
}

function changeText({ before, after }) {
  return before === null
    ? "new level"
    : after === null
      ? "level gone"
      : Number(after) > Number(before)
        ? "larger"
        : "smaller";
}

// A button that asks why a level has its size. explain: function of {symbol, side, price, at}.
export function whyButton(explain, level) {
  return el("button", {
    type: "button",
    class: "small",
    text: "Why?",
    "aria-label": `Why has the ${level.side} at ${level.price} this size?`,
    onclick: () => explain(level),
  });
}

export class VerdictPart {
  #explain;
  #frame = null;
  #run = new VerbRun();
  #text = el("p", { class: "verdict", role: "status" });
  #tables = el("div", { class: "changes" });
  element = el("div", {}, this.#text, this.#tables, this.#run.element);
  #loadSoon = delayed(200, () => this.#load());

  // explain: function that answers the buttons of levels.
  constructor(explain) {
    this.#explain = explain;
  }

  // frame: a row of `cat`. null: no frame.
  show(frame) {
    if (frame === this.#frame) return;
    this.#frame = frame;
    this.#text.textContent = "";
    this.#tables.replaceChildren();
    this.#run.cancel();
    if (frame !== null) this.#loadSoon();
  }

  async #load() {
    const frame = this.#frame;
    if (frame === null) return;
    const answer = await this.#run.verb("when", [
      ...topicOptions(frame),
      ["condition", `${topicCondition(frame)} time>=${frame.recv_ns}`],
      ["from", warmUpBegin(frame.recv_ns)],
    ]);
    if (answer === null || answer.results.length === 0 || frame !== this.#frame) return;
    const first = answer.results[0].found;
    if (first === null || isSameFrame(first, frame)) this.#draw(first);
    else await this.#loadAmong(frame);
  }

  // Other frames of the topic have the same receive time.
  async #loadAmong(frame) {
    const answer = await this.#run.verb("when", [
      ...topicOptions(frame),
      ["condition", topicCondition(frame)],
      ["from", frame.recv_ns],
      ["max-frames", SAME_TIME_MAX],
    ]);
    if (answer !== null && frame === this.#frame)
      this.#draw(
        answer.results
          .map(({ found }) => found)
          .find((found) => found !== null && isSameFrame(found, frame)) ?? null
      );
  }

  #draw(found) {
    if (found === null) {
      this.#text.textContent = "Verdict: none. It is a copy of a frame of another connection.";
      return;
    }
    const { book } = found;
    this.#text.textContent = `Verdict: ${verdictText(found)}${book === null ? "" : trustText(book)}.`;
    this.#text.classList.toggle("bad", found.undecoded !== null || found.rule !== null);
    if (book === null) return;
    if (book.changes === undefined) {
      this.#text.textContent +=
        " Several frames of the topic were received at this time, so " +
        "that the levels it changed are not known.";
      return;
    }
    this.#tables.append(this.#bestTable(book), ...this.#changeTable(found));
  }

  #bestTable(book) {
    const row = (name, side) => [
      name,
      book.before === null
        ? "unknown"
        : bestText(book.before[`best_${side}`], book.before[`best_${side}_size`]),
      bestText(book[`best_${side}`], book[`best_${side}_size`]),
    ];
    return table(
      "Best prices before and after the frame",
      [
        ["Best", ""],
        ["Before", "number"],
        ["After", "number"],
      ],
      [row("Bid", "bid"), row("Ask", "ask")]
    );
  }

  #changeTable(found) {
    const { changes, before } = found.book;
    const count = changes.length;
    const shown = ["bid", "ask"].flatMap((side) =>
      changes.filter((change) => change.side === side).slice(0, CHANGES_MAX)
    );
    const title = el("p", {
      text:
        count === 0
          ? "The frame changed no level."
          : `The frame changed ${count.toLocaleString("en")} ${count === 1 ? "level" : "levels"}` +
            (before === null ? ", as the topic's first one on its connection" : "") +
            (shown.length < count ? `; the best ${CHANGES_MAX} of each side:` : ":"),
    });
    if (count === 0) return [title];
    const rows = shown.map((change) => [
      change.side,
      change.price,
      change.before ?? "-",
      change.after ?? "-",
      changeText(change),
      whyButton(this.#explain, {
        symbol: found.symbol,
        side: change.side,
        price: change.price,
        at: BigInt(found.recv_ns),
      }),
    ]);
    return [
      title,
      el(
        "div",
        { class: "scroll" },
        table(
          "Changed levels",
          [
            ["Side", ""],
            ["Price", "number"],
            ["Size before", "number"],
            ["Size after", "number"],
            ["Change", ""],
            ["Explain", ""],
          ],
          rows
        )
      ),
    ];
  }
}
