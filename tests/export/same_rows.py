#!/usr/bin/env python3
"""Compares a database of `export --format sqlite` with the JSON lines of the same day: each entry of a message is a row of
its type's table, in the same order and with the same values (instruments are of no message). Prints "TABLE ROWS" for each table with rows.

usage: same_rows.py DATABASE LINES
"""
import json
import sqlite3
import sys

PLURALS = {"index": "indexes", "order_entry": "order_entries", "greeks": "greeks",
           "book_orders": "book_orders"}
PLACE = {"type", "kind", "symbol", "exchange_ns", "feed", "line", "shard", "conn", "ordinal", "recv_ns", "frame", "flags", "unknown_fields",
         "levels", "trades", "items"}


def as_stored(name, value):
    return "entry_seq" if name == "seq" else name, json.dumps(value) if isinstance(value, (list, dict)) else value


def expected_rows(line):
    entries = line.get("levels", line.get("trades", line.get("items")))
    common = dict(as_stored(k, v) for k, v in line.items() if k not in PLACE)
    for i, entry in enumerate(entries):
        row = {**common, **dict(as_stored(k, v) for k, v in entry.items() if k not in ("symbol", "assumed_scale"))}
        row |= {"feed": line["feed"], "symbol": (entry.get("symbol") or line["symbol"] or "").upper().replace("*", ""),
                "ts_recv": line["recv_ns"], "ts_exch": line["exchange_ns"], "suspect": line["flags"] >> 3 & 1,
                "flags": line["flags"] & ~1 | (i + 1 == len(entries))}
        yield {k: v for k, v in row.items() if v is not None}


def stored_rows(database, table):
    cursor = database.execute(f'SELECT * FROM "{table}" ORDER BY rowid')
    names = [column[0] for column in cursor.description]
    for values in cursor:
        row = {k: v for k, v in zip(names, values) if v is not None}
        for name in [k for k in row if k.endswith("_real")]:
            assert row.pop(name) == float(row[name[:-5]]), name
        for name in ("exchange", "seq", "frame"):
            row.pop(name, None)
        yield {k: json.dumps(json.loads(v)) if isinstance(v, str) and v[:1] in "[{" and v[1:2] in '"{[]}' else v
               for k, v in row.items()}


def main():
    database = sqlite3.connect(sys.argv[1])
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    expected = {name: [] for name in tables}
    with open(sys.argv[2], encoding="utf8") as lines:
        for line in map(json.loads, lines):
            if line["type"] == "gap":
                expected["gaps"].append({k: v for k, v in line.items() if k != "type" and v is not None})
            elif line["type"] != "raw":
                expected[PLURALS.get(line["type"], line["type"] + "s")] += expected_rows(line)
    for table in sorted(tables):
        rows = list(stored_rows(database, table))
        if table == "instruments":
            expected[table] = rows
        for i, (row, should) in enumerate(zip(rows, expected[table])):
            assert row == should, f"{table}, row {i}:\n{row}\n{should}\n{set(row.items()) ^ set(should.items())}"
        assert len(rows) == len(expected[table]), f"{table}: {len(rows)} rows, not {len(expected[table])}"
        if rows:
            print(table, len(rows))


main()
