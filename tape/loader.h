/* Loads one chunk: reads it from the file into a block, checks its messages, turns the wanted ones
 * into frames, and reads their content. All work that does not need the merge is done here, on a
 * worker if there is one. */
#ifndef TD_TAPE_LOADER_H
#define TD_TAPE_LOADER_H

#include "base/workers.h"
#include "tape/block.h"
#include "tape/content.h"
#include "tape/source.h"

/* A chunk that is being read or merged. Pooled and reused. */
typedef struct chunk_load {
    td_job job;
    const source_options *options;
    content_pool *readers;
    block_pool *blocks;
    const source *from;
    source_chunk chunk;
    tape_block *block;     /* NULL before reading */
    td_result rc;          /* TD_OK also if only a part could be read: see damage_count */
    td_err err;            /* the error of rc, or the first damage */
    uint32_t damage_count; /* unreadable messages, or an unreadable rest */
    uint8_t is_fatal;      /* 1: rc is not damage of the chunk, and ends the tape */
    /* for the merge: */
    const chunk_entry *entries; /* of the block; with reads_ahead only wanted ones */
    frame_ref *frames;          /* of the entries, in the block; with reads_ahead only */
    frame_ref frame;            /* the current one, without reads_ahead */
    size_t count;
    size_t at;         /* index of the next wanted entry, or count */
    size_t held_bytes; /* memory of the block when it joined the merge */
    uint8_t is_submitted;
} chunk_load;

/* Release the block and free; NULL is allowed. */
void chunk_load_close(chunk_load *load);

/* Read the chunk; sets rc, err, damage_count. The function of a td_job. */
void chunk_load_run(void *load);

/* Move to the next wanted message. */
void chunk_load_advance(chunk_load *load);

/* Get the next frame; NULL if it is not wanted. TD_E_LIMIT: too many channels. */
TD_MUST_USE td_result chunk_load_frame(chunk_load *load, frame_ref **out, td_err *err);

#endif
