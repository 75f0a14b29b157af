// Frames that arrive late on a connection that ends before all have arrived: missing frames were made before the last one
// was read, and the ledger's row must begin there. Also a disk that hangs, when frames are discarded long after they were
// sent. Expected values: the exchange's numbers. `make soak` does it at length (late_frames.mjs).
import assert from "node:assert/strict";
import { describe } from "node:test";
import { temporary, tooLong } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { ENDS } from "../support/numbered_exchange.mjs";
import { DISK, late, noSlowDisk, STOPS } from "./late_frames.mjs";

const check = (found) => {
  assert.ok(found.missing > 50, JSON.stringify(found)); // the fault did lose frames
  assert.equal(found.uncovered, 0, found.worst.join("\n"));
};

// These tests mostly wait.
describe("late frames and slow disks", { concurrency: true }, () => {
  describe("frames that arrive late", { concurrency: 6 }, () => {
    // One kind of end each; the long tests try all of them.
    for (const [i, how] of Object.keys(ENDS).entries()) {
      const skip = i > 0 && tooLong;
      test(
        `a network that stalls, late frames, then ${how}, over TLS: every missing frame lies within a row`,
        { skip },
        async (t) =>
          check(await late(t, temporary(t), { kind: "stall", how, ms: 1500, isTls: true }))
      );
      test(
        `a recorder that does not run, and meanwhile ${how}, over TLS: every missing frame lies within a row`,
        { skip },
        async (t) =>
          check(await late(t, temporary(t), { kind: "pause", how, ms: 1500, isTls: true }))
      );
      test(
        `a network that stalls, late frames, then ${how}: every missing frame lies within a row`,
        { skip },
        async (t) => check(await late(t, temporary(t), { kind: "stall", how, ms: 1500 }))
      );
      test(
        `a recorder that does not run, and meanwhile ${how}: every missing frame lies within a row`,
        { skip },
        async (t) => check(await late(t, temporary(t), { kind: "pause", how, ms: 1500 }))
      );
    }
    for (const how of [...Object.keys(ENDS), ...STOPS])
      for (const isTls of [false, true])
        test(
          `a slow link, then ${how}${isTls ? ", over TLS" : ""}: every missing frame lies within a row`,
          { skip: how !== STOPS[0] && tooLong },
          async (t) => check(await late(t, temporary(t), { kind: "slow", how, ms: 1500, isTls }))
        );
  });

  describe("a disk that hangs", { concurrency: 2, skip: noSlowDisk() }, () => {
    for (const how of DISK)
      test(
        `${how}: every missing frame lies within a row`,
        { skip: how !== DISK[0] && tooLong },
        async (t) => check(await late(t, temporary(t), { kind: "disk", how, ms: 500 }))
      );
  });
});
