// A recorder's surroundings: wrong configurations, foreign files, missing permissions, full disks, signals.
// Expected values: docs/design.md ("Exit status", "Archive on disk", "Common grammar"), and the files written here.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, describe } from "node:test";
import { BIN, filesBelow, json, jsonLines, jsonList, Program, run, tapedeck, temporary } from "../support/harness.mjs";
import { scriptedServer, trade } from "../support/scripted_server.mjs";
import { withoutMount, checkAnnounced, feedArgs, Recorder, simulator, smallDisk } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

/** Runs a command as a user who owns nothing here. */
const UNPRIVILEGED = process.getuid() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];

/** Stands for a test where the first test that needs a fixture makes it for the whole file: node:test runs an after() that is
 *  called within a test at the end of that test. */
const atEnd = [];
const file = { after: (then) => atEnd.push(then) };
after(() => atEnd.forEach((then) => then()));

describe("configuration", { concurrency: 2 }, () => {
  const rows = [
    ["an unknown key", "feeds:\n  - family: inverse\n    tpoics: [trade.*]\n", 3, ["tpoics", "topics"]],
    ["a key like no other", "feeds:\n  - family: inverse\n    xyzzy: 1\n", 3, ["xyzzy", "--help"]],
    ["an unknown key of the recorder", "comit_interval: 1s\nfeeds:\n  - family: inverse\n    topics: [trade.*]\n", 1, ["comit_interval", "commit_interval"]],
    ["a duration that is none", "commit_interval: soon\nfeeds:\n  - family: inverse\n    topics: [trade.*]\n", 1, ["commit_interval", "soon", "200ms"]],
    ["a value out of bounds", "feeds:\n  - family: inverse\n    topics: [trade.*]\ncommit_interval: 1h\n", 4, ["commit_interval", "10 ms", "1 m"]],
    ["a choice that is none", "overload: panic\nfeeds:\n  - family: inverse\n    topics: [trade.*]\n", 1, ["overload", "panic", "pause", "drop"]],
    ["a truth value that is none", "feeds:\n  - family: inverse\n    topics: [trade.*]\n    strict: perhaps\n", 4, ["strict", "perhaps", "true"]],
    ["an unknown family", "feeds:\n  - family: outverse\n    topics: [trade.*]\n", 2, ["outverse", "inverse", "tapedeck topics"]],
    ["no topics", "feeds:\n  - family: inverse\n", 2, ["topic"]],
    ["two feeds of one name", "feeds:\n  - {family: inverse, topics: [trade.*]}\n  - {family: inverse, topics: [trade.*]}\n", 3, ["inverse"]],
    ["a list where a text belongs", "feeds:\n  - family: [inverse]\n    topics: [trade.*]\n", 2, ["family"]],
    ["no feeds", "commit_interval: 1s\n", null, ["feeds"]],
    ["a URL of no kind", "feeds:\n  - family: inverse\n    url: https://stream.bybit.com/realtime\n    topics: [trade.*]\n", 3, ["https://", "wss://"]],
    ["broken YAML", "feeds:\n  - family: inverse\n   topics: [trade.*\n", 3, []],
    ["an empty file", "", null, []],
  ];
  for (const [name, text, line, words] of rows)
    test(`${name} is refused with file, line, key and what is allowed`, async (t) => {
      const dir = temporary(t);
      const file = path.join(dir, "feeds.yaml");
      fs.writeFileSync(file, text);
      const end = await run(t, "tapedeck-record", ["record", "-a", path.join(dir, "tape"), "-c", file], { status: 2 });
      assert.ok(end.stderr.includes(line === null ? file : `${file}:${line}`), end.stderr);
      for (const word of words) assert.ok(end.stderr.includes(word), `${word}: ${end.stderr}`);
      assert.ok(!fs.existsSync(path.join(dir, "tape")), "nothing was begun");
    });

  test("a missing configuration file is an error that names it", async (t) => {
    const file = path.join(temporary(t), "nowhere.yaml");
    const end = await run(t, "tapedeck-record", ["record", "-a", file + ".tape", "-c", file], { status: null });
    assert.ok([2, 4].includes(end.code), `${end.code}`);
    assert.ok(end.stderr.includes(file));
  });

  test("options of the command line obey the rules of a configuration", async (t) => {
    const dir = temporary(t);
    for (const [args, word] of [
      [["--family", "inverse"], "topic"],
      [["--family", "outverse", "--topic", "trade"], "outverse"],
      [["ftp://x/", "--family", "inverse", "--topic", "trade"], "wss://"],
      [["wss://x/", "wss://y/", "--family", "inverse", "--topic", "trade"], "wss://y/"],
      [["--family", "inverse", "--topic", "trade", "--commit-interval", "1h"], "1 m"],
      [["-c", "feeds.yaml", "--topic", "trade"], "--config"],
    ]) {
      const end = await run(t, "tapedeck-record", ["record", "-a", path.join(dir, "tape"), ...args], { status: 2 });
      assert.ok(end.stderr.includes(word), `${args.join(" ")}: ${end.stderr}`);
    }
  });
});

/** A copy of a small recording that ended cleanly, and its simulator, which still runs. */
let recorded;
async function recording(t) {
  const { archive: made, sim } = await (recorded ??= recordOnce());
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  fs.cpSync(made, archive, { recursive: true });
  return { dir, archive, sim };
}

async function recordOnce() {
  const dir = temporary(file);
  const archive = path.join(dir, "tape");
  const sim = await simulator(file, dir, ["--families", "inverse", "--symbols", "2", "--rate", "2000"]);
  await run(undefined, "tapedeck-record", ["record", "-a", archive, ...feedArgs(sim, "inverse"), "--max-frames", "600", "--commit-interval", "100ms"]);
  return { archive, sim };
}

describe("files", { concurrency: 2 }, () => {
  test("verbs skip foreign files in an archive, and report them", async (t) => {
    const { archive, sim } = await recording(t);
    const before = (await json(t, ["replay", "-a", archive, "--json"])).digest;
    const day = path.dirname(path.join(archive, filesBelow(archive).find((f) => f.endsWith(".mcap") && f.startsWith("capture"))));
    fs.writeFileSync(path.join(archive, "notes.txt"), "mine\n");
    fs.writeFileSync(path.join(day, "holiday.jpg"), "no segment\n");
    fs.mkdirSync(path.join(archive, "capture", "lost+found"));
    fs.writeFileSync(path.join(day, ".hidden.mcap"), "");
    const verdict = await tapedeck(t, ["verify", "-a", archive]);
    assert.match(verdict.stdout + verdict.stderr, /holiday\.jpg/);
    fs.rmSync(path.join(archive, "catalog.sqlite"));
    await tapedeck(t, ["reindex", "-a", archive]);
    assert.deepEqual((await json(t, ["replay", "-a", archive, "--json"])).digest, before);
    // Recording into it continues.
    await run(t, "tapedeck-record", ["record", "-a", archive, ...feedArgs(sim, "inverse"), "--max-frames", "100"]);
    assert.ok(fs.existsSync(path.join(day, "holiday.jpg")) && fs.existsSync(path.join(archive, "notes.txt")));
  });

  test("a file with a segment's name and other content is damage, and the rest is still read", async (t) => {
    const { archive } = await recording(t);
    const segment = filesBelow(archive).find((f) => f.endsWith(".mcap") && f.startsWith("capture"));
    const other = segment.replace(/-000001\.mcap$/, "-000002.mcap");
    const frames = (await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).length;
    fs.writeFileSync(path.join(archive, other), "MCAP? no\n");
    const verdict = await tapedeck(t, ["verify", "-a", archive, "--json"], { status: null });
    assert.equal(verdict.code, 3, verdict.stdout);
    assert.ok(verdict.stdout.includes(path.basename(other)), verdict.stdout);
    const cat = await tapedeck(t, ["cat", "-a", archive, "--dir", "in"], { status: null });
    assert.equal(cat.stdout.trim().split("\n").length, frames);
  });

  test("a finished segment that is missing is damage, and verify names it", async (t) => {
    const { archive } = await recording(t);
    const segment = filesBelow(archive).find((f) => f.endsWith(".mcap") && f.startsWith("capture"));
    fs.rmSync(path.join(archive, segment));
    const verdict = JSON.parse((await tapedeck(t, ["verify", "-a", archive, "--json"], { status: 3 })).stdout);
    assert.equal(verdict.verdict, "damaged");
    assert.ok(JSON.stringify(verdict.findings).includes(path.basename(segment)), JSON.stringify(verdict.findings));
    // Nor do readers report the rest as complete.
    for (const args of [["replay", "-a", archive, "--json"], ["cat", "-a", archive], ["ls", "-a", archive], ["info", "-a", archive]]) {
      const end = await tapedeck(t, args, { status: 3 });
      assert.match(end.stderr, new RegExp(`missing: ${segment}`));
    }
  });

  test("verbs report a segment without read permission", { skip: canDropRights() }, async (t) => {
    const { dir, archive } = await recording(t);
    const programs = programsForAll();
    fs.chmodSync(dir, 0o755);
    openToAll(archive);
    const segment = filesBelow(archive).find((f) => f.endsWith(".mcap") && f.startsWith("capture"));
    fs.chmodSync(path.join(archive, segment), 0o000);
    for (const args of [["cat", "-a", archive], ["replay", "-a", archive, "--json"], ["verify", "-a", archive], ["info", "-a", archive]]) {
      const end = await new Program(t, path.join(programs, "tapedeck"), args, { under: UNPRIVILEGED }).ended;
      assert.equal(end.code, 3, `${args[0]}: ${end.code} ${end.stderr}`);
      assert.ok((end.stdout + end.stderr).includes(path.basename(segment)), `${args[0]}: ${end.stdout} ${end.stderr}`);
      assert.match(end.stdout + end.stderr, /ermission denied/);
      assert.doesNotMatch(end.stdout + end.stderr, /not there|missing|unexpected file/, args[0]);
    }
  });

  test("readers need no write permission, with a catalog and without", { skip: canDropRights() }, async (t) => {
    const { dir, archive } = await recording(t);
    const programs = programsForAll();
    const expected = (await json(t, ["replay", "-a", archive, "--json"])).digest;
    const cat = (await tapedeck(t, ["cat", "-a", archive])).stdout;
    fs.chmodSync(dir, 0o755);
    for (const catalog of ["there", "gone"]) {
      fs.chmodSync(archive, 0o755);
      if (catalog === "gone") for (const f of fs.readdirSync(archive).filter((f) => f.startsWith("catalog.sqlite"))) fs.rmSync(path.join(archive, f));
      openToAll(archive);
      const before = filesBelow(archive).sort();
      const nobody = async (args, status = 0) => {
        const end = await new Program(t, path.join(programs, "tapedeck"), args, { under: UNPRIVILEGED }).ended;
        assert.equal(end.code, status, `${args[0]}, catalog ${catalog}: ${end.stderr}`);
        return end.stdout;
      };
      assert.deepEqual(JSON.parse(await nobody(["replay", "-a", archive, "--json"])).digest, expected);
      assert.equal(await nobody(["cat", "-a", archive]), cat);
      await nobody(["gaps", "-a", archive, "--json"]);
      await nobody(["info", "-a", archive, "--json"]);
      await nobody(["ls", "-a", archive, "--json"]);
      await nobody(["verify", "-a", archive], catalog === "gone" ? 1 : 0);
      // A verb that writes reports why it cannot, and changes nothing.
      const end = await new Program(t, path.join(programs, "tapedeck-record"),
        ["record", "-a", archive, "wss://127.0.0.1:1/realtime", "--family", "inverse", "--topic", "trade.*"], { under: UNPRIVILEGED }).ended;
      assert.equal(end.code, 4, end.stderr);
      assert.match(end.stderr, /ermission denied/);
      assert.deepEqual(filesBelow(archive).sort(), before);
      if (catalog === "there") continue;
      // --catalog elsewhere is the only file that is written.
      const own = temporary(t);
      fs.chmodSync(own, 0o777);
      const elsewhere = ["-a", archive, "--catalog", path.join(own, "tape.sqlite")];
      await nobody(["reindex", ...elsewhere]);
      assert.deepEqual(fs.readdirSync(own), ["tape.sqlite"]);
      await nobody(["verify", ...elsewhere]);
      assert.deepEqual(JSON.parse(await nobody(["replay", ...elsewhere, "--json"])).digest, expected);
      for (const [out, args] of [["with", elsewhere], ["without", ["-a", archive]]])
        await nobody(["export", "-q", ...args, "--format", "jsonl", "--format", "parquet", "--out", path.join(own, out)]);
      assert.deepEqual(filesBelow(path.join(own, "with")), filesBelow(path.join(own, "without")));
      for (const file of filesBelow(path.join(own, "with"))) assert.deepEqual(fs.readFileSync(path.join(own, "with", file)), fs.readFileSync(path.join(own, "without", file)), file);
      await nobody(["days", ...elsewhere]);
      assert.deepEqual(filesBelow(archive).sort(), before);
    }
  });

  test("record --check reports an archive, and a folder for a new one, that its user may not write", { skip: canDropRights() }, async (t) => {
    const { dir, archive, sim } = await recording(t);
    const programs = programsForAll();
    const ca = path.join(programs, "sim-ca.pem");
    fs.copyFileSync(sim.ca, ca);
    fs.chmodSync(ca, 0o644);
    fs.chmodSync(dir, 0o755);
    openToAll(archive);
    for (const [where, fault] of [[archive, archive], [path.join(dir, "new/tape"), dir]]) {
      const end = await new Program(t, path.join(programs, "tapedeck"),
        ["record", "--check", "-a", where, ...feedArgs({ ...sim, ca }, "inverse"), "--json"], { under: UNPRIVILEGED }).ended;
      assert.equal(end.code, 1, end.stdout + end.stderr);
      const failed = JSON.parse(end.stdout).checks.filter((row) => row.state === "failed");
      assert.deepEqual(failed.map((row) => [row.area, row.subject]), [["archive", where]]);
      assert.ok(failed[0].text.includes(`'${fault}`) && /ermission denied/.test(failed[0].text), failed[0].text);
      assert.match(failed[0].hint, /write/);
    }
  });
});

describe("free space", { concurrency: 2, skip: withoutMount() }, () => {
  /** An archive on a small disk, beside another file that fills the disk. */
  async function crowded(t, mebibytes, filler) {
    const dir = temporary(t);
    const { mountPoint, pathOutside, under } = await smallDisk(t, dir, mebibytes);
    const otherFile = path.join(pathOutside, "others");
    fs.writeFileSync(otherFile, Buffer.alloc(filler * 1024 * 1024, 1));
    const copy = path.join(dir, "copy");
    return {
      dir, otherFile, archive: path.join(pathOutside, "tape"),
      record: (args) => new Recorder(t, path.join(mountPoint, "tape"), args, { under }),
      /** The archive as it is now, where every program can read it. */
      copied: () => {
        fs.rmSync(copy, { recursive: true, force: true });
        fs.cpSync(path.join(pathOutside, "tape"), copy, { recursive: true });
        return copy;
      },
    };
  }

  test("a full disk ends the recorder with 4, and every announced frame is in the archive", async (t) => {
    const disk = await crowded(t, 8, 6);
    const sim = await simulator(t, disk.dir, ["--families", "inverse", "--symbols", "5", "--rate", "20000"]);
    const recorder = disk.record([...feedArgs(sim, "inverse"), "--commit-interval", "50ms", "--min-free", "0"]);
    const end = await recorder.ended;
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, /[Nn]o space left/);
    await sim.program.kill("SIGTERM");
    const copy = disk.copied();
    await tapedeck(t, ["recover", "-a", copy]);
    const verdict = await tapedeck(t, ["verify", "-a", copy], { status: null });
    assert.ok([0, 1].includes(verdict.code), verdict.stdout + verdict.stderr);
    const { announced } = await checkAnnounced(t, copy, "inverse", sim.truth, [recorder]);
    assert.ok(announced > 100, `${announced} frames were announced`);
  });

  test("below min_free the recorder stops in order with 4 and does not start; with space it records again", async (t) => {
    const disk = await crowded(t, 48, 39);
    const sim = await simulator(t, disk.dir, ["--families", "inverse", "--symbols", "5", "--rate", "20000"]);
    const args = [...feedArgs(sim, "inverse"), "--commit-interval", "50ms", "--min-free", "8MiB"];
    const first = disk.record(args);
    const end = await first.ended;
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, /nearly full: 7\.\d MiB are free, 8\.0 MiB must stay free \(min_free\)/);
    assert.match(end.stderr, /--min-free/);
    // As after any stop: no open segment, every frame durable, the archive sound.
    assert.deepEqual(filesBelow(disk.archive).filter((f) => f.startsWith("capture") && f.endsWith(".open")), []);
    await tapedeck(t, ["verify", "-a", disk.copied()]);

    fs.appendFileSync(disk.otherFile, Buffer.alloc(1024 * 1024, 1)); // the space of the catalog's log is free
    const content = () => filesBelow(disk.archive).filter((f) => !f.endsWith(".lock")).sort().map((f) => [f, fs.readFileSync(path.join(disk.archive, f))]);
    const before = content();
    const refused = await disk.record(args).ended;
    assert.equal(refused.code, 4, refused.stderr);
    assert.match(refused.stderr, /must stay free \(min_free\), .* more/);
    assert.deepEqual(content(), before);

    fs.rmSync(disk.otherFile);
    const again = disk.record([...args, "--max-frames", "500"]);
    assert.equal((await again.ended).code, 0, again.stderr);
    await sim.program.kill("SIGTERM");
    const copy = disk.copied();
    await tapedeck(t, ["verify", "-a", copy]);
    const { announced, kept } = await checkAnnounced(t, copy, "inverse", sim.truth, [first, again]);
    assert.equal(announced, kept, "everything that was received is durable");
    const gaps = await jsonList(t, ["gaps", "-a", copy, "--json"], { status: 1 });
    assert.deepEqual(gaps.map((gap) => [gap.reason, gap.to_ns !== null]), [["restart", true]]);
  });

  test("a disk that another program fills stops a recorder without frames, too; 5 % is the default here", async (t) => {
    const disk = await crowded(t, 40, 1);
    const server = await scriptedServer(t, disk.dir, { opened: (ws) => ws.send(trade(1)) });
    const recorder = disk.record([...feedArgs(server, "inverse", ["trade.BTCUSD"]), "--commit-interval", "50ms"]);
    await recorder.durableLine((durable) => durable.in >= 1);
    fs.writeFileSync(disk.otherFile, Buffer.alloc(38.5 * 1024 * 1024, 1));
    const end = await recorder.ended;
    assert.equal(end.code, 4, end.stderr);
    assert.match(end.stderr, /2\.0 MiB must stay free \(min_free\)/);
    await tapedeck(t, ["verify", "-a", disk.copied()]);
  });
});

describe("signals", { concurrency: 3 }, () => {
  for (const signal of ["SIGINT", "SIGTERM"])
    test(`${signal}: the recorder makes every frame durable, finishes its segments and exits with 0`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const sim = await simulator(t, dir, ["--families", "inverse", "--symbols", "2", "--rate", "1000"]);
      // With an hour between commits only the end makes frames durable.
      const recorder = new Recorder(t, archive, [...feedArgs(sim, "inverse"), "--commit-interval", "60s"]);
      await recorder.prints(/subscribed to/);
      const end = await recorder.kill(signal);
      assert.equal(end.code, 0, end.stderr);
      const durable = recorder.durable.get("inverse|1|0|0");
      assert.equal(recorder.summary().in, durable.in);
      assert.equal(recorder.summary().out, durable.out);
      assert.deepEqual(filesBelow(archive).filter((f) => f.startsWith("capture") && f.endsWith(".open")), []);
      await tapedeck(t, ["verify", "-a", archive]);
      await sim.program.kill("SIGTERM");
      await checkAnnounced(t, archive, "inverse", sim.truth, [recorder]);
    });

  test("a second signal ends the recorder at once, and the archive is recoverable", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    // A peer that never answers a close keeps the recorder waiting for up to some seconds.
    const server = await scriptedServer(t, dir, { opened: (ws) => { ws.send(trade(1)); ws.close = () => {}; ws._receiver.removeAllListeners("conclude"); } });
    const recorder = new Recorder(t, archive, [...feedArgs(server, "inverse", ["trade.BTCUSD"]), "--commit-interval", "50ms"]);
    await recorder.durableLine((durable) => durable.in >= 2);
    const started = Date.now();
    recorder.child.kill("SIGTERM");
    // Two signals within 0.1 s count as one (base/cli/stop_signal.c): send them until it ends.
    const asking = setInterval(() => recorder.child.kill("SIGTERM"), 150);
    const end = await recorder.ended;
    clearInterval(asking);
    assert.ok(Date.now() - started < 10_000, `${Date.now() - started} ms`);
    assert.equal(end.code, 128 + 15, end.stderr);
    await tapedeck(t, ["recover", "-a", archive]);
    await tapedeck(t, ["verify", "-a", archive]);
    assert.ok((await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])).length >= 2);
  });

  test("--duration and --max-frames end the recorder with 0", async (t) => {
    const dir = temporary(t);
    const sim = await simulator(t, dir, ["--families", "inverse", "--symbols", "2", "--rate", "1000"]);
    const recorder = new Recorder(t, path.join(dir, "a"), [...feedArgs(sim, "inverse"), "--max-frames", "100"]);
    assert.equal((await recorder.ended).code, 0, recorder.stderr);
    assert.equal(recorder.summary().in, 100);
    const other = new Recorder(t, path.join(dir, "b"), [...feedArgs(sim, "inverse"), "--duration", "3s"]); // long enough to connect on a busy machine
    assert.equal((await other.ended).code, 0, other.stderr);
    assert.ok(other.summary().elapsed_s >= 3 && other.summary().elapsed_s < 30);
  });

  test("cat ends without a fault when its reader exits", async (t) => {
    const { archive } = await recording(t);
    const out = execFileSync("sh", ["-c", `"$1" cat -a "$2" | head -n 1`, "sh", path.join(path.resolve(BIN), "tapedeck"), archive]);
    assert.equal(JSON.parse(out.toString()).ordinal, 1);
  });
});

// ---- permissions on this machine -------------------------------------------------------------------

/** All users may read; only this user may write. */
function openToAll(archive) {
  for (const file of fs.readdirSync(archive, { recursive: true })) {
    const name = path.join(archive, file);
    fs.chmodSync(name, fs.statSync(name).isDirectory() ? 0o555 : 0o444);
  }
  fs.chmodSync(archive, 0o555);
}

/** A copy of the programs that every user may run: the tree may be in a home that is closed to others. */
let copied;
const programsForAll = () => (copied ??= copyPrograms());

function copyPrograms() {
  const dir = temporary(file);
  for (const name of fs.readdirSync(BIN)) {
    fs.copyFileSync(path.join(BIN, name), path.join(dir, name));
    fs.chmodSync(path.join(dir, name), 0o755);
  }
  fs.chmodSync(dir, 0o755);
  return dir;
}

/** Reason to skip tests that need a user who may not write, or false. */
function canDropRights() {
  if (process.getuid() !== 0) return false; // this user has no write permission itself
  return spawnSync(UNPRIVILEGED[0], [...UNPRIVILEGED.slice(1), "true"]).status === 0 ? false : "needs setpriv";
}
