// The panel of charts: strips over the same time as the timeline, for the market that is shown.

import { el } from "./dom.js";
import { TilesMessage } from "./market.js";
import {
  barsOf,
  cellAt,
  COLUMNS_ONLY,
  KNOWN,
  marketLevel,
  UNKNOWN,
  UNSURE,
  UNTRUSTED,
} from "./market-tiles.js";
import { OrderLoader, OrderStrip } from "./orders.js";
import { formatNumber, formatSize, oncePerFrame, valueTicks } from "./plot.js";
import { logTicks, Strip } from "./strip.js";
import { stepNs } from "./tiles.js";
import { formatRate, formatSpan, formatTime, digitsFor, SECOND } from "./time.js";

const STRIP_HEIGHT_MIN = 84; // CSS px, without the labels of the time
const LABEL_HEIGHT_MAX = 20;
const BAR_PIXELS = 4;
const LINE = 1.25;
const LONG_SPAN = 7200n * SECOND; // beyond it, a bar is at least a minute
const MINUTE_NS = 60e9;

const KEYS =
  "Left and Right move the cursor, with Shift also the view. Plus and minus zoom. " +
  "Home and End go to the first and the last frame, G and Shift+G to the next and the previous " +
  "gap, F shows all frames of the row, then the whole archive. The wheel zooms, dragging moves the view, dragging with Shift " +
  "zooms to the selection. A click sets the cursor, a double click zooms in.";

// ---- latencies ----

const BUCKETS_FIRST = 16; // bucket b begins at 2^(16 + b/8) ns
const BUCKETS_OCTAVE = 8;
const PERCENTILES = [0.5, 0.9, 0.99];
const latencies = new WeakMap(); // of a tile

// For each percentile, an array of ns by cell. NaN: no frame.
function latenciesOf(tile) {
  const known = latencies.get(tile);
  if (known !== undefined) return known;
  const cells = Array.from(tile.state, () => []);
  tile.latencyColumn.forEach((cell, index) =>
    cells[cell].push([tile.latencyBucket[index], tile.latencyCount[index]])
  );
  const made = PERCENTILES.map(() => new Float64Array(cells.length).fill(NaN));
  cells.forEach((buckets, cell) => {
    buckets.sort((a, b) => a[0] - b[0]);
    const total = buckets.reduce((sum, [, count]) => sum + count, 0);
    let below = 0;
    let next = 0;
    for (const [bucket, count] of buckets) {
      for (; next < PERCENTILES.length && PERCENTILES[next] * total <= below + count; next++)
        made[next][cell] =
          2 **
          (BUCKETS_FIRST + (bucket + (PERCENTILES[next] * total - below) / count) / BUCKETS_OCTAVE);
      below += count;
    }
  });
  latencies.set(tile, made);
  return made;
}

// ---- strips ----

const line = (name, colour, valueOf) => ({ name, colour, valueOf });

const STRIPS = [
  {
    title: "Frames a second",
    format: (value) => formatRate(value),
    low: 0,
    lines: [
      line("", "curve", (tile, cell) =>
        tile.frames[cell] === 0 && !(tile.state[cell] & KNOWN)
          ? NaN
          : (tile.frames[cell] * 1e9) / 2 ** tile.k
      ),
    ],
  },
  {
    title: "Latency, exchange to reception",
    isLogarithmic: true,
    format: (value) => formatSpan(BigInt(Math.round(value))),
    lines: PERCENTILES.map((part, index) =>
      line(
        `p${part * 100}`,
        ["text", "curve", "sell"][index],
        (tile, cell) => latenciesOf(tile)[index][cell]
      )
    ),
  },
  {
    title: "Spread, mean",
    isOfBook: true,
    format: (value) => formatSize(Number(value.toPrecision(6))),
    low: 0,
    lines: [line("", "curve", (tile, cell) => tile.spread[cell])],
  },
  {
    title: "Imbalance, mean: +1 only bids, −1 only asks",
    isOfBook: true,
    low: -1,
    high: 1,
    format: (value) => formatNumber(value, 3),
    lines: [line("", "curve", (tile, cell) => tile.imbalance[cell])],
  },
  { title: "Volume", format: formatSize, low: 0, isBars: true, gap: UNSURE },
];

class MarketStrip extends Strip {
  #strip;
  #bars = [];

  constructor(strip, panel, page) {
    super(
      strip.title,
      strip.lines ?? [
        { name: "bought", colour: "buy" },
        { name: "sold", colour: "sell" },
      ],
      panel,
      page,
      ["curve", "buy", "sell", "untrusted"]
    );
    this.#strip = strip;
  }

  drawKnown(context, bottom) {
    const { parts } = this.panel;
    const { gap = UNKNOWN, isOfBook } = this.#strip;
    context.fillStyle = this.colours.page;
    this.fillColumns(context, parts, 0, bottom, () => true);
    context.fillStyle = this.pattern(context, "hatch", this.colours.muted);
    this.fillColumns(context, parts, 0, bottom, (tile, cell) => tile.state[cell] & gap);
    context.fillStyle = this.pattern(context, "cross", this.colours.untrusted);
    if (isOfBook)
      this.fillColumns(context, parts, 0, bottom, (tile, cell) => tile.state[cell] & UNTRUSTED);
  }

  drawValues(context, bottom) {
    const strip = this.#strip;
    const { parts } = this.panel;
    this.#bars = strip.isBars
      ? barsOf(parts, BAR_PIXELS, this.state.span > LONG_SPAN ? MINUTE_NS : 0)
      : [];
    const range = this.#range(parts);
    if (range === null) return;
    const scale = strip.isLogarithmic ? Math.log : (value) => value;
    const low = scale(range.low);
    const factor = (bottom - 8) / (scale(range.high) - low);
    const position = (value) => bottom - 4 - (scale(value) - low) * factor;
    const ticks = strip.isLogarithmic
      ? logTicks(range.low, range.high)
      : valueTicks(range.low, range.high, bottom, 26);
    this.drawValueTicks(context, ticks, position, bottom);
    this.clipToTime(context, bottom);
    if (strip.isBars) this.drawVolumeBars(context, this.#bars, bottom - 4, factor);
    else
      this.drawSteps(
        context,
        parts,
        strip.lines,
        position,
        (tile, cell) => !(tile.state[cell] & UNKNOWN),
        LINE
      );
    context.restore();
  }

  // The range of the shown values, or null.
  #range(parts) {
    const strip = this.#strip;
    let low = strip.low ?? Infinity;
    let high = strip.high ?? -Infinity;
    const include = (value) => {
      if (value < low) low = value;
      if (value > high) high = value;
    };
    for (const { buy, sell } of this.#bars) include(buy + sell);
    for (const { valueOf } of strip.lines ?? [])
      for (const { tile, from, to } of parts)
        for (let cell = from; cell < to; cell++) include(valueOf(tile, cell));
    if (high === -Infinity) return null;
    if (strip.isLogarithmic) return { low: low / 1.3, high: high * 1.3 };
    return { low, high: high > low ? high : low + 1 };
  }

  describe(ns) {
    const strip = this.#strip;
    const at = cellAt(this.panel.parts, ns);
    if (at === null) return [this.panel.missingReason(ns)];
    const { tile, cell } = at;
    const time = `${formatTime(ns, digitsFor(stepNs(tile.k)))} UTC`;
    if (strip.isBars) {
      const bar = this.#bars.find(
        (one) => one.tile === tile && cell >= one.first && cell < one.first + one.count
      );
      return bar === undefined
        ? [time]
        : [
            `bought ${formatSize(bar.buy)}`,
            `sold ${formatSize(bar.sell)}`,
            `within ${formatSpan(stepNs(tile.k) * BigInt(bar.count))}`,
            ...(bar.isUnsure ? ["trades may be missing"] : []),
            time,
          ];
    }
    const values = strip.lines
      .map(({ name, valueOf }) => [name, valueOf(tile, cell)])
      .filter(([, value]) => !Number.isNaN(value))
      .map(([name, value]) => `${name} ${strip.format(value)}`.trim());
    if (values.length === 0)
      values.push(tile.state[cell] & KNOWN ? "no frame" : "no book is known");
    if (strip.isOfBook && tile.state[cell] & UNTRUSTED)
      values.push("the book is not to be trusted");
    return [...values, time];
  }
}

export class ChartsPanel {
  parts = []; // of the view: see MarketTiles.parts
  brush = null; // {from, to}: what a drag selects
  #state;
  #choice;
  #tiles;
  #plot; // the timeline's picture, for its width
  #isShown = false;
  #message;
  #marketStrips;
  #orders;
  #strips = []; // in the picture
  #empty = el("p", { class: "row", text: "The archive has no book of a symbol." });
  #list = el("div", { class: "strips" });
  #draw = oncePerFrame(() => this.#drawNow());
  #valueTimer = 0;

  // actions: see timeKeys.
  constructor(panel, { state, choice, tiles, plot, actions }) {
    this.#state = state;
    this.#choice = choice;
    this.#tiles = tiles;
    this.#plot = plot;
    this.#message = new TilesMessage(tiles);
    const page = { state, actions };
    const loader = new OrderLoader(state, (orders) => this.#showOrders(orders));
    this.#marketStrips = STRIPS.map((strip) => new MarketStrip(strip, this, page));
    this.#orders = new OrderStrip(this, page);
    panel.append(
      el(
        "div",
        { class: "row" },
        choice.makeSelect(),
        loader.button,
        el("span", { text: "Dragging moves the time; with Shift it zooms to the selection." }),
        el(
          "details",
          {},
          el("summary", { text: "Keys and pointer" }),
          el("p", { id: "charts-keys", text: KEYS })
        )
      ),
      this.#message.element,
      loader.element,
      this.#list
    );
    for (const target of [this.#list, plot])
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
    if (this.#isShown) this.#draw();
  }

  missingReason(ns) {
    return this.#tiles.missingReason(this.#state, ns);
  }

  select(brush) {
    this.brush = brush;
    this.#draw();
  }

  zoomToSelection() {
    const { brush } = this;
    this.brush = null;
    if (brush !== null) this.#state.jump(brush);
  }

  #showOrders(orders) {
    this.#orders.set(orders);
    this.update();
  }

  // The strips of a market if there is one, and that of orders once they are loaded.
  #chooseStrips() {
    const strips = [
      ...(this.#choice.market === undefined ? [] : this.#marketStrips),
      ...(this.#orders.isLoaded ? [this.#orders] : []),
    ];
    if (strips.length === this.#strips.length && this.#list.hasChildNodes()) return;
    this.#strips = strips;
    this.#list.replaceChildren(
      ...(strips.length === 0 ? [this.#empty] : strips.map(({ element }) => element))
    );
    this.#resize();
  }

  #resize() {
    const height = Math.floor((this.#list.clientHeight - LABEL_HEIGHT_MAX) / this.#strips.length);
    if (!this.#isShown || !(height > 0)) return;
    this.#strips.forEach((strip, index) =>
      strip.place(
        Math.max(50, this.#plot.clientWidth),
        Math.max(STRIP_HEIGHT_MIN, height),
        index === this.#strips.length - 1
      )
    );
    this.#draw();
  }

  #drawNow() {
    const { market } = this.#choice;
    if (!this.#isShown) return;
    this.#chooseStrips();
    const { width = 0, ratio } = this.#strips[0] ?? {};
    if (market !== undefined && width > 0) {
      const k = marketLevel(this.#state, width * ratio);
      this.parts = this.#tiles.parts(market, k, COLUMNS_ONLY, this.#state, width, "columns");
      this.#tiles.want(market, k, null, this.#state);
    }
    this.#message.update();
    for (const strip of this.#strips) strip.drawNow();
    clearTimeout(this.#valueTimer);
    this.#valueTimer = setTimeout(() => this.#strips.forEach((strip) => strip.showValue()), 120);
  }
}
