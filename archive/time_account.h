/* The account of a feed's time: what each session received, what was pruned, and which gaps follow
 * from that. Sessions may overlap, touch or leave time uncovered, and enter the archive in any
 * order (imports). So these gaps are not stored, but derived from the journal and the segments
 * whenever the ledger is read. A written gap counts before a derived one: the time that it covers
 * gets no second row. One thread at a time per archive. */
#ifndef TD_ARCHIVE_TIME_ACCOUNT_H
#define TD_ARCHIVE_TIME_ACCOUNT_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/gap.h"
#include "archive/segment_rows.h"
#include "format/segment_index.h"

/* Limit of topics: the channels of 16 full segments. */
#define TIME_ACCOUNT_TOPICS_MAX ((size_t)16 * LIMIT_SEGMENT_CHANNELS)

typedef struct time_account time_account;

/* An empty account. time_account_close accepts NULL. */
time_account *time_account_open(void);
void time_account_close(time_account *self);

/* time_account_add adds the received range of a segment, which is borrowed until close; the order
 * of the segments does not matter. time_account_add_topics adds a segment's topics, from its index
 * with INDEX_FULL, once. Topics matter only for a feed that has imports: time_account_has_captures
 * is 1 if an added segment is imported. */
void time_account_add(time_account *self, const archive_segment *segment,
                      const segment_brief *brief);
void time_account_add_topics(time_account *self, const segment_name *name,
                             const segment_index *index);
int time_account_has_captures(const time_account *self, const char *feed);

/* After all segments were added, and all other gaps are in the ledger: add a gap for each time
 * between the sessions of a feed that no gap of the ledger covers. A session without any message in
 * a whole UTC hour makes two: an open connection has pongs, so frames may be missing in that hour.
 * A gap of a whole connection covers its time. A gap that begins between a session's last frame and
 * the session's last message describes the end of that session, and covers from the last frame on.
 * Time that was pruned, with the time after it until the next frame, gets a row of reason pruned if
 * the feed has frames before and after it; before the feed's first frame it gets none. If some
 * capture of the feed lacks a topic, the topic gets gaps of its own, between the sessions that have
 * it. A recorded session that began after the end of these sessions counts as having the topic: the
 * topic was not configured any more. Beyond TIME_ACCOUNT_TOPICS_MAX topics get none of these, with
 * a warning.
 *
 * Between two times for which a topic was asked (asked_topics.h), the time in which its feed was
 * recorded without it gets a row of reason not_subscribed. Such topics are looked for in feeds
 * whose segments were not all granted the same topics: only their rows are read. */
void time_account_add_between(time_account *self, archive_view *view, gap_list *ledger);

/* Add the gaps of reason crash that recover has not written yet: one for each slot of a session
 * that ended without a stop, from its last durable frame, unless a gap in the ledger covers that
 * time. A session crashed if it is not live and has an unfinished segment or no end in the journal.
 * Damaged segments are skipped. Segments that are not on disk are marked as lost in the view's
 * past, and unfinished ones in which nothing is durable as PAST_DISCARDED. TD_E_IO. */
td_result time_account_add_crashes(archive_view *view, gap_list *ledger, td_err *err);

/* End of a gap that begins at from_ns, after a segment of a session that ended without a stop: the
 * first message in the feed's next segment that belongs to another session and begins after
 * from_ns, or GAP_OPEN. */
uint64_t time_account_next_ns(archive *archive, const archive_history *past,
                              const past_segment *segment, uint64_t from_ns);

/* Receive times of a feed's first and last received frame in readable segments, or 0. */
void archive_feed_range(archive_view *view, const char *feed, uint64_t *first_ns,
                        uint64_t *last_ns);

#endif
