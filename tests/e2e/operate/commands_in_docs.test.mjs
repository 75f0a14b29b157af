// The commands in README.md, docs/recipes.md, docs/datasets.md and docs/client-tests.md run, and print the lines that the pages
// show.
// The "console" blocks of a page are one shell session: "$ " begins a command, "> " continues it, "..." stands for omitted
// lines, the rest is output. Numbers, times,
// hashes and the width of columns may differ. `make demo` runs here without make, for three seconds.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { BIN, run, temporary, tooLong } from "../support/harness.mjs";
import { python, withoutPackages } from "../support/npm_packages.mjs";

const TOUR_MS = 300_000; // a busy machine needs more than 120 s
const PIPE_CLOSED = 141; // `head` has read enough

function consoleSteps(page) {
  const steps = [];
  for (const [, block] of fs.readFileSync(page, "utf8").matchAll(/```console\n([\s\S]*?)```/g)) {
    for (const line of block.trimEnd().split("\n")) {
      if (line.startsWith("$ ")) steps.push({ command: line.slice(2), shown: [] });
      else if (line.startsWith("> ")) steps.at(-1).command += "\n" + line.slice(2);
      else if (line !== "..." && line !== "") steps.at(-1).shown.push(line);
    }
  }
  return steps;
}

/** A line without the parts that differ from run to run. */
function shape(line) {
  return line
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID")
    .replace(/\b[0-9a-f]{40}\b/g, "COMMIT")
    .replace(/-\d{8}T\d{6}Z-[0-9a-f]{8}-/g, "-TIME-")
    .replace(/\bsession [0-9a-f]{8}\b/g, "session ID")
    .replace(/"ca_file":"[^"]*\//, '"ca_file":"/')
    .replace(/\d[\d,.:]*/g, "N")
    .replace(/N (s|ms|us|µs)\b/g, "N s")
    .replace(/N (B|KiB|MiB|GiB)\b/g, "N B")
    .replace(/segments?|sessions?|gaps?/g, (word) => word.replace(/s$/, ""))
    .replace(/\s+/g, " ")
    .trim();
}

/** Write a program of this name into a folder that is first in PATH. */
function program(dir, name, text) {
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

/** Run the script in a folder that looks like the tree after `make`. Programs that it leaves running end with it. */
async function bash(script, dir) {
  fs.mkdirSync(path.join(dir, "build"));
  fs.symlinkSync(path.resolve(BIN), path.join(dir, "build/bin"));
  for (const folder of ["docs", "embed"])
    fs.symlinkSync(path.resolve(folder), path.join(dir, folder));
  const demo = `make() { [ "$*" = demo ] && "${path.resolve("docs/examples/demo.sh")}" build/bin build/demo; }\n`;
  const installed = `npm() { ln -s "${path.resolve("build/npm/node_modules")}" node_modules; }; python3() { command "${python() ?? "python3"}" "$@"; }\n`;
  const duckdb = `duckdb() { TAPEDECK_NPM="${path.resolve("build/npm")}" "${process.execPath}" "${path.resolve("tests/npm/duckdb.mjs")}" "$@"; }\n`;
  // `node --test FILE` starts a second node for the file, as in the page's own command. Where git and tapedeck run it, the file
  // runs without that second node, with the same status.
  const real = `node() { command "${process.execPath}" "$@"; }\n`;
  program(
    path.join(dir, "programs"),
    "node",
    `[ "$1" = --test ] && shift\nexec "${process.execPath}" "$@"`
  );
  const author = Object.fromEntries(
    ["AUTHOR", "COMMITTER"].flatMap((role) => [
      [`GIT_${role}_NAME`, "You"],
      [`GIT_${role}_EMAIL`, "you@example.org"],
    ])
  );
  const env = {
    ...process.env,
    DEMO_SECONDS: "3",
    TAPEDECK_ARCHIVE: "",
    PATH: `${path.join(dir, "programs")}:${process.env.PATH}`,
    GIT_CONFIG_GLOBAL: "/dev/null",
    ...author,
  };
  for (const name of ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "NODE_TEST_CONTEXT"])
    delete env[name]; // set by the caller of the tests
  const child = spawn(
    "bash",
    ["-uo", "pipefail", "-c", demo + installed + duckdb + real + script],
    { cwd: dir, env, detached: true, stdio: ["ignore", "pipe", "pipe"] }
  );
  const end = () => process.kill(-child.pid, "SIGKILL");
  const timer = setTimeout(end, TOUR_MS);
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (d) => (stdout += d));
  child.stderr.on("data", (d) => (stderr += d));
  await once(child, "close");
  clearTimeout(timer);
  return { stdout, stderr };
}

/** Run the page's commands in dir, and compare their output. All must end with 0, except those that mayFail matches. Commands
 * that leftOut matches are not run; no other command may depend on them. */
async function checkSession(page, dir, { mayFail = /^$/, leftOut = /^$/ } = {}) {
  const steps = consoleSteps(page).filter(({ command }) => !leftOut.test(command));
  assert.ok(steps.length > 8, `${page} has no commands`);
  const script = steps
    .map((s, i) => `echo "@@ ${i}"\n${s.command}\nprintf '\\n@@ status %s\\n' $?\n`)
    .join("");
  const { stdout, stderr } = await bash(script + "kill $(jobs -p) 2>/dev/null\nwait\n", dir);
  const parts = stdout.split(/^@@ \d+\n/m).slice(1);
  assert.equal(parts.length, steps.length, stderr);
  for (const [i, step] of steps.entries()) {
    const status = Number(/^@@ status (\d+)$/m.exec(parts[i])[1]);
    assert.ok(
      [0, PIPE_CLOSED].includes(status) || mayFail.test(step.command),
      `${page}: $ ${step.command}\nends with ${status}\n${stderr}`
    );
    const lines = parts[i].split("\n").map(shape);
    let from = 0;
    for (const shown of step.shown) {
      const at = lines.indexOf(shape(shown), from);
      assert.ok(
        at >= 0,
        `${page}: $ ${step.command}\ndoes not print (any more, or in this order)\n${shown}\nbut\n${parts[i].slice(0, 4000)}\n${stderr}`
      );
      from = at + 1;
    }
  }
}

const withoutGit = spawnSync("git", ["--version"]).status === 0 ? false : "needs git";

describe("pages", { concurrency: 2 }, () => {
  test("the commands of the README's tour run and print the output that it shows", async (t) => {
    await checkSession("README.md", temporary(t), { mayFail: /verify build\/demo\/broken/ });
  });

  test("the recipes run and print the output that they show; the systemd unit's command is right", async (t) => {
    const dir = temporary(t);
    await checkSession("docs/recipes.md", dir, {
      mayFail: /^timeout --foreground -s KILL| --break |^tapedeck (why|diff)/,
    });
    const [, verb, options] = /^ExecStart=\S+\/tapedeck (\w+) (.*)$/m.exec(
      fs.readFileSync("docs/recipes.md", "utf8")
    );
    const args = options
      .replace(/-a \S+/, `-a ${dir}/unit`)
      .replace(/-c \S+/, `-c ${dir}/missing.yaml`)
      .split(" ");
    const { stderr } = await run(t, "tapedeck", [verb, ...args], { status: 4 });
    assert.match(stderr, /missing\.yaml/);
  });

  test(
    "the commands of docs/datasets.md run and print the output that it shows",
    { skip: withoutPackages },
    async (t) => {
      const dir = temporary(t);
      await checkSession("docs/datasets.md", dir);
      assert.match(fs.readFileSync(path.join(dir, "bars.csv"), "utf8"), /^BTCUSDT,.*\d$/m);
    }
  );

  test(
    "the client's tests in docs/client-tests.md run and print the output that it shows",
    {
      skip:
        withoutPackages ||
        (python() ? withoutGit : "needs Python's websockets (Debian: python3-websockets)"),
    },
    async (t) => {
      // --shrink runs the client 20 times. The recipes use it, too.
      await checkSession("docs/client-tests.md", temporary(t), {
        leftOut: tooLong ? / --shrink / : /^$/,
      });
    }
  );
});

/** The anchors that GitHub makes for a page's headings. */
function anchors(page) {
  const text = fs.readFileSync(page, "utf8").replace(/^```[\s\S]*?^```/gm, "");
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-")
  );
}

test("links in README.md and docs have targets, and the make targets named there exist", () => {
  const makefile = fs.readFileSync("Makefile", "utf8");
  const units = fs.readdirSync("tests", { recursive: true }).map((file) => path.basename(file));
  const pages = [
    "README.md",
    ...fs
      .readdirSync("docs")
      .filter((f) => f.endsWith(".md"))
      .map((f) => path.join("docs", f)),
  ];
  for (const page of pages) {
    const text = fs.readFileSync(page, "utf8");
    for (const [, target] of text.matchAll(/\]\(([^)#]+?)(?:#[^)]*)?\)/g)) {
      if (/^https?:/.test(target)) continue;
      assert.ok(fs.existsSync(path.join(path.dirname(page), target)), `${page} links to ${target}`);
    }
    for (const [, target, anchor] of text.matchAll(/\]\(([^)\s#:]*)#([^)\s]+)\)/g)) {
      const file = target === "" ? page : path.join(path.dirname(page), target);
      assert.ok(anchors(file).includes(anchor), `${page} links to ${target}#${anchor}`);
    }
    for (const [, target] of text.matchAll(/`make ([a-z-]+)/g))
      assert.match(makefile, new RegExp(`^${target}:`, "m"), `${page} names 'make ${target}'`);
    for (const [, name] of text.matchAll(/`make unit T=([a-z_]+)`/g))
      assert.ok(
        units.some((file) => file.includes(`test_${name}`)),
        `${page} names the unit test ${name}`
      );
  }
});

test("examples that record from the exchange itself name families whose addresses still answer (docs/wire.md 1.4)", () => {
  const help = execFileSync(path.resolve(BIN, "tapedeck"), ["record", "--help"], {
    encoding: "utf8",
  });
  const inFolder = (folder, extension) =>
    fs
      .readdirSync(folder)
      .filter((f) => f.endsWith(extension))
      .map((f) => fs.readFileSync(path.join(folder, f), "utf8"));
  const texts = [
    help,
    fs.readFileSync("README.md", "utf8"),
    ...inFolder("docs", ".md"),
    ...inFolder("docs/man", ".1"),
  ];
  const lines = texts
    .flatMap((text) => text.replace(/\\-/g, "-").split("\n"))
    .filter((line) => /\btapedeck record -a \S+ .*(--family|wss:)/.test(line));
  const ownServer = /127\.0\.0\.1|\$url|--families|--raw-topic/; // or a family of the user
  const live = lines.filter((line) => !ownServer.test(line));
  assert.ok(live.length >= 5, lines.join("\n"));
  assert.deepEqual(
    live.filter((line) => !/--family v5-|\/v5\//.test(line)),
    []
  );
});
