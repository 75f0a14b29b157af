#!/usr/bin/env python3
"""Compares a file of `export --format hftbacktest --fuse` with the messages of the same archive, as `--format jsonl` has them.

    fused.py LINES NPZ SYMBOL

After each frame, the book of the local rows is the union that docs/export.md describes, and in the window of the topic that is
newest by number that topic's book; the book of all the exchange's rows is the last one. Prints what it compared.
"""
import json
import sys
from collections import Counter

import numpy as np

EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
SIDES = {"Buy": BUY, "Sell": SELL}


def read(path):
    with np.load(path) as archive:
        return archive["data"]


def apply(book, row):
    ev, _, _, price, size, *_ = row
    kind = ev & 0xFF
    sides = [side for side, flag in SIDES.items() if ev & flag] or list(SIDES)
    if kind == 3:
        for side in sides:
            book[side] = {}
    elif kind in (1, 4) and size == 0:
        del book[sides[0]][price]  # a delete names a level that is there
    elif kind in (1, 4):
        assert book[sides[0]].get(price) != size  # a row changes something
        book[sides[0]][price] = size


def best_first(side, levels):
    return sorted(levels, reverse=side == "Buy")


def fused(topics):
    made = {side: {} for side in SIDES}
    for side in SIDES:
        sign, end = (-1 if side == "Buy" else 1), -np.inf
        for _, _, depth, book in sorted(topics.values(), key=lambda topic: topic[:2], reverse=True):
            prices = best_first(side, book[side])
            made[side].update({p: book[side][p] for p in prices if sign * p > end})
            if len(prices) < depth:
                break
            end = max(end, sign * prices[-1])
    return made


def main():
    lines, npz, symbol = sys.argv[1:]
    rows = read(npz)
    local = rows[(rows["ev"] & np.uint64(LOCAL)) != 0].tolist()
    topics, book, at, seen, breaks = {}, {side: {} for side in SIDES}, 0, Counter(), 0
    messages = (m for m in map(json.loads, open(lines, encoding="utf8")) if m["type"] == "book_change" and m["symbol"] == symbol)
    for order, m in enumerate(messages):
        depth = int(m["topic"].split(".")[1])
        state = topics.get(depth, (0, 0, depth, None))[3]
        if m["kind"] == "snapshot":
            state = {side: {} for side in SIDES}
        if state is None:
            continue
        for level in m["levels"]:
            if level["action"] == "delete":
                del state[level["side"]][float(level["price"])]
            else:
                state[level["side"]][float(level["price"])] = float(level["size"])
        topics[depth] = m["seq"], order, depth, state
        while at < len(local) and local[at][2] <= m["recv_ns"]:
            apply(book, local[at])
            at += 1
        if at > 0 and local[at - 1][0] & (0xFF | BUY | SELL) == 3:  # a break after this frame forgets all topics
            topics, breaks = {}, breaks + 1
            continue
        assert book == fused(topics), (order, m["topic"], m["seq"])
        newest = max(topics.values(), key=lambda topic: topic[:2])
        for side in SIDES:
            assert best_first(side, book[side])[: newest[2]] == best_first(side, newest[3][side]), (order, m["topic"])
        seen[depth] += 1
        assert max(book["Buy"], default=-np.inf) < min(book["Sell"], default=np.inf)
    assert all(row[0] & 0xFF == 2 for row in local[at:])  # trades may come after the last frame of a book
    exchange = rows[(rows["ev"] & np.uint64(EXCH)) != 0].tolist()
    last = {side: {} for side in SIDES}
    for row in exchange:
        apply(last, row)
    assert last == book
    print(json.dumps({"frames": seen, "breaks": breaks, "levels": sum(len(levels) for levels in book.values())}))


main()
