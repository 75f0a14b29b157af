// An installed tapedeck works: its programs run, and a user's program in C or C++ links the library, shared and static, with only
// the installed headers and pkg-config file. Expected prices: the known end of the inverse capture.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import {
  BIN,
  capture,
  inboundFrames,
  isRecorded,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const VARIANT = path.basename(path.dirname(fs.realpathSync(BIN)));
const skip =
  withoutCapture(INVERSE) ||
  (["release", "debug"].includes(VARIANT)
    ? false
    : "a library with a sanitizer links into programs that have it");

const STRICT = ["-Wall", "-Wextra", "-Werror"];

/** pkg-config's output for the installed tree; without pkg-config, the values of the file. */
function flags(usr, fields) {
  const options = {
    "--cflags": ["Cflags"],
    "--libs": ["Libs"],
    "--static": ["Libs", "Libs.private"],
  };
  const env = { ...process.env, PKG_CONFIG_PATH: path.join(usr, "lib/pkgconfig") };
  const asked = fields.includes("--static") ? [...fields, "--libs"] : fields;
  const { error, stdout } = spawnSync(
    "pkg-config",
    [`--define-variable=prefix=${usr}`, ...asked, "tapedeck"],
    { env, encoding: "utf8" }
  );
  if (!error) return stdout.trim().split(/\s+/);
  const text = fs
    .readFileSync(path.join(usr, "lib/pkgconfig/tapedeck.pc"), "utf8")
    .replaceAll("${libdir}", "${prefix}/lib")
    .replaceAll("${prefix}", usr)
    .replaceAll('"', "");
  return fields
    .flatMap((field) => options[field])
    .flatMap((name) => new RegExp(`^${name}: (.*)$`, "m").exec(text)[1].split(" "));
}

const HEADERS = ["archive.h", "plugin.h", "tapedeck.h"];

/** Check that each installed header compiles by itself, in both languages. */
function headersStandAlone(usr) {
  const include = path.join(usr, "include/tapedeck");
  assert.deepEqual(fs.readdirSync(include, { recursive: true }).sort(), HEADERS);
  for (const language of [
    ["cc", "-x", "c", "-std=c17"],
    ["c++", "-x", "c++", "-std=c++17"],
  ]) {
    const [compiler, ...rest] = language;
    const out = spawnSync(
      compiler,
      [...rest, ...STRICT, "-fsyntax-only", `-I${path.join(usr, "include")}`, ...HEADERS],
      { cwd: include, encoding: "utf8" }
    );
    assert.equal(out.stderr, "", language.join(" "));
    assert.equal(out.status, 0);
  }
}

/** The names that a library exports. */
function exported(file, ...options) {
  const { stdout } = spawnSync("nm", ["-g", "--defined-only", ...options, file], {
    encoding: "utf8",
  });
  return stdout
    .split("\n")
    .filter((line) => / [A-Za-z] /.test(line))
    .map((line) => line.split(" ").at(-1));
}

// The symbol and the best bid of a frame with a whole book, by a C++ program.
const BEST_BID_PROGRAM = `
#include <cstdio>
#include <cstring>
#include <tapedeck/tapedeck.h>

int main(int argc, char **argv)
{
    tapedeck_reader *reader = argc == 2 ? tapedeck_reader_open("inverse", TAPEDECK_WANTS_EVERY_VALUE) : nullptr;
    if (reader == nullptr || tapedeck_reader_open("no such family", 0) != nullptr)
        return 1;
    const tapedeck_host *host = tapedeck_reader_host(reader);
    const tapedeck_frame *frame = tapedeck_reader_decode(reader, argv[1], std::strlen(argv[1]), 0);
    tapedeck_level level;
    tapedeck_book_level bid;
    char price[TAPEDECK_DECIMAL_BYTES];
    if (frame->entry_count == 0 || !host->level(frame, 0, &level) || level.action != TAPEDECK_SET ||
        frame->is_book_broken || host->book_levels(frame->book, TAPEDECK_BUY, 0, 1, &bid) != 1)
        return 1;
    host->decimal_format(bid.price, price);
    std::printf("%s %s %s %u\\n", frame->topic, frame->symbol, price, frame->verdict);
    tapedeck_reader_reconnect(reader);
    frame = tapedeck_reader_decode(reader, "{\\"success\\":true,\\"ret_msg\\":\\"pong\\",\\"conn_id\\":\\"x\\",\\"request\\":{\\"op\\":\\"ping\\",\\"args\\":null}}", 80, 0);
    std::printf("%s %llu\\n", frame->type, (unsigned long long)frame->ordinal);
    frame = tapedeck_reader_decode(reader, "nothing", 7, 0);
    std::printf("%s\\n", frame->reason);
    tapedeck_reader_close(reader);
}
`;

test("an installed tapedeck runs, links and uninstalls", { skip }, async (t) => {
  const root = temporary(t);
  const env = { ...process.env, MAKEFLAGS: "", VARIANT }; // the make of the suite may have another variant
  const make = (target) =>
    execFileSync("make", ["-s", target, `DESTDIR=${root}`, "PREFIX=/usr"], { env, stdio: "pipe" });
  make("install");
  const usr = path.join(root, "usr");
  assert.match(
    execFileSync(path.join(usr, "bin/tapedeck"), ["--version"], { encoding: "utf8" }),
    /\d+\.\d+/
  );
  for (const page of ["man1/tapedeck-record.1", "man7/tapedeck-python.7"])
    assert.ok(fs.existsSync(path.join(usr, "share/man", page)));
  for (const file of [
    "bash-completion/completions/tapedeck-replay",
    "zsh/site-functions/_tapedeck",
    "fish/vendor_completions.d/tapedeck-sim.fish",
  ])
    assert.match(fs.readFileSync(path.join(usr, "share", file), "utf8"), /completion for tapedeck/);
  const frames = inboundFrames(INVERSE)
    .map((f) => f.text)
    .filter((f) => f.includes('"orderBookL2_25.BTCUSD"') && f.startsWith('{"topic'));
  const lib = path.join(usr, "lib");
  let last;
  for (const [name, how, env] of [
    ["shared", "--libs", { LD_LIBRARY_PATH: lib }],
    ["static", "--static", {}],
  ]) {
    const program = path.join(root, `best_price_${name}`);
    const link = name === "static" ? ["-Wl,-Bstatic", "-ltapedeck", "-Wl,-Bdynamic"] : [];
    execFileSync(
      "cc",
      [
        ...STRICT,
        "docs/examples/best_price.c",
        ...flags(usr, ["--cflags"]),
        `-L${lib}`,
        ...link,
        ...flags(usr, [how]).filter((flag) => name === "shared" || flag !== "-ltapedeck"),
        "-o",
        program,
      ],
      { stdio: "pipe" }
    );
    const out = spawnSync(program, ["inverse"], {
      input: frames.join("\n") + "\n",
      encoding: "utf8",
      env: { ...process.env, ...env },
    });
    assert.equal(out.stderr, "");
    const lines = out.stdout.trimEnd().split("\n");
    assert.equal(lines.length, frames.length);
    if (isRecorded) assert.equal(lines.at(-1), "60622.5 60623");
    last = lines;
  }
  for (const [file, ...options] of [["libtapedeck.a"], ["libtapedeck.so", "-D"]]) {
    const names = exported(path.join(lib, file), ...options);
    assert.ok(
      names.length > 5 && names.every((name) => name.startsWith("tapedeck_")),
      `${file}: ${names}`
    );
  }
  const strategy = path.join(root, "strategy");
  execFileSync(
    "cc",
    [
      ...STRICT,
      "docs/examples/strategy.c",
      ...flags(usr, ["--cflags"]),
      ...flags(usr, ["--libs"]),
      "-o",
      strategy,
    ],
    { stdio: "pipe" }
  );
  await tapedeck(t, [
    "import",
    "-q",
    "-a",
    path.join(root, "tape"),
    "--format",
    "cryptofeed",
    "--family",
    "inverse",
    capture(INVERSE),
  ]);
  const traded = execFileSync(strategy, [path.join(root, "tape"), "BTCUSD", "1"], {
    encoding: "utf8",
    env: { ...process.env, LD_LIBRARY_PATH: lib },
  });
  assert.match(
    traded,
    new RegExp(`^inverse BTCUSD: ${frames.length} book frames, \\d+ trades$`, "m")
  );
  const rows = execFileSync(
    "python3",
    [
      "-c",
      "import sys, tapedeck; print(len(tapedeck.open(sys.argv[1]).trades(symbol='BTCUSD')))",
      path.join(root, "tape"),
    ],
    {
      encoding: "utf8",
      env: {
        ...process.env,
        PYTHONDONTWRITEBYTECODE: "1",
        PYTHONPATH: path.join(lib, "python3/dist-packages"),
      },
    }
  );
  assert.equal(
    Number(rows),
    Number(/^inverse BTCUSD: \d+ book frames, (\d+) trades$/m.exec(traded)[1])
  );
  headersStandAlone(usr);
  const cxx = path.join(root, "best_bid");
  fs.writeFileSync(`${cxx}.cc`, BEST_BID_PROGRAM);
  execFileSync(
    "c++",
    [
      "-std=c++17",
      ...STRICT,
      `${cxx}.cc`,
      ...flags(usr, ["--cflags"]),
      ...flags(usr, ["--libs"]),
      "-o",
      cxx,
    ],
    { stdio: "pipe" }
  );
  assert.equal(
    execFileSync(cxx, [frames[0]], {
      encoding: "utf8",
      env: { ...process.env, LD_LIBRARY_PATH: lib },
    }),
    `orderBookL2_25 BTCUSD ${last[0].split(" ")[0]} 1\ncontrol 1\nnot_json\n`
  );
  // The example of docs/library.md, in both languages; without an error or a leak, where valgrind is installed.
  const hasValgrind = spawnSync("valgrind", ["--version"]).status === 0;
  for (const [compiler, ...language] of [
    ["cc", "-std=gnu17"],
    ["c++", "-std=c++20", "-x", "c++"],
  ]) {
    const vwap = path.join(root, `vwap_${compiler}`);
    execFileSync(
      compiler,
      [
        ...language,
        ...STRICT,
        "docs/examples/vwap.c",
        "-x",
        "none",
        ...flags(usr, ["--cflags"]),
        ...flags(usr, ["--libs"]),
        "-o",
        vwap,
      ],
      { stdio: "pipe" }
    );
    const run = (...args) =>
      spawnSync(vwap, [path.join(root, "tape"), ...args], {
        encoding: "utf8",
        env: { ...process.env, LD_LIBRARY_PATH: lib },
      });
    assert.match(run().stdout, /^inverse trade BTCUSD: \d+ frames$/m);
    assert.match(run("BTCUSD").stdout, /^BTCUSD \d+\.\d{4}, whole\n$/);
    const none = run("NONE");
    assert.deepEqual([none.status, none.stdout], [2, ""]);
    assert.doesNotMatch(none.stderr, /tapedeck info|--/);
    if (!hasValgrind || compiler !== "cc") continue;
    const checked = spawnSync(
      "valgrind",
      ["-q", "--leak-check=full", "--error-exitcode=9", vwap, path.join(root, "tape"), "BTCUSD"],
      { encoding: "utf8", env: { ...process.env, LD_LIBRARY_PATH: lib } }
    );
    assert.deepEqual([checked.status, checked.stderr], [0, ""]);
  }
  // Folders with a space in their names, and the library elsewhere: Python finds the package, and the package the library.
  const odd = path.join(root, "a root");
  const place = [`DESTDIR=${odd}`, "PREFIX=/my tools", "LIBDIR=/my tools/lib64"];
  const filesBelow = (dir) =>
    fs
      .readdirSync(dir, { recursive: true })
      .filter((f) => !fs.statSync(path.join(dir, f)).isDirectory());
  execFileSync("make", ["-s", "install", ...place], { env, stdio: "pipe" });
  assert.deepEqual(fs.readdirSync(odd), ["my tools"]);
  assert.equal(filesBelow(odd).length, filesBelow(usr).length);
  const found = filesBelow(odd).find((f) => f.endsWith("site-packages/tapedeck/__init__.py"));
  execFileSync("python3", ["-B", "-c", "import tapedeck"], {
    env: { ...process.env, PYTHONPATH: path.join(odd, found, "../..") },
  });
  assert.match(
    fs.readFileSync(path.join(odd, "my tools/lib64/pkgconfig/tapedeck.pc"), "utf8"),
    /^libdir=\$\{prefix\}\/lib64$/m
  );
  execFileSync("make", ["-s", "uninstall", ...place], { env, stdio: "pipe" });
  assert.deepEqual(filesBelow(odd), []);
  make("uninstall");
  assert.deepEqual(
    fs
      .readdirSync(root, { recursive: true })
      .filter((f) => fs.statSync(path.join(root, f)).isFile() && f.startsWith("usr")),
    []
  );
});
