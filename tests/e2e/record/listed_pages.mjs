// Patterns of symbols: the recorder follows the exchange's list of instruments. Expected: the lists that the test writes, the
// exchange's own account of sent frames, and docs/recording.md ("All symbols").
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { eventsOf, json, jsonList, temporary } from "../support/harness.mjs";
import { test } from "../support/npm_packages.mjs";
import { feedArgs, Recorder, simulator } from "../support/recorders.mjs";

/** A simulated exchange whose list of instruments the test writes. */
async function listedExchange(t, dir, symbols, rate, first) {
  const file = path.join(dir, "instruments");
  const list = (lines) => {
    fs.writeFileSync(`${file}.new`, lines.map((line) => `${line}\n`).join(""));
    fs.renameSync(`${file}.new`, file);
  };
  list(first);
  const server = await simulator(t, dir, ["--families", "v5-linear", "--symbols", String(symbols), "--rate", String(rate), "--instruments-file", file]);
  return { server, list };
}

const args = (server, topics, ...symbols) => [...feedArgs(server, "v5-linear", topics), ...symbols.flatMap((symbol) => ["--symbol", symbol]),
  "--commit-interval", "100ms", "--instruments-every", "1s"];

/** Symbols that a configuration would record: those of sent requests. */
const requested = async (t, archive) => (await eventsOf(t, archive, "subscribe")).filter(({ state }) => state === "sent")
  .flatMap(({ topics }) => topics.split(",")).map((topic) => topic.split(".").at(-1));

const says = (recorder, symbol, words) => recorder.prints(new RegExp(`v5-linear: ${symbol} ${words}`));

describe("a long list of instruments", () => {
  test("a list of two pages, more connections than one, and an instrument that is listed again", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const names = (await json(t, ["sim", "--list", "--families", "v5-linear", "--symbols", "1100", "--json"])).rows
      .filter(({ kind }) => kind === "symbol").map(({ name }) => name);
    assert.equal(names.length, 1100);
    const { server, list } = await listedExchange(t, dir, 1100, 200, names.slice(0, 1050));
    const recorder = new Recorder(t, archive, [...args(server, ["publicTrade"], "all"), "--max-topics-per-connection", "400"]);
    await recorder.prints(/shard 2\): subscribed to/); // on a slow machine, some requests may be unanswered then
    assert.match(recorder.stderr, /1050 of 1050 listed instruments are chosen/);
    list(names.slice(1)); // 50 more and one less: the third connection is filled
    await says(recorder, names[1099], "is listed");
    await says(recorder, names[0], "has ended");
    list(names);
    await says(recorder, names[0], "is listed");
    await recorder.durableAfter(recorder.durableLines + 3);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    const topics = await requested(t, archive);
    assert.equal(new Set(topics).size, 1100);
    const connects = await eventsOf(t, archive, "connect");
    assert.deepEqual(connects.map(({ shard }) => shard).sort(), [0, 1, 2]);
    assert.deepEqual(await jsonList(t, ["gaps", "-a", archive, "--json"]), []);
    // The names of pages are in the recorded requests.
    const urls = (await eventsOf(t, archive, "http")).map(({ url }) => url);
    assert.ok(urls.some((url) => /limit=1000&cursor=first%3D1000$/.test(url)), urls.join("\n"));
  });
});
