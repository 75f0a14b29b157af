// The cases of tests/conformance, which a raw server sends to record and to a client that echoes: how each must react, what it
// reports, and what the archive contains.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { CASES, firstOfEach, outcomeAt } from "../../conformance/cases.mjs";
import { frameBytes, TEXT } from "../../conformance/peer.mjs";
import { expect, HOWS, listen, play, program, upgrade } from "../../conformance/play.mjs";
import { certificate } from "../support/scripted_server.mjs";
import { BIN, jsonLines, Program, run, temporary, tooLong } from "../support/harness.mjs";

const BYTES_MAX = 16 << 20; // of a message

/** What a client must report of how a case ended. */
function expectEnd(row) {
  if (!row.fails && row.closes) return /^\d+ closed_by_peer /;
  if (!row.fails) return /^\d+ closed_by_peer 1000 /;
  return row.fails.includes(1009) && !row.fails.includes(1002)
    ? /^\d+ too_large /
    : /^\d+ protocol /;
}

for (const how of HOWS)
  test(
    `a client that reports what it gets, ${how}: ${CASES.length} cases`,
    { skip: how === "tls" && tooLong },
    async (t) => {
      const files = how === "tls" ? certificate(temporary(t)) : undefined;
      const rows = CASES.map((row) => outcomeAt(row, BYTES_MAX));
      const failures = [],
        masks = [];
      const url = await listen(
        t,
        async (peer, request) => {
          const row = rows[Number(request.path.slice(1))];
          await upgrade(peer, request, row.deflate);
          await play(peer, row, {
            bytesMax: BYTES_MAX,
            expect,
            got: ({ payload }) => payload.toString(),
          }).catch((error) => failures.push(`${row.name}: ${error.message}`));
          masks.push(...peer.receivedMasks);
        },
        files
      );
      const { stdout } = await run(t, program("echo_client"), [
        url,
        String(rows.length),
        ...(files ? [files.ca] : []),
      ]);
      assert.deepEqual(failures, []);
      const ends = new Map(
        stdout
          .trim()
          .split("\n")
          .map((line) => [Number(line.split(" ")[0]), line])
      );
      assert.ok(new Set(masks).size > 0.99 * masks.length, "masks cannot be foreseen (10.3)");
      rows.forEach((row, i) => assert.match(ends.get(i) ?? "", expectEnd(row), row.name));
    }
  );

// ---- the recorder ----

/** The cases for the recorder: small ones, the first of each group, because the client that reports has the recorder's
 *  code. */
const sizeOf = (row) => row.messages.reduce((sum, [, payload]) => sum + payload.length, 0);
const smallCases = CASES.filter(
  (row) => sizeOf(row) <= 1 << 20 || /^9.1 text of 1677721/.test(row.name)
);
const recordedCases = tooLong ? firstOfEach(smallCases) : smallCases;
const SLOTS = 150; // connections at once; each gets the next case some time after its end
const ROWS_MAX = 300; // one recorder connects to a host 500 times in five minutes

/** The frames of each connection, from cat: the first is the number of the case, the others are its messages. */
async function recordedByCase(t, archive) {
  const connections = new Map(),
    found = new Map();
  for (const frame of await jsonLines(t, ["cat", "-a", archive, "--dir", "in"])) {
    const key = `${frame.shard} ${frame.conn}`,
      bytes =
        frame.data === undefined ? Buffer.from(frame.data_hex, "hex") : Buffer.from(frame.data);
    if (connections.has(key)) connections.get(key).push(bytes);
    else found.set(Number(bytes), connections.set(key, []).get(key));
  }
  return found;
}

/** Play cases against a recorder, and compare its archive. */
async function record(t, rows, files) {
  const archive = path.join(temporary(t), "tape");
  const failures = [];
  let begun = 0,
    ended = 0,
    allEnded;
  const over = new Promise((resolve) => (allEnded = resolve));
  const url = await listen(
    t,
    async (peer, request) => {
      const number = begun++,
        row = rows[number];
      if (row === undefined) return; // no answer: it waits until the test ends
      await upgrade(peer, request, row.deflate);
      await peer.write(frameBytes({ opcode: TEXT, payload: Buffer.from(String(number)) }, false));
      await play(peer, row, { bytesMax: BYTES_MAX }).catch((error) =>
        failures.push(`${row.name}: ${error.message}`)
      );
      if (++ended === rows.length) allEnded();
    },
    files
  );
  const symbols = Array.from({ length: Math.min(SLOTS, rows.length) }, (_, i) => [
    "--symbol",
    `S${i}USD`,
  ]).flat();
  const recorder = new Program(t, "tapedeck-record", [
    "record",
    "-q",
    "-a",
    archive,
    `${url}/realtime`,
    "--deflate",
    "--family",
    "inverse",
    "--topic",
    "trade",
    ...symbols,
    "--max-topics-per-connection",
    "1",
    "--max-age",
    "0s",
    "--connect-timeout",
    "60s",
    ...(files ? ["--ca-file", files.ca] : []),
  ]);
  await recorder.until(over);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  assert.deepEqual(failures, []);
  const recorded = await recordedByCase(t, archive);
  for (const [number, row] of rows.entries()) {
    const { messages } = outcomeAt(row, BYTES_MAX),
      got = recorded.get(number) ?? [];
    assert.equal(got.length, messages.length, row.name);
    messages.forEach(([, payload], i) => assert.ok(got[i].equals(payload), row.name));
  }
}

for (const how of HOWS)
  test(
    `record, ${how}: ${recordedCases.length} cases`,
    {
      skip:
        (how === "plain" && tooLong) ||
        (/tsan/.test(BIN) &&
          "frames that may be compressed take too long there, so some are discarded, with rows"),
    },
    async (t) => {
      const files = how === "tls" ? certificate(temporary(t)) : undefined;
      const parts = Array.from({ length: Math.ceil(recordedCases.length / ROWS_MAX) }, (_, i) =>
        recordedCases.slice(i * ROWS_MAX, (i + 1) * ROWS_MAX)
      );
      await Promise.all(parts.map((rows) => record(t, rows, files)));
    }
  );
