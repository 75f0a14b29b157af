import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Optional, Union

__all__ = ["open", "Error", "Damage", "Archive", "Frame", "Message", "Book", "Trade", "Level", "Bar", "Gap",
           "decimal", "BUY", "SELL", "SUSPECT", "SNAPSHOT", "LATE", "COPY",
           "POSSIBLE_COPY"]

__version__: str

BUY: Final = 0
SELL: Final = 1
NO_SIDE: Final = 2
SNAPSHOT: Final = 2
LATE: Final = 4
SUSPECT: Final = 8
POSSIBLE_COPY: Final = 16
COPY: Final = 64

_Globs = Optional[Union[str, Sequence[str]]]
_Time = Optional[Union[str, int, datetime]]
# A numpy array with the members of Trade or Level; without numpy a list of Trade or Level.
_Rows = Any

class Error(Exception): ...
class Damage(Error): ...

class Level(NamedTuple):
    recv_ns: int
    exchange_ns: int
    price: float
    size: float
    price_int: int
    size_int: int
    stream: int
    frame: int
    price_scale: int
    size_scale: int
    side: int
    action: int
    flags: int

class Trade(NamedTuple):
    recv_ns: int
    exchange_ns: int
    price: float
    size: float
    price_int: int
    size_int: int
    stream: int
    frame: int
    price_scale: int
    size_scale: int
    side: int
    action: int
    flags: int
    trade_id: bytes

class Stream(NamedTuple):
    feed: str
    family: str
    topic: str
    symbol: str
    exchange_topic: str
    line: int

class Gap(NamedTuple):
    feed: str
    topic: str
    symbol: str
    reason: str
    cause: str
    covered_by: str
    from_ns: int
    to_ns: int
    frames_lost: Optional[int]
    line: int
    connection: int

class Bar(NamedTuple):
    time_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    vwap: Optional[Decimal]
    count: int  # type: ignore[assignment]  # a tuple has a method of that name
    buy_volume: Decimal
    sell_volume: Decimal
    covered: float
    suspect: bool

class Frame:
    @property
    def recv_ns(self) -> int: ...
    @property
    def exchange_ns(self) -> int: ...
    @property
    def ordinal(self) -> int: ...
    @property
    def number(self) -> Optional[int]: ...
    @property
    def connection(self) -> int: ...
    @property
    def line(self) -> int: ...
    @property
    def shard(self) -> int: ...
    @property
    def content(self) -> Literal["book", "trades", "record", "undecoded", "control", "sent", "http"]: ...
    @property
    def kind(self) -> Optional[Literal["snapshot", "delta"]]: ...
    @property
    def suspect(self) -> bool: ...
    @property
    def possible_copy(self) -> bool: ...
    @property
    def feed(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def bytes(self) -> bytes: ...

class Message(Frame):
    @property
    def text(self) -> bytes: ...
    @property
    def values(self) -> dict[str, Any]: ...

class Book:
    feed: str
    topic: str
    symbol: str
    recv_ns: int
    exchange_ns: int
    suspect: bool
    bids: list[Level]
    asks: list[Level]

def decimal(mantissa: int, scale: int) -> Decimal: ...

class Archive:
    def __init__(self, path: Union[str, os.PathLike[str]], strict: bool = ...) -> None: ...
    def close(self) -> None: ...
    def __enter__(self) -> Archive: ...
    def __exit__(self, kind: Optional[type[BaseException]], value: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None: ...
    def frames(self, feed: _Globs = ..., topic: _Globs = ..., symbol: _Globs = ..., start: _Time = ...,
               end: _Time = ..., follow: Optional[float] = ...) -> Iterator[Frame]: ...
    def messages(self, feed: _Globs = ..., topic: _Globs = ..., symbol: _Globs = ..., start: _Time = ...,
                 end: _Time = ..., follow: Optional[float] = ...) -> Iterator[Message]: ...
    def batches(self, feed: _Globs = ..., topic: _Globs = ..., symbol: _Globs = ..., start: _Time = ...,
                end: _Time = ..., follow: Optional[float] = ...) -> Iterator[tuple[_Rows, _Rows, list[Stream]]]: ...
    def trades(self, feed: _Globs = ..., topic: _Globs = ..., symbol: _Globs = ..., start: _Time = ...,
               end: _Time = ...) -> _Rows: ...
    def levels(self, feed: _Globs = ..., topic: _Globs = ..., symbol: _Globs = ..., start: _Time = ...,
               end: _Time = ...) -> _Rows: ...
    def books(self, depth: int, feed: _Globs = ..., topic: _Globs = ..., symbol: _Globs = ...,
              start: _Time = ..., end: _Time = ..., follow: Optional[float] = ...) -> Iterator[Book]: ...
    def books_at(self, time: _Time, feed: _Globs = ..., topic: _Globs = ..., symbol: _Globs = ...) -> list[Book]: ...
    def book_at(self, symbol: _Globs, time: _Time, feed: _Globs = ..., topic: _Globs = ...) -> Optional[Book]: ...
    def gaps(self, feed: _Globs = ..., topic: _Globs = ..., symbol: _Globs = ..., start: _Time = ...,
             end: _Time = ...) -> list[Gap]: ...
    def damage(self) -> list[Gap]: ...
    def bars(self, symbol: _Globs, size: str, feed: _Globs = ..., topic: _Globs = ..., start: _Time = ...,
             end: _Time = ...) -> list[Bar]: ...
    def plot_book(self, symbol: str, time: _Time, feed: _Globs = ..., topic: _Globs = ..., axes: Any = ...) -> Any: ...

def open(path: Union[str, os.PathLike[str]], strict: bool = ...) -> Archive: ...
