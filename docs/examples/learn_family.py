#!/usr/bin/env python3
"""Propose the documents of an exchange and a family for traffic that no family describes:

    python3 learn_family.py --name mine ARCHIVE
    python3 learn_family.py --name mine --format jsonl frames.jsonl

The second form reads a capture in a format of tapedeck import. The script writes NAME.exchange.yaml
and NAME.yaml, imports the frames with both, and prints what tapedeck drift --rules finds. What the
frames do not show is left out, or named in a comment (docs/families.md). Standard library only.
"""
import argparse, json, os, re, subprocess, sys, tempfile
from collections import Counter
from types import SimpleNamespace

FRAMES_MAX, BYTES_MAX = 50_000, 256 << 20  # frames that are read; later ones are not
TOPICS_MAX, PATHS_MAX, WORDS_MAX, WORD_MAX, ELEMENTS_MAX, DEPTH_MAX = 64, 512, 256, 96, 64, 8
KEY_MAX = 12  # bytes of a top-level key in a document

# ---- words: guesses, which a user corrects ----
COINS = "BTC XBT ETH USD USDT USDC EUR GBP JPY KRW SOL PERP BNB XRP LTC BCH ADA DOGE".split()
COIN = re.compile("|".join(f"(?<![A-Za-z0-9]){coin}|{coin}$" for coin in COINS), re.I)
TOPIC_KEYS = {key: rank for rank, keys in (
    (9, "topic stream channel channelName"), (7, "ch table feed arg"), (5, "name subject e"),
    (3, "event type method op action")) for key in keys.split()}
ANSWERS = re.compile("subscribe|succe|pong|heartbeat|error", re.I)
LINKS = ("prev_seq", "first_seq") # numbers of a frame that link it with the one before
CLASSES = {"pong": "pong", "ping": "ping", "heartbeat": "ping", "error": "error", "subscri": "ack"}
KINDS = dict.fromkeys("snapshot partial full whole SNAPSHOT".split(), "snapshot") | dict.fromkeys(
    "delta update change incremental DELTA UPDATE".split(), "delta")
SIDES = dict.fromkeys("b bids bid bs buy buys Bids".split(), "buy") | dict.fromkeys(
    "a asks ask as sell sells Asks".split(), "sell")
SIDE_TYPES = dict.fromkeys("Buy Sell BUY SELL".split(), "side") | dict.fromkeys(
    "buy sell b s bid ask offer".split(), "lower_side")
ACTIONS = set("new change delete insert update add remove".split())
NUMBER = re.compile(r"(-?\d{1,19})(\.\d{1,18})?([eE][+-]?\d+)?")
TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
TIMES = {10: "time s", 13: "time ms", 16: "time us", 19: "time ns"}  # by digits

# Groups "@MESSAGES PLACE: MEMBER TYPE KEY...; ...", the most exact key first. The first row that
# fits key and values decides. The values replace the types time, side and symbol.
DICTIONARY = """
@any both: symbol symbol s symbol instId instrument_name product_id pair market sym instrument
@book_change/trade both: side side S side direction taker_side m s type 3
@book_change/trade entry: price decimal:price price_str p price px price_level 0 rate; size
decimal:quantity v q size qty sz amount_str amount quantity new_quantity volume vol 1 s
@book_change entry: updated_ns time 2 event_time time ts; id text id; level_action text action
level_action
@trade entry: trade_id text a i id trade_id tradeId t tid execId; seq integer trade_seq seq;
exchange_ns time microtimestamp T time ts timestamp trade_time_ms 2; sent_ns time E timestamp
@trade both: buyer_order_id text buy_order_id; seller_order_id text sell_order_id
@ticker entry: last_price decimal:price last lastPrice last_price price lastPx; last_size
decimal:quantity lastSz lastSize last_size; bid1_price decimal:price b bid bidPx bidPrice bid1Price
best_bid best_bid_price; bid1_size decimal:quantity B bidSz bidQty bid1Size best_bid_quantity
best_bid_amount; ask1_price decimal:price a ask askPx askPrice ask1Price best_ask best_ask_price;
ask1_size decimal:quantity A askSz askQty ask1Size best_ask_quantity best_ask_amount; mark_price
decimal:price markPrice mark_price p; index_price decimal:price indexPrice index_price i;
funding_rate decimal:rate fundingRate funding_rate r; next_funding_ns time nextFundingTime
next_funding_time; open_interest decimal:quantity openInterest open_interest
@kline entry: start_ns time start t open_time; end_ns time end T close_time; open decimal:price o
open; close decimal:price c close; high decimal:price h high; low decimal:price l low; volume
decimal:quantity v volume vol; turnover decimal:money q turnover; interval text i interval;
trade_count integer n count; is_confirmed bool x confirm
@any both: prev_seq integer pu prevSeqId prev_change_id prev_seq prevUpdateId; u integer u
lastUpdateId final_update_id; first_seq integer U first_update_id; seq integer seq seqId change_id
sequence sequence_num seqNum
@any frame: checksum integer checksum c cs
@trade frame: sent_ns time ts E timestamp time microtimestamp
@any both: exchange_ns time microtimestamp ts E timestamp time; match_ns time cts T; sent_ns time
timestamp; event_type text e event type
@any frame: rpc_version text jsonrpc; rpc_method text method; channel_id integer channelID
channel_id
"""
MEANINGS = [(*head.split(), *row.split(maxsplit=2)) for head, rows in (
    group.split(": ", 1) for group in DICTIONARY.strip(" \n@").split("\n@"))
    for row in rows.split(";")]

def is_symbol(text):
    return bool(re.fullmatch("[A-Za-z0-9_/:-]{5,40}", text) and COIN.search(text)
                and len(re.findall("[A-Za-z]", text)) > 2)
def is_word(text):  # that a document can have without quotes
    return re.fullmatch("[A-Za-z0-9/][A-Za-z0-9_.:/@-]*", text) is not None

# ---- values and paths: "data.b[].0" is the first element of each list in the list data.b ----
class Number(str):
    """A number as it is written."""
def kind_of(value):
    return ("number" if isinstance(value, Number) else "text" if isinstance(value, str) else
            "bool" if isinstance(value, bool) else "container" if value is not None else "null")
def at_path(value, path):
    """The value at a path; a list on it counts as its first element."""
    for key in path.split("."):
        while isinstance(value, list):
            value = value[0] if value else None
        value = value.get(key) if isinstance(value, dict) else None
    return value
def number_at(value, path):
    text = at_path(value, path)
    return int(text) if isinstance(text, str) and re.fullmatch(r"-?\d{1,19}", text) else None
def last_key(path): return path.rpartition(".")[2]
def list_of(path): return path[:path.rfind("[]") + 2] if "[]" in path else ""
def is_top(path): return "." not in path and "[" not in path
def plain(path): return path.replace("[]", "") or "."  # as documents have it
def is_below(path, prefix):
    return path.startswith(prefix) and (prefix == "" or path[len(prefix):][:1] in (".", "["))
def key_below(path, prefix):  # None: the path is elsewhere, or deeper
    key = path[len(prefix) + (prefix != ""):] if is_below(path, prefix) else ""
    return key if key and is_top(key) else None

class Stat:
    """What the values at a path are."""
    def __init__(self, path):
        self.path, self.words, self.digits, self.last_frame = path, {}, set(), 0
        self.count, self.frames = Counter(), 0
    def note(self, value, frame):
        kind = kind_of(value)
        self.count.update(("all", kind))
        self.frames += self.last_frame != frame
        self.last_frame = frame
        if kind == "text" and len(self.words) < WORDS_MAX and len(value) <= WORD_MAX:
            self.words[value] = True
        self.count["more words"] += kind == "text" and value not in self.words
        number = kind in ("number", "text") and NUMBER.fullmatch(value)
        if number:
            self.count["decimal" if number[2] else "whole"] += 1
            self.count["zero"] += not re.search("[1-9]", number[1] + (number[2] or ""))
            self.digits.add(len(number[1]))
        self.count["time"] += kind == "text" and TIME.fullmatch(value) is not None
    def all_are(self, kind): return self.count[kind] == self.count["all"]
    def are_integers(self): return self.all_are("number") and not self.count["decimal"]
    def are_numbers(self):
        return (self.count["whole"] + self.count["decimal"]) * 10 >= self.count["all"] * 9
    def has_symbols(self):
        return bool(self.words) and sum(map(is_symbol, self.words)) * 10 >= len(self.words) * 8
    def has_texts(self, words):
        return (bool(self.words) and not self.count["more words"] and self.all_are("text")
                and all(word in words for word in self.words))
    def type_for(self, kind):
        """The type in a row of DICTIONARY for these values; None: they are of another type."""
        if kind == "time" and self.count["time"]:
            return "time rfc3339" if self.count["time"] * 10 >= self.count["all"] * 9 else None
        if kind == "time":
            return TIMES.get(*self.digits) if self.are_numbers() and len(self.digits) == 1 else None
        if kind == "side" and self.all_are("bool"):
            return "is_sell" if last_key(self.path) == "m" else "is_buy"
        if kind == "side" and self.are_integers() and self.digits == {1} and self.count["zero"]:
            return "is_sell"  # a digit, as Bitstamp's type: 0 is a Buy
        if kind == "side":
            return SIDE_TYPES[list(self.words)[-1]] if self.has_texts(SIDE_TYPES) else None
        fits = (self.has_symbols() if kind == "symbol" else self.all_are("bool") if kind == "bool"
                else self.all_are("text") or self.are_integers() if kind == "text"
                else self.are_numbers() and not (kind == "integer" and self.count["decimal"]))
        return kind.replace("symbol", "text").replace(":", " ") if fits else None
    def plain_type(self):
        number = "decimal" if self.count["decimal"] or self.count["text"] else "integer"
        return ("json" if self.count["container"] else "bool" if self.count["bool"] else number
                if self.are_numbers() else "text")
def field_of(stat, key, message, place):
    """The meaning of a path's values. Of two keys with one meaning, the lower rank has it."""
    for of, where, member, kind, keys in MEANINGS:
        fits = of == "any" or message in of.split("/")
        if fits and where in (place, "both") and key in keys.split() and stat.type_for(kind):
            return SimpleNamespace(stat=stat, member=member, type=stat.type_for(kind),
                                   rank=keys.split().index(key))
    return SimpleNamespace(stat=stat, member=None, type=stat.plain_type(), rank=0)

class Paths:
    """Statistics of the values in frames, by path."""
    def __init__(self):
        self.at, self.frames = {}, 0
    def add(self, frame):
        self.frames += 1
        self.add_value("", frame, 0)
    def add_value(self, path, value, depth):
        if path and (path in self.at or len(self.at) < PATHS_MAX):
            self.at.setdefault(path, Stat(path)).note(value, self.frames)
        inner = []
        if isinstance(value, dict):
            inner = [(f"{path}.{key}" if path else key, element) for key, element in value.items()]
        elif isinstance(value, list) and value and kind_of(value[0]) == "container":
            for element in value[:ELEMENTS_MAX]:
                inner += [(f"{path}[].{i}", part) for i, part in enumerate(element)] if isinstance(
                    element, list) else [(f"{path}[]", element)]
        for key, element in inner if depth < DEPTH_MAX else ():
            self.add_value(key, element, depth + 1)

# ---- topics and symbols in the frames ----
class Place:
    """Where topic and symbol are: symbol is None (not in the topic), last, first or inside."""
    def __init__(self, frames):
        scores = {stat.path: self.score(stat, frames.frames) for stat in frames.at.values()}
        self.path = max(scores, default=None, key=scores.get)
        if not scores or scores[self.path] <= 0:
            raise ValueError("no member of the frames looks like a topic (a frame that is a list "
                             "must be of the form [NUMBER, DATA..., TOPIC, SYMBOL])")
        self.find_data(frames)
        self.find_symbol(list(frames.at[self.path].words))
    @staticmethod
    def score(stat, frames):
        """How likely the texts of a path are topics; 0: they are not."""
        rank = TOPIC_KEYS.get(last_key(stat.path), 1)
        if (list_of(stat.path) or not stat.all_are("text") or not stat.words
                or stat.frames < frames // 4
                or rank < 7 and (stat.has_symbols() or stat.count["more words"])):
            return 0
        return (stat.frames * 10 // frames + 3 * rank + 4 * (len(stat.words) > 1)
                - 2 * stat.path.count("."))
    def find_data(self, frames):
        """Find the key that tells data frames from others: the key with the most paths in it, or,
        if fewer frames have it, the most frequent one."""
        top = [s for s in frames.at.values() if is_top(s.path) and len(s.path) <= KEY_MAX]
        data = max((s for s in top if s.count["container"] and s.frames >= frames.frames // 4),
                   default=None, key=lambda s: sum(is_below(path, s.path) for path in frames.at))
        usual = max((s for s in top if s.path != self.path), default=None, key=lambda s: s.frames)
        self.is_flat = usual is not None and (not data or data.frames * 10 < usual.frames * 8)
        self.data = usual.path if self.is_flat else data.path if data else "data"
    def find_symbol(self, topics):
        most, best = 0, (None, "")
        for self.joint in ".@:/_-":
            for self.symbol in ("last", "first", "inside"):
                count = sum(self.split(topic) is not None for topic in topics)
                if self.symbol == "inside" and self.joint in "_-":
                    continue  # symbols have these, too: BTC_JPY
                if count > most and count * 10 >= len(topics) * 6:
                    most, best = count, (self.symbol, self.joint)
        self.symbol, self.joint = best
        parts = filter(None, map(self.split, topics if self.symbol else ()))
        self.is_lower = any(re.search("[a-z]", symbol) for _, _, symbol in parts)
    def split(self, topic):
        """Name, rest and symbol of a topic; None: it has no symbol at the place."""
        first, last = topic.find(self.joint), topic.rfind(self.joint)
        parts = {"last": (topic[:last], "", topic[last + 1:]),
                 "first": (topic[first + 1:], "", topic[:first]),
                 "inside": (topic[:first], topic[last + 1:], topic[first + 1:last])}[self.symbol]
        return parts if first >= 0 and is_symbol(parts[2]) else None
    def topic_of(self, frame):
        """Name, rest and symbol of a data frame; None: it is another frame."""
        text = at_path(frame, self.path)
        if (kind_of(text) != "text" or not text or self.data not in frame
                or not (self.is_flat or kind_of(frame[self.data]) == "container")
                or any(kind_of(value) == "text" and len(value) <= WORD_MAX and ANSWERS.search(value)
                       for value in frame.values())):
            return None
        return self.split(text) if self.symbol else (text, "", "")

# ---- one topic ----
class Topic:
    """What the frames of a topic probably are: message, entries, fields, and rules."""
    def __init__(self, name, rest, place):
        self.name, self.rest, self.place, self.paths = name, rest, place, Paths()
        self.symbol_path = self.kind_path = self.snapshot_path = None
        self.entry, self.frame, self.numbers, self.rows = [], [], [], {}
    def decide(self):
        """Decide from the paths of all the topic's frames."""
        if self.place.symbol is None:
            self.symbol_path = self.find(lambda s: s.frames == self.paths.frames
                                         and s.all_are("text") and s.has_symbols())
        self.find_entries()
        self.kind_path = self.find(lambda s: len(s.words) <= 3 and s.has_texts(KINDS)
                                   and "[]" not in last_key(s.path))
        # A list of levels that few frames have, while the others have another, is in snapshots.
        if self.kind_path is None and len(self.lists) > 2:
            self.snapshot_path = next((of.stat.path for of in self.lists if of.is_rare), None)
        for stat in self.paths.at.values():
            self.add_field(stat)
        has_symbol = self.place.symbol is not None or self.symbol_path is not None
        self.pattern = ".".join(filter(None, (self.name, "{symbol}" * has_symbol, self.rest)))
        self.is_usable = (has_symbol and is_word(self.name + self.rest) and len(self.pattern) < 60
                          and has_member(self.entry))
    def find(self, fits):
        return next((stat.path for stat in self.paths.at.values()
                     if stat.path != self.place.path and fits(stat)), None)
    def key_of(self, holder, path):
        """The key by which the dictionary knows an entry's field; None: it is no field there. Lists
        that begin with an action or a side have the usual positions after it."""
        key, first = key_below(path, holder), self.paths.at.get(f"{holder}.0")
        if first is not None and key in ("0", "1", "2", "3", "4"):
            word = ("action" if first.has_texts(ACTIONS) else
                    "side" if first.has_texts(SIDE_TYPES) else None)
            return key if word is None else word if key == "0" else str(int(key) - 1)
        return key
    def members(self, holder, message):
        return {field_of(stat, key, message, "entry").member for stat in self.paths.at.values()
                if (key := self.key_of(holder, stat.path))}
    def list_at(self, path, side):
        of = self.paths.at.get(path.removesuffix("[]"))
        frames = self.paths.frames if of is None else of.frames
        return SimpleNamespace(
            path=path, side=side, stat=of, is_rare=frames * 4 < self.paths.frames,
            is_optional=frames < self.paths.frames, is_positional=f"{path}.0" in self.paths.at)
    def find_entries(self):
        scalars = [stat for stat in self.paths.at.values() if not stat.all_are("container")]
        holders = list(dict.fromkeys(stat.path.rpartition(".")[0] for stat in scalars))
        named = [(path, SIDES.get(last_key(path).removesuffix("[]"))) for path in holders]
        self.lists = [self.list_at(path, side) for path, side in named if side and path.endswith(
            "[]") and "price" in self.members(path, "book_change")][:6]
        self.message = "book_change"
        if {of.side for of in self.lists} != {"buy", "sell"}:
            # Entries are where most fields are; in a list, and inside of the data, if possible.
            holder = max(holders, default="", key=lambda path: (
                is_below(path, self.place.data), path.endswith("[]"),
                sum(key_below(stat.path, path) is not None for stat in scalars)))
            self.message, self.lists = self.message_of(holder), [self.list_at(holder, None)]
    def message_of(self, holder):
        for names, message, members in (
                ("book|depth|level2|l2|mbp", "book_change", "price size side"),
                ("kline|candle|ohlc", "kline", "open close"), ("ticker|quote|bbo", "ticker", ""),
                ("", "trade", "price size side"), ("", "ticker", "bid1_price ask1_price")):
            if (re.search(names, self.name, re.I)
                    and set(members.split()) <= self.members(holder, message)):
                return message
        return "notice"
    def add_field(self, stat):
        """Add a path to the fields of entries, or of the frame; not topic, kind and symbol."""
        path, around = stat.path, list_of(stat.path)
        if path in (self.place.path, self.kind_path) or path == self.symbol_path and not around:
            return
        keys = [(self.key_of(of.path, path), of) for of in self.lists]
        key, of = next(((key, of) for key, of in keys if key), (None, None))
        if key is not None and (of is self.lists[0] or of.side):
            self.add(self.entry, field_of(stat, key, self.message, "entry"), last_key(path))
        # A list around the entries, which has one element, is as good as an object.
        elif (path != self.symbol_path and not stat.count["container"]
              and not any(of.path == "" or is_below(path, of.path) for of in self.lists)
              and (not around or stat.count["all"] == stat.frames
                   and self.lists[0].path.startswith(around))):
            field = field_of(stat, last_key(path), self.message, "frame")
            if field.member in LINKS + ("seq", "u") and not around and len(self.numbers) < 4:
                self.numbers.append(field)
            self.add(self.frame, field, path)
    def add(self, fields, field, key):
        field.key = plain(key)
        if not is_word(field.key) or any(known.key == field.key for known in fields):
            return
        for other in fields:
            if field.member and other.member == field.member:
                worse = field if other.rank <= field.rank else other
                worse.member, worse.type = None, worse.stat.plain_type()
        fields.append(field)
def has_member(fields, *members):
    """True if a field has one of the members; without any: if the meaning of one is known."""
    return any(field.member in members if members else field.member for field in fields)

# ---- the capture ----
class Capture:
    """All frames, and what was learned of them."""
    def __init__(self, frames):
        self.all, self.others, self.topics = Paths(), Paths(), {}
        received = [frame for frame in frames if frame.dir == "in"]
        self.is_list = 2 * sum(frame.text.startswith("[") for frame in received) > len(received)
        for _, value in self.each(received):
            self.all.add(value)
        self.place, heads = Place(self.all), []
        for frame, value in self.each(received):
            self.add_to_topic(frame, value, heads)
        for topic in self.topics.values():
            topic.decide()
        self.left_out = [topic for topic in self.topics.values() if not topic.is_usable]
        self.topics = {key: topic for key, topic in self.topics.items() if topic.is_usable}
        if not self.topics:
            raise ValueError("no topic with a known field was found")
        for _, value in self.each(received):
            self.compare(value)
        head = re.match('[^\'\n]*"', heads[0])
        self.begins = "[" if self.is_list else head[0] if head else '{"'
        self.requests = [f.text for f in frames if f.dir == "out" and "subscribe" in f.text][:1]
    def each(self, frames):
        """Frames that are objects, or lists [NUMBER, DATA..., TOPIC, SYMBOL], as objects."""
        for frame in frames:
            try:
                value = json.loads(frame.text, parse_int=Number, parse_float=Number)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, list) and len(value) > 3:
                data = value[1] if len(value) == 4 and isinstance(value[1], list) else value[1:-2]
                value = {"id": value[0], "data": data, "name": value[-2], "symbol": value[-1]}
            if isinstance(value, dict):
                yield frame, value
    def add_to_topic(self, frame, value, heads):
        parts = self.place.topic_of(value)
        if parts is None or parts[:2] not in self.topics and len(self.topics) == TOPICS_MAX:
            self.others.add(value)
            return
        self.topics.setdefault(parts[:2], Topic(*parts[:2], self.place)).paths.add(value)
        heads += [] if heads else [frame.text.partition(at_path(value, self.place.path))[0][:63]]
        heads[0] = os.path.commonprefix([heads[0], frame.text])
    def compare(self, value):
        """Keep the numbers of a frame with the numbers of its symbol's earlier frames."""
        parts = self.place.topic_of(value)
        topic = self.topics.get(parts[:2]) if parts else None
        if topic is not None:
            symbol = at_path(value, plain(topic.symbol_path)) if topic.symbol_path else parts[2]
            rows = topic.rows.setdefault(str(symbol), [])
            now = [number_at(value, number.stat.path) for number in topic.numbers]
            rows.append([rows[-1][i] if n is None and rows else n for i, n in enumerate(now)])

# ---- the documents: lines, each with its condition ----
HEAD = "# Proposed by learn_family.py from a capture: read it before you use it."
def kind_words(capture, kind):
    words = [word for topic in capture.topics.values() if topic.kind_path
             for word in topic.paths.at[topic.kind_path].words if KINDS[word] == kind]
    return f"  {kind}: [{', '.join(dict.fromkeys(words or [kind]))}]"
def control_rules(stat):
    if not is_top(stat.path) or len(stat.path) > KEY_MAX or not is_word(stat.path):
        return []
    classes = ((word, next((name for part, name in CLASSES.items() if part in word.lower()), None))
               for word in stat.words if is_word(word))
    return [f"    - {stat.path} {word} {name}" for word, name in classes if name]
def exchange_lines(capture, name):
    place, others = capture.place, capture.others.at
    first, before = place.path.partition(".")[0], place.path.rpartition(".")[0]
    is_shared = first in others and bool(control_rules(others[first]))
    symbol = next((t.symbol_path for t in capture.topics.values() if t.symbol_path), "")
    is_object = bool(symbol and before and symbol.rpartition(".")[0] == before)
    has_parts = bool(symbol and not is_object)
    rules = [rule for stat in others.values() for rule in control_rules(stat)][:20]
    rules += [f"    - {path} * ack" for path in ("result", "success")
              if path in others and path != place.data]
    spelled = "{lower_symbol}" if place.is_lower else "{symbol}"
    args = '"channel":$name,"symbols":$symbol_list' if has_parts else '"args":$topics'
    return [
        HEAD, f"exchange: {name}\nfamilies:\n  - {name}",
        "connects: 300 per 300 s # not known from a capture\nkinds:",
        kind_words(capture, "snapshot"), kind_words(capture, "delta"), "frames:",
        capture.is_list and "  list: [id, data*, name, symbol]",
        f"  topic: {place.path}\n  data: {place.data}", is_shared and f"  shared: {first}",
        f"  begins: '{capture.begins}'\ncontrol:\n  rules:",
        *(rules or ["    - op pong pong # the capture has no control frame"]),
        is_object and f"topic_keys: [{last_key(place.path)}, {last_key(symbol)}]",
        has_parts and f"parts:\n  name: {plain(place.path)}\n  symbols: [{last_key(symbol)}]",
        "answers: {ids: [id, req_id, reqid], reasons: [msg, message, error]}\ndialects:\n  public:",
        "    ping_s: 20 # not known from a capture",
        (has_parts or is_shared) and "    properties: " + "parts symbol_lists " * has_parts
        + "echoes_topics" * is_shared,
        place.symbol == "last" and place.joint + spelled != ".{symbol}" and
        f'    spelling: "{{name}}{place.joint}{spelled}"',
        place.symbol == "first" and f'    spelling: "{spelled}{place.joint}{{name}}"',
        *(f"    # A request of the capture: {' '.join(text.split())}" for text in capture.requests),
        "    # This request is a guess.",
        f"    ask:\n      topics: '{{\"op\":$op,{args}}}'",
        "      ping: '{\"op\":\"ping\"}' # not known",
        "    requests:\n      - op ping ping\n      - op subscribe subscribe",
        "      - op unsubscribe unsubscribe\n    ids: [id, req_id, reqid]",
        not has_parts and "    lists: [args]",
        "    # What serve answers; not needed for record.\n    replies:",
        "      ping: '{\"op\":\"pong\"}'\n      any granted: '{\"success\":true}'",
        "      any: '{\"success\":false,\"msg\":$reason}'",
        "    refusals:\n      other: Invalid request"]
def field_line(topic, field):
    key, stat = field.key, field.stat
    if field.member is None:
        example = next((word for word in stat.words if len(word) < 40 and is_word(word)), None)
        return (f"    # - {key} MEANING {field.type} # not known"
                + (f", such as {example}" if example else ""))
    # Only of a number that each frame has, a rule proves that none is missing.
    is_required = (topic.message in ("book_change", "trade") and field.member in (
        "price", "size", "side", "level_action")) or (stat.frames == topic.paths.frames and any(
            number.stat is stat for number in topic.numbers))
    is_below = field.member == "first_seq" and field in topic.numbers and count_links(topic, field)
    return (f"    - {key} {'prev_seq' if is_below else field.member} {field.type}"
            + " below" * bool(is_below) + " required" * is_required)
def steps_of(topic, i):
    """The numbers of a symbol's frames in turn: those of the frame before, and the frame's own."""
    return [(before, now[i]) for rows in topic.rows.values() for before, now in zip(
        rows, rows[1:]) if before[i] is not None and now[i] is not None]
def count_links(topic, number):
    """How many frames the number links with the one before, if nearly all are: it is a number of
    that frame, or, as first_seq, the one after that."""
    i = topic.numbers.index(number)
    is_other = number.member == "first_seq" and has_member(topic.frame, "prev_seq")
    if number.member not in LINKS or is_other:
        return None
    steps, above = steps_of(topic, i), number.member == "first_seq"
    links = sum(now - above in before[:i] + before[i + 1:] for before, now in steps)
    is_link = len(steps) > 4 and links * 100 >= len(steps) * 95
    return f"{links} of {len(steps)} frames" if is_link else None
def number_rule(topic):
    """The rule about a number that the frames bear out, or None."""
    best = (0, 0, None)
    for i, number in enumerate(topic.numbers):
        links, steps = count_links(topic, number), steps_of(topic, i)
        if links:
            return f"      - prev_links prev_seq error # {links}"
        count = sum(now == before[i] + 1 for before, now in steps)
        if number.member not in LINKS and count > best[0]:
            best = count, len(steps), number.member
    count, steps, member = best
    is_dense = steps > 4 and count * 100 >= steps * 95
    return f"      - seq_dense {member} error # {count} of {steps} frames" if is_dense else None
def entry_line(topic, of):
    is_snapshot = topic.snapshot_path is not None and of.is_rare
    return "      - " + " ".join(filter(None, (
        plain(of.path), "none" if topic.message == "trade" else "set",
        "any" if topic.snapshot_path is None else "snapshot" if is_snapshot else "delta",
        of.is_positional and "positional", of.side,
        topic.message == "book_change" and "zero_deletes empty",
        of.is_optional and not is_snapshot and "optional")))
def topic_lines(capture, topic, number):
    is_book, is_trade = topic.message == "book_change", topic.message == "trade"
    kind, snapshot, fields = topic.kind_path, topic.snapshot_path, topic.entry + topic.frame
    has_time = has_member(topic.entry if is_trade else fields, "exchange_ns")
    return [
        f'  - topic: "{topic.pattern}"\n    message: {topic.message}',
        f'    title: "{topic.name}, {topic.paths.frames} frames"',
        topic.symbol_path and f"    symbol: {plain(topic.symbol_path)}",
        capture.place.path != "topic" and f"    topic_key: {capture.place.path}",
        kind and kind != "type" and f"    kind_key: {plain(kind)}",
        not kind and "type" in topic.paths.at and "    kind_key: none # type tells no kind",
        snapshot and f"    snapshot_has: {plain(snapshot)}",
        is_book and not kind and "    kind: delta" + (
            "" if snapshot else " # no frame looks like a snapshot: a request: may be needed"),
        has_member(topic.frame, "seq", "u") and "    sequence: envelope",
        has_member(fields, "exchange_ns") and "    time: exchange_ns",
        has_member(topic.frame) and f"    envelope: frame_{number}",
        f"    fields: entry_{number}\n    entries:",
        *(entry_line(topic, of) for of in topic.lists),
        is_book and has_member(topic.frame, "checksum") and
        "    # checksum: {levels: 25, order: alternating} # if it is such a CRC-32, with the rule: "
        "checksum checksum error",
        "    rules:", number_rule(topic),
        is_book and (kind or snapshot) and "      - anchored error",
        is_book and "      - not_crossed error\n      - delete_exists statistic",
        has_member(topic.entry, "symbol") and "      - symbol_matches error",
        is_trade and has_member(topic.entry, "trade_id") and "      - id_unique trade_id error",
        not is_book and "      - " + ("frame_unique statistic" if not has_time else
                                      "entry_time_weak exchange_ns warning" if is_trade else
                                      "time_weak warning")]
def family_lines(capture, name, address):
    lines, topics = [
        HEAD,
        "# Lines of fields that begin with # need a meaning (docs/topics.md has all of them).",
        f"family: {name}\nexchange: {name}\ndialect: public\naddresses:",
        f"  - main public {address or 'wss://HOST/PATH'}\nsets:"], capture.topics.values()
    for i, topic in enumerate(topics, 1):
        for what, fields in (("frame", topic.frame), ("entry", topic.entry)):
            if has_member(fields):
                lines += [f"  {what}_{i}:", *(field_line(topic, field) for field in fields)]
    lines += ["# Left out, because it has no symbol or no field is known: "
              f"{topic.name}, {topic.paths.frames} frames" for topic in capture.left_out]
    return lines + ["topics:"] + [line for i, topic in enumerate(topics, 1)
                                  for line in topic_lines(capture, topic, i)]

# ---- the programs ----
def run(options, *words):
    """What tapedeck prints; its messages are for the user."""
    done = subprocess.run([options.tapedeck, *words], stdout=subprocess.PIPE, check=False)
    if done.returncode > 1:
        sys.exit(4)
    return done.stdout.decode("utf-8", "replace")
def import_frames(options, archive, documents, form, files):
    families = [word for document in documents for word in ("--families", document)]
    run(options, "import", "-a", archive, *families, "--family", options.name, "--format", form,
        "--json", *files)
def read_frames(options, archive, kept):
    """The frames of an archive, whose lines are written to the file kept, and their address."""
    frames, address, size = [], None, 0
    with subprocess.Popen([options.tapedeck, "cat", "--json", "--events", archive],
                          stdout=subprocess.PIPE) as cat:
        for text in cat.stdout:
            line = json.loads(text)
            size += len(text)
            if line["dir"] == "event" and address is None:
                url = json.loads(line["data"]).get("url", "").partition("?")[0]
                address = url if url.startswith("ws") and is_word(url) else None
            elif (line["dir"] in ("in", "out") and line.get("data") and size < BYTES_MAX
                  and len(frames) < FRAMES_MAX):
                frames.append(SimpleNamespace(text=line["data"], dir=line["dir"]))
                kept.write(text)
    if cat.returncode not in (0, 3):
        sys.exit(4)
    return frames, address
def learn(parser, options, folder):
    archive, lines, raw, tried = (os.path.join(folder, name) for name in (
        "raw", "lines", f"{options.name}.yaml", "tried"))
    paths = [os.path.join(options.out, options.name + end) for end in (".exchange.yaml", ".yaml")]
    for path in filter(os.path.exists, paths):
        parser.error(f"{path} exists")
    with open(raw, "w", encoding="utf-8") as file:
        file.write(f"family: {options.name}\nraw: [/topic]\naddresses: [main public wss://HOST/]\n")
    run(options, "topics", "--families", raw)  # refuses the name of a known family
    os.makedirs(options.out, exist_ok=True)
    if os.path.isdir(options.paths[0]) or options.paths[0].endswith(".mcap"):
        archive = options.paths[0]
    else:
        import_frames(options, archive, [raw], options.format, options.paths)
    with open(lines, "wb") as kept:
        frames, address = read_frames(options, archive, kept)
    capture = Capture(frames)
    for path, text in zip(paths, (exchange_lines(capture, options.name),
                                  family_lines(capture, options.name, address))):
        with open(path, "x", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in text if line))
    import_frames(options, tried, paths, "jsonl", [lines])
    print(run(options, "drift", tried, "--rules", *["--json"] * options.json), end="")
    if not options.json:
        print(f"Read and complete {paths[0]} and {paths[1]}.")
def main():
    parser = argparse.ArgumentParser(description="Propose documents for undescribed traffic.")
    parser.add_argument("--name", required=True, help="name of exchange and family: a-z, 0-9, -")
    parser.add_argument("--out", default=".", help="folder of documents, made if new (default: .)")
    parser.add_argument("--format", choices=["cryptofeed", "jsonl"], default="cryptofeed",
                        help="format of a capture, as of tapedeck import (default: cryptofeed)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--tapedeck", default="tapedeck", help="the program (default: tapedeck)")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="an archive, or a capture's files")
    options = parser.parse_args()
    if not re.fullmatch("[a-z][a-z0-9-]*", options.name):
        parser.error(f"--name: '{options.name}' is not a-z, 0-9 and -, beginning with a letter")
    try:
        with tempfile.TemporaryDirectory() as folder:
            learn(parser, options, folder)
    except (OSError, ValueError) as error:
        print(f"learn_family.py: {error}", file=sys.stderr)
        sys.exit(4)

if __name__ == "__main__":
    main()
