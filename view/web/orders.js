// How long the exchange took for orders that were sent through a proxy: a strip of the charts, on
// request, because all frames of that time are read.

import { VerbRun } from "./command.js";
import { el } from "./dom.js";
import { logTicks, Strip } from "./strip.js";
import { digitsFor, formatSpan, formatTime, SECOND } from "./time.js";

const ANSWER_TIME = 10n * SECOND; // after the shown time, in which answers and updates may come
const NEAR_PIXELS = 6; // of the cursor, for the order that is described
const SIZE = 3;

const KINDS = [
  { name: "answer", member: "answer_ns", colour: "curve" },
  { name: "update", member: "update_ns", colour: "sell" },
];

// [{sent, took: [ns or null by kind], order}] by time.
function ordersOf(result) {
  return result.orders
    .map((order) => {
      const sent = BigInt(order.sent_ns);
      return {
        sent,
        order,
        took: KINDS.map(({ member }) =>
          order[member] === null ? null : Number(BigInt(order[member]) - sent)
        ),
      };
    })
    .sort((a, b) => (a.sent < b.sent ? -1 : a.sent > b.sent ? 1 : 0));
}

export class OrderStrip extends Strip {
  #loaded = { from: 0n, to: 0n, orders: [] };

  constructor(panel, page) {
    super("Orders, request to answer and update", KINDS, panel, page, ["curve", "sell"]);
  }

  set(loaded) {
    this.#loaded = loaded;
  }

  get isLoaded() {
    return this.#loaded.orders.length > 0;
  }

  #shown() {
    const { from, to } = this.state;
    return this.#loaded.orders.filter(({ sent }) => sent >= from && sent < to);
  }

  drawKnown(context, bottom) {
    const begin = this.positionOf(this.#loaded.from);
    context.fillStyle = this.colours.page;
    context.fillRect(begin, 0, this.positionOf(this.#loaded.to) - begin, bottom);
  }

  // A circle is an answer, a diamond an update; a cross at the top is a request without an answer.
  drawValues(context, bottom) {
    const shown = this.#shown();
    const values = shown.flatMap(({ took }) => took).filter((ns) => ns !== null);
    const low = Math.max(1, values.reduce((least, ns) => Math.min(least, ns), Infinity) / 1.3);
    const high = values.reduce((most, ns) => Math.max(most, ns), 1) * 1.3;
    const position = (ns) =>
      bottom - 8 - (Math.log(Math.max(ns, low) / low) * (bottom - 16)) / Math.log(high / low);
    if (values.length > 0) this.drawValueTicks(context, logTicks(low, high), position, bottom);
    this.clipToTime(context, bottom);
    for (const { sent, took } of shown) {
      const x = this.positionOf(sent);
      if (took[0] === null) this.#drawCross(context, x, 8);
      took.forEach((ns, kind) => ns !== null && this.#drawMark(context, kind, x, position(ns)));
    }
    context.restore();
  }

  #drawMark(context, kind, x, y) {
    context.fillStyle = this.colours[KINDS[kind].colour];
    context.beginPath();
    if (kind === 0) context.arc(x, y, SIZE, 0, 2 * Math.PI);
    else
      for (const [dx, dy] of [
        [0, -1],
        [1, 0],
        [0, 1],
        [-1, 0],
      ])
        context.lineTo(x + 1.4 * SIZE * dx, y + 1.4 * SIZE * dy);
    context.fill();
  }

  #drawCross(context, x, y) {
    context.strokeStyle = this.colours.text;
    context.lineWidth = 2;
    context.beginPath();
    for (const way of [-1, 1]) {
      context.moveTo(x - SIZE, y - SIZE * way);
      context.lineTo(x + SIZE, y + SIZE * way);
    }
    context.stroke();
  }

  // The order that was sent nearest to a time.
  describe(ns) {
    const time = `${formatTime(ns, digitsFor(this.state.span / 1000n))} UTC`;
    if (ns < this.#loaded.from || ns >= this.#loaded.to) return ["not loaded", time];
    const distance = ({ sent }) => Math.abs(this.positionOf(sent) - this.positionOf(ns));
    const nearest = this.#shown().reduce(
      (best, one) => (best === null || distance(one) < distance(best) ? one : best),
      null
    );
    if (nearest === null || distance(nearest) > NEAR_PIXELS) return ["no order", time];
    const { order, sent, took } = nearest;
    const parts = KINDS.map(({ name }, kind) =>
      took[kind] === null ? `no ${name}` : `${name} after ${formatSpan(BigInt(took[kind]))}`
    );
    const refused = order.code !== null && order.code !== 0 ? [`refused with ${order.code}`] : [];
    return [
      `${order.op} ${order.symbol ?? ""}`.trim(),
      ...refused,
      ...parts,
      `sent ${formatTime(sent, 6)} UTC`,
    ];
  }
}

// The button that loads the orders of the shown time.
export class OrderLoader {
  #run = new VerbRun();
  #text = el("span", { role: "status" });
  button = el("button", {
    type: "button",
    text: "Show orders",
    title: "The orders of the shown time that a proxy recorded",
  });
  element = el("div", { class: "row" }, this.#text, this.#run.element);

  // show: function of {from, to, orders}.
  constructor(state, show) {
    this.button.addEventListener("click", async () => {
      const { from, to } = state;
      this.#text.textContent = "";
      const answer = await this.#run.verb("latency", [
        ["from", from],
        ["to", to + ANSWER_TIME],
      ]);
      const [result] = answer?.results ?? [];
      if (result === undefined) return;
      const orders = ordersOf(result).filter(({ sent }) => sent < to);
      const count = orders.length.toLocaleString("en");
      this.#text.textContent =
        orders.length === 0
          ? "No order was sent in the shown time."
          : `${count} ${orders.length === 1 ? "order" : "orders"} of ${formatTime(from, 0)} – ` +
            `${formatTime(to, 0)} UTC.`;
      if (orders.length > 0) show({ from, to, orders });
    });
  }
}
