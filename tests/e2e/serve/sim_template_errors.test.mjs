// A mistake in a template of the simulated exchange fails the build: a copy of sim/ has a misspelt name of a value.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { BIN, temporary } from "../support/harness.mjs";

const TREE = fileURLToPath(new URL("../../..", import.meta.url));
const BUILT = path.dirname(fs.realpathSync(BIN));

/** A tree with its own copy of sim/; the rest, with the library, links to this tree. */
function copyTree(at) {
  for (const name of fs.readdirSync(TREE)) {
    if (name === "sim") fs.cpSync(path.join(TREE, name), path.join(at, name), { recursive: true });
    else if (!["build", ".git"].includes(name)) fs.symlinkSync(path.join(TREE, name), path.join(at, name));
  }
  fs.mkdirSync(path.join(at, "built"));
  fs.symlinkSync(path.join(BUILT, "libtapedeck.a"), path.join(at, "built/libtapedeck.a"));
  fs.writeFileSync(path.join(at, "built/libraries"), "");
}

test("a template with a misspelt value fails the build", (t) => {
  const at = temporary(t);
  copyTree(at);
  const env = { ...process.env, MAKEFLAGS: "" };
  const make = () => spawnSync("make", ["-s", "-j2", `VARIANT=${path.basename(BUILT)}`, "B=built", "-o", "built/libtapedeck.a", "built/templates"], { cwd: at, env, encoding: "utf8" });
  const file = path.join(at, "sim/rows_usdc.c");
  const text = fs.readFileSync(file, "utf8");
  assert.ok(text.includes("$price:s"));
  fs.writeFileSync(file, text.replace("$price:s", "$pirce:s"));
  for (let i = 0; i < 2; i++) {
    const { status, stderr } = make();
    assert.match(stderr, /^sim: usdc-option, topic 'orderbook25', snapshot: unknown value '\$pirce' \(did you mean '\$price'\?\)$/m);
    assert.match(stderr, /^make(\[\d+\])?: \*\*\* .*built\/templates/m);
    assert.notEqual(status, 0);
  }
  fs.writeFileSync(file, text);
  const { status, stdout, stderr } = make();
  assert.equal(stdout + stderr, "");
  assert.equal(status, 0);
});
