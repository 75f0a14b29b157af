// A session that was killed between renaming its last segment and the journal's entry for it, or that could not write the entry:
// no verb reports it as complete before recovery, and recover lists the gap that it writes.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { capture, json, run, tapedeck, temporary, withoutCapture } from "../support/harness.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const RECORD_HEAD_BYTES = 1 + 8 + 4; // opcode, length, length of the name

/** Cut the journal before its first entry of this act. */
function cutBefore(archive, act) {
  const file = path.join(archive, "journal.mcap.open"),
    at = fs.readFileSync(file).indexOf(act);
  assert.ok(at > 0);
  fs.truncateSync(file, at - RECORD_HEAD_BYTES);
}

for (const act of ["segment_finished", "session_stop"])
  test(
    `no verb reports a session without the entry ${act} as complete`,
    { skip: withoutCapture(INVERSE) },
    async (t) => {
      const archive = path.join(temporary(t), "tape");
      await tapedeck(t, [
        "import",
        "-q",
        "-a",
        archive,
        "--format",
        "cryptofeed",
        "--family",
        "inverse",
        capture(INVERSE),
      ]);
      assert.deepEqual((await json(t, ["gaps", archive, "--json"])).gaps, []);
      const last = (await json(t, ["gaps", archive, "--json"])).last_ns;
      cutBefore(archive, act);

      const { gaps } = await json(t, ["gaps", archive, "--json"], { status: 1 });
      assert.deepEqual(
        gaps.map(({ reason, from_ns, to_ns }) => [reason, from_ns, to_ns]),
        [["crash", last, null]]
      );
      const { stdout: days } = await run(t, "tapedeck", ["days", archive], { status: null });
      assert.match(days, / crash /);
      assert.match(days, /^0 of \d+ symbol-days are clean$/m);
      assert.match(
        (await run(t, "tapedeck", ["replay", archive], { status: 1 })).stdout,
        /Complete: no, 1 gap not covered/
      );
      assert.match((await run(t, "tapedeck", ["info", archive], { status: null })).stdout, /1 gap/);
      assert.equal(
        (await json(t, ["verify", archive, "--json"], { status: null })).verdict,
        "recoverable"
      );

      const written = await json(t, ["recover", archive, "--json"]);
      assert.deepEqual([written.sessions_crashed, written.gaps.length], [1, 1]);
      const after = await json(t, ["gaps", archive, "--json"], { status: 1 });
      assert.deepEqual(
        after.gaps.map((gap) => ({ ...gap, detail: null })),
        gaps.map((gap) => ({ ...gap, detail: null }))
      );
      assert.deepEqual(written.gaps, after.gaps);
      assert.match((await tapedeck(t, ["recover", archive])).stdout, /nothing to recover/);
    }
  );
