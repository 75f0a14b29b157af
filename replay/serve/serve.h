/* A recording as a live server: replays a selection over WebSocket in the exchange's own dialect,
 * so that a client made for the exchange connects to it unchanged.
 *
 * A client's tape starts `settle` after the client's last subscription request, so that every topic
 * subscribed before the start begins with its first frame; topics subscribed later begin at the
 * tape's position. Clients that are ready within the same 50 ms share a tape: the tape is read
 * once, and each frame is compressed once for all of them. The server sends the recorded data
 * frames, byte for byte, of the topics that the client subscribed to. It does not send recorded
 * acks, pongs and errors, because it answers requests itself. Requests about orders get the
 * recorded answers, in the recorded order. A book or ticker that begins in the middle, because it
 * was subscribed late or its snapshot is before the selection, begins with a made snapshot
 * (replay/play/snapshot.h). After the last frame the server closes with 1000, unless connections
 * are held open.
 *
 * Where a recorded connection ended, the connections of the tape's clients end with the same code.
 * The tape waits until one of these clients reconnects, then continues.
 *
 * With has_shared_clock there is one tape, of all feeds. It starts with the first client and does
 * not stop before its end; later clients join at its position, with snapshots of their books.
 *
 * A tape does not wait for a client that reads more slowly than the tape plays: the client is
 * closed when more than WIRE_PEER_QUEUE_BYTES_MAX are queued for it. A tape that is late by the
 * server's own fault has much to send at once, so it waits for clients with more than
 * SERVE_QUEUE_BYTES queued. With waits_for_slow, and at full speed, each client has its own tape
 * (unless the clock is shared), which always waits for the client in this way. Such delays are
 * counted. One thread: the loop's. */
#ifndef TD_SERVE_SERVE_H
#define TD_SERVE_SERVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "replay/serve/serve_options.h"

typedef struct serve serve;

/* Listen. Pointers in options are borrowed until close; options itself only for the call. Returns
 * the same as wire_server_open. */
TD_MUST_USE td_result serve_open(const serve_options *options, serve **out, td_err *err);

/* Cut every connection and free the server. NULL is allowed. */
void serve_close(serve *server);

/* The WebSocket server, for its URL and ready file. */
const wire_server *serve_server(const serve *server);

/* The most files and connections that clients may need at the same time, besides those open before
 * the first client. */
uint64_t serve_open_files_max(const serve *server);

/* Stop serving: close every client with 1001 (going away). */
void serve_stop(serve *server);

/* Number of connected clients. */
size_t serve_client_count(const serve *server);

/* Counts so far; valid until close. */
const serve_counts *serve_get_counts(const serve *server);

#endif
