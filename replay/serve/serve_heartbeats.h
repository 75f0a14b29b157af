/* The heartbeats that an exchange sends each client by itself, or at the client's request, by the
 * clock: also before a client's tape begins, while it is paused, and after its end. Those of the
 * recording that no client asked for come in their places, as notices do (serve_tape.c). One
 * thread. */
#ifndef TD_SERVE_SERVE_HEARTBEATS_H
#define TD_SERVE_SERVE_HEARTBEATS_H

#include "replay/serve/serve_client.h"

/* The client means one server from now on. */
void serve_heartbeats_begin(serve_client *client);

/* The client asked for heartbeats, or for none, or pinged. */
void serve_heartbeats_requested(serve_client *client, const dialect_request *request);

/* The client leaves. */
void serve_heartbeats_end(serve_client *client);

#endif
