// What sim and serve answer to requests to upgrade, byte by byte: clients (Python's websockets) read nothing but HTTP/1.1.
import assert from "node:assert/strict";
import net from "node:net";
import { describe, test } from "node:test";
import { importFrames, listening, temporary } from "./lib.mjs";

const FRAME = JSON.stringify({ topic: "publicTrade.AUSDT", type: "snapshot", ts: 1, data: [] });

/** Send a request; the status line, headers and body of the answer. Ends once the body is there. */
function ask(t, url, target, ...headers) {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  t.after(() => socket.destroy());
  const lines = [`GET ${target} HTTP/1.1`, `Host: ${hostname}:${port}`, ...headers];
  socket.write(lines.join("\r\n") + "\r\n\r\n");
  return new Promise((resolve, reject) => {
    let text = "";
    const look = (isEnd) => {
      const [head, ...rest] = text.split("\r\n\r\n");
      const body = rest.join("\r\n\r\n");
      const [status, ...fields] = head.split("\r\n");
      const header = Object.fromEntries(fields.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()]));
      const wanted = header["content-length"] ?? (status.includes(" 101 ") ? 0 : Infinity);
      if (rest.length > 0 && (isEnd || body.length >= wanted)) resolve({ status, header, body });
      else if (isEnd) reject(new Error(`closed after ${JSON.stringify(text)}`));
    };
    socket.on("data", (bytes) => {
      text += bytes;
      look(false);
    });
    socket.on("error", reject);
    socket.on("close", () => look(true));
  });
}

const UPGRADE = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="];

const SERVERS = {
  sim: async (t) => listening(t, ["sim", "--plain", "--families", "v5-linear,spot-private", "--secret", "right"], temporary(t)),
  serve: async (t) => {
    const dir = temporary(t);
    const archive = await importFrames(t, dir, { family: "v5-linear", host: "/v5/public/linear", frames: [FRAME] });
    return listening(t, ["serve", "-a", archive, "--plain", "--secret", "right", "--max-clients", "2"], dir);
  },
};

for (const [name, open] of Object.entries(SERVERS))
  describe(`upgrades of ${name}`, { concurrency: 1 }, () => {
    test("an unknown path: HTTP/1.1, and a body that names it", async (t) => {
      const { url } = await open(t);
      const got = await ask(t, url, "/no/such/path", ...UPGRADE);
      assert.equal(got.status, "HTTP/1.1 404 Not Found");
      assert.equal(Number(got.header["content-length"]), got.body.length);
      assert.match(got.header["content-type"], /^text\/plain/);
      assert.match(got.body, /\/no\/such\/path/);
      assert.match(got.body, /\/v5\/public\/linear/); // what there is
    });

    test("a request without an upgrade", async (t) => {
      const { url } = await open(t);
      const got = await ask(t, url, "/v5/public/linear");
      assert.equal(got.status, "HTTP/1.1 426 Upgrade Required");
      assert.match(got.body, /WebSocket/);
      const elsewhere = await ask(t, url, "/no/such/path");
      assert.equal(elsewhere.status, "HTTP/1.1 404 Not Found");
      assert.match(elsewhere.body, /\/v5\/public\/linear/); // what there is
    });

    for (const offered of ["graphql-ws", "a, b-2.x", "w", "x".repeat(60)])
      test(`an unknown subprotocol is ignored: ${offered.slice(0, 12)}`, async (t) => {
        const { url } = await open(t);
        const got = await ask(t, url, "/v5/public/linear", ...UPGRADE, `Sec-WebSocket-Protocol: ${offered}`);
        assert.equal(got.status, "HTTP/1.1 101 Switching Protocols");
        assert.equal(got.header["sec-websocket-protocol"], undefined);
        assert.equal(got.header["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // RFC 6455 1.3
      });

    test("subprotocols that are no list of names: 400, and why", async (t) => {
      const { url } = await open(t);
      const got = await ask(t, url, "/v5/public/linear", ...UPGRADE, "Sec-WebSocket-Protocol: a b, c");
      assert.equal(got.status, "HTTP/1.1 400 Bad Request");
      assert.match(got.body, /Sec-WebSocket-Protocol/);
    });

    test("credentials in the URL: judged only where the dialect has them", async (t) => {
      const { url } = await open(t);
      const query = "?api_key=a&expires=1&signature=b";
      const got = await ask(t, url, `/v5/public/linear${query}`, ...UPGRADE);
      assert.equal(got.status, "HTTP/1.1 101 Switching Protocols");
      if (name !== "sim") return;
      const refused = await ask(t, url, `/spot/ws${query}`, ...UPGRADE);
      assert.equal(refused.status, "HTTP/1.1 401 Unauthorized");
      assert.match(refused.body, /credentials/);
    });
  });

test("--max-clients: one more is answered 503, with a body, and logged", async (t) => {
  const { program, url } = await SERVERS.serve(t);
  for (let i = 0; i < 2; i++) assert.match((await ask(t, url, "/v5/public/linear", ...UPGRADE)).status, / 101 /);
  const got = await ask(t, url, "/v5/public/linear", ...UPGRADE);
  assert.equal(got.status, "HTTP/1.1 503 Service Unavailable");
  assert.match(got.body, /2 clients.*--max-clients/);
  await program.says(/2 clients/);
});
