/* Which frames of a recording a client's requests caused, for `serve --causal`: answers to requests
 * about orders, and what followed on private topics. A tape does not send such a frame at its own
 * time: it is due after the served client's request, by the recorded delay.
 *
 * Requests are counted by feed, kind and op: the n-th request of the served clients is the n-th
 * recorded one. replay/play/open_requests.h finds the request of a recorded answer. An update of an
 * order, or an execution, belongs to the last request before it that was about an order of the
 * frame (by order id or the client's own id); a position, a wallet or greeks, which name no order,
 * to the request of the last such update of its feed, if that is at most CAUSE_FOLLOWS_NS older.
 * Other frames have no cause: they keep the tape's time. An answer without a recorded request is
 * never sent.
 *
 * All caused frames of the selection are in memory: at most LIMIT_CAUSED_BYTES, and of
 * LIMIT_CAUSES requests. One thread. */
#ifndef TD_SERVE_SERVE_CAUSES_H
#define TD_SERVE_SERVE_CAUSES_H

#include "base/clock.h"
#include "replay/serve/serve_client.h"
#include "tape/cursor.h"

#define CAUSE_FOLLOWS_NS (100 * TD_NS_PER_MS)

typedef struct caused_frame {
    frame_ref frame;  /* with its channel, row, times and a copy of its bytes; without content and
                         connection */
    uint32_t request; /* number of the recorded request */
    uint8_t is_answer;
    uint64_t due_ns; /* on the clock; valid while it is due */
    struct caused_frame *next_due;
} caused_frame;

/* Recorded requests that no client has sent so far. */
typedef struct unsent_causes {
    uint64_t requests;
    uint64_t frames;  /* that they caused, and that are therefore not sent */
    const char *op;   /* of the first one; NULL: no request is unsent */
    uint64_t sent_ns; /* when the first one was sent in the recording */
} unsent_causes;

/* Find the caused frames of the server's selection. reading: as its tapes are read; reads, states
 * and channels are chosen here. TD_E_NOTFOUND: the selection has no request about orders;
 * TD_E_LIMIT; as cursor_open. */
TD_MUST_USE td_result serve_causes_open(const serve *server, const cursor_options *reading,
                                        serve_causes **out, td_err *err);

/* NULL is allowed. */
void serve_causes_close(serve_causes *causes);

/* A tape begins at a time, or continues there: what is due is forgotten, and requests that were
 * recorded before count as sent. */
void serve_causes_begin(serve_causes *causes, uint64_t from_ns);

/* 1 if a tape must not send the frame at its time. causes NULL: 0. */
int serve_causes_have(const serve_causes *causes, const frame_ref *frame);

/* A client sent a request about orders: the frames that the recorded one caused become due. Returns
 * 0 if the recording has no further request for this op, so that nothing answers it. */
int serve_causes_ask(serve_causes *causes, serve_client *client, const dialect_request *request,
                     pacer_speed speed, uint64_t now_ns);

/* How long after a client's request of another kind (REQUEST_AUTH, REQUEST_SUBSCRIBE …) its answer
 * comes: as recorded; 0 beyond the recorded ones. Counts the request. */
uint64_t serve_causes_delay_ns(serve_causes *causes, const serve_client *client, request_kind kind,
                               pacer_speed speed);

/* The frame that is due first, or NULL. */
caused_frame *serve_causes_first(const serve_causes *causes);

/* Remove the frame that is due first, because it is sent now. Returns the client that sent its
 * request, with the request's id as JSON text (valid until serve_causes_begin); NULL: it has
 * left. */
serve_client *serve_causes_take(serve_causes *causes, td_bytes *id_raw);

/* The client leaves. causes may be NULL. */
void serve_causes_leave(serve_causes *causes, const serve_client *client);

/* What no client has asked for since the tape's begin. */
unsent_causes serve_causes_unsent(const serve_causes *causes);

#endif
