// The panel of questions: the frames that meet a condition, why a level is in a book, and what the
// schema does not know.

import { escapeGlob, VerbRun } from "./command.js";
import { DriftPart } from "./drift.js";
import { el, makeChoosable, table } from "./dom.js";
import { formatTime } from "./time.js";

const EXAMPLES =
  "Examples: “spread > 5”, “topic=publicTrade price<65000 size>=10”, " +
  "“rule=*”, “undecoded”, “gap”.";
const CHAIN_MAX = 500; // rows of a level's history that are shown
const FOUND_MAX = 1000; // frames of a list

function chainTable(book) {
  const rows = book.chain
    .slice(-CHAIN_MAX)
    .map((change) => [
      formatTime(BigInt(change.recv_ns)),
      change.what,
      change.taker,
      change.size ?? "gone",
      change.conn,
      change.ordinal,
      change.seq,
    ]);
  return table(
    "Changes of the level",
    [
      ["Received (UTC)", "time"],
      ["What", ""],
      ["Taker", ""],
      ["Size", "number"],
      ["Connection", "number"],
      ["Frame", "number"],
      ["Number", "number"],
    ],
    rows
  );
}

export class AskPanel {
  #state;
  #band; // functions
  #goToFound;
  #showMarks;
  #marked = { found: [], drift: [] };
  #foundList = el("div", { class: "found", hidden: true });
  #whenRun = new VerbRun();
  #whenResult = el("div", { role: "status" });
  #whyRun = new VerbRun();
  #whyResult = el("div", { role: "status", tabindex: -1 });
  #condition = el("input", {
    type: "text",
    class: "wide mono",
    required: true,
    spellcheck: "false",
    placeholder: "spread > 5",
    "aria-label": "Condition",
  });
  #whenSymbol = el("input", { type: "text", size: 14, spellcheck: "false" });
  #found = null; // time of the frame that the last search found
  #whySymbol = el("input", { type: "text", size: 14, required: true, spellcheck: "false" });
  #side = el("select", {}, el("option", { text: "bid" }), el("option", { text: "ask" }));
  #price = el("input", { type: "text", size: 14, required: true, inputmode: "decimal" });

  // goToFound: function of a frame that `when` found; showMarks: function of a list of such frames.
  constructor(panel, state, band, { goToFound, showMarks }) {
    this.#state = state;
    this.#band = band;
    this.#goToFound = goToFound;
    this.#showMarks = (kind, frames) => {
      this.#marked[kind] = frames;
      showMarks([...this.#marked.found, ...this.#marked.drift]);
    };
    const drift = new DriftPart(state, goToFound, (frames) => this.#showMarks("drift", frames));
    panel.append(
      el("h2", { text: "When does a condition first hold after the cursor?" }),
      el(
        "form",
        { class: "row", onsubmit: (event) => this.#when(event) },
        this.#condition,
        el("label", {}, "Symbol", this.#whenSymbol),
        el("button", { text: "Find" }),
        el("button", {
          type: "button",
          text: "Find all in the shown time",
          onclick: () => this.#findAll(),
        })
      ),
      el("p", { text: EXAMPLES }),
      this.#whenResult,
      this.#foundList,
      this.#whenRun.element,
      el("h2", { text: "Why is a level in the book at the cursor?" }),
      el(
        "form",
        { class: "row", onsubmit: (event) => this.#why(event) },
        el("label", {}, "Symbol", this.#whySymbol),
        el("label", {}, "Side", this.#side),
        el("label", {}, "Price", this.#price),
        el("button", { text: "Explain" })
      ),
      this.#whyRun.element,
      this.#whyResult,
      drift.element
    );
  }

  // The condition as options of `when`, or null.
  question() {
    const condition = this.#condition.value.trim();
    const symbol = this.#whenSymbol.value.trim();
    if (condition === "") return null;
    return [["condition", condition], ...(symbol === "" ? [] : [["symbol", escapeGlob(symbol)]])];
  }

  // Explain a level, {symbol, side, price, at}, here.
  async explain({ symbol, side, price, at }) {
    this.#whySymbol.value = escapeGlob(symbol);
    this.#side.value = side;
    this.#price.value = price;
    this.#state.jump({ cursor: at, tab: "ask" });
    this.#whyResult.focus();
    await this.#explainLevel();
    this.#whyResult.scrollIntoView();
  }

  // Fill in the chosen band's symbol where a field is empty.
  show(isShown) {
    const symbol = this.#band()?.symbol ?? "";
    for (const input of [this.#whenSymbol, this.#whySymbol])
      if (isShown && input.value === "" && symbol !== "*") input.value = symbol;
  }

  async #when(event) {
    event.preventDefault();
    const from = this.#state.cursor === this.#found ? this.#found + 1n : this.#state.cursor;
    const question = this.question();
    if (question === null) return;
    this.#whenResult.textContent = "";
    const answer = await this.#whenRun.verb("when", [...question, ["from", from]]);
    const found = answer?.results[0]?.found;
    if (found === undefined) return;
    if (found === null) {
      this.#whenResult.textContent = "No frame after the cursor meets the condition.";
      return;
    }
    const at = BigInt(found.recv_ns);
    const where = [found.feed, found.topic, found.symbol ?? "(no symbol)"].join(" / ");
    const book =
      found.book === null
        ? ""
        : `; best bid ${found.book.best_bid_size ?? "-"} at ${found.book.best_bid ?? "-"}, ` +
          `best ask ${found.book.best_ask_size ?? "-"} at ${found.book.best_ask ?? "-"}` +
          (found.book.broken ? " (the book is broken)" : "");
    const rule = found.rule === null ? "" : `; breaks the rule ${found.rule}`;
    const undecoded = found.undecoded === null ? "" : `; not decoded: ${found.undecoded}`;
    this.#whenResult.textContent =
      `Found at ${formatTime(at)} UTC: ${where}, connection ` +
      `${found.conn}, frame ${found.ordinal}${book}${rule}${undecoded}. The cursor is there now.`;
    this.#found = at;
    const isVisible = at >= this.#state.from && at < this.#state.to;
    this.#state.jump({ cursor: at, ...(isVisible ? {} : this.#around(at)) });
  }

  async #findAll() {
    const question = this.question();
    this.#clear();
    if (question === null) {
      this.#condition.reportValidity();
      return;
    }
    const { from, to } = this.#state;
    const answer = await this.#whenRun.verb("when", [
      ...question,
      ["from", from],
      ["to", to],
      ["max-frames", FOUND_MAX],
    ]);
    if (answer === null || (answer.results.length === 0 && answer.status !== 4)) return;
    if (answer.status === 4)
      // no frame in this time
      this.#whenRun.fail("");
    const frames = answer.results.map(({ found }) => found).filter((found) => found !== null);
    const count = frames.length.toLocaleString("en");
    const what = `${frames.length === 1 ? "frame" : "frames"} of the shown time`;
    this.#whenResult.textContent =
      frames.length === 0
        ? "No frame of the shown time meets the condition."
        : frames.length === FOUND_MAX
          ? `The first ${count} ${what} that meet the condition.`
          : `${count} ${what} ${frames.length === 1 ? "meets" : "meet"} the condition.`;
    if (frames.length === 0) return;
    const made = table(
      "Found frames",
      [
        ["Received (UTC)", "time"],
        ["Topic", ""],
        ["Symbol", ""],
        ["Rule", ""],
      ],
      frames.map((found) => [
        formatTime(BigInt(found.recv_ns)),
        `${found.feed} / ${found.topic}`,
        found.symbol,
        found.rule ?? (found.undecoded === null ? "" : `not decoded: ${found.undecoded}`),
      ])
    );
    makeChoosable(made, "Go to this frame", (index) => this.#goToFound(frames[index]));
    this.#foundList.replaceChildren(
      el("button", {
        type: "button",
        text: "Clear the list and its marks",
        onclick: () => {
          this.#clear();
          this.#condition.focus();
        },
      }),
      el("div", { class: "scroll" }, made)
    );
    this.#foundList.hidden = false;
    this.#showMarks("found", frames);
  }

  #clear() {
    this.#foundList.hidden = true;
    this.#foundList.replaceChildren();
    this.#whenResult.textContent = "";
    this.#showMarks("found", []);
  }

  #around(at) {
    return { from: at - this.#state.span / 2n, to: at + this.#state.span / 2n };
  }

  #why(event) {
    event.preventDefault();
    this.#explainLevel();
  }

  async #explainLevel() {
    this.#whyResult.replaceChildren();
    const answer = await this.#whyRun.verb("why", [
      ["of", this.#whySymbol.value.trim()],
      ["at", this.#state.cursor],
      ["side", this.#side.value],
      ["price", this.#price.value.trim()],
    ]);
    const books = answer?.results[0]?.books;
    if (books === undefined) return;
    if (books.length === 0)
      this.#whyResult.textContent = "No book of this symbol is known at the cursor.";
    for (const book of books) {
      const level = book.size === null ? "the book lacks this level" : `size ${book.size}`;
      const broken = book.broken ? "; the book is broken, do not trust it" : "";
      const left = Math.max(0, book.chain.length - CHAIN_MAX) + Number(book.omitted);
      this.#whyResult.append(
        el("h2", { text: `${book.feed} / ${book.topic} / ${book.symbol}: ${level}${broken}` }),
        left === 0 ? "" : el("p", { text: `${left.toLocaleString("en")} changes are left out.` }),
        chainTable(book)
      );
    }
  }
}
