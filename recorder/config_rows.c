/* Every key of a configuration, for the file, the command line and the help. */
#include "recorder/config.h"

#include <stddef.h>

#include "base/clock.h"

const char *const CONFIG_NET_NAMES[] = {"main", "test", NULL};
static const char *const HEAL_NAMES[] = {"none", "resubscribe", NULL};
static const char *const OVERLOAD_NAMES[] = {"pause", "drop", NULL};

#define DAY_NS (UINT64_C(86400) * TD_NS_PER_S)

/* Keys of one feed. In a file they have '_' instead of '-', and "topic" and "symbol" are lists
 * named "topics" and "symbols" (config.c). */
const option_row CONFIG_FEED_ROWS[] = {
    {.long_name = "feed",
     OPTION_INTO(feed_config, name),
     .metavar = "NAME",
     .help = "name of the feed in the archive (default: name of the family)"},
    {.long_name = "family",
     OPTION_INTO(feed_config, family_name),
     .metavar = "FAMILY",
     .choices = FAMILY_NAMES,
     .help = "product line of the exchange (default: the family of the URL)"},
    {.long_name = "url",
     OPTION_INTO(feed_config, url),
     .metavar = "URL",
     .instead = "give the address as an argument: tapedeck record -a ARCHIVE URL"},
    {.long_name = "net",
     OPTION_INTO(feed_config, net),
     .metavar = "NET",
     .choices = CONFIG_NET_NAMES,
     .help = "network of the family's default address (default: main)"},
    {.long_name = "topic",
     OPTION_INTO(feed_config, topics),
     .metavar = "TOPIC",
     .help = "topic to subscribe to (may be repeated)"},
    {.long_name = "symbol",
     OPTION_INTO(feed_config, symbols),
     .metavar = "SYMBOL",
     .help = "subscribe each topic for this symbol, unless the topic already names one\n"
             "(may be repeated; default: topics as they are given). '*' is all listed\n"
             "instruments, '*USDT' those that match, '!*PERP' excludes"},
    {.long_name = "symbols-file",
     OPTION_INTO(feed_config, symbols_file),
     .metavar = "FILE",
     .help = "file of more symbols, one per line"},
    {.long_name = "instruments-every",
     .type = OPTION_DURATION,
     .offset = offsetof(feed_config, instruments_every_ns),
     .metavar = "DURATION",
     .min = LIMIT_HTTP_SPACING_NS,
     .max = DAY_NS,
     .help = "how often the exchange's list of instruments is read, if a symbol is a\n"
             "pattern (default: 5m)"},
    {.long_name = "raw-topic",
     OPTION_INTO(feed_config, raw_topics),
     .metavar = "POINTER",
     .help = "record a feed that no document describes, by the topics at this place of its\n"
             "frames, such as /stream or /arg/channel; may be repeated for more parts"},
    {.long_name = "send",
     OPTION_INTO(feed_config, sent),
     .metavar = "TEXT",
     .help = "what to send when a connection opens, with --raw-topic (may be repeated)"},
    {.long_name = "allow-unknown-topic",
     OPTION_INTO(feed_config, allows_unknown),
     .help = "also record topics that 'tapedeck topics' does not list; they are not decoded"},
    {.long_name = "audit",
     OPTION_INTO(feed_config, is_audited),
     .help = "also subscribe to topics that reveal lost frames: candles for trades, a second\n"
             "depth for books"},
    {.long_name = "binary",
     OPTION_INTO(feed_config, is_binary),
     .help = "request compressed frames (spot-v1 and spot-v2)"},
    {.long_name = "deflate",
     OPTION_INTO(feed_config, with_deflate),
     .help = "offer the server to compress messages (permessage-deflate)"},
    {.long_name = "ca-file",
     OPTION_INTO(feed_config, ca_file),
     .metavar = "PEM",
     .help = "trust this CA instead of the system's"},
    {.long_name = "stale-after",
     .type = OPTION_DURATION,
     .offset = offsetof(feed_config, stale_after_ns),
     .metavar = "DURATION",
     .max = DAY_NS,
     .help = "reconnect after this long without data (default: 60s; 0s: never)"},
    {.long_name = "connect-timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(feed_config, connect_timeout_ns),
     .metavar = "DURATION",
     .min = TD_NS_PER_MS,
     .max = 60 * TD_NS_PER_S, /* wire_client_options */
     .help = "time limit for connecting (default: 10s)"},
    {.long_name = "lines",
     OPTION_INTO(feed_config, lines),
     .metavar = "N",
     .min = 1,
     .max = LIMIT_FEED_LINES,
     .help = "record everything over N connections, 1 or 2, of which readers make one\n"
             "stream (default: 1)"},
    {.long_name = "max-age",
     .type = OPTION_DURATION,
     .offset = offsetof(feed_config, max_age_ns),
     .metavar = "DURATION",
     .help = "replace a connection at this age, by another one that has taken over,\n"
             "without a gap (default: 23h; 0s: never)"},
    {.long_name = "retain",
     .type = OPTION_DURATION,
     .offset = offsetof(feed_config, retain_ns),
     .metavar = "DURATION",
     .help = "remove segments of the feed that are older than this, for example 30d\n"
             "(default: 0s, none)"},
    {.long_name = "silence",
     OPTION_INTO(feed_config, silence_factor),
     .metavar = "N",
     .max = 1000,
     .help = "a topic has a gap, and is subscribed again, after N times its longest silence\n"
             "of the last 10 minutes (default: 10; 0: never)"},
    {.long_name = "resnapshot",
     .type = OPTION_DURATION,
     .offset = offsetof(feed_config, resnapshot_ns),
     .metavar = "DURATION",
     .help = "compare the books with new snapshots, which a short connection gets, at this\n"
             "interval, for example 10m (default: 0s, never)"},
    {.long_name = "heal",
     OPTION_INTO(feed_config, heal),
     .metavar = "HOW",
     .choices = HEAL_NAMES,
     .help = "what to do if a frame of a book is lost: resubscribe requests a new snapshot\n"
             "(default), none waits for the next one"},
    {.long_name = "max-topics-per-connection",
     OPTION_INTO(feed_config, max_topics_per_connection),
     .metavar = "N",
     .max = 100000,
     .help = "open another connection after N topics (default: as many topics as the\n"
             "exchange allows on one)"},
    {.long_name = "strict",
     OPTION_INTO(feed_config, is_strict),
     .help = "stop when a subscription or the credentials are refused"},
    {.long_name = "api-key-env",
     OPTION_INTO(feed_config, api_key_env),
     .metavar = "NAME",
     .help = "environment variable with the API key; the feed then authenticates"},
    {.long_name = "api-secret-env",
     OPTION_INTO(feed_config, api_secret_env),
     .metavar = "NAME",
     .help = "environment variable with the API secret"},
    {.long_name = "api-passphrase-env",
     OPTION_INTO(feed_config, api_passphrase_env),
     .metavar = "NAME",
     .help = "environment variable with the passphrase of the API key, at exchanges whose\n"
             "keys have one (OKX)"},
    {.long_name = "http",
     OPTION_INTO(feed_config, http_texts),
     .metavar = "NAME[@EVERY]=URL",
     .help = "record the replies of this URL, requested every EVERY (default: 1h; may be\n"
             "repeated)"},
    {.long_name = "http-preset",
     OPTION_INTO(feed_config, http_preset),
     .metavar = "CLIENT",
     .help = "also record what this client library requests when it starts, so that serve\n"
             "can answer it, such as ccxt (default: none)"},
};

const option_row CONFIG_RECORDER_ROWS[] = {
    {.long_name = "families",
     OPTION_INTO(recorder_config, families),
     .metavar = "FILE|DIR",
     .help = "document of a family, or a folder of them, as docs/families.md describes\n"
             "(may be repeated)"},
    {.long_name = "status-listen",
     OPTION_INTO(recorder_config, status_listen),
     .metavar = "HOST:PORT",
     .help = "answer HTTP requests for /metrics (Prometheus), /healthz and /status there;\n"
             "port 0: a free one, which is logged"},
    {.long_name = "retain-bytes",
     .type = OPTION_SIZE,
     .offset = offsetof(recorder_config, retain_bytes),
     .metavar = "SIZE",
     .help = "remove the oldest segments while the archive is larger than this (default:\n"
             "0, none)"},
    {.long_name = "retain-free",
     .type = OPTION_SIZE,
     .offset = offsetof(recorder_config, retain_free_bytes),
     .metavar = "SIZE",
     .help = "remove the oldest segments while less than this is free on the disk; more\n"
             "than --min-free (default: 0, none)"},
    {.long_name = "on-segment",
     OPTION_INTO(recorder_config, on_segment),
     .metavar = "COMMAND",
     .help = "run this shell command when segments are finished, with their paths as its\n"
             "arguments; the recorder does not wait for it"},
    {.long_name = "push",
     OPTION_INTO(recorder_config, push),
     .metavar = "URL",
     .help = "keep a copy of the archive at s3://BUCKET/PREFIX: runs 'tapedeck push' beside\n"
             "the recorder, every 5 minutes"},
    {.long_name = "commit-interval",
     .type = OPTION_DURATION,
     .offset = offsetof(recorder_config, pipeline.commit_interval_ns),
     .metavar = "DURATION",
     .min = 10 * TD_NS_PER_MS,
     .max = 60 * TD_NS_PER_S,
     .help = "target time from receipt of a frame until it is durable (default: 1s)"},
    {.long_name = "overload",
     OPTION_INTO(recorder_config, pipeline.overload),
     .metavar = "HOW",
     .choices = OVERLOAD_NAMES,
     .instead = "set overload in the file of --config"},
    {.long_name = "overload-max",
     .type = OPTION_DURATION,
     .offset = offsetof(recorder_config, pipeline.overload_max_ns),
     .metavar = "DURATION",
     .max = 600 * TD_NS_PER_S,
     .instead = "set overload_max in the file of --config"},
    {.long_name = "ring",
     .type = OPTION_SIZE,
     .offset = offsetof(recorder_config, pipeline.ring_bytes),
     .metavar = "SIZE",
     .min = 2 * LIMIT_FRAME_BYTES + 1,
     .max = UINT64_C(16) << 30,
     .help = "buffer between network and encoder (default: 64MiB)"},
    {.long_name = "min-free",
     .type = OPTION_SIZE,
     .offset = offsetof(recorder_config, pipeline.min_free_bytes),
     .metavar = "SIZE",
     .max = UINT64_C(1) << 50,
     .help = "stop with status 4 when the archive's disk has less free space than this\n"
             "(default: 1GiB, or 5 % of the disk if that is less; 0: never)"},
};

const option_row CONFIG_RUN_ROWS[] = {
    {.long_name = "duration",
     .type = OPTION_DURATION,
     .offset = offsetof(recorder_config, duration_ns),
     .metavar = "DURATION",
     .min = 1,
     .help = "stop after this time"},
    {.long_name = "max-frames",
     OPTION_INTO(recorder_config, max_frames),
     .metavar = "N",
     .min = 1,
     .help = "stop after N received frames"},
    {.long_name = "until-close",
     OPTION_INTO(recorder_config, until_close),
     .help = "stop when a peer closes its connection, or when no connection was\n"
             "established within --connect-timeout"},
};

#define ROW_COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
const size_t CONFIG_FEED_ROW_COUNT = ROW_COUNT(CONFIG_FEED_ROWS);
const size_t CONFIG_RECORDER_ROW_COUNT = ROW_COUNT(CONFIG_RECORDER_ROWS);
const size_t CONFIG_RUN_ROW_COUNT = ROW_COUNT(CONFIG_RUN_ROWS);
