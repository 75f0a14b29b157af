// Verbs that read an archive in an S3 store (Ceph's gateway). Expected: what the same verb answers about the archive's folder.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { cephStore, withoutCeph } from "../support/ceph.mjs";
import { AT_S } from "../support/frames_by_second.mjs";
import { filesBelow, importLines, isManifest, tapedeck } from "../support/harness.mjs";

const skip = withoutCeph;
const dir = fs.mkdtempSync(path.join(fs.realpathSync("/tmp"), "tapedeck-store-"));
const archive = path.join(dir, "tape");
const url = "s3://readers/some=prefix/tape";
const stops = [];
let store;

before(async () => {
  if (!skip) store = await cephStore({ after: (stop) => stops.push(stop) }, dir);
});
after(() => {
  stops.forEach((stop) => stop());
  fs.rmSync(dir, { recursive: true, force: true });
});

/** Random digits, so that chunks do not shrink to nothing. */
let seed = 1;
const random = () => (seed = (seed * 48271) % 2147483647);

/** A session of trades, 50 a second: a segment. */
const record = (t, hour, seconds) =>
  importLines(
    t,
    [
      { t: "header", format: 2, exchange: "TEST" },
      {
        t: "connect",
        conn: "A",
        ts: AT_S + hour * 3600,
        addr: "wss://stream.bybit.com/v5/public/linear",
      },
      ...Array.from({ length: seconds * 50 }, (_, i) => {
        const ms = (AT_S + hour * 3600) * 1000 + i * 20;
        return {
          t: "recv",
          conn: "A",
          ts: ms / 1000,
          data: JSON.stringify({
            topic: "publicTrade.BTCUSDT",
            type: "snapshot",
            ts: ms,
            data: [
              {
                T: ms,
                s: "BTCUSDT",
                S: "Buy",
                v: `${random() % 1000}`,
                p: `${random() % 100000}`,
                i: `${random()}${random()}${random()}`,
                BT: false,
              },
            ],
          }),
        };
      }),
    ],
    { archive, format: "cryptofeed", family: "v5-linear" }
  );

const env = () => ({ ...process.env, ...store.environment });
const answer = (t, args, more = {}) => tapedeck(t, args, { env: env(), ...more });
const at = (hour, s) => new Date((AT_S + hour * 3600 + s) * 1000).toISOString();

test("verbs answer about an archive in a store as about its folder", { skip }, async (t) => {
  await record(t, 0, 300);
  await store.makeBucket("readers");
  await answer(t, ["push", "-q", archive, url]);
  // The journal has several parts.
  for (const hour of [1, 2]) {
    await record(t, hour, 300);
    await answer(t, ["push", "-q", archive, url]);
  }

  await t.test("the same answers", async (t) => {
    const selection = ["--from", at(1, 100), "--to", at(1, 130)];
    for (const args of [
      ["days", "--json"],
      ["replay", "--json"],
      ["gaps", "--json"],
      ["info", "--json"],
      ["verify", "--json"],
      ["cat", ...selection],
      ["cat", "--raw"],
      ["note", "ls", "--json"],
    ]) {
      const words = args[0] === "note" ? 2 : 1;
      const of = async (from) => {
        const line = [...args.slice(0, words), from, ...args.slice(words)];
        const { code, stdout } = await answer(t, line, { status: null });
        const timed = /"(age_ns|elapsed_s|frames_per_s|workers_busy_max)":[^,]*,/g;
        return `${code}\n${stdout.replaceAll(from, "ARCHIVE").replace(timed, "")}`;
      };
      const expected = await of(archive);
      assert.match(expected, /^[01]\n./, args.join(" "));
      assert.equal(await of(url), expected, args.join(" "));
    }
    const diff = await answer(t, ["diff", archive, url]);
    assert.match(diff.stdout, /^the same: 45,000 frames in both\n$/);
  });

  await t.test("the same files of export and cut", async (t) => {
    for (const [name, from] of [
      ["folder", archive],
      ["store", url],
    ]) {
      const out = path.join(dir, `out-${name}`);
      // Status 1: the time between the sessions is missing.
      await answer(t, ["export", from, "--format", "tardis-csv", "--out", out, "-q"], {
        status: 1,
      });
      await answer(t, [
        "cut",
        from,
        "--out",
        `${out}.mcap`,
        "--from",
        at(1, 100),
        "--to",
        at(1, 101),
        "-q",
      ]);
    }
    const [expected, found] = ["folder", "store"].map((name) => path.join(dir, `out-${name}`));
    const files = filesBelow(expected);
    assert.ok(files.length > 1);
    assert.deepEqual(filesBelow(found), files);
    for (const file of files.filter((name) => !isManifest(path.basename(name)))) {
      const [a, b] = [expected, found].map((dir) => fs.readFileSync(path.join(dir, file)));
      assert.ok(a.equals(b), file);
    }
    const frames = async (file) => (await answer(t, ["cat", file, "--raw"])).stdout;
    assert.equal(await frames(`${found}.mcap`), await frames(`${expected}.mcap`));
  });

  await t.test("with a catalog, a selection reads little more than its chunks", async (t) => {
    const catalog = path.join(dir, "catalog.sqlite");
    await answer(t, ["reindex", url, "--catalog", catalog]);
    const { stderr } = await answer(t, [
      ...["cat", url, "--catalog", catalog, "--from", at(1, 100), "--to", at(1, 105), "-v"],
    ]);
    const [, chunks] = stderr.match(/read \d+ chunks? \((\d+) bytes\) of 1 segments/);
    const [, bytes] = stderr.match(/read from '.*' \(manifest 3\): \d+ requests, (\d+) bytes/);
    // More: the list of manifests, the manifest, the journal and a block of the segment.
    assert.ok(bytes <= 1.5 * chunks + 65536, `${bytes} bytes for chunks of ${chunks}`);
  });

  await t.test("what writes, or waits for more, is refused", async (t) => {
    for (const args of [
      ["pack", url],
      ["prune", url, "--older-than", "1h"],
      ["recover", url],
      ["reindex", url],
      ["note", "add", url, "text", "--from", at(0, 0), "--to", at(0, 1)],
      ["merge", archive, url, "--out", "s3://readers/other"],
      ["cat", url, "--follow"],
      ["verify", url, "--since-last"],
    ]) {
      const { code, stderr } = await answer(t, args, { status: null });
      assert.ok([2, 4].includes(code), `${args.join(" ")}: ${code}`);
      assert.match(stderr, /in a store|nothing is appended|which is only read/, args.join(" "));
    }
    const { stderr } = await answer(t, ["days", "s3://readers/nothing"], { status: 4 });
    assert.match(stderr, /no archive was pushed to it/);
    assert.equal(fs.existsSync("s3:"), false);
  });
});
