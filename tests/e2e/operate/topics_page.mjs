// Makes docs/topics.md from `tapedeck topics --json`. node topics_page.mjs BIN_DIR writes it (make docs).
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const PAGE = "docs/topics.md";
const COLUMNS = 100;

const HEAD = `# Topics

Look up here what tapedeck decodes: the topics of each family, the members of their messages, the
keys that these come from, and the rules that are checked from frame to frame. Frames of other
topics are recorded, too, and kept raw.

"real frame" is the day of the newest one that is known to be as described here; a topic that is
known from documentation only can differ in a recording: \`drift\` tells.

\`make docs\` writes this page from the tables that decode. [replay.md](replay.md#rules) explains the
rules; [wire.md](wire.md) has facts about the wire.

Exchanges have ended the families that are not sent any more: their addresses do not answer, but
recordings of them can be imported, replayed, served, exported and simulated.
`;
const SENT = "The exchange still sends this family.";
const ENDED = "The exchange no longer sends this family.";

const cell = (text) => text.replaceAll("|", "\\|");
const code = (text) => `\`${cell(text)}\``;

/** Break a paragraph at spaces; code between backquotes stays on one line. */
function wrap(text) {
  const lines = [];
  for (const word of text.match(/(?:`[^`]*`|[^ `])+/g)) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && [...longer].length <= COLUMNS) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.join("\n") + "\n";
}

function facts(row) {
  const parts = [`${row.title}. Message type ${code(row.type)}.`];
  if (row.book_depth !== null)
    parts.push(`A book of ${row.book_depth} level${row.book_depth === 1 ? "" : "s"} a side.`);
  else if (row.type === "book_change") parts.push("A book without a bound on its depth.");
  if (row.grouped) parts.push("Its prices are rounded to groups.");
  if (row.checksum !== null)
    parts.push(
      `Frames have a checksum of the best ${row.checksum.levels} levels a side (${row.checksum.order}).`
    );
  const dates = [
    row.valid_from && ` from ${row.valid_from} on`,
    row.valid_until && ` before ${row.valid_until}`,
  ].filter(Boolean);
  if (dates.length > 0) parts.push(`For frames received${dates.join("")}.`);
  const parameter =
    row.parameter_path === null ? "" : `, the parameter at ${code(row.parameter_path)}`;
  if (row.symbol_path !== null)
    parts.push(`On the wire the symbol is at ${code(row.symbol_path)}${parameter}.`);
  if (row.frame_topic !== null) parts.push(`The topic of its frames is ${code(row.frame_topic)}.`);
  return wrap(parts.join(" "));
}

function entry({ path: where, action, kind, side }) {
  const more = [kind && `, in frames of kind ${kind}`, side && `, ${side}`]
    .filter(Boolean)
    .join("");
  return `${where === "" ? "the frame itself, or each of a list of such" : code(where)} (${action}${more})`;
}

function rule({ rule: name, member, strength }) {
  return (
    code(name) +
    (member === null ? "" : ` of ${member}`) +
    (strength === "error" ? "" : ` (${strength})`)
  );
}

function field({ member, key, type, unit, scale_e10, required, in: where }) {
  const is = [type, unit, scale_e10 !== 0 && `times 10^${scale_e10}`, required && "required"]
    .filter(Boolean)
    .join(", ");
  return `| ${code(member)} | ${code(key)} | ${is} | ${where} |\n`;
}

function topic(row) {
  const rules =
    row.rules.length === 0 ? "" : `\n${wrap(`Continuity: ${row.rules.map(rule).join(", ")}.`)}`;
  return (
    `\n### ${code(row.pattern)}\n\n${facts(row)}\n${wrap(`Entries: ${row.entries.map(entry).join("; ")}.`)}${rules}` +
    `\n| member | key | is | in |\n|---|---|---|---|\n${row.fields.map(field).join("")}`
  );
}

function overview(row) {
  const dates =
    row.valid_from || row.valid_until
      ? `${row.valid_from ?? ""} to ${row.valid_until ?? "now"}`
      : "";
  const seen = row.seen ?? "documentation only";
  return `| ${code(row.pattern)} | ${row.type} | ${cell(row.title)} | ${dates} | ${seen} |\n`;
}

/** The page, from the document of `topics --json`: first the families that are still sent. */
export function topicsPage({ families, topics }) {
  const ordered = [...families.filter((of) => of.is_sent), ...families.filter((of) => !of.is_sent)];
  const list = ordered.map(({ family, is_sent }) => {
    const rows = topics.filter((row) => row.family === family);
    const names = (of) => new Set(of.map((row) => row.topic)).size;
    const seen = names(rows.filter((row) => row.seen !== null));
    return `| [${family}](#${family}) | ${is_sent ? "yes" : "no"} | ${names(rows)} | ${seen} |\n`;
  });
  const parts = ordered.map(({ family, is_sent, addresses }) => {
    const rows = topics.filter((row) => row.family === family);
    const head = `\n## ${family}\n\n${wrap(`${is_sent ? SENT : ENDED} Addresses: ${addresses.map(({ url }) => code(url)).join(", ")}.`)}`;
    if (rows.length === 0) return `${head}\nNo topic of it is decoded: its frames are kept raw.\n`;
    return `${head}\n| topic | message | what it is | dates | real frame |\n|---|---|---|---|---|\n${rows.map(overview).join("")}${rows.map(topic).join("")}`;
  });
  return `${HEAD}\n| family | still sent | topics | with a real frame |\n|---|---|---|---|\n${list.join("")}${parts.join("")}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = execFileSync(path.join(process.argv[2], "tapedeck"), ["topics", "--json"], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  fs.writeFileSync(PAGE, topicsPage(JSON.parse(text)));
}
