/* Types of datasets, as a table: their columns, their source channels, and their makers.
 *
 *
 * A new type is a file rows_NAME.c with its export_type, a declaration below, and a line in
 * EXPORT_TYPES (export_type.c). A format that has another name for the type lists it in its own
 * table; formats that take all types (export/export_format.h) get it automatically.
 *
 *
 * A maker is the state of one type for one topic: it gets frames and puts rows. It opens no files
 * and reads no tape. One maker belongs to one thread at a time. */
#ifndef TD_EXPORT_EXPORT_TYPE_H
#define TD_EXPORT_EXPORT_TYPE_H

#include <stddef.h>
#include <stdint.h>

#include "archive/gap.h"
#include "base/err.h"
#include "book/book.h"
#include "tape/topic_trust.h"
#include "tape/coverage.h"
#include "export/export_row.h"
#include "schema/family.h"
#include "schema/frame.h"

/* The user's options for types; one struct for all types. */
typedef struct export_settings {
    uint32_t depth;  /* of books: levels per side; selects the topic. 0: the market's usual topic */
    uint64_t bar_ns; /* length of bars; 0 without bars */
    uint8_t has_suspect_bars; /* 1: include incomplete bars even in formats that cannot mark them */
    /* Options of book_snapshots; every_ns and every_changes are 0 if not given. */
    uint64_t every_ns;
    uint32_t every_changes;
    uint32_t levels;
    /* Options of hftbacktest: */
    uint8_t has_sod; /* 1: the first event of a known book is the whole book */
    uint8_t has_bbo; /* 1: include the exchange's own best prices */
    /* Options of parquet: */
    uint8_t has_floats;    /* 1: decimals are DOUBLE */
    uint8_t decimal_scale; /* decimals are DECIMAL(18, decimal_scale); 0: DECIMAL(38, 18) */
} export_settings;

/* A frame as a maker gets it. Makers do not get copies. Frames before the selection
 * (frame->is_lead_in) only update the maker's state and give no rows. */
typedef struct maker_frame {
    const frame_ref *frame;
    const message *message;          /* NULL if the frame is not decoded or is an HTTP answer */
    const struct entry_order *order; /* of the message's entries in rows; NULL: as listed */
    const book *book; /* the book after the frame if the topic has book changes; else NULL */
    const trust_answer *trust; /* NULL for HTTP answers */
    const gap_row *gap;        /* latest gap of the topic since the previous frame, or NULL */
    time_span part; /* the selected part of the day. EXPORT_OF_INTERVALS: the maker also gets frames
                       received up to COVERAGE_DELAY_NS before and after the part, and its rows
                       can have trades of these */
} maker_frame;

/* Makes a row with the members that all rows of a frame share: times, number, flags, is_suspect.
 * Rows of the book after the frame have trust->exchange_ns. */
export_row export_row_of(const maker_frame *seen);

enum {
    EXPORT_ALL_SYMBOLS = 1, /* one file for all symbols, with a column for the symbol */
    EXPORT_OF_BOOKS = 2, /* made from order books: --depth applies, and the manifest lists breaks */
    EXPORT_NO_SYMBOL = 4,  /* rows may have no symbol at all (wallets) */
    EXPORT_OF_REPLIES = 8, /* made from HTTP replies, which are read whatever symbols are selected;
                              rows are selected by their own symbol */
    EXPORT_OF_INTERVALS = 16, /* rows are about time intervals; the last column, `covered`, is
                                 omitted in formats that cannot mark suspect rows */
};

struct export_type;

/* The input for opening a maker. */
typedef struct maker_begin {
    const struct export_type *type;
    const export_settings *settings;
    const frame_channel *channel; /* of the first frame */
    const book *before;           /* the book in a checkpoint; NULL if absent */
    const coverage *covered; /* with EXPORT_OF_INTERVALS: the time without missing frames, as far as
                                it is known from the frames up to now; outlives the maker */
} maker_begin;

/* A gap in the ledger, or a stretch of time without a right book. */
typedef struct export_gap {
    gap_row row;
    const char *reason; /* of such a stretch: its rule, or cause. NULL: the row's */
} export_gap;

typedef struct export_type {
    const char *name;
    const export_column *columns; /* NULL: the type has no rows, because its format has
                                     `frame` (export/export_format.h) */
    size_t column_count;
    unsigned flags;   /* EXPORT_* */
    msg_type message; /* topics with such messages give rows; MSG_RAW: `takes` decides */
    /* Kinds of messages that frames of `takes` can have, as bits (1u << MSG_TICKER). 0: as books
     * (EXPORT_OF_BOOKS) or replies have, or else all. */
    uint32_t kinds;
    /* 1 if a topic with other messages gives rows, too. NULL: no such topic. Its frames are read
     * with all members (TAPE_READS_ALL). */
    int (*also)(const topic_row *row);
    /* 1 if frames of a channel (data or HTTP answers) give rows. NULL: `message` decides. */
    int (*takes)(const export_settings *settings, const frame_channel *channel);
    /* Set if several topics of a symbol can supply rows together: 1 if the channel's topic is one
     * of them. They share one maker. NULL: each topic has a maker. */
    int (*joins)(const frame_channel *channel);
    /* With `joins`: frames of this channel's topic are missing since its last frame. Called before
     * each frame of another one of the topics, until a frame arrives after the gap. */
    void (*lost)(void *maker, const frame_channel *channel);
    /* Set if only one topic per feed and symbol supplies rows, of those that are not joined: 1 if
     * `topic` is preferred to `other`. NULL: all topics give rows. */
    int (*prefers)(const family_market *market, const topic_row *topic, const topic_row *other);
    /* Opens a maker for a channel's topic. NULL: `frame` is called with maker NULL. */
    void *(*open)(const maker_begin *begin);
    td_result (*frame)(void *maker, const maker_frame *seen, const row_out *out, td_err *err);
    /* Called when the day's selected part ends, at end_ns: puts the rows that were held back. gap:
     * the last gap since the last frame, or NULL. The function may be NULL. */
    td_result (*end)(void *maker, uint64_t end_ns, const gap_row *gap, const row_out *out,
                     td_err *err);
    void (*close)(void *maker); /* may be NULL */
    /* Puts rows about the whole day. gaps: those that touch the day, by time. The function may be
     * NULL. */
    td_result (*day)(const export_gap *gaps, size_t gap_count, const row_out *out, td_err *err);
} export_type;

/* 1 if messages of a topic give rows, apart from `takes`. */
int export_type_is_of(const export_type *type, const topic_row *row);

/* 1 if a type's rows need frames of a topic: they can give rows, or show that other frames which do
 * are missing (book/audit.h). */
int export_type_needs(const export_type *type, const topic_row *row);

/* ---- types, and indexes of columns that formats access directly ---- */

/* Columns of trades and of liquidations. */
enum { TRADE_ID, TRADE_SIDE, TRADE_PRICE, TRADE_SIZE, TRADE_COLUMNS };
extern const export_column EXPORT_TRADE_COLUMNS[TRADE_COLUMNS];
extern const export_type EXPORT_TRADES;

enum { DELTA_IS_SNAPSHOT, DELTA_SIDE, DELTA_PRICE, DELTA_SIZE, DELTA_COLUMNS };
extern const export_type EXPORT_BOOK_DELTAS;

enum { QUOTE_ASK_SIZE, QUOTE_ASK_PRICE, QUOTE_BID_PRICE, QUOTE_BID_SIZE, QUOTE_COLUMNS };
extern const export_column EXPORT_QUOTE_COLUMNS[QUOTE_COLUMNS];
extern const export_type EXPORT_BOOK_SNAPSHOT_25;
extern const export_type EXPORT_BOOK_SNAPSHOT_5;
extern const export_type EXPORT_QUOTES;

enum {
    BAR_START,
    BAR_OPEN,
    BAR_HIGH,
    BAR_LOW,
    BAR_CLOSE,
    BAR_VOLUME,
    BAR_VWAP,
    BAR_COUNT,
    BAR_BUY_VOLUME,
    BAR_SELL_VOLUME,
    BAR_COVERED,
    BAR_COLUMNS
};
extern const export_type EXPORT_BARS;

extern const export_type EXPORT_BOOK_SNAPSHOTS; /* 25 levels; others: export_book_snapshots */
extern const export_type EXPORT_BOOK_TICKER;

enum {
    TICKER_FUNDING_TIME,
    TICKER_FUNDING_RATE,
    TICKER_PREDICTED_FUNDING_RATE,
    TICKER_OPEN_INTEREST,
    TICKER_LAST_PRICE,
    TICKER_INDEX_PRICE,
    TICKER_MARK_PRICE,
    TICKER_COLUMNS
};
extern const export_type EXPORT_DERIVATIVE_TICKER;

extern const export_type EXPORT_OPTIONS_CHAIN;
extern const export_type EXPORT_LIQUIDATIONS;
extern const export_type EXPORT_GAPS;
extern const export_type EXPORT_INSTRUMENTS;

/* Types whose rows are the unchanged entries of one message type, indexed by msg_type: a row for
 * each entry, with a column for each member that schema/ defines for the message type. Rows of a
 * book that was not proven complete are written, with a flag. name NULL: messages of that type have
 * no entries. The columns of types that are used are set by export_message_types_init(), which
 * reads all families (schema/family.h). Any thread may call it once the families of the tape are
 * known; export_run does. */
enum { MESSAGE_TOPIC }; /* the first column of these types */
extern export_type EXPORT_MESSAGE_TYPES[MSG_TYPE_COUNT];
void export_message_types_init(const export_type *const *types, size_t count);

/* EXPORT_BOOK_SNAPSHOTS with the columns for a number of levels. */
enum { EXPORT_SNAPSHOT_LEVELS = 1000 };
typedef struct export_book_snapshots {
    export_type type;
    export_column columns[4 * EXPORT_SNAPSHOT_LEVELS];
    char names[4 * EXPORT_SNAPSHOT_LEVELS][24];
} export_book_snapshots;
void export_book_snapshots_init(uint32_t levels, export_book_snapshots *out);

/* The number of a type's columns in formats that cannot mark suspect rows. */
size_t export_plain_columns(const export_type *type);

/* All types, in the order in which --help lists them. */
const export_type *const *export_type_table(size_t *count);

/* ---- topics, for `takes` and `prefers` ---- */

/* 1 if books can be made from this topic: it has book changes of prices that are not grouped.
 * depth: the depth that the topic must have; 0: any depth. */
int export_is_book_topic(const topic_row *row, uint32_t depth);

/* 1 if frames of a channel give rows of a type. */
int export_type_takes(const export_type *type, const export_settings *settings,
                      const frame_channel *channel);

/* 1 if a type made from books takes the channel; a `takes` function. */
int export_takes_book(const export_settings *settings, const frame_channel *channel);

/* 1 if one topic has to be chosen for the type's rows of the channel's symbol. Topics of several
 * symbols are not chosen among: a symbol's own topic has its rows, if there is one. */
int export_chooses(const export_type *type, const frame_channel *channel);

/* 1 if `topic` is preferred to `other` for a symbol's trades; a `prefers` function. The market's
 * own topic of trades is preferred, then the first in byte order. */
int export_prefers_trades(const family_market *market, const topic_row *topic,
                          const topic_row *other);

/* 1 if `topic` is preferred to `other` for a feed's book; a `prefers` function. The market's usual
 * topic is preferred, then the deeper one, then the first in byte order. */
int export_prefers_book(const family_market *market, const topic_row *topic,
                        const topic_row *other);

/* Splits an option's symbol such as "BTC-30JUN23-45000-P" or "BTC-USD-230630-45000-P" into coin,
 * date, strike and right. */
enum { EXPORT_OPTION_PARTS = 4 };
void export_option_split(td_bytes symbol, td_bytes parts[EXPORT_OPTION_PARTS]);

/* 1 if entries of the topic's frames name symbols, because the topic names only a coin, or
 * nothing. */
int export_entries_have_symbols(const topic_row *row);

#endif
