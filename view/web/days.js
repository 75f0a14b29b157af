// The panel of days: the calendar of the archive, and how clean each day of each symbol is, on
// request, because that replays the time.

import { getCalendar } from "./api.js";
import { Calendar } from "./calendar.js";
import { VerbRun } from "./command.js";
import { el, table } from "./dom.js";
import { isDamaged, isSavedPage } from "./saved.js";
import { DAY, formatSpan } from "./time.js";

const COLUMNS = [
  ["Feed", ""],
  ["Day (UTC)", "time"],
  ["Symbol", ""],
  ["Clean", "number"],
  ["Verified", "number"],
  ["Of 24 h", "number"],
  ["Frames", "number"],
  ["Degraded", "number"],
  ["Missing", "number"],
  ["Delay p50", "number"],
  ["Delay p99", "number"],
  ["Reasons", ""],
];

const SILENT_COLUMNS = [
  ["Feed", ""],
  ["Topic", ""],
  ["Symbol", ""],
  ["Answer", ""],
];

function percent(value) {
  return `${value} %`;
}

// The longest delay from exchange to receipt of a day's topics.
function delay(day, name) {
  const longest = Math.max(0, ...day.topics.map((topic) => Number(topic[name])));
  return longest === 0 ? "-" : formatSpan(BigInt(longest));
}

function cells(day) {
  const isQuiet = day.reasons === null && day.clean_percent === 0; // nothing is expected
  return [
    day.feed,
    day.day + (day.recording ? " (recording)" : ""),
    day.symbol ?? "(no symbol)",
    isQuiet ? "-" : percent(day.clean_percent),
    percent(day.verified_percent),
    percent(day.day_percent),
    day.frames.toLocaleString("en"),
    formatSpan(BigInt(day.degraded_ns)),
    formatSpan(BigInt(day.missing_ns)),
    delay(day, "p50_ns"),
    delay(day, "p99_ns"),
    day.reasons ?? (isQuiet ? "unproven" : "clean"),
  ];
}

export class DaysPanel {
  #archive; // function
  #isShown = false;
  #loaded = ""; // what the calendar was made from
  #run = new VerbRun();
  #loadRun = new VerbRun();
  #table = el("div");
  #calendar;

  // goToDay: function of the day's begin, in ns.
  constructor(panel, state, { archive, goToDay }) {
    this.#archive = archive;
    this.#calendar = new Calendar(state, goToDay);
    state.listen((changed) => changed.has("side") && this.refresh());
    panel.append(
      this.#loadRun.element,
      this.#calendar.element,
      el(
        "div",
        { class: "row" },
        el("button", {
          type: "button",
          text: "Check these days",
          hidden: isSavedPage,
          onclick: () => this.#check(state),
        }),
        el("span", {
          text: isSavedPage
            ? "All of the time that was selected for this file."
            : "Replays the shown time. This takes a while for long times.",
        })
      ),
      this.#run.element,
      this.#table
    );
    if (isDamaged)
      panel.prepend(el("p", { class: "error", text: "A part of the recording cannot be read." }));
    if (isSavedPage) this.#check(state);
  }

  show(isShown) {
    this.#isShown = isShown;
    this.refresh();
  }

  // The archive may have changed.
  async refresh() {
    const archive = this.#archive();
    if (!this.#isShown || archive === null) return;
    const { side, gaps, rows, first_ns: first, last_ns: last, is_recording: isGrowing } = archive;
    const wanted = [side, gaps, rows.length, first, last / DAY, isGrowing].join(" ");
    if (wanted === this.#loaded) return;
    if (this.#loaded !== "") this.#calendar.forget();
    this.#loaded = wanted;
    const days = await this.#loadRun.work((signal) => getCalendar(side, signal));
    if (days !== null) this.#calendar.set(days, archive);
    else if (this.#loaded === wanted) this.#loaded = "";
  }

  async #check(state) {
    const { from, to } = isSavedPage ? { from: 0n, to: Infinity } : state;
    const asked = this.#loaded;
    const answer = await this.#run.verb(
      "days",
      isSavedPage
        ? []
        : [
            ["from", from],
            ["to", to],
          ]
    );
    const days = answer?.results[0]?.days;
    if (days !== undefined && asked === this.#loaded) this.#calendar.check(days, from, to);
    this.#table.replaceChildren(
      ...(days === undefined
        ? []
        : days.length === 0
          ? [el("p", { text: "No frame in the shown time." })]
          : [table("Days", COLUMNS, days.map(cells))])
    );
    const silent = answer?.results[0]?.silent ?? [];
    if (silent.length > 0)
      this.#table.append(
        table(
          "Asked for, and unproven, because no frame came",
          SILENT_COLUMNS,
          silent.map(({ feed, topic, symbol, state: answered }) => [
            feed,
            topic,
            symbol ?? "(no symbol)",
            answered,
          ])
        )
      );
  }
}
