// The system's limits of a process: threads, stacks, file sizes, descriptors. At a limit a program prints a message and exits
// with 4, never by a signal, and no frame is lost that was announced durable. Expected values: docs/design.md ("Exit status", P1).
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import { after, test } from "node:test";
import {
  BIN,
  jsonLines,
  listening,
  Program,
  ready,
  run,
  tapedeck,
  temporary,
  wrapped,
} from "../support/harness.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { npm, test as testWithPackages } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");

const PROGRAMS = Object.fromEntries(
  ["recorder", "replay", "sim", "verbs"].map((name) => [name, wrapped(`${name}_few_threads`)])
);
const skip = Object.values(PROGRAMS).every((file) => fs.existsSync(file))
  ? false
  : "needs the programs with few threads (make tests-build)";
const SIM = ["--families", "inverse", "--symbols", "2", "--rate", "2000"];

/** Options of a program that runs with this limit: "-f 32" for files of at most 32 KiB. */
const limited = (limit) => ({ under: ["bash", "-c", `ulimit ${limit} && exec "$0" "$@"`] });

/** A small recording and its server, for all tests: node:test runs an after() within a test at the end of that test. */
const atEnd = [];
after(() => atEnd.forEach((then) => then()));
const file = { after: (then) => atEnd.push(then) };
let cached;
const recording = () => (cached ??= recordOnce(temporary(file)));

async function recordOnce(dir) {
  const archive = path.join(dir, "source");
  const server = await simulator(file, dir, SIM);
  await run(undefined, "tapedeck-record", [
    "record",
    "-a",
    archive,
    ...feedArgs(server, "inverse"),
    "--max-frames",
    "300",
    "--commit-interval",
    "100ms",
  ]);
  return { archive, server };
}

/** Run with 0, 1, 2 … threads until they are enough: with fewer the program ends with 4 and its reason. Returns the number
 * that it needs. outcome(threads): how the program ended, or code 0 once it works. */
async function needs(outcome) {
  for (let threads = 0; ; threads++) {
    assert.ok(threads < 40, "it never works");
    const end = await outcome(threads);
    assert.doesNotMatch(end.stderr, /Sanitizer/, `${threads} threads`);
    if (end.code === 0) return threads;
    assert.equal(end.code, 4, `${threads} threads: ${end.code ?? end.signal} ${end.stderr}`);
    assert.match(end.stderr, /cannot .*: Resource temporarily unavailable/, `${threads} threads`);
  }
}

test(
  "a program that cannot start any one of its threads reports it and ends with 4",
  { skip },
  async (t) => {
    const dir = temporary(t);
    const { archive, server } = await recording();
    const few = (name, threads, args) =>
      new Program(t, PROGRAMS[name], args, { env: { TAPEDECK_TEST_THREADS: String(threads) } });
    const recorded = await needs((threads) => {
      const recorder = few("recorder", threads, [
        "record",
        "-a",
        path.join(dir, `tape-${threads}`),
        "--json",
        ...feedArgs(server, "inverse"),
        "--max-frames",
        "20",
        "--duration",
        "20s",
      ]);
      // Without its connecting thread it tries again until it is stopped.
      recorder.prints(/cannot connect: .*: Resource temporarily unavailable/).then(
        () => recorder.kill("SIGTERM"),
        () => {}
      );
      return recorder.ended;
    });
    assert.ok(recorded >= 6, `${recorded}`); // two for output, continuity, disk, encoder, signals
    assert.equal(
      await needs((threads) => few("verbs", threads, ["verify", "-a", archive, "-j", "2"]).ended),
      1
    );
    assert.ok(
      (await needs(
        (threads) => few("replay", threads, ["replay", "-a", archive, "-j", "2"]).ended
      )) >= 2
    );
    for (const args of [
      ["sim", ...SIM],
      ["serve", "-a", archive],
    ]) {
      const listens = await needs(async (threads) => {
        const file = path.join(dir, `${args[0]}-${threads}.json`);
        const program = few(args[0] === "sim" ? "sim" : "replay", threads, [
          ...args,
          "--listen",
          "127.0.0.1:0",
          "--ready-file",
          file,
        ]);
        await ready(program, file).catch(() => {});
        return program.kill("SIGTERM");
      });
      assert.ok(listens >= 2, `${args[0]}: ${listens}`);
    }
  }
);

test("with small stacks the programs work, or fail with a hint what to change", async (t) => {
  const dir = temporary(t);
  const { archive, server } = await recording();
  const bin = (name) => path.resolve(BIN, name);
  const record = [
    "record",
    "-a",
    path.join(dir, "tape"),
    ...feedArgs(server, "inverse"),
    "--max-frames",
    "20",
  ];
  const rows = [
    ["tapedeck-record", record],
    ["tapedeck", ["info", "-a", archive]],
    ["tapedeck-replay", ["replay", "-a", archive, "-j", "2"]],
  ];
  for (const [name, args] of rows) await run(t, bin(name), args, limited("-S -s 64"));
  await listening(t, ["sim", ...SIM], dir, {
    program: bin("tapedeck-sim"),
    ...limited("-S -s 64"),
  });
  for (const [name, args] of [...rows, ["tapedeck-sim", ["sim", ...SIM]]]) {
    const end = await run(t, bin(name), args, { status: 4, ...limited("-s 64") });
    assert.match(end.stderr, /the limit on the stack is 64 KiB.*\n.*ulimit -s/, name);
  }
});

test("the limit on file sizes is a failed write, and every announced frame stays", async (t) => {
  const dir = temporary(t);
  const { archive, server } = await recording();
  const tape = path.join(dir, "tape");
  const recorder = new Recorder(
    t,
    tape,
    [...feedArgs(server, "inverse"), "--commit-interval", "50ms"],
    limited("-f 128")
  );
  const end = await recorder.ended;
  assert.equal(end.code, 4, `${end.code ?? end.signal} ${end.stderr}`);
  assert.match(end.stderr, /File too large/);
  const [announced] = recorder.durable.values();
  await tapedeck(t, ["recover", "-a", tape]);
  const kept = await jsonLines(t, ["cat", "-a", tape, "--dir", "in"]);
  assert.ok(announced.in > 0 && kept.length >= announced.in, `${kept.length} of ${announced.in}`);
  for (const [i, frame] of kept.entries()) assert.equal(frame.ordinal, i + 1);
  await tapedeck(t, ["verify", "-a", tape]);

  const out = path.join(dir, "out");
  for (const args of [
    ["regress", "save", "-a", archive, "--out", `${out}.tdb`],
    ["export", "-a", archive, "--format", "jsonl", "--out", out],
  ]) {
    const ended = await run(t, path.resolve(BIN, "tapedeck"), args, {
      status: 4,
      ...limited("-f 4"),
    });
    assert.match(ended.stderr, /File too large/, args.join(" "));
  }
  const small = await simulator(t, dir, SIM, {
    program: path.resolve(BIN, "tapedeck-sim"),
    ...limited("-f 16"),
  });
  new Recorder(t, `${out}-tape`, feedArgs(small, "inverse"));
  const ended = await small.program.ended;
  assert.equal(ended.code, 4, `${ended.code ?? ended.signal} ${ended.stderr}`);
  assert.match(ended.stderr, /File too large/);
});

test("clients beyond the limit of descriptors get 503, also over TLS, and one line in the log", async (t) => {
  const { archive } = await recording(),
    dir = temporary(t);
  for (const more of [["--plain"], []]) {
    const server = await listening(
      t,
      ["serve", archive, ...more],
      fs.mkdtempSync(path.join(dir, "serve-")),
      limited("-n 30")
    );
    const url = new URL(server.url.replace(/^ws/, "http"));
    const idle = [],
      statuses = [];
    t.after(() => idle.forEach((socket) => socket.destroy()));
    for (let i = 0; i < 24; i++)
      idle.push(net.connect(url.port, url.hostname).on("error", () => {}));
    await Promise.all(
      idle.map((socket) => new Promise((resolve) => socket.once("connect", resolve)))
    );
    // Connections in the kernel's queue get an answer soon.
    for (let i = 0; i < 3; i++)
      statuses.push(
        await new Promise((resolve, reject) => {
          const get = url.protocol === "https:" ? https : http;
          get
            .get(
              `${url.origin}/v5/public/linear`,
              { agent: false, rejectUnauthorized: false },
              (answer) => resolve(answer.resume().statusCode)
            )
            .on("error", reject);
        })
      );
    assert.deepEqual(statuses, [503, 503, 503], server.program.stderr);
    assert.equal(
      server.program.stderr.match(/a client gets status 503/g).length,
      1,
      server.program.stderr
    );
    // Once descriptors are free, clients are served.
    idle.forEach((socket) => socket.destroy());
    const status = () =>
      new Promise((resolve) =>
        (url.protocol === "https:" ? https : http)
          .get(
            `${url.origin}/v5/public/linear`,
            { agent: false, rejectUnauthorized: false },
            (answer) => resolve(answer.resume().statusCode)
          )
          .on("error", () => resolve(0))
      );
    let found;
    for (const end = Date.now() + 20000; (found = await status()) === 503 || found === 0;)
      assert.ok(Date.now() < end);
    assert.ok(found >= 400 && found !== 503, `${found}`);
    await server.program.kill("SIGTERM");
  }
});

testWithPackages(
  "serve says what its clients need: a soft limit is raised to it, a hard one that is too low is a warning",
  async (t) => {
    const { archive } = await recording(),
      dir = temporary(t);
    const served = (limit) =>
      listening(
        t,
        ["serve", archive, "--plain", "--loop", "--max-clients", "50"],
        fs.mkdtempSync(path.join(dir, "serve-")),
        limited(limit)
      );
    const raised = await served("-Sn 40");
    const [, needed, limit] = await raised.program.prints(
      /50 clients at a time need (\d+) open files; the limit is (\d+), raised for that/
    );
    assert.equal(limit, needed);
    // The limit that the message advises is enough for all clients at once.
    const clients = Array.from(
      { length: 50 },
      () => new WebSocket(`${raised.url}/realtime`, { perMessageDeflate: false })
    );
    t.after(() => clients.forEach((client) => client.terminate()));
    const data = clients.map(
      (client) =>
        new Promise((resolve, reject) => {
          client.on("error", reject);
          client.on("message", (bytes) => String(bytes).startsWith('{"topic"') && resolve());
          client.on("open", () => client.send('{"op":"subscribe","args":["trade.*"]}'));
        })
    );
    await Promise.all(data);
    const open = fs.readdirSync(`/proc/${raised.program.child.pid}/fd`).length;
    assert.ok(open > 50 && open <= Number(needed), `${open} of ${needed}`);
    assert.doesNotMatch((await raised.program.kill("SIGTERM")).stderr, /warning/);
    const short = await served("-n 40");
    const [, fix] = await short.program.prints(
      /warning .*50 clients at a time need \d+ open files, and the limit is 40: beyond it they get HTTP 503; run `ulimit -n (\d+)` first/
    );
    await short.program.kill("SIGTERM");
    const enough = await served(`-n ${fix}`);
    await enough.program.prints(new RegExp(`need ${fix} open files; the limit is ${fix}\n`));
    assert.doesNotMatch((await enough.program.kill("SIGTERM")).stderr, /warning/);
  }
);
