/* A cursor: one ordered stream of frames out of an archive. Its sources (tape/source.h) hand out
 * the chunks of a selection, loaders make frames of them, the merge puts these in order.
 *
 * Order is total and the same for every reader: (recv_ns, session start, session id, feed, line,
 * shard, connection, in before out, ordinal). Chunks that hold nothing of the selection are not
 * read; each feed's events are always read, because they say which connection a frame came over.
 * Frames that were filed under "_unknown" are classified again: those that this version has a row
 * for come out on their own topic's channel, and are selected by it. Memory is bounded by the
 * chunks that overlap in time (LIMIT_MERGE_CHUNKS). Threads only read and decompress ahead; they
 * never change what comes out. One thread at a time per cursor. */
#ifndef TD_TAPE_CURSOR_H
#define TD_TAPE_CURSOR_H

#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "base/log.h"
#include "base/workers.h"
#include "archive/archive.h"
#include "archive/event.h"
#include "archive/gap.h"
#include "schema/frame.h"
#include "tape/decoding.h"
#include "tape/selection.h"

/* A reference-counted piece of memory: one decompressed chunk and its frames. */
typedef struct tape_block tape_block;
typedef struct block_pool block_pool; /* tape/block.h */

/* Zero takes the default everywhere. */
typedef struct cursor_options {
    const struct tape_decoding *decoding; /* tape/decoding.h; NULL: the built-in decoder */
    unsigned threads;  /* at work, the caller's included, which helps while it waits; 0 or 1: that
                          alone, and nothing is read ahead */
    const td_log *log; /* may be NULL */
    tape_reads reads;
    /* To share with other cursors over the archive; NULL: its own. */
    block_pool *blocks;
    struct channel_table *channels; /* their readers set no user */
    uint8_t with_events;            /* 1: frames of _events channels are returned too */
    uint8_t with_lead_in; /* 1: frames before the selection's from that books need are returned,
                             is_lead_in set: those of topics with snapshots, from the moment when
                             the connections began that were open at from. The selection begins at
                             cursor_find_begin() at the earliest. */
    uint8_t with_states;  /* 1: with_lead_in is shorter where a checkpoint has the states of a feed
                             before it: cursor_states has these, and all topics' frames since
                             are returned */
    uint8_t with_tickers; /* 1: checkpoints whose states lack the values of tickers are not used */
    uint8_t without_audits; /* 1: these states are without audits (SYMBOL_WITHOUT_AUDITS) */
    uint8_t is_following;   /* 1: cursor_poll may be called; segments stay open */
    uint64_t hold_ns; /* following: frames of a live session wait so long for earlier ones of other
                         feeds (tape/order_hold.h); 0: they do not */
    /* Narrows the selection: 1 if frames of this channel are wanted. NULL: all that it has. */
    int (*wants_channel)(void *user, const channel_info *info);
    void *user;
} cursor_options;

/* What a cursor has read so far. */
typedef struct cursor_stats {
    uint64_t segments;            /* opened */
    uint64_t chunks_read;         /* damaged ones too */
    uint64_t bytes_read;          /* of chunk records */
    uint64_t damaged_chunks;      /* could not be read, all or in part: logged, passed over */
    uint64_t contents_read;       /* frames whose content was read: each once */
    uint64_t segments_unreadable; /* left out of the plan: the archive logs them */
    uint64_t segments_live;       /* planned, and still being recorded */
    unsigned workers_busy_max;    /* threads that were reading ahead at one moment */
} cursor_stats;

typedef struct cursor cursor;
struct symbol_state; /* book/symbol_state.h */
struct symbol_table; /* book/symbol_table.h */

/* Open the frames of a selection. The archive is borrowed until close. TD_E_*. */
TD_MUST_USE td_result cursor_open(archive *archive, const selection *selection,
                                  const cursor_options *options, cursor **out, td_err *err);
void cursor_close(cursor *cursor);

/* The next frame, valid until the next call. With threads, or a decoder in place of the built-in
 * one, it and its content are valid while its block is held. event and what it points to: until the
 * next call always. TD_OK, TD_EOF; TD_E_IO and TD_E_LIMIT (too many chunks overlap in time, or
 * the decoded frames of one are too large) end it. Damage inside a chunk is counted, logged,
 * and passed over. */
TD_MUST_USE td_result cursor_next(cursor *cursor, const frame_ref **out, td_err *err);

/* After TD_EOF of a following cursor: look for what was recorded meanwhile, in segments that are
 * being written and in new ones. TD_OK: cursor_next continues; TD_EOF: nothing new (wait, and call
 * it again). Frames are in order of time among those that are there at each call; without hold_ns a
 * feed whose chunk became durable later comes later. */
TD_MUST_USE td_result cursor_poll(cursor *cursor, td_err *err);

/* Go on at another time: the window begins at from_ns, and so much earlier with_lead_in. Channels
 * and connections stay the same objects; what was read so far stays counted. TD_E_* as cursor_open.
 */
TD_MUST_USE td_result cursor_seek(cursor *cursor, uint64_t from_ns, td_err *err);

/* The states of symbols before the first frame of a cursor with_states, until close or seek, for
 * its user to take (symbol_table_take). A symbol without one begins with its first frame. */
TD_NEVER_NULL struct symbol_table *cursor_states(cursor *cursor);

/* Continue the streams of a feed's symbol as a state that was saved at the cursor's position has
 * them, so that its frames get the indexes, copies and grants that a cursor from the beginning
 * gives them. Before the first frame, also after a seek; the state is only read. TD_E_LIMIT. */
TD_MUST_USE td_result cursor_resume(cursor *cursor, const char *feed, const char *symbol,
                                    const struct symbol_state *state, td_err *err);

/* The selection's window, relative times resolved; from_ns 0: no lower bound. */
selection_window cursor_get_window(const cursor *cursor);

/* The moment at which the selection of a file that `cut` wrote begins: its frames before are the
 * state then. 0: it is another archive, or the file's selection has no beginning. TD_E_IO. */
TD_MUST_USE td_result cursor_find_begin(archive *from, uint64_t *begin_ns, td_err *err);

/* The window of a selection that is not open: of relative times a tape is opened to learn the first
 * frame's. log may be NULL. TD_E_* as cursor_open. */
TD_MUST_USE td_result cursor_find_window(archive *from, const selection *wanted, const td_log *log,
                                         selection_window *out, td_err *err);

/* The moment from which frames are read: the window's, or before it that of the lead-in. */
uint64_t cursor_get_lead_from_ns(const cursor *cursor);

/* The threads of the cursor, for those who work on its frames; NULL: none. They may be used until
 * it closes. */
td_workers *cursor_workers(cursor *cursor);

/* Keep a frame's memory beyond the next cursor_next, and give it back. Any thread. */
void tape_block_acquire(tape_block *block);
void tape_block_release(tape_block *block);

void cursor_get_stats(const cursor *cursor, cursor_stats *out);

/* Last time of a frame of the feed that could not be read, of those that were met so far; 0: none.
 * Frames have it as of when they were given (frame_ref). */
uint64_t cursor_damaged_until_ns(const cursor *cursor, const char *feed);

/* 1 if something of the selection could not be read so far. */
int cursor_is_damaged(const cursor_stats *stats);

/* Its rows, of reason corrupt: what could not be read. Segments that are missing are in the ledger
 * (archive_gaps). Valid until the next call. */
const gap_list *cursor_get_damage(const cursor *cursor);

#endif
