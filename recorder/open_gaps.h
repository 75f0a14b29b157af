/* The open gaps of one line of a feed: which topics may lack frames, since when, and until when.
 *
 * Topics lose data; a slot is only the connection that carries them. A gap of a whole slot waits
 * until all requests of the shard with the slot's number are answered, that is, until it is known
 * which of the shard's topics are granted. If topics were on other shards in an earlier session,
 * that session's gaps wait for all shards. When the wait ends, each topic that was recorded before
 * and is not granted gets a row of its own, which begins where the slot's gap began, and ends when
 * the topic is granted. So granted topics do not wait for the others.
 *
 * When a session starts, each slot in the archive gets a row, unless an earlier session left a row
 * of the slot open. The new row begins with the slot's last data frame, or earlier if the slot was
 * not complete until then. An open row ends at the start of the session if its topic is no longer
 * subscribed, or if the row is for lost entries of the journal.
 *
 * `emit` gets each row when it opens and, with the same key, when it ends. Network thread only. */
#ifndef TD_RECORDER_OPEN_GAPS_H
#define TD_RECORDER_OPEN_GAPS_H

#include <stddef.h>
#include <stdint.h>

#include "archive/feed_history.h"
#include "archive/feed_slots.h"
#include "archive/gap.h"
#include "recorder/config.h"
#include "recorder/subscription.h"

typedef struct open_gaps open_gaps;

typedef struct open_gaps_options {
    const feed_config *feed;    /* borrowed, like wanted and user */
    const subscription *wanted; /* the feed's topics by number, and their shards */
    const feed_slots *past;     /* earlier recordings; used by open_gaps_open only */
    const gap_list *ledger;     /* of all feeds; used by open_gaps_open only */
    uint32_t line;              /* of the slots; each line has its own open gaps */
    uint64_t start_ns;          /* start of the session, wall clock */
    uint16_t feed_index;        /* passed to emit */
    void (*emit)(void *user, uint16_t feed_index, const gap_row *row);
    void *user;
} open_gaps_options;

/* Open at the session's start. open_gaps_close: NULL is fine. */
open_gaps *open_gaps_open(const open_gaps_options *options);
void open_gaps_close(open_gaps *self);

/* Return the rows that the session's start opens or ends, and the rows that stay open. `emit` does
 * not get them: they must be durable before anything connects. Valid until the next call of another
 * function. */
const gap_row *open_gaps_begun(const open_gaps *self, size_t *count);

/* Rows of the ledger that earlier sessions left open, of feeds that the session does not record:
 * add to out how they end, which must be durable before the session records. Each ends where its
 * feed was no longer asked for (archive_history_asked_until_ns). Rows of imports stay open. past
 * has the session. */
void open_gaps_end_others(const recorder_config *config, const archive_history *past,
                          const char *session, const gap_list *ledger, gap_list *out);

/* The slots of a line have taken over from another process, whose past is known only now: do what
 * open_gaps_open does with it, without rows for slots that were replaced. is_mine: 1 for each shard
 * whose past this line continues. Then call open_gaps_restate for each shard that is live, with the
 * time since when its topics are granted. */
void open_gaps_continue(open_gaps *self, const feed_slots *past, const gap_list *ledger,
                        const uint8_t is_mine[LIMIT_FEED_SLOTS], uint64_t start_ns);
void open_gaps_restate(open_gaps *self, uint32_t shard, uint32_t conn, uint64_t granted_ns);

/* The subscription has more topics than before: take those that follow. They were not recorded
 * before, so they have no gap. */
void open_gaps_added(open_gaps *self);

/* A topic has ended, at recv_ns: it is not expected any more, and its open gaps end. why: a remark
 * for the rows. No gap waits for a shard whose topics have all ended. If the topic begins again, it
 * counts as added. */
void open_gaps_ended(open_gaps *self, size_t topic, uint64_t recv_ns, const char *why);

/* The feed is removed, at recv_ns: nothing of it is expected any more, and all its open gaps end.
 */
void open_gaps_removed(open_gaps *self, uint64_t recv_ns);

/* A shard has a new connection, on which no topic is granted yet. */
void open_gaps_connected(open_gaps *self, uint32_t shard);

/* A topic (its number in the subscription) is granted: its frames are recorded from recv_ns on, and
 * its gaps end, except for a silence of this session. */
void open_gaps_granted(open_gaps *self, size_t topic, uint64_t recv_ns);

/* A granted topic has been silent since from_ns, for far longer than usual: opens a gap of it,
 * unless one is open, which ends with its next frame (open_gaps_heard) or with the topic. Returns 1
 * if the gap was opened. */
int open_gaps_silent(open_gaps *self, size_t topic, uint32_t conn, uint64_t from_ns,
                     const char *detail);
void open_gaps_heard(open_gaps *self, size_t topic, uint64_t recv_ns);

/* The exchange withdrew a granted topic from its shard's connection. Opens a gap of the topic at
 * from_ns. The gap ends when the topic is granted again. */
void open_gaps_withdrawn(open_gaps *self, size_t topic, uint32_t conn, uint64_t from_ns);

/* The shard's requests are answered: a gap that waits for no other shard ends, at recv_ns. Each
 * topic of the shard that was recorded before and is not granted now gets a gap of its own. */
void open_gaps_answered(open_gaps *self, uint32_t shard, uint64_t recv_ns);

/* 1 if a gap waits for this shard's answers. */
int open_gaps_wait_for(const open_gaps *self, uint32_t shard);

/* End the shard's gap at at_ns, and let another one begin there: another line may cover the first
 * part, and does not wait for the end then. Does nothing without a gap that waits for this shard
 * alone. */
void open_gaps_split(open_gaps *self, uint32_t shard, uint64_t at_ns);

/* A shard's connection was lost: opens a gap at from_ns, unless a gap is open already or all topics
 * of the shard have ended. */
void open_gaps_lost(open_gaps *self, uint32_t shard, uint32_t conn, time_reason reason,
                    uint64_t from_ns, const char *cause, const char *detail);

#endif
