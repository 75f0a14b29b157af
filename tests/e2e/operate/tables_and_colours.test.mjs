// On a terminal tables have its width, and colours unless NO_COLOR is set; in a pipe they are whole and plain. Counts have
// separators, and words the right ending. Expected: docs/design.md ("Output").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { importLines, tapedeck, temporary } from "../support/harness.mjs";
import { onTerminal, onTerminals } from "../support/terminal_output.mjs";

const frame = (seq) =>
  JSON.stringify({
    topic: "trade.BTCUSD",
    data: [
      {
        trade_time_ms: 1618677785000 + seq,
        timestamp: "2021-04-17T16:43:05.000Z",
        symbol: "BTCUSD",
        side: "Buy",
        size: 5,
        price: 7.5,
        tick_direction: "PlusTick",
        trade_id: `558a0af8-ca11-5c5c-9b88-${String(seq).padStart(12, "0")}`,
        cross_seq: seq,
      },
    ],
  });

/** An archive of this many trades. */
async function archive(
  t,
  frames,
  { make = frame, feed = "a-feed-whose-name-is-rather-long-for-a-table" } = {}
) {
  const dir = temporary(t),
    capture = path.join(dir, "capture"),
    tape = path.join(dir, "tape");
  const lines = Array.from(
    { length: frames },
    (_, i) => `1618677785.${String(i).padStart(6, "0")}: ${make(i + 1)}`
  );
  fs.writeFileSync(
    capture,
    [
      "wss://test/realtime <-> 1618677785.0",
      ...lines,
      "wss://test/realtime <-> 1618677786.0",
      "",
    ].join("\n")
  );
  const end = await tapedeck(t, [
    "import",
    "-a",
    tape,
    "--format",
    "cryptofeed",
    "--family",
    "inverse",
    "--feed",
    feed,
    capture,
  ]);
  return { tape, end };
}

test("tables fit the terminal with whole names, and a pipe gets all columns", async (t) => {
  const { tape } = await archive(t, 1234);
  const whole = (await tapedeck(t, ["info", tape])).stdout;
  assert.match(whole, /a-feed-whose-name-is-rather-long-for-a-table +inverse/);
  assert.match(whole, / 1,234 /);
  assert.ok(!whole.includes("\x1b") && !whole.includes("…"));
  const ROWS = [
      ["info", 3],
      ["ls", 1],
    ],
    WITH_BANDS = 120; // info has bands if half of the columns are left for them
  for (const columns of [50, 80, 120])
    for (const [i, text] of onTerminals(
      columns,
      ROWS.map(([verb]) => ({ args: [verb, tape] })),
      { NO_COLOR: "1" }
    ).entries()) {
      const lines = text.split("\n"),
        [, rows] = ROWS[i];
      // A name wider than the terminal has a line of its own.
      assert.deepEqual(
        lines.filter(
          (line) => [...line].length > columns && !line.includes(tape) && line.includes(" ")
        ),
        []
      );
      assert.equal(
        lines.filter((line) => line.includes("a-feed-whose-name-is-rather-long-for-a-table"))
          .length,
        rows + (ROWS[i][0] === "info" && columns === WITH_BANDS ? 1 : 0),
        lines.join("\n")
      );
    }
});

test("on a narrow terminal drift's table drops the example first, then the times", async (t) => {
  const { tape } = await archive(t, 20, {
    make: (n) => frame(n).replace("{", '{"a_member_more":1,'),
    feed: "inverse",
  });
  const heads = (text) =>
    [...text.matchAll(/^feed .*\n(?: {2}\w.*\n)*/gm)].map(([head]) => head.trim().split(/\s+/));
  const FINDINGS = [
    "feed",
    "topic",
    "what",
    "where",
    "detail",
    "frames",
    "first",
    "last",
    "example",
  ];
  const ROWS = [
    [80, ["first", "last", "example"]],
    [100, ["last", "example"]],
    [124, ["example"]],
    [1000, []],
  ];
  for (const [columns, left] of ROWS) {
    const shown = onTerminal(columns, ["drift", tape], { NO_COLOR: "1" });
    assert.deepEqual(
      shown.split("\n").filter((line) => [...line].length > columns || / $/.test(line)),
      []
    );
    assert.deepEqual(
      heads(shown),
      [FINDINGS.filter((name) => !left.includes(name))],
      `${columns} columns`
    );
    assert.match(shown, /^inverse +trade +new_field +a_member.* 20\b/m);
  }
  const piped = (await tapedeck(t, ["drift", tape], { status: 1 })).stdout;
  assert.deepEqual(heads(piped), [FINDINGS]);
});

test("on a wide terminal info, gaps and days show frames and gaps over time, but not in a pipe", async (t) => {
  const dir = temporary(t),
    tape = path.join(dir, "tape");
  // Two sessions of 10 s, a minute apart: between them is a gap.
  for (const start of [1618677785, 1618677845]) {
    const lines = Array.from(
      { length: 100 },
      (_, i) => `${start + Math.floor(i / 10)}.${i % 10}: ${frame(start + i)}`
    );
    await importLines(
      t,
      [`wss://test/realtime <-> ${start}.0`, ...lines, `wss://test/realtime <-> ${start + 10}.0`],
      { archive: tape, format: "cryptofeed", family: "inverse" }
    );
  }
  const VERBS = [
    ["info", tape],
    ["gaps", tape],
    ["days", tape],
  ].map((args) => ({ args }));
  const bands = (text) => text.split("\n").filter((line) => /^inverse trade {2}/.test(line));
  for (const text of onTerminals(100, VERBS, { NO_COLOR: "1", LC_ALL: "C.UTF-8" })) {
    assert.match(
      text,
      /^Frames over time, 8\d\d\.?\d* ms a character \(x: gap\), from 2021-04-17 16:43:05\.000 UTC$/m
    );
    assert.equal(bands(text).length, 1);
    assert.match(bands(text)[0], /^inverse trade {2}[▁▂▃▄▅▆▇█]{11,13}x{55,62}[▁▂▃▄▅▆▇█]{11,13}$/u);
    assert.equal([...bands(text)[0]].length, 100);
  }
  for (const text of onTerminals(100, VERBS, { NO_COLOR: "1", LC_ALL: "C" }))
    assert.match(bands(text)[0], /^inverse trade {2}[_=#-]{11,13}x{55,62}[_=#-]{11,13}$/);
  for (const text of onTerminals(59, VERBS, { NO_COLOR: "1" }))
    assert.doesNotMatch(text, /over time/);
  for (const { args } of VERBS)
    assert.doesNotMatch((await tapedeck(t, args, { status: null })).stdout, /over time/);
  // A selection shows its own time and topics.
  const part = onTerminal(
    100,
    ["gaps", tape, "--from", "2021-04-17T16:44:05Z", "--topic", "trade"],
    { NO_COLOR: "1", LC_ALL: "C.UTF-8" }
  );
  assert.match(part, /^Frames over time, .* from 2021-04-17 16:44:05\.\d+ UTC$/m);
  assert.match(bands(part)[0], /^inverse trade {2}[▁▂▃▄▅▆▇█]{85}$/u);
});

test("heads, verdicts and errors have colours on a terminal, unless NO_COLOR or TERM forbids them", async (t) => {
  const { tape } = await archive(t, 2);
  const [info, verify, replay, unknown] = onTerminals(
    200,
    [["info", tape], ["verify", "-q", tape], ["replay", "-q", tape], ["inof"]].map((args) => ({
      args,
    }))
  );
  assert.match(info, /^\x1b\[1mfeed .*\x1b\[0m$/m);
  assert.match(verify, /\x1b\[32msound/);
  assert.match(replay, /\x1b\[1;31mComplete: no\x1b\[0m\./);
  assert.match(
    unknown,
    /\x1b\[1;31mtapedeck: \x1b\[0munknown verb 'inof'\n\x1b\[36mtapedeck: hint: \x1b\[0mdid you mean 'info'\?/
  );
  for (const env of [{ NO_COLOR: "1" }, { TERM: "dumb" }])
    for (const text of onTerminals(
      200,
      [["info", tape], ["verify", "-q", tape], ["inof"]].map((args) => ({ args })),
      env
    ))
      assert.doesNotMatch(text, /\x1b\[[0-9;]*m/);
  assert.match(onTerminal(200, ["info", tape], { NO_COLOR: "" }), /\x1b\[1m/);
});

test("a count of 1 is printed in the singular", async (t) => {
  const { tape, end } = await archive(t, 1);
  assert.match(
    end.stdout,
    /: 3 lines, 0 malformed.*\n.*: 1 frame, 1 received, 0 sent, .*, 2 connections, 1 gap$/m
  );
  assert.match(
    (await tapedeck(t, ["info", tape])).stdout,
    /^1 frame, .* in 1 segment, 1 session, \d gaps?$/m
  );
  assert.match(
    (await tapedeck(t, ["verify", tape])).stdout,
    / {2}1 segment, \d chunks?, 1 frame, .* read\n/
  );
  assert.match(
    (await tapedeck(t, ["replay", tape], { status: 1 })).stdout,
    /^Replayed 1 frame \(.*\n.*\n1 data frame decoded, 0 not; /
  );
});
