// The panel of the book at the cursor: the levels after the first frame of the chosen topic from
// the cursor on.

import { bandOptions, VerbRun } from "./command.js";
import { delayed, el } from "./dom.js";
import { formatTime } from "./time.js";
import { whyButton } from "./verdict.js";

const LEVELS = 25; // of each side

export class BookPanel {
  #state;
  #band; // functions
  #explain;
  #isShown = false;
  #loaded = "";
  #run = new VerbRun();
  #summary = el("p", { role: "status" });
  #sides = el("div", { class: "ladder" });
  #loadSoon = delayed(300, () => this.#load());

  // explain: as in verdict.js.
  constructor(panel, state, band, explain) {
    this.#state = state;
    this.#band = band;
    this.#explain = explain;
    panel.append(this.#summary, this.#sides, this.#run.element);
    state.listen((changed) => {
      if (this.#isShown && ["cursor", "band"].some((name) => changed.has(name))) this.#loadSoon();
    });
  }

  show(isShown) {
    this.#isShown = isShown;
    if (isShown) this.#load();
  }

  async #load() {
    const band = this.#band();
    if (band === undefined || this.#state.cursor === null) return;
    const options = [["condition", "topic=*"], ...bandOptions(band), ["from", this.#state.cursor]];
    const wanted = JSON.stringify([this.#state.side, options], (_, value) =>
      typeof value === "bigint" ? String(value) : value
    );
    if (wanted === this.#loaded) return;
    const answer = await this.#run.verb("when", options);
    if (answer === null) return;
    this.#loaded = wanted;
    this.#draw(answer.results[0]?.found ?? null);
  }

  #draw(found) {
    this.#sides.replaceChildren();
    if (found === null) {
      this.#summary.textContent = "No frame of this topic at the cursor or later.";
      return;
    }
    const name = [found.feed, found.topic, found.symbol ?? "(no symbol)"].join(" / ");
    if (found.book === null) {
      this.#summary.textContent = `${name} has no book. Choose a topic with one.`;
      return;
    }
    this.#summary.textContent =
      `${name} after the frame of ` +
      `${formatTime(BigInt(found.recv_ns))} UTC` +
      (found.book.broken ? ". The book is broken: do not trust it." : "");
    const { bids, asks } = found.book;
    const shown = [...bids.slice(0, LEVELS), ...asks.slice(0, LEVELS)];
    const largest = Math.max(...shown.map(({ size }) => Number(size)));
    const of = { symbol: found.symbol, at: BigInt(found.recv_ns) };
    this.#sides.append(
      this.#side("Bids", bids, largest, { ...of, side: "bid" }),
      this.#side("Asks", asks, largest, { ...of, side: "ask" })
    );
  }

  // A side as a table, best level first. The bars only compare sizes: the numbers are the text.
  #side(title, levels, largest, of) {
    const rows = levels.slice(0, LEVELS).map(({ price, size }) => {
      const bar = el("span", { class: `bar ${title.toLowerCase()}`, "aria-hidden": "true" });
      bar.style.width = `${(Number(size) / largest) * 100}%`;
      return el(
        "tr",
        {},
        el("td", { class: "number", text: price }),
        el("td", { class: "number", text: size }),
        el("td", {}, whyButton(this.#explain, { ...of, price })),
        el("td", { class: "bar-cell" }, bar)
      );
    });
    const left = levels.length - rows.length;
    return el(
      "table",
      {},
      el("caption", { text: left > 0 ? `${title}, ${rows.length} of ${levels.length}` : title }),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ...["Price", "Size"].map((text) => el("th", { scope: "col", class: "number", text })),
          el("td"),
          el("td")
        )
      ),
      el("tbody", {}, ...rows)
    );
  }
}
