// OPTIONS and EXIT STATUS in man pages: headings, options, statuses and the first line of each come from --help; further lines
// are the page's own. node man_options.mjs BIN_DIR rewrites docs/man/tapedeck-*.1 so (make docs).
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const PAGES = "docs/man";
const HELP_COLUMN = 30;
const ROW_DEPTH = 2; // indentation of a table's rows in the help of an option
const roff = (text) =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/, "\\&$1");

/** A line of an option's help. A line with a deeper indent begins a row of a table: "; " after the row before. */
function addLine(lines, line) {
  const depth = line.search(/\S/) - HELP_COLUMN;
  if (depth === ROW_DEPTH && !lines.at(-1).endsWith(":")) lines[lines.length - 1] += ";";
  lines.push(line.trim());
}

/** What --help prints: [{title, options: [{tag, text}]}]; -h is the last one of the last group. */
export function helpGroups(help) {
  const groups = [];
  const lines = help.split("\n");
  const end = lines.indexOf("Exit status");
  for (const [i, line] of lines.slice(0, end).entries()) {
    const option = /^  (?:(-\w), |    )(--[a-z-]+)(?: (\S+))?(?:  +(.*))?$/.exec(line);
    if (option) {
      const [, letter, name, value, text] = option;
      groups.at(-1).options.push({ letter, name, value, lines: text ? [text] : [] });
    } else if (line.startsWith(" ".repeat(HELP_COLUMN))) {
      addLine(groups.at(-1).options.at(-1).lines, line);
    } else if (line !== "" && lines[i - 1] === "") {
      groups.push({ title: line.replace(/ \(stderr\)$/, ""), options: [] });
    }
  }
  return groups;
}

/** The exit statuses that --help prints: [{status, text}]. */
export function helpStatuses(help) {
  const rest = help
    .slice(help.indexOf("\nExit status\n") + 1)
    .split("\n")
    .slice(1);
  const found = [];
  for (const line of rest.slice(0, rest.indexOf(""))) {
    const first = /^  (\d+) +(.*)$/.exec(line);
    if (first) found.push({ status: first[1], text: first[2] });
    else found.at(-1).text += ` ${line.trim()}`;
  }
  return found;
}

const sentence = (text) =>
  `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

/** An option's help as one line of sentences. */
function sentences(lines) {
  const [, text, choices] = /^(.*?)(?: one of: (.*?))?$/.exec(lines.join(" "));
  const parts = [sentence(text)];
  if (choices) parts.push(`One of: ${choices}.`);
  return roff(parts.join(" "));
}

function tag({ letter, name, value }) {
  const bold = (text) => `\\fB${roff(text)}\\fR`;
  const words = (value ?? "")
    .split(/([^\w:]+)/)
    .map((w, i) => (i % 2 ? w.replace(/[^[\]]/g, "\\fB$&\\fR") : w && `\\fI${roff(w)}\\fR`));
  return `${letter ? `${bold(letter)}, ` : ""}${bold(name)}${value ? ` ${words.join("")}` : ""}`;
}

/** Replace the entries of a section by generated ones: [{key, lines}]; an entry keeps the further lines that it has. */
function withSection(lines, title, keyOf, entries) {
  const from = lines.indexOf(`.SH ${title}`) + 1;
  const to = from + lines.slice(from).findIndex((l) => l.startsWith(".SH "));
  const own = new Map();
  for (const [i, line] of lines.entries()) {
    if (line !== ".TP" || i < from || i >= to) continue;
    const more = lines.slice(i + 3, to);
    const length = more.findIndex((l) => l === ".TP" || l.startsWith(".SS "));
    own.set(keyOf.exec(lines[i + 1])[0], length < 0 ? more : more.slice(0, length));
  }
  const made = entries.flatMap(({ key, lines: first }) => [...first, ...(own.get(key) ?? [])]);
  return [...lines.slice(0, from), ...made, ...lines.slice(to)];
}

/** The page with the OPTIONS and EXIT STATUS of this help. */
export function withOptions(page, help) {
  const options = helpGroups(help).flatMap((group) => [
    { lines: [`.SS ${roff(group.title)}`] },
    ...group.options.map((o) => ({
      key: roff(o.name),
      lines: [".TP", tag(o), sentences(o.lines)],
    })),
  ]);
  const statuses = helpStatuses(help).map((s) => ({
    key: s.status,
    lines: [".TP", `\\fB${s.status}\\fR`, roff(sentence(s.text))],
  }));
  const lines = withSection(page.split("\n"), "OPTIONS", /\\-\\-[a-z]+(?:\\-[a-z]+)*/, options);
  return withSection(lines, "EXIT STATUS", /\d+/, statuses).join("\n");
}

/** The verb of a page: ["reindex"], ["regress", "save"]; null: no verb. */
export function wordsOf(page, verbs) {
  const name = /^tapedeck-(.*)\.1$/.exec(page)?.[1];
  const verb = verbs
    .filter((v) => name === v || name?.startsWith(`${v}-`))
    .sort((a, b) => b.length - a.length)[0];
  if (verb === undefined) return null;
  return name === verb ? [verb] : [verb, name.slice(verb.length + 1)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const helpOf = (words) =>
    execFileSync(path.join(process.argv[2], "tapedeck"), [...words, "--help"], {
      encoding: "utf8",
    });
  const verbs = [...helpOf([]).matchAll(/^  ([a-z-]+) /gm)].map(([, verb]) => verb);
  for (const name of fs.readdirSync(PAGES)) {
    const words = wordsOf(name, verbs);
    const file = path.join(PAGES, name);
    const page = fs.readFileSync(file, "utf8");
    if (words !== null && page.includes("\n.SH OPTIONS\n"))
      fs.writeFileSync(file, withOptions(page, helpOf(words)));
  }
}
