// What a message says, and that it has one form wherever it is printed: decode, replay --messages, export.
// Frames are real ones, or made up after the documented shapes (docs/wire.md).
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { jsonLines, tapedeck, temporary } from "./lib.mjs";

// One message for each frame.
async function decoded(t, family, frames, options) {
  const stdin = frames.map((frame) => (typeof frame === "string" ? frame : JSON.stringify(frame)) + "\n").join("");
  return jsonLines(t, ["decode", "--family", family], { stdin, ...options });
}

// A delta of XLMUSDT, whose prices have five decimals: a real frame of 2022, and the same without the plain price.
const XLM =
  '{"topic":"instrument_info.100ms.XLMUSDT","type":"delta","data":{"update":[{"id":21,"symbol":"XLMUSDT",' +
  '"last_price_e4":"28765","last_price":"0.28765","cross_seq":"9611371383"}]},"cross_seq":"9611371386","timestamp_e6":"1642063132602687"}';
const XLM_SCALED = XLM.replace('"last_price":"0.28765",', "");
const XLM_REPEATED = XLM.replace("0.28765", "28765");

test("a plain price counts; a scaled one alone is marked, for symbols differ in its scale", async (t) => {
  const usdc = XLM.replace("last_price_e4", "lastPriceE4").replace("last_price", "lastPrice").replaceAll("cross_seq", "crossSeq");
  for (const [family, plain] of [["linear", XLM], ["inverse", XLM], ["copytrade", XLM], ["usdc-perp", usdc]]) {
    const [message] = await decoded(t, family, [plain]);
    assert.equal(message.items[0].last_price, "0.28765", family);
    assert.equal(message.items[0].assumed_scale, undefined, family);
  }
  const [alone, repeated] = await decoded(t, "linear", [XLM_SCALED, XLM_REPEATED]);
  for (const message of [alone, repeated]) {
    assert.equal(message.items[0].last_price, "2.8765");
    assert.deepEqual(message.items[0].assumed_scale, ["last_price"]);
  }
});

test("other scaled pairs: the plain one counts unless it repeats the integer", async (t) => {
  const frame = (fields) =>
    XLM.replace('"last_price_e4":"28765","last_price":"0.28765"', fields);
  const [plain, repeated, alone] = await decoded(t, "linear", [
    frame('"open_interest_e8":"2725210700000","open_interest":"27252.107"'),
    frame('"open_interest_e8":"2725210700000","open_interest":2725210700000'),
    frame('"open_interest_e8":"2725210700000"'),
  ]);
  for (const message of [plain, repeated, alone]) {
    assert.equal(message.items[0].open_interest, "27252.107");
    assert.equal(message.items[0].assumed_scale, undefined); // every symbol has this scale
  }
});
