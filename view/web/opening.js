// What the page shows before anybody chooses a time: the last minutes of the busiest market.

import { bandKey } from "./api.js";
import { isMarket } from "./markets.js";
import { SECOND } from "./time.js";

const MINUTES = 300n * SECOND;
const NEWEST = 86_400n * SECOND; // markets that ended long ago are left out
const LEVEL = 28; // steps of 0.27 s

// The symbol's book with the most frames, of those recorded on the last day. undefined: no book.
function busiestMarket(sides) {
  const rows = sides
    .flatMap(({ side, rows }) => rows.map((row) => ({ ...row, side })))
    .filter((row) => isMarket(row) && row.last_ns !== 0n);
  const last = rows.reduce((ns, row) => (row.last_ns > ns ? row.last_ns : ns), 0n);
  const frames = (row) => row.frames ?? 0;
  return rows
    .filter((row) => row.last_ns + NEWEST > last)
    .reduce((best, row) => (best && frames(best) >= frames(row) ? best : row), undefined);
}

// Members of ViewState: at most the last minutes, from when the market was received in them on.
// search(side, topic key, symbol key, from, level, limit): as search of TileCache, forwards.
// undefined: the archive has no market, or its time cannot be found.
export async function openingView(sides, search) {
  const row = busiestMarket(sides);
  if (row === undefined) return undefined;
  const { side, feed, topic, symbol, first_ns: first, last_ns: last } = row;
  const key = bandKey(feed, topic, symbol, side);
  const earliest = last - MINUTES > first ? last - MINUTES : first;
  const source = { side, feed, topic };
  const begin = await search(source, key, earliest, LEVEL, last).catch(() => null);
  const from = begin ?? earliest;
  const margin = (last - from) / 50n + SECOND / 2n;
  // A little earlier than the last frame: after it no book is known.
  const cursor = last - (last - from) / 50n;
  const time = { from: from - margin, to: last + margin, cursor };
  return { ...time, band: key, market: key, tab: "market" };
}
