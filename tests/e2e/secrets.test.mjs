// Secrets in every form in which a server may echo them, in the archive and in what programs say. Nothing of ours
// stands between the files and the search (leaks.mjs); what is compressed is inflated by Node. Expected: docs/design.md
// P2, capture/redact.h.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import zlib from "node:zlib";
import { eventsOf, jsonLines, run, tapedeck, temporary } from "./lib.mjs";
import { acknowledge, hostile, trade } from "./hostile.mjs";
import { nothingLeaked, nothingLeakedInText } from "./leaks.mjs";
import { feedArgs, Recorder } from "./live.mjs";
import { test } from "./npm.mjs";

const KEY = "k3yK3Yk3yK3Yk3yZ_-";
const SECRET = "s3cr3tS3cr3ts3cr3tS3cr3tQ8w/E+";

/** name -> how a value is written. */
const TEXT_FORMS = {
  plain: (v) => v,
  upper: (v) => v.toUpperCase(),
  lower: (v) => v.toLowerCase(),
  "escaped, JSON": (v) => [...v].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join(""),
  "escaped, URL": (v) => [...v].map((c) => `%${c.charCodeAt(0).toString(16)}`).join(""),
};
const PACKED = {
  gzip: (text) => zlib.gzipSync(text),
  "gzip, stored": (text) => zlib.gzipSync(text, { level: 0 }),
  zlib: (text) => zlib.deflateSync(text),
  raw: (text) => zlib.deflateRawSync(text),
};

/** Everything that a frame may hold: itself, what it inflates to, escapes undone. */
function readings(frame) {
  const texts = [frame.toString("latin1")];
  for (const inflate of [zlib.gunzipSync, zlib.inflateSync, zlib.inflateRawSync]) {
    try {
      texts.push(inflate(frame, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).toString("latin1"));
    } catch {
      // not of this kind
    }
  }
  const undo = (text) => text.replace(/\\u00([0-9a-f]{2})|%([0-9a-f]{2})/gi, (_, a, b) => String.fromCharCode(parseInt(a ?? b, 16)));
  return texts.flatMap((text) => [text, undo(text)]);
}

/** No form of the value is in any of the frames. */
function nothingInFrames(frames, value) {
  const plain = value.toLowerCase();
  for (const frame of frames)
    for (const text of readings(frame)) assert.ok(!text.toLowerCase().includes(plain), `${value} in ${text.slice(0, 200)}`);
}

/** The frames of an archive, byte for byte. */
async function framesOf(t, archive) {
  return (await jsonLines(t, ["cat", "-a", archive])).map((row) => (row.data_hex ? Buffer.from(row.data_hex, "hex") : Buffer.from(row.data)));
}

describe("secrets", { concurrency: 2 }, () => {
  test("no form of key, secret and signature reaches the archive, compressed frames included", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    let sent = 0;
    let signature = "";
    const server = await hostile(t, dir, {
      message: (ws, request) => {
        acknowledge(ws, request);
        if (request.op === "auth") [, , signature] = request.args;
        if (request.op !== "subscribe") return;
        for (const value of [KEY, SECRET, signature])
          for (const form of Object.values(TEXT_FORMS)) {
            const text = `{"topic":"trade.BTCUSD","note":"${form(value)}","q":"wss://x/?token=${form(value)}"}`;
            ws.send(text);
            sent++;
            for (const pack of Object.values(PACKED)) {
              ws.send(pack(text), { binary: true });
              sent++;
            }
          }
        ws.send(zlib.gzipSync(`{"note":"${KEY}"}`).subarray(0, -5), { binary: true }); // cut off
        ws.send(zlib.gzipSync('{"note":"nothing secret"}'), { binary: true });
        sent += 2;
        ws.send(trade(1));
      },
    });
    const recorder = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", ["trade.BTCUSD"]), "--api-key-env", "TEST_KEY", "--api-secret-env", "TEST_SECRET"],
    { env: { TEST_KEY: KEY, TEST_SECRET: SECRET } });
    await recorder.durableLine((d) => d.in >= sent + 3);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.match(signature, /^[0-9a-f]{64}$/);
    const frames = await framesOf(t, archive);
    assert.ok(frames.length >= sent + 5, `${frames.length} of ${sent}`);
    for (const value of [KEY, SECRET, signature]) nothingInFrames(frames, value);
    await nothingLeaked(archive, KEY, SECRET, signature);
    nothingLeakedInText(recorder, KEY, SECRET, signature);
    const note = JSON.stringify({ note: "nothing secret" });
    assert.ok(frames.some((frame) => frame.equals(zlib.gzipSync(note))), "a frame without secrets was changed");
    const wanted = `{"topic":"trade.BTCUSD","note":"${"*".repeat(KEY.length)}","q":"wss://x/?token=${"*".repeat(KEY.length)}"}`;
    assert.ok(frames.some((frame) => frame.toString("latin1") === wanted), "a secret was not overwritten in place");
    // And events say so.
    const events = await eventsOf(t, archive);
    const states = events.filter((event) => event.event === "redacted").map((event) => event.state ?? "in place");
    assert.deepEqual([...new Set(states)].sort(), ["in place", "overwritten"]);
    assert.equal(states.filter((state) => state === "overwritten").length, 3 * Object.keys(TEXT_FORMS).length * Object.keys(PACKED).length + 1);
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("a password in a URL or a proxy is never shown", async (t) => {
    const dir = temporary(t);
    const word = "hunter2hunter2";
    const urls = [`wss://user:${word}@127.0.0.1:1/realtime`, `wss://user:x/${word}@127.0.0.1:1/realtime`, `wss://127.0.0.1:99999/?token=${word}`,
      `wss:/user:${word}@127.0.0.1:1/realtime`, `wss:///user:${word}@127.0.0.1:1/realtime`, `wss://user:${word}@127.0.0.1:1/?x=a://b`];
    for (const [n, url] of urls.entries()) {
      const config = path.join(dir, `feeds-${n}.yaml`);
      fs.writeFileSync(config, `feeds:\n  - family: inverse\n    url: ${url}\n    topics: [trade.BTCUSD]\n`);
      for (const args of [[url, "--family", "inverse", "--topic", "trade.BTCUSD"], ["-c", config], [url, "--url", url, "--topic", "trade"],
        ["wss://127.0.0.1:1/realtime", "--family", "inverse", "--topic", "trade.BTCUSD", "--http", `x@1h=${url.replace("wss", "https")}`]]) {
        const end = await run(t, "tapedeck-record", ["record", "-a", path.join(dir, "tape"), ...args], { status: null });
        assert.notEqual(end.code, 0);
        nothingLeakedInText(end, word);
      }
    }
    for (const proxy of [`http://user:${word}@`, `socks5://user:${word}@h:1`, `http://user:${word}@h:x`, `http://user:${word.repeat(20)}@h:1`]) {
      const recorder = new Recorder(t, path.join(dir, "tape-proxy"), ["wss://stream.invalid/realtime", "--family", "inverse", "--topic", "trade.BTCUSD"],
        { env: { HTTPS_PROXY: proxy } });
      await Promise.race([recorder.says(/prox/i), recorder.ended]);
      await recorder.kill("SIGTERM");
      assert.match(recorder.stderr, /prox/i);
      nothingLeakedInText(recorder, word);
    }
    // A capture's URLs: neither in events nor in errors.
    const capture = path.join(dir, "capture");
    fs.writeFileSync(capture, `wss://user:${word}@stream.bybit.com/realtime?token=${word}x <-> 1795154400.0\n1795154401.0: {"echo":"${word}"}\n`);
    await tapedeck(t, ["import", "-a", path.join(dir, "imported"), "--format", "cryptofeed", "--family", "inverse", capture]);
    await nothingLeaked(path.join(dir, "imported"), word);
    const unknown = path.join(dir, "unknown");
    fs.writeFileSync(unknown, `wss://user:${word}@nowhere.example/x <-> 1795154400.0\n1795154401.0: {}\n`);
    const refusedEnd = await tapedeck(t, ["import", "-a", path.join(dir, "refused"), "--format", "cryptofeed", unknown], { status: null });
    assert.notEqual(refusedEnd.code, 0);
    nothingLeakedInText(refusedEnd, word);
  });

  test("only the owner can read the files of a feed with credentials; other feeds' files are readable", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const server = await hostile(t, dir, { message: (ws, request) => (acknowledge(ws, request), request.op === "subscribe" && ws.send(trade(1))) });
    const mode = (file) => (fs.statSync(file).mode & 0o777).toString(8);
    const segments = () => fs.readdirSync(archive, { recursive: true }).filter((f) => /\.mcap(\.open)?$/.test(f)).map((f) => path.join(archive, f));
    const umask = process.umask(0o022);
    t.after(() => process.umask(umask));
    const open = new Recorder(t, archive, [...feedArgs(server, "inverse", ["trade.BTCUSD"]), "--max-frames", "2"]);
    assert.equal((await open.ended).code, 0, open.stderr);
    assert.deepEqual([...new Set(segments().map(mode))], ["644"], `${segments()}`);
    const own = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", ["trade.BTCUSD"]), "--feed", "own", "--api-key-env", "TEST_KEY", "--api-secret-env", "TEST_SECRET"],
    { env: { TEST_KEY: KEY, TEST_SECRET: SECRET } });
    await own.durableLine((d) => d.in >= 3);
    const writing = segments().filter((f) => path.basename(f).startsWith("own-") && f.endsWith(".open"));
    assert.deepEqual(writing.map(mode), ["600"]);
    assert.equal(mode(path.dirname(writing[0])), "700");
    // No core dump while it holds them.
    assert.match(fs.readFileSync(`/proc/${own.child.pid}/limits`, "utf8"), /Max core file size +0 +0 /);
    // Killed: what recover leaves, its copy of the torn tail too, is as private.
    await own.kill("SIGKILL");
    fs.appendFileSync(writing[0], Buffer.alloc(100, 7));
    await tapedeck(t, ["recover", "-a", archive]);
    assert.deepEqual([...new Set(segments().filter((f) => path.basename(f).startsWith("own-")).map(mode))], ["600"]);
    const torn = fs.readdirSync(path.join(archive, "torn")).map((f) => path.join(archive, "torn", f));
    assert.ok(torn.length > 0);
    for (const file of torn) assert.equal(mode(file), "600", file);
  });
});
