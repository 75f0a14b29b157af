// A client of the simulated exchange that does not read: its family waits for it, but the end of the exchange does not.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { listening, temporary, tooLong } from "../support/harness.mjs";
import { frame, rawConnect, TEXT } from "../support/raw_websocket.mjs";

// More than the sockets of both ends (a few MB each way) and the server's queue (8 MiB) take together.
const FLOOD_BYTES = 32 << 20;
const END_MS_MAX = 20_000; // a client that reads nothing is cut off after 5 s; the rest is for a loaded machine
const PONG = '"pong"',
  PONG_BYTES_MAX = 500; // an answer to a ping
const BEGUN_BYTES = 1 << 20; // from here on frames are sent without pause
const QUIET_PINGS = 100; // in a row: a flood of frames has pauses of a few pings
const UPGRADE =
  "GET /realtime HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SUBSCRIBE = {
  op: "subscribe",
  args: ["orderBookL2_25.*", "orderBook_200.100ms.*", "trade.*", "instrument_info.100ms.*"],
};

const simulated = (t, ...options) =>
  listening(
    t,
    ["sim", "--families", "inverse", "--plain", "--rate", "1000000", "--symbols", "2", ...options],
    temporary(t)
  );

/** A client whose bytes are counted, but not read as frames: there are too many for JavaScript. */
class Client {
  static async connect(t, url) {
    const raw = await rawConnect(t, { url });
    await raw.write(UPGRADE);
    assert.match(await raw.head(), /^HTTP\/1\.1 101 /);
    return new Client(raw.socket);
  }

  constructor(socket) {
    this.socket = socket;
    this.bytesReceived = 0;
    this.wake = () => {};
    this.awaitsPong = false;
    socket.removeAllListeners("data");
    socket.on("data", (bytes) => {
      this.bytesReceived += bytes.length;
      if (this.awaitsPong) {
        const text = this.tail + bytes.toString("latin1");
        if (text.includes(PONG)) this.awaitsPong = false;
        this.tail = text.slice(-PONG.length);
      }
      this.wake();
    });
    socket.on("close", () => this.wake());
  }

  async until(condition) {
    while (!condition()) {
      assert.ok(!this.socket.destroyed, "the connection ended");
      await new Promise((resolve) => (this.wake = resolve));
    }
  }

  request(object) {
    this.socket.write(frame(TEXT, JSON.stringify(object), { mask: true }));
  }

  /** The bytes that arrive until the answer to a ping. */
  async ping() {
    const before = this.bytesReceived;
    this.awaitsPong = true;
    this.tail = "";
    this.request({ op: "ping" });
    await this.until(() => !this.awaitsPong);
    return this.bytesReceived - before;
  }
}

/** A client that has subscribed to all topics, and has got some bytes. */
async function subscribed(t, url) {
  const client = await Client.connect(t, url);
  client.request(SUBSCRIBE);
  await client.until(() => client.bytesReceived > 0);
  return client;
}

async function endsSoon(program, begin) {
  const end = await program.ended;
  assert.equal(end.code, 0, end.stderr);
  assert.ok(Date.now() - begin < END_MS_MAX, `ended after ${Date.now() - begin} ms`);
  return end;
}

describe("a client that does not read", { concurrency: 1 }, () => {
  test("the client's family waits for it, and both continue when it reads again", async (t) => {
    const { url } = await simulated(t);
    const [slow, other] = [await subscribed(t, url), await subscribed(t, url)];
    await Promise.all(
      [slow, other].map((client) => client.until(() => client.bytesReceived >= BEGUN_BYTES))
    );
    slow.socket.pause();
    // Answers show that the exchange runs, and frames stop coming.
    for (let quiet = 0; quiet < QUIET_PINGS && other.bytesReceived < FLOOD_BYTES;)
      quiet = (await other.ping()) > PONG_BYTES_MAX ? 0 : quiet + 1;
    assert.ok(other.bytesReceived < FLOOD_BYTES, `${other.bytesReceived} bytes came`);
    const [slowHad, otherHad] = [slow.bytesReceived, other.bytesReceived];
    slow.socket.resume();
    await Promise.all([
      slow.until(() => slow.bytesReceived >= slowHad + FLOOD_BYTES),
      other.until(() => other.bytesReceived >= otherHad + FLOOD_BYTES),
    ]);
  });

  test("SIGTERM still ends the exchange", async (t) => {
    const { program, url } = await simulated(t);
    const slow = await subscribed(t, url);
    slow.socket.pause();
    await (await Client.connect(t, url)).ping(); // the exchange runs
    const begin = Date.now();
    program.child.kill("SIGTERM");
    await endsSoon(program, begin);
  });

  test("--duration still ends the exchange", { skip: tooLong }, async (t) => {
    const begin = Date.now();
    const { program, url } = await simulated(t, "--duration", "1s");
    const slow = await subscribed(t, url);
    slow.socket.pause();
    await endsSoon(program, begin);
  });
});
