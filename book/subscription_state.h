/* When the exchange had answered a connection's subscriptions: from then on the recording has every
 * frame of its topics, so comparing candles with trades begins there. Derived from the recorded
 * requests and answers, one answer a request. One thread. */
#ifndef TD_BOOK_SUBSCRIPTION_STATE_H
#define TD_BOOK_SUBSCRIPTION_STATE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "schema/dialect.h"

/* State of one slot of a feed: of its current connection. */
typedef struct subscription_state {
    char *feed;
    uint32_t line;
    uint32_t shard;
    uint32_t session;
    uint32_t conn;
    uint32_t open_requests; /* subscriptions without an answer */
    uint64_t request_ns;    /* receive time of the last one; 0: none on this connection */
    uint64_t answer_ns;     /* of the answer after which none was open; 0: none yet */
} subscription_state;

/* Slots in order of first sight; zero-initialise. */
typedef struct subscription_states {
    subscription_state **slots;
    size_t count;
    dialect_parser *parser; /* NULL before the first request */
} subscription_states;

void subscription_states_fini(subscription_states *s);

/* The slot that a channel belongs to. */
subscription_state *subscription_states_get(subscription_states *s, const channel_info *info);

/* A frame was sent in a dialect; one that neither subscribes nor unsubscribes changes nothing.
 */
void subscription_sent(subscription_states *s, subscription_state *slot, const dialect *spoken,
                       uint32_t session, uint32_t conn, uint64_t recv_ns, td_bytes frame);

/* An answer to a subscription came, granted or refused. */
void subscription_answered(subscription_state *slot, uint32_t session, uint32_t conn,
                           uint64_t recv_ns);

/* Receive time of the answer after which no request of the connection was open. */
#define ANSWERED_UNKNOWN UINT64_C(0) /* no request was recorded */
#define ANSWERED_NOT_YET UINT64_MAX
uint64_t subscription_answered_ns(const subscription_state *slot, uint32_t session, uint32_t conn,
                                  uint64_t recv_ns);

#endif
