// Runs programs whose three streams are a terminal, and returns their output.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { BIN } from "./harness.mjs";

const ON_TERMINAL = `
import fcntl, json, os, pty, struct, sys, termios
def shown(columns, typed, argv):
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execv(argv[0], argv)
    os.write(terminal, typed.encode() + b"\\n\\x04" if typed else b"\\x04")
    text = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    os.close(terminal)
    os.waitpid(pid, 0)
    return text.replace(b"\\r\\n", b"\\n").decode()
task = json.load(sys.stdin)
json.dump([shown(task["columns"], typed, argv) for typed, argv in task["runs"]], sys.stdout)
`;

/** The output of each run of tapedeck on a terminal of this width, one after the other, with errors; lines end with LF. A run
 * is {args, typed: a line of input, optional}. One interpreter starts all runs. */
export function onTerminals(columns, runs, env = {}) {
  const input = JSON.stringify({ columns, runs: runs.map(({ args, typed = "" }) => [typed, [path.join(BIN, "tapedeck"), ...args]]) });
  const { stdout, stderr } = spawnSync("python3", ["-I", "-S", "-c", ON_TERMINAL],
    { input, encoding: "utf8", maxBuffer: 1 << 26, env: { PATH: process.env.PATH, TERM: "xterm", ...env } });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

/** The output of one run. */
export const onTerminal = (columns, args, env = {}, typed = "") => onTerminals(columns, [{ args, typed }], env)[0];
