/* Chooses the feed in which a tap records a connection or an HTTP request. Feeds are families of
 * the upstream's exchange, by the paths that clients request. A path that no family has, or that
 * several have, gets a feed whose frames are recorded and not decoded (schema/raw_family.h), named
 * raw-HOST-PATH. After ROUTES_RAW_MAX of them, further paths share the feed raw-HOST-others.
 *
 * Network thread only. */
#ifndef TD_TAP_ROUTES_H
#define TD_TAP_ROUTES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "recorder/pipeline/pipeline_config.h"

/* ROUTES_RAW_MAX: feeds of one path that no family has; each has buffers and, while its frames
 * arrive, an open segment. */
enum { ROUTES_RAW_MAX = 16 };

typedef struct tap_routes tap_routes;

/* Everything is borrowed. */
typedef struct tap_routes_options {
    const char *upstream;          /* ws://HOST[:PORT] or wss://… */
    const char *const *families;   /* names of families that clients use, where the host does not */
    size_t family_count;           /* tell; 0: all families of the exchange */
    const char *const *raw_topics; /* where frames that no family describes name their topic; */
    size_t raw_count;              /* 0: as the exchange's other frames, if the exchange is known */
    redactor *redactor;            /* of all feeds */
    const td_log *log;
} tap_routes_options;

/* Find the families that the upstream may have, and make the feed of other paths. TD_E_INVALID: a
 * family's name or a place of topics is wrong, or two given families have the same path.
 * TD_E_LIMIT: more than LIMIT_FEEDS feeds. */
TD_MUST_USE td_result tap_routes_open(const tap_routes_options *options, tap_routes **out,
                                      td_err *err);

/* The feeds so far. A call of tap_routes_find may add one. */
const pipeline_feed *tap_routes_feeds(const tap_routes *self, size_t *count);

/* The feed of a connection, by its URL. The first connection of each path that is recorded raw is
 * logged. */
uint16_t tap_routes_find(tap_routes *self, const char *url);

/* The feed of an HTTP request with this path. */
uint16_t tap_routes_find_http(const tap_routes *self, td_bytes path);

/* 1 if frames of this feed are recorded raw, because its paths have no family. */
int tap_routes_is_raw(const tap_routes *self, uint16_t feed_index);

/* Free. NULL is fine. */
void tap_routes_close(tap_routes *self);

#endif
