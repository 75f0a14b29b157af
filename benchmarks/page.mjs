// Measures the page of `view` in Debian's Chromium, without a GPU: node benchmarks/page.mjs BIN_DIR FOLDER. FOLDER has, or gets, the
// day of bench_day and the year of bench_archive. Times are the page's own: from a change of the view until the last answer that it
// requested; frames a second are pictures of Chromium while the view moves. The second time of a market is that
// of another start of `view`, with the tiles in its cache.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [binDir, folder] = process.argv.slice(2).map((name) => path.resolve(name));
const { chromium } = createRequire(path.resolve("build/npm/package.json"))("playwright-core");
const QUIET_MS = 400; // after the last answer: the page asks for nothing more
const DAY_NS = 86_400_000_000_000n;

function archive(name, args) {
  const made = path.join(folder, name);
  if (!fs.existsSync(made))
    execFileSync(path.join(binDir, "../bench", args[0]), [made, ...args.slice(1)]);
  return made;
}

/** Change the address, and return ms until the page has all answers of this kind ("tile", "market") that it asks for. */
const change = (page, kind, hash) =>
  page.evaluate(
    async ([question, to, quiet]) => {
      const begin = performance.now();
      let last = begin,
        open = 0;
      const fetched = window.fetch;
      window.fetch = async (...args) => {
        open++;
        try {
          const answer = await fetched(...args),
            bytes = await answer.arrayBuffer();
          return new Response(bytes, answer);
        } finally {
          open--;
          if (String(args[0]).includes(`${question}?`)) last = performance.now();
        }
      };
      window.location.hash = to;
      while (open > 0 || performance.now() - last < quiet)
        await new Promise((resolve) => setTimeout(resolve, 5));
      window.fetch = fetched;
      return last - begin;
    },
    [kind, hash, QUIET_MS]
  );

/** Drag over a picture for two seconds. Returns pictures a second, and the longest time between two. */
async function drag(page, selector) {
  const box = await page.locator(selector).first().boundingBox();
  const middle = box.y + Math.min(60, box.height / 2);
  await page.mouse.move(box.x + 700, middle);
  await page.mouse.down();
  await page.evaluate(() => {
    window.moments = [];
    const tick = (now) => window.moments.push(now) < 10_000 && requestAnimationFrame(tick);
    requestAnimationFrame(tick);
  });
  const until = Date.now() + 2000;
  for (let x = 0; Date.now() < until; x += 3)
    await page.mouse.move(box.x + 700 - (x % 500), middle);
  const moments = await page.evaluate(() => window.moments.splice(0));
  await page.mouse.up();
  const steps = moments.slice(1).map((now, i) => now - moments[i]);
  return `${((1000 * steps.length) / (moments.at(-1) - moments[0])).toFixed(1)} pictures a second, the longest after ${Math.max(...steps).toFixed(0)} ms`;
}

async function viewed(browser, made, use) {
  const ready = path.join(folder, `ready-${process.pid}`);
  fs.rmSync(ready, { force: true });
  const program = spawn(
    path.join(binDir, "tapedeck"),
    ["view", "-a", made, "--ready-file", ready],
    {
      stdio: "ignore",
      env: { ...process.env, XDG_CACHE_HOME: path.join(folder, "cache"), DISPLAY: "" },
    }
  );
  try {
    while (!fs.existsSync(ready)) await new Promise((resolve) => setTimeout(resolve, 10));
    const { url } = JSON.parse(fs.readFileSync(ready, "utf8"));
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    const begin = Date.now();
    await page.goto(url);
    await page.locator("main:not([hidden])").waitFor();
    console.log(`${path.basename(made)}: page shown after ${Date.now() - begin} ms`);
    await page.evaluate(
      (quiet) => new Promise((resolve) => setTimeout(resolve, quiet)),
      3 * QUIET_MS
    );
    await use(page);
    await page.close();
    const [, kib] = /VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${program.pid}/status`, "utf8"));
    console.log(`${path.basename(made)}: most memory of the server ${Math.round(kib / 1024)} MiB`);
  } finally {
    const ended = new Promise((resolve) => program.on("exit", resolve));
    program.kill("SIGTERM");
    await ended;
  }
}

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
fs.mkdirSync(folder, { recursive: true });
fs.rmSync(path.join(folder, "cache"), { recursive: true, force: true });
const year = archive("year", ["bench_archive", "--segments", "8760", "--symbols", "100"]);
const day = archive("day", ["bench_day", "--frames", "6000000", "--symbols", "100"]);

await viewed(browser, year, async (page) => {
  const first = await page
    .evaluate(async () => /"first_ns":\s*(\d+)/.exec(await (await fetch("api/archive")).text())[1])
    .then(BigInt);
  for (const days of [365n, 30n, 1n, 180n]) {
    const ms = await change(
      page,
      "tile",
      `#from=${first + DAY_NS}&to=${first + (days + 1n) * DAY_NS}&tab=gaps&open=v5-linear/publicTrade`
    );
    console.log(`year: ${days} days of 100 symbols: ${ms.toFixed(0)} ms`);
  }
  console.log(`year: dragging the timeline: ${await drag(page, "#canvas")}`);
});
for (const turn of ["first", "second"])
  await viewed(browser, day, async (page) => {
    const noon = 1_782_950_400_000_000_000n + DAY_NS / 2n;
    for (const [name, seconds] of [
      ["second", 1n],
      ["minute", 60n],
      ["10 minutes", 600n],
      ["hour", 3600n],
      ["day", 86_400n],
    ]) {
      const half = seconds * 500_000_000n;
      const ms = await change(
        page,
        "market",
        `#from=${noon - half}&to=${noon + half}&cursor=${noon}&tab=market&market=v5-linear/orderbook.50/S0049USDT`
      );
      console.log(`day: market of one ${name}, ${turn} time: ${ms.toFixed(0)} ms`);
    }
    console.log(`day: dragging the market: ${await drag(page, "#panel-market canvas")}`);
  });
await browser.close();
