/* Clients without a topic of the recording: a misspelt symbol, another feed's path or another
 * exchange's request leaves a client connected and silent, as at the exchange. A warning then
 * names what the client requested, and a request that it could send. It is logged once for a
 * connection: TOPICLESS_NS of real time after the client connected, or when it leaves before that
 * and has sent a request; once a minute for clients that begin with the same request. One
 * thread. */
#ifndef TD_SERVE_SERVE_TOPICLESS_H
#define TD_SERVE_SERVE_TOPICLESS_H

#include "replay/serve/serve_client.h"

#define TOPICLESS_NS (5 * TD_NS_PER_S)

/* Begin to watch a client that is connected; names and query are from its URL. A client that
 * has its topics by now, or that is for orders, is not watched. */
void serve_topicless_begin(serve_client *client, td_bytes names, td_bytes query);

/* Call before a request of the client is answered, and after it. */
void serve_topicless_note(serve_client *client, td_bytes request);
void serve_topicless_check(serve_client *client);

/* Stop watching: the client's connection has ended. */
void serve_topicless_end(serve_client *client);

#endif
