// Command lines of tapedeck, and the part of a panel that runs a verb: its command, progress and
// errors.

import { runVerb } from "./api.js";
import { copyText, el } from "./dom.js";
import { isoTime, SECOND } from "./time.js";

// Quote a word for a shell.
function quote(word) {
  return /^[\w\-+=./:,@%]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\\''") + "'";
}

export function commandLine(words) {
  return ["tapedeck", ...words].map(quote).join(" ");
}

// A glob that matches only this name.
export function escapeGlob(name) {
  return name.replace(/[\\*?[\]]/g, "\\$&");
}

// Options that select a band's frames: [name, value] pairs. A symbol of "" is a topic without
// symbols; "*" is a topic whose frames have several.
export function bandOptions(band) {
  const options = [
    ["feed", escapeGlob(band.feed)],
    ["topic", escapeGlob(band.topic)],
  ];
  if (band.symbol !== null && band.symbol !== "" && band.symbol !== "*")
    options.push(["symbol", escapeGlob(band.symbol)]);
  return options;
}

// How much earlier than the time in question a search by `when` begins: some rules compare a frame
// with earlier ones, which a tape without checkpoints does not read before --from; and a condition
// that holds already at --from is met by each stream's first frame.
const WARM_UP = 120n * SECOND;

export function warmUpBegin(ns) {
  return ns > WARM_UP ? ns - WARM_UP : 0n;
}

// Times in ns of a command's options, as people read and write them.
const TIME_OPTIONS = /(--(?:from|to|at)[= ])(\d{16,19})(?= |$)/g;

// A command with a button that copies it.
export class CommandText {
  #code = el("code");
  #button = el("button", {
    type: "button",
    text: "Copy",
    onclick: () => copyText(this.#code.textContent, this.#button),
  });
  element = el("div", { class: "command", hidden: true }, this.#code, this.#button);

  set(text) {
    this.#code.textContent = text.replace(
      TIME_OPTIONS,
      (_, option, ns) => option + isoTime(BigInt(ns))
    );
    this.element.hidden = text === "";
  }
}

export class VerbRun {
  #abort = null;
  #timer = 0;
  #busyText = el("span", { role: "status" });
  #busy = el(
    "div",
    { class: "busy", hidden: true },
    el("span", { class: "spinner" }),
    this.#busyText,
    el("button", { type: "button", text: "Cancel", onclick: () => this.cancel() })
  );
  #error = el("div", { class: "error", role: "alert", hidden: true });
  command = new CommandText();
  element = el("div", { class: "run" }, this.#busy, this.#error, this.command.element);

  cancel() {
    this.#abort?.abort();
  }

  fail(text) {
    this.#error.textContent = text;
    this.#error.hidden = text === "";
  }

  // Run work(signal) and show its progress. null: it failed, was cancelled, or was replaced by a
  // later call.
  async work(work) {
    this.cancel();
    const abort = new AbortController();
    const begin = performance.now();
    this.#abort = abort;
    this.fail("");
    const tick = () => {
      const seconds = Math.floor((performance.now() - begin) / 1000);
      this.#busyText.textContent = seconds < 2 ? "Working…" : `Working for ${seconds} s`;
      this.#busy.hidden = false;
    };
    clearInterval(this.#timer);
    // Short work shows no progress, so that the panel does not flicker.
    this.#timer = setInterval(tick, 250);
    try {
      const result = await work(abort.signal);
      return this.#abort === abort ? result : null;
    } catch (error) {
      if (this.#abort === abort)
        this.fail(error.name === "AbortError" ? "Cancelled." : error.message);
      return null;
    } finally {
      if (this.#abort === abort) {
        clearInterval(this.#timer);
        this.#busy.hidden = true;
        this.#abort = null;
      }
    }
  }

  // Run a verb and show its command and messages. side: as in runVerb. null: no answer.
  async verb(name, options, side) {
    const answer = await this.work((signal) => runVerb(name, options, signal, side));
    if (answer !== null) this.show(answer);
    return answer;
  }

  show(answer) {
    this.command.set(answer.command);
    this.fail(
      answer.errors.trim() ||
        (answer.status >= 2 ? `The command ends with status ${answer.status}.` : "")
    );
  }
}
