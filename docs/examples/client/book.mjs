// A client of the exchange, version 5: keeps the book of one symbol.
import { WebSocket } from "ws";

export class Book {
  bids = new Map(); // size by price
  asks = new Map();

  apply({ type, data }) {
    if (type === "snapshot") {
      this.bids.clear();
      this.asks.clear();
    }
    for (const [side, levels] of [
      [this.bids, data.b],
      [this.asks, data.a],
    ])
      for (const [price, size] of levels)
        if (Number(size) === 0) side.delete(Number(price));
        else side.set(Number(price), Number(size));
  }

  best() {
    const best = (side, pick) => (side.size > 0 ? pick(...side.keys()) : null);
    return { bid: best(this.bids, Math.max), ask: best(this.asks, Math.min) };
  }
}

/** Follow a symbol's book until the server closes the connection. */
export function follow(url, symbol) {
  const book = new Book();
  const socket = new WebSocket(url);
  socket.on("open", () =>
    socket.send(JSON.stringify({ op: "subscribe", args: [`orderbook.50.${symbol}`] }))
  );
  socket.on("message", (text) => {
    const message = JSON.parse(text);
    if (message.topic) book.apply(message);
  });
  return new Promise((resolve, reject) => {
    socket.on("close", () => resolve(book));
    socket.on("error", reject);
  });
}
