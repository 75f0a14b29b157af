// Runs a program in the foreground of its own terminal, with the job control of a shell (terminal.py).
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Program } from "../support/harness.mjs";

const SCRIPT = fileURLToPath(new URL("terminal.py", import.meta.url));

export class Terminal extends Program {
  /** Run a program, with options.inBackground in the background. Its stdout is a file; everything else it writes is in this.screen. */
  constructor(t, dir, columns, name, args, options = {}) {
    const out = path.join(dir, `out-${Math.random().toString(36).slice(2)}`);
    super(t, name, args, {
      ...options,
      stdin: true,
      under: ["python3", SCRIPT, String(columns), out, ...(options.inBackground ? ["&"] : [])],
    });
    this.out = out;
    this.screen = "";
    this.watching = [];
    this.child.stdout.on("data", (data) => {
      this.screen += data;
      this.watching = this.watching.filter((check) => !check());
    });
  }

  /** Wait until the screen matches after the position from; returns the match. */
  shows(pattern, from = 0) {
    return this.until(
      new Promise((resolve) => {
        const check = () => {
          const found = pattern.exec(this.screen.slice(from));
          if (found !== null) resolve(found);
          return found !== null;
        };
        if (!check()) this.watching.push(check);
      })
    );
  }

  command(text) {
    this.child.stdin.write(`${text}\n`);
  }

  /** How the terminal reads keys now: "line" or "raw". */
  async modes() {
    const before = this.stderr.length;
    this.command("modes");
    return (await this.reports(/modes (line|raw)/, before))[1];
  }

  /** Wait for a report of terminal.py. */
  reports(pattern, from = 0) {
    return this.until(
      new Promise((resolve) => {
        const check = () => {
          const found = pattern.exec(this.stderr.slice(from));
          if (found !== null) resolve(found);
          return found !== null;
        };
        if (!check()) this.stderrWaits.push(check);
      })
    );
  }

  /** The end of the program: its status (negative: a signal), the terminal's mode afterwards, its stdout. */
  async end() {
    await this.ended;
    const found = /ended (-?\d+) (line|raw)/.exec(this.stderr);
    assert.ok(found !== null, `${this.name}: ${this.stderr}`);
    return { status: Number(found[1]), mode: found[2], stdout: fs.readFileSync(this.out, "utf8") };
  }
}

/** The status lines of a screen, in order, without empty ones, which only clear the line. */
export function statusLines(screen) {
  return [...screen.matchAll(/\r([^\r\n]*)\x1b\[K/g)]
    .map((found) => found[1])
    .filter((line) => line !== "");
}
