/* Reading one chunk: from the file into a block, its wanted messages found, checked and in order,
 * made frames, and their content. What can be done beside the merge is done here, on a worker where
 * there are some. */
#ifndef TD_TAPE_LOADER_H
#define TD_TAPE_LOADER_H

#include "base/workers.h"
#include "tape/block.h"
#include "tape/content.h"
#include "tape/source.h"

/* A chunk that is being read, or merged. Kept in a pool of its own and used again. */
typedef struct chunk_load {
    td_job job;
    const source_options *options;
    content_pool *readers;
    block_pool *blocks;
    const source *from;
    source_chunk chunk;
    tape_block *block;     /* NULL: it is not read */
    td_result rc;          /* TD_OK, also if only a part could be read: see damage_count */
    td_err err;            /* of rc, or of the first damage */
    uint32_t damage_count; /* messages, or a rest, that could not be read */
    uint8_t is_fatal;      /* 1: rc is no damage of the chunk, and ends the tape */
    /* the merge's: */
    const chunk_entry *entries; /* of the block, which has only wanted ones with reads_ahead */
    frame_ref *frames;          /* of the entries, in the block; without reads_ahead: */
    frame_ref frame;            /* the one that is due */
    size_t count;
    size_t at;         /* a wanted one, or count */
    size_t held_bytes; /* by the block when it joined */
    uint8_t is_submitted;
} chunk_load;

void chunk_load_close(chunk_load *load);

/* Read the chunk. Fills rc, err, damage_count. The arg of a td_job. */
void chunk_load_run(void *load);

/* Move to the next wanted message. */
void chunk_load_advance(chunk_load *load);

/* The next frame; NULL: it is not wanted. TD_E_LIMIT: too many channels. */
TD_MUST_USE td_result chunk_load_frame(chunk_load *load, frame_ref **out, td_err *err);

#endif
