// The panel of a market: the heat map with its controls, and the sizes in the cursor's column.

import { delayed, download, el } from "./dom.js";
import { HeatMap } from "./heat-map.js";
import { formatSize } from "./plot.js";
import { stepNs } from "./tiles.js";
import { formatSpan } from "./time.js";

const LADDER_ROWS = 50; // of each side
const MAP_HEIGHT_MIN = 200; // CSS px

const KEYS =
  "Left and Right move the cursor in time, with Shift also the view; Up and Down move " +
  "it in price, with Shift ten rows. Plus and minus zoom the time, Z and Shift+Z the price. " +
  "Page Up and Page Down move the prices, B follows bid and ask. Home and End go to the first " +
  "and the last frame, G and Shift+G to the next and the previous gap, N and P to the next and " +
  "the previous step, F shows all frames of the row, then the whole archive. T hides trades, C hides candles. The wheel " +
  "zooms the time, with Shift or over the price axis the price; dragging moves both. A click " +
  "sets the cursor, a double click zooms in.";

const ADVICE = { 413: "Zoom in, in time or in price.", 504: "Zoom in to a shorter time." };

// A message about missing tiles, with a button that requests them again.
export class TilesMessage {
  #tiles;
  #text = el("span");
  element;

  constructor(tiles) {
    this.#tiles = tiles;
    this.element = el(
      "div",
      { class: "row error", role: "alert", hidden: true },
      this.#text,
      el("button", { type: "button", text: "Try again", onclick: () => tiles.retry() })
    );
  }

  update() {
    const { failure } = this.#tiles;
    this.element.hidden = failure === undefined;
    const text =
      failure === undefined ? "" : `${failure.message} ${ADVICE[failure.status] ?? ""}`.trim();
    if (this.#text.textContent !== text) this.#text.textContent = text;
  }
}

function legendEntry(kind, text) {
  return el("span", {}, el("i", { class: "swatch " + kind }), text);
}

export class MarketPanel {
  #state;
  #choice;
  #tiles;
  #map;
  #plot; // the timeline's picture, for its width
  #isShown = false;
  #message;
  #empty = el("p", { hidden: true, text: "The archive has no book of a single symbol." });
  #value = el("p", { class: "value", role: "status" });
  #area = el("div", { class: "map-area" });
  #frame = el("div", { class: "map" }); // of the map, whose size it determines
  #ladder = el("div", {
    class: "depth",
    tabindex: 0,
    role: "region",
    "aria-label": "Sizes at the cursor",
  });
  #fit = el("button", { type: "button", text: "Fit price", title: "Follow bid and ask (b)" });
  #low = this.#sizeInput("Smallest size of the colours");
  #high = this.#sizeInput("Largest size of the colours");
  #ramp = el("span", { class: "ramp", "aria-hidden": "true" }, el("span"));
  #auto = el("button", {
    type: "button",
    text: "Auto",
    title: "Choose the sizes of the colours from what is shown",
  });
  #checks = Object.fromEntries(
    ["trades", "candles"].map((name) => [
      name,
      el("input", { type: "checkbox", onchange: () => this.#map.toggle(name) }),
    ])
  );

  // actions: see timeKeys, and showBook(market), caption().
  constructor(panel, { state, choice, tiles, plot, actions }) {
    this.#state = state;
    this.#choice = choice;
    this.#tiles = tiles;
    this.#plot = plot;
    this.#message = new TilesMessage(tiles);
    this.#map = new HeatMap(
      state,
      actions,
      { "aria-label": "Market", "aria-describedby": "market-keys" },
      () => choice.market,
      tiles,
      () => this.#showScale()
    );
    this.#map.onDrawn = delayed(120, () => this.#showValue()); // of the tiles that were drawn
    this.#fit.addEventListener("click", () =>
      state.set({ prices: state.prices === null ? this.#map.range : null })
    );
    this.#auto.addEventListener("click", () =>
      state.set({ sizes: state.sizes === null ? this.#map.scale : null })
    );
    this.#area.append(
      el(
        "div",
        { class: "beside" },
        el("button", {
          type: "button",
          text: "Exact book",
          title: "The book's levels at the cursor",
          onclick: () => actions.showBook(choice.market),
        }),
        this.#ladder
      ),
      this.#frame
    );
    this.#frame.append(this.#map.canvas);
    panel.append(
      el(
        "div",
        { class: "row" },
        choice.makeSelect(),
        this.#fit,
        ...Object.entries(this.#checks).map(([name, check]) => el("label", {}, check, name)),
        el("span", { class: "row scale" }, "Size", this.#low, this.#ramp, this.#high, this.#auto),
        el("button", {
          type: "button",
          text: "Save PNG",
          title: "Save the market as a picture",
          onclick: () => this.#save(actions.caption()),
        })
      ),
      el(
        "div",
        { class: "legend" },
        legendEntry("bid", "best bid, buys, up"),
        legendEntry("ask", "best ask, sells, down"),
        legendEntry("circle", "bought"),
        legendEntry("diamond", "sold (area: size)"),
        legendEntry("empty", "no book is known"),
        legendEntry("crossed", "the book is not to be trusted"),
        legendEntry("dashed", "trades may be missing"),
        legendEntry("unloaded", "not loaded"),
        el(
          "details",
          {},
          el("summary", { text: "Keys and pointer" }),
          el("p", { id: "market-keys", text: KEYS })
        )
      ),
      this.#message.element,
      this.#empty,
      this.#value,
      this.#area
    );
    for (const target of [this.#frame, plot])
      new ResizeObserver(() => this.#resize()).observe(target);
    state.listen((changed) => {
      if (this.#isShown && !(changed.size === 1 && changed.has("tab"))) this.update();
    });
  }

  show(isShown) {
    this.#isShown = isShown;
    if (isShown) this.update();
  }

  // Tiles, the list of markets or the view changed.
  update() {
    if (!this.#isShown) return;
    const isEmpty = this.#choice.market === undefined;
    this.#empty.hidden = !isEmpty;
    this.#area.hidden = isEmpty;
    this.#message.update();
    this.#fit.setAttribute("aria-pressed", String(this.#state.prices === null));
    this.#auto.setAttribute("aria-pressed", String(this.#state.sizes === null));
    for (const [name, check] of Object.entries(this.#checks))
      check.checked = !this.#state.hidden.has(name);
    this.#showScale();
    this.#map.redraw();
  }

  #resize() {
    if (this.#isShown && this.#frame.clientHeight > 0)
      this.#map.resize(
        Math.max(50, this.#plot.clientWidth),
        Math.max(MAP_HEIGHT_MIN, this.#frame.clientHeight)
      );
  }

  #save(caption) {
    const { scale } = this.#map;
    const sizes = scale === null ? "" : `   sizes ${scale.low} to ${scale.high}`;
    this.#map
      .picture(`${this.#choice.market.name}   ${caption}${sizes}`)
      .toBlob((blob) => download(blob, `tapedeck-market-${this.#state.from}.png`));
  }

  // ---- the scale ----

  #sizeInput(label) {
    return el("input", {
      type: "number",
      min: 0,
      step: "any",
      "aria-label": label,
      class: "size",
      onchange: () => this.#setSizes(),
    });
  }

  #setSizes() {
    const low = Number(this.#low.value);
    const high = Number(this.#high.value);
    const isRange = low > 0 && high > low && Number.isFinite(high);
    this.#high.setCustomValidity(isRange ? "" : "Give sizes above 0, the smaller one first.");
    this.#high.reportValidity();
    if (isRange) this.#state.set({ sizes: { low, high } });
  }

  #showScale() {
    const scale = this.#state.sizes ?? this.#map.scale;
    if (scale === null) return;
    for (const [input, value] of [
      [this.#low, scale.low],
      [this.#high, scale.high],
    ])
      if (document.activeElement !== input) input.value = value;
    this.#ramp.firstChild.textContent = formatSize(
      Number(Math.sqrt(scale.low * scale.high).toPrecision(2))
    );
  }

  // ---- the cursor ----

  #showValue() {
    const { cursor, price } = this.#state;
    if (!this.#isShown || cursor === null || this.#choice.market === undefined) return;
    const text = `Cursor: ${this.#map.describeAt(cursor, price).join("; ")}`;
    if (this.#value.textContent !== text) this.#value.textContent = text;
    this.#drawLadder();
  }

  #drawLadder() {
    const levels = this.#map.levelsAtCursor();
    if (levels === null || levels.asks.length + levels.bids.length === 0) {
      delete this.#ladder.dataset.key;
      this.#ladder.replaceChildren(
        el("p", { text: levels === null ? "" : "No book at the end of the cursor's time." })
      );
      return;
    }
    const { tile, cell } = levels;
    const marked = this.#map.cursorRow(tile);
    const key = `${tile.id} ${cell} ${marked}`;
    if (this.#ladder.dataset.key === key) return; // it may be scrolled
    this.#ladder.dataset.key = key;
    const asks = levels.asks.slice(0, LADDER_ROWS);
    const bids = levels.bids.slice(0, LADDER_ROWS);
    const largest = [...asks, ...bids].reduce((most, [, size]) => Math.max(most, size), 0);
    const rows = (kind, list) =>
      list.map(([row, size]) => {
        const bar = el("span", { class: "bar " + kind, "aria-hidden": "true" });
        bar.style.width = `${(size / largest) * 100}%`;
        return el(
          "tr",
          {
            class: row === marked ? "marked" : null,
            "aria-current": row === marked ? "true" : null,
          },
          el("td", { class: "number", text: this.#map.rowLabel(row, tile) }),
          el("td", { class: "number" }, formatSize(size), bar)
        );
      });
    const body = (title, shown, all, kind) =>
      el(
        "tbody",
        {},
        el(
          "tr",
          {},
          el("th", {
            colspan: 2,
            scope: "rowgroup",
            text:
              all.length === shown.length ? title : `${title}, ${shown.length} of ${all.length}`,
          })
        ),
        ...rows(kind, kind === "asks" ? [...shown].reverse() : shown)
      );
    const table = el(
      "table",
      {},
      el("caption", { text: `Largest sizes within ${formatSpan(stepNs(tile.k))}` }),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ...["Price from", "Size"].map((text) => el("th", { scope: "col", class: "number", text }))
        )
      ),
      body("Asks", asks, levels.asks, "asks"),
      body("Bids", bids, levels.bids, "bids")
    );
    this.#ladder.replaceChildren(table);
    // The best prices are in the middle, or the cursor's row is.
    const middle = table.querySelector(".marked") ?? table.tBodies[1];
    this.#ladder.scrollTop = middle.offsetTop - this.#ladder.clientHeight / 2;
  }
}
