// A web page of another host cannot use serve's control or streams, neither from its own origin nor by a name that resolves to
// this machine. Pages of this machine, and allowed origins, can.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import tls from "node:tls";
import { test } from "node:test";
import { capture, listening, tapedeck, temporary, withoutCapture } from "../support/harness.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const UPGRADE = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** The status of a request's answer, and its body unless it is an upgrade. */
async function ask(url, method, target, headers) {
  const { hostname, port } = new URL(url);
  const request = http.request({ host: hostname, port, method, path: target, headers });
  request.end();
  const [kind, response, socket] = await Promise.race(
    ["response", "upgrade"].map(async (name) => [name, ...(await once(request, name))])
  );
  if (kind === "upgrade") {
    socket.destroy();
    return { status: 101 };
  }
  let body = "";
  for await (const piece of response) body += piece;
  return { status: response.statusCode, body };
}

test(
  "pages of other origins, and requests for other host names, get 403",
  { skip: withoutCapture(INVERSE) },
  async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      archive,
      "--format",
      "cryptofeed",
      "--family",
      "inverse",
      capture(INVERSE),
    ]);
    const { url } = await listening(t, ["serve", archive, "--plain", "--hold"], dir);
    const evil = { Origin: "https://evil.example" },
      local = { Origin: "http://localhost:3000" };
    for (const [method, target, headers, status] of [
      ["POST", "/control/pause", evil, 403],
      ["POST", "/control/pause", { Host: "evil.example" }, 403],
      ["GET", "/control/status", { Host: "evil.example:80" }, 403],
      ["GET", "/realtime", { ...UPGRADE, ...evil }, 403],
      ["GET", "/realtime", { ...UPGRADE, Origin: "null" }, 403],
      ["GET", "/realtime", { ...UPGRADE, ...local }, 101],
      ["GET", "/realtime", { ...UPGRADE, Host: "tapes.example" }, 101], // a program that uses another name
      ["GET", "/control/status", local, 200],
    ]) {
      const got = await ask(url, method, target, headers);
      assert.equal(
        got.status,
        status,
        `${method} ${target} ${JSON.stringify(headers)}: ${got.body}`
      );
      if (status === 403) assert.match(got.body, /--allow-origin/);
    }
    const { body } = await ask(url, "GET", "/control/status", {});
    assert.equal(JSON.parse(body).paused, false, "no refused request had an effect");

    const open = await listening(
      t,
      [
        "serve",
        archive,
        "--plain",
        "--hold",
        "--allow-origin",
        "https://evil.example",
        "--allow-origin",
        "http://tapes.example:80",
      ],
      dir
    );
    assert.equal((await ask(open.url, "GET", "/realtime", { ...UPGRADE, ...evil })).status, 101);
    assert.equal(
      (await ask(open.url, "POST", "/control/pause", { Host: "tapes.example:80" })).status,
      200
    );
  }
);

test("a client can trust the generated certificates of two servers at once", async (t) => {
  const servers = [];
  for (let i = 0; i < 2; i++) servers.push(await listening(t, ["sim"], temporary(t)));
  for (const ca of [
    servers.map((server) => fs.readFileSync(server.ca)),
    servers.map((server) => fs.readFileSync(server.ca)).reverse(),
  ])
    for (const { url } of servers) {
      const socket = tls.connect({
        host: "127.0.0.1",
        port: Number(new URL(url).port),
        ca,
        servername: "localhost",
      });
      await once(socket, "secureConnect");
      assert.ok(socket.authorized, `${socket.authorizationError}`);
      socket.destroy();
    }
});
