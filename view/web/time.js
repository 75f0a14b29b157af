// Times are ns since 1970 (UTC) as BigInt. This module converts them to and from text, and finds
// the ticks of a time axis.

export const SECOND = 1_000_000_000n;
export const MINUTE = 60n * SECOND;
const HOUR = 60n * MINUTE;
export const DAY = 24n * HOUR;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function dateOf(ns) {
  return new Date(Number(ns / 1_000_000n));
}

function fraction(ns, digits) {
  return digits === 0
    ? ""
    : "." +
        String(ns % SECOND)
          .padStart(9, "0")
          .slice(0, digits);
}

// "2026-11-26 01:22:05.123456789". digits: of the second's fraction.
export function formatTime(ns, digits = 9) {
  return dateOf(ns).toISOString().slice(0, 19).replace("T", " ") + fraction(ns, digits);
}

// "2026-11-26", "2026 Nov".
export function dayText(ns) {
  return formatTime(ns).slice(0, 10);
}

export function monthText(ns) {
  return `${dateOf(ns).getUTCFullYear()} ${MONTHS[dateOf(ns).getUTCMonth()]}`;
}

// "2026-11-26T01:22:05.12Z", as short as it is exact: for command lines.
export function isoTime(ns) {
  return `${formatTime(ns)
    .replace(" ", "T")
    .replace(/\.?0+$/, "")}Z`;
}

// Digits of the second's fraction that a step of this length needs.
export function digitsFor(step) {
  let digits = 0;
  for (let unit = SECOND; unit > step && digits < 9; unit /= 10n) digits++;
  return digits;
}

function threeDigits(value) {
  return String(Number(value.toPrecision(3)));
}

// A length of time: "350 ns", "12.5 ms", "3 min 20 s", "422 d 4 h".
export function formatSpan(ns) {
  if (ns < 0n) return "-" + formatSpan(-ns);
  const pair = (large, largeName, small, smallName) => {
    const rest = (ns % large) / small;
    const count = (ns / large).toLocaleString("en");
    return `${count} ${largeName}` + (rest ? ` ${rest} ${smallName}` : "");
  };
  if (ns >= 2n * DAY) return pair(DAY, "d", HOUR, "h");
  if (ns >= HOUR) return pair(HOUR, "h", MINUTE, "min");
  if (ns >= MINUTE) return pair(MINUTE, "min", SECOND, "s");
  const value = Number(ns);
  if (value >= 1e9) return threeDigits(value / 1e9) + " s";
  if (value >= 1e6) return threeDigits(value / 1e6) + " ms";
  return value >= 1e3 ? threeDigits(value / 1e3) + " µs" : value + " ns";
}

// A rate per second, minute, hour or day, so that it is at least 1: "343/s", "12,400/s", "26/h".
// what: a word after the number.
export function formatRate(perSecond, what = "") {
  const units = [
    ["s", 1],
    ["min", 60],
    ["h", 3600],
    ["d", 86_400],
  ];
  const [unit, seconds] =
    perSecond === 0 ? units[0] : (units.find(([, length]) => perSecond * length >= 1) ?? units[3]);
  const value = Number((perSecond * seconds).toPrecision(3));
  return `${value >= 1000 ? value.toLocaleString("en") : value}${what}/${unit}`;
}

// Read a time: "2026-11-26", "2026-11-26 01:22", "2026-11-26T01:22:05.123456789Z", or an integer in
// s, ms, us or ns, whose magnitude determines the unit. Returns {ns, unit}, where unit is DAY,
// MINUTE or SECOND, whichever is the last one that was given. null: not a time.
export function parseTime(text) {
  const trimmed = text.trim();
  if (/^\d{9,20}$/.test(trimmed)) {
    const number = BigInt(trimmed);
    const unit = [
      [11, SECOND],
      [14, 1_000_000n],
      [17, 1000n],
      [21, 1n],
    ];
    return { ns: number * unit.find(([digits]) => trimmed.length < digits)[1], unit: SECOND };
  }
  const pattern =
    /^(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?\s*(?:Z|UTC)?$/i;
  const found = pattern.exec(trimmed);
  if (found === null) return null;
  const [, date, minute, second, part = ""] = found;
  const ms = Date.parse(`${date}T${minute ?? "00:00"}:${second ?? "00"}Z`);
  if (Number.isNaN(ms) || ms < 0) return null;
  return {
    ns: BigInt(ms) * 1_000_000n + BigInt(part.padEnd(9, "0")),
    unit: minute === undefined ? DAY : second === undefined ? MINUTE : SECOND,
  };
}

// ---- ticks ----

const CLOCK_STEPS = [];
for (let unit = 1n; unit < SECOND; unit *= 10n) CLOCK_STEPS.push(unit, 2n * unit, 5n * unit);
for (const count of [1n, 2n, 5n, 10n, 15n, 30n]) CLOCK_STEPS.push(count * SECOND);
for (const count of [1n, 2n, 5n, 10n, 15n, 30n]) CLOCK_STEPS.push(count * MINUTE);
for (const count of [1n, 2n, 3n, 6n, 12n]) CLOCK_STEPS.push(count * HOUR);

// Steps of the calendar have no constant length; about is only for the choice.
const CALENDAR_STEPS = [
  ...[1, 2, 5, 10].map((days) => ({ days, about: BigInt(days) * DAY })),
  ...[1, 2, 3, 6].map((months) => ({ months, about: BigInt(months) * 30n * DAY })),
  ...[1, 2, 5, 10, 20, 50, 100].map((years) => ({ years, about: BigInt(years) * 365n * DAY })),
];

function clockTicks(from, to, step) {
  const ticks = [];
  for (let ns = ((from + step - 1n) / step) * step; ns < to; ns += step) {
    const text = dateOf(ns).toISOString();
    if (ns % DAY === 0n) ticks.push({ ns, label: dayLabel(dateOf(ns)), isMajor: true });
    else if (step >= MINUTE) ticks.push({ ns, label: text.slice(11, 16), isMajor: false });
    else if (ns % SECOND === 0n)
      ticks.push({ ns, label: text.slice(11, 19), isMajor: step < SECOND });
    else ticks.push({ ns, label: fraction(ns, digitsFor(step)), isMajor: false });
  }
  return ticks;
}

function dayLabel(date) {
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

function calendarTicks(from, to, { days, months, years }) {
  const ticks = [];
  const begin = dateOf(from);
  const add = (ms, label, isMajor) => {
    const ns = BigInt(ms) * 1_000_000n;
    if (ns >= from && ns < to) ticks.push({ ns, label, isMajor });
    return ns < to;
  };
  for (let year = begin.getUTCFullYear(); ; year++) {
    if (years) {
      if (
        (year % years === 0 && !add(Date.UTC(year, 0), String(year), true)) ||
        BigInt(Date.UTC(year, 0)) * 1_000_000n >= to
      )
        return ticks;
      continue;
    }
    for (let month = 0; month < 12; month += months ?? 1) {
      const begins = Date.UTC(year, month);
      const name = month === 0 ? String(year) : MONTHS[month];
      if (!add(begins, days ? dayLabel(new Date(begins)) : name, month === 0 || days > 0))
        return ticks;
      // Days are counted from each month's first; leave out those close to the next month.
      const last = days ? new Date(Date.UTC(year, month + 1, 0)).getUTCDate() - days / 2 + 1 : 0;
      for (let day = 1 + days; day <= last; day += days)
        add(Date.UTC(year, month, day), dayLabel(new Date(Date.UTC(year, month, day))), false);
    }
  }
}

// Ticks with labels at least minPixels apart, and the part of the date that they leave out.
export function axisTicks(from, to, pixels, minPixels = 84) {
  const least = ((to - from) * BigInt(minPixels)) / BigInt(Math.max(1, Math.round(pixels)));
  const step = CLOCK_STEPS.find((candidate) => candidate >= least);
  if (step === undefined) {
    const calendar = CALENDAR_STEPS.find(({ about }) => about >= least) ?? CALENDAR_STEPS.at(-1);
    const context = calendar.days ? formatTime(from).slice(0, 7) : formatTime(from).slice(0, 4);
    return { ticks: calendarTicks(from, to, calendar), context };
  }
  const length = step >= MINUTE ? 10 : step >= SECOND ? 16 : 19;
  return { ticks: clockTicks(from, to, step), context: formatTime(from).slice(0, length) };
}
