/* A cursor: one ordered stream of frames out of an archive. Its sources (tape/source.h) hand out
 * the chunks of a selection, loaders turn them into frames, the merge sorts these.
 *
 * Order is total and the same for every reader: (recv_ns, session start, session id, feed, line,
 * shard, connection, in before out, ordinal). Chunks without selected frames are not read. Each
 * feed's events are always read, because they show which connection a frame belongs to. Frames that
 * were recorded as "_unknown" are classified again: if this version has a schema row for such a
 * frame, the frame is selected and returned under its own topic. Memory is bounded by the chunks
 * that overlap in time (LIMIT_MERGE_CHUNKS). Threads only read and decompress ahead; they never
 * change the result. One thread at a time per cursor. */
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
#include "tape/cursor_stats.h"
#include "tape/decoding.h"
#include "tape/selection.h"

struct block_pool; /* tape/block.h */

/* What a cursor's user needs to know of the topics when the selection begins. */
typedef enum tape_states {
    TAPE_STATES_NONE, /* nothing: only frames of the selection are returned */
    /* The frames before the selection's start that books, and lists of the latest trades, need are
     * returned, too, with is_lead_in set: frames of topics with snapshots and of trades, from the
     * start of the oldest connection that was open at the selection's start, or was its slot's last
     * one. Where several connections brought each frame, also all frames of
     * LINES_LEAD_NS (tape/lines.h) before it, so that copies of them are recognised (they are read,
     * and not returned, with TAPE_STATES_NONE). In a file that `cut` wrote, the selection begins
     * no earlier than the selection of the cut. */
    TAPE_STATES_FRAMES,
    /* If a checkpoint has the states of a feed, the lead-in begins there: cursor_states returns
     * them, without audits (SYMBOL_WITHOUT_AUDITS), and the cursor returns the frames of all the
     * feed's topics since then. */
    TAPE_STATES_BOOKS,
    TAPE_STATES_AUDITED, /* likewise, with audits */
} tape_states;

/* Zero means the default for every member. */
typedef struct cursor_options {
    const struct tape_decoding *decoding; /* tape/decoding.h; NULL: the built-in decoder */
    unsigned threads;  /* working threads, including the caller's, which helps while it waits; 0 or
                          1: only the caller's, without reading ahead */
    const td_log *log; /* may be NULL */
    tape_reads reads;
    /* shared with other cursors over the archive; NULL: the cursor has its own */
    struct block_pool *blocks;
    struct channel_table *channels; /* as blocks; if shared, no user of a cursor may set
                                       frame_channel.tape */
    uint8_t with_events;            /* 1: frames of _events channels are returned too */
    tape_states states;
    uint8_t with_tickers; /* 1: checkpoints whose states lack the values of tickers are not used */
    uint64_t before_ns;   /* with a lead-in: all frames that were received up to this long before
                             the selection's start are returned, too, with is_lead_in set */
    uint8_t with_lines;   /* 1: return the frames of all lines of a feed as they were recorded,
                             instead of one stream (tape/lines.h) */
    uint8_t is_following; /* 1: cursor_poll may be called; segments stay open */
    uint64_t hold_ns; /* if is_following: how long frames of a live session wait for earlier frames
                         of other feeds (tape/order_hold.h); 0: they do not wait */
    /* Narrows the selection: 1 if frames of this channel are wanted. NULL: all. */
    int (*wants_channel)(void *user, const channel_info *info);
    void *user;
} cursor_options;

typedef struct cursor cursor;
struct symbol_state; /* book/symbol_state.h */
struct symbol_table; /* book/symbol_table.h */

/* Open the frames of a selection. The archive is borrowed until close. TD_E_*. */
TD_MUST_USE td_result cursor_open(archive *archive, const selection *selection,
                                  const cursor_options *options, cursor **out, td_err *err);
void cursor_close(cursor *cursor);

/* Get the next frame, valid until the next call. With threads, or with a decoder that replaces the
 * built-in one, the frame and its content are valid while the frame's block is held
 * (tape_block_acquire), but its event only until the next call. TD_OK, TD_EOF; TD_E_IO and
 * TD_E_LIMIT (too many chunks overlap in time, or one chunk's decoded frames are too large) end the
 * cursor. Damage inside a chunk is counted, logged and skipped. */
TD_MUST_USE td_result cursor_next(cursor *cursor, const frame_ref **out, td_err *err);

/* After TD_EOF of a cursor with is_following: look for new frames, in segments that are being
 * written and in new segments. TD_OK: cursor_next continues; TD_EOF: nothing new yet. Frames that
 * are readable at a call are in order of time. Without hold_ns, frames of a feed whose chunk
 * becomes durable later are returned later, even if they are earlier than frames of other feeds. */
TD_MUST_USE td_result cursor_poll(cursor *cursor, td_err *err);

/* Continue at another time: the window begins at from_ns, and the lead-in before it. Channels and
 * connections stay the same objects; stats continue. TD_E_* as cursor_open. */
TD_MUST_USE td_result cursor_seek(cursor *cursor, uint64_t from_ns, td_err *err);

/* With TAPE_STATES_BOOKS or more: the states of symbols before the first frame. Valid until close
 * or seek; the caller may take the states (symbol_table_take). A symbol without a state begins with
 * its first frame. */
TD_NEVER_NULL struct symbol_table *cursor_states(cursor *cursor);

/* Continue the streams of a feed's symbol from a state that was saved at the cursor's position, so
 * that frames get the same indexes, copies and grants as from a cursor that began earlier. Call it
 * before the first frame, also after a seek. state is only read. TD_E_LIMIT. */
TD_MUST_USE td_result cursor_resume(cursor *cursor, const char *feed, const char *symbol,
                                    const struct symbol_state *state, td_err *err);

/* The selection's window, with relative times resolved; from_ns 0: no lower bound. */
selection_window cursor_get_window(const cursor *cursor);

/* Get the window of a selection without opening it; for relative times a tape is opened to find the
 * first frame. log may be NULL. TD_E_* as cursor_open. */
TD_MUST_USE td_result cursor_find_window(archive *from, const selection *wanted, const td_log *log,
                                         selection_window *out, td_err *err);

/* Time from which frames are read: the start of the window, or of its lead-in. */
uint64_t cursor_get_lead_from_ns(const cursor *cursor);

/* The cursor's threads, so that users can process frames on them. Valid until the cursor closes.
 * NULL without threads. */
td_workers *cursor_workers(cursor *cursor);

/* The totals so far. */
void cursor_get_stats(const cursor *cursor, cursor_stats *out);

/* Time of the feed's last unreadable frame found so far, or 0. A frame_ref has the value at the
 * time when the frame was returned. */
uint64_t cursor_damaged_until_ns(const cursor *cursor, const char *feed);

/* 1 if a part of the selection could not be read so far. */
int cursor_is_damaged(const cursor_stats *stats);

/* Gaps of reason corrupt for the parts that could not be read. Missing segments are in the ledger
 * (archive_gaps). Valid until the next call. */
const gap_list *cursor_get_damage(const cursor *cursor);

#endif
