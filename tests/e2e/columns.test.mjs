// Everything for people fits a terminal of 80 columns: the help of every verb, and the tables of archives with ordinary
// and with long names. Names are never cut. Expected: docs/design.md ("Output").
import assert from "node:assert/strict";
import { test } from "node:test";
import { commands, run, tapedeck, verbs } from "./lib.mjs";

const COLUMNS = 80;

function fits(text, what) {
  for (const line of text.replaceAll(/\x1b\[\d*(;\d+)*m/g, "").split("\n"))
    assert.ok([...line].length <= COLUMNS, `${what}: ${[...line].length} columns: ${line}`);
}

test("every help fits, and lists the exit statuses", async (t) => {
  for (const verb of new Set([...(await commands(t)).keys(), ...(await verbs(t)).keys()])) {
    const help = (await tapedeck(t, [...verb.split(" "), "--help"])).stdout;
    fits(help, `${verb} --help`);
    if (!help.includes("\nVerbs\n")) assert.match(help, /\nExit status\n {2}0 /, verb);
  }
  for (const program of ["tapedeck", "tapedeck-record", "tapedeck-replay", "tapedeck-sim"])
    fits((await run(t, program, ["--help"])).stdout, program);
});
