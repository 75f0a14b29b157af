// HTTP requests that control serve: pause, step, seek, speed. The frames are made up here, so the expected frames are known
// without tapedeck.
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  FRAMES_MS as MS,
  importFrames,
  listening,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const COUNT = 60; // deltas of each symbol
const SYMBOLS = ["AUSDT", "BUSDT"];
const PATH = "/v5/public/linear";
const frame = (type, symbol, u) =>
  JSON.stringify({
    topic: `orderbook.50.${symbol}`,
    type,
    ts: MS + u,
    data: { s: symbol, b: [["100.0", `${u}`]], a: [["101.0", `${u}`]], u, seq: 1000 + u },
    cts: MS + u,
  });
const FRAMES = [1, ...Array.from({ length: COUNT }, (_, i) => i + 2)].flatMap((u) =>
  SYMBOLS.map((symbol) => frame(u === 1 ? "snapshot" : "delta", symbol, u))
);

/** A client that fails at a delta that does not follow the frame before it. */
class Client {
  constructor(t, url, symbols = SYMBOLS) {
    this.frames = [];
    this.u = new Map();
    this.waiting = [];
    this.ws = new WebSocket(`${url}${PATH}`, { perMessageDeflate: false });
    t.after(() => this.ws.terminate());
    this.ws.on("open", () =>
      this.ws.send(
        JSON.stringify({ op: "subscribe", args: symbols.map((symbol) => `orderbook.50.${symbol}`) })
      )
    );
    this.failed = new Promise((_, reject) =>
      this.ws.on("message", (bytes) => {
        const { data, type, req_id } = JSON.parse(bytes);
        this.latestAnswer = req_id ?? this.latestAnswer;
        if (type === "delta" && data.u !== this.u.get(data.s) + 1)
          reject(new Error(`${data.s}: ${data.u} after ${this.u.get(data.s)}`));
        if (data !== undefined) {
          this.u.set(data.s, data.u);
          this.frames.push(String(bytes));
        }
        this.waiting = this.waiting.filter((check) => !check());
      })
    );
    this.failed.catch(() => {});
  }
  until(condition) {
    const come = new Promise((resolve) => {
      const check = () => condition() && (resolve(), true);
      if (!check()) this.waiting.push(check);
    });
    return Promise.race([come, this.failed]);
  }
}

async function served(t, ...options) {
  const dir = temporary(t);
  const archive = await importFrames(t, dir, { family: "v5-linear", host: PATH, frames: FRAMES });
  const { program, url } = await listening(
    t,
    ["serve", "-a", archive, "--plain", "--hold", ...options],
    dir
  );
  const control = async (command, status = 200) => {
    const method = command === "status" ? "GET" : "POST";
    const answer = await fetch(`${url.replace("ws:", "http:")}/control/${command}`, { method });
    assert.equal(answer.status, status, command);
    if (status !== 200) return answer.text();
    assert.equal(answer.headers.get("content-type"), "application/json");
    return answer.json();
  };
  return { program, url, control, archive };
}

test("a paused tape sends one frame a step; frames that no client has subscribed to do not count", async (t) => {
  const { url, control } = await served(t, "--shared-clock");
  assert.deepEqual(await control("pause"), {
    paused: true,
    speed: "1",
    clients: 0,
    frames: 0,
    tapes: [],
  });
  const client = new Client(t, url, ["BUSDT"]);
  while ((await control("status")).tapes.length === 0);
  for (let i = 0; i < 5; i++) {
    const { tapes, paused } = await control("step");
    await client.until(() => client.frames.length === i + 1);
    assert.equal(client.frames[i], FRAMES[2 * i + 1]);
    assert.deepEqual(
      [paused, tapes[0].clients, Date.parse(tapes[0].at)],
      [true, 1, MS + 10 * (2 * i + 2)]
    );
  }
  await control("resume");
  await client.until(() => client.u.get("BUSDT") === COUNT + 1);
  assert.equal((await control("status")).tapes[0].at_end, true);
});

test("a seek and steps before a client's tape has begun hold for it", async (t) => {
  const { url, control } = await served(t, "--settle", "400ms");
  const to = `seek?to=${new Date(MS + 10 * 21).toISOString()}`; // the frames with u = 11
  const begins = async (client, steps) => {
    await client.until(() => client.frames.length === 1 + steps);
    const frames = client.frames.map((frame) => JSON.parse(frame));
    assert.deepEqual(
      frames.map(({ type, data }) => [type, data.u]),
      [["snapshot", 10], ...Array.from({ length: steps }, (_, i) => ["delta", 11 + i])]
    );
  };
  await control("pause");
  assert.deepEqual((await control(to)).tapes, []);
  for (let i = 0; i < 2; i++) await control("step");
  const early = new Client(t, url, ["BUSDT"]);
  await begins(early, 2);
  assert.equal(Date.parse((await control("status")).tapes[0].at), MS + 10 * 24);
  await control("resume");
  await early.until(() => early.u.get("BUSDT") === COUNT + 1);
  early.ws.close();
  await once(early.ws, "close");
  while ((await control("status")).tapes.length > 0);

  await control("pause");
  const settling = new Client(t, url, ["BUSDT"]); // connected, and its tape has not begun
  await settling.until(() => settling.latestAnswer !== undefined);
  await control(to);
  await control("step");
  await begins(settling, 1);
  settling.ws.close();
  await once(settling.ws, "close");
  while ((await control("status")).tapes.length > 0);

  await control("resume");
  const next = new Client(t, url, ["BUSDT"]); // from the beginning: no command was for it
  await next.until(() => next.frames.length > 0);
  assert.equal(next.frames[0], FRAMES[1]);
});

/** The messages of a client that subscribes to a second book after the fifth frame of the first one. */
async function subscribedLate(t, ...options) {
  const { url, control } = await served(t, ...options);
  await control("pause");
  const client = new Client(t, url, ["BUSDT"]);
  while ((await control("status")).tapes.length === 0);
  for (let i = 0; i < 5; i++) {
    await control("step");
    await client.until(() => client.frames.length === i + 1);
  }
  client.ws.send(JSON.stringify({ op: "subscribe", args: ["orderbook.50.AUSDT"] }));
  await client.until(() => client.u.has("AUSDT"));
  await control("resume");
  await client.until(() => SYMBOLS.every((symbol) => client.u.get(symbol) === COUNT + 1));
  return client.frames;
}

test("a book that no client subscribed to before has the levels of that position, as on a tape that follows all books", async (t) => {
  const frames = await subscribedLate(t);
  const { type, data } = JSON.parse(frames[5]);
  assert.deepEqual([type, data.s, data.u, data.b], ["snapshot", "AUSDT", 5, [["100.0", "5"]]]);
  assert.deepEqual(frames.slice(6), FRAMES.slice(10));
  assert.deepEqual(frames, await subscribedLate(t, "--shared-clock"));
});

test("seek goes forward and back, also from the end and in a file that was packed since, and sends a snapshot of that moment", async (t) => {
  const { url, control, archive } = await served(t, "--speed", "max");
  const client = new Client(t, url);
  const end = () => SYMBOLS.every((symbol) => client.u.get(symbol) === COUNT + 1);
  await client.until(end);
  assert.deepEqual(client.frames, FRAMES);
  for (const to of [new Date(MS + 605).toISOString(), "%2B595ms", "packed"]) {
    if (to === "packed") await tapedeck(t, ["pack", "-q", "-a", archive, "--older", "0s"]);
    client.frames = [];
    client.u.clear();
    await control(`seek?to=${to === "packed" ? "%2B595ms" : to}`);
    await client.until(end);
    const from = 60; // the first frame received at or after that moment
    assert.deepEqual(
      client.frames
        .slice(0, 2)
        .map((text) => JSON.parse(text))
        .map(({ type, data }) => [type, data.s, data.u]),
      SYMBOLS.map((symbol) => ["snapshot", symbol, 30])
    );
    assert.deepEqual(client.frames.slice(2), FRAMES.slice(from));
  }
});

test("invalid requests are refused with the valid ones", async (t) => {
  const { url, control } = await served(t);
  for (const command of ["", "dance", "seek", "speed?to=0", "seek?to=never"])
    assert.match(await control(command, command === "" ? 405 : 400), /./, command);
  assert.match(await control("dance", 400), /pause, resume, step, seek\?to=TIME or speed\?to=N/);
  const { tapes: before, paused } = await control("status");
  const got = await fetch(`${url.replace("ws:", "http:")}/control/pause`);
  assert.deepEqual(
    [got.status, await got.text()],
    [400, "GET is only for status; use POST for commands\n"]
  );
  assert.deepEqual(
    [await control("status").then((now) => now.paused), before, paused],
    [false, [], false]
  );
  assert.equal((await fetch(url.replace("ws:", "http:") + PATH, { method: "POST" })).status, 405);
  const ws = new WebSocket(`${url}/control/status`);
  const [error] = await once(ws, "error");
  assert.match(error.message, /200/);
});

test("after random commands every client's books have no break, and it gets the last frame", async (t) => {
  for (const options of [["--shared-clock"], []]) {
    const { url, control, program } = await served(t, ...options);
    const clients = [1, 2, 3].map(() => new Client(t, url));
    for (const client of clients) await client.until(() => client.frames.length > 0);
    let x = 7;
    const random = (n) => (x = (x * 48271) % 2147483647) % n;
    for (let i = 0; i < 30; i++)
      await control(
        [
          "pause",
          "resume",
          "step",
          "step",
          "step",
          `seek?to=%2B${random(1200)}ms`,
          `speed?to=${["0.5", "3", "20"][random(3)]}`,
        ][random(7)]
      );
    await control("seek?to=%2B300ms");
    await control("speed?to=20");
    // Messages before this answer may be older than the seek, such as an earlier end of the tape.
    for (const client of clients)
      client.ws.send(JSON.stringify({ req_id: "after the seek", op: "ping" }));
    await control("resume");
    for (const client of clients)
      await client.until(
        () =>
          client.latestAnswer === "after the seek" &&
          SYMBOLS.every((symbol) => client.u.get(symbol) === COUNT + 1)
      );
    for (const client of clients) assert.deepEqual(client.frames.slice(-2), FRAMES.slice(-2));
    assert.equal((await program.kill("SIGTERM")).code, 0);
  }
});
