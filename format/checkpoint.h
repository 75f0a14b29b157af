/* Checkpoints: the states of a feed's symbols at a moment, in a private record that other readers
 * skip (FORMAT.md, "Checkpoints"). What a state is, is not known here: bytes. One thread. */
#ifndef TD_FORMAT_CHECKPOINT_H
#define TD_FORMAT_CHECKPOINT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "format/codec.h"

enum {
    CHECKPOINT_OPCODE = 0x81,       /* in the data section */
    CHECKPOINT_INDEX_OPCODE = 0x82, /* in the summary */
    CHECKPOINT_INDEX_CONTENT_BYTES = 24,
};

/* A checkpoint of a segment. */
typedef struct segment_checkpoint {
    uint64_t at_ns;  /* the states are those before the feed's data frames from then on */
    uint64_t offset; /* of its record in the file */
    uint64_t bytes;  /* of the record, opcode and length included */
} segment_checkpoint;

/* States on their way into a record. */
typedef struct checkpoint_builder {
    td_buf table;
    td_buf states; /* compressed */
    codec *coder;
    uint32_t count;    /* symbols */
    uint32_t left_out; /* of these, without a state */
} checkpoint_builder;

void checkpoint_builder_init(checkpoint_builder *builder);
void checkpoint_builder_fini(checkpoint_builder *builder);

/* Add a symbol's state. An empty one, or one beyond LIMIT_CHECKPOINT_BYTES of all, is left out: the
 * record says that the symbol has one that it lacks. */
void checkpoint_builder_add(checkpoint_builder *builder, td_bytes symbol, td_bytes state);

/* Make the record, in place of what out has; the builder is empty then. */
void checkpoint_builder_finish(checkpoint_builder *builder, uint64_t at_ns, td_buf *out);

/* Which states a reader takes, and where they go: empty if it was left out. The symbol and state
 * are valid during the call. */
typedef struct checkpoint_visitor {
    int (*wants)(void *user, td_bytes symbol);                                    /* NULL: all */
    td_result (*state)(void *user, td_bytes symbol, td_bytes state, td_err *err); /* may be NULL */
    void *user;
} checkpoint_visitor;

/* Read the record: its table, then the states that are wanted. TD_E_CORRUPT, TD_E_TRUNCATED: it is
 * not as it was written; TD_E_LIMIT; TD_E_IO; what the visitor returns. */
TD_MUST_USE td_result checkpoint_read(td_file *file, const segment_checkpoint *at,
                                      const checkpoint_visitor *visitor, td_err *err);

/* Its entry of the summary, a whole record; and back, from the record's content. */
void checkpoint_index_encode(td_buf *out, const segment_checkpoint *in);
TD_MUST_USE td_result checkpoint_index_decode(td_bytes content, segment_checkpoint *out,
                                              td_err *err);

/* The moment of a record, from its content. TD_E_CORRUPT: it is too short. */
TD_MUST_USE td_result checkpoint_at_ns(td_bytes content, uint64_t *at_ns, td_err *err);

#endif
