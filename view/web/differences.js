// The panel of differences: what only one of two archives has in the shown time, and what two
// decoders make of it. On request, because all frames of that time are read.

import { bandKey } from "./api.js";
import { bandName } from "./bands.js";
import { bandOptions, VerbRun } from "./command.js";
import { DecodersPart } from "./decoders.js";
import { byId, el, makeChoosable, table } from "./dom.js";
import { formatSpan, formatTime, SECOND } from "./time.js";

const STREAMS_MAX = 500; // rows that are shown, those that differ first
const MARGIN_MIN = SECOND / 20n;

function number(value) {
  return value.toLocaleString("en");
}

function frames(count) {
  return `${number(count)} ${count === 1 ? "frame" : "frames"}`;
}

function isDifferent(stream) {
  return stream.only_a > 0 || stream.only_b > 0 || stream.moved > 0;
}

function nameOf({ feed, topic, symbol }) {
  return bandName({ feed, topic, symbol: symbol ?? "", label: "" });
}

export class DifferencesPanel {
  #state;
  #page; // what it uses of the page: functions archive, chosenBand, findBand; the timeline
  #run = new VerbRun();
  #only = el("input", { type: "checkbox" });
  #summary = el("p", { role: "status" });
  #result = el("div");
  #marks = new Map();
  #pair = el(
    "div",
    {},
    el("h2", { text: "Archives" }),
    el(
      "div",
      { class: "row" },
      el("button", {
        type: "button",
        text: "Compare the archives",
        onclick: () => this.#compare(),
      }),
      el("span", {
        text:
          "Reads all frames of the shown time in both archives. At its edges " +
          "frames may differ, because two machines receive a frame at different times.",
      })
    ),
    this.#summary,
    this.#run.element,
    this.#result
  );
  #decoders;

  constructor(panel, state, page) {
    this.#state = state;
    this.#page = page;
    this.#decoders = new DecodersPart(state, page.chosenBand, (...at) => this.#goTo(...at));
    this.#only.addEventListener("change", () => state.set({ onlyBand: this.#only.checked }));
    panel.append(
      el("div", { class: "row" }, el("label", {}, this.#only, "only this topic")),
      this.#decoders.element,
      this.#pair
    );
    state.listen(() => {
      this.#only.checked = state.onlyBand;
    });
  }

  show(isShown) {
    const { sides, has_decoders: hasDecoders } = this.#page.archive();
    const isPair = sides.length > 1;
    this.#only.checked = this.#state.onlyBand;
    this.#pair.hidden = !isPair;
    this.#decoders.element.hidden = !hasDecoders;
    byId("lacking-legend").hidden = !isShown || !isPair;
    this.#page.timeline.setSpans("lacking", isShown ? this.#marks : new Map());
  }

  #label(side) {
    return this.#page.archive().sides[side === "a" ? 0 : 1].label;
  }

  async #compare() {
    const { from, to, onlyBand } = this.#state;
    const band = this.#page.chosenBand();
    const selection = onlyBand && band !== undefined ? bandOptions(band) : [];
    const answer = await this.#run.verb("diff", [...selection, ["from", from], ["to", to]], "");
    if (answer === null) return;
    this.#summary.textContent = "";
    this.#result.replaceChildren();
    this.#marks = new Map();
    const [found] = answer.results;
    if (found !== undefined) this.#draw(found, `${formatTime(from, 3)} – ${formatTime(to, 3)} UTC`);
    this.#page.timeline.setSpans(
      "lacking",
      this.#state.tab === "differences" ? this.#marks : new Map()
    );
  }

  #draw(found, range) {
    const parts = [
      `${frames(found.same)} in both`,
      `${number(found.only_a)} only in ${this.#label("a")}`,
      `${number(found.only_b)} only in ${this.#label("b")}`,
      `${number(found.moved)} in another order`,
    ];
    this.#summary.textContent =
      `${range}: ${found.verdict}; ${parts.join(", ")}.` +
      (found.damaged ? " Stored frames are damaged and were left out." : "");
    const { stretches } = found;
    if (stretches.length > 0) {
      const left = found.stretches_left_out;
      const made = table(
        "Stretches that only one archive has",
        [
          ["Only in", ""],
          ["Feed / topic / symbol", ""],
          ["From (UTC)", "time"],
          ["Lasts", "number"],
          ["Frames", "number"],
        ],
        stretches.map((stretch) => [
          this.#label(stretch.side),
          nameOf(stretch),
          formatTime(BigInt(stretch.from_ns)),
          formatSpan(BigInt(stretch.to_ns) - BigInt(stretch.from_ns)),
          number(stretch.frames),
        ])
      );
      makeChoosable(made, "Show this stretch", (index) => {
        const stretch = stretches[index];
        this.#goTo(
          stretch,
          stretch.side === "a" ? "" : "b",
          BigInt(stretch.from_ns),
          BigInt(stretch.to_ns)
        );
      });
      this.#result.append(
        el("h3", { text: "Stretches that only one archive has" }),
        left > 0 ? el("p", { text: `${number(left)} further ones are not listed.` }) : "",
        made
      );
    }
    for (const stretch of stretches) this.#mark(stretch);
    this.#drawStreams(found.streams);
  }

  #drawStreams(streams) {
    const sorted = [...streams].sort((a, b) => isDifferent(b) - isDifferent(a));
    const left = sorted.length - STREAMS_MAX;
    const counts = [
      "In both",
      `Only in ${this.#label("a")}`,
      `Only in ${this.#label("b")}`,
      "In another order",
    ];
    this.#result.append(
      el("h3", { text: "Topics and symbols" }),
      table(
        "Topics and symbols",
        [["Feed", ""], ["Topic", ""], ["Symbol", ""], ...counts.map((name) => [name, "number"])],
        sorted
          .slice(0, STREAMS_MAX)
          .map((stream) => [
            stream.feed,
            stream.topic,
            stream.symbol ?? "(no symbol)",
            ...[stream.same, stream.only_a, stream.only_b, stream.moved].map(number),
          ])
      ),
      left > 0 ? el("p", { text: `${number(left)} further ones are not listed.` }) : ""
    );
  }

  // The bands of an archive's {feed, topic, symbol}: the topic, and the symbol.
  #bands({ feed, topic, symbol }, side) {
    return [null, symbol ?? ""]
      .map((name) => this.#page.findBand(bandKey(feed, topic, name, side)))
      .filter((band) => band !== undefined);
  }

  #mark(stretch) {
    for (const { key } of this.#bands(stretch, stretch.side === "a" ? "b" : "")) {
      const marks = this.#marks.get(key) ?? [];
      marks.push({
        from: BigInt(stretch.from_ns),
        to: BigInt(stretch.to_ns),
        text: `lacks ${frames(stretch.frames)} that ${this.#label(stretch.side)} has`,
      });
      this.#marks.set(key, marks);
    }
  }

  // Show a time of an archive's {feed, topic, symbol} in the middle third of the view.
  #goTo(place, side, from, to) {
    const margin = to - from > MARGIN_MIN ? to - from : MARGIN_MIN;
    const [topic, symbol] = this.#bands(place, side);
    const isOpen = topic !== undefined && this.#state.open.has(topic.openKey);
    const band = (isOpen ? (symbol ?? topic) : topic)?.key ?? this.#state.band;
    this.#state.jump({ cursor: from, from: from - margin, to: to + margin, band });
    this.#page.timeline.scrollToBand(band);
  }
}
