/* The HTTP replies of a recording, by request. Which there are is read once; a reply itself when it
 * is asked for. One thread. */
#ifndef TD_SERVE_SERVE_REPLIES_H
#define TD_SERVE_SERVE_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "tape/selection.h"

typedef struct serve_reply {
    uint64_t recv_ns;
    char *feed, *topic;
    char *url;
} serve_reply;

typedef struct serve_replies {
    serve_reply *items; /* in order of time; zero-initialise */
    size_t count;
    uint64_t from_ns; /* where the selection begins */
} serve_replies;

/* Find those of the selection's feeds, also from before it: a recorder requests some only when it
 * starts. Imported replies have no URL, and are left out. *out is the caller's, for
 * serve_replies_fini, also after a failure. TD_E_*. */
TD_MUST_USE td_result serve_replies_open(archive *from, const selection *wanted, const td_log *log,
                                         serve_replies *out, td_err *err);
void serve_replies_fini(serve_replies *replies);

/* The last reply to a request that was received by at_ns (0: by the beginning of the selection),
 * or else the first one; NULL: there is none. Parameters of the query may be in any order. */
const serve_reply *serve_replies_find(const serve_replies *replies, td_bytes path, td_bytes query,
                                      uint64_t at_ns);

/* Append its body. TD_E_*. */
TD_MUST_USE td_result serve_reply_read(const serve_reply *reply, archive *from, td_buf *out,
                                       td_err *err);

#endif
