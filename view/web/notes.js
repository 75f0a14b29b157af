// The notes of the archive: marks on the timeline, and a list of those that are about the shown time.

import { runVerb } from "./api.js";
import { withTwin } from "./bands.js";
import { delayed, el, makeChoosable, table } from "./dom.js";
import { formatSpan, formatTime } from "./time.js";

const LIST_MAX = 200;
const COLUMNS = [
  ["From (UTC)", "time"],
  ["Lasts", "number"],
  ["Feed / topic / symbol", ""],
  ["Note", ""],
];

function isAbout(note, band) {
  const isSymbol =
    note.symbol === null ||
    (band.symbol === null
      ? [...band.symbols.values()].some((symbol) => isAbout(note, symbol))
      : ["*", note.symbol].includes(band.symbol));
  return (
    note.side === band.side &&
    (note.feed ?? band.feed) === band.feed &&
    (note.topic ?? band.topic) === band.topic &&
    isSymbol
  );
}

function placeOf({ feed, topic, symbol }) {
  return [feed ?? "all feeds", topic, symbol].filter((name) => name !== null).join(" / ");
}

export class Notes {
  #state;
  #page; // functions: sides, topics, showSpans
  #notes = [];
  #text = el("p");
  #table = el("div");
  element = el("div", { hidden: true }, el("h2", { text: "Notes" }), this.#text, this.#table);
  #drawSoon = delayed(250, () => this.#draw());

  constructor(state, page) {
    this.#state = state;
    this.#page = page;
    state.listen((changed) => {
      if (["from", "to", "side"].some((name) => changed.has(name))) this.#drawSoon();
    });
  }

  // Read the notes again.
  async load() {
    const lists = await Promise.all(
      this.#page.sides().map(async ({ side }) => {
        const { results } = await runVerb("note/ls", [], undefined, side);
        return (results[0]?.notes ?? []).map((note) => ({
          ...note,
          side,
          from: BigInt(note.from_ns),
          to: BigInt(note.to_ns),
        }));
      })
    );
    this.#notes = lists.flat();
    this.mark();
    this.#draw();
  }

  // Mark the notes on the bands that they are about.
  mark() {
    const spans = new Map();
    const bands =
      this.#notes.length === 0
        ? []
        : this.#page
            .topics()
            .flatMap(withTwin)
            .flatMap((topic) => [topic, ...topic.symbols.values()]);
    for (const band of bands) {
      const found = this.#notes.filter((note) => isAbout(note, band));
      if (found.length > 0)
        spans.set(
          band.key,
          found.map(({ from, to, text }) => ({ from, to, text: `note: ${text}` }))
        );
    }
    this.#page.showSpans(spans);
  }

  #draw() {
    const { from, to, side } = this.#state;
    const shown = this.#notes.filter(
      (note) => note.side === side && note.from < to && (note.to > from || note.from >= from)
    );
    const listed = shown.slice(0, LIST_MAX);
    this.element.hidden = shown.length === 0;
    this.#text.textContent =
      shown.length > LIST_MAX
        ? `${shown.length.toLocaleString("en")} notes in the shown time; the first ${LIST_MAX}:`
        : "";
    const made = table(
      "Notes in the shown time",
      COLUMNS,
      listed.map((note) => [
        formatTime(note.from, 3),
        note.to > note.from ? formatSpan(note.to - note.from) : "",
        placeOf(note),
        note.text,
      ])
    );
    makeChoosable(made, "Show this time", (index) => this.#go(listed[index]));
    this.#table.replaceChildren(made);
  }

  // Show a note's time in the middle third of the view. A moment does not change the zoom.
  #go({ from, to }) {
    const margin = to > from ? to - from : this.#state.span / 2n;
    this.#state.jump({ cursor: from, from: from - margin, to: to + margin });
  }
}
