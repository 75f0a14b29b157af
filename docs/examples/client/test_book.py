"""Plays bug.mcap, or the file in TAPE, to the client, and compares its book at the end with
tapedeck's."""

import asyncio
import json
import os
import subprocess
import tempfile
import time
import unittest
from decimal import Decimal

from book import follow

TAPE = os.environ.get("TAPE", "bug.mcap")


class BookTest(unittest.TestCase):
    def serve(self, tape):
        """Serve a tape until the test ends; returns its URL."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        ready = os.path.join(folder.name, "ready.json")
        server = subprocess.Popen(
            ["tapedeck", "serve", tape, "--plain", "--speed", "max", "--once", "--ready-file", ready],
            stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        while not os.path.exists(ready):
            self.assertIsNone(server.poll(), "tapedeck serve ended")
            time.sleep(0.02)
        with open(ready) as file:
            return json.load(file)["url"]

    def book_of(self, tape, symbol):
        """The book after a tape's last frame, according to tapedeck."""
        report = subprocess.run(["tapedeck", "replay", tape, "--json"], stdout=subprocess.PIPE)
        for book in json.loads(report.stdout)["books"]:
            if (book["topic"], book["symbol"]) == ("orderbook.50", symbol):
                return book

    def test_book_at_the_end(self):
        url = self.serve(TAPE)
        book = asyncio.run(follow(f"{url}/v5/public/linear", "BTCUSDT"))
        expected = self.book_of(TAPE, "BTCUSDT")
        self.assertEqual(max(book.bids), Decimal(expected["best_bid"]))
        self.assertEqual(min(book.asks), Decimal(expected["best_ask"]))
        self.assertEqual((len(book.bids), len(book.asks)), (expected["bids"], expected["asks"]))


if __name__ == "__main__":
    unittest.main()
