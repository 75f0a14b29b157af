/* A state as bytes. A module lists the fields of its state once, in one function; the direction of
 * the state_io decides whether they are written or read. Numbers are little-endian and have the
 * same sizes everywhere, so that other builds can read them. Loading trusts nothing: after the
 * first malformed field all further fields read as 0, and nothing is read beyond the end. One
 * thread. */
#ifndef TD_BOOK_STATE_IO_H
#define TD_BOOK_STATE_IO_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "schema/topic.h"

typedef struct state_io {
    td_buf *out;       /* saving: bytes are appended to it; NULL: loading */
    td_bytes in;       /* loading: the remaining bytes */
    uint8_t version;   /* version of the state, which is saved before the symbol's other fields */
    uint8_t is_failed; /* saving: larger than LIMIT_STATE_BYTES; loading: malformed */
} state_io;

/* 1 if fields are read. */
static inline int state_is_loading(const state_io *io)
{
    return io->out == NULL;
}

/* Write or read a field. */
void state_u8(state_io *io, uint8_t *value);
void state_u32(state_io *io, uint32_t *value);
void state_u64(state_io *io, uint64_t *value);
void state_i64(state_io *io, int64_t *value);
void state_flag(state_io *io, uint8_t *value); /* 0 or 1 */
void state_decimal(state_io *io, td_decimal *value);
void state_raw(state_io *io, void *bytes, size_t size);

/* Write or read the number of the elements that follow; each has at least element_bytes. If the
 * number is above `most`, or above what the input can hold, marks a failure and returns 0. */
uint32_t state_count(state_io *io, size_t count, size_t most, size_t element_bytes);

/* When loading, mark the state as malformed if `holds` is 0. */
void state_check(state_io *io, int holds);

/* Write or read a name, preceded by its size; set a name before it is saved. */
enum { STATE_NAME_BYTES = LIMIT_TOPIC_BYTES };
void state_name(state_io *io, char name[STATE_NAME_BYTES]);
void state_set_name(char name[STATE_NAME_BYTES], const char *text);

/* Write or read a topic's row of the schema, as its family, pattern and first day; of a family
 * whose documents are kept (family_documents) with their hash. Loading: NULL if this version lacks
 * the row, or the family's documents are others. Saving: a family must have the row. */
void state_row(state_io *io, const topic_row **row);

#endif
