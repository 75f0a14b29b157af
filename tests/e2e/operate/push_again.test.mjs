// `push --every`, `push --then-remove-after` and `record --push`, to Ceph's gateway. Expected: docs/archive.md ("A copy in an
// S3 store"): what the store has is what the folder had, and nothing is removed that the store lacks.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import { once } from "node:events";
import path from "node:path";
import { test } from "node:test";
import { fileStore, withoutCeph } from "../support/ceph.mjs";
import {
  eventually,
  json,
  jsonLines,
  jsonList,
  Program,
  segments,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { importDay } from "../support/frames_by_second.mjs";

const skip = withoutCeph;
const store = fileStore("again");

const options = (more = {}) => ({ env: store.env(), ...more });

/** The files that the newest manifest of s3://BUCKET/x lists; undefined without one. */
async function listed(bucket) {
  const reply = await store.request("GET", `/${bucket}`, {
    query: { "list-type": "2", prefix: "x/manifests/" },
  });
  const keys = [...(await reply.text()).matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key);
  if (keys.length === 0) return undefined;
  const found = await store.request("GET", `/${bucket}/${keys.sort().at(-1)}`);
  return JSON.parse(await found.text()).files;
}

/** The segments that it lists. */
const stored = async (bucket) =>
  ((await listed(bucket)) ?? []).map((file) => file.path).filter((name) => name.endsWith(".mcap"));

/** A port that passes connections on to the store, until isAway. */
async function portBefore(t) {
  const port = { isAway: false };
  const server = net.createServer((client) => {
    if (port.isAway) return client.destroy();
    const upstream = net.connect(new URL(store.url).port, "127.0.0.1");
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ])
      from.pipe(to).on("error", () => from.destroy());
  });
  t.after(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  port.url = `http://127.0.0.1:${server.address().port}`;
  return port;
}

test(
  "--every pushes what is new, reads credentials again, and survives a store that is away",
  { skip },
  async (t) => {
    await store.makeBucket("every");
    const archive = path.join(temporary(t), "tape"),
      credentials = path.join(temporary(t), "credentials");
    const write = (secret) =>
      fs.writeFileSync(
        credentials,
        `[default]\naws_access_key_id = ${store.environment.AWS_ACCESS_KEY_ID}\n` +
          `aws_secret_access_key = ${secret}\n`
      );
    const port = await portBefore(t);
    await importDay(t, archive, 0);
    write("not-the-secret");
    const program = new Program(
      t,
      "tapedeck",
      ["push", archive, "s3://every/x", "--every", "10s", "--json"],
      {
        env: {
          ...{ AWS_REGION: store.environment.AWS_REGION, AWS_ENDPOINT_URL: port.url },
          ...{ AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" },
          AWS_SHARED_CREDENTIALS_FILE: credentials,
        },
      }
    );
    const pushed = async (change) => {
      const line = program.line(() => true);
      await change();
      const { manifest, segments_sent } = JSON.parse(await line);
      return { manifest, segments_sent };
    };
    await program.prints(/warning tapedeck push: .*SignatureDoesNotMatch/);
    assert.deepEqual(await pushed(() => write(store.environment.AWS_SECRET_ACCESS_KEY)), {
      manifest: 1,
      segments_sent: 1,
    });
    port.isAway = true;
    await importDay(t, archive, 1);
    await program.prints(/warning tapedeck push: .*tried \d+ times/);
    assert.deepEqual(await pushed(() => (port.isAway = false)), { manifest: 2, segments_sent: 1 });
    assert.equal((await program.kill("SIGTERM")).code, 0, program.stderr);
    assert.equal(program.lines.length, 2); // a push without anything new prints nothing
    assert.deepEqual(await stored("every"), segments(archive));
    assert.ok(!program.stderr.includes("not-the-secret"));
  }
);

test("--every ends at an error that stays", { skip }, async (t) => {
  const archive = path.join(temporary(t), "tape"),
    other = path.join(temporary(t), "tape");
  await store.makeBucket("stays");
  await importDay(t, archive, 0);
  await importDay(t, other, 0);
  await tapedeck(t, ["push", "-q", archive, "s3://stays/x"], options());
  const again = ["--every", "10s"];
  for (const [words, status, message] of [
    [[other, "s3://stays/x", ...again], 2, /the store has another archive there/],
    [[other, "s3://stays/", "--every", "9s"], 2, /--every/],
    [[other, "stays/x", ...again], 2, /does not begin with s3:\/\//],
    [[other, "s3://absent/x", ...again], 4, /NoSuchBucket/],
  ])
    assert.match((await tapedeck(t, ["push", ...words], options({ status }))).stderr, message);
});

const moving = (t, archive, bucket, more = {}) =>
  json(
    t,
    ["push", archive, `s3://${bucket}/x`, "--json", "--then-remove-after", "36h"],
    options(more)
  );

test(
  "--then-remove-after removes what the store has, and later pushes keep it there",
  { skip },
  async (t) => {
    await store.makeBucket("moved");
    const archive = path.join(temporary(t), "tape"),
      url = "s3://moved/x";
    for (let day = -403; day <= -400; day++) await importDay(t, archive, day);
    const all = segments(archive);
    const first = await moving(t, archive, "moved");
    assert.deepEqual(
      [first.segments_sent, first.segments_moved, first.segments_unproven],
      [4, 2, 0]
    );
    assert.deepEqual(segments(archive), all.slice(2));
    // The folder: the frames are elsewhere, and not lost.
    await tapedeck(t, ["verify", archive]);
    const rows = await jsonList(t, ["gaps", archive, "--json"], { status: 1 });
    assert.deepEqual(
      rows.map(({ reason }) => reason),
      ["restart"] // between the two sessions that are left
    );
    const info = await json(t, ["info", archive, "--json"]);
    assert.deepEqual(
      info.pruned.map(({ feed, store, segments }) => [feed, store, segments]),
      [["v5-linear", url, 2]]
    );
    assert.match((await tapedeck(t, ["info", archive])).stdout, /moved to s3:\/\/moved\/x: v5-lin/);
    // The store, before and after its journal tells about the removal.
    const checkStore = async (manifest) => {
      assert.deepEqual(await stored("moved"), all);
      await tapedeck(t, ["verify", url], options());
      assert.deepEqual(
        (await json(t, ["info", url, "--json"], options())).pruned,
        [],
        `manifest ${manifest}`
      );
      assert.deepEqual(await jsonList(t, ["gaps", url, "--json"], options({ status: 1 })), before);
      assert.equal((await jsonLines(t, ["cat", url, "--json"], options())).length, 4 * 200);
    };
    const before = await jsonList(t, ["gaps", url, "--json"], options({ status: 1 }));
    await checkStore(1);
    await importDay(t, archive, -399);
    all.push(segments(archive).at(-1));
    const second = await json(t, ["push", archive, url, "--json"], options());
    assert.deepEqual([second.manifest, second.segments, second.segments_sent], [2, 5, 1]);
    assert.deepEqual(await stored("moved"), all);
    await tapedeck(t, ["verify", url], options());
    assert.equal((await jsonLines(t, ["cat", url, "--json"], options())).length, 5 * 200);
    assert.equal((await jsonLines(t, ["cat", archive, "--json"])).length, 3 * 200);
    // What is pruned, and not moved, leaves the store's newest manifest.
    await tapedeck(t, ["prune", "-q", archive, "--older-than", "36h"]);
    await tapedeck(t, ["push", "-q", archive, url], options());
    assert.deepEqual(await stored("moved"), [...all.slice(0, 2), ...all.slice(3)]);
    await tapedeck(t, ["verify", url], options());
    // A store that lacks them cannot become a copy of the archive.
    const { stderr } = await tapedeck(
      t,
      ["push", archive, "s3://moved/other"],
      options({ status: 4 })
    );
    assert.ok(stderr.includes(all[0]) && stderr.includes("was moved to s3://moved/x"), stderr);
  }
);

test("a segment stays whose object the store lost or changed", { skip }, async (t) => {
  await store.makeBucket("lost");
  const archive = path.join(temporary(t), "tape");
  for (let day = -403; day <= -400; day++) await importDay(t, archive, day);
  const all = segments(archive);
  await tapedeck(t, ["push", "-q", archive, "s3://lost/x"], options());
  const files = await listed("lost");
  const objectOf = (i) =>
    `/lost/x/objects/${files.find(({ path }) => path === all[i]).parts[0].sha256}`;
  await store.request("DELETE", objectOf(0));
  await store.request("PUT", objectOf(1), {
    body: Buffer.concat([fs.readFileSync(path.join(archive, all[1])), Buffer.from("x")]),
  });
  const report = await moving(t, archive, "lost");
  assert.deepEqual([report.segments_moved, report.segments_unproven], [0, 2]);
  assert.deepEqual(segments(archive), all);
  const { stderr } = await tapedeck(
    t,
    ["push", archive, "s3://lost/x", "--then-remove-after", "36h"],
    options()
  );
  for (const name of all.slice(0, 2)) assert.ok(stderr.includes(`${name} stays in`), stderr);
});

test("a segment stays that was repaired since it was pushed", { skip }, async (t) => {
  await store.makeBucket("repaired");
  const archive = path.join(temporary(t), "tape");
  for (let day = -403; day <= -400; day++) await importDay(t, archive, day, 2000);
  const all = segments(archive),
    file = path.join(archive, all[0]),
    sound = fs.readFileSync(file),
    damaged = Buffer.from(sound);
  damaged[sound.length >> 2] ^= 1; // in a chunk: neither size nor end differ
  assert.ok(sound.length > 40_000);
  fs.writeFileSync(file, damaged);
  await tapedeck(t, ["push", "-q", archive, "s3://repaired/x"], options());
  fs.writeFileSync(file, sound);
  const report = await moving(t, archive, "repaired");
  assert.deepEqual([report.segments_moved, report.segments_unproven], [1, 1]);
  assert.deepEqual(segments(archive), [all[0], ...all.slice(2)]);
  await tapedeck(t, ["verify", archive]);
});

test("a segment that a note keeps stays", { skip }, async (t) => {
  await store.makeBucket("noted");
  const archive = path.join(temporary(t), "tape");
  for (let day = -403; day <= -400; day++) await importDay(t, archive, day);
  const all = segments(archive);
  const [{ recv_ns }] = await jsonLines(t, ["cat", archive, "--json", "-n", "1"]);
  const at = new Date(Number(BigInt(recv_ns) / 1_000_000n)).toISOString();
  await tapedeck(t, ["note", "add", archive, "--from", at, "--keep", "look"]);
  const report = await moving(t, archive, "noted");
  assert.deepEqual([report.segments_moved, report.segments_noted], [1, 1]);
  assert.deepEqual(segments(archive), [all[0], ...all.slice(2)]);
  // The time between is in the store.
  const rows = await jsonList(t, ["gaps", archive, "--json"], { status: 1 });
  assert.deepEqual(
    rows.filter(({ reason }) => reason === "pruned").map(({ cause, detail }) => [cause, detail]),
    [["moved to a store", "s3://noted/x"]]
  );
});

/** The recorder's child that runs push, once it does. */
const childOf = (recorder) =>
  eventually(
    "push runs",
    () => {
      const { pid } = recorder.child;
      const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
      return children.find((id) => {
        const words = id !== "" && fs.readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0");
        return words && words[1] === "push" && id;
      });
    },
    recorder
  );

const isGone = (pid) =>
  eventually("push ended", () => {
    const state =
      fs.existsSync(`/proc/${pid}/stat`) && fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    return !state || state.includes(") Z");
  });

test("record --push keeps a copy, whatever happens to the child", { skip }, async (t) => {
  await store.makeBucket("record");
  const folder = temporary(t),
    archive = path.join(folder, "tape");
  const server = await simulator(t, folder, [
    "--families",
    "inverse",
    "--symbols",
    "1",
    "--rate",
    "100",
  ]);
  const args = [
    ...feedArgs(server, "inverse", ["trade.*"]),
    "--commit-interval",
    "100ms",
    "--push",
    "s3://record/x",
  ];
  const recorder = new Recorder(t, archive, args, options());
  await recorder.durableAfter(3);
  const first = await childOf(recorder);
  await eventually("the journal is pushed", () => listed("record"), recorder);
  await tapedeck(t, ["ctl", archive, "rotate"]);
  await recorder.durableAfter(recorder.durableLines + 3);
  process.kill(Number(first), "SIGKILL");
  await recorder.prints(/push to s3:\/\/record\/x was ended by signal 9; it starts again in/);
  // The one that starts then sends the segment that was finished meanwhile.
  await eventually(
    "a segment is pushed",
    async () => (await stored("record")).length > 0,
    recorder
  );
  const second = await childOf(recorder);
  assert.notEqual(second, first);
  assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  await isGone(second);
  await tapedeck(t, ["push", "-q", archive, "s3://record/x"], options());
  assert.deepEqual(await stored("record"), segments(archive));
  await tapedeck(t, ["verify", "s3://record/x"], options());
  // A recorder that is killed takes its child along.
  const killed = new Recorder(t, archive, args, options());
  await killed.durableAfter(1);
  const third = await childOf(killed);
  killed.child.kill("SIGKILL");
  await isGone(third);
});

test("record --push is refused before anything is recorded", async (t) => {
  const archive = path.join(temporary(t), "tape");
  const words = [
    "record",
    "-a",
    archive,
    "--family",
    "v5-linear",
    "--topic",
    "publicTrade.BTCUSDT",
  ];
  const none = {
    ...{ AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", AWS_SHARED_CREDENTIALS_FILE: "/absent" },
    ...{ AWS_PROFILE: "", AWS_EC2_METADATA_DISABLED: "true" },
  };
  for (const check of [[], ["--check"]])
    for (const [url, message] of [
      ["https://store/x", /push: .*does not begin with s3:\/\//],
      ["s3://bucket/x", /push: .*credentials/],
    ]) {
      const { stderr } = await tapedeck(t, [...words, "--push", url, ...check], {
        env: none,
        status: 2,
      });
      assert.match(stderr, message);
      assert.ok(!fs.existsSync(archive));
    }
});
