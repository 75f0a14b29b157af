// The addresses that programs print, and the certificate that clients must trust.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe } from "node:test";
import { certificate } from "../support/scripted_server.mjs";
import {
  FRAMES_MS as MS,
  Program,
  importFrames,
  listening,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");

describe("the ready file's ca_file with a user's certificate", { concurrency: 1 }, () => {
  /** sim with these certificates in its --tls-cert file, leaf first. */
  async function withChain(t, ...names) {
    const dir = temporary(t);
    const files = certificate(dir);
    const chain = path.join(dir, "chain.pem");
    fs.writeFileSync(chain, names.map((name) => fs.readFileSync(files[name], "utf8")).join(""));
    const sim = await listening(
      t,
      ["sim", "--rate", "200", "--max-frames", "20", "--tls-cert", chain, "--tls-key", files.key],
      dir
    );
    return { dir, files, ...sim };
  }

  test("ca_file is the issuer if the chain contains it: Node and the recorder trust it", async (t) => {
    const { dir, files, url, ca } = await withChain(t, "cert", "ca");
    assert.equal(fs.readFileSync(ca, "utf8").trim(), fs.readFileSync(files.ca, "utf8").trim());
    const client = new WebSocket(`${url}/v5/public/linear`, { ca: fs.readFileSync(ca) });
    await once(client, "open");
    client.terminate();
    await tapedeck(t, [
      "record",
      "-a",
      path.join(dir, "tape"),
      `${url}/v5/public/linear`,
      "--family",
      "v5-linear",
      "--topic",
      "publicTrade",
      "--symbol",
      "BTCUSDT",
      "--ca-file",
      ca,
      "--until-close",
    ]);
  });

  test("ca_file is absent if the chain lacks the issuer, because a leaf is not a CA", async (t) => {
    const { ca, program } = await withChain(t, "cert");
    assert.equal(ca, null);
    await program.prints(/ca_file/);
  });
});

test("topics lists a private feed of contract v3 under its private address", async (t) => {
  const dir = temporary(t);
  const frame = JSON.stringify({
    id: "a",
    topic: "user.order.contractAccount",
    creationTime: MS,
    data: [{ symbol: "BTCUSDT", orderId: "1" }],
  });
  const archive = await importFrames(t, dir, {
    family: "contract-v3",
    host: "/contract/private/v3",
    frames: [frame],
  });
  const { program } = await listening(t, ["serve", "-a", archive, "--plain"], dir);
  await program.prints(/at ws:\/\/127\.0\.0\.1:\d+\/contract\/private\/v3/);
  assert.doesNotMatch(program.stderr, /public/);
});

test("a reset in the TLS handshake is reported as a reset, not as a wrong scheme", async (t) => {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.resetAndDestroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const archive = path.join(temporary(t), "tape");
  const program = new Program(t, "tapedeck", [
    "record",
    "-a",
    archive,
    `wss://127.0.0.1:${server.address().port}/v5/public/linear`,
    "--family",
    "v5-linear",
    "--topic",
    "publicTrade",
    "--symbol",
    "BTCUSDT",
  ]);
  await program.prints(/reset the connection during the TLS handshake/);
  assert.doesNotMatch(program.stderr, /rather than wss/);
});
