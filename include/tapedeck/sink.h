/* The interface of plugins for `tapedeck replay --sink plugin=FILE[,TEXT]`: a shared object that
 * gets each frame of a replay in the order of the tape: decoded, with its verdict, and with its
 * order book.
 * docs/plugins.md explains it, docs/examples/strategy.c is a complete plugin.
 *
 * A plugin exports one symbol, the struct `tapedeck_sink` (at the end of this file):
 *
 *   #include <tapedeck/sink.h>
 *   static int on_frame(void *self, const tapedeck_sink_frame *frame) { ... }
 *   const struct tapedeck_sink tapedeck_sink = {
 *       .abi = TAPEDECK_SINK_ABI, .size = sizeof tapedeck_sink, .name = "mine", .frame = on_frame};
 *
 *   cc -shared -fPIC mine.c $(pkg-config --cflags tapedeck) -o mine.so
 *
 * Threads: all functions of a plugin are called on one thread, one call at a time, in total order.
 * Functions of the host are for that thread, during such a call, unless documented otherwise. A
 * call may take any time: the replay waits. It must return: do not leave it by longjmp or a C++
 * exception.
 *
 * Views: what a pointer points to is valid during the call, unless documented otherwise. Texts
 * named `const char *` are NUL-terminated and never NULL, "" if absent; a tapedeck_sink_text has a
 * size and no NUL.
 *
 * Units: times are ns since 1970-01-01 UTC, 0 if absent; prices and sizes are exact decimals.
 *
 * Stability: TAPEDECK_SINK_ABI changes only if a plugin has to be compiled again. Until then
 * structs that state their own size grow at their end, enumerations get further values, the host
 * gets further functions, and nothing else changes. A plugin of an older header works with a newer
 * program. One of a newer header works with an older program if it checks with TAPEDECK_SINK_HAS
 * before it uses what older programs lack. */
#ifndef TAPEDECK_SINK_H
#define TAPEDECK_SINK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAPEDECK_SINK_ABI 1u

/* 1 if the program that runs has this member of one of its structs:
 * TAPEDECK_SINK_HAS(host, tapedeck_sink_host, log). */
#define TAPEDECK_SINK_HAS(pointer, type, member)                                                   \
    ((pointer)->size >= offsetof(type, member) + sizeof(((type *)0)->member))

/* What a function of a plugin returns. Anything else counts as TAPEDECK_SINK_FAIL. */
enum {
    TAPEDECK_SINK_GO = 0,
    TAPEDECK_SINK_FAIL = 1, /* end the replay with an error; host->fail gives it a text */
    TAPEDECK_SINK_STOP = 2, /* from frame and event: end it here. It reports what was played, as
                               stopped. Other plugins still get this frame */
};

/* ---- values -------------------------------------------------------------------------------- */

/* UTF-8 without a NUL; data may be NULL if size is 0. */
typedef struct tapedeck_sink_text {
    const char *data;
    size_t size;
} tapedeck_sink_text;

/* mantissa / 10^scale; scale is 0 to 18. Of the levels of one book all prices have one scale, and
 * all sizes; other scales are those that a frame was written with. */
typedef struct tapedeck_sink_decimal {
    int64_t mantissa;
    uint32_t scale;
    uint32_t reserved;
} tapedeck_sink_decimal;

/* Bytes that host->decimal_format needs. */
enum { TAPEDECK_SINK_DECIMAL_BYTES = 24 };

enum { TAPEDECK_SINK_BUY = 0, TAPEDECK_SINK_SELL = 1, TAPEDECK_SINK_NO_SIDE = 2 };

/* What an entry does to the state that its topic keeps. */
enum {
    TAPEDECK_SINK_NO_ACTION = 0, /* an event: a trade, a candle */
    TAPEDECK_SINK_SET = 1,       /* part of a snapshot; else it replaces what was there, if any */
    TAPEDECK_SINK_DELETE = 2,
    TAPEDECK_SINK_UPDATE = 3,
    TAPEDECK_SINK_INSERT = 4,
};

/* A level in a frame of a book. */
typedef struct tapedeck_sink_level {
    tapedeck_sink_decimal price;
    tapedeck_sink_decimal size;     /* 0 with TAPEDECK_SINK_DELETE; retail orders included */
    tapedeck_sink_decimal rpi_size; /* of retail orders, where the topic separates them; else 0 */
    uint32_t side;
    uint32_t action;
} tapedeck_sink_level;

/* A trade in a frame. */
typedef struct tapedeck_sink_trade {
    tapedeck_sink_decimal price;
    tapedeck_sink_decimal size;
    uint64_t exchange_ns;
    tapedeck_sink_text symbol; /* empty: the topic's */
    tapedeck_sink_text trade_id;
    tapedeck_sink_text tick_direction;
    int64_t cross_seq; /* if has_cross_seq */
    int64_t seq;       /* if has_seq */
    uint32_t side;     /* of the taker */
    uint8_t has_cross_seq;
    uint8_t has_seq;
    int8_t is_block_trade; /* 1, 0, or -1: the frame does not state it; likewise below */
    int8_t is_rpi_trade;
} tapedeck_sink_trade;

/* Type of a value: which of its members is set. */
enum {
    TAPEDECK_SINK_ABSENT = 0,
    TAPEDECK_SINK_TEXT = 1,
    TAPEDECK_SINK_DECIMAL = 2,
    TAPEDECK_SINK_INTEGER = 3,
    TAPEDECK_SINK_BOOL = 4,       /* integer: 1 or 0 */
    TAPEDECK_SINK_SIDE = 5,       /* integer: TAPEDECK_SINK_BUY ... */
    TAPEDECK_SINK_TIME_NS = 6,    /* integer */
    TAPEDECK_SINK_JSON = 7,       /* text: a JSON value */
    TAPEDECK_SINK_BIG_DECIMAL = 8 /* text: a decimal beyond 64 bits and 18 places */
};

/* A value of an entry, by the name that it has in `replay --messages` and docs/topics.md. */
typedef struct tapedeck_sink_value {
    const char *name; /* "last_price"; valid until close returns */
    uint32_t type;
    uint32_t is_scale_assumed; /* 1: a decimal from a scaled integer alone, of which some symbols
                                  have another scale; it may be a power of ten off */
    int64_t integer;
    tapedeck_sink_decimal decimal;
    tapedeck_sink_text text;
} tapedeck_sink_value;

/* In place of the index of an entry: the frame's own values, outside of its entries. */
#define TAPEDECK_SINK_ENVELOPE SIZE_MAX

/* A rule that a frame broke (docs/replay.md, "Rules"). */
enum { TAPEDECK_SINK_ERROR = 0, TAPEDECK_SINK_WARNING = 1, TAPEDECK_SINK_STATISTIC = 2 };
typedef struct tapedeck_sink_rule {
    const char *name; /* "delete_exists"; valid until close returns */
    uint32_t strength;
    uint32_t reserved;
    int64_t expected; /* as the report of replay has them; 0 where the rule has no such number */
    int64_t found;
} tapedeck_sink_rule;

/* ---- books --------------------------------------------------------------------------------- */

/* The order book of a topic and symbol of a feed. Of a frame that is no copy: the same pointer for
 * all frames of the topic and symbol, valid until close returns, so that a plugin may keep it, and
 * read the book during a frame of another topic. The book is always in the state after the last
 * frame that was played. Of a copy: the book of the copy's own connection, valid during the call.
 */
typedef struct tapedeck_sink_book tapedeck_sink_book;

typedef struct tapedeck_sink_book_level {
    tapedeck_sink_decimal price;
    tapedeck_sink_decimal size;
} tapedeck_sink_book_level;

/* ---- frames -------------------------------------------------------------------------------- */

/* What is in a frame. */
enum {
    TAPEDECK_SINK_BOOK = 0,      /* a change of a book: entries are levels */
    TAPEDECK_SINK_TRADES = 1,    /* entries are trades */
    TAPEDECK_SINK_RECORD = 2,    /* any other topic: entries have values */
    TAPEDECK_SINK_UNDECODED = 3, /* received, and not decoded: see reason */
    TAPEDECK_SINK_CONTROL = 4,   /* received, without a topic: an answer, a pong, an error */
    TAPEDECK_SINK_SENT = 5,      /* what the recorded client sent */
    TAPEDECK_SINK_HTTP = 6,      /* an answer to an HTTP request */
};

enum { TAPEDECK_SINK_UNTYPED = 0, TAPEDECK_SINK_SNAPSHOT = 1, TAPEDECK_SINK_DELTA = 2 };

enum {
    TAPEDECK_SINK_UNJUDGED = 0, /* no topic, or not decoded */
    TAPEDECK_SINK_OK = 1,
    TAPEDECK_SINK_VIOLATION = 2, /* it broke a rule of strength error */
};

typedef struct tapedeck_sink_frame {
    size_t size;     /* of this struct in the program that runs */
    const void *own; /* the program's own: functions of the host need it */

    /* Which stream it is of. */
    const char *feed;   /* as the recording's user calls it */
    const char *family; /* product line: "inverse", "v5-linear" */
    const char *topic;  /* without the symbol: "orderBookL2_25"; of frames without a
                           topic "_control", "_unknown", "http.NAME" */
    const char *symbol; /* "BTCUSD"; "" if there is none, "*" if each entry names its own */
    tapedeck_sink_text exchange_topic; /* as the exchange writes it: "orderBookL2_25.BTCUSD" */

    /* Where it is on the tape. */
    const char *session;  /* that recorded it: 8 hex digits */
    uint32_t line, shard; /* of the slot, from 0 */
    uint32_t connection;  /* of the slot within the session, from 1; 0: unknown */
    uint32_t reserved;
    uint64_t ordinal; /* on the connection, received and sent ones each from 1 */
    uint64_t recv_ns;
    const uint8_t *bytes; /* as they came */
    size_t byte_count;

    /* Its content. */
    uint32_t content;     /* TAPEDECK_SINK_BOOK ... */
    uint32_t kind;        /* the frame's own type: TAPEDECK_SINK_UNTYPED, _SNAPSHOT, _DELTA */
    const char *type;     /* as in `replay --messages`: "book_change", "trade", "ticker" ...; "raw",
                             "control", "request", "http" if it is no message of a topic */
    const char *reason;   /* why it was not decoded: "missing_field" ...; "" if it was */
    size_t entry_count;   /* levels, trades, or entries with values */
    uint64_t exchange_ns; /* the exchange's own time of the frame */
    uint64_t match_ns;    /* time of the matching engine, where frames state it */
    int64_t cross_seq;    /* if has_cross_seq; likewise below */
    int64_t u;
    int64_t seq;
    tapedeck_sink_text version; /* of spot's older topics */
    uint32_t unknown_fields;    /* that the program does not know, and skipped */

    /* Flags: 1 or 0. */
    uint8_t has_cross_seq;
    uint8_t has_u;
    uint8_t has_seq;
    uint8_t is_binary;  /* by its WebSocket opcode */
    uint8_t is_lead_in; /* before --from: books are built from it, nothing is counted */
    uint8_t is_copy;    /* another connection brought the topic as well, and is the one that counts:
                           docs/design.md, "Connections with the same topic" */

    /* The verdict. Rules that compare topics with each other are in the report only. */
    uint8_t is_unchecked; /* 1: the book was broken before, so the frame's levels were not judged */
    uint8_t is_book_broken; /* 1: after this frame, until the next snapshot, the book may be
                               wrong */
    uint32_t verdict;
    uint32_t rule_count; /* rules that it broke, of any strength: host->rule */

    /* The book as it is after the frame; NULL if the topic has none. */
    const tapedeck_sink_book *book;
} tapedeck_sink_frame;

/* ---- events -------------------------------------------------------------------------------- */

/* What the recorder noted: connections, subscriptions, gaps, sessions (docs/design.md, "Events").
 * Of a replay with --from, those before it are not shown. */
typedef struct tapedeck_sink_event {
    size_t size;
    const char *kind; /* "session", "segment", "connect", "subscribe", "disconnect", "gap" ...; ""
                         if it cannot be read */
    const char *feed; /* of the event */
    const char *session; /* that recorded it */
    uint64_t recv_ns;
    uint32_t line, shard, connection; /* 0 where the kind has none */
    uint32_t reserved;
    const char *state;  /* "begins", "acknowledged", "sent" ... */
    const char *url;    /* of connect */
    const char *topics; /* of subscribe: as the exchange writes them, joined by "," */
    const char *topic;  /* of gap; "" stands for the whole connection */
    const char *symbol; /* of gap */
    const char *reason; /* of disconnect, close and gap */
    const char *cause;
    const char *detail;
    uint64_t from_ns, to_ns; /* of gap, overload, clock; to_ns 0: it has no end yet */
    tapedeck_sink_text json; /* all members, as recorded */
} tapedeck_sink_event;

/* ---- the end ------------------------------------------------------------------------------- */

enum {
    TAPEDECK_SINK_ENDED = 0,   /* the tape was played to its end */
    TAPEDECK_SINK_STOPPED = 1, /* ended before: a plugin, a key, a signal */
    TAPEDECK_SINK_FAILED = 2,  /* an error; numbers are 0, books are empty */
};

enum {
    TAPEDECK_SINK_NOT_KNOWN = 0,
    TAPEDECK_SINK_COMPLETE = 1,   /* nothing is missing: exit status 0 */
    TAPEDECK_SINK_INCOMPLETE = 2, /* something is, or the replay was stopped: 1 */
    TAPEDECK_SINK_DAMAGED = 3,    /* stored frames could not be read: 3 */
};

/* What the replay gave, as its report has it. */
typedef struct tapedeck_sink_result {
    size_t size;
    uint32_t outcome;
    uint32_t verdict;
    uint64_t frames; /* received, in the selection: copies and control frames too */
    uint64_t decoded;
    uint64_t undecoded;
    uint64_t violations; /* frames that broke a rule of strength error */
    uint64_t first_recv_ns;
    uint64_t last_recv_ns;
    const char *error; /* of TAPEDECK_SINK_FAILED */
} tapedeck_sink_result;

/* ---- the host ------------------------------------------------------------------------------ */

/* Functions of the program. The struct is valid until close returns; a plugin keeps the pointer.
 * frame is the pointer that a call was given. Functions that fill *out return 1, or 0 if there is
 * no such thing; then they leave *out as it is. */
typedef struct tapedeck_sink_host tapedeck_sink_host;
struct tapedeck_sink_host {
    uint32_t abi;
    uint32_t reserved;
    size_t size;         /* of this struct in the program that runs */
    const char *version; /* of the program: "0.1.0" */
    void *own;           /* the program's own */

    /* Give an error its text (copied; one line), and return TAPEDECK_SINK_FAIL:
     *   return host->fail(host, "cannot write fills.csv"); */
    int (*fail)(const tapedeck_sink_host *host, const char *text);
    /* Print a line on standard error, with the program's and the plugin's name, so that it does not
     * mix with the status line. Not with --quiet. */
    void (*log)(const tapedeck_sink_host *host, const char *text);

    /* Entry `index` of a frame of a book, or of trades. index < frame->entry_count. */
    int (*level)(const tapedeck_sink_frame *frame, size_t index, tapedeck_sink_level *out);
    int (*trade)(const tapedeck_sink_frame *frame, size_t index, tapedeck_sink_trade *out);
    /* The index-th value, or the one of that name, of an entry, or of TAPEDECK_SINK_ENVELOPE. Of
     * books and trades: what levels and trades have no member for, which takes
     * TAPEDECK_SINK_WANTS_EVERY_VALUE. */
    int (*value)(const tapedeck_sink_frame *frame, size_t entry, size_t index,
                 tapedeck_sink_value *out);
    int (*value_named)(const tapedeck_sink_frame *frame, size_t entry, const char *name,
                       tapedeck_sink_value *out);
    /* What entry `index` of a frame does: TAPEDECK_SINK_SET ...; _NO_ACTION if there is none. */
    uint32_t (*action)(const tapedeck_sink_frame *frame, size_t index);
    /* A rule that the frame broke. index < frame->rule_count. */
    int (*rule)(const tapedeck_sink_frame *frame, size_t index, tapedeck_sink_rule *out);

    /* Levels of a side of a book now: how many; and those from the first-th best on (0 is the
     * best), at most max of them, into out. Returns how many it has put there. book may be NULL: it
     * has no level. */
    size_t (*book_level_count)(const tapedeck_sink_book *book, uint32_t side);
    size_t (*book_levels)(const tapedeck_sink_book *book, uint32_t side, size_t first, size_t max,
                          tapedeck_sink_book_level *out);
    /* 1 while the book may be wrong: it broke, or had no snapshot on this connection. */
    int (*book_is_broken)(const tapedeck_sink_book *book);

    /* -1, 0 or 1: a is below, equal to, above b. */
    int (*decimal_compare)(tapedeck_sink_decimal a, tapedeck_sink_decimal b);
    /* The mantissa that the value has at another scale; 0 if that is not exact, or beyond 64 bits.
     */
    int (*decimal_at_scale)(tapedeck_sink_decimal value, uint32_t scale, int64_t *out);
    /* Write the shortest form ("60591", "0.5", "-12.25") and a NUL; returns its length. */
    size_t (*decimal_format)(tapedeck_sink_decimal value, char out[TAPEDECK_SINK_DECIMAL_BYTES]);
};

/* ---- the plugin ---------------------------------------------------------------------------- */

/* What a plugin wants besides the decoded and undecoded frames of the selection. */
enum {
    TAPEDECK_SINK_WANTS_LEAD_IN = 1 << 0, /* frames before --from that books need (is_lead_in) */
    TAPEDECK_SINK_WANTS_COPIES = 1 << 1,  /* frames that do not count (is_copy) */
    TAPEDECK_SINK_WANTS_CONTROL = 1 << 2, /* TAPEDECK_SINK_CONTROL, _SENT and _HTTP */
    /* Values of books and trades that tapedeck_sink_level and tapedeck_sink_trade have no member
     * for. Without it they are not decoded, which is faster. */
    TAPEDECK_SINK_WANTS_EVERY_VALUE = 1 << 3,
};

/* A plugin. Members that are not set (NULL) are not called; frame must be set. */
struct tapedeck_sink {
    uint32_t abi;     /* TAPEDECK_SINK_ABI */
    uint32_t wants;   /* TAPEDECK_SINK_WANTS_LEAD_IN | ... */
    size_t size;      /* sizeof (struct tapedeck_sink) */
    const char *name; /* for messages: "market maker" */

    /* The replay begins. argument: TEXT of the command line, "" if there is none. *self is passed
     * to the other functions; NULL before. TAPEDECK_SINK_GO or _FAIL; close is not called after
     * that. */
    int (*open)(const tapedeck_sink_host *host, const char *argument, void **self);
    /* A frame, when it is due (--speed), and after its topic's book has taken it. */
    int (*frame)(void *self, const tapedeck_sink_frame *frame);
    /* An event, at its place among the frames. */
    int (*event)(void *self, const tapedeck_sink_event *event);
    /* The replay has ended, the report is not yet printed. Once for each open that returned
     * TAPEDECK_SINK_GO, however the replay ends, unless the process is killed. Books are as the
     * last frame left them. TAPEDECK_SINK_GO or _FAIL. */
    int (*close)(void *self, const tapedeck_sink_result *result);
};

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct tapedeck_sink tapedeck_sink;

#ifdef __cplusplus
}
#endif

#endif
