#!/usr/bin/env python3
"""Expected numbers of tests/book/test_loss.c: what dropping, repeating and swapping one frame of the
recorded books shows. Shares no code with the program: books are dictionaries here.

    tests/book/loss_expected.py CAPTURES

For every third delta of each book: drop it, repeat it, or swap it with the delta behind it, and replay
the rest of the topic and symbol. Counted is which check says it first: repeated or fallen cross_seq,
missing delete, missing update, update to the same size, duplicate insert, crossed book (in that order
within one frame), or none; separately for deltas with and without deletes or inserts.
"""
import collections
import gzip
import json
import re
import sys


def books(path):
    """topic -> frames, in order"""
    out = collections.OrderedDict()
    with gzip.open(path, "rt") as lines:
        for line in lines:
            match = re.match(r"^[0-9.]+: (\{.*)$", line.rstrip("\n"))
            if not match:
                continue
            frame = json.loads(match.group(1), parse_float=str)
            if frame.get("topic", "").startswith("orderBook"):
                out.setdefault(frame["topic"], []).append(frame)
    return out


def snapshot_levels(frame):
    data = frame["data"]
    return data if isinstance(data, list) else data["order_book"]


def first_break(frames):
    """Name of the first check that fails, or None"""
    book = None
    seq = None
    for frame in frames:
        now = int(frame["cross_seq"])
        if frame["type"] == "snapshot":
            book = {(x["side"], x["price"]): str(x["size"]) for x in snapshot_levels(frame)}
            seq = now
            continue
        if now <= seq:
            return "seq_strict"
        seq = now
        data = frame["data"]
        misses = collections.Counter()
        for x in data["delete"] or []:
            misses["delete_exists"] += book.pop((x["side"], x["price"]), None) is None
        for x in data["update"] or []:
            before = book.get((x["side"], x["price"]))
            misses["update_exists"] += before is None
            misses["update_changes"] += before == str(x["size"])
            book[x["side"], x["price"]] = str(x["size"])
        for x in data["insert"] or []:
            misses["insert_new"] += (x["side"], x["price"]) in book
            book[x["side"], x["price"]] = str(x["size"])
        for name in ("delete_exists", "update_exists", "update_changes", "insert_new"):
            if misses[name]:
                return name
        bids = [float(p) for s, p in book if s == "Buy"]
        asks = [float(p) for s, p in book if s == "Sell"]
        if max(bids) >= min(asks):
            return "not_crossed"
    return None


def is_structural(frame):
    return bool(frame["data"]["delete"] or frame["data"]["insert"])


def experiment(frames, change, table):
    deltas = [i for i, f in enumerate(frames) if f["type"] == "delta"]
    for i in deltas[::3]:
        changed = change(frames, i)
        if changed is not None:
            kind = "structural" if is_structural(frames[i]) else "update_only"
            table[kind, first_break(changed) or "none"] += 1


def drop(frames, i):
    return frames[:i] + frames[i + 1:]


def repeat(frames, i):
    return frames[:i + 1] + frames[i:]


def swap(frames, i):
    if i + 1 >= len(frames):
        return None
    return frames[:i] + [frames[i + 1], frames[i]] + frames[i + 2:]


def main(folder):
    for name in ("inverse", "linear"):
        all_books = books(f"{folder}/{name}-2021-04-17.jsonl.gz")
        for change in (drop, repeat, swap):
            table = collections.Counter()
            for frames in all_books.values():
                experiment(frames, change, table)
            print(name, change.__name__, dict(sorted(table.items())))


main(sys.argv[1])
