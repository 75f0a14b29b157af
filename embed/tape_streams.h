/* The streams of a tape, numbered as programs see them, with the states of their symbols. Streams
 * do not move, and keep their numbers when the tape continues at another time. One thread. */
#ifndef TD_EMBED_TAPE_STREAMS_H
#define TD_EMBED_TAPE_STREAMS_H

#include <stddef.h>
#include <stdint.h>

#include "archive/gap.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/channel.h"
#include "book/symbol_table.h"
#include "schema/frame.h"
#include "tape/stream_index.h"
#include "tape/tape_topic.h"

/* A topic and symbol of a feed, on one line and in one direction. */
typedef struct tape_stream {
    uint32_t index;
    /* Info of the stream's first channel, or, before the first frame, of its saved state. The
     * stream of an entry that names its own symbol has this symbol. Its texts are the tape's,
     * because seeking frees the cursor's. */
    channel_info info;
    tape_topic tape;
    uint8_t is_suspect; /* 1: the topic's state was not trusted after its last frame */
} tape_stream;

/* The members after count are private. */
typedef struct tape_streams {
    tape_stream **items; /* by index */
    size_t count;
    stream_index by_name;
    symbol_table symbols;
    td_arena *texts;
    const gap_list *ledger;
} tape_streams;

/* ledger: the whole ledger, sorted; borrowed. */
void tape_streams_init(tape_streams *self, const gap_list *ledger);
void tape_streams_fini(tape_streams *self);

/* Take the states of another table (symbol_table_take), and add streams for their topics. */
void tape_streams_load(tape_streams *self, symbol_table *saved);

/* Forget all states. */
void tape_streams_forget(tape_streams *self);

/* The stream of a frame's channel; it is kept in the channel. */
TD_NEVER_NULL tape_stream *tape_streams_at(tape_streams *self, const frame_ref *frame);

/* The number of the stream of an entry that names its own symbol, in a frame of stream `of`. */
uint32_t tape_streams_entry(tape_streams *self, uint32_t of, td_bytes symbol);

/* The ledger has changed (topic_trust_renew). */
void tape_streams_renew(tape_streams *self, const gap_list *before);

#endif
