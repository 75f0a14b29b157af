/* What a replay server offers: the feeds of a selection, their paths, and the topics that can be
 * subscribed to there. Read once, at the start; constant afterwards. One thread. */
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

typedef struct served_topic {
    const char *feed; /* its name */
    char *exchange_topic;
    char *topic, *symbol; /* symbol "": it has none */
    const topic_row *row; /* of the topic; NULL: absent */
} served_topic;

/* A topic that the exchange refused, or granted later. */
typedef struct refused_topic {
    char *topic;
    uint64_t recv_ns; /* 0: it was granted */
    char *words;      /* of the exchange; NULL: they are not known */
} refused_topic;

typedef struct served_feed {
    char *name;
    const family *family;
    served_topic *topics; /* on the tape */
    size_t topic_count;
    refused_topic *refused;
    size_t refused_count;
    uint8_t has_unknown; /* the tape has frames of unknown topics */
} served_feed;

typedef struct serve_feeds {
    served_feed *items;
    size_t count;
    uint8_t has_http;   /* segments have HTTP replies */
    uint8_t has_retail; /* the tape has books with retail orders, which checkpoints lack */
    uint64_t finished_count, growing_count; /* segments, of any time */
} serve_feeds;

/* The selected feeds. Those of an unknown family are logged and left out; TD_E_NOTFOUND if none
 * is left. TD_E_IO. */
TD_MUST_USE td_result serve_feeds_open(archive *from, const selection *wanted, const td_log *log,
                                       serve_feeds **out, td_err *err);
void serve_feeds_close(serve_feeds *feeds);

/* The path at which a feed's topics are served, public or private; constant. */
const char *served_feed_path(const served_feed *feed);

/* The first feed at a path, or NULL (answered with 404). */
const served_feed *serve_feeds_find(const serve_feeds *feeds, td_bytes path);

/* "nothing is served at PATH; there is /a, /b", truncated if needed. */
void serve_feeds_paths_text(const serve_feeds *feeds, td_bytes path, char out[WIRE_ANSWER_BYTES]);

/* Names of the feeds at a path, for a selection; out has space for feeds->count. Returns their
 * number. */
size_t serve_feeds_names(const serve_feeds *feeds, td_bytes path, const char **out);

/* A topic on the tape; NULL: absent. */
const served_topic *serve_feeds_topic(const serve_feeds *feeds, const char *feed, const char *topic,
                                      const char *symbol);

/* The standing of a subscription at this path. Known is a topic on the tape, or a topic of the
 * family of a symbol on the tape, which stays silent; not one that the exchange refused when it was
 * recorded, and of which the tape has no frame. is_held and needs_auth are not set. */
topic_standing serve_feeds_look(const serve_feeds *feeds, td_bytes path, td_bytes subscription);

/* 1 if the topic needs authentication: the path is private, or is for both accesses and the
 * topic has no symbol. */
int serve_feeds_is_private(const serve_feeds *feeds, td_bytes path, td_bytes topic);

#endif
