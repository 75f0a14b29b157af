// The ready file exists only while a program listens; and a recorder with --until-close ends if it cannot connect. Expected: docs/design.md ("Listening"), docs/recording.md.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { Program, importLines, ready, tapedeck, temporary } from "../support/harness.mjs";

const PROGRAMS = {
  sim: () => ["sim", "--families", "inverse", "--symbols", "1", "--rate", "50"],
  serve: (archive) => ["serve", "-a", archive, "--feed", "inverse"],
};

/** An archive with one frame. */
const imported = (t, dir) =>
  importLines(
    t,
    [
      '1618677785.0: {"topic":"trade.BTCUSD","data":[{"trade_time_ms":1618677785000,"timestamp":"2021-04-17T16:43:05.000Z","symbol":"BTCUSD","side":"Buy","size":1,"price":60000.5,"tick_direction":"PlusTick","trade_id":"00000000-0000-4000-8000-000000000001","cross_seq":1}]}',
    ],
    { archive: path.join(dir, "tape"), format: "cryptofeed", family: "inverse" }
  );

for (const [verb, args] of Object.entries(PROGRAMS))
  test(`${verb} removes an old ready file at its start, and its own at its end`, async (t) => {
    const dir = temporary(t);
    const archive = await imported(t, dir);
    const file = path.join(dir, "ready.json");
    const left = '{"url":"wss://127.0.0.1:1","ca_file":null}\n';
    const taken = net.createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    t.after(() => taken.close());
    // It cannot listen, so there must be no ready file.
    fs.writeFileSync(file, left);
    const refused = await new Program(t, "tapedeck", [
      ...args(archive),
      "--listen",
      `127.0.0.1:${taken.address().port}`,
      "--ready-file",
      file,
    ]).ended;
    assert.notEqual(refused.code, 0);
    assert.ok(!fs.existsSync(file), refused.stderr);
    // A killed program leaves its file; the next one removes it.
    const killed = new Program(t, "tapedeck", [
      ...args(archive),
      "--listen",
      "127.0.0.1:0",
      "--ready-file",
      file,
    ]);
    const first = await ready(killed, file);
    await killed.kill("SIGKILL");
    assert.ok(fs.existsSync(file));
    const stopped = new Program(t, "tapedeck", [
      ...args(archive),
      "--listen",
      "127.0.0.1:0",
      "--ready-file",
      file,
    ]);
    await stopped.prints(/(listening|serving) at wss:/);
    assert.notEqual((await ready(stopped, file)).url, first.url);
    assert.equal((await stopped.kill("SIGTERM")).code, 0);
    assert.ok(!fs.existsSync(file));
  });

for (const [verb, args] of Object.entries(PROGRAMS))
  test(`${verb} logs how clients trust the certificate, or that they cannot`, async (t) => {
    const dir = temporary(t);
    const archive = await imported(t, dir);
    const file = path.join(dir, "ready.json");
    const logOf = async (...more) => {
      const program = new Program(t, "tapedeck", [...args(archive), ...more]);
      await program.prints(/(listening|serving) at wss?:/);
      assert.equal((await program.kill("SIGTERM")).code, 0);
      return program.stderr;
    };
    assert.match(
      await logOf(),
      /warning .*no file has this run's certificate, so clients cannot trust it: give --ready-file FILE \(then FILE\.pem has it\), --plain or --tls-cert\n/
    );
    assert.match(
      await logOf("--ready-file", file),
      new RegExp(`info .*clients can trust this run's certificate with '${file}\\.pem'\n`)
    );
    assert.doesNotMatch(await logOf("--plain"), /certificate/);
    const star = await tapedeck(t, [...args(archive), "--listen", "*:0"], { status: 2 });
    assert.match(
      star.stderr,
      /'\*:0' is not HOST:PORT: '\*' cannot be in a host name\n.*hint: 0\.0\.0\.0:PORT listens on all addresses/
    );
  });

test("serve logs each feed's address, which clients can use unchanged", async (t) => {
  const dir = temporary(t);
  const file = path.join(dir, "ready.json");
  const server = new Program(t, "tapedeck", [
    "serve",
    "-a",
    await imported(t, dir),
    "--speed",
    "max",
    "--once",
    "--ready-file",
    file,
  ]);
  const [, url] = await server.prints(/feed inverse \(inverse\): 1 topic, at (wss:\S+)\n/);
  const { ca_file: ca } = await ready(server, file);
  await tapedeck(t, [
    "record",
    "-a",
    path.join(dir, "again"),
    url,
    "--family",
    "inverse",
    "--ca-file",
    ca,
    "--topic",
    "trade.*",
    "--until-close",
  ]);
  assert.equal(
    (
      await tapedeck(t, ["cat", "-a", path.join(dir, "again"), "--topic", "trade", "--raw"])
    ).stdout.split("\n").length,
    2
  );
});

test("record --until-close ends if it cannot connect", async (t) => {
  const dir = temporary(t);
  const end = await new Program(t, "tapedeck", [
    "record",
    "-a",
    path.join(dir, "tape"),
    "wss://127.0.0.1:1/realtime",
    "--family",
    "inverse",
    "--topic",
    "trade.*",
    "--until-close",
    "--connect-timeout",
    "1s",
  ]).ended;
  assert.equal(end.code, 4, end.stderr);
  assert.match(end.stderr, /no connection was ever established/);
});
