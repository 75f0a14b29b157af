// Searches everything that a recorder writes for secrets. This file reads the chunks of MCAP files itself and decompresses
// them with npm's zstd, without tapedeck.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { filesBelow } from "./harness.mjs";
import { npm } from "./npm_packages.mjs";

const zstd = npm("@foxglove/wasm-zstd");
const CHUNK = 0x06;

/** The decompressed records of every chunk of an MCAP file (mcap.dev/spec: records are opcode, length, content). */
function* chunksOf(bytes) {
  for (let at = 8; at + 9 <= bytes.length;) {
    const opcode = bytes[at];
    const length = Number(bytes.readBigUInt64LE(at + 1));
    const content = bytes.subarray(at + 9, at + 9 + length);
    if (opcode === CHUNK && content.length === length) {
      const size = Number(content.readBigUInt64LE(16));
      const name = content.readUInt32LE(28);
      const compression = content.toString("utf8", 32, 32 + name);
      const records = content.subarray(32 + name + 8);
      yield compression === "" ? records : Buffer.from(zstd.decompress(records, size));
    }
    at += 9 + length;
  }
}

/** Check that none of these texts is in any file of the archive, as stored or decompressed. */
export async function nothingLeaked(archive, ...secrets) {
  await zstd.isLoaded;
  let chunks = 0;
  for (const file of filesBelow(archive)) {
    const bytes = fs.readFileSync(path.join(archive, file));
    const isMcap = /\.mcap(\.open)?$/.test(file);
    const parts = [bytes];
    for (const part of isMcap ? chunksOf(bytes) : []) parts.push(part) && chunks++;
    for (const secret of secrets)
      for (const part of parts) assert.equal(part.indexOf(secret), -1, `${file} has ${secret}`);
  }
  assert.ok(chunks > 0, "no chunk was looked into");
  assert.ok(
    filesBelow(archive).some((f) => f.startsWith("catalog.sqlite")) &&
      filesBelow(archive).some((f) => f.startsWith("journal"))
  );
}

export function nothingLeakedInText(program, ...secrets) {
  for (const secret of secrets)
    assert.ok(!`${program.stdout}${program.stderr}`.includes(secret), `printed: ${secret}`);
}
