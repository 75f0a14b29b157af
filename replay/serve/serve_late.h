/* With `serve --causal`, requests for topics and logins are answered after the recorded delay: the
 * server handles such a request, and those that follow on its connection, when its answer is due.
 * One thread. */
#ifndef TD_SERVE_SERVE_LATE_H
#define TD_SERVE_SERVE_LATE_H

#include "replay/serve/serve_client.h"

enum { LATE_REQUESTS_MAX = 1024 }; /* of a client; more end its connection (1008) */

/* Keep the request if it must wait, and call `handle` for it when it is due. Returns 0 if the
 * caller has to handle it now. */
int serve_late_keep(serve_client *client, td_bytes request,
                    void (*handle)(serve_client *client, td_bytes request));

/* The client leaves: forget its requests. */
void serve_late_end(serve_client *client);

#endif
