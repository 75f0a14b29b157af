// Runs tapedeck in a terminal (tmux), with keys as a user types them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { BIN, temporary, WAIT_MS } from "./harness.mjs";

/** Reason to skip a test that needs tmux, or false. */
export const withoutTmux = spawnSync("tmux", ["-V"]).status === 0 ? false : "needs tmux";
const LOOK_MS = 20; // reading the screen starts a process
const NEVER = new Int32Array(new SharedArrayBuffer(4));

/** A run of tapedeck in a terminal. */
export class Tmux {
  constructor(t, args, { columns = 80, rows = 24, term = "screen" } = {}) {
    t.after(() => this.run("kill-server")); // before the folder is removed with its socket
    this.socket = path.join(temporary(t), "tmux");
    const quoted = [path.resolve(BIN, "tapedeck"), ...args].map((word) => `'${word}'`).join(" ");
    this.run(
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      "-x",
      String(columns),
      "-y",
      String(rows),
      `TERM=${term} ${quoted}; echo "status $?"; cat`
    );
  }

  run(...args) {
    return spawnSync("tmux", ["-S", this.socket, ...args], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C.UTF-8" },
    }).stdout;
  }

  keys(...keys) {
    this.run("send-keys", ...keys);
  }

  /** Wait until the terminal shows this; returns its rows. */
  shows(pattern) {
    return this.wait(pattern, () => true);
  }

  /** Wait until the terminal shows this and does not change any more: the screen equals the one before. */
  rests(pattern) {
    return this.wait(pattern, (screen, before) => screen === before);
  }

  wait(pattern, isWhole) {
    const until = Date.now() + WAIT_MS;
    for (let screen, before; ; before = screen) {
      screen = this.run("capture-pane", "-p");
      if (pattern.test(screen) && isWhole(screen, before)) return screen.split("\n");
      assert.ok(Date.now() < until, `${pattern} is not on\n${screen}`);
      Atomics.wait(NEVER, 0, 0, LOOK_MS);
    }
  }
}
