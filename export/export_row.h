/* Rows: the interface between makers (export/export_type.h), which turn the frames of one topic
 * into rows of one type, and formats (export/export_format.h), which turn rows into bytes. Plain
 * data; a row and its values are valid only during the call that receives them. */
#ifndef TD_EXPORT_EXPORT_ROW_H
#define TD_EXPORT_EXPORT_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "schema/message.h"

/* A column of a type: its name, and the type of its values unless they are absent. */
typedef struct export_column {
    const char *name;
    value_type type;
} export_column;

/* Bits of export_row.flags. They mean the same in all formats that have flags (docs/export.md). */
enum {
    ROW_LAST_OF_FRAME = 1, /* set by the maker: the frame's last row of this type */
    ROW_SNAPSHOT = 2,
    ROW_LATE = 4, /* the receive time is later than the arrival: after an overload, or after the
                     clock stepped back */
    ROW_NOT_TRUSTED = 8,
    ROW_SYNTHESIZED = 16, /* made by the export: no frame contains it in this form */
    ROW_OTHER_LINE = 32,
};

/* The members in which the rows of a batch differ. */
typedef struct row_part {
    unsigned flags;
    const msg_value *values;
} row_part;

typedef struct export_row {
    uint64_t recv_ns;
    uint64_t exchange_ns; /* 0 if the frame has no exchange time */
    uint64_t frame;       /* number of the row's frame among the frames with rows in the file, from
                             1; set by export_day */
    int64_t number;       /* msg_head_number, if has_number */
    uint8_t has_number;
    uint8_t is_suspect; /* 1 if the row comes from a book or topic that was not proven complete */
    uint8_t is_gap; /* 1: the row has no values, and the book is unknown from recv_ns on. Formats
                       that mark gaps write a row of their own for it, other formats skip it. */
    uint8_t is_initial; /* 1: the row is a state that was known before the selection began. Formats
                         without flags skip the row, because it would look newly received. */
    unsigned flags;     /* ROW_* */
    td_bytes symbol;    /* set if the entry names its symbol; empty: the topic's symbol */
    const msg_value *values;     /* one per column; VALUE_ABSENT: an empty cell */
    const channel_info *channel; /* feed and topic of the row; set by export_day; NULL: of none */
    const struct family *family; /* instruments: of the feed that has the list; NULL: unknown */
    const row_part *next;        /* the rows after this one in its batch; formats get single rows */
    size_t next_count;
} export_row;

/* Moves a row to the next one of its batch. 0: there is no other. */
static inline int export_row_next(export_row *row)
{
    if (row->next_count == 0)
        return 0;
    row->flags = row->next->flags;
    row->values = row->next->values;
    row->next++;
    row->next_count--;
    return 1;
}

/* The receiver of a maker's rows: put gets a row, or a batch of rows. */
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

/* The bytes must live as long as the row. */
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

/* Writes a value as text: decimals in shortest form, "true", "false", sides as in msg_side_name,
 * times in ns. The result may point to `memory`. It is empty if the value is absent. */
enum { ROW_TEXT_BYTES = TD_DECIMAL_TEXT_BYTES };
td_bytes row_value_text(const msg_value *value, char memory[ROW_TEXT_BYTES]);

#endif
