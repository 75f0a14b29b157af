// docs/examples/read_packed.py, which was written from format/PACK.md alone, unpacks the chunks that each version reads
// (tests/pack/golden; with streams as they are, because Python may lack zstd).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { temporary } from "../support/harness.mjs";

const GOLDEN = "tests/pack/golden";
const names = fs
  .readdirSync(GOLDEN)
  .filter((file) => file.endsWith(".stored"))
  .map((file) => file.slice(0, -".stored".length));

test("there are chunks to read", () => assert.ok(names.length >= 4));

for (const name of names)
  test(`${name}: a reader of the specification gives the same records`, (t) => {
    const out = path.join(temporary(t), "records");
    const packed = path.join(GOLDEN, `${name}.stored`);
    execFileSync("python3", ["docs/examples/read_packed.py", packed, out]);
    assert.ok(fs.readFileSync(out).equals(fs.readFileSync(path.join(GOLDEN, `${name}.records`))));
  });
