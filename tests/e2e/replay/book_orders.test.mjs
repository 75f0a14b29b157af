// Kraken's level3: a book of single orders. The simulator's frames are followed by code of this file, which knows nothing of
// tapedeck: it keeps the orders, computes the exchange's checksum of them, and adds up the levels. Replay, conditions, `why`,
// checkpoints, cut, serve and exports must have the same. Then frames are lost and changed.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { after, describe } from "node:test";
import {
  importLines,
  inTime,
  json,
  listening,
  manifestOf,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { Recorder, simulator } from "../support/recorders.mjs";
import { query } from "../support/parquet_files.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const TOPICS = ["level3-10.BTC/USD", "level3-100.ETH/USD", "book-100.ETH/USD"];
const FRAMES = 900;
const STRETCHED_NS = 4n * 3_600_000_000_000n; // so that the tape has some hours, and checkpoints at their begins

// ---- a client of its own ----

const CRC = Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
const crc32 = (text) =>
  ([...Buffer.from(text)].reduce((c, b) => CRC[(c ^ b) & 255] ^ (c >>> 8), 0xffffffff) ^ -1) >>> 0;
const PLACES = 12;
const scaled = (text) => {
  const [whole, rest = ""] = text.split(".");
  return BigInt(whole + rest.padEnd(PLACES, "0"));
};
const shortest = (n) => {
  const text = `${n}`.padStart(PLACES + 1, "0");
  return `${text.slice(0, -PLACES)}.${text.slice(-PLACES)}`.replace(/\.?0+$/, "");
};
const digits = (text) => text.replace(".", "").replace(/^0+/, "");

/** Orders of a frame, with the numbers as they are written. */
function parse(data) {
  const raw = data.replace(/"(limit_price|order_qty)":([0-9.e+-]+)/g, '"$1":"$2"');
  const {
    type,
    data: [body],
  } = JSON.parse(raw);
  return { type, ...body };
}

class OrderBook {
  #depth;
  #orders = new Map();
  #came = 0;
  constructor(depth) {
    this.#depth = depth;
  }
  apply(frame) {
    if (frame.type === "snapshot") this.#orders.clear();
    for (const [side, list] of [
      ["Buy", frame.bids],
      ["Sell", frame.asks],
    ])
      for (const o of list)
        if (o.event === "delete") assert.ok(this.#orders.delete(o.order_id), o.order_id);
        else {
          const known = this.#orders.get(o.order_id);
          assert.equal(known !== undefined, o.event === "modify", `${o.event} ${o.order_id}`);
          const came = known?.came ?? ++this.#came;
          this.#orders.set(o.order_id, { ...o, side, came, price: scaled(o.limit_price) });
        }
    for (const side of ["Buy", "Sell"])
      for (const orders of this.levels(side).slice(this.#depth))
        for (const { order_id } of orders) this.#orders.delete(order_id);
  }
  /** The orders of each level, the best level and the first order first. */
  levels(side) {
    const better = side === "Buy" ? -1 : 1;
    const levels = [];
    const orders = [...this.#orders.values()]
      .filter((o) => o.side === side)
      .sort((a, b) =>
        a.price !== b.price
          ? a.price < b.price
            ? -better
            : better
          : a.timestamp.localeCompare(b.timestamp) || a.came - b.came
      );
    for (const order of orders)
      if (levels.at(-1)?.[0].price === order.price) levels.at(-1).push(order);
      else levels.push([order]);
    return levels;
  }
  checksum() {
    return crc32(
      ["Sell", "Buy"]
        .flatMap((side) => this.levels(side).slice(0, 10).flat())
        .map((o) => digits(o.limit_price) + digits(o.order_qty))
        .join("")
    );
  }
  /** Price and size of each level, the best first. */
  sums(side) {
    return this.levels(side).map((orders) => [
      shortest(orders[0].price),
      shortest(orders.reduce((sum, o) => sum + scaled(o.order_qty), 0n)),
    ]);
  }
  sha1() {
    const lines = [
      ...this.sums("Buy")
        .reverse()
        .map((l) => `Buy ${l.join(" ")}`),
      ...this.sums("Sell").map((l) => `Sell ${l.join(" ")}`),
    ];
    return createHash("sha1").update(lines.join("\n")).digest("hex");
  }
  /** The queue of an order's price. */
  queue(id) {
    return ["Buy", "Sell"]
      .flatMap((s) => this.levels(s))
      .find((l) => l.some((o) => o.order_id === id));
  }
}

const depthOf = (topic) => Number(topic.split("-")[1]);

/** The book of a topic after the frames of some lines of `cat`. */
function follow(lines, topic, each = () => {}) {
  const book = new OrderBook(depthOf(topic));
  for (const line of lines.filter((l) => l.topic === topic && l.dir === "in")) {
    const frame = parse(line.data);
    book.apply(frame);
    assert.equal(book.checksum(), frame.checksum, line.data);
    each(line, frame, book);
  }
  return book;
}

// ---- the tape ----

const dir = temporary({ after });
const recorded = (async () => {
  const archive = path.join(dir, "archive");
  const server = await simulator(undefined, dir, [
    ...["--families", "kraken-v2", "--symbols", "2", "--rate", "2000", "--seed", "7"],
  ]);
  const recorder = new Recorder(undefined, archive, [
    ...["--family", "kraken-v2", `${server.url}/v2`, "--ca-file", server.ca],
    ...TOPICS.flatMap((topic) => ["--topic", topic]),
    ...["--max-frames", `${FRAMES}`],
  ]);
  assert.equal((await recorder.ended).code, 0, recorder.stderr);
  await server.program.kill("SIGKILL");
  const text = (await tapedeck(undefined, ["cat", archive])).stdout.trimEnd();
  const lines = text.split("\n").map((line) => JSON.parse(line));
  return { archive, text, lines };
})();

/** An archive of some lines of the tape's text. */
const imported = (t, texts, name = "changed") =>
  importLines(t, texts, {
    archive: path.join(temporary(t), name),
    feed: "kraken-v2",
    family: "kraken-v2",
  });

const replay = (t, archive, ...options) =>
  json(t, ["replay", archive, "--json", "-j", "1", ...options], { status: null });
const bookOf = ({ books }, topic) => books.find((book) => book.topic === topic);

describe("books of orders", { concurrency: 2 }, () => {
  test("replay has the levels of the orders, and each checksum is right", async (t) => {
    const { archive, lines } = await recorded;
    const report = await replay(t, archive);
    assert.ok(report.continuity.ok, JSON.stringify(report.continuity));
    for (const topic of ["level3-10", "level3-100"]) {
      const book = follow(lines, topic);
      assert.equal(bookOf(report, topic).levels_sha1, book.sha1());
    }
  });

  test("a condition sees the levels, and why an order's life", async (t) => {
    const { archive, lines } = await recorded;
    const rows = [];
    let id;
    follow(lines, "level3-10", (line, frame, book) => {
      const all = [...frame.bids, ...frame.asks];
      id ??= all.find((o) => o.event === "add")?.order_id;
      const own = all.find((o) => o.order_id === id);
      if (own === undefined) return;
      const queue = book.queue(id) ?? [];
      const place = queue.findIndex((o) => o.order_id === id);
      const ahead = queue.slice(0, place).reduce((sum, o) => sum + scaled(o.order_qty), 0n);
      const what = { add: "insert", modify: "update", delete: "delete" }[own.event];
      const is =
        place < 0
          ? [null, null, null]
          : [shortest(scaled(own.order_qty)), place + 1, shortest(ahead)];
      rows.push([what, line.ordinal, ...is]);
    });
    const { books } = await json(
      t,
      ["why", archive, "BTC/USD", "--at", "+1h", "--order", id, "--json"],
      { status: null }
    );
    assert.equal(books.length, 1);
    const chain = books[0].chain.map((r) => [r.what, r.ordinal, r.size, r.place, r.ahead]);
    assert.equal(chain[0][0], "snapshot");
    assert.deepEqual(
      chain.slice(1).filter(([what]) => what !== "out_of_depth"),
      rows
    );
    assert.ok(rows.length > 1, "an order that is followed for some frames");
    const best = follow(lines, "level3-10").sums("Buy")[0];
    const level = await json(t, [
      ...["why", archive, "BTC/USD", "--at", "+1h", "--side", "bid", "--price", best[0], "--json"],
    ]);
    assert.equal(level.books.find((b) => b.topic === "level3-10").size, best[1]);
    const refused = await tapedeck(
      t,
      ["why", archive, "BTC/USD", "--at", "+1h", "--order", "O", "--side", "bid"],
      { status: 2 }
    );
    assert.match(refused.stderr, /--at and --order/);
    const levels = path.join(temporary(t), "levels.mcap");
    await tapedeck(t, ["cut", archive, "--topic", "book-100", "--out", levels]);
    const without = await tapedeck(t, ["why", levels, "ETH/USD", "--at", "+1h", "--order", id], {
      status: 4,
    });
    assert.match(without.stderr, /no book of 'ETH\/USD' has single orders/);
  });

  test("a lost frame, and a changed digit, break the book", async (t) => {
    const { text, archive } = await recorded;
    const { topics } = await json(t, ["drift", archive, "--rules", "--json"], { status: null });
    const rules = topics.find((row) => row.topic === "level3-10");
    assert.ok(rules, JSON.stringify(topics));
    const all = text.split("\n");
    const own = all.flatMap((l, i) => (l.includes('"topic":"level3-10"') ? [i] : [])).slice(1);
    for (const at of [own[5], own[40]]) {
      const report = await replay(
        t,
        await imported(
          t,
          all.filter((_, i) => i !== at)
        )
      );
      assert.ok(!report.continuity.ok, `without ${all[at]}`);
    }
    for (const [from, to] of [
      [/(order_qty\\":[0-9.]*)([1-8])/, (_, before, digit) => before + (Number(digit) + 1)],
      [/(checksum\\":[0-9]*)([1-8])/, (_, before, digit) => before + (Number(digit) + 1)],
      [/(order_id\\":\\"O[A-Z0-9]{2})[A-Z0-9]/, "$1_"],
      [/event\\":\\"modify/, 'event\\":\\"delete'],
      [/event\\":\\"(?:modify|delete|add)/, 'event\\":\\"moved'],
    ]) {
      const at = own.slice(60).find((i) => from.test(all[i]) && /modify/.test(all[i]));
      const lines = all.map((line, i) => (i === at ? line.replace(from, to) : line));
      const report = await replay(t, await imported(t, lines));
      assert.ok(!report.continuity.ok || report.undecoded > 0, `${from} in ${all[at]}`);
      assert.notEqual(report.verdict, "complete");
    }
  });

  test("a replay from a checkpoint has the digest of one without it", async (t) => {
    const { text } = await recorded;
    const times = [...text.matchAll(/"recv_ns":(\d+)/g)].map(([, ns]) => BigInt(ns));
    const [first, last] = [times[0], times.at(-1)];
    const later = text
      .split("\n")
      .map((line) =>
        line.replace(
          /"recv_ns":(\d+)/,
          (_, ns) => `"recv_ns":${first + ((BigInt(ns) - first) * STRETCHED_NS) / (last - first)}`
        )
      );
    const archive = await imported(t, later, "hours");
    assert.ok(segments(archive).length > 1);
    const { first_recv_ns: begin, last_recv_ns: end } = await replay(t, archive);
    const whole = path.join(temporary(t), "whole");
    fs.cpSync(archive, whole, { recursive: true });
    for (const file of segments(whole)) spoilCheckpoints(path.join(whole, file));
    const from = `${BigInt(begin) + ((BigInt(end) - BigInt(begin)) * 9n) / 10n}`;
    const [fast, slow] = [
      await replay(t, archive, "--from", from),
      await replay(t, whole, "--from", from),
    ];
    assert.ok(fast.lead_in < slow.lead_in, `${fast.lead_in} of ${slow.lead_in} frames before it`);
    assert.deepEqual(fast.digest, slow.digest);
    assert.deepEqual(fast.books, slow.books);
    assert.ok(fast.continuity.ok);
  });

  test("cut and serve begin with the orders of the moment", async (t) => {
    const { archive, lines } = await recorded;
    const own = lines.filter((l) => l.topic === "level3-10" && l.dir === "in");
    const at = `${own[Math.floor(own.length / 2)].recv_ns}`;
    const file = path.join(temporary(t), "cut.mcap");
    await tapedeck(t, ["cut", archive, "--from", at, "--snapshots", "made", "--out", file]);
    const cut = (await tapedeck(t, ["cat", file])).stdout
      .trimEnd()
      .split("\n")
      .map((l) => JSON.parse(l));
    assert.equal(parse(cut.find((l) => l.topic === "level3-10").data).type, "snapshot");
    for (const topic of ["level3-10", "level3-100"])
      assert.equal(follow(cut, topic).sha1(), follow(lines, topic).sha1());
    assert.ok((await replay(t, file)).continuity.ok);

    const tape = await listening(
      t,
      ["serve", archive, "--shared-clock", "--speed", "0.05", "--once"],
      temporary(t)
    );
    const ca = fs.readFileSync(tape.ca);
    const ask = (socket, symbol) =>
      socket.send(
        JSON.stringify({
          method: "subscribe",
          params: {
            channel: "level3",
            symbol: [symbol],
            depth: symbol === "BTC/USD" ? 10 : 100,
            token: "t",
          },
        })
      );
    const socket = new WebSocket(`${tape.url}/v2`, { ca });
    const frames = { "BTC/USD": [], "ETH/USD": [] };
    await inTime(
      new Promise((resolve, reject) => {
        socket.on("error", reject);
        socket.on("close", resolve);
        socket.on("open", () => ask(socket, "BTC/USD"));
        socket.on("message", (data) => {
          const text = `${data}`;
          if (!text.startsWith('{"channel":"level3"')) return;
          const frame = parse(text);
          frames[frame.symbol].push(frame);
          if (frames["BTC/USD"].length === 10 && frames["ETH/USD"].length === 0)
            ask(socket, "ETH/USD");
        });
      }),
      () => "the end of the tape"
    );
    const late = new OrderBook(100);
    assert.ok(frames["ETH/USD"].length > 1);
    for (const frame of frames["ETH/USD"]) {
      late.apply(frame);
      assert.equal(late.checksum(), frame.checksum);
    }
    assert.equal(late.sha1(), follow(lines, "level3-100").sha1());
  });

  test("datasets have a row for each order", async (t) => {
    const { archive, lines } = await recorded;
    const out = path.join(temporary(t), "out");
    await tapedeck(t, [
      "export",
      archive,
      "--format",
      "parquet",
      "--type",
      "book_orders",
      "--out",
      out,
    ]);
    const manifest = manifestOf(out);
    const expected = lines
      .filter((l) => l.topic === "level3-10" && l.dir === "in")
      .map((l) => parse(l.data))
      .flatMap((f) =>
        ["bids", "asks"].flatMap((side) =>
          f[side].map((o) => [
            f.type === "snapshot"
              ? "set"
              : { add: "insert", modify: "update", delete: "delete" }[o.event],
            side === "bids" ? "Buy" : "Sell",
            o.order_id,
            shortest(scaled(o.limit_price)),
            shortest(scaled(o.order_qty)),
          ])
        )
      );
    const file = manifest.files.find((f) => f.symbol === "BTC/USD");
    assert.equal(file.rows, expected.length);
    const rows = await query(
      `SELECT action, side, order_id, price::VARCHAR, size::VARCHAR FROM '${path.join(out, file.name)}'`
    );
    const plain = (text) => text.replace(/\.?0+$/, "");
    assert.deepEqual(
      rows.map(([action, side, id, price, size]) => [action, side, id, plain(price), plain(size)]),
      expected
    );
  });
});

/** Change a byte of each checkpoint, so that none is used. */
function spoilCheckpoints(file) {
  const bytes = fs.readFileSync(file);
  for (let at = 8; at + 9 <= bytes.length;) {
    const end = at + 9 + Number(bytes.readBigUInt64LE(at + 1));
    if (bytes[at] === 0x81) bytes[end - 1] ^= 1;
    at = end;
  }
  fs.writeFileSync(file, bytes);
}
