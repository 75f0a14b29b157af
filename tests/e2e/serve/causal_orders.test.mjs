// `serve --causal`: what a request about an order caused follows the client's own request, however late that is. A made-up
// exchange answers each order and updates it, one or the other first; the bot under test has a bug that this race shows.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after } from "node:test";
import {
  eventually,
  jsonLines,
  listening,
  run,
  tapedeck,
  temporary,
  tooLong,
} from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import {
  answer,
  ask,
  AUTH,
  connected,
  imported,
  request,
  update,
} from "../support/order_entry.mjs";
import { bot, exchange, isOver, positions } from "../support/racing_bot.mjs";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-e2e-"));
after(() => fs.rmSync(folder, { recursive: true }));
/** The session as the bot lived it, recorded by tap. Recorded once. */
let cached;
const recorded = (t) => (cached ??= record(t));
async function record(t) {
  const dir = folder;
  const archive = path.join(dir, "tape");
  const upstream = await exchange(t);
  const tap = await listening(
    t,
    ["tap", "-a", archive, "--upstream", upstream.url, "--family", "v5-linear", "--plain"],
    dir
  );
  const live = await bot(t, tap.url, { reactionMs: 5 });
  upstream.bot = live;
  upstream.trade();
  await eventually("seven orders", () => isOver(live), tap.program);
  await eventually("a position of each request", () => positions(live) === live.sent.length);
  assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
  return { archive, live };
}

test("a bot's race comes again as it was, however late the bot is", async (t) => {
  const dir = temporary(t);
  const { archive, live } = await recorded(t);
  assert.equal(live.sent.filter(([op]) => op === "order.create").length, 7);
  assert.equal(live.sent.filter(([op]) => op === "order.cancel").length, 3, "the race was lost");

  for (const reactionMs of [1, 170]) {
    const server = await listening(
      t,
      ["serve", archive, "--causal", "--settle", "1s", "--plain", "--json"],
      dir
    );
    const again = await bot(t, server.url, { reactionMs });
    await eventually("seven orders", () => isOver(again), server.program);
    assert.deepEqual(again.seen, live.seen, `${reactionMs} ms`);
    await eventually("positions", () => positions(again) === positions(live), server.program);
    const { stdout } = await server.program.kill("SIGTERM");
    const counts = JSON.parse(stdout);
    assert.deepEqual([counts.unsent, counts.unrecorded], [0, 0]);
    assert.equal(counts.caused, 2 * 10 + 10); // answer, update, position of ten requests
  }
});

test(
  "the race is in a cut of the bot's feeds, and in the smallest one",
  { skip: tooLong },
  async (t) => {
    const dir = temporary(t);
    const { archive } = await recorded(t);
    const [cut, least] = ["cut", "least"].map((name) => path.join(dir, name));
    const command = `'${process.execPath}' tests/e2e/support/racing_bot.mjs "$1"`;
    await tapedeck(t, ["cut", archive, "-o", cut]);
    await tapedeck(t, ["cut", cut, "-o", least, "--shrink", command]);
    // A trade, the order that the bot places for it, and the order's update, which comes before an answer.
    const lines = await jsonLines(t, ["cat", least, "--json"]);
    const kept = lines.filter(({ dir, topic }) => dir === "in" || topic.startsWith("order."));
    assert.deepEqual(kept.map(({ topic }) => topic).sort(), [
      "order",
      "order.create",
      "publicTrade",
    ]);
  }
);

test("without it, updates come before a late bot's orders", async (t) => {
  const dir = temporary(t);
  const { archive } = await recorded(t);
  const server = await listening(
    t,
    ["serve", archive, "--shared-clock", "--settle", "1s", "--plain"],
    dir
  );
  // Later than any update was while the bot was recorded.
  const again = await bot(t, server.url, { reactionMs: 2000 });
  await eventually("seven orders", () => Object.keys(again.seen).length === 7, server.program);
  assert.equal(again.seen["id-o2"][0], "New", "an update of an order that was not placed yet");
});

test("requests that nobody sends, and requests beyond the recorded ones, are counted and named", async (t) => {
  const dir = temporary(t);
  const { archive } = await recorded(t);
  const server = await listening(
    t,
    ["serve", archive, "--causal", "--settle", "1s", "--plain", "--json"],
    dir
  );
  const mended = await bot(t, server.url, { reactionMs: 5, orders: 6 });
  await eventually("six orders", () => isOver(mended, 6), server.program);
  mended.leave();
  await eventually(
    "the end",
    () => server.program.stderr.includes("no client sent"),
    server.program
  );
  assert.match(
    server.program.stderr,
    /no client sent 1 request that the recording has \(the first: order\.create of 20\d\d-.*\): 3 frames not sent/
  );
  const counts = JSON.parse((await server.program.kill("SIGTERM")).stdout);
  assert.equal(counts.unsent, 3);

  const other = await listening(
    t,
    ["serve", archive, "--causal", "--hold", "--settle", "1s", "--plain", "--json"],
    dir
  );
  const eager = await bot(t, other.url, { reactionMs: 5 });
  await eventually("seven orders", () => isOver(eager), other.program);
  eager.ask("order.create", { category: "linear", symbol: "BTCUSDT", orderLinkId: "more" }, "more");
  await eventually("a warning", () => other.program.stderr.includes("no further"), other.program);
  assert.match(
    other.program.stderr,
    /order\.create: the recording has no further such request, so this one gets no answer/
  );
  assert.equal(JSON.parse((await other.program.kill("SIGTERM")).stdout).unrecorded, 1);
});

/** A frame of /v5/private that names no order. */
const wallet = (at, coin) => ({
  at,
  conn: "own",
  dir: "in",
  data: JSON.stringify({
    id: `w${at}`,
    topic: "wallet",
    creationTime: 1,
    data: [{ accountType: "UNIFIED", coin: [{ coin }] }],
  }),
});
/** What a frame is about: "X New", "wallet BTC", "answer r1". */
const nameOf = ({ topic, data, reqId }) =>
  topic === "order"
    ? data.map(({ orderId, orderStatus }) => `${orderId} ${orderStatus}`).join(", ")
    : topic === "wallet"
      ? `wallet ${data[0].coin[0].coin}`
      : `answer ${reqId}`;

test("which request an update follows", async (t) => {
  const dir = temporary(t);
  const archive = await imported(t, dir, [
    update(0, { orderId: "Z", orderStatus: "New" }), // another program's order
    request(100, "create", { symbol: "BTCUSDT", price: "1" }, "r1"),
    update(101, { orderId: "A", orderStatus: "New" }), // only the answer tells whose it is
    wallet(105, "A"),
    answer(110, "create", { orderId: "A", orderLinkId: "" }, "r1"),
    request(120, "create", { symbol: "BTCUSDT", orderLinkId: "b" }, "r2"),
    request(121, "create", { symbol: "BTCUSDT", orderLinkId: "c" }, "r3"),
    answer(130, "create", { orderId: "C", orderLinkId: "c" }, "r3"), // out of order
    answer(131, "create", { orderId: "B", orderLinkId: "b" }, "r2"),
    update(
      132,
      { orderId: "B", orderLinkId: "b", orderStatus: "New" },
      { orderId: "C", orderLinkId: "c", orderStatus: "New" }
    ), // of both: the later one
    request(140, "amend", { symbol: "BTCUSDT", orderId: "A", price: "2" }, "r4"),
    request(141, "cancel", { symbol: "BTCUSDT", orderLinkId: "b" }, "r5"),
    update(150, { orderId: "A", orderStatus: "PartiallyFilled" }),
    answer(151, "amend", { orderId: "A", orderLinkId: "" }, "r4"),
    update(152, { orderId: "B", orderStatus: "Cancelled" }),
    answer(153, "cancel", { orderId: "B", orderLinkId: "b" }, "r5"),
    update(160, { orderId: "Z", orderStatus: "Filled" }),
    wallet(170, "Z"), // after another program's order
    update(180, { orderId: "A", orderStatus: "Filled" }),
    wallet(300, "late"), // too late to be of that update
    update(800, { orderId: "Z", orderStatus: "End" }),
  ]);
  const server = await listening(
    t,
    ["serve", archive, "--causal", "--settle", "1s", "--plain", "--json"],
    dir
  );
  const [trade, own] = await Promise.all(
    ["trade", "private"].map((at) => connected(t, `${server.url}/v5/${at}`, { auth: false }))
  );
  const got = [];
  for (const ws of [own.ws, trade.ws])
    ws.on("message", (bytes) => {
      const frame = JSON.parse(bytes);
      if (frame.topic !== undefined || frame.reqId !== undefined) got.push(nameOf(frame));
    });
  // All at once: the tape begins a second after the last request.
  for (const { ws } of [trade, own]) ws.send(AUTH);
  own.ws.send(JSON.stringify({ op: "subscribe", args: ["order", "wallet"] }));
  const expect = async (...names) => {
    await eventually(`${names}`, () => got.length >= names.length, server.program);
    assert.deepEqual(got.splice(0).sort(), names.sort());
  };
  await expect("Z New", "Z Filled", "wallet Z", "wallet late", "Z End"); // without any request
  const linear = { category: "linear", symbol: "BTCUSDT" };
  await ask(trade, "1", "order.create", linear);
  await expect("A New", "wallet A", "answer 1");
  await ask(trade, "2", "order.create", linear);
  await expect("answer 2");
  await ask(trade, "3", "order.create", linear);
  await expect("answer 3", "B New, C New");
  await ask(trade, "4", "order.cancel", linear);
  await expect("answer 4", "B Cancelled");
  await ask(trade, "5", "order.amend", linear);
  await expect("answer 5", "A PartiallyFilled", "A Filled");
  const counts = JSON.parse((await server.program.kill("SIGTERM")).stdout);
  assert.deepEqual([counts.caused, counts.unsent, counts.unrecorded], [11, 0, 0]);
});

test("a selection without orders, and options without a clock, are refused", async (t) => {
  const dir = temporary(t);
  const { archive } = await recorded(t);
  const refused = async (status, words, ...more) => {
    const { stderr } = await run(t, "tapedeck", ["serve", archive, "--causal", ...more], {
      status,
    });
    assert.match(stderr, words);
  };
  await refused(4, /--causal: the selection has no request about orders/, "--feed", "v5-linear");
  await refused(2, /--causal needs a clock/, "--speed", "max");
  await refused(2, /--causal needs a clock/, "--slow-client", "wait");
  await refused(2, /--causal excludes --loop and --fault/, "--loop");
  await refused(2, /--causal excludes --loop and --fault/, "--fault", "drop:p=0.1");
});
