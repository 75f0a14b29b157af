// Documents of families that are not part of the programs: the one that docs/families.md builds, documents that use each other, and
// mistakes.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { json, jsonLines, tapedeck, temporary } from "../support/harness.mjs";

const PAGE = new URL("../../../docs/families.md", import.meta.url);

/** The document of the page: its pieces of YAML, in their order. */
const example = () =>
  [
    ...fs
      .readFileSync(PAGE, "utf8")
      .split("\n## The head\n")[1]
      .matchAll(/```yaml\n([^]*?)```/g),
  ]
    .map(([, piece]) => piece)
    .join("\n");

function write(t, documents) {
  const dir = temporary(t);
  for (const [name, text] of Object.entries(documents))
    fs.writeFileSync(path.join(dir, name), text);
  return dir;
}

const SHARED =
  "sets:\n  level:\n    - p price decimal price required\n    - q size decimal quantity required\n    - side side side required\n";
const USER = `family: mine
exchange: bybit
dialect: v5
use: [shared]
sets:
  head:
    - n seq integer required
topics:
  - topic: "book.{symbol}"
    message: book_change
    title: Books
    sequence: envelope
    envelope: head
    fields: level
    entries: [rows set any]
    rules: [seq_dense seq error]
`;

test("the family of the page is listed and decodes its frames", async (t) => {
  const dir = write(t, { "made-up.yaml": example() });
  const options = ["--families", path.join(dir, "made-up.yaml"), "--family", "made-up"];
  const { families, topics } = await json(t, ["topics", ...options, "--json"]);
  assert.deepEqual(
    families.map(({ family }) => family),
    ["made-up"]
  );
  assert.deepEqual(
    topics.map(({ pattern, topic }) => pattern ?? topic),
    ["orderbook.50.{symbol}", "orderbook.7.{symbol}"]
  );
  const book = {
    topic: "orderbook.7.A",
    type: "snapshot",
    ts: 1700000000000,
    data: { b: [["1.5", "2"]], a: [["1.6", "0"]], u: 3 },
  };
  const [first, unlike] = await jsonLines(t, ["decode", ...options], {
    stdin: `${JSON.stringify(book)}\n${JSON.stringify({ ...book, data: { ...book.data, u: "x" } })}\n`,
    status: 1,
  });
  assert.deepEqual(
    [first.type, first.symbol, first.u, first.exchange_ns, first.unknown_fields],
    ["book_change", "A", 3, 1700000000000000000, undefined]
  );
  assert.deepEqual(
    first.levels.map(({ action, side, price }) => [action, side, price]),
    [
      ["set", "Buy", "1.5"],
      ["delete", "Sell", "1.6"],
    ]
  );
  assert.equal(unlike.type, "raw");
});

test("documents of a folder use each other; other files are not read", async (t) => {
  const dir = write(t, {
    "mine.yaml": USER,
    "shared.yaml": SHARED,
    "notes.txt": "family: no",
    ".hidden.yaml": "[",
  });
  const frame = { topic: "book.X", n: 1, rows: [{ p: "1", q: "2", side: "Buy" }] };
  const [message] = await jsonLines(t, ["decode", "--families", dir, "--family", "mine"], {
    stdin: `${JSON.stringify(frame)}\n`,
  });
  assert.deepEqual(
    [message.seq, message.levels],
    [1, [{ action: "set", side: "Buy", price: "1", size: "2" }]]
  );
});

test("mistakes are refused, with document and line", async (t) => {
  const dir = write(t, {
    "mine.yaml": USER,
    "shared.yaml": SHARED.replace("decimal price", "decimall price"),
    "twice.yaml": USER,
    "linear.yaml": USER.replace("mine", "linear"),
  });
  const at = (name) => path.join(dir, name);
  fs.mkdirSync(at("empty"));
  fs.writeFileSync(at("large.yaml"), Buffer.alloc((1 << 20) + 1, "#"));
  for (const [paths, words] of [
    [
      ["mine.yaml", "shared.yaml"],
      /shared.yaml:3: there is no type 'decimall'\n[^]*hint: did you mean 'decimal'/,
    ],
    [["mine.yaml"], /there is no document 'shared.yaml'/],
    [["linear.yaml"], /there is no document 'shared.yaml'/],
    [
      ["empty"],
      /no document of a family is in .*empty\n[^]*hint: a document of a family has a name like made-up.yaml/,
    ],
    [["absent.yaml"], /cannot open '.*absent.yaml': No such file/],
    [["large.yaml"], /large.yaml/],
  ]) {
    const { stderr } = await tapedeck(
      t,
      ["decode", ...paths.flatMap((name) => ["--families", at(name)]), "--family", "mine"],
      { stdin: "", status: null }
    );
    assert.match(stderr, words);
  }
  fs.writeFileSync(at("shared.yaml"), SHARED);
  for (const [name, family] of [
    ["twice.yaml", "mine"],
    ["linear.yaml", "linear"],
  ]) {
    const { stderr } = await tapedeck(
      t,
      ["topics", ...["mine.yaml", "shared.yaml", name].flatMap((one) => ["--families", at(one)])],
      { status: 2 }
    );
    assert.match(stderr, new RegExp(`${name}: there is a family '${family}' already`));
  }
});
