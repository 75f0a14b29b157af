/* One ordered stream of frames out of an archive: selection -> plan -> chunk readers -> merge.
 *
 * Order is total and the same for every reader: (recv_ns, session start, session id, feed, line,
 * shard, connection, in before out, ordinal). Chunks that hold nothing of the selection are not read;
 * each feed's events are always read, because they say which connection a frame came over.
 * Memory is bounded by the chunks that overlap in time (LIMIT_MERGE_CHUNKS). Threads only read and
 * decompress ahead; they never change what comes out. */
#ifndef TD_TAPE_TAPE_H
#define TD_TAPE_TAPE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "format/archive.h"
#include "format/channel.h"
#include "schema/family.h"
#include "schema/topic.h"
#include "tape/selection.h"

/* A channel as frames of the tape refer to it: the same one object for all segments of an archive, so
 * pointers can be compared. Valid until the tape closes. */
typedef struct tape_channel {
    uint32_t index; /* 0, 1, 2 … in order of first sight; for the user's own tables */
    channel_info info;
    const family *family;  /* NULL if this version does not know it */
    topic_match topic;     /* row NULL for control, events, unknown */
    void *user;            /* for the reader of the tape; NULL at first */
} tape_channel;

/* A reference-counted piece of memory that frames point into: one decompressed chunk. */
typedef struct tape_block tape_block;

typedef struct tape_frame {
    tape_channel *channel;
    uint64_t recv_ns;
    uint64_t publish_ns; /* exchange time; recv_ns where the frame has none */
    uint64_t ordinal;    /* on its connection, in and out each from 1; 0 for events */
    uint32_t session;    /* which recording it is from: 1, 2 … in order of first sight; (session,
                            conn) names a connection of a slot, conn alone starts over */
    uint32_t conn;       /* connection number of its slot, from 1; 0 = not known */
    td_bytes bytes;      /* DECODE_PADDING_BYTES readable behind it; valid while block is held */
    tape_block *block;   /* borrowed until the next call of tape_next; acquire to keep it */
} tape_frame;

typedef struct tape_options {
    unsigned threads;      /* 1: no thread of its own; more: read and decompress ahead */
    const td_log *log;     /* may be NULL */
    uint8_t with_events;   /* 1: frames of _events channels are returned too */
} tape_options;

/* What a tape has read so far. */
typedef struct tape_stats {
    uint64_t chunks_read, chunks_skipped, segments, bytes_read;
    uint64_t damaged_chunks; /* chunks that could not be read: reported by log, passed over */
} tape_stats;

typedef struct tape tape;

/* Open the frames of a selection. The archive is borrowed until close. TD_E_*. */
TD_MUST_USE td_result tape_open(archive *archive, const selection *selection,
                                const tape_options *options, tape **out, td_err *err);
void tape_close(tape *tape);

/* The next frame. TD_OK, TD_EOF; TD_E_IO and TD_E_NOMEM end the tape. Damage inside a chunk is
 * counted, logged, and passed over. */
TD_MUST_USE td_result tape_next(tape *tape, tape_frame *out, td_err *err);

/* Keep a frame's memory beyond the next tape_next, and give it back. Any thread. */
void tape_block_acquire(tape_block *block);
void tape_block_release(tape_block *block);

void tape_get_stats(const tape *tape, tape_stats *out);

#endif
