/* Configuration of a recorder: from a YAML file, or, for one feed, from the command line. One table
 * of keys serves both: "stale_after" in the file is --stale-after on the command line, with the
 * same grammar, bounds and error messages.
 *
 * Secrets are never values here: a configuration names the environment variables that hold them. A
 * configuration owns every text it points to. */
#ifndef TD_RECORDER_CONFIG_H
#define TD_RECORDER_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/cli/options.h"
#include "base/cli/settings_file.h"
#include "recorder/pipeline/pipeline_config.h"
#include "schema/family.h"

/* An HTTP request that is repeated beside a feed's frames. */
typedef struct http_config {
    char name[LIMIT_NAME_BYTES]; /* "instruments", for http.instruments */
    const char *url;             /* or, beginning with '/', its path: config_http_url */
    uint64_t every_ns;
} http_config;

/* What a client library asks the exchange for when it starts. */
typedef enum http_preset { HTTP_PRESET_NONE, HTTP_PRESET_CCXT, HTTP_PRESET_BYBIT_API } http_preset;

typedef struct feed_config {
    const char *name;         /* as the archive calls it; default: the family's name */
    const char *family_name;  /* default: by URL */
    const char *url;          /* default: the family's, by net */
    int net;                  /* family_net */
    options_list topics;      /* "trade", "orderBookL2_25", or with symbols in place */
    options_list symbols;     /* each topic is subscribed for each of them and of those in the file;
                                 none: topics as they are */
    const char *symbols_file; /* one symbol a line; NULL: none */
    uint8_t is_audited;     /* also subscribe to topics that reveal lost frames (topic_row.audit) */
    uint8_t allows_unknown; /* topics without a row: recorded, not decoded */
    uint8_t is_binary;      /* request compressed frames, where the dialect has them */
    uint8_t with_deflate;   /* offer permessage-deflate */
    const char *ca_file;
    uint64_t stale_after_ns; /* reconnect after this long without a data frame; 0: never. With
                                credentials: without any frame, because private streams may have no
                                data */
    uint64_t connect_timeout_ns;
    uint64_t max_topics_per_connection;       /* 0: all on one */
    uint8_t is_strict;                        /* a refused subscription ends the recorder */
    const char *api_key_env, *api_secret_env; /* environment variables; NULL: it is public */
    options_list http_texts;                  /* "NAME[@EVERY]=URL" */
    int http_preset;                          /* http_preset: requests of a client library */
    /* Resolved by config_finish: */
    http_config http[LIMIT_FEED_HTTP];
    size_t http_count;
    const family *family;
} feed_config;

typedef struct recorder_config {
    feed_config feeds[LIMIT_FEEDS];
    size_t feed_count;
    pipeline_config pipeline; /* its feeds are those above, once config_finish is done */
    uint64_t duration_ns;     /* stop after; 0: never. Command line only, like the rest */
    uint64_t max_frames;      /* stop after this many inbound frames; 0: never */
    uint8_t until_close;      /* stop at the first close by a peer */
    settings_file *file;      /* the file that the texts above are from; NULL: the command line */
} recorder_config;

/* The keys of a feed and of the recorder, for the command line (offsets into feed_config and
 * recorder_config), and the options that only a command line has. */
extern const option_row CONFIG_FEED_ROWS[], CONFIG_RECORDER_ROWS[], CONFIG_RUN_ROWS[];
extern const size_t CONFIG_FEED_ROW_COUNT, CONFIG_RECORDER_ROW_COUNT, CONFIG_RUN_ROW_COUNT;

/* Names of a feed's net, by its number. */
extern const char *const CONFIG_NET_NAMES[];

/* Defaults everywhere, no feeds. */
void config_init(recorder_config *config);
void config_fini(recorder_config *config);

/* A feed with defaults. */
void config_feed_init(feed_config *feed);

/* Read a YAML file into config. TD_E_INVALID says file, line, key, and what is allowed. */
TD_MUST_USE td_result config_load(recorder_config *config, td_io io, const char *path, td_err *err);

/* Fill in defaults (family by URL, URL by family, names) and check the whole: unknown families, no
 * feeds, no topics, two feeds of one name, a private family without credentials, HTTP requests that
 * are too few or too many. */
TD_MUST_USE td_result config_finish(recorder_config *config, td_err *err);

/* The whole URL of a feed's request. One that is only a path is at the host of the exchange's HTTP
 * API, or, if the feed records another server, at that server. */
void config_http_url(const feed_config *feed, const http_config *asked, char out[LIMIT_URL_BYTES]);

/* Put the file and the line of a feed's key before an error; key NULL: the feed's line. The
 * error is unchanged where the feed is from the command line. Returns code. */
td_result config_err_add(const recorder_config *config, size_t feed_index, const char *key,
                         td_result code, td_err *err);

#endif
