// Instructions of each path that users wait for, compared with the numbers in benchmarks/instructions: they reveal a path that
// became a few per cent slower, which times on a shared machine do not.
//
//   node benchmarks/instructions.mjs BUILD_DIR [--write]
//
// Exit status 1 if a number differs by more than TOLERANCE. The numbers are valid for one compiler, which their file names;
// with another compiler nothing is compared. --write replaces them; the commit should explain why they changed.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { measurePaths } from "./paths.mjs";

const TOLERANCE = 0.03;
const FILE = new URL("instructions", import.meta.url);
const compiler = spawnSync("gcc", ["--version"], { encoding: "utf8" }).stdout.split("\n")[0];

const measured = await measurePaths();
const line = ({ name, count, unit }) => `${name.padEnd(36)} ${String(count).padStart(7)} ${unit}`;
const kept = fs.existsSync(FILE) ? fs.readFileSync(FILE, "utf8").split("\n") : [];
const ofLimit = ({ count, least }) =>
  least === undefined ? "" : `, limit ${least} (${(least / count).toFixed(2)})`;
if (process.argv[3] === "--write") {
  const head = [
    "# Instructions of each path, all threads: callgrind over what benchmarks/instructions.mjs runs.",
    "# `make check-instructions` compares with these numbers, `make instructions-update` writes them.",
    `# ${compiler}`,
  ];
  fs.writeFileSync(FILE, [...head, ...measured.map(line)].join("\n") + "\n");
  for (const path of measured) console.log(line(path) + ofLimit(path));
} else {
  const isSame = kept.includes(`# ${compiler}`);
  let failed = false;
  for (const path of measured) {
    const before = Number(
      kept
        .find((text) => text.startsWith(path.name.padEnd(37)))
        ?.slice(37)
        .trim()
        .split(" ")[0]
    );
    const change = path.count / before - 1;
    const isOff = !(Math.abs(change) <= TOLERANCE);
    failed ||= isSame && isOff;
    console.log(
      `${line(path)}, kept ${before}, ${change >= 0 ? "+" : ""}${(100 * change).toFixed(1)} %` +
        `${ofLimit(path)}${isOff ? "  OFF" : ""}`
    );
  }
  if (failed)
    console.log(
      "instructions: mend the path that is OFF, or run `make instructions-update` in a commit that says why"
    );
  if (!isSame) console.log(`not compared: the numbers are not of ${compiler}`);
  process.exit(failed ? 1 : 0);
}
