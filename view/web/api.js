// The answers of the server, or of a saved page (saved.js). Times stay exact: integers above 2^53
// become BigInt.

import { answerTo, hasAnswer, isSavedPage, savedNs, unsaved } from "./saved.js";

const HAS_SOURCE = (() => {
  let seen = false;
  JSON.parse("1", (key, value, context) => {
    seen = context?.source === "1";
    return value;
  });
  return seen;
})();

const INTEGER = /^-?\d+$/;

function parseWithSource(text) {
  return JSON.parse(text, (key, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && INTEGER.test(context.source)
      ? BigInt(context.source)
      : value
  );
}

// For engines without context.source: write large integers as marked strings first. The mark is
// random, so that no text of the archive can contain it.
export function parseWithMarks(text) {
  const mark = crypto.getRandomValues(new Uint32Array(4)).join("-") + ":";
  const token = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
  const marked = text.replace(token, (found) =>
    found[0] !== '"' && INTEGER.test(found) && !Number.isSafeInteger(Number(found))
      ? `"${mark}${found}"`
      : found
  );
  return JSON.parse(marked, (key, value) =>
    typeof value === "string" && value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value
  );
}

export const parseJson = HAS_SOURCE ? parseWithSource : parseWithMarks;

// The inverse of parseJson.
export function stringifyJson(value) {
  return JSON.stringify(value, (key, member) =>
    typeof member === "bigint" ? (JSON.rawJSON?.(String(member)) ?? String(member)) : member
  );
}

async function request(question, signal) {
  let answer;
  try {
    answer = await answerTo(question, signal);
  } catch (error) {
    if (error.name === "AbortError" || isSavedPage) throw error;
    throw new Error("The server does not answer. Is `tapedeck view` still running?");
  }
  if (answer.ok) return answer;
  const text = (await answer.text()).trim();
  const error = new Error(text || `The server answers with status ${answer.status}.`);
  error.status = answer.status;
  throw error;
}

async function requestJson(question, signal) {
  return parseJson(await (await request(question, signal)).text());
}

// With two archives, "b" is the second one; "" is the first. Answers of verbs and lists of gaps are
// about the archive that this function chooses.
let chosenSide = () => "";

export function askArchiveOf(choose) {
  chosenSide = choose;
}

function questionTo(side, question) {
  return side === "" ? question : `${side}/${question}`;
}

export async function getArchive(side) {
  const archive = await requestJson(questionTo(side, "archive"));
  for (const name of ["now_ns", "first_ns", "last_ns"]) archive[name] = BigInt(archive[name]);
  for (const row of archive.rows) {
    row.first_ns = BigInt(row.first_ns);
    row.last_ns = BigInt(row.last_ns);
  }
  return isSavedPage ? { ...archive, now_ns: savedNs, is_recording: false } : archive;
}

function isInTime(gap, from, to) {
  return gap.from_ns < to && (gap.to_ns === null || gap.to_ns > from || gap.from_ns >= from);
}

export async function getGaps(from, to, signal) {
  // A saved page has one answer, for all time.
  const question = questionTo(chosenSide(), isSavedPage ? "gaps" : `gaps?from=${from}&to=${to}`);
  const answer = await requestJson(question, signal);
  for (const gap of answer.gaps) {
    gap.from_ns = BigInt(gap.from_ns);
    gap.to_ns = gap.to_ns === null ? null : BigInt(gap.to_ns);
  }
  if (!isSavedPage) return answer;
  if (answer.count > answer.gaps.length && from < answer.gaps[0].from_ns)
    throw unsaved("Gaps of this time were");
  const gaps = answer.gaps.filter((gap) => isInTime(gap, from, to));
  return { count: gaps.length, gaps };
}

// What the catalog shows of the days of an archive: [{from_ns, days, state, reasons, frames}], as
// in view/answers.h.
export async function getCalendar(side, signal) {
  const { days } = await requestJson(questionTo(side, "calendar"), signal);
  for (const run of days) run.from_ns = BigInt(run.from_ns);
  return days;
}

// A verb's results: {command, status, errors, results}. options: [name, value] pairs.
export function runVerb(verb, options, signal, side = chosenSide()) {
  const query = options.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&");
  const question = `verb/${verb}${query && "?" + query}`;
  return requestJson(questionTo(side, question), signal);
}

export const TILE_CELLS = 256;

export const TILES_MAX = 8; // of one request

// A bit of a cell's gaps: its frames are an estimate, because its step is shorter than a chunk.
const ESTIMATE = 1 << 15;

export function isEstimate(gaps) {
  return (gaps & ESTIMATE) !== 0;
}

// The bits of a cell's gaps that are reasons.
export function reasonBits(gaps) {
  return gaps & ~ESTIMATE;
}

function tileQuestion({ k, i, group }, number) {
  const by =
    (group?.feed ?? null) === null
      ? "by=topic"
      : `by=symbol&feed=${encodeURIComponent(group.feed)}&topic=${encodeURIComponent(group.topic)}`;
  return questionTo(group?.side ?? "", `tile?k=${k}&i=${i}&n=${number}&${by}`);
}

// False if a saved page lacks the tile.
export function hasTile(wanted) {
  return !isSavedPage || hasAnswer(tileQuestion(wanted, 1));
}

// At most `number` tiles from the i-th on: {bands: Map of a band's key to its number, frames,
// received, gaps (isEstimate, reasonBits)}, with TILE_CELLS values for each band. group: {side, feed, topic} for the symbols
// of a topic, with feed null for the topics of an archive; null for the topics of the first archive.
export async function getTiles({ k, i, group }, number, signal) {
  const side = group?.side ?? "";
  const hasTopics = (group?.feed ?? null) === null;
  const question = tileQuestion({ k, i, group }, isSavedPage ? 1 : number); // saved one by one
  const bytes = await (await request(question, signal)).arrayBuffer();
  const end = new Uint8Array(bytes).indexOf(10);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 0, end)));
  const count = head.bands.length * TILE_CELLS * head.tiles;
  const at = end + 1;
  if (bytes.byteLength < at + 7 * count) throw new Error("The server's answer is too short.");
  const bands = new Map();
  head.bands.forEach((band, number) =>
    bands.set(bandKey(band.feed, band.topic, hasTopics ? null : band.symbol, side), number)
  );
  const frames = new Float32Array(bytes.slice(at, at + 4 * count));
  const gaps = new Uint16Array(bytes.slice(at + 4 * count, at + 6 * count));
  const received = new Uint8Array(bytes, at + 6 * count, count);
  return Array.from({ length: head.tiles }, (_, tile) => {
    const cut = (all) => cutTile(all, head.bands.length, head.tiles, tile);
    return { bands, frames: cut(frames), received: cut(received), gaps: cut(gaps) };
  });
}

// The values of one of several tiles.
function cutTile(all, bands, tiles, tile) {
  const out = new all.constructor(bands * TILE_CELLS);
  for (let band = 0; band < bands; band++) {
    const at = (band * tiles + tile) * TILE_CELLS;
    out.set(all.subarray(at, at + TILE_CELLS), band * TILE_CELLS);
  }
  return out;
}

function marketQuestion(market, k, i, bin) {
  const options = [
    ["feed", market.feed],
    ["symbol", market.symbol],
    ["book", market.topic],
    ["k", k],
    ["i", i],
    ["bin", bin],
  ];
  return questionTo(
    market.side,
    `market?${options.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`
  );
}

// False if a saved page lacks the tile.
export function hasMarketTile(market, k, i, bin) {
  return !isSavedPage || hasAnswer(marketQuestion(market, k, i, bin));
}

// A tile of a market's book and trades: {tick, base, isFinal, bytes, and a typed array for each
// name below}, with TILE_CELLS columns. market: {side, feed, symbol, topic}; bin: a row's height,
// as text.
export async function getMarketTile(market, k, i, bin, signal) {
  const question = marketQuestion(market, k, i, bin);
  const bytes = await (await request(question, signal)).arrayBuffer();
  const end = new Uint8Array(bytes).indexOf(10);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 0, end)));
  const columns = TILE_CELLS;
  const { runs, trade_cells: trades, latency_cells: latencies } = head;
  // Without padding each array is aligned, because the wider ones are before the narrower ones.
  const arrays = [
    [
      Float64Array,
      columns,
      ["bid", "ask", "spread", "imbalance", "open", "high", "low", "close", "buy", "sell"],
    ],
    [Float64Array, runs, ["runSize"]],
    [Float64Array, trades, ["tradeBuy", "tradeSell"]],
    [Uint32Array, columns, ["frames", "trades"]],
    [Int32Array, runs, ["runRow"]],
    [Int32Array, trades, ["tradeRow"]],
    [Uint32Array, trades, ["tradeCount"]],
    [Uint32Array, latencies, ["latencyCount"]],
    [Uint8Array, columns, ["state"]],
    [Uint8Array, runs, ["runFirst", "runLast"]],
    [Uint8Array, trades, ["tradeColumn"]],
    [Uint8Array, latencies, ["latencyColumn", "latencyBucket"]],
  ];
  const length = arrays.reduce(
    (sum, [Kind, count, names]) => sum + Kind.BYTES_PER_ELEMENT * count * names.length,
    0
  );
  const body = bytes.slice(end + 1);
  if (body.byteLength < length) throw new Error("The server's answer is too short.");
  const tile = { tick: head.tick, base: head.base, isFinal: head.is_final, bytes: length };
  let at = 0;
  for (const [Kind, count, names] of arrays)
    for (const name of names) {
      tile[name] = new Kind(body, at, count);
      at += tile[name].byteLength;
    }
  return tile;
}

// The key of a band in tiles and in the URL. symbol: null for a whole topic.
export function bandKey(feed, topic, symbol, side = "") {
  const parts = symbol === null ? [feed, topic] : [feed, topic, symbol];
  return (side === "" ? "" : side + ":") + parts.map(encodeURIComponent).join("/");
}

// Reasons of gaps, in the order of a tile's bits.
const REASONS = [
  "disconnect",
  "stale",
  "overload",
  "restart",
  "crash",
  "corrupt",
  "sequence",
  "aggregate",
  "pruned",
  "not_subscribed",
];

export function gapReasons(bits) {
  return REASONS.filter((reason, bit) => bits & (1 << bit));
}
