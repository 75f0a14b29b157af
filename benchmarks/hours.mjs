// Hours of made recordings, for `make bench`: frames of the simulated exchange (books and trades of ten symbols, 100 frames a
// second of its time), with the sizes and the delays of a real capture. Sizes of levels and of trades are drawn from the
// capture's, each alone, symbol by symbol; a frame is received after a delay that the capture has, in its order, with jumps, and
// with nanoseconds that captures of other programs lack. So no size follows from the one before it, as many of real ones do.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { bin, makeCorpus, run, segmentBytes, work } from "./corpus.mjs";

const FRAMES_A_SECOND = 100,
  TIME_SCALE = 200;

const levels = (book) => [...book.b, ...book.a].map((level) => [level, 1]);
/** Where a frame has sizes: {levels} or {trades}, each a list of [holder, key]; nothing in frames of other topics. */
export const FAMILIES = {
  "v5-linear": {
    capture: "v5-2026-08-09.jsonl.gz",
    sizes: ({ topic = "", data }) =>
      topic.startsWith("orderbook.")
        ? { levels: levels(data) }
        : topic.startsWith("publicTrade.")
          ? { trades: data.map((trade) => [trade, "v"]) }
          : {},
  },
  inverse: {
    capture: "inverse-2021-04-17.jsonl.gz",
    sizes: ({ topic = "", data }) =>
      topic.startsWith("orderBookL2_25.")
        ? {
            levels: (Array.isArray(data) ? data : [...data.update, ...data.insert]).map((level) => [
              level,
              "size",
            ]),
          }
        : topic.startsWith("trade.")
          ? { trades: data.map((trade) => [trade, "size"]) }
          : {},
  },
  "binance-usdm": {
    capture: "other/binance-futures.jsonl.zst",
    sizes: ({ stream = "", data, bids, asks }) =>
      bids !== undefined
        ? { levels: levels({ b: bids, a: asks }) }
        : stream.endsWith("@depth@100ms")
          ? { levels: levels(data) }
          : stream.endsWith("@aggTrade")
            ? { trades: [[data, "q"]] }
            : {},
  },
};

/** A generator of the same numbers in each run: from 0 to below 1. */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The messages of an archive, as `cat --json` prints them. */
async function* messagesOf(archive, args = []) {
  const child = spawn(bin("tapedeck"), ["cat", "-a", archive, "--json", ...args], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  for await (const line of readline.createInterface({ input: child.stdout }))
    yield JSON.parse(line);
}

/** JSON whose whole numbers of 16 digits or more are texts while it is parsed: JavaScript rounds them. */
const parse = (text) => JSON.parse(text.replace(/:(\d{16,})(?=[,}])/g, ':"~$1"'));
const print = (frame) => JSON.stringify(frame).replace(/"~(\d+)"/g, "$1");

/** A frame that keeps its bytes when it is printed again, and where its sizes are. */
function parsed(family, message) {
  let frame;
  try {
    frame = parse(message.data);
  } catch {
    return { places: {} };
  }
  if (print(frame) !== message.data) return { places: {} };
  return { frame, places: FAMILIES[family].sizes(frame) };
}

const isZero = (size) => Number(size) === 0;

/** A size with another last digit if it has three digits or more and is not round: a capture has few of all sizes. */
function redrawn(size, below) {
  const digits = String(size);
  if (digits.replace(/[.]|^0[.]0*/g, "").length < 3 || /[0.]$/.test(digits)) return size;
  const made = digits.slice(0, -1) + String(1 + below(9));
  return typeof size === "number" ? Number(made) : made;
}

/** What is drawn from a capture: by symbol its sizes, and the delays of all its frames, in ns. */
async function takeFrom(family, captures) {
  const archive = path.join(work, `real-${family}`);
  run(bin("tapedeck"), [
    "import",
    "-q",
    "-a",
    archive,
    path.join(captures, FAMILIES[family].capture),
  ]);
  const symbols = new Map(),
    delays = [];
  for await (const message of messagesOf(archive)) {
    const { places } = parsed(family, message);
    if (!symbols.has(message.symbol)) symbols.set(message.symbol, { levels: [], trades: [] });
    for (const kind of ["levels", "trades"])
      for (const [holder, key] of places[kind] ?? [])
        if (!isZero(holder[key])) symbols.get(message.symbol)[kind].push(holder[key]);
    if (message.exchange_ns && places.levels)
      delays.push(Number(BigInt(message.recv_ns) - BigInt(message.exchange_ns)));
  }
  const drawn = [...symbols.values()].filter((of) => of.levels.length > 0),
    trades = drawn.flatMap((of) => of.trades);
  for (const of of drawn) if (of.trades.length === 0) of.trades = trades;
  return { archive, symbols: drawn, delays };
}

/** Record, draw, and import: an archive of this many hours. Returns it as makeCorpus does, and the capture's archive. */
export async function makeHours(family, hours, captures) {
  const real = await takeFrom(family, captures);
  const made = await makeCorpus(
    `made-${family}`,
    hours * 3600 * FRAMES_A_SECOND,
    family,
    FRAMES_A_SECOND * TIME_SCALE,
    ["--time-scale", String(TIME_SCALE)]
  );
  const random = seeded(7),
    below = (count) => Math.floor(random() * count),
    before = new Map(), // by symbol and price: exchanges do not send a level whose size did not change
    draw = (sizes, at) => {
      let size;
      do size = redrawn(sizes[below(sizes.length)], below);
      while (before.get(at) === size);
      before.set(at, size);
      return size;
    },
    symbols = new Map();
  const archive = path.join(work, `hours-${family}`),
    lines = fs.createWriteStream(`${archive}.jsonl`);
  let recv_ns = 0n,
    delay = 0;
  for await (const message of messagesOf(made.archive, ["--dir", "all"])) {
    const { frame, places } = parsed(family, message);
    if (!symbols.has(message.symbol))
      symbols.set(message.symbol, real.symbols[symbols.size % real.symbols.length]);
    const drawn = symbols.get(message.symbol);
    for (const kind of ["levels", "trades"])
      for (const [holder, key] of places[kind] ?? [])
        if (!isZero(holder[key]))
          holder[key] = draw(drawn[kind], `${kind} ${message.symbol} ${holder[0] ?? holder.price}`);
    if (places.levels || places.trades) message.data = print(frame);
    const noise_ns = BigInt(below(1000));
    if (message.exchange_ns) {
      delay = below(500) === 0 ? below(real.delays.length) : delay + 1;
      const at_ns =
        BigInt(message.exchange_ns) + BigInt(real.delays[delay % real.delays.length]) + noise_ns;
      recv_ns = at_ns > recv_ns ? at_ns : recv_ns + 2000n + noise_ns;
    } else recv_ns = recv_ns === 0n ? 1767225600000000000n : recv_ns + 2000n + noise_ns;
    message.recv_ns = String(recv_ns);
    if (!lines.write(JSON.stringify(message) + "\n")) await once(lines, "drain");
  }
  lines.end();
  await once(lines, "close");
  fs.rmSync(made.archive, { recursive: true });
  run(bin("tapedeck"), ["import", "-q", "-a", archive, "--format", "jsonl", `${archive}.jsonl`]);
  fs.rmSync(`${archive}.jsonl`);
  return { archive, frames: made.frames, real: real.archive };
}

function entropyBits(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values())
    bits -= (count / values.length) * Math.log2(count / values.length);
  return bits;
}

/** Entropy of each column of an archive's first `most` frames of books, in bits a value. */
export async function columnBits(family, archive, most) {
  const columns = { level_count: [], level_size: [], trade_size: [], delay_100us: [], step_ms: [] },
    last = new Map();
  let frames = 0;
  for await (const message of messagesOf(archive)) {
    const { places } = parsed(family, message);
    for (const [holder, key] of places.trades ?? []) columns.trade_size.push(holder[key]);
    if (!places.levels || !message.exchange_ns || places.levels.length > 100) continue;
    if (frames++ === most) break;
    columns.level_count.push(places.levels.length);
    columns.level_size.push(...places.levels.map(([holder, key]) => holder[key]));
    const recv_ns = BigInt(message.recv_ns);
    columns.delay_100us.push((recv_ns - BigInt(message.exchange_ns)) / 100_000n);
    if (last.has(message.symbol))
      columns.step_ms.push((recv_ns - last.get(message.symbol)) / 1_000_000n);
    last.set(message.symbol, recv_ns);
  }
  return Object.fromEntries(
    Object.entries(columns).map(([name, values]) => [
      name,
      { values: values.length, bits: entropyBits(values) },
    ])
  );
}
