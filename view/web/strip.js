// A strip of the charts: a picture of values over the same time as the timeline, with its name and
// the values at the cursor beside it.

import { el } from "./dom.js";
import { AXIS_WIDTH, TimePlot } from "./plot.js";
import { formatSpan } from "./time.js";

const LABEL_HEIGHT = 18; // CSS px, of the time's axis, below the last strip

export class Strip extends TimePlot {
  text = el("p", { "aria-live": "off" });
  panel;
  #isLast = false;

  // panel: see ChartsPanel. legend: [{name, colour}], without a name: not shown.
  constructor(title, legend, panel, { state, actions }, colours) {
    super(state, actions, { "aria-label": title, "aria-describedby": "charts-keys" }, [
      "page",
      "unloaded",
      "text",
      "muted",
      "line",
      "accent",
      ...colours,
    ]);
    this.panel = panel;
    const names = legend
      .filter(({ name }) => name !== "")
      .map(({ name, colour }) => {
        const swatch = el("i", { class: "swatch" });
        swatch.style.background = `var(--${colour})`;
        return el("span", {}, swatch, name);
      });
    this.element = el(
      "div",
      { class: "strip" },
      el(
        "div",
        { class: "beside" },
        el("h2", { text: title }),
        el("div", { class: "names" }, ...names),
        this.text
      ),
      this.canvas
    );
    this.canvas.addEventListener("focus", () => this.text.setAttribute("aria-live", "polite"));
    this.canvas.addEventListener("blur", () => this.text.setAttribute("aria-live", "off"));
  }

  // height: without the labels of the time, which only the last strip has.
  place(width, height, isLast) {
    this.#isLast = isLast;
    this.resize(width, height + (isLast ? LABEL_HEIGHT : 0));
  }

  draw(context) {
    const bottom = this.height - (this.#isLast ? LABEL_HEIGHT : 0) - 1;
    context.fillStyle = this.colours.unloaded;
    context.fillRect(AXIS_WIDTH, 0, this.width, bottom);
    this.clipToTime(context, bottom);
    this.drawKnown(context, bottom);
    context.restore();
    this.drawTimeTicks(context, bottom, this.#isLast ? this.height - 5 : null);
    this.drawValues(context, bottom);
    const { brush } = this.panel;
    if (brush !== null) {
      const x = this.positionOf(brush.from);
      context.globalAlpha = 0.25;
      context.fillStyle = this.colours.accent;
      context.fillRect(x, 0, this.positionOf(brush.to) - x, bottom);
      context.globalAlpha = 1;
    }
    this.drawCursor(context, bottom);
    context.fillStyle = this.colours.line;
    context.fillRect(0, bottom, AXIS_WIDTH + this.width, 1);
    context.fillRect(AXIS_WIDTH - 1, 0, 1, this.height);
  }

  showValue() {
    const { cursor } = this.state;
    const text = cursor === null ? "" : this.describe(cursor).join("; ");
    if (this.text.textContent !== text) this.text.textContent = text;
  }

  // ---- selection ----

  startDrag(event) {
    return { isBrush: event.shiftKey };
  }

  onDrag(dx) {
    if (!this.drag.isBrush) {
      super.onDrag(dx);
      return;
    }
    const ends = [this.timeAt(this.drag.x), this.timeAt(this.drag.x + dx)];
    this.panel.select(dx < 0 ? { from: ends[1], to: ends[0] } : { from: ends[0], to: ends[1] });
  }

  onDrop() {
    this.panel.zoomToSelection();
  }

  keys() {
    return { Escape: () => this.panel.select(null) };
  }
}

// Round values of a logarithmic axis of times in ns.
export function logTicks(low, high) {
  const factors = high / low > 100 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= low && value <= high)
        ticks.push({ value, label: formatSpan(BigInt(Math.round(value))) });
    }
  return ticks;
}
