// Steps to the next and the previous frame, violation, gap or breakpoint: the controls, and the
// searches for frames that meet a condition.

import { bandOptions, VerbRun, warmUpBegin } from "./command.js";
import { el } from "./dom.js";
import { catFrames, framesBefore } from "./frames.js";
import { SECOND } from "./time.js";

const FOUND_MAX = 1000; // frames of one search
const ROUNDS_MAX = 20; // searches of one step
const GROWTH = 8n; // how much longer each earlier time is that a step back searches

const KINDS = [
  ["frame", "frame of the topic"],
  ["violation", "violation"],
  ["gap", "gap"],
  ["breakpoint", "breakpoint"],
];

export class StepBar {
  #state;
  #archive; // functions
  #band;
  #question;
  #run = new VerbRun();
  #kind = el("select", {}, ...KINDS.map(([value, text]) => el("option", { value, text })));

  // question: function that returns the breakpoint, options of `when`, or null.
  // step: function of a direction.
  constructor(parent, { state, archive, band, question, step }) {
    this.#state = state;
    this.#archive = archive;
    this.#band = band;
    this.#question = question;
    parent.append(
      el("label", {}, "Step to", this.#kind),
      el("button", {
        type: "button",
        text: "Previous",
        title: "Previous (p)",
        onclick: () => step(-1),
      }),
      el("button", { type: "button", text: "Next", title: "Next (n)", onclick: () => step(1) }),
      this.#run.element
    );
  }

  get kind() {
    return this.#kind.value;
  }

  // Find the next (direction 1) or the previous frame (-1) of the chosen kind, but not a gap.
  // null: no such frame. undefined: no answer; the bar shows why.
  async find(direction) {
    if (this.kind === "frame") return this.#findFrame(direction);
    const options = this.kind === "violation" ? [["condition", "rule=*"]] : this.#question();
    if (options === null) {
      this.#run.fail("Give the breakpoint's condition in the tab “Ask”.");
      return undefined;
    }
    return direction > 0 ? this.#findNext(options) : this.#findPrevious(options);
  }

  async #findFrame(direction) {
    const band = this.#band();
    if (band === undefined) return undefined;
    const cat = (options) => catFrames(this.#run, [...bandOptions(band), ...options]);
    const { cursor, span } = this.#state;
    const frames =
      direction > 0
        ? await cat([
            ["from", cursor + 1n],
            ["max-frames", 1],
          ])
        : await framesBefore(cat, cursor, this.#archive().first_ns, span / GROWTH, 1);
    return frames === null ? undefined : (frames.at(-1) ?? null);
  }

  // Frames that meet the condition, the earliest first. undefined: no answer.
  async #when(options, from, to, count) {
    const answer = await this.#run.verb("when", [
      ...options,
      ["from", from],
      ...(to === null ? [] : [["to", to]]),
      ["max-frames", count],
    ]);
    if (answer === null || (answer.results.length === 0 && answer.status !== 4)) return undefined;
    if (answer.status === 4)
      // no frame in this time
      this.#run.fail("");
    return answer.results.map(({ found }) => found).filter((found) => found !== null);
  }

  // The first frame that is found from the cursor on, after the warm-up.
  async #findNext(options) {
    const from = this.#state.cursor + 1n;
    const early = await this.#when(options, warmUpBegin(from), from, FOUND_MAX);
    if (early === undefined) return undefined;
    const count = early.length === FOUND_MAX ? 0 : early.length;
    const begin = early.length === FOUND_MAX ? from : warmUpBegin(from);
    const found = await this.#when(options, begin, null, count + 1);
    return found === undefined ? undefined : (found[count] ?? null);
  }

  // `when` reads forwards, so search longer and longer times before the cursor for their last
  // frame.
  async #findPrevious(options) {
    const { first_ns: first } = this.#archive();
    const later = (a, b) => (a > b ? a : b);
    let to = this.#state.cursor;
    let length = later(this.#state.span / GROWTH, SECOND);
    for (let rounds = 0; to > first; to -= length, length *= GROWTH) {
      const from = later(to - length, first);
      let begin = warmUpBegin(from);
      let last = null;
      let found = null;
      do {
        if (rounds++ === ROUNDS_MAX) {
          this.#run.fail(
            `Stopped after ${ROUNDS_MAX} searches of ${FOUND_MAX} frames: too many ` +
              "frames before the cursor meet the condition. Zoom in, or narrow the condition."
          );
          return undefined;
        }
        found = await this.#when(options, begin, to, FOUND_MAX);
        if (found === undefined) return undefined;
        last = found.findLast(({ recv_ns: at }) => BigInt(at) >= from) ?? last;
        if (found.length > 0) begin = BigInt(found.at(-1).recv_ns) + 1n;
      } while (found.length === FOUND_MAX);
      if (last !== null) return last;
    }
    return null;
  }
}
