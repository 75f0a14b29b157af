// Decoders of users' in `regress`: the examples of the documentation say of every recorded frame what the built-in
// decoder says, and each way in which a decoder can fail is that of the frame that provoked it, and of no other.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Program, capture, captureLines, importFrames, jsonLines, parseLines, passed, rawFrames, tapedeck, temporary, withoutCapture } from "./lib.mjs";

const CAPTURES = ["inverse-2021-04-17.jsonl.gz", "linear-2021-04-17.jsonl.gz", "v5-2026-08-09.jsonl.gz", "v5-linear-2025-06-13.jsonl.gz"];
const V5 = CAPTURES[2];
const skip = CAPTURES.map(withoutCapture).find(Boolean) ?? false;
const EXAMPLES = path.resolve("docs/examples");
/** The frames that were received in the v5 capture. */
const v5Frames = () => parseLines(captureLines(V5).join("\n")).filter((line) => line.t === "recv").map((line) => line.data);
const PYTHON = `python3 '${EXAMPLES}/decoder.py'`;

/** Compile a shared object as a user would, with the headers of the tree. */
function build(dir, source, flags = []) {
  const file = path.join(dir, `${path.basename(source, ".c")}.so`);
  const cc = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-shared", "-fPIC", "-Iinclude", "-I."];
  execFileSync("cc", [...cc, ...flags, source, "-o", file], { stdio: ["ignore", "pipe", "inherit"] });
  return file;
}

async function archiveOf(t, dir, ...names) {
  const archive = path.join(dir, "tape");
  for (const name of names) await tapedeck(t, ["import", "-q", "-a", archive, capture(name)]);
  return archive;
}

async function diff(t, archive, args, options) {
  const state = path.join(temporary(t), "state");
  const { stdout, stderr } = await tapedeck(t, ["regress", "diff", archive, "--state", state, ...args, "--json"], options);
  return { ...JSON.parse(stdout), stderr };
}

/** How much another decoder's run was the same. */
function assertSame(report, frames) {
  assert.equal(report.verdict, "same");
  assert.deepEqual([report.totals.compared, report.totals.same], [frames, frames]);
}

test("the examples in C and Python decode all captures as the built-in decoder does", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, ...CAPTURES);
  const so = build(dir, path.join(EXAMPLES, "decoder.c"), ["-Wpedantic", "-Wconversion"]);
  const frames = (await rawFrames(t, archive)).length;
  for (const whole of [[], ["--whole"]]) {
    assertSame(await diff(t, archive, ["--decoder", so, "-j", "3", ...whole]), frames);
    assertSame(await diff(t, archive, ["--decoder-cmd", PYTHON, "-j", "2", ...whole]), frames);
  }
  const both = await diff(t, archive, ["--decoder", so, "--decoder-cmd", PYTHON, "-j", "1", "--repeat", "1"]);
  assertSame(both, frames);
  assert.deepEqual([both.decoder_was.name, both.decoder_is.name], ["decoder.c", "decoder.py"]);
  assert.equal(both.decoder_was.failures + both.decoder_is.failures, 0);
  // And its own baseline is checked by itself, and by the built-in decoder.
  const baseline = path.join(dir, "own.tdb");
  await tapedeck(t, ["regress", "save", archive, "-o", baseline, "--decoder", so]);
  for (const args of [["--decoder-cmd", PYTHON], []]) {
    const { stdout } = await tapedeck(t, ["regress", "check", baseline, archive, "--json", ...args]);
    assertSame(JSON.parse(stdout), frames);
  }
});

test("a decoder in C++, which takes batches, and is opened and closed once in each process", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, ...CAPTURES);
  const [example, source, so] = ["example.o", "batches.cc", "batches.so"].map((name) => path.join(dir, name));
  execFileSync("cc", ["-Iinclude", "-fPIC", "-O1", "-Dtapedeck_decoder=example", "-c", "docs/examples/decoder.c", "-o", example], { stdio: "inherit" });
  fs.writeFileSync(source, `#include <cstdio>
    #include <new>
    #include <tapedeck/decoder.h>
    extern "C" const struct tapedeck_decoder example;
    namespace {
    struct counts { size_t frames, largest; };
    int on_open(const tapedeck_decoder_host *host, void **self)
    {
        if (host->abi != TAPEDECK_DECODER_ABI || !TAPEDECK_DECODER_HAS(host, tapedeck_decoder_host, fail))
            return TAPEDECK_DECODER_FAIL;
        *self = new (std::nothrow) counts();
        return *self == nullptr ? host->fail(host, "no memory") : TAPEDECK_DECODER_GO;
    }
    void decode(void *, const tapedeck_decoder_frame *, tapedeck_decoder_output *to)
    {
        to->calls->fail(to, tapedeck_decoder_text_of("not in a batch"));
    }
    void decode_batch(void *self, const tapedeck_decoder_frame *const *frames, tapedeck_decoder_output *const *to, size_t count)
    {
        counts *c = static_cast<counts *>(self);
        c->frames += count;
        c->largest = count > c->largest ? count : c->largest;
        while (count-- > 0)
            example.decode(nullptr, frames[count], to[count]);
    }
    void on_close(void *self)
    {
        counts *c = static_cast<counts *>(self);
        std::printf("closed after %zu frames, at most %zu at once\\n", c->frames, c->largest);
        delete c;
    }
    }
    const struct tapedeck_decoder tapedeck_decoder = {
        TAPEDECK_DECODER_ABI, 0, sizeof tapedeck_decoder, "batches", on_open, decode, decode_batch, on_close};`);
  const strict = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
  execFileSync("c++", [...strict, "-fvisibility=hidden", "-shared", "-fPIC", "-Iinclude", source, example, "-o", so], { stdio: "inherit" });
  const frames = (await rawFrames(t, archive)).length;
  const report = await diff(t, archive, ["--decoder", so, "-j", "2", "--repeat", "0"]);
  assertSame(report, frames);
  assert.equal(report.decoder_is.name, "batches");
  const closed = [...report.stderr.matchAll(/decoder: closed after (\d+) frames, at most (\d+) at once/g)];
  assert.ok(closed.length >= 1 && closed.length <= 2, report.stderr);
  assert.ok(closed.some(([, , largest]) => Number(largest) > 1));
  const decoded = closed.reduce((sum, [, count]) => sum + Number(count), 0);
  assert.ok(decoded > 3000 && decoded <= frames, `${decoded} of ${frames}`); // not control frames
});

// ---- failures ------------------------------------------------------------------------------------------------

/** The n-th trade frame of the v5 capture, and what marks it: the id of its first trade. */
function marked(n) {
  const frame = v5Frames().filter((f) => f.includes('"publicTrade.') && f.includes('"data":[')).at(n);
  return { frame, mark: JSON.parse(frame).data[0].i };
}

/** A write where there is no memory. A sanitizer's own handler of the signal would report it and exit. */
const SEGFAULT = "signal(SIGSEGV, SIG_DFL); *(volatile int *)8 = 1";

/** The example in C, which does `what` at frames with the mark. */
function badLibrary(t, mark, what) {
  const source = path.join(temporary(t), "bad.c");
  fs.writeFileSync(source, `
    #define tapedeck_decoder example
    #include "docs/examples/decoder.c"
    #undef tapedeck_decoder
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <unistd.h>
    static void decode_or_fail(void *self, const tapedeck_decoder_frame *frame, tapedeck_decoder_output *to)
    {
        static unsigned count;
        count++;
        if (memmem(frame->bytes.data, frame->bytes.size, "${mark}", ${mark.length}) != NULL) {
            ${what};
        }
        example.decode(self, frame, to);
        (void)count;
    }
    extern const struct example tapedeck_decoder;
    const struct example tapedeck_decoder = {
        .abi = TAPEDECK_DECODER_ABI, .size = sizeof tapedeck_decoder, .name = "bad", .decode = decode_or_fail};
  `);
  return ["--decoder", build(temporary(t), source, ["-Wno-unused-parameter"])];
}

/** The example in Python, which does \`what\` at frames with the mark. */
function badScript(t, mark, what) {
  const file = path.join(temporary(t), "bad.py");
  fs.writeFileSync(file, `
import os, signal, subprocess, sys, time
sys.path.insert(0, ${JSON.stringify(EXAMPLES)})
sys.dont_write_bytecode = True
import decoder
real = decoder.decode
count = 0
def decode(request):
    global count
    count += 1
    answer = real(request)
    if "${mark}" in request["frame"]:
        ${what}
    return answer
decoder.decode = decode
decoder.main()
`);
  return ["--decoder-cmd", `python3 '${file}'`];
}

const FAILURES = [
  ["a shared object that writes where it may not", badLibrary, SEGFAULT, "crashed", /^signal 11 \(SIGSEGV\)$/],
  ["a shared object that exits", badLibrary, "exit(5)", "crashed", /^exit status 5$/],
  ["a shared object that hangs", badLibrary, "for (;;) pause()", "hung", /^no answer in 2 s$/],
  ["a shared object with a member that is none", badLibrary, 'to->calls->head(to, tapedeck_decoder_text_of("px"), frame->topic)', "garbage", /^px: unknown member$/],
  ["a shared object that refuses", badLibrary, 'to->calls->fail(to, tapedeck_decoder_text_of("no idea"))', "refused", /^no idea$/],
  ["a shared object that counts", badLibrary, "char n[20]; snprintf(n, sizeof n, \"%u\", count); to->calls->head(to, tapedeck_decoder_text_of(\"u\"), tapedeck_decoder_text_of(n))", "unstable", /^another message when asked again$/, ["--repeat", "1"]],
  ["a script that exits", badScript, 'sys.stderr.write("one\\nlast words\\n"); sys.stderr.flush(); os._exit(7)', "crashed", /^exit status 7$/],
  ["a script that raises", badScript, 'raise MemoryError("of mine")', "crashed", /^exit status 1$/],
  ["a script that kills itself", badScript, "os.kill(os.getpid(), signal.SIGKILL)", "crashed", /^signal 9 \(SIGKILL\)$/],
  ["a script that hangs", badScript, "time.sleep(1000)", "hung", /^no answer in 2 s$/],
  ["a script that prints", badScript, 'print("debugging")', "garbage", /^no JSON at byte 0: /],
  ["a script with a number that is none", badScript, 'answer["trades"][0]["price"] = "12,5"', "garbage", /^trades\[0\]\.price: 12,5 is not of type decimal$/],
  ["a script with another n", badScript, 'return {"n": 5, "error": "x"} if False else dict(answer, trades=None)', "garbage", /^trades: no array$/],
  ["a script whose answer has no end", badScript, 'for _ in range(1 << 14): sys.stdout.write("x" * 65536)', "garbage", /^an answer of more than 67108864 bytes$/],
  ["a script that closes its output", badScript, "os.close(1); time.sleep(1000)", "crashed", /^its output ended$/],
  ["a script that leaves a process with its pipes", badScript, 'subprocess.Popen(["sleep", "20"], start_new_session=True); os._exit(7)', "crashed", /^exit status 7$/],
  ["a script that counts", badScript, 'answer["seq"] = count', "unstable", /^another message when asked again$/, ["--repeat", "1"]],
];

for (const [name, make, what, kind, text, args = []] of FAILURES)
  test(`${name}: ${kind}, at that frame and no other`, { skip }, async (t) => {
    const archive = await archiveOf(t, temporary(t), V5);
    const total = v5Frames().length;
    const { frame, mark } = marked(kind === "hung" ? 3 : 11);
    const timeout = kind === "hung" ? ["--timeout", "2s"] : [];
    const junit = path.join(temporary(t), "report.xml");
    const report = await diff(t, archive, [...make(t, mark, what), ...args, ...timeout, "-j", "2", "--junit", junit], { status: 1 });
    assert.deepEqual([report.totals.compared, report.totals.same, report.totals.different], [total, total - 1, 1]);
    const [row] = (await jsonLines(t, ["cat", archive, "--topic", "publicTrade"])).filter((line) => line.data === frame);
    assert.equal(report.first_difference.topic, "publicTrade");
    const found = report.decoder_is;
    const counts = { refused: 0, crashed: 0, hung: 0, garbage: 0, unstable: 0, [kind]: 1 };
    for (const [key, count] of Object.entries(counts)) assert.equal(found[key], count, key);
    assert.equal(found.failures, kind === "refused" ? 0 : 1);
    const failure = kind === "refused" ? "name=[^>]*/>" : `<failure type="decoder" message="it failed at 1 frame: [^"]*\\b1 ${kind}[^"]*">${kind} at `;
    assert.match(fs.readFileSync(junit, "utf8"), new RegExp(`<testsuite name="decoders" tests="1"[^]*${failure}`));
    assert.equal(found.frames.length, 1);
    assert.deepEqual([found.frames[0].kind, found.frames[0].symbol, found.frames[0].recv_ns], [kind, row.symbol, row.recv_ns]);
    assert.match(found.frames[0].what, text);
    if (what.includes("last words")) assert.equal(found.frames[0].stderr, "last words");
    if (what.includes("of mine")) assert.match(found.frames[0].stderr, /MemoryError: of mine/);
  });

test("refusals alone are no failures: save ends with 0, and with 1 after a crash", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const { mark } = marked(2);
  const save = (args, status) => tapedeck(t, ["regress", "save", archive, "-o", path.join(dir, `${status}.tdb`), ...args], { status });
  const refused = await save(badScript(t, mark, 'return {"error": "not today"}'), 0);
  assert.doesNotMatch(refused.stdout, /failed/);
  const crashed = await save(badScript(t, mark, "os._exit(7)"), 1);
  assert.match(crashed.stdout, /The decoder failed at 1 frame: 1 crashed, 0 hung/);
  assert.match(crashed.stdout, /crashed at 2026-08-09T.*v5-linear\/publicTrade\/\w+: exit status 7/);
});

/** Until a process has ended: one that was killed does so once it gets the processor. */
async function gone(pid) {
  const isGone = () => {
    try {
      return / [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8")); // nobody may have reaped it
    } catch (error) {
      return ["ENOENT", "ESRCH"].includes(error.code);
    }
  };
  for (const until = Date.now() + 30_000; !isGone(); await passed(10)) assert.ok(Date.now() < until, pid);
}

// ---- processes -----------------------------------------------------------------------------------------------

test("a process has its three descriptors, an own group that ends with it, and may be slow or talk much", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const frames = v5Frames().length;
  const script = (name, body) => {
    const file = path.join(dir, name);
    fs.writeFileSync(file, `import os, subprocess, sys, time\nsys.path.insert(0, ${JSON.stringify(EXAMPLES)})\nsys.dont_write_bytecode = True\nimport decoder\n${body}\n`);
    return ["--decoder-cmd", `python3 '${file}'`];
  };
  // What this test has from its own parents is not tapedeck's. os.listdir has a descriptor of its own.
  const list = 'sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + fd))';
  const inherited = execFileSync("python3", ["-c", `import os; print(${list})`], { encoding: "utf8" }).trim();
  assertSame(await diff(t, archive, script("open.py", `
found = ${list}
if found != ${inherited}:
    print('{"error": "open: %s"}' % found, flush=True)
if os.getpgid(0) != os.getpid():  # or Ctrl-C would reach it, too
    print('{"error": "no group of its own"}', flush=True)
decoder.main()`)), frames);
  // What it starts is gone with it, though that has its pipes open.
  const pids = path.join(dir, "pids");
  const slept = await diff(t, archive, script("sleeper.py", `
child = subprocess.Popen(["sleep", "1000"], stdin=0, stdout=1)
open(${JSON.stringify(pids)}, "a").write("%d\\n" % child.pid)
decoder.main()`));
  assertSame(slept, frames);
  for (const pid of fs.readFileSync(pids, "utf8").trim().split("\n")) await gone(pid);
  // One byte at a time, in both directions.
  const small = ["--topic", "publicTrade", "--topic", "kline*"];
  const bytewise = await diff(t, archive, [...script("bytes.py", `
read, write = os.read, os.write
decoder.os = type("os", (), {"read": staticmethod(lambda fd, size: read(fd, 7))})
class Out:
    def write(self, text):
        for byte in text.encode(): write(1, bytes([byte]))
    def flush(self): pass
sys.stdout = Out()
decoder.main()`), ...small]);
  assert.equal(bytewise.verdict, "same");
  // Messages are logged, so many of them; the rest is read and dropped.
  const loud = await diff(t, archive, script("loud.py", `
for i in range(40000): sys.stderr.write("message %d of a decoder that says much about each frame\\n" % i)
decoder.main()`));
  assertSame(loud, frames);
  assert.match(loud.stderr, /decoder: message 0 of a decoder/);
  assert.match(loud.stderr, /its further messages are not shown/);
  assert.ok(loud.stderr.length < 1 << 20);
});

test("what is no decoder is refused at once, and the message says why", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const object = (name, text) => {
    fs.writeFileSync(path.join(dir, `${name}.c`), text);
    return build(dir, path.join(dir, `${name}.c`));
  };
  const table = (abi, size, rest) => `#include <tapedeck/decoder.h>
    ${rest ?? "static void decode(void *s, const tapedeck_decoder_frame *f, tapedeck_decoder_output *to) { (void)s; (void)f; (void)to; }"}
    const struct tapedeck_decoder tapedeck_decoder = {.abi = ${abi}, .size = ${size}, .decode = decode${rest ? ", .open = on_open" : ""}};`;
  const onOpen = `static void decode(void *s, const tapedeck_decoder_frame *f, tapedeck_decoder_output *to) { (void)s; (void)f; (void)to; }
    static int on_open(const tapedeck_decoder_host *host, void **self)
    { (void)host; (void)self; return ANSWER; }`;
  const unready = (name, answer) => object(name, table(1, "sizeof tapedeck_decoder", onOpen.replace("ANSWER", answer)));
  fs.writeFileSync(path.join(dir, "text.so"), "no shared object");
  const executable = (name, text) => {
    fs.writeFileSync(path.join(dir, name), text, { mode: 0o755 });
    return path.join(dir, name);
  };
  const missing = path.join(dir, "missing.so");
  const cases = [
    [["--decoder", missing], /--decoder: .*missing\.so/],
    [["--decoder", path.join(dir, "text.so")], /it cannot be loaded: .*text\.so/],
    [["--decoder", object("empty", "int nothing;")], /it exports no tapedeck_decoder/],
    [["--decoder", object("newer", table(2, "sizeof tapedeck_decoder"))], /it has version 2 of the interface, this program 1; build it again/],
    [["--decoder", object("shorter", table(1, "8"))], /its tapedeck_decoder is not complete/],
    [["--decoder", unready("unready", 'host->fail(host, "no symbols.csv")')], /decoder '.*unready\.so': open: no symbols\.csv$/m],
    [["--decoder", unready("silent", "TAPEDECK_DECODER_FAIL")], /: open: it failed, without a reason$/m],
    [["--decoder", unready("odd", "-1")], /: open: it returned -1, which is none of TAPEDECK_DECODER_GO, _FAIL$/m],
    [["--decoder", object("dying", `#include <stdlib.h>\n__attribute__((constructor)) static void die(void) { abort(); }`)], /dying\.so': it ended before it answered the greeting: signal 6 \(SIGABRT\)[^]*hint: .*valgrind/],
    [["--decoder-cmd", "'/no such/program' x"], /cannot start '\/no such\/program': no such program/],
    [["--decoder-cmd", "no-such-program-anywhere"], /no such program[^]*hint: give a path, or a program that is on PATH/],
    [["--decoder-cmd", path.join(dir, "text.so")], /text\.so': Permission denied[^]*hint: give its interpreter first/],
    [["--decoder-cmd", executable("plain", "no program\n")], /plain': Exec format error[^]*hint: give its interpreter first/],
    [["--decoder-cmd", executable("script", "#!/no/such/interpreter\n")], /script': its interpreter does not exist[^]*hint: its first line/],
    [["--decoder-cmd", "false"], /it ended before it answered the greeting: exit status 1$/m],
    [["--decoder-cmd", "env no-such-program"], /it ended before it answered the greeting: exit status 127: env: .*no-such-program/],
    [["--decoder-cmd", "sh -c 'exec >&-; read line; exit 126'"], /it ended before it answered the greeting: exit status 126[^]*hint: try it by hand/],
    [["--decoder-cmd", "head -c 1G /dev/zero"], /its answer to the greeting has no end/],
    [["--decoder-cmd", "echo hello"], /its first line is no JSON: hello/],
    [["--decoder-cmd", "python3 -c 'import no_such_module'"], /it ended before it answered the greeting: exit status 1: ModuleNotFoundError/],
    [["--decoder-cmd", "'"], /a quote without its end/, 2],
    [["--decoder-cmd", PYTHON, "--map", path.join(dir, "missing.map")], /mapping file '.*missing\.map'/],
    [["--decoder", "builtin", "--decoder", "builtin", "--decoder-cmd", PYTHON], /3 decoders are given, but only 2 can be used/, 2],
    [["--decoder-cmd", PYTHON, "--timeout", "0"], /--timeout/, 2],
  ];
  for (const [args, text, status = 4] of cases) {
    const end = await tapedeck(t, ["regress", "diff", archive, "--state", path.join(dir, "state"), ...args], { status });
    assert.match(end.stderr, text, args.join(" "));
  }
});

test("a signal ends a run while a decoder keeps its answer back, or fails at every frame", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const { mark } = marked(0);
  // The run says nothing before it is asked to end, and would wait for an hour.
  const hanging = badScript(t, mark, 'sys.stderr.write("has a frame\\n"); sys.stderr.flush(); time.sleep(3600)');
  // Answers one frame, so that it is not given up, and fails slowly at every other one.
  const failing = badScript(t, "", 'if count > 1: sys.stderr.write("has a frame\\n"); sys.stderr.flush(); time.sleep(0.5); os._exit(3)');
  const verbs = [
    ["regress", "save", archive, "-o", path.join(dir, "own.tdb")],
    ["regress", "diff", archive, "--state", path.join(dir, "state")],
  ];
  for (const args of verbs)
    for (const [decoder, signal] of [[hanging, "SIGTERM"], [failing, "SIGINT"]]) {
      const program = new Program(t, "tapedeck", [...args, ...decoder, "--timeout", "1h", "-j", "2"]);
      await program.says(/has a frame/);
      const end = await program.kill(signal);
      assert.equal(end.code, 4, end.stderr);
      assert.match(end.stderr, /stopped before the end/);
      assert.doesNotMatch(end.stderr, /--state/);
    }
});

test("a decoder ends with a tapedeck that was killed, even one that hangs in a shared object", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const { mark } = marked(0);
  const reading = badScript(t, mark, 'sys.stderr.write("pid %d\\n" % os.getpid()); sys.stderr.flush(); sys.stdin.buffer.read(); os._exit(0)');
  const looping = badLibrary(t, mark, 'fprintf(stderr, "pid %d\\n", (int)getpid()); for (volatile int on = 1; on;) {}');
  for (const decoder of [reading, looping]) {
    const program = new Program(t, "tapedeck", ["regress", "save", archive, "-o", path.join(dir, "own.tdb"), ...decoder, "--timeout", "1h"]);
    const [, pid] = await program.says(/pid (\d+)/);
    await program.kill("SIGKILL");
    await gone(pid);
  }
});

test("time in which both are stopped, as with a container, is none in which a decoder hangs", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const slow = badScript(t, marked(0).mark, 'sys.stderr.write("pid %d\\n" % os.getpid()); sys.stderr.flush(); time.sleep(1)');
  const program = new Program(t, "tapedeck", ["regress", "diff", archive, "--state", path.join(dir, "state"), ...slow, "--timeout", "5s", "-j", "1", "--json"]);
  const [, pid] = await program.says(/pid (\d+)/);
  program.child.kill("SIGSTOP");
  process.kill(Number(pid), "SIGSTOP");
  await passed(6000);
  program.child.kill("SIGCONT");
  await passed(200); // looks before there is an answer
  process.kill(Number(pid), "SIGCONT");
  const end = await program.ended;
  const { decoder_is: found } = JSON.parse(end.stdout);
  assert.deepEqual([end.code, found.failures, found.restarts], [0, 0, 0]);
});

test("a decoder that answers nothing at all is given up soon; the error is in all reports, and says how to try it", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const junit = path.join(dir, "report.xml");
  for (const [args, kind, how, trial] of [
    [badScript(t, "", 'raise KeyError("dat")'), "crashed", /crashed: exit status 1: KeyError: 'dat'/, /try it by hand[^]*\(echo '\{"tapedeck":1\}'; cat FRAMES\) \| python3 '.*bad\.py'/],
    [badLibrary(t, "", SEGFAULT), "crashed", /crashed: signal 11 \(SIGSEGV\)/, /--decoder-cmd "valgrind tapedeck-replay _decoder '.*bad\.so' ''"/],
    [[...badLibrary(t, "", "for (;;) pause()"), "--timeout", "300ms"], "hung", /hung: no answer in 0\.3 s/, /--decoder-cmd "valgrind tapedeck-replay/],
  ]) {
    const { stdout, stderr } = await tapedeck(t, ["regress", "diff", archive, "--state", path.join(dir, "state"), ...args, "--json", "--junit", junit], { status: 4 });
    const { error, hint, decoder_was: was, decoder_is: is } = JSON.parse(stdout);
    assert.match(error, /the decoder failed 21 times, and answered no frame; the last time at a frame of v5-linear\/\w+/);
    assert.match(error, how);
    assert.match(hint, trial);
    assert.ok(stderr.includes(error) && stderr.includes(hint), stderr);
    assert.equal(was, null);
    assert.ok(is.failures > 0 && is.failures === is[kind], stdout);
    assert.equal(is.frames.length, is.failures);
    assert.match(stderr, new RegExp(`warning: decoder: ${kind} at 2026-08-09T`));
    const xml = fs.readFileSync(junit, "utf8");
    assert.match(xml, /<testsuites name="tapedeck regress diff" tests="2" failures="1" errors="1">/);
    assert.match(xml, /<error type="ended early" message="[^"]*the decoder failed 21 times/);
    assert.match(xml, new RegExp(`<failure type="decoder" message="it failed at ${is.failures} frames?: [^"]*">${kind} at 2026-08-09T`));
    fs.unlinkSync(junit);
  }
});

// ---- interruptions ----------------------------------------------------------------------------------------------

test("failures before an interruption count in the report of the run that continues", async (t) => {
  const dir = temporary(t);
  const frames = Array.from({ length: 30_000 }, (_, i) => JSON.stringify({
    topic: "trade.BTCUSD",
    data: [{ trade_time_ms: 1_795_154_400_000 + i, timestamp: "2026-11-20T00:00:00.000Z", symbol: "BTCUSD", side: "Buy", size: 1 + i, price: 60000, tick_direction: "PlusTick", trade_id: `00000000-0000-0000-0000-${String(i).padStart(12, "0")}`, cross_seq: i + 1 }],
  }));
  const archive = await importFrames(t, dir, { family: "inverse", host: "/realtime", frames });
  // It works for more than the time between two checkpoints before it hangs, far behind.
  const script = path.join(dir, "own.py");
  fs.writeFileSync(script, `import os, re, sys, time
sys.stdin.buffer.readline()
print('{"tapedeck":1}', flush=True)
slow = not os.path.exists(${JSON.stringify(path.join(dir, "fast"))})
while line := sys.stdin.buffer.readline():
    n = re.search(rb'"n":(\\d+)', line)[1].decode()
    trade = int(re.search(rb'0000-(\\d{12})', line)[1])
    if trade in (100, 25000): os._exit(7)
    if trade == 10000 and slow: time.sleep(11)
    if trade == 20000 and slow:
        sys.stderr.write("hangs\\n")
        sys.stderr.flush()
        time.sleep(3600)
    print('{"n":%s,"error":"no"}' % n if trade % 1000 == 7 else '{"n":%s,"trades":[]}' % n, flush=True)
`);
  const save = (name) => ["regress", "save", archive, "-o", path.join(dir, name), "--decoder-cmd", `python3 '${script}'`, "--timeout", "1h", "-j", "1", "--json"];
  const program = new Program(t, "tapedeck", save("parts.tdb"));
  await program.says(/hangs/);
  const stopped = await program.kill("SIGTERM");
  assert.equal(stopped.code, 4);
  assert.match(stopped.stderr, /decoder: crashed at 2\d{3}-.*inverse\/trade\/BTCUSD: exit status 7$/m);
  assert.equal(JSON.parse(stopped.stdout).decoder_findings.crashed, 1);
  fs.writeFileSync(path.join(dir, "fast"), "");
  const reports = {};
  for (const name of ["parts.tdb", "whole.tdb"]) reports[name] = JSON.parse((await tapedeck(t, save(name), { status: 1 })).stdout);
  const { "parts.tdb": parts, "whole.tdb": whole } = reports;
  assert.notEqual(parts.resumed_from_ns, null);
  assert.equal(whole.resumed_from_ns, null);
  for (const key of ["refused", "crashed", "hung", "garbage", "unstable", "failures"])
    assert.equal(parts.decoder_findings[key], whole.decoder_findings[key], key);
  assert.deepEqual([whole.decoder_findings.crashed, whole.decoder_findings.refused], [2, 30]);
  const crashes = (report) => report.decoder_findings.frames.filter((frame) => frame.kind === "crashed").length;
  assert.deepEqual([parts.decoder_findings.earlier_failures, crashes(parts)], [1, 1]);
  assert.deepEqual([whole.decoder_findings.earlier_failures, crashes(whole)], [0, 2]);
});

test("likewise of the first decoder of a diff that is interrupted in the second", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const crashing = badLibrary(t, marked(2).mark, "exit(5)");
  const stuck = badScript(t, marked(5).mark, `time.sleep(0 if os.path.exists(${JSON.stringify(path.join(dir, "fast"))}) else sys.stderr.write("hangs\\n") and sys.stderr.flush() or 120)`);
  const args = ["regress", "diff", archive, "--state", path.join(dir, "state"), ...crashing, ...stuck, "--timeout", "1h"];
  const program = new Program(t, "tapedeck", args);
  await program.says(/hangs/);
  await program.kill("SIGKILL");
  fs.writeFileSync(path.join(dir, "fast"), "");
  const { stdout } = await tapedeck(t, args, { status: 1 });
  assert.match(stdout, /The decoder failed at 1 frame: 1 crashed, 0 hung.*\n  1 before the run was interrupted: counted, not listed$/m);
});

// ---- mapping files -------------------------------------------------------------------------------------------

test("a mapping file gives other names their meaning, and leaves out what is not compared", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, dir, V5);
  const frames = v5Frames().length;
  const other = path.join(dir, "other.py");
  fs.writeFileSync(other, `import sys
sys.path.insert(0, ${JSON.stringify(EXAMPLES)})
sys.dont_write_bytecode = True
import decoder
real = decoder.decode
def decode(request):
    answer = real(request)
    if "exchange_ns" in answer: answer["when"] = answer.pop("exchange_ns")
    for level in answer.get("levels", ()):
        level["px"] = level.pop("price")
        level["mine"] = "of no interest"
    for trade in answer.get("trades", ()):
        trade["trade_id"] = "another"
    return answer
decoder.decode = decode
decoder.main()
`);
  const map = path.join(dir, "names.map");
  const cmd = ["--decoder-cmd", `python3 '${other}'`];
  const names = "when = exchange_ns\nlevels.px = levels.price  # theirs = ours\nlevels.mine = -\n";
  fs.writeFileSync(map, names);
  const named = await diff(t, archive, [...cmd, "--map", map], { status: 1 });
  assert.deepEqual(named.paths.map((row) => row.path), ["trades[].trade_id"]);
  assert.equal(named.totals.different, v5Frames().filter((f) => f.includes('"publicTrade.') && f.includes('"data":[')).length);
  fs.writeFileSync(map, `${names}- = trades.trade_id\n`);
  assertSame(await diff(t, archive, [...cmd, "--map", map]), frames);
  // A baseline keeps it, and a check follows.
  const baseline = path.join(dir, "mapped.tdb");
  await tapedeck(t, ["regress", "save", archive, "-o", baseline, "--map", map]);
  const { stdout } = await tapedeck(t, ["regress", "check", baseline, archive, ...cmd, "--json"]);
  assertSame(JSON.parse(stdout), frames);
  fs.writeFileSync(map, "levels.px = price\n");
  const { stderr } = await tapedeck(t, ["regress", "diff", archive, ...cmd, "--map", map], { status: 2 });
  assert.match(stderr, /names\.map:1: price: a member cannot be moved/);
});
