// The panel of gaps in the shown time, and the search for the next or the previous gap.

import { getGaps } from "./api.js";
import { commandLine, VerbRun } from "./command.js";
import { delayed, el, makeChoosable, table } from "./dom.js";
import { isSavedPage } from "./saved.js";
import { formatSpan, formatTime } from "./time.js";

const SHOWN = isSavedPage ? "in the saved part of the shown time" : "in the shown time";
const PAGE_ROWS = 100;
const ANSWER_MAX = 2000; // gaps in an answer of the server, the newest of the time

const COLUMNS = [
  ["Reason", "reason-cell"],
  ["From (UTC)", "time"],
  ["Lasted", "number"],
  ["Feed / topic / symbol", ""],
  ["Frames lost", "number"],
  ["Cause", ""],
  ["Detail", ""],
];

export function gapPlace(gap) {
  const symbol = gap.symbol === null ? [] : [gap.symbol];
  return [gap.feed, gap.topic ?? "all topics", ...symbol].join(" / ");
}

export function gapLength(gap) {
  return gap.to_ns === null ? "open" : formatSpan(gap.to_ns - gap.from_ns);
}

// The first gap that begins after a time (direction 1), the last one before it (-1), or null.
export async function findGap(from, direction, end) {
  if (direction < 0)
    return (await getGaps(0n, from)).gaps.findLast((gap) => gap.from_ns < from) ?? null;
  for (let length = end - from; length > 0n; length /= 8n) {
    const { count, gaps } = await getGaps(from + 1n, from + 1n + length);
    if (count <= ANSWER_MAX) return gaps.find((gap) => gap.from_ns > from) ?? null;
  }
  return null;
}

export class GapsPanel {
  #state;
  #archive; // function
  #run = new VerbRun();
  #summary = el("span");
  #pages = el("span", { class: "row" });
  #table = el("div");
  #gaps = [];
  #page = 0;
  #isShown = false;
  #loadSoon = delayed(250, () => this.#load());

  constructor(panel, state, archive) {
    this.#state = state;
    this.#archive = archive;
    panel.append(
      el("div", { class: "row" }, this.#summary, this.#pages),
      this.#run.element,
      this.#table
    );
    state.listen((changed) => {
      if (this.#isShown && ["from", "to", "side"].some((name) => changed.has(name)))
        this.#loadSoon();
    });
  }

  show(isShown) {
    this.#isShown = isShown;
    if (isShown) this.#load();
  }

  // The archive's gaps changed.
  refresh() {
    if (this.#isShown) this.#load();
  }

  async #load() {
    const { from, to } = this.#state;
    const answer = await this.#run.work((signal) => getGaps(from, to, signal));
    if (answer === null) return;
    const count = answer.count.toLocaleString("en");
    this.#gaps = answer.gaps;
    this.#page = 0;
    this.#summary.textContent =
      answer.count === 0
        ? `No gap ${SHOWN}.`
        : answer.count > answer.gaps.length
          ? `${count} gaps ${SHOWN}; the newest ${answer.gaps.length.toLocaleString("en")}:`
          : `${count} ${answer.count === 1 ? "gap" : "gaps"} ${SHOWN}.`;
    this.#run.command.set(
      commandLine(["gaps", this.#archive().path, "--from", `${from}`, "--to", `${to}`])
    );
    this.#draw();
  }

  #draw() {
    const pages = Math.ceil(this.#gaps.length / PAGE_ROWS);
    const turn = (by) => () => {
      this.#page += by;
      this.#draw();
    };
    this.#pages.replaceChildren(
      ...(pages < 2
        ? []
        : [
            el("button", {
              type: "button",
              text: "Previous",
              disabled: this.#page === 0,
              onclick: turn(-1),
            }),
            el("span", { text: `page ${this.#page + 1} of ${pages}` }),
            el("button", {
              type: "button",
              text: "Next",
              disabled: this.#page === pages - 1,
              onclick: turn(1),
            }),
          ])
    );
    const shown = this.#gaps.slice(this.#page * PAGE_ROWS, (this.#page + 1) * PAGE_ROWS);
    if (shown.length === 0) {
      this.#table.replaceChildren();
      return;
    }
    const made = table(
      "Gaps in the shown time",
      COLUMNS,
      shown.map((gap) => [
        el("span", { class: "reason", text: gap.reason }),
        formatTime(gap.from_ns, 3),
        gapLength(gap),
        gapPlace(gap),
        gap.frames_lost === null ? "unknown" : gap.frames_lost.toLocaleString("en"),
        gap.cause,
        gap.covered_by === null ? gap.detail : `covered by ${gap.covered_by}`,
      ])
    );
    makeChoosable(made, "Show this gap", (index) => this.#go(shown[index]));
    this.#table.replaceChildren(made);
  }

  // Show a gap in the middle third of the view. A gap without length does not change the zoom.
  #go(gap) {
    const end = gap.to_ns ?? this.#archive().now_ns;
    const length = end - gap.from_ns;
    const margin = length > 0n ? length : this.#state.span / 2n;
    this.#state.jump({ cursor: gap.from_ns, from: gap.from_ns - margin, to: end + margin });
  }
}
