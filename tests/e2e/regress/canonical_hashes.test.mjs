// A second implementation (canonical_form.mjs, written from docs/regress.md) makes the same canonical form and the same hashes:
// in the vectors, and in baselines of golden frames and real captures.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readBaseline } from "./baseline_reader.mjs";
import {
  bookHash,
  controlHash,
  failureHash,
  form,
  frameHash,
  member,
  messageHash,
  parse,
} from "../support/canonical_form.mjs";
import { vectors } from "./canonical_vectors.mjs";
import {
  capture,
  importFrames,
  jsonList,
  tapedeck,
  temporary,
  withoutCapture,
} from "../support/harness.mjs";

const GOLDEN = "tests/golden";

test("the second implementation makes the same vectors", () => {
  assert.equal(fs.readFileSync("tests/schema/canonical_vectors.json", "utf8"), vectors());
});

/** A book that applies messages by their rules. */
class Book {
  levels = new Map();

  apply(node) {
    if (member(node, "kind")?.text === "snapshot") this.levels.clear();
    for (const level of member(node, "levels").items) {
      const [action, side, price] = ["action", "side", "price"].map(
        (name) => member(level, name).text
      );
      if (action === "delete") this.levels.delete(`${side} ${price}`);
      else
        this.levels.set(`${side} ${price}`, {
          side,
          price,
          size: member(level, "size").text,
          rpi: member(level, "rpi_size")?.text,
        });
    }
  }

  hash() {
    return bookHash([...this.levels.values()]);
  }
}

/** The fields' types by member, for each family: in a family a member has one type. */
async function fieldTypes(t) {
  const types = {};
  for (const row of await jsonList(t, ["topics", "--json"]))
    for (const field of row.fields) (types[row.family] ??= {})[field.member] = field.type;
  return types;
}

/** The hash of a decoded line without the book after it. */
function hashOfLine(node, types) {
  const of = (name) => member(node, name);
  if (of("type").text === "raw") return failureHash(member(of("error"), "reason").text);
  if (of("type").text !== "control") return messageHash(form(node, types));
  const success = of("success");
  return controlHash(of("control").text, success === undefined ? null : success.raw === "true", "");
}

/** The expected baseline of an archive, from `cat` and `decode`: stream -> {bytes, decodes, books}. */
async function expectedStreams(t, archive, family, types) {
  const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--dir", "in"]);
  const rows = stdout.split("\n").filter((line) => line !== "");
  const decoded = await tapedeck(t, ["decode", "--family", family], {
    stdin: rows.map((row) => row + "\n").join(""),
    status: null,
  });
  const lines = decoded.stdout.split("\n").filter((line) => line !== "");
  assert.equal(lines.length, rows.length);
  const streams = new Map();
  for (const [i, line] of lines.entries()) {
    const row = JSON.parse(rows[i]);
    const node = parse(line);
    const isRaw = member(node, "type").text === "raw";
    const topic =
      member(node, "type").text === "control" ? "_control" : (member(node, "topic")?.text ?? "");
    const exchangeTopic = topic === "" ? (member(member(node, "error"), "topic")?.text ?? "") : "";
    const key = [
      topic,
      topic === "" || topic === "_control" ? "" : (row.symbol ?? ""),
      exchangeTopic,
    ].join("|");
    const stream = streams.get(key) ?? {
      bytes: [],
      decodes: [],
      books: [],
      book: new Book(),
      hasSnapshot: false,
    };
    streams.set(key, stream);
    const isBook = !isRaw && member(node, "type").text === "book_change";
    if (isBook) stream.book.apply(node);
    stream.hasSnapshot ||= isBook && member(node, "kind")?.text === "snapshot";
    stream.bytes.push(frameHash(Buffer.from(row.data)));
    stream.decodes.push(hashOfLine(node, types));
    stream.books.push(isBook && stream.hasSnapshot ? stream.book.hash() : 0n);
  }
  return streams;
}

/** Compare `regress save` with the second implementation; returns the number of frames. */
async function compare(t, dir, archive, family, types) {
  const file = path.join(dir, `${family}.tdb`);
  await tapedeck(t, ["regress", "save", archive, "-o", file]);
  const expected = await expectedStreams(t, archive, family, types);
  const found = readBaseline(file);
  const keyOf = (stream) =>
    [
      stream.topic,
      stream.topic === "" || stream.topic === "_control" ? "" : stream.symbol,
      stream.topic === "" ? stream.exchangeTopic : "",
    ].join("|");
  assert.deepEqual(found.map(keyOf).sort(), [...expected.keys()].sort(), family);
  for (const stream of found) {
    const expectedRows = expected.get(keyOf(stream));
    for (const [name, of] of [
      ["bytes", "bytes"],
      ["decodes", "decode"],
      ["books", "book"],
    ])
      assert.deepEqual(
        stream.rows.map((row) => String(row[of])),
        expectedRows[name].map(String),
        `${family} ${keyOf(stream)} ${name}`
      );
  }
  return found.reduce((sum, stream) => sum + stream.rows.length, 0);
}

test("golden frames of every family have the second implementation's hashes", async (t) => {
  const types = await fieldTypes(t);
  for (const family of fs.readdirSync(GOLDEN)) {
    const dir = temporary(t);
    const names = fs
      .readdirSync(path.join(GOLDEN, family))
      .filter((name) => name.endsWith(".json") && !name.endsWith(".out.json"));
    const frames = names.map((name) =>
      fs.readFileSync(path.join(GOLDEN, family, name), "utf8").trim()
    );
    const archive = await importFrames(t, dir, { family, host: "/realtime", frames });
    assert.ok((await compare(t, dir, archive, family, types[family])) > 0);
  }
});

for (const [family, name] of [
  ["inverse", "inverse-2021-04-17.jsonl.gz"],
  ["linear", "linear-2021-04-17.jsonl.gz"],
  ["v5-linear", "v5-2026-08-09.jsonl.gz"],
  ["v5-linear", "v5-linear-2025-06-13.jsonl.gz"],
]) {
  test(
    `the frames of ${name} have the second implementation's hashes`,
    { skip: withoutCapture(name) },
    async (t) => {
      const dir = temporary(t);
      const archive = path.join(dir, "tape");
      const types = (await fieldTypes(t))[family];
      await tapedeck(t, ["import", "-a", archive, "--format", "cryptofeed", capture(name)]);
      assert.ok((await compare(t, dir, archive, family, types)) > 100);
    }
  );
}
