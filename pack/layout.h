/* What the writer and the reader of packed chunks share: numbers in the table of a chunk
 * (format/PACK.md). */
#ifndef TD_PACK_LAYOUT_H
#define TD_PACK_LAYOUT_H

#include "pack/value_text.h"

enum { PACK_VERSION = 1 };

/* A record of MCAP: opcode, size of the content, content. That of a message begins with its channel
 * (2 bytes), sequence (4), log_time (8) and publish_time (8). */
enum {
    RECORD_MESSAGE = 0x05,
    RECORD_PREFIX_BYTES = 9,
    MESSAGE_FIELDS_BYTES = 22,
    MESSAGE_HEAD_BYTES = RECORD_PREFIX_BYTES + MESSAGE_FIELDS_BYTES,
};

/* The columns that each chunk has first. */
enum {
    HEAD_CHANNEL,  /* place in the list of channels, + 1; 0: a record that is no message */
    HEAD_TIME,     /* log_time */
    HEAD_TEMPLATE, /* number of the payload's template */
    HEAD_SEQUENCE, /* by line of sequences instead of by channel */
    HEAD_PUBLISH,  /* publish_time */
    HEAD_COUNT,
};

/* A template is a list of parts. */
typedef enum part_kind {
    PART_LITERAL, /* size, bytes */
    PART_NUMBER,  /* column */
    PART_STRING,  /* column */
    PART_ARRAY,   /* column of counts, column of the elements' templates */
    PART_TIME,    /* column; PART_TIME + n: with n digits after the point */
    PART_KINDS = PART_TIME + TIME_DIGITS_MAX + 1,
} part_kind;

enum {
    TEMPLATE_TEXT, /* the payload is a text of the channel's own column */
    TEMPLATE_FIRST,
    TEMPLATES_MAX = 4096,
    TEMPLATE_PARTS_MAX = 4096,
    TEMPLATES_BYTES_MAX = 4 << 20,
    FRAME_DEPTH_MAX = 16, /* nested containers; elements of templates */
};

/* How many digits a number is printed with, other than by its scale. */
enum {
    DIGITS_AS_SCALE = 0,
    DIGITS_GIVEN = 1,  /* + digits; the scale is at least that from now on */
    DIGITS_ALONE = 64, /* + digits; the scale stays, and the number is at its own */
};

/* Lists of a column whose predictor is one of PREDICT_LEVEL_*; others have one. */
enum { COLUMN_LISTS = 3 };

/* A level's size: what happens to the level. */
enum { SIZE_CHANGES, SIZE_REMOVES };

#endif
