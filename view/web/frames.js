// The panel of frames at the cursor: a list, whose elements are only the visible rows, and the
// chosen frame as JSON and as bytes.

import { stringifyJson } from "./api.js";
import { bandOptions, escapeGlob, VerbRun } from "./command.js";
import { delayed, el } from "./dom.js";
import { formatSpan, formatTime, SECOND } from "./time.js";

const ROW_HEIGHT = 20; // CSS px, as in style.css
const LOAD_FRAMES = 200;
const ANSWER_MAX = 2000;  // frames in an answer of the server
const LIST_MAX = 10_000;
const OLDER_ENOUGH = 20;  // fewer older frames than this: look further back
const OLDER_TRIES = 12;
const HEX_BYTES = 4096;
const TEXT_MAX = 256 << 10;
const LINE_MAX = 90;

// Indent JSON. Numbers and strings keep their text, with all decimals. null: not JSON.
export function prettyJson(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g);
  const out = [];
  let depth = 0;
  const line = () => "\n" + "  ".repeat(depth);
  const spaced = (token) => (token === "," ? ", " : token === ":" ? ": " : token);
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (token === "{" || token === "[") {
      // A short list or object of plain values stays on one line.
      let end = i + 1;
      let length = 0;
      while (!"{}[]".includes(tokens[end][0]) && length <= LINE_MAX)
        length += tokens[end++].length;
      if (length <= LINE_MAX && "}]".includes(tokens[end])) {
        out.push(tokens.slice(i, end + 1).map(spaced).join(""));
        i = end;
        continue;
      }
      depth++;
      out.push(token, line());
    } else if (token === "}" || token === "]") {
      depth--;
      out.push(line(), token);
    } else {
      out.push(spaced(token).trimEnd(), token === "," ? line() : token === ":" ? " " : "");
    }
  }
  return out.join("");
}

function bytesOf(frame) {
  if (frame.data_hex === undefined)
    return new TextEncoder().encode(frame.data);
  return Uint8Array.from(frame.data_hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, HEX_BYTES); at += 16) {
    const part = [...bytes.subarray(at, Math.min(at + 16, HEX_BYTES))];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "."));
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${text.join("")}`);
  }
  return lines.join("\n");
}

function readFrame(frame) {
  return { ...frame, recv_ns: BigInt(frame.recv_ns),
           exchange_ns: frame.exchange_ns === null ? null : BigInt(frame.exchange_ns) };
}

export class FramesPanel {
  #state;
  #archive; // functions
  #band;
  #frames = [];
  #chosen = -1;
  #isShown = false;
  #loaded = ""; // cursor and selection of the list
  #run = new VerbRun();
  #decodeRun = new VerbRun();
  #decoded = el("pre", { class: "mono" });
  #decodedPart = el("details", { ontoggle: () => this.#decode() },
    el("summary", { text: "Decoded message" }), this.#decodeRun.element, this.#decoded);
  #only = el("input", { type: "checkbox" });
  #summary = el("span", { role: "status" });
  #older = el("button", { type: "button", text: "Older", onclick: () => this.#loadOlder() });
  #newer = el("button", { type: "button", text: "Newer", onclick: () => this.#loadNewer() });
  #spacer = el("div");
  #list = el("div", { class: "frame-list", tabindex: 0, role: "listbox", "aria-label": "Frames",
    onkeydown: (event) => this.#onKey(event), onscroll: () => this.#drawRows() });
  #detail = el("div",
    { class: "frame", tabindex: 0, role: "region", "aria-label": "Chosen frame" });
  #loadSoon = delayed(300, () => this.#load());

  constructor(panel, state, archive, band) {
    this.#state = state;
    this.#archive = archive;
    this.#band = band;
    this.#only.checked = state.onlyBand;
    this.#only.addEventListener("change", () => state.set({ onlyBand: this.#only.checked }));
    this.#list.append(this.#spacer);
    panel.append(
      el("div", { class: "row" }, el("label", {}, this.#only, "only this topic"), this.#older,
        this.#newer, this.#summary),
      this.#run.element, el("div", { class: "frames" }, this.#list, this.#detail));
    new ResizeObserver(() => this.#drawRows()).observe(this.#list);
    state.listen((changed) => {
      this.#only.checked = state.onlyBand;
      if (this.#isShown && ["cursor", "band", "onlyBand"].some((name) => changed.has(name)))
        this.#loadSoon();
    });
  }

  show(isShown) {
    this.#isShown = isShown;
    if (isShown)
      this.#load();
  }

  #selection() {
    const band = this.#band();
    return this.#state.onlyBand && band !== undefined ? bandOptions(band) : [];
  }

  // Run cat. An empty time is not an error here. null: no answer.
  async #cat(options) {
    const answer = await this.#run.verb("cat", [...this.#selection(), ...options]);
    if (answer === null)
      return null;
    if (answer.status === 4 && answer.results.length === 0)
      this.#run.fail("");
    return answer.results.map(readFrame);
  }

  async #load() {
    const wanted = JSON.stringify(
      [this.#state.side, String(this.#state.cursor), this.#selection()]);
    if (this.#state.cursor === null || wanted === this.#loaded)
      return;
    const frames = await this.#cat([["from", this.#state.cursor], ["max-frames", LOAD_FRAMES]]);
    if (frames === null)
      return;
    this.#loaded = wanted;
    this.#frames = frames;
    this.#list.scrollTop = 0;
    this.#choose(frames.length > 0 ? 0 : -1);
  }

  async #loadNewer() {
    const last = this.#frames.at(-1);
    const from = last === undefined ? this.#state.cursor : last.recv_ns + 1n;
    const frames = await this.#cat([["from", from], ["max-frames", LOAD_FRAMES]]);
    if (frames === null)
      return;
    const left = Math.max(0, this.#frames.length + frames.length - LIST_MAX);
    this.#frames = [...this.#frames.slice(left), ...frames];
    this.#list.scrollTop -= left * ROW_HEIGHT;
    this.#choose(frames.length > 0 ? this.#frames.length - frames.length : this.#chosen - left);
    if (frames.length === 0)
      this.#summary.textContent += "; no newer frame";
  }

  // cat reads forwards, so look for a start with enough frames, but not too many, before the oldest
  // frame of the list.
  async #loadOlder() {
    const to = this.#frames[0]?.recv_ns ?? this.#state.cursor;
    const first = this.#archive().first_ns;
    const shown = this.#frames.length > 1 ? this.#frames.at(-1).recv_ns - to : 0n;
    let span = shown > 0n ? shown : SECOND;
    let best = [];
    for (let tries = 0; tries < OLDER_TRIES && to > first; tries++) {
      const from = to - span > first ? to - span : first;
      const frames = await this.#cat([["from", from], ["to", to], ["max-frames", ANSWER_MAX]]);
      if (frames === null)
        return;
      if (frames.length === ANSWER_MAX && span > 1n) {
        span = span > 10n ? span / 10n : 1n;
        if (best.length > 0)
          break;
        continue;
      }
      best = frames;
      if (frames.length >= OLDER_ENOUGH || from === first)
        break;
      span *= 8n;
    }
    const chosen = Math.max(0, this.#chosen);
    this.#frames = [...best, ...this.#frames].slice(0, LIST_MAX);
    this.#list.scrollTop += best.length * ROW_HEIGHT;
    this.#choose(best.length > 0 ? best.length - 1 : Math.min(chosen, this.#frames.length - 1));
    if (best.length === 0)
      this.#summary.textContent += "; no older frame";
  }

  // ---- the list ----

  #choose(index) {
    this.#chosen = index;
    const count = this.#frames.length;
    this.#spacer.style.height = count * ROW_HEIGHT + "px";
    this.#summary.textContent = count === 0 ? "No frame at the cursor or later."
      : `${count.toLocaleString("en")} ${count === 1 ? "frame" : "frames"} from ` +
        `${formatTime(this.#frames[0].recv_ns, 3)} in ` +
        formatSpan(this.#frames[count - 1].recv_ns - this.#frames[0].recv_ns);
    const top = index * ROW_HEIGHT;
    const space = this.#list.clientHeight - ROW_HEIGHT;
    if (index >= 0)
      this.#list.scrollTop = Math.max(Math.min(this.#list.scrollTop, top), top - space);
    this.#drawRows();
    this.#drawFrame();
  }

  #drawRows() {
    const first = Math.max(0, Math.floor(this.#list.scrollTop / ROW_HEIGHT) - 2);
    const end = Math.ceil((this.#list.scrollTop + this.#list.clientHeight) / ROW_HEIGHT) + 2;
    const rows = this.#frames.slice(first, end).map((frame, offset) => {
      const index = first + offset;
      const row = el("div", { class: "frame-row", role: "option", id: `frame-${index}`,
        "aria-selected": String(index === this.#chosen), "aria-setsize": this.#frames.length,
        "aria-posinset": index + 1, onclick: () => this.#choose(index) },
        el("span", { text: formatTime(frame.recv_ns).slice(11) }),
        el("span", { text: frame.dir }),
        el("span", { text: frame.symbol ? `${frame.topic} ${frame.symbol}` : frame.topic }),
        el("span", { text: (frame.data ?? frame.data_hex).slice(0, 120) }));
      row.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
      return row;
    });
    this.#list.replaceChildren(this.#spacer, ...rows);
    if (this.#chosen >= first && this.#chosen < end && this.#chosen < this.#frames.length)
      this.#list.setAttribute("aria-activedescendant", `frame-${this.#chosen}`);
    else
      this.#list.removeAttribute("aria-activedescendant");
  }

  #onKey(event) {
    const page = Math.max(1, Math.floor(this.#list.clientHeight / ROW_HEIGHT) - 1);
    const moves = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity,
                    End: Infinity };
    const by = moves[event.key];
    const last = this.#frames.length - 1;
    if (by === undefined)
      return;
    event.preventDefault();
    if (by === 1 && this.#chosen === last)
      this.#loadNewer();
    else if (by === -1 && this.#chosen === 0)
      this.#loadOlder();
    else if (last >= 0)
      this.#choose(Math.max(0, Math.min(last, this.#chosen + by)));
  }

  // ---- the chosen frame ----

  #drawFrame() {
    const frame = this.#frames[this.#chosen];
    if (frame === undefined) {
      this.#detail.replaceChildren();
      return;
    }
    const bytes = bytesOf(frame);
    const facts = [
      ["received", `${formatTime(frame.recv_ns)} UTC`],
      ["exchange's time", frame.exchange_ns === null ? "unknown"
        : `${formatTime(frame.exchange_ns)} UTC, ` +
          `received ${formatSpan(frame.recv_ns - frame.exchange_ns)} later`],
      ["topic", [frame.feed, frame.topic, frame.symbol ?? "(no symbol)"].join(" / ")],
      ["family", frame.family],
      ["session", `${frame.session}, line ${frame.line}, shard ${frame.shard}, ` +
        `connection ${frame.conn}, frame ${frame.ordinal} (${frame.dir})`],
      ["size", [`${bytes.length.toLocaleString("en")} bytes`,
        ...["compressed", "fragmented", "made"].filter((name) => frame[name]),
        ...(frame.opcode === 2 ? ["binary"] : [])].join(", ")],
    ];
    const isLong = (frame.data?.length ?? Infinity) > TEXT_MAX;
    const text = isLong ? null : prettyJson(frame.data);
    const plain = (frame.data ?? "").slice(0, TEXT_MAX);
    this.#detail.replaceChildren(
      el("dl", {}, ...facts.map(([name, value]) =>
        el("div", {}, el("dt", { text: name }), el("dd", { text: value })))),
      el("button", { type: "button", text: "Move the cursor to this frame",
        onclick: () => this.#state.set({ cursor: frame.recv_ns }) }),
      el("div", { class: "forms" }, el("pre", { class: "mono", text: text ?? plain }),
        el("pre", { class: "mono hex", text: hexDump(bytes) +
          (bytes.length > HEX_BYTES ? `\nThe first ${HEX_BYTES} bytes.` : "") })),
      this.#decodedPart);
    this.#detail.scrollTop = 0;
    this.#decode();
  }

  // Show what replay decodes the chosen frame to, while that part is open. Frames of other
  // connections may have the same receive time.
  async #decode() {
    const frame = this.#frames[this.#chosen];
    this.#decoded.textContent = "";
    if (!this.#decodedPart.open || frame === undefined)
      return;
    const answer = await this.#decodeRun.verb("replay",
      [["feed", escapeGlob(frame.feed)], ["from", frame.recv_ns], ["to", frame.recv_ns + 1n]]);
    if (answer === null || frame !== this.#frames[this.#chosen])
      return;
    const own = answer.results.filter((message) => message.conn === frame.conn &&
      message.ordinal === frame.ordinal && message.feed === frame.feed);
    this.#decoded.textContent = own.length === 0 ? "Replay has no message of this frame."
      : own.map((message) => prettyJson(stringifyJson(message))).join("\n");
  }
}
