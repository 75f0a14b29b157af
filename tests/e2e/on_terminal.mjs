// A program whose three streams are a terminal, and what it writes there.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { BIN } from "./lib.mjs";

const ON_TERMINAL = `
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execv(sys.argv[3], sys.argv[3:])
os.write(terminal, sys.argv[2].encode() + b"\\n\\x04" if sys.argv[2] else b"\\x04")
shown = b""
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    shown += piece
os.write(1, shown.replace(b"\\r\\n", b"\\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** What a terminal of that width shows of a run of tapedeck, errors included; lines end with LF. A line may be typed. */
export function onTerminal(columns, args, env = {}, typed = "") {
  const { stdout, stderr } = spawnSync("python3", ["-c", ON_TERMINAL, String(columns), typed, path.join(BIN, "tapedeck"), ...args],
    { encoding: "utf8", maxBuffer: 1 << 24, env: { PATH: process.env.PATH, TERM: "xterm", ...env } });
  assert.equal(stderr, "");
  return stdout;
}
