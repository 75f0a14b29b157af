/* The HTTP replies of a recording, by request, as `serve` answers with them. Which there are is
 * read once; a reply itself when it is asked for. Those of other requests than GET are left out.
 * One thread. */
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
    uint64_t received_ns; /* the same, or earlier, in a cut that begins later */
    char *feed, *topic;
    char *encoding; /* of its channel */
    char *url;
} recorded_reply;

typedef struct reply_list {
    recorded_reply *items; /* in order of time; zero-initialise */
    size_t count;
    uint64_t from_ns; /* where the selection begins */
} reply_list;

/* Find those of all feeds up to the selection's end, also from before it: a recorder requests some
 * only when it starts, and what a client requested through a relay is of no feed. Imported replies
 * have no URL, and are left out. *out is the caller's, for reply_list_fini, also after a failure.
 * TD_E_*. */
TD_MUST_USE td_result reply_list_open(archive *from, const selection *wanted, const td_log *log,
                                      reply_list *out, td_err *err);
void reply_list_fini(reply_list *replies);

/* The last reply to a request that was received by at_ns (0: by the beginning of the selection),
 * or else the first one; NULL: there is none. Parameters of the query may be in any order. */
const recorded_reply *reply_list_find(const reply_list *replies, td_bytes path, td_bytes query,
                                      uint64_t at_ns);

/* What reply_list_find gives at 0, for every request: one of each, those of before the beginning
 * first, the newest first. The caller frees the array. */
const recorded_reply **reply_list_at_begin(const reply_list *replies, size_t *count);

/* Append its body. TD_E_*. */
TD_MUST_USE td_result recorded_reply_read(const recorded_reply *reply, archive *from, td_buf *out,
                                          td_err *err);

#endif
