// Other programs change an archive in use: they remove locks, delete, truncate or replace segments under a recorder, or put
// links in the place of files. Expected values: the frames that the recorder announced as durable, against the simulated
// exchange's truth file; docs/archive.md ("Under a running recorder") for the exit status.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, describe, test } from "node:test";
import {
  filesBelow,
  json,
  jsonLines,
  jsonList,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import {
  checkAnnounced,
  deleteCatalog,
  feedArgs,
  Recorder,
  simulator,
} from "../support/recorders.mjs";

const COMMIT = ["--commit-interval", "100ms"];
const VICTIM = "nothing of this may be lost\n";

/** A simulated exchange, and arguments of a recorder for it. */
async function exchange(t, dir) {
  const sim = await simulator(t, dir, ["--families", "inverse", "--symbols", "2", "--rate", "400"]);
  return { sim, args: [...feedArgs(sim, "inverse"), ...COMMIT] };
}

/** A recorder that has announced a frame. */
async function recording(t, archive, args) {
  const recorder = new Recorder(t, archive, args);
  await recorder.durableAfter(3);
  return recorder;
}

const openSegments = (archive) =>
  filesBelow(archive).filter((f) => f.startsWith("capture") && f.endsWith(".open"));

/** Stop a program (SIGSTOP), and wait until every thread has stopped. */
async function freeze(program) {
  const threads = `/proc/${program.child.pid}/task`;
  const state = (thread) => /\) (\S)/.exec(fs.readFileSync(`${threads}/${thread}/stat`, "utf8"))[1];
  program.child.kill("SIGSTOP");
  while (!fs.readdirSync(threads).every((thread) => state(thread) === "T"))
    await new Promise(setImmediate);
}

/** Stop a recorder, change its files, continue it: it must end by itself with 4 and the reason. Earlier announcements may still
 * be in the pipe, and one chunk may be under way to it. */
async function meddled(recorder, meddle, words) {
  await freeze(recorder);
  await meddle();
  const before = recorder.durableLines;
  recorder.child.kill("SIGCONT");
  const end = await recorder.ended;
  assert.equal(end.code, 4, `${end.signal}: ${end.stderr}`);
  assert.match(end.stderr, words);
  return { after: recorder.durableLines - before, stderr: end.stderr };
}

describe("a live session's files are left alone", { concurrency: 2 }, () => {
  test("recover leaves a recorder's segment alone, even if the archive's path contains a lock's text", async (t) => {
    const dir = temporary(t);
    const archive = path.join(
      dir,
      "is locked by pid 1, look, since never, session 00000000",
      "tape"
    );
    const { sim, args } = await exchange(t, dir);
    const recorder = await recording(t, archive, args);
    const report = await json(t, ["recover", "-a", archive, "--json"]);
    assert.deepEqual(
      [report.segments_live, report.segments_recovered, report.sessions_crashed],
      [1, 0, 0],
      JSON.stringify(report)
    );
    await recorder.durableLine();
    await tapedeck(t, ["verify", "-a", archive]);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    await sim.program.kill("SIGTERM");
    await tapedeck(t, ["verify", "-a", archive]);
    await checkAnnounced(t, archive, "inverse", sim.truth, [recorder]);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
  });

  test("after the lock is removed a second recorder is refused, recover leaves the segment, the first stops and keeps every frame", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { sim, args } = await exchange(t, dir);
    const recorder = await recording(t, archive, args);
    const { stderr } = await meddled(
      recorder,
      async () => {
        fs.rmSync(path.join(archive, "lock"));
        const report = await json(t, ["recover", "-a", archive, "--json"]);
        assert.deepEqual(
          [report.segments_live, report.segments_recovered, report.sessions_crashed],
          [1, 0, 0],
          JSON.stringify(report)
        );
        const capture = path.join(dir, "capture.txt");
        fs.writeFileSync(capture, '1618666000.5: {"topic":"trade.BTCUSD","data":[]}\n');
        const appenders = [
          ["tapedeck-record", ["record", "-a", archive, ...args, "--duration", "1s"]],
          [
            "tapedeck",
            ["import", "-a", archive, "--format", "cryptofeed", "--family", "inverse", capture],
          ],
        ];
        for (const second of appenders) {
          const end = await run(t, ...second, { status: 4 });
          assert.match(end.stderr, new RegExp(`in use.*\\bpid ${recorder.child.pid}\\b`, "s"));
        }
      },
      /lock' was (removed|replaced)/
    );
    assert.match(stderr, /records what it has received and ends/);
    await sim.program.kill("SIGTERM");
    await tapedeck(t, ["verify", "-a", archive]);
    await checkAnnounced(t, archive, "inverse", sim.truth, [recorder]);
    assert.deepEqual(openSegments(archive), []);
  });

  test("a recorder whose lock is replaced stops in order", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { sim, args } = await exchange(t, dir);
    const recorder = await recording(t, archive, args);
    const other = path.join(archive, "other");
    await meddled(
      recorder,
      () => {
        fs.writeFileSync(other, "");
        fs.renameSync(other, path.join(archive, "lock"));
      },
      /lock' was replaced/
    );
    await sim.program.kill("SIGTERM");
    await tapedeck(t, ["verify", "-a", archive]);
    await checkAnnounced(t, archive, "inverse", sim.truth, [recorder]);
  });
});

describe("files that change under a recorder", { concurrency: 2 }, () => {
  const withSegment = (archive, use) => {
    const [segment, ...more] = openSegments(archive);
    assert.deepEqual(more, []);
    use(path.join(archive, segment));
  };
  const CASES = [
    {
      name: "rm -rf of the archive",
      meddle: (archive) => fs.rmSync(archive, { recursive: true }),
      words: /inverse-\S+\.open.*removed or renamed/,
      gone: true,
    },
    {
      name: "rm of the open segment",
      meddle: (archive) => withSegment(archive, (file) => fs.rmSync(file)),
      words: /inverse-\S+\.open.*removed or renamed/,
      verify: 3,
      recover: 3,
      gaps: 3,
    },
    {
      name: "the open segment is moved away",
      meddle: (archive) =>
        withSegment(archive, (file) => fs.renameSync(file, path.join(archive, "elsewhere"))),
      words: /inverse-\S+\.open.*removed or renamed/,
      verify: 3,
      recover: 3,
      gaps: 3,
    },
    {
      name: "the open segment is cut to 10 bytes",
      meddle: (archive) => withSegment(archive, (file) => fs.truncateSync(file, 10)),
      words: /inverse-\S+\.open.*bytes.*written/,
      verify: 3,
      recover: 3,
      gaps: 3,
    },
    {
      name: "bytes are appended to the open segment",
      meddle: (archive) => withSegment(archive, (file) => fs.appendFileSync(file, "more")),
      words: /inverse-\S+\.open.*bytes.*written/,
      verify: 1,
      recover: 0,
      gaps: 1,
      more: ["crash"],
    },
    {
      name: "another file in the place of the open segment",
      meddle: (archive) =>
        withSegment(archive, (file) => {
          fs.writeFileSync(`${file}.new`, VICTIM);
          fs.renameSync(`${file}.new`, file);
        }),
      words: /inverse-\S+\.open.*replaced/,
      verify: 3,
      recover: 3,
      gaps: 3,
    },
    {
      name: "rm of the journal",
      meddle: (archive) => fs.rmSync(path.join(archive, "journal.mcap.open")),
      words: /journal.*removed or renamed/,
    },
    {
      name: "the journal is cut to 10 bytes",
      meddle: (archive) => fs.truncateSync(path.join(archive, "journal.mcap.open"), 10),
      words: /journal.*shorter/,
    },
  ];
  for (const { name, meddle, words, verify, gone, gaps, more = [], recover } of CASES)
    test(`${name}: no more frames are announced, and the exit status is 4`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const { args } = await exchange(t, dir);
      const recorder = await recording(t, archive, [...args, "--duration", "30s"]);
      const { after } = await meddled(recorder, () => meddle(archive), words);
      assert.ok(after <= 2, `${after} lines were announced afterwards`);
      if (gone) return void assert.equal(fs.existsSync(archive), false);
      if (verify !== undefined) await tapedeck(t, ["verify", "-a", archive], { status: verify });
      if (name.startsWith("another"))
        assert.equal(fs.readFileSync(path.join(archive, openSegments(archive)[0]), "utf8"), VICTIM);
      const rows = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: gaps ?? null });
      // The ledger has a row for announced frames that may be lost, from the first to the last.
      if (gaps)
        assert.deepEqual(
          rows.map((row) => row.reason),
          ["corrupt", ...more],
          JSON.stringify(rows)
        );
      if (gaps)
        assert.ok(
          rows[0].from_ns < Date.now() * 1e6 && rows[0].to_ns === null,
          JSON.stringify(rows)
        );
      if (recover !== undefined) await tapedeck(t, ["recover", "-a", archive], { status: recover });
      // Recovery does not restore it.
      if (recover !== undefined) await tapedeck(t, ["verify", "-a", archive], { status: recover });
    });
});

test("recording continues after rm of the catalog, and the next reader finds it rebuilt", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const { sim, args } = await exchange(t, dir);
  const recorder = await recording(t, archive, args);
  deleteCatalog(archive);
  for (let i = 0; i < 3; i++) await recorder.durableLine();
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  await sim.program.kill("SIGTERM");
  await tapedeck(t, ["verify", "-a", archive]);
  await checkAnnounced(t, archive, "inverse", sim.truth, [recorder]);
});

test("the row of a lost segment ends with the next session", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const { args } = await exchange(t, dir);
  const recorder = await recording(t, archive, args);
  await meddled(
    recorder,
    () => fs.rmSync(path.join(archive, openSegments(archive)[0])),
    /removed or renamed/
  );
  const [open] = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 3 });
  assert.deepEqual([open.reason, open.to_ns], ["corrupt", null], JSON.stringify(open));
  const next = await recording(t, archive, args);
  assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
  const first = (await jsonLines(t, ["cat", "-a", archive], { status: 3 })).find(
    (row) => row.dir === "in"
  );
  const closed = (await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 3 })).find(
    (row) => row.reason === "corrupt"
  );
  assert.equal(closed.from_ns, open.from_ns);
  assert.ok(closed.to_ns >= first.recv_ns, JSON.stringify([closed, first]));
});

describe("kill -9, and then rm of the open segment", { concurrency: 2 }, () => {
  /** Announced frames are lost with the file: there is one row from the first of them on, and reading again adds no other. */
  for (const first of ["recover", "record"])
    test(`${first} reports the lost segment`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const { args } = await exchange(t, dir);
      const started = Date.now();
      const recorder = await recording(t, archive, args);
      await recorder.kill("SIGKILL");
      const [lost] = (await jsonLines(t, ["cat", "-a", archive])).filter((row) => row.dir === "in");
      fs.rmSync(path.join(archive, openSegments(archive)[0]));
      if (first === "recover") {
        const report = await json(t, ["recover", "-a", archive, "--json"], { status: 3 });
        assert.deepEqual(
          [report.lossy, report.segments_missing, report.gaps_opened],
          [true, 1, 0],
          JSON.stringify(report)
        );
        const again = await json(t, ["recover", "-a", archive, "--json"], { status: 3 });
        assert.deepEqual(
          [again.lossy, again.segments_missing, again.gaps_opened],
          [true, 1, 0],
          JSON.stringify(again)
        );
        const [open, ...more] = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 3 });
        assert.deepEqual(
          [open.reason, open.to_ns, more.length],
          ["corrupt", null, 0],
          JSON.stringify(open)
        );
      }
      const next = await recording(t, archive, args);
      assert.equal((await next.kill("SIGTERM")).code, 0, next.stderr);
      if (first === "record") assert.match(next.stderr, /missing: .*inverse-/);
      const [came] = (await jsonLines(t, ["cat", "-a", archive], { status: 3 })).filter(
        (row) => row.dir === "in"
      );
      const [closed, ...more] = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 3 });
      assert.deepEqual(
        [closed.reason, more.length],
        ["corrupt", 0],
        JSON.stringify([closed, ...more])
      );
      assert.ok(
        closed.from_ns <= lost.recv_ns && closed.from_ns >= (started - 1000) * 1e6,
        JSON.stringify([closed, lost.recv_ns, started])
      );
      assert.ok(closed.to_ns >= came.recv_ns, JSON.stringify([closed, came.recv_ns]));
      await tapedeck(t, ["verify", "-a", archive], { status: 3 });
    });
});

describe("links in the place of files", { concurrency: 2 }, () => {
  const VERBS = [
    ["verify", (archive) => ["verify", "-a", archive]],
    ["recover", (archive) => ["recover", "-a", archive]],
    ["reindex", (archive) => ["reindex", "-a", archive]],
    ["prune", (archive) => ["prune", "-a", archive, "--older-than", "1d"]],
    [
      "import",
      (archive, dir) => [
        "import",
        "-a",
        archive,
        "--format",
        "cryptofeed",
        "--family",
        "inverse",
        path.join(dir, "capture.txt"),
      ],
    ],
    [
      "record",
      (archive) => [
        "record",
        "-a",
        archive,
        "wss://127.0.0.1:1/realtime",
        "--family",
        "inverse",
        "--topic",
        "trade.*",
        "--duration",
        "200ms",
      ],
    ],
  ];
  const shared = temporary({ after });
  let imported;
  /** Import a frame, or copy an archive that has it. */
  const importInto = async (t, archive, dir) => {
    const capture =
      '1618666000.5: {"topic":"trade.BTCUSD","data":[{"side":"Buy","price":1,"size":1}]}\n';
    fs.writeFileSync(path.join(dir, "capture.txt"), capture);
    fs.writeFileSync(path.join(shared, "capture.txt"), capture);
    const made = path.join(shared, "tape");
    await (imported ??= tapedeck(
      undefined,
      VERBS.find(([verb]) => verb === "import")[1](made, shared)
    ));
    fs.cpSync(made, archive, { recursive: true });
  };
  for (const place of ["lock", "maintain.lock", "journal.mcap.open", "catalog.sqlite"])
    for (const link of ["symbolic", "hard"])
      test(
        `a ${link} link at ${place}: no verb writes through it`,
        {
          skip:
            link === "hard" &&
            place === "journal.mcap.open" &&
            "a journal that is none is moved to torn/",
        },
        async (t) => {
          const dir = temporary(t);
          const archive = path.join(dir, "tape");
          await importInto(t, archive, dir);
          const victim = path.join(dir, "victim");
          for (const [verb, args] of VERBS)
            for (const content of [VICTIM, ""]) {
              fs.writeFileSync(victim, content);
              fs.rmSync(path.join(archive, place), { force: true });
              if (link === "symbolic") fs.symlinkSync(victim, path.join(archive, place));
              else fs.linkSync(victim, path.join(archive, place));
              if (content === "" && link === "hard") continue; // an empty file is a lock file like any other
              if (content === "" && !["recover", "import", "record"].includes(verb)) continue; // one verb for each lock
              await run(t, verb === "record" ? "tapedeck-record" : "tapedeck", args(archive, dir), {
                status: null,
              });
              assert.equal(
                fs.readFileSync(victim, "utf8"),
                content,
                `${verb}, ${content.length} bytes`
              );
            }
        }
      );

  test("verbs name the file that is in the place of a lock, and end with status 4", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    await importInto(t, archive, dir);
    const victim = path.join(dir, "victim");
    fs.writeFileSync(victim, VICTIM);
    fs.rmSync(path.join(archive, "lock"));
    fs.symlinkSync(victim, path.join(archive, "lock"));
    for (const [verb, args] of VERBS.filter(([verb]) =>
      ["recover", "reindex", "import", "record"].includes(verb)
    )) {
      const end = await run(
        t,
        verb === "record" ? "tapedeck-record" : "tapedeck",
        args(archive, dir),
        { status: 4 }
      );
      assert.match(end.stderr, /lock'.*symbolic link/, verb);
    }
    // Verbs that read still work.
    await tapedeck(t, ["verify", "-a", archive]);
    assert.ok((await jsonLines(t, ["cat", "-a", archive])).length > 0);
  });

  test("a FIFO in the place of the catalog blocks no program", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    await importInto(t, archive, dir);
    for (const [verb, args] of VERBS) {
      fs.rmSync(path.join(archive, "catalog.sqlite"), { force: true });
      execFileSync("mkfifo", [path.join(archive, "catalog.sqlite")]);
      const end = await run(
        t,
        verb === "record" ? "tapedeck-record" : "tapedeck",
        args(archive, dir),
        { status: null }
      );
      assert.ok(Number.isInteger(end.code), `${verb}: ${end.stderr}`);
    }
  });

  test("verbs name a FIFO or a folder in the place of a lock or the catalog; that is no usage error", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    await importInto(t, archive, dir);
    const put = {
      FIFO: (name) => execFileSync("mkfifo", [path.join(archive, name)]),
      folder: (name) => fs.mkdirSync(path.join(archive, name)),
    };
    for (const [kind, make] of Object.entries(put)) {
      fs.rmSync(path.join(archive, "lock"), { recursive: true, force: true });
      make("lock");
      for (const [verb, args] of VERBS.filter(([name]) =>
        ["record", "recover", "reindex", "import"].includes(name)
      )) {
        const end = await run(
          t,
          verb === "record" ? "tapedeck-record" : "tapedeck",
          args(archive, dir),
          { status: 4 }
        );
        assert.match(end.stderr, /lock'/, `${kind} ${verb}`);
      }
    }
    fs.rmSync(path.join(archive, "lock"), { recursive: true });
    fs.rmSync(path.join(archive, "catalog.sqlite"), { force: true });
    put.folder("catalog.sqlite");
    const end = await tapedeck(t, ["reindex", "-a", archive], { status: 4 });
    assert.match(end.stderr, /catalog\.sqlite': it is a folder; move it away/);
    await tapedeck(t, ["replay", "-a", archive]);
  });

  test("verbs read an open segment that is a link, and do not finish it", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const { args } = await exchange(t, dir);
    const recorder = await recording(t, archive, args);
    await recorder.kill("SIGKILL");
    const [segment] = openSegments(archive);
    const target = path.join(dir, "target");
    fs.renameSync(path.join(archive, segment), target);
    fs.symlinkSync(target, path.join(archive, segment));
    const bytes = fs.readFileSync(target);
    assert.ok((await jsonLines(t, ["cat", "-a", archive])).length > 0);
    const end = await tapedeck(t, ["recover", "-a", archive], { status: 3 });
    assert.match(end.stderr, /symbolic link/);
    assert.ok(fs.readFileSync(target).equals(bytes));
    assert.ok(fs.lstatSync(path.join(archive, segment)).isSymbolicLink());
  });
});

test("readers write nothing, with a recorder running and without", async (t) => {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const { args } = await exchange(t, dir);
  const listing = () =>
    fs
      .readdirSync(archive, { recursive: true })
      .sort()
      .map((name) => {
        const { size, mtimeNs, ino } = fs.lstatSync(path.join(archive, name), { bigint: true });
        return `${name} ${ino} ${size} ${mtimeNs}`;
      });
  const recorder = await recording(t, archive, args);
  const checkReadersWriteNothing = async () => {
    const before = listing();
    for (const verb of ["verify", "info", "ls", "cat", "gaps"]) {
      await tapedeck(t, [verb, "-a", archive], { status: null });
      assert.deepEqual(listing(), before, verb);
    }
  };
  await freeze(recorder);
  await checkReadersWriteNothing();
  recorder.child.kill("SIGCONT");
  await recorder.kill("SIGKILL");
  await checkReadersWriteNothing();
  await tapedeck(t, ["recover", "-a", archive]);
  await checkReadersWriteNothing();
  fs.rmSync(path.join(archive, "lock"));
  await checkReadersWriteNothing();
});
