"""A client of the exchange, version 5: keeps the book of one symbol."""

import json
from decimal import Decimal

import websockets


class Book:
    def __init__(self):
        self.bids, self.asks = {}, {}  # size by price

    def apply(self, message):
        if message["type"] == "snapshot":
            self.bids.clear()
            self.asks.clear()
        for side, levels in (self.bids, message["data"]["b"]), (self.asks, message["data"]["a"]):
            for price, size in levels:
                if Decimal(size) == 0:
                    side.pop(Decimal(price), None)
                else:
                    side[Decimal(price)] = Decimal(size)


async def follow(url, symbol):
    """Follow a symbol's book until the server closes the connection."""
    book = Book()
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"op": "subscribe", "args": [f"orderbook.50.{symbol}"]}))
        async for text in socket:
            message = json.loads(text)
            if "topic" in message:
                book.apply(message)
    return book
