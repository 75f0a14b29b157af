/* The interface of decoders in shared objects, and the frames, entries and books of
 * tapedeck/tapedeck.h.
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
 * Threads: `regress` makes an instance for each decoding thread (`begin` to `end`, with its own
 * self); calls with the same self never overlap. Call functions of the host only during a call of
 * the decoder, on the thread of that call, unless documented otherwise. A call must return: do not
 * leave it by longjmp or a C++ exception.
 *
 * Views: data behind a pointer is valid during the call, unless documented otherwise. A `const char
 * *` text is NUL-terminated and never NULL, "" if absent; a tapedeck_text has a size and no NUL.
 *
 * Units: times are ns since 1970-01-01 UTC, 0 if absent; prices and sizes are exact decimals.
 *
 * Stability: TAPEDECK_PLUGIN_ABI changes only if decoders must be recompiled. Otherwise structs
 * that state their own size may grow at their end, and enumerations and the host may get more
 * values and functions; nothing else changes. A decoder that was compiled with an older header
 * works with a newer program. A decoder that was compiled with a newer header works with an older
 * program if it checks new members with TAPEDECK_HAS before it uses them. */
#ifndef TAPEDECK_PLUGIN_H
#define TAPEDECK_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAPEDECK_PLUGIN_ABI 3u

/* 1 if the running program's struct has this member: TAPEDECK_HAS(host, tapedeck_host, log). */
#define TAPEDECK_HAS(pointer, type, member)                                                        \
    ((pointer)->size >= offsetof(type, member) + sizeof(((type *)0)->member))

/* Results of `begin`. Any other value counts as TAPEDECK_FAIL. */
enum {
    TAPEDECK_GO = 0,
    TAPEDECK_FAIL = 1, /* end the run with an error; host->fail sets its text */
};

/* ---- values -------------------------------------------------------------------------------- */

/* A text in UTF-8 without a NUL; data may be NULL if size is 0. */
typedef struct tapedeck_text {
    const char *data;
    size_t size;
} tapedeck_text;

/* The number mantissa / 10^scale; scale is 0 to 18. All prices of a book's levels have the same
 * scale, and so do all sizes; other decimals have the scale with which the frame was written. */
typedef struct tapedeck_decimal {
    int64_t mantissa;
    uint32_t scale;
    uint32_t reserved;
} tapedeck_decimal;

/* Size of the text of host->decimal_format, with its NUL. */
enum { TAPEDECK_DECIMAL_BYTES = 24 };

enum { TAPEDECK_BUY = 0, TAPEDECK_SELL = 1, TAPEDECK_NO_SIDE = 2 };

/* Effect of an entry on the state of its topic. */
enum {
    TAPEDECK_NO_ACTION = 0, /* an event: a trade, a candle */
    TAPEDECK_SET = 1,       /* part of a snapshot; in other frames: adds or replaces an entry */
    TAPEDECK_DELETE = 2,
    TAPEDECK_UPDATE = 3,
    TAPEDECK_INSERT = 4,
};

/* A level in a frame of a book. */
typedef struct tapedeck_level {
    tapedeck_decimal price;
    tapedeck_decimal size;     /* 0 with TAPEDECK_DELETE; includes retail orders */
    tapedeck_decimal rpi_size; /* size of retail orders, if the topic states it; else 0 */
    uint32_t side;
    uint32_t action;
} tapedeck_level;

/* A trade in a frame. */
typedef struct tapedeck_trade {
    tapedeck_decimal price;
    tapedeck_decimal size;
    uint64_t exchange_ns;
    tapedeck_text symbol; /* empty: the symbol of the frame's topic */
    tapedeck_text trade_id;
    tapedeck_text tick_direction;
    int64_t cross_seq; /* valid if has_cross_seq */
    int64_t seq;       /* valid if has_seq */
    uint32_t side;     /* side of the taker */
    uint8_t has_cross_seq;
    uint8_t has_seq;
    int8_t is_block_trade; /* 1, 0, or -1: not stated; also is_rpi_trade */
    int8_t is_rpi_trade;
} tapedeck_trade;

/* Type of a value, which determines the member that is set. */
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

/* A value of an entry, with its name in `replay --messages` and docs/topics.md. */
typedef struct tapedeck_value {
    const char *name; /* "last_price"; valid as long as the library is loaded */
    uint32_t type;
    uint32_t is_scale_assumed; /* 1: the frame has a scaled integer only, and its scale differs for
                                  some symbols, so the decimal may be wrong by a power of ten */
    int64_t integer;
    tapedeck_decimal decimal;
    tapedeck_text text;
} tapedeck_value;

/* Passed instead of an entry's index: selects the frame's own values, outside its entries. */
#define TAPEDECK_ENVELOPE SIZE_MAX

/* Strength of a rule that a frame violates (docs/replay.md, "Rules"). */
enum { TAPEDECK_ERROR = 0, TAPEDECK_WARNING = 1, TAPEDECK_STATISTIC = 2 };
typedef struct tapedeck_rule {
    const char *name; /* "delete_exists"; valid as long as the library is loaded */
    uint32_t strength;
    uint32_t reserved;
    int64_t expected; /* as in the report of replay; 0 if the rule has no such number */
    int64_t found;
} tapedeck_rule;

/* ---- books --------------------------------------------------------------------------------- */

/* The order book of a reader's topic and symbol, after the last frame. The pointer is the same for
 * all frames of the topic and symbol and valid until the reader closes, so a program may keep it
 * and read the book at frames of other topics. */
typedef struct tapedeck_book tapedeck_book;

typedef struct tapedeck_book_level {
    tapedeck_decimal price;
    tapedeck_decimal size;
} tapedeck_book_level;

/* ---- frames -------------------------------------------------------------------------------- */

/* Content of a frame. */
enum {
    TAPEDECK_BOOK = 0,      /* a change of a book: entries are levels */
    TAPEDECK_TRADES = 1,    /* entries are trades */
    TAPEDECK_RECORD = 2,    /* any other topic: entries have values */
    TAPEDECK_UNDECODED = 3, /* received, but not decoded: see reason */
    TAPEDECK_CONTROL = 4,   /* received, without a topic: an answer, a pong, an error */
    TAPEDECK_SENT = 5,      /* in tapes: sent by the recorded client */
    TAPEDECK_HTTP = 6,      /* in tapes: an answer to an HTTP request */
};

enum { TAPEDECK_UNTYPED = 0, TAPEDECK_SNAPSHOT = 1, TAPEDECK_DELTA = 2 };

enum {
    TAPEDECK_UNJUDGED = 0, /* no topic, or not decoded */
    TAPEDECK_OK = 1,
    TAPEDECK_VIOLATION = 2, /* it violates a rule of strength error */
};

typedef struct tapedeck_frame {
    size_t size;     /* size of this struct in the running program */
    const void *own; /* used by functions of the host */

    /* Feed, topic and symbol. */
    const char *feed;   /* name of the feed in the archive */
    const char *family; /* product line: "v5-linear", "v5-spot" */
    const char *topic;  /* "orderbook.50", without the symbol; "_control", "_unknown": no topic */
    const char *symbol; /* "BTCUSDT"; "" if absent, "*" if each entry names its own */
    tapedeck_text exchange_topic; /* as the exchange writes it: "orderbook.50.BTCUSDT" */

    /* Position on the tape. */
    const char *session; /* recording session: 8 hex digits */
    uint64_t ordinal;    /* number on the connection, from 1 for each direction */
    uint64_t recv_ns;
    const uint8_t *bytes; /* as received */
    size_t byte_count;

    /* Content of the frame. */
    uint32_t content;   /* TAPEDECK_BOOK ... */
    uint32_t kind;      /* the frame's own type: TAPEDECK_UNTYPED, _SNAPSHOT, _DELTA */
    const char *type;   /* as in `replay --messages`: "book_change", "trade", "ticker" ...; "raw" or
                           "control" without a decoded message */
    const char *reason; /* why it was not decoded: "missing_field" ...; "" if it was decoded */
    size_t entry_count; /* levels, trades, or entries with values */
    uint64_t exchange_ns; /* the exchange's time of the frame */
    uint64_t match_ns;    /* time of the matching engine, if the frame states it */
    int64_t cross_seq;    /* valid if has_cross_seq; u and seq: if has_u, has_seq */
    int64_t u;
    int64_t seq;
    tapedeck_text version;   /* version text in spot's older topics */
    uint32_t unknown_fields; /* number of unknown members, which were skipped */

    /* Flags: 1 or 0. */
    uint8_t has_cross_seq;
    uint8_t has_u;
    uint8_t has_seq;
    uint8_t is_binary; /* 1: a binary frame, by its WebSocket opcode */

    /* The verdict. Rules that compare topics with each other are in the report only. */
    uint8_t
        is_unchecked; /* 1: the book was broken before, so the frame's levels were not checked */
    uint8_t is_book_broken; /* 1: the book may be wrong after this frame, until the next snapshot */
    uint32_t verdict;
    uint32_t rule_count; /* number of violated rules, of any strength; see host->rule */

    /* The book after the frame; NULL if the topic has no book. */
    const tapedeck_book *book;

    /* Of exchanges that send them: the number of the topic's frame before this one, and the CRC-32
     * of the book after it (0: the exchange computes none). Valid if has_prev_seq, has_checksum. */
    int64_t prev_seq;
    int64_t checksum;
    uint8_t has_prev_seq;
    uint8_t has_checksum;
} tapedeck_frame;

/* ---- the host ------------------------------------------------------------------------------ */

/* Functions of the program or the library. The struct is valid until `end` returns, or the reader
 * closes. Functions that fill *out return 1, or 0 if the item does not exist; then *out is
 * unchanged. A decoder's host has `fail` and `log` only, a reader's host all other functions. */
typedef struct tapedeck_host tapedeck_host;
struct tapedeck_host {
    uint32_t abi;
    uint32_t reserved;
    size_t size;         /* of this struct in the running program */
    const char *version; /* version of the program: "0.2.0" */
    void *own;           /* used by the program */

    /* Set the text of an error (one line, copied); returns TAPEDECK_FAIL:
     *   return host->fail(host, "cannot write fills.csv"); */
    int (*fail)(const tapedeck_host *host, const char *text);
    /* Print a line on standard error, with the names of the program and the decoder, without
     * disturbing the status line. Prints nothing with --quiet. */
    void (*log)(const tapedeck_host *host, const char *text);

    /* Get entry `index` of a frame of a book, or of trades. index < frame->entry_count. */
    int (*level)(const tapedeck_frame *frame, size_t index, tapedeck_level *out);
    int (*trade)(const tapedeck_frame *frame, size_t index, tapedeck_trade *out);
    /* Get value `index`, or the value with that name, of an entry or of TAPEDECK_ENVELOPE. If the
     * reader was opened with TAPEDECK_WANTS_EVERY_VALUE, books and trades have the values that
     * tapedeck_level and tapedeck_trade lack. */
    int (*value)(const tapedeck_frame *frame, size_t entry, size_t index, tapedeck_value *out);
    int (*value_named)(const tapedeck_frame *frame, size_t entry, const char *name,
                       tapedeck_value *out);
    /* Returns the action of entry `index` of a frame: TAPEDECK_SET ...; TAPEDECK_NO_ACTION if
     * absent. */
    uint32_t (*action)(const tapedeck_frame *frame, size_t index);
    /* Get a rule that the frame violates. index < frame->rule_count. */
    int (*rule)(const tapedeck_frame *frame, size_t index, tapedeck_rule *out);

    /* book_level_count returns the number of levels of a side of a book. book_levels writes levels
     * from index `first` on (0 is the best), at most max, to out, and returns how many it wrote. A
     * NULL book has no levels. */
    size_t (*book_level_count)(const tapedeck_book *book, uint32_t side);
    size_t (*book_levels)(const tapedeck_book *book, uint32_t side, size_t first, size_t max,
                          tapedeck_book_level *out);
    /* 1 while the book may be wrong: it broke a rule, or had no snapshot on this connection. */
    int (*book_is_broken)(const tapedeck_book *book);

    /* Returns -1, 0 or 1 if a is below, equal to, or above b. */
    int (*decimal_compare)(tapedeck_decimal a, tapedeck_decimal b);
    /* Get the mantissa of the value at another scale; returns 0 if that is not exact or exceeds 64
     * bits. */
    int (*decimal_at_scale)(tapedeck_decimal value, uint32_t scale, int64_t *out);
    /* Write the shortest form ("60591", "0.5", "-12.25") and a NUL; returns its length. */
    size_t (*decimal_format)(tapedeck_decimal value, char out[TAPEDECK_DECIMAL_BYTES]);
};

/* ---- answers of decoders -------------------------------------------------------------------- */

/* The answer for one frame: to->calls->level(to, ...). */
typedef struct tapedeck_answer {
    const struct tapedeck_answer_calls *calls;
    /* tapedeck's own members follow */
} tapedeck_answer;

/* Functions with which a decoder answers: a message is its head and its entries, in order. Texts
 * are copied before a function returns. Numbers are texts: "60591.50", "-1", "1e-7", exact and of
 * any scale; times are whole ns since 1970, sides "Buy", "Sell" or "none", booleans "true" or
 * "false"; values without fixed fields are JSON. An empty text means that the member is absent.
 * Names and meanings of members: docs/export.md ("JSON lines") and `tapedeck topics --json`.
 *
 * The functions return nothing. An unknown name, an invalid value or a misplaced call makes the
 * whole answer invalid; it is reported with the frame and the first error. If the decoder makes no
 * call, the answer is a message without entries. */
typedef struct tapedeck_answer_calls {
    size_t size; /* of this struct in the running program */

    /* A member of the message itself: "kind" ("snapshot", "delta" or absent), "exchange_ns",
     * "cross_seq", "u", "seq", and other members of the topic. "type", "topic" and "symbol" are
     * optional, and must equal the frame's. May be called before, between or after entries. */
    void (*head)(tapedeck_answer *to, tapedeck_text name, tapedeck_text value);

    /* A level of an order book; it becomes the current entry. action: "set", "insert", "update" or
     * "delete"; a deleted level's size may be empty. */
    void (*level)(tapedeck_answer *to, tapedeck_text action, tapedeck_text side,
                  tapedeck_text price, tapedeck_text size);

    /* A trade; it becomes the current entry. side: the taker's. exchange_ns: 0 if the trade has no
     * time of its own. */
    void (*trade)(tapedeck_answer *to, tapedeck_text side, tapedeck_text price, tapedeck_text size,
                  uint64_t exchange_ns, tapedeck_text trade_id);

    /* An entry of any type of message, without members yet; it becomes the current entry. action:
     * as for levels, or empty. */
    void (*item)(tapedeck_answer *to, tapedeck_text action);

    /* A member of the current entry: "rpi_size" of a level, "tick_direction" of a trade,
     * "last_price" of a ticker. */
    void (*value)(tapedeck_answer *to, tapedeck_text name, tapedeck_text value);

    /* Report that the frame cannot be decoded; why: the reason, one line. Earlier calls for the
     * frame are dropped. If `why` is one of tapedeck's own reasons (docs/decoders.md), alone or
     * followed by a colon ("missing_field: data"), it counts as that reason, else as "refused". */
    void (*fail)(tapedeck_answer *to, tapedeck_text why);

    /* head and value of a time, as a number of ns; 0: absent. Programs that lack them are older:
     * TAPEDECK_HAS(to->calls, tapedeck_answer_calls, value_time). */
    void (*head_time)(tapedeck_answer *to, tapedeck_text name, uint64_t ns);
    void (*value_time)(tapedeck_answer *to, tapedeck_text name, uint64_t ns);
} tapedeck_answer_calls;

/* ---- the decoder --------------------------------------------------------------------------- */

/* A decoder. Functions other than `decode` may be NULL. */
struct tapedeck_plugin {
    uint32_t abi; /* TAPEDECK_PLUGIN_ABI */
    uint32_t reserved;
    size_t size;      /* sizeof (struct tapedeck_plugin) */
    const char *name; /* used in messages: "mine" */

    /* A thread begins. *self, NULL at first, is passed to the other functions. Returns TAPEDECK_GO,
     * or TAPEDECK_FAIL; end is not called after TAPEDECK_FAIL. */
    int (*begin)(const tapedeck_host *host, void **self);
    /* A thread ends: called once for each begin that returned TAPEDECK_GO, unless the process is
     * killed. */
    void (*end)(void *self);
    /* Decode a frame and answer with to->calls. The answer must depend on the frame only: threads
     * get frames in any order, and a frame whose answer differs from the baseline is passed a
     * second time. Only these members of the frame are set: size, feed, family, topic, symbol,
     * exchange_topic, session, ordinal, recv_ns, bytes (64 more bytes are readable), byte_count,
     * is_binary, and type, which is "" if tapedeck does not know the topic. */
    void (*decode)(void *self, const tapedeck_frame *frame, tapedeck_answer *to);
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct tapedeck_plugin tapedeck_plugin;

/* Make a tapedeck_text from a C string. */
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
