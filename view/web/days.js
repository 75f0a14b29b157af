// The panel of days: how clean each day of each symbol is, on request, because it replays the time.

import { VerbRun } from "./command.js";
import { el, table } from "./dom.js";
import { formatSpan } from "./time.js";

const COLUMNS = [["Feed", ""], ["Day (UTC)", "time"], ["Symbol", ""], ["Clean", "number"],
  ["Verified", "number"], ["Of 24 h", "number"], ["Frames", "number"], ["Degraded", "number"],
  ["Missing", "number"], ["Reasons", ""]];

function percent(value) {
  return `${value} %`;
}

function cells(day) {
  return [day.feed, day.day + (day.recording ? " (recording)" : ""), day.symbol ?? "(no symbol)",
    percent(day.clean_percent), percent(day.verified_percent), percent(day.day_percent),
    day.frames.toLocaleString("en"), formatSpan(BigInt(day.degraded_ns)),
    formatSpan(BigInt(day.missing_ns)), day.reasons ?? "clean"];
}

export class DaysPanel {
  #run = new VerbRun();
  #table = el("div");

  constructor(panel, state) {
    panel.append(
      el("div", { class: "row" },
        el("button", { type: "button", text: "Check these days",
          onclick: () => this.#check(state) }),
        el("span", { text: "Replays the shown time. This takes a while for long times." })),
      this.#run.element, this.#table);
  }

  async #check(state) {
    const answer = await this.#run.verb("days", [["from", state.from], ["to", state.to]]);
    const days = answer?.results[0]?.days;
    this.#table.replaceChildren(...(days === undefined ? []
      : days.length === 0 ? [el("p", { text: "No frame in the shown time." })]
      : [table("Days", COLUMNS, days.map(cells))]));
  }
}
