// docs/exchanges.md, "An undescribed exchange": with its two documents the frames of an unknown exchange are recorded
// byte for byte, shown, cut and served.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { json, listening, parseLines, run, tapedeck, temporary } from "../support/harness.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";
import { test } from "../support/npm_packages.mjs";

const frame = (topic, n) => JSON.stringify({ stream: topic, data: { e: "depthUpdate", n, b: [["1.0", "2"]] } });

/** The page's documents, as files of a folder. */
function documents(dir) {
  const page = fs.readFileSync("docs/exchanges.md", "utf8");
  const [exchange, family] = [...page.slice(page.indexOf("## An undescribed exchange")).matchAll(/```yaml\n([^`]*)```/g)].map((match) => match[1]);
  const folder = path.join(dir, "documents");
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, "mine.exchange.yaml"), exchange);
  fs.writeFileSync(path.join(folder, "mine.yaml"), family);
  return folder;
}

/** A server that sends three frames of each topic it knows, and closes after a heartbeat. */
async function server(t, dir) {
  const sent = [];
  return { sent, ...(await scriptedServer(t, dir, {
    message: (socket, { method, params, id }) => {
      if (method === "LIST_SUBSCRIPTIONS") {
        socket.send(JSON.stringify({ result: [], id }));
        if (sent.length > 0) socket.close(1000);
        return;
      }
      const unknown = params.find((topic) => topic.startsWith("no"));
      socket.send(JSON.stringify(unknown ? { error: { code: 2, msg: `Invalid request: ${unknown}` }, id } : { result: null, id }));
      for (const topic of unknown ? [] : params)
        for (let n = 0; n < 3; n++) {
          sent.push(frame(topic, n));
          socket.send(sent.at(-1));
        }
    },
  })) };
}

test("an undescribed exchange is recorded, cut and served as it came", async (t) => {
  const dir = temporary(t), folder = documents(dir), archive = path.join(dir, "tape");
  const peer = await server(t, dir);
  const fast = path.join(folder, "mine.exchange.yaml");
  fs.writeFileSync(fast, fs.readFileSync(fast, "utf8").replace("ping_s: 60", "ping_s: 1"));
  const record = (to, from, ...more) => run(t, "tapedeck-record", ["record", "-q", "-a", to, "--families", folder, "--family", "mine", `${from.url}/stream`, "--ca-file", from.ca,
    "--topic", "btcusdt@depth", "--topic", "ethusdt@trade", "--allow-unknown-topic", "--until-close", ...more]);
  await record(archive, peer, "--topic", "nosuch@depth");

  const inbound = parseLines((await tapedeck(t, ["cat", "-a", archive, "--dir", "in"])).stdout);
  assert.deepEqual(inbound.filter((row) => row.topic !== "_control").map((row) => row.data), peer.sent);
  assert.ok(inbound.some((row) => row.topic === "_control" && row.data.includes("Invalid request")));
  const events = parseLines((await tapedeck(t, ["cat", "-a", archive, "--events"])).stdout).filter((row) => row.dir === "event").map((row) => JSON.parse(row.data));
  assert.deepEqual([...new Set(events.filter(({ event }) => event === "grant").map(({ topic }) => topic))].sort(), ["btcusdt@depth", "ethusdt@trade"]);
  assert.equal((await tapedeck(t, ["verify", archive])).code, 0);
  const report = await json(t, ["replay", "-a", archive, "--json"], { status: 1 });
  assert.deepEqual(report.undecoded_by_reason, { unknown_topic: peer.sent.length });

  const file = path.join(dir, "part.mcap");
  await tapedeck(t, ["cut", "-q", "-a", archive, "--out", file]);
  assert.deepEqual(parseLines((await tapedeck(t, ["cat", file, "--dir", "in"])).stdout).filter((row) => row.topic !== "_control").map((row) => row.data), peer.sent);

  const served = await listening(t, ["serve", "-a", archive, "--once", "--speed", "max"], dir);
  const again = path.join(dir, "again");
  await record(again, served);
  assert.deepEqual(parseLines((await tapedeck(t, ["cat", "-a", again, "--dir", "in"])).stdout).filter((row) => row.topic !== "_control").map((row) => row.data), peer.sent);

  const out = path.join(dir, "lines");
  await tapedeck(t, ["export", "-q", "-a", archive, "--format", "jsonl", "--out", out], { status: null });
  const lines = parseLines(fs.readFileSync(path.join(out, fs.readdirSync(out).find((name) => name.endsWith(".jsonl"))), "utf8"));
  assert.deepEqual(lines.filter((line) => line.type === "raw").map((line) => line.error.topic), peer.sent.map((text) => JSON.parse(text).stream));
});
