// What the pictures over time share: colours, the wheel, keys, the tip at the pointer, and a canvas
// with an axis of values at its left and the same time as the timeline.

import { el } from "./dom.js";
import { axisTicks } from "./time.js";

export const AXIS_WIDTH = 74; // CSS px, as in style.css
export const FONT = "11px system-ui, sans-serif";

const WHEEL_LINE = 16;
const DRAG_PIXELS = 4;

// The values of these custom properties, as texts and as pixels of an ImageData.
export function readColours(names) {
  const style = getComputedStyle(document.documentElement);
  const colours = {};
  const pixels = {};
  for (const name of names) {
    const text = style.getPropertyValue("--" + name).trim();
    const value = parseInt(text.slice(1), 16);
    colours[name] = text;
    // Pixels of ImageData are in the order R, G, B, A, read here as little-endian integers.
    pixels[name] = (0xff000000 | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
  }
  return { colours, pixels };
}

// Place a tip of these lines at the pointer ({x, y} over the canvas). No lines: hide it.
export function placeTip(tip, canvas, pointer, lines) {
  tip.hidden = lines.length === 0;
  if (tip.hidden) return;
  tip.replaceChildren(...lines.map((text) => el("div", { text })));
  const isRight = pointer.x > canvas.clientWidth / 2;
  const box = canvas.getBoundingClientRect();
  const x = pointer.x + box.left + (isRight ? -12 - tip.offsetWidth : 12);
  const y = Math.min(pointer.y + box.top + 14, innerHeight - tip.offsetHeight - 4);
  tip.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}

// Pixels of a wheel's event, {x, y}. width: of a page.
function wheelPixels(event, width) {
  const unit =
    event.deltaMode === WheelEvent.DOM_DELTA_LINE
      ? WHEEL_LINE
      : event.deltaMode === WheelEvent.DOM_DELTA_PAGE
        ? width
        : 1;
  return { x: event.deltaX * unit, y: event.deltaY * unit };
}

function wheelFactor(pixels) {
  return Math.exp(Math.max(-1, Math.min(1, pixels * 0.002)));
}

// The factor of a wheel that zooms whichever way it turns. Browsers may turn Shift+wheel into a
// horizontal wheel themselves.
export function wheelZoom(event, width) {
  const { x, y } = wheelPixels(event, width);
  return wheelFactor(y === 0 ? x : y);
}

// The wheel over a picture of the view's time: zoom at x, or with Shift or horizontally, pan.
export function onTimeWheel(event, state, x, width) {
  event.preventDefault();
  const pixels = wheelPixels(event, width);
  const across = event.shiftKey && pixels.x === 0 ? pixels.y : pixels.x;
  if (event.shiftKey || Math.abs(across) > Math.abs(pixels.y)) state.pan(across / width);
  else state.zoom(wheelFactor(pixels.y), state.timeAt(x / width));
}

// Keys of all pictures: functions by the name of the key.
export function timeKeys(actions, event) {
  const zoomIn = () => actions.zoomAtCursor(0.5);
  return {
    ArrowLeft: () => actions.moveCursor(-1, event.shiftKey),
    ArrowRight: () => actions.moveCursor(1, event.shiftKey),
    "+": zoomIn,
    "=": zoomIn,
    "-": () => actions.zoomAtCursor(2),
    Home: () => actions.goToEnd(-1),
    End: () => actions.goToEnd(1),
    g: () => actions.goToGap(1),
    G: () => actions.goToGap(-1),
    n: () => actions.step(1),
    p: () => actions.step(-1),
    f: () => actions.fit(),
  };
}

// A function that lets run be called once in the next frame.
export function oncePerFrame(run) {
  let isQueued = false;
  return () => {
    if (isQueued) return;
    isQueued = true;
    requestAnimationFrame(() => {
      isQueued = false;
      run();
    });
  };
}

// Round values of an axis, with labels: about one every `least` of `pixels`.
export function valueTicks(low, high, pixels, least) {
  const wanted = (high - low) / Math.max(1, pixels / least);
  const power = Math.floor(Math.log10(wanted));
  const factor = [1, 2, 5, 10].find((one) => one * 10 ** power >= wanted * (1 - 1e-9));
  const step = factor * 10 ** power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let n = Math.ceil(low / step); n * step <= high && ticks.length < 100; n++)
    ticks.push({ value: n * step, label: formatNumber(n * step, digits) });
  return ticks;
}

// A format with these digits after the point. Making one takes longer than drawing a line.
const formats = new Map();
function formatOf(least, most) {
  const key = `${least} ${most}`;
  if (!formats.has(key))
    formats.set(
      key,
      new Intl.NumberFormat("en", {
        minimumFractionDigits: Math.min(20, least),
        maximumFractionDigits: Math.min(20, most),
      })
    );
  return formats.get(key);
}

// "65,000.5". digits: after the point.
export function formatNumber(value, digits) {
  return formatOf(digits, digits).format(value);
}

// How many digits after the point a decimal number has.
export function decimalsOf(value) {
  const [mantissa, exponent] = value.toExponential().split("e");
  return Math.max(0, mantissa.replace(/^-?\d\.?/, "").length - Number(exponent));
}

// A size or an amount, without the noise of sums in binary.
export function formatSize(value) {
  return formatOf(0, 12).format(Number(value.toPrecision(10)));
}

// A canvas over the view's time, with the axis of its values in the first AXIS_WIDTH pixels.
// Subclasses draw, and may replace the handlers of pointer and keys.
export class TimePlot {
  canvas;
  state;
  width = 0; // CSS px of the part over time
  height = 0;
  ratio = 1;
  colours = {};
  pixels = {};
  pointer = null; // {x, y} over the canvas, in CSS px
  drag = null;
  redraw = oncePerFrame(() => this.drawNow());
  onDrawn = () => {}; // called after each drawing
  #actions;
  #patterns = new Map();
  #tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });

  // names: custom properties of colours. actions: see timeKeys.
  constructor(state, actions, attributes, names) {
    this.state = state;
    this.#actions = actions;
    const canvas = el("canvas", {
      tabindex: 0,
      role: "application",
      ...attributes,
      onwheel: (event) => this.onWheel(event),
      onpointerdown: (event) => this.#onDown(event),
      onpointermove: (event) => this.#onMove(event),
      onpointerup: (event) => this.#onUp(event),
      onpointercancel: () => this.#endDrag(),
      onpointerleave: () => {
        this.pointer = null;
        this.#showTip();
      },
      ondblclick: (event) =>
        event.offsetX >= AXIS_WIDTH && state.zoom(0.5, this.timeAt(event.offsetX)),
      onkeydown: (event) => this.#onKey(event),
    });
    this.canvas = canvas;
    document.body.append(this.#tip);
    const read = () => {
      Object.assign(this, readColours(names));
      this.redraw();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", read);
    read();
  }

  timeAt(x) {
    return this.state.timeAt((x - AXIS_WIDTH) / this.width);
  }

  positionOf(ns) {
    return AXIS_WIDTH + this.state.partOf(ns) * this.width;
  }

  // CSS px. width: of the part over time.
  resize(width, height) {
    this.width = width;
    this.height = height;
    this.ratio = devicePixelRatio;
    this.canvas.style.width = AXIS_WIDTH + width + "px";
    this.canvas.style.height = height + "px";
    this.canvas.width = Math.round((AXIS_WIDTH + width) * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    this.drawNow(); // a resized canvas is empty until it is drawn
  }

  drawNow() {
    if (this.width === 0 || this.state.to === 0n) return;
    if (this.ratio !== devicePixelRatio) {
      this.resize(this.width, this.height);
      return;
    }
    const context = this.canvas.getContext("2d", { alpha: false });
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.font = FONT;
    context.fillStyle = this.colours.page;
    context.fillRect(0, 0, AXIS_WIDTH + this.width, this.height);
    this.draw(context);
    this.#showTip();
    this.onDrawn();
  }

  // ---- parts of a picture ----

  // Lines of the time's ticks down to bottom, with labels below if labelY is given.
  drawTimeTicks(context, bottom, labelY = null) {
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    for (const { ns, label } of axisTicks(this.state.from, this.state.to, this.width).ticks) {
      const x = Math.round(this.positionOf(ns));
      context.globalAlpha = 0.25;
      context.fillStyle = this.colours.muted;
      context.fillRect(x, 0, 1, bottom);
      context.globalAlpha = 1;
      if (labelY !== null) context.fillText(label, x + 3, labelY);
    }
  }

  // The axis of values: labels at the left, thin lines over the picture. position: of a value.
  drawValueTicks(context, ticks, position, bottom) {
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = this.colours.muted;
    for (const { value, label } of ticks) {
      const y = Math.round(position(value));
      context.globalAlpha = 0.2;
      context.fillRect(AXIS_WIDTH, y, this.width, 1);
      context.globalAlpha = 1;
      context.fillText(label, AXIS_WIDTH - 6, Math.max(7, Math.min(bottom - 7, y)), AXIS_WIDTH - 8);
    }
  }

  drawCursor(context, bottom) {
    const { cursor } = this.state;
    if (cursor === null || cursor < this.state.from || cursor >= this.state.to) return;
    const x = Math.round(this.positionOf(cursor));
    this.drawDashed(context, this.colours.text, x, 0, x, bottom);
  }

  drawDashed(context, colour, x0, y0, x1, y1) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.setLineDash([6, 3]);
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
    context.setLineDash([]);
  }

  // A pattern of lines: "hatch" (one direction) or "cross" (both).
  pattern(context, kind, colour) {
    const key = kind + colour;
    if (!this.#patterns.has(key)) this.#patterns.set(key, this.#makePattern(context, kind, colour));
    return this.#patterns.get(key);
  }

  #makePattern(context, kind, colour) {
    const size = kind === "cross" ? 12 : 6;
    const tile = new OffscreenCanvas(size, size);
    const lines = tile.getContext("2d");
    lines.strokeStyle = colour;
    for (const shift of [-size, 0, size]) {
      lines.moveTo(shift, size);
      lines.lineTo(shift + size, 0);
      if (kind === "cross") {
        lines.moveTo(shift, 0);
        lines.lineTo(shift + size, size);
      }
    }
    lines.stroke();
    return context.createPattern(tile, "repeat");
  }

  // Fill the columns whose cells a function selects. parts: see MarketTiles.parts.
  fillColumns(context, parts, top, bottom, isSelected) {
    for (const { tile, from, to, x, step } of parts) {
      for (let cell = from; cell < to; cell++) {
        if (!isSelected(tile, cell)) continue;
        const first = cell;
        while (cell + 1 < to && isSelected(tile, cell + 1)) cell++;
        const begin = Math.round(AXIS_WIDTH + x + first * step);
        const end = Math.max(begin + 1, Math.round(AXIS_WIDTH + x + (cell + 1) * step));
        context.fillRect(begin, top, end - begin, bottom - top);
      }
    }
  }

  // Draw lines ({valueOf(tile, cell), colour}) as steps. NaN is a break, or where isKept is true,
  // the value before remains. Whole pixels, because strokes of so many corners take several times
  // as long without a GPU.
  drawSteps(context, parts, lines, position, isKept, thickness) {
    const { ratio } = this;
    const thick = Math.max(1, Math.round(thickness * ratio));
    const half = thick >> 1;
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    for (const { valueOf, colour } of lines) {
      context.fillStyle = this.colours[colour];
      let last = NaN;
      let begin = 0;
      let right = NaN;
      const stop = (x) => {
        if (!Number.isNaN(last))
          context.fillRect(begin, last - half, Math.max(1, x - begin), thick);
        last = NaN;
      };
      for (const { tile, first, to, x, step } of parts) {
        const origin = (AXIS_WIDTH + x) * ratio;
        if (Math.abs(Math.round(origin + first * step * ratio) - right) > 1) stop(right);
        for (let cell = first; cell < to; cell++) {
          const y = Math.round(position(valueOf(tile, cell)) * ratio);
          const left = Math.round(origin + cell * step * ratio);
          right = Math.round(origin + (cell + 1) * step * ratio);
          if (y === last || (Number.isNaN(y) && isKept(tile, cell))) continue;
          const before = last;
          stop(left);
          if (!Number.isNaN(before) && !Number.isNaN(y))
            context.fillRect(
              left - half,
              Math.min(before, y) - half,
              thick,
              Math.abs(y - before) + thick
            );
          begin = left;
          last = y;
        }
      }
      stop(right);
    }
    context.restore();
  }

  // Draw bars of sizes, bought at the bottom and sold above, or outlines if trades may be missing.
  drawVolumeBars(context, bars, bottom, scale) {
    for (const { x, width, buy, sell, isUnsure } of bars) {
      const left = Math.round(AXIS_WIDTH + x);
      const wide = Math.max(1, Math.round(AXIS_WIDTH + x + width) - left - 1);
      for (const [colour, low, high] of [
        ["buy", 0, buy],
        ["sell", buy, buy + sell],
      ]) {
        const top = Math.round(bottom - high * scale);
        const height = Math.round(bottom - low * scale) - top;
        if (isUnsure && height > 0) {
          context.strokeStyle = this.colours[colour];
          context.lineWidth = 1;
          context.setLineDash([2, 2]);
          context.strokeRect(
            left + 0.5,
            top + 0.5,
            Math.max(0.5, wide - 1),
            Math.max(0.5, height - 1)
          );
          context.setLineDash([]);
        } else if (height > 0) {
          context.fillStyle = this.colours[colour];
          context.fillRect(left, top, wide, height);
        }
      }
    }
  }

  clipToTime(context, bottom) {
    context.save();
    context.beginPath();
    context.rect(AXIS_WIDTH, 0, this.width, bottom);
    context.clip();
  }

  // ---- pointer and keys ----

  onWheel(event) {
    onTimeWheel(event, this.state, event.offsetX - AXIS_WIDTH, this.width);
  }

  #onDown(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.drag = {
      x: event.offsetX,
      y: event.offsetY,
      from: this.state.from,
      isMoved: false,
      ...this.startDrag?.(event),
    };
  }

  #onMove(event) {
    this.pointer = { x: event.offsetX, y: event.offsetY };
    if (this.drag !== null) {
      const dx = event.offsetX - this.drag.x;
      const dy = event.offsetY - this.drag.y;
      this.drag.isMoved ||= Math.hypot(dx, dy) > DRAG_PIXELS;
      if (this.drag.isMoved) this.onDrag(dx, dy);
    }
    this.showTipSoon();
  }

  // Move the view with the pointer.
  onDrag(dx) {
    this.state.panFrom(this.drag.from, -dx / this.width);
  }

  #endDrag() {
    this.drag = null;
    this.redraw();
  }

  #onUp(event) {
    const { drag } = this;
    this.#endDrag();
    if (drag?.isMoved) this.onDrop?.(drag, event.offsetX);
    else if (drag !== null && event.offsetX >= AXIS_WIDTH)
      this.onClick(event.offsetX, event.offsetY);
  }

  onClick(x) {
    this.state.set({ cursor: this.timeAt(x) });
  }

  showTipSoon = oncePerFrame(() => this.#showTip());

  #showTip() {
    const isHidden = this.pointer === null || this.drag?.isMoved || this.pointer.x < AXIS_WIDTH;
    placeTip(
      this.#tip,
      this.canvas,
      this.pointer,
      isHidden ? [] : this.describe(this.timeAt(this.pointer.x), this.pointer.y)
    );
  }

  #onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const action = { ...timeKeys(this.#actions, event), ...this.keys?.(event) }[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }
}
