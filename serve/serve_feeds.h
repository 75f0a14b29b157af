/* What a replay server has to offer: the feeds of a selection, the paths that clients ask for, and
 * which subscriptions make sense there. Read once, at start; constant afterwards. One thread. */
#ifndef TD_SERVE_SERVE_FEEDS_H
#define TD_SERVE_SERVE_FEEDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "schema/family.h"
#include "tape/selection.h"
#include "schema/responder.h"
#include "wire/server.h"

typedef struct served_feed {
    char *name;
    const family *family;
    char **topics; /* exchange topics on the tape, as they stand in frames */
    size_t topic_count;
    char **symbols; /* on the tape, sorted once all are there */
    size_t symbol_count;
    uint8_t has_unknown; /* frames that this version has no row for */
} served_feed;

typedef struct serve_feeds {
    served_feed *items;
    size_t count;
} serve_feeds;

/* The selected feeds whose family is known; others are logged and left out. TD_E_NOTFOUND
 * if none is left; TD_E_NOMEM, TD_E_IO. */
TD_MUST_USE td_result serve_feeds_open(archive *from, const selection *wanted, const td_log *log,
                                       serve_feeds **out, td_err *err);
void serve_feeds_close(serve_feeds *feeds);

/* The exchange's address of what is on the tape, public or private; a view valid for ever. */
const char *served_feed_url(const served_feed *feed);

/* The first feed at a path, or NULL: what this server answers with 404. */
const served_feed *serve_feeds_find(const serve_feeds *feeds, td_bytes path);

/* "nothing is served at PATH; there is /a, /b", cut to what fits. */
void serve_feeds_paths_text(const serve_feeds *feeds, td_bytes path, char out[WIRE_REASON_BYTES]);

/* Names of the feeds at a path, for a selection; out has space for feeds->count. Returns how many.
 */
size_t serve_feeds_names(const serve_feeds *feeds, td_bytes path, const char **out);

/* What is known of a subscription at this path. Known is a topic that the tape has, and one that
 * the family has and the tape lacks, of a symbol that the tape has in others: it stays silent. */
topic_standing serve_feeds_look(const serve_feeds *feeds, td_bytes path, td_bytes subscription);

/* 1 if the exchange gives this topic only to who has authenticated: the path is a private one, or
 * is for both and the topic has no symbol. */
int serve_feeds_is_private(const serve_feeds *feeds, td_bytes path, td_bytes topic);

#endif
