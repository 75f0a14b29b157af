// `tapedeck prune s3://…` in Ceph's gateway, behind a proxy that shows older times. Expected: the objects that the manifests
// list which are to stay, no other ones; and an archive in the store that verify finds sound.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { agedStore } from "../support/aged_store.mjs";
import { fileStore, withoutCeph } from "../support/ceph.mjs";
import { importDay } from "../support/frames_by_second.mjs";
import { json, Program, tapedeck, temporary } from "../support/harness.mjs";

const skip = withoutCeph;
const store = fileStore("prune", { begin: async () => (aged = await agedStore(store, store.url)) });
let aged;

const env = () => store.env({ AWS_ENDPOINT_URL: aged.url });
const answer = (t, args, status = 0) => tapedeck(t, args, { env: env(), status });
const prune = (t, url, ...more) =>
  json(t, ["prune", url, "--older-than", "30d", "--json", ...more], { env: env() });

/** The names below a prefix of a bucket: { objects, manifests }. */
async function names(bucket) {
  const reply = await store.request("GET", `/${bucket}`, { query: { "list-type": "2" } });
  const keys = [...(await reply.text()).matchAll(/<Key>x\/([^<]*)<\/Key>/g)].map(([, key]) => key);
  const below = (folder) =>
    keys.filter((key) => key.startsWith(folder)).map((key) => key.slice(folder.length));
  return { keys, objects: below("objects/"), manifests: below("manifests/").map(parseFloat) };
}

/** The objects that manifests list, sorted. */
async function listed(bucket, numbers) {
  const hashes = await Promise.all(
    numbers.map(async (number) => {
      const key = `x/manifests/${String(number).padStart(10, "0")}.json`;
      const { files } = await (await store.request("GET", `/${bucket}/${key}`)).json();
      return files.flatMap((file) => file.parts.map((part) => part.sha256));
    })
  );
  return [...new Set(hashes.flat())].sort();
}

/** An archive of three days, pushed as it was recorded and packed 40 days ago, and pruned now. */
async function pushThreeStates(t, bucket) {
  const archive = path.join(temporary(t), "tape"),
    url = `s3://${bucket}/x`;
  await store.makeBucket(bucket);
  for (let day = 0; day < 3; day++) await importDay(t, archive, day);
  await answer(t, ["push", "-q", archive, url]);
  await tapedeck(t, ["pack", "-q", archive, "--older", "0s"]);
  await answer(t, ["push", "-q", archive, url]);
  const old = new Set((await names(bucket)).keys.map((key) => `x/${key}`));
  aged.days = (key) => (old.has(key) ? 40 : 0);
  await tapedeck(t, ["prune", "-q", archive, "--older-than", "30h"]);
  await answer(t, ["push", "-q", archive, url]);
  return { archive, url, old };
}

test("objects and manifests that no longer count are removed", { skip }, async (t) => {
  const { archive, url } = await pushThreeStates(t, "states");
  const all = await names("states");
  assert.deepEqual(all.manifests, [1, 2, 3]);
  // The packed state was the archive until now, the one before it until 40 days ago.
  const kept = await listed("states", [2, 3]);
  const gone = all.objects.filter((hash) => !kept.includes(hash));
  assert.ok(gone.length >= 3);

  const dry = await prune(t, url, "--dry-run");
  assert.deepEqual(
    [dry.dry_run, dry.objects_pruned, dry.manifests_pruned, dry.objects_kept, dry.manifests_kept],
    [true, gone.length, 1, kept.length, 2]
  );
  assert.deepEqual(await names("states"), all);

  const done = await prune(t, url);
  assert.deepEqual(
    [done.dry_run, done.objects_pruned, done.manifests_pruned, done.bytes_pruned, done.manifest],
    [false, gone.length, 1, dry.bytes_pruned, 5]
  );
  const left = await names("states");
  assert.deepEqual(left.objects, kept);
  assert.deepEqual(left.manifests, [2, 3, 4, 5]);
  assert.match((await answer(t, ["verify", url])).stdout, /: sound\n/);
  assert.match((await answer(t, ["diff", archive, url])).stdout, /^the same/);
  assert.match(
    (await answer(t, ["prune", url, "--older-than", "30d"])).stdout,
    /^nothing to prune; kept: \d+ objects, /
  );

  // A push follows; 40 days later only its state is needed.
  await importDay(t, archive, 3);
  await answer(t, ["push", "-q", archive, url]);
  await importDay(t, archive, 4);
  const past = new Set((await names("states")).keys.map((key) => `x/${key}`));
  aged.days = (key) => (past.has(key) ? 40 : 0);
  await answer(t, ["push", "-q", archive, url]);
  await prune(t, url);
  const last = await names("states");
  assert.deepEqual(last.manifests, [6, 7, 8, 9]);
  assert.deepEqual(last.objects, await listed("states", [6, 7]));
  assert.match((await answer(t, ["verify", url])).stdout, /: sound\n/);
});

test("a prune that was killed refuses pushes until it is run again", { skip }, async (t) => {
  const { archive, url } = await pushThreeStates(t, "killed");
  const kept = await listed("killed", [2, 3]);
  const program = new Program(t, "tapedeck", ["prune", url, "--older-than", "30d"], { env: env() });
  const removals = [];
  await program.until(
    new Promise((resolve) => {
      aged.hold = (method, at) => {
        if (method !== "DELETE" || !at.includes("/objects/") || removals.push(at) < 2) return;
        resolve();
        return new Promise(() => {});
      };
    })
  );
  await program.kill("SIGKILL");
  aged.hold = async () => {};

  const left = await names("killed");
  assert.deepEqual(left.manifests, [2, 3, 4]);
  assert.ok(left.objects.length > kept.length);
  assert.match((await answer(t, ["verify", url])).stdout, /: sound\n/);
  const { stderr } = await answer(t, ["push", archive, url], 4);
  assert.match(stderr, /a prune of the store is running, or was killed[^]*hint: .*run it again/);
  await answer(t, ["prune", "-q", url, "--older-than", "30d"]);
  assert.deepEqual((await names("killed")).objects, kept);
  assert.match((await answer(t, ["push", archive, url])).stdout, /^nothing to push/);
  assert.match((await answer(t, ["verify", url])).stdout, /: sound\n/);
});

test("a push that began before a prune cannot publish after it", { skip }, async (t) => {
  const { archive, url } = await pushThreeStates(t, "beside");
  await importDay(t, archive, 3);
  // The push is held before its manifest.
  let release;
  const push = new Program(t, "tapedeck", ["push", archive, url], { env: env() });
  await push.until(
    new Promise((resolve) => {
      aged.hold = (method, at) => {
        if (method !== "PUT" || !at.includes("/manifests/")) return;
        aged.hold = async () => {};
        resolve();
        return new Promise((go) => (release = go));
      };
    })
  );
  await prune(t, url);
  release();
  const end = await push.ended;
  assert.equal(end.code, 4, end.stderr);
  assert.match(end.stderr, /another push made manifests\/0000000004.json meanwhile, or a prune/);
  await answer(t, ["push", "-q", archive, url]);
  assert.match((await answer(t, ["verify", url])).stdout, /: sound\n/);
  assert.match((await answer(t, ["diff", archive, url])).stdout, /^the same/);
});

test("only an age of a day or more is a limit", async (t) => {
  const variables = {
    AWS_ENDPOINT_URL: "http://127.0.0.1:1",
    AWS_ACCESS_KEY_ID: "a",
    AWS_SECRET_ACCESS_KEY: "b",
  };
  for (const limit of [
    ["--older-than", "23h"],
    ["--keep-bytes", "1GiB"],
    ["--older-than", "2d", "--free", "1GiB"],
    ["--older-than", "2d", "--before", "2026-01-01"],
    ["--older-than", "2d", "--feed", "x"],
    ["--older-than", "2d", "--kept"],
    ["--older-than", "2d", "--all"],
    [],
  ]) {
    const { stderr } = await tapedeck(t, ["prune", "s3://bucket/x", ...limit], {
      env: { ...process.env, ...variables },
      status: 2,
    });
    assert.match(stderr, /in a store is pruned by --older-than alone, of at least 1d/);
  }
});
