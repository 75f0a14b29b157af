// The Python package's tests (tests/python), with and without numpy, and its types and example. Its library is that of the
// programs' build.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, capture, tapedeck, temporary, withoutCapture } from "../support/harness.mjs";
import { installed, withoutLibrary } from "../support/python_scripts.mjs";

const skip = withoutCapture("inverse-2021-04-17.jsonl.gz") || withoutLibrary;

/** The first interpreter with numpy, and the first without. */
const found = new Map();
for (const python of ["python3", "/usr/bin/python3"]) {
  const has = spawnSync(python, ["-c", "import numpy"]).status === 0;
  if (!found.has(has)) found.set(has, python);
}
for (const hasNumpy of [false, true]) {
  const python = found.get(hasNumpy) ?? (hasNumpy ? undefined : "python3");
  const missing = python === undefined && "needs numpy (Debian: python3-numpy)";
  const hides = !hasNumpy && !found.has(false); // every interpreter has numpy: hide it
  test(
    `the package's tests pass ${hasNumpy ? "with" : "without"} numpy`,
    { skip: skip || missing },
    (t) => {
      const start = hides ? "import sys; sys.modules['numpy'] = None; " : "import sys; ";
      const out = spawnSync(
        python,
        [
          "-c",
          `${start}import unittest; unittest.main(None, argv=["-", "tests.python.test_tapedeck"])`,
        ],
        {
          encoding: "utf8",
          env: {
            ...process.env,
            PYTHONDONTWRITEBYTECODE: "1",
            TAPEDECK_BIN: BIN,
            TAPEDECK_PYTHON: installed(t),
          },
        }
      );
      assert.equal(out.status, 0, out.stderr);
      assert.match(out.stderr, /^Ran \d\d tests/m);
    }
  );
}

test(
  "the package's types are strict, and match the package",
  { skip: spawnSync("mypy", ["--version"]).status === 0 ? false : "needs mypy (Debian: mypy)" },
  () => {
    const env = {
      ...process.env,
      MYPYPATH: "embed/python",
      PYTHONPATH: "embed/python",
      MYPY_CACHE_DIR: "/dev/null",
    };
    const out = spawnSync(
      "mypy",
      ["--strict", "docs/examples/vwap.py", "embed/python/tapedeck/__init__.pyi"],
      { encoding: "utf8", env }
    );
    assert.equal(out.status, 0, out.stdout + out.stderr);
  }
);

test(
  "the package and its example work in a virtual environment",
  {
    skip:
      skip ||
      (spawnSync("python3", ["-m", "venv", "--help"]).status === 0
        ? false
        : "needs venv (Debian: python3-venv)"),
  },
  async (t) => {
    const dir = temporary(t),
      venv = path.join(dir, "venv"),
      tape = path.join(dir, "tape");
    const variant = path.basename(path.dirname(fs.realpathSync(BIN)));
    execFileSync("python3", ["-m", "venv", "--without-pip", venv], { stdio: "pipe" });
    // The environment's own python3 prints the packages' folder.
    const env = {
      ...process.env,
      MAKEFLAGS: "",
      VARIANT: variant,
      PATH: `${venv}/bin:${process.env.PATH}`,
      PYTHONPATH: "",
    };
    execFileSync("make", ["-s", "install", `PREFIX=${venv}`], { env, stdio: "pipe" });
    await tapedeck(t, [
      "import",
      "-q",
      "-a",
      tape,
      "--format",
      "cryptofeed",
      "--family",
      "inverse",
      capture("inverse-2021-04-17.jsonl.gz"),
    ]);
    const python = (...args) =>
      spawnSync(path.join(venv, "bin/python3"), args, {
        encoding: "utf8",
        env: { ...env, PYTHONDONTWRITEBYTECODE: "1" },
      });
    assert.match(
      python("-c", "import tapedeck; print(tapedeck.__version__, tapedeck.__file__)").stdout,
      new RegExp(`^\\d+\\.\\d+\\.\\d+ ${fs.realpathSync(venv)}/`)
    );
    const out = python("docs/examples/vwap.py", tape, "NONE");
    assert.deepEqual([out.status, out.stdout], [1, ""], out.stderr);
    assert.match(out.stderr, /no such feed, topic or symbol/);
  }
);
