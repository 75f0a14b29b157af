// A recorder whose wall clock a test moves.
import fs from "node:fs";
import path from "node:path";
import { wrapped } from "./harness.mjs";

const HOUR_MS = 3600_000;
const PROGRAM = wrapped("recorder_moved_clock");

/** Reason to skip a test that needs this recorder, or false. */
export const withoutMovedClock = fs.existsSync(PROGRAM)
  ? false
  : "needs the recorder whose clock can be moved (make tests-build)";

/** The wall clock of recorders that run with these options: ms ahead of this machine's clock. */
export class MovedClock {
  constructor(dir) {
    this.file = path.join(dir, "clock");
    this.ms = 0;
    this.options = {
      program: PROGRAM,
      env: { TAPEDECK_TEST_CLOCK: this.file },
      deadlineMs: 24 * HOUR_MS,
    };
    this.set(0);
  }

  /** Written in place, because the recorder has mapped the file. */
  set(ms) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(BigInt(Math.round(ms)) * 1_000_000n);
    const fd = fs.openSync(this.file, fs.constants.O_RDWR | fs.constants.O_CREAT);
    fs.writeSync(fd, bytes, 0, 8, 0);
    fs.closeSync(fd);
    this.ms = ms;
  }

  /** Step forward so that the next hour begins at a moment (ms, this machine's clock). */
  hourAt(ms) {
    this.turn = ms;
    this.set(Math.ceil((ms + this.ms + 1) / HOUR_MS) * HOUR_MS - ms);
  }
}
