/* A state as bytes. A module lists the fields of its state once, in one function, and the direction
 * of the state_io decides whether they are written or read. Numbers are little-endian and have one
 * size everywhere, so another build reads them. Loading trusts nothing: after the first thing that
 * is malformed all that is read is 0, and nothing is read beyond the end. One thread. */
#ifndef TD_BOOK_STATE_IO_H
#define TD_BOOK_STATE_IO_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "schema/topic.h"

typedef struct state_io {
    td_buf *out;       /* saving: appended to; NULL: loading */
    td_bytes in;       /* loading: what is left */
    uint8_t version;   /* of the state; the symbol's first field */
    uint8_t is_failed; /* saving: beyond LIMIT_STATE_BYTES; loading: malformed */
} state_io;

/* 1: fields are read. */
static inline int state_is_loading(const state_io *io)
{
    return io->out == NULL;
}

/* Write the field, or read it. */
void state_u8(state_io *io, uint8_t *value);
void state_u32(state_io *io, uint32_t *value);
void state_u64(state_io *io, uint64_t *value);
void state_i64(state_io *io, int64_t *value);
void state_flag(state_io *io, uint8_t *value); /* 0 or 1 */
void state_decimal(state_io *io, td_decimal *value);
void state_raw(state_io *io, void *bytes, size_t size);

/* The number of elements that follow, of which each takes element_bytes at least. More than most
 * are a failure, and so are more than the input can have: 0. */
uint32_t state_count(state_io *io, size_t count, size_t most, size_t element_bytes);

/* Loading: the state is malformed if this does not hold. */
void state_check(state_io *io, int holds);

/* A name, with its size in front; and set one before it is saved. */
enum { STATE_NAME_BYTES = LIMIT_TOPIC_BYTES };
void state_name(state_io *io, char name[STATE_NAME_BYTES]);
void state_set_name(char name[STATE_NAME_BYTES], const char *text);

/* A topic's row, by its family, its pattern and its first day. Loading: NULL if this version has no
 * such row. Saving: the row is of a family. */
void state_row(state_io *io, const topic_row **row);

#endif
