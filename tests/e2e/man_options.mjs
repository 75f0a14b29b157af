// OPTIONS of the manual's pages: the headings, the options and the first line of each are those of --help; further
// lines are the page's own. node man_options.mjs BIN_DIR rewrites docs/man/tapedeck-*.1 so (make docs).
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const PAGES = "docs/man";
const HELP_COLUMN = 30;
const roff = (text) => text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^([.'])/, "\\&$1");

/** What --help prints: [{title, options: [{tag, text}]}]; -h is the last one of the last group. */
export function helpGroups(help) {
  const groups = [];
  const lines = help.split("\n");
  const end = lines.findIndex((l) => /^Examples?$/.test(l));
  for (const [i, line] of lines.slice(0, end).entries()) {
    const option = /^  (?:(-\w), |    )(--[a-z-]+)(?: (\S+))?(?:  +(.*))?$/.exec(line);
    if (option) {
      const [, letter, name, value, text] = option;
      groups.at(-1).options.push({ letter, name, value, lines: text ? [text] : [] });
    } else if (line.startsWith(" ".repeat(HELP_COLUMN))) {
      groups.at(-1)?.options.at(-1).lines.push(line.trim());
    } else if (line !== "" && lines[i - 1] === "") {
      groups.push({ title: line.replace(/ \(stderr\)$/, ""), options: [] });
    }
  }
  return groups;
}

/** An option's help as sentences on one line. */
function sentences(lines) {
  const rest = lines.filter((l) => !/^(one of: |\(or \$)/.test(l));
  const choices = lines.find((l) => l.startsWith("one of: "));
  const environment = /^\(or (\$\w+)\)$/.exec(lines.find((l) => l.startsWith("(or $")) ?? "");
  const text = rest.join(" ");
  const parts = [`${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`];
  if (choices) parts.push(`One of: ${choices.slice("one of: ".length)}.`);
  if (environment) parts.push(`Without it, ${environment[1]}.`);
  return roff(parts.join(" "));
}

function tag({ letter, name, value }) {
  const bold = (text) => `\\fB${roff(text)}\\fR`;
  const words = (value ?? "").split(/([^\w:]+)/).map((w, i) => (i % 2 ? w.replace(/[^[\]]/g, "\\fB$&\\fR") : w && `\\fI${roff(w)}\\fR`));
  return `${letter ? `${bold(letter)}, ` : ""}${bold(name)}${value ? ` ${words.join("")}` : ""}`;
}

/** The page with its OPTIONS as in this help. */
export function withOptions(page, help) {
  const lines = page.split("\n");
  const from = lines.indexOf(".SH OPTIONS") + 1;
  const to = from + lines.slice(from).findIndex((l) => l.startsWith(".SH "));
  const own = new Map();
  for (const [i, line] of lines.entries()) {
    if (line !== ".TP" || i < from || i >= to) continue;
    const name = /\\-\\-[a-z]+(?:\\-[a-z]+)*/.exec(lines[i + 1])[0];
    const more = lines.slice(i + 3, to);
    const length = more.findIndex((l) => l === ".TP" || l.startsWith(".SS "));
    own.set(name, length < 0 ? more : more.slice(0, length));
  }
  const options = helpGroups(help).flatMap((group) => [
    `.SS ${roff(group.title)}`,
    ...group.options.flatMap((o) => [".TP", tag(o), sentences(o.lines), ...(own.get(roff(o.name)) ?? [])]),
  ]);
  return [...lines.slice(0, from), ...options, ...lines.slice(to)].join("\n");
}

/** What a page is about: ["dump-catalog"], ["regress", "save"]; null: no verb. */
export function wordsOf(page, verbs) {
  const name = /^tapedeck-(.*)\.1$/.exec(page)?.[1];
  const verb = verbs.filter((v) => name === v || name?.startsWith(`${v}-`)).sort((a, b) => b.length - a.length)[0];
  if (verb === undefined) return null;
  return name === verb ? [verb] : [verb, name.slice(verb.length + 1)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const helpOf = (words) => execFileSync(path.join(process.argv[2], "tapedeck"), [...words, "--help"], { encoding: "utf8" });
  const verbs = [...helpOf([]).matchAll(/^  ([a-z-]+) /gm)].map(([, verb]) => verb);
  for (const name of fs.readdirSync(PAGES)) {
    const words = wordsOf(name, verbs);
    const file = path.join(PAGES, name);
    const page = fs.readFileSync(file, "utf8");
    if (words !== null && page.includes("\n.SH OPTIONS\n")) fs.writeFileSync(file, withOptions(page, helpOf(words)));
  }
}
