/* The recorded HTTP replies by request, as `serve` returns them. The list is read once, a reply's
 * body on demand. Replies to requests other than GET are left out. One thread. */
#ifndef TD_TAPE_REPLY_LIST_H
#define TD_TAPE_REPLY_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "tape/selection.h"

typedef struct recorded_reply {
    uint64_t recv_ns;     /* of its frame */
    uint64_t received_ns; /* the same; in a cut that begins later, the original receive time */
    char *feed, *topic;
    const struct family *family; /* NULL: unknown here */
    char *encoding;              /* of its channel's messages */
    char *url;
    uint8_t is_fetched; /* 1: the snapshot of a topic, among the topic's frames */
} recorded_reply;

typedef struct reply_list {
    recorded_reply *items; /* by time; zero-initialise */
    size_t count;
    uint64_t from_ns; /* start of the selection */
} reply_list;

/* Find the replies of all feeds up to the selection's end, also from before its start, because a
 * recorder makes some requests only when it starts, and a client's requests through a relay belong
 * to no feed. Replies without a URL are left out. The caller releases *out with reply_list_fini,
 * also after a failure. TD_E_*. */
TD_MUST_USE td_result reply_list_open(archive *from, const selection *wanted, const td_log *log,
                                      reply_list *out, td_err *err);
void reply_list_fini(reply_list *replies);

/* The last reply to a request that was received at or before at_ns (0: the start of the selection).
 * If there is no such reply, the first later one, or NULL. Query parameters may be in any order. */
const recorded_reply *reply_list_find(const reply_list *replies, td_bytes path, td_bytes query,
                                      uint64_t at_ns);

/* One reply for every request, as reply_list_find returns it for 0: first the replies from before
 * the start, newest first, then the later ones. The caller frees the array. */
const recorded_reply **reply_list_at_begin(const reply_list *replies, size_t *count);

/* Append the reply's body to out. TD_E_NOTFOUND if it was pruned or damaged since the list was
 * made; other TD_E_* of reading. */
TD_MUST_USE td_result recorded_reply_read(const recorded_reply *reply, archive *from, td_buf *out,
                                          td_err *err);

#endif
