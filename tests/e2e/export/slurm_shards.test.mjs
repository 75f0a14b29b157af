// Shards and units as tasks of a Slurm array (docs/export.md), on a cluster of this machine alone. `make soak` runs it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import {
  BIN,
  Program,
  capture,
  manifestOf,
  manifestsOf,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const skip =
  process.env.TAPEDECK_SLURM === undefined ? "make soak starts a cluster" : withoutCapture(INVERSE);

/** Ports that are free now. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve) => {
          const server = net.createServer().listen(0, "127.0.0.1", () => resolve(server));
        })
    )
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Start a cluster of one node. Returns its environment, and a function that runs a script as an array's tasks, and waits for
 * them. */
async function cluster(t) {
  const dir = temporary(t);
  const [control, node] = await freePorts(2);
  const host = os.hostname();
  const user = os.userInfo().username;
  const conf = path.join(dir, "slurm.conf");
  for (const name of ["state", "spool"]) fs.mkdirSync(path.join(dir, name));
  fs.writeFileSync(
    conf,
    `ClusterName=one
SlurmctldHost=${host}(127.0.0.1)
SlurmUser=${user}
SlurmdUser=${user}
AuthType=auth/none
CredType=cred/none
SlurmctldPort=${control}
SlurmdPort=${node}
StateSaveLocation=${dir}/state
SlurmdSpoolDir=${dir}/spool
SlurmctldPidFile=${dir}/control.pid
SlurmdPidFile=${dir}/node.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
NodeName=${host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`
  );
  const env = { SLURM_CONF: conf };
  for (const args of [
    ["slurmctld", "-D"],
    ["slurmd", "-D", "-N", host],
  ])
    new Program(t, "/usr/bin/env", ["PATH=/usr/sbin:/usr/bin:/bin", ...args], { env });
  const submit = (array, script) => {
    const file = path.join(dir, "job.sh");
    fs.writeFileSync(file, script);
    try {
      execFileSync("sbatch", ["--wait", "-o", path.join(dir, "%a.log"), `--array=${array}`, file], {
        env: { ...process.env, ...env },
        timeout: 60000,
        stdio: "pipe",
      });
      return 0;
    } catch (error) {
      return error.status;
    }
  };
  return { submit, env };
}

/** An archive of two days. */
async function imported(t, dir) {
  const archive = path.join(dir, "tape");
  await tapedeck(t, [
    ...["import", "-q", "-a", archive, "--format", "cryptofeed", "--family", "inverse"],
    capture(INVERSE),
  ]);
  return archive;
}

test("slurm.sh exports in units, which give the bytes of one run", { skip }, async (t) => {
  const dir = temporary(t),
    out = path.join(dir, "set"),
    words = ["--format", "tardis-csv"];
  const archive = await imported(t, dir);
  await tapedeck(t, ["export", "-q", archive, ...words, "--out", path.join(dir, "one")]);
  const { env } = await cluster(t);
  execFileSync("docs/examples/distributed/slurm.sh", [archive, out, ...words], {
    env: {
      ...process.env,
      ...env,
      PATH: `${path.resolve(BIN)}:${process.env.PATH}`,
      ...{ UNIT_BYTES: "1000", TASKS: "4", CPUS: "1" },
    },
    timeout: 60000,
    stdio: "pipe",
  });
  execFileSync("diff", ["-r", out, path.join(dir, "one")], { stdio: "pipe" });
});

test(
  "tasks of a Slurm array give the bytes of one run; a killed task is reported",
  { skip },
  async (t) => {
    const dir = temporary(t);
    const archive = await imported(t, dir);
    const args = (out) => [
      "export",
      "-q",
      "-a",
      archive,
      "--format",
      "tardis-csv",
      "--out",
      path.join(dir, out),
    ];
    await tapedeck(t, args("one"));
    const { submit } = await cluster(t);
    const script = (before) =>
      `#!/bin/sh\n${before}\nexec ${path.join(path.resolve(BIN), "tapedeck")} ${args("set").join(" ")} --shard $SLURM_ARRAY_TASK_ID/2\n`;
    assert.notEqual(submit("1-2", script("[ $SLURM_ARRAY_TASK_ID = 1 ] || kill -9 $$")), 0);
    const out = path.join(dir, "set");
    assert.equal(manifestsOf(out).length, 1); // of the other day
    assert.equal(submit("2", script("")), 0);
    const files = fs.readdirSync(out);
    assert.deepEqual(files, fs.readdirSync(path.join(dir, "one")));
    for (const name of files)
      assert.deepEqual(
        fs.readFileSync(path.join(out, name)),
        fs.readFileSync(path.join(dir, "one", name)),
        name
      );
    assert.ok(manifestOf(out).files.length > 2);
  }
);
