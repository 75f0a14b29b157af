"""The package for Python against the programs: messages, trades, levels, books, bars, gaps.

    python3 -m unittest tests/python/test_tapedeck.py

TAPEDECK_BIN has the programs, TAPEDECK_CAPTURES the captures (as all end-to-end tests have them), TAPEDECK_PYTHON the package if it
is not the tree's. Without numpy the tests of arrays
are skipped.
"""

import copy
import csv
import gzip
import hashlib
import json
import os
import pickle
import random
import subprocess
import sys
import tempfile
import unittest
from datetime import datetime
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = os.environ.get("TAPEDECK_PYTHON", str(ROOT / "embed/python"))
sys.path.insert(0, PACKAGES)
import tapedeck  # noqa: E402

BIN = os.environ.get("TAPEDECK_BIN", "build/bin")
INVERSE = os.path.join(os.environ["TAPEDECK_CAPTURES"], "inverse-2021-04-17.jsonl.gz")
V5 = os.path.join(os.environ["TAPEDECK_CAPTURES"], "v5-2026-08-09.jsonl.gz")
BOOK, HALF = "orderBookL2_25", 700


def run(verb, *arguments):
    done = subprocess.run([os.path.join(BIN, "tapedeck"), verb, *arguments], capture_output=True, text=True)
    if done.returncode > 1:
        raise AssertionError(f"{verb} {arguments}: {done.stderr}")
    return done.stdout


def text_of(mantissa, scale):
    text = f"{tapedeck.decimal(mantissa, scale):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def sha1_of(book):
    """As `replay --json` has it: bids, then asks, each by price."""
    levels = [("Buy", level) for level in reversed(book.bids)] + [("Sell", level) for level in book.asks]
    lines = [f"{side} {text_of(l.price_int, l.price_scale)} {text_of(l.size_int, l.size_scale)}" for side, l in levels]
    return hashlib.sha1("\n".join(lines).encode()).hexdigest()


class Reading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tapedeck-python-")
        with gzip.open(INVERSE, "rt") as capture:
            lines = capture.readlines()
        deltas = [i for i, line in enumerate(lines) if f'"{BOOK}.BTCUSD"' in line]
        lost = set(deltas[100:120])
        cls.whole = cls.imported("whole", [lines])
        cls.holed = cls.imported("holed", [[line for i, line in enumerate(lines) if i not in lost]])
        cls.halves = cls.imported("halves", [lines[:HALF], lines[:1] + lines[HALF + 20:]])

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def imported(cls, name, parts):
        archive = os.path.join(cls.folder.name, name)
        for i, lines in enumerate(parts):
            file = f"{archive}-{i}.jsonl.gz"
            with gzip.open(file, "wt") as capture:
                capture.writelines(lines)
            run("import", "-q", "-a", archive, "--format", "cryptofeed", "--family", "inverse", file)
        return archive

    def exported(self, archive, form):
        out = tempfile.mkdtemp(dir=self.folder.name)
        run("export", archive, "--format", form, "--out", out, "-q")
        return out

    def test_messages_are_those_of_replay(self):
        with tapedeck.open(self.whole) as archive:
            got = [message.text.decode() for message in archive.messages()]
            self.assertEqual(got, run("replay", self.whole, "--messages").splitlines())
            trade = next(archive.messages(topic="trade", symbol="EOSUSD"))
            self.assertEqual((trade.topic, trade.symbol, trade.content), ("trade", "EOSUSD", "trades"))
            self.assertEqual(trade.values["symbol"], "EOSUSD")
            self.assertEqual(trade.values["recv_ns"], trade.recv_ns)

    def test_frames_are_the_bytes_of_the_tape(self):
        with tapedeck.open(self.whole) as archive:
            got = [frame.bytes.decode() for frame in archive.frames(topic=["trade", BOOK])]
        wanted = run("cat", self.whole, "--topic", "trade", "--topic", BOOK, "--raw").splitlines()
        self.assertEqual(got, wanted)

    def test_trades_are_those_of_the_csv(self):
        out = self.exported(self.whole, "tardis-csv")
        with gzip.open(os.path.join(out, "bybit_trades_2021-04-17_BTCUSD.csv.gz"), "rt") as file:
            wanted = [(row["local_timestamp"], row["id"], row["side"], row["price"], row["amount"])
                      for row in csv.DictReader(file)]
        with tapedeck.open(self.whole) as archive:
            trades = archive.trades(symbol="BTCUSD", topic="trade")
            got = [(str(int(recv_ns) // 1000), bytes(id_).decode(), ("buy", "sell", "unknown")[side],
                    text_of(price, price_scale), text_of(size, size_scale))
                   for recv_ns, _, _, _, price, size, _, _, price_scale, size_scale, side, _, _, id_, _ in trades]
        self.assertGreater(len(got), 100)
        self.assertEqual(got, wanted)

    def test_levels_are_those_of_the_messages(self):
        actions = (None, "set", "delete", "update", "insert")
        wanted, got = [], []
        with tapedeck.open(self.whole) as archive:
            for message in archive.messages(topic=BOOK):
                for level in message.values["levels"]:
                    wanted.append((message.recv_ns, level["action"], level["side"], level["price"], level["size"] or "0"))
            for row in archive.levels(topic=BOOK):
                recv_ns, price, size, price_scale, size_scale = row[0], row[4], row[5], row[8], row[9]
                self.assertEqual(row[2], float(tapedeck.decimal(price, price_scale)))
                got.append((recv_ns, actions[row[11]], ("Buy", "Sell")[row[10]], text_of(price, price_scale), text_of(size, size_scale)))
        self.assertEqual(got, wanted)

    def test_books_at_random_times_are_those_of_replay(self):
        seed = random.randrange(2**32)
        chance = random.Random(seed)
        with tapedeck.open(self.whole) as archive:
            times = [frame.recv_ns for frame in archive.frames()]
            for _ in range(6):
                at = chance.randrange(times[10], times[-1])
                report = json.loads(run("replay", self.whole, "--to", str(at), "--json"))
                wanted = {book["symbol"]: book["levels_sha1"] for book in report["books"]}
                got = {book.symbol: sha1_of(book) for book in archive.books_at(at)}
                self.assertEqual(got, wanted, f"seed {seed}, {at}")

    def test_books_begin_with_the_state_of_a_checkpoint(self):
        file = os.path.join(self.folder.name, "cut.mcap")
        run("cut", "-q", self.whole, "--from", "+15s", "-o", file)
        with tapedeck.open(file) as cut, tapedeck.open(self.whole) as archive:
            first = next(cut.frames()).recv_ns
            for at in (first, first + 5 * 10**9):
                got, wanted = ({book.symbol: (sha1_of(book), book.suspect) for book in of.books_at(at)} for of in (cut, archive))
                self.assertEqual(got, wanted)
                self.assertEqual(len(got), 2)

    def test_a_book_is_given_after_each_frame(self):
        with tapedeck.open(self.whole) as archive:
            last = {}
            for book in archive.books(50, symbol="BTCUSD"):
                last[book.symbol] = sha1_of(book)
                self.assertFalse(book.suspect)
                self.assertGreater(book.asks[0].price, book.bids[0].price)
            for book in archive.books(3, symbol="BTCUSD"):
                self.assertEqual((len(book.bids), len(book.asks)), (3, 3))
        report = json.loads(run("replay", self.whole, "--symbol", "BTCUSD", "--json"))
        self.assertEqual(last, {book["symbol"]: book["levels_sha1"] for book in report["books"]})

    def test_suspect_frames_are_those_of_export(self):
        for archive in (self.holed, self.halves):
            out = self.exported(archive, "jsonl")
            with open(os.path.join(out, "messages_2021-04-17.jsonl")) as file:
                rows = [json.loads(line) for line in file]
            wanted = {row["recv_ns"]: bool(row["flags"] & 8) for row in rows if row.get("topic") == BOOK and "recv_ns" in row}
            with tapedeck.open(archive) as opened:
                got = {frame.recv_ns: frame.suspect for frame in opened.frames(topic=BOOK)}
            self.assertIn(True, got.values())
            self.assertIn(False, got.values())
            self.assertEqual(got, wanted)

    def test_a_book_after_a_hole_is_suspect(self):
        with tapedeck.open(self.holed) as archive:
            frames = [f for f in archive.frames(topic=BOOK, symbol="BTCUSD")]
            first = next(i for i, frame in enumerate(frames) if frame.suspect)
            good, bad = frames[first - 1].recv_ns, frames[first].recv_ns
            self.assertFalse(archive.book_at("BTCUSD", good).suspect)
            for at in (good + 1, bad, bad + 1):  # the lost frame may have come at once
                self.assertTrue(archive.book_at("BTCUSD", at).suspect)
            self.assertFalse(archive.book_at("EOSUSD", bad + 1).suspect)

    def test_gaps_are_those_of_the_archive(self):
        with tapedeck.open(self.halves) as archive:
            got = [(gap.feed, gap.reason, gap.from_ns, gap.to_ns) for gap in archive.gaps()]
            self.assertEqual(archive.gaps(end="+1s"), [])
        listed = json.loads(run("gaps", self.halves, "--json"))["gaps"]
        self.assertEqual(got, [(gap["feed"], gap["reason"], gap["from_ns"], gap["to_ns"]) for gap in listed])
        # The second half begins without the books' snapshots.
        self.assertEqual(sorted(gap[1] for gap in got), ["restart", "sequence", "sequence"])

    def test_bars_add_up_to_the_trades(self):
        with tapedeck.open(self.whole) as archive:
            trades = list(archive.trades(symbol="BTCUSD", topic="trade"))
            bars = archive.bars("BTCUSD", "5s", topic="trade")
        width, groups = 5 * 10**9, {}
        for row in trades:
            values = tapedeck.decimal(row[4], row[8]), tapedeck.decimal(row[5], row[9]), int(row[10])
            groups.setdefault(int(row[1]) // width * width, []).append(values)
        self.assertGreater(len(bars), 3)
        self.assertEqual([bar.time_ns for bar in bars], sorted(groups))
        for bar in bars:
            prices, sizes, sides = zip(*groups[bar.time_ns])
            volume = sum(sizes)
            self.assertEqual((bar.open, bar.high, bar.low, bar.close), (prices[0], max(prices), min(prices), prices[-1]))
            self.assertEqual((bar.volume, bar.count), (volume, len(sizes)))
            self.assertEqual(bar.vwap, sum(p * s for p, s in zip(prices, sizes)) / volume)
            for got, side in ((bar.buy_volume, tapedeck.BUY), (bar.sell_volume, tapedeck.SELL)):
                self.assertEqual(got, sum((s for s, its in zip(sizes, sides) if its == side), Decimal(0)))

    def test_bars_are_those_of_export(self):
        out = tempfile.mkdtemp(dir=self.folder.name)
        run("export", self.whole, "--format", "tardis-csv", "--out", out, "-q", "--type", "bars", "--bars", "2s", "--keep-suspect")
        with gzip.open(os.path.join(out, "bybit_bars_2021-04-17_BTCUSD.csv.gz"), "rt") as file:
            rows = [{k: int(v) * 1000 if k == "start" else Decimal(v) for k, v in list(row.items())[4:]} for row in csv.DictReader(file)]
        with tapedeck.open(self.whole) as archive:
            bars = archive.bars("BTCUSD", "2s")
        self.assertGreater(len(bars), 3)
        names = [name if name != "start" else "time_ns" for name in rows[0]]
        for row, bar in zip(rows, bars, strict=True):
            got = {name: getattr(bar, name) for name in names}
            got["vwap"] = got["vwap"].quantize(Decimal(1).scaleb(-18))
            self.assertEqual(got, dict(zip(names, row.values())))

    def test_what_cannot_be_read_is_an_error(self):
        with self.assertRaisesRegex(tapedeck.Error, "no/such"):
            tapedeck.open("/no/such")
        with tapedeck.open(self.whole) as archive:
            for wrong, text in (({"symbol": "BTCUSDD"}, "no such feed, topic or symbol.*BTCUSD"), ({"start": "noon"}, "noon"),
                                ({"start": "2021-04-18", "end": "2021-04-17"}, "")):
                with self.assertRaisesRegex(tapedeck.Error, text):
                    archive.trades(**wrong)
            self.assertIsNone(archive.book_at("BTCUSD", "2021-04-16"))

    def test_rows_have_their_symbol(self):
        with tapedeck.open(self.whole) as archive:
            for rows in (archive.trades(), archive.levels(topic="orderBookL2_25")):
                got = [row["symbol"] if tapedeck.numpy else row.symbol for row in rows]
                self.assertEqual(got, [rows.streams[row[6]].symbol for row in rows])
                self.assertGreater(len(set(got)), 1)

    def test_a_datetime_needs_a_time_zone(self):
        with tapedeck.open(self.whole) as archive, self.assertRaisesRegex(tapedeck.Error, "time zone"):
            archive.trades(start=datetime(2021, 4, 17))

    def test_pandas(self):
        with tapedeck.open(self.whole) as archive:
            trades = archive.trades(symbol="BTCUSD")
            try:
                import pandas
            except ImportError:
                with self.assertRaisesRegex(tapedeck.Error, "pandas"):
                    trades.to_pandas()
                return
            frame = trades.to_pandas()
            self.assertEqual(len(frame), len(trades))
            self.assertEqual(set(frame["symbol"]), {"BTCUSD"})
            self.assertEqual(frame["recv"].astype("int64").tolist(), frame["recv_ns"].astype("int64").tolist())
            self.assertEqual(str(frame["recv"].dt.tz), "UTC")
            self.assertEqual(float((frame["price"] * frame["size"]).sum()), float(sum(row[2] * row[3] for row in trades)))
            self.assertEqual(len(pandas.DataFrame(archive.bars("BTCUSD", "1s"))), len(archive.bars("BTCUSD", "1s")))

    def test_version_is_the_programs(self):
        self.assertIn(tapedeck.__version__, run("--version").split())

    def test_damage_is_never_silent(self):
        # An import's chunks are large: damage one of several sessions.
        with gzip.open(INVERSE, "rt") as capture:
            lines = capture.readlines()
        archive = self.imported("damaged", [lines[:200], lines[:1] + lines[300:500], lines[:1] + lines[600:]])
        segments = sorted(Path(archive).rglob("*.mcap"), key=lambda file: file.stat().st_mtime)
        segments = [file for file in segments if "capture" in file.parts]
        with tapedeck.open(archive) as whole:
            count = len(whole.trades())
            self.assertEqual(whole.damage(), [])
        middle = segments[1]
        data = bytearray(middle.read_bytes())
        data[len(data) // 3:len(data) // 3 + 64] = b"x" * 64
        middle.write_bytes(data)
        with tapedeck.open(archive) as strict:
            with self.assertRaisesRegex(tapedeck.Damage, "segment .*chunk at .*is skipped"):
                strict.trades()
            with self.assertRaises(tapedeck.Error):
                list(strict.frames())
            self.assertEqual({gap.reason for gap in strict.damage()}, {"corrupt"})
        with tapedeck.open(archive, strict=False) as lenient:
            self.assertLess(len(lenient.trades()), count)
            self.assertGreater(len(lenient.trades()), 0)
            lost = [gap for gap in lenient.gaps() if gap.reason == "corrupt"]
            self.assertEqual(lost, lenient.damage())
            self.assertTrue(lost and lost[0].from_ns < lost[0].to_ns and lost[0].frames_lost is None)
            inside = [bar for bar in lenient.bars("BTCUSD", "100ms", topic="trade") if bar.covered < 1]
            self.assertTrue(all(bar.suspect for bar in inside) and inside)
        # A segment that is missing, and a damaged journal: nothing that is read shows them.
        for spoil in (lambda: middle.unlink(), lambda: (Path(archive) / "journal.mcap.open").write_bytes(b"x" * 2000)):
            spoil()
            with tapedeck.open(archive) as strict, self.assertRaises(tapedeck.Damage):
                strict.trades()
            with tapedeck.open(archive, strict=False) as lenient:
                self.assertGreater(len(lenient.trades()), 0)
                self.assertEqual({gap.reason for gap in lenient.damage()}, {"corrupt"})
        # A capture of one chunk.
        alone = self.imported("damaged-alone", [lines[:300]])
        only = next(file for file in Path(alone).rglob("*.mcap") if "capture" in file.parts)
        data = bytearray(only.read_bytes())
        data[len(data) // 3:len(data) // 3 + 64] = b"x" * 64
        only.write_bytes(data)
        with tapedeck.open(alone) as strict, self.assertRaises(tapedeck.Damage):
            strict.trades()
        for no in (__file__, self.folder.name):
            with self.assertRaisesRegex(tapedeck.Error, "not a tapedeck archive"):
                tapedeck.open(no)

    def test_a_closed_archive_a_copy_and_a_pickle_are_errors(self):
        archive = tapedeck.open(self.whole)
        frames = archive.frames()
        next(frames)
        for wrong in (copy.copy, copy.deepcopy, pickle.dumps):
            with self.assertRaisesRegex(tapedeck.Error, "open its path again"):
                wrong(archive)
        archive.close()
        archive.close()
        for closed in (lambda: list(frames), archive.trades, archive.gaps, archive.damage, lambda: archive.book_at("BTCUSD", "+1s")):
            with self.assertRaisesRegex(tapedeck.Error, "was closed"):
                closed()

    def test_rows_of_several_streams_say_which(self):
        with tapedeck.open(self.whole) as archive:
            trades = archive.trades(topic="trade")
            symbols = {trades.streams[row[6]].symbol for row in trades}
            self.assertGreater(len(symbols), 1)
            with self.assertRaisesRegex(tapedeck.Error, "these are of two: inverse trade .* and inverse trade"):
                archive.bars("*", "1s", topic="trade")
            for wrong in ("7s", "0s", "1w", "s", ""):
                with self.assertRaisesRegex(tapedeck.Error, "does not divide a day"):
                    archive.bars("BTCUSD", wrong)
            bars = archive.bars("BTCUSD", "250ms")
            self.assertTrue(bars[-1].suspect and not bars[len(bars) // 2].suspect)
            self.assertTrue(all(bar.suspect == (bar.covered < 1) for bar in bars))

    def test_a_book_holds_after_the_last_frame(self):
        with tapedeck.open(self.whole) as archive:
            last = [book for book in archive.books(1000, topic=BOOK, symbol="BTCUSD")][-1]
            end = max(frame.recv_ns for frame in archive.frames())
            self.assertLess(archive.book_at("BTCUSD", end, topic=BOOK).recv_ns, end)
            for at, is_suspect in ((end + 1, False), (end + 5 * 10**9, False), (end + 3600 * 10**9, True), ("now", True)):
                book = archive.book_at("BTCUSD", at, topic=BOOK)
                self.assertEqual((book.recv_ns, sha1_of(book), book.suspect), (last.recv_ns, sha1_of(last), is_suspect), at)

    def test_the_book_is_drawn(self):
        class Axes:
            def __init__(self):
                self.lines = []

            def step(self, prices, sums, **_):
                self.lines.append((prices, sums))

            def set_title(self, text):
                self.title = text

            def legend(self):
                pass

        axes = Axes()
        with tapedeck.open(self.whole) as archive:
            archive.plot_book("BTCUSD", "+10s", axes=axes)
        (bids, sums), (asks, _) = axes.lines
        self.assertEqual((len(bids), len(asks)), (25, 25))
        self.assertEqual(sums, sorted(sums))
        self.assertIn("BTCUSD", axes.title)

    @unittest.skipIf(tapedeck.numpy is None, "needs numpy")
    def test_arrays_hold_the_rows(self):
        with tapedeck.open(self.whole) as archive:
            trades = archive.trades(symbol="BTCUSD")
            self.assertEqual(trades.dtype["price"], "f8")
            exact = trades["price_int"] / 10.0 ** trades["price_scale"]
            self.assertTrue((exact == trades["price"]).all())
            self.assertTrue((tapedeck.numpy.diff(trades["recv_ns"].astype("i8")) >= 0).all())
            count = sum(len(rows) for rows, _, _ in archive.batches(symbol="BTCUSD"))
            self.assertEqual(count, len(trades))

    @unittest.skipIf(tapedeck.numpy is None, "needs numpy")
    @unittest.skipUnless(os.path.exists(V5), "needs a capture recorded from the exchange")
    def test_the_example_of_the_page_runs(self):
        example = (ROOT / "docs/python.md").read_text().split("```python\n")[1].split("```")[0]
        folder = tempfile.mkdtemp(dir=self.folder.name)
        run("import", "-q", "-a", os.path.join(folder, "tape"), "--format", "cryptofeed", "--family", "v5-linear", V5)
        done = subprocess.run([sys.executable, "-c", example], cwd=folder, env={**os.environ, "PYTHONPATH": PACKAGES},
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        *messages, turnover, book = done.stdout.splitlines()
        with tapedeck.open(os.path.join(folder, "tape")) as archive:
            trades = [trade for message in archive.messages(symbol="BTCUSDT", topic="publicTrade")
                      for trade in message.values["trades"]]
        self.assertTrue(trades and messages)
        self.assertAlmostEqual(float(turnover), float(sum(Decimal(t["price"]) * Decimal(t["size"]) for t in trades)), places=6)
        bid, ask, is_suspect = book.split()
        self.assertLess(float(bid), float(ask))
        self.assertEqual(is_suspect, "False")


if __name__ == "__main__":
    unittest.main()
