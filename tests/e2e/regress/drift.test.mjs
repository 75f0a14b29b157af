// `tapedeck drift` on tapes of documented frames (tests/golden), some of whose topics change at a known frame: it reports every
// change with its first and last frame and its count, and nothing else. This file derives the findings from the changes.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import zlib from "node:zlib";
import {
  capture,
  filesBelow,
  importLines,
  json,
  run,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";
import { FAMILIES } from "../support/dialect_exchanges.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";
import { test } from "../support/npm_packages.mjs";

const GOLDEN = path.resolve("tests/golden");
const FRAMES = 60; // of each stream
const CHANGE = 30; // the first changed one
const CHANGED = 5; // changed ones in a row

/** The name of a frame's stream: its topic, and its parameter and symbol if the topic does not contain them. */
function streamOf(text) {
  const frame = JSON.parse(text);
  const event = Array.isArray(frame) ? frame[0] : frame;
  return JSON.stringify([
    event.topic ?? event.e,
    event.params?.channel ?? event.params,
    event.symbol,
  ]);
}

/** The documented frames of a family, one for each stream: {name, text, out}. */
function documented(family) {
  const dir = path.join(GOLDEN, family);
  const found = new Map();
  for (const name of fs.readdirSync(dir).sort()) {
    if (!name.endsWith(".json") || name.endsWith(".out.json") || name.includes("@")) continue;
    const text = fs.readFileSync(path.join(dir, name), "utf8").trim();
    const out = JSON.parse(
      fs.readFileSync(path.join(dir, name.replace(/json$/, "out.json")), "utf8")
    );
    // Frames of books and tickers of Kraken v2 have no topic without their connection's requests.
    if (family === "kraken-v2" && /^(book|ticker)/.test(name)) continue;
    // Clients' requests about orders are sent, and their answers have other members; v5-trade's are all of one name.
    if (out.type === "order_entry" && family !== "v5-trade") continue;
    // Skip frames that are wrong on purpose: one has an undocumented side, one has white space around JSON.
    if (
      out.error !== undefined ||
      out.unknown_fields !== undefined ||
      name === "trade.other-side.json"
    )
      continue;
    const key = streamOf(text);
    if (!found.has(key)) found.set(key, { name: `${family}/${name}`, text, out });
  }
  return [...found.values()];
}

/** The path of a frame's data: JSON-RPC puts it into the parameters. */
const dataPath = (frame) =>
  frame.data === undefined && frame.params?.data !== undefined ? "params.data" : "data";
const pathIn = (text, key) => `${dataPath(JSON.parse(text))}.${key}`;

/** The members of a frame's entries, one level below its data: [key, JSON text of the first value]. */
function membersOf(text) {
  const frame = JSON.parse(text);
  let entry = frame.data ?? frame.params?.data;
  if (Array.isArray(entry)) entry = entry[0];
  if (entry === null || typeof entry !== "object" || Array.isArray(entry)) return [];
  return Object.entries(entry);
}

const literal = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// Changes of a frame: [the changed text, the finding {kind, path, detail}], or null if the frame has no member for it.
// `rest`: the change lasts to the end.
const CHANGES = {
  "a member more in the frame": (text) =>
    text.startsWith("{")
      ? [
          text.replace("{", '{"zz_top":{"a":1},'),
          { kind: "new_field", path: "zz_top", detail: null },
        ]
      : null,
  "a member more in data": (text) => {
    const at = /"data":\s*\[?\s*\{/.exec(text);
    return at === null
      ? null
      : [
          text.replace(at[0], `${at[0]}"zz_in":null,`),
          { kind: "new_field", path: pathIn(text, "zz_in"), detail: null },
        ];
  },
  "a member twice": (text) => {
    const [member] = membersOf(text).filter(
      ([, value]) => value === null || typeof value !== "object"
    );
    const at = /"data":\s*\[?\s*\{/.exec(text);
    if (at === null || member === undefined) return null;
    return [
      text.replace(at[0], `${at[0]}${JSON.stringify(member[0])}:${JSON.stringify(member[1])},`),
      { kind: "repeated_field", path: pathIn(text, member[0]), detail: null },
    ];
  },
  "a number that becomes a string": (text) => {
    if (text.includes('"adlAlert.')) return null; // both forms are documented
    const number = /^-?(0|[1-9]\d*)(\.\d+)?$/;
    for (const [key, value] of membersOf(text)) {
      const pattern = new RegExp(`(${literal(JSON.stringify(key))}:\\s*)(-?\\d[\\d.]*)(?=[,}\\s])`);
      if (typeof value === "number" && pattern.test(text))
        return [
          text.replace(pattern, '$1"$2"'),
          { kind: "type_changed", path: pathIn(text, key), detail: "number to string" },
        ];
      const quoted = new RegExp(
        `(${literal(JSON.stringify(key))}:\\s*)"(${literal(String(value))})"`
      );
      if (typeof value === "string" && number.test(value) && quoted.test(text))
        return [
          text.replace(quoted, "$1$2"),
          { kind: "type_changed", path: pathIn(text, key), detail: "string to number" },
        ];
    }
    return null;
  },
  "a member that is gone": (text) => {
    const [key, value] = membersOf(text).at(-1) ?? [];
    const pattern =
      key === undefined
        ? null
        : new RegExp(
            `,\\s*${literal(JSON.stringify(key))}:\\s*${literal(JSON.stringify(value))}(?=\\s*\\})`,
            "g"
          );
    const changed = pattern === null ? text : text.replace(pattern, "");
    if (changed === text || Array.isArray(value) || changed.includes(JSON.stringify(key)))
      return null; // another entry has it
    return [changed, { kind: "field_gone", path: pathIn(text, key), detail: null }, "rest"];
  },
  "another topic": (text, out) => {
    if (!text.startsWith('{"topic":"') || !text.includes('"data"')) return null;
    return [
      text.replace(/^\{"topic":"[^"]*"/, '{"topic":"fresh.BTCUSDT"'),
      { kind: "new_topic", topic: "fresh.{symbol}", path: null, detail: null, symbol: "BTCUSDT" },
    ];
  },
  "no topic": (text) =>
    text.startsWith('{"topic":')
      ? [
          text.replace('{"topic":', '{"subject":'),
          { kind: "not_decoded", topic: "_unknown", path: null, detail: "no_topic", symbol: null },
        ]
      : null,
};

const secondsText = (s) => `${s}000000000`;

/** Lines of a jsonl capture, and drift's expected findings in them, for the streams of a family. */
function changedStreams(family, kinds, first = 0, count = FRAMES) {
  const lines = [];
  const findings = [];
  documented(family).forEach(({ name, text, out }, n) => {
    const own = Math.floor((out.exchange_ns ?? 0) / 1e9) || 1_700_000_000;
    const start = own + 1 + n * 2 * FRAMES; // each stream has its own time
    let change = null;
    for (let i = 0; i < kinds.length && change === null; i++)
      change = CHANGES[kinds[(n + i) % kinds.length]](text, out);
    const [changed, finding, lasts] = change ?? [text, null];
    const end = lasts === "rest" ? FRAMES : CHANGE + CHANGED;
    for (let i = first; i < first + count; i++)
      lines.push(
        `{"recv_ns":${secondsText(start + i)},"conn":"${n}","data":${i >= CHANGE && i < end ? changed : text}}`
      );
    if (finding !== null)
      findings.push({
        feed: family,
        topic: out.topic,
        symbol: out.symbol,
        name,
        first: start + CHANGE,
        last: start + end - 1,
        count: end - CHANGE,
        ...finding,
      });
  });
  return { lines, findings };
}

const families = () => fs.readdirSync(GOLDEN).sort();

/** A family of each dialect. */
const DIALECTS = [
  "inverse",
  "linear",
  "spot-private",
  "spot-v1",
  "usdc-option",
  "usdc-perp",
  "v5-linear",
  "v5-private",
];

/** Import lines as sessions of a feed. */
const add = (t, archive, family, lines) => importLines(t, lines, { archive, family, feed: family });

const drift = (t, archive, ...more) =>
  json(t, ["drift", "-a", archive, "--json", ...more], { status: null });
const place = (f) => `${f.feed} ${f.topic} ${f.path} ${f.kind} ${f.detail}`;

/** Findings of several streams with one topic are one. */
function merged(findings) {
  const rows = new Map();
  for (const f of findings) {
    const row = rows.get(place(f));
    if (row === undefined) rows.set(place(f), { ...f });
    else {
      if (f.first < row.first) Object.assign(row, { first: f.first, symbol: f.symbol });
      row.last = Math.max(row.last, f.last);
      row.count += f.count;
    }
  }
  return rows;
}

/** Check that the findings are the changes, each once, and nothing else. */
function assertFound(found, findings) {
  const expected = merged(findings);
  for (const f of found.findings) {
    // A mandatory member is not reported as missing: frames without it are undecodable.
    let want = expected.get(place(f));
    if (want === undefined && f.kind === "not_decoded" && f.detail === "missing_field")
      want = [...expected.values()].find(
        (w) =>
          w.kind === "field_gone" &&
          w.topic === f.topic &&
          w.feed === f.feed &&
          w.path.endsWith(f.path)
      );
    assert.ok(
      want !== undefined,
      `found, but not there: ${JSON.stringify({ ...f, example: undefined })}`
    );
    expected.delete(place(want));
    assert.deepEqual(
      [f.count, f.first_ns / 1e9, f.last_ns / 1e9],
      [want.count, want.first, want.last],
      `${want.name}: ${JSON.stringify(f)}`
    );
    assert.ok(f.symbol === null || f.symbol === want.symbol, JSON.stringify(f));
    assert.ok(f.example.length > 0 && f.example_bytes === Buffer.byteLength(f.example));
  }
  assert.deepEqual([...expected.values()], [], "there, but not found");
  assert.equal(found.new, found.findings.length);
}

describe("drift", { concurrency: 2 }, () => {
  test("documented frames have no findings", async (t) => {
    const archive = path.join(temporary(t), "tape");
    let frames = 0;
    for (const family of families()) {
      const { lines } = changedStreams(family, [], 0, 15);
      frames += lines.length;
      await add(t, archive, family, lines);
    }
    const found = await json(t, ["drift", "-a", archive, "--json"]); // status 0
    assert.deepEqual(found, {
      since_ns: null,
      findings: [],
      frames,
      new: 0,
      known: 0,
      left_out: 0,
      damaged_chunks: 0,
      unreadable_segments: 0,
    });
    assert.ok(frames > 1000);
  });

  for (const [name, kinds, where = families()] of [
    [
      "members more, twice and of another type",
      [
        "a member more in the frame",
        "a number that becomes a string",
        "a member more in data",
        "a member twice",
      ],
    ],
    ["members gone, other topics, none", ["a member that is gone", "another topic", "no topic"]],
    ["members of another type everywhere", ["a number that becomes a string"], DIALECTS],
    ["members gone everywhere", ["a member that is gone"], DIALECTS],
  ])
    test(`drift finds this change and nothing else: ${name}`, async (t) => {
      const archive = path.join(temporary(t), "tape");
      const findings = [];
      for (const family of where) {
        const changed = changedStreams(family, kinds);
        await add(t, archive, family, changed.lines);
        findings.push(...changed.findings);
      }
      assert.ok(findings.length > 40);
      const one = await tapedeck(t, ["drift", "-a", archive, "--json", "-j", "1"], { status: 1 });
      assertFound(JSON.parse(one.stdout), findings);
      const four = await tapedeck(t, ["drift", "-a", archive, "--json", "-j", "4"], { status: 1 });
      assert.equal(four.stdout, one.stdout);
    });

  test("values, scales, signs, jumps and times are reported with their frames", async (t) => {
    const archive = path.join(temporary(t), "tape");
    const start = 1_700_000_000;
    const trade = (change = {}) =>
      JSON.stringify({
        topic: "publicTrade.BTCUSDT",
        type: "snapshot",
        ts: start * 1000,
        data: [
          {
            T: start * 1000,
            s: "BTCUSDT",
            S: "Buy",
            v: "0.5",
            p: "36000.5",
            L: "PlusTick",
            i: "a",
            BT: false,
            ...change,
          },
        ],
      });
    const changes = {
      "1100,1101": [{ L: "SideTick" }, { kind: "new_value", path: "data.L", detail: '"SideTick"' }],
      1110: [{ S: "Cross" }, { kind: "new_value", path: "data.S", detail: '"Cross"' }],
      "1120,1125,1129": [
        { p: "36000.25" },
        { kind: "out_of_scale", path: "data.p", detail: "2 decimal places, 1 before" },
      ],
      1130: [{ v: "-1" }, { kind: "out_of_range", path: "data.v", detail: "negative" }],
      1140: [
        { p: "3600050" },
        { kind: "out_of_range", path: "data.p", detail: "ten times the last price or more" },
      ],
      1150: [
        { p: "36.5" },
        { kind: "out_of_range", path: "data.p", detail: "a tenth of the last price or less" },
      ],
      1160: [{ T: start }, { kind: "out_of_range", path: "data.T", detail: "a time before 2010" }],
      1170: [
        { T: (start + 9000) * 1000 },
        { kind: "out_of_range", path: "data.T", detail: "over an hour after it was received" },
      ],
      "1180,1199": [{ BT: {} }, { kind: "not_decoded", path: "BT", detail: "wrong_type" }],
    };
    const at = new Map(
      Object.entries(changes).flatMap(([frames, [change]]) =>
        frames.split(",").map((n) => [Number(n), change])
      )
    );
    const lines = Array.from(
      { length: 1200 },
      (_, n) => `{"recv_ns":${secondsText(start + 1 + n)},"data":${trade(at.get(n))}}`
    );
    await add(t, archive, "v5-linear", lines);
    const expected = Object.entries(changes).map(([frames, [, finding]]) => {
      const numbers = frames.split(",").map(Number);
      return {
        feed: "v5-linear",
        topic: "publicTrade",
        symbol: "BTCUSDT",
        first: start + 1 + numbers[0],
        last: start + 1 + numbers.at(-1),
        count: numbers.length,
        ...finding,
      };
    });
    assertFound(await drift(t, archive), expected);
  });

  test("with --since findings before it are not new, also with another session in the archive", async (t) => {
    const archive = path.join(temporary(t), "tape");
    const start = 1_700_000_000;
    const order = (more) =>
      JSON.stringify({
        topic: "order",
        creationTime: start * 1000,
        data: [
          { symbol: "BTCUSDT", orderId: "1", orderStatus: "New", placeType: "price", ...more },
        ],
      });
    const lines = (from, to) =>
      Array.from({ length: to - from }, (_, i) => {
        const n = from + i;
        // Member "old" appears and stays, "new" appears later; two more values of a set that the documents leave open.
        const more = {
          ...(n >= 10 ? { old: 1 } : {}),
          ...(n >= 70 ? { new: 1 } : {}),
          placeType: n === 20 || n === 90 ? "other" : n === 80 ? "third" : "price",
        };
        return `{"recv_ns":${secondsText(start + n)},"data":${order(more)}}`;
      });
    await add(t, archive, "v5-private", lines(0, 50));
    await add(t, archive, "v5-private", lines(50, 100));
    const rows = (found) =>
      found.findings.map((f) => [
        f.path,
        f.kind,
        f.is_new,
        f.count,
        f.first_ns / 1e9 - start,
        f.last_ns / 1e9 - start,
      ]);
    const all = await json(t, ["drift", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(rows(all), [
      ["data.new", "new_field", true, 30, 70, 99],
      ["data.old", "new_field", true, 90, 10, 99],
    ]);
    const late = await json(t, ["drift", "-a", archive, "--json", "--since", String(start + 60)], {
      status: 1,
    });
    assert.deepEqual(rows(late), [
      ["data.new", "new_field", true, 30, 70, 99],
      ["data.old", "new_field", false, 90, 10, 99],
      ["data.placeType", "new_value", true, 1, 80, 80],
    ]);
    assert.deepEqual([late.since_ns / 1e9, late.new, late.known], [start + 60, 2, 1]);
    const last = await json(t, ["drift", "-a", archive, "--json", "--since", String(start + 95)]); // status 0
    assert.deepEqual([last.new, last.known], [0, 2]);
    const { stdout } = await tapedeck(t, ["drift", "-a", archive, "--since", String(start + 75)], {
      status: 1,
    });
    assert.match(
      stdout,
      /^feed +topic +what +where +detail +frames +first +last +example\nv5-private +order +new_value +data\.placeType +"third" +1 +2023-11-14 22:14:40\.000 .*"placeType":"third"/m
    );
    assert.match(stdout, /\n100 frames: 1 new finding, 2 known before\n$/);
    const none = await tapedeck(t, ["drift", "-a", archive, "--since", String(start + 95)]);
    assert.equal(none.stdout, "100 frames: no new findings, 2 known before\n");
  });

  test("many findings of one kind hide no other kind, and omitted findings are counted", async (t) => {
    const archive = path.join(temporary(t), "tape");
    const start = 1_700_000_000;
    const order = (placeType, more) =>
      JSON.stringify({
        topic: "order",
        creationTime: start * 1000,
        ...more,
        data: [{ symbol: "BTCUSDT", orderId: "1", orderStatus: "New", placeType }],
      });
    const line = (n, text) => `{"recv_ns":${secondsText(start + n)},"data":${text}}`;
    // 5,000 texts of a set that the documents leave open, and then one more member.
    await add(
      t,
      archive,
      "v5-private",
      Array.from({ length: 5000 }, (_, n) => line(n, order(`v${n}`, n === 4990 ? { late: 1 } : {})))
    );
    const found = await json(t, ["drift", "-a", archive, "--json"], { status: 1 });
    assert.deepEqual(
      found.findings.map((f) => [f.kind, f.path, f.count]),
      [["new_field", "late", 1]]
    );
    assert.equal(found.left_out, 0);
    // Likewise 5,000 members, all before --since; findings of one kind and topic share 256 entries.
    await add(
      t,
      archive,
      "v5-private",
      Array.from({ length: 5000 }, (_, n) => line(6000 + n, order("price", { [`z${n}`]: 1 })))
    );
    const late = await json(
      t,
      ["drift", "-a", archive, "--json", "--since", String(start + 20000)],
      { status: 1 }
    );
    assert.deepEqual([late.new, late.known], [0, 256]);
    assert.equal(late.left_out, 5001 - 256 + (5000 - 256));
    assert.match(
      (await tapedeck(t, ["drift", "-a", archive, "--since", String(start + 20000)], { status: 1 }))
        .stdout,
      /, 256 known before, 9,489 occurrences of other findings left out: too many\n$/
    );
  });

  test("above its limits, too, the report is the same with any number of threads", async (t) => {
    const archive = path.join(temporary(t), "tape");
    const SYMBOLS = 16,
      FRAMES = 520,
      SHARE = 256,
      WHOLE = 4096;
    const candle =
      '{"start":1700000000000,"open":"1","close":"1","high":"1","low":"1","volume":"1","turnover":"1","confirm":false}';
    const kline = (interval, n, more) =>
      `{"topic":"kline.${interval}.S${n % SYMBOLS}USDT","type":"snapshot","ts":1700000000000${more},"data":[${candle}]}`;
    const intervals = ["1", "5", "15", "60", "240", "720", "D", "W", "M"];
    // Made-up members: two families with 9 topics each, and in each topic more members than its share.
    for (const family of ["v5-linear", "v5-spot"]) {
      const lines = [];
      for (let n = 0; n < FRAMES; n++)
        for (const interval of intervals)
          lines.push(
            `{"recv_ns":${secondsText(1_700_000_000 + lines.length)},"data":${JSON.stringify(kline(interval, n, `,"z${n % (FRAMES / 2)}":1`))}}`
          );
      await add(t, archive, family, lines);
    }
    const one = await tapedeck(t, ["drift", "-a", archive, "--json", "-j", "1"], { status: 1 });
    const found = JSON.parse(one.stdout);
    assert.equal(found.findings.length, WHOLE);
    assert.ok(2 * intervals.length * SHARE > WHOLE);
    assert.ok(found.findings.every((f) => f.count === 2));
    assert.equal(found.left_out, 2 * intervals.length * FRAMES - 2 * WHOLE);
    for (const threads of ["2", "4"])
      assert.equal(
        (await tapedeck(t, ["drift", "-a", archive, "--json", "-j", threads], { status: 1 }))
          .stdout,
        one.stdout
      );
  });

  test("damage is reported, and the rest is examined", async (t) => {
    const archive = path.join(temporary(t), "tape");
    const { lines } = changedStreams("v5-linear", ["a member more in the frame"]);
    await add(t, archive, "v5-linear", lines);
    await add(t, archive, "linear", changedStreams("linear", ["a member more in the frame"]).lines);
    const whole = await drift(t, archive);
    const [file] = filesBelow(archive).filter(
      (f) => f.startsWith("capture") && f.includes("v5-linear")
    );
    const bytes = fs.readFileSync(path.join(archive, file));
    bytes[Math.floor(bytes.length / 3)] ^= 0x10;
    fs.writeFileSync(path.join(archive, file), bytes);
    const found = await json(t, ["drift", "-a", archive, "--json"], { status: 3 });
    assert.ok(found.damaged_chunks + found.unreadable_segments > 0);
    assert.deepEqual(
      found.findings.filter((f) => f.feed === "linear"),
      whole.findings.filter((f) => f.feed === "linear")
    );
  });

  test("compressed frames are examined, and examples are shown inflated", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { frames, speaks, path: where } = FAMILIES["spot-v1"];
    const texts = frames.map((frame) => frame.replace("{", '{"zz_top":1,'));
    const exchange = await scriptedServer(t, dir, {
      message: (ws, request) => {
        if (request.event !== "sub") return;
        ws.send(speaks.answer(request));
        for (const text of texts) ws.send(zlib.gzipSync(Buffer.from(text)), { binary: true });
        ws.close(1000);
      },
    });
    const args = [
      exchange.url + where,
      "--family",
      "spot-v1",
      "--ca-file",
      exchange.ca,
      "--topic",
      "trade",
      "--symbol",
      "BTCUSDT",
      "--binary",
      "--until-close",
    ];
    await run(t, "tapedeck-record", ["record", "-a", archive, ...args]);
    const found = await json(t, ["drift", "-a", archive, "--json"], { status: 1 });
    const [row] = found.findings.filter((f) => f.kind === "new_field");
    assert.deepEqual(
      [row.topic, row.path, row.count, row.example],
      ["trade", "zz_top", texts.length, texts[0]]
    );
  });

  test("an empty selection, a missing archive and a wrong option are errors", async (t) => {
    const archive = path.join(temporary(t), "tape");
    await add(t, archive, "v5-linear", changedStreams("v5-linear", []).lines);
    assert.match(
      (await tapedeck(t, ["drift", "-a", archive, "--symbol", "NONE"], { status: 4 })).stderr,
      /NONE/
    );
    await tapedeck(t, ["drift", "-a", path.join(archive, "none")], { status: 4 });
    await tapedeck(t, ["drift", "-a", archive, "--since", "soon"], { status: 2 });
    const some = await json(t, ["drift", "-a", archive, "--json", "--topic", "publicTrade"]);
    assert.equal(some.frames % FRAMES, 0);
    assert.ok(some.frames > 0);
  });

  for (const [name, family] of [
    ["inverse-2021-04-17.jsonl.gz", "inverse"],
    ["linear-2021-04-17.jsonl.gz", "linear"],
    ["v5-2026-08-09.jsonl.gz", "v5-linear"],
    ["v5-linear-2025-06-13.jsonl.gz", "v5-linear"],
  ])
    test(`${name} has no findings`, { skip: withoutCapture(name) }, async (t) => {
      const archive = path.join(temporary(t), "tape");
      await tapedeck(t, ["import", "-q", "-a", archive, "--family", family, capture(name)]);
      const found = await json(t, ["drift", "-a", archive, "--json"]); // status 0
      assert.deepEqual([found.findings, found.damaged_chunks], [[], 0]);
      assert.ok(found.frames > 100);
    });
});
