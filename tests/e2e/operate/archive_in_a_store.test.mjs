// Verbs that read an archive in an S3 store (Ceph's gateway). Expected: what the same verb answers about the archive's folder.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileStore, withoutCeph } from "../support/ceph.mjs";
import { AT_S } from "../support/frames_by_second.mjs";
import { filesBelow, importLines, isManifest, Program, tapedeck } from "../support/harness.mjs";

const skip = withoutCeph;
const store = fileStore("store");
const { dir } = store;
const archive = path.join(dir, "tape");
const url = "s3://readers/some=prefix/tape";

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

// A machine that never saw the archive has an empty cache.
let cache = path.join(dir, "cache");
const env = () => store.env({ XDG_CACHE_HOME: cache });
const answer = (t, args, more = {}) => tapedeck(t, args, { env: env(), ...more });

/** Runs a command with -v. Returns its output, and what it read from the store, by the log. */
async function traffic(t, args, more = {}) {
  const { stdout, stderr } = await answer(t, [...args, "-v"], more);
  const names = ["manifest", "journal", "catalog", "segments"];
  const words = names.map((name) => `${name} (?<${name}>\\d+)`).join(", ");
  const line = new RegExp(
    `read from '.*' \\(manifest \\d+\\): (?<requests>\\d+) requests, (?<bytes>\\d+) bytes: ${words}; ` +
      "from the cache (?<cached>\\d+)"
  );
  const numbers = Object.entries(stderr.match(line).groups).map(([name, n]) => [name, Number(n)]);
  const chunks = Number(stderr.match(/read \d+ chunks? \((\d+) bytes\)/)?.[1]);
  return { stdout, stderr, chunks, ...Object.fromEntries(numbers) };
}

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

  // Two threads may read the same block, of which both count.
  const selection = ["cat", url, "--from", at(1, 100), "--to", at(1, 105), "-j", "1"];

  await t.test("a selection reads little more than its chunks", async (t) => {
    cache = path.join(dir, "cache-of-a-selection");
    const first = await traffic(t, selection);
    assert.ok(
      first.catalog + first.segments <= 1.5 * first.chunks,
      `catalog ${first.catalog}, segments ${first.segments} for chunks of ${first.chunks}`
    );
    assert.equal(first.bytes, first.manifest + first.journal + first.catalog + first.segments);
    assert.ok(first.manifest < 4096 && first.journal < 16384);
    assert.doesNotMatch(first.stderr, /without the catalog/);
    // A catalog that is given is used in place of the store's.
    const given = path.join(dir, "catalog.sqlite");
    await answer(t, ["reindex", url, "--catalog", given]);
    const second = await traffic(t, [...selection, "--catalog", given]);
    assert.equal(second.catalog, 0);
    assert.equal(second.stdout, first.stdout);
  });

  await t.test("the next command takes what it can from this machine's cache", async (t) => {
    cache = path.join(dir, "cache-of-two");
    const files = path.join(cache, "tapedeck");
    const first = await traffic(t, selection);
    const second = await traffic(t, selection);
    assert.equal(second.stdout, first.stdout);
    assert.deepEqual(
      [second.requests, second.bytes, second.cached],
      [2, first.manifest, first.bytes - first.manifest]
    );
    for (const name of fs.readdirSync(files)) {
      const bytes = fs.readFileSync(path.join(files, name));
      bytes[bytes.length >> 1] ^= 1;
      fs.writeFileSync(path.join(files, name), bytes);
    }
    const damaged = await traffic(t, selection);
    assert.equal(damaged.stdout, first.stdout);
    assert.deepEqual([damaged.requests, damaged.cached], [first.requests, 0]);
    // A folder that cannot be used is no error.
    cache = path.join(files, fs.readdirSync(files)[0]);
    const without = await traffic(t, selection);
    assert.equal(without.stdout, first.stdout);
    assert.match(without.stderr, /no cache on disk: /);
  });

  await t.test("verify proves the store, not this machine's cache", async (t) => {
    cache = path.join(dir, "cache-of-verify");
    await answer(t, ["cat", "--raw", url]);
    const { bytes, cached } = await traffic(t, ["verify", url]);
    assert.equal(cached, 0);
    const size = (file) => fs.statSync(path.join(archive, file)).size;
    const all = filesBelow(archive).filter((file) => /\.mcap$|\.sqlite$/.test(file));
    const there = all.reduce((sum, file) => sum + size(file), 0);
    assert.ok(bytes >= there && bytes <= 1.2 * there, `${bytes} of ${there}`);
  });

  await t.test("readers that are killed leave a sound cache", async (t) => {
    cache = path.join(dir, "cache-of-the-killed");
    const files = path.join(cache, "tapedeck");
    const all = ["cat", "--raw", url];
    const count = () => (fs.existsSync(files) ? fs.readdirSync(files).length : 0);
    for (let kills = 0; kills < 3; kills++) {
      const before = count();
      const program = new Program(t, "tapedeck", all, { env: env(), out: "ignore" });
      while (count() === before && program.child.exitCode === null)
        await new Promise((resolve) => setImmediate(resolve));
      await program.kill("SIGKILL");
    }
    const { stdout } = await answer(t, all);
    assert.equal(stdout, (await answer(t, ["cat", "--raw", archive])).stdout);
  });

  await t.test("without a catalog in the store the answers are the same", async (t) => {
    const copy = path.join(dir, "without-a-catalog");
    fs.cpSync(archive, copy, { recursive: true });
    fs.rmSync(path.join(copy, "catalog.sqlite"));
    const other = "s3://readers/without";
    const report = JSON.parse((await answer(t, ["push", copy, other, "--json"])).stdout);
    assert.deepEqual(
      [report.catalog_bytes, report.segments_not_cataloged, report.segments],
      [0, 3, 3]
    );
    const text = (await answer(t, ["push", copy, other])).stdout;
    assert.match(text, /not in the store's catalog: 3 segments; run 'tapedeck reindex'/);
    const expected = (await answer(t, selection)).stdout;
    assert.equal(
      (
        await answer(
          t,
          selection.map((word) => (word === url ? other : word))
        )
      ).stdout,
      expected
    );
    await answer(t, ["reindex", copy]);
    const again = JSON.parse((await answer(t, ["push", copy, other, "--json"])).stdout);
    assert.deepEqual([again.manifest, again.segments_not_cataloged], [2, 0]);
    assert.ok(again.catalog_bytes > 0 && again.bytes_sent >= again.catalog_bytes);
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
