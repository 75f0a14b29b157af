// node soak.mjs ROUNDS [SEED]: a simulated exchange of two families, and a recorder that is killed ROUNDS times at
// random moments, some of them before it has connected; the catalog is deleted now and then, recover is run now
// and then, all in one archive. At the end everything that was ever announced as durable must be there byte for
// byte, the ledger must have the time between any two sessions, and verify must say that the archive is sound.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { json, run, tapedeck } from "./lib.mjs";
import { checkAnnounced, checkCrashGaps, configFile, deleteCatalog, PATHS, randomNumbers, Recorder, recordAndKill, simulator } from "./live.mjs";

const rounds = Number(process.argv[2]);
const seed = Number(process.argv[3] || Date.now() % 1e9);
assert.ok(Number.isInteger(rounds) && rounds > 0 && Number.isInteger(seed), "usage: soak.mjs ROUNDS [SEED]");

const random = randomNumbers(seed);
const families = Object.keys(PATHS);
const dir = fs.mkdtempSync(path.join(os.tmpdir(), "tapedeck-soak-"));
const archive = path.join(dir, "tape");
const ends = [];
const t = { after: (end) => ends.push(end) }; // what lib.mjs wants of a test
const tried = { kills: 0, early: 0, catalogs: 0, recovers: 0 };
const count = (what) => tried[what]++;

async function soak() {
  const sim = await simulator(t, dir, ["--families", families.join(","), "--symbols", "4", "--rate", "1000", "--seed", String(seed)], { deadlineMs: 24 * 3600_000 });
  const config = configFile(dir, sim, families, "commit_interval: 100ms\n");
  const recorders = [];
  for (let round = 0; round < rounds; round++) {
    const early = random() < 0.25;
    recorders.push(await recordAndKill(t, archive, ["-c", config], { random, early }));
    count("kills");
    if (early) count("early");
    if (random() < 0.3 && fs.existsSync(archive)) {
      deleteCatalog(archive);
      count("catalogs");
    }
    if (random() < 0.2 && fs.existsSync(path.join(archive, "capture"))) {
      await tapedeck(t, ["recover", "-a", archive]);
      count("recovers");
    }
    console.log(`round ${round + 1} of ${rounds}: ${recorders.at(-1).durableLines} durable lines${early ? ", killed early" : ""}`);
  }
  const last = new Recorder(t, archive, ["-c", config]);
  recorders.push(last);
  await last.durableAfter(2 * families.length + 2);
  assert.equal((await last.kill("SIGTERM")).code, 0, last.stderr);
  await sim.program.kill("SIGTERM");

  await tapedeck(t, ["recover", "-a", archive]);
  await tapedeck(t, ["reindex", "-a", archive]);
  const verdict = await json(t, ["verify", "-a", archive, "--json"]);
  let announced = 0;
  let kept = 0;
  let gaps = 0;
  for (const family of families) {
    const got = await checkAnnounced(t, archive, family, sim.truth, recorders);
    announced += got.announced;
    kept += got.kept;
    gaps += await checkCrashGaps(t, archive, family);
  }
  const replay = await run(t, "tapedeck", ["replay", "-a", archive, "--json"], { status: 1 }); // the gaps
  const { continuity, undecoded } = JSON.parse(replay.stdout);
  assert.equal(continuity.violations, 0, JSON.stringify(continuity));
  assert.equal(undecoded, 0);
  console.log(`tried: ${tried.kills} kills (${tried.early} early), ${tried.catalogs} catalogs deleted, ${tried.recovers} recoveries by hand`);
  console.log(`announced durable: ${announced} frames; lost: 0; in the archive: ${kept}; crash gaps: ${gaps}; verify: ${verdict.verdict}`);
}

let status = 0;
try {
  await soak();
  fs.rmSync(dir, { recursive: true });
} catch (error) {
  status = 1;
  console.error(error.stack);
  console.error(`soak: failed; repeat with: tests/e2e/soak BIN_DIR ${rounds} ${seed}; the archive is kept in ${dir}`);
} finally {
  for (const end of ends) end();
}
process.exit(status);
