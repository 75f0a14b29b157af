"""Writes trades and changes of books of v5-linear as CSV, with json and csv of the standard library, as a script would.

    python3 benchmarks/export_csv.py LINES OUT

LINES has a receive time in ns, a space and a frame in each line. OUT gets the files of `tapedeck export --format tardis-csv
--type trades --type incremental_book_L2`, with the same rows. gzip's level gives files of about the same size.
"""

import csv
import gzip
import json
import os
import sys
from datetime import datetime, timezone

LEVEL = 4
HEADERS = {"trades": ("id",), "incremental_book_L2": ("is_snapshot",)}
source, out = sys.argv[1:]
os.makedirs(out)
writers, files = {}, []


def writer(kind, symbol, recv_ns):
    found = writers.get((kind, symbol))
    if found is None:
        day = datetime.fromtimestamp(recv_ns // 10**9, timezone.utc).strftime("%Y-%m-%d")
        file = gzip.open(f"{out}/bybit_{kind}_{day}_{symbol}.csv.gz", "wt", LEVEL, newline="")
        files.append(file)
        found = writers[kind, symbol] = csv.writer(file, lineterminator="\n")
        found.writerow(("exchange", "symbol", "timestamp", "local_timestamp", *HEADERS[kind], "side", "price", "amount"))
    return found


def shortest(text):
    return text.rstrip("0").rstrip(".") if "." in text else text


with open(source, encoding="utf-8") as lines:
    for line in lines:
        at, frame = line.split(" ", 1)
        recv_ns, message = int(at), json.loads(frame)
        topic, data, local = message["topic"], message["data"], recv_ns // 1000
        if topic.startswith("publicTrade."):
            to = writer("trades", topic[12:], recv_ns)
            for trade in data:
                to.writerow(("bybit", trade["s"], trade["T"] * 1000, local, trade["i"], trade["S"].lower(), shortest(trade["p"]),
                             shortest(trade["v"])))
        else:
            time, symbol = message["ts"] * 1000, data["s"]
            snapshot = "true" if message["type"] == "snapshot" else "false"
            writer("incremental_book_L2", symbol, recv_ns).writerows(
                ("bybit", symbol, time, local, snapshot, side, shortest(price), shortest(size))
                for side, levels in (("ask", data["a"]), ("bid", data["b"])) for price, size in levels)
for file in files:
    file.close()
