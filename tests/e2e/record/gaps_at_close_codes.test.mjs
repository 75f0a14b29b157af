// A server closes with a code, allowed or not, within a burst of frames that continues, plain and over TLS: every missing
// frame lies within a row of the ledger. Expected values: the exchange's numbers; RFC 6455, 7.4. All codes are in tests/conformance/cases.mjs, record/ping_and_close_events.test.mjs.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { jsonLines, temporary } from "../support/harness.mjs";
import { certificate } from "../support/scripted_server.mjs";
import { Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";
import {
  beyondTail,
  compare,
  EXCESS_MS_MAX,
  numberedExchange,
} from "../support/numbered_exchange.mjs";
import { closeFrame } from "../support/raw_websocket.mjs";

const SENT = [1000, 1001, 1002, 1009, 1012, 3000, 4999];
const WRONG = [0, 1005, 1006, 2999, 65535];

/** A feed for each code. */
function configOf(dir, exchange) {
  const file = path.join(dir, "feeds.yaml");
  const more = exchange.files === undefined ? "" : `, ca_file: ${exchange.files.ca}`;
  const feed = (code) =>
    `  - {name: c${code}, family: inverse, url: "${exchange.url}/realtime?code=${code}", topics: [trade.BTCUSD]${more}}\n`;
  fs.writeFileSync(
    file,
    `commit_interval: 50ms\nfeeds:\n${[...SENT, ...WRONG].map(feed).join("")}`
  );
  return ["-c", file];
}

/** The last durable count of a feed's connection. */
const countOf = (recorder, code, conn) => recorder.durable.get(`c${code}|${conn}|0|0`)?.in ?? 0;

async function closeEach(t, files) {
  const dir = temporary(t);
  const archive = path.join(dir, "tape");
  const exchange = await numberedExchange(t, { rate: 200, files });
  const recorder = new Recorder(t, archive, configOf(dir, exchange));
  const codes = [...SENT, ...WRONG];
  while (!codes.every((code) => countOf(recorder, code, 1) > 20)) await recorder.durableLine();
  // The exchange does not know that its peer has closed: it makes frames as before.
  for (const ws of exchange.sockets.clients)
    ws._socket.write(closeFrame(Number(/code=(\d+)/.exec(ws.path)[1])));
  while (!codes.every((code) => countOf(recorder, code, 2) > 20)) await recorder.durableLine();
  await beyondTail(
    t,
    exchange,
    archive,
    recorder,
    codes.map((code) => `c${code}`)
  );
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  return { exchange, archive };
}

describe("close codes", { concurrency: 2 }, () => {
  for (const form of ["plain", "TLS"])
    test(`${SENT.length} allowed and ${WRONG.length} forbidden close codes, ${form}: every missing frame lies within a row`, async (t) => {
      const { exchange, archive } = await closeEach(
        t,
        form === "TLS" ? certificate(temporary(t)) : undefined
      );
      const events = await jsonLines(t, ["cat", "-a", archive, "--events", "--topic", "_events"]);
      let missing = 0;
      for (const code of [...SENT, ...WRONG]) {
        const found = await compare(t, exchange, archive, { feed: `c${code}` });
        assert.equal(found.uncovered, 0, `${code}: ${found.worst.join("\n")}`);
        assert.ok(found.missing > 0, `${code}: a frame was made between two connections`);
        missing += found.missing;
        assert.equal(found.rows.length, 1, `${code}: ${JSON.stringify(found.rows)}`);
        assert.ok(found.excess_ms <= EXCESS_MS_MAX, `${code}: ${found.worst.join("\n")}`);
        const ended = events
          .filter((row) => row.feed === `c${code}`)
          .map((row) => JSON.parse(row.data))
          .find((event) => event.event === "disconnect");
        assert.deepEqual(
          [ended.cause, ended.code, ended.sent_code],
          SENT.includes(code) ? ["closed_by_peer", code, code] : ["protocol", undefined, 1002],
          JSON.stringify(ended)
        );
      }
      t.diagnostic(`${missing} frames missing, none of them outside of the ledger's rows`);
    });
});
