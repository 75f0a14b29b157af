// XXH64 (seed 0) by its specification (xxhash_spec.md of the xxHash project), so that the truth file's hashes are
// checked by code that shares nothing with the programs.
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const cut = (x) => BigInt.asUintN(64, x);
const rotate = (x, by) => cut((x << BigInt(by)) | (x >> BigInt(64 - by)));
const round = (acc, lane) => cut(rotate(cut(acc + cut(lane * P2)), 31) * P1);
const merge = (acc, lane) => cut(cut(acc ^ round(0n, lane)) * P1 + P4);

/** 16 hex digits. */
export function xxh64(bytes) {
  let at = 0;
  let acc = P5;
  if (bytes.length >= 32) {
    const lanes = [cut(P1 + P2), P2, 0n, cut(-P1)];
    for (; at + 32 <= bytes.length; at += 32)
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i], bytes.readBigUInt64LE(at + 8 * i));
    acc = cut(rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18));
    for (const lane of lanes) acc = merge(acc, lane);
  }
  acc = cut(acc + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) acc = cut(rotate(acc ^ round(0n, bytes.readBigUInt64LE(at)), 27) * P1 + P4);
  if (at + 4 <= bytes.length) {
    acc = cut(rotate(cut(acc ^ cut(BigInt(bytes.readUInt32LE(at)) * P1)), 23) * P2 + P3);
    at += 4;
  }
  for (; at < bytes.length; at++) acc = cut(rotate(cut(acc ^ cut(BigInt(bytes[at]) * P5)), 11) * P1);
  acc = cut((acc ^ (acc >> 33n)) * P2);
  acc = cut((acc ^ (acc >> 29n)) * P3);
  return (acc ^ (acc >> 32n)).toString(16).padStart(16, "0");
}
