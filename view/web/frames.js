// The panel of frames at the cursor: a list, whose elements are only the visible rows, and the
// chosen frame as JSON and as bytes.

import { stringifyJson } from "./api.js";
import { bandOptions, escapeGlob, VerbRun } from "./command.js";
import { delayed, el } from "./dom.js";
import { Summaries } from "./summaries.js";
import { formatSpan, formatTime, SECOND } from "./time.js";
import { isSameFrame, VerdictPart } from "./verdict.js";

const ROW_HEIGHT = 20; // CSS px, as in style.css
const LOAD_FRAMES = 200;
const ANSWER_MAX = 2000; // frames in an answer of the server
const SEARCH_FRAMES = 1000;
const LIST_MAX = 10_000;
const OLDER_ENOUGH = 20; // fewer older frames than this: look further back
const OLDER_TRIES = 12;
const HEX_BYTES = 4096;
const TEXT_MAX = 256 << 10;
const FOLLOW_MS = 2000; // between two lists while the view follows a recording
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
      while (!"{}[]".includes(tokens[end][0]) && length <= LINE_MAX) length += tokens[end++].length;
      if (length <= LINE_MAX && "}]".includes(tokens[end])) {
        out.push(
          tokens
            .slice(i, end + 1)
            .map(spaced)
            .join("")
        );
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
  if (frame.data_hex === undefined) return new TextEncoder().encode(frame.data);
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
  return {
    ...frame,
    recv_ns: BigInt(frame.recv_ns),
    exchange_ns: frame.exchange_ns === null ? null : BigInt(frame.exchange_ns),
  };
}

// Run cat. A time without frames is not an error here. null: no answer.
export async function catFrames(run, options) {
  const answer = await run.verb("cat", options);
  if (answer === null) return null;
  if (answer.status === 4 && answer.results.length === 0) run.fail("");
  return answer.results.map(readFrame);
}

// The last frames before a time, at least `enough` if there are as many. cat reads forwards, so
// look for a start with enough frames, but not too many. cat: function of options; first: the
// archive's first frame; span: how far to look back first. null: no answer.
export async function framesBefore(cat, to, first, span, enough) {
  let best = [];
  for (let tries = 0; tries < OLDER_TRIES && to > first; tries++) {
    const from = to - span > first ? to - span : first;
    const frames = await cat([
      ["from", from],
      ["to", to],
      ["max-frames", ANSWER_MAX],
    ]);
    if (frames === null) return null;
    if (frames.length === ANSWER_MAX && span > 1n) {
      span = span > 10n ? span / 10n : 1n;
      if (best.length > 0) break;
      continue;
    }
    best = frames;
    if (frames.length >= enough || from === first) break;
    span = span === 0n ? 1n : span * 8n;
  }
  return best;
}

// What a search can be for: the option of cat, and the words of its result.
const SEARCHES = {
  text: { title: "text", option: "text", result: "contain" },
  id: { title: "order id", option: "text", result: "contain" },
  price: { title: "price", option: "price", result: "have an entry at the price" },
};

export class FramesPanel {
  #state;
  #archive; // functions
  #band;
  #frames = [];
  #wanted = null; // a frame to choose once the list has it
  // {kind, value, from, to, isWhole}: the list has only matching frames of that time; all of them
  // if isWhole. null: there is no search.
  #search = null;
  #chosen = -1;
  #summaries = new Summaries(() => this.#drawRows());
  #isShown = false;
  #loaded = ""; // cursor and selection of the list
  #run = new VerbRun();
  #decodeRun = new VerbRun();
  #decoded = el("pre", { class: "mono" });
  #decodedPart = el(
    "details",
    { ontoggle: () => this.#decode() },
    el("summary", { text: "Decoded message" }),
    this.#decodeRun.element,
    this.#decoded
  );
  #only = el("input", { type: "checkbox" });
  #kind = el(
    "select",
    { "aria-label": "Search for" },
    ...Object.entries(SEARCHES).map(([value, { title }]) => el("option", { value, text: title }))
  );
  #value = el("input", {
    type: "search",
    size: 24,
    spellcheck: "false",
    autocomplete: "off",
    "aria-label": "Search value",
  });
  #clear = el("button", {
    type: "button",
    text: "Show all frames",
    hidden: true,
    onclick: () => this.#endSearch(),
  });
  #verdict;
  #step; // function
  #isBusy; // function
  #askedAt = 0;
  #asked = 0; // questions about the list without an answer
  #later = null; // a timer
  #summary = el("span", { role: "status" });
  #older = el("button", { type: "button", text: "Older", onclick: () => this.#loadOlder() });
  #newer = el("button", { type: "button", text: "Newer", onclick: () => this.#loadNewer() });
  #spacer = el("div");
  #list = el("div", {
    class: "frame-list",
    tabindex: 0,
    role: "listbox",
    "aria-label": "Frames",
    onkeydown: (event) => this.#onKey(event),
    onscroll: () => this.#drawRows(),
  });
  #detail = el("div", {
    class: "frame",
    tabindex: 0,
    role: "region",
    "aria-label": "Chosen frame",
  });
  #loadSoon = delayed(300, () => this.#loadUnlessBusy());

  // explain: function of a level (verdict.js); step: function of a direction; isBusy: true while
  // something is loaded that is more urgent.
  constructor(panel, state, archive, band, { explain, step, isBusy }) {
    this.#state = state;
    this.#archive = archive;
    this.#band = band;
    this.#verdict = new VerdictPart(explain);
    this.#step = step;
    this.#isBusy = isBusy;
    this.#only.checked = state.onlyBand;
    this.#only.addEventListener("change", () => state.set({ onlyBand: this.#only.checked }));
    this.#list.append(this.#spacer);
    panel.append(
      el(
        "div",
        { class: "row" },
        el("label", {}, this.#only, "only this topic"),
        this.#older,
        this.#newer,
        el(
          "form",
          { class: "row", role: "search", onsubmit: (event) => this.#find(event) },
          this.#kind,
          this.#value,
          el("button", { text: "Search" }),
          this.#clear
        ),
        this.#summary
      ),
      this.#run.element,
      el("div", { class: "frames" }, this.#list, this.#detail)
    );
    new ResizeObserver(() => this.#drawRows()).observe(this.#list);
    state.listen((changed) => {
      this.#only.checked = state.onlyBand;
      const names = ["band", "onlyBand", ...(this.#search === null ? ["cursor", "follow"] : [])];
      const left = state.follow ? FOLLOW_MS - (performance.now() - this.#askedAt) : 0;
      if (this.#isShown && names.some((name) => changed.has(name))) this.#loadIn(left);
    });
  }

  show(isShown) {
    this.#isShown = isShown;
    if (isShown) this.#loadUnlessBusy();
  }

  // Load after so many ms. A change that comes earlier is shown then, too.
  #loadIn(ms) {
    if (ms <= 0) this.#loadSoon();
    else if (this.#later === null)
      this.#later = setTimeout(() => {
        this.#later = null;
        this.#loadSoon();
      }, ms);
  }

  #loadUnlessBusy() {
    if (this.#isShown && this.#isBusy()) this.#loadSoon();
    else if (this.#isShown) this.#load();
  }

  #selection() {
    const band = this.#band();
    return this.#state.onlyBand && band !== undefined ? bandOptions(band) : [];
  }

  // Choose a frame (a row of `cat`, or what `when` found) that is at the cursor.
  select(frame) {
    this.#wanted = frame;
    if (this.#search !== null) this.#endSearch();
    const index = this.#frames.findIndex((each) => isSameFrame(each, frame));
    if (this.#isShown && index >= 0) this.#choose(index);
  }

  async #cat(options) {
    const found =
      this.#search === null ? [] : [[SEARCHES[this.#search.kind].option, this.#search.value]];
    this.#asked++;
    try {
      return await catFrames(this.#run, [...this.#selection(), ...found, ...options]);
    } finally {
      this.#asked--;
    }
  }

  async #load() {
    const { cursor } = this.#state;
    const search = this.#search;
    const place = search === null ? [cursor] : [search.kind, search.value, search.from, search.to];
    const wanted = JSON.stringify([this.#state.side, place.map(String), this.#selection()]);
    if (cursor === null || wanted === this.#loaded) return;
    this.#askedAt = performance.now();
    const frames = await this.#cat(
      search === null
        ? [
            ["from", cursor],
            ["max-frames", LOAD_FRAMES],
          ]
        : [
            ["from", search.from],
            ["to", search.to],
            ["max-frames", SEARCH_FRAMES],
          ]
    );
    if (frames === null) return;
    if (search !== null) search.isWhole = frames.length < SEARCH_FRAMES;
    this.#loaded = wanted;
    this.#frames = frames;
    if (search === null) this.#summarize(frames);
    this.#list.scrollTop = 0;
    const isAtCursor = this.#wanted !== null && BigInt(this.#wanted.recv_ns) === cursor;
    const index = isAtCursor ? frames.findIndex((frame) => isSameFrame(frame, this.#wanted)) : 0;
    this.#choose(frames.length > 0 ? Math.max(0, index) : -1);
  }

  // A question replaces the one before it, so a key at an end of the list asks nothing while the list
  // is being loaded: it would stay as it was, far from the cursor.
  async #loadNewer() {
    if (this.#asked > 0) return;
    const last = this.#frames.at(-1);
    const search = this.#search;
    const from = last === undefined ? this.#state.cursor : last.recv_ns + 1n;
    if (search?.isWhole) return;
    const end = search === null ? [] : [["to", search.to]];
    const frames = await this.#cat([["from", from], ...end, ["max-frames", LOAD_FRAMES]]);
    if (frames === null) return;
    if (search !== null) search.isWhole = frames.length < LOAD_FRAMES;
    const left = Math.max(0, this.#frames.length + frames.length - LIST_MAX);
    if (search === null) this.#summarize(frames);
    this.#frames = [...this.#frames.slice(left), ...frames];
    this.#list.scrollTop -= left * ROW_HEIGHT;
    this.#choose(frames.length > 0 ? this.#frames.length - frames.length : this.#chosen - left);
    if (frames.length === 0 && search === null) this.#summary.textContent += "; no newer frame";
  }

  async #loadOlder() {
    if (this.#asked > 0 || this.#search !== null) return; // a search's list begins with the first one
    const to = this.#frames[0]?.recv_ns ?? this.#state.cursor;
    const shown = this.#frames.length > 1 ? this.#frames.at(-1).recv_ns - to : 0n;
    const best = await framesBefore(
      (options) => this.#cat(options),
      to,
      this.#archive().first_ns,
      shown > 0n ? shown : SECOND,
      OLDER_ENOUGH
    );
    if (best === null) return;
    const chosen = Math.max(0, this.#chosen);
    this.#summarize(best.slice(-LOAD_FRAMES));
    this.#frames = [...best, ...this.#frames].slice(0, LIST_MAX);
    this.#list.scrollTop += best.length * ROW_HEIGHT;
    this.#choose(best.length > 0 ? best.length - 1 : Math.min(chosen, this.#frames.length - 1));
    if (best.length === 0) this.#summary.textContent += "; no older frame";
  }

  #summarize(frames) {
    this.#summaries.load(frames, this.#selection());
  }

  // ---- search ----

  #find(event) {
    event.preventDefault();
    const value = this.#value.value.trim();
    if (value === "") {
      this.#endSearch();
      return;
    }
    this.#search = { kind: this.#kind.value, value, from: this.#state.from, to: this.#state.to };
    this.#showSearch();
  }

  #endSearch() {
    this.#search = null;
    this.#value.value = "";
    this.#showSearch();
  }

  #showSearch() {
    const isSearch = this.#search !== null;
    if (!isSearch && document.activeElement === this.#clear) this.#value.focus();
    this.#clear.hidden = !isSearch;
    this.#older.disabled = isSearch;
    if (this.#isShown) this.#load();
  }

  // ---- the list ----

  #choose(index) {
    this.#chosen = index;
    const count = this.#frames.length;
    this.#spacer.style.height = count * ROW_HEIGHT + "px";
    const shown =
      count === 0
        ? ""
        : `${count.toLocaleString("en")} ${count === 1 ? "frame" : "frames"} from ` +
          `${formatTime(this.#frames[0].recv_ns, 3)} in ` +
          formatSpan(this.#frames[count - 1].recv_ns - this.#frames[0].recv_ns);
    this.#summary.textContent =
      this.#search !== null
        ? this.#searchText(count, shown)
        : shown || "No frame at the cursor or later.";
    const top = index * ROW_HEIGHT;
    const space = this.#list.clientHeight - ROW_HEIGHT;
    if (index >= 0)
      this.#list.scrollTop = Math.max(Math.min(this.#list.scrollTop, top), top - space);
    this.#drawRows();
    this.#drawFrame();
  }

  #searchText(count, shown) {
    const { kind, value, from, to, isWhole } = this.#search;
    const what = `${SEARCHES[kind].result} “${value}”`;
    const where = `of ${formatTime(from, 3)} to ${formatTime(to, 3)}`;
    return count === 0
      ? `No frames ${where} ${what}.`
      : `${shown} ${what}` + (isWhole ? "" : "; there may be newer ones");
  }

  #drawRows() {
    const first = Math.max(0, Math.floor(this.#list.scrollTop / ROW_HEIGHT) - 2);
    const end = Math.ceil((this.#list.scrollTop + this.#list.clientHeight) / ROW_HEIGHT) + 2;
    const rows = this.#frames.slice(first, end).map((frame, offset) => {
      const index = first + offset;
      const row = el(
        "div",
        {
          class: "frame-row",
          role: "option",
          id: `frame-${index}`,
          "aria-selected": String(index === this.#chosen),
          "aria-setsize": this.#frames.length,
          "aria-posinset": index + 1,
          onclick: () => this.#choose(index),
        },
        el("span", { text: formatTime(frame.recv_ns).slice(11) }),
        el("span", { text: frame.dir }),
        el("span", { text: frame.symbol ? `${frame.topic} ${frame.symbol}` : frame.topic }),
        el("span", {
          text: this.#summaries.of(frame) ?? (frame.data ?? frame.data_hex).slice(0, 120),
        })
      );
      row.style.transform = `translateY(${index * ROW_HEIGHT}px)`;
      return row;
    });
    this.#list.replaceChildren(this.#spacer, ...rows);
    if (this.#chosen >= first && this.#chosen < end && this.#chosen < this.#frames.length)
      this.#list.setAttribute("aria-activedescendant", `frame-${this.#chosen}`);
    else this.#list.removeAttribute("aria-activedescendant");
  }

  #onKey(event) {
    const page = Math.max(1, Math.floor(this.#list.clientHeight / ROW_HEIGHT) - 1);
    const moves = {
      ArrowUp: -1,
      ArrowDown: 1,
      PageUp: -page,
      PageDown: page,
      Home: -Infinity,
      End: Infinity,
    };
    const steps = { n: 1, p: -1 };
    const by = moves[event.key];
    const last = this.#frames.length - 1;
    if (
      event.ctrlKey ||
      event.altKey ||
      event.metaKey ||
      (by === undefined && steps[event.key] === undefined)
    )
      return;
    event.preventDefault();
    if (by === undefined) {
      this.#step(steps[event.key]);
      return;
    }
    if (by === 1 && this.#chosen === last) this.#loadNewer();
    else if (by === -1 && this.#chosen === 0) this.#loadOlder();
    else if (last >= 0) this.#choose(Math.max(0, Math.min(last, this.#chosen + by)));
  }

  // ---- the chosen frame ----

  #drawFrame() {
    const frame = this.#frames[this.#chosen];
    this.#verdict.show(frame ?? null);
    if (frame === undefined) {
      this.#detail.replaceChildren();
      return;
    }
    const bytes = bytesOf(frame);
    const facts = [
      ["received", `${formatTime(frame.recv_ns)} UTC`],
      [
        "exchange's time",
        frame.exchange_ns === null
          ? "unknown"
          : `${formatTime(frame.exchange_ns)} UTC, ` +
            `received ${formatSpan(frame.recv_ns - frame.exchange_ns)} later`,
      ],
      ["topic", [frame.feed, frame.topic, frame.symbol ?? "(no symbol)"].join(" / ")],
      ["family", frame.family],
      [
        "session",
        `${frame.session}, line ${frame.line}, shard ${frame.shard}, ` +
          `connection ${frame.conn}, frame ${frame.ordinal} (${frame.dir})`,
      ],
      [
        "size",
        [
          `${bytes.length.toLocaleString("en")} bytes`,
          ...["compressed", "fragmented", "made", "fetched"].filter((name) => frame[name]),
          ...(frame.opcode === 2 ? ["binary"] : []),
        ].join(", "),
      ],
    ];
    const isLong = (frame.data?.length ?? Infinity) > TEXT_MAX;
    const text = isLong ? null : prettyJson(frame.data);
    const plain = (frame.data ?? "").slice(0, TEXT_MAX);
    this.#detail.replaceChildren(
      el(
        "dl",
        {},
        ...facts.map(([name, value]) =>
          el("div", {}, el("dt", { text: name }), el("dd", { text: value }))
        )
      ),
      el("button", {
        type: "button",
        text: "Move the cursor to this frame",
        onclick: () => this.#state.set({ cursor: frame.recv_ns }),
      }),
      // Side by side: a late answer of one does not move the other's controls.
      el("div", { class: "answers" }, this.#verdict.element, this.#decodedPart),
      el(
        "div",
        { class: "forms" },
        el("pre", { class: "mono", text: text ?? plain }),
        el("pre", {
          class: "mono hex",
          text:
            hexDump(bytes) + (bytes.length > HEX_BYTES ? `\nThe first ${HEX_BYTES} bytes.` : ""),
        })
      )
    );
    this.#detail.scrollTop = 0;
    this.#decode();
  }

  // Show what replay decodes the chosen frame to, while that part is open. Frames of other
  // connections may have the same receive time.
  async #decode() {
    const frame = this.#frames[this.#chosen];
    this.#decoded.textContent = "";
    if (!this.#decodedPart.open || frame === undefined) return;
    const answer = await this.#decodeRun.verb("replay", [
      ["feed", escapeGlob(frame.feed)],
      ["from", frame.recv_ns],
      ["to", frame.recv_ns + 1n],
    ]);
    if (answer === null || frame !== this.#frames[this.#chosen]) return;
    const own = answer.results.filter(
      (message) =>
        message.conn === frame.conn &&
        message.ordinal === frame.ordinal &&
        message.feed === frame.feed
    );
    this.#decoded.textContent =
      own.length === 0
        ? "Replay has no message of this frame."
        : own.map((message) => prettyJson(stringifyJson(message))).join("\n");
  }
}
