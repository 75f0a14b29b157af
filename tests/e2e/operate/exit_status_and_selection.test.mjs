// Exit status, selection and output of verbs. Expected values: docs/design.md ("Common grammar", "Exit status"), and counts that
// this file makes from the capture.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import {
  archiveVerbs,
  capture,
  commands,
  filesBelow,
  helpOf,
  inboundFrames,
  json,
  jsonLines,
  jsonList,
  parseLines,
  Program,
  run,
  tapedeck,
  temporary,
  verbs,
  verbsBelow,
  withoutCapture,
} from "../support/harness.mjs";
import { PAGE, topicsPage } from "./topics_page.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const LINEAR = "linear-2021-04-17.jsonl.gz";
const needs = { skip: withoutCapture(INVERSE) || withoutCapture(LINEAR) };

const shared = temporary({ after });
const archives = new Map();

/** An archive of captures, for tests that do not change it. */
function archiveOf(...names) {
  const make = async () => {
    const archive = path.join(shared, names.join("+"));
    for (const name of names) await tapedeck(null, ["import", "-a", archive, capture(name)]);
    return archive;
  };
  if (!archives.has(names.join())) archives.set(names.join(), make());
  return archives.get(names.join());
}

const segmentOf = (archive, feed) =>
  path.join(
    archive,
    filesBelow(archive).find((f) => path.basename(f).startsWith(feed) && f.endsWith(".mcap"))
  );

test("usage errors exit with 2 and name the mistake", async (t) => {
  const rows = [
    [["nonsense"], "unknown verb 'nonsense'"],
    [[], "a verb is missing"],
    [["cat"], "no archive is given"],
    [["regress"], "a verb is missing"],
    [["regress", "svae"], "unknown verb 'svae'"],
    [["regress", "save"], "no baseline is given"],
    [["drift", "x", "--rules", "--since", "now-1d"], "--rules and --since exclude each other"],
    [["cat", "--no-such-option"], "unknown option --no-such-option"],
    [["cat", "-a"], "--archive needs a value"],
    [["cat", "-a", "x", "--from", "tomorrow"], "--from"],
    [["cat", "x", "stray"], "unexpected argument 'stray'"],
    [["decode"], "the family is missing"],
    [["decode", "--family", "nobody"], "there is no family 'nobody'"],
  ];
  for (const [args, text] of rows) {
    const end = await tapedeck(t, args, { status: 2, env: { TAPEDECK_ARCHIVE: "" } });
    const known = args.length > 0 && args[0] !== "nonsense";
    const name = known
      ? ["tapedeck", args[0], ...(args[1] === "save" ? ["save"] : [])].join(" ")
      : "tapedeck";
    assert.ok(end.stderr.startsWith(`${name}: `), end.stderr);
    assert.ok(end.stderr.includes(text), `${args.join(" ")}: ${end.stderr}`);
    assert.equal(end.stdout, "");
  }
});

test("the words of removed verbs are refused with what replaces them", async (t) => {
  for (const [words, instead] of [
    [["family", "check", "x"], "'tapedeck drift --rules' replaces 'family check'"],
    [
      ["family", "learn", "--name", "mine", "x"],
      "docs/examples/learn_family.py replaces 'family learn'",
    ],
  ]) {
    const { stderr } = await tapedeck(t, words, { status: 2 });
    assert.ok(
      stderr.startsWith("tapedeck: 'tapedeck family' was removed\n") && stderr.includes(instead),
      stderr
    );
  }
});

test("every error begins with the verb's name, whichever program runs it", async (t) => {
  const programs = {
    record: "tapedeck-record",
    tap: "tapedeck-record",
    sim: "tapedeck-sim",
    replay: "tapedeck-replay",
    when: "tapedeck-replay",
    why: "tapedeck-replay",
    view: "tapedeck-replay",
    serve: "tapedeck-replay",
    export: "tapedeck-replay",
    cut: "tapedeck-replay",
    diff: "tapedeck-replay",
    regress: "tapedeck-replay",
    drift: "tapedeck-replay",
  };
  for (const verb of [...(await verbs(t)).keys(), ...(await commands(t)).keys()]) {
    const [first, ...below] = verb.split(" ");
    const asked = [["tapedeck", [first, ...below, "--no-such-option"]]];
    if (programs[first] !== undefined)
      asked.push([programs[first], [first, ...below, "--no-such-option"]]);
    for (const [program, args] of asked) {
      const end = await run(t, program, args, { status: 2 });
      for (const line of end.stderr.trimEnd().split("\n"))
        assert.ok(line.startsWith(`tapedeck ${verb}: `), `${program}: ${line}`);
    }
  }
});

test("every verb has help with an example that names it", async (t) => {
  const all = [...(await commands(t)).keys()];
  assert.ok(all.length >= 12);
  const own = all.filter((v) => !["record", "tap", "replay", "view", "serve", "sim"].includes(v));
  for (const verb of own) {
    const help = await helpOf(...verb.split(" "));
    assert.match(help, new RegExp(`usage: tapedeck ${verb} `));
    assert.match(help, new RegExp(`Examples?\\n  .*tapedeck ${verb}`));
  }
});

test("a verb with verbs of its own lists them", async (t) => {
  const listed = (await tapedeck(t, ["regress", "--help"])).stdout;
  assert.match(listed, /^usage: tapedeck regress VERB /);
  assert.equal((await tapedeck(t, ["regress", "-h"])).stdout, listed);
  const below = await verbsBelow(t, "regress");
  assert.ok(below.has("save"));
  for (const verb of below.keys()) {
    const help = (await tapedeck(t, ["regress", verb, "--help"])).stdout;
    assert.match(help, new RegExp(`^usage: tapedeck regress ${verb} `));
  }
});

test("readers exit with 4 for a missing archive, or a folder that is not an archive", async (t) => {
  const dir = temporary(t);
  for (const [verb, needs] of await archiveVerbs(t)) {
    const end = await tapedeck(t, [...verb, "-a", path.join(dir, "nowhere"), ...needs], {
      status: 4,
    });
    assert.match(end.stderr, /^tapedeck [a-z -]+: cannot open archive '.*nowhere'/);
  }
});

test("--feed, --topic, --symbol, --from and --to select frames", needs, async (t) => {
  const archive = await archiveOf(INVERSE, LINEAR);
  const inverse = inboundFrames(INVERSE);
  const count = async (...args) =>
    (await tapedeck(t, ["cat", "-a", archive, "--dir", "in", ...args])).stdout.split("\n").length -
    1;
  assert.equal(await count("--feed", "inverse"), inverse.length);
  assert.equal(
    await count("--feed", "inverse", "--feed", "lin*"),
    inverse.length + inboundFrames(LINEAR).length
  );
  const trades = inverse.filter((f) => f.text.includes('"topic":"trade.BTCUSD"')).length;
  assert.equal(await count("--topic", "trade", "--symbol", "BTCUSD"), trades);
  assert.equal(await count("--topic", "trade.BTCUSD"), trades);
  const books = inverse.filter((f) => f.text.includes('"topic":"orderBookL2_25.EOSUSD"')).length;
  assert.equal(await count("--feed", "inverse", "--topic", "order*", "--symbol", "EOS*"), books);
  const ns = (f) =>
    BigInt(Math.round(Number(f.at.split(".")[0]))) * 1_000_000_000n +
    BigInt((f.at.split(".")[1] + "000000000").slice(0, 9));
  const from = ns(inverse[100]);
  const to = ns(inverse[200]);
  const within = inverse.filter((f) => ns(f) >= from && ns(f) < to).length;
  assert.equal(
    await count("--feed", "inverse", "--from", String(from), "--to", String(to)),
    within
  );
  assert.match(
    (await tapedeck(t, ["cat", "-a", archive, "--from", "2021-04-18"], { status: 4 })).stderr,
    /nothing of it was recorded in that time/
  );
  assert.equal(await count("--feed", "inverse", "--to", "2021-04-17"), inverse.length);
  await tapedeck(t, ["cat", "-a", archive, "--from", "2021-04-18", "--to", "2021-04-17"], {
    status: 2,
  });
});

test(
  "cat prints the same with one thread and two; its lines name the origin of each frame",
  needs,
  async (t) => {
    const archive = await archiveOf(INVERSE, LINEAR);
    const one = await tapedeck(t, ["cat", "-a", archive, "-j", "1"]);
    const two = await tapedeck(t, ["cat", "-a", archive, "-j", "2"]);
    assert.equal(two.stdout, one.stdout);
    const rows = one.stdout.trimEnd().split("\n");
    const first = JSON.parse(
      rows.find((l) => l.includes('"feed":"inverse"') && l.includes('"dir":"in"'))
    );
    assert.equal(first.data, inboundFrames(INVERSE)[0].text);
    assert.equal(first.ordinal, 1);
    assert.equal(first.conn, 1);
    const times = rows.map((l) => BigInt(/"recv_ns":(\d+)/.exec(l)[1]));
    for (let i = 1; i < times.length; i++) assert.ok(times[i] >= times[i - 1]);
    assert.equal(
      (await tapedeck(t, ["cat", "-a", archive, "--raw", "-n", "5"])).stdout.split("\n").length,
      6
    );
  }
);

test("a single segment is an archive for readers", needs, async (t) => {
  const archive = await archiveOf(INVERSE);
  const segment = segmentOf(archive, "inverse");
  const whole = await tapedeck(t, ["cat", "-a", archive, "--raw"]);
  const single = await tapedeck(t, ["cat", "-a", segment, "--raw"]);
  assert.equal(single.stdout, whole.stdout);
  assert.equal((await json(t, ["verify", "-a", segment, "--json"])).verdict, "sound");
  assert.equal(
    (await json(t, ["info", "-a", segment, "--json"])).frames,
    inboundFrames(INVERSE).length + 4
  );
  assert.equal((await jsonList(t, ["ls", "-a", segment, "--json"])).length, 1);
});

test("verify exits with 3 for a flipped byte and reports its place", needs, async (t) => {
  const archive = path.join(temporary(t), "tape");
  fs.cpSync(await archiveOf(INVERSE), archive, { recursive: true });
  const segment = segmentOf(archive, "inverse");
  const bytes = fs.readFileSync(segment);
  bytes[Math.floor(bytes.length / 3)] ^= 1;
  fs.writeFileSync(segment, bytes);
  const report = JSON.parse(
    (await tapedeck(t, ["verify", "-a", archive, "--json"], { status: 3 })).stdout
  );
  assert.equal(report.verdict, "damaged");
  const damaged = report.findings.filter((f) => f.severity === "damaged");
  assert.ok(damaged.length > 0);
  assert.ok(archive.length > 0 && segment.endsWith(damaged[0].segment));
  await tapedeck(t, ["cat", "-a", archive, "--raw"], { status: 3 });
});

test(
  "decode decodes every frame and reads the lines of cat; it exits with 1 if a frame is undecodable",
  needs,
  async (t) => {
    const archive = await archiveOf(INVERSE);
    const frames = inboundFrames(INVERSE);
    const bare = frames.map((f) => f.text).join("\n") + "\n";
    const rows = await jsonLines(t, ["decode", "--family", "inverse"], { stdin: bare });
    assert.equal(rows.length, frames.length);
    assert.equal(
      rows.filter((r) => r.type === "trade").length,
      frames.filter((f) => f.text.includes('"topic":"trade.')).length
    );
    assert.equal(rows.filter((r) => r.type === "control").length, 4);
    const cat = (await tapedeck(t, ["cat", "-a", archive])).stdout;
    const wrapped = await jsonLines(t, ["decode", "--family", "inverse"], { stdin: cat });
    assert.deepEqual(
      wrapped.filter((r) => r.type !== "request"),
      rows
    );
    assert.equal(wrapped.filter((r) => r.type === "request").length, 4);
    const bad = await tapedeck(t, ["decode", "--family", "inverse"], {
      stdin: '{"topic":\n{"topic":"no.such","data":[]}\n',
      status: 1,
    });
    const [malformed, unknown] = parseLines(bad.stdout);
    assert.deepEqual([malformed.type, malformed.error.reason], ["raw", "not_json"]);
    assert.deepEqual(
      [unknown.type, unknown.error.reason, unknown.error.topic],
      ["raw", "unknown_topic", "no.such"]
    );
  }
);

test("a truncated frame does not affect the frames that decode reads after it", async (t) => {
  const event =
    '[{"e":"ticketInfo","E":"1","s":"BTCUSDT","q":"1","t":"1","p":"1","T":"2","o":"3","O":"4","a":"5","A":"6","m":false}]';
  const stdin = `${event}\n${event.slice(0, 40)}\n${event}\n${event.slice(0, -1)}\n${event}\n`;
  const rows = await jsonLines(t, ["decode", "--family", "spot-private"], { stdin, status: 1 });
  assert.deepEqual(
    rows.map((r) => r.type),
    ["execution", "raw", "execution", "raw", "execution"]
  );
});

// The published and recorded frames of every family, one a file, whose name has the type that decode must find.
const FOLDERS = {
  "copy-trading": "copytrade",
  "inverse-futures": "inverse",
  "inverse-perpetual": "inverse",
};
const FOLDER_OF_PRIVATE = /^usdc-(perp|option)\/user\./; // the private connection of both families
const RAW_BY_DESIGN = /^v5\/(rfq|earn)\./;
const CONTROL = /\/(ack|pong|error)[-.]/;

test(
  "decode finds the type of each published frame, and refuses invalid JSON with its position",
  { skip: withoutCapture("frames") },
  async (t) => {
    const published = filesBelow(capture("frames"))
      .filter((n) => /\.(json|txt)$/.test(n))
      .map((name) => {
        const folder = name.split(path.sep)[0];
        const family = FOLDER_OF_PRIVATE.test(name) ? "usdc-private" : (FOLDERS[folder] ?? folder);
        const category = /\.(linear|inverse|spot|option|spread)\b/.exec(name)?.[1];
        const families =
          folder !== "v5"
            ? [family]
            : category !== undefined
              ? [`v5-${category}`]
              : ["v5-private", "v5-misc", "v5-spot", "v5-spread", "v5-linear"];
        const isRaw =
          name.endsWith(".txt") || name.includes(".data-only.") || RAW_BY_DESIGN.test(name);
        const frame = fs
          .readFileSync(path.join(capture("frames"), name), "utf8")
          .replace(/^\uFEFF/, "")
          .replace(/[\r\n]+/g, "\t"); // a tab: no valid part of a string either
        const line =
          name.includes("/request") && !isRaw
            ? JSON.stringify({ ts: 1700000000000, dir: "out", data: frame })
            : frame;
        return { name, families, isRaw, line, row: null };
      });
    // One run for each family decodes all frames that may belong to it and that no earlier family decoded. decode reads each line
    // independently of the others.
    for (const family of new Set([
      "v5-private",
      "v5-misc",
      "v5-spot",
      "v5-spread",
      "v5-linear",
      ...published.flatMap(({ families }) => families),
    ])) {
      const asked = published.filter(
        ({ families, row }) => families.includes(family) && (row === null || row.type === "raw")
      );
      if (asked.length === 0) continue;
      const rows = await jsonLines(t, ["decode", "--family", family], {
        stdin: asked.map(({ line }) => `${line}\n`).join(""),
        status: null,
      });
      assert.equal(rows.length, asked.length, family);
      asked.forEach((each, i) => (each.row = rows[i]));
    }
    const seen = {};
    for (const {
      name,
      isRaw,
      row: { type, error },
    } of published) {
      if (isRaw) assert.equal(type, "raw", name);
      else if (name.includes("/request")) assert.equal(type, "request", name);
      else if (CONTROL.test(name)) assert.equal(type, "control", name);
      else assert.ok(!["raw", "request", "control"].includes(type), `${name}: ${type}`);
      if (isRaw)
        assert.equal(
          error.reason,
          name.endsWith(".txt")
            ? "not_json"
            : name.includes(".data-only.")
              ? "no_topic"
              : "unknown_topic",
          name
        );
      seen[type] = (seen[type] ?? 0) + 1;
    }
    assert.ok(published.length > 0);
    t.diagnostic(JSON.stringify(seen));
  }
);

test("docs/topics.md equals the page made from the rows of topics", async (t) => {
  const page = topicsPage(await json(t, ["topics", "--json"]));
  assert.ok(page === fs.readFileSync(PAGE, "utf8"), "docs/topics.md is stale: make docs");
});

test("docs/replay.md explains the rules of every topic", async (t) => {
  const text = fs.readFileSync("docs/replay.md", "utf8");
  const rules = new Set(
    (await jsonList(t, ["topics", "--json"])).flatMap((row) => row.rules.map(({ rule }) => rule))
  );
  const table = text
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|")[1])
    .join("");
  assert.ok(rules.size > 20);
  assert.deepEqual(
    [...rules].filter((rule) => !table.includes("`" + rule + "`")),
    []
  );
});

test("topics lists the rows of a family", needs, async (t) => {
  const rows = await jsonList(t, ["topics", "--family", "inverse", "--json"]);
  assert.ok(rows.some((r) => r.topic === "orderBookL2_25" && r.type === "book_change"));
});

test("cat --follow exits with 0 on SIGTERM", needs, async (t) => {
  const archive = await archiveOf(INVERSE);
  const program = new Program(t, "tapedeck", ["cat", "-a", archive, "--follow", "--raw"]);
  const last = inboundFrames(INVERSE).at(-1).text;
  await program.line((l) => l === last);
  const end = await program.kill("SIGTERM");
  assert.equal(end.code, 0);
});

test("tapedeck runs the other programs' verbs, or reports that the program is missing", async (t) => {
  const end = await run(t, "tapedeck", ["replay", "--help"], { status: null });
  assert.ok(end.code === 0 || (end.code === 4 && /cannot start tapedeck-replay/.test(end.stderr)));
});

test("sim --list obeys --families and --symbols; without them it lists all families that it has", async (t) => {
  const listed = async (...args) => (await json(t, ["sim", "--list", "--json", ...args])).rows;
  const rows = await listed("--families", "v5-linear,v5-private", "--symbols", "2");
  const names = (family, kind) =>
    rows.filter((row) => row.family === family && row.kind === kind).map((row) => row.name);
  assert.deepEqual([...new Set(rows.map((row) => row.family))], ["v5-linear", "v5-private"]);
  assert.deepEqual(names("v5-linear", "path"), ["/v5/public/linear"]);
  assert.deepEqual(names("v5-linear", "symbol"), ["BTCUSDT", "ETHUSDT"]);
  assert.ok(names("v5-linear", "topic").includes("orderbook.50.SYMBOL"));
  assert.ok(names("v5-private", "private").includes("execution.fast.linear"));
  const all = (await json(t, ["topics", "--json"])).families.map(({ family }) => family);
  assert.deepEqual(
    [...new Set((await listed()).map((row) => row.family))],
    all.filter((family) => !/^(binance|kraken)-.*-(private|api)$/.test(family))
  );
});
