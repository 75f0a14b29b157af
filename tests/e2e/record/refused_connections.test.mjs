// Servers that refuse, or do not answer: the recorder's messages and exit status, and whether it tries again.
// Expected values: docs/design.md ("Recorder", "Exit status": 4 at the start, 5xx and silence are tried again), RFC 6455.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import {
  eventsOf,
  eventually,
  jsonLines,
  jsonList,
  listening,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { certificate, scriptedServer, silent, trade } from "../support/scripted_server.mjs";
import { nothingLeaked, nothingLeakedInText } from "../support/secret_search.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const TRADE = ["trade.BTCUSD"];

/** Run a recorder that is refused at once. Returns its log. */
async function refused(t, server, more = []) {
  const archive = path.join(temporary(t), "tape");
  const end = await run(
    t,
    "tapedeck-record",
    ["record", "-a", archive, ...feedArgs(server, "inverse", TRADE), ...more],
    { status: 4 }
  );
  // Nothing was recorded; the archive is sound and unlocked.
  await tapedeck(t, ["verify", "-a", archive]);
  return end.stderr;
}

describe("refused connections", { concurrency: 4 }, () => {
  test("a certificate of an unknown CA ends the recorder with 4 and a clear message", async (t) => {
    const dir = temporary(t);
    const other = certificate(dir, { name: "other" });
    const server = await scriptedServer(t, dir);
    const errorText = await refused(t, { ...server, ca: other.ca });
    assert.match(errorText, /certificate/);
    assert.match(errorText, /unknown|issuer|not trusted|untrusted|CA/);
    assert.doesNotMatch(errorText, /host name|another host/i);
    assert.equal(server.received.upgrades, 0);
  });

  test("a certificate of another host ends the recorder with 4 and a clear message", async (t) => {
    const dir = temporary(t);
    const elsewhere = certificate(dir, { name: "elsewhere", names: ["DNS:stream.example.org"] });
    const server = await scriptedServer(t, dir, { certificate: elsewhere });
    const errorText = await refused(t, server);
    assert.match(errorText, /127\.0\.0\.1/);
    assert.match(errorText, /stream\.example\.org|host/);
    assert.equal(server.received.upgrades, 0);
  });

  test("the system's CAs are used unless --ca-file is given", async (t) => {
    const dir = temporary(t);
    const server = await scriptedServer(t, dir);
    const archive = path.join(dir, "tape");
    const end = await run(
      t,
      "tapedeck-record",
      [
        "record",
        "-a",
        archive,
        `${server.url}/realtime`,
        "--family",
        "inverse",
        "--topic",
        "trade.BTCUSD",
      ],
      { status: 4 }
    );
    assert.match(end.stderr, /certificate/);
  });

  test("an invalid CA file is an error that names it", async (t) => {
    const dir = temporary(t);
    const server = await scriptedServer(t, dir);
    const none = path.join(dir, "none.pem");
    fs.writeFileSync(none, "this is no certificate\n");
    for (const ca of [none, path.join(dir, "nowhere.pem")]) {
      const archive = path.join(dir, `tape-${path.basename(ca)}`);
      const end = await run(
        t,
        "tapedeck-record",
        ["record", "-a", archive, ...feedArgs({ ...server, ca }, "inverse", TRADE)],
        { status: null }
      );
      assert.ok([2, 4].includes(end.code), `${end.code} ${end.stderr}`);
      assert.ok(end.stderr.includes(ca), end.stderr);
    }
  });

  for (const status of [400, 401])
    test(`an upgrade refused with ${status} ends the recorder with 4`, async (t) => {
      const dir = temporary(t);
      const server = await scriptedServer(t, dir, { refuse: () => status });
      assert.match(await refused(t, server), new RegExp(`${status}`));
      assert.equal(server.received.upgrades, 1);
    });

  test("a path that the server does not have ends the recorder with 4", async (t) => {
    const dir = temporary(t);
    const sim = await listening(t, ["sim", "--families", "inverse"], dir);
    assert.match(await refused(t, { ...sim, url: `${sim.url}/nowhere` }), /404/);
  });

  for (const status of [502, 503])
    test(`a recorder retries an upgrade that is refused with ${status}`, async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const server = await scriptedServer(t, dir, {
        refuse: (n) => (n <= 2 ? status : undefined),
        opened: (ws) => ws.send(trade(1)),
      });
      const end = await run(t, "tapedeck-record", [
        "record",
        "-a",
        archive,
        ...feedArgs(server, "inverse", TRADE),
        "--max-frames",
        "2",
      ]);
      assert.match(end.stderr, new RegExp(`${status}`));
      assert.equal(server.received.upgrades, 3);
      // It never connected: no frame is missing.
      assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    });

  test("the recorder gives up a silent server after connect-timeout, and tries again", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const server = await silent(t);
    const recorder = new Recorder(t, archive, [
      `${server.url}/realtime`,
      "--family",
      "inverse",
      "--topic",
      "trade.BTCUSD",
      "--connect-timeout",
      "200ms",
    ]);
    const [errorText] = await recorder.prints(/cannot connect.*\n[^]*cannot connect.*/);
    assert.match(errorText, /200 ms|did not answer|no answer|time/);
    await eventually("the server has seen both tries", () => server.held.size >= 2);
    assert.equal((await recorder.kill("SIGTERM")).code, 4, recorder.stderr);
  });

  test("the recorder tries a closed port again until a signal ends it", async (t) => {
    const dir = temporary(t);
    const server = await silent(t);
    const archive = path.join(dir, "tape");
    const port = new URL(server.url.replace("wss", "https")).port;
    await new Promise((resolve) => server.close(resolve));
    const recorder = new Recorder(t, archive, [
      `wss://127.0.0.1:${port}/realtime`,
      "--family",
      "inverse",
      "--topic",
      "trade.BTCUSD",
    ]);
    await recorder.prints(/cannot connect.*\n[^]*cannot connect/);
    assert.match(recorder.stderr, /refused/i);
    assert.equal((await recorder.kill("SIGINT")).code, 4, recorder.stderr);
    assert.match(recorder.stderr, /no connection was ever established/);
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("one feed that is refused does not end the others", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const good = await scriptedServer(t, dir, { opened: (ws) => ws.send(trade(1)) });
    const bad = await scriptedServer(t, dir, { refuse: () => 410, certificate: { ...good.files } });
    const config = path.join(dir, "feeds.yaml");
    const feed = (name, server) =>
      `  - name: ${name}\n    family: inverse\n    url: ${server.url}/realtime\n    ca_file: ${server.ca}\n    topics: [trade.BTCUSD]\n`;
    fs.writeFileSync(
      config,
      `commit_interval: 50ms\nfeeds:\n${feed("good", good)}${feed("bad", bad)}`
    );
    const recorder = new Recorder(t, archive, ["-c", config]);
    await recorder.durableLine((durable) => durable.feed === "good" && durable.in >= 2);
    await recorder.prints(/bad.*410/);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
  });
});

describe("credentials", { concurrency: 4 }, () => {
  const KEY = "k3yK3Yk3yK3Yk3y";
  const SECRET = "s3cr3tS3cr3ts3cr3tS3cr3t";

  /** Record with credentials until two frames have arrived. Returns the log, and the archive's frames and text. */
  async function withAuth(t, behaviour) {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const server = await scriptedServer(t, dir, behaviour);
    const recorder = new Recorder(
      t,
      archive,
      [
        ...feedArgs(server, "inverse", TRADE),
        "--api-key-env",
        "TEST_KEY",
        "--api-secret-env",
        "TEST_SECRET",
        ...(behaviour.args ?? []),
      ],
      { env: { TEST_KEY: KEY, TEST_SECRET: SECRET } }
    );
    return { archive, server, recorder };
  }

  test("the auth request and its echo are recorded without key and signature", async (t) => {
    const { archive, server, recorder } = await withAuth(t, {
      args: ["--max-frames", "3"],
      message: (ws, request) => {
        ws.send(JSON.stringify({ success: true, ret_msg: "", conn_id: "a", request }));
        if (request.op === "subscribe") ws.send(trade(1));
      },
    });
    assert.equal((await recorder.ended).code, 0, recorder.stderr);
    assert.deepEqual(
      server.received.requests.map((r) => r.op),
      ["auth", "subscribe"]
    );
    const [key, expires, signature] = server.received.requests[0].args;
    assert.equal(key, KEY);
    assert.match(signature, /^[0-9a-f]{64}$/);
    // The inverse documents: HMAC-SHA256 of "GET/realtime" + expires.
    const { createHmac } = await import("node:crypto");
    assert.equal(
      signature,
      createHmac("sha256", SECRET).update(`GET/realtime${expires}`).digest("hex")
    );
    await nothingLeaked(archive, KEY, SECRET, signature);
    nothingLeakedInText(recorder, KEY, SECRET, signature);
    const rows = await jsonLines(t, ["cat", "-a", archive]);
    const sent = rows.find((row) => row.dir === "out" && row.data.includes('"auth"'));
    const echo = rows.find((row) => row.dir === "in" && row.data.includes('"auth"'));
    // In the same length.
    assert.equal(
      sent.data,
      JSON.stringify({ op: "auth", args: ["*".repeat(KEY.length), expires, "*".repeat(64)] })
    );
    assert.ok(echo.data.includes("*".repeat(KEY.length)) && echo.data.includes("*".repeat(64)));
    assert.ok((await eventsOf(t, archive)).some((event) => event.event === "redacted"));
  });

  test("a key in a URL of the configuration is hidden, too: in events, frames, replies and messages", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const server = await scriptedServer(t, dir, {
      refuse: (n) => (n === 1 ? 502 : undefined),
      message: (ws, request) => {
        ws.send(
          JSON.stringify({ success: true, ret_msg: `hello ${KEY}`, conn_id: SECRET, request })
        );
        ws.close(1001, KEY);
      },
    });
    const recorder = new Recorder(t, archive, [
      `${server.url}/realtime?api_key=${KEY}&signature=${SECRET}`,
      "--family",
      "inverse",
      "--ca-file",
      server.ca,
      "--topic",
      TRADE[0],
      "--until-close",
      "--http",
      `a@1s=http://127.0.0.1:9/instruments?category=inverse&api_key=another-${KEY}&sign=more-${SECRET}`,
    ]);
    assert.equal((await recorder.ended).code, 0, recorder.stderr);
    assert.equal(
      server.received.urls.at(-1),
      `/realtime?api_key=${KEY}&signature=${SECRET}`,
      "the request is not changed"
    );
    await nothingLeaked(archive, KEY, SECRET);
    nothingLeakedInText(recorder, KEY, SECRET);
    assert.match(
      (await eventsOf(t, archive)).find((event) => event.event === "connect").url,
      /\?api_key=\*+&signature=\*+$/
    );
    const wrong = await run(
      t,
      "tapedeck-record",
      [
        "record",
        "-a",
        archive,
        `http://127.0.0.1:9/x?api_key=${KEY}`,
        "--family",
        "inverse",
        "--topic",
        "trade",
      ],
      { status: 2 }
    );
    assert.ok(!wrong.stderr.includes(KEY), wrong.stderr);
  });

  test("the error about refused credentials does not contain them", async (t) => {
    const { recorder, server, archive } = await withAuth(t, {
      message: (ws, request) =>
        ws.send(
          JSON.stringify({
            success: false,
            ret_msg: `error:bad key ${request.args[0]}`,
            conn_id: "a",
            request,
          })
        ),
    });
    await recorder.prints(/refused the credentials/);
    await recorder.kill("SIGTERM");
    assert.deepEqual([...new Set(server.received.requests.map((r) => r.op))], ["auth"]);
    nothingLeakedInText(recorder, KEY, SECRET, server.received.requests[0].args[2]);
    const refusals = (await eventsOf(t, archive)).filter(
      (event) => event.event === "auth" && event.state === "refused"
    );
    assert.ok(refusals.length > 0);
    assert.match(refusals[0].detail, /refused the credentials.*error:bad key \*+/);
  });

  test("--strict ends at refused credentials; half a key at the end of a truncated answer is hidden too", async (t) => {
    // Messages quote 511 bytes of an answer: the key straddles that limit.
    const answer = (request) =>
      '{"success":false,"ret_msg":"' +
      "x".repeat(505 - 28) +
      request.args[0] +
      '","conn_id":"a","request":{"op":"auth"}}';
    const { recorder, archive } = await withAuth(t, {
      args: ["--strict"],
      message: (ws, request) => ws.send(answer(request)),
    });
    assert.equal((await recorder.ended).code, 4, recorder.stderr);
    nothingLeakedInText(recorder, KEY.slice(0, 5));
    await nothingLeaked(archive, KEY.slice(0, 5));
  });

  test("the simulated exchange accepts the signature", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const sim = await listening(
      t,
      ["sim", "--families", "inverse", "--rate", "500", "--secret", SECRET],
      dir
    );
    const args = [
      ...feedArgs(sim, "inverse"),
      "--api-key-env",
      "TEST_KEY",
      "--api-secret-env",
      "TEST_SECRET",
      "--max-frames",
      "50",
    ];
    await run(t, "tapedeck-record", ["record", "-a", archive, ...args], {
      env: { TEST_KEY: KEY, TEST_SECRET: SECRET },
    });
    await nothingLeaked(archive, KEY, SECRET);
  });

  test("missing credentials are a configuration error", async (t) => {
    const dir = temporary(t);
    const server = { url: "wss://127.0.0.1:1", ca: "/nowhere" };
    const row = (...more) => [
      "record",
      "-a",
      path.join(dir, "tape"),
      ...feedArgs(server, "inverse", TRADE),
      ...more,
    ];
    for (const [args, text] of [
      [row("--api-key-env", "HOME"), /secret: one is missing/],
      [row("--api-key-env", "NO_SUCH_VARIABLE", "--api-secret-env", "NEITHER"), /NO_SUCH_VARIABLE/],
    ]) {
      const end = await run(t, "tapedeck-record", args, { status: null });
      assert.ok([2, 4].includes(end.code), `${end.code}: ${end.stderr}`);
      assert.match(end.stderr, text);
    }
  });
});
