// The picture of a market: the book's sizes by price and time, best bid and ask, candles, trades,
// and the traded volume below.

import { TILE_CELLS } from "./api.js";
import { delayed } from "./dom.js";
import {
  barsOf,
  binFor,
  binText,
  cellAt,
  COLUMNS_ONLY,
  KNOWN,
  marketLevel,
  UNKNOWN,
  UNSURE,
  UNTRUSTED,
} from "./market-tiles.js";
import {
  AXIS_WIDTH,
  decimalsOf,
  FONT,
  formatNumber,
  formatSize,
  TimePlot,
  valueTicks,
  wheelZoom,
} from "./plot.js";
import { stepNs } from "./tiles.js";
import { digitsFor, formatSpan, formatTime } from "./time.js";

const VOLUME_HEIGHT = 60; // CSS px
const LABEL_HEIGHT = 18;
const ROW_PIXELS = 2;
const ROW_PIXELS_LOADING = 3; // the range of bid and ask may grow
const ROW_PIXELS_MIN = 1.5; // until a row gets lower or higher, its bin stays
const ROW_PIXELS_MAX = 6;
const CANDLE_PIXELS = 5;
const BUBBLE_CELL = 10; // trades of a side closer than this are one bubble
const BUBBLE_RADIUS = 10;
const BUBBLE_RADIUS_MIN = 1.5;
const DRAG_PRICE_PIXELS = 12; // a drag along the time keeps "fit price"
const FIT_TICKS = 20;
const BLOCK_ROWS = 256;
const BLOCKS_MAX = 8; // of a tile in the view: a substitute with more is left out
const IMAGES_MAX = 160; // of 256 KiB
const SAMPLES = 20_000;
const AUTO_MS = 200;

// Best bid and ask.
const QUOTES = [
  { colour: "buy", valueOf: (tile, cell) => tile.bid[cell] },
  { colour: "sell", valueOf: (tile, cell) => tile.ask[cell] },
];
const OUTLINES = QUOTES.map((line) => ({ ...line, colour: "page" }));
// Colours of sizes; depth: of a side that is not known.
const RAMPS = ["bid", "ask", "depth"];
const RAMP_STOPS = [0, 1, 2, 3, 4];
const [BID, ASK, NO_SIDE] = [0, 256, 512]; // offsets in the palette
const COLOURS = [
  "page",
  "unloaded",
  "text",
  "muted",
  "line",
  "buy",
  "sell",
  "untrusted",
  ...RAMPS.flatMap((ramp) => RAMP_STOPS.map((stop) => `${ramp}-${stop}`)),
];

export class HeatMap extends TimePlot {
  range = null; // {low, high}: prices that are shown
  scale = null; // {low, high}: sizes of the first and the last colour
  #market; // function
  #tiles;
  #onScale;
  #bin = COLUMNS_ONLY;
  #drawn = null; // market of the last picture
  #columns = []; // parts: see MarketTiles.parts
  #rows = [];
  #images = new Map(); // in the order of their last use
  #palette = new Uint32Array(256 * RAMPS.length);
  #paletteOf = null; // the colours that the palette and the images were made of
  #groups = new WeakMap(); // of a tile: bubbles by the size of their cells
  #logs = new WeakMap(); // of a tile: logarithms of its runs' sizes
  #rescaleSoon = delayed(AUTO_MS, () => this.#rescale());

  // onScale(): the automatic scale changed.
  constructor(state, actions, attributes, market, tiles, onScale) {
    super(state, actions, attributes, COLOURS);
    this.#market = market;
    this.#tiles = tiles;
    this.#onScale = onScale;
  }

  #makePalette() {
    this.#palette = this.#palette.map((_, index) => {
      const ramp = RAMPS[index >> 8];
      const stops = RAMP_STOPS.map((stop) => this.pixels[`${ramp}-${stop}`]);
      const at = ((index & 255) / 255) * (stops.length - 1);
      const stop = Math.min(stops.length - 2, Math.floor(at));
      const mix = (shift) =>
        Math.round(
          ((stops[stop] >>> shift) & 255) * (1 - at + stop) +
            ((stops[stop + 1] >>> shift) & 255) * (at - stop)
        ) << shift;
      return (0xff000000 | mix(16) | mix(8) | mix(0)) >>> 0;
    });
    this.#paletteOf = this.pixels;
    this.#images.clear();
  }

  // ---- prices and positions ----

  get #bottom() {
    return Math.max(40, this.height - VOLUME_HEIGHT - LABEL_HEIGHT);
  }

  #positionOfPrice(price) {
    return ((this.range.high - price) / (this.range.high - this.range.low)) * this.#bottom;
  }

  #priceAt(y) {
    return this.range.high - (y / this.#bottom) * (this.range.high - this.range.low);
  }

  get #tick() {
    return this.#drawn === null ? 0 : this.#tiles.tick(this.#drawn);
  }

  // Rows are drawn half a tick lower, so that the prices in a row are around its middle.
  #rowEdge(row, height) {
    return row * height - this.#tick / 2;
  }

  #rowAt(price, height) {
    return Math.floor((price + this.#tick / 2) / height);
  }

  // The middle of a row's prices.
  #rowPrice(row, height) {
    return Number((row * height + Math.max(0, height - this.#tick) / 2).toPrecision(14));
  }

  formatPrice(price, height = 1) {
    return formatNumber(price, Math.max(decimalsOf(height), decimalsOf(this.#tick || 1e-8)));
  }

  zoomPrice(factor, at) {
    const { low, high } = this.range;
    const span = (high - low) * factor;
    if (span >= Math.max(4 * this.#tick, Math.abs(high) * 1e-9) && span < 1e14)
      this.state.set({
        prices: { low: at - (at - low) * factor, high: at + (high - at) * factor },
      });
  }

  zoomPriceAtCursor(factor) {
    const { low, high } = this.range;
    const { price } = this.state;
    this.zoomPrice(
      factor,
      price !== null && price > low && price < high ? price : (low + high) / 2
    );
  }

  panPrice(part, from = this.range) {
    const by = (from.high - from.low) * part;
    this.state.set({ prices: { low: from.low + by, high: from.high + by } });
  }

  #movePrice(rows) {
    const height = Number(binText(this.#bin));
    const at = this.cellAtCursor();
    const start = this.state.price ?? (at === null ? NaN : at.tile.bid[at.cell]);
    const row =
      this.#rowAt(Number.isNaN(start) ? (this.range.low + this.range.high) / 2 : start, height) +
      (this.state.price === null ? 0 : rows);
    const price = this.#rowPrice(row, height);
    const { low, high } = this.range;
    if (price < low || price > high) this.panPrice((price - (low + high) / 2) / (high - low));
    this.state.set({ price });
  }

  // ---- what is drawn ----

  draw(context) {
    const market = this.#market();
    if (market === undefined) return;
    if (this.#drawn?.symbol !== market.symbol) Object.assign(this, { range: null, scale: null });
    this.#drawn = market;
    const { state, width } = this;
    const k = marketLevel(state, width * this.ratio);
    const load = (use) => this.#tiles.parts(market, k, this.#bin, state, width, use);
    this.#columns = load("columns");
    this.range = state.prices ?? this.#fit() ?? this.range;
    this.#bin = this.range === null ? COLUMNS_ONLY : this.#chooseBin();
    this.#tiles.want(market, k, this.#bin, state);
    this.#rows = load("rows");
    const bottom = this.#bottom;
    context.fillStyle = this.colours.unloaded;
    context.fillRect(AXIS_WIDTH, 0, width, bottom);
    this.clipToTime(context, bottom);
    context.fillStyle = this.colours.page;
    this.fillColumns(
      context,
      this.range === null ? this.#columns : this.#rows,
      0,
      bottom,
      () => true
    );
    if (this.range !== null) this.#drawDepth(context);
    this.#drawStates(context, bottom);
    context.restore();
    this.drawTimeTicks(context, this.height - LABEL_HEIGHT, this.height - 5);
    const bars = barsOf(this.#columns, CANDLE_PIXELS);
    if (this.range !== null) this.#drawPrices(context, bars, bottom);
    this.#drawVolume(context, bars, bottom);
    this.drawCursor(context, this.height - LABEL_HEIGHT);
    context.fillStyle = this.colours.line;
    context.fillRect(0, bottom, AXIS_WIDTH + width, 1);
    context.fillRect(AXIS_WIDTH - 1, 0, 1, this.height);
  }

  // The range of trades, and of bid and ask where they are trusted, with a margin. null: no price.
  #fit() {
    let low = Infinity;
    let high = -Infinity;
    const include = (names, bits) => {
      for (const { tile, from, to } of this.#columns)
        for (let cell = from; cell < to; cell++) {
          if (tile.state[cell] & bits) continue;
          for (const name of names) {
            const price = tile[name][cell];
            // Comparisons with NaN are false.
            if (price < low) low = price;
            if (price > high) high = price;
          }
        }
    };
    include(["bid", "ask"], UNTRUSTED);
    include(["low", "high"], 0);
    if (low > high) include(["bid", "ask"], 0);
    if (low > high) return null;
    const margin = Math.max(
      (high - low) * 0.3,
      FIT_TICKS * this.#tick,
      Math.abs(high) * 1e-7,
      Number.MIN_VALUE
    );
    return { low: low - margin, high: high + margin };
  }

  // Keep the height of rows while it is usable, so that little is requested again.
  #chooseBin() {
    const perPixel = (this.range.high - this.range.low) / this.#bottom;
    const height = Number(binText(this.#bin));
    const pixels = height / perPixel;
    if (pixels >= ROW_PIXELS_MIN && pixels <= ROW_PIXELS_MAX && height >= this.#tick * (1 - 1e-9))
      return this.#bin;
    const isGrowing = this.state.prices === null && this.#tiles.isLoading;
    const wanted = isGrowing ? ROW_PIXELS_LOADING : ROW_PIXELS;
    return binFor(Math.max(wanted * perPixel, this.#tick));
  }

  #drawDepth(context) {
    if (this.state.sizes !== null) this.scale = this.state.sizes;
    else if (this.scale === null) this.#findScale();
    else this.#rescaleSoon();
    if (this.scale === null) return;
    if (this.#paletteOf !== this.pixels) this.#makePalette();
    const { ratio } = this;
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.imageSmoothingEnabled = false;
    for (const { tile, x, step, from, to, first, last } of this.#rows) {
      // Whole tiles, so that columns do not change their pixels while the view moves; but not far
      // beyond the canvas.
      const [begin, end] = step > 8 ? [from, to] : [first, last];
      const left = Math.round((AXIS_WIDTH + x + begin * step) * ratio);
      const right = Math.round((AXIS_WIDTH + x + end * step) * ratio);
      const blockAt = (price) => Math.floor(this.#rowAt(price, tile.height) / BLOCK_ROWS);
      const lowest = blockAt(this.range.low);
      const highest = blockAt(this.range.high);
      if (highest - lowest >= BLOCKS_MAX) continue;
      for (let block = lowest; block <= highest; block++) {
        const edge = (row) =>
          Math.round(this.#positionOfPrice(this.#rowEdge(row, tile.height)) * ratio);
        const top = edge((block + 1) * BLOCK_ROWS);
        context.drawImage(
          this.#image(tile, block),
          begin,
          0,
          end - begin,
          BLOCK_ROWS,
          left,
          top,
          right - left,
          edge(block * BLOCK_ROWS) - top
        );
      }
    }
    context.restore();
  }

  // A block of a tile's rows as an image, whose columns and rows are pixels.
  #image(tile, block) {
    const { low, high } = this.scale;
    const key = `${tile.id} ${block} ${low} ${high}`;
    let image = this.#images.get(key);
    this.#images.delete(key);
    image ??= this.#paint(tile, block);
    this.#images.set(key, image);
    if (this.#images.size > IMAGES_MAX) this.#images.delete(this.#images.keys().next().value);
    return image;
  }

  #paint(tile, block) {
    const image = new ImageData(TILE_CELLS, BLOCK_ROWS);
    const pixels = new Uint32Array(image.data.buffer);
    const logs = this.#logsOf(tile);
    const low = Math.log(this.scale.low);
    const factor = 255 / (Math.log(this.scale.high) - low);
    const top = (block + 1) * BLOCK_ROWS - 1 - tile.base;
    const { runRow, runFirst, runLast } = tile;
    const askRows = this.#askRowsOf(tile);
    for (let run = 0; run < runRow.length; run++) {
      const y = top - runRow[run];
      if (y < 0 || y >= BLOCK_ROWS) continue;
      const level = Math.max(0, Math.min(255, Math.round((logs[run] - low) * factor)));
      // Comparisons with NaN are false.
      const row = tile.base + runRow[run];
      for (let x = runFirst[run]; x <= runLast[run]; x++) {
        const side = row < askRows[x] ? BID : row >= askRows[x] ? ASK : NO_SIDE;
        pixels[y * TILE_CELLS + x] = this.#palette[side + level];
      }
    }
    const canvas = new OffscreenCanvas(TILE_CELLS, BLOCK_ROWS);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas.transferToImageBitmap();
  }

  // For each column the row of its best ask: lower rows are bids. NaN: no best price is known.
  #askRowsOf(tile) {
    return Float64Array.from(tile.ask, (ask, column) =>
      Number.isNaN(ask)
        ? this.#rowAt(tile.bid[column], tile.height) + 1
        : this.#rowAt(ask, tile.height)
    );
  }

  #logsOf(tile) {
    let logs = this.#logs.get(tile);
    if (logs === undefined) {
      logs = Float32Array.from(tile.runSize, Math.log);
      this.#logs.set(tile, logs);
    }
    return logs;
  }

  #rescale() {
    if (this.state.sizes === null && this.range !== null && this.#findScale()) this.redraw();
  }

  // From percentiles of the shown sizes. Returns whether the scale changed.
  #findScale() {
    const sizes = [];
    const total = this.#rows.reduce((sum, { tile }) => sum + tile.runRow.length, 0);
    const stride = Math.ceil(total / SAMPLES);
    for (const { tile, from, to } of this.#rows) {
      const low = this.#rowAt(this.range.low, tile.height) - tile.base;
      const high = this.#rowAt(this.range.high, tile.height) - tile.base;
      for (let run = 0; run < tile.runRow.length; run += stride)
        if (
          tile.runRow[run] >= low &&
          tile.runRow[run] <= high &&
          tile.runSize[run] > 0 &&
          tile.runFirst[run] < to &&
          tile.runLast[run] >= from
        )
          sizes.push(tile.runSize[run]);
    }
    if (sizes.length === 0) return false;
    sizes.sort((a, b) => a - b);
    const round = (value) => Number(value.toPrecision(2));
    const low = round(sizes[Math.floor(sizes.length * 0.05)]);
    const high = Math.max(round(sizes[Math.floor(sizes.length * 0.995)]), low * 2);
    const isNear = (a, b) => Math.abs(Math.log(a / b)) < 0.15;
    if (this.scale !== null && isNear(low, this.scale.low) && isNear(high, this.scale.high))
      return false;
    this.scale = { low, high };
    this.#onScale();
    return true;
  }

  #drawStates(context, bottom) {
    const has = (bit) => (tile, cell) => (tile.state[cell] & bit) !== 0;
    context.fillStyle = this.pattern(context, "cross", this.colours.untrusted);
    this.fillColumns(context, this.#columns, 0, bottom, has(UNTRUSTED));
    context.fillStyle = this.pattern(context, "hatch", this.colours.muted);
    this.fillColumns(context, this.#columns, 0, bottom, has(UNKNOWN));
  }

  #drawPrices(context, bars, bottom) {
    const { low, high } = this.range;
    const position = (price) => this.#positionOfPrice(price);
    this.drawValueTicks(context, valueTicks(low, high, bottom, 40), position, bottom);
    this.clipToTime(context, bottom);
    if (!this.state.hidden.has("candles")) this.#drawCandles(context, bars);
    this.drawSteps(context, this.#columns, OUTLINES, position, () => false, 4);
    this.drawSteps(context, this.#columns, QUOTES, position, () => false, 2);
    if (!this.state.hidden.has("trades")) this.#drawTrades(context);
    context.restore();
    const { price } = this.state;
    if (price === null || price < low || price > high) return;
    const y = this.#positionOfPrice(price);
    this.drawDashed(context, this.colours.text, AXIS_WIDTH, y, AXIS_WIDTH + this.width, y);
    context.fillStyle = this.colours.text;
    context.fillRect(0, y - 8, AXIS_WIDTH - 2, 16);
    context.fillStyle = this.colours.page;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillText(this.formatPrice(price), AXIS_WIDTH - 6, y, AXIS_WIDTH - 8);
  }

  #drawCandles(context, bars) {
    for (const bar of bars) {
      if (Number.isNaN(bar.open)) continue;
      const isUp = bar.close >= bar.open;
      const left = Math.round(AXIS_WIDTH + bar.x) + 1;
      const width = Math.max(1, Math.round(bar.width) - 2);
      const middle = left + width / 2;
      const edge = (price) => Math.round(this.#positionOfPrice(price)) + 0.5;
      const top = edge(isUp ? bar.close : bar.open);
      const height = Math.max(1, edge(isUp ? bar.open : bar.close) - top);
      context.strokeStyle = this.colours[isUp ? "buy" : "sell"];
      context.lineWidth = 1;
      context.setLineDash(bar.isUnsure ? [2, 2] : []);
      context.beginPath();
      context.moveTo(middle, edge(bar.high));
      context.lineTo(middle, top);
      context.moveTo(middle, top + height);
      context.lineTo(middle, edge(bar.low));
      context.rect(left + 0.5, top, width - 1, height);
      context.stroke();
      if (!bar.isUnsure) {
        context.fillStyle = this.colours[isUp ? "buy" : "sell"];
        context.fillRect(left, top - 0.5, width, height + 1);
      }
    }
    context.setLineDash([]);
  }

  // Trades of a tile by side in cells of some columns and rows, each at its mean place by size.
  #groupsOf(tile, columns, rows) {
    const sizes = `${columns} ${rows}`;
    let known = this.#groups.get(tile);
    if (known === undefined) this.#groups.set(tile, (known = new Map()));
    if (known.has(sizes)) return known.get(sizes);
    const cells = new Map();
    for (const [side, sizeOf] of [
      ["buy", tile.tradeBuy],
      ["sell", tile.tradeSell],
    ])
      tile.tradeRow.forEach((row, index) => {
        const column = tile.tradeColumn[index];
        const size = sizeOf[index];
        if (size === 0) return;
        const key = `${side} ${Math.floor(row / rows)} ${Math.floor(column / columns)}`;
        const cell = cells.get(key) ?? { side, size: 0, column: 0, row: 0 };
        cell.size += size;
        cell.column += size * (column + 0.5);
        cell.row += size * (row + 0.5);
        cells.set(key, cell);
      });
    const groups = [...cells.values()].map(({ side, size, column, row }) => ({
      side,
      size,
      column: column / size,
      price: this.#rowEdge(tile.base + row / size, tile.height),
    }));
    if (known.size > 8) known.clear();
    known.set(sizes, groups);
    return groups;
  }

  // Buys are circles, sells are diamonds. The area is the size; small ones are in front.
  #drawTrades(context) {
    const powerOf2 = (pixels) => 2 ** Math.max(0, Math.ceil(Math.log2(BUBBLE_CELL / pixels)));
    const perPixel = (this.range.high - this.range.low) / this.#bottom;
    const bubbles = this.#rows.flatMap(({ tile, x, step }) =>
      this.#groupsOf(
        tile,
        Math.min(TILE_CELLS, powerOf2(step)),
        powerOf2(tile.height / perPixel)
      ).map(({ side, size, column, price }) => ({
        side,
        size,
        x: AXIS_WIDTH + x + column * step,
        y: this.#positionOfPrice(price),
      }))
    );
    const largest = bubbles.reduce((most, { size }) => Math.max(most, size), 0);
    const right = AXIS_WIDTH + this.width + BUBBLE_RADIUS;
    const shown = bubbles.filter(({ x }) => x > AXIS_WIDTH - BUBBLE_RADIUS && x < right);
    shown.sort((a, b) => b.size - a.size);
    context.lineWidth = 1;
    context.strokeStyle = this.colours.page;
    for (const { side, size, x, y } of shown) {
      const radius = Math.max(BUBBLE_RADIUS_MIN, BUBBLE_RADIUS * Math.sqrt(size / largest));
      context.fillStyle = this.colours[side];
      context.beginPath();
      if (side === "buy") {
        context.arc(x, y, radius, 0, 2 * Math.PI);
      } else {
        const half = radius * Math.sqrt(Math.PI / 2); // of the diagonals, for the same area
        context.moveTo(x, y - half);
        context.lineTo(x + half, y);
        context.lineTo(x, y + half);
        context.lineTo(x - half, y);
        context.closePath();
      }
      context.fill();
      context.stroke();
    }
  }

  #drawVolume(context, bars, top) {
    const bottom = top + VOLUME_HEIGHT;
    const most = bars.reduce((max, { buy, sell }) => Math.max(max, buy + sell), 0);
    context.fillStyle = this.colours.muted;
    context.textAlign = "right";
    context.textBaseline = "top";
    context.fillText("volume", AXIS_WIDTH - 6, top + 18);
    if (most === 0) return;
    context.fillText(
      formatSize(Number(most.toPrecision(3))),
      AXIS_WIDTH - 6,
      top + 4,
      AXIS_WIDTH - 8
    );
    this.clipToTime(context, bottom);
    this.drawVolumeBars(context, bars, bottom, (VOLUME_HEIGHT - 4) / most);
    context.restore();
  }

  // ---- what is at a place ----

  cellAtCursor() {
    return this.state.cursor === null ? null : cellAt(this.#columns, this.state.cursor);
  }

  // The sizes in the cursor's column: {tile, cell, asks, bids}, [row, size] each, the best first.
  // null: not loaded.
  levelsAtCursor() {
    const at = this.cellAtCursor();
    const found = at === null ? null : cellAt(this.#rows, this.state.cursor);
    if (found === null) return null;
    const { tile, cell } = found;
    const levels = [];
    for (let run = 0; run < tile.runRow.length; run++)
      if (tile.runFirst[run] <= cell && tile.runLast[run] >= cell)
        levels.push([tile.base + tile.runRow[run], tile.runSize[run]]);
    levels.sort((a, b) => a[0] - b[0]);
    const bid = at.tile.bid[at.cell];
    const ask = at.tile.ask[at.cell];
    const middle = Number.isNaN(bid) ? ask : Number.isNaN(ask) ? bid : (bid + ask) / 2;
    // Without a best price at the column's end, sides are unknown: comparisons with NaN are false.
    return {
      tile,
      cell,
      asks: levels.filter(([row]) => this.#rowPrice(row, tile.height) > middle),
      bids: levels.filter(([row]) => this.#rowPrice(row, tile.height) <= middle).reverse(),
    };
  }

  // The first price of a row.
  rowLabel(row, tile) {
    return this.formatPrice(row * tile.height, tile.height);
  }

  cursorRow(tile) {
    return this.state.price === null ? null : this.#rowAt(this.state.price, tile.height);
  }

  describe(ns, y) {
    const isPrice = this.range !== null && y < this.#bottom;
    return this.describeAt(ns, isPrice ? this.#priceAt(y) : null);
  }

  // A time and a price (or null) as a list of phrases.
  describeAt(ns, price) {
    const at = cellAt(this.#columns, ns);
    if (at === null) return [`${formatTime(ns)} UTC`, this.#tiles.missingReason(this.state, ns)];
    const { tile, cell } = at;
    const step = stepNs(tile.k);
    const parts = [`${formatTime(ns, digitsFor(step))} UTC`];
    const rows = cellAt(this.#rows, ns);
    if (price !== null && rows !== null)
      parts.push(...this.#describeRow(rows.tile, rows.cell, this.#rowAt(price, rows.tile.height)));
    const state = tile.state[cell];
    const show = (value) => (Number.isNaN(value) ? "none" : this.formatPrice(value));
    if (state & KNOWN) {
      const bid = tile.bid[cell];
      const ask = tile.ask[cell];
      parts.push(`bid ${show(bid)}`, `ask ${show(ask)}`, `spread ${show(ask - bid)}`);
    }
    const count = tile.trades[cell];
    parts.push(
      count === 0
        ? "no trades"
        : `${count} ${count === 1 ? "trade" : "trades"}, ` +
            `bought ${formatSize(tile.buy[cell])}, sold ${formatSize(tile.sell[cell])}`
    );
    if (state & UNKNOWN)
      parts.push(state & KNOWN ? "no book is known in a part of it" : "no book is known");
    if (state & UNTRUSTED) parts.push("the book is not to be trusted");
    if (state & UNSURE) parts.push("trades may be missing");
    return [...parts, `within ${formatSpan(step)}`];
  }

  #describeRow(tile, cell, row) {
    const first = this.rowLabel(row, tile);
    const last = this.formatPrice(
      this.#rowEdge(row + 1, tile.height) - this.#tick / 2,
      tile.height
    );
    let size = 0;
    for (let run = 0; run < tile.runRow.length; run++)
      if (
        tile.runRow[run] === row - tile.base &&
        tile.runFirst[run] <= cell &&
        tile.runLast[run] >= cell
      )
        size = tile.runSize[run];
    const trade = tile.tradeRow.findIndex(
      (other, index) => other === row - tile.base && tile.tradeColumn[index] === cell
    );
    return [
      `price ${first === last || this.#tick === 0 ? first : `${first} to ${last}`}`,
      size === 0 ? "no size" : `size ${formatSize(size)}`,
      ...(trade < 0
        ? []
        : [`traded there ${formatSize(tile.tradeBuy[trade] + tile.tradeSell[trade])}`]),
    ];
  }

  // The picture with a caption, as a canvas.
  picture(caption) {
    const out = document.createElement("canvas");
    out.width = this.canvas.width;
    out.height = this.canvas.height + Math.round(24 * this.ratio);
    const context = out.getContext("2d", { alpha: false });
    context.fillStyle = this.colours.page;
    context.fillRect(0, 0, out.width, out.height);
    context.drawImage(this.canvas, 0, 0);
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.font = FONT;
    context.fillStyle = this.colours.text;
    context.fillText(caption, 6, this.height + 16);
    return out;
  }

  // ---- pointer and keys ----

  onWheel(event) {
    if (this.range === null || (event.offsetX >= AXIS_WIDTH && !event.shiftKey)) {
      super.onWheel(event);
      return;
    }
    event.preventDefault();
    this.zoomPrice(
      wheelZoom(event, this.height),
      this.#priceAt(Math.min(event.offsetY, this.#bottom))
    );
  }

  startDrag() {
    return { range: this.range, isPrice: false };
  }

  onDrag(dx, dy) {
    const { drag } = this;
    if (drag.x >= AXIS_WIDTH) super.onDrag(dx);
    drag.isPrice ||= this.state.prices !== null || Math.abs(dy) > DRAG_PRICE_PIXELS;
    if (drag.isPrice && drag.range !== null) this.panPrice(dy / this.#bottom, drag.range);
  }

  onClick(x, y) {
    super.onClick(x);
    if (this.range !== null && y < this.#bottom) {
      const height = Number(binText(this.#bin));
      this.state.set({ price: this.#rowPrice(this.#rowAt(this.#priceAt(y), height), height) });
    }
  }

  keys(event) {
    const withRange = (run) => () => this.range !== null && run();
    return {
      ArrowUp: withRange(() => this.#movePrice(event.shiftKey ? 10 : 1)),
      ArrowDown: withRange(() => this.#movePrice(event.shiftKey ? -10 : -1)),
      PageUp: withRange(() => this.panPrice(0.25)),
      PageDown: withRange(() => this.panPrice(-0.25)),
      z: withRange(() => this.zoomPriceAtCursor(0.5)),
      Z: withRange(() => this.zoomPriceAtCursor(2)),
      b: () => this.state.set({ prices: null }),
      t: () => this.toggle("trades"),
      c: () => this.toggle("candles"),
    };
  }

  toggle(name) {
    const hidden = new Set(this.state.hidden);
    if (!hidden.delete(name)) hidden.add(name);
    this.state.set({ hidden });
  }
}
