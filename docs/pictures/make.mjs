// Makes the pictures of the docs from archives of its own: node docs/pictures/make.mjs BIN_DIR (`make pictures`). A minute of the
// simulator, with a lost connection and a note, and made-up months for the calendar. Needs Debian's Chromium and build/npm.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

const HERE = path.resolve("docs/pictures");
const FOLDER = path.join(os.tmpdir(), "tapedeck-pictures");
const TAPEDECK = path.resolve(process.argv[2], "tapedeck");
const { chromium } = createRequire(path.resolve("build/npm/package.json"))("playwright-core");
const DAY_MS = 86_400_000;
const QUIET_MS = 3000; // after which the page has its answers

const tapedeck = (...args) =>
  execFileSync(TAPEDECK, args, { cwd: FOLDER, stdio: ["ignore", "ignore", "inherit"] });

/** Run use(what the program writes into its ready file) while a program runs. */
async function whileRunning(args, use) {
  const ready = path.join(FOLDER, "ready");
  fs.rmSync(ready, { force: true });
  const program = spawn(TAPEDECK, [...args, "--ready-file", ready], {
    cwd: FOLDER,
    stdio: "ignore",
    env: { ...process.env, DISPLAY: "", XDG_CACHE_HOME: path.join(FOLDER, "cache") },
  });
  const ended = new Promise((resolve) => program.on("exit", resolve));
  try {
    while (!fs.existsSync(ready)) await new Promise((resolve) => setTimeout(resolve, 50));
    await use(JSON.parse(fs.readFileSync(ready, "utf8")));
  } finally {
    program.kill("SIGTERM");
    await ended;
  }
}

/** A minute of five topics. */
async function recordTape() {
  const args = "sim --listen 127.0.0.1:0 --families v5-linear --symbols 3 --rate 150 --seed 7";
  await whileRunning([...args.split(" "), "--fault", "disconnect@4500"], async (server) => {
    const topics = ["orderbook.50", "orderbook.200", "publicTrade", "tickers", "kline.1"];
    const asked = topics.flatMap((topic) => ["--topic", topic]);
    const symbols = ["--symbol", "BTCUSDT", "--symbol", "ETHUSDT"];
    const url = `${server.url}/v5/public/linear`;
    const where = ["-a", "tape", "--family", "v5-linear", url, "--ca-file", server.ca_file];
    tapedeck("record", ...where, ...asked, ...symbols, "--duration", "60s", "-q");
  });
}

/** Books of two sessions, a frame every 20 minutes, of which one lacks an update. */
function importMonths() {
  for (const [from, to, lost] of [
    ["2026-01-06", "2026-03-11", []],
    ["2026-03-15", "2026-05-28", [1786]],
  ]) {
    const begin = Date.parse(from);
    const count = ((Date.parse(to) - begin) / DAY_MS) * 72;
    const lines = Array.from({ length: count }, (_, n) => {
      const ms = begin + 3_600_000 + (n * DAY_MS) / 72;
      const isWhole = n === 0 || n === 1937;
      const levels = { b: [["60000", String(1 + (n % 9))]], a: [["60001", "2"]] };
      const data = JSON.stringify({
        topic: "orderbook.50.BTCUSDT",
        type: isWhole ? "snapshot" : "delta",
        ts: ms,
        data: { s: "BTCUSDT", ...levels, u: n + 1, seq: n + 1 },
      });
      return { recv_ns: `${ms}000000`, conn: 0, data };
    });
    const text = lines
      .filter((_, n) => !lost.includes(n))
      .map((line) => `{"recv_ns":${line.recv_ns},"conn":0,"data":${JSON.stringify(line.data)}}\n`);
    fs.writeFileSync(path.join(FOLDER, "months.jsonl"), text.join(""));
    const how = ["--format", "jsonl", "--family", "v5-linear"];
    tapedeck("import", "-q", "-a", "months", ...how, "months.jsonl");
  }
}

async function picture(browser, archive, name, size, prepare) {
  await whileRunning(["view", archive], async ({ url }) => {
    const page = await browser.newPage({ viewport: size });
    await page.goto(url);
    await page.waitForTimeout(QUIET_MS);
    await prepare(page);
    await page.waitForTimeout(QUIET_MS);
    await page.screenshot({ path: path.join(HERE, name) });
    await page.close();
  });
}

fs.rmSync(FOLDER, { recursive: true, force: true });
fs.mkdirSync(FOLDER, { recursive: true });
await recordTape();
importMonths();
const text = fs.readdirSync(path.join(FOLDER, "tape/capture"), { recursive: true }).join();
const [, hour] = /(\d{8}T\d{6})Z/.exec(text); // the first segment's name
const at = (seconds) => {
  const iso = hour.replace(/(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)/, "$1-$2-$3T$4:$5:$6Z");
  return new Date(Date.parse(iso) + 1000 * seconds).toISOString();
};
tapedeck("note", "add", "tape", "exchange restarted its gateway", "--from", at(20), "--to", at(30));
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const large = { width: 1400, height: 900 };
await picture(browser, "tape", "market.png", large, async () => {});
await picture(browser, "tape", "charts.png", large, (page) => page.locator("#tab-charts").click());
await picture(browser, "tape", "view.png", { width: 1200, height: 720 }, async (page) => {
  await page.locator("#tab-frames").click();
  await page.locator("#fit").click();
  await page.locator("#canvas").click({ position: { x: 360, y: 80 } });
  await page.mouse.move(600, 700);
});
await picture(browser, "months", "days.png", { width: 1200, height: 640 }, async (page) => {
  const day = (name) => page.locator(".calendar").getByRole("button", { name });
  for (const name of ["2026-04-08", "2026-04-09", "2026-04-10", "2026-04-11"]) {
    await day(name).click();
    await page.getByRole("button", { name: "Check these days" }).click();
    await page.locator(".calendar button:is(.clean, .degraded)[aria-current]").waitFor();
  }
});
await browser.close();
