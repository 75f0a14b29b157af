"""Read archives of tapedeck: frames, messages, trades, order books, gaps.

    import tapedeck
    archive = tapedeck.open("tape")
    for message in archive.messages(symbol="BTCUSDT", topic="publicTrade"):
        print(message.recv_ns, message.values)
    print(archive.book_at("BTCUSDT", "2026-08-09T12:00Z").bids[0])

Only the standard library is needed. With numpy, rows are structured arrays, else lists of named
tuples with the same members. Prices and sizes are exact integers (price_int / 10 ** price_scale)
beside floats. See tapedeck-python(7).
"""

import ctypes
import json
import os
import struct
import time
import weakref
from collections import namedtuple
from decimal import Context, Decimal
from operator import itemgetter
from pathlib import Path

try:
    import numpy
except ImportError:
    numpy = None

__all__ = ["open", "Error", "Damage", "Archive", "Frame", "Message", "Book", "Trade", "Level", "Bar", "Gap",
           "decimal", "BUY", "SELL", "SUSPECT", "SNAPSHOT", "LATE", "COPY",
           "POSSIBLE_COPY"]

BUY, SELL, NO_SIDE = 0, 1, 2
SNAPSHOT, LATE, SUSPECT, POSSIBLE_COPY, COPY, _NUMBERED = 2, 4, 8, 16, 64, 128
_CONTENTS = ("book", "trades", "record", "undecoded", "control", "sent", "http")
_KINDS = (None, "snapshot", "delta")
_BOOK = 0
_WITH_BYTES, _WITH_MESSAGES, _WITH_BOOKS, _WITH_COVERAGE, _WITH_FOLLOW = 1, 2, 4, 8, 16
_DAMAGED = -2
_ENDED, _MORE, _FAILED, _TIMEOUT, _CRASHED = 0, 1, -1, 2, 3
_WAIT_S = 0.5  # longest wait in the library: Python handles signals after it


class Error(Exception):
    """The archive cannot be read, or nothing in it matches the selection."""


class Damage(Error):
    """Stored frames cannot be read: what, where, how much. See Archive.damage()."""


# ---- rows, as embed/include/tapedeck/archive.h has them ------------------------------------------------

_LEVEL = (("recv_ns", "Q"), ("exchange_ns", "Q"), ("price", "d"), ("size", "d"), ("price_int", "q"),
          ("size_int", "q"), ("stream", "I"), ("frame", "I"), ("price_scale", "B"),
          ("size_scale", "B"), ("side", "B"), ("action", "B"), ("flags", "B"), (None, "3x"))
_TRADE = _LEVEL + (("trade_id", "40s"),)
_FRAME = (("recv_ns", "Q"), ("exchange_ns", "Q"), ("ordinal", "Q"), ("number", "q"),
          ("bytes_at", "Q"), ("message_at", "Q"), ("byte_count", "I"), ("message_count", "I"),
          ("stream", "I"), ("first_entry", "I"), ("entry_count", "I"), ("connection", "I"),
          ("content", "B"), ("kind", "B"), ("flags", "B"), (None, "x"), ("line", "H"),
          ("shard", "H"))
_NUMPY = {"Q": "<u8", "q": "<i8", "d": "<f8", "I": "<u4", "B": "u1", "H": "<u2", "3x": "V3",
          "x": "V1", "40s": "S40"}


def _frame(rows):
    """A pandas DataFrame of rows, with receive and exchange times also as timestamps."""
    try:
        import pandas
    except ImportError as missing:
        raise Error("to_pandas needs pandas") from missing
    frame = pandas.DataFrame.from_records(rows, columns=None if len(rows) else _names_of(rows))
    for name in ("recv", "exchange"):
        if name + "_ns" in frame:
            times = pandas.to_datetime(frame[name + "_ns"], unit="ns", utc=True)
            frame.insert(0, name, times.where(frame[name + "_ns"] != 0))
    return frame


def _names_of(rows):
    return rows.names if isinstance(rows, _List) else rows.dtype.names


class _List(list):
    """Rows, with the names of their members, and the streams that member `stream` refers to."""

    names, streams = (), None

    def to_pandas(self):
        return _frame(self)


if numpy is not None:
    class _Array(numpy.ndarray):
        """Rows as an array, with the streams that member `stream` refers to."""

        streams = None

        def __array_finalize__(self, of):
            self.streams = getattr(of, "streams", None)

        def to_pandas(self):
            return _frame(self)


class _RowType:
    """The layout of a kind of rows, for struct and for numpy."""

    def __init__(self, name, members):
        self.struct = struct.Struct("<" + "".join(code for _, code in members))
        self.tuple = namedtuple(name, [member for member, _ in members if member])
        self.dtype = None
        if numpy is not None:
            offsets = [struct.calcsize("<" + "".join(code for _, code in members[:i]))
                       for i in range(len(members))]
            rows = [(m, _NUMPY[code], at) for (m, code), at in zip(members, offsets) if m]
            self.dtype = numpy.dtype({"names": [row[0] for row in rows],
                                      "formats": [row[1] for row in rows],
                                      "offsets": [row[2] for row in rows],
                                      "itemsize": self.struct.size})

    def copy(self, address, count):
        """Copy rows of the library to an array, or a list of named tuples."""
        if self.dtype is None:
            return [self.tuple._make(row) for row in self.unpack(address, count)]
        array = numpy.empty(count, self.dtype).view(_Array)
        if count > 0:
            ctypes.memmove(array.ctypes.data, address, count * self.struct.size)
        return array

    def unpack(self, address, count):
        return self.struct.iter_unpack(ctypes.string_at(address, count * self.struct.size) if count else b"")

    def join(self, parts, streams):
        """Join parts to one array or list; each row gets the member symbol."""
        symbols = [stream.symbol for stream in streams]
        if self.dtype is None:
            named = namedtuple(self.tuple.__name__, self.tuple._fields + ("symbol",))
            rows = _List(named(*row, symbols[row.stream]) for part in parts for row in part)
            rows.names = named._fields
        else:
            plain = numpy.concatenate(parts) if parts else numpy.empty(0, self.dtype)
            width = max((len(symbol) for symbol in symbols), default=1) or 1
            kinds = [(name, plain.dtype[name]) for name in plain.dtype.names]
            rows = numpy.empty(len(plain), kinds + [("symbol", f"U{width}")]).view(_Array)
            for name in plain.dtype.names:
                rows[name] = plain[name]
            if len(plain):
                rows["symbol"] = numpy.array(symbols)[plain["stream"]]
        rows.streams = streams
        return rows


class _TradeType(_RowType):
    def unpack(self, address, count):
        for row in super().unpack(address, count):
            yield row[:-1] + (row[-1].rstrip(b"\0"),)


_levels, _trades, _frames = _RowType("Level", _LEVEL), _TradeType("Trade", _TRADE), _RowType("Row", _FRAME)
Level, Trade = _levels.tuple, _trades.tuple
Stream = namedtuple("Stream", "feed family topic symbol exchange_topic line is_grouped")
Gap = namedtuple("Gap", "feed topic symbol reason cause covered_by from_ns to_ns frames_lost line connection")
Bar = namedtuple("Bar", "time_ns open high low close volume vwap count buy_volume sell_volume covered suspect")
_UNKNOWN = 2**64 - 1


# ---- the library ---------------------------------------------------------------------------------

class _Selection(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("feeds", ctypes.POINTER(ctypes.c_char_p)),
                ("topics", ctypes.POINTER(ctypes.c_char_p)),
                ("symbols", ctypes.POINTER(ctypes.c_char_p)), ("start", ctypes.c_char_p),
                ("end", ctypes.c_char_p), ("with_", ctypes.c_uint32), ("book_depth", ctypes.c_uint32),
                ("threads", ctypes.c_uint32), ("reserved", ctypes.c_uint32)]


class _Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int32), ("os_errno", ctypes.c_int32), ("text", ctypes.c_char * 2040)]


class _Batch(ctypes.Structure):
    _fields_ = [("frames", ctypes.c_void_p), ("frame_count", ctypes.c_size_t),
                ("trades", ctypes.c_void_p), ("trade_count", ctypes.c_size_t),
                ("levels", ctypes.c_void_p), ("level_count", ctypes.c_size_t),
                ("text", ctypes.c_void_p), ("text_bytes", ctypes.c_size_t)]


class _Stream(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in Stream._fields[:5]] + \
        [("line", ctypes.c_uint32), ("is_grouped", ctypes.c_uint32)]


class _Gap(ctypes.Structure):
    _fields_ = [(name, ctypes.c_char_p) for name in Gap._fields[:6]] + \
        [(name, ctypes.c_uint64) for name in Gap._fields[6:9]] + \
        [(name, ctypes.c_uint32) for name in Gap._fields[9:]]


def _load():
    name, here = "libtapedeck.so.0", Path(__file__).resolve()
    places = [here.parents[3] / name, here.parents[3] / "build/release/lib" / name]
    found = [str(place) for place in places if place.exists()]
    library = ctypes.CDLL(found[0] if found else name)
    handle, text, error = ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(_Error)
    for function, result, arguments in (
            ("version", text, []),
            ("archive_open", handle, [text, error]), ("archive_close", None, [handle]),
            ("tape_open", handle, [handle, ctypes.POINTER(_Selection), error]),
            ("tape_close", None, [handle]),
            ("tape_next", ctypes.c_int, [handle, ctypes.POINTER(_Batch), error]),
            ("tape_books", ctypes.c_int, [handle, ctypes.POINTER(_Batch), error]),
            ("tape_wait", ctypes.c_int, [handle, ctypes.c_int64, error]),
            ("tape_stream", ctypes.c_int, [handle, ctypes.c_size_t, ctypes.POINTER(_Stream)]),
            ("tape_missing_ns", ctypes.c_uint64, [handle, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_uint64]),
            ("tape_gap", ctypes.c_int, [handle, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(_Gap)]),
            ("archive_damage", ctypes.c_int, [handle, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(_Gap)])):
        called = getattr(library, "tapedeck_" + function)
        called.restype, called.argtypes = result, arguments
    return library


_library = _load()
__version__ = _library.tapedeck_version().decode()


def _decoded(structure, kind):
    values = (getattr(structure, name) for name in kind._fields)
    return kind(*(v.decode() if isinstance(v, bytes) else v for v in values))


def _gaps(function, handle):
    at, gap, found = ctypes.c_size_t(0), _Gap(), []
    while function(handle, ctypes.byref(at), ctypes.byref(gap)):
        row = _decoded(gap, Gap)
        found.append(row._replace(frames_lost=None) if row.frames_lost == _UNKNOWN else row)
    return found


def _globs(names):
    if names is None:
        return None
    items = [names] if isinstance(names, str) else list(names)
    return (ctypes.c_char_p * (len(items) + 1))(*(item.encode() for item in items), None)


def _time(at):
    """A selection's time: text as on the command line, ns, or a datetime with a time zone."""
    if at is None or isinstance(at, str):
        return None if at is None else at.encode()
    if hasattr(at, "isoformat"):
        if at.tzinfo is None:
            raise Error("a datetime needs a time zone")
        return at.isoformat().encode()
    return str(int(at)).encode()


class _Tape:
    """An open selection."""

    def __init__(self, archive, feed, topic, symbol, start, end, with_=0, depth=0, threads=None, follow=None):
        self.globs = [_globs(names) for names in (feed, topic, symbol)]  # must live as long as the tape
        cast = [ctypes.cast(g, ctypes.POINTER(ctypes.c_char_p)) if g is not None else None for g in self.globs]
        self.follow = follow
        with_ |= 0 if follow is None else _WITH_FOLLOW
        wanted = _Selection(ctypes.sizeof(_Selection), *cast, _time(start), _time(end), with_, depth,
                            threads or os.cpu_count() or 1, 0)
        self.error = _Error()
        self.archive = archive
        self.streams = []
        self.handle = _library.tapedeck_tape_open(archive._open(), ctypes.byref(wanted), ctypes.byref(self.error))
        if not self.handle:
            raise Error(self.error.text.decode())
        archive._tapes.add(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        _library.tapedeck_tape_close(self.handle)
        self.handle = None

    def _read(self, function):
        batch, result = _Batch(), _DAMAGED
        while result == _DAMAGED:
            if self.handle is None:
                raise Error("the archive was closed")
            result = function(self.handle, ctypes.byref(batch), ctypes.byref(self.error))
            if result == _DAMAGED and self.archive._is_strict:
                raise Damage(self.error.text.decode())
        if result < 0:
            raise Error(self.error.text.decode())
        stream = _Stream()
        while _library.tapedeck_tape_stream(self.handle, len(self.streams), ctypes.byref(stream)):
            self.streams.append(_decoded(stream, Stream))
        return batch if result > 0 else None

    def _wait(self):
        """Wait for more frames; True if there are any."""
        left, until = self.follow, time.monotonic() + self.follow
        result = _TIMEOUT
        while result == _TIMEOUT and left >= 0:
            if self.handle is None:
                raise Error("the archive was closed")
            result = _library.tapedeck_tape_wait(self.handle, int(1000 * min(left, _WAIT_S)), ctypes.byref(self.error))
            left = until - time.monotonic()
        if result == _FAILED:
            raise Error(self.error.text.decode())
        if result == _CRASHED:
            raise Error("the recorder was killed: its session has no end")
        return result == _MORE

    def batches(self):
        while True:
            while (batch := self._read(_library.tapedeck_tape_next)) is not None:
                yield batch
            if self.follow is None or not self._wait():
                return

    def books(self):
        return self._read(_library.tapedeck_tape_books)

    def gaps(self):
        return _gaps(_library.tapedeck_tape_gap, self.handle)

    def missing_ns(self, stream, from_ns, to_ns):
        return _library.tapedeck_tape_missing_ns(self.handle, stream, from_ns, to_ns)


# ---- what users see ------------------------------------------------------------------------------

class Frame(tuple):
    """A frame as received: its bytes, and its position on the tape."""

    __slots__ = ()  # the tuple (row, stream, text): made in half the time of an object
    _row, _stream, _text = property(itemgetter(0)), property(itemgetter(1)), property(itemgetter(2))

    recv_ns = property(lambda self: self._row[0], doc="receive time")
    exchange_ns = property(lambda self: self._row[1], doc="the exchange's own time; 0: absent")
    ordinal = property(lambda self: self._row[2], doc="number on its connection, from 1")
    number = property(lambda self: self._row[3] if self._row[14] & _NUMBERED else None,
                      doc="cross_seq, else seq, else u")
    connection = property(lambda self: self._row[11], doc="number of the connection")
    line = property(lambda self: self._row[15], doc="line of the connection")
    shard = property(lambda self: self._row[16], doc="shard of the connection")
    content = property(lambda self: _CONTENTS[self._row[12]], doc="book, trades, record ...")
    kind = property(lambda self: _KINDS[self._row[13]], doc="snapshot, delta or None")
    suspect = property(lambda self: bool(self._row[14] & SUSPECT),
                       doc="True: the state of its topic may be incomplete")
    possible_copy = property(lambda self: bool(self._row[14] & POSSIBLE_COPY),
                             doc="True: it may be a copy that came over another line")
    feed = property(lambda self: self._stream.feed)
    family = property(lambda self: self._stream.family)
    topic = property(lambda self: self._stream.topic)
    symbol = property(lambda self: self._stream.symbol)

    @property
    def bytes(self):
        at = self._row[4]
        return self._text[at:at + self._row[6]]

    def __repr__(self):
        return f"<{type(self).__name__} {self.feed} {self.topic} {self.symbol} {self.recv_ns}>"


class Message(Frame):
    """A decoded frame: the JSON that `tapedeck replay --messages` prints."""

    __slots__ = ()

    @property
    def text(self):
        at = self._row[5]
        return self._text[at:at + self._row[7]]

    @property
    def values(self):
        """All members, as a dict; decimals are texts."""
        return json.loads(self.text)


class Book:
    """An order book: bids and asks as lists of Level, best first. Levels that an HTTP snapshot may have
    left out are unknown, and not in it."""

    __slots__ = ("feed", "topic", "symbol", "recv_ns", "exchange_ns", "suspect", "bids", "asks",
                 "is_grouped")

    def __init__(self, row, stream, levels):
        self.feed, self.topic, self.symbol = stream.feed, stream.topic, stream.symbol
        self.recv_ns, self.exchange_ns = row[0], row[1]
        self.suspect = bool(row[14] & SUSPECT)
        self.is_grouped = bool(stream.is_grouped)  # prices are rounded: not the market's book
        self.bids = [level for level in levels if level.side == BUY]
        self.asks = [level for level in levels if level.side == SELL]

    def __repr__(self):
        return f"<Book {self.feed} {self.topic} {self.symbol} {len(self.bids)} x {len(self.asks)}>"


def decimal(mantissa, scale):
    """mantissa / 10 ** scale, exactly."""
    return Decimal(int(mantissa)).scaleb(-int(scale))


def _books_of(tape, batch):
    levels = [Level._make(row) for row in _levels.unpack(batch.levels, batch.level_count)]
    for row in _frames.unpack(batch.frames, batch.frame_count):
        if row[12] == _BOOK and not row[14] & COPY:
            yield Book(row, tape.streams[row[8]], levels[row[9]:row[9] + row[10]])


_DAY_NS = 86400 * 10**9
_EXACT = Context(prec=100)  # more digits than any sum of trades
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": _DAY_NS}


def _width(size):
    """An interval in ns, as on the command line."""
    digits = size.rstrip("dhms")
    width = int(digits) * _UNITS.get(size[len(digits):], 0) if digits.isdigit() else 0
    if width == 0 or _DAY_NS % width:
        raise Error(f"{size!r} does not divide a day: give an interval such as 100ms, 1s, 5m, 1h or 1d")
    return width



class _Bar:
    """A bar to which trades are added."""

    def __init__(self, time_ns, price):
        self.time_ns, self.open, self.high, self.low, self.close = time_ns, price, price, price, price
        self.turnover, self.sizes = Decimal(0), [Decimal(0)] * 3
        self.count = 0

    def add(self, price, size, side):
        self.high, self.low, self.close = max(self.high, price), min(self.low, price), price
        self.turnover = _EXACT.fma(price, size, self.turnover)
        self.sizes[side] = _EXACT.add(self.sizes[side], size)
        self.count += 1

    def bar(self, width_ns, missing_ns):
        volume = _EXACT.add(_EXACT.add(*self.sizes[:2]), self.sizes[2])
        return Bar(self.time_ns, self.open, self.high, self.low, self.close, volume,
                   self.turnover / volume if volume else None, self.count, self.sizes[BUY],
                   self.sizes[SELL], (width_ns - missing_ns) / width_ns, missing_ns > 0)


class Archive:
    """An archive, open for reading. Every method takes feed, topic and symbol as globs, or lists of
    them, and start (inclusive) and end (exclusive) of receive time; None selects everything. One
    thread at a time. Stored frames that cannot be read raise Damage; with strict=False the methods
    skip them, and damage() lists them.

    With follow, iterators wait that many seconds for more frames at the end of an archive that is
    being recorded. They end if no frame is recorded in that time, or the recorder stops; if it was
    killed, they raise Error."""

    def __init__(self, path, strict=True):
        self._handle, self._is_strict, self._tapes = None, strict, weakref.WeakSet()
        error = _Error()
        self._handle = _library.tapedeck_archive_open(os.fsencode(path), ctypes.byref(error))
        if not self._handle:
            raise Error(error.text.decode())

    def close(self):
        for tape in list(self._tapes):
            tape.close()
        _library.tapedeck_archive_close(self._handle)
        self._handle = None

    def _open(self):
        if self._handle is None:
            raise Error("the archive was closed")
        return self._handle

    def __reduce_ex__(self, _):
        raise Error("an archive cannot be copied or pickled: open its path again")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _each(self, kind, with_, feed, topic, symbol, start, end, follow):
        with _Tape(self, feed, topic, symbol, start, end, with_, follow=follow) as tape:
            for batch in tape.batches():
                text = ctypes.string_at(batch.text, batch.text_bytes) if batch.text_bytes else b""
                streams = tape.streams
                for row in _frames.unpack(batch.frames, batch.frame_count):
                    if not row[14] & COPY and (kind is Frame or row[7]):
                        yield kind((row, streams[row[8]], text))

    def frames(self, feed=None, topic=None, symbol=None, start=None, end=None, follow=None):
        """Frames as received, in the order of the tape. Copies (flag COPY) are left out."""
        return self._each(Frame, _WITH_BYTES, feed, topic, symbol, start, end, follow)

    def messages(self, feed=None, topic=None, symbol=None, start=None, end=None, follow=None):
        """Decoded frames, as `tapedeck replay --messages` prints them."""
        return self._each(Message, _WITH_BYTES | _WITH_MESSAGES, feed, topic, symbol, start, end, follow)

    def batches(self, feed=None, topic=None, symbol=None, start=None, end=None, follow=None):
        """Tuples (trades, levels, streams): arrays for about a thousand frames at a time, and the
        streams that their rows refer to. Uses constant memory. Copies have the flag COPY."""
        with _Tape(self, feed, topic, symbol, start, end, follow=follow) as tape:
            for batch in tape.batches():
                yield (_trades.copy(batch.trades, batch.trade_count),
                       _levels.copy(batch.levels, batch.level_count), tape.streams)

    def trades(self, feed=None, topic=None, symbol=None, start=None, end=None):
        """All trades with their symbols, as one array. Its attribute streams has what stream
        numbers refer to; to_pandas() converts it to a DataFrame."""
        return self._joined(_trades, 0, feed, topic, symbol, start, end)

    def levels(self, feed=None, topic=None, symbol=None, start=None, end=None):
        """All changes of order books, one row per level, as one array like trades()."""
        return self._joined(_levels, 1, feed, topic, symbol, start, end)

    def _joined(self, kind, which, *selection):
        parts, streams = [], []
        for batch in self.batches(*selection):
            parts.append(batch[which])
            streams = batch[2]
        return kind.join(parts, streams)

    def books(self, depth, feed=None, topic=None, symbol=None, start=None, end=None, follow=None):
        """The order book after each of its frames, up to depth levels per side."""
        with _Tape(self, feed, topic, symbol, start, end, _WITH_BOOKS, depth, follow=follow) as tape:
            for batch in tape.batches():
                yield from _books_of(tape, batch)

    def books_at(self, time, feed=None, topic=None, symbol=None):
        """Every order book after the frames that were received before the time."""
        with _Tape(self, feed, topic, symbol, time, None, threads=1) as tape:
            batch = tape.books()
            return [] if batch is None else list(_books_of(tape, batch))

    def book_at(self, symbol, time, feed=None, topic=None):
        """The symbol's order book after the frames that were received before the time; the deepest,
        if several were recorded. None without a book. Name the feed if several have one, and the
        topic of a book of grouped prices."""
        books = [book for book in self.books_at(time, feed, topic, symbol)
                 if topic is not None or not book.is_grouped]
        if len({book.feed for book in books}) > 1:
            raise Error(f"several feeds have a book of {symbol}: " + ", ".join(sorted({b.feed for b in books})))
        return max(books, key=lambda book: len(book.bids) + len(book.asks), default=None)

    def gaps(self, feed=None, topic=None, symbol=None, start=None, end=None):
        """Times in which frames of the selection may be missing, as a list of Gap."""
        with _Tape(self, feed, topic, symbol, start, end, threads=1) as tape:
            return tape.gaps()

    def damage(self):
        """Damage found so far, as a list of Gap with the reason corrupt."""
        return _gaps(_library.tapedeck_archive_damage, self._open())

    def bars(self, symbol, size, feed=None, topic=None, start=None, end=None):
        """Bars of a symbol's trades by exchange time, as a list of Bar. Decimals are exact, except
        vwap, which has 28 digits. size: an interval that divides a day, such as "100ms", "1s", "5m".
        A time without trades has no bar. start and end are exchange times; trades that were received
        up to 10 s before or after them are read, too. covered is the part of the bar's time in which
        no trade can be missing, suspect is covered < 1. Trades of several feeds, topics or symbols
        raise Error."""
        width = _width(size)
        made, stream = {}, None
        with _Tape(self, feed, topic, symbol, start, end, _WITH_COVERAGE) as tape:
            for batch in tape.batches():
                for row in _trades.unpack(batch.trades, batch.trade_count):
                    if row[12] & COPY:
                        continue
                    if stream is None:
                        stream = row[6]
                    if row[6] != stream:
                        one, two = ("{0.feed} {0.topic} {0.symbol}".format(tape.streams[i]) for i in (stream, row[6]))
                        raise Error(f"bars need trades of one symbol, but these are of two: {one} and {two}; name the feed, topic and symbol")
                    price, time_ns = decimal(row[4], row[8]), (row[1] or row[0]) // width * width
                    bar = made.get(time_ns)
                    if bar is None:
                        bar = made[time_ns] = _Bar(time_ns, price)
                    bar.add(price, decimal(row[5], row[9]), row[10])
            return [made[time_ns].bar(width, tape.missing_ns(stream, time_ns, time_ns + width)) for time_ns in sorted(made)]

    def plot_book(self, symbol, time, feed=None, topic=None, axes=None):
        """Draw the book at a time as cumulated sizes over prices (matplotlib). Returns the axes."""
        book = self.book_at(symbol, time, feed, topic)
        if book is None:
            raise Error(f"{symbol} has no book at {time}")
        if axes is None:
            from matplotlib import pyplot
            axes = pyplot.gca()
        for levels, name in ((book.bids, "bids"), (book.asks, "asks")):
            sums, total = [], 0.0
            for level in levels:
                total += level.size
                sums.append(total)
            axes.step([level.price for level in levels], sums, where="post", label=name)
        axes.set_title(f"{book.feed} {symbol} {time}" + (" (suspect)" if book.suspect else ""))
        axes.legend()
        return axes


def open(path, strict=True):
    """Open an archive: a folder, a single .mcap file, or "s3://BUCKET/PREFIX". strict=False: skip damage."""
    return Archive(path, strict)
