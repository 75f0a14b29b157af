/* When a connection's subscriptions were answered: from then on every frame of its topics is there.
 * Read off the frames themselves, from the recorder's own requests and the exchange's answers, one
 * answer a request. Comparing candles with trades begins there. One thread. */
#ifndef TD_TAPE_SETTLING_H
#define TD_TAPE_SETTLING_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "format/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One slot of a feed: its connection of now. */
typedef struct settling_slot {
    char *feed;
    uint32_t line;
    uint32_t shard;
    uint32_t session;
    uint32_t conn;
    uint32_t open_requests; /* subscriptions without an answer */
    uint64_t request_ns;    /* receive time of the last one; 0: none on this connection */
    uint64_t answer_ns;     /* of the answer after which none was open; 0: none yet */
} settling_slot;

/* Slots in order of first sight; zero-initialise. */
typedef struct settling {
    settling_slot **slots;
    size_t count;
} settling;

void settling_fini(settling *s);

/* The slot that a channel belongs to. TD_E_NOMEM. */
TD_MUST_USE td_result settling_get(settling *s, const channel_info *info, settling_slot **out,
                                   td_err *err);

/* A frame that was sent; one that is no subscription changes nothing. */
void settling_sent(settling_slot *slot, uint32_t session, uint32_t conn, uint64_t recv_ns,
                   td_bytes frame);

/* An answer to a subscription, be it a refusal. */
void settling_answered(settling_slot *slot, uint32_t session, uint32_t conn, uint64_t recv_ns);

/* Receive time of the answer after which nothing was open on a frame's connection. */
#define SETTLING_UNKNOWN UINT64_C(0) /* nothing was seen to be asked for */
#define SETTLING_NOT_YET UINT64_MAX
uint64_t settling_ns(const settling_slot *slot, uint32_t session, uint32_t conn, uint64_t recv_ns);

#ifdef __cplusplus
}
#endif

#endif
