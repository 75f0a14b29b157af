// Connects the parts of the page: the archive's description, the timeline, the panels, the URL.

import { askArchiveOf, bandKey } from "./api.js";
import { AskPanel } from "./ask.js";
import { BandLabels, bandTime, isExpandable, visibleBands, withTwin } from "./bands.js";
import { commandLine } from "./command.js";
import { CommandsPanel } from "./commands.js";
import { BookPanel } from "./book.js";
import { ChartsPanel } from "./charts.js";
import { DaysPanel } from "./days.js";
import { DifferencesPanel } from "./differences.js";
import { byId, copyText, delayed, download } from "./dom.js";
import { FramesPanel } from "./frames.js";
import { findGap, gapLength, gapPlace, GapsPanel } from "./gaps.js";
import { MarketPanel } from "./market.js";
import { MarketTiles } from "./market-tiles.js";
import { MarketChoice } from "./markets.js";
import { Notes } from "./notes.js";
import { openingView } from "./opening.js";
import { getArchives, topicsOf } from "./pair.js";
import { isDamaged, isSavedPage, savedNs } from "./saved.js";
import { Split } from "./split.js";
import { TABS, ViewState } from "./state.js";
import { StepBar } from "./steps.js";
import { TileCache } from "./tiles.js";
import { DAY, digitsFor, formatSpan, formatTime, parseTime, SECOND } from "./time.js";
import { Timeline } from "./timeline.js";

const POLL_RECORDING_MS = 2000;
const POLL_MS = 15_000;
const FOLLOW_MS = 500;
const CALENDAR_LEAST = 7n * DAY; // a longer archive opens with its calendar
const SETTLED = 10n * SECOND; // frames of some connections are stored later than others
const LEVEL_AFTER_SKIP = 20; // steps of about 1 ms
const TALL_TABS = ["market", "charts"]; // they get most of the page's height, and frames beside them

let archive = null;
let polledAt = 0;
let topics = [];
let rowNames = "";
let note = "";
let problem = "";
let marked = 0; // number of found frames that the timeline marks
let moves = 0; // number of the cursor's last move, so that a late search does not move it

const state = new ViewState();
const tiles = new TileCache((error) => {
  setProblem(error === null ? "" : error.message);
  timeline.redraw();
  showStatusSoon();
});
const timeline = new Timeline({
  canvas: byId("canvas"),
  scroller: byId("timeline"),
  cursorLine: byId("cursor-line"),
  tip: byId("tip"),
  state,
  tiles,
  actions: {
    moveCursor,
    moveBand,
    goToEnd,
    goToGap,
    fit,
    zoomAtCursor,
    step,
    toggleBand: () => toggle(chosenBand()),
    stick: (count) => labels.stick(count),
  },
});
const labels = new BandLabels(byId("label-list"), {
  choose: (band) => state.set({ band: band.key }),
  toggle,
  pin,
});
const choice = new MarketChoice(state, chosenBand);
const marketTiles = new MarketTiles((error) => {
  if (error?.status === undefined) setProblem(error?.message ?? "");
  panels.market.update();
  panels.charts.update();
});
const marketParts = {
  state,
  choice,
  tiles: marketTiles,
  plot: byId("plot"),
  actions: {
    goToEnd,
    goToGap,
    fit,
    zoomAtCursor,
    showBook,
    step,
    moveCursor: (direction, isLarge) => moveCursor(direction, isLarge, choice.market),
    caption: () => `${archive.archive}   ${byId("range").textContent}`,
  },
};
const panels = {
  gaps: new GapsPanel(byId("panel-gaps"), state, chosenArchive),
  frames: new FramesPanel(byId("panel-frames"), state, chosenArchive, chosenBand, {
    explain,
    step,
    isBusy: () => split.isOpen && marketTiles.isLoading,
  }),
  book: new BookPanel(byId("panel-book"), state, chosenBand, explain),
  market: new MarketPanel(byId("panel-market"), marketParts),
  charts: new ChartsPanel(byId("panel-charts"), marketParts),
  days: new DaysPanel(byId("panel-days"), state, { archive: chosenArchive, goToDay }),
  ask: new AskPanel(byId("panel-ask"), state, chosenBand, { goToFound, showMarks }),
  commands: new CommandsPanel(byId("panel-commands"), state, chosenArchive, chosenBand),
  differences: new DifferencesPanel(byId("panel-differences"), state, {
    archive: () => archive,
    chosenBand,
    findBand,
    timeline,
  }),
};
const split = new Split(document.querySelector("main"), byId("split"), state, () => {
  if (archive !== null && archive.first_ns !== 0n) showTab();
});
const steps = new StepBar(byId("steps"), {
  state,
  archive: () => archive,
  band: chosenBand,
  question: () => panels.ask.question(),
  step,
});
const notes = new Notes(state, {
  sides: () => archive.sides,
  topics: () => topics,
  showSpans: showNotes,
});
const showStatusSoon = delayed(120, showStatus);
const parts = document.querySelectorAll("main, .buttons"); // what is shown of an archive with frames
byId("panel-gaps").append(notes.element);
askArchiveOf(() => chosenArchive()?.side ?? "");

// ---- the archive ----

function nowNs() {
  return archive.now_ns + BigInt(Math.round((performance.now() - polledAt) * 1e6));
}

async function poll() {
  try {
    const found = await getArchives();
    const before = archive;
    archive = found;
    polledAt = performance.now();
    setProblem("");
    takeArchive(before);
  } catch (error) {
    setProblem(error.message);
  }
  if (!isSavedPage) setTimeout(poll, archive?.is_recording ? POLL_RECORDING_MS : POLL_MS);
}

function frameTotal(of) {
  return of.rows.reduce((sum, row) => sum + BigInt(row.frames ?? 0), 0n);
}

// The archive of the chosen band.
function chosenArchive() {
  return archive?.sides.find(({ side }) => side === state.side) ?? archive?.sides[0] ?? null;
}

function takeArchive(before) {
  const isEmpty = archive.first_ns === 0n;
  byId("archive-name").textContent = archive.archive;
  byId("archive-name").title = archive.path;
  document.title = `${archive.archive} - tapedeck view`;
  byId("tab-differences").hidden = archive.sides.length < 2 && !archive.has_decoders;
  byId("timeline").classList.toggle("pair", archive.sides.length > 1);
  byId("follow").hidden = !archive.is_recording;
  byId("message").hidden = !isEmpty;
  if (!archive.is_recording) state.set({ follow: false });
  showAge();
  if (isEmpty) {
    for (const part of parts) part.hidden = true;
    byId("message").textContent = archive.is_recording
      ? "No frame has been recorded yet. The page shows the first ones once they are stored."
      : "This archive has no frames. Record or import some; the page then shows them:\n" +
        commandLine([
          "record",
          "-a",
          archive.path,
          "--family",
          "v5-linear",
          "--topic",
          "publicTrade.BTCUSDT",
        ]) +
        "\n" +
        commandLine(["import", "-a", archive.path, "FILE"]);
    return;
  }
  const names = JSON.stringify(
    archive.sides.map(({ rows }) => rows.map((row) => [row.feed, row.topic, row.symbol, row.proof]))
  );
  if (names !== rowNames) {
    rowNames = names;
    topics = topicsOf(archive);
    showBands();
    notes.mark();
    choice.setArchives(archive.sides);
    panels.market.update();
  }
  if (before === null || before.first_ns === 0n) {
    start();
    return;
  }
  panels.days.refresh();
  archive.sides.forEach((now, index) => expireTiles(before.sides[index], now));
  if (
    archive.sides.some((now, index) => isOldChanged(before.sides[index], now)) ||
    before.is_recording !== archive.is_recording
  )
    marketTiles.expireAll();
  else if (archive.is_recording) marketTiles.expireGrowing(before.last_ns - SETTLED);
}

// More than the newest time has changed.
function isOldChanged(before, now) {
  return (
    before.gaps !== now.gaps ||
    before.first_ns !== now.first_ns ||
    before.rows.length !== now.rows.length ||
    (before.last_ns === now.last_ns && frameTotal(before) !== frameTotal(now))
  );
}

function expireTiles(before, now) {
  if (isOldChanged(before, now)) tiles.expire(-1n);
  else if (before.last_ns !== now.last_ns) tiles.expire(before.last_ns);
  if (before.gaps !== now.gaps) panels.gaps.refresh();
}

// Show the URL's view, or the opening one, once there are frames. A long archive opens with its
// calendar. A saved page has few close steps: it opens with all of its time.
async function start() {
  if (state.to === 0n) {
    const search = (source, key, from, level, limit) =>
      tiles.search(source, key, from, 1, level, limit);
    const hasCalendar = archive.last_ns - archive.first_ns > CALENDAR_LEAST && !state.gives("tab");
    const opening =
      isSavedPage || hasCalendar ? undefined : await openingView(archive.sides, search);
    // The URL may have changed meanwhile.
    if (state.to === 0n && opening === undefined) fitAll();
    else if (state.to === 0n) state.setUnlessGiven(opening);
    if (hasCalendar) state.setUnlessGiven({ tab: "days" });
  }
  if (state.cursor === null) state.set({ cursor: archive.first_ns });
  // Not earlier: the opening view would replace what somebody has chosen meanwhile.
  for (const part of parts) part.hidden = false;
  repairBand();
  timeline.resize();
  timeline.scrollToBand(state.band);
  showTab();
  showRange();
  showStatusSoon();
  loadNotes();
}

async function loadNotes() {
  try {
    await notes.load();
  } catch (error) {
    setProblem(error.message);
  }
}

function showAge() {
  if (archive === null || archive.first_ns === 0n) return;
  if (isSavedPage) {
    byId("recording").textContent =
      `saved ${formatTime(savedNs, 0)} UTC` +
      (isDamaged ? "; a part of the recording cannot be read" : "") +
      (problem && `; ${problem}`);
    return;
  }
  byId("recording").textContent =
    problem ||
    archive.sides
      .map((side) => {
        const age = nowNs() - side.last_ns;
        return (
          (side.label && side.label + ": ") +
          (side.is_recording ? "recording; " : "") +
          (side.first_ns === 0n
            ? "no frame"
            : `newest frame ${formatSpan(age < 0n ? 0n : age)} ago`)
        );
      })
      .join("; ");
}

function setProblem(text) {
  problem = text;
  byId("recording").classList.toggle("error", text !== "");
  if (archive !== null) showAge();
  else if (text !== "") byId("message").textContent = text;
  if (archive === null) byId("message").hidden = text === "";
}

// ---- bands ----

function findBand(key) {
  for (const topic of topics.flatMap(withTwin)) {
    if (topic.key === key) return topic;
    if (topic.symbols.has(key)) return topic.symbols.get(key);
  }
  return undefined;
}

function chosenBand() {
  return findBand(state.band);
}

// Show the exact book of a market at the cursor.
function showBook(market) {
  const topic = bandKey(market.feed, market.topic, null);
  state.jump({ band: market.key, open: new Set([...state.open, topic]), tab: "book" });
  byId("tab-book").focus();
}

// Choose a band that exists, and open its topic.
function repairBand() {
  const band = chosenBand() ?? topics[0];
  if (band === undefined) return;
  const open =
    band.group === null || state.open.has(band.openKey)
      ? state.open
      : new Set([...state.open, band.openKey]);
  state.set({ band: band.key, open });
}

function showBands() {
  const { bands, pinned } = visibleBands(topics, state);
  labels.set(bands, state.open, state.pinned);
  labels.choose(state.band);
  timeline.setBands(bands, pinned);
  byId("no-rows").hidden = bands.length > pinned || state.filter === "";
  if (byId("filter").value !== state.filter) byId("filter").value = state.filter;
}

// Keep a row on top, or put it back.
function pin(band) {
  const pinned = new Set(state.pinned);
  if (!pinned.delete(band.pinKey)) pinned.add(band.pinKey);
  state.set({ pinned });
}

// Open or close a topic, or the topic of a symbol.
function toggle(band) {
  const topic = band?.group ?? band;
  if (topic === undefined || !isExpandable(topic)) return;
  const open = new Set(state.open);
  if (!open.delete(topic.openKey)) open.add(topic.openKey);
  const chosenTopic = chosenBand()?.group;
  const isHidden = chosenTopic?.openKey === topic.openKey && !open.has(topic.openKey);
  state.set({ open, band: isHidden ? chosenTopic.key : state.band });
}

function moveBand(by) {
  const { bands } = timeline;
  const index = bands.findIndex((band) => band.key === state.band);
  const band = bands[Math.max(0, Math.min(bands.length - 1, index + by))];
  state.set({ band: band.key });
  timeline.scrollToBand(band.key);
}

// ---- the view and the cursor ----

// The view of all frames between two of them.
function viewOf(first, last) {
  const margin = first === last ? SECOND / 2n : (last - first) / 50n + 1n;
  return { from: first - margin, to: last + margin, follow: false };
}

function fitAll() {
  state.set(viewOf(archive.first_ns, archive.last_ns));
}

// Show all frames of the chosen row; all of the archive if they are shown already.
function fit() {
  const { first, last } = bandTime(chosenBand(), archive.sides);
  const view = first === 0n ? null : viewOf(first, last);
  if (view === null || (view.from === state.from && view.to === state.to)) fitAll();
  else state.set(view);
}

function around(ns) {
  return { from: ns - state.span / 2n, to: ns - state.span / 2n + state.span };
}

// Set the cursor, keep it in the view, and add a note to the status.
function goTo(cursor, text) {
  const isVisible = cursor >= state.from && cursor < state.to;
  moves++;
  state.set({ cursor, ...(isVisible ? {} : around(cursor)) });
  note = text;
  showStatusSoon();
}

// Show a time as closely as it was written: a date is the whole day, and a minute or a second is in
// the middle of ten of them. A closer view is only moved.
function zoomTo({ ns, unit }) {
  const span = unit * 10n < state.span ? unit * 10n : state.span;
  const from = unit === DAY ? ns : ns - span / 2n;
  moves++;
  state.set({ cursor: ns, from, to: from + (unit === DAY ? DAY : span), follow: false });
}

// Show a day of the calendar. The browser's Back button returns.
function goToDay(ns) {
  const first = archive.first_ns;
  moves++;
  state.jump({ cursor: ns < first ? first : ns, from: ns, to: ns + DAY });
}

// band: whose times without data are skipped.
async function moveCursor(direction, isLarge, band = chosenBand()) {
  const step = state.span / (isLarge ? 10n : 50n) || 1n;
  const move = ++moves;
  const wanted = state.cursor + BigInt(direction) * step;
  const target = wanted < 0n ? 0n : wanted;
  const limit = direction > 0 ? archive.last_ns : archive.first_ns;
  const search = (way, level, end) => tiles.search(band.source, band.key, target, way, level, end);
  let found = target;
  let before = target;
  try {
    found = await search(direction, timeline.level, limit);
    if (found !== null && found !== target) {
      // A step of the view may be far longer than the data: look closer.
      const level = Math.min(timeline.level, LEVEL_AFTER_SKIP);
      found = (await search(direction, level, limit)) ?? found;
      before = (await search(-direction, level, state.cursor)) ?? state.cursor;
    }
  } catch {
    // Without tiles the cursor moves without a search.
  }
  if (move !== moves) return;
  if (found === null) {
    note = direction > 0 ? "No later data of this topic." : "No earlier data of this topic.";
    showStatusSoon();
    return;
  }
  const skipped = found > before ? found - before : before - found;
  if (isLarge) state.pan(direction / 10);
  goTo(found, skipped > timeline.stepNs ? `Skipped ${formatSpan(skipped)} without data.` : "");
}

function goToEnd(direction) {
  goTo(
    direction < 0 ? archive.first_ns : archive.last_ns,
    direction < 0 ? "First frame." : "Last frame."
  );
}

async function goToGap(direction) {
  const move = ++moves;
  try {
    const gap = await findGap(state.cursor, direction, nowNs() + SECOND);
    if (move !== moves) return;
    if (gap !== null) {
      goTo(gap.from_ns, `Gap: ${gap.reason}; ${gapPlace(gap)}; lasted ${gapLength(gap)}.`);
      return;
    }
    note = direction > 0 ? "No later gap." : "No earlier gap.";
    showStatusSoon();
  } catch (error) {
    setProblem(error.message);
  }
}

// ---- found frames ----

function explain(level) {
  moves++;
  panels.ask.explain(level);
}

// Choose a frame's row and, in the panel of frames, the frame.
function chooseFound(found) {
  const band = chosenBand();
  panels.frames.select(found);
  if (
    band?.feed === found.feed &&
    band.topic === found.topic &&
    (band.symbol === null || band.symbol === (found.symbol ?? ""))
  )
    return;
  const topic = bandKey(found.feed, found.topic, null, state.side);
  const symbol = bandKey(found.feed, found.topic, found.symbol ?? "", state.side);
  const isOpen = state.open.has(bandKey(found.feed, found.topic, null));
  const key = isOpen && findBand(symbol) !== undefined ? symbol : topic;
  state.set({ band: key });
  repairBand();
  timeline.scrollToBand(state.band);
}

// Go to a frame of a list. The browser's Back button returns.
function goToFound(found) {
  const cursor = BigInt(found.recv_ns);
  moves++;
  chooseFound(found);
  state.jump({ cursor, ...(cursor >= state.from && cursor < state.to ? {} : around(cursor)) });
}

// Go to the next or the previous frame, violation, gap or breakpoint, as chosen in the bar.
async function step(direction) {
  const { kind } = steps;
  if (kind === "gap") {
    await goToGap(direction);
    return;
  }
  const move = ++moves;
  const found = await steps.find(direction);
  if (found === undefined || move !== moves) return;
  if (found === null) {
    note = `No ${direction > 0 ? "later" : "earlier"} ${kind}.`;
    showStatusSoon();
    return;
  }
  const where = [found.feed, found.topic, found.symbol ?? "(no symbol)"].join(" / ");
  chooseFound(found);
  if (kind === "violation") state.set({ tab: "frames" });
  const at = BigInt(found.recv_ns);
  goTo(
    at,
    kind === "violation"
      ? `Broke the rule ${found.rule}: ${where}.`
      : kind === "breakpoint"
        ? `Met “${found.condition}”: ${where}.`
        : `Frame of ${formatTime(at)}.`
  ); // the cursor's time has only the digits that are visible
}

function showMarks(frames) {
  marked = frames.length;
  byId("mark-legend").hidden = marked === 0;
  timeline.setMarks(frames, state.side);
  showStatusSoon();
}

function showNotes(spans) {
  byId("note-legend").hidden = spans.size === 0;
  timeline.setSpans("note", spans);
  showStatusSoon();
}

// ---- what the page shows ----

function showRange() {
  const digits = digitsFor(state.span / 1000n);
  const range = `${formatTime(state.from, digits)} – ${formatTime(state.to, digits)} UTC`;
  byId("range").textContent = `${range} (${formatSpan(state.span)})`;
}

function showStatus() {
  const band = chosenBand();
  if (state.cursor === null || band === undefined) return;
  const marks =
    marked === 0 ? "" : `; ${marked.toLocaleString("en")} ${marked === 1 ? "mark" : "marks"}`;
  const text = `${note} Cursor: ${timeline.describe(band, state.cursor).join("; ")}${marks}`.trim();
  if (byId("status").textContent !== text) byId("status").textContent = text;
}

function shownTabs() {
  return TABS.filter((name) => !byId("tab-" + name).hidden);
}

function showTab() {
  if (!shownTabs().includes(state.tab)) {
    state.set({ tab: TABS[0] });
    return;
  }
  showAsked();
  const isTall = TALL_TABS.includes(state.tab);
  document.querySelector("main").classList.toggle("tall-panel", isTall);
  split.show(isTall);
  timeline.resize();
  timeline.scrollToBand(state.band);
  if (!isTall) marketTiles.wantNothing();
  for (const name of TABS) {
    const isChosen = name === state.tab;
    const isBeside = name === "frames" && split.isOpen;
    const isShown = isChosen || isBeside;
    byId("tab-" + name).setAttribute("aria-selected", String(isChosen));
    byId("tab-" + name).tabIndex = isChosen ? 0 : -1;
    byId("panel-" + name).setAttribute("role", isBeside ? "region" : "tabpanel");
    byId("panel-" + name).hidden = !isShown;
    panels[name].show?.(isShown);
  }
}

// Which of two archives the panel asks.
function showAsked() {
  const label = state.tab === "differences" ? "" : chosenArchive().label;
  byId("asked").hidden = label === "";
  byId("asked").textContent = `About the archive of the chosen row: ${label}`;
}

state.listen((changed) => {
  if (archive === null || archive.first_ns === 0n) return;
  if (changed.has("cursor")) note = "";
  if (["open", "pinned", "filter"].some((name) => changed.has(name))) showBands();
  if (changed.has("band")) labels.choose(state.band);
  if (changed.has("tab")) showTab();
  if (changed.has("side")) showAsked();
  if (changed.has("from") || changed.has("to")) showRange();
  byId("follow").setAttribute("aria-pressed", String(state.follow));
  timeline.redraw();
  showStatusSoon();
});

// A little earlier than the last frame of the chosen market's book, after which no book is known:
// while the view follows, the cursor is there.
function newestNs() {
  const { market } = choice;
  const last = market === undefined ? archive.last_ns : bandTime(market, archive.sides).last;
  return last - state.span / 50n;
}

setInterval(() => {
  if (state.follow && archive?.is_recording && !document.hidden)
    state.set({ from: nowNs() - state.span, to: nowNs(), cursor: newestNs() });
}, FOLLOW_MS);
setInterval(showAge, 1000);
setInterval(() => {
  if (archive !== null && archive.first_ns !== 0n && !document.hidden && !isSavedPage) loadNotes();
}, POLL_MS);

// ---- controls ----

byId("zoom-in").addEventListener("click", () => zoomAtCursor(0.5));
byId("zoom-out").addEventListener("click", () => zoomAtCursor(2));
byId("fit").addEventListener("click", fit);
byId("follow").addEventListener("click", () => state.set({ follow: !state.follow }));
byId("filter").addEventListener("input", (event) =>
  state.set({ filter: event.currentTarget.value })
);
byId("copy-link").addEventListener("click", (event) => {
  state.write();
  copyText(location.href, event.currentTarget);
});
byId("save-png").addEventListener("click", () => {
  timeline
    .picture(`${archive.archive}   ${byId("range").textContent}`)
    .toBlob((blob) => download(blob, `tapedeck-${state.from}.png`), "image/png");
});
byId("go-to").addEventListener("submit", (event) => {
  event.preventDefault();
  const time = parseTime(byId("go-to-time").value);
  if (time !== null) zoomTo(time);
  else {
    note = "Give a time like 2026-11-26 01:22:05.";
    showStatusSoon();
  }
});

// The cursor if it is visible, else the middle.
function zoomAtCursor(factor) {
  const isVisible = state.cursor >= state.from && state.cursor < state.to;
  state.zoom(factor, isVisible ? state.cursor : state.from + state.span / 2n);
}

for (const name of TABS)
  byId("tab-" + name).addEventListener("click", () => state.set({ tab: name }));
byId("tabs").addEventListener("keydown", (event) => {
  const tabs = shownTabs();
  const index = tabs.indexOf(state.tab);
  const moves = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: -1 };
  const to = moves[event.key];
  if (to === undefined) return;
  event.preventDefault();
  state.set({ tab: tabs.at(to % tabs.length) });
  byId("tab-" + state.tab).focus();
});

addEventListener("hashchange", ({ newURL }) => {
  state.read(new URL(newURL).hash); // location has changed again where a write of the view was due
  if (archive === null || archive.first_ns === 0n) return;
  repairBand();
  timeline.scrollToBand(state.band);
});
addEventListener("pagehide", () => state.write());

byId("unsaved-legend").hidden = !isSavedPage;
state.read(location.hash);
poll();
