// The canvas: bands over time, with pointer and keyboard.

import { bandKey, gapReasons, isEstimate, reasonBits, TILE_CELLS } from "./api.js";
import { bandName, withTwin } from "./bands.js";
import { onTimeWheel, placeTip, readColours, timeKeys } from "./plot.js";
import { axisTicks, digitsFor, formatRate, formatSpan, formatTime } from "./time.js";
import { isSavedPage } from "./saved.js";
import { levelFor, middleFirst, stepNs, tilesIn } from "./tiles.js";

const BAND_HEIGHT = 28; // CSS px, as in style.css
const AXIS_HEIGHT = 36;
const DRAG_PIXELS = 4;
const FREE_ROWS = 2; // at least so many rows scroll below the pinned ones
const MARK_SIZE = 4; // half the width of a triangle
const FONT = "11px system-ui, sans-serif";

// How much of a column was received.
const NOTHING = 0;
const PARTLY = 1;
const WHOLLY = 2;
const NOT_LOADED = 3;

const COLOURS = [
  "page",
  "hatch",
  "received",
  "curve",
  "estimate",
  "gap",
  "gap-cap",
  "line",
  "text",
  "muted",
  "accent",
  "unloaded",
  "lacking",
  "note",
];

// Boxes on rows, and where in a row they are, in CSS px.
const SPAN_KINDS = [
  { kind: "lacking", top: BAND_HEIGHT - 9, height: 7 },
  { kind: "note", top: 5, height: 5 },
];

export class Timeline {
  #canvas;
  #scroller;
  #cursorLine;
  #tip;
  #state;
  #tiles;
  #actions;
  #bands = [];
  #pinned = 0; // number of the first bands that are pinned
  #stuck = 0; // number of the first bands that do not scroll
  #marks = new Map(); // key of a band: times, rising
  #spans = { lacking: new Map(), note: new Map() }; // key of a band: {from, to, text}
  #colours = {};
  #pixels = {};
  #isQueued = false;
  #image = null;
  #columns = null;
  #pointer = null; // {x, y} over the canvas, in CSS px
  #drag = null;
  #ratio = 1;
  #width = 0; // CSS px
  #height = 0;

  // actions: functions for keys (see #onKey), and stick(number of the first bands that do not
  // scroll).
  constructor({ canvas, scroller, cursorLine, tip, state, tiles, actions }) {
    this.#canvas = canvas;
    this.#scroller = scroller;
    this.#cursorLine = cursorLine;
    this.#tip = tip;
    this.#state = state;
    this.#tiles = tiles;
    this.#actions = actions;
    new ResizeObserver(() => this.resize()).observe(scroller);
    scroller.addEventListener("scroll", () => this.redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
      this.#readColours()
    );
    canvas.addEventListener(
      "wheel",
      (event) => onTimeWheel(event, state, event.offsetX, this.#width),
      { passive: false }
    );
    canvas.addEventListener("pointerdown", (event) => this.#onDown(event));
    canvas.addEventListener("pointermove", (event) => this.#onMove(event));
    canvas.addEventListener("pointerup", (event) => this.#onUp(event));
    canvas.addEventListener("pointercancel", () => {
      this.#drag = null;
    });
    canvas.addEventListener("pointerleave", () => {
      this.#pointer = null;
      this.#showTip();
    });
    canvas.addEventListener("dblclick", (event) => state.zoom(0.5, this.timeAt(event.offsetX)));
    canvas.addEventListener("keydown", (event) => this.#onKey(event));
    this.#readColours();
    this.resize();
  }

  get bands() {
    return this.#bands;
  }

  // pinned: number of the first bands that stay on top.
  setBands(bands, pinned) {
    this.#bands = bands;
    this.#pinned = pinned;
    this.#stick();
    this.redraw();
  }

  // Pinned bands stay on top as long as there is space for others.
  #stick() {
    const rows = Math.floor((this.#height - AXIS_HEIGHT) / BAND_HEIGHT);
    const stuck = Math.max(0, Math.min(this.#pinned, rows - FREE_ROWS));
    if (stuck === this.#stuck) return;
    this.#stuck = stuck;
    this.#actions.stick(stuck);
  }

  // The top of a band, in CSS px.
  #topOf(index) {
    const scroll = index < this.#stuck ? 0 : this.#scroller.scrollTop;
    return AXIS_HEIGHT + index * BAND_HEIGHT - scroll;
  }

  // Mark frames, {feed, topic, symbol, recv_ns}, on the bands of their topics and symbols. side: of
  // their archive.
  setMarks(frames, side) {
    this.#marks = new Map();
    for (const { feed, topic, symbol, recv_ns: at } of frames)
      for (const name of [null, symbol ?? ""]) {
        const key = bandKey(feed, topic, name, side);
        if (!this.#marks.has(key)) this.#marks.set(key, []);
        this.#marks.get(key).push(BigInt(at));
      }
    this.redraw();
  }

  // Mark times of bands: a Map of a band's key to [{from, to, text}], from and to included. kind:
  // "lacking" for what only the other archive has, or "note".
  setSpans(kind, spans) {
    this.#spans[kind] = spans;
    this.redraw();
  }

  resize() {
    this.#ratio = devicePixelRatio;
    this.#width = Math.max(50, this.#canvas.parentElement.clientWidth);
    this.#height = Math.max(AXIS_HEIGHT, this.#scroller.clientHeight);
    this.#canvas.width = Math.round(this.#width * this.#ratio);
    this.#canvas.height = Math.round(this.#height * this.#ratio);
    this.#canvas.style.height = this.#height + "px";
    this.#stick();
    // A resized canvas is empty until it is drawn.
    this.#draw();
  }

  redraw() {
    if (this.#isQueued) return;
    this.#isQueued = true;
    requestAnimationFrame(() => {
      this.#isQueued = false;
      if (this.#ratio !== devicePixelRatio) this.resize();
      else this.#draw();
    });
  }

  // ---- time and position ----

  timeAt(x) {
    return this.#state.timeAt(x / this.#width);
  }

  #positionOf(ns) {
    return this.#state.partOf(ns) * this.#width;
  }

  #bandAt(y) {
    const row = Math.floor((y - AXIS_HEIGHT) / BAND_HEIGHT);
    const scrolled = Math.floor((y - AXIS_HEIGHT + this.#scroller.scrollTop) / BAND_HEIGHT);
    return y < AXIS_HEIGHT ? undefined : this.#bands[row < this.#stuck ? row : scrolled];
  }

  // The level whose steps are 1 to 2 device pixels.
  get level() {
    return levelFor((2 * Number(this.#state.span)) / this.#canvas.width);
  }

  get stepNs() {
    return stepNs(this.level);
  }

  scrollToBand(key) {
    const index = this.#bands.findIndex((band) => band.key === key);
    const top = index * BAND_HEIGHT;
    const first = top - this.#stuck * BAND_HEIGHT;
    const space = this.#height - AXIS_HEIGHT - BAND_HEIGHT;
    if (index >= this.#stuck)
      this.#scroller.scrollTop = Math.max(Math.min(this.#scroller.scrollTop, first), top - space);
  }

  // ---- data ----

  // A band's cell at a time: {frames, isEstimate, received, gaps, step}, or null if it is not loaded.
  sample(band, ns) {
    const k = this.level;
    const length = BigInt(TILE_CELLS) << BigInt(k);
    const [best] = this.#tiles.best(k, ns / length, band.source);
    if (best === undefined || best.tile.k < k) return null;
    const { tile } = best;
    const number = tile.bands.get(band.key);
    const step = stepNs(tile.k);
    if (number === undefined)
      return { frames: 0, isEstimate: false, received: NOTHING, gaps: 0, step };
    const index = number * TILE_CELLS + Number((ns / step) % BigInt(TILE_CELLS));
    return {
      frames: tile.frames[index],
      isEstimate: isEstimate(tile.gaps[index]),
      received: shareOf(tile.received[index]),
      gaps: reasonBits(tile.gaps[index]),
      step,
    };
  }

  // Spread the cells of a band over device pixels. Returns the greatest rate, in frames per ns.
  #fillColumns(band, k, numbers) {
    const { rates, received, gaps, estimates } = this.#columns;
    const width = this.#canvas.width;
    const scale = width / Number(this.#state.span);
    const least = Math.max(1, Math.round(this.#ratio)); // a gap is never thinner than 1 CSS px
    let max = 0;
    rates.fill(0);
    received.fill(NOT_LOADED);
    gaps.fill(0);
    estimates.fill(0);
    for (const i of numbers) {
      for (const { tile, from, to } of this.#tiles.best(k, i, band.source)) {
        const number = tile.bands.get(band.key);
        const length = stepNs(tile.k);
        const origin = Number(tile.i * (BigInt(TILE_CELLS) << BigInt(tile.k)) - this.#state.from);
        const step = Number(length);
        for (let cell = from; cell < to; cell++) {
          const begin = Math.round((origin + cell * step) * scale);
          const end = Math.max(begin + 1, Math.round((origin + (cell + 1) * step) * scale));
          if (end <= 0 || begin >= width) continue;
          const index = number === undefined ? -1 : number * TILE_CELLS + cell;
          const rate = index < 0 ? 0 : tile.frames[index] / step;
          const share = index < 0 ? NOTHING : shareOf(tile.received[index]);
          const bits = index < 0 ? 0 : reasonBits(tile.gaps[index]);
          const estimate = index < 0 ? 0 : Number(isEstimate(tile.gaps[index]));
          for (let x = Math.max(0, begin); x < Math.min(width, end); x++) {
            estimates[x] |= estimate;
            if (rate > rates[x]) rates[x] = rate;
            received[x] = received[x] === NOT_LOADED ? share : Math.max(received[x], share);
          }
          if (bits !== 0)
            for (let x = Math.max(0, begin); x < Math.min(width, Math.max(end, begin + least)); x++)
              gaps[x] |= bits;
          if (rate > max) max = rate;
        }
      }
    }
    return max;
  }

  // ---- drawing ----

  #readColours() {
    ({ colours: this.#colours, pixels: this.#pixels } = readColours(COLOURS));
    this.redraw();
  }

  #draw() {
    if (this.#state.to === 0n) return;
    const context = this.#canvas.getContext("2d", { alpha: false });
    const ratio = this.#ratio;
    const width = this.#canvas.width;
    const k = this.level;
    const numbers = tilesIn(k, this.#state.from, this.#state.to);
    const isShown = (index) =>
      this.#topOf(index) < this.#height &&
      (index < this.#stuck || this.#topOf(index) > AXIS_HEIGHT + (this.#stuck - 1) * BAND_HEIGHT);
    const shown = [...this.#bands.keys()].filter(isShown);
    const rows = Math.round(BAND_HEIGHT * ratio);
    if (this.#image?.width !== width || this.#image.height !== rows) {
      this.#image = new ImageData(width, rows);
      this.#columns = {
        rates: new Float64Array(width),
        received: new Uint8Array(width),
        gaps: new Uint16Array(width),
        estimates: new Uint8Array(width),
        tops: new Uint16Array(width),
      };
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = this.#colours.page;
    context.fillRect(0, 0, width, this.#canvas.height);
    // Bands that do not scroll cover the others.
    this.#drawBands(
      context,
      shown.filter((index) => index >= this.#stuck),
      k,
      numbers
    );
    this.#drawBands(
      context,
      shown.filter((index) => index < this.#stuck),
      k,
      numbers
    );
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = FONT;
    this.#drawAxis(context);
    this.#placeCursor();
    this.#showTip();
    this.#wantTiles(
      k,
      numbers,
      shown.map((index) => this.#bands[index])
    );
  }

  #drawBands(context, indexes, k, numbers) {
    const ratio = this.#ratio;
    const labels = [];
    for (const index of indexes) {
      const band = this.#bands[index];
      const y = this.#topOf(index);
      // Both rows of a pair have one scale, so that their curves can be compared.
      const other = band.twin === null ? 0 : this.#fillColumns(band.twin, k, numbers);
      const max = this.#fillColumns(band, k, numbers);
      this.#paintBand(Math.max(max, other));
      context.putImageData(this.#image, 0, Math.round(y * ratio));
      labels.push({ band, y, max });
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = FONT;
    for (const { band, y, max } of labels) {
      for (const kind of SPAN_KINDS) this.#drawSpans(context, band, y, kind);
      this.#drawBandText(context, band, y, max);
      this.#drawMarks(context, band, y);
    }
  }

  // Paint the columns into the image, row by row.
  #paintBand(max) {
    const { rates, received, gaps, estimates, tops } = this.#columns;
    const { width, height } = this.#image;
    const pixels = new Uint32Array(this.#image.data.buffer);
    const { page, hatch, curve, estimate, gap, line, unloaded } = this.#pixels;
    const cap = this.#pixels["gap-cap"];
    const fill = this.#pixels.received;
    const capRows = Math.round(3 * this.#ratio);
    const hatchStep = Math.round(6 * this.#ratio);
    const usable = height - 1 - Math.round(3 * this.#ratio);
    // The square root keeps quiet times visible next to bursts.
    for (let x = 0; x < width; x++)
      tops[x] =
        rates[x] === 0
          ? height
          : height - 1 - Math.max(1, Math.round(Math.sqrt(rates[x] / max) * usable));
    for (let y = 0; y < height; y++) {
      const row = y * width;
      const isCap = y < capRows;
      for (let x = 0; x < width; x++) {
        let pixel;
        if (y === height - 1) pixel = line;
        else if (isCap && gaps[x] !== 0) pixel = cap;
        else if (y >= tops[x]) pixel = estimates[x] === 0 ? curve : estimate;
        else if (gaps[x] !== 0) pixel = gap;
        else if (received[x] === WHOLLY) pixel = fill;
        else if (received[x] === NOT_LOADED) pixel = unloaded;
        else if ((x + y) % hatchStep === 0) pixel = hatch;
        else pixel = received[x] === PARTLY ? fill : page;
        pixels[row + x] = pixel;
      }
    }
  }

  // Boxes of at least 4 px.
  #drawSpans(context, band, y, { kind, top, height }) {
    for (const { from, to } of this.#spans[kind].get(band.key) ?? []) {
      const begin = Math.max(-8, this.#positionOf(from));
      const end = Math.min(this.#width + 8, this.#positionOf(to));
      if (end < 0 || begin > this.#width) continue;
      const width = Math.max(4, end - begin);
      const x = begin - (width - Math.max(0, end - begin)) / 2;
      context.fillStyle = this.#colours.page;
      context.fillRect(x - 1, y + top - 1, width + 2, height + 2);
      context.fillStyle = this.#colours[kind];
      context.fillRect(x, y + top, width, height);
    }
  }

  #drawBandText(context, band, y, max) {
    if (band.label !== "")
      this.#drawTag(context, "left", y, band.label[0] + (band.proof < 0 ? ": not recorded" : ""));
    if (band.key === this.#state.band) {
      context.strokeStyle = this.#colours.accent;
      context.lineWidth = 2;
      context.strokeRect(1, y + 1, this.#width - 2, BAND_HEIGHT - 3);
    }
    if (max === 0) return;
    this.#drawTag(context, "right", y, `max ${formatRate(max * 1e9)}`);
  }

  // A text at one end of a row.
  #drawTag(context, end, y, text) {
    const width = context.measureText(text).width;
    const x = end === "left" ? 6 : this.#width - 6 - width;
    context.globalAlpha = 0.8;
    context.fillStyle = this.#colours.page;
    context.fillRect(x - 3, y + 3, width + 6, 14);
    context.globalAlpha = 1;
    context.fillStyle = this.#colours.text;
    context.textAlign = "left";
    context.textBaseline = "top";
    context.fillText(text, x, y + 5);
  }

  // Triangles that point down from the band's top, with a border, so that they differ from any bar.
  #drawMarks(context, band, y) {
    context.fillStyle = this.#colours.text;
    context.strokeStyle = this.#colours.page;
    context.lineWidth = 1.5;
    let last = -Infinity;
    for (const at of this.#marks.get(band.key) ?? []) {
      const x = Math.round(this.#positionOf(at));
      if (x < -MARK_SIZE || x > this.#width + MARK_SIZE || x === last) continue;
      last = x;
      context.beginPath();
      context.moveTo(x - MARK_SIZE, y + 1);
      context.lineTo(x + MARK_SIZE, y + 1);
      context.lineTo(x, y + 1 + 2 * MARK_SIZE);
      context.closePath();
      context.stroke();
      context.fill();
    }
  }

  #drawAxis(context) {
    const { ticks, context: date } = axisTicks(this.#state.from, this.#state.to, this.#width);
    const bottom =
      AXIS_HEIGHT +
      Math.min(
        this.#height - AXIS_HEIGHT,
        this.#bands.length * BAND_HEIGHT - this.#scroller.scrollTop
      );
    context.fillStyle = this.#colours.page;
    context.fillRect(0, 0, this.#width, AXIS_HEIGHT);
    context.fillStyle = this.#colours.line;
    context.fillRect(0, AXIS_HEIGHT - 1, this.#width, 1);
    context.textBaseline = "alphabetic";
    context.textAlign = "left";
    context.fillStyle = this.#colours.text;
    context.fillText(date + " UTC", 4, 13);
    for (const { ns, label, isMajor } of ticks) {
      const x = Math.round(this.#positionOf(ns));
      context.fillStyle = this.#colours.muted;
      context.fillRect(x, AXIS_HEIGHT - (isMajor ? 16 : 7), 1, isMajor ? 16 : 7);
      context.globalAlpha = 0.25;
      context.fillRect(x, AXIS_HEIGHT, 1, bottom - AXIS_HEIGHT);
      context.globalAlpha = 1;
      context.fillStyle = this.#colours[isMajor ? "text" : "muted"];
      context.fillText(label, x + 3, AXIS_HEIGHT - 9);
    }
  }

  // The cursor is an element, so that moving it draws no bands.
  #placeCursor() {
    const { cursor } = this.#state;
    const x = cursor === null ? -1 : this.#positionOf(cursor);
    this.#cursorLine.hidden = x < 0 || x > this.#width;
    this.#cursorLine.style.transform = `translateX(${x}px)`;
    this.#cursorLine.style.height = this.#height + "px";
  }

  // Tiles of the visible bands, from the middle outwards; and that of the cursor for the status.
  #wantTiles(k, numbers, shown) {
    const order = middleFirst(numbers);
    const groups = new Set(shown.flatMap(withTwin).map((band) => band.source));
    const wanted = [...groups].flatMap((group) => order.map((i) => ({ k, i, group })));
    const chosen = this.#bands.find(({ key }) => key === this.#state.band);
    if (chosen !== undefined && this.#state.cursor !== null)
      wanted.push({
        k,
        i: this.#state.cursor / (BigInt(TILE_CELLS) << BigInt(k)),
        group: chosen.source,
      });
    this.#tiles.want(wanted);
  }

  // Draw the visible bands with their labels and a caption, and return the canvas.
  picture(caption) {
    const labels = this.#bands[0]?.label ? 360 : 260;
    const out = document.createElement("canvas");
    out.width = Math.round((this.#width + labels) * this.#ratio);
    out.height = this.#canvas.height + Math.round(24 * this.#ratio);
    const context = out.getContext("2d", { alpha: false });
    context.fillStyle = this.#colours.page;
    context.fillRect(0, 0, out.width, out.height);
    context.drawImage(this.#canvas, Math.round(labels * this.#ratio), 0);
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.font = FONT;
    context.fillStyle = this.#colours.text;
    this.#bands.forEach((band, index) => {
      const y = this.#topOf(index);
      const top = AXIS_HEIGHT + (index < this.#stuck ? 0 : this.#stuck * BAND_HEIGHT);
      if (y >= top - 4 && y < this.#height)
        context.fillText(bandName(band), 6, y + 18, labels - 12);
    });
    if (!this.#cursorLine.hidden) {
      context.fillRect(labels + this.#positionOf(this.#state.cursor), 0, 1, this.#height);
    }
    context.fillText(caption, 6, this.#height + 16);
    return out;
  }

  // ---- pointer ----

  #onDown(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#drag = {
      x: event.offsetX,
      y: event.offsetY,
      from: this.#state.from,
      scroll: this.#scroller.scrollTop,
      isMoved: false,
    };
  }

  #onMove(event) {
    this.#pointer = { x: event.offsetX, y: event.offsetY };
    const drag = this.#drag;
    if (drag !== null) {
      const dx = event.offsetX - drag.x;
      const dy = event.offsetY - drag.y;
      drag.isMoved ||= Math.hypot(dx, dy) > DRAG_PIXELS;
      if (drag.isMoved) {
        this.#scroller.scrollTop = drag.scroll - dy;
        this.#state.panFrom(drag.from, -dx / this.#width);
      }
    }
    this.#showTip();
  }

  #onUp(event) {
    const drag = this.#drag;
    this.#drag = null;
    if (drag === null || drag.isMoved) return;
    const band = this.#bandAt(event.offsetY);
    const patch = { cursor: this.timeAt(event.offsetX) };
    if (band !== undefined) patch.band = band.key;
    this.#state.set(patch);
  }

  #showTip() {
    const band = this.#pointer === null ? undefined : this.#bandAt(this.#pointer.y);
    const isHidden = band === undefined || this.#drag?.isMoved === true;
    placeTip(
      this.#tip,
      this.#canvas,
      this.#pointer,
      isHidden ? [] : this.describe(band, this.timeAt(this.#pointer.x))
    );
  }

  // Describe a band at a time, as a list of phrases.
  describe(band, ns) {
    const parts = [`${formatTime(ns, digitsFor(this.stepNs))} UTC`, bandName(band)];
    const found = this.sample(band, ns);
    if (found === null)
      return [...parts, isSavedPage && !this.#tiles.isLoading ? "not saved" : "loading"];
    if (band.proof < 0) return [...parts, "not recorded in this archive"];
    const words = ["not received", "received in part", "received"];
    const share = Math.max(found.received, found.frames > 0 ? PARTLY : NOTHING);
    parts.push(frameText(found), words[share]);
    if (found.gaps !== 0) parts.push("gap: " + gapReasons(found.gaps).join(", "));
    for (const { kind } of SPAN_KINDS)
      for (const { from, to, text } of this.#spans[kind].get(band.key) ?? [])
        if (ns <= to && ns + found.step > from) parts.push(text);
    return parts;
  }

  // ---- keys ----

  #onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const keys = {
      ...timeKeys(this.#actions, event),
      ArrowUp: () => this.#actions.moveBand(-1),
      ArrowDown: () => this.#actions.moveBand(1),
      Enter: () => this.#actions.toggleBand(),
    };
    const action = keys[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }
}

// "3 frames in 16.8 ms", or a rate where the number of frames is not whole.
function frameText({ frames, isEstimate: isRough, step }) {
  const span = formatSpan(step);
  if (isRough) return `estimate: ${formatRate((frames * 1e9) / Number(step), " frames")}`;
  if (!Number.isInteger(frames) || frames > 1000)
    return `${formatRate((frames * 1e9) / Number(step), " frames")} over ${span}`;
  return `${frames} ${frames === 1 ? "frame" : "frames"} in ${span}`;
}

function shareOf(byte) {
  return byte === 0 ? NOTHING : byte === 255 ? WHOLLY : PARTLY;
}
