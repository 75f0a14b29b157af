// The package for Python (tests/python), with every interpreter here that differs in having numpy. Its library is the release
// build's.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, withoutCapture } from "./lib.mjs";

const isRelease = fs.realpathSync(BIN).endsWith(path.join("build", "release", "bin"));
const skip = withoutCapture("inverse-2021-04-17.jsonl.gz") || (isRelease ? false : "reads with the release build's library only");

/** Interpreters by whether they have numpy: the first of each kind. */
const found = new Map();
for (const python of ["python3", "/usr/bin/python3"]) {
  const has = spawnSync(python, ["-c", "import numpy"]).status === 0;
  if (!found.has(has)) found.set(has, python);
}
for (const hasNumpy of [false, true]) {
  const python = found.get(hasNumpy) ?? (hasNumpy ? undefined : "python3");
  const missing = python === undefined && "needs numpy (Debian: python3-numpy)";
  const hides = !hasNumpy && !found.has(false); // numpy is everywhere: look away from it
  test(`archives in Python ${hasNumpy ? "with" : "without"} numpy`, { skip: skip || missing }, () => {
    const start = hides ? "import sys; sys.modules['numpy'] = None; " : "import sys; ";
    const out = spawnSync(python, ["-c", `${start}import unittest; unittest.main(None, argv=["-", "tests.python.test_tapedeck"])`],
      { encoding: "utf8", env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", TAPEDECK_BIN: BIN } });
    assert.equal(out.status, 0, out.stderr);
    assert.match(out.stderr, /^Ran \d\d tests/m);
  });
}
