// `tapedeck push` to Ceph's gateway: what is there afterwards is read by signed requests of the test, and compared with the
// archive's files by SHA-256.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { fileStore, withoutCeph } from "../support/ceph.mjs";
import { importDay as record } from "../support/frames_by_second.mjs";
import { json, Program, segments, tapedeck, temporary } from "../support/harness.mjs";

const skip = withoutCeph;
const skipSqlite =
  skip || (spawnSync("sqlite3", ["--version"]).status === 0 ? false : "needs the program sqlite3");
const store = fileStore("push");

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const push = (t, archive, url, more = {}) =>
  json(t, ["push", archive, url, "--json"], { env: store.env(), ...more });
const refused = async (t, archive, url, status = 4) =>
  (await tapedeck(t, ["push", archive, url], { env: store.env(), status })).stderr;

const get = async (bucket, key) => {
  const reply = await store.request("GET", `/${bucket}/${key}`);
  assert.equal(reply.status, 200, key);
  return Buffer.from(await reply.arrayBuffer());
};

/** The keys of a bucket below a prefix. */
async function keys(bucket, prefix) {
  const reply = await store.request("GET", `/${bucket}`, {
    query: { "list-type": "2", prefix, "max-keys": "1000" },
  });
  const text = await reply.text();
  assert.match(text, /<IsTruncated>false/);
  return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key.slice(prefix.length));
}

const manifest = async (bucket, prefix, number) =>
  JSON.parse(await get(bucket, `${prefix}manifests/${String(number).padStart(10, "0")}.json`));

/** Compares what a manifest lists with the archive's files, by the objects' bytes. */
async function assertPushed(archive, bucket, prefix, number) {
  const { version, files } = await manifest(bucket, prefix, number);
  assert.equal(version, 1);
  assert.deepEqual(
    files.map((file) => file.path),
    [...segments(archive), "catalog.sqlite", "journal.mcap.open"]
  );
  for (const file of files) {
    const parts = await Promise.all(
      file.parts.map(async (part) => {
        const bytes = await get(bucket, `${prefix}objects/${part.sha256}`);
        assert.deepEqual([sha256(bytes), bytes.length], [part.sha256, part.bytes]);
        return bytes;
      })
    );
    const there = Buffer.concat(parts);
    const here = fs.readFileSync(path.join(archive, file.path));
    if (file.path !== "catalog.sqlite") assert.ok(there.equals(here), file.path);
    // The copy of a database has its own counters in its first page.
    else assert.ok(there.subarray(4096).equals(here.subarray(4096)), file.path);
  }
}

test(
  "push copies segments and the journal, once, and what is new the next time",
  { skip },
  async (t) => {
    const bucket = await store.makeBucket("new");
    const archive = path.join(temporary(t), "tape");
    await record(t, archive, 0);
    await record(t, archive, 1);
    const first = await push(t, archive, "s3://new/desk/a");
    assert.deepEqual(
      [first.manifest, first.is_new, first.segments, first.segments_sent, first.segments_open],
      [1, true, 2, 2, 0]
    );
    await assertPushed(archive, bucket, "desk/a/", 1);
    const same = await push(t, archive, "s3://new/desk/a");
    assert.deepEqual([same.manifest, same.is_new, same.bytes_sent], [1, false, 0]);
    assert.deepEqual(await keys(bucket, "desk/a/manifests/"), ["0000000001.json"]);
    await record(t, archive, 2);
    const second = await push(t, archive, "s3://new/desk/a");
    assert.deepEqual([second.manifest, second.segments, second.segments_sent], [2, 3, 1]);
    await assertPushed(archive, bucket, "desk/a/", 2);
    await tapedeck(t, ["pack", "-q", archive, "--older", "0s"]);
    const packed = await push(t, archive, "s3://new/desk/a");
    assert.deepEqual([packed.manifest, packed.segments, packed.segments_sent], [3, 3, 3]);
    await assertPushed(archive, bucket, "desk/a/", 3);
  }
);

/** Makes an archive's catalog some megabytes large. */
const enlarge = (archive) =>
  execFileSync("sqlite3", [
    path.join(archive, "catalog.sqlite"),
    "CREATE TABLE padding (bytes BLOB); INSERT INTO padding VALUES (randomblob(3000000));",
  ]);

test("of the catalog, a push sends the parts that changed", { skip: skipSqlite }, async (t) => {
  const bucket = await store.makeBucket("parts");
  const archive = path.join(temporary(t), "tape");
  const parts = async (number) =>
    (await manifest(bucket, "p/", number)).files.find((file) => file.path === "catalog.sqlite")
      .parts;
  await record(t, archive, 0);
  enlarge(archive);
  const first = await push(t, archive, "s3://parts/p");
  assert.ok(first.catalog_bytes > 3e6);
  assert.equal(first.segments_not_cataloged, 0);
  await record(t, archive, 1);
  const second = await push(t, archive, "s3://parts/p");
  assert.ok(second.bytes_sent < 1e6, `${second.bytes_sent} bytes`);
  assert.equal(second.segments_not_cataloged, 0);
  await assertPushed(archive, bucket, "p/", 2);
  const [old, now] = [await parts(1), await parts(2)];
  assert.ok(old.length > 10);
  const changed = now.filter((part, i) => part.sha256 !== old[i]?.sha256);
  assert.ok(changed.length >= 1 && changed.length <= 4, `${changed.length} parts`);
  // A push beside a program that holds the catalog, or with a damaged one, succeeds.
  fs.truncateSync(path.join(archive, "catalog.sqlite"), 100);
  const third = await push(t, archive, "s3://parts/p");
  assert.deepEqual([third.manifest, third.catalog_bytes, third.segments_not_cataloged], [3, 0, 2]);
});

test("a prefix belongs to one archive", { skip }, async (t) => {
  await store.makeBucket("one");
  const archive = path.join(temporary(t), "tape"),
    other = path.join(temporary(t), "tape"),
    older = path.join(temporary(t), "tape");
  await record(t, archive, 0);
  fs.cpSync(archive, older, { recursive: true });
  await record(t, archive, 1);
  await record(t, other, 0);
  await push(t, archive, "s3://one/x");
  for (const wrong of [other, older])
    assert.match(await refused(t, wrong, "s3://one/x", 2), /the store has another archive there/);
  await assertPushed(archive, "one", "x/", 1);
});

test("errors name the remedy, and no secret", { skip }, async (t) => {
  const archive = path.join(temporary(t), "tape");
  await record(t, archive, 0);
  assert.match(await refused(t, archive, "s3://absent/x"), /NoSuchBucket[^]*hint: make the bucket/);
  const wrong = { ...store.env(), AWS_SECRET_ACCESS_KEY: "not-the-secret" };
  const { stderr } = await tapedeck(t, ["push", archive, "s3://absent/x"], {
    env: wrong,
    status: 4,
  });
  assert.match(stderr, /SignatureDoesNotMatch[^]*hint: check AWS_SECRET_ACCESS_KEY/);
  assert.ok(!stderr.includes("not-the-secret") && !stderr.includes("testsecret"));
  assert.match(await refused(t, archive, "tape/x", 2), /does not begin with s3:\/\//);
});

/** Kill the push or the store's gateway at some moment, KILLS times in all (`make soak`: 200), while the archive grows. */
const KILLS = Number(process.env.TAPEDECK_PUSH_KILLS ?? 6);
test(
  "whenever a push or the gateway is killed, the next push completes the copy",
  { skip },
  async (t) => {
    const bucket = await store.makeBucket("killed");
    const archive = path.join(temporary(t), "tape");
    const args = ["push", "-v", archive, "s3://killed/k"];
    for (let kills = 0; kills < KILLS; kills++) {
      await record(t, archive, kills);
      const program = new Program(t, "tapedeck", args, { env: store.env() });
      // The log has a line for each request: six of a push that sends a segment.
      const lines = `(store: (GET|PUT)[^]*){${1 + (kills % 7)}}`;
      const reached = await program.prints(new RegExp(lines)).catch(() => null);
      if (kills % 4 === 3) {
        store.killGateway();
        await store.startGateway();
        const { code, stderr } = await program.ended;
        assert.equal(code, 0, stderr);
      } else if (reached !== null) {
        await program.kill("SIGKILL");
      }
    }
    const report = await push(t, archive, "s3://killed/k");
    assert.equal(report.segments, KILLS);
    await assertPushed(archive, bucket, "k/", report.manifest);
    const objects = await keys(bucket, "k/objects/");
    for (const key of objects) assert.equal(sha256(await get(bucket, `k/objects/${key}`)), key);
  }
);

test(
  "of two pushes at once each ends with the whole archive in the store, or ends with the reason",
  { skip },
  async (t) => {
    const bucket = await store.makeBucket("race");
    const archive = path.join(temporary(t), "tape");
    for (let day = 0; day < 4; day++) await record(t, archive, day);
    const runs = await Promise.all(
      [0, 1, 2].map(() =>
        tapedeck(t, ["push", archive, "s3://race/r"], { env: store.env(), status: null })
      )
    );
    assert.ok(runs.some(({ code }) => code === 0));
    for (const { code, stderr } of runs)
      if (code !== 0) assert.match(stderr, /another push made manifests/);
    assert.deepEqual(await keys(bucket, "r/manifests/"), ["0000000001.json"]);
    await assertPushed(archive, bucket, "r/", 1);
  }
);

/** A store without conditions, signatures and pages: objects by path. */
async function plainStore(t) {
  const objects = new Map();
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url, "http://store"),
      body = Buffer.concat(await request.toArray());
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const found = objects.get(url.pathname);
    response.setHeader("etag", '"1"');
    if (request.method === "PUT") objects.set(url.pathname, body);
    else if (url.searchParams.has("list-type"))
      return response.end("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
    else if (found === undefined) return response.writeHead(404).end();
    else {
      const piece = found.subarray(Number(from), Number(to) + 1),
        range = `bytes ${from}-${Number(from) + piece.length - 1}/${found.length}`;
      return response.writeHead(206, { "content-range": range }).end(piece);
    }
    response.end();
  });
  t.after(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { objects, url: `http://127.0.0.1:${server.address().port}` };
}

test("a store that replaces objects is refused", async (t) => {
  const { objects, url } = await plainStore(t);
  const archive = path.join(temporary(t), "tape");
  await record(t, archive, 0);
  const variables = {
    ...{ AWS_ENDPOINT_URL: url, AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" },
  };
  const { stderr } = await tapedeck(t, ["push", archive, "s3://plain/x"], {
    env: { ...process.env, ...variables },
    status: 4,
  });
  assert.match(stderr, /the store replaces objects that exist[^]*hint: .*If-None-Match/);
  assert.equal([...objects.keys()].filter((key) => key.includes("/objects/")).length, 3);
});
