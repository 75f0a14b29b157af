// What the schema does not know in the shown time, on request: a list, and marks on the timeline.

import { bandName } from "./bands.js";
import { VerbRun } from "./command.js";
import { el, makeChoosable, table } from "./dom.js";
import { formatTime } from "./time.js";

const LIST_MAX = 500; // findings, by the time of their first frames

function placeOf({ feed, topic, symbol, first_ns: at }) {
  return { feed, topic, symbol, recv_ns: at };
}

export class DriftPart {
  #state;
  #goToFound; // functions: of a place, and of a list of places
  #showMarks;
  #run = new VerbRun();
  #list = el("div", { class: "found", hidden: true });
  #text = el("p", { role: "status" });
  element = el(
    "div",
    {},
    el("h2", { text: "What does the schema not know?" }),
    el(
      "div",
      { class: "row" },
      el("button", {
        type: "button",
        text: "Find drift in the shown time",
        onclick: () => this.#find(),
      }),
      el("span", { text: "New topics, fields, types and values. Reads all frames of that time." })
    ),
    this.#text,
    this.#list,
    this.#run.element
  );

  constructor(state, goToFound, showMarks) {
    this.#state = state;
    this.#goToFound = goToFound;
    this.#showMarks = showMarks;
  }

  #clear() {
    this.#text.textContent = "";
    this.#list.hidden = true;
    this.#showMarks([]);
  }

  async #find() {
    const { from, to } = this.#state;
    this.#clear();
    const answer = await this.#run.verb("drift", [
      ["from", from],
      ["to", to],
    ]);
    const [result] = answer?.results ?? [];
    if (result === undefined) return;
    const findings = result.findings
      .sort((a, b) => (BigInt(a.first_ns) < BigInt(b.first_ns) ? -1 : 1))
      .slice(0, LIST_MAX);
    const left = result.findings.length - findings.length + result.left_out;
    const count = (number) => number.toLocaleString("en");
    this.#text.textContent =
      findings.length === 0
        ? `The schema knows all of ${count(result.frames)} frames.`
        : `${count(findings.length)} ${findings.length === 1 ? "finding" : "findings"} in ` +
          `${count(result.frames)} frames${left > 0 ? `; ${count(left)} are left out` : ""}.`;
    if (findings.length === 0) return;
    const made = table(
      "Findings",
      [
        ["First received (UTC)", "time"],
        ["Feed / topic", ""],
        ["What", ""],
        ["Where", ""],
        ["Detail", ""],
        ["Frames", "number"],
      ],
      findings.map((found) => [
        formatTime(BigInt(found.first_ns)),
        bandName({ ...found, symbol: null, label: "" }),
        found.kind.replaceAll("_", " "),
        found.path,
        found.detail,
        count(found.count),
      ])
    );
    makeChoosable(made, "Go to its first frame", (index) =>
      this.#goToFound(placeOf(findings[index]))
    );
    this.#list.replaceChildren(
      el("button", {
        type: "button",
        text: "Clear the findings and their marks",
        onclick: () => this.#clear(),
      }),
      el("div", { class: "scroll" }, made)
    );
    this.#list.hidden = false;
    this.#showMarks(findings.map(placeOf));
  }
}
