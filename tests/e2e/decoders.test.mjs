// Users' decoders in `regress`: the examples of the documentation decode every recorded frame as the built-in decoder
// does, and each way in which a decoder can fail is reported with the frame that provoked it, and with no other.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, Program, capture, captureLines, json, jsonLines, parseLines, passed, rawFrames, tapedeck, temporary, withoutCapture } from "./lib.mjs";

const CAPTURES = ["inverse-2021-04-17.jsonl.gz", "linear-2021-04-17.jsonl.gz", "v5-2026-08-09.jsonl.gz", "v5-linear-2025-06-13.jsonl.gz"];
const V5 = CAPTURES[2];
const skip = CAPTURES.map(withoutCapture).find(Boolean) ?? false;
const EXAMPLES = path.resolve("docs/examples");
const PYTHON = `python3 '${EXAMPLES}/decoder.py'`;

/** Compile a shared object as a user would, with the header of the tree. */
function build(dir, source, flags = []) {
  const file = path.join(dir, `${path.basename(source, ".c")}.so`);
  const cc = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-shared", "-fPIC", "-Iinclude", "-I."];
  execFileSync("cc", [...cc, ...flags, source, "-o", file], { stdio: ["ignore", "pipe", "inherit"] });
  return file;
}

/** A shared object of this source. */
function built(dir, name, text) {
  const source = path.join(dir, `${name}.c`);
  fs.writeFileSync(source, text);
  return build(dir, source, ["-Wno-unused-parameter", "-Wno-infinite-recursion"]);
}

async function archiveOf(t, ...names) {
  const archive = path.join(temporary(t), "tape");
  for (const name of names) await tapedeck(t, ["import", "-q", "-a", archive, capture(name)]);
  return archive;
}

const diff = (t, archive, args, options) => json(t, ["regress", "diff", archive, ...args, "--json"], options);

function assertSame(report, frames) {
  assert.equal(report.verdict, "same");
  assert.deepEqual([report.totals.compared, report.totals.same], [frames, frames]);
}

test("the examples in C and Python decode all captures as the built-in decoder does", { skip }, async (t) => {
  const archive = await archiveOf(t, ...CAPTURES);
  const so = build(temporary(t), path.join(EXAMPLES, "decoder.c"), ["-Wpedantic", "-Wconversion"]);
  const frames = (await rawFrames(t, archive)).length;
  for (const args of [["-j", "1"], ["-j", "3"]])
    for (const decoder of [["--decoder", so], ["--decoder-cmd", PYTHON]]) {
      const report = await diff(t, archive, [...decoder, ...args]);
      assertSame(report, frames);
      assert.deepEqual([report.decoder_was, report.decoder_is.name, report.decoder_is.failures], [null, decoder[1], 0]);
    }
  assertSame(await diff(t, archive, ["--decoder", so, "--decoder-cmd", PYTHON]), frames);
  // A baseline of one of them is compared with the other, and with the built-in decoder.
  const baseline = path.join(temporary(t), "own.tdb");
  await tapedeck(t, ["regress", "save", archive, "-o", baseline, "--decoder", so]);
  for (const args of [["--decoder-cmd", PYTHON], []])
    assertSame(await json(t, ["regress", "check", baseline, archive, "--json", ...args]), frames);
});

test("a decoder in C++ that keeps a state: it begins and ends once for each thread", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, ...CAPTURES);
  const [example, source, so] = ["example.o", "counts.cc", "counts.so"].map((name) => path.join(dir, name));
  execFileSync("cc", ["-Iinclude", "-fPIC", "-O1", "-Dtapedeck_plugin=example", "-c", "docs/examples/decoder.c", "-o", example], { stdio: "inherit" });
  fs.writeFileSync(source, `#include <cstdio>
    #include <new>
    #include <tapedeck/plugin.h>
    extern "C" const struct example example;
    namespace {
    int on_begin(const tapedeck_host *host, const char *, void **self)
    {
        if (host->abi != TAPEDECK_PLUGIN_ABI || !TAPEDECK_HAS(host, tapedeck_host, log))
            return TAPEDECK_FAIL;
        host->log(host, "it begins");
        *self = new (std::nothrow) size_t();
        return *self == nullptr ? host->fail(host, "no memory") : TAPEDECK_GO;
    }
    void decode(void *self, const tapedeck_frame *frame, tapedeck_answer *to)
    {
        ++*static_cast<size_t *>(self);
        reinterpret_cast<const struct tapedeck_plugin *>(&example)->decode(nullptr, frame, to);
    }
    int on_end(void *self, const tapedeck_result *result)
    {
        size_t *count = static_cast<size_t *>(self);
        std::fprintf(stderr, "ended after %zu frames%s\\n", *count, result == nullptr ? "" : ", with a result");
        delete count;
        return TAPEDECK_GO;
    }
    }
    const struct tapedeck_plugin tapedeck_plugin = {
        TAPEDECK_PLUGIN_ABI, 0, sizeof tapedeck_plugin, "counts", on_begin, nullptr, nullptr, on_end, decode};`);
  const strict = ["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];
  execFileSync("c++", [...strict, "-fvisibility=hidden", "-shared", "-fPIC", "-Iinclude", source, example, "-o", so], { stdio: "inherit" });
  const frames = (await rawFrames(t, archive)).length;
  const { stdout, stderr } = await tapedeck(t, ["regress", "diff", archive, "--decoder", so, "-j", "2", "--json"]);
  assertSame(JSON.parse(stdout), frames);
  const ends = [...stderr.matchAll(/^ended after (\d+) frames$/gm)].map(([, count]) => Number(count));
  assert.equal(ends.length, [...stderr.matchAll(/counts: it begins$/gm)].length);
  assert.ok(ends.length >= 1 && ends.length <= 3, stderr); // threads that decode, and the main one
  const decoded = ends.reduce((sum, count) => sum + count, 0);
  assert.ok(decoded > 3000 && decoded <= frames, `${decoded} of ${frames}`); // not control frames
});

// ---- failures ------------------------------------------------------------------------------------------------

/** The n-th trade frame of the v5 capture, and what marks it: the id of its first trade. */
function marked(n) {
  const received = parseLines(captureLines(V5).join("\n")).filter((line) => line.t === "recv").map((line) => line.data);
  const frame = received.filter((f) => f.includes('"publicTrade.') && f.includes('"data":[')).at(n);
  return { frame, mark: JSON.parse(frame).data[0].i, total: received.length };
}

/** The example in C, which does `what` at frames with the mark. */
const badLibrary = (t, mark, what) => ["--decoder", built(temporary(t), "bad", `
  #define tapedeck_plugin example
  #include "docs/examples/decoder.c"
  #undef tapedeck_plugin
  #include <stdio.h>
  #include <stdlib.h>
  #include <unistd.h>
  int deep(volatile char *from);
  int deep(volatile char *from)
  {
      volatile char more[4096];
      more[0] = (char)(from[0] + 1);
      return deep(more) + more[0];
  }
  static void decode_or_fail(void *self, const tapedeck_frame *frame, tapedeck_answer *to)
  {
      static _Thread_local unsigned count;
      count++;
      if (memmem(frame->bytes, frame->byte_count, "${mark}", ${mark.length}) != NULL) {
          ${what};
      }
      example.decode(self, frame, to);
      (void)count;
  }
  extern const struct example tapedeck_plugin;
  const struct example tapedeck_plugin = {
      .abi = TAPEDECK_PLUGIN_ABI, .size = sizeof tapedeck_plugin, .name = "bad", .decode = decode_or_fail};`)];

/** The example in Python, which does `what` at frames with the mark. */
function badScript(t, mark, what) {
  const file = path.join(temporary(t), "bad.py");
  fs.writeFileSync(file, `
import os, signal, sys, time
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
  return ["--decoder-cmd", `exec python3 '${file}'`];
}

const FAILURES = [
  ["a shared object with an unknown member", badLibrary, 'to->calls->head(to, tapedeck_text_of("px"), frame->exchange_topic)', "garbage", /^px: unknown member$/],
  ["a shared object that refuses", badLibrary, 'to->calls->fail(to, tapedeck_text_of("no idea"))', "refused", /^$/],
  ["a shared object that counts", badLibrary, 'char n[20]; snprintf(n, sizeof n, "%u", count); to->calls->head(to, tapedeck_text_of("u"), tapedeck_text_of(n))', "unstable", /gave another answer/],
  ["a script that exits", badScript, "os._exit(7)", "crashed", /^exit status 7$/],
  ["a script that raises", badScript, 'raise MemoryError("of mine")', "crashed", /^exit status 1$/],
  ["a script that kills itself", badScript, "os.kill(os.getpid(), signal.SIGKILL)", "crashed", /^signal 9 \(Killed\)$/],
  ["a script that closes its output", badScript, "os.close(1); time.sleep(0.3); os._exit(3)", "crashed", /^exit status 3$/],
  ["a script that hangs", badScript, "time.sleep(1000)", "hung", /^$/],
  ["a script that prints", badScript, 'print("debugging")', "garbage", /^JSON at byte 0: expected a value$/],
  ["a script with a number that is none", badScript, 'answer["trades"][0]["price"] = "12,5"', "garbage", /^trades\[0\]\.price: 12,5 is not of type decimal$/],
  ["a script with a member of another type", badScript, 'answer["trades"] = None', "garbage", /^trades: no array$/],
  ["a script with another n", badScript, 'request["n"] += 1', "garbage", /the frame's "n"/],
  ["a script with another type", badScript, 'answer["type"] = "ticker"', "garbage", /^type: /],
  ["a script whose answer has no end", badScript, 'for _ in range(1 << 14): sys.stdout.write("x" * 65536)', "garbage", /too long/],
];

for (const [name, make, what, kind, text] of FAILURES)
  test(`${name}: ${kind}, at that frame and no other`, { skip }, async (t) => {
    const archive = await archiveOf(t, V5);
    const { frame, mark, total } = marked(11);
    const timeout = kind === "hung" ? ["--timeout", "5s"] : [];
    const report = await diff(t, archive, [...make(t, mark, what), ...timeout, "-j", "2"], { status: 1 });
    assert.deepEqual([report.totals.compared, report.totals.same, report.totals.different], [total, total - 1, 1]);
    const [row] = (await jsonLines(t, ["cat", archive, "--topic", "publicTrade"])).filter((line) => line.data === frame);
    assert.deepEqual([report.first_difference.topic, report.first_difference.recv_ns], ["publicTrade", row.recv_ns]);
    const found = report.decoder_is;
    const { refused, crashed, hung, garbage, unstable } = found;
    const counts = { refused: 0, crashed: 0, hung: 0, garbage: 0, unstable: 0, [kind]: 1 };
    assert.deepEqual({ refused, crashed, hung, garbage, unstable }, counts);
    assert.equal(found.failures, kind === "refused" ? 0 : 1);
    assert.equal(found.first === null ? 0 : 1, found.failures);
    for (const failure of [found.first].filter(Boolean)) {
      assert.deepEqual([failure.kind, failure.stream, failure.recv_ns], [kind, `v5-linear/publicTrade/${row.symbol}`, row.recv_ns]);
      assert.match(failure.what ?? "", text);
    }
  });

test("refusals alone are no failures: save ends with 0, and with 1 after a crash", { skip }, async (t) => {
  const archive = await archiveOf(t, V5);
  const { mark } = marked(2);
  const dir = temporary(t);
  const save = (args, status) => tapedeck(t, ["regress", "save", archive, "-o", path.join(dir, `${status}.tdb`), ...args], { status });
  const refused = await save(badScript(t, mark, 'return {"error": "not today"}'), 0);
  assert.doesNotMatch(refused.stdout, /failed/);
  const crashed = await save(badScript(t, mark, 'sys.stderr.write("last words\\n"); sys.stderr.flush(); os._exit(7)'), 1);
  assert.match(crashed.stdout, /failed at 1 frame; the first: crashed at 2026-08-09T.*v5-linear\/publicTrade\/\w+: exit status 7$/m);
  assert.match(crashed.stderr, /^last words$/m);
});

// ---- shared objects that end the process ---------------------------------------------------------------------

// A sanitizer's own handlers of these signals would report them and exit.
const PLAIN_SIGNALS = ["ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"].reduce((env, key) => ({
  ...env,
  [key]: [process.env[key], "handle_segv=0:handle_abort=0:handle_sigfpe=0:handle_sigbus=0:handle_sigill=0"].filter(Boolean).join(":"),
}), {});

const FATAL = [
  ["writes where there is no memory", "*(volatile int *)8 = 1", " crashed at this frame", { signal: "SIGSEGV" }],
  ["aborts", "abort()", " crashed at this frame", { signal: "SIGABRT" }],
  ["never ends a recursion", "volatile char first[1] = {0}; (void)deep(first)", " crashed at this frame", { signal: "SIGSEGV" }],
  ["hangs", "for (;;) sleep(1)", " did not answer within --timeout at this frame", { signal: "SIGABRT" }],
  ["exits", "exit(5)", " called exit at this frame", { code: 4 }],
];

for (const [name, what, text, { code = null, signal = null }] of FATAL)
  test(`a shared object that ${name} ends the run, with the frame in a file`, { skip }, async (t) => {
    const dir = temporary(t);
    const archive = await archiveOf(t, V5);
    const { frame, mark } = marked(11);
    const [row] = (await jsonLines(t, ["cat", archive, "--topic", "publicTrade"])).filter((line) => line.data === frame);
    const decoder = badLibrary(t, mark, what);
    for (const threads of ["1", "3"]) {
      const args = ["regress", "save", archive, "-o", path.join(dir, "own.tdb"), ...decoder, "-j", threads, "--timeout", "3s"];
      const end = await new Program(t, path.resolve(BIN, "tapedeck"), args, { under: ["env", "-C", dir], env: PLAIN_SIGNALS }).ended;
      assert.deepEqual([end.code, end.signal], [code, signal], end.stderr);
      assert.ok(end.stderr.includes(`${decoder[1]}${text}:\n  feed v5-linear, topic publicTrade, symbol ${row.symbol}, session `), end.stderr);
      assert.match(end.stderr, new RegExp(`, session ${row.session}, frame ${row.ordinal} of its connection, received at ${row.recv_ns} ns$`, "m"));
      assert.equal(fs.readFileSync(path.join(dir, "tapedeck-crash.frame"), "utf8"), frame);
      assert.equal(fs.existsSync(path.join(dir, "own.tdb")), false);
      assert.equal(end.stdout, "");
      fs.unlinkSync(path.join(dir, "tapedeck-crash.frame"));
    }
    // What is left of it does not disturb the next run.
    await tapedeck(t, ["regress", "save", archive, "-o", path.join(dir, "own.tdb")]);
    assert.deepEqual(fs.readdirSync(dir), ["own.tdb"]);
  });

// ---- decoders that cannot be used, and processes --------------------------------------------------------------

test("a decoder that cannot be used ends the run with status 4 and its reason", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, V5);
  const text = path.join(dir, "text.so");
  fs.writeFileSync(text, "no shared object");
  const table = (name, members, more = "") => built(dir, name, `#include <tapedeck/plugin.h>
    static void decode(void *s, const tapedeck_frame *f, tapedeck_answer *to) { }
    ${more}
    const struct tapedeck_plugin tapedeck_plugin = {.size = sizeof tapedeck_plugin, ${members}};
    void use(void); void use(void) { decode(0, 0, 0); }`);
  const unready = (name, answer) => table(name, ".abi = TAPEDECK_PLUGIN_ABI, .decode = decode, .begin = on_begin",
    `static int on_begin(const tapedeck_host *host, const char *argument, void **self) { return ${answer}; }`);
  const cases = [
    [["--decoder", path.join(dir, "missing.so")], /missing\.so' cannot be loaded/],
    [["--decoder", text], /text\.so' cannot be loaded/],
    [["--decoder", built(dir, "empty", "int nothing;")], /has no symbol tapedeck_plugin/],
    [["--decoder", table("newer", ".abi = 99, .decode = decode")], /is for version 99 of the interface/],
    [["--decoder", table("player", ".abi = TAPEDECK_PLUGIN_ABI")], /has no function decode/],
    [["--decoder", unready("unready", 'host->fail(host, "no symbols.csv")')], /unready\.so': begin: no symbols\.csv$/m],
    [["--decoder", unready("silent", "TAPEDECK_FAIL")], /: begin: it failed, without a reason$/m],
    [["--decoder-cmd", "no-such-program-anywhere"], /'no-such-program-anywhere' did not answer the first line .*: it ended/],
    [["--decoder-cmd", "exec false"], /'exec false' did not answer the first line .*: it ended\n.*hint: .*docs\/decoders\.md/],
    [["--decoder-cmd", "echo hello"], /did not answer the first line with \{"tapedeck":1\}: hello/],
    [["--decoder-cmd", `echo '{"tapedeck":2}'; cat`], /did not answer the first line with/],
    [["--decoder-cmd", `echo '{"error":"no licence"}'`], /: no licence$/m],
    [["--decoder", "builtin", "--decoder", "builtin", "--decoder-cmd", PYTHON], /3 decoders are given, but only 2 can be used/, 2],
    [["--decoder-cmd", PYTHON, "--timeout", "0"], /--timeout/, 2],
  ];
  for (const [args, pattern, status = 4] of cases) {
    const { stderr } = await tapedeck(t, ["regress", "diff", archive, ...args], { status });
    assert.match(stderr, pattern, args.join(" "));
  }
});

/** Until a process has ended. */
async function gone(pid) {
  const isGone = () => {
    try {
      return / [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8")); // perhaps without a parent that reaps it
    } catch (error) {
      return ["ENOENT", "ESRCH"].includes(error.code);
    }
  };
  for (const until = Date.now() + 30_000; !isGone(); await passed(10)) assert.ok(Date.now() < until, pid);
}

test("a signal ends a run while a decoder withholds its answer, and no process is left", { skip }, async (t) => {
  const dir = temporary(t);
  const archive = await archiveOf(t, V5);
  const withholding = badScript(t, marked(0).mark, 'sys.stderr.write("pid %d\\n" % os.getpid()); sys.stderr.flush(); sys.stdin.buffer.read(); os._exit(0)');
  const save = ["regress", "save", archive, "-o", path.join(dir, "own.tdb"), ...withholding, "--timeout", "1h"];
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    const program = new Program(t, "tapedeck", save);
    const [, pid] = await program.says(/pid (\d+)/);
    const end = await program.kill(signal);
    if (signal === "SIGTERM") {
      assert.equal(end.code, 4, end.stderr);
      assert.match(end.stderr, /stopped before the end/);
      assert.deepEqual(fs.readdirSync(dir), []);
    }
    await gone(pid);
  }
});
