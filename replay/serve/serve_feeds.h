/* What a replay server offers: the feeds of a selection, their paths, and their topics. Read once,
 * at the start; constant afterwards. One thread. */
#ifndef TD_SERVE_SERVE_FEEDS_H
#define TD_SERVE_SERVE_FEEDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "tape/selection.h"
#include "schema/responder.h"
#include "wire/server.h"

typedef struct served_topic {
    const char *feed; /* name of its feed */
    char *exchange_topic;
    char *topic, *symbol; /* symbol "": no symbol */
    const topic_row *row; /* NULL: unknown topic */
} served_topic;

/* A topic, with the exchange's last answer about it. */
typedef struct answered_topic {
    char *topic;
    uint64_t recv_ns;
    uint8_t is_refused;
    char *text; /* as topic_standing.recorded_text */
} answered_topic;

typedef struct served_feed {
    char *name;
    const family *family;
    served_topic *topics; /* topics on the tape */
    size_t topic_count;
    answered_topic *answered;
    size_t answered_count;
    uint8_t has_unknown; /* 1: the tape has frames of unknown topics */
} served_feed;

typedef struct serve_feeds {
    served_feed *items;
    size_t count;
    uint8_t has_http;   /* 1: segments have HTTP replies */
    uint8_t has_retail; /* 1: the tape has books with retail orders, whose sizes checkpoints lack */
    uint64_t finished_count, growing_count; /* segments, also outside the selection's times */
} serve_feeds;

/* Find the selected feeds. Feeds of an unknown family are logged and left out; TD_E_NOTFOUND if no
 * feed remains. TD_E_IO. */
TD_MUST_USE td_result serve_feeds_open(archive *from, const selection *wanted, const td_log *log,
                                       serve_feeds **out, td_err *err);
void serve_feeds_close(serve_feeds *feeds);

/* The path at which a feed's topics are served, public or private; the text is constant. */
const char *served_feed_path(const served_feed *feed);

/* The first feed at a path, or NULL (answered with 404). */
const served_feed *serve_feeds_find(const serve_feeds *feeds, td_bytes path);

/* Write "nothing is served at PATH; try /a /b", truncated if needed. */
void serve_feeds_paths_text(const serve_feeds *feeds, td_bytes path, char out[WIRE_ANSWER_BYTES]);

/* Get the names of the feeds at a server of a path (serve_choice.h), which any of its feeds stands
 * for, for a selection; out has space for feeds->count. Returns their number. */
size_t serve_feeds_names(const serve_feeds *feeds, const served_feed *server, const char *path,
                         const char **out);

/* Find a topic on the tape, or NULL. */
const served_topic *serve_feeds_topic(const serve_feeds *feeds, const char *feed, const char *topic,
                                      const char *symbol);

/* What is known about a subscription at a server of this path. A topic is known if it is on the
 * tape, or if the family has such a topic and the topic's symbol is on the tape (the topic then
 * stays silent). A topic is not known if the exchange refused it while recording and the tape has
 * no frame of it. is_held and needs_auth are not set. */
topic_standing serve_feeds_find_topic(const serve_feeds *feeds, const served_feed *server,
                                      const char *path, td_bytes subscription);

/* 1 if the topic needs authentication: the path is private, or the path is for public and private
 * topics and the topic has no symbol. */
int serve_feeds_is_private(const serve_feeds *feeds, const served_feed *server, const char *path,
                           td_bytes topic);

/* 1 if the tape has a topic of the feed. */
int served_feed_has_topic(const served_feed *feed, td_bytes exchange_topic);

/* The servers at a path, each as its first feed, one in each call: *next is 0 in the first. NULL
 * after the last. path: as family_find_path returns it. */
const served_feed *serve_feeds_next_server(const serve_feeds *feeds, const char *path,
                                           size_t *next);

#endif
