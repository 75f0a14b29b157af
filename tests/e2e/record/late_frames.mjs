// Frames that arrive late, and then the connection's end: a network that stalls, a recorder that is stopped, a slow link, a
// disk that hangs. Each is one session of a recorder with an exchange that numbers its frames, and a second session that ends
// the ledger's rows. Returns the result of compare(). `make test` does each for about a second, `make soak` for longer.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { certificate } from "../support/scripted_server.mjs";
import { passed, wrapped } from "../support/harness.mjs";
import { Recorder } from "../support/recorders.mjs";
import {
  beyondTail,
  compare,
  ENDS,
  linkTo,
  numberedExchange,
} from "../support/numbered_exchange.mjs";

const SLOW_DISK = wrapped("recorder_slow_disk");
const DAY = { deadlineMs: 24 * 3600_000 };

/** Reason to skip what needs a slow disk, or false. */
export const noSlowDisk = () =>
  fs.existsSync(SLOW_DISK) ? false : "needs the recorder whose disk can be slow (make tests-build)";

/** Signals that stop a recorder. */
export const STOPS = ["SIGTERM", "SIGKILL"];

/** What happens while the disk hangs. */
export const DISK = ["the connection stays", ...Object.keys(ENDS)];

/** Set the least time of each sync, in ns. */
function setSync(file, ns) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(ns));
  const fd = fs.openSync(file, fs.constants.O_RDWR | fs.constants.O_CREAT);
  fs.writeSync(fd, bytes, 0, 8, 0);
  fs.closeSync(fd);
}

/** The faults by kind. Each begins with a recorder that records; afterwards it is connected again, or has ended. */
const KINDS = {
  async stall({ link, ms, how, recorder }) {
    link.slow(0);
    await passed(ms);
    link.end(how, 20_000);
    await recorder.prints(/connection 2\)/);
  },
  async pause({ link, ms, how, recorder }) {
    recorder.child.kill("SIGSTOP");
    await passed(ms / 10);
    link.end(how);
    await passed((ms * 9) / 10);
    recorder.child.kill("SIGCONT");
    await recorder.prints(/connection 2\)/);
  },
  async slow({ link, ms, how, recorder }) {
    link.slow(40_000); // a third of the incoming bytes
    await passed(ms);
    if (STOPS.includes(how)) return recorder.kill(how);
    link.end(how);
    return recorder.prints(/connection 2\)/);
  },
  async disk({ exchange, link, ms, how, recorder, sync }) {
    setSync(sync, 24 * 3600e9);
    await recorder.prints(/the exchange is held back/);
    exchange.padding = ""; // the ring is full
    await passed(ms / 2);
    if (how !== DISK[0]) link.end(how);
    await recorder.prints(/frames are read, counted and discarded/);
    await passed(ms);
    setSync(sync, 0);
    await recorder.prints(/overload: over/);
    if (how !== DISK[0]) await recorder.prints(/connection 2\)/);
  },
};

/** One kind, with its delay in ms and how it ends; plain or over TLS. */
export async function late(t, dir, { kind, how, ms, isTls = false }) {
  const archive = path.join(dir, "tape");
  const isDisk = kind === "disk";
  const exchange = await numberedExchange(t, {
    ...(isDisk ? { rate: 200, pad: 200_000 } : {}),
    files: isTls ? certificate(dir) : undefined,
  });
  const link = await linkTo(t, exchange);
  const sync = path.join(dir, "sync");
  setSync(sync, 0);
  const args = [
    `${link.url}/realtime`,
    "--family",
    "inverse",
    ...exchange.trust,
    "--topic",
    "trade.BTCUSD",
    "--commit-interval",
    "50ms",
  ];
  const config = path.join(dir, "feeds.yaml");
  const trust = exchange.trust.length === 0 ? [] : [`    ca_file: ${exchange.trust[1]}`];
  fs.writeFileSync(
    config,
    [
      `overload_max: ${ms}ms`,
      "feeds:",
      `  - url: ${link.url}/realtime`,
      "    family: inverse",
      "    topics: [trade.BTCUSD]",
      ...trust,
      "",
    ].join("\n")
  );
  const options = isDisk ? { program: SLOW_DISK, env: { TAPEDECK_TEST_SYNC: sync }, ...DAY } : DAY;
  const recorder = new Recorder(
    t,
    archive,
    isDisk ? ["-c", config, "--commit-interval", "50ms", "--ring", "34MiB"] : args,
    options
  );
  await recorder.durableLine((line) => line.in > 10);
  await KINDS[kind]({ exchange, link, ms, how, recorder, sync });
  if (!STOPS.includes(how)) {
    await recorder.durableAfter(recorder.durableLines + 4);
    const end = await recorder.kill("SIGTERM");
    assert.equal(end.code, 0, end.stderr);
  }
  const next = new Recorder(t, archive, args, DAY);
  await next.durableLine((line) => line.in > 10);
  await beyondTail(t, exchange, archive, next);
  const end = await next.kill("SIGTERM");
  assert.equal(end.code, 0, end.stderr);
  return compare(t, exchange, archive);
}

/** Every kind with each of its ends, for the soak: a network that stalls, or a recorder that does not run, for 10 s. */
export async function lates(t, dir, { ms = 10_000, say = () => {} }) {
  const ends = Object.keys(ENDS);
  const kinds = {
    stall: ends,
    pause: ends,
    slow: [...ends, ...STOPS],
    disk: noSlowDisk() ? [] : DISK,
  };
  const sum = { fault: "frames that come late", tried: 0, announced: "-", lost: 0, kept: 0 };
  let missing = 0;
  for (const [kind, hows] of Object.entries(kinds))
    for (const [i, how] of hows.entries()) {
      const found = await late(t, fs.mkdtempSync(path.join(dir, `${kind}-`)), {
        kind,
        how,
        ms: kind === "disk" ? ms / 2 : ms,
        isTls: i % 2 === 1,
      });
      assert.equal(found.uncovered, 0, `${kind}, ${how}: ${found.worst.join("\n")}`);
      sum.tried++;
      sum.kept += found.recorded;
      missing += found.missing;
      say(
        `${kind}, ${how}: ${found.missing} frames missing, ${found.uncovered} outside of the ledger's rows`
      );
    }
  return { ...sum, note: `${missing} frames missing, all within rows` };
}
