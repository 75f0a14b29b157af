#include "recorder/config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "recorder/config_impl.h"
#include "wire/dialect.h"

static const char *const NET_NAMES[] = {"main", "test", NULL};
static const char *const AUTH_NAMES[] = {"none", "op", "url", NULL};
static const char *const OVERLOAD_NAMES[] = {"pause", "drop", NULL};

#define DAY_NS (UINT64_C(86400) * TD_NS_PER_S)

/* Keys of one feed. In a file with '_' for '-'; there "topic" and "symbol" are lists named "topics"
 * and "symbols" (config_yaml.c). */
static const option_row FEED_ROWS[] = {
    {.long_name = "feed",
     .type = OPTION_TEXT,
     .offset = offsetof(feed_config, name),
     .metavar = "NAME",
     .help = "what the archive calls the feed (default: the family)"},
    {.long_name = "family",
     .type = OPTION_TEXT,
     .offset = offsetof(feed_config, family_name),
     .metavar = "FAMILY",
     .help = "the exchange's product line (default: told by the URL)"},
    {.long_name = "url",
     .type = OPTION_TEXT,
     .offset = offsetof(feed_config, url),
     .metavar = "URL",
     .help = "where to connect (default: the family's address)"},
    {.long_name = "net",
     .type = OPTION_ENUM,
     .offset = offsetof(feed_config, net),
     .metavar = "NET",
     .choices = NET_NAMES,
     .help = "which of the family's addresses: main or test"},
    {.long_name = "topic",
     .type = OPTION_LIST,
     .offset = offsetof(feed_config, topics),
     .metavar = "TOPIC",
     .help = "what to subscribe to; repeatable"},
    {.long_name = "symbol",
     .type = OPTION_LIST,
     .offset = offsetof(feed_config, symbols),
     .metavar = "SYMBOL",
     .help =
         "subscribe each topic for this symbol; repeatable (default: topics as they are given)"},
    {.long_name = "ca-file",
     .type = OPTION_TEXT,
     .offset = offsetof(feed_config, ca_file),
     .metavar = "PEM",
     .help = "trust this CA instead of the system's"},
    {.long_name = "stale-after",
     .type = OPTION_DURATION,
     .offset = offsetof(feed_config, stale_after_ns),
     .metavar = "DURATION",
     .max = DAY_NS,
     .help = "connect again when no data came for so long (default 60s, 0s: never)"},
    {.long_name = "connect-timeout",
     .type = OPTION_DURATION,
     .offset = offsetof(feed_config, connect_timeout_ns),
     .metavar = "DURATION",
     .min = TD_NS_PER_MS,
     .max = DAY_NS,
     .help = "give up on a server that does not answer (default 10s)"},
    {.long_name = "max-topics-per-connection",
     .type = OPTION_UINT,
     .offset = offsetof(feed_config, max_topics_per_connection),
     .metavar = "N",
     .max = 100000,
     .help = "spread the topics over connections of so many (default 0: one connection)"},
    {.long_name = "strict",
     .type = OPTION_FLAG,
     .offset = offsetof(feed_config, is_strict),
     .help = "end the recorder when a subscription is refused"},
    {.long_name = "auth",
     .type = OPTION_ENUM,
     .offset = offsetof(feed_config, auth),
     .metavar = "HOW",
     .choices = AUTH_NAMES,
     .help = "authenticate: op (a message) or url (its query); default none"},
    {.long_name = "api-key-env",
     .type = OPTION_TEXT,
     .offset = offsetof(feed_config, api_key_env),
     .metavar = "NAME",
     .help = "environment variable that holds the API key"},
    {.long_name = "api-key-file",
     .type = OPTION_TEXT,
     .offset = offsetof(feed_config, api_key_file),
     .metavar = "FILE",
     .help = "file that holds the API key"},
    {.long_name = "api-secret-env",
     .type = OPTION_TEXT,
     .offset = offsetof(feed_config, api_secret_env),
     .metavar = "NAME",
     .help = "environment variable that holds the API secret"},
    {.long_name = "api-secret-file",
     .type = OPTION_TEXT,
     .offset = offsetof(feed_config, api_secret_file),
     .metavar = "FILE",
     .help = "file that holds the API secret"},
};

static const option_row RECORDER_ROWS[] = {
    {.long_name = "commit-interval",
     .type = OPTION_DURATION,
     .offset = offsetof(recorder_config, commit_interval_ns),
     .metavar = "DURATION",
     .min = 10 * TD_NS_PER_MS,
     .max = 60 * TD_NS_PER_S,
     .help = "a frame is durable at most so long after it came (default 1s)"},
    {.long_name = "overload",
     .type = OPTION_ENUM,
     .offset = offsetof(recorder_config, overload),
     .metavar = "HOW",
     .choices = OVERLOAD_NAMES,
     .help = "when the disk cannot keep up: pause (hold the peer back) or drop (count, discard)"},
    {.long_name = "overload-max",
     .type = OPTION_DURATION,
     .offset = offsetof(recorder_config, overload_max_ns),
     .metavar = "DURATION",
     .max = 600 * TD_NS_PER_S,
     .help = "pause for at most so long, then drop (default 5s)"},
    {.long_name = "ring",
     .type = OPTION_SIZE,
     .offset = offsetof(recorder_config, ring_bytes),
     .metavar = "SIZE",
     .min = 2 * LIMIT_FRAME_BYTES + 1,
     .max = UINT64_C(16) << 30,
     .help = "memory between network and encoder (default 64MiB)"},
};

static const option_row RUN_ROWS[] = {
    {.long_name = "duration",
     .type = OPTION_DURATION,
     .offset = offsetof(recorder_config, duration_ns),
     .metavar = "DURATION",
     .min = 1,
     .help = "stop after so long"},
    {.long_name = "max-frames",
     .type = OPTION_UINT,
     .offset = offsetof(recorder_config, max_frames),
     .metavar = "N",
     .min = 1,
     .help = "stop after so many inbound frames"},
    {.long_name = "until-close",
     .type = OPTION_FLAG,
     .offset = offsetof(recorder_config, until_close),
     .help = "stop when a peer closes its connection"},
};

#define ROW_COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

const option_row *config_feed_rows(size_t *count)
{
    *count = ROW_COUNT(FEED_ROWS);
    return FEED_ROWS;
}

const option_row *config_recorder_rows(size_t *count)
{
    *count = ROW_COUNT(RECORDER_ROWS);
    return RECORDER_ROWS;
}

const option_row *config_run_rows(size_t *count)
{
    *count = ROW_COUNT(RUN_ROWS);
    return RUN_ROWS;
}

void config_init(recorder_config *config)
{
    memset(config, 0, sizeof *config);
    config->commit_interval_ns = TD_NS_PER_S;
    config->overload = OVERLOAD_PAUSE;
    config->overload_max_ns = 5 * TD_NS_PER_S;
    config->ring_bytes = LIMIT_RING_BYTES;
}

void config_fini(recorder_config *config)
{
    config_file_close(config->file);
    config_init(config);
}

void config_feed_init(feed_config *feed)
{
    memset(feed, 0, sizeof *feed);
    feed->net = NET_MAIN;
    feed->stale_after_ns = 60 * TD_NS_PER_S;
    feed->connect_timeout_ns = 10 * TD_NS_PER_S;
    feed->auth = AUTH_NONE;
}

/* With a file, and the line of the key, in front; the command line needs neither. */
static td_result blame(const recorder_config *config, size_t feed_index, const char *key,
                       td_result code, td_err *err)
{
    return config->file == NULL ? code
                                : config_file_blame(config->file, feed_index, key, code, err);
}

/* By name, or by URL; a URL alone is enough where it is one of the exchange's. */
static td_result resolve_family(feed_config *feed, td_err *err)
{
    if (feed->family_name != NULL) {
        feed->family = family_find(td_bytes_str(feed->family_name));
        if (feed->family != NULL)
            return TD_OK;
        td_err_set(err, TD_E_INVALID, "family '%s' is unknown", feed->family_name);
        td_err_hint(err, "one of: %s", family_names());
        return TD_E_INVALID;
    }
    if (feed->url == NULL)
        return td_err_set(err, TD_E_INVALID, "a feed needs a family, a URL, or both");
    feed->family = family_find_by_url(td_bytes_str(feed->url));
    if (feed->family != NULL)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "the URL '%s' is of no known family", feed->url);
    td_err_hint(err, "name the family with --family (in a file: family), one of: %s",
                family_names());
    return TD_E_INVALID;
}

/* A family that subscribes by authenticating alone cannot be recorded yet. */
static td_result check_dialect(const feed_config *feed, td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    if (!dialect_find(feed->family->dialect)->subscribes_with_auth)
        return TD_OK;
    return td_err_set(err, TD_E_INVALID,
                      "family '%s' cannot be recorded yet: its dialect is not spoken",
                      feed->family->name);
}

static td_result resolve_url(feed_config *feed, td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    TD_ASSERT(feed->net < (int)(sizeof NET_NAMES / sizeof *NET_NAMES));
    if (feed->url == NULL) {
        family_access access = feed->auth == AUTH_NONE ? ACCESS_PUBLIC : ACCESS_PRIVATE;
        feed->url = family_url(feed->family, (family_net)feed->net, access);
        if (feed->url == NULL)
            feed->url = family_url(feed->family, (family_net)feed->net,
                                   access == ACCESS_PUBLIC ? ACCESS_PRIVATE : ACCESS_PUBLIC);
    }
    if (feed->url == NULL)
        return td_err_set(err, TD_E_INVALID, "family '%s' has no %s address: give a URL",
                          feed->family->name, NET_NAMES[feed->net]);
    if (strncmp(feed->url, "wss://", 6) != 0 && strncmp(feed->url, "ws://", 5) != 0)
        return td_err_set(err, TD_E_INVALID, "the URL '%s' begins with neither wss:// nor ws://",
                          feed->url);
    if (strlen(feed->url) >= LIMIT_URL_BYTES)
        return td_err_set(err, TD_E_INVALID, "a URL of %zu characters: at most %u are allowed",
                          strlen(feed->url), LIMIT_URL_BYTES - 1);
    return TD_OK;
}

static int is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* Feed names become parts of file names and of channel topics. */
static td_result check_name(const char *name, td_err *err)
{
    size_t length = strlen(name);
    int is_good = length > 0 && length < LIMIT_NAME_BYTES && name[0] != '_' && name[0] != '.' &&
                  name[0] != '-';
    for (size_t i = 0; i < length && is_good; i++)
        is_good = is_name_char(name[i]);
    if (is_good)
        return TD_OK;
    return td_err_set(err, TD_E_INVALID,
                      "'%s' is no name for a feed: 1 to %u letters, digits, '-', '_' and '.', "
                      "beginning with a letter or digit",
                      name, LIMIT_NAME_BYTES - 1);
}

static td_result check_subscription(const feed_config *feed, td_err *err)
{
    if (feed->topics.count == 0)
        return td_err_set(err, TD_E_INVALID, "no topic is given: there is nothing to subscribe to");
    for (size_t i = 0; i < feed->topics.count; i++) {
        size_t length = strlen(feed->topics.items[i]);
        if (length == 0 || length >= LIMIT_TOPIC_BYTES - LIMIT_SYMBOL_BYTES)
            return td_err_set(err, TD_E_INVALID, "a topic of %zu characters: 1 to %u are allowed",
                              length, LIMIT_TOPIC_BYTES - LIMIT_SYMBOL_BYTES - 1);
    }
    for (size_t i = 0; i < feed->symbols.count; i++) {
        size_t length = strlen(feed->symbols.items[i]);
        if (length == 0 || length >= LIMIT_SYMBOL_BYTES)
            return td_err_set(err, TD_E_INVALID, "a symbol of %zu characters: 1 to %u are allowed",
                              length, LIMIT_SYMBOL_BYTES - 1);
    }
    return TD_OK;
}

static td_result check_auth(const feed_config *feed, td_err *err)
{
    int has_key = (feed->api_key_env != NULL) + (feed->api_key_file != NULL);
    int has_secret = (feed->api_secret_env != NULL) + (feed->api_secret_file != NULL);
    if (feed->auth == AUTH_NONE && has_key + has_secret > 0)
        return td_err_set(err, TD_E_INVALID, "credentials are named, but auth is none");
    if (feed->auth != AUTH_NONE && (has_key != 1 || has_secret != 1))
        return td_err_set(err, TD_E_INVALID,
                          "auth needs the key and the secret, each named once: api_key_env or "
                          "api_key_file, api_secret_env or api_secret_file");
    return TD_OK;
}

/* *key is what the user would have to change, should the result not be TD_OK. */
static td_result finish_feed(feed_config *feed, const char **key, td_err *err)
{
    *key = feed->family_name != NULL ? "family" : "url";
    td_result rc = resolve_family(feed, err);
    if (rc == TD_OK)
        rc = check_dialect(feed, err);
    if (rc != TD_OK)
        return rc;
    *key = "url";
    rc = resolve_url(feed, err);
    if (rc != TD_OK)
        return rc;
    *key = "feed";
    if (feed->name == NULL)
        feed->name = feed->family->name;
    rc = check_name(feed->name, err);
    if (rc != TD_OK)
        return rc;
    *key = "topic";
    rc = check_subscription(feed, err);
    if (rc != TD_OK)
        return rc;
    *key = "auth";
    return check_auth(feed, err);
}

td_result config_finish(recorder_config *config, td_err *err)
{
    TD_ASSERT(config->feed_count <= LIMIT_FEEDS);
    if (config->feed_count == 0)
        return blame(config, CONFIG_NO_FEED, "feeds", td_err_set(err, TD_E_INVALID, "no feeds"),
                     err);
    for (size_t i = 0; i < config->feed_count; i++) {
        const char *key = NULL;
        td_result rc = finish_feed(&config->feeds[i], &key, err);
        if (rc != TD_OK)
            return blame(config, i, key, rc, err);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(config->feeds[i].name, config->feeds[k].name) != 0)
                continue;
            rc = td_err_set(err, TD_E_INVALID,
                            "two feeds are called '%s': give one of them another name",
                            config->feeds[i].name);
            return blame(config, i, "feed", rc, err);
        }
    }
    return TD_OK;
}
