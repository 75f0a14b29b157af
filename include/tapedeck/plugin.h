/* The interface of plugins: shared objects that see the frames of a replay, or decode frames.
 *
 *   tapedeck replay --sink plugin=FILE[,TEXT]   calls `frame` with each frame, decoded, with its
 *                                               verdict and its order book (docs/plugins.md)
 *   tapedeck regress ... --decoder FILE         calls `decode` in place of the built-in decoder
 *                                               (docs/decoders.md)
 *
 * docs/examples/strategy.c and docs/examples/decoder.c are complete plugins. A plugin exports one
 * symbol, the struct `tapedeck_plugin` (at the end of this file):
 *
 *   #include <tapedeck/plugin.h>
 *   static int on_frame(void *self, const tapedeck_frame *frame) { ... }
 *   const struct tapedeck_plugin tapedeck_plugin = {
 *       .abi = TAPEDECK_PLUGIN_ABI, .size = sizeof tapedeck_plugin, .name = "mine",
 *       .frame = on_frame};
 *
 *   cc -shared -fPIC mine.c $(pkg-config --cflags tapedeck) -o mine.so
 *
 * Threads: in a replay all functions are called on one thread, one call at a time, in total order.
 * `regress` makes an instance for each thread that decodes (`begin` to `end`, with a self of its
 * own); calls with one self never overlap. Functions of the host are for the thread of the call,
 * during the call, unless documented otherwise. A call of a replay may take any time: the replay
 * waits. It must return: do not leave it by longjmp or a C++ exception.
 *
 * Views: what a pointer points to is valid during the call, unless documented otherwise. Texts
 * named `const char *` are NUL-terminated and never NULL, "" if absent; a tapedeck_text has a size
 * and no NUL.
 *
 * Units: times are ns since 1970-01-01 UTC, 0 if absent; prices and sizes are exact decimals.
 *
 * Stability: TAPEDECK_PLUGIN_ABI changes only if a plugin has to be compiled again. Until then
 * structs that state their own size grow at their end, enumerations get further values, the host
 * gets further functions, and nothing else changes. A plugin of an older header works with a newer
 * program. One of a newer header works with an older program if it checks with TAPEDECK_HAS before
 * it uses what older programs lack. */
#ifndef TAPEDECK_PLUGIN_H
#define TAPEDECK_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TAPEDECK_PLUGIN_ABI 2u

/* 1 if the program that runs has this member of one of its structs:
 * TAPEDECK_HAS(host, tapedeck_host, log). */
#define TAPEDECK_HAS(pointer, type, member)                                                        \
    ((pointer)->size >= offsetof(type, member) + sizeof(((type *)0)->member))

/* What a function of a plugin returns. Anything else counts as TAPEDECK_FAIL. */
enum {
    TAPEDECK_GO = 0,
    TAPEDECK_FAIL = 1, /* end the replay with an error; host->fail gives it a text */
    TAPEDECK_STOP = 2, /* from frame and event: end it here. It reports what was played, as
                               stopped. Other plugins still get this frame */
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
    const char *name; /* "last_price"; valid until end returns */
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
    const char *name; /* "delete_exists"; valid until end returns */
    uint32_t strength;
    uint32_t reserved;
    int64_t expected; /* as the report of replay has them; 0 where the rule has no such number */
    int64_t found;
} tapedeck_rule;

/* ---- books --------------------------------------------------------------------------------- */

/* The order book of a topic and symbol of a feed. Of a frame that is no copy: the same pointer for
 * all frames of the topic and symbol, valid until end returns, so that a plugin may keep it, and
 * read the book during a frame of another topic. The book is always in the state after the last
 * frame that was played. Of a copy: the book of the copy's own connection, valid during the call.
 */
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
    TAPEDECK_SENT = 5,      /* what the recorded client sent */
    TAPEDECK_HTTP = 6,      /* an answer to an HTTP request */
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
                                     topic "_control", "_unknown", "http.NAME" */
    const char *symbol;           /* "BTCUSD"; "" if absent, "*" if each entry names its own */
    tapedeck_text exchange_topic; /* as the exchange writes it: "orderBookL2_25.BTCUSD" */

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
    uint32_t content;     /* TAPEDECK_BOOK ... */
    uint32_t kind;        /* the frame's own type: TAPEDECK_UNTYPED, _SNAPSHOT, _DELTA */
    const char *type;     /* as in `replay --messages`: "book_change", "trade", "ticker" ...; "raw",
                             "control", "request", "http" if it is no message of a topic */
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
    const tapedeck_book *book;
} tapedeck_frame;

/* ---- events -------------------------------------------------------------------------------- */

/* What the recorder noted: connections, subscriptions, gaps, sessions (docs/design.md, "Events").
 * Of a replay with --from, those before it are not shown. */
typedef struct tapedeck_event {
    size_t size;
    const char *kind; /* "session", "segment", "connect", "subscribe", "disconnect", "gap" ...; ""
                         if it cannot be read */
    const char *feed; /* of the event */
    const char *session; /* that recorded it */
    uint64_t recv_ns;
    uint32_t line, shard, connection; /* 0 where the kind has none */
    uint32_t reserved;
    const char *state;  /* "begins", "sent" ... */
    const char *url;    /* of connect */
    const char *topics; /* of subscribe: as the exchange writes them, joined by "," */
    const char *topic;  /* of gap, grant, grant_end; "" of a gap: the whole connection */
    const char *symbol; /* of gap */
    const char *reason; /* of disconnect, close, gap and grant_end */
    const char *cause;
    const char *detail;
    uint64_t from_ns, to_ns; /* of gap, overload, clock, grant; to_ns 0: it has no end yet */
    tapedeck_text json;      /* all members, as recorded */
} tapedeck_event;

/* ---- the end ------------------------------------------------------------------------------- */

enum {
    TAPEDECK_ENDED = 0,   /* the tape was played to its end */
    TAPEDECK_STOPPED = 1, /* ended before: a plugin, a key, a signal */
    TAPEDECK_FAILED = 2,  /* an error; numbers are 0, books are empty */
};

enum {
    TAPEDECK_NOT_KNOWN = 0,
    TAPEDECK_COMPLETE = 1,   /* nothing is missing: exit status 0 */
    TAPEDECK_INCOMPLETE = 2, /* something is, or the replay was stopped: 1 */
    TAPEDECK_DAMAGED = 3,    /* stored frames could not be read: 3 */
};

/* What the replay gave, as its report has it. */
typedef struct tapedeck_result {
    size_t size;
    uint32_t outcome;
    uint32_t verdict;
    uint64_t frames; /* received, in the selection: copies and control frames too */
    uint64_t decoded;
    uint64_t undecoded;
    uint64_t violations; /* frames that broke a rule of strength error */
    uint64_t first_recv_ns;
    uint64_t last_recv_ns;
    const char *error; /* of TAPEDECK_FAILED */
} tapedeck_result;

/* ---- the host ------------------------------------------------------------------------------ */

/* Functions of the program. The struct is valid until end returns; a plugin keeps the pointer.
 * frame is the pointer that `frame` was given. Functions that fill *out return 1, or 0 if there is
 * no such thing; then they leave *out as it is. In regress only `fail` and `log` are set. */
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
    /* Print a line on standard error, with the program's and the plugin's name, so that it does not
     * mix with the status line. Not with --quiet. */
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

/* ---- the plugin ---------------------------------------------------------------------------- */

/* What a plugin wants besides the decoded and undecoded frames of the selection. */
enum {
    TAPEDECK_WANTS_LEAD_IN = 1 << 0, /* frames before --from that books need (is_lead_in) */
    TAPEDECK_WANTS_COPIES = 1 << 1,  /* frames that do not count (is_copy) */
    TAPEDECK_WANTS_CONTROL = 1 << 2, /* TAPEDECK_CONTROL, _SENT and _HTTP */
    /* Values of books and trades that tapedeck_level and tapedeck_trade have no member
     * for. Without it they are not decoded, which is faster. */
    TAPEDECK_WANTS_EVERY_VALUE = 1 << 3,
};

/* A plugin. Members that are not set (NULL) are not called; `frame` must be set for a replay,
 * `decode` for regress. */
struct tapedeck_plugin {
    uint32_t abi;     /* TAPEDECK_PLUGIN_ABI */
    uint32_t wants;   /* TAPEDECK_WANTS_LEAD_IN | ...; of frame */
    size_t size;      /* sizeof (struct tapedeck_plugin) */
    const char *name; /* for messages: "market maker" */

    /* The replay begins, or a thread of regress. argument: TEXT of the command line, "" if there is
     * none. *self is passed to the other functions; NULL before. TAPEDECK_GO or _FAIL; end is not
     * called after that. */
    int (*begin)(const tapedeck_host *host, const char *argument, void **self);
    /* A frame, when it is due (--speed), and after its topic's book has taken it. */
    int (*frame)(void *self, const tapedeck_frame *frame);
    /* An event, at its place among the frames. */
    int (*event)(void *self, const tapedeck_event *event);
    /* The end, once for each begin that returned TAPEDECK_GO, unless the process is killed. In a
     * replay: the report is not yet printed, and books are as the last frame left them. In regress
     * result is NULL. TAPEDECK_GO or _FAIL. */
    int (*end)(void *self, const tapedeck_result *result);
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
