#!/usr/bin/env python3
"""Unpack a chunk of a packed segment, from format/PACK.md alone.

    read_packed.py PACKED RECORDS

PACKED has the `records` of one Chunk whose compression is `tapedeck`; RECORDS gets the records of
the chunk, as MCAP has them. Where streams are compressed, it needs Python 3.14, or the package
zstandard.
"""
import datetime
import struct
import sys

MESSAGE = 5
EPOCH = datetime.datetime(1970, 1, 1)


class Stream:
    def __init__(self, data):
        self.data, self.at = data, 0

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def take(self, size):
        if size > len(self.data) - self.at:
            raise ValueError("a stream ends early")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value


def decompress(data):
    try:
        from compression import zstd
        return zstd.decompress(data)
    except ImportError:
        import zstandard
        return zstandard.ZstdDecompressor().decompress(data)


def signed(value):
    """Modulo 2^64, with a sign."""
    return (value + 2**63) % 2**64 - 2**63


def divide(a, b):
    return a // b if a >= 0 else -(-a // b)


def align(value, from_scale, to_scale):
    by = max(-18, min(18, to_scale - from_scale))
    return signed(value * 10**by) if by >= 0 else divide(value, 10**-by)


class Numbers:
    """A list of numbers."""

    def __init__(self, table, take):
        self.form, self.have, self.bits = table.byte(), 0, 0
        if self.form == 0:
            self.constant = unfold(table.number())
        count = {0: 0, 1: 2, 2: 1, 3: None}[self.form]
        count = table.byte() if count is None else count
        self.streams = [take() for _ in range(count)]

    def next(self):
        if self.form == 0:
            return self.constant
        if self.form == 1:
            token = self.streams[0].byte()
            if token < 16:
                return unfold(token)
            length = (token - 16) // 4 + 4 - 2
            return unfold((4 + (token - 16) % 4 << length) + self.some_bits(length))
        if self.form == 2:
            return unfold(self.streams[0].number())
        return unfold(sum(s.byte() << 8 * i for i, s in enumerate(self.streams)))

    def some_bits(self, count):
        while self.have < count:
            self.bits |= self.streams[1].byte() << self.have
            self.have += 8
        value = self.bits & (1 << count) - 1
        self.bits >>= count
        self.have -= count
        return value


def unfold(fold):
    return fold // 2 if fold % 2 == 0 else -(fold // 2) - 1


class State:
    """What a column knows of a channel."""

    def __init__(self):
        self.last = self.step = self.first = self.scale = 0
        self.frame = None


class Map:
    def __init__(self):
        self.levels, self.key_scale, self.value_scale = [], 0, 0
        self.touched = None  # (place, 1 without a level, key)


class Column:
    def __init__(self, table, take):
        self.kind = table.byte()
        self.states = {}
        self.any = self.any_scale = 0
        self.frame = None
        self.strings, self.lasts = [], {}
        if self.kind != 0:
            self.lists, self.text = [Numbers(table, take)], take()
            return
        self.predictor, self.reference = table.byte(), table.number()
        self.exponent, self.scale = table.byte() - 18, table.number()
        self.digits, self.other = Numbers(table, take), Numbers(table, take)
        self.lists = [Numbers(table, take) for _ in range(3 if self.predictor >= 6 else 1)]


class Unpacker:
    def __init__(self, packed):
        streams = read_streams(packed)
        table = Stream(streams.pop())
        streams.reverse()

        def take():
            return Stream(streams.pop())

        if table.byte() != 1:
            raise ValueError("another version")
        self.record_count = table.number()
        self.channels = [(table.number(), table.number()) for _ in range(table.number())]
        self.others = take()
        table.number()  # scales
        self.columns = [Column(table, take) for _ in range(table.number())]
        count = table.number()
        templates = take()
        self.templates = [templates.take(templates.number()) for _ in range(count)]
        self.scales, self.maps = {}, {}
        self.frame = self.channel = 0
        self.texts = {}
        self.unused_texts = [c for c in self.columns if c.kind == 2]

    # ---- numbers

    def expected(self, column, state, scale):
        p = column.predictor
        if p == 1:
            return align(state.last, state.scale, scale)
        if p == 2:
            return align(signed(state.last + state.step), state.scale, scale)
        if p == 3 or (p == 4 and column.frame == self.frame):
            return align(column.any, column.any_scale, scale)
        if p == 4:
            return align(state.first, state.scale, scale)
        if p == 5:
            other = self.columns[column.reference]
            if other.frame == self.frame:
                return align(other.any, other.any_scale, scale + column.exponent)
        return 0

    def number(self, column, channel, scale, is_alone=False):
        state = column.states.setdefault(channel, State())
        if column.predictor >= 6:
            value = self.level(column, state, scale, is_alone)
        else:
            value = signed(self.expected(column, state, scale) + column.lists[0].next())
            last = align(state.last, state.scale, scale)
            first = align(state.first, state.scale, scale)
            state.first = first if state.frame == self.frame else value
            state.step, state.last, state.scale = signed(value - last), value, scale
            state.frame = self.frame
        column.any, column.any_scale, column.frame = value, scale, self.frame
        return value

    def level(self, column, state, scale, is_alone):
        of = self.maps.setdefault((column.reference, self.channel), Map())
        if is_alone:
            of.touched = None
            return column.lists[1 if column.predictor == 8 else 2].next()
        return (self.size if column.predictor == 8 else self.price)(column, state, of, scale)

    def price(self, column, state, of, scale):
        if scale > of.key_scale:
            by = 10 ** (scale - of.key_scale)
            of.levels = [[signed(k * by), v] for k, v in of.levels]
            of.key_scale = scale
        is_new = column.lists[0].next() != 0
        place = state.last = signed(state.last + column.lists[1].next())
        if is_new:
            before = of.levels[place - 1][0] if place > 0 else 0
            key = signed(before + column.lists[2].next())
        else:
            key = of.levels[place][0]
        if column.predictor == 7:
            of.touched = None
            if not is_new:
                del of.levels[place]
        else:
            of.touched = place, is_new, key
        return key

    def size(self, column, _, of, scale):
        if scale > of.value_scale:
            by = 10 ** (scale - of.value_scale)
            of.levels = [[k, signed(v * by)] for k, v in of.levels]
            of.value_scale = scale
        if of.touched is None or of.touched[1]:
            value = column.lists[1].next()
        elif column.lists[0].next() == 1:
            value = 0
        else:
            value = signed(of.levels[of.touched[0]][1] + column.lists[2].next())
        if of.touched is not None:
            place, is_new, key = of.touched
            if is_new and value != 0:
                if len(of.levels) == 65536:
                    of.levels, place = [], 0
                of.levels.insert(place, [key, value])
            elif not is_new and value == 0:
                del of.levels[place]
            elif not is_new:
                of.levels[place][1] = value
        of.touched = None
        return value

    def plain(self, column, channel):
        return self.number(self.columns[column], channel, 0)

    # ---- text

    def number_text(self, column):
        scale = self.scales.setdefault((column.scale, self.channel), [0, {True: 0, False: 0}])
        how = column.digits.next()
        if how >= 64:
            return decimal(self.number(column, self.channel, how - 64, True), how - 64)
        if how > 0:
            scale[0] = max(scale[0], how - 1)
        value = self.number(column, self.channel, scale[0])
        if how > 0:
            return decimal(align(value, scale[0], how - 1), how - 1)
        digits, is_zero = scale[0], value == 0
        scale[1][is_zero] ^= column.other.next() != 0
        while scale[1][is_zero] and digits > 0 and value % 10 == 0:
            value, digits = value // 10, digits - 1
        return decimal(value, digits)

    def string(self, column):
        which = column.lists[0].next()
        if which == 1:
            column.strings.append(column.text.take(column.text.number()))
            column.lasts[self.channel] = len(column.strings) - 1
        elif which >= 2:
            column.lasts[self.channel] = which - 2
        return column.strings[column.lasts[self.channel]]

    def template(self, number):
        parts, out = Stream(self.templates[number - 1]), []
        while parts.at < len(parts.data):
            kind = parts.byte()
            if kind == 0:
                out.append(parts.take(parts.number()))
                continue
            column = parts.number()
            if kind == 1:
                out.append(self.number_text(self.columns[column]))
            elif kind == 2:
                out.append(self.string(self.columns[column]))
            elif kind == 3:
                elements = parts.number()
                count = self.plain(column, self.channel)
                out.append(b"[" + b",".join(
                    self.template(self.plain(elements, self.channel)) for _ in range(count)) + b"]")
            else:
                out.append(time_text(self.plain(column, self.channel), kind - 4))
        return b"".join(out)

    def payload(self, template):
        if template != 0:
            return self.template(template)
        if self.channel not in self.texts:
            self.texts[self.channel] = self.unused_texts.pop(0)
        column = self.texts[self.channel]
        return column.text.take(column.lists[0].next())

    def records(self):
        for _ in range(self.record_count):
            channel = self.plain(0, 0)
            if channel == 0:
                head = self.others.take(9)
                yield head + self.others.take(struct.unpack("<Q", head[1:])[0])
                continue
            self.channel = channel - 1
            channel_id, line = self.channels[self.channel]
            time = self.plain(1, 0)
            data = self.payload(self.plain(2, self.channel))
            sequence = self.plain(3, line)
            publish = self.plain(4, self.channel)
            self.frame += 1
            yield struct.pack("<BQHIQQ", MESSAGE, 22 + len(data), channel_id, sequence % 2**32,
                              time % 2**64, publish % 2**64) + data


def read_streams(packed):
    packed = Stream(packed)
    packed.number()
    how = packed.byte()
    data = packed.take(packed.number())
    directory = Stream(decompress(data) if how == 1 else data)
    rows = [divmod(directory.number(), 4) for _ in range(directory.number())]
    out = [None] * len(rows)

    def expand(indexes):
        size = sum(rows[i][0] for i in indexes)
        if size == 0:
            data = b""
        else:
            how = directory.byte()
            data = packed.take(directory.number())
            data = decompress(data) if how == 1 else data
        group = Stream(data)
        for i in indexes:
            out[i] = group.take(rows[i][0])

    for group in range(3):
        expand([i for i, row in enumerate(rows) if row[1] == group])
    for i, row in enumerate(rows):
        if row[1] == 3:
            expand([i])
    return out


def decimal(value, digits):
    text = str(abs(value)).rjust(digits + 1, "0")
    text = text[: len(text) - digits] + ("." + text[len(text) - digits :] if digits else "")
    return ("-" + text if value < 0 else text).encode()


def time_text(ticks, digits):
    seconds, fraction = divmod(ticks, 10**digits)
    text = (EPOCH + datetime.timedelta(seconds=seconds)).isoformat()
    return (text + (f".{fraction:0{digits}}" if digits else "") + "Z").encode()


def main():
    with open(sys.argv[1], "rb") as file:
        packed = file.read()
    with open(sys.argv[2], "wb") as file:
        for record in Unpacker(packed).records():
            file.write(record)


if __name__ == "__main__":
    main()
