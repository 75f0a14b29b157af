// The panel of differences between two archives: what only one of them has in the shown time, on
// request, because all its frames are read.

import { bandKey } from "./api.js";
import { bandOptions, VerbRun } from "./command.js";
import { byId, el, makeChoosable, table } from "./dom.js";
import { formatSpan, formatTime, SECOND } from "./time.js";

const STREAMS_MAX = 500; // rows that are shown, those that differ first
const MARGIN_MIN = SECOND / 20n;

const STREAM_COLUMNS = ["Feed", "Topic", "Symbol"];

function number(value) {
  return value.toLocaleString("en");
}

function frames(count) {
  return `${number(count)} ${count === 1 ? "frame" : "frames"}`;
}

function isDifferent(stream) {
  return stream.only_a > 0 || stream.only_b > 0 || stream.moved > 0;
}

function nameOf(stream) {
  return [stream.feed, stream.topic, stream.symbol ?? "(no symbol)"].join(" / ");
}

export class DifferencesPanel {
  #state;
  #page; // what it uses of the page: functions archive, chosenBand, findBand; the timeline
  #run = new VerbRun();
  #only = el("input", { type: "checkbox" });
  #summary = el("p", { role: "status" });
  #result = el("div");
  #marks = new Map();

  constructor(panel, state, page) {
    this.#state = state;
    this.#page = page;
    this.#only.addEventListener("change", () => state.set({ onlyBand: this.#only.checked }));
    panel.append(
      el("div", { class: "row" },
        el("button", { type: "button", text: "Compare the shown time",
          onclick: () => this.#compare() }),
        el("label", {}, this.#only, "only this topic"),
        el("span", { text: "Reads all frames of both archives in it. At its edges frames may " +
          "differ, because two machines receive a frame at different times." })),
      this.#summary, this.#run.element, this.#result);
    state.listen(() => { this.#only.checked = state.onlyBand; });
  }

  show(isShown) {
    this.#only.checked = this.#state.onlyBand;
    byId("lacking-legend").hidden = !isShown;
    this.#page.timeline.setMarks(isShown ? this.#marks : new Map());
  }

  #label(side) {
    return this.#page.archive().sides[side === "a" ? 0 : 1].label;
  }

  async #compare() {
    const { from, to, onlyBand } = this.#state;
    const band = this.#page.chosenBand();
    const selection = onlyBand && band !== undefined ? bandOptions(band) : [];
    const answer = await this.#run.verb("diff", [...selection, ["from", from], ["to", to]], "");
    if (answer === null)
      return;
    this.#summary.textContent = "";
    this.#result.replaceChildren();
    this.#marks = new Map();
    const [found] = answer.results;
    if (found !== undefined)
      this.#draw(found, `${formatTime(from, 3)} – ${formatTime(to, 3)} UTC`);
    this.#page.timeline.setMarks(this.#state.tab === "differences" ? this.#marks : new Map());
  }

  #draw(found, range) {
    const parts = [`${frames(found.same)} in both`,
      `${number(found.only_a)} only in ${this.#label("a")}`,
      `${number(found.only_b)} only in ${this.#label("b")}`,
      `${number(found.moved)} in another order`];
    this.#summary.textContent = `${range}: ${found.verdict}; ${parts.join(", ")}.` +
      (found.damaged ? " Stored frames are damaged and were left out." : "");
    const { stretches } = found;
    if (stretches.length > 0) {
      const left = found.stretches_left_out;
      const made = table("Stretches that only one archive has",
        [["Only in", ""], ["Feed / topic / symbol", ""], ["From (UTC)", "time"],
          ["Lasts", "number"], ["Frames", "number"]],
        stretches.map((stretch) => [this.#label(stretch.side), nameOf(stretch),
          formatTime(BigInt(stretch.from_ns)),
          formatSpan(BigInt(stretch.to_ns) - BigInt(stretch.from_ns)), number(stretch.frames)]));
      makeChoosable(made, "Show this stretch", (index) => this.#go(stretches[index]));
      this.#result.append(el("h2", { text: "Stretches that only one archive has" }),
        left > 0 ? el("p", { text: `${number(left)} further ones are not listed.` }) : "", made);
    }
    for (const stretch of stretches)
      this.#mark(stretch);
    this.#drawStreams(found.streams);
  }

  #drawStreams(streams) {
    const sorted = [...streams].sort((a, b) => isDifferent(b) - isDifferent(a));
    const left = sorted.length - STREAMS_MAX;
    const counts = ["In both", `Only in ${this.#label("a")}`, `Only in ${this.#label("b")}`,
      "In another order"];
    this.#result.append(el("h2", { text: "Topics and symbols" }),
      table("Topics and symbols",
        [...STREAM_COLUMNS.map((name) => [name, ""]), ...counts.map((name) => [name, "number"])],
        sorted.slice(0, STREAMS_MAX).map((stream) => [stream.feed, stream.topic,
          stream.symbol ?? "(no symbol)",
          ...[stream.same, stream.only_a, stream.only_b, stream.moved].map(number)])),
      left > 0 ? el("p", { text: `${number(left)} further ones are not listed.` }) : "");
  }

  // The bands of an archive that a stretch belongs to: its topic and its symbol.
  #bands(stretch, side) {
    return [null, stretch.symbol ?? ""]
      .map((symbol) => this.#page.findBand(bandKey(stretch.feed, stretch.topic, symbol, side)))
      .filter((band) => band !== undefined);
  }

  #mark(stretch) {
    for (const { key } of this.#bands(stretch, stretch.side === "a" ? "b" : "")) {
      const marks = this.#marks.get(key) ?? [];
      marks.push({ from: BigInt(stretch.from_ns), to: BigInt(stretch.to_ns),
        text: `lacks ${frames(stretch.frames)} that ${this.#label(stretch.side)} has` });
      this.#marks.set(key, marks);
    }
  }

  // Show a stretch in the middle third of the view, with the row that has it.
  #go(stretch) {
    const from = BigInt(stretch.from_ns);
    const to = BigInt(stretch.to_ns);
    const margin = to - from > MARGIN_MIN ? to - from : MARGIN_MIN;
    const [topic, symbol] = this.#bands(stretch, stretch.side === "a" ? "" : "b");
    const isOpen = topic !== undefined && this.#state.open.has(topic.openKey);
    const band = (isOpen ? symbol : topic)?.key ?? this.#state.band;
    this.#state.jump({ cursor: from, from: from - margin, to: to + margin, band });
    this.#page.timeline.scrollToBand(band);
  }
}
