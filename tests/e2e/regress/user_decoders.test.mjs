// Users' decoders in `regress`: the documentation's examples decode every recorded frame like the built-in decoder, and each
// failure of a decoder is reported with the frame that caused it, and no other.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, describe, test } from "node:test";
import { pythonWith } from "../support/python_scripts.mjs";
import {
  BIN,
  Program,
  capture,
  eventually,
  json,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";

const CAPTURES = [
  "inverse-2021-04-17.jsonl.gz",
  "linear-2021-04-17.jsonl.gz",
  "v5-2026-08-09.jsonl.gz",
  "v5-linear-2025-06-13.jsonl.gz",
];
const V5 = CAPTURES[2];
const skip = CAPTURES.map(withoutCapture).find(Boolean) ?? false;
const EXAMPLES = path.resolve("docs/examples");
const python = (script) => `exec '${pythonWith("json")}' -I -S '${script}'`;
const PYTHON = python(`${EXAMPLES}/decoder.py`);
const PART = ["--topic", "publicTrade", "--topic", "tickers"]; // a few hundred frames of V5

// Shared by the tests, made when the first one needs it.
const shared = temporary({ after });
const once = (make) => {
  let cached;
  return () => (cached ??= make());
};
const imported = (names) =>
  once(async () => {
    const archive = path.join(shared, names.length > 1 ? "tape" : "v5");
    for (const name of names)
      await tapedeck(undefined, ["import", "-q", "-a", archive, capture(name)]);
    return archive;
  });
const v5Archive = imported([V5]);

/** Compile as a user would, with the header of the tree. */
function compile(cc, sources, name, flags = []) {
  const file = path.join(shared, name);
  execFileSync(
    cc,
    [
      "-D_GNU_SOURCE",
      "-Wall",
      "-Wextra",
      "-Werror",
      "-O0",
      "-fPIC",
      "-Iembed/include",
      "-I.",
      ...flags,
      ...sources,
      "-o",
      file,
    ],
    { stdio: ["ignore", "pipe", "inherit"] }
  );
  return file;
}

const exampleObject = once(() =>
  compile("cc", ["docs/examples/decoder.c"], "example.o", [
    "-std=c17",
    "-Dtapedeck_plugin=example",
    "-c",
  ])
);

/** A shared object of this source and the example in C, whose table is `example`. */
function built(name, text) {
  const source = path.join(shared, name);
  const [cc, std] = name.endsWith(".cc") ? ["c++", "-std=c++17"] : ["cc", "-std=c17"];
  fs.writeFileSync(source, text);
  return compile(cc, [source, exampleObject()], `${name}.so`, [
    std,
    "-shared",
    "-Wno-unused-parameter",
    "-Wno-infinite-recursion",
  ]);
}

const diff = (t, archive, args, options) =>
  json(t, ["regress", "check", archive, ...args, "--json"], options);

function assertSame(report, frames) {
  assert.equal(report.verdict, "same");
  assert.deepEqual([report.totals.compared, report.totals.same], [frames, frames]);
}

test(
  "the examples in C and Python decode all captures as the built-in decoder does",
  { skip },
  async (t) => {
    const archive = await imported(CAPTURES)();
    const so = compile("cc", [path.join(EXAMPLES, "decoder.c")], "decoder.so", [
      "-std=c17",
      "-shared",
      "-Wpedantic",
      "-Wconversion",
    ]);
    const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--raw", "--dir", "in"]);
    const frames = stdout.match(/\n/g).length;
    const alone = async (decoder, ...args) => {
      const report = await diff(t, archive, [...decoder, ...args]);
      assert.deepEqual(
        [report.verdict, report.decoder_was, report.decoder_is.name, report.decoder_is.failures],
        ["same", null, decoder[1], 0]
      );
      return report;
    };
    assertSame(await alone(["--decoder", so], "-j", "3"), frames);
    assertSame(
      await diff(t, archive, ["--decoder", so, "--decoder-cmd", PYTHON, "-j", "2"]),
      frames
    );
    const { totals } = await alone(["--decoder-cmd", PYTHON], ...PART);
    assert.ok(totals.compared > 50, JSON.stringify(totals));
    // A baseline of one of them is compared with the other, and with the built-in decoder.
    const baseline = path.join(temporary(t), "own.tdb");
    await tapedeck(t, ["regress", "save", archive, "-o", baseline, "--decoder", so]);
    assertSame(
      await json(t, ["regress", "check", archive, "--baseline", baseline, "--json"]),
      frames
    );
    assertSame(
      await json(t, [
        "regress",
        "check",
        archive,
        "--baseline",
        baseline,
        "--json",
        "--decoder-cmd",
        PYTHON,
        ...PART,
      ]),
      totals.compared
    );
  }
);

test("a decoder in C++ with a state begins and ends once in each thread", { skip }, async (t) => {
  const so = built(
    "counts.cc",
    `#include <cstdio>
    #include <new>
    #include <tapedeck/plugin.h>
    extern "C" const struct example example;
    namespace {
    int on_begin(const tapedeck_host *host, void **self)
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
    void on_end(void *self)
    {
        size_t *count = static_cast<size_t *>(self);
        std::fprintf(stderr, "ended after %zu frames\\n", *count);
        delete count;
    }
    }
    const struct tapedeck_plugin tapedeck_plugin = {
        TAPEDECK_PLUGIN_ABI, 0, sizeof tapedeck_plugin, "counts", on_begin, on_end, decode};`
  );
  const archive = await v5Archive();
  const { stdout, stderr } = await tapedeck(t, [
    "regress",
    "check",
    archive,
    "--decoder",
    so,
    "-j",
    "2",
    "--json",
  ]);
  const frames = (await v5()).total;
  assertSame(JSON.parse(stdout), frames);
  const ends = [...stderr.matchAll(/^ended after (\d+) frames$/gm)].map(([, count]) =>
    Number(count)
  );
  assert.equal(ends.length, [...stderr.matchAll(/counts: it begins$/gm)].length);
  assert.ok(ends.length >= 1 && ends.length <= 3, stderr); // threads that decode, and the main one
  const decoded = ends.reduce((sum, count) => sum + count, 0);
  assert.ok(decoded > 800 && decoded <= frames, `${decoded} of ${frames}`); // not control frames
});

// ---- failures ------------------------------------------------------------------------------------------------

/** The frames of the v5 capture, and those of PART. */
const v5 = once(async () => {
  const { stdout } = await tapedeck(undefined, ["cat", await v5Archive(), "--dir", "in"]);
  const lines = stdout.split("\n").filter(Boolean);
  const ofTopic = (name) => lines.filter((line) => line.includes(`"topic":"${name}","symbol"`));
  const trades = ofTopic("publicTrade");
  return { total: lines.length, trades, part: trades.length + ofTopic("tickers").length };
});

/** The n-th trade frame of PART as cat prints it, its mark (the id of its first trade), and the number of such frames. */
async function marked(n) {
  const { trades, part } = await v5();
  const row = JSON.parse(trades[n]);
  return {
    row,
    at: /"recv_ns":(\d+)/.exec(trades[n])[1],
    mark: JSON.parse(row.data).data[0].i,
    total: part,
  };
}

/** The example in C; at frames with $MARK it does $WHAT, one of these. */
const WHATS = {
  member: 'to->calls->head(to, tapedeck_text_of("px"), frame->exchange_topic)',
  time: 'to->calls->head_time(to, tapedeck_text_of("seq"), 5)',
  refuse: 'to->calls->fail(to, tapedeck_text_of("no idea"))',
  count:
    'char n[20]; snprintf(n, sizeof n, "%u", count); to->calls->head(to, tapedeck_text_of("u"), tapedeck_text_of(n))',
  write: "*(volatile int *)8 = 1",
  abort: "abort()",
  deep: "volatile char first[1] = {0}; (void)deep(first)",
  hang: "for (;;) sleep(1)",
  exit: "exit(5)",
};
const badLibrary = once(() =>
  built(
    "bad.c",
    `
  #include <tapedeck/plugin.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <unistd.h>
  extern const struct tapedeck_plugin example;
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
      const char *mark = getenv("MARK"), *what = getenv("WHAT");
      count++;
      if (memmem(frame->bytes, frame->byte_count, mark, strlen(mark)) != NULL) {
          ${Object.entries(WHATS)
            .map(([name, code]) => `if (strcmp(what, "${name}") == 0) { ${code}; }`)
            .join("\n")}
      }
      example.decode(self, frame, to);
  }
  const struct tapedeck_plugin tapedeck_plugin = {
      .abi = TAPEDECK_PLUGIN_ABI, .size = sizeof tapedeck_plugin, .name = "bad", .decode = decode_or_fail};`
  )
);
const inLibrary = (t, mark, what) => ({
  decoder: ["--decoder", badLibrary()],
  env: { MARK: mark, WHAT: what },
});

/** The example in Python, which does `what` at frames with the mark. */
function inScript(t, mark, what) {
  const file = path.join(temporary(t), "bad.py");
  fs.writeFileSync(
    file,
    `
import os, signal, sys, time
sys.path.insert(0, ${JSON.stringify(EXAMPLES)})
sys.dont_write_bytecode = True
import decoder
real = decoder.decode
def decode(request):
    answer = real(request)
    if "${mark}" in request["frame"]:
        ${what}
    return answer
decoder.decode = decode
decoder.main()
`
  );
  return { decoder: ["--decoder-cmd", python(file)], env: {} };
}

const FAILURES = [
  [
    "a shared object with an unknown member",
    inLibrary,
    "member",
    "garbage",
    /^px: unknown member$/,
  ],
  [
    "a shared object with a time for a number",
    inLibrary,
    "time",
    "garbage",
    /^seq: a time is not of type integer$/,
  ],
  ["a shared object that refuses", inLibrary, "refuse", "refused", /^$/],
  ["a shared object that counts", inLibrary, "count", "unstable", /gave another answer/],
  ["a script that exits", inScript, "os._exit(7)", "crashed", /^exit status 7$/],
  [
    "a script that kills itself",
    inScript,
    "os.kill(os.getpid(), signal.SIGKILL)",
    "crashed",
    /^signal 9 \(Killed\)$/,
  ],
  [
    "a script that closes its output",
    inScript,
    "os.close(1); time.sleep(0.3); os._exit(3)",
    "crashed",
    /^exit status 3$/,
  ],
  ["a script that hangs", inScript, "time.sleep(1000)", "hung", /^$/],
  [
    "a script that prints",
    inScript,
    'print("debugging")',
    "garbage",
    /^JSON at byte 0: expected a value$/,
  ],
  [
    "a script with a number that is none",
    inScript,
    'answer["trades"][0]["price"] = "12,5"',
    "garbage",
    /^trades\[0\]\.price: 12,5 is not of type decimal$/,
  ],
  [
    "a script with a member of another type",
    inScript,
    'answer["trades"] = None',
    "garbage",
    /^trades: no array$/,
  ],
  ["a script with another n", inScript, 'request["n"] += 1', "garbage", /the frame's "n"/],
  ["a script with another type", inScript, 'answer["type"] = "ticker"', "garbage", /^type: /],
  [
    "a script whose answer has no end",
    inScript,
    'sys.stdout.write("x" * ((64 << 20) + 1)); sys.stdout.flush()',
    "garbage",
    /too long/,
  ],
];

// A sanitizer's own handlers of these signals would report them and exit.
const PLAIN_SIGNALS = ["ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"].reduce(
  (env, key) => ({
    ...env,
    [key]: [
      process.env[key],
      "handle_segv=0:handle_abort=0:handle_sigfpe=0:handle_sigbus=0:handle_sigill=0",
    ]
      .filter(Boolean)
      .join(":"),
  }),
  {}
);

const FATAL = [
  ["writes where there is no memory", "write", " crashed at this frame", { signal: "SIGSEGV" }],
  ["aborts", "abort", " crashed at this frame", { signal: "SIGABRT" }],
  ["never ends a recursion", "deep", " crashed at this frame", { signal: "SIGSEGV" }],
  ["hangs", "hang", " did not answer within --timeout at this frame", { signal: "SIGABRT" }],
  ["exits", "exit", " called exit at this frame", { code: 4 }],
];

// The waits for --timeout overlap the other tests.
describe("failures", { concurrency: 3 }, () => {
  for (const [name, make, what, kind, text] of FAILURES)
    test(`${name}: ${kind}, at that frame and no other`, { skip }, async (t) => {
      const archive = await v5Archive();
      const { row, mark, total } = await marked(11);
      const timeout = ["--timeout", kind === "hung" ? "3s" : "60s"]; // 64 MiB take a while under a sanitizer
      const { decoder, env } = make(t, mark, what);
      // One decoder of each kind gets all frames, on two threads; the others get PART.
      const isWhole = what === "member" || what === "os._exit(7)";
      const junit = path.join(temporary(t), "junit.xml");
      const args = [
        ...[...decoder, ...timeout, "--junit", junit],
        ...(isWhole ? ["-j", "2"] : [...PART, "-j", "1"]),
      ];
      const report = await diff(t, archive, args, { status: 1, env });
      const all = isWhole ? (await v5()).total : total;
      assert.deepEqual(
        [report.totals.compared, report.totals.same, report.totals.different],
        [all, all - 1, 1]
      );
      assert.deepEqual(
        [report.first_difference.topic, report.first_difference.recv_ns],
        ["publicTrade", row.recv_ns]
      );
      const found = report.decoder_is;
      const { refused, crashed, hung, garbage, unstable } = found;
      const counts = { refused: 0, crashed: 0, hung: 0, garbage: 0, unstable: 0, [kind]: 1 };
      assert.deepEqual({ refused, crashed, hung, garbage, unstable }, counts);
      assert.equal(found.failures, kind === "refused" ? 0 : 1);
      assert.equal(found.first === null ? 0 : 1, found.failures);
      for (const failure of [found.first].filter(Boolean)) {
        assert.deepEqual(
          [failure.kind, failure.stream, failure.recv_ns],
          [kind, `v5-linear/publicTrade/${row.symbol}`, row.recv_ns]
        );
        assert.match(failure.what ?? "", text);
        // The report for CI names the failure, too.
        const [, words] = fs
          .readFileSync(junit, "utf8")
          .match(
            /<testcase classname="decoder" name="[^"]+">\n +<failure type="decoder" message="failed at 1 frame">the first: (.*)\n<\/failure>/
          );
        assert.match(words, new RegExp(`^${kind} at 2026-[^ ]+, v5-linear/publicTrade/`));
        if (failure.what !== null && /^[\w ()]*$/.test(failure.what))
          assert.ok(words.endsWith(`: ${failure.what}`), words);
      }
    });

  for (const [name, what, text, { code = null, signal = null }] of FATAL)
    test(
      `a shared object that ${name} ends the run, with the frame in a file`,
      { skip },
      async (t) => {
        const archive = await v5Archive();
        const { row, at, mark } = await marked(11);
        const { decoder, env } = inLibrary(t, mark, what);
        const dir = temporary(t);
        const save = (threads) => [
          "regress",
          "save",
          archive,
          ...PART,
          "-o",
          path.join(dir, "own.tdb"),
          ...decoder,
          "-j",
          threads,
          "--timeout",
          "3s",
        ];
        const start = (threads, more) =>
          new Program(t, path.resolve(BIN, "tapedeck"), save(threads), {
            under: ["env", "-C", dir],
            env: { ...PLAIN_SIGNALS, ...env, ...more },
          }).ended;
        for (const threads of what === "hang" ? ["3"] : ["1", "3"]) {
          const end = await start(threads);
          assert.deepEqual([end.code, end.signal], [code, signal], end.stderr);
          assert.ok(
            end.stderr.includes(
              `${decoder[1]}${text}:\n  feed v5-linear, topic publicTrade, symbol ${row.symbol}, session `
            ),
            end.stderr
          );
          assert.match(
            end.stderr,
            new RegExp(
              `, session ${row.session}, frame ${row.ordinal} of its connection, received at ${at} ns$`,
              "m"
            )
          );
          assert.equal(fs.readFileSync(path.join(dir, "tapedeck-crash.frame"), "utf8"), row.data);
          assert.equal(fs.existsSync(path.join(dir, "own.tdb")), false);
          assert.equal(end.stdout, "");
          fs.unlinkSync(path.join(dir, "tapedeck-crash.frame"));
        }
        // A JUnit report of an earlier run does not remain: the crash is its error.
        const junit = path.join(dir, "junit.xml");
        fs.writeFileSync(junit, "an earlier report");
        await new Program(
          t,
          path.resolve(BIN, "tapedeck"),
          [
            "regress",
            "check",
            archive,
            ...PART,
            ...decoder,
            "-j",
            "2",
            "--timeout",
            "3s",
            "--junit",
            junit,
          ],
          { under: ["env", "-C", dir], env: { ...PLAIN_SIGNALS, ...env } }
        ).ended;
        const xml = fs.readFileSync(junit, "utf8");
        assert.match(
          xml,
          /^<\?xml [^]*<testsuite name="tapedeck regress" tests="1" failures="0" errors="1" [^]*<\/error>\n {2}<\/testcase>\n<\/testsuite>\n$/
        );
        assert.ok(
          xml.includes(
            `<testcase classname="v5-linear" name="publicTrade ${row.symbol}">\n    <error type="crash" message="${decoder[1]}${text}:">`
          ),
          xml
        );
        assert.ok(
          xml.includes(
            `, session ${row.session}, frame ${row.ordinal} of its connection, received at ${at} ns\n</error>`
          ),
          xml
        );
        for (const name of ["junit.xml", "tapedeck-crash.frame"])
          fs.unlinkSync(path.join(dir, name));
        // Files that it left do not disturb the next run.
        assert.equal((await start("1", { WHAT: "" })).code, 0);
        assert.deepEqual(fs.readdirSync(dir), ["own.tdb"]);
      }
    );
});

test(
  "refused frames alone are not failures: save ends with 0, and with 1 after a crash",
  { skip },
  async (t) => {
    const archive = await v5Archive();
    const { mark } = await marked(2);
    const dir = temporary(t);
    const save = ({ decoder }, status) =>
      tapedeck(
        t,
        [
          "regress",
          "save",
          archive,
          ...PART,
          "-j",
          "1",
          "-o",
          path.join(dir, `${status}.tdb`),
          ...decoder,
        ],
        { status }
      );
    const refused = await save(inScript(t, mark, 'return {"error": "not today"}'), 0);
    assert.doesNotMatch(refused.stdout, /failed/);
    const crashed = await save(
      inScript(t, mark, 'sys.stderr.write("last words\\n"); sys.stderr.flush(); os._exit(7)'),
      1
    );
    assert.match(
      crashed.stdout,
      /failed at 1 frame; the first: crashed at 2026-08-09T.*v5-linear\/publicTrade\/\w+: exit status 7$/m
    );
    assert.match(crashed.stderr, /^last words$/m);
  }
);

test(
  "--only and --ignore compare some members; a frame that differs in others is found",
  { skip },
  async (t) => {
    const archive = await v5Archive(),
      dir = temporary(t),
      file = path.join(dir, "before.tdb"),
      trades = ["--topic", "publicTrade"];
    const { row, mark } = await marked(11);
    // Every id differs, and one price.
    const { decoder } = inScript(
      t,
      "",
      `for trade in answer.get("trades") or []:\n            trade["trade_id"] = "x"\n            if "${mark}" in request["frame"]:\n                trade["price"] = "1"`
    );
    await tapedeck(t, ["regress", "save", "-q", archive, ...trades, "-o", file]);
    for (const baseline of [[], ["--baseline", file]]) {
      const verb = ["check", archive, ...baseline];
      const compared = async (status, ...more) => {
        const { totals, first_difference } = await json(
          t,
          ["regress", ...verb, ...trades, ...decoder, ...more, "--json"],
          { status }
        );
        return [totals.compared - totals.same, totals.masked, first_difference?.recv_ns];
      };
      const [all] = await compared(1);
      assert.ok(all > 2, `${all}`);
      assert.deepEqual(await compared(1, "--ignore", "trade_id"), [1, all - 1, row.recv_ns]);
      assert.deepEqual(await compared(0, "--ignore", "trade_id", "--ignore", "price"), [
        0,
        all,
        undefined,
      ]);
      assert.deepEqual(await compared(0, "--only", "side", "--only", "size"), [0, all, undefined]);
      assert.deepEqual(await compared(1, "--only", "price"), [1, all - 1, row.recv_ns]);
      // A report for CI shows what differs.
      const junit = path.join(dir, `junit${baseline.length}.xml`);
      await compared(1, "--ignore", "trade_id", "--junit", junit);
      assert.match(
        fs.readFileSync(junit, "utf8"),
        /of it\n--- before\n\+\+\+ now\n[^]*\n- *&#34;price&#34;:&#34;[\d.]+&#34;,?\n\+ *&#34;price&#34;:&#34;1&#34;,?\n[^]*<\/failure>/
      );
      const refused = async (...more) =>
        (await tapedeck(t, ["regress", ...verb, ...trades, ...more], { status: 2 })).stderr;
      assert.match(await refused(...decoder, "--only", "pirce"), /no frame has a member 'pirce'/);
      if (baseline.length > 0)
        assert.match(await refused("--ignore", "price"), /give --decoder or --decoder-cmd/);
    }
    const own = path.join(dir, "own.tdb");
    await tapedeck(t, ["regress", "save", "-q", archive, ...trades, ...decoder, "-o", own]);
    const { stderr } = await tapedeck(
      t,
      ["regress", "check", archive, "--baseline", own, ...decoder, "--ignore", "price"],
      { status: 2 }
    );
    assert.match(stderr, /need a baseline of the built-in decoder/);
  }
);

test(
  "a program that fails at every frame ends the run after 10 failures, or after --max-failures",
  { skip },
  async (t) => {
    const archive = await v5Archive(),
      dir = temporary(t);
    const count = path.join(dir, "count");
    const { decoder } = inScript(t, "", `open("${count}", "a").write("x"); os._exit(7)`);
    for (const [more, failures] of [
      [[], 10],
      [["--max-failures", "3"], 3],
    ]) {
      fs.writeFileSync(count, "");
      const { stderr } = await tapedeck(
        t,
        ["regress", "check", archive, ...PART, "-j", "1", ...decoder, ...more],
        { status: 4 }
      );
      assert.match(
        stderr,
        new RegExp(
          `decoder '.*' failed at ${failures} frames in a row; the last: crashed: exit status 7\n.*hint: --max-failures`
        )
      );
      assert.equal(fs.statSync(count).size, failures);
    }
    // A decoded frame resets the count.
    const other = inScript(
      t,
      "",
      `n = request["n"]\n        if open("${count}", "a").tell() % 3 < 2:\n            open("${count}", "a").write("x")\n            os._exit(7)\n        open("${count}", "a").write("x")`
    );
    fs.writeFileSync(count, "");
    await tapedeck(
      t,
      [
        "regress",
        "check",
        archive,
        ...PART,
        "--to",
        "+2s",
        "-j",
        "1",
        ...other.decoder,
        "--max-failures",
        "3",
      ],
      { status: 1 }
    );
    assert.ok(fs.statSync(count).size > 9);
  }
);

// ---- time and memory -----------------------------------------------------------------------------------------

/** The example, as a shared object and as a program, which uses 200 MB, or 50 ms of CPU time at each frame. */
const hungry = once(() =>
  built(
    "hungry.c",
    `
  #include <tapedeck/plugin.h>
  #include <stdlib.h>
  #include <string.h>
  #include <time.h>
  extern const struct tapedeck_plugin example;
  static volatile unsigned char kept[200000000];
  static double cpu_s(void)
  {
      struct timespec now;
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
      return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
  }
  static void decode_slowly(void *self, const tapedeck_frame *frame, tapedeck_answer *to)
  {
      const double end = cpu_s() + 0.05;
      for (size_t i = 0; strcmp(getenv("WHAT"), "memory") == 0 && i < sizeof kept; i += 4096)
          kept[i] = 1;
      while (strcmp(getenv("WHAT"), "cpu") == 0 && cpu_s() < end) { }
      example.decode(self, frame, to);
  }
  const struct tapedeck_plugin tapedeck_plugin = {
      .abi = TAPEDECK_PLUGIN_ABI, .size = sizeof tapedeck_plugin, .name = "hungry", .decode = decode_slowly};`
  )
);
const HUNGRY = {
  memory: 'globals().get("kept") or globals().setdefault("kept", bytearray(b"x") * 200000000)',
  cpu: "end = time.process_time() + 0.05\n        while time.process_time() < end: pass",
};

for (const what of ["memory", "cpu"])
  for (const kind of ["shared object", "program"])
    test(`a ${kind} that uses much ${what} exceeds a limit`, { skip }, async (t) => {
      const archive = await v5Archive();
      const junit = path.join(temporary(t), "junit.xml");
      const { decoder, env } =
        kind === "program"
          ? inScript(t, "", HUNGRY[what])
          : { decoder: ["--decoder", hungry()], env: { WHAT: what } };
      const check = (limit, options) =>
        diff(
          t,
          archive,
          [
            "--topic",
            "publicTrade",
            "--symbol",
            "BTCUSDT",
            ...decoder,
            "-j",
            "1",
            "--junit",
            junit,
            ...limit,
          ],
          { env, ...options }
        );
      // The limits are far from what is measured: a slow or busy machine changes nothing.
      const [within, beyond] = {
        memory: [
          ["--max-memory", "20GB"],
          ["--max-memory", "150MB"],
        ],
        cpu: [
          ["--max-cpu", "5s"],
          ["--max-cpu", "500us"],
        ],
      }[what];
      const { decoder_is, decoder_was, totals } = await check(within, { status: 0 });
      assert.equal(decoder_was, null);
      assert.ok(decoder_is.frames >= totals.compared, JSON.stringify(decoder_is));
      if (what === "memory") assert.ok(decoder_is.peak_memory_bytes >= 200e6);
      else assert.ok(decoder_is.cpu_ns_per_frame >= 49e6 && decoder_is.cpu_ns_per_frame < 5e9);
      assert.deepEqual([decoder_is.over_max_cpu, decoder_is.over_max_memory], [false, false]);
      const properties = /<property name="decoder_is.cpu_ns_per_frame" value="\d+"\/>/;
      assert.match(fs.readFileSync(junit, "utf8"), properties);
      assert.match(fs.readFileSync(junit, "utf8"), / failures="0" /);
      const report = await check(beyond, { status: 1 });
      assert.deepEqual([report.verdict, report.decoder_is[`over_max_${what}`]], ["same", true]);
      const xml = fs.readFileSync(junit, "utf8");
      const text = {
        memory: "peak memory: .*, limit 143.0 MiB",
        cpu: "CPU time a frame: .*, limit 500 us",
      };
      assert.match(xml, new RegExp(`<failure type="limit" message="${text[what]}">`));
      assert.match(xml, / failures="1" /);
    });

test(
  "a program's start is not counted, however the shell runs it; limits need a decoder",
  { skip },
  async (t) => {
    const archive = await v5Archive();
    const slow = path.join(temporary(t), "slow.py");
    fs.writeFileSync(
      slow,
      `import runpy, sys, time
kept = bytearray(b"x") * 100000000
while time.process_time() < 1: pass
sys.dont_write_bytecode = True
runpy.run_path("${EXAMPLES}/decoder.py", run_name="__main__")
`
    );
    for (const command of [python(slow), `cd . && ${python(slow).slice(5)}; true`]) {
      const { decoder_is } = await diff(t, archive, [
        ...["--topic", "publicTrade", "--decoder-cmd", command, "-j", "1"],
      ]);
      assert.ok(decoder_is.cpu_ns_per_frame < 1e9 / decoder_is.frames, JSON.stringify(decoder_is));
      assert.ok(decoder_is.peak_memory_bytes >= 100e6);
    }
    for (const decoder of [[], ["--decoder", "builtin"]]) {
      const { stderr } = await tapedeck(
        t,
        [
          ...["regress", "check", archive, "--baseline", "any.tdb", ...decoder],
          ...["--max-memory", "1GiB"],
        ],
        { status: 2 }
      );
      assert.match(stderr, /--max-cpu and --max-memory need your decoder/);
    }
  }
);

// ---- decoders that cannot be used, and processes --------------------------------------------------------------

test(
  "a decoder that cannot be used ends the run with status 4 and its reason",
  { skip },
  async (t) => {
    const archive = await v5Archive();
    const file = built(
      "useless.c",
      `#define tapedeck_plugin declared
    #include <tapedeck/plugin.h>
    #undef tapedeck_plugin
    #include <stdlib.h>
    #include <string.h>
    static void decode(void *s, const tapedeck_frame *f, tapedeck_answer *to) { }
    static int on_begin(const tapedeck_host *host, void **self)
    {
        const char *what = getenv("WHAT");
        return strcmp(what, "odd") == 0 ? 9 : strcmp(what, "silent") == 0 ? TAPEDECK_FAIL : host->fail(host, "no symbols.csv");
    }
    extern struct declared tapedeck_plugin;
    struct declared tapedeck_plugin = {.abi = TAPEDECK_PLUGIN_ABI, .size = sizeof tapedeck_plugin, .decode = decode, .begin = on_begin};
    static __attribute__((constructor)) void change(void)
    {
        if (strcmp(getenv("WHAT"), "newer") == 0)
            tapedeck_plugin.abi = 99;
        else if (strcmp(getenv("WHAT"), "small") == 0)
            tapedeck_plugin.size = 0;
        else if (strcmp(getenv("WHAT"), "empty") == 0)
            tapedeck_plugin.decode = NULL;
    }`
    );
    const other = path.join(shared, "other.c"),
      lines = path.join(shared, "text.so");
    fs.writeFileSync(other, "int other = 0;");
    fs.writeFileSync(lines, "no shared object at all\n".repeat(10));
    const nothing = compile("cc", [other], "other.so", ["-shared"]);
    const cases = [
      [["--decoder", path.join(shared, "missing.so")], /missing\.so' cannot be loaded/],
      [
        ["--decoder", file],
        /is for version 99 of the interface, this program has version 3\n.*hint: compile it again/,
        4,
        "newer",
      ],
      [["--decoder", lines], /cannot be loaded: .*invalid ELF header\n.*hint: .*cc -shared -fPIC/],
      [
        ["--decoder", nothing],
        /is not a decoder: it has no symbol tapedeck_plugin\n.*hint: .*const struct tapedeck_plugin tapedeck_plugin/,
      ],
      [
        ["--decoder", file],
        /its tapedeck_plugin has size 0, less than 48\n.*hint: set \.size/,
        4,
        "small",
      ],
      [["--decoder", file], /has no function decode\n.*hint: set \.decode/, 4, "empty"],
      [
        ["--decoder", file],
        /begin: it returned 9, which is not one of TAPEDECK_GO, _FAIL$/m,
        4,
        "odd",
      ],
      [["--decoder", file], /useless\.c\.so': begin: no symbols\.csv$/m, 4, "unready"],
      [["--decoder", file], /: begin: it failed, without a reason$/m, 4, "silent"],
      [
        ["--decoder-cmd", "no-such-program-anywhere"],
        /'no-such-program-anywhere' did not answer the first line .*: it ended/,
      ],
      [
        ["--decoder-cmd", "exec false"],
        /'exec false' did not answer the first line .*: it ended\n.*hint: .*docs\/decoders\.md/,
      ],
      [
        ["--decoder-cmd", "echo hello"],
        /did not answer the first line with \{"tapedeck":1\}: hello/,
      ],
      [["--decoder-cmd", `echo '{"tapedeck":2}'; cat`], /did not answer the first line with/],
      [["--decoder-cmd", `echo '{"error":"no licence"}'`], /: no licence$/m],
      [
        ["--decoder", "builtin", "--decoder", "builtin", "--decoder-cmd", PYTHON],
        /3 decoders are given, but only 2 can be used/,
        2,
      ],
      [["--decoder-cmd", PYTHON, "--timeout", "0"], /--timeout/, 2],
    ];
    for (const [args, pattern, status = 4, what = ""] of cases) {
      const { stderr } = await tapedeck(t, ["regress", "check", archive, ...args], {
        status,
        env: { WHAT: what },
      });
      assert.match(stderr, pattern, args.join(" "));
    }
  }
);

/** Wait until a process has ended. */
async function gone(pid) {
  const isGone = () => {
    try {
      return / [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8")); // perhaps without a parent that reaps it
    } catch (error) {
      return ["ENOENT", "ESRCH"].includes(error.code);
    }
  };
  await eventually(`process ${pid} is gone`, isGone);
}

test(
  "a signal ends a run while a decoder does not answer, and no process is left",
  { skip },
  async (t) => {
    const dir = temporary(t);
    const archive = await v5Archive();
    const { decoder } = inScript(
      t,
      (await marked(0)).mark,
      'sys.stderr.write("pid %d\\n" % os.getpid()); sys.stderr.flush(); sys.stdin.buffer.read(); os._exit(0)'
    );
    const save = [
      "regress",
      "save",
      archive,
      "-o",
      path.join(dir, "own.tdb"),
      ...decoder,
      ...PART,
      "-j",
      "1",
      "--timeout",
      "1h",
    ];
    for (const signal of ["SIGTERM", "SIGKILL"]) {
      const program = new Program(t, "tapedeck", save);
      const [, pid] = await program.prints(/pid (\d+)/);
      const end = await program.kill(signal);
      if (signal === "SIGTERM") {
        assert.equal(end.code, 4, end.stderr);
        assert.match(end.stderr, /stopped before the end/);
        assert.deepEqual(fs.readdirSync(dir), []);
      }
      await gone(pid);
    }
  }
);
