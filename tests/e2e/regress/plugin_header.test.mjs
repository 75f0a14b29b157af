// The header for users' decoders compiles by itself, in the oldest C and C++ that it supports, without a warning.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const STRICT = [
  "-pedantic",
  "-Wall",
  "-Wextra",
  "-Wconversion",
  "-Wshadow",
  "-Werror",
  "-fsyntax-only",
];
const LANGUAGES = [
  ["gcc", "-std=c11", "-x", "c"],
  ["gcc", "-std=c17", "-x", "c"],
  ["g++", "-std=c++17", "-x", "c++"],
];

for (const [compiler, ...flags] of LANGUAGES)
  test(`tapedeck/plugin.h compiles by itself: ${flags[0]}`, () => {
    const out = spawnSync(compiler, [...STRICT, ...flags, "embed/include/tapedeck/plugin.h"], {
      encoding: "utf8",
    });
    assert.deepEqual([out.error, out.stderr, out.status], [undefined, "", 0]);
  });
