/* Configuration of a recorder: from a YAML file, or, for one feed, from the command line. Both use
 * the same table of keys: "stale_after" in the file is --stale-after on the command line, with the
 * same grammar, bounds and error messages.
 *
 * A configuration contains no secrets: it names the environment variables that hold them. It owns
 * every text it points to. */
#ifndef TD_RECORDER_CONFIG_H
#define TD_RECORDER_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/cli/options.h"
#include "base/cli/settings_file.h"
#include "recorder/pipeline/pipeline_config.h"
#include "schema/family.h"

/* Default of silence_factor. */
enum { CONFIG_SILENCE_FACTOR = 10 };

/* Default of max_age_ns: less than the 24 h after which exchanges end connections. */
#define CONFIG_MAX_AGE_NS (UINT64_C(23) * 3600 * 1000000000)

/* An HTTP request of a feed, repeated at intervals. */
typedef struct http_config {
    char name[LIMIT_NAME_BYTES]; /* "instruments" for channel http.instruments */
    const char *url;             /* a URL, or a path that begins with '/' (see config_http_url) */
    uint64_t every_ns;
} http_config;

/* What is done about a book that lost a frame. */
typedef enum heal_how { HEAL_NOT, HEAL_RESUBSCRIBE } heal_how;

typedef struct feed_config {
    const char *name;        /* name in the archive; default: the family's name */
    const char *family_name; /* default: the family of the URL */
    const char *url;         /* default: the family's URL in this net */
    int net;                 /* family_net */
    options_list topics; /* "publicTrade", "orderbook.50", or with symbols: "publicTrade.BTCUSDT" */
    options_list symbols; /* each topic is subscribed for each of these symbols and of the symbols
                             in the file; without any symbol, topics are subscribed as they are.
                             Also patterns (recorder/instruments.h) */
    const char *symbols_file; /* file with one symbol per line; NULL: none */
    /* A feed that no document describes: JSON pointers to the parts of its frames' topics, and the
     * texts that are sent when a connection opens. */
    options_list raw_topics, sent;
    uint8_t is_audited;     /* also subscribe to topics that reveal lost frames (topic_row.audit) */
    uint8_t allows_unknown; /* allow topics that the family does not have: recorded, not decoded */
    uint8_t is_binary;      /* request compressed frames, if the dialect has them */
    uint8_t with_deflate;   /* offer permessage-deflate */
    const char *ca_file;
    uint64_t stale_after_ns; /* reconnect after this long without a data frame; 0: never. If the
                                feed has credentials, pongs count as data, because private
                                connections may get no data */
    uint64_t connect_timeout_ns;
    uint64_t lines;          /* redundant connections of each subscription: 1 to LIMIT_FEED_LINES */
    uint64_t max_age_ns;     /* another connection takes over at this age; 0: never */
    uint64_t retain_ns;      /* remove older segments of the feed (recorder/retention.h); 0: none */
    uint64_t silence_factor; /* a topic is silent after so many times its usual silence; 0: never */
    uint64_t resnapshot_ns;  /* between two short connections whose snapshots are compared with the
                                books; 0: none. Lines are compared all the time */
    int heal;                /* heal_how */
    uint64_t max_topics_per_connection; /* 0: no limit but the exchange's */
    uint8_t is_strict; /* a refused subscription, or refused credentials, stop the recorder */
    /* environment variables, or NULL */
    const char *api_key_env, *api_secret_env, *api_passphrase_env;
    uint64_t instruments_every_ns; /* between two readings of the list of instruments, if a symbol
                                      is a pattern (recorder/instruments.h) */
    options_list http_texts;       /* "NAME[@EVERY]=URL" */
    const char *http_preset;       /* a client library (exchange_http_preset); NULL: none */
    /* Resolved by config_finish: */
    http_config http[LIMIT_FEED_HTTP];
    size_t http_count;
    size_t listing; /* index in http of the request for the list of instruments; LIMIT_FEED_HTTP: no
                       symbol is a pattern */
    const family *family;
    uint8_t is_removed; /* by supervisor_reload: no longer recorded in this session */
} feed_config;

typedef struct recorder_config {
    feed_config feeds[LIMIT_FEEDS];
    size_t feed_count;
    pipeline_config pipeline;   /* config_finish sets its feeds */
    const char *status_listen;  /* "HOST:PORT" of its metrics and state; NULL: none */
    uint64_t retain_bytes;      /* remove the oldest segments beyond this size; 0: none */
    uint64_t retain_free_bytes; /* and until so much is free on the disk; 0: none */
    options_list families;      /* documents of families (verbs/family_files.h) */
    const char *on_segment;     /* command for finished segments (recorder/on_segment.h), or NULL */
    const char *push; /* store of a copy of the archive (recorder/push_child.h), or NULL */
    uint64_t
        duration_ns; /* stop after this time; 0: never. This and the next two: command line only */
    uint64_t max_frames;         /* stop after this many inbound frames; 0: never */
    uint8_t until_close;         /* stop at the first close by a peer */
    settings_file *file;         /* owner of the texts above; NULL: the command line */
    settings_file **later_files; /* owners, too: files that supervisor_reload read */
    size_t later_file_count;
} recorder_config;

/* The keys of a feed and of the recorder (offsets into feed_config and recorder_config), and the
 * options that only the command line has. */
extern const option_row CONFIG_FEED_ROWS[], CONFIG_RECORDER_ROWS[], CONFIG_RUN_ROWS[];
extern const size_t CONFIG_FEED_ROW_COUNT, CONFIG_RECORDER_ROW_COUNT, CONFIG_RUN_ROW_COUNT;

/* Names of networks, by family_net. */
extern const char *const CONFIG_NET_NAMES[];

/* In config_err_add: the configuration itself, instead of a feed. */
#define CONFIG_NO_FEED SIZE_MAX

/* Set defaults, without feeds. */
void config_init(recorder_config *config);
void config_fini(recorder_config *config);

/* How many lines the feed has slots for: one more than it has lines if connections are replaced by
 * age. A connection that takes over is of the line that is free. */
uint32_t config_line_numbers(const feed_config *feed);

/* Set a feed's defaults. */
void config_feed_init(feed_config *feed);

/* Read a YAML file into config. TD_E_INVALID: the error states file, line, key and allowed values.
 */
TD_MUST_USE td_result config_load(recorder_config *config, td_io io, const char *path, td_err *err);

/* Fill in defaults (family by URL, URL by family, names) and check everything. TD_E_INVALID: an
 * unknown family, no feeds, no topics, two feeds with one name, a private family without
 * credentials, invalid or too many HTTP requests. */
TD_MUST_USE td_result config_finish(recorder_config *config, td_err *err);

/* The part of config_finish for settings that no feed has: retain_free must exceed min_free, and
 * status_listen be HOST:PORT. TD_E_INVALID. */
TD_MUST_USE td_result config_check_recorder(const recorder_config *config, td_err *err);

/* Add lines for a shell that unset the variables of all feeds' credentials. Feeds may have been
 * added since the last call. */
void config_add_unsets(const recorder_config *config, td_buf *out);

/* The part of config_finish for one feed, whose name must differ from the names of the feeds before
 * it. For a caller that reports the errors of every feed. */
TD_MUST_USE td_result config_finish_feed(recorder_config *config, size_t index, td_err *err);

/* Keep the texts of another configuration, whose feeds are moved here: takes its file. */
void config_take_file(recorder_config *config, recorder_config *from);

/* Before another session: forget the feeds that were removed. */
void config_drop_removed(recorder_config *config);

/* The complete URL of a feed's request. If only a path is configured, the host is that of the
 * exchange's HTTP API, or of the server that the feed records instead of the exchange. */
void config_http_url(const feed_config *feed, const http_config *request,
                     char out[LIMIT_URL_BYTES]);

/* Prefix an error with the file and line of a feed's key (or, with CONFIG_NO_FEED, of one outside
 * of feeds); key NULL: the feed's line. Without a file
 * the error is unchanged. Returns code. */
td_result config_err_add(const recorder_config *config, size_t feed_index, const char *key,
                         td_result code, td_err *err);

#endif
