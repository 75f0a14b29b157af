// Families that are not part of the programs, simulated from their documents alone: the one that docs/families.md builds, read by a
// client that only knows WebSocket's frames; and mistakes.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { json, jsonLines, listening, tapedeck, temporary } from "../support/harness.mjs";

const PAGE = new URL("../../../docs/families.md", import.meta.url);
const example = () =>
  [
    ...fs
      .readFileSync(PAGE, "utf8")
      .split("\n## The head\n")[1]
      .matchAll(/```yaml\n([^]*?)```/g),
  ]
    .map(([, piece]) => piece)
    .join("\n");

function write(t, documents) {
  const dir = temporary(t);
  for (const [name, text] of Object.entries(documents))
    fs.writeFileSync(path.join(dir, name), text);
  return dir;
}

/** A client's frame of text, of less than 126 bytes, with a mask of zeros. */
const masked = (text) =>
  Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);

/** The whole frames of text in bytes from a server. */
function texts(bytes) {
  const found = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const short = bytes[at + 1];
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (at + head > bytes.length) break;
    const size =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    if (at + head + size > bytes.length) break;
    if (bytes[at] === 0x81) found.push(bytes.subarray(at + head, at + head + size).toString());
    at += head + size;
  }
  return found;
}

/** Subscribe, and wait for this many texts. */
async function subscribe(t, url, topics, count) {
  const { hostname, port, pathname } = url;
  const socket = net.connect(Number(port), hostname);
  t.after(() => socket.destroy());
  socket.write(
    [
      `GET ${pathname} HTTP/1.1`,
      `Host: ${hostname}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${crypto.randomBytes(16).toString("base64")}`,
      "",
      "",
    ].join("\r\n")
  );
  socket.write(masked(JSON.stringify({ op: "subscribe", args: topics })));
  let bytes = Buffer.alloc(0);
  for (;;) {
    const [more] = await once(socket, "data");
    bytes = Buffer.concat([bytes, more]);
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) continue;
    assert.match(bytes.toString("latin1"), /^HTTP\/1\.1 101 /);
    const found = texts(bytes.subarray(end + 4));
    if (found.length >= count) return found;
  }
}

const apply = (side, levels) =>
  levels.forEach(([price, size]) =>
    Number(size) === 0 ? side.delete(price) : side.set(price, size)
  );

test("the family of the page is served from its document", async (t) => {
  const document = path.join(write(t, { "made-up.yaml": example() }), "made-up.yaml");
  const { url } = await listening(
    t,
    [
      "sim",
      "--plain",
      "--families",
      `${document},v5-misc`,
      "--symbols",
      "2",
      "--rate",
      "2000",
      "--seed",
      "3",
    ],
    temporary(t)
  );
  const frames = await subscribe(
    t,
    new URL("/made/up", url),
    ["orderbook.7.BTCUSDT", "kline.1.ETHUSDT", "publicTrade.BTCUSDT"],
    300
  );
  const listed = await (
    await fetch(new URL("/made/up/instruments", url.replace(/^ws/, "http")))
  ).json();
  assert.deepEqual(listed, {
    list: [
      { symbol: "BTCUSDT", tick: "0.50" },
      { symbol: "ETHUSDT", tick: "0.05" },
    ],
  });
  const parsed = frames.map((text) => JSON.parse(text));
  const of = (topic) => parsed.filter((frame) => frame.topic === topic);
  const books = of("orderbook.7.BTCUSDT");
  assert.deepEqual(
    books.map(({ type }) => type),
    ["snapshot", ...Array(books.length - 1).fill("delta")]
  );
  assert.ok(books.length > 30, `${books.length} books`);
  const bids = new Map();
  const asks = new Map();
  for (const [i, { data }] of books.entries()) {
    assert.equal(data.u, books[0].data.u + i);
    apply(bids, data.b);
    apply(asks, data.a);
    assert.deepEqual([bids.size, asks.size], [7, 7]);
    assert.ok(
      Math.max(...[...bids.keys()].map(Number)) < Math.min(...[...asks.keys()].map(Number))
    );
  }
  assert.ok(of("publicTrade.BTCUSDT").length > 30);
  const [{ data: candle }] = of("kline.1.ETHUSDT");
  assert.deepEqual(Object.keys(candle[0]), ["start", "close", "confirm"]);
  const options = ["--families", document, "--family", "made-up"];
  const messages = await jsonLines(t, ["decode", ...options], {
    stdin: books.map((book) => `${JSON.stringify(book)}\n`).join(""),
  });
  assert.deepEqual(new Set(messages.map(({ type }) => type)), new Set(["book_change"]));
});

test("it is listed like the others", async (t) => {
  const dir = write(t, { "made-up.yaml": example() });
  const { rows } = await json(t, [
    "sim",
    "--list",
    "--json",
    "--families",
    `${dir}/`,
    "--symbols",
    "2",
  ]);
  assert.deepEqual(
    rows.map(({ kind, name }) => `${kind} ${name}`),
    [
      "path /made/up",
      "topic orderbook.7.SYMBOL",
      "topic kline.1.SYMBOL",
      "topic kline.5.SYMBOL",
      "topic kline.D.SYMBOL",
      "topic publicTrade.SYMBOL",
      "symbol BTCUSDT",
      "symbol ETHUSDT",
    ]
  );
});

test("documents of a folder share streams and parts", async (t) => {
  const mine = `${HEAD}${ADDRESS}use: [shared]\nsimulator:\n  products: [spot]\n  streams: [{use: top}]\n`;
  const shared =
    "simulator:\n  parts: {n: $u}\n  streams:\n    top: {topic: best, shows: notice, every_ms: 9, snapshot: '%{n}'}\n";
  const dir = write(t, { "mine.yaml": mine, "shared.yaml": shared });
  const { rows } = await json(t, [
    "sim",
    "--list",
    "--json",
    "--families",
    `${dir}/mine.yaml,${dir}/shared.yaml`,
    "--symbols",
    "1",
  ]);
  assert.deepEqual(
    rows.map(({ name }) => name),
    ["/b", "best.SYMBOL", "BTCUSDT"]
  );
});

const HEAD = "family: mine\nexchange: bybit\ndialect: v5\n";
const ADDRESS = "addresses: [main public wss://a.example/b]\n";
const SERVED =
  "simulator:\n  streams: [{topic: a, shows: notice per_family, every_ms: 9, snapshot: $u}]\n";
const MISTAKES = [
  [
    "a document without frames",
    HEAD,
    /mine\.yaml does not have the key 'simulator'\n.*hint: docs\/families\.md/,
  ],
  [
    "a misspelt value",
    `${HEAD}${SERVED.replace("$u", "$prise")}`,
    /mine\.yaml:5: there is no value 'prise'\n.*hint: did you mean 'price'\?/,
  ],
  ["no address", `${HEAD}${SERVED}`, /family 'mine' has no address/],
  [
    "orders of an unknown family",
    `${HEAD}${ADDRESS}simulator:\n  orders: {of: v5-privat}\n`,
    /there is no family 'v5-privat'\n.*hint: did you mean 'v5-private'\?/,
  ],
  [
    "orders of a family without an account",
    `${HEAD}${ADDRESS}simulator:\n  orders: {of: v5-misc}\n`,
    /family 'v5-misc' has no account for the orders of 'mine'/,
  ],
  [
    "orders of a served family without an account",
    `${HEAD}${ADDRESS}simulator:\n  orders: {of: v5-misc}\n`,
    /family 'v5-misc' has no account for the orders of 'mine'/,
    ",v5-misc",
  ],
];

for (const [title, document, error, more = ""] of MISTAKES)
  test(`${title} is refused`, async (t) => {
    const dir = write(t, { "mine.yaml": document });
    const { stderr } = await tapedeck(
      t,
      [
        "sim",
        "--plain",
        "--listen",
        "127.0.0.1:0",
        "--families",
        path.join(dir, "mine.yaml") + more,
      ],
      { status: 2 }
    );
    assert.match(stderr, error);
  });
