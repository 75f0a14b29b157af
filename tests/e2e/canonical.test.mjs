// The canonical form of messages by a second implementation (canonical.mjs, written from docs/regress.md).
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { vectors } from "./canonical_vectors.mjs";

test("the vectors are those that the second implementation makes", () => {
  assert.equal(fs.readFileSync("tests/schema/canonical_vectors.json", "utf8"), vectors());
});
