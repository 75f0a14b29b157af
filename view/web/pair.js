// One or two archives as one description: sides has each archive's own; first and last time, name
// and is_recording cover both.

import { getArchive } from "./api.js";
import { makeTopics } from "./bands.js";

// The last part of a path, or the whole path if the other archive has the same last part.
function shortName(path, other) {
  const last = (text) => text.replace(/\/+$/, "").replace(/^.*\//, "");
  return last(path) === last(other) ? path : last(path);
}

export async function getArchives() {
  const a = await getArchive("");
  if (!a.is_pair) return { ...a, sides: [{ ...a, side: "", label: "" }] };
  const b = await getArchive("b");
  const firsts = [a.first_ns, b.first_ns].filter((ns) => ns !== 0n);
  const sides = [
    { ...a, side: "", label: `A ${shortName(a.archive, b.archive)}` },
    { ...b, side: "b", label: `B ${shortName(b.archive, a.archive)}` },
  ];
  return {
    ...a,
    sides,
    archive: sides.map(({ label }) => label).join(", "),
    now_ns: b.now_ns,
    is_recording: a.is_recording || b.is_recording,
    first_ns: firsts.reduce((least, ns) => (ns < least ? ns : least), firsts[0] ?? 0n),
    last_ns: a.last_ns > b.last_ns ? a.last_ns : b.last_ns,
  };
}

// The rows of an archive, and those that only the other one has.
function withMissing(rows, others) {
  const name = (row) => JSON.stringify([row.feed, row.topic, row.symbol]);
  const own = new Set(rows.map(name));
  return [
    ...rows,
    ...others.filter((row) => !own.has(name(row))).map((row) => ({ ...row, isMissing: true })),
  ];
}

function link(band, twin) {
  Object.assign(band, { twin });
  Object.assign(twin, { twin: band, openKey: band.openKey, pinKey: band.pinKey });
}

// The topics of one archive, or of the first of two, each with its twin in the second one.
export function topicsOf({ sides: [a, b] }) {
  if (b === undefined) return makeTopics(a.rows);
  const topics = makeTopics(withMissing(a.rows, b.rows), a.side, a.label);
  const others = new Map(
    makeTopics(withMissing(b.rows, a.rows), b.side, b.label).map((topic) => [topic.key, topic])
  );
  for (const topic of topics) {
    const other = others.get(`${b.side}:${topic.key}`);
    link(topic, other);
    for (const [key, symbol] of topic.symbols) link(symbol, other.symbols.get(`${b.side}:${key}`));
  }
  return topics;
}
