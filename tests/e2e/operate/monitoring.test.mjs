// Metrics, health and state of a running recorder, and what it tells systemd. Expected: docs/monitoring.md, Prometheus' own tools
// (where they are installed), and the simulated exchange.
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { describe } from "node:test";
import { promisify } from "node:util";
import { boundAddresses, eventually, tapedeck, temporary, tooLong } from "../support/harness.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";
import { test } from "../support/npm_packages.mjs";

const has = (program, ...args) => spawnSync(program, args, { stdio: "ignore" }).error === undefined;
const withoutPromtool = has("promtool", "--version")
  ? false
  : "needs promtool (Debian: prometheus)";
const withoutSystemd = has("systemd-analyze", "--version") ? false : "needs systemd-analyze";
const DOCS = new URL("../../../docs/", import.meta.url).pathname,
  EXAMPLES = path.join(DOCS, "examples");
const SECRET = "SECRETSECRETSECRET123";

/** A recorder of a simulated exchange with --status-listen; its address. */
async function recorded(t, { more = [], env } = {}) {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const server = await simulator(t, dir, [
    "--families",
    "v5-linear",
    "--symbols",
    "2",
    "--rate",
    "200",
  ]);
  const recorder = new Recorder(
    t,
    archive,
    [
      ...feedArgs(server, "v5-linear", ["publicTrade.BTCUSDT"]),
      "--status-listen",
      "127.0.0.1:0",
      ...more,
    ],
    { env }
  );
  const [, url] = await recorder.prints(/metrics and state are at (http:\S+)/);
  await recorder.prints(/: subscribed to/);
  return { dir, archive, server, recorder, url };
}

/** The samples of a text in Prometheus' format: name -> [labels, value]. */
function samplesOf(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match)
      found.set(match[1], [...(found.get(match[1]) ?? []), [match[2] ?? "", Number(match[3])]]);
  }
  return found;
}

async function get(url) {
  const response = await fetch(url);
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    text: await response.text(),
  };
}

/** A board shows a fleet: its variables select archives and recorders, and a legend names which one unless it is about all. */
function checkBoard(t, { templating, panels }) {
  const variables = Object.fromEntries(templating.list.map((one) => [one.name, one]));
  for (const name of ["archive", "instance"])
    assert.ok(variables[name].multi && variables[name].includeAll, name);
  const targets = panels.flatMap((panel) => panel.targets);
  for (const { expr, legendFormat } of targets) {
    assert.match(expr, /instance=~"\$instance"/);
    if (!/^sum by \(feed\)/.test(expr)) assert.match(legendFormat, /\{\{instance\}\}/, expr);
  }
  const rules = path.join(temporary(t), "board.yml");
  const expressions = targets.map(({ expr }, i) => ({ record: `board:${i}`, expr }));
  fs.writeFileSync(rules, JSON.stringify({ groups: [{ name: "board", rules: expressions }] }));
  const { status, stdout, stderr } = spawnSync("promtool", ["check", "rules", rules], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout + stderr);
}

describe("monitoring", { concurrency: true }, () => {
  test("metrics are what the recorder counts, and all are documented", async (t) => {
    const { archive, recorder, url } = await recorded(t);
    await recorder.durableLine((durable) => durable.in > 100);
    await recorder.durableAfter(3);
    const { status, type, text } = await get(`${url}metrics`);
    assert.equal(status, 200);
    assert.deepEqual(boundAddresses(recorder.child.pid), ["0100007F"]);
    assert.equal(type, "text/plain; version=0.0.4; charset=utf-8");
    const samples = samplesOf(text);
    const page = fs.readFileSync(path.join(DOCS, "monitoring.md"), "utf8");
    const documented = new Set(
      page.match(/`(tapedeck|process)_[a-z_]+`/g).map((name) => name.slice(1, -1))
    );
    assert.deepEqual([...samples.keys()].sort(), [...documented].sort());
    for (const name of samples.keys()) {
      const kind = name.endsWith("_total") ? "counter" : "gauge";
      assert.equal(text.split(`# TYPE ${name} ${kind}\n`).length, 2, name);
      assert.equal(text.split(`# HELP ${name} `).length, 2, name);
    }
    const [[labels, live]] = samples.get("tapedeck_feed_connections_live");
    assert.deepEqual([labels, live], ['feed="v5-linear",family="v5-linear"', 1]);
    const [[build]] = samples.get("tapedeck_build_info");
    assert.match(build, /^version="\d+\.\d+\.\d+",archive="/);
    assert.ok(build.endsWith(`archive="${archive}"`), build);
    const value = (name) => samples.get(name)[0][1];
    assert.ok(value("tapedeck_frames_received_total") > 100);
    assert.ok(value("tapedeck_chunks_total") >= 3);
    assert.ok(
      Math.abs(value("tapedeck_feed_last_data_timestamp_seconds") - Date.now() / 1000) < 10
    );
    assert.ok(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 5);
    // Counters go up, and agree with the report at the end.
    const later = samplesOf((await get(`${url}metrics`)).text);
    assert.ok(
      later.get("tapedeck_frames_received_total")[0][1] >= value("tapedeck_frames_received_total")
    );
    const state = JSON.parse((await get(`${url}status`)).text);
    assert.equal(state.feeds[0].live_connections, 1);
    assert.deepEqual(await get(`${url}healthz`), {
      status: 200,
      type: "text/plain; charset=utf-8",
      text: "ok\n",
    });
    assert.equal((await get(`${url}secret`)).status, 404);
    assert.equal((await fetch(`${url}metrics`, { method: "POST", body: "x" })).status, 405);
    const end = await recorder.kill("SIGTERM");
    assert.equal(end.code, 0, recorder.stderr);
    assert.ok(recorder.summary().in >= later.get("tapedeck_frames_received_total")[0][1]);
  });

  test(
    "promtool accepts the metrics, the rules and their tests",
    { skip: withoutPromtool },
    async (t) => {
      const { recorder, url } = await recorded(t);
      const { text } = await get(`${url}metrics`);
      const checked = spawnSync("promtool", ["check", "metrics"], {
        input: text,
        encoding: "utf8",
      });
      assert.deepEqual([checked.status, checked.stdout, checked.stderr], [0, "", ""]);
      const folder = path.join(EXAMPLES, "monitoring");
      for (const args of [
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "alerts_test.yml"],
      ]) {
        const { status, stdout, stderr } = spawnSync("promtool", args, {
          cwd: folder,
          encoding: "utf8",
        });
        assert.equal(status, 0, stdout + stderr);
      }
      // Alerts and board name only metrics that exist.
      const known = new Set([...samplesOf(text).keys(), "tapedeck"]);
      for (const file of ["alerts.yml", "grafana.json"])
        for (const name of fs
          .readFileSync(path.join(folder, file), "utf8")
          .match(/\b(tapedeck|process)_[a-z_]+/g))
          assert.ok(known.has(name), `${file}: ${name}`);
      checkBoard(t, JSON.parse(fs.readFileSync(path.join(folder, "grafana.json"), "utf8")));
      await recorder.kill("SIGTERM");
    }
  );

  test(
    "Prometheus scrapes it",
    { skip: has("prometheus", "--version") ? tooLong : "needs prometheus" },
    async (t) => {
      const { dir, recorder, url } = await recorded(t);
      const file = path.join(dir, "prometheus.yml"),
        port = await freePort();
      fs.writeFileSync(
        file,
        `global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: tapedeck\n    static_configs:\n      - targets: ["${new URL(url).host}"]\n`
      );
      const prometheus = spawn(
        "prometheus",
        [
          `--config.file=${file}`,
          `--storage.tsdb.path=${dir}/data`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        { stdio: "ignore" }
      );
      t.after(() => prometheus.kill("SIGKILL"));
      await eventually("Prometheus has a hundred frames", async () => {
        const found = await fetch(
          `http://127.0.0.1:${port}/api/v1/query?query=tapedeck_frames_received_total`
        )
          .then((response) => response.json())
          .catch(() => null);
        return Number(found?.data?.result[0]?.value[1]) > 100;
      });
      await recorder.kill("SIGTERM");
    }
  );

  test(
    "a connection that is down for long makes it unhealthy, and health returns",
    { skip: tooLong },
    async (t) => {
      const { server, recorder, url } = await recorded(t);
      await server.program.kill("SIGKILL");
      await recorder.prints(/cannot connect/);
      assert.equal((await get(`${url}healthz`)).status, 200); // a moment ago
      const { status, text } = await eventually("it is unhealthy", async () => {
        const answer = await get(`${url}healthz`);
        return answer.status !== 200 && answer;
      });
      assert.deepEqual(
        [status, text],
        [503, "feed v5-linear: 1 of 1 connections are not live for over 30 s\n"]
      );
      assert.equal(
        samplesOf((await get(`${url}metrics`)).text).get("tapedeck_feed_connections_down")[0][1],
        1
      );
      await recorder.kill("SIGTERM");
    }
  );

  test("credentials are in no answer", async (t) => {
    const { recorder, url } = await recorded(t, {
      env: { ...process.env, TAPE_KEY: SECRET, TAPE_SECRET: SECRET },
      more: ["--api-key-env", "TAPE_KEY", "--api-secret-env", "TAPE_SECRET"],
    }).catch((error) => assert.fail(error));
    for (const name of ["metrics", "healthz", "status"])
      assert.ok(!(await get(url + name)).text.includes(SECRET), name);
    await recorder.kill("SIGTERM");
  });

  test("a wrong address is an error of the command line; one in use, of the machine", async (t) => {
    const dir = temporary(t),
      taken = net.createServer();
    await new Promise((resolve) => taken.listen(0, "127.0.0.1", resolve));
    t.after(() => taken.close());
    const args = [
      "record",
      "-a",
      path.join(dir, "tape"),
      "--family",
      "v5-linear",
      "--topic",
      "tickers.BTCUSDT",
      "--status-listen",
    ];
    assert.match(
      (await tapedeck(t, [...args, "somewhere"], { status: 2 })).stderr,
      /--status-listen somewhere: expected HOST:PORT/
    );
    assert.match(
      (await tapedeck(t, [...args, `127.0.0.1:${taken.address().port}`], { status: 4 })).stderr,
      /--status-listen 127\.0\.0\.1:\d+: cannot listen: Address already in use/
    );
  });
});

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("systemd", () => {
  test("a service manager hears that the recorder is ready, alive, and stops", async (t) => {
    const dir = temporary(t),
      at = path.join(dir, "notify");
    // Receives datagrams, which Node.js cannot at a Unix socket.
    const listener = spawn(
      "python3",
      [
        "-uc",
        "import socket, sys\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\nprint('bound')\nwhile True: print(repr(s.recv(4096).decode()))",
        at,
      ],
      { stdio: ["ignore", "pipe", "inherit"] }
    );
    t.after(() => listener.kill("SIGKILL"));
    let heard = "";
    listener.stdout.on("data", (data) => (heard += data));
    await eventually("the socket is bound", () => heard.includes("bound"));
    const { recorder } = await recorded(t, {
      env: { ...process.env, NOTIFY_SOCKET: at, WATCHDOG_USEC: "400000" },
    });
    const LIVE = /'WATCHDOG=1\\nSTATUS=1\/1 feeds live, [\d,]+ frames, 0 gaps, 0 dropped\\n'\n/;
    await eventually(
      "four signs of life, also of the feed",
      () => heard.split("WATCHDOG=1").length >= 5 && LIVE.test(heard)
    );
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    await eventually("the recorder announced its stop", () => heard.includes("'STOPPING=1\\n'\n"));
    const [, first, ...rest] = heard.trim().split("\n");
    assert.match(first, /^'READY=1\\nWATCHDOG=1\\nSTATUS=0\/1 feeds live, /);
    assert.equal(rest.at(-1), "'STOPPING=1\\n'");
    assert.equal(heard.split("READY=1").length, 2);
  });

  test("the units are right", { skip: withoutSystemd }, async (t) => {
    const dir = temporary(t);
    const program = path.join(dir, "tapedeck");
    fs.writeFileSync(program, "#!/bin/sh\n", { mode: 0o755 });
    const names = [];
    for (const folder of ["systemd", "fleet"].map((name) => path.join(EXAMPLES, name)))
      for (const name of fs.readdirSync(folder).filter((one) => /\.(service|timer)$/.test(one))) {
        const text = fs
          .readFileSync(path.join(folder, name), "utf8")
          .replaceAll(/\/usr\/(local\/)?bin\/tapedeck(-merge)?/g, program);
        names.push(name.replace("@", "@x"));
        fs.writeFileSync(path.join(dir, names.at(-1)), text);
      }
    for (const name of names) {
      const { stderr } = await promisify(execFile)("systemd-analyze", [
        "verify",
        "--man=no",
        "--recursive-errors=no",
        path.join(dir, name),
      ]);
      // Without the user and the man pages of an installation.
      assert.deepEqual(
        stderr.split("\n").filter((line) => line.includes("tapedeck") && !/user|group/i.test(line)),
        [],
        stderr
      );
    }
  });
});
