// A command for finished segments. Expected: docs/recording.md ("A command for each segment"), and the archive's files.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { eventually, segments, tapedeck, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { CREDENTIALS as ALL } from "../support/all_families.mjs";
import { feedArgs, PATHS, Recorder, simulator } from "../support/recorders.mjs";

/** A recorder of an exchange with this command. */
async function recording(t, command, { more = [], options = {} } = {}) {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(t, dir, [
    "--families",
    "inverse,v5-private",
    "--symbols",
    "1",
    "--rate",
    "100",
  ]);
  const recorder = new Recorder(
    t,
    archive,
    [
      ...feedArgs(server, "inverse", ["trade.*"]),
      "--commit-interval",
      "100ms",
      "--on-segment",
      command(dir),
      ...more,
    ],
    options
  );
  await recorder.durableAfter(3);
  return { dir, archive, recorder, server };
}

/** Wait until a file has as many lines; the recorder does not wait for its commands. */
async function linesOf(file, count) {
  return eventually(`${count} lines of ${path.basename(file)}`, () => {
    const lines = fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
    return lines.length >= count && lines;
  });
}

const rotated = async (t, { archive, recorder }) => {
  await tapedeck(t, ["ctl", archive, "rotate"]);
  await recorder.durableAfter(recorder.durableLines + 5);
};

/** Of the families here. */
const { SESSION_KEY, SESSION_SECRET } = ALL;
const CREDENTIALS = { SESSION_KEY, SESSION_SECRET };

/** The lines of env's output, of a command that gets no variable of CREDENTIALS. */
function withoutCredentials(lines) {
  assert.ok(lines.includes("OTHER=is there"));
  assert.ok(
    !lines.some((line) => Object.values(CREDENTIALS).some((secret) => line.includes(secret))),
    lines.join("\n")
  );
}

describe("on_segment", { concurrency: true }, () => {
  test("gets the path of each segment once, also of the last one", async (t) => {
    const run = await recording(t, (dir) => `printf '%s\\n' >> ${dir}/list`);
    for (let n = 0; n < 3; n++) await rotated(t, run);
    assert.equal((await run.recorder.kill("SIGTERM")).code, 0, run.recorder.stderr);
    const expected = segments(run.archive).map((file) => path.join(run.archive, file));
    assert.equal(expected.length, 4);
    assert.deepEqual((await linesOf(path.join(run.dir, "list"), 4)).sort(), expected.sort());
  });

  test("is not waited for, and runs once at a time, with all that was finished meanwhile", async (t) => {
    // Each run writes a line, and then waits until the test makes a file.
    const run = await recording(
      t,
      (dir) =>
        `f() { echo "$#" >> ${dir}/counts; until [ -e ${dir}/go ]; do sleep 0.05; done; echo done >> ${dir}/counts; }; f`
    );
    for (let n = 0; n < 3; n++) await rotated(t, run);
    assert.deepEqual(await linesOf(path.join(run.dir, "counts"), 1), ["1"]);
    const ended = once(run.recorder.child, "exit"); // its stderr is still the command's
    run.recorder.child.kill("SIGTERM");
    assert.equal((await ended)[0], 0, run.recorder.stderr); // although a command runs
    assert.deepEqual(await linesOf(path.join(run.dir, "counts"), 2), ["1", "3"]);
    fs.writeFileSync(path.join(run.dir, "go"), "");
    assert.deepEqual(await linesOf(path.join(run.dir, "counts"), 4), ["1", "3", "done", "done"]);
  });

  test("that fails is a warning; recording continues", async (t) => {
    const run = await recording(t, () => "exit 3;");
    await rotated(t, run);
    await run.recorder.prints(/on_segment ended with status 3/);
    await rotated(t, run);
    assert.equal((await run.recorder.kill("SIGTERM")).code, 0, run.recorder.stderr);
    const killed = await recording(t, () => "kill -9 $$;");
    await rotated(t, killed);
    await killed.recorder.prints(/on_segment was ended by signal 9/);
  });

  test("does not get the variables of credentials", async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape");
    const server = await simulator(t, dir, [
      "--families",
      "v5-private",
      "--symbols",
      "1",
      "--rate",
      "100",
    ]);
    const more = [
      "--api-key-env",
      "SESSION_KEY",
      "--api-secret-env",
      "SESSION_SECRET",
      "--on-segment",
      `(env; echo end) > ${dir}/env; : `,
    ];
    const recorder = new Recorder(
      t,
      archive,
      [...feedArgs(server, "v5-private", ["order"]), ...more],
      { env: { ...CREDENTIALS, OTHER: "is there" } }
    );
    await recorder.durableAfter(3);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    withoutCredentials(await linesOf(path.join(dir, "env"), 3));
  });

  test("does not get the variables of a feed that was added while recording", async (t) => {
    const dir = temporary(t),
      archive = path.join(dir, "tape"),
      file = path.join(dir, "feeds.yaml");
    const server = await simulator(t, dir, [
      "--families",
      "inverse,v5-private",
      "--symbols",
      "1",
      "--rate",
      "100",
    ]);
    const write = (...feeds) =>
      fs.writeFileSync(
        file,
        `on_segment: "(env; echo end) > ${dir}/env; : "\nfeeds:\n` +
          feeds
            .map(
              ([family, more]) =>
                `  - family: ${family}\n    url: ${server.url}${PATHS[family]}\n    ca_file: ${server.ca}\n    ${more}\n`
            )
            .join("")
      );
    write(["inverse", "topics: [trade.*]"]);
    const recorder = new Recorder(t, archive, ["-c", file, "--commit-interval", "100ms"], {
      env: { ...CREDENTIALS, OTHER: "is there" },
    });
    await recorder.durableAfter(3);
    write(
      ["inverse", "topics: [trade.*]"],
      [
        "v5-private",
        "topics: [order]\n    api_key_env: SESSION_KEY\n    api_secret_env: SESSION_SECRET",
      ]
    );
    await tapedeck(t, ["ctl", archive, "reload"]);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    withoutCredentials(await linesOf(path.join(dir, "env"), 3));
  });
});
