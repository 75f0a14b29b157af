#include "recorder/config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/url.h"
#include "recorder/config_impl.h"
#include "recorder/room.h"
#include "recorder/subscription.h"
#include "schema/dialect.h"

void config_init(recorder_config *config)
{
    memset(config, 0, sizeof *config);
    config->commit_interval_ns = TD_NS_PER_S;
    config->overload = OVERLOAD_PAUSE;
    config->overload_max_ns = 5 * TD_NS_PER_S;
    config->ring_bytes = LIMIT_RING_BYTES;
    config->min_free_bytes = ROOM_DEFAULT;
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
    feed->auth = AUTH_UNSET;
}

td_result config_blame(const recorder_config *config, size_t feed_index, const char *key,
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
        return feed->family != NULL ? TD_OK : family_refuse(td_bytes_str(feed->family_name), err);
    }
    if (feed->url == NULL) {
        td_err_set(err, TD_E_INVALID, "a feed needs a family, a URL, or both");
        td_err_hint(err, "'tapedeck topics' lists families; 'tapedeck record --help' has examples");
        return TD_E_INVALID;
    }
    feed->family = family_find_by_url(td_bytes_str(feed->url));
    if (feed->family != NULL)
        return TD_OK;
    char shown[LIMIT_URL_BYTES];
    td_err_set(err, TD_E_INVALID, "the URL '%s' is of no known family",
               td_url_shown_plain(feed->url, shown, sizeof shown));
    td_err_hint(err, "name the family with --family (in a file: family), one of: %s",
                family_names());
    return TD_E_INVALID;
}

/* Every address of the family wants credentials. */
static int is_private(const family *of)
{
    return family_url(of, NET_MAIN, ACCESS_PUBLIC) == NULL &&
           family_url(of, NET_MAIN, ACCESS_PRIVATE) != NULL;
}

static td_result check_credentials(const feed_config *feed, td_err *err)
{
    int has_key = (feed->api_key_env != NULL) + (feed->api_key_file != NULL);
    int has_secret = (feed->api_secret_env != NULL) + (feed->api_secret_file != NULL);
    if (feed->auth == AUTH_NONE && has_key + has_secret > 0) {
        td_err_set(err, TD_E_INVALID, "credentials are named, but auth is none");
        td_err_hint(err, "write auth: op (a message) or auth: url (the query of the URL)");
        return TD_E_INVALID;
    }
    if (feed->auth != AUTH_NONE && (has_key != 1 || has_secret != 1)) {
        td_err_set(err, TD_E_INVALID,
                   "auth needs the key and the secret, each named once: api_key_env or "
                   "api_key_file, api_secret_env or api_secret_file");
        td_err_hint(err, "for example api_key_env: BYBIT_KEY and api_secret_env: BYBIT_SECRET");
        return TD_E_INVALID;
    }
    if (feed->auth == AUTH_OP && feed->family->dialect->build_auth == NULL)
        return td_err_set(err, TD_E_INVALID, "family '%s' has no authentication: write auth: none",
                          feed->family->name);
    if (feed->auth == AUTH_URL && feed->family->dialect->build_auth_query == NULL)
        return td_err_set(err, TD_E_INVALID,
                          "family '%s' has no authentication by URL: write auth: op",
                          feed->family->name);
    return TD_OK;
}

/* A private family authenticates by a message unless it is told otherwise; a public one does not.
 */
static td_result resolve_auth(feed_config *feed, td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    int has_credentials = feed->api_key_env != NULL || feed->api_key_file != NULL ||
                          feed->api_secret_env != NULL || feed->api_secret_file != NULL;
    int needs_auth = is_private(feed->family);
    if (needs_auth && (feed->auth == AUTH_NONE || !has_credentials)) {
        td_err_set(err, TD_E_INVALID, "family '%s' is private: it needs credentials",
                   feed->family->name);
        td_err_hint(err, "name the environment variables that hold them: --api-key-env BYBIT_KEY "
                         "--api-secret-env BYBIT_SECRET, or files (--api-key-file, "
                         "--api-secret-file); in a configuration api_key_env: BYBIT_KEY …, and "
                         "auth: op");
        return TD_E_INVALID;
    }
    if (feed->auth == AUTH_UNSET)
        feed->auth = needs_auth ? AUTH_OP : AUTH_NONE;
    return check_credentials(feed, err);
}

static td_result resolve_url(feed_config *feed, td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    TD_ASSERT(feed->net < (int)(NET_TEST + 1));
    if (feed->url == NULL) {
        family_access access = feed->auth == AUTH_NONE ? ACCESS_PUBLIC : ACCESS_PRIVATE;
        feed->url = family_url(feed->family, (family_net)feed->net, access);
        if (feed->url == NULL)
            feed->url = family_url(feed->family, (family_net)feed->net,
                                   access == ACCESS_PUBLIC ? ACCESS_PRIVATE : ACCESS_PUBLIC);
    }
    if (feed->url == NULL)
        return td_err_set(err, TD_E_INVALID, "family '%s' has no %s address: give a URL",
                          feed->family->name, CONFIG_NET_NAMES[feed->net]);
    td_bytes scheme = td_url_split(td_bytes_str(feed->url)).scheme;
    if (!td_bytes_is(scheme, "wss") && !td_bytes_is(scheme, "ws")) {
        char shown[LIMIT_URL_BYTES];
        return td_err_set(err, TD_E_INVALID, "the URL '%s' begins with neither wss:// nor ws://",
                          td_url_shown_plain(feed->url, shown, sizeof shown));
    }
    if (strlen(feed->url) >= LIMIT_URL_BYTES)
        return td_err_set(err, TD_E_INVALID, "a URL of %zu characters: at most %u are allowed",
                          strlen(feed->url), LIMIT_URL_BYTES - 1);
    return TD_OK;
}

int config_is_name_char(char c)
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
        is_good = config_is_name_char(name[i]);
    if (is_good)
        return TD_OK;
    return td_err_set(err, TD_E_INVALID,
                      "'%s' is no name for a feed: 1 to %u letters, digits, '-', '_' and '.', "
                      "beginning with a letter or digit",
                      name, LIMIT_NAME_BYTES - 1);
}

static td_result check_binary(const feed_config *feed, td_err *err)
{
    if (!feed->is_binary || feed->family->dialect->has_binary)
        return TD_OK;
    return td_err_set(err, TD_E_INVALID, "family '%s' has no compressed frames: only spot does",
                      feed->family->name);
}

static td_result check_subscription(const feed_config *feed, td_err *err)
{
    if (feed->topics.count == 0 && !feed->family->dialect->subscribes_with_auth) {
        td_err_set(err, TD_E_INVALID, "no topic is given: there is nothing to subscribe to");
        td_err_hint(err, "'tapedeck topics --family %s' lists them", feed->family->name);
        return TD_E_INVALID;
    }
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

/* Is each topic one of the address that it is asked for at? Only of the exchange's own addresses is
 * it known what they have. What names nothing (no symbol, no pair) is somebody's own (docs/wire.md
 * 1.4). */
static td_result check_access(const feed_config *feed, td_err *err)
{
    const char *open = family_url(feed->family, (family_net)feed->net, ACCESS_PUBLIC);
    const char *own = family_url(feed->family, (family_net)feed->net, ACCESS_PRIVATE);
    if (open == NULL || own == NULL)
        return TD_OK; /* everything is of one kind */
    int is_open = strcmp(feed->url, open) == 0;
    int is_own = strcmp(feed->url, own) == 0;
    for (size_t i = 0; i < feed->topics.count && (is_open || is_own); i++) {
        const char *topic = feed->topics.items[i];
        td_bytes symbol;
        const topic_row *row = subscription_row_of(feed->family, topic, &symbol);
        if (row == NULL)
            continue;
        int is_public = strchr(row->pattern, '{') != NULL;
        if (is_public && !is_open) {
            td_err_set(err, TD_E_INVALID, "topic '%s' is public: '%s' has private topics only",
                       topic, feed->url);
            td_err_hint(err, "make another feed of the public topics, with auth: none");
            return TD_E_INVALID;
        }
        if (!is_public && feed->auth == AUTH_NONE) {
            td_err_set(err, TD_E_INVALID, "topic '%s' is private: it needs credentials", topic);
            td_err_hint(err, "write auth: op and name the key and the secret%s",
                        is_own ? "" : ", in a feed of its own");
            return TD_E_INVALID;
        }
    }
    return TD_OK;
}

/* *key is what the user would have to change, should the result not be TD_OK. */
static td_result finish_feed(feed_config *feed, const char **key, td_err *err)
{
    *key = feed->family_name != NULL ? "family" : "url";
    td_result rc = resolve_family(feed, err);
    if (rc != TD_OK)
        return rc;
    *key = "auth";
    rc = resolve_auth(feed, err);
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
    if (rc == TD_OK)
        rc = check_access(feed, err);
    if (rc != TD_OK)
        return rc;
    *key = "binary";
    rc = check_binary(feed, err);
    if (rc != TD_OK)
        return rc;
    *key = "http";
    return config_finish_http(feed, err);
}

td_result config_finish(recorder_config *config, td_err *err)
{
    TD_ASSERT(config->feed_count <= LIMIT_FEEDS);
    if (config->feed_count == 0)
        return config_blame(config, CONFIG_NO_FEED, "feeds",
                            td_err_set(err, TD_E_INVALID, "no feeds"), err);
    for (size_t i = 0; i < config->feed_count; i++) {
        const char *key = NULL;
        td_result rc = finish_feed(&config->feeds[i], &key, err);
        if (rc != TD_OK)
            return config_blame(config, i, key, rc, err);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(config->feeds[i].name, config->feeds[k].name) != 0)
                continue;
            rc = td_err_set(err, TD_E_INVALID,
                            "two feeds are called '%s': give one of them another name",
                            config->feeds[i].name);
            return config_blame(config, i, "feed", rc, err);
        }
    }
    return TD_OK;
}
