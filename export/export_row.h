/* Rows: what makers (export/export_type.h) give and formats (export/export_format.h) take. A maker
 * turns the frames of one stream into rows of one type, a format turns rows into bytes, and nothing
 * else knows either. Plain data; whoever puts a row keeps it and its values during the call alone.
 */
#ifndef TD_EXPORT_EXPORT_ROW_H
#define TD_EXPORT_EXPORT_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "schema/message.h"

/* One column of a type: its name, and the type of its values where they are not absent. */
typedef struct export_column {
    const char *name;
    value_type type;
} export_column;

/* Bits of export_row.flags, the same in all formats that have flags (docs/export.md). */
enum {
    ROW_LAST_OF_FRAME = 1, /* the maker's: the last row of this type that the frame gives */
    ROW_SNAPSHOT = 2,
    ROW_LATE = 4, /* the receive time is late: an overload, or a clock that went back */
    ROW_NOT_TRUSTED = 8,
    ROW_SYNTHESIZED = 16, /* no frame holds the row as such */
    ROW_OTHER_LINE = 32,
};

typedef struct export_row {
    uint64_t recv_ns;
    uint64_t exchange_ns; /* 0: the frame has none */
    uint64_t frame;       /* number of the frame among those of its file, from 1; the core's */
    int64_t number;       /* msg_head_number, if has_number */
    uint8_t has_number;
    uint8_t is_suspect; /* 1: the book or topic that the row is made of was not proven whole */
    uint8_t is_gap;     /* 1: no values: the rows of a book stop at recv_ns. Formats with a gap row
                           write theirs, others pass it over. */
    uint8_t is_state;   /* 1: what was known when the selection began; formats without flags pass it
                           over, because they would say that it came then */
    unsigned flags;     /* ROW_* */
    td_bytes symbol;    /* where the frame's entries name symbols; empty: it is the stream's */
    const msg_value *values; /* one for each column; VALUE_ABSENT: the cell is empty */
} export_row;

/* Where a maker puts its rows. */
typedef struct row_out {
    td_result (*put)(void *ctx, const export_row *row, td_err *err);
    void *ctx;
} row_out;

/* ---- values ---- */

static inline msg_value row_absent(void)
{
    return (msg_value){.type = VALUE_ABSENT};
}

static inline msg_value row_side(unsigned side)
{
    return (msg_value){.type = VALUE_SIDE, .as.side = (uint8_t)side};
}

/* The bytes live as long as the row. */
static inline msg_value row_text(td_bytes text)
{
    return (msg_value){.type = VALUE_TEXT, .as.text = text};
}

static inline msg_value row_decimal(td_decimal value)
{
    return (msg_value){.type = VALUE_DECIMAL, .as.decimal = value};
}

static inline msg_value row_integer(int64_t value)
{
    return (msg_value){.type = VALUE_INTEGER, .as.integer = value};
}

static inline msg_value row_bool(int is_true)
{
    return (msg_value){.type = VALUE_BOOL, .as.is_true = is_true != 0};
}

static inline msg_value row_time(uint64_t ns)
{
    return (msg_value){.type = VALUE_TIME_NS, .as.time_ns = ns};
}

/* A value as text: decimals in shortest form, "true", "false", names of sides as msg_side_name has
 * them, times as ns. Numbers are written to memory, which the text refers to then. Empty: absent.
 */
enum { ROW_TEXT_BYTES = TD_DECIMAL_TEXT_BYTES };
td_bytes row_value_text(const msg_value *value, char memory[ROW_TEXT_BYTES]);

#endif
