// `tapedeck cut` writes a selection as one file. Expected: the frames that `cat` prints from the archive, and replay's report of
// the same time; @mcap/core reads the file.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { after } from "node:test";
import {
  BIN,
  capture,
  eventually,
  importLines,
  json,
  jsonLines,
  listening,
  Program,
  tapedeck,
  temporary,
  withoutCapture,
  withoutRecorded,
} from "../support/harness.mjs";
import { judgedByTest } from "../support/judged_command.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { npm, readMcap, test, withoutPackages } from "../support/npm_packages.mjs";

const LINEAR = "linear-2021-04-17.jsonl.gz";
const V5 = "v5-2026-08-09.jsonl.gz";
const INVERSE = "inverse-2021-04-17.jsonl.gz";
const skip = withoutCapture(LINEAR) || withoutCapture(INVERSE);

/** An archive of two feeds, which no test changes, and the times of the linear feed's frames after a third and two thirds. */
const shared = temporary({ after });
let cached;
async function imported(t) {
  return { ...(await (cached ??= importedOnce())), dir: temporary(t) };
}

async function importedOnce() {
  const t = undefined,
    archive = path.join(shared, "tape");
  await tapedeck(t, ["import", "-q", "-a", archive, capture(LINEAR), capture(INVERSE)]);
  const text = (await tapedeck(t, ["cat", archive, "--feed", "linear", "--dir", "in"])).stdout;
  const times = [...text.matchAll(/"recv_ns":(\d+)/g)].map(([, ns]) => ns); // too large for a number
  const at = (part) => times[Math.floor(times.length * part)];
  return {
    archive,
    window: ["--feed", "linear", "--from", at(1 / 3), "--to", at(2 / 3)],
    from: at(1 / 3),
    middle: at(1 / 2),
    to: at(2 / 3),
  };
}

const frames = async (t, file, ...more) =>
  (await tapedeck(t, ["cat", file, ...more])).stdout
    .split("\n")
    .map((line) => line.replace(/"position":\d+,?/, ""));

test(
  "a cut from the middle has the archive's frames, verdicts and books, and @mcap/core reads it",
  { skip },
  async (t) => {
    const { dir, archive, window, from, middle, to } = await imported(t);
    const file = path.join(dir, "bug.mcap");
    const report = await json(t, ["cut", archive, "-o", file, ...window, "--json"]);
    assert.equal(report.file_bytes, fs.statSync(file).size);
    assert.ok(report.frames > 200 && report.state_frames > 100, JSON.stringify(report));
    assert.deepEqual(await frames(t, file, "--from", from), await frames(t, archive, ...window));
    assert.equal((await frames(t, file)).length - 1, report.frames + report.state_frames);

    const replay = async (name, ...more) =>
      json(t, ["replay", name, ...more, "--json"], { status: null });
    const equal = async (ours, theirs) => {
      const [part, whole] = [await replay(file, ...ours), await replay(archive, ...theirs)];
      assert.deepEqual(part.digest, whole.digest);
      assert.deepEqual(part.continuity, whole.continuity);
      assert.deepEqual(part.books, whole.books);
      return part;
    };
    assert.equal((await equal([], window)).frames, report.frames); // without the frames of the state
    await equal(window, window);
    await equal(["--from", middle], ["--feed", "linear", "--from", middle, "--to", to]);
    const one = path.join(dir, "one.mcap"),
      range = ["--feed", "linear", "--from", middle, "--to", String(BigInt(middle) + 1n)];
    await tapedeck(t, ["cut", archive, "-o", one, ...range]);
    assert.deepEqual((await replay(one)).books, (await replay(archive, ...range)).books); // the books of the selection's frames

    for (const args of [
      ["verify"],
      ["info"],
      ["ls"],
      ["gaps"],
      ["drift"],
      ["export", "--format", "jsonl", "--out", path.join(dir, "set")],
    ])
      await tapedeck(t, [args[0], file, ...args.slice(1)], {
        status: args[0] === "drift" ? null : 0,
      });
    const again = path.join(dir, "again.mcap"); // a cut of the cut is the same
    await tapedeck(t, ["cut", file, "-o", again, ...window]);
    assert.deepEqual(await frames(t, again), await frames(t, file));

    for (const how of ["stream", "indexed"]) {
      const theirs = (await readMcap(t, how, file))
        .map((line) => line.split(" "))
        .filter((row) => row.length === 5 && !row[0].endsWith("/_events"));
      const ours = await jsonLines(t, ["cat", file]);
      assert.deepEqual(
        theirs.map((row) => Buffer.from(row[4], "hex").toString()),
        ours.map((frame) => frame.data)
      );
    }
  }
);

/** The data frames that a server sends to a client of these topics until it closes. */
async function received(t, url, topics) {
  const { WebSocket } = npm("ws");
  const frames = [];
  const socket = new WebSocket(`${url}/realtime_public`);
  t.after(() => socket.terminate());
  socket.on("open", () => socket.send(JSON.stringify({ op: "subscribe", args: topics })));
  socket.on("message", (bytes) => frames.push(JSON.parse(bytes)));
  await once(socket, "close");
  return frames.filter((frame) => frame.topic);
}

/** The levels of linear books after these frames, by symbol: each level as sorted text without its symbol. */
function booksAfter(frames) {
  const books = new Map();
  for (const { topic, type, data } of frames.filter(({ topic }) =>
    topic?.startsWith("orderBookL2_25.")
  )) {
    const book = type === "snapshot" ? new Map() : books.get(topic);
    for (const level of data.order_book ?? [...data.delete, ...data.update, ...data.insert])
      if (data.delete?.includes(level)) book.delete(String(level.id));
      else book.set(String(level.id), `${level.side} ${Number(level.price)} ${level.size}`);
    books.set(topic, book);
  }
  return new Map([...books].map(([topic, book]) => [topic, [...book.values()].sort()]));
}

test(
  "--snapshots made: each book begins with one marked frame that has the recorded book's levels",
  { skip },
  async (t) => {
    const { dir, archive, window, from } = await imported(t);
    const [file, other] = [path.join(dir, "made.mcap"), path.join(dir, "recorded.mcap")];
    const report = await json(t, [
      "cut",
      archive,
      "-o",
      file,
      "--snapshots",
      "made",
      ...window,
      "--json",
    ]);
    await tapedeck(t, ["cut", archive, "-o", other, ...window]);
    const before = async (name) =>
      (await jsonLines(t, ["cat", name, "--to", from])).map((frame) => ({
        ...frame,
        ...JSON.parse(frame.data),
      }));
    const [ours, theirs] = [await before(file), await before(other)];
    const marked = ours.filter((frame) => frame.made);
    assert.equal(marked.length, report.made_frames);
    assert.ok(marked.length > 6 && theirs.every((frame) => !frame.made));
    assert.deepEqual(booksAfter(ours), booksAfter(theirs));
    assert.equal(ours.length, report.state_frames);
    assert.ok(ours.length < theirs.length / 10, `${ours.length} ${theirs.length}`);

    const replay = async (name, ...more) =>
      json(t, ["replay", name, ...more, "--json"], { status: null });
    const [part, whole] = [await replay(file), await replay(archive, ...window)];
    assert.deepEqual(
      [part.digest, part.books, part.continuity],
      [whole.digest, whole.books, whole.continuity]
    );
    assert.equal(part.made, 0); // the books begin at the checkpoint
    assert.equal(
      (await json(t, ["diff", archive, file, "--feed", "linear", "--json"], { status: 1 })).only_b,
      0
    );
    assert.equal(
      (await readMcap(t, "stream", file)).filter((line) =>
        line.startsWith("made linear/orderBookL2_25/")
      ).length,
      marked.length
    );

    // A client of serve gets a snapshot first, and then all frames of the selection.
    const { url } = await listening(t, ["serve", file, "--plain", "--once", "--speed", "max"], dir);
    const got = await received(t, url, [...new Set(marked.map(({ topic }) => topic))]);
    const selected = (
      await jsonLines(t, ["cat", file, "--from", from, "--topic", "orderBookL2_25"])
    ).map((frame) => JSON.parse(frame.data));
    assert.deepEqual(booksAfter(got), booksAfter([...ours, ...selected]));
    assert.equal(got.length, selected.length + marked.length);

    // A shrunk file has no checkpoint: replay begins with the made snapshot, and reports it.
    const small = path.join(dir, "small.mcap");
    const delta = `${path.resolve(BIN, "tapedeck")} cat "$1" --raw | tr -d '\\n' | grep -q '"orderBookL2_25.LTCUSDT","type":"snapshot".*"orderBookL2_25.LTCUSDT","type":"delta"' && exit 1; exit 0`;
    await tapedeck(t, [
      "cut",
      archive,
      "-o",
      small,
      "--snapshots",
      "made",
      ...window,
      "--topic",
      "orderBookL2_25",
      "--symbol",
      "L*USDT",
      "--shrink",
      delta,
    ]);
    assert.deepEqual(await kinds(t, small), [
      ["orderBookL2_25.LTCUSDT", "snapshot"],
      ["orderBookL2_25.LTCUSDT", "delta"],
    ]);
    assert.equal((await replay(small)).made, 1);
    assert.match(
      (await tapedeck(t, ["replay", small])).stdout,
      /1 snapshot was made by 'tapedeck cut'/
    );
  }
);

test(
  "--snapshots made: a ticker begins with its snapshot merged with all later deltas",
  { skip: withoutCapture(V5) },
  async (t) => {
    const dir = temporary(t);
    const [archive, file, other] = ["tape", "made.mcap", "recorded.mcap"].map((name) =>
      path.join(dir, name)
    );
    await tapedeck(t, ["import", "-q", "-a", archive, capture(V5)]);
    const all = await jsonLines(t, ["cat", archive, "--topic", "tickers", "--dir", "in"]);
    const from = (await tapedeck(t, ["cat", archive, "--topic", "tickers", "--dir", "in"])).stdout
      .split("\n")
      [Math.floor(all.length / 2)].match(/"recv_ns":(\d+)/)[1];
    for (const [name, how] of [
      [file, "made"],
      [other, "recorded"],
    ])
      await tapedeck(t, [
        "cut",
        archive,
        "-o",
        name,
        "--feed",
        all[0].feed,
        "--topic",
        "tickers",
        "--from",
        from,
        "--snapshots",
        how,
      ]);
    const before = async (name) =>
      (await jsonLines(t, ["cat", name, "--to", from, "--dir", "in"])).map((frame) => ({
        made: frame.made,
        ...JSON.parse(frame.data),
      }));
    const merged = new Map();
    for (const { topic, type, ...frame } of await before(other))
      merged.set(topic, {
        topic,
        type: "snapshot",
        ...frame,
        data: { ...(type === "delta" && merged.get(topic).data), ...frame.data },
      });
    const made = await before(file);
    assert.ok(made.length > 0 && made.length === merged.size && made.some((frame) => frame.made));
    for (const { made: _, ...frame } of made)
      assert.deepEqual({ ...frame, made: undefined }, merged.get(frame.topic));
  }
);

test("--snapshots made: a ticker whose deltas have another form begins with a made snapshot, merged from the last checkpoint on", async (t) => {
  const dir = temporary(t),
    HOUR_NS = 3_600_000_000_000n,
    BEGIN_NS = 1_795_154_400_000_000_000n;
  const file = path.join(dir, "made.mcap");
  const merged = {
    symbol: "BTCUSD",
    last_price: "1.00",
    index_price: "1.00",
    mark_price: "1.00",
    funding_rate_e6: 0,
  };
  const frame = (i, type, data) => ({
    topic: "instrument_info.100ms.BTCUSD",
    type,
    data,
    cross_seq: i,
    timestamp_e6: 1_795_154_400_000_000 + i,
  });
  const lines = [
    { url: "wss://stream.bybit.com/realtime" },
    { dir: "in", data: JSON.stringify(frame(0, "snapshot", { ...merged })) },
  ];
  for (let i = 1; i <= 500; i++) {
    const changes = {
      symbol: "BTCUSD",
      [["last_price", "index_price", "mark_price"][i % 3]]: (i / 4).toFixed(2),
      ...(i === 7 && { funding_rate_e6: 125 }),
    };
    lines.push({
      dir: "in",
      data: JSON.stringify(frame(i, "delta", { delete: [], update: [changes], insert: [] })),
    });
    Object.assign(merged, i < 500 && changes);
  }
  const archive = await importLines(
    t,
    lines.map((line, i) => ({ recv_ns: String(BEGIN_NS + (BigInt(i) * HOUR_NS) / 100n), ...line })),
    { family: "inverse" }
  );
  const last = String(BEGIN_NS + (501n * HOUR_NS) / 100n);
  const { stderr } = await tapedeck(t, [
    "cut",
    archive,
    "-o",
    file,
    "--from",
    last,
    "--snapshots",
    "made",
    "-v",
  ]);
  const [made, delta] = await jsonLines(t, ["cat", file]);
  assert.deepEqual([made.made, JSON.parse(made.data)], [true, frame(499, "snapshot", merged)]);
  assert.equal(JSON.parse(delta.data).cross_seq, 500);
  const read = [...stderr.matchAll(/read (\d+) chunks .* of (\d+) segments/g)].map(
    ([, , segments]) => Number(segments)
  );
  assert.ok(read.length > 0 && read.every((segments) => segments === 1), stderr);
});

test("a cut of a cut has no open gap that ended before it", async (t) => {
  const dir = temporary(t),
    [archive, file, again] = ["tape", "cut.mcap", "again.mcap"].map((name) => path.join(dir, name));
  const server = await simulator(t, dir, [
    "--families",
    "inverse",
    "--symbols",
    "2",
    "--rate",
    "1000",
    "--fault",
    "disconnect@300",
  ]);
  await new Recorder(t, archive, [...feedArgs(server, "inverse"), "--max-frames", "700"]).ended;
  const text = (
    await tapedeck(t, ["cat", archive, "--topic", "trade", "--dir", "in"])
  ).stdout.split("\n");
  const timeOf = (index) => text[index].match(/"recv_ns":(\d+)/)[1];
  const reconnect = text.findIndex((line) => line.includes('"conn":2'));
  await tapedeck(t, [
    "cut",
    archive,
    "-o",
    file,
    "--topic",
    "trade",
    "--from",
    timeOf(reconnect - 10),
  ]);
  await tapedeck(t, ["cut", file, "-o", again, "--from", timeOf(reconnect)]);
  for (const name of [file, again])
    assert.equal((await json(t, ["gaps", name, "--json"], { status: null })).open, 0);
});

test("an impossible cut is refused, and leaves no file", { skip }, async (t) => {
  const { dir, archive, window } = await imported(t);
  const file = path.join(dir, "bug.mcap");
  const refused = async (status, pattern, ...args) => {
    const end = await tapedeck(t, ["cut", archive, ...args], { status });
    assert.match(end.stderr, pattern);
    assert.deepEqual(
      fs.readdirSync(dir).filter((name) => name.startsWith("bug")),
      []
    );
  };
  await refused(2, /two feeds, '(linear' and 'inverse|inverse' and 'linear)'/, "-o", file);
  await refused(2, /no file is given/);
  await refused(4, /no symbol 'NONE'/, "-o", file, "--symbol", "NONE");
  const between = BigInt(window[3]) + 1n; // after a frame: there is a state, but no selected frame
  await refused(
    4,
    /nothing of it was recorded in that time/,
    "-o",
    file,
    "--feed",
    "linear",
    "--from",
    String(between),
    "--to",
    String(between + 1n)
  );
  await refused(4, /No such file/, "-o", path.join(dir, "missing/bug.mcap"), ...window);
  fs.writeFileSync(file, "mine");
  assert.match(
    (await tapedeck(t, ["cut", archive, "-o", file, ...window], { status: 2 })).stderr,
    /exists already/
  );
  assert.equal(fs.readFileSync(file, "utf8"), "mine");
});

/** [topic, type] of a cut's frames. */
const kinds = async (t, file) =>
  (await jsonLines(t, ["cat", file]))
    .map((frame) => JSON.parse(frame.data))
    .map(({ topic, type }) => [topic, type]);

test(
  "--shrink finds the frame that crashes a program, and the frame that must precede it",
  { skip },
  async (t) => {
    const { dir, archive } = await imported(t);
    const crash = `${path.resolve(BIN, "tapedeck")} cat "$1" --raw | tr -d '\\n' | grep -q '"orderBookL2_25.LTCUSDT","type":"snapshot".*"trade.LTCUSDT"' && kill -ABRT $$; exit 0`;
    const file = path.join(dir, "bug.mcap");
    const part = ["--symbol", "L*USDT"];
    const whole = (
      await tapedeck(t, ["cat", archive, "--feed", "linear", ...part, "--dir", "in"])
    ).stdout.match(/\n/g).length;
    const report = await json(t, [
      "cut",
      archive,
      "-o",
      file,
      "--feed",
      "linear",
      ...part,
      "--shrink",
      crash,
      "--json",
    ]);
    assert.deepEqual(await kinds(t, file), [
      ["orderBookL2_25.LTCUSDT", "snapshot"],
      ["trade.LTCUSDT", undefined],
    ]);
    assert.deepEqual(
      [report.frames + report.state_frames, report.frames_all, report.stopped],
      [2, whole, false]
    );
    assert.ok(whole > 100);
    assert.ok(report.runs > 15 && report.runs < 120, JSON.stringify(report));
    assert.deepEqual(
      fs.readdirSync(dir).filter((name) => name.endsWith(".mcap")),
      ["bug.mcap"]
    );

    const refused = async (shrink, status, pattern) => {
      const { stderr } = await tapedeck(
        t,
        ["cut", archive, "-o", path.join(dir, "no.mcap"), "--feed", "linear", "--shrink", shrink],
        { status }
      );
      assert.match(stderr, pattern);
      assert.equal(fs.existsSync(path.join(dir, "no.mcap")), false);
    };
    await refused("exit 0", 2, /does not fail with the whole cut/);
    await refused("exit 125", 2, /cannot judge \(status 125\)/);
    await refused("no-such-program", 2, /cannot run 'no-such-program' \(status 127\)/);
  }
);

test(
  "--shrink ends with frames that the exchange could have sent: a client with the bug fails, and passes without it",
  { skip: skip || withoutRecorded(LINEAR) },
  async (t) => {
    const { dir, archive } = await imported(t);
    const texts = async (file) =>
      (await tapedeck(t, ["cat", file, "--raw", "--dir", "in", "--topic", "orderBookL2_25"])).stdout
        .split("\n")
        .filter((line) => line !== "");
    /** The errors in a client's books. With the bug it keeps deleted levels, without it it obeys the exchange's documents. */
    const wrong = async (file, keepsDeleted) => {
      const books = new Map();
      for (const { topic, type, data } of (await texts(file)).map((text) => JSON.parse(text))) {
        if (type === "snapshot") books.set(topic, new Map());
        const book = books.get(topic);
        if (book === undefined) return "a delta before the snapshot";
        for (const { price } of data.delete ?? [])
          if (!book.has(price)) return "no such level";
          else if (!keepsDeleted) book.delete(price);
        for (const { price, side } of data.insert ?? data.order_book) book.set(price, side);
        for (const { price } of data.update ?? []) if (!book.has(price)) return "no such level";
        const prices = (side) =>
          [...book].filter((level) => level[1] === side).map(([price]) => Number(price));
        if (Math.max(...prices("Buy")) >= Math.min(...prices("Sell"))) return "crossed";
      }
      return "";
    };
    const command = await judgedByTest(t, dir, async (file) =>
      (await wrong(file, true)) === "" ? 0 : "crash"
    );
    const shrunk = async (name, ...more) => {
      const file = path.join(dir, name);
      return {
        file,
        ...(await json(t, [
          "cut",
          archive,
          "-o",
          file,
          "--feed",
          "linear",
          "--symbol",
          "LTCUSDT",
          "--shrink",
          command,
          "--json",
          ...more,
        ])),
      };
    };
    const began = performance.now(),
      small = await shrunk("bug.mcap");
    t.diagnostic(
      `${small.frames + small.state_frames} of ${small.frames_all} frames, ${small.file_bytes} bytes, ${small.runs} runs, ${small.skipped} skipped, ${((performance.now() - began) / 1000).toFixed(1)} s`
    );
    const any = await shrunk("any.mcap", "--any");
    assert.deepEqual(
      [await wrong(small.file, true), await wrong(small.file, false)],
      ["crossed", ""]
    );
    assert.deepEqual(
      [JSON.parse((await texts(small.file))[0]).type, small.skipped > 0],
      ["snapshot", true],
      JSON.stringify(small)
    );
    assert.ok(small.frames + small.state_frames < small.frames_all / 5, JSON.stringify(small));
    await tapedeck(t, ["replay", small.file]);
    // Without those rules one frame that no client can read is enough.
    assert.deepEqual(
      [any.frames, any.skipped, await wrong(any.file, false)],
      [1, 0, "a delta before the snapshot"]
    );
  }
);

test(
  "--shrink --serve finds the frame that crashes a client",
  { skip: skip || withoutPackages },
  async (t) => {
    const { dir, archive } = await imported(t);
    const { WebSocket } = npm("ws");
    const files = new Set();
    /** How a client of this server ends: "crash", 0, or 125 (the cut lacks the topic, or cannot be served). */
    const client = (url, served) =>
      new Promise((resolve) => {
        files.add(served);
        const socket = new WebSocket(url + "/realtime_public");
        t.after(() => socket.terminate());
        let snapshots = 0;
        socket.on("open", () =>
          socket.send(JSON.stringify({ op: "subscribe", args: ["orderBookL2_25.LTCUSDT"] }))
        );
        socket.on("message", (data) => {
          const { success, type } = JSON.parse(data);
          if (success === false) resolve(125);
          if (type === "snapshot") snapshots++;
          if (type === "delta" && snapshots > 0) resolve("crash");
        });
        socket.on("close", () => resolve(0));
        socket.on("error", () => resolve(125));
      });
    const command = await judgedByTest(t, dir, client);
    const file = path.join(dir, "bug.mcap");
    // Little time: a run takes half a second.
    const report = await json(t, [
      "cut",
      archive,
      "-o",
      file,
      "--feed",
      "linear",
      "--symbol",
      "L*USDT",
      "--to",
      "+1900ms",
      "--serve",
      "--shrink",
      command,
      "--json",
    ]);
    assert.deepEqual(
      await kinds(t, file),
      [
        ["orderBookL2_25.LTCUSDT", "snapshot"],
        ["orderBookL2_25.LTCUSDT", "delta"],
      ],
      JSON.stringify(report)
    );
    assert.ok(report.frames_all > 10, JSON.stringify(report));
    assert.deepEqual(
      [...files].map((name) => path.basename(name)),
      ["base.mcap", "cut.mcap"]
    );
  }
);

test("a signal ends --shrink with the smallest file so far", { skip }, async (t) => {
  const { dir, archive } = await imported(t);
  const file = path.join(dir, "bug.mcap");
  const [first, second] = ["first", "second"].map((name) => path.join(dir, name));
  const shrink = `if [ -e ${first} ]; then >${second}; exec sleep 100; fi; >${first}; exit 1`;
  const program = new Program(t, "tapedeck", [
    "cut",
    archive,
    "-o",
    file,
    "--feed",
    "linear",
    "--json",
    "--shrink",
    shrink,
  ]);
  await eventually("the command ran again", () => fs.existsSync(second));
  const end = await program.kill("SIGTERM");
  assert.equal(end.code, 1, end.stderr);
  const report = JSON.parse(end.stdout);
  assert.deepEqual([report.stopped, report.frames], [true, 999]);
  assert.equal((await frames(t, file)).length - 1, 999);
});
