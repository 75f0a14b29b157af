#include "recorder/config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/url.h"
#include "capture/channel_router.h"
#include "format/segment_name.h"
#include "recorder/free_space.h"
#include "schema/dialect.h"

#define EVERY_DEFAULT_NS (UINT64_C(3600) * TD_NS_PER_S)

/* A file of LIMIT_FEEDS feeds is far smaller. */
enum { CONFIG_FILE_BYTES_MAX = 1 << 20 };

#define NO_FEED SIZE_MAX

void config_init(recorder_config *config)
{
    memset(config, 0, sizeof *config);
    config->commit_interval_ns = TD_NS_PER_S;
    config->overload = OVERLOAD_PAUSE;
    config->overload_max_ns = 5 * TD_NS_PER_S;
    config->ring_bytes = LIMIT_RING_BYTES;
    config->min_free_bytes = FREE_SPACE_DEFAULT;
}

void config_feed_init(feed_config *feed)
{
    memset(feed, 0, sizeof *feed);
    feed->net = NET_MAIN;
    feed->stale_after_ns = 60 * TD_NS_PER_S;
    feed->connect_timeout_ns = 10 * TD_NS_PER_S;
    feed->auth = AUTH_UNSET;
}

void config_fini(recorder_config *config)
{
    settings_file_close(config->file);
    config_init(config);
}

/* ---- a configuration file ---- */

static const settings_list FEEDS = {
    .key = "feeds",
    .what = "'feeds' must be a list of feeds, each with family and topics",
    .each = "a feed must be keys with values, such as family: inverse",
    .count_max = LIMIT_FEEDS,
    .plural = "feeds",
};

static settings_keys feed_keys(void)
{
    settings_keys keys = {.renamed = {"feed", "name"}, .nested = "http"};
    keys.rows = config_feed_rows(&keys.row_count);
    return keys;
}

static td_result read_http(feed_config *feed, setting of, td_err *err)
{
    static const settings_list WANTED = {
        .key = "http",
        .what = "'http' must be a list of requests, each with name and url",
        .each = "an HTTP request must be keys with values: name, url, every",
        .count_max = LIMIT_FEED_HTTP,
        .plural = "HTTP requests",
    };
    settings_keys keys = {.nested = NULL};
    setting list;
    size_t count = 0;
    keys.rows = config_http_rows(&keys.row_count);
    if (settings_find(of, &keys, "http").node == NULL)
        return TD_OK;
    td_result rc = settings_find_list(of, &WANTED, &list, &count, err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        rc = settings_read(settings_entry(list, i), &keys, &feed->http[i], err);
        feed->http_count = i + 1;
    }
    return rc;
}

static td_result read_file(recorder_config *config, td_err *err)
{
    const settings_keys each = feed_keys();
    settings_keys keys = {.nested = FEEDS.key};
    setting root = settings_root(config->file);
    setting list;
    size_t count = 0;
    keys.rows = config_recorder_rows(&keys.row_count);
    td_result rc = settings_read(root, &keys, config, err);
    if (rc == TD_OK)
        rc = settings_find_list(root, &FEEDS, &list, &count, err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        feed_config *feed = &config->feeds[i];
        config_feed_init(feed);
        rc = settings_read(settings_entry(list, i), &each, feed, err);
        if (rc == TD_OK)
            rc = read_http(feed, settings_entry(list, i), err);
        config->feed_count = i + 1;
    }
    return rc;
}

td_result config_load(recorder_config *config, td_io io, const char *path, td_err *err)
{
    TD_ASSERT(config->file == NULL);
    td_result rc =
        settings_file_open(io, path, CONFIG_FILE_BYTES_MAX, "feeds: [...]", &config->file, err);
    return rc == TD_OK ? read_file(config, err) : rc;
}

td_result config_blame(const recorder_config *config, size_t feed_index, const char *key,
                       td_result code, td_err *err)
{
    if (config->file == NULL)
        return code;
    const settings_keys keys = feed_keys();
    setting at = settings_root(config->file);
    if (feed_index != NO_FEED)
        at = settings_entry(settings_find(at, &keys, FEEDS.key), feed_index);
    setting value = key == NULL ? at : settings_find(at, &keys, key);
    return settings_blame(value.node != NULL ? value : at, code, err);
}

/* ---- HTTP requests ---- */

static int is_http_url(const char *text)
{
    td_bytes scheme = td_url_split(td_bytes_str(text)).scheme;
    return td_bytes_is(scheme, "https") || td_bytes_is(scheme, "http");
}

/* "URL", "NAME=URL" or "NAME@EVERY=URL". */
static td_result read_request(const char *text, http_config *out, td_err *err)
{
    if (is_http_url(text)) {
        out->url = text;
        return TD_OK;
    }
    size_t name_size = strcspn(text, "@=");
    size_t head_size = strcspn(text, "=");
    if (text[head_size] == '\0' || name_size >= sizeof out->name) {
        td_err_set(err, TD_E_INVALID, "'%s' is not an HTTP request", text);
        td_err_hint(err, "URL, NAME=URL or NAME@EVERY=URL, such as instruments@1h=https://…");
        return TD_E_INVALID;
    }
    memcpy(out->name, text, name_size);
    out->name[name_size] = '\0';
    out->is_named = 1;
    out->url = text + head_size + 1;
    if (name_size == head_size)
        return TD_OK;
    char every[32];
    size_t every_size = head_size - name_size - 1;
    if (every_size >= sizeof every)
        return td_err_set(err, TD_E_INVALID, "'%s': the time after '@' is too long", text);
    memcpy(every, text + name_size + 1, every_size);
    every[every_size] = '\0';
    size_t row_count;
    const option_row *rows = config_http_rows(&row_count);
    TD_ASSERT(strcmp(rows[row_count - 1].long_name, "every") == 0);
    td_result rc = options_set_value(&rows[row_count - 1], every, 0, &out->every_ns, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "HTTP request '%s'", out->name);
}

static td_result take_requests(feed_config *feed, td_err *err)
{
    for (size_t i = 0; i < feed->http_texts.count; i++) {
        if (feed->http_count == LIMIT_FEED_HTTP)
            return td_err_set(err, TD_E_INVALID, "more than %u HTTP requests", LIMIT_FEED_HTTP);
        td_result rc = read_request(feed->http_texts.items[i], &feed->http[feed->http_count], err);
        if (rc != TD_OK)
            return rc;
        feed->http_count++;
    }
    feed->http_texts.count = 0;
    return TD_OK;
}

/* Names become channels: http.NAME. */
static td_result check_http_name(const http_config *asked, td_err *err)
{
    int is_good = asked->name[0] != '\0';
    for (const char *c = asked->name; *c != '\0' && is_good; c++)
        is_good = feed_name_char(*c);
    if (is_good)
        return TD_OK;
    return td_err_set(
        err, TD_E_INVALID,
        "'%s' is not a valid name of an HTTP reply: letters, digits, '-', '_' and '.'",
        asked->name);
}

static td_result finish_request(http_config *asked, td_err *err)
{
    if (asked->name_text != NULL) {
        if (strlen(asked->name_text) >= sizeof asked->name)
            return td_err_set(err, TD_E_INVALID, "an HTTP reply's name of %zu characters",
                              strlen(asked->name_text));
        memcpy(asked->name, asked->name_text, strlen(asked->name_text) + 1);
    }
    if (asked->url == NULL)
        return td_err_set(err, TD_E_INVALID, "HTTP request '%s' has no url", asked->name);
    td_server_url ignored;
    td_result rc = td_url_parse_http(asked->url, &ignored, err);
    if (rc == TD_OK && asked->name_text == NULL && !asked->is_named)
        channel_router_http_name(td_bytes_str(asked->url), asked->name);
    if (rc == TD_OK)
        rc = check_http_name(asked, err);
    if (asked->every_ns == 0)
        asked->every_ns = EVERY_DEFAULT_NS;
    return rc == TD_OK ? rc : td_err_add(err, rc, "HTTP request '%s'", asked->name);
}

/* Requests of a feed are sent one at a time, LIMIT_HTTP_SPACING_NS apart: more than that would be
 * late. */
static td_result check_http_budget(const feed_config *feed, td_err *err)
{
    double share = 0;
    for (size_t i = 0; i < feed->http_count; i++)
        share += (double)LIMIT_HTTP_SPACING_NS / (double)feed->http[i].every_ns;
    if (share <= 1)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "%.1f HTTP requests a second: a feed may have one", share);
    td_err_hint(err, "ask less often: raise `every`");
    return TD_E_INVALID;
}

/* Complete and check a feed's HTTP requests: names, URLs and their rate. */
static td_result finish_http(feed_config *feed, td_err *err)
{
    td_result rc = take_requests(feed, err);
    for (size_t i = 0; rc == TD_OK && i < feed->http_count; i++) {
        rc = finish_request(&feed->http[i], err);
        for (size_t k = 0; rc == TD_OK && k < i; k++)
            if (strcmp(feed->http[i].name, feed->http[k].name) == 0)
                rc = td_err_set(err, TD_E_INVALID, "two HTTP requests are called '%s'",
                                feed->http[i].name);
    }
    return rc == TD_OK ? check_http_budget(feed, err) : rc;
}

/* ---- defaults and checks ---- */

/* Find the family by its name, or by a URL of the exchange. */
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

/* Every address of the family needs credentials. */
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
        td_err_set(err, TD_E_INVALID, "credentials are given, but auth is none");
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

/* A private family authenticates by a message unless configured otherwise; a public one does not.
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

/* Feed names become parts of file names and of channel topics. */
static td_result check_name(const char *name, td_err *err)
{
    size_t length = strlen(name);
    int is_good = length > 0 && length < LIMIT_NAME_BYTES && name[0] != '_' && name[0] != '.' &&
                  name[0] != '-';
    for (size_t i = 0; i < length && is_good; i++)
        is_good = feed_name_char(name[i]);
    if (is_good)
        return TD_OK;
    return td_err_set(
        err, TD_E_INVALID,
        "'%s' is not a valid name of a feed: 1 to %u letters, digits, '-', '_' and '.', "
        "beginning with a letter or digit",
        name, LIMIT_NAME_BYTES - 1);
}

static td_result check_binary(const feed_config *feed, td_err *err)
{
    if (!feed->is_binary || feed->family->dialect->has_binary)
        return TD_OK;
    return td_err_set(err, TD_E_INVALID, "family '%s' has no compressed frames",
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

/* Check that the address has each topic; known only for the exchange's own addresses. Topics
 * without a parameter (no symbol, no pair) are private (docs/wire.md 1.4). */
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
        const topic_row *row = family_topic_row(feed->family, topic, &symbol);
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

/* *key: on failure, the key that the user has to change. */
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
    return finish_http(feed, err);
}

td_result config_finish(recorder_config *config, td_err *err)
{
    TD_ASSERT(config->feed_count <= LIMIT_FEEDS);
    if (config->feed_count == 0)
        return config_blame(config, NO_FEED, "feeds", td_err_set(err, TD_E_INVALID, "no feeds"),
                            err);
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
