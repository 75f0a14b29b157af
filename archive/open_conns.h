/* The connections of feeds that were open at a time, and their granted topics. One thread. */
#ifndef TD_ARCHIVE_OPEN_CONNS_H
#define TD_ARCHIVE_OPEN_CONNS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "archive/archive_view.h"
#include "archive/read_plan.h"

/* All zero if nothing was recorded. */
typedef struct open_conns {
    uint64_t at_ns;
    segment_rows *sessions; /* for each session that was running at at_ns, the segment that it was
                               writing */
    size_t count;
    uint8_t is_unknown; /* 1: some segments cannot be read */
    uint8_t with_live;  /* 1: a live session also continues after its last frame, for a tape that
                           follows a recording */
} open_conns;

/* For each session of the wanted feeds that was running at at_ns, read its state just before the
 * events of that time. Unreadable segments set is_unknown. The caller releases *out with
 * open_conns_fini, also after a failure. TD_E_IO. */
TD_MUST_USE td_result open_conns_read(archive_view *view, int (*wants_feed)(void *, const char *),
                                      void *user, uint64_t at_ns, open_conns *out, td_err *err);
/* As open_conns_read, of one feed. */
TD_MUST_USE td_result open_conns_read_feed(archive_view *view, const char *feed, uint64_t at_ns,
                                           open_conns *out, td_err *err);
/* As open_conns_read_feed, at the end of a time: at until_ns, or at the feed's last frame if that
 * is earlier, because the grants of a session end with it. *first_ns, *last_ns: archive_feed_range.
 */
TD_MUST_USE td_result open_conns_read_end(archive_view *view, const char *feed, uint64_t until_ns,
                                          open_conns *out, uint64_t *first_ns, uint64_t *last_ns,
                                          td_err *err);
/* As open_conns_read, from a plan of read_plan_open_at, into *out with at_ns and with_live set. */
TD_MUST_USE td_result open_conns_read_planned(archive_view *view, const read_plan *plan,
                                              open_conns *out, td_err *err);
void open_conns_fini(open_conns *self);

/* Start of the oldest connection of one session, or of all sessions, that was open or was the last
 * one of its slot; at_ns without one. The last one counts, because the next connection may begin
 * with a list of trades that this one had. */
uint64_t open_conns_session_oldest_ns(const open_conns *self, const segment_rows *session);
uint64_t open_conns_oldest_ns(const open_conns *self);

/* 1 if a connection was granted the topic, as the exchange writes it, or a topic that covers it
 * (grant_covers), or if that is unknown. */
int open_conns_has_topic(const open_conns *self, td_bytes topic, grant_covers_fn *covers);

#endif
