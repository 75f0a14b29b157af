// An archive keeps the document of a family that is not part of the programs, and every verb reads it from there. The family and
// its frames are made up here, so what each verb must find is known.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { after } from "node:test";
import { gunzipSync } from "node:zlib";
import {
  FRAMES_MS,
  importFrames,
  json,
  listening,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { npm, readMcap, test } from "../support/npm_packages.mjs";
import { installed, withoutLibrary } from "../support/python_scripts.mjs";
import { deleteCatalog, Recorder } from "../support/recorders.mjs";

const { WebSocket, WebSocketServer } = npm("ws");

const DOCUMENT = `# Made-up futures.
family: made-up
exchange: bybit
dialect: v5
use: [shared]
addresses:
  - main public wss://stream.example.com/made/up
datasets:
  exchange: made-up
  book: book
  kind: contracts
topics:
  - topic: "book.{symbol}"
    message: book_change
    title: Books
    depth: 7
    sequence: envelope
    time: exchange_ns
    envelope: head
    fields: level
    entries:
      - data.bids set any positional buy zero_deletes empty
      - data.asks set any positional sell zero_deletes empty
    rules: [seq_dense u error]
`;
const SHARED = `sets:
  head:
    - ts exchange_ns time ms
    - data.n u integer required
  level:
    - 0 price decimal price required
    - 1 size decimal quantity required
`;
const EDITED = DOCUMENT.replace("seq_dense u error", "seq_dense u warning"); // a gap does not break a book
const COUNT = 200;
const LOST = 120; // the planted gap: this number is missing, in the second hour

const frame = (n, ts = FRAMES_MS + n * 50_000) => ({
  topic: "book.A",
  type: n === 1 ? "snapshot" : "delta",
  ts,
  data: { s: "A", n, bids: [["1.5", `${n}`]], asks: [["1.6", `${n}`]] },
});
const NUMBERS = Array.from({ length: COUNT }, (_, i) => i + 1).filter((n) => n !== LOST);

function write(dir, documents) {
  fs.mkdirSync(dir, { recursive: true });
  for (const [name, text] of Object.entries(documents))
    fs.writeFileSync(path.join(dir, name), text);
  return dir;
}

/** The frames, 50 s apart, so that the archive has segments of some hours. */
async function imported(
  t,
  dir,
  { document = DOCUMENT, archive = path.join(dir, "archive"), more = [] } = {}
) {
  const documents = write(path.join(dir, `documents-${path.basename(archive)}`), {
    "made-up.yaml": document,
    "shared.yaml": SHARED,
  });
  const file = path.join(dir, "frames.jsonl");
  fs.writeFileSync(
    file,
    NUMBERS.map(
      (n) =>
        JSON.stringify({
          recv_ns: `${FRAMES_MS + n * 50_000}000000`,
          url: "wss://stream.example.com/made/up",
          data: JSON.stringify(frame(n)),
        }) + "\n"
    ).join("")
  );
  await tapedeck(t, [
    "import",
    "-a",
    archive,
    "--format",
    "jsonl",
    "--families",
    documents,
    file,
    ...more,
  ]);
  return archive;
}

/** Tests share these; one that changes an archive copies it. */
const shared = temporary({ after });
let sharedArchive;
const archiveOf = () => (sharedArchive ??= imported(undefined, shared));
async function copied(t) {
  const copy = path.join(temporary(t), "copy");
  fs.cpSync(await archiveOf(), copy, { recursive: true });
  return copy;
}

/** The one frame after the gap is found, by its number, and everything is decoded. */
async function findsGap(t, of, more = []) {
  const { decoded, undecoded, continuity } = await json(t, ["replay", of, ...more, "--json"], {
    status: 1,
  });
  assert.deepEqual([undecoded, continuity.violations, continuity.first.found], [0, 1, LOST + 1]);
  return decoded;
}

test("an imported archive is read without the documents: replay, info, days, drift, diff, export", async (t) => {
  const archive = await archiveOf(),
    out = path.join(temporary(t), "out");
  assert.ok(segments(archive).length >= 3, "some hours");
  assert.equal(await findsGap(t, archive), NUMBERS.length);
  const { feeds, topics } = await json(t, ["info", archive, "--json"]);
  assert.deepEqual(
    [feeds[0].family, topics[0].topic, topics[0].symbols[0].symbol],
    ["made-up", "book", "A"]
  );
  const { days } = await json(t, ["days", archive, "--json"], { status: 1 });
  assert.deepEqual(
    days.map(({ symbol, reasons }) => [symbol, reasons]),
    [["A", "sequence"]]
  );
  const { findings } = await json(t, ["drift", archive, "--json"], { status: null });
  assert.deepEqual(
    findings.map(({ kind, path: key }) => [kind, key]),
    [["new_field", "data.s"]]
  );
  assert.equal((await json(t, ["diff", archive, archive, "--json"])).same, NUMBERS.length);
  await tapedeck(
    t,
    ["export", archive, "--format", "tardis-csv", "--type", "incremental_book_L2", "--out", out],
    { status: 1 }
  );
  const [csv] = fs.readdirSync(out).filter((name) => name.endsWith(".csv.gz"));
  const rows = gunzipSync(fs.readFileSync(path.join(out, csv)))
    .toString()
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((row) => row.split(","));
  assert.deepEqual(
    rows
      .slice(0, 2)
      .map((row) => [...row.slice(0, 2), ...row.slice(5)].join())
      .sort(),
    ["made-up,A,ask,1.6,1", "made-up,A,bid,1.5,1"]
  );
});

test("a cut alone, a merged archive and one with a new catalog are read without the documents", async (t) => {
  const archive = await copied(t),
    alone = path.join(temporary(t), "cut.mcap"),
    both = path.join(temporary(t), "both");
  await tapedeck(t, ["cut", archive, "-o", alone]);
  await tapedeck(t, ["merge", archive, await archiveOf(), "--out", both]);
  deleteCatalog(archive);
  await tapedeck(t, ["reindex", archive]);
  for (const of of [archive, alone, both]) {
    assert.equal(await findsGap(t, of), NUMBERS.length);
    assert.equal((await json(t, ["verify", of, "--json"])).verdict, "sound");
  }
});

test("serve sends the frames to a client of the family's address", async (t) => {
  const dir = temporary(t);
  const { url, ca } = await listening(t, ["serve", await archiveOf(), "--speed", "max"], dir);
  const client = new WebSocket(`${url}/made/up`, { ca: fs.readFileSync(ca) });
  t.after(() => client.terminate());
  await once(client, "open");
  const numbers = [];
  const whole = new Promise((resolve) =>
    client.on("message", (bytes) => {
      const { topic, data } = JSON.parse(bytes);
      if (topic === "book.A" && numbers.push(data.n) === NUMBERS.length) resolve();
    })
  );
  client.send(JSON.stringify({ req_id: "1", op: "subscribe", args: ["book.A"] }));
  await whole;
  assert.deepEqual(numbers, NUMBERS);
});

const READ_BOOK = `import sys, tapedeck
archive = tapedeck.open(sys.argv[1])
book = archive.book_at("A", "2099-01-01")
print(len(list(archive.messages())), book.bids[0].price, book.bids[0].size, book.suspect)`;

test("the library reads it", { skip: withoutLibrary }, async (t) => {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", PYTHONPATH: installed(t) };
  const stdout = execFileSync("python3", ["-c", READ_BOOK, await archiveOf()], {
    encoding: "utf8",
    env,
  });
  assert.equal(stdout.trim(), `${NUMBERS.length} 1.5 ${COUNT}.0 True`);
});

test("view passes documents on to its verbs", async (t) => {
  const dir = temporary(t),
    archive = await archiveOf();
  const documents = write(path.join(dir, "edited"), {
    "made-up.yaml": EDITED,
    "shared.yaml": SHARED,
  });
  const broken = async (more) => {
    const { program, url } = await listening(t, ["view", archive, ...more], dir);
    const { command, results } = await (await fetch(`${url}api/verb/days`)).json();
    await program.kill("SIGTERM");
    return [command.includes("--families="), results[0].days[0].topics[0].broken];
  };
  assert.deepEqual(await broken([]), [false, 1]);
  assert.deepEqual(await broken(["--families", documents]), [true, 0]);
});

test("documents that are given win over kept ones, and checkpoints of the kept ones are not used", async (t) => {
  const archive = await archiveOf();
  const documents = write(path.join(temporary(t), "edited"), {
    "made-up.yaml": EDITED,
    "shared.yaml": SHARED,
  });
  const from = ["--from", new Date(FRAMES_MS + 2.2 * 3_600_000).toISOString(), "-v"]; // after the gap, in the last segment
  const read = async (more, status) => {
    const { stdout, stderr } = await tapedeck(t, ["replay", archive, "--json", ...more], {
      status,
    });
    const { books, continuity } = JSON.parse(stdout);
    return {
      broken: books[0].broken,
      size: books[0].best_bid_size,
      violations: continuity.violations,
      warnings: continuity.warnings,
      chunks: Number(/read (\d+) chunks/.exec(stderr)?.[1]),
    };
  };
  const kept = await read(from, null),
    edited = await read(["--families", documents, ...from], null);
  assert.deepEqual([kept.broken, kept.size], [true, `${COUNT}`]);
  // By these documents the frames break no rule, but the gap that the import found stays in the ledger.
  assert.deepEqual([edited.broken, edited.size], [true, `${COUNT}`]);
  assert.ok(
    kept.chunks < edited.chunks,
    `${kept.chunks} chunks from the checkpoint on, ${edited.chunks} without it`
  );
  const all = await read(["--families", documents], 1);
  assert.deepEqual([all.violations, all.warnings], [0, { seq_dense: 1 }]);
});

test("of different documents the newest are used, with a warning that names both segments", async (t) => {
  const archive = await copied(t),
    [first] = segments(archive);
  await imported(t, temporary(t), { document: EDITED, archive, more: ["--again"] });
  const later = segments(archive).filter((name) => path.basename(name) > path.basename(first));
  const { stderr } = await tapedeck(t, ["replay", archive, "--json"], { status: null });
  const warnings = stderr.split("\n").filter((line) => /is read by the documents/.test(line));
  assert.equal(warnings.length, 1, stderr);
  const [, used, other] =
    /family 'made-up' is read by the documents in (\S+), the newest ones; (\S+) has others: --families FILE chooses/.exec(
      warnings[0]
    );
  const text = (name) => fs.readFileSync(name).toString("latin1");
  assert.ok(
    text(used).includes("seq_dense u warning") && text(other).includes("seq_dense u error"),
    warnings[0]
  );
  assert.ok(later.length > 0);
});

test("a kept document that is damaged is reported, and its family is unknown until it is given", async (t) => {
  const archive = await copied(t),
    name = segments(archive).at(-1),
    file = path.join(archive, name);
  const bytes = fs.readFileSync(file);
  bytes[bytes.indexOf("Made-up futures.")] ^= 1;
  fs.writeFileSync(file, bytes);
  const { stdout, stderr } = await tapedeck(t, ["replay", archive, "--json"], { status: null });
  assert.match(
    stderr,
    new RegExp(
      `${name}: the documents of family 'made-up' that it keeps cannot be read: .*the text is damaged.*--families FILE`
    )
  );
  assert.equal(JSON.parse(stdout).decoded, 0);
  assert.equal((await json(t, ["verify", archive, "--json"], { status: null })).verdict, "damaged");
  assert.equal(
    await findsGap(t, archive, ["--families", path.join(shared, "documents-archive")]),
    NUMBERS.length
  );
});

/** A server of the family: each subscriber gets a snapshot, and then each frame. */
async function server(t) {
  let n = 0;
  const subscribers = new Set();
  let ts = Date.now();
  const send = (ws, type) => ws.send(JSON.stringify({ ...frame(n, ts), type }));
  const sockets = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  sockets.on("connection", (ws) => {
    ws.on("error", () => {});
    ws.on("close", () => subscribers.delete(ws));
    ws.on("message", (bytes) => {
      const { op, req_id: id } = JSON.parse(bytes);
      ws.send(
        JSON.stringify({
          success: true,
          ret_msg: op === "ping" ? "pong" : "",
          conn_id: "c",
          req_id: id,
          op,
        })
      );
      if (op === "unsubscribe") subscribers.delete(ws);
      if (op !== "subscribe") return;
      send(ws, "snapshot");
      subscribers.add(ws);
    });
  });
  const timer = setInterval(() => {
    if (subscribers.size === 0) return;
    n += n + 1 === LOST ? 2 : 1;
    ts = Date.now();
    for (const ws of subscribers) send(ws, "delta");
  }, 5);
  t.after(() => {
    clearInterval(timer);
    for (const ws of sockets.clients) ws.terminate();
    sockets.close();
  });
  await once(sockets, "listening");
  return { url: `ws://127.0.0.1:${sockets.address().port}`, sent: () => n };
}

test("a recorder reads documents that its configuration names, keeps them, and takes no others while it runs", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    config = path.join(dir, "feeds.yaml");
  const exchange = await server(t);
  const documents = write(path.join(dir, "documents"), {
    "made-up.yaml": DOCUMENT,
    "shared.yaml": SHARED,
  });
  const settings = (families) =>
    fs.writeFileSync(
      config,
      `families: [${families}]\nfeeds:\n  - family: made-up\n    url: ${exchange.url}/made/up\n    topics: [book.A]\n    heal: none\n`
    );
  settings(documents);
  const recorder = new Recorder(t, archive, ["-c", config, "--commit-interval", "100ms"]);
  const more = async (of) => {
    for (const from = exchange.sent(); exchange.sent() < from + 3 * LOST;) await of.durableLine();
  };
  await more(recorder);
  await tapedeck(t, ["ctl", archive, "reload"]);
  fs.writeFileSync(path.join(documents, "made-up.yaml"), EDITED);
  for (const families of [documents, ""]) {
    settings(families);
    const { stderr } = await tapedeck(t, ["ctl", archive, "reload"], { status: 4 });
    assert.match(stderr, /documents of families have changed[^]*record --replace/);
  }
  settings(documents);
  const next = new Recorder(t, archive, ["-c", config, "--replace", "--commit-interval", "100ms"]);
  assert.equal((await recorder.ended).code, 0, recorder.stderr);
  await more(next);
  assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
  const texts = segments(archive).map(
    (name) =>
      /seq_dense u (\w+)/.exec(fs.readFileSync(path.join(archive, name)).toString("latin1"))[1]
  );
  assert.deepEqual([...new Set(texts)].sort(), ["error", "warning"]);
  const { undecoded, decoded, continuity } = await json(t, ["replay", archive, "--json"], {
    status: 1,
  }); // the first recorder wrote a gap
  assert.deepEqual([undecoded, continuity.warnings], [0, { seq_dense: 1 }]);
  assert.ok(decoded > 3 * LOST);
  const { stderr } = await tapedeck(
    t,
    ["record", "-a", path.join(dir, "other"), "-c", config, "--check"],
    { status: null }
  );
  assert.doesNotMatch(stderr, /no family/);
});

test("a segment that a killed recorder left is read, and recovered with its documents", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    exchange = await server(t);
  const documents = write(path.join(dir, "documents"), {
    "made-up.yaml": DOCUMENT,
    "shared.yaml": SHARED,
  });
  const recorder = new Recorder(t, archive, [
    `${exchange.url}/made/up`,
    "--family",
    "made-up",
    "--families",
    documents,
    "--topic",
    "book.A",
    "--heal",
    "none",
    "--commit-interval",
    "100ms",
  ]);
  await recorder.durableLine((durable) => durable.in > 2 * LOST);
  await recorder.kill("SIGKILL");
  const left = await findsGap(t, archive);
  await tapedeck(t, ["recover", archive]);
  assert.equal(await findsGap(t, archive), left);
  assert.equal((await json(t, ["verify", archive, "--json"])).verdict, "sound");
  const lines = await readMcap(t, "stream", path.join(archive, segments(archive)[0]));
  assert.ok(lines.includes("metadata tapedeck.family"), lines.slice(0, 5).join("\n"));
});

test("tap relays and records the family", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    exchange = await server(t);
  const documents = write(path.join(dir, "documents"), {
    "made-up.yaml": DOCUMENT,
    "shared.yaml": SHARED,
  });
  const { program, url, ca } = await listening(
    t,
    ["tap", "-a", archive, "--upstream", exchange.url, "--families", documents],
    dir
  );
  const client = new WebSocket(`${url}/made/up`, { ca: fs.readFileSync(ca) });
  t.after(() => client.terminate());
  await once(client, "open");
  let last = 0;
  const passed = new Promise((resolve) =>
    client.on("message", (bytes) => {
      last = JSON.parse(bytes).data?.n ?? last;
      if (last > LOST + 20) resolve();
    })
  );
  client.send(JSON.stringify({ req_id: "1", op: "subscribe", args: ["book.A"] }));
  await program.until(passed);
  client.close();
  await once(client, "close");
  await program.kill("SIGTERM");
  assert.ok((await findsGap(t, archive)) > LOST);
});

test("no family of the programs is kept", async (t) => {
  const dir = temporary(t),
    archive = await importFrames(t, dir, {
      family: "v5-linear",
      host: "/v5/public/linear",
      frames: [JSON.stringify({ topic: "publicTrade.BTCUSDT" })],
    });
  for (const name of segments(archive))
    assert.ok(!fs.readFileSync(path.join(archive, name)).includes("tapedeck.family"));
});
