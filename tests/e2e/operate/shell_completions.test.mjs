// The completion scripts load in their shells without output. With them the shells offer every verb, every option of --help, the
// names that an option takes, and folders and files for paths. Completing does not execute the line.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, commands, helpOf, importLines, temporary } from "../support/harness.mjs";

const PROGRAMS = ["tapedeck", "tapedeck-record", "tapedeck-replay", "tapedeck-sim"];
const FAMILIES =
  "inverse linear copytrade usdc-perp usdc-option usdc-private spot-v1 spot-v2 spot-v3 spot-private contract-v3 unified-v3 v5-linear " +
  "v5-inverse v5-spot v5-option v5-private v5-trade v5-spread v5-misc binance-spot binance-usdm binance-usdm-private binance-spot-private binance-usdm-api bitstamp coinbase-advanced deribit kraken-v2 kraken-v2-private kraken-v1 kraken-v1-private okx";

/** Run a shell, which must print nothing to stderr. */
function shellOut(command, args, options) {
  const env = {
    ...process.env,
    HOME: options.home,
    XDG_CONFIG_HOME: options.home,
    TERM: "dumb",
    PATH: `${path.resolve(BIN)}:${process.env.PATH}`,
  };
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    input: options.input,
    encoding: "utf8",
    env,
    timeout: 300_000,
  });
  assert.equal(error, undefined);
  assert.equal(stderr, "");
  assert.equal(status, 0);
  return stdout;
}

/** The completion script of a program, as installed. */
const script = (program, shell) =>
  fs.readFileSync(`base/cli/completions.${shell}`, "utf8").replaceAll("PROGRAM", program);

/** Blocks of lines that end with END. */
const blocks = (text) =>
  text
    .split(/^END\n/m)
    .slice(0, -1)
    .map((b) => b.split("\n").filter((l) => l !== ""));

// Each returns, for each typed line, the words that the shell offers at its end.
const SHELLS = {
  bash(lines, home) {
    // readline splits a line at blanks, and "=" is a word.
    const words = lines.map((l) =>
      l.split(" ").flatMap((w) => (w === "" ? [""] : w.split(/(=)/).filter((p) => p !== "")))
    );
    const queries = words.map(
      (
        w
      ) => `COMP_WORDS=(${w.map((x) => `'${x}'`).join(" ")}) COMP_CWORD=${w.length - 1} COMPREPLY=()
_${w[0]}; printf '%s\\n' "\${COMPREPLY[@]}"; echo END`
    );
    const sources = PROGRAMS.map((p) => script(p, "bash"));
    return blocks(
      shellOut("bash", ["--norc", "-s"], {
        home,
        input: [...sources, ...queries, "exit 0", ""].join("\n"),
      })
    );
  },
  fish(lines, home) {
    const sources = PROGRAMS.map((p) => script(p, "fish"));
    const queries = lines.map((l) => `complete -C '${l}'; echo END`);
    const file = path.join(home, "queries.fish");
    fs.writeFileSync(file, [...sources, ...queries, ""].join("\n"));
    return blocks(shellOut("fish", ["-N", file], { home })).map((b) =>
      b.map((l) => l.split("\t")[0])
    );
  },
  zsh(lines, home) {
    const functions = path.join(home, "functions");
    fs.mkdirSync(functions, { recursive: true });
    for (const p of PROGRAMS) fs.writeFileSync(path.join(functions, `_${p}`), script(p, "zsh"));
    // With 'source' they define their functions.
    shellOut(
      "zsh",
      [
        "-f",
        "-c",
        'autoload -U compinit; compinit -u -D; for f in "$@"; do source $f; done; [[ $_comps[tapedeck] == _tapedeck ]]',
        "zsh",
        ...PROGRAMS.map((p) => path.join(functions, `_${p}`)),
      ],
      { home }
    );
    const out = path.join(home, "offered");
    shellOut("zsh", ["-f", "tests/e2e/operate/press_tab.zsh", functions, out], {
      home,
      input: lines.map((l) => `${l}\n`).join(""),
    });
    return blocks(fs.readFileSync(out, "utf8"));
  },
};

/** The value of "--net=main", or the last part of a path, without the shell's quotes. */
const plain = (offered) =>
  [
    ...new Set(
      offered.map((o) => path.basename(o.replaceAll("\\", "").replace(/^--[a-z-]+=/, "")).trim())
    ),
  ].sort();

/** All commands, each with the options of its --help. */
async function grammar() {
  const verbs = new Map();
  for (const verb of (await commands()).keys()) {
    const help = await helpOf(...verb.split(" "));
    const rows = [...help.matchAll(/^ {2}(?:(-\w), | {4})(--[a-z-]+)/gm)];
    assert.ok(rows.length > 1, verb);
    verbs.set(verb, {
      long: rows.map((r) => r[2]),
      short: rows.flatMap((r) => (r[1] ? [r[1]] : [])),
    });
  }
  return verbs;
}

/** Lines, each with exactly the words that must be offered. */
function lines(folder) {
  fs.mkdirSync(path.join(folder, "tape"), { recursive: true });
  for (const name of [
    "tape.mcap",
    "tape.txt",
    "capture.gz",
    "two words.mcap",
    "co:lon.mcap",
    "sub$(exit).mcap",
    "eq=ual.mcap",
  ])
    fs.writeFileSync(path.join(folder, name), "");
  const at = (name) => path.join(folder, name);
  return {
    "tapedeck repl": "replay",
    "tapedeck regress sa": "save",
    "tapedeck regress save --out": "--out",
    [`tapedeck regress save ${at("ta")}`]: "tape tape.mcap",
    [`tapedeck regress save -o ${at("cap")}`]: "capture.gz",
    "tapedeck-replay regress sa": "save",
    "tapedeck record --net ": "main test",
    "tapedeck record --net=": "main test",
    "tapedeck record --net=m": "main",
    "tapedeck record --quiet --net t": "test",
    "tapedeck cat --raw --dir ": "all http in out",
    "tapedeck import --format c": "cryptofeed",
    "tapedeck export --format ": "hftbacktest jsonl mcap nautilus parquet sqlite tardis-csv",
    "tapedeck export --type inc": "incremental_book_L2",
    "tapedeck decode --family ": FAMILIES,
    "tapedeck topics --family v5-s": "v5-spot v5-spread",
    "tapedeck sim --families spot-v": "spot-v1 spot-v2 spot-v3",
    [`tapedeck import ${at("cap")}`]: "capture.gz",
    [`tapedeck record --ca-file ${at("cap")}`]: "capture.gz",
    [`tapedeck info ${at("ta")}`]: "tape tape.mcap",
    [`tapedeck info -a ${at("ta")}`]: "tape tape.mcap",
    [`tapedeck info --archive=${at("ta")}`]: "tape tape.mcap",
    [`tapedeck export --out ${at("ta")}`]: "tape",
    [`tapedeck info ${at("two")}`]: ["two words.mcap"],
    [`tapedeck info --archive=${at("two")}`]: ["two words.mcap"],
    [`tapedeck info ${at("co")}`]: "co:lon.mcap",
    [`tapedeck info ${at("sub")}`]: "sub$(exit).mcap",
    [`tapedeck info --archive=${at("eq")}`]: "eq=ual.mcap",
    [`tapedeck info $(touch ${at("evaluated")}) --js`]: "--json",
    [`tapedeck info --json -- --js`]: [],
    "tapedeck record --topic a --net main --topi": "--topic",
    "tapedeck-record record --net m": "main",
    "tapedeck-record record --until": "--until-close",
    "tapedeck-replay ser": "serve",
    "tapedeck-replay export --for": "--force --format",
    "tapedeck-sim sim --fam": "--families",
  };
}

/** An archive with two feeds; its folder's name has a blank. */
async function recorded(t, dir) {
  const archive = path.join(dir, "of two");
  const lines = ["BTCUSDT", "ETHUSDT"].map((s, i) =>
    JSON.stringify({
      recv_ns: `${1_700_000_000_000_000_000n + BigInt(i)}`,
      data: {
        topic: `publicTrade.${s}`,
        type: "snapshot",
        ts: 1_700_000_000_000,
        data: [
          {
            T: 1_700_000_000_000,
            s,
            S: "Buy",
            v: "1",
            p: "2",
            L: "PlusTick",
            i: `${i}`,
            BT: false,
          },
        ],
      },
    })
  );
  const ticker = JSON.stringify({
    recv_ns: "1700000000000000009",
    data: {
      topic: "tickers.BTCUSDT",
      type: "snapshot",
      ts: 1_700_000_000_000,
      cs: 1,
      data: { symbol: "BTCUSDT", lastPrice: "2" },
    },
  });
  return importLines(t, [...lines, ticker], { archive, family: "v5-linear" });
}

for (const [shell, offered] of Object.entries(SHELLS)) {
  const skip = spawnSync(shell, ["--version"]).error ? `needs ${shell}` : false;
  test(
    `${shell} completes the feeds, topics and symbols of the archive on the line`,
    { skip },
    async (t) => {
      const home = temporary(t);
      const archive = path.join(home, "plain");
      fs.renameSync(await recorded(t, home), archive);
      const damaged = path.join(home, "broken");
      fs.mkdirSync(damaged);
      fs.writeFileSync(path.join(damaged, "x.mcap"), "no segment");
      const expected = {
        [`tapedeck cat ${archive} --symbol `]: "BTCUSDT ETHUSDT",
        [`tapedeck cat ${archive} --symbol E`]: "ETHUSDT",
        [`tapedeck cat ${archive} --symbol=B`]: "BTCUSDT",
        [`tapedeck cat ${archive} --topic `]: "publicTrade tickers",
        [`tapedeck cat --raw ${archive} --feed `]: "v5-linear",
        [`tapedeck serve -a ${archive} --quiet --symbol E`]: "ETHUSDT",
        [`tapedeck serve --archive=${archive} --topic t`]: "tickers",
        [`tapedeck replay ${archive} --speed 3 --symbol E`]: "ETHUSDT",
        "tapedeck cat ~/plain --symbol E": "ETHUSDT",
        "tapedeck cat --symbol ": [],
        [`tapedeck cat ${damaged} --symbol `]: [],
        [`tapedeck cat ${path.join(home, "missing")} --symbol `]: [],
        // A recording verb's symbols are the exchange's.
        [`tapedeck record -a ${archive} --symbol `]: [],
      };
      const answers = offered(Object.keys(expected), home);
      for (const [i, [line, words]] of Object.entries(expected).entries())
        assert.deepEqual(plain(answers[i]), Array.isArray(words) ? words : words.split(" "), line);
    }
  );
}

test("bash completes names of an archive whose path is quoted, and by TAPEDECK_ARCHIVE", async (t) => {
  const home = temporary(t);
  const archive = await recorded(t, home);
  const source = script("tapedeck", "bash");
  const ask = (
    words
  ) => `COMP_WORDS=(tapedeck ${words.map((w) => `'${w}'`).join(" ")}) COMP_CWORD=${words.length} COMPREPLY=()
_tapedeck; printf '%s\n' "\${COMPREPLY[@]}"; echo END`;
  const queries = [
    ["cat", archive.replace(" ", "\\ "), "--symbol", "E"],
    ["cat", `"${archive}"`, "--symbol", "E"],
  ].map(ask);
  const byName = `export TAPEDECK_ARCHIVE='${archive}'\n${ask(["cat", "--symbol", "E"])}`;
  const input = [source, ...queries, byName, "exit 0", ""].join("\n");
  assert.deepEqual(blocks(shellOut("bash", ["--norc", "-s"], { home, input })), [
    ["ETHUSDT"],
    ["ETHUSDT"],
    ["ETHUSDT"],
  ]);
});

/** The scripts contain no verb and no option, so all shells offer the same words as this one. */
const SAMPLE = ["record", "regress save", "export"];

for (const [shell, offered] of Object.entries(SHELLS)) {
  const skip = spawnSync(shell, ["--version"]).error ? `needs ${shell}` : false;
  test(`${shell} completes verbs, options and values`, { skip }, async (t) => {
    const home = temporary(t);
    const all = await grammar();
    const verbs = shell === "bash" ? all : new Map(SAMPLE.map((verb) => [verb, all.get(verb)]));
    const expected = lines(path.join(home, "files"));
    const asked = [
      "tapedeck ",
      ...[...verbs.keys()].flatMap((v) => [`tapedeck ${v} --`, `tapedeck ${v} -`]),
      ...Object.keys(expected),
    ];
    const answers = offered(asked, home);
    assert.equal(answers.length, asked.length);
    const of = (line) => plain(answers[asked.indexOf(line)]);
    for (const verb of all.keys())
      assert.ok(of("tapedeck ").includes(verb.split(" ")[0]), `no ${verb}`);
    for (const [verb, { long, short }] of verbs) {
      for (const option of long)
        assert.ok(
          of(`tapedeck ${verb} --`).includes(option),
          `${verb} ${option}: ${of(`tapedeck ${verb} --`)}`
        );
      for (const option of short)
        assert.ok(
          of(`tapedeck ${verb} -`).includes(option),
          `${verb} ${option}: ${of(`tapedeck ${verb} -`)}`
        );
    }
    for (const [line, words] of Object.entries(expected))
      assert.deepEqual(of(line), Array.isArray(words) ? words : words.split(" ").sort(), line);
    assert.ok(!fs.existsSync(path.join(home, "files", "evaluated")));
  });
}

test("completing reports a missing program", async (t) => {
  const alone = path.join(temporary(t), "tapedeck");
  fs.copyFileSync(path.join(BIN, "tapedeck"), alone);
  const { status, stderr } = spawnSync(alone, ["--complete", "record", "--"], {
    encoding: "utf8",
    env: { PATH: "/nonexistent" },
  });
  assert.equal(status, 4);
  assert.match(stderr, /cannot start tapedeck-record/);
});
