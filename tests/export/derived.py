#!/usr/bin/env python3
"""Bars and book snapshots that `export --format tardis-csv` must have, computed from a capture file alone.

    derived.py CAPTURE FAMILY OUT SECONDS GRID_MS LEVELS

Writes OUT/bars.csv (bars of SECONDS), OUT/grid.csv (books every GRID_MS) and OUT/changes.csv (books after every third change
within LEVELS levels): the rows of all symbols, sorted, without headers. Written from docs/export.md; the capture is read as
expected.py reads it.
"""
import json
import os
import sys
from decimal import Decimal, localcontext

from expected import BookFile, chosen_topics, message_of, read_capture, shortest


def bar_rows(messages, width):
    bars = {}
    for at, m in messages:
        for t in m["trades"] if m["type"] == "trade" else ():
            bars.setdefault((m["symbol"], t["time"] // width * width), []).append((at, t))
    for (symbol, start), trades in bars.items():
        sums = {side: sum((Decimal(t["size"]) for _, t in trades if t["side"] in side), Decimal(0))
                for side in (("Buy", "Sell"), ("Buy",), ("Sell",))}
        volume, bought, sold = sums.values()
        prices = [Decimal(t["price"]) for _, t in trades]
        with localcontext() as exact:
            exact.prec = 200
            vwap = (sum(Decimal(t["price"]) * Decimal(t["size"]) for _, t in trades) / volume).quantize(Decimal(1).scaleb(-18))
        at, last = trades[-1]
        numbers = [prices[0], max(prices), min(prices), prices[-1], volume, vwap, Decimal(len(trades)), bought, sold]
        yield ",".join(["bybit", symbol, *(str(ns // 1000) for ns in (last["time"], at, start)),
                        *(shortest(format(n, "f")) for n in numbers)])


def cells(book, levels):
    sides = {side: book.best_first(side)[:levels] for side in ("Sell", "Buy")}
    for i in range(levels):
        for side, prices in sides.items():
            yield from (prices[i], book.book[side][prices[i]]) if i < len(prices) else ("", "")


def book_rows(messages, family, every, levels):
    """(grid row or None, change row or None)."""
    chosen, books, states = chosen_topics([m for _, m in messages], family), {}, {}
    for at, m in messages:
        symbol = m["symbol"]
        if m["type"] != "book_change" or m["topic"] != chosen[symbol]:
            continue
        book, state = books.setdefault(symbol, BookFile()), states.setdefault(symbol, {"last": None})
        if state["last"]:
            for grid in range((state["at"] // every + 1) * every, at + 1, every):
                yield ",".join(["bybit", symbol, str(grid // 1000), str(grid // 1000), *state["last"]]), None
        book.rows(None, m)
        now, before = list(cells(book, levels)) if book.is_alive else None, state["last"]
        state["at"], state["last"] = at, now
        if now and now != before:
            state["changes"] = state["changes"] + 1 if before else 3
            if state["changes"] == 3:
                state["changes"] = 0
                yield None, ",".join(["bybit", symbol, str(m["time"] // 1000), str(at // 1000), *now])


def main():
    capture, family, out = sys.argv[1:4]
    seconds, grid_ms, levels = map(int, sys.argv[4:])
    messages = []
    for at, kind, text in read_capture(capture):
        m = message_of(json.loads(text, parse_float=str), family) if kind == "in" else None
        if m:
            messages.append((at, m))
    books = list(book_rows(messages, family, grid_ms * 10**6, levels))
    for name, rows in (("bars", bar_rows(messages, seconds * 10**9)), ("grid", (g for g, _ in books if g)),
                       ("changes", (c for _, c in books if c))):
        with open(os.path.join(out, name + ".csv"), "w", encoding="utf8") as file:
            file.writelines(row + "\n" for row in sorted(rows))


if __name__ == "__main__":
    main()
