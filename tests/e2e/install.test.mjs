// What `make install` installs works from there: programs run, and a program of a user's own links the
// library by its headers and pkg-config file alone, in C and in C++; likewise a plugin of replay. Expected prices: the known end of the inverse capture.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { BIN, capture, inboundFrames, isRecorded, tapedeck, temporary, withoutCapture } from "./lib.mjs";

const INVERSE = "inverse-2021-04-17.jsonl.gz";
const isRelease = fs.realpathSync(BIN).endsWith(path.join("build", "release", "bin"));
const skip = withoutCapture(INVERSE) || (isRelease ? false : "installs the release build only");

const STRICT = ["-Wall", "-Wextra", "-Werror"];

/** What pkg-config answers for the installed tree; where there is none, what the file has. */
function cflags(usr, fromFile) {
  const env = { ...process.env, PKG_CONFIG_PATH: path.join(usr, "lib/pkgconfig") };
  const asked = spawnSync("pkg-config", [`--define-variable=prefix=${usr}`, "--cflags", "tapedeck"], { env, encoding: "utf8" });
  return asked.error ? fromFile : asked.stdout.trim().split(/\s+/);
}

/** Each installed header compiles by itself, in both languages. */
function headersStandAlone(usr) {
  const include = path.join(usr, "include/tapedeck");
  const headers = fs.readdirSync(include, { recursive: true }).filter((f) => f.endsWith(".h"));
  assert.ok(headers.length > 50 && !headers.some((f) => f.endsWith("_impl.h")), headers.join(" "));
  for (const language of [["cc", "-x", "c", "-std=c17"], ["c++", "-x", "c++", "-std=c++17"]]) {
    const [compiler, ...flags] = language;
    const out = spawnSync(compiler, [...flags, ...STRICT, "-fsyntax-only", "-I.", ...headers], { cwd: include, encoding: "utf8" });
    assert.equal(out.stderr, "", language.join(" "));
    assert.equal(out.status, 0);
  }
}

// The symbol and the best bid of a frame with a whole book, by a C++ program.
const JUDGE = `
#include <cstdio>
#include <string>
#include "book/continuity.h"
#include "schema/decode.h"

int main(int argc, char **argv)
{
    td_err err;
    decoder *reader = decoder_open();
    track *topic = nullptr;
    classification found;
    message decoded;
    decode_error why;
    verdict judged;
    book_level bid;
    if (argc != 2)
        return 1;
    std::string frame(argv[1]);
    std::string padded = frame + std::string(DECODE_PADDING_BYTES, ' ');
    td_bytes view = td_bytes_of(padded.data(), frame.size());
    decoder_classify(reader, family_find(td_bytes_str("inverse")), view, DIR_IN, TOPIC_NOW, &found);
    topic = track_open(found.topic.row);
    if (!decoder_decode(reader, &found.topic, view, DECODE_PATH_FAST, &decoded, &why))
        return 1;
    track_apply(topic, &decoded, &judged);
    if (!book_level_at(track_book(topic), SIDE_BUY, 0, &bid))
        return 1;
    char price[TD_DECIMAL_TEXT_BYTES];
    td_decimal_format(bid.price, price);
    std::printf("%.*s %s\\n", (int)found.topic.symbol.size, (const char *)found.topic.symbol.data, price);
    track_close(topic);
    decoder_close(reader);
}
`;

test("installed, linked, uninstalled", { skip }, async (t) => {
  const root = temporary(t);
  const make = (target) => execFileSync("make", ["-s", target, `DESTDIR=${root}`, "PREFIX=/usr"], { stdio: "pipe" });
  make("install");
  const usr = path.join(root, "usr");
  assert.match(execFileSync(path.join(usr, "bin/tapedeck"), ["--version"], { encoding: "utf8" }), /\d+\.\d+/);
  assert.ok(fs.existsSync(path.join(usr, "share/man/man1/tapedeck-record.1")));
  for (const file of ["bash-completion/completions/tapedeck-replay", "zsh/site-functions/_tapedeck", "fish/vendor_completions.d/tapedeck-sim.fish"])
    assert.match(fs.readFileSync(path.join(usr, "share", file), "utf8"), /completion for tapedeck/);
  const pc = fs.readFileSync(path.join(usr, "lib/pkgconfig/tapedeck.pc"), "utf8").replaceAll("${prefix}", usr);
  const field = (name) => new RegExp(`^${name}: (.*)$`, "m").exec(pc)[1].split(" ");
  const program = path.join(root, "best_price");
  execFileSync("cc", ["docs/examples/best_price.c", ...field("Cflags"), ...field("Libs"), "-o", program], { stdio: "pipe" });
  const frames = inboundFrames(INVERSE).map((f) => f.text).filter((f) => f.includes('"orderBookL2_25.BTCUSD"') && f.startsWith('{"topic'));
  const out = spawnSync(program, ["inverse"], { input: frames.join("\n") + "\n", encoding: "utf8" });
  assert.equal(out.stderr, "");
  const lines = out.stdout.trimEnd().split("\n");
  assert.equal(lines.length, frames.length);
  if (isRecorded) assert.equal(lines.at(-1), "60622.5 60623");
  const plugin = path.join(root, "strategy.so");
  execFileSync("cc", ["-shared", "-fPIC", ...STRICT, "docs/examples/strategy.c", ...cflags(usr, field("Cflags")), "-o", plugin], { stdio: "pipe" });
  await tapedeck(t, ["import", "-q", "-a", path.join(root, "tape"), "--format", "cryptofeed", "--family", "inverse", capture(INVERSE)]);
  const replayed = execFileSync(path.join(usr, "bin/tapedeck"), ["replay", path.join(root, "tape"), "--symbol", "BTCUSD", "--sink", `plugin=${plugin}`], { encoding: "utf8" });
  assert.match(replayed, new RegExp(`^inverse BTCUSD: ${frames.length} book frames, \\d+ trades$`, "m"));
  headersStandAlone(usr);
  const cxx = path.join(root, "judge");
  fs.writeFileSync(`${cxx}.cc`, JUDGE);
  execFileSync("c++", ["-std=c++17", ...STRICT, `${cxx}.cc`, ...field("Cflags"), ...field("Libs"), "-o", cxx], { stdio: "pipe" });
  assert.equal(execFileSync(cxx, [frames[0]], { encoding: "utf8" }), `BTCUSD ${lines[0].split(" ")[0]}\n`);
  make("uninstall");
  assert.deepEqual(fs.readdirSync(root, { recursive: true }).filter((f) => fs.statSync(path.join(root, f)).isFile() && f.startsWith("usr")), []);
});
