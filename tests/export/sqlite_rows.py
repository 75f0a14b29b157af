#!/usr/bin/env python3
"""Prints a table of a database as a JSON list of objects, with integers that a double cannot hold as texts:

    sqlite_rows.py FILE TABLE [ORDER]
"""
import json
import sqlite3
import sys


def exact(value):
    return str(value) if isinstance(value, int) and abs(value) > 1 << 53 else value


file, table, *order = sys.argv[1:]
database = sqlite3.connect(file)
database.row_factory = sqlite3.Row
rows = database.execute(f"SELECT * FROM {table} ORDER BY {(order or ['rowid'])[0]}")
print(json.dumps([{name: exact(row[name]) for name in row.keys()} for row in rows]))
database.close()
