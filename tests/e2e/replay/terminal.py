"""Runs a program in the foreground of its own terminal, as a shell does.

usage: terminal.py COLUMNS OUT [&] PROGRAM [ARGUMENT]...

The program's stdin and stderr are the terminal, its stdout is the file OUT. With & it starts in the background, and
"continue" brings it to the foreground. Its output to the terminal is copied to
stdout. Commands are lines on stdin: "size COLUMNS", "keys TEXT", "signal NUMBER", "continue", "modes". Reports are
lines on stderr: "modes line|raw", "stopped line|raw", "ended STATUS line|raw" (STATUS is negative for a signal).
"""
import fcntl, os, pty, select, signal, struct, sys, termios


def set_size(fd, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def run_program(out, argv, in_background):
    """The terminal's session leader: the job control of a shell with one job."""
    reports = os.fdopen(3, "w", buffering=1)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        if not in_background:
            os.tcsetpgrp(0, os.getpgrp())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.close(3)
        os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
        os.execv(argv[0], argv)
    reports.write(f"job {job}\n")

    def to_foreground():
        os.read(4, 1)  # until it is continued
        os.tcsetpgrp(0, job)
        os.kill(job, signal.SIGCONT)

    if in_background:
        os.tcsetpgrp(0, os.getpgrp())
        to_foreground()
    while True:
        _, status = os.waitpid(job, os.WUNTRACED)
        if os.WIFSTOPPED(status):
            os.tcsetpgrp(0, os.getpgrp())  # a shell is in the foreground now
            reports.write("stopped\n")
            to_foreground()
            continue
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        reports.write(f"ended {code}\n")
        os._exit(0)


columns, out, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
in_background = argv[0] == "&"
report_in, report_out = os.pipe()
go_in, go_out = os.pipe()
master, slave = pty.openpty()  # the slave stays open here: its modes can be read when the program has ended
set_size(slave, columns)
if os.fork() == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd, place in (report_out, 30), (go_in, 31), (slave, 0), (slave, 1), (slave, 2), (30, 3), (31, 4):
        os.dup2(fd, place)
    os.closerange(5, 64)
    run_program(out, argv[in_background:], in_background)


def modes():
    return "line" if termios.tcgetattr(slave)[3] & termios.ICANON else "raw"


def tell(text):
    sys.stderr.write(f"{text} {modes()}\n")
    sys.stderr.flush()


job, over, pending, lines = 0, False, b"", b""
while True:
    found, _, _ = select.select([master, report_in] + ([] if over else [0]), [], [], 0 if over else None)
    if master in found:
        os.write(1, os.read(master, 65536))
        continue
    if over:
        break
    if report_in in found:
        lines += os.read(report_in, 4096)
        *whole, lines = lines.split(b"\n")
        for report in whole:
            word, *rest = report.decode().split()
            if word == "job":
                job = int(rest[0])
            else:
                tell(" ".join([word, *rest]))
                over = word == "ended"
    if 0 in found and not over:
        got = os.read(0, 4096)
        if not got:
            os.kill(job, signal.SIGKILL)
            break
        pending += got
        *commands, pending = pending.split(b"\n")
        for command in commands:
            word, _, rest = command.decode().partition(" ")
            if word == "size":
                set_size(master, int(rest))
            elif word == "keys":
                os.write(master, rest.encode())
            elif word == "signal":
                os.kill(job, int(rest))
            elif word == "continue":
                os.write(go_out, b"c")
            elif word == "modes":
                tell("modes")
