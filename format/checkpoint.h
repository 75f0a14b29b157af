/* Checkpoints: the states of a feed's symbols at one time, in a private record that other readers
 * skip (FORMAT.md, "Checkpoints"). A state is opaque bytes here. One thread. */
#ifndef TD_FORMAT_CHECKPOINT_H
#define TD_FORMAT_CHECKPOINT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "base/codec.h"

enum {
    CHECKPOINT_OPCODE = 0x81,       /* in the data section */
    CHECKPOINT_INDEX_OPCODE = 0x82, /* in the summary */
    CHECKPOINT_INDEX_CONTENT_BYTES = 24,
};

/* A checkpoint of a segment. */
typedef struct segment_checkpoint {
    uint64_t at_ns;  /* the states precede the feed's data frames at or after this time */
    uint64_t offset; /* file offset of its record */
    uint64_t bytes;  /* size of the record with opcode and length */
} segment_checkpoint;

/* Collects the states of one record. */
typedef struct checkpoint_builder {
    td_buf table;
    td_buf states; /* compressed */
    codec *coder;
    uint32_t count;   /* symbols */
    uint32_t omitted; /* symbols without a state */
} checkpoint_builder;

/* Make an empty builder; free its memory. */
void checkpoint_builder_init(checkpoint_builder *builder);
void checkpoint_builder_fini(checkpoint_builder *builder);

/* Add a symbol and its state. The symbol is listed without a state if `state` is empty or if it
 * would take all states over LIMIT_CHECKPOINT_BYTES. */
void checkpoint_builder_add(checkpoint_builder *builder, td_bytes symbol, td_bytes state);

/* Write the record to out, replacing its content, and empty the builder. */
void checkpoint_builder_finish(checkpoint_builder *builder, uint64_t at_ns, td_buf *out);

/* Selects symbols and receives their states; state is empty if it was left out of the record. The
 * symbol and state are valid during the call. */
typedef struct checkpoint_visitor {
    int (*wants)(void *user, td_bytes symbol);                                    /* NULL: all */
    td_result (*state)(void *user, td_bytes symbol, td_bytes state, td_err *err); /* may be NULL */
    void *user;
} checkpoint_visitor;

/* Read the record's table, then the wanted states. TD_E_CORRUPT or TD_E_TRUNCATED: the record is
 * damaged; TD_E_LIMIT; TD_E_IO; the visitor's result. */
TD_MUST_USE td_result checkpoint_read(td_file *file, const segment_checkpoint *at,
                                      const checkpoint_visitor *visitor, td_err *err);

/* Append the Checkpoint Index of a checkpoint, as a whole record. Decode such a record from its
 * content. */
void checkpoint_index_encode(td_buf *out, const segment_checkpoint *in);
TD_MUST_USE td_result checkpoint_index_decode(td_bytes content, segment_checkpoint *out,
                                              td_err *err);

/* Get at_ns from a checkpoint record's content. TD_E_CORRUPT: it is too short. */
TD_MUST_USE td_result checkpoint_at_ns(td_bytes content, uint64_t *at_ns, td_err *err);

#endif
