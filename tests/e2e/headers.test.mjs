// The headers for shared objects of users compile by themselves, in the oldest C and C++ that they promise, without a
// warning; and the two have the same names for the same things.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";

const HEADERS = { decoder: "include/tapedeck/decoder.h", sink: "include/tapedeck/plugin.h" };
const STRICT = ["-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-fsyntax-only"];
const LANGUAGES = [["gcc", "-std=c11", "-x", "c"], ["gcc", "-std=c17", "-x", "c"], ["g++", "-std=c++17", "-x", "c++"]];

for (const [name, file] of Object.entries(HEADERS))
  test(`tapedeck/${name}.h compiles by itself in C and C++`, () => {
    for (const [compiler, ...flags] of LANGUAGES) {
      const out = spawnSync(compiler, [...STRICT, ...flags, file], { encoding: "utf8" });
      assert.deepEqual([out.error, out.stderr, out.status], [undefined, "", 0], flags.join(" "));
    }
  });

test("both say alike how open fails, and which members the program has", () => {
  const common = Object.entries(HEADERS).map(([name, file]) => {
    const text = fs.readFileSync(file, "utf8").replaceAll(`tapedeck_${name}`, "X").replaceAll(`TAPEDECK_${name.toUpperCase()}`, "X");
    const part = (pattern) => pattern.exec(text)?.[1];
    return {
      abi: part(/#define (X_ABI \d+u)/),
      has: part(/#define (X_HAS\(pointer, type, member\)[^#/]*)/)?.replaceAll(/[\s\\]+/g, " "),
      go: part(/\b(X_GO = \d+)/),
      fail: part(/\b(X_FAIL = \d+)/),
      host: part(/struct X_host \{\n([^]*?)\n\n/),
      hostFail: part(/(int \(\*fail\)\(const X_host \*host, [^;]*;)/),
      open: part(/(int \(\*open\)\(const X_host \*host,)/),
    };
  });
  assert.ok(Object.values(common[0]).every((part) => part !== undefined), JSON.stringify(common[0]));
  assert.deepEqual(common[0], common[1]);
});
