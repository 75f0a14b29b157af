#!/usr/bin/env python3
"""Expected values of tests/replay/play/test_player.c for frames cut out of a capture's middle. Shares no code
with the program.

    tests/replay/play/cut_expected.py CAPTURE.gz TOPIC FIRST COUNT

Leaves out COUNT data frames of TOPIC, from its FIRST-th (0 = the snapshot) on, and prints the first frame
that does not fit: its number among all inbound frames of the full capture (from 1), the rule, cross_seq.
"""
import gzip
import json
import re
import sys


def main(path, topic, first, count):
    nth = -1
    inbound = 0
    book = {}
    for line in gzip.open(path, "rt"):
        match = re.match(r"^[0-9.]+: (\{.*)$", line.rstrip("\n"))
        if not match:
            continue
        inbound += 1
        frame = json.loads(match.group(1), parse_float=str)
        if frame.get("topic") != topic:
            continue
        nth += 1
        if first <= nth < first + count:
            continue
        data = frame["data"]
        if frame["type"] == "snapshot":
            levels = data if isinstance(data, list) else data["order_book"]
            book = {(x["side"], x["price"]): str(x["size"]) for x in levels}
            continue
        rules = []
        for x in data["delete"]:
            if book.pop((x["side"], x["price"]), None) is None:
                rules.append("delete_exists")
        for x in data["update"]:
            before = book.get((x["side"], x["price"]))
            if before is None:
                rules.append("update_exists")
            if before == str(x["size"]):
                rules.append("update_changes")
            book[x["side"], x["price"]] = str(x["size"])
        for x in data["insert"]:
            if (x["side"], x["price"]) in book:
                rules.append("insert_new")
            book[x["side"], x["price"]] = str(x["size"])
        bids = [float(p) for s, p in book if s == "Buy"]
        asks = [float(p) for s, p in book if s == "Sell"]
        if max(bids) >= min(asks):
            rules.append("not_crossed")
        order = ["delete_exists", "update_exists", "update_changes", "insert_new", "not_crossed"]
        if rules:
            print("ordinal", inbound, "rule", min(rules, key=order.index), "cross_seq",
                  frame["cross_seq"], "nth", nth)
            return
    print("nothing found")


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
