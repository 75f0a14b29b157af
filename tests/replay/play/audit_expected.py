#!/usr/bin/env python3
"""What test_audit.c expects of the recorded v5 capture; shares no code with tapedeck.

usage: audit_expected.py CAPTURES

For each recorded frame of publicTrade: take it out, and look whether some reading of a candle that
began after the last subscription was answered is then no sum of the first trades of its candle that
are left. Prints the number of frames, and of those that show. Then the same count for each delta of
each book: does a later u of the book step by other than one?"""

import collections
import decimal
import gzip
import json
import sys


def frames_of(path):
    with gzip.open(path, "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["t"] == "recv":
                yield float(entry["ts"]), json.loads(entry["data"])


def is_prefix_sum(reading, trades):
    volume, turnover = decimal.Decimal(0), decimal.Decimal(0)
    wanted = (decimal.Decimal(reading["volume"]), decimal.Decimal(reading["turnover"]))
    if (volume, turnover) == wanted:
        return True
    for trade in trades:
        if not reading["start"] <= trade["T"] <= reading["end"]:
            continue
        volume += decimal.Decimal(trade["v"])
        turnover += decimal.Decimal(trade["v"]) * decimal.Decimal(trade["p"])
        if (volume, turnover) == wanted:
            return True
    return False


def main():
    frames = list(frames_of(sys.argv[1] + "/v5-2026-08-09.jsonl.gz"))
    settled = max(at for at, frame in frames if frame.get("op") == "subscribe")
    readings = collections.defaultdict(list)
    trades = collections.defaultdict(list)
    books = collections.defaultdict(list)
    for number, (at, frame) in enumerate(frames):
        topic, _, symbol = frame.get("topic", "").rpartition(".")
        if topic == "kline.1":
            readings[symbol] += [r for r in frame["data"] if r["start"] >= settled * 1000]
        elif topic == "publicTrade":
            trades[symbol] += [(number, trade) for trade in frame["data"]]
        elif topic.startswith("orderbook."):
            books[frame["topic"]].append((frame["type"], frame["data"]["u"]))
    compared = sum(map(len, readings.values()))
    whole = sum(is_prefix_sum(r, [t for _, t in trades[s]]) for s in readings for r in readings[s])
    print("readings", compared, "that are sums of recorded trades", whole)
    dropped = found = 0
    for symbol in sorted(trades):
        for number in sorted({n for n, _ in trades[symbol]}):
            left = [t for n, t in trades[symbol] if n != number]
            dropped += 1
            found += not all(is_prefix_sum(r, left) for r in readings[symbol])
    print("trade frames", dropped, "whose loss shows", found)
    dropped = found = 0
    for topic in books:
        for lost in range(len(books[topic])):
            if books[topic][lost][0] != "delta":
                continue
            dropped += 1
            left = books[topic][:lost] + books[topic][lost + 1 :]
            found += any(b[1] != a[1] + 1 for a, b in zip(left, left[1:]) if b[0] == "delta")
    print("book deltas", dropped, "whose loss shows", found)


main()
