// Each way in which the network or the exchange can fail: the row that it leaves, where the gap comes from, and how long it took.
// Prints a table. Expected: what this file does to the connection.
import assert from "node:assert/strict";
import path from "node:path";
import { describe } from "node:test";
import { jsonList, tapedeck, temporary } from "../support/harness.mjs";
import {
  acknowledge,
  acknowledgement,
  scriptedServer,
  trade,
} from "../support/scripted_server.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { test, withoutPackages } from "../support/npm_packages.mjs";

/** What happens to the first connection after a trade. */
const FAILURES = {
  "close frame 1001": {
    fail: (ws) => ws.close(1001),
    row: ["disconnect", "closed_by_peer", "exchange_planned"],
  },
  "close frame 1012": {
    fail: (ws) => ws.close(1012),
    row: ["disconnect", "closed_by_peer", "exchange_planned"],
  },
  "close frame 1011": {
    fail: (ws) => ws.close(1011),
    row: ["disconnect", "closed_by_peer", "exchange"],
  },
  "end of TCP without a close frame": {
    fail: (ws) => ws._socket.end(),
    row: ["disconnect", "closed_by_peer", "exchange"],
  },
  "TCP reset": {
    fail: (ws) => ws._socket._parent.resetAndDestroy(),
    row: ["disconnect", "reset", "network"],
  },
  "half a frame, then the end": {
    fail: (ws) => ws._socket.end(Buffer.from([0x81, 0x7e, 0x01])),
    row: ["disconnect", "closed_by_peer", "exchange"],
  },
  "a frame with a reserved bit": {
    fail: (ws) => ws._socket.write(Buffer.from([0xf1, 0x00])),
    row: ["disconnect", "protocol", "exchange"],
  },
  "bytes that are not TLS": {
    fail: (ws) => ws._socket._parent.write("no record of TLS"),
    row: ["disconnect", "tls_other", "network"],
  },
  "silence, with pongs": {
    pongs: true,
    fail: () => {},
    row: ["stale", "closed_by_us", "exchange"],
    staleAfter: "3s",
  },
  "silence, without pongs": {
    fail: () => {},
    row: ["stale", "closed_by_us", "network"],
    staleAfter: "3s",
  },
  "the exchange withdraws the topic": {
    fail: (ws) => ws.send(acknowledgement({ op: "unsubscribe", args: ["trade.BTCUSD"] })),
    row: ["disconnect", "withdrawn", "exchange"],
    same: true,
  },
  "reset, then two upgrades with 503": {
    refuse: (n) => (n === 2 || n === 3 ? 503 : undefined),
    fail: (ws) => ws._socket._parent.resetAndDestroy(),
    row: ["disconnect", "reset", "network"],
  },
  "reset, then 429 with Retry-After": {
    refuse: (n) => (n === 2 ? { code: 429, headers: { "Retry-After": "2" } } : undefined),
    fail: (ws) => ws._socket._parent.resetAndDestroy(),
    row: ["disconnect", "reset", "network"],
  },
};

const found = new Map();

describe("failures", { concurrency: 4 }, () => {
  for (const [name, { fail, row, pongs, same, refuse, staleAfter = "60s" }] of Object.entries(
    FAILURES
  ))
    test(name, async (t) => {
      const dir = temporary(t),
        archive = path.join(dir, "tape");
      let failed = false,
        id = 100,
        isBack,
        received; // the trade: after it the connection fails
      const back = new Promise((resolve) => (isBack = resolve));
      const server = await scriptedServer(t, dir, {
        refuse: (n) => refuse?.(n),
        opened: (ws) => {
          if (pongs)
            ws.on(
              "message",
              (data) => JSON.parse(data).op === "ping" && acknowledge(ws, { op: "ping" })
            );
        },
        message: (ws, request, n) => {
          acknowledge(ws, request);
          if (request.op !== "subscribe") return;
          ws.send(trade(n + failed), () => {
            if (failed) {
              // From now on data comes: the new connection is not silent, however long the test takes.
              const timer = setInterval(() => ws.send(trade(++id)), 200);
              ws.on("close", () => clearInterval(timer));
              return isBack();
            }
            failed = true;
            void received.then(() => fail(ws));
          });
        },
      });
      const recorder = new Recorder(t, archive, [
        ...feedArgs(server, "inverse", ["trade.BTCUSD"]),
        "--stale-after",
        staleAfter,
      ]);
      received = recorder.durableLine((durable) => durable.in > 1);
      await recorder.until(back);
      await recorder.durableAfter(recorder.durableLines + 1);
      assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
      const gaps = await jsonList(t, ["gaps", "-a", archive, "--json"], { status: 1 });
      assert.equal(gaps.length, 1, JSON.stringify(gaps));
      const [gap] = gaps;
      assert.deepEqual([gap.reason, gap.cause, gap.origin], row, JSON.stringify(gap));
      const lastedS = (gap.to_ns - gap.from_ns) / 1e9;
      assert.ok(gap.to_ns !== null, JSON.stringify(gap));
      assert.equal(server.received.upgrades > 1, same !== true);
      await tapedeck(t, ["verify", "-a", archive]);
      found.set(name, [...row, `${lastedS.toFixed(3)} s`]);
    });
});

test("the table", { skip: withoutPackages }, () => {
  const rows = [
    ["failure", "reason", "cause", "origin", "lasted"],
    ...Object.keys(FAILURES).map((name) => [name, ...(found.get(name) ?? [])]),
  ];
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length)));
  for (const row of rows) console.log(row.map((text, i) => text.padEnd(widths[i])).join("  "));
  assert.equal(found.size, Object.keys(FAILURES).length);
});
