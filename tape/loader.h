/* Reading one chunk: from the file into a block, its wanted messages found, checked and in order,
 * and what they say.
 * What can be done beside the merge is done here, on a worker where there are some. */
#ifndef TD_TAPE_LOADER_H
#define TD_TAPE_LOADER_H

#include "base/workers.h"
#include "tape/block.h"
#include "tape/content.h"
#include "tape/source_queue.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A chunk that is being read, or merged. Kept in a pool of its own and used again. */
typedef struct chunk_load {
    td_job job;
    const source_options *options;
    content_pool *readers; /* NULL: contents are read when their frames are due */
    tape_source *source;
    uint32_t chunk_index;
    uint64_t first_ns; /* by the segment's index: no message is earlier */
    segment_scratch *scratch;
    tape_block *block;
    td_result rc;          /* TD_OK, also if only a part could be read: see damage_count */
    td_err err;            /* of rc, or of the first damage */
    uint32_t damage_count; /* messages, or a rest, that could not be read */
    uint8_t is_fatal;      /* 1: rc is no damage of the chunk, and ends the tape */
    /* the merge's: */
    const block_entry *entries;
    const frame_content **contents; /* NULL: not read */
    size_t entry_count;
    size_t at;
    size_t held_bytes; /* by the block when it joined */
    uint8_t is_submitted;
} chunk_load;

/* New, with its working memory. */
TD_NEVER_NULL chunk_load *chunk_load_open(void);
void chunk_load_close(chunk_load *load);

/* Read source's chunk into load->block, which is the load's alone. Fills rc, err, damage_count. The
 * arg of a td_job. */
void chunk_load_run(void *load);

#ifdef __cplusplus
}
#endif

#endif
