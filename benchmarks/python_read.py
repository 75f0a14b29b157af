"""How fast the package for Python reads an archive, compared with json.loads for the same frames.

    PYTHONPATH=embed/python python3 benchmarks/python_read.py messages|frames|rows|loads ARCHIVE

Prints {"wall_s", "cpu_s"}. Importing, and reading the frames for `loads`, are not measured.
"""

import json
import sys
import time

import tapedeck

what, path = sys.argv[1:]
with tapedeck.open(path) as archive:
    frames = [] if what != "loads" else [
        frame.bytes for frame in archive.frames() if frame.content in ("book", "trades", "record")]
    start, cpu = time.perf_counter(), time.process_time()
    if what == "messages":
        for message in archive.messages():
            pass
    elif what == "frames":
        for frame in archive.frames():
            pass
    elif what == "rows":
        for trades, levels, streams in archive.batches():
            pass
    else:
        for frame in frames:
            json.loads(frame)
    print(json.dumps({"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}))
