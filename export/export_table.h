/* What can be exported, as tables: formats with their types. docs/export.md describes the files. A
 * new format is a file with its row and its writer (export/export_writer.h), and two lines: its
 * declaration here, its place in export_format_table. A new type of a format is a row.
 *
 * Constant data and pure functions; any thread. */
#ifndef TD_EXPORT_EXPORT_TABLE_H
#define TD_EXPORT_EXPORT_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "play/observer.h"
#include "schema/family.h"
#include "schema/message.h"
#include "schema/topic.h"
#include "tape/cursor.h"

/* One kind of dataset. */
typedef struct export_type {
    const char *name;   /* as --type takes it and file names have it */
    const char *header; /* first line of each file, with its LF; "": none */
    uint8_t has_books;  /* 1: its rows are made of order books */
} export_type;

struct export_job;
struct export_spec;
struct symbol_topic;

typedef enum export_packing { EXPORT_PLAIN, EXPORT_GZIP } export_packing;

/* What a format does with the frames of a channel. */
typedef enum export_use {
    EXPORT_USE_NOTHING,  /* no rows: another topic, or a type that was not requested */
    EXPORT_USE_FOREIGN,  /* no rows: the format has no place for the family */
    EXPORT_USE_FILE,     /* rows of one file a day: of the channel's symbol */
    EXPORT_USE_BY_FRAME, /* each frame decides: its entries name their symbols, or its topic was
                            unknown when it was recorded */
} export_use;

/* Where the rows of a channel's frames belong. */
typedef struct export_place {
    export_use use;
    const export_type *type;     /* NULL without rows, and where the frame decides its topic */
    const family_market *market; /* of files of one symbol; NULL: the file has the rows of all feeds
                                    and symbols */
} export_place;

enum { EXPORT_TYPES_MAX = 4 };

typedef struct export_format {
    const char *name;    /* as --format takes it */
    const char *summary; /* one line for --help and the manual */
    const char *suffix;  /* of its files */
    export_packing packing;
    tape_reads reads;                    /* what it needs of the frames */
    export_type types[EXPORT_TYPES_MAX]; /* ends with name NULL or the array */
    /* Where frames of a channel belong. Called for data and unknown frames only. */
    export_place (*place)(const struct export_spec *spec, const frame_channel *channel);
    /* A writer for a job (export/export_writer.h). */
    void *(*open)(const struct export_job *job);
    /* Before the first frame of a topic of books: its state after all that came before. */
    td_result (*resume)(void *writer, const frame_ref *first, const struct symbol_topic *before,
                        td_err *err);
    /* The next frame of the tape, which its stream has applied; lead-in and copies, too. */
    td_result (*frame)(void *writer, const observed_frame *seen, td_err *err);
    /* The tape has ended: finish all files and enter them in the manifest. */
    td_result (*finish)(void *writer, td_err *err);
    /* Free it; files that were not finished are removed. NULL is fine. */
    void (*close)(void *writer);
} export_format;

/* What is requested. */
typedef struct export_spec {
    const export_format *format;
    const export_type *types[EXPORT_TYPES_MAX]; /* as the format's; NULL: not requested */
    uint32_t depth;                             /* of books; 0: the market's own topic */
} export_spec;

extern const export_format EXPORT_TARDIS_CSV;
extern const export_format EXPORT_JSONL;

/* All formats, in the order in which --help lists them. */
const export_format *const *export_format_table(size_t *count);

/* The type of that name. TD_E_INVALID. */
TD_MUST_USE td_result export_type_find(const export_format *format, const char *name,
                                       const export_type **out, td_err *err);

/* Number of a format's types. */
size_t export_type_count(const export_format *format);

/* Which exchange a family is for the Tardis format, and the book topic that its users know. */
typedef family_market export_market;

/* The market of a family (NULL: an unknown one), or NULL: it has none, its frames are left out. */
const export_market *export_market_of(const family *of);

/* 1 if books can be made from this topic: it is one of book changes whose depth is known (depth 0:
 * any; else that one alone). */
int export_is_book_topic(const topic_row *row, uint32_t depth);

/* 1 if a feed's book is rather taken from topic than from other: the market's own topic before all
 * others, a deeper one before a flatter, at one depth the first in byte order. */
int export_prefers_book(const export_market *market, const topic_row *topic,
                        const topic_row *other);

/* Symbol of a trade: its own where it names one, else the topic's. */
td_bytes export_trade_symbol(const message *m, size_t index);

/* 1 if the topic's frames are not about the symbol that the topic names (it is a coin, or nothing):
 * each entry says its own. */
int export_entries_have_symbols(const topic_row *row);

/* ---- names of files ---- */

/* Of a file name with its NUL: file systems take 255 bytes, and ".partial" is appended. */
enum { EXPORT_NAME_BYTES = 240 };

/* Days since 1970 (UTC) of a moment. */
static inline uint32_t export_day_of(uint64_t ns)
{
    return (uint32_t)(ns / UINT64_C(86400000000000));
}

/* "2021-04-17" and a NUL. */
enum { EXPORT_DATE_BYTES = 16 };
void export_date_format(uint32_t day, char out[EXPORT_DATE_BYTES]);

/* Why a cell of a file without quotes cannot hold a text: it would break the line (a comma, a
 * quotation mark, a control character), is no UTF-8, or a spreadsheet would run it (it begins with
 * = + - or @ and is no number). In words; NULL: it can. */
const char *export_cell_refusal(td_bytes text);

/* Why a symbol has no file, in words: it is empty, longer than symbols are, or no cell can hold it.
 * NULL: it has one. */
const char *export_symbol_refusal(td_bytes symbol);

/* A symbol that has a file, in upper case; in file names, what file systems cannot take is "-"
 * besides. */
void export_symbol_format(td_bytes symbol, char out[LIMIT_SYMBOL_BYTES]);
void export_symbol_for_file(const char *symbol, char out[LIMIT_SYMBOL_BYTES]);

/* Name of a day's file: "{exchange}_{type}_{date}_{SYMBOL}{suffix}", or "{type}_{date}{suffix}" if
 * exchange is empty: the file is not of one symbol. TD_E_LIMIT. */
TD_MUST_USE td_result export_name_format(const export_format *format, const export_type *type,
                                         const char *exchange, const char *file_symbol,
                                         uint32_t day, char out[EXPORT_NAME_BYTES], td_err *err);

#endif
