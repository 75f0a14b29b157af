// Books that test clients keep of what they receive, and their digest.
import { createHash } from "node:crypto";

/** An empty book: sizes by price, as numbers. */
export const emptyBook = () => ({ Buy: new Map(), Sell: new Map() });

/** Set levels [price, size] of a side; size 0 deletes. */
export function setLevels(side, levels) {
  for (const [price, size] of levels)
    Number(size) === 0 ? side.delete(Number(price)) : side.set(Number(price), Number(size));
}

/** docs/replay.md, levels_sha1: SIDE PRICE SIZE, each side by rising price. */
export const sha1 = (book) =>
  createHash("sha1")
    .update(
      ["Buy", "Sell"]
        .flatMap((side) =>
          [...book[side]]
            .sort(([a], [b]) => a - b)
            .map(([price, size]) => `${side} ${price} ${size}`)
        )
        .join("\n")
    )
    .digest("hex");

/** The book as replay reports it: [bids, asks, levels_sha1]. */
export const digest = (book) => [book.Buy.size, book.Sell.size, sha1(book)];
