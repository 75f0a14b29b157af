/* Documents of families: each mistake names its line and what is wrong there. The documents of the
 * programs are compared with golden frames by other tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/family.h"
#include "schema/family_file.h"
#include "schema/exchange_file.h"
#include "schema/family_texts.h"
#include "tests/testing/bybit_dialects.h"
#include "tests/testing/changed_document.h"

/* A sound document, a line each. */
static const char *const LINES[] = {
    "family: made",                                              /* 1 */
    "dialect: v5",                                               /* 2 */
    "use: [used]",                                               /* 3 */
    "addresses:",                                                /* 4 */
    "  - main public wss://a.example/p",                         /* 5 */
    "datasets:",                                                 /* 6 */
    "  kind: contracts",                                         /* 7 */
    "instrument_coins: [BTC, ETH]",                              /* 8 */
    "sets:",                                                     /* 9 */
    "  level:",                                                  /* 10 */
    "    - 0 price decimal price required",                      /* 11 */
    "    - 1 size decimal quantity e4 required_to_set",          /* 12 */
    "topics:",                                                   /* 13 */
    "  - use: shared",                                           /* 14 */
    "  - topic: \"book.{symbol}\"",                              /* 15 */
    "    message: book_change",                                  /* 16 */
    "    title: Books",                                          /* 17 */
    "    depth: 7",                                              /* 18 */
    "    sequence: envelope",                                    /* 19 */
    "    time: exchange_ns",                                     /* 20 */
    "    fields: level",                                         /* 21 */
    "    entries: [data.b set any positional buy zero_deletes]", /* 22 */
    "    rules: [seq_dense u error]",                            /* 23 */
    "    kind: snapshot",                                        /* 24 */
    "    events: true",                                          /* 25 */
    "    envelope: head",                                        /* 26 */
    "exchange: bybit",                                           /* 27 */
};

enum { LINE_COUNT = sizeof LINES / sizeof LINES[0] };

static const char USED[] = "sets:\n"
                           "  head:\n"
                           "    - data.u u integer\n"
                           "    - ts exchange_ns time ms\n"
                           "    - data.cs checksum integer\n"
                           "  trade:\n"
                           "    - p price decimal price required\n"
                           "    - v size decimal quantity required\n"
                           "    - S side any_side required\n"
                           "  around:\n"
                           "    - p price decimal price required\n"
                           "    - v size decimal quantity required\n"
                           "    - S side any_side required\n"
                           "    - s symbol text inherited\n"
                           "  numbered:\n"
                           "    - p price decimal price required\n"
                           "    - v size decimal quantity required\n"
                           "    - S side side required\n"
                           "    - u u integer required\n"
                           "    - q seq integer required\n"
                           "    - i trade_id text required\n"
                           "  best:\n"
                           "    - px last_price decimal price\n"
                           "  plain:\n"
                           "    - 0 price decimal price required\n"
                           "    - 1 size decimal quantity required_to_set\n"
                           "  before:\n"
                           "    - data.pu prev_seq integer\n"
                           "  chain:\n"
                           "    - data.u u integer required\n"
                           "    - data.pu prev_seq integer\n"
                           "  last:\n"
                           "    - lastUpdateId u integer required\n"
                           "  in_twice:\n"
                           "    - a.b symbol text\n"
                           "    - a tag text\n"
                           "  in_deep:\n"
                           "    - a.b.c symbol text\n"
                           "  in_none:\n"
                           "    - .b symbol text\n"
                           "  in_outer:\n"
                           "    - a.b symbol text inherited\n"
                           "  in_time:\n"
                           "    - a.b exec_ns time ms\n"
                           "  in_path:\n"
                           "    - f.b symbol text\n"
                           "  in_many:\n"
                           "    - a.b symbol text\n"
                           "    - b.b tag text\n"
                           "    - c.b misc text\n"
                           "    - d.b order_id text\n"
                           "    - e.b exec_id text\n"
                           "  in_trade:\n"
                           "    - p price decimal price required\n"
                           "    - v size decimal quantity required\n"
                           "    - a.S side side required\n"
                           "topics:\n"
                           "  shared:\n"
                           "    topic: \"best.{symbol}\"\n"
                           "    message: ticker\n"
                           "    title: Best\n"
                           "    fields: best\n"
                           "    entries: [. set any]\n";

/* What the document is with another line in place of one; and what the error must have. */
typedef struct mistake {
    size_t line;
    const char *text;
    const char *words;
    const char *hint;
} mistake;

/* The last line, and a topic after it, which begins at line 27. */
/* 64 bytes. */
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DEEP(envelope, rules)                                                                      \
    "    envelope: head\n  - topic: \"deep.{symbol}\"\n    message: book_change\n"                 \
    "    title: B\n    fields: plain\n    entries: [b set any positional buy]\n"                   \
    "    envelope: " envelope "\n    rules: [" rules "]"
#define FETCHED(envelope)                                                                          \
    "\n    request: /depth?s={symbol}\n    snapshot:\n      envelope: " envelope "\n"              \
    "      entries: [bids set any positional buy]"

#define NUMBERED(message, rules)                                                                   \
    "    envelope: head\n  - topic: \"n.{symbol}\"\n    message: " message "\n    title: N\n"      \
    "    fields: numbered\n    entries: [d set any]\n    rules: [" rules "]"

#define INNER(fields)                                                                              \
    "    envelope: head\n  - topic: in\n    message: order\n    title: I\n    time: exec_ns\n"     \
    "    fields: " fields "\n    entries: [e none any, e.f none any optional]"

#define CHECKSUM(keys) "\n    checksum: {" keys "}"
#define ENDS(pattern)                                                                              \
    "  - topic: \"" pattern "\"\n    message: ticker\n    title: B\n    fields: best\n"            \
    "    entries: [. set any]"

static const mistake MISTAKES[] = {
    {8, "http_answers: {POST: \"{}\"}", "a request over HTTP is \"METHOD /path\", not 'POST'", ""},
    {8, "http_answers: {GET /a: \"{}\"}", "recorded replies answer GET, not documents: 'GET /a'",
     ""},
    {26,
     "    envelope: head\n  - topic: \"o.{symbol}\"\n    message: book_orders\n"
     "    title: O\n    fields: level\n    entries: [data.b none any positional buy]",
     "order_id and updated_ns are required in each entry, and event_type in", ""},
    {23, "    rules: [conn_dense u error]",
     "made.yaml:15: conn_dense compares seq, which is at the key that", ""},
    {11, "    - 0 price decimal price required per_connection",
     "made.yaml:15: per_connection is for a time at the top of frames", ""},
    {23, "    rules: [conn_dense error]", "made.yaml:15: no field has what is compared", ""},
    {24, "    frame_topic: b", "made.yaml:15: frame_topic: is for topics whose symbol has a path",
     ""},
    {1, "familie: made", "made.yaml:1: a family has no key 'familie'", "did you mean 'family'"},
    {1, "family: [", "made.yaml:3: did not find", ""},
    {1, "# none", "a family needs family and dialect", ""},
    {27, "exchange: bibit", "there is no exchange", ""},
    {27, "raw: [/t]", "made.yaml:2: a family with raw has no key 'dialect'", ""},
    {2, "raw: [/t]", "made.yaml:27: a family with raw has no key 'exchange'", ""},
    {27, "# none", "made.yaml:1: a family needs exchange", ""},
    {2, "dialect: v6", "made.yaml:2: the exchange has no dialect 'v6'", "did you mean"},
    {2, "dialect:", "made.yaml:2: the exchange has no dialect ''", ""},
    {3, "use: [other]", "there is no document 'other.yaml'", ""},
    {3, "use: used", "made.yaml:3: a list of documents is expected, not 'used'", ""},
    {27, "exchange: bybit\n---\nfamily: other",
     "made.yaml:29: one document is allowed, no second one after '---'", ""},
    {27, "exchange: bybit\n---\n[", "made.yaml:30: did not find", ""},
    {3, "use: [a, b, c, d, e]", "made.yaml:3: at most 4 documents", ""},
    {5, "  - prod public wss://a", "made.yaml:5: there is no net 'prod'", "allowed: main, test"},
    {5, "  - main open wss://a", "made.yaml:5: there is no access 'open'", "public, private"},
    {5, "  - wss://a.example/p", "made.yaml:5: an address is", ""},
    {7, "  kind: swaps", "made.yaml:7: there is no kind of market 'swaps'", "contracts, options"},
    {7, "  trades: book", "made.yaml:7: trades: names a topic of one symbol with the message trade",
     ""},
    {7, "  best_prices: book", "made.yaml:7: best_prices: names a topic of one symbol with", ""},
    {7, "  options_chain: book", "made.yaml:7: options_chain: names a topic of several symbols",
     ""},
    {7, "  tickers: [book]", "made.yaml:7: tickers: has names of topics of one symbol with", ""},
    {7, "  tickers: no", "made.yaml:7: a list of", ""},
    {7, "  name: x", "made.yaml:7: datasets has no key 'name'", "liquidations"},
    {8, "instrument_coins: []", "made.yaml:8: a list of texts is expected", ""},
    {10, "  level: 5\n  other:", "made.yaml:10: 1 to 128 fields are expected, not '5'", ""},
    {7, "  kind: contracts\n  kind: options", "made.yaml:8: a key is there twice: 'kind'", ""},
    {7, "  exchange: [a]", "made.yaml:7: a text is expected, not", ""},
    {7, "  exchange: ../a", "made.yaml:7: an exchange's name has letters, digits, '-'", ""},
    {7, "  exchange: a,b", "made.yaml:7: an exchange's name has letters, digits, '-'", ""},
    {7, "  exchange: " A64, "made.yaml:7: an exchange's name has letters, digits, '-'", ""},
    {8, "instrument_coins: [BTC, [ETH]]", "made.yaml:8: a text is expected, not", ""},
    {17, "    title: [Books]", "made.yaml:17: a text is expected, not", ""},
    {11, "    - 0 price", "made.yaml:11: a field is \"KEY MEANING TYPE\", not '0 price'", ""},
    {11, "    - 0 prize decimal", "made.yaml:11: there is no meaning 'prize'", "'price'"},
    {11, "    - 0 price decimall", "made.yaml:11: there is no type 'decimall'", "'decimal'"},
    {11, "    - 0 price decimal prise", "made.yaml:11: a field has no property 'prise'",
     "preferred"},
    {11, "    - 0 price decimal e0", "made.yaml:11: a field has no property 'e0'", "required"},
    {11, "    - 0 price decimal a b c d e f g h i j", "made.yaml:11: too many words", ""},
    {11, "    - [0, price]", "made.yaml:11: a text is expected", ""},
    {14, "  - use: shard", "made.yaml:14: no used document has a topic 'shard'", ""},
    {14, "  - use: shared\n    titel: Best",
     "made.yaml:14: no other key is allowed beside use: 'shared'", ""},
    {14, "  - orderbook", "made.yaml:14: a topic is a mapping, not 'orderbook'", ""},
    {15, "  - topics: \"book.{symbol}\"", "made.yaml:15: a topic has no key 'topics'", "'topic'"},
    {15, "  - topic: \"book.{symbol}\"\n    each: [a]",
     "made.yaml:15: each: is for topics with {each}, not for the topic 'book.{symbol}'", ""},
    {15, "  - topic: \"book.{each}.{symbol}\"\n    each: [a 2021-02-30]",
     "made.yaml:15: a date is YYYY-MM-DD, not '2021-02-30'", ""},
    {16, "    message: book", "made.yaml:16: there is no message type 'book'", "book_change"},
    {17, "    # none", "made.yaml:15: a topic needs topic, title and entries", ""},
    {18, "    depth: 7 levels", "made.yaml:18: a number is expected, not '7 levels'", ""},
    {18, "    depth: 99999999", "made.yaml:18: a number is expected, not '99999999'", ""},
    {19, "    sequence: frame", "made.yaml:19: there is no sequence 'frame'", "envelope, entry"},
    {20, "    time: ts", "made.yaml:20: there is no meaning 'ts'", ""},
    {21, "    fields: levels", "made.yaml:21: there is no set of fields 'levels'", "'level'"},
    {22, "    entries: [a.b.c.d.e.f set any positional buy, h set any positional sell]",
     "made.yaml:15: too many objects are around values and entries, with 'data'", ""},
    {22, "    entries: []", "made.yaml:22: 1 to 6 lists of entries", ""},
    {22, "    entries: [data.b set]", "made.yaml:22: entries are \"PATH ACTION KIND\"", ""},
    {22, "    entries: [data.b put any]", "made.yaml:22: there is no action 'put'", "insert"},
    {22, "    entries: [data.b set all]", "made.yaml:22: there is no kind 'all'", "snapshot"},
    {22, "    entries: [data.b set any bids]", "made.yaml:22: entries have no property 'bids'",
     "buy"},
    {22, "    # none", "made.yaml:15: a topic needs topic, title and entries", ""},
    {23, "    rules: [seq_dens u error]", "made.yaml:23: there is no rule 'seq_dens'",
     "'seq_dense'"},
    {23, "    rules: [seq_dense]", "made.yaml:23: a rule is", ""},
    {23, "    rules: [seq_dense u fatal]", "made.yaml:23: a rule has no strength 'fatal'",
     "warning"},
    {23, "    rules: [seq_dense uu error]", "made.yaml:23: there is no meaning 'uu'", ""},
    {24, "    kind: whole", "made.yaml:24: there is no kind 'whole'", "snapshot"},
    {25, "    events: yes", "made.yaml:25: only true is allowed, not 'yes'", ""},
    /* What the words alone do not show: the topic as a whole. */
    {11, "    - 0 price text price required", "15: the type does not fit the meaning: '0'", ""},
    {11, "    - 0 trade_id decimal", "made.yaml:15: the type does not fit the meaning: '0'", ""},
    {11, "    - 0 price decimal price", "15: price and size are required in each entry of", ""},
    {11, "    - p price decimal price required", "15: a field of positional entries has a number",
     ""},
    {11, "    - 1 price decimal price required", "made.yaml:15: a key is there twice: '1'", ""},
    {12, "    - 1 size decimal required\n    - 02 rpi_size decimal",
     "made.yaml:16: a field of positional entries has a number as its key, not '02'", ""},
    {26,
     DEEP("head", "") "\n  - topic: \"t.{symbol}\"\n    message: trade\n    title: T\n"
                      "    fields: around\n    entries: [data.t none any]",
     "made.yaml:34: levels, orders and trades have no inherited fields, in 't'", ""},
    {26, INNER("in_twice"), "made.yaml:27: an object has fields, and is one, at 'a.b'", ""},
    {26, INNER("in_deep"),
     "made.yaml:27: a field is in an entry, or in an object of it, KEY.KEY, not 'a.b.c'", ""},
    {26, INNER("in_none"),
     "made.yaml:27: a field is in an entry, or in an object of it, KEY.KEY, not '.b'", ""},
    {26, INNER("in_outer"), "made.yaml:27: an inherited field is not in an object: 'a.b'", ""},
    {26, INNER("in_time"), "made.yaml:27: the topic's time is not in an object of an entry: 'a.b'",
     ""},
    {26, INNER("in_path"),
     "made.yaml:27: an object in an entry has fields, and other values have it on their path: 'f'",
     ""},
    {26, INNER("in_many"), "made.yaml:27: more than 4 objects in an entry have fields, with 'e'",
     ""},
    {26,
     "    envelope: head\n  - topic: \"in.{symbol}\"\n    message: trade\n    title: I\n"
     "    fields: in_trade\n    entries: [e none any]",
     "made.yaml:27: levels, orders and trades have no fields in objects: 'a.S'", ""},
    {12, "    - 1 size decimal\n    - 2 exchange_ns time price",
     "made.yaml:16: a time has the unit s, ms, us, ns or rfc3339: '2'", ""},
    {12, "    - 1 size decimal required\n    - 2 u integer e4",
     "made.yaml:16: only a decimal has a scale: '2'", ""},
    {15, "  - topic: \"book.{kind}.{coin}.a\"",
     "made.yaml:15: text is after the symbol, so there is", ""},
    {15, "  - topic: \"book.{symbol}.{a}\"", "made.yaml:15: text is after the symbol, so there is",
     ""},
    {15, "  - topic: \"book.{a}.{symbol}.b\"",
     "made.yaml:15: text is after the symbol, so there is", ""},
    {15, "  - topic: \"book.{symbol}.a\"\n    symbol: data.s",
     "made.yaml:15: text is after a symbol that has a path, in the topic 'book.{symbol}.a'", ""},
    {26, DEEP("head", "") "\n" ENDS("deep.{symbol}.raw"),
     "made.yaml:34: a text can be both another topic and the topic 'deep.{symbol}.raw'", ""},
    {26, "    envelope: head\n" ENDS("deep.x.{symbol}.raw") "\n" ENDS("deep.{symbol}.y.raw"),
     "made.yaml:32: a text can be both another topic and the topic 'deep.{symbol}.y.raw'", ""},
    {26, "    envelope: head\n" ENDS("a.{symbol}.b.c") "\n" ENDS("a.b.{symbol}.c"),
     "made.yaml:32: another topic has the name of the topic 'a.b.{symbol}.c'", ""},
    {15, "  - topic: \"{symbol}.book\"", "made.yaml:15: a placeholder ends its part", ""},
    {15, "  - topic: \"book.a{symbol}\"", "made.yaml:15: a placeholder ends its part", ""},
    {15, "  - topic: \"book..{symbol}\"", "made.yaml:15: an empty part is in the topic", ""},
    {15, "  - topic: \"\"", "made.yaml:15: a topic has 1 to 63 bytes, not ''", ""},
    {16, "    message: raw", "made.yaml:15: frames of a topic have no such message or kind", ""},
    {16, "    message: trade", "made.yaml:15: price and size are required in each entry of", ""},
    {18, "    from: 2025-02-30", "made.yaml:15: a date is YYYY-MM-DD, not '2025-02-30'", ""},
    {18, "    from: 2025-01-01T00", "made.yaml:15: a date is YYYY-MM-DD, not '2025-01-01T00'", ""},
    {18, "    from: 2025-02-02\n    until: 2025-02-02", "15: a topic has no day until", ""},
    {18, "    seen: 2025", "made.yaml:15: a date is YYYY-MM-DD, not '2025'", ""},
    {18, "    from: 2025-02-02\n    seen: 2025-02-01",
     "15: a topic was not as described when seen on", ""},
    {18, "    until: 2025-02-02\n    seen: 2025-02-02",
     "15: a topic was not as described when seen on", ""},
    {18, "    parameter: params.p", "made.yaml:15: a parameter has a path, but no symbol", ""},
    {18, "    symbol: params.s", "made.yaml:15: a symbol has a path, but it is no part", ""},
    {18, "    kind_key: data", "made.yaml:15: a value and an object are at the same path: 'data'",
     ""},
    {18, "    kind_key: topic", "made.yaml:15: two values are at the same path: 'topic'", ""},
    {18, "    kind_key: " A64 A64 A64 A64, "made.yaml:15: a path has less than 256 bytes, not", ""},
    {18, "    kind_key: a." A64, "made.yaml:15: a part of a path has 1 to 63 bytes, not 'aaaa", ""},
    {18, "    kind_key: data..k", "made.yaml:15: an empty part is in the path 'data..k'", ""},
    {18, "    kind_key: a.b.c.d.e.f.g.h", "made.yaml:15: too many objects are around", ""},
    {18, "    speaks: often", "made.yaml:18: no topic speaks 'often'",
     "allowed: at once, steadily, when it happens"},
    {18, "    truncates: true", "made.yaml:15: truncates: is for books with depth, not", ""},
    {18, "    depth: 0\n    truncates: true", "made.yaml:15: truncates: is for books with", ""},
    {16, "    message: trade\n    grouped: true", "price and size are required", ""},
    {12, "    - 1 size decimal quantity required below",
     "made.yaml:15: only an integer that is prev_seq is below: '1'", ""},
    {12, "    - 1 size decimal quantity required\n    - 2 seq integer below",
     "made.yaml:16: only an integer that is prev_seq is below: '2'", ""},
    {15, "  - topic: \"book-{symbol}\"", "made.yaml:15: a placeholder ends its part", ""},
    {15, "  - topic: \"book.{a}b.{symbol}\"", "made.yaml:15: a placeholder ends its part", ""},
    {23, "    rules: [id_dense trade_id error]",
     "made.yaml:15: no field has what is compared by the rule 'id_dense'", ""},
    {5, "  - main public wss://a.example/p\nhttp: {main: wss://a.example}",
     "made.yaml:6: https:// and a host are expected, not 'wss://a.example'", ""},
    {5, "  - main public wss://a.example/p\nhttp: {man: https://a.example}",
     "made.yaml:6: http has no key 'man'", "'main'"},
    {20, "    time: match_ns", "made.yaml:15: no time of the topic is 'match_ns'", ""},
    {20, "    time: u", "made.yaml:15: no time of the topic is 'u'", ""},
    {20, "    newest_first: price", "made.yaml:15: newest_first: is not for books: 'price'", ""},
    {26, NUMBERED("trade", "id_unique trade_id error]\n    newest_first: exchange_ns #"),
     "made.yaml:27: newest_first: no field of the entries is 'exchange_ns'", ""},
    {26, NUMBERED("trade", "id_unique trade_id error]\n    newest_first: u #"),
     "made.yaml:27: newest_first: no field of the entries is 'u'", ""},
    {26, NUMBERED("trade", "id_unique trade_id error]\n    newest_first: price #"),
     "made.yaml:27: newest_first: needs a text, number or time, not 'price'", ""},
    {22, "    entries: [data.b set any positional buy, data.b set delta positional sell optional]",
     "made.yaml:15: entries of one kind are there twice at the path 'data.b'", ""},
    {22, "    entries: [data.b set any positional]", "15: each entry needs one side", ""},
    {22, "    entries: [data.b set any positional buy sell]", "15: each entry needs one side", ""},
    {22, "    entries: [data.b set any positional buy, data.a set any sell]",
     "made.yaml:15: entries are all positional, or all best, or all neither", ""},
    {23, "    rules: [seq_dense seq error]",
     "made.yaml:15: no field has what is compared by the rule 'seq_dense'", ""},
    {23, "    rules: [seq_dense price error]",
     "made.yaml:15: cross_seq, u, seq or version is compared by the rule 'seq_dense'", ""},
    {23, "    rules: [prev_links u error]",
     "made.yaml:15: prev_seq is compared by the rule 'prev_links'", ""},
    {23, "    rules: [prev_links error]",
     "made.yaml:15: prev_seq is compared by the rule 'prev_links'", ""},
    {23, "    rules: [prev_links prev_seq error]",
     "made.yaml:15: the envelope lacks what is compared by the rule 'prev_links'", ""},
    {23, "    rules: [checksum u error]" CHECKSUM("levels: 5, order: alternating"),
     "made.yaml:15: checksum is compared by the rule 'checksum'", ""},
    {23, "    rules: [checksum checksum error]",
     "15: the topic needs checksum: with levels and order, for the rule 'checksum'", ""},
    {23, "    rules: [checksum checksum error]" CHECKSUM("levels: 5"),
     "15: the topic needs checksum: with levels and order, for the rule 'checksum'", ""},
    {23, "    rules: [checksum checksum error]" CHECKSUM("order: alternating"),
     "15: the topic needs checksum: with levels and order, for the rule 'checksum'", ""},
    {23, "    rules: [checksum checksum error]" CHECKSUM("levels: 8, order: alternating"),
     "15: checksum: has more levels than the book, for the rule 'checksum'", ""},
    {23, "    rules: [checksum checksum error]" CHECKSUM("levels: 7, order: alternating"),
     "15: prices and sizes as the exchange writes them, a level in an entry, are needed", ""},
    {23, "    rules: [seq_dense u error]" CHECKSUM("levels: 7, order: alternating"),
     "made.yaml:15: the topic has checksum: without the rule 'checksum'", ""},
    {23, "    rules: [seq_dense u error]" CHECKSUM("levels: 101, order: alternating"),
     "made.yaml:24: a number is expected, not '101'", ""},
    {23, "    rules: [seq_dense u error]" CHECKSUM("levels: 7, order: bids_first"),
     "made.yaml:24: there is no order 'bids_first'", "alternating, asks_then_bids"},
    {23, "    rules: [seq_dense u error]" CHECKSUM("level: 7"),
     "made.yaml:24: checksum has no key 'level'", "'levels'"},
    {23, "    rules: [seq_dense u error]\n    checksum: 25",
     "made.yaml:24: checksum is a mapping, not '25'", ""},
    {23, "    rules: [id_unique trade_id error]",
     "made.yaml:15: no field has what is compared by the rule 'id_unique'", ""},
    {26, DEEP("chain", "checksum checksum error"),
     "27: the envelope lacks what is compared by the rule 'checksum'", ""},
    {26, DEEP("before", "prev_links prev_seq error"),
     "27: the frame needs cross_seq, seq or u, in its envelope, for the rule 'prev_links'", ""},
    {26, DEEP("chain", "prev_links prev_seq error]\n    sequence: entry #"),
     "27: the frame needs cross_seq, seq or u, in its envelope, for the rule 'prev_links'", ""},
    {26, DEEP("chain", "prev_links prev_seq error") FETCHED("before"),
     "made.yaml:36: the frame needs cross_seq, seq or u, in its envelope, for the rule "
     "'prev_links'",
     ""},
    /* No track finds these numbers and ids, so that every frame would keep the rule. */
    {26, NUMBERED("book_change", "seq_dense seq error"), "27: the envelope, or the entries with",
     ""},
    {26, NUMBERED("book_change", "seq_dense seq error") "\n    sequence: entry",
     "27: the envelope, or the entries with", ""},
    {26, NUMBERED("book_change", "id_dense trade_id error"), "lack what is compared", ""},
    {26, NUMBERED("trade", "seq_dense seq error"), "27: the envelope, or the entries with", ""},
    {26, NUMBERED("trade", "seq_dense u error") "\n    sequence: entry", "lack what is compared",
     ""},
    {26, NUMBERED("trade", "id_dense error"), "lack what is compared by the rule 'id_dense'", ""},
    {26, NUMBERED("trade", "id_dense seq error"), "lack what is compared by the rule 'id_dense'",
     ""},
    {26, NUMBERED("liquidation", "seq_step u error") "\n    sequence: envelope",
     "lack what is compared by the rule 'seq_step'", ""},
    {26, NUMBERED("trade", "trades_complete error"), "lack what is compared", ""},
    {26, NUMBERED("liquidation", "trades_complete error"), "lack what is compared", ""},
    {26, DEEP("head", "depth error"), "27: the topic needs depth: for the rule 'depth'", ""},
    {26, DEEP("head", "depth_max error"), "27: the topic needs depth: for the rule 'depth_max'",
     ""},
    {26, "    envelope: head\n" ENDS("b.{symbol}") "\n    rules: [delete_exists error]",
     "27: only a book has what is compared by the rule 'delete_exists'", ""},
    {26, DEEP("last", "") "\n    request: /depth?s={symbol}",
     "27: request: needs snapshot:, in the topic 'deep.{symbol}'", ""},
    {26, DEEP("last", "") "\n    snapshot:\n      title: C",
     "27: snapshot: needs request:, in the topic 'deep.{symbol}'", ""},
    {26, DEEP("last", "") "\n    request: /depth?l={limit}",
     "27: request: has {symbol}, and {category} if need be, unlike in the topic", ""},
    {26, DEEP("last", "") "\n    request: /depth",
     "27: request: has {symbol}, and {category} if need be, unlike in the topic", ""},
    {26, DEEP("before", "") FETCHED("last"), "27: request: is for books with u", ""},
    {26, DEEP("last", "") FETCHED("before"), "36: request: is for books with u", ""},
    {26, DEEP("last", "") FETCHED("last") "\n      message: ticker",
     "36: request: is for books with u", ""},
    {26, DEEP("last", "") FETCHED("last") "\n      topic: \"deeper.{symbol}\"",
     "27: the snapshot is of the same topic, not of 'deep.{symbol}'", ""},
    {26, "    envelope: head\n" ENDS("b.{symbol}") "\n    request: /depth?s={symbol}",
     "27: request: is for books with u in their envelope, not for the topic 'b.{symbol}'", ""},
    {26, DEEP("last", "") FETCHED("last") "\n      snapshot: {title: C}",
     "38: a snapshot has no key 'snapshot'", ""},
    {24, "    topic_key: \"\"", "15: only the snapshot has an empty topic_key:, not", ""},
    {24, "    kind: any", "made.yaml:15: frames of a topic have no such message or kind", ""},
    {26,
     "    envelope: head\n  - topic: \"best.{symbol}\"\n    message: ticker\n    title: B\n"
     "    fields: best\n    entries: [. set any]",
     "made.yaml:27: two rows are valid at the same time for the topic 'best.{symbol}'", ""},
    {26,
     "    envelope: head\n    until: 2025-02-02\n  - topic: \"book.{symbol}\"\n    message: "
     "ticker\n"
     "    title: B\n    fields: best\n    entries: [. set any]\n    from: 2025-02-02",
     "made.yaml:28: another row with the name has another type of messages than the topic", ""},
};

static changed_document changed = {.lines = LINES, .line_count = LINE_COUNT, .used = USED};

static td_result read_text(td_arena *memory, family *out, td_err *err)
{
    const family_texts texts = {
        .user = &changed, .find = changed_document_find, .exchange = find_bybit};
    *err = (td_err){0};
    return family_file_read(&texts, "made", memory, out, err);
}

static void test_document(void **state)
{
    (void)state;
    td_arena *memory = td_arena_open();
    family made;
    td_err err;
    changed_document_write(&changed, 0, NULL);
    if (read_text(memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_string_equal(made.name, "made");
    assert_string_equal(made.endpoints[0].url, "wss://a.example/p");
    assert_null(made.endpoints[1].url);
    assert_int_equal(made.market.kind, MARKET_CONTRACTS);
    assert_string_equal(made.listing_coins[1], "ETH");
    assert_null(made.listing_coins[2]);
    assert_int_equal(made.topic_count, 2);
    assert_string_equal(made.topics[0].name, "best");
    assert_string_equal(made.topics[0].items[0].path, "");
    const topic_row *book = &made.topics[1];
    assert_string_equal(book->name, "book");
    assert_int_equal(book->book_depth, 7);
    assert_int_equal(book->sequence, SEQ_ENVELOPE);
    assert_int_equal(book->field_count, 2);
    assert_int_equal(book->fields[1].scale_e10, 4);
    assert_int_equal(book->fields[1].flags, FIELD_REQUIRED_TO_SET);
    assert_int_equal(book->items[0].flags, ITEMS_POSITIONAL | ITEMS_BUY | ITEMS_ZERO_DELETES);
    assert_int_equal(book->rules[0].rule, RULE_SEQ_DENSE);
    assert_int_equal(book->rules[0].member, MEMBER_U);
    assert_int_equal(book->rules[1].rule, RULE_NONE);
    td_arena_close(memory);
}

/* The reply that is the snapshot of a chained book names no frame before it. */
static void test_chained_reply(void **state)
{
    (void)state;
    td_arena *memory = td_arena_open();
    family made;
    td_err err;
    changed_document_write(&changed, 26,
                           DEEP("chain", "prev_links prev_seq error") FETCHED("last"));
    if (read_text(memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    const topic_row *deep = &made.topics[2];
    assert_int_equal(deep->rules[0].rule, RULE_PREV_LINKS);
    assert_int_equal(deep->rules[0].member, MEMBER_PREV_SEQ);
    assert_int_equal(topic_row_number(deep), MEMBER_U);
    assert_int_equal(topic_row_number(deep->snapshot_reply), MEMBER_U);
    td_arena_close(memory);
}

static void test_checksum(void **state)
{
    (void)state;
    td_arena *memory = td_arena_open();
    family made;
    td_err err;
    changed_document_write(&changed, 26,
                           DEEP("head", "checksum checksum error")
                               CHECKSUM("levels: 100, order: asks_then_bids"));
    if (read_text(memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(made.topics[1].checksum.levels, 0);
    assert_int_equal(made.topics[2].checksum.levels, 100);
    assert_int_equal(made.topics[2].checksum.order, CHECKSUM_ASKS_THEN_BIDS);
    td_arena_close(memory);
}

/* A topic for each word, in place of {each} in its texts. */
static void test_each(void **state)
{
    (void)state;
    static const char TOPIC[] = "  - topic: \"book.{each}.{symbol}\"\n"
                                "    each: [a 2021-02-28, \"5\"]";
    td_arena *memory = td_arena_open();
    family made;
    td_err err;
    changed_document_write(&changed, 15, TOPIC);
    if (read_text(memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_int_equal(made.topic_count, 3);
    assert_string_equal(made.topics[1].pattern, "book.a.{symbol}");
    assert_string_equal(made.topics[1].name, "book.a");
    assert_string_equal(made.topics[1].title, "Books");
    assert_string_equal(made.topics[1].seen, "2021-02-28");
    assert_string_equal(made.topics[2].name, "book.5");
    assert_null(made.topics[2].seen);
    assert_null(made.topics[2].each);
    assert_int_equal(made.topics[2].book_depth, 7);
    td_arena_close(memory);
}

/* Topics with text after their symbol, and their names. Dialects that take the text after the last
 * dot as the symbol cannot have them. */
static void test_ends(void **state)
{
    (void)state;
    static const char TOPICS[] = "    envelope: head\n" ENDS("a.{symbol}.raw") "\n" ENDS(
        "a.{symbol}.100ms") "\n" ENDS("a.all") "\n" ENDS("b.{symbol}.agg.2") "\n    name: b2";
    static const char *const NAMES[] = {"a.raw", "a.100ms", "a.all", "b2"};
    static const char *const OTHERS[] = {"op", "spot", NULL};
    td_arena *memory = td_arena_open();
    family made;
    td_err err;
    changed_document_write(&changed, 26, TOPICS);
    if (read_text(memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        assert_string_equal(made.topics[2 + i].name, NAMES[i]);
    for (const char *const *other = OTHERS; *other != NULL; other++) {
        char words[128];
        changed_document_write(&changed, 26, TOPICS);
        char *at = strstr(changed.text, "dialect: v5\n");
        memmove(at + 9 + strlen(*other), at + 11, strlen(at + 11) + 1);
        memcpy(at + 9, *other, strlen(*other));
        snprintf(words, sizeof words, "without spelling, parts or topic_keys, not '%s'", *other);
        assert_int_equal(read_text(memory, &made, &err), TD_E_INVALID);
        if (strstr(err.text, "made.yaml:2: text is after the symbol") == NULL ||
            strstr(err.text, words) == NULL)
            fail_msg("%s: %s", *other, err.text);
    }
    td_arena_close(memory);
}

static void test_mistakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof MISTAKES / sizeof MISTAKES[0]; i++) {
        const mistake *m = &MISTAKES[i];
        td_arena *memory = td_arena_open();
        family made;
        td_err err;
        changed_document_write(&changed, m->line, m->text);
        if (read_text(memory, &made, &err) == TD_OK)
            fail_msg("'%s' is accepted", m->text);
        if (strstr(err.text, m->words) == NULL)
            fail_msg("'%s': the error is '%s'", m->text, err.text);
        if (strstr(err.hint, m->hint) == NULL)
            fail_msg("'%s': the hint is '%s'", m->text, err.hint);
        td_arena_close(memory);
    }
}

/* The documents of the programs. */
static int find_shipped(void *user, td_bytes name, td_bytes *out)
{
    (void)user;
    for (size_t i = 0; i < FAMILY_TEXT_COUNT; i++)
        if (td_bytes_is(name, FAMILY_TEXTS[i].name)) {
            *out = td_bytes_of(FAMILY_TEXTS[i].data, FAMILY_TEXTS[i].size);
            return 1;
        }
    return 0;
}

/* As family_texts.exchange; user: the arena. */
static td_result read_shipped(void *user, td_bytes name, const exchange_row **out, td_err *err)
{
    char file[64];
    td_bytes found = {0};
    exchange_row *made = td_arena_alloc(user, sizeof *made);
    (void)snprintf(file, sizeof file, "%.*s.exchange", (int)name.size, (const char *)name.data);
    assert_true(find_shipped(NULL, td_bytes_str(file), &found));
    *out = made;
    return exchange_file_read(file, found, DOCUMENT_GIVEN, user, made, err);
}

static void test_shipped(void **state)
{
    (void)state;
    td_arena *memory = td_arena_open();
    const family_texts texts = {.find = find_shipped, .exchange = read_shipped, .user = memory};
    for (const char *const *name = FAMILY_NAMES; *name != NULL; name++) {
        family made;
        td_err err;
        if (family_file_read(&texts, *name, memory, &made, &err) != TD_OK)
            fail_msg("%s", err.text);
    }
    td_arena_close(memory);
}

/* A document that is cut anywhere, or has another byte anywhere, is read or refused. */
static void test_damage(void **state)
{
    (void)state;
    static const char BYTES[] = "\0\n\t :-[]{}\"'&*#%|\xff";
    family made;
    td_err err;
    changed_document_write(&changed, 0, NULL);
    const size_t size = strlen(changed.text);
    for (size_t i = 0; i < size; i++) {
        td_arena *memory = td_arena_open();
        changed_document_write(&changed, 0, NULL);
        changed.text[i] = BYTES[i % sizeof BYTES];
        (void)read_text(memory, &made, &err); /* either result is allowed */
        changed.text[i] = '\0';
        (void)read_text(memory, &made, &err);
        td_arena_close(memory);
    }
}

/* user: a family_text. */
static int find_one(void *user, td_bytes name, td_bytes *text)
{
    const family_text *alone = user;
    *text = td_bytes_of(alone->data, alone->size);
    return td_bytes_is(name, alone->name);
}

/* Fill a text with repetitions of a part. */
static void fill(char *text, size_t size, const char *first, const char *part)
{
    size_t used = (size_t)snprintf(text, size, "%s", first);
    while (used + strlen(part) < size)
        used += (size_t)snprintf(text + used, size - used, "%s", part);
}

/* Each of these would take libyaml seconds to minutes, and the last one gigabytes. */
static void test_excess(void **state)
{
    (void)state;
    static const struct {
        const char *first, *part, *why;
    } CASES[] = {
        {"", "[", "more than 1000 brackets are open"},
        {"a:\n", "- &b x\n", "more than 256 anchors ('&')"},
        {"a: [", "&b x,", "more than 256 anchors ('&')"},
        {"", "%TAG !a! x\n", "a document with '%TAG'"},
        {"%TAG !a! long\n---\n", "- !a!x y\n", "a document with '%TAG'"},
        {"\xfe\xff", "-y", ""}, /* UTF-16, in which each of these has other bytes */
    };
    static char text[200000];
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        td_arena *memory = td_arena_open();
        family_text only = {"made", (const uint8_t *)text, sizeof text - 1};
        const family_texts texts = {.user = &only, .find = find_one, .exchange = find_bybit};
        family made;
        td_err err = {0};
        fill(text, sizeof text, CASES[i].first, CASES[i].part);
        assert_int_equal(family_file_read(&texts, "made", memory, &made, &err), TD_E_INVALID);
        assert_non_null(strstr(err.text, CASES[i].why));
        td_arena_close(memory);
    }
}

static td_result read_alone(const char *text, td_arena *memory, family *out, td_err *err)
{
    family_text alone = {"made", (const uint8_t *)text, strlen(text)};
    const family_texts texts = {.find = find_one, .user = &alone};
    return family_file_read(&texts, "made", memory, out, err);
}

/* What a family without a description knows of frames: the parts of a topic. */
static void test_raw(void **state)
{
    (void)state;
    static const struct {
        const char *frame, *topic; /* NULL: it is not data */
    } ROWS[] = {
        {"{\"a\":[0,\"t\"],\"b\":7.50,\"c\":{\"d\":\"e\"}}", "t.7.50.e"},
        {" {\"c\":{\"d\":true},\"a\":[[],\"t\\u0041\"]}", "tA.true"},
        {"{\"a\":[0,\"t\"],\"b\":null,\"c\":{\"d\":{}}}", "t"},
        {"{\"a\":[0,\"t\"],\"b\":\"\",\"c\":[1]}", "t"},
        {"{\"a\":{\"1\":\"t\"}}", "t"},
        {"{\"a\":[0],\"b\":7}", NULL},
        {"{\"a\":[0,[\"t\"]],\"b\":7}", NULL},
        {"{\"a\":[0,null],\"b\":7}", NULL},
        {"[{\"a\":[0,\"t\"]}]", NULL},
        {"{\"a\":[0,\"t\"]", NULL},
        {"t", NULL},
        {"", NULL},
    };
    td_arena *memory = td_arena_open();
    family made;
    td_err err = {0};
    if (read_alone("family: x\nraw: [/a/1, /b, /c/d]\naddresses: [main public wss://a/]\n", memory,
                   &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    assert_true(dialect_has_all(made.dialect));
    decoder *reader = decoder_open();
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        uint8_t frame[256 + DECODE_PADDING_BYTES] = {0};
        classification found;
        const size_t size = strlen(ROWS[i].frame);
        memcpy(frame, ROWS[i].frame, size);
        print_message("  %s\n", ROWS[i].frame);
        decoder_classify(reader, &made, td_bytes_of(frame, size), CHANNEL_IN, 1, &found);
        assert_int_equal(found.frame_class, ROWS[i].topic == NULL ? CLASS_UNKNOWN : CLASS_DATA);
        assert_null(found.topic.row);
        if (ROWS[i].topic != NULL)
            assert_true(td_bytes_is(found.exchange_topic, ROWS[i].topic));
    }
    decoder_close(reader);
    td_arena_close(memory);
}

/* It need not be known where frames name their topic: then none has one. */
static void test_raw_without_places(void **state)
{
    (void)state;
    static const char TEXT[] = "family: x\nraw: []\naddresses: [main public wss://a/]\n";
    td_arena *memory = td_arena_open();
    family made;
    td_err err = {0};
    classification found;
    uint8_t frame[64 + DECODE_PADDING_BYTES] = "{\"a\":\"t\"}";
    if (read_alone(TEXT, memory, &made, &err) != TD_OK)
        fail_msg("%s", err.text);
    decoder *reader = decoder_open();
    decoder_classify(reader, &made, td_bytes_of(frame, strlen((const char *)frame)), CHANNEL_IN, 1,
                     &found);
    assert_int_equal(found.frame_class, CLASS_UNKNOWN);
    decoder_close(reader);
    td_arena_close(memory);
}

/* Mistakes of such documents. */
static void test_raw_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } ROWS[] = {
        {"family: x\nraw: /a\n", "made.yaml:2: a list of texts is expected"},
        {"family: x\nraw: [/a, b]\n",
         "made.yaml:2: a JSON pointer, such as /arg/channel, is expected, not 'b'"},
        {"family: x\nraw: [/a~1b]\n",
         "made.yaml:2: a JSON pointer, such as /arg/channel, is expected, not '/a~1b'"},
        {"family: x\nraw: [/a]\ntopics: []\n",
         "made.yaml:3: a family with raw has no key 'topics'"},
        {"family: x\nraw: [/a]\nsets: a\n", "made.yaml:3: a mapping is expected, not 'a'"},
        {"family: x\nraw: [/a]\nhttp: a\n", "made.yaml:3: http is a mapping, not 'a'"},
        {"family: x\nraw: [/a]\naddresses: a\n", "made.yaml:3: a list is expected, not 'a'"},
        {"raw: [/a]\n", "made.yaml:1: a family needs family and dialect"},
        {"family: x\nraw: [/a]\ninstruments: /list\n",
         "made.yaml:3: the exchange has no instruments:, which would read '/list'"},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_arena *memory = td_arena_open();
        family made;
        td_err err = {0};
        assert_int_equal(read_alone(ROWS[i].text, memory, &made, &err), TD_E_INVALID);
        if (strstr(err.text, ROWS[i].words) == NULL)
            fail_msg("%s: the error is '%s'", ROWS[i].text, err.text);
        td_arena_close(memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),     cmocka_unit_test(test_chained_reply),
        cmocka_unit_test(test_checksum),     cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_excess),       cmocka_unit_test(test_ends),
        cmocka_unit_test(test_shipped),      cmocka_unit_test(test_raw),
        cmocka_unit_test(test_raw_mistakes), cmocka_unit_test(test_raw_without_places),
        cmocka_unit_test(test_each),         cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
