// XXH64 (seed 0), written from its specification (xxhash_spec.md of the xxHash project), so that code that shares nothing with
// the programs checks the truth file's hashes. A number of 64 bits is two halves of 32, because BigInt is slower.
const P1 = [0x9e3779b1 | 0, 0x85ebca87 | 0],
  P2 = [0xc2b2ae3d | 0, 0x27d4eb4f],
  P3 = [0x165667b1, 0x9e3779f9 | 0],
  P4 = [0x85ebca77 | 0, 0xc2b2ae63 | 0],
  P5 = [0x27d4eb2f, 0x165667c5];
const [P1_HIGH, P1_LOW] = P1,
  [P2_HIGH, P2_LOW] = P2,
  [P4_HIGH, P4_LOW] = P4;
let high = 0,
  low = 0; // the result of each function below

function multiply(aHigh, aLow, bHigh, bLow) {
  const a0 = aLow & 0xffff,
    a1 = aLow >>> 16,
    b0 = bLow & 0xffff,
    b1 = bLow >>> 16;
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0; // fits in 32 bits without a sign
  const other = (Math.imul(a0, b1) + (middle & 0xffff)) | 0;
  high =
    (Math.imul(a1, b1) +
      (middle >>> 16) +
      (other >>> 16) +
      Math.imul(aHigh, bLow) +
      Math.imul(aLow, bHigh)) |
    0;
  low = Math.imul(aLow, bLow);
}

function add(aHigh, aLow, bHigh, bLow) {
  const sum = (aLow + bLow) | 0;
  high = (aHigh + bHigh + (sum >>> 0 < aLow >>> 0 ? 1 : 0)) | 0;
  low = sum;
}

/** by: below 32. */
function rotate(aHigh, aLow, by) {
  high = (aHigh << by) | (aLow >>> (32 - by));
  low = (aLow << by) | (aHigh >>> (32 - by));
}

function round(accHigh, accLow, laneHigh, laneLow) {
  multiply(laneHigh, laneLow, P2_HIGH, P2_LOW);
  add(accHigh, accLow, high, low);
  rotate(high, low, 31);
  multiply(high, low, P1_HIGH, P1_LOW);
}

const wordAt = (bytes, at) =>
  bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
const hex = (number) => (number >>> 0).toString(16).padStart(8, "0");
const lanes = new Int32Array(8);

/** 16 hex digits. */
export function xxh64(bytes) {
  const { length } = bytes;
  let at = 0,
    accHigh = P5[0],
    accLow = P5[1];
  if (length >= 32) {
    add(P1_HIGH, P1_LOW, P2_HIGH, P2_LOW);
    lanes.set([high, low, P2_HIGH, P2_LOW, 0, 0, ~P1_HIGH, -P1_LOW]); // the last is -P1
    for (; at + 32 <= length; at += 32)
      for (let i = 0; i < 8; i += 2) {
        round(lanes[i], lanes[i + 1], wordAt(bytes, at + 4 * i + 4), wordAt(bytes, at + 4 * i));
        lanes[i] = high;
        lanes[i + 1] = low;
      }
    accHigh = accLow = 0;
    for (let i = 0; i < 4; i++) {
      rotate(lanes[2 * i], lanes[2 * i + 1], [1, 7, 12, 18][i]);
      add(accHigh, accLow, high, low);
      accHigh = high;
      accLow = low;
    }
    for (let i = 0; i < 8; i += 2) {
      round(0, 0, lanes[i], lanes[i + 1]);
      multiply(accHigh ^ high, accLow ^ low, P1_HIGH, P1_LOW);
      add(high, low, P4_HIGH, P4_LOW);
      accHigh = high;
      accLow = low;
    }
  }
  add(accHigh, accLow, 0, length);
  for (; at + 8 <= length; at += 8) {
    accHigh = high;
    accLow = low;
    round(0, 0, wordAt(bytes, at + 4), wordAt(bytes, at));
    rotate(accHigh ^ high, accLow ^ low, 27);
    multiply(high, low, P1_HIGH, P1_LOW);
    add(high, low, P4_HIGH, P4_LOW);
  }
  if (at + 4 <= length) {
    accHigh = high;
    accLow = low;
    multiply(0, wordAt(bytes, at), ...P1);
    rotate(accHigh ^ high, accLow ^ low, 23);
    multiply(high, low, ...P2);
    add(high, low, ...P3);
    at += 4;
  }
  for (; at < length; at++) {
    accHigh = high;
    accLow = low;
    multiply(0, bytes[at], ...P5);
    rotate(accHigh ^ high, accLow ^ low, 11);
    multiply(high, low, ...P1);
  }
  multiply(high, low ^ (high >>> 1), ...P2); // acc ^ acc >> 33
  multiply(high ^ (high >>> 29), low ^ ((low >>> 29) | (high << 3)), ...P3);
  return hex(high) + hex(low ^ high);
}
