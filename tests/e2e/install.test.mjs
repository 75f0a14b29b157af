// What `make install` leaves behind works from there: programs run, and a program of somebody's own links the
// library by its headers and pkg-config file alone. Expected prices: the known end of the inverse capture.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, inboundFrames, temporary, withoutCapture } from "./lib.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const isRelease = fs.realpathSync(BIN).endsWith(path.join("build", "release", "bin"));
const skip = withoutCapture(INVERSE) || (isRelease ? false : "installs the release build only");

test("installed, linked, uninstalled", { skip }, (t) => {
  const root = temporary(t);
  const make = (target) => execFileSync("make", ["-s", target, `DESTDIR=${root}`, "PREFIX=/usr"], { stdio: "pipe" });
  make("install");
  const usr = path.join(root, "usr");
  assert.match(execFileSync(path.join(usr, "bin/tapedeck"), ["--version"], { encoding: "utf8" }), /\d+\.\d+/);
  assert.ok(fs.existsSync(path.join(usr, "share/man/man1/tapedeck-record.1")));
  const pc = fs.readFileSync(path.join(usr, "lib/pkgconfig/tapedeck.pc"), "utf8").replaceAll("${prefix}", usr);
  const field = (name) => new RegExp(`^${name}: (.*)$`, "m").exec(pc)[1].split(" ");
  const program = path.join(root, "best_price");
  execFileSync("cc", ["docs/examples/best_price.c", ...field("Cflags"), ...field("Libs"), "-o", program], { stdio: "pipe" });
  const frames = inboundFrames(INVERSE).map((f) => f.text).filter((f) => f.includes('"orderBookL2_25.BTCUSD"') && f.startsWith('{"topic'));
  const out = spawnSync(program, ["inverse"], { input: frames.join("\n") + "\n", encoding: "utf8" });
  assert.equal(out.stderr, "");
  const lines = out.stdout.trimEnd().split("\n");
  assert.equal(lines.length, 507);
  assert.equal(lines.at(-1), "60622.5 60623");
  make("uninstall");
  assert.deepEqual(fs.readdirSync(root, { recursive: true }).filter((f) => fs.statSync(path.join(root, f)).isFile() && f.startsWith("usr")), []);
});
