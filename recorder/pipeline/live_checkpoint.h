/* Checkpoints of the live check: states of a feed's symbols, saved on its thread, fetched on the
 * encoder thread, which puts them into the feed's next chunk. */
#ifndef TD_PIPELINE_LIVE_CHECKPOINT_H
#define TD_PIPELINE_LIVE_CHECKPOINT_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "book/symbol_table.h"
#include "format/checkpoint.h"
#include "recorder/capture/feed_writer.h"

/* A checkpoint that waits for the feed's writer. */
typedef struct ready_checkpoint {
    uint32_t segment;
    td_buf record;
} ready_checkpoint;

/* A feed's latest checkpoint that was not fetched; NULL: there is no such checkpoint. Any thread:
 * acquire/release. Zero at first. */
typedef _Atomic(ready_checkpoint *) live_checkpoint;

/* Give the writer the checkpoint, if there is one. */
void live_checkpoint_fetch(live_checkpoint *self, feed_writer *writer);
void live_checkpoint_fini(live_checkpoint *self);

/* Makes checkpoints of all feeds, one after the other. One thread, except left_out. */
typedef struct checkpoint_maker {
    const td_log *log;
    checkpoint_builder builder;
    td_buf state;
    atomic_ullong left_out; /* states that are missing in checkpoints; any thread */
    uint8_t is_left_out_logged;
} checkpoint_maker;

/* No state was added at first. log: for the first state that is left out. */
void checkpoint_maker_init(checkpoint_maker *self, const td_log *log);
void checkpoint_maker_fini(checkpoint_maker *self);

/* Save a symbol's state. The state is left out if it is too large, or if a topic of the symbol has
 * had several connections at a time: the live check knows less about connections than a reader, and
 * may use the frames of another connection (book/conn_choice.h) than the reader does. */
void checkpoint_maker_add(checkpoint_maker *self, const symbol_entry *entry);

/* Make a checkpoint of the states that were added, from from_ns on, for the segment of the feed.
 * Replaces a checkpoint that was not fetched. */
void checkpoint_maker_finish(checkpoint_maker *self, const char *feed, uint64_t from_ns,
                             uint32_t segment, live_checkpoint *out);

#endif
