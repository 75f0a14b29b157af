// `tapedeck pull` from Ceph's gateway. Expected: the bytes of the archive that was pushed.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileStore, withoutCeph } from "../support/ceph.mjs";
import { importDay } from "../support/frames_by_second.mjs";
import { filesBelow, json, Program, segments, tapedeck, temporary } from "../support/harness.mjs";

const skip = withoutCeph;
const store = fileStore("pull");

const answer = (t, args, status = 0) => tapedeck(t, args, { env: store.env(), status });
const pull = (t, url, copy) => json(t, ["pull", url, copy, "--json"], { env: store.env() });

/** An archive of some days in the store, and a place for its copy. */
async function pushed(t, bucket, days) {
  const archive = path.join(temporary(t), "tape"),
    copy = path.join(temporary(t), "copy"),
    url = `s3://${bucket}/x`;
  await store.makeBucket(bucket);
  for (let day = 0; day < days; day++) await importDay(t, archive, day);
  await answer(t, ["push", "-q", archive, url]);
  return { archive, copy, url };
}

const JOURNAL = "journal.mcap.open";

/** Compares segments and journals, byte for byte; extra: segments that only the copy has. */
async function assertSame(t, archive, copy, extra = []) {
  assert.deepEqual(segments(copy), [...segments(archive), ...extra].sort());
  for (const file of [...segments(archive), JOURNAL]) {
    const [a, b] = [archive, copy].map((from) => fs.readFileSync(path.join(from, file)));
    assert.ok(a.equals(b), file);
  }
  assert.match((await answer(t, ["verify", copy])).stdout, /: sound\n/);
}

test("a pull copies an archive once, and then what is new", { skip }, async (t) => {
  const { archive, copy, url } = await pushed(t, "new", 2);
  const first = await pull(t, url, copy);
  assert.deepEqual(
    [first.manifest, first.segments, first.segments_received, first.bytes_received],
    [1, 2, 2, first.bytes]
  );
  await assertSame(t, archive, copy);
  assert.match((await answer(t, ["diff", archive, copy])).stdout, /^the same: 400 frames in both/);
  assert.match((await answer(t, ["pull", url, copy])).stdout, /^nothing to pull: .*2 segments/);

  await importDay(t, archive, 2);
  await answer(t, ["push", "-q", archive, url]);
  const second = await pull(t, url, copy);
  assert.deepEqual([second.segments, second.segments_received], [3, 1]);
  await assertSame(t, archive, copy);

  await tapedeck(t, ["pack", "-q", archive, "--older", "0s"]);
  const [oldest] = segments(archive);
  await tapedeck(t, ["prune", "-q", archive, "--older-than", "30h"]);
  await answer(t, ["push", "-q", archive, url]);
  const third = await answer(t, ["pull", url, copy]);
  assert.match(third.stdout, /not in the store's newest manifest, and kept: 1 segment\n/);
  assert.equal(fs.statSync(path.join(copy, segments(archive)[0])).mode & 0o777, 0o600);
  await assertSame(t, archive, copy, [oldest]);
});

test("a folder belongs to one archive", { skip }, async (t) => {
  const { archive, copy, url } = await pushed(t, "one", 1);
  await importDay(t, copy, 0);
  const content = () =>
    filesBelow(copy).map((file) => [file, fs.readFileSync(path.join(copy, file), "hex")]);
  const before = content();
  const { stderr } = await answer(t, ["pull", url, copy], 2);
  assert.match(stderr, /has another archive, or a later state[^]*hint: pull to another folder/);
  assert.deepEqual(content(), before);
  // The archive itself, after a session that was not pushed.
  await importDay(t, archive, 1);
  await answer(t, ["pull", url, archive], 2);
  const absent = path.join(temporary(t), "copy");
  assert.match(
    (await answer(t, ["pull", "s3://one/y", absent], 4)).stderr,
    /no archive was pushed/
  );
  assert.equal(fs.existsSync(absent), false);
});

test("a copy whose pull was killed shows what is missing", { skip }, async (t) => {
  const { archive, copy, url } = await pushed(t, "killed", 12);
  const has = () => (fs.existsSync(copy) ? filesBelow(copy).length : 0);
  let partial = 0;
  for (let kills = 0; kills < 5; kills++) {
    const begun = has();
    const program = new Program(t, "tapedeck", ["pull", url, copy], { env: store.env() });
    while (has() <= begun && program.child.exitCode === null)
      await new Promise((resolve) => setImmediate(resolve));
    await program.kill("SIGKILL");
    if (!fs.existsSync(path.join(copy, JOURNAL)) || segments(copy).length === 12) continue;
    partial++;
    const verified = await answer(t, ["verify", copy], 3);
    assert.match(verified.stdout, /the journal lists this segment, but it is missing/);
    const gaps = await answer(t, ["gaps", copy], null);
    assert.ok(gaps.code !== 0 && gaps.stdout.includes("corrupt"), gaps.stdout);
  }
  assert.ok(partial > 0);
  await pull(t, url, copy);
  await assertSame(t, archive, copy);
});
