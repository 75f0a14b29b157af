// Runs programs whose three streams are a terminal, and returns their output.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { BIN } from "./harness.mjs";

const ON_TERMINAL = `
import fcntl, json, os, pty, select, struct, sys, termios
END = b"<end of the output>"
def shown(columns, typed, argv):
    terminal, program = pty.openpty()
    pid = os.fork()
    if pid == 0:
        os.login_tty(program)
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execv(argv[0], argv)
    os.write(terminal, typed.encode() + b"\\n\\x04" if typed else b"\\x04")
    # If all ends of the program's side are closed, its last output may be lost: one is kept, and
    # what is written there after the program has ended comes last.
    ended, text, waits = os.pidfd_open(pid), b"", True
    while not text.endswith(END):
        ready = select.select([terminal, ended] if waits else [terminal], [], [])[0]
        if terminal in ready:
            text += os.read(terminal, 65536)
        else:
            waits = False
            os.write(program, END)
    for end in (ended, terminal, program):
        os.close(end)
    os.waitpid(pid, 0)
    return text[:-len(END)].replace(b"\\r\\n", b"\\n").decode()
task = json.load(sys.stdin)
json.dump([shown(task["columns"], typed, argv) for typed, argv in task["runs"]], sys.stdout)
`;

/** The output of each run of tapedeck on a terminal of this width, one after the other, with errors; lines end with LF. A run
 * is {args, typed: a line of input, optional}. One interpreter starts all runs. */
export function onTerminals(columns, runs, env = {}) {
  const input = JSON.stringify({
    columns,
    runs: runs.map(({ args, typed = "" }) => [typed, [path.join(BIN, "tapedeck"), ...args]]),
  });
  const { stdout, stderr } = spawnSync("python3", ["-I", "-S", "-c", ON_TERMINAL], {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 26,
    env: { PATH: process.env.PATH, TERM: "xterm", ...env },
  });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

/** The output of one run. */
export const onTerminal = (columns, args, env = {}, typed = "") =>
  onTerminals(columns, [{ args, typed }], env)[0];
