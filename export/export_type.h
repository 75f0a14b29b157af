/* Types of datasets, as a table: their columns, their source channels, and their makers.
 *
 * A new type is a file rows_NAME.c with its export_type, a declaration below, and a line in
 * EXPORT_TYPES (export_type.c). A format with a name of its own for it has a line in its own table;
 * formats that take all types (export/export_format.h) get it automatically.
 *
 * A maker is the state of one type for one topic: frames in, rows out. It opens no files and reads
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

/* The user's options for types; one struct for all types. */
typedef struct export_settings {
    uint32_t depth;  /* of books: levels per side of the topic; 0: the market's usual topic */
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

/* A frame as shown to a maker. Copies are not shown. Frames before the selection
 * (frame->is_lead_in) only bring the state up to date and give no rows. */
typedef struct maker_frame {
    const frame_ref *frame;
    const message *message; /* NULL if not decoded, or an HTTP answer */
    const book *book;       /* the book after the frame, if the topic has book changes; else NULL */
    const trust_answer *trust; /* NULL for HTTP answers */
    const gap_row *gap;        /* latest gap of the topic since the frame before, or NULL */
    uint64_t from_ns;          /* start of the day's selected part */
    uint64_t to_ns; /* its end (exclusive); EXPORT_OF_INTERVALS: later frames are shown for
                       COVERAGE_DELAY_NS */
} maker_frame;

/* A row with the members that all rows of a frame share: times, number, flags, is_suspect. */
export_row export_row_of(const maker_frame *seen);

enum {
    EXPORT_ALL_SYMBOLS = 1,   /* one file for all symbols, with a column for them */
    EXPORT_OF_BOOKS = 2,      /* made of order books: --depth applies, the manifest lists breaks */
    EXPORT_NO_SYMBOL = 4,     /* rows may have no symbol at all (wallets) */
    EXPORT_OF_REPLIES = 8,    /* made of HTTP replies, which are read whatever symbols are selected;
                                 rows are selected by their own symbol */
    EXPORT_OF_INTERVALS = 16, /* rows of intervals; formats that cannot mark suspect rows lack the
                                 last column, `covered` */
};

struct export_type;

/* The input for opening a maker. */
typedef struct maker_begin {
    const struct export_type *type;
    const export_settings *settings;
    const frame_channel *channel; /* of the first frame */
    const book *before;           /* the book in a checkpoint; NULL if absent */
    const coverage *covered;      /* with EXPORT_OF_INTERVALS: what is missing, as far as the frames
                                     shown so far reveal it; outlives the maker */
} maker_begin;

typedef struct export_type {
    const char *name;
    const export_column *columns; /* NULL if the format has `frame` (export/export_format.h) */
    size_t column_count;
    unsigned flags;   /* EXPORT_* */
    msg_type message; /* topics with messages of this type give rows; MSG_RAW: `takes` decides */
    /* 1 if frames of a channel (data or HTTP answers) give rows. NULL: `message` decides. */
    int (*takes)(const export_settings *settings, const frame_channel *channel);
    /* Set if only one topic per feed and symbol supplies rows: 1 if `topic` is preferred to
     * `other`. NULL: all topics give rows. */
    int (*prefers)(const family_market *market, const topic_row *topic, const topic_row *other);
    /* Makes a maker for a channel's topic. NULL: `frame` is called with maker NULL. */
    void *(*open)(const maker_begin *of);
    td_result (*frame)(void *maker, const maker_frame *seen, const row_out *out, td_err *err);
    /* The day's selected part ends at end_ns: puts rows that were waiting. gap: the last gap since
     * the last frame, or NULL. May be NULL. */
    td_result (*end)(void *maker, uint64_t end_ns, const gap_row *gap, const row_out *out,
                     td_err *err);
    void (*close)(void *maker); /* may be NULL */
    /* Puts rows about the whole day, before all others. gaps: the ledger's gaps that touch the day,
     * by time. May be NULL. */
    td_result (*day)(const gap_row *const *gaps, size_t gap_count, const row_out *out, td_err *err);
} export_type;

/* ---- types, and indexes of columns that formats access directly ---- */

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

/* Types with a message type's entries unchanged, by msg_type: a row for each entry, with a column
 * for each member that schema/ defines for the message type. Rows of a book that was not proven
 * complete are kept and flagged. name NULL: messages of that type have no entries. Columns are set
 * by export_message_types_init(), which any thread may call at any time. */
enum { MESSAGE_TOPIC }; /* the first column of each of them */
extern export_type EXPORT_MESSAGE_TYPES[MSG_TYPE_COUNT];
void export_message_types_init(void);

/* EXPORT_BOOK_SNAPSHOTS with the columns of so many levels. */
enum { EXPORT_SNAPSHOT_LEVELS = 1000 };
typedef struct export_book_snapshots {
    export_type type;
    export_column columns[4 * EXPORT_SNAPSHOT_LEVELS];
    char names[4 * EXPORT_SNAPSHOT_LEVELS][24];
} export_book_snapshots;
void export_book_snapshots_init(uint32_t levels, export_book_snapshots *out);

/* The number of a type's columns in formats that cannot mark suspect rows. */
size_t export_plain_columns(const export_type *type);

/* All types with columns, in the order in which --help lists them. */
const export_type *const *export_type_table(size_t *count);

/* ---- topics, for `takes` and `prefers` ---- */

/* 1 if books can be made from this topic: it has book changes of a known depth, which equals depth
 * unless that is 0. */
int export_is_book_topic(const topic_row *row, uint32_t depth);

/* 1 if frames of a channel give rows of a type. */
int export_type_takes(const export_type *type, const export_settings *settings,
                      const frame_channel *channel);

/* `takes` of types that are made of books. */
int export_takes_book(const export_settings *settings, const frame_channel *channel);

/* 1 if topic is preferred to other for a feed's book: first the market's usual topic, then the
 * deeper one, then the first in byte order. */
int export_prefers_book(const family_market *market, const topic_row *topic,
                        const topic_row *other);

/* The parts of an option's symbol such as "BTC-30JUN23-45000-P": coin, date, strike, right. */
enum { EXPORT_OPTION_PARTS = 4 };
void export_option_split(td_bytes symbol, td_bytes parts[EXPORT_OPTION_PARTS]);

/* 1 if entries of the topic's frames name symbols; the topic names a coin, or nothing. */
int export_entries_have_symbols(const topic_row *row);

#endif
