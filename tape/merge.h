/* Merges many chunks into one order. A chunk is read before the tape reaches its first message and
 * released after its last message, so that only chunks that overlap in time are in memory, at most
 * LIMIT_MERGE_CHUNKS. With workers, the next few chunks by time are read ahead. The order depends
 * on the messages alone. */
#ifndef TD_TAPE_MERGE_H
#define TD_TAPE_MERGE_H

#include "base/workers.h"
#include "tape/loader.h"
#include "tape/source.h"

typedef struct merge merge;

enum { MERGE_SOURCES_MAX = 4 };

/* Limit of chunks that are read ahead. A chunk's decoded content is several times its size in
 * memory, and the thread that merges keeps up with a few workers only. */
enum { MERGE_AHEAD_MAX = 6 };

/* The next frame, valid until the next call; the tape sets its remaining members. */
typedef struct merge_item {
    frame_ref *frame; /* NULL: the message is not wanted */
    const source_channel *from;
} merge_item;

/* Merge the chunks of the sources. All arguments are borrowed until close; workers may be NULL. */
TD_NEVER_NULL merge *merge_open(const source *sources, size_t source_count,
                                const source_options *options, td_workers *workers,
                                content_pool *readers, unsigned ahead);

/* Wait for reads that are under way, and free. */
void merge_close(merge *m);

/* TD_OK; TD_EOF if the sources have no more frames, or hold them back (a poll may change that);
 * TD_E_IO, TD_E_LIMIT. */
TD_MUST_USE td_result merge_next(merge *m, merge_item *out, td_err *err);

#endif
