// The calendar: a cell for each UTC day of an archive, a row for each month. It comes from the
// catalog, which cannot tell whether a day without a gap is clean: only `days`, which reads the
// frames, can. Its findings replace what the catalog shows of the days that were checked.

import { el } from "./dom.js";
import { DAY, dayText, monthText } from "./time.js";

const STATES = {
  clean: { sign: "✓", text: "clean" },
  no_gap: { sign: "", text: "no gap; not known whether it is clean" },
  degraded: { sign: "~", text: "degraded" },
  part: { sign: "–", text: "missing in part" },
  missing: { sign: "×", text: "missing" },
  empty: { sign: "", text: "nothing recorded, nothing lost" },
};
const NUMBERS = Array.from({ length: 31 }, (_, n) => (n === 0 || n % 5 === 4 ? String(n + 1) : ""));
const EMPTY_MONTHS = 2; // so many months in which nothing was received are one row

// The state of a day by its rows of `days`; undefined: they do not show it.
function checkedState(rows) {
  if (rows.some(({ recording }) => recording)) return undefined;
  const isAny = (...names) => rows.some((row) => names.some((name) => Number(row[name]) > 0));
  if (isAny("missing_ns", "pruned_ns", "not_subscribed_ns"))
    return isAny("frames") ? "part" : "missing";
  if (isAny("degraded_ns")) return "degraded";
  const isClean = rows.every(({ reasons }) => reasons === null) && isAny("clean_percent");
  return isClean ? "clean" : undefined;
}

// Lists of items by a key, in the order of the first ones.
function groupBy(items, keyOf) {
  const groups = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(item);
  }
  return groups;
}

function numberInMonth(ns) {
  return Number(dayText(ns).slice(8));
}

export class Calendar {
  #state;
  #goToDay;
  #days = []; // {ns, state, reasons, frames}, rising
  #checks = []; // {ofDay, from, to}, the newest last; ofDay: rows of `days` by day, as text
  #buttons = new Map(); // ns of a day: its button
  #archive = null;
  #table = el(
    "table",
    {},
    el("caption", { class: "offscreen", text: "Days of the archive" }),
    el("thead", {}, el("tr", {}, el("td"), ...NUMBERS.map((text) => el("td", { text }))))
  );
  #legend = el(
    "div",
    { class: "legend" },
    ...Object.entries(STATES).map(([name, { sign, text }]) =>
      el("span", {}, el("i", { class: `day ${name}`, "aria-hidden": "true", text: sign }), text)
    )
  );
  element = el("div", { class: "calendar", hidden: true }, this.#table, this.#legend);

  // goToDay: function of the day's begin, in ns.
  constructor(state, goToDay) {
    this.#state = state;
    this.#goToDay = goToDay;
    this.#table.addEventListener("keydown", (event) => this.#onKey(event));
    state.listen((changed) => {
      if (changed.has("from") || changed.has("to")) this.#markShown();
    });
  }

  // runs: as from getCalendar. archive: of them.
  set(runs, archive) {
    this.#archive = archive;
    this.#days = runs.flatMap(({ from_ns: from, days, ...rest }) =>
      Array.from({ length: days }, (_, index) => ({ ns: from + BigInt(index) * DAY, ...rest }))
    );
    this.#draw();
  }

  // Forget what was checked: the archive has changed.
  forget() {
    this.#checks = [];
  }

  // rows: of `days` over this time. Days that are only partly in it stay as they are.
  check(rows, from, to) {
    this.#checks.push({ ofDay: groupBy(rows, ({ day }) => day), from, to });
    if (this.#archive !== null) this.#draw();
  }

  // {state, reasons} of a day by the last check that shows it; undefined: no check does.
  #checked(ns) {
    const { first_ns: first, last_ns: last } = this.#archive;
    for (const { ofDay, from, to } of this.#checks.toReversed()) {
      const rows = ofDay.get(dayText(ns)) ?? [];
      const isWhole = (ns >= from || first >= from) && (ns + DAY <= to || last < to);
      const state = rows.length > 0 && isWhole ? checkedState(rows) : undefined;
      const reasons = rows.flatMap((row) => row.reasons?.split(", ") ?? []);
      if (state !== undefined) return { state, reasons: [...new Set(reasons)] };
    }
    return undefined;
  }

  #draw() {
    const hadFocus = this.#table.contains(document.activeElement);
    const focused = this.#focused();
    const months = [...groupBy(this.#days, ({ ns }) => monthText(ns)).values()];
    const rows = [];
    this.#buttons.clear();
    for (let at = 0; at < months.length;) {
      let end = at;
      const isSame = (month) =>
        month.every((day) => day.state === months[at][0].state && !this.#isReceived(day));
      while (end < months.length && isSame(months[end])) end++;
      if (end - at >= EMPTY_MONTHS) rows.push(this.#makeRun(months.slice(at, end)));
      else rows.push(this.#makeMonth(months[at]));
      at = end - at >= EMPTY_MONTHS ? end : at + 1;
    }
    this.element.hidden = this.#days.length === 0;
    this.#table.tBodies[0]?.remove();
    this.#table.append(el("tbody", {}, ...rows));
    const chosen = this.#buttons.get(focused) ?? [...this.#buttons.values()].at(-1);
    if (chosen !== undefined) chosen.tabIndex = 0;
    if (hadFocus) chosen?.focus();
    this.#markShown();
  }

  #isReceived({ state }) {
    return state !== "missing" && state !== "empty";
  }

  #makeRun(months) {
    const [first, last] = [months[0][0], months.at(-1)[0]];
    const text = `until ${monthText(last.ns)}: ${STATES[first.state].text}`;
    return el(
      "tr",
      {},
      el("th", { scope: "row", text: monthText(first.ns) }),
      el("td", { colspan: 31, text: [text, ...first.reasons].join(", ") })
    );
  }

  #makeMonth(days) {
    const cells = Array.from({ length: 31 }, () => el("td"));
    for (const day of days) cells[numberInMonth(day.ns) - 1].append(this.#makeDay(day));
    return el("tr", {}, el("th", { scope: "row", text: monthText(days[0].ns) }), ...cells);
  }

  #makeDay(day) {
    const { state, reasons } = this.#checked(day.ns) ?? day;
    const isGrowing = this.#archive.is_recording && day.ns + DAY > this.#archive.last_ns;
    const { sign, text } = STATES[state];
    const words = [
      `${dayText(day.ns)}: ${text}`,
      ...(reasons.length > 0 ? [reasons.join(", ")] : []),
      ...(isGrowing
        ? ["being recorded"]
        : day.frames > 0
          ? [`about ${day.frames.toLocaleString("en")} frames`]
          : []),
    ];
    const button = el("button", {
      type: "button",
      class: `day ${state}`,
      tabindex: -1,
      text: sign,
      title: words.join("; "),
      "aria-label": words.join("; "),
      onclick: () => this.#goToDay(day.ns),
      onfocus: () => this.#focus(button),
    });
    this.#buttons.set(day.ns, button);
    return button;
  }

  // Outline the days in the view, unless all are.
  #markShown() {
    const { from, to } = this.#state;
    const isIn = (ns) => ns < to && ns + DAY > from;
    const isAll = this.#days.every(({ ns }) => isIn(ns));
    for (const [ns, button] of this.#buttons)
      if (!isAll && isIn(ns)) button.setAttribute("aria-current", "date");
      else button.removeAttribute("aria-current");
  }

  // ---- keys: one day at a time can be reached by Tab ----

  #focused() {
    for (const [ns, { tabIndex }] of this.#buttons) if (tabIndex === 0) return ns;
    return undefined;
  }

  #focus(button) {
    for (const other of this.#buttons.values()) other.tabIndex = other === button ? 0 : -1;
  }

  #onKey(event) {
    const days = [...this.#buttons.keys()];
    const index = days.indexOf(this.#focused());
    const to = {
      ArrowLeft: index - 1,
      ArrowRight: index + 1,
      ArrowUp: index - 7,
      ArrowDown: index + 7,
      Home: 0,
      End: days.length - 1,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.#buttons.get(days[Math.max(0, Math.min(days.length - 1, to))])?.focus();
  }
}
