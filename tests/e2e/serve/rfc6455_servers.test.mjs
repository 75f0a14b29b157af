// The cases of tests/conformance, which a raw client sends to sim, to serve and to a server that echoes: how each must react.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CASES, firstOfEach } from "../../conformance/cases.mjs";
import { each, expect, HOWS, join, play, program, summaryOf } from "../../conformance/play.mjs";
import { importFrames, listening, temporary, tooLong } from "../support/harness.mjs";

const BYTES_MAX = 1 << 20; // of a client's message
const AT_ONCE = 16;

async function playAll(t, cases, opened, end) {
  const failures = await each(cases, AT_ONCE, async (row) =>
    play(await opened(row), row, { bytesMax: BYTES_MAX, ...end })
  );
  assert.deepEqual(failures, []);
}

for (const how of HOWS)
  test(
    `a server that echoes, ${how}: ${CASES.length} cases`,
    { skip: how === "tls" && tooLong },
    async (t) => {
      const { url, ca } = await listening(t, [how], temporary(t), {
        program: program("echo_server"),
      });
      await playAll(t, CASES, (row) => join(`${url}/`, ca, row.deflate), {
        expect,
        got: ({ opcode, payload }) => summaryOf(opcode, payload),
      });
    }
  );

// sim and serve may answer messages as requests: such answers are not checked. They get the first case of each group, because
// the server that echoes has the same code.
const silentCases = (tooLong ? firstOfEach : (rows) => rows)(
  CASES.filter((row) => row.fails || row.closes || row.messages.length === 0)
);
const SERVERS = {
  sim: async (t, dir, options) => listening(t, ["sim", "--families", "v5-linear", ...options], dir),
  serve: async (t, dir, options) => {
    const archive = await importFrames(t, dir, {
      family: "v5-linear",
      host: "/v5/public/linear",
      frames: ['{"topic":"publicTrade.AUSDT","type":"snapshot","ts":1,"data":[]}'],
    });
    return listening(t, ["serve", "-a", archive, ...options], dir);
  },
};

for (const [name, open] of Object.entries(SERVERS))
  for (const options of [["--plain"], []])
    test(`${name}, ${options.length > 0 ? "plain" : "tls"}: ${silentCases.length} cases`, async (t) => {
      const { url, ca } = await open(t, temporary(t), options);
      await playAll(t, silentCases, (row) => join(`${url}/v5/public/linear`, ca, row.deflate), {});
    });
