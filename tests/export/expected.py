#!/usr/bin/env python3
"""What an export must hold, computed from a capture file alone.

    expected.py CAPTURE FAMILY OUT

Writes OUT/NAME.csv for every file of `tapedeck export --format tardis-csv`, and OUT/messages_DATE.jsonl
of `--format jsonl`, both uncompressed. Written from docs/export.md, the formats' own documentation,
docs/wire.md and, for names and order of members, docs/topics.md; standard library only; shares
nothing with tapedeck. A topic that it does not know ends it with an error.

The capture is one of cryptofeed's, of either generation; families: inverse, linear, v5-linear.
"""
import functools
import gzip
import json
import os
import sys
from decimal import Decimal

DAY_NS = 86_400_000_000_000


# ---- the capture: (receive time in ns, direction, text) in order --------------------------------

def seconds_to_ns(text):
    """Digits as they stand, no floating point."""
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**9 + int((fraction + "000000000")[:9])


def first_generation(lines):
    """TIME: FRAME, URL <- TIME: FRAME, URL <-> TIME; one connection a file."""
    for line in lines:
        if not line:
            continue
        if line[0].isdigit():
            time, _, text = line.partition(": ")
            yield "ws", seconds_to_ns(time), "in", text
        elif " <-> " in line:
            yield "ws", seconds_to_ns(line.split(" <-> ")[1]), "connect", ""
        elif " <- " in line:
            time, _, text = line.split(" <- ", 1)[1].partition(": ")
            yield "ws", seconds_to_ns(time), "out", text


def second_generation(lines):
    """One JSON object a line."""
    kinds = {"recv": "in", "send": "out", "connect": "connect", "http": "http"}
    for line in lines:
        if not line:
            continue
        said = json.loads(line, parse_float=str, parse_int=str)
        if said["t"] in kinds:
            yield said["conn"], seconds_to_ns(said["ts"]), kinds[said["t"]], said.get("data", "")


def read_capture(path):
    """Connections merged by time (each keeps its order), times made strictly rising."""
    raw = open(path, "rb").read()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    lines = raw.decode("utf-8").split("\n")
    records = list((second_generation if lines[0].startswith('{"t":"header"') else first_generation)(lines))
    newest, merged = {}, []
    for conn, at, kind, text in records:
        newest[conn] = max(newest.get(conn, 0), at)
        merged.append((newest[conn], kind, text))
    merged.sort(key=lambda record: record[0])
    last = 0
    for at, kind, text in merged:
        last = max(at, last + 1)
        yield last, kind, text


# ---- frames as typed messages -------------------------------------------------------------------

def shortest(text):
    """A decimal without trailing zeros, never with an exponent."""
    value = format(Decimal(text), "f")
    if "." in value:
        value = value.rstrip("0").rstrip(".")
    return "0" if value in ("-0", "") else value


def iso_to_ns(text):
    date, _, clock = text.rstrip("Z").partition("T")
    year, month, day = (int(part) for part in date.split("-"))
    hour, minute, second = clock.split(":")
    # Days since 1970 by counting: no library's calendar.
    days = sum(366 if y % 4 == 0 and (y % 100 != 0 or y % 400 == 0) else 365 for y in range(1970, year))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    lengths = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    days += sum(lengths[: month - 1]) + day - 1
    return days * DAY_NS + (int(hour) * 3600 + int(minute) * 60) * 10**9 + seconds_to_ns(second)


def op_trades(frame):
    for t in frame["data"]:
        yield {
            "side": t["side"], "price": shortest(t["price"]), "size": shortest(t["size"]),
            "time": int(t["trade_time_ms"]) * 10**6 if "trade_time_ms" in t else iso_to_ns(t["timestamp"]),
            "id": t["trade_id"], "tick": t.get("tick_direction"),
            "cross_seq": int(t["cross_seq"]) if "cross_seq" in t else None,
            "seq": None, "block": t.get("is_block_trade"), "rpi": None,
        }


def v5_trades(frame):
    for t in frame["data"]:
        yield {
            "side": t["S"], "price": shortest(t["p"]), "size": shortest(t["v"]), "time": int(t["T"]) * 10**6,
            "id": t["i"], "tick": t.get("L"), "cross_seq": None,
            "seq": int(t["seq"]) if "seq" in t else None, "block": t.get("BT"), "rpi": t.get("RPI"),
        }


def level_names(level):
    return {key: str(level[key]) for key in ("symbol", "id") if key in level}


def op_levels(frame):
    """(action, side, price, size, names): a delta's deletes, then updates, then inserts."""
    data = frame["data"]
    if frame["type"] == "snapshot":
        for level in data["order_book"] if isinstance(data, dict) else data:
            yield "set", level["side"], shortest(level["price"]), shortest(level["size"]), level_names(level)
        return
    for action in ("delete", "update", "insert"):
        for level in data.get(action) or []:
            size = None if action == "delete" else shortest(level["size"])
            yield action, level["side"], shortest(level["price"]), size, level_names(level)


def v5_levels(frame):
    for key, side in (("b", "Buy"), ("a", "Sell")):
        for price, size in frame["data"][key]:
            is_delete = Decimal(size) == 0
            yield "delete" if is_delete else "set", side, shortest(price), None if is_delete else shortest(size)


def decimal(text):
    return shortest(text)


def ms_to_ns(text):
    return int(text) * 10**6


# Member, key in the frame, how it is read; in the order of docs/topics.md.
V5_TICKER = (
    ("symbol", "symbol", str),
    ("tick_direction", "tickDirection", str),
    ("price_24h_pcnt", "price24hPcnt", decimal),
    ("last_price", "lastPrice", decimal),
    ("prev_price_24h", "prevPrice24h", decimal),
    ("high_price_24h", "highPrice24h", decimal),
    ("low_price_24h", "lowPrice24h", decimal),
    ("prev_price_1h", "prevPrice1h", decimal),
    ("mark_price", "markPrice", decimal),
    ("index_price", "indexPrice", decimal),
    ("open_interest", "openInterest", decimal),
    ("open_value", "openInterestValue", decimal),
    ("turnover_24h", "turnover24h", decimal),
    ("volume_24h", "volume24h", decimal),
    ("funding_rate_interval_hours", "fundingIntervalHour", int),
    ("funding_cap", "fundingCap", decimal),
    ("single_open_interest", "singleOpenInterest", decimal),
    ("single_open_value", "singleOpenInterestValue", decimal),
    ("next_funding_ns", "nextFundingTime", ms_to_ns),
    ("funding_rate", "fundingRate", decimal),
    ("bid1_price", "bid1Price", decimal),
    ("bid1_size", "bid1Size", decimal),
    ("ask1_price", "ask1Price", decimal),
    ("ask1_size", "ask1Size", decimal),
    ("pre_open_price", "preOpenPrice", decimal),
    ("pre_open_size", "preQty", decimal),
    ("pre_listing_phase", "curPreListingPhase", str),
)

V5_CANDLE = (
    ("start_ns", "start", ms_to_ns),
    ("end_ns", "end", ms_to_ns),
    ("interval", "interval", str),
    ("open", "open", decimal),
    ("close", "close", decimal),
    ("high", "high", decimal),
    ("low", "low", decimal),
    ("volume", "volume", decimal),
    ("turnover", "turnover", decimal),
    ("is_confirmed", "confirm", bool),
    ("last_trade_ns", "timestamp", ms_to_ns),
)


def item(entry, table, **first):
    """What an entry says, by a table that must know all of it; "" says nothing."""
    unknown = set(entry) - {key for _, key, _ in table}
    if unknown:
        sys.exit(f"not in docs/topics.md: {sorted(unknown)}")
    said = {member: read(entry[key]) for member, key, read in table if entry.get(key) not in (None, "")}
    return {**first, **said}


def v5_items(name, frame):
    """Type, entries and number of a ticker or candle frame."""
    if name == "tickers":
        action = "set" if frame["type"] == "snapshot" else "update"
        return {"type": "ticker", "items": [item(frame["data"], V5_TICKER, action=action)],
                "seq": int(frame["cs"])}
    if name.startswith("kline."):
        return {"type": "kline", "items": [item(entry, V5_CANDLE) for entry in frame["data"]],
                "seq": None}
    sys.exit(f"a topic that this script does not know: {name}")


def message_of(frame, family):
    """A frame of a topic as a typed message; None for any other."""
    topic = frame.get("topic")
    if topic is None:
        return None
    name, _, symbol = topic.rpartition(".")
    kind = frame.get("type")
    if family == "v5-linear":
        made = {"topic": name, "symbol": symbol, "kind": kind, "time": int(frame["ts"]) * 10**6}
        if name.startswith("orderbook."):
            data = frame["data"]
            return {**made, "type": "book_change", "levels": list(v5_levels(frame)), "u": int(data["u"]),
                    "seq": int(data["seq"]) if "seq" in data else None, "cross_seq": None,
                    "match": int(frame["cts"]) * 10**6 if "cts" in frame else None}
        if name == "publicTrade":
            trades = list(v5_trades(frame))
            return {**made, "type": "trade", "trades": trades, "time": trades[0]["time"], "cross_seq": None,
                    "envelope": {"send_ns": int(frame["ts"]) * 10**6}, "u": None, "seq": trades[0]["seq"]}
        return {**made, **v5_items(name, frame), "cross_seq": None, "u": None}
    made = {"topic": name, "symbol": symbol, "kind": kind, "u": None, "seq": None}
    if name.startswith("orderBook"):
        data = frame["data"]
        moved = isinstance(data, dict) and "transactTimeE6" in data
        levels = list(op_levels(frame))
        return {**made, "type": "book_change", "levels": [level[:4] for level in levels],
                "names": [level[4] for level in levels],
                "envelope": {"transact_ns": int(data["transactTimeE6"]) * 1000} if moved else {},
                "time": int(frame["timestamp_e6"]) * 1000, "cross_seq": int(frame["cross_seq"])}
    if name == "trade":
        trades = list(op_trades(frame))
        return {**made, "type": "trade", "trades": trades, "time": trades[0]["time"],
                "cross_seq": trades[0]["cross_seq"]}
    sys.exit(f"a topic that this script does not know: {topic}")


number = functools.cache(Decimal)


# ---- Tardis CSV ---------------------------------------------------------------------------------

TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
BOOK = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"
QUOTE = "exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount\n"
DERIVATIVE = ("exchange,symbol,timestamp,local_timestamp,funding_timestamp,funding_rate,predicted_funding_rate,"
              "open_interest,last_price,index_price,mark_price\n")
PREFERRED = {"inverse": "orderBookL2_25", "linear": "orderBookL2_25", "v5-linear": "orderbook.50"}


def date_of(ns):
    return date_of_day(ns // DAY_NS)


@functools.cache
def date_of_day(days):
    year = 1970
    while True:
        length = 366 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 365
        if days < length:
            break
        days, year = days - length, year + 1
    lengths = [31, length - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    month = 0
    while days >= lengths[month]:
        days, month = days - lengths[month], month + 1
    return f"{year:04d}-{month + 1:02d}-{days + 1:02d}"


class BookFile:
    """One symbol's rows. The book as a reader of the file has it: {side: {price: size}}."""

    def __init__(self):
        self.book = {"Sell": {}, "Buy": {}}
        self.is_alive = False
        self.day = None
        self.last = None  # what the file's last row was: None, "true" or "false"

    def best_first(self, side):
        return sorted(self.book[side], key=number, reverse=side == "Buy")

    def rows(self, day, message):
        out = []

        def put(flag, side, price, size):
            out.append((flag, "ask" if side == "Sell" else "bid", price, size))
            self.last = flag

        if day != self.day:
            self.day, self.last = day, None
            for side in ("Sell", "Buy"):  # the whole book as it was before the day's first frame
                for price in self.best_first(side) if self.is_alive else []:
                    put("true", side, price, self.book[side][price])
        if message["kind"] == "snapshot":
            now = {side: {p: s for _, at, p, s in message["levels"] if at == side} for side in ("Sell", "Buy")}
            if self.last == "true" or (self.last == "false" and not message["levels"]):
                for side in ("Sell", "Buy"):
                    for price in self.best_first(side):
                        if price not in now[side]:
                            put("false", side, price, "0")
            self.book, self.is_alive = now, True
            flag = "true"
        else:
            if not self.is_alive:
                return []
            flag = "false"
        for side in ("Sell", "Buy"):
            for action, at, price, size in message["levels"]:
                if at != side:
                    continue
                put(flag, side, price, "0" if action == "delete" else size)
                if action == "delete":
                    self.book[side].pop(price, None)
                else:
                    self.book[side][price] = size
        return out


def snapshot_header(levels):
    names = [f"{side}[{i}].{part}" for i in range(levels) for side in ("asks", "bids") for part in ("price", "amount")]
    return "exchange,symbol,timestamp,local_timestamp," + ",".join(names) + "\n"


class BestLevels:
    """The best levels of a book: cells, where they are not those of the file's row before."""

    def __init__(self, levels):
        self.levels, self.day, self.last = levels, None, None

    def cells(self, day, book):
        sides = {side: [(p, book.book[side][p]) for p in book.best_first(side)[: self.levels]] for side in ("Sell", "Buy")}
        now = []
        for i in range(self.levels):
            for side in ("Sell", "Buy"):
                now += sides[side][i] if i < len(sides[side]) else ("", "")
        if (self.day, self.last) == (day, now):
            return None
        self.day, self.last = day, now
        return now


class BestPrices:
    """The exchange's own best bid and ask, frame by frame."""

    def __init__(self):
        self.is_alive, self.sides = False, {"Sell": ("", ""), "Buy": ("", "")}

    def cells(self, message):
        self.is_alive = self.is_alive or message["kind"] == "snapshot"
        if not self.is_alive:
            return None
        for side in self.sides:
            present = [(p, s) for action, at, p, s in message["levels"] if at == side and action != "delete"]
            self.sides[side] = present[0] if present else self.sides[side]
        (ask, ask_size), (bid, bid_size) = self.sides["Sell"], self.sides["Buy"]
        return [ask_size, ask, bid, bid_size]


class Derivative:
    """Values merged from a contract's tickers; their time never steps back by a whole ms."""
    MEMBERS = ("next_funding_ns", "funding_rate", "predicted_funding_rate", "open_interest",
               "last_price", "index_price", "mark_price")

    def __init__(self):
        self.values, self.time = dict.fromkeys(self.MEMBERS, ""), 0

    def cells(self, message):
        if message["time"] // 10**6 >= self.time // 10**6:
            self.time = message["time"]
        new = {key: value for key, value in message["items"][0].items() if key in self.values and value != 0}
        before, self.values = self.values, {**self.values, **new}
        if self.values == before:
            return None
        funding, *rest = (self.values[key] for key in self.MEMBERS)
        return [str(funding // 1000) if funding != "" else "", *rest]


SNAPSHOTS = (("book_snapshot_25", 25, snapshot_header(25)), ("book_snapshot_5", 5, snapshot_header(5)),
             ("quotes", 1, QUOTE))


def chosen_topics(messages, family):
    """{symbol: topic}. Books come from the preferred topic, else from the deepest."""
    topics = {}
    for m in messages:
        if m["type"] == "book_change":
            topics.setdefault(m["symbol"], set()).add(m["topic"])
    depth = lambda topic: int(topic.split("_")[1].split(".")[0] if "_" in topic else topic.split(".")[1])
    depths = {"orderBookL2_25": 25}
    return {s: PREFERRED[family] if PREFERRED[family] in names
            else max(names, key=lambda t: depths.get(t) or depth(t)) for s, names in topics.items()}


def csv_files(messages, family):
    """{name: text}."""
    chosen = chosen_topics([m for _, _, m in messages], family)
    files, books, bests, prices, tickers = {}, {}, {}, {}, {}

    def put(kind, header, at, m, time, rows):
        name = f"bybit_{kind}_{date_of(at)}_{m['symbol']}.csv"
        for cells in rows:
            files.setdefault(name, [header]).append(
                f"bybit,{m['symbol']},{time // 1000},{at // 1000},{','.join(cells)}\n")

    for _, at, m in messages:
        day, symbol = date_of(at), m["symbol"]
        if m["type"] == "trade":
            for t in m["trades"]:
                put("trades", TRADES, at, m, t["time"], [(t["id"], t["side"].lower(), t["price"], t["size"])])
        elif m["type"] == "ticker":
            ticker = tickers.setdefault(symbol, Derivative())
            cells = ticker.cells(m)
            put("derivative_ticker", DERIVATIVE, at, m, ticker.time, [cells] if cells else [])
        if m["type"] != "book_change":
            continue
        if m["topic"] == "orderbook.1":
            cells = prices.setdefault(symbol, BestPrices()).cells(m)
            put("book_ticker", QUOTE, at, m, m["time"], [cells] if cells else [])
        if m["topic"] != chosen[symbol]:
            continue
        book = books.setdefault(symbol, BookFile())
        put("incremental_book_L2", BOOK, at, m, m["time"], book.rows(day, m))
        for kind, levels, header in SNAPSHOTS if book.is_alive else ():
            cells = bests.setdefault((symbol, kind), BestLevels(levels)).cells(day, book)
            if cells and kind == "quotes":
                cells = [cells[1], cells[0], *cells[2:]]
            put(kind, header, at, m, m["time"], [cells] if cells else [])
    return {name: "".join(lines) for name, lines in files.items()}


# ---- JSON lines ---------------------------------------------------------------------------------

def trade_object(t):
    made = {"side": t["side"], "price": t["price"], "size": t["size"], "exchange_ns": t["time"],
            "trade_id": t["id"], "tick_direction": t["tick"]}
    for key, name in (("cross_seq", "cross_seq"), ("seq", "seq")):
        if t[key] is not None:
            made[name] = t[key]
    for key, name in (("block", "is_block_trade"), ("rpi", "is_rpi_trade")):
        if t[key] is not None:
            made[name] = t[key] in (True, "true", "True", "1")
    return made


def json_line(number, ordinal, at, m, family):
    """Members in the order of docs/export.md; white space nowhere."""
    made = {"type": m["type"], "kind": m["kind"], "topic": m["topic"], "symbol": m["symbol"], "exchange_ns": m["time"]}
    for key in ("cross_seq", "u", "seq"):
        if m[key] is not None:
            made[key] = m[key]
    if m.get("match") is not None:
        made["match_ns"] = m["match"]
    made.update(m.get("envelope", {}))
    if m["type"] == "trade":
        made["trades"] = [trade_object(t) for t in m["trades"]]
    elif "items" in m:
        made["items"] = m["items"]
    else:
        names = m.get("names", [{}] * len(m["levels"]))
        made["levels"] = [{"action": a, "side": s, "price": p, "size": z, **more} for (a, s, p, z), more in zip(m["levels"], names)]
    made.update({"feed": family, "line": 0, "shard": 0, "conn": 1, "ordinal": ordinal, "recv_ns": at, "frame": number,
                 "flags": 1 + (2 if m["kind"] == "snapshot" else 0)})
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False) + "\n"


def main():
    capture, family, out = sys.argv[1:4]
    messages, number, ordinal, day = [], 0, 0, None
    for at, kind, text in read_capture(capture):
        if kind not in ("in", "out"):
            continue
        number = number + 1 if date_of(at) == day else 1  # frames of a day
        day = date_of(at)
        if kind == "out":
            continue
        ordinal += 1
        message = message_of(json.loads(text, parse_float=str, parse_int=str), family)
        if message is not None:
            messages.append(((number, ordinal), at, message))
    os.makedirs(out, exist_ok=True)
    for name, text in csv_files(messages, family).items():
        open(os.path.join(out, name), "w", newline="").write(text)
    lines = {}
    for (number, ordinal), at, message in messages:
        lines.setdefault(date_of(at), []).append(json_line(number, ordinal, at, message, family))
    for day, texts in lines.items():
        open(os.path.join(out, f"messages_{day}.jsonl"), "w", newline="").write("".join(texts))


if __name__ == "__main__":
    main()
