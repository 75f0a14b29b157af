/* Makes one stream of the lines of a feed. A feed with several lines has each subscription on
 * several connections, so each frame comes once per line. Of each stream (a topic and symbol) the
 * frame that arrives first is returned, and its copies on the other lines are dropped: so the loss
 * of one connection loses no frame, and needs no new snapshot.
 *
 * Frames are compared by a hash of all bytes, in order, and counted: equal frames that the exchange
 * sent twice are returned twice. A number that counts the frames of the connection, and the time at
 * which the connection sends a frame (schema/conn_counter.h), are left out, because copies have
 * other ones. A connection joins a stream when it is certain which of its frames were returned;
 * from then on the module knows which frames of the stream it has not brought yet. Frames with a
 * time or number of their own are distinct: one common frame is enough. Frames that repeat have
 * several places where they agree with the stream, until all but one are excluded by later frames,
 * and by LINES_LAG_NS.
 *
 * A connection that has not joined brings copies as long as another one delivers: they are kept for
 * a while (LINES_WINDOW_NS), because the connection may be ahead of the others, or may be slower
 * than one that ends. When no joined connection is left, the kept frames of the others are used,
 * the oldest first: those that are no copies are returned, with the time of that moment and
 * is_late. They wait for at most LINES_LAG_NS after the last returned frame, as long as copies may
 * still come over a connection that was opened before it. What may be a copy, although nothing
 * tells, is returned with is_doubtful. The stream continues as a new connection (an epoch), unless
 * the connection overlaps with the stream, or was granted before the end of what the last one is
 * proven to have received.
 *
 * Returned frames have a channel of line 0, and the connection with which the epoch began, whatever
 * line they came over, so that a stream continues if its feed gets a second line. A frame keeps the
 * ordinal of its own connection, so two frames of one connection may have equal ordinals. One
 * thread. */
#ifndef TD_TAPE_LINES_H
#define TD_TAPE_LINES_H

#include "base/err.h"
#include "base/limits.h"
#include "schema/frame.h"
#include "tape/connection_table.h"
#include "tape/cursor_stats.h"

/* How long frames are remembered: connections of one subscription bring a frame within about a
 * second, or else one of them is closed as stale. */
#define LINES_WINDOW_NS (UINT64_C(10) * UINT64_C(1000000000))

/* Two connections bring a frame within this time. */
#define LINES_LAG_NS (UINT64_C(4) * UINT64_C(1000000000))

/* So long before a window its frames are read: then the lines have joined as in the window before,
 * and it is known which frames that has. */
#define LINES_LEAD_NS (2 * LINES_LAG_NS)

enum {
    LINES_MAX = LIMIT_FEED_LINE_NUMBERS, /* lines of a feed */
    LINES_STREAM_MAX = 4096,             /* frames that are remembered of a stream, for each line */
    LINES_KEPT_MAX = 1 << 16, /* frames that are kept in all; further ones are not kept */
};

typedef struct line_streams line_streams;

/* Open without a frame. connections is borrowed, and gets the channels of line 0. */
TD_NEVER_NULL line_streams *lines_open(connection_table *connections);
void lines_close(line_streams *self);

/* Forget all frames, to read from another time. */
void lines_rewind(line_streams *self);

/* Where a window begins and ends. A frame is in the window of its time in the stream, and one that
 * waits at the end of a window is in the next one, which reads LINES_LEAD_NS before its start. */
typedef struct lines_window {
    uint64_t since_ns; /* frames that were received earlier are of the window before */
    uint64_t from_ns;  /* frames that are returned earlier are its lead-in */
    uint64_t until_ns; /* frames that were received since then, and wait at the end, are of the next
                          window; UINT64_MAX: no window continues this one */
} lines_window;

/* Set the window, before the first frame. Without it all frames are in the window. */
void lines_set_window(line_streams *self, const lines_window *window);

/* Give the next frame of a feed that has several lines, or may get them (session_feed.has_lines),
 * in the order of time, except for frames of a connection that another process has brought late.
 * Then call lines_next until it returns NULL. The frame stays in use until then. TD_E_LIMIT: too
 * many channels. */
TD_MUST_USE td_result lines_give(line_streams *self, const session_slot *slot, frame_ref *frame,
                                 td_err *err);

/* The next frame of the tape, of any feed, was received at recv_ns, and the last one that was
 * returned has returned_ns. If no frame was given for LINES_WINDOW_NS, what waits is not continued:
 * it is made ready with times from returned_ns on. Returns 1 if frames are ready. */
int lines_pass(line_streams *self, uint64_t recv_ns, uint64_t returned_ns);

/* The tape, or the window, has no more frames: then call lines_next until it returns NULL. */
void lines_end(line_streams *self);

/* Get the next frame of a stream, valid until the next call; NULL: give another one. *as gets the
 * slot to use for connection_table_follow. Content that a reader of the cursor's thread has read
 * must be read again. */
frame_ref *lines_next(line_streams *self, const session_slot **as);

/* 1 if the frame is given to lines_give: data of a topic. Answers to requests
 * are not, because only the connection that asked gets them. */
int lines_has_stream(const session_slot *slot, const frame_ref *frame);

/* The counts so far; valid until close, and updated by lines_next. */
const line_stats *lines_get_stats(const line_streams *self);

#endif
