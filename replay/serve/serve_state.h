/* The state of a replay server, private to replay/serve: shared by serve.c (connections and
 * requests), serve_client.c, serve_tape.c and serve_control.c. serve.c opens and closes it. */
#ifndef TD_SERVE_SERVE_STATE_H
#define TD_SERVE_SERVE_STATE_H

#include "base/buf.h"
#include "base/log_rate.h"
#include "base/random.h"
#include "replay/play/snapshot.h"
#include "replay/serve/serve_options.h"
#include "replay/serve/serve_rebase.h"
#include "schema/responder.h"
#include "tape/block.h"
#include "tape/channel_table.h"
#include "tape/content.h"
#include "tape/reply_list.h"

/* Clients that first asked for this and had no topic (serve_topicless.h). */
enum { TOPICLESS_TEXTS_MAX = 8 };
typedef struct topicless_text {
    uint64_t hash;
    td_log_rate rate;
} topicless_text;

/* Commands that hold for a tape that has not begun. */
typedef struct early_commands {
    uint64_t seek_ns; /* it begins with the first frame received then or later; 0: with its first */
    uint32_t steps;   /* while paused */
} early_commands;

typedef struct serve_causes serve_causes;

typedef struct serve {
    serve_options options;
    wire_server *server;
    struct serve_client *clients;
    size_t client_count;
    struct serve_tape *tapes; /* newest first */
    block_pool *blocks;       /* shared by all tapes: a chunk is in memory once */
    channel_table *channels;
    reply_list replies; /* recorded HTTP replies */
    uint8_t is_stopping;
    uint8_t is_paused;
    early_commands early; /* for clients that connect later, until the tapes that play have ended */
    responder *responder;
    json_parser *json;       /* parses recorded answers */
    dialect_parser *answers; /* parses recorded control frames */
    content_reader *reader;  /* reads frames of unknown topics and of books */
    snapshot_maker *maker;
    td_buf made;          /* a made snapshot */
    serve_rebase *rebase; /* NULL: send times as recorded */
    serve_causes *causes; /* NULL: frames are sent at their times */
    td_buf damaged;       /* a frame's bytes after a fault */
    td_buf numbered;      /* a frame with a client's number */
    td_random random;
    char ambiguous[DIALECT_REASON_BYTES]; /* the refusal of a request that fits several servers */
    serve_counts counts;
    td_log_rate late_log, made_log, unmade_log, unrecorded_log;
    topicless_text topicless[TOPICLESS_TEXTS_MAX];
    size_t topicless_next; /* the one that is replaced next, modulo their number */
    uint64_t made_logged;  /* counts.made at the last log line */
} serve;

#endif
