#!/usr/bin/env python3
"""What `tapedeck export --format hftbacktest` must hold, computed from a capture alone and compared.

    hftbacktest.py check CAPTURE FAMILY FOLDER OPTIONS   options as JSON: sod
    hftbacktest.py print FILE                            the records of a file as JSON

Written from docs/export.md; numpy reads the files and sorts. Of tapedeck it shares nothing, of the
other script (expected.py) it has the capture's frames as messages.
"""
import io
import json
import os
import sys
import zipfile
from decimal import Decimal

import numpy as np

import expected

EVENT = np.dtype([("ev", "<u8"), ("exch_ts", "<i8"), ("local_ts", "<i8"), ("px", "<f8"), ("qty", "<f8"),
                  ("order_id", "<u8"), ("ival", "<i8"), ("fval", "<f8")])
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
SIDES = {"Buy": BUY, "Sell": SELL}


def read(path):
    """The array; the bytes around it are those that numpy would write."""
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["data.npy"], archive.namelist()
        assert archive.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
        assert archive.testzip() is None
        raw = archive.read("data.npy")
    with np.load(path) as archive:
        array = archive["data"]
    again = io.BytesIO()
    np.lib.format.write_array(again, array, version=(1, 0))
    assert again.getvalue() == raw, path
    return array


def shown(array):
    """Records as texts and exact integers: JSON has no infinity, JavaScript no 64 bits."""
    return [{name: str(row[name]) for name in array.dtype.names} for row in array]


def row(kind, exch, local, px=0.0, qty=0.0):
    return (kind, exch, local, float(px), float(qty), 0, 0, 0.0)


def copied(book):
    return book and {side: dict(levels) for side, levels in book.items()}


def numbers(book):
    return {side: {float(p): float(s) for p, s in (book or {}).get(side, {}).items()} for side in SIDES}


class Symbol:
    """A symbol's day; before: its book as the day begins, None: unknown."""

    def __init__(self, before):
        self.trades, self.depth, self.after = [], [], []
        self.book, self.before = copied(before), copied(before)  # {side: {price: size}}
        self.numbers = numbers(before)
        self.times = None


def take_book(of, m, at, options):
    exch = m["time"]
    is_first, was_alive = not of.depth, of.book is not None
    if m["kind"] == "snapshot":
        of.book, of.numbers = {"Buy": {}, "Sell": {}}, numbers(None)
    for action, side, price, size in m["levels"]:
        if action == "delete":
            of.book[side].pop(price, None)
            of.numbers[side].pop(float(price), None)
        else:
            of.book[side][price] = size
            of.numbers[side][float(price)] = float(size)
    if m["kind"] == "snapshot" or (options["sod"] and is_first and was_alive):
        for side in ("Buy", "Sell"):
            levels = [(p, s) for _, at_side, p, s in m["levels"] if at_side == side]
            if m["kind"] != "snapshot":
                levels = sorted(of.book[side].items(), key=lambda level: Decimal(level[0]), reverse=side == "Buy")
            of.depth.append(row(CLEAR | SIDES[side], exch, at, "-inf" if side == "Buy" else "inf"))
            of.depth += [row(SNAPSHOT | SIDES[side], exch, at, p, s) for p, s in levels]
    else:
        for side in ("Sell", "Buy"):
            of.depth += [row(DEPTH | SIDES[side], exch, at, p, s or 0) for _, at_side, p, s in m["levels"] if at_side == side]
    of.times = exch, at
    of.after.append((at, copied(of.numbers)))


def ordered(rows):
    """correct_event_order, over arrays that numpy sorts."""
    a = rows[np.argsort(rows["exch_ts"], kind="stable")].tolist()
    b = rows[np.argsort(rows["local_ts"], kind="stable")].tolist()
    out, i, j = [], 0, 0
    key = lambda r: r[1:3]
    while i < len(a) or j < len(b):
        if i < len(a) and j < len(b) and key(a[i]) == key(b[j]):
            assert a[i] == b[j]
            made, flags, i, j = a[i], EXCH | LOCAL, i + 1, j + 1
        elif i < len(a) and (j == len(b) or key(a[i]) < key(b[j])):
            made, flags, i = a[i], EXCH, i + 1
        else:
            made, flags, j = b[j], LOCAL, j + 1
        out.append((made[0] | flags, *made[1:]))
    return np.array(out, dtype=EVENT)


def apply(book, r):
    """A row as the simulator's book takes it."""
    ev, _, _, px, qty, *_ = r
    sides = [side for side, flag in SIDES.items() if ev & flag]
    if ev & 0xFF == CLEAR:
        for side in sides or list(SIDES):
            assert not sides or not np.isfinite(px)
            book[side] = {}
    elif ev & 0xFF in (DEPTH, SNAPSHOT) and qty == 0:
        book[sides[0]].pop(px, None)
    elif ev & 0xFF in (DEPTH, SNAPSHOT):
        book[sides[0]][px] = qty


def check_books(name, array, of, offset):
    """The book of the local rows after each frame, and of the exchange's rows after all."""
    before = numbers(of.before)
    book, at = copied(before), 0
    local = array[(array["ev"] & np.uint64(LOCAL)) != 0]
    assert (np.diff(local["local_ts"]) >= 0).all()
    rows, times = local.tolist(), local["local_ts"].tolist()
    for recv, after in of.after:
        while at < len(rows) and times[at] <= recv + offset:
            apply(book, rows[at])
            at += 1
        assert book == after, (name, recv)
    exch = array[(array["ev"] & np.uint64(EXCH)) != 0]
    assert (np.diff(exch["exch_ts"]) >= 0).all()
    assert len(local) == len(exch) == len(of.trades) + len(of.depth)
    book = copied(before)
    for r in exch.tolist():
        apply(book, r)
    is_rising = all(a[1] <= b[1] for a, b in zip(of.depth, of.depth[1:]))
    assert not of.after or not is_rising or book == of.after[-1][1], name


def check_end_of_day(path, of, offset):
    exch, at = of.times
    rows = [row(SNAPSHOT | SIDES[side] | EXCH | LOCAL, exch, at + offset, price, of.book[side][price])
            for side in ("Buy", "Sell") for price in sorted(of.book[side], key=Decimal, reverse=side == "Buy")]
    assert (read(path) == np.array(rows, dtype=EVENT)).all(), path


def check(capture, family, folder, options):
    symbols, records, books = {}, {}, {}
    messages = [(at, expected.message_of(json.loads(text, parse_float=str, parse_int=str), family))
                for at, kind, text in expected.read_capture(capture) if kind == "in"]
    messages = [(at, m) for at, m in messages if m is not None]
    chosen = expected.chosen_topics([m for _, m in messages], family)
    for at, m in messages:
        day = m["symbol"], expected.date_of(at).replace("-", "")
        if day not in symbols:
            symbols[day] = Symbol(books.get(m["symbol"]))
        of = symbols[day]
        if m["type"] == "trade":
            for t in m["trades"]:
                of.trades.append(row(TRADE | SIDES.get(t["side"], 0), t["time"], at, t["price"], t["size"]))
        elif m["type"] == "book_change" and m["topic"] == chosen[m["symbol"]]:
            take_book(of, m, at, options)
            books[m["symbol"]] = of.book
    names = set()
    offsets = {}  # of the clock, one for each day
    for (_, day), of in symbols.items():
        offsets[day] = max([offsets.get(day, 0)] + [1 + r[1] - r[2] for r in of.trades + of.depth])
    for (symbol, day), of in symbols.items():
        offset = offsets[day]
        rows = np.array(of.trades + of.depth, dtype=EVENT)
        if len(rows) == 0:
            continue
        rows["local_ts"] += offset
        name = f"{symbol}_{day}"
        got, should = read(os.path.join(folder, f"{name}.npz")), ordered(rows)
        assert len(got) == len(should), (name, len(got), len(should))
        differ = np.flatnonzero(got.view(("V", 64)) != should.view(("V", 64)))
        assert len(differ) == 0, (name, differ[0], got[differ[0]], should[differ[0]])
        assert (got["local_ts"] > got["exch_ts"]).all()
        check_books(name, got, of, offset)
        names.add(f"{name}.npz")
        records[f"{name}.npz"] = len(got)
        if of.times is not None:
            check_end_of_day(os.path.join(folder, f"{name}_eod.npz"), of, offset)
            names.add(f"{name}_eod.npz")
    found = {name for name in os.listdir(folder) if name.endswith(".npz")}
    assert found == names, found ^ names
    print(json.dumps({"records": records, "offsets": [offsets[day] for day in sorted(offsets)]}))


if sys.argv[1] == "check":
    check(*sys.argv[2:5], {"sod": False, **json.loads(sys.argv[5])})
else:
    print(json.dumps(shown(read(sys.argv[2]))))
