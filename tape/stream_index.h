/* Streams found by their names (book/conn_choice.h). Each user has an index of its own, for its own
 * array of streams: the index knows their numbers, in the order in which they were added. It
 * borrows the texts, which must live as long as it. One thread. */
#ifndef TD_TAPE_STREAM_INDEX_H
#define TD_TAPE_STREAM_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/row_table.h"

/* What tells streams apart. A user that reads all lines as one stream sets line to 0. */
typedef struct stream_name {
    const char *feed, *topic, *symbol;
    uint32_t line;
    channel_dir dir;
} stream_name;

static inline stream_name stream_name_of(const channel_info *info)
{
    const stream_name name = {info->feed, info->topic, info->symbol, info->line, info->dir};
    return name;
}

/* A hash of a name, also for the user's own tables. */
uint64_t stream_name_hash(const stream_name *name);

/* Zero-initialise. */
typedef struct stream_index {
    stream_name *names; /* by number */
    size_t count;
    row_table by_name;
} stream_index;

#define STREAM_INDEX_NONE SIZE_MAX

/* The number of the stream with this name, or STREAM_INDEX_NONE. */
size_t stream_index_find(const stream_index *self, const stream_name *name);

/* Add a stream whose name is not in the index. Returns its number. */
size_t stream_index_add(stream_index *self, const stream_name *name);

/* Free the memory. The index is empty afterwards. */
void stream_index_fini(stream_index *self);

#endif
