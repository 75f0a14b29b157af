/* What a replay server answers to HTTP requests. The snapshot of a book that comes over HTTP is the
 * book's state of that moment, in the exchange's form, so that the next delta of the client's tape
 * continues it. Other replies are the recorded ones. One thread. */
#ifndef TD_SERVE_SERVE_REPLIES_H
#define TD_SERVE_SERVE_REPLIES_H

#include "base/buf.h"
#include "base/bytes.h"
#include "replay/serve/serve_state.h"

/* Write the reply to a GET request. The moment is the position of the newest tape whose clients
 * have the topic (before it plays: where it will begin), else of the newest tape, else the
 * beginning of the selection. The snapshot is made from the book's state. If the book has changed
 * nothing since its recorded snapshot, that is the reply; if it has no state, because no snapshot
 * came yet, frames are missing or its connection ended, the next recorded one. json must be empty.
 * Returns 0 if nothing answers this request. */
int serve_reply(serve *server, td_bytes path, td_bytes query, td_buf *json);

/* Write the reply to another request, such as one for a listen key, from the document of a family
 * that is served (family.http_answers). Returns 0 if no family answers it. */
int serve_documented_reply(const serve *server, td_bytes method, td_bytes path,
                           char text[WIRE_ANSWER_BYTES]);

#endif
