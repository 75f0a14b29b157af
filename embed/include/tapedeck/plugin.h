/* The interface of decoders in shared objects, and what the frames, entries and books of
 * tapedeck/tapedeck.h are.
 *
 *   tapedeck regress ... --decoder FILE   calls `decode` in place of the built-in decoder
 *                                         (docs/decoders.md)
 *
 * docs/examples/decoder.c is a complete decoder. It exports one symbol, the struct
 * `tapedeck_plugin` (at the end of this file):
 *
 *   #include <tapedeck/plugin.h>
 *   static void decode(void *self, const tapedeck_frame *frame, tapedeck_answer *to) { ... }
 *   const struct tapedeck_plugin tapedeck_plugin = {
 *       .abi = TAPEDECK_PLUGIN_ABI, .size = sizeof tapedeck_plugin, .name = "mine",
 *       .decode = decode};
 *
 *   cc -shared -fPIC mine.c $(pkg-config --cflags tapedeck) -o mine.so
 *
 * Threads: `regress` makes an instance for each thread that decodes (`begin` to `end`, with a self
 * of its own); calls with one self never overlap. Functions of the host are for the thread of the
 * call, during the call, unless documented otherwise. A call must return: do not leave it by
 * longjmp or a C++ exception.
 *
 * Views: what a pointer points to is valid during the call, unless documented otherwise. Texts
 * named `const char *` are NUL-terminated and never NULL, "" if absent; a tapedeck_text has a size
 * and no NUL.
 *
 * Units: times are ns since 1970-01-01 UTC, 0 if absent; prices and sizes are exact decimals.
 *
 * Stability: TAPEDECK_PLUGIN_ABI changes only if a decoder has to be compiled again. Until then
 * structs that state their own size grow at their end, enumerations get further values, the host
 * gets further functions, and nothing else changes. A decoder of an older header works with a newer
 * program. One of a newer header works with an older program if it checks with TAPEDECK_HAS before
 * it uses what older programs lack. */
#ifndef TAPEDECK_PLUGIN_H
#define TAPEDECK_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAPEDECK_PLUGIN_ABI 3u

/* 1 if the program that runs has this member of one of its structs:
 * TAPEDECK_HAS(host, tapedeck_host, log). */
#define TAPEDECK_HAS(pointer, type, member)                                                        \
    ((pointer)->size >= offsetof(type, member) + sizeof(((type *)0)->member))

/* What `begin` returns. Anything else counts as TAPEDECK_FAIL. */
enum {
    TAPEDECK_GO = 0,
    TAPEDECK_FAIL = 1, /* end the run with an error; host->fail gives it a text */
};

/* ---- values -------------------------------------------------------------------------------- */

/* UTF-8 without a NUL; data may be NULL if size is 0. */
typedef struct tapedeck_text {
    const char *data;
    size_t size;
} tapedeck_text;

/* mantissa / 10^scale; scale is 0 to 18. Of the levels of one book all prices have one scale, and
 * all sizes; other scales are those that a frame was written with. */
typedef struct tapedeck_decimal {
    int64_t mantissa;
    uint32_t scale;
    uint32_t reserved;
} tapedeck_decimal;

/* Bytes that host->decimal_format needs. */
enum { TAPEDECK_DECIMAL_BYTES = 24 };

enum { TAPEDECK_BUY = 0, TAPEDECK_SELL = 1, TAPEDECK_NO_SIDE = 2 };

/* What an entry does to the state that its topic keeps. */
enum {
    TAPEDECK_NO_ACTION = 0, /* an event: a trade, a candle */
    TAPEDECK_SET = 1,       /* part of a snapshot; else it replaces what was there, if any */
    TAPEDECK_DELETE = 2,
    TAPEDECK_UPDATE = 3,
    TAPEDECK_INSERT = 4,
};

/* A level in a frame of a book. */
typedef struct tapedeck_level {
    tapedeck_decimal price;
    tapedeck_decimal size;     /* 0 with TAPEDECK_DELETE; retail orders included */
    tapedeck_decimal rpi_size; /* of retail orders, where the topic separates them; else 0 */
    uint32_t side;
    uint32_t action;
} tapedeck_level;

/* A trade in a frame. */
typedef struct tapedeck_trade {
    tapedeck_decimal price;
    tapedeck_decimal size;
    uint64_t exchange_ns;
    tapedeck_text symbol; /* empty: the topic's */
    tapedeck_text trade_id;
    tapedeck_text tick_direction;
    int64_t cross_seq; /* if has_cross_seq */
    int64_t seq;       /* if has_seq */
    uint32_t side;     /* of the taker */
    uint8_t has_cross_seq;
    uint8_t has_seq;
    int8_t is_block_trade; /* 1, 0, or -1: the frame does not state it; likewise below */
    int8_t is_rpi_trade;
} tapedeck_trade;

/* Type of a value: which of its members is set. */
enum {
    TAPEDECK_ABSENT = 0,
    TAPEDECK_TEXT = 1,
    TAPEDECK_DECIMAL = 2,
    TAPEDECK_INTEGER = 3,
    TAPEDECK_BOOL = 4,       /* integer: 1 or 0 */
    TAPEDECK_SIDE = 5,       /* integer: TAPEDECK_BUY ... */
    TAPEDECK_TIME_NS = 6,    /* integer */
    TAPEDECK_JSON = 7,       /* text: a JSON value */
    TAPEDECK_BIG_DECIMAL = 8 /* text: a decimal beyond 64 bits and 18 places */
};

/* A value of an entry, by the name that it has in `replay --messages` and docs/topics.md. */
typedef struct tapedeck_value {
    const char *name; /* "last_price"; valid as long as the library is loaded */
    uint32_t type;
    uint32_t is_scale_assumed; /* 1: a decimal from a scaled integer alone, of which some symbols
                                  have another scale; it may be a power of ten off */
    int64_t integer;
    tapedeck_decimal decimal;
    tapedeck_text text;
} tapedeck_value;

/* In place of the index of an entry: the frame's own values, outside of its entries. */
#define TAPEDECK_ENVELOPE SIZE_MAX

/* A rule that a frame broke (docs/replay.md, "Rules"). */
enum { TAPEDECK_ERROR = 0, TAPEDECK_WARNING = 1, TAPEDECK_STATISTIC = 2 };
typedef struct tapedeck_rule {
    const char *name; /* "delete_exists"; valid as long as the library is loaded */
    uint32_t strength;
    uint32_t reserved;
    int64_t expected; /* as the report of replay has them; 0 where the rule has no such number */
    int64_t found;
} tapedeck_rule;

/* ---- books --------------------------------------------------------------------------------- */

/* The order book of a topic and symbol of a reader, in the state after the last frame. The same
 * pointer for all frames of the topic and symbol, valid until the reader closes, so that a program
 * may keep it, and read the book at a frame of another topic. */
typedef struct tapedeck_book tapedeck_book;

typedef struct tapedeck_book_level {
    tapedeck_decimal price;
    tapedeck_decimal size;
} tapedeck_book_level;

/* ---- frames -------------------------------------------------------------------------------- */

/* What is in a frame. */
enum {
    TAPEDECK_BOOK = 0,      /* a change of a book: entries are levels */
    TAPEDECK_TRADES = 1,    /* entries are trades */
    TAPEDECK_RECORD = 2,    /* any other topic: entries have values */
    TAPEDECK_UNDECODED = 3, /* received, and not decoded: see reason */
    TAPEDECK_CONTROL = 4,   /* received, without a topic: an answer, a pong, an error */
    TAPEDECK_SENT = 5,      /* of tapes: what the recorded client sent */
    TAPEDECK_HTTP = 6,      /* of tapes: an answer to an HTTP request */
};

enum { TAPEDECK_UNTYPED = 0, TAPEDECK_SNAPSHOT = 1, TAPEDECK_DELTA = 2 };

enum {
    TAPEDECK_UNJUDGED = 0, /* no topic, or not decoded */
    TAPEDECK_OK = 1,
    TAPEDECK_VIOLATION = 2, /* it broke a rule of strength error */
};

typedef struct tapedeck_frame {
    size_t size;     /* of this struct in the program that runs */
    const void *own; /* the program's own: functions of the host need it */

    /* Which stream it is of. */
    const char *feed;             /* as the recording's user calls it */
    const char *family;           /* product line: "inverse", "v5-linear" */
    const char *topic;            /* without the symbol: "orderBookL2_25"; of frames without a
                                     topic "_control", "_unknown" */
    const char *symbol;           /* "BTCUSD"; "" if absent, "*" if each entry names its own */
    tapedeck_text exchange_topic; /* as the exchange writes it: "orderBookL2_25.BTCUSD" */

    /* Where it is on the tape. */
    const char *session; /* that recorded it: 8 hex digits */
    uint64_t ordinal;    /* on the connection, received and sent ones each from 1 */
    uint64_t recv_ns;
    const uint8_t *bytes; /* as they came */
    size_t byte_count;

    /* Its content. */
    uint32_t content;     /* TAPEDECK_BOOK ... */
    uint32_t kind;        /* the frame's own type: TAPEDECK_UNTYPED, _SNAPSHOT, _DELTA */
    const char *type;     /* as in `replay --messages`: "book_change", "trade", "ticker" ...; "raw"
                             or "control" if it is no message of a topic */
    const char *reason;   /* why it was not decoded: "missing_field" ...; "" if it was */
    size_t entry_count;   /* levels, trades, or entries with values */
    uint64_t exchange_ns; /* the exchange's own time of the frame */
    uint64_t match_ns;    /* time of the matching engine, where frames state it */
    int64_t cross_seq;    /* if has_cross_seq; likewise below */
    int64_t u;
    int64_t seq;
    tapedeck_text version;   /* of spot's older topics */
    uint32_t unknown_fields; /* that the program does not know, and skipped */

    /* Flags: 1 or 0. */
    uint8_t has_cross_seq;
    uint8_t has_u;
    uint8_t has_seq;
    uint8_t is_binary; /* by its WebSocket opcode */

    /* The verdict. Rules that compare topics with each other are in the report only. */
    uint8_t is_unchecked; /* 1: the book was broken before, so the frame's levels were not judged */
    uint8_t is_book_broken; /* 1: after this frame, until the next snapshot, the book may be
                               wrong */
    uint32_t verdict;
    uint32_t rule_count; /* rules that it broke, of any strength: host->rule */

    /* The book as it is after the frame; NULL if the topic has none. */
    const tapedeck_book *book;
} tapedeck_frame;

/* ---- the host ------------------------------------------------------------------------------ */

/* Functions of the program or the library. The struct is valid until `end` returns, or the reader
 * closes. Functions that fill *out return 1, or 0 if there is no such thing; then they leave *out
 * as it is. A decoder's host has only `fail` and `log`, a reader's all others. */
typedef struct tapedeck_host tapedeck_host;
struct tapedeck_host {
    uint32_t abi;
    uint32_t reserved;
    size_t size;         /* of this struct in the program that runs */
    const char *version; /* of the program: "0.2.0" */
    void *own;           /* the program's own */

    /* Give an error its text (copied; one line), and return TAPEDECK_FAIL:
     *   return host->fail(host, "cannot write fills.csv"); */
    int (*fail)(const tapedeck_host *host, const char *text);
    /* Print a line on standard error, with the program's and the decoder's name, so that it does
     * not mix with the status line. Not with --quiet. */
    void (*log)(const tapedeck_host *host, const char *text);

    /* Entry `index` of a frame of a book, or of trades. index < frame->entry_count. */
    int (*level)(const tapedeck_frame *frame, size_t index, tapedeck_level *out);
    int (*trade)(const tapedeck_frame *frame, size_t index, tapedeck_trade *out);
    /* The index-th value, or the one of that name, of an entry, or of TAPEDECK_ENVELOPE. Of
     * books and trades: what levels and trades have no member for, which takes
     * TAPEDECK_WANTS_EVERY_VALUE. */
    int (*value)(const tapedeck_frame *frame, size_t entry, size_t index, tapedeck_value *out);
    int (*value_named)(const tapedeck_frame *frame, size_t entry, const char *name,
                       tapedeck_value *out);
    /* What entry `index` of a frame does: TAPEDECK_SET ...; _NO_ACTION if absent. */
    uint32_t (*action)(const tapedeck_frame *frame, size_t index);
    /* A rule that the frame broke. index < frame->rule_count. */
    int (*rule)(const tapedeck_frame *frame, size_t index, tapedeck_rule *out);

    /* Levels of a side of a book now: how many; and those from the first-th best on (0 is the
     * best), at most max of them, into out. Returns how many it has put there. book may be NULL: it
     * has no level. */
    size_t (*book_level_count)(const tapedeck_book *book, uint32_t side);
    size_t (*book_levels)(const tapedeck_book *book, uint32_t side, size_t first, size_t max,
                          tapedeck_book_level *out);
    /* 1 while the book may be wrong: it broke, or had no snapshot on this connection. */
    int (*book_is_broken)(const tapedeck_book *book);

    /* -1, 0 or 1: a is below, equal to, above b. */
    int (*decimal_compare)(tapedeck_decimal a, tapedeck_decimal b);
    /* The mantissa that the value has at another scale; 0 if that is not exact, or beyond 64 bits.
     */
    int (*decimal_at_scale)(tapedeck_decimal value, uint32_t scale, int64_t *out);
    /* Write the shortest form ("60591", "0.5", "-12.25") and a NUL; returns its length. */
    size_t (*decimal_format)(tapedeck_decimal value, char out[TAPEDECK_DECIMAL_BYTES]);
};

/* ---- answers of decoders -------------------------------------------------------------------- */

/* Where the answer about one frame goes: to->calls->level(to, ...). */
typedef struct tapedeck_answer {
    const struct tapedeck_answer_calls *calls;
    /* tapedeck's own members follow */
} tapedeck_answer;

/* The functions that a decoder answers with: a message is its head and its entries, in their order.
 * Texts are copied before a function returns. Numbers are texts: "60591.50", "-1", "1e-7", exact
 * and of any scale; times are whole ns since 1970, sides "Buy", "Sell" or "none", booleans "true"
 * or "false", what has no fixed fields is JSON. An empty text: the member is absent. Names of
 * members and what their values mean: docs/export.md ("JSON lines") and `tapedeck topics --json`.
 *
 * Nothing is returned: an unknown name, a value that cannot be read or a misplaced call makes the
 * whole answer invalid, which is reported with the frame and the first error. A frame for which
 * none of them is called is a message without entries. */
typedef struct tapedeck_answer_calls {
    size_t size; /* of this struct in the program that runs */

    /* A member of the message itself: "kind" ("snapshot", "delta"; absent: neither), "exchange_ns",
     * "cross_seq", "u", "seq", and the others of the topic. "type", "topic" and "symbol" may be
     * left out; where they are given they must be the frame's. Before, between or after the
     * entries. */
    void (*head)(tapedeck_answer *to, tapedeck_text name, tapedeck_text value);

    /* A level of an order book, which is the entry from now on. action: "set", "insert", "update"
     * or "delete"; a deleted level's size may be empty. */
    void (*level)(tapedeck_answer *to, tapedeck_text action, tapedeck_text side,
                  tapedeck_text price, tapedeck_text size);

    /* A trade, which is the entry from now on. side: the taker's. exchange_ns: 0 if it has no time
     * of its own. */
    void (*trade)(tapedeck_answer *to, tapedeck_text side, tapedeck_text price, tapedeck_text size,
                  uint64_t exchange_ns, tapedeck_text trade_id);

    /* An entry of a message of any type, without members yet. action: as of levels; empty: none. */
    void (*item)(tapedeck_answer *to, tapedeck_text action);

    /* A member of the entry: "rpi_size" of a level, "tick_direction" of a trade, "last_price" of a
     * ticker. */
    void (*value)(tapedeck_answer *to, tapedeck_text name, tapedeck_text value);

    /* The frame cannot be decoded; why, as a line of text. Earlier calls for it are dropped. A text
     * that begins with one of tapedeck's own reasons (docs/decoders.md) followed by nothing or a
     * colon ("missing_field: data") counts as that reason, and any other as "refused". */
    void (*fail)(tapedeck_answer *to, tapedeck_text why);
} tapedeck_answer_calls;

/* ---- the decoder --------------------------------------------------------------------------- */

/* A decoder. Members that are not set (NULL) are not called; `decode` must be set. */
struct tapedeck_plugin {
    uint32_t abi; /* TAPEDECK_PLUGIN_ABI */
    uint32_t reserved;
    size_t size;      /* sizeof (struct tapedeck_plugin) */
    const char *name; /* for messages: "mine" */

    /* A thread begins. *self is passed to the other functions; NULL before. TAPEDECK_GO or _FAIL;
     * end is not called after that. */
    int (*begin)(const tapedeck_host *host, void **self);
    /* The end, once for each begin that returned TAPEDECK_GO, unless the process is killed. */
    void (*end)(void *self);
    /* Decode a frame: answer by to->calls. The answer must depend on the frame alone: threads get
     * frames in any order, and a frame that is decoded differently is passed a second time. Of the
     * frame only these members are set: size, feed, family, topic, symbol, exchange_topic, session,
     * ordinal, recv_ns, bytes (64 more bytes are readable), byte_count, is_binary, and type, which
     * is "" if tapedeck has no definition of the topic. */
    void (*decode)(void *self, const tapedeck_frame *frame, tapedeck_answer *to);
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct tapedeck_plugin tapedeck_plugin;

/* A text of a C string. */
static inline tapedeck_text tapedeck_text_of(const char *text)
{
    tapedeck_text made = {text, 0};
    while (text != NULL && text[made.size] != '\0')
        made.size++;
    return made;
}

#ifdef __cplusplus
}
#endif

#endif
