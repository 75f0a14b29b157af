// Every verb accepts its archive in the same way: as an argument, as --archive, or in $TAPEDECK_ARCHIVE. Expected: man tapedeck,
// ENVIRONMENT, and each verb's synopsis.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { archiveVerbs, helpOf, importLines, tapedeck, temporary } from "../support/harness.mjs";

const NOON = Date.parse("2021-04-17T12:00:00Z");

/** An archive of ten trades. */
async function archiveOf(t) {
  const trade = (ms) => ({
    topic: "trade.BTCUSD",
    data: [
      {
        trade_time_ms: ms,
        timestamp: new Date(ms).toISOString(),
        symbol: "BTCUSD",
        side: "Buy",
        size: 1,
        price: 100,
        tick_direction: "PlusTick",
        trade_id: `t${ms}`,
        cross_seq: ms,
      },
    ],
  });
  const frames = Array.from({ length: 10 }, (_, i) => trade(NOON + i * 1000));
  return importLines(
    t,
    frames.map((data, i) => ({ recv_ns: `${NOON + i * 1000}000000`, conn: 0, data })),
    { family: "inverse" }
  );
}

/** One function decides for all verbs where the argument may be, and which archive has precedence: one verb of each program, and
 * one verb of a verb, prove it. */
const WHOLE = ["ls", "export", "regress save"];

test("every verb that needs only an archive accepts it as an argument, an option, or from the environment", async (t) => {
  const archive = await archiveOf(t),
    elsewhere = path.join(temporary(t), "elsewhere");
  let whole = 0;
  for (const [verb, rest] of await archiveVerbs(t)) {
    const outcome = async (args, env = {}) => {
      const { code, stdout } = await tapedeck(t, [...verb, ...args], { env, status: null });
      for (const made of rest.filter((word) => /\.(tdb|mcap|html)$/.test(word))) fs.rmSync(made); // no verb replaces a file
      return { code, stdout };
    };
    const expected = await outcome(["-a", archive, ...rest]);
    assert.ok(expected.code === 0, `${verb}: ${expected.code}`);
    assert.deepEqual(await outcome([archive, ...rest]), expected, verb.join(" "));
    assert.deepEqual(await outcome(rest, { TAPEDECK_ARCHIVE: archive }), expected, verb.join(" "));
    const none = await tapedeck(t, [...verb, ...rest], { status: 2 });
    assert.match(
      none.stderr,
      /no archive is given\n.*--archive.*TAPEDECK_ARCHIVE.*argument/,
      verb.join(" ")
    );
    assert.match(
      await helpOf(...verb),
      new RegExp(`usage: tapedeck ${verb.join(" ")} \\[OPTION\\]... \\[ARCHIVE\\](\\.\\.\\.)?\n`)
    );
    if (!WHOLE.includes(verb.join(" "))) continue;

    whole++;
    assert.deepEqual(await outcome([...rest, archive]), expected, verb.join(" "));
    assert.deepEqual(
      await outcome([archive, ...rest], { TAPEDECK_ARCHIVE: elsewhere }),
      expected,
      verb.join(" ")
    );
    const twice = await tapedeck(t, [...verb, archive, "-a", archive, ...rest], { status: 2 });
    assert.match(twice.stderr, /the archive is given twice/, verb.join(" "));
    const many = await tapedeck(t, [...verb, archive, "another", ...rest], { status: 2 });
    assert.match(many.stderr, /unexpected argument 'another'/, verb.join(" "));
  }
  assert.equal(whole, WHOLE.length);
});

test("a verb with arguments of its own does not use one of them as the archive", async (t) => {
  const end = await tapedeck(t, ["import", "--format", "jsonl", "tape", "capture.jsonl"], {
    status: 2,
  });
  assert.match(end.stderr, /no archive is given\n.*arguments are captures: give --archive DIR/);
});

test("help VERB prints the same as VERB --help", async (t) => {
  for (const words of [[], ["export"], ["record"], ["regress", "check"]])
    assert.equal(
      (await tapedeck(t, ["help", ...words])).stdout,
      (await tapedeck(t, [...words, "--help"])).stdout,
      words.join(" ")
    );
  assert.match(
    (await tapedeck(t, ["help", "exprot"], { status: 2 })).stderr,
    /unknown verb 'exprot'\n.*did you mean 'export'/
  );
});

test("a wrong word is answered with the nearest valid one", async (t) => {
  const archive = await archiveOf(t),
    out = path.join(temporary(t), "out");
  const exporting = (...more) => ["export", archive, "--out", out, ...more];
  const rows = [
    [["export", archive, "-o", out, "--format", "jsonl"], 2, "--out"],
    [exporting("--format", "csv"), 2, "'tardis-csv'"],
    [exporting("--format", "tardis-csv", "--type", "trade"), 2, "'trades'"],
    [["cat", archive, "--topic", "trades"], 4, "'trade'"],
    [
      ["why", archive, "BTCUSD", "--at", "2021-04-17T12:00", "--side", "buy", "--price", "1"],
      2,
      "'bid'",
    ],
  ];
  for (const [args, status, meant] of rows) {
    const { stderr } = await tapedeck(t, args, { status });
    assert.ok(stderr.includes(`did you mean ${meant}?`), `${args.join(" ")}\n${stderr}`);
  }
  assert.ok(!fs.existsSync(out));
});
