// docs/examples/read_packed.py, which was written from format/PACK.md alone, unpacks the chunks that each version reads
// (tests/pack/golden; with streams as they are, because Python may lack zstd).
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { json, tapedeck, temporary } from "../support/harness.mjs";

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

// Packed by the first version that could, of each level. Expected: the recorded segment, before it was packed.
for (const level of ["fast", "best"])
  test(`a segment that was packed at level ${level} is read for ever`, async (t) => {
    const file = `tests/archive/golden/${level}.mcap`;
    const replay = await json(t, ["replay", file, "--json"]);
    assert.deepEqual([replay.frames, replay.verdict], [301, "complete"]);
    assert.deepEqual(replay.digest, {
      frames: "78b9ee25ff9e5bac605d30ca68972a3a",
      payload: "f45ad9968659fabab7936408edd9c94d",
      messages: "a8b4664f772b9f974ab75e164e2e11f1",
      books: "7a4aa31c128b24ebd972e2eaf17a3fd6",
    });
    const { stdout } = await tapedeck(t, ["cat", file, "--dir", "all", "--events"]);
    assert.equal(
      crypto.createHash("sha256").update(stdout).digest("hex"),
      "2729bc74c23fbf2b662d8c5c03a92ec4e8d51c38e29c429cf5eaadb0add30f2c"
    );
    assert.equal((await json(t, ["verify", file, "--json"])).verdict, "sound");
  });
