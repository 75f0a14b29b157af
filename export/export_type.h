/* Types of datasets, as a table: their columns, which channels they are made of, and their makers.
 *
 * A new type is a file rows_NAME.c with its export_type, a declaration below, and a line in
 * EXPORT_TYPES (export_type.c); a format that calls it by another name has a line in its own
 * table. Formats that take all types (export/export_format.h) have it then.
 *
 * A maker is the state of one type for one stream: frames in, rows out. It opens no files and reads
 * no tape. One maker belongs to one thread at a time. */
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

/* What a user chose about types; one struct for all of them. */
typedef struct export_settings {
    uint32_t depth;  /* of books: the topic with so many levels a side; 0: the market's own */
    uint64_t bar_ns; /* length of bars; 0: no bars */
    uint8_t has_suspect_bars; /* 1: also in formats that do not say which they are */
    /* Of book_snapshots; every_ns and every_changes 0: none */
    uint64_t every_ns;
    uint32_t every_changes;
    uint32_t levels;
    /* Of hftbacktest: */
    uint8_t has_sod; /* 1: a book that is alive begins with all of it */
    uint8_t has_bbo; /* 1: with the exchange's own best prices */
    /* Of parquet: */
    uint8_t has_floats;    /* parquet */
    uint8_t decimal_scale; /* decimals are DECIMAL(18, this); 0: DECIMAL(38, 18) */
} export_settings;

/* A frame as a maker sees it: copies are not shown, frames before the selection are
 * (frame->is_lead_in): those bring the state up to date and give no rows. */
typedef struct maker_frame {
    const frame_ref *frame;
    const message *message;    /* NULL: not decoded, or an HTTP answer */
    const book *book;          /* of a topic of book changes: after the frame; else NULL */
    const trust_answer *trust; /* of frames of topics; else NULL */
    const gap_row *gap; /* the last gap of the ledger about this topic since the frame before, of
                           the first frame: since ever; NULL: without a gap */
    uint64_t from_ns;   /* the day, or the selection, begins */
    uint64_t to_ns;     /* it ends: types of EXPORT_OF_INTERVALS are also shown what is received in
                           the COVERAGE_DELAY_NS after it */
} maker_frame;

/* What the rows of a frame have in common: times, number, flags, is_suspect. */
export_row export_row_of(const maker_frame *seen);

enum {
    EXPORT_ALL_SYMBOLS = 1,   /* rows are not of one symbol: one file for all, with columns of its
                                 own for the symbol */
    EXPORT_OF_BOOKS = 2,      /* made of order books: --depth means it, the manifest has breaks */
    EXPORT_NO_SYMBOL = 4,     /* rows may be of no symbol at all (wallets) */
    EXPORT_OF_REPLIES = 8,    /* made of HTTP replies, which are read whatever symbols are selected;
                                 rows are selected by their own */
    EXPORT_OF_INTERVALS = 16, /* a row is about a time; its last column, `covered`, is one that
                                 formats without suspect do not have (export_plain_columns) */
};

struct export_type;

/* Where a maker begins. */
typedef struct maker_begin {
    const struct export_type *type;
    const export_settings *settings;
    const frame_channel *channel; /* of the first frame */
    const book *before;           /* the book that a checkpoint has; NULL: it has no book */
    const coverage *covered; /* of types of EXPORT_OF_INTERVALS: what is missing, as far as it is
                                known with the frames that were shown; lives as long as the maker */
} maker_begin;

typedef struct export_type {
    const char *name;
    const export_column *columns; /* NULL: of a format with frame (export/export_format.h) */
    size_t column_count;
    unsigned flags;   /* EXPORT_* */
    msg_type message; /* topics with messages of this type give rows; MSG_RAW: as takes says */
    /* 1 if frames of a channel give rows. Called for data and HTTP answers. NULL: as message says.
     */
    int (*takes)(const export_settings *settings, const frame_channel *channel);
    /* Of the topics that it takes, each feed's symbol has one: the one that is preferred to all
     * others that the selection has. NULL: all topics give rows. */
    int (*prefers)(const family_market *market, const topic_row *topic, const topic_row *other);
    /* A maker for a channel's stream. NULL: frame is called with NULL. */
    void *(*open)(const maker_begin *of);
    td_result (*frame)(void *maker, const maker_frame *seen, const row_out *out, td_err *err);
    /* The day, or the selection, ends at end_ns: rows that were waiting. gap: as above, after the
     * last frame. May be NULL. */
    td_result (*end)(void *maker, uint64_t end_ns, const gap_row *gap, const row_out *out,
                     td_err *err);
    void (*close)(void *maker); /* may be NULL */
    /* Rows about the day as a whole, beside those of frames, before all others: gaps are those of
     * the ledger that begin on it, by time. May be NULL. */
    td_result (*day)(const gap_row *const *gaps, size_t gap_count, const row_out *out, td_err *err);
} export_type;

/* ---- types, and the indexes of the columns that formats read by themselves ---- */

enum { TRADE_ID, TRADE_SIDE, TRADE_PRICE, TRADE_SIZE, TRADE_COLUMNS }; /* and of liquidations */
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

extern const export_type EXPORT_BOOK_SNAPSHOTS; /* of 25 levels; others: see below */
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

/* Types that are made of a message type's entries as they are, by msg_type: a row for each entry,
 * with every member that the rows of schema/ give to the type as a column. A book that was not
 * proven whole has its rows, with a flag. name NULL: messages of that type have no entries. Their
 * columns are there after export_message_types_init(), which any thread may call at any time. */
enum { MESSAGE_TOPIC }; /* the first column of all of them */
extern export_type EXPORT_MESSAGE_TYPES[MSG_TYPE_COUNT];
void export_message_types_init(void);

/* The type EXPORT_BOOK_SNAPSHOTS with the columns of so many levels. */
enum { EXPORT_SNAPSHOT_LEVELS = 1000 };
typedef struct export_book_snapshots {
    export_type type;
    export_column columns[4 * EXPORT_SNAPSHOT_LEVELS];
    char names[4 * EXPORT_SNAPSHOT_LEVELS][24];
} export_book_snapshots;
void export_book_snapshots_init(uint32_t levels, export_book_snapshots *out);

/* How many of its columns a type has in formats that do not say what is suspect. */
size_t export_plain_columns(const export_type *type);

/* All types with columns, in the order in which --help lists them. */
const export_type *const *export_type_table(size_t *count);

/* ---- topics, for `takes` and `prefers` ---- */

/* 1 if books can be made from this topic: it is one of book changes whose depth is known (depth 0:
 * any; else that one alone). */
int export_is_book_topic(const topic_row *row, uint32_t depth);

/* 1 if a type has rows of the frames of a channel. */
int export_type_takes(const export_type *type, const export_settings *settings,
                      const frame_channel *channel);

/* `takes` of types that are made of books. */
int export_takes_book(const export_settings *settings, const frame_channel *channel);

/* 1 if a feed's book is rather taken from topic than from other: the market's own topic before all
 * others, a deeper one before a flatter, at one depth the first in byte order. */
int export_prefers_book(const family_market *market, const topic_row *topic,
                        const topic_row *other);

/* The parts of an option's symbol, as "BTC-30JUN23-45000-P": coin, date, strike, right. */
enum { EXPORT_OPTION_PARTS = 4 };
void export_option_split(td_bytes symbol, td_bytes parts[EXPORT_OPTION_PARTS]);

/* 1 if the topic's frames are not about the symbol that the topic names (it is a coin, or nothing):
 * each row says its own. */
int export_entries_have_symbols(const topic_row *row);

#endif
