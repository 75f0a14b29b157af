#include "recorder/config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/suggest.h"
#include "base/time_text.h"
#include "base/url.h"
#include "format/segment_name.h"
#include "recorder/instruments.h"
#include "recorder/pipeline/free_space.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/raw_family.h"

/* Default interval between two requests of one URL. */
#define EVERY_NS_DEFAULT (UINT64_C(3600) * TD_NS_PER_S)
#define EVERY_NS_MAX     (UINT64_C(30 * 86400) * TD_NS_PER_S)

/* Maximum size of a configuration file; one with LIMIT_FEEDS feeds is far smaller. */
enum { CONFIG_FILE_BYTES_MAX = 1 << 20 };

void config_init(recorder_config *config)
{
    memset(config, 0, sizeof *config);
    pipeline_config_init(&config->pipeline);
}

void config_feed_init(feed_config *feed)
{
    memset(feed, 0, sizeof *feed);
    feed->net = NET_MAIN;
    feed->lines = 1;
    feed->max_age_ns = CONFIG_MAX_AGE_NS;
    feed->heal = HEAL_RESUBSCRIBE;
    feed->silence_factor = CONFIG_SILENCE_FACTOR;
    feed->stale_after_ns = 60 * TD_NS_PER_S;
    feed->connect_timeout_ns = 10 * TD_NS_PER_S;
    feed->instruments_every_ns = 300 * TD_NS_PER_S;
    feed->listing = LIMIT_FEED_HTTP;
}

uint32_t config_line_numbers(const feed_config *feed)
{
    return (uint32_t)feed->lines + (feed->max_age_ns != 0 || feed->resnapshot_ns != 0);
}

void config_fini(recorder_config *config)
{
    settings_file_close(config->file);
    for (size_t i = 0; i < config->later_file_count; i++)
        settings_file_close(config->later_files[i]);
    td_free(config->later_files);
    config_init(config);
}

void config_take_file(recorder_config *config, recorder_config *from)
{
    config->later_files =
        td_array_grow(config->later_files, config->later_file_count, sizeof(settings_file *));
    config->later_files[config->later_file_count++] = from->file;
    from->file = NULL;
}

void config_drop_removed(recorder_config *config)
{
    size_t kept = 0;
    for (size_t i = 0; i < config->feed_count; i++) {
        if (config->feeds[i].is_removed)
            continue;
        if (kept != i) {
            config->feeds[kept] = config->feeds[i];
            config->pipeline.feeds[kept] = config->pipeline.feeds[i];
        }
        kept++;
    }
    config->feed_count = config->pipeline.feed_count = kept;
}

/* ---- a configuration file ---- */

static const char FEEDS[] = "feeds";

static settings_keys feed_keys(void)
{
    return (settings_keys){.rows = CONFIG_FEED_ROWS,
                           .row_count = CONFIG_FEED_ROW_COUNT,
                           .renamed = {"feed", "name", "http", "http", "send", "send"},
                           .example = "family: v5-linear"};
}

static td_result read_file(recorder_config *config, td_err *err)
{
    const settings_keys each = feed_keys();
    const settings_keys keys = {.rows = CONFIG_RECORDER_ROWS,
                                .row_count = CONFIG_RECORDER_ROW_COUNT,
                                .renamed = {"families", "families"},
                                .nested = FEEDS,
                                .example = "feeds: [...]"};
    setting root = settings_root(config->file);
    setting feed;
    td_result rc = settings_read(root, &keys, config, err);
    if (rc != TD_OK)
        return rc;
    const setting list = settings_find(root, &keys, FEEDS);
    for (size_t i = 0; rc == TD_OK && (feed = settings_entry(list, i)).node != NULL; i++) {
        if (i == LIMIT_FEEDS)
            return settings_err_add(
                feed, td_err_set(err, TD_E_INVALID, "feeds: more than %d feeds", LIMIT_FEEDS), err);
        config_feed_init(&config->feeds[i]);
        rc = settings_read(feed, &each, &config->feeds[i], err);
        config->feed_count = i + 1;
    }
    return rc;
}

td_result config_load(recorder_config *config, td_io io, const char *path, td_err *err)
{
    TD_ASSERT(config->file == NULL);
    td_result rc = settings_file_open(io, path, CONFIG_FILE_BYTES_MAX, &config->file, err);
    return rc == TD_OK ? read_file(config, err) : rc;
}

td_result config_err_add(const recorder_config *config, size_t feed_index, const char *key,
                         td_result code, td_err *err)
{
    if (config->file == NULL)
        return code;
    const settings_keys keys = feed_keys();
    setting at = settings_root(config->file);
    if (feed_index != CONFIG_NO_FEED)
        at = settings_entry(settings_find(at, &keys, FEEDS), feed_index);
    return key == NULL ? settings_err_add(at, code, err)
                       : settings_err_add_key(at, &keys, key, code, err);
}

/* ---- HTTP requests ---- */

void config_http_url(const feed_config *feed, const http_config *request, char out[LIMIT_URL_BYTES])
{
    const td_url server = td_url_split(td_bytes_str(feed->url));
    const char *scheme = td_bytes_is(server.scheme, "wss") ? "https" : "http";
    const char *own = family_http(feed->family, td_bytes_str(feed->url));
    if (request->url[0] != '/')
        (void)snprintf(out, LIMIT_URL_BYTES, "%s", request->url); /* cut if too long */
    else if (own != NULL)
        (void)snprintf(out, LIMIT_URL_BYTES, "%s%s", own, request->url); /* cut if too long */
    else /* if it is cut, parsing it fails */
        (void)snprintf(out, LIMIT_URL_BYTES, "%s://%.*s%s", scheme, (int)server.authority.size,
                       (const char *)server.authority.data, request->url);
}

/* Parse "NAME=URL" or "NAME@EVERY=URL". */
static td_result read_request(const feed_config *feed, const char *text, http_config *out,
                              td_err *err)
{
    char every[32] = "";
    char url[LIMIT_URL_BYTES];
    size_t name_size = strcspn(text, "@=");
    size_t head_size = strcspn(text, "=");
    size_t every_size = head_size > name_size ? head_size - name_size - 1 : 0;
    if (text[head_size] == '\0' || name_size >= sizeof out->name || every_size >= sizeof every) {
        td_err_set(err, TD_E_INVALID, "'%s' is not an HTTP request", text);
        td_err_hint(err, "NAME=URL or NAME@EVERY=URL, such as instruments@1h=https://…");
        return TD_E_INVALID;
    }
    memcpy(out->name, text, name_size);
    memcpy(every, text + head_size - every_size, every_size);
    out->url = text + head_size + 1;
    out->every_ns = EVERY_NS_DEFAULT;
    int is_good = name_size > 0;
    for (const char *c = out->name; *c != '\0' && is_good; c++)
        is_good = feed_name_char(*c);
    if (!is_good)
        return td_err_set(
            err, TD_E_INVALID,
            "'%s' is not a valid name of an HTTP reply: letters, digits, '-', '_' and '.'",
            out->name);
    td_server_url ignored;
    config_http_url(feed, out, url);
    td_result rc = td_url_parse_http(out->url[0] == '/' ? url : out->url, &ignored, err);
    if (rc == TD_OK && head_size > name_size)
        rc = td_duration_parse(every, &out->every_ns, err);
    if (rc == TD_OK && (out->every_ns < LIMIT_HTTP_SPACING_NS || out->every_ns > EVERY_NS_MAX))
        rc = td_err_set(err, TD_E_INVALID, "every '%s': 1 s to 30 d are allowed", every);
    return rc == TD_OK ? rc : td_err_add(err, rc, "HTTP request '%s'", out->name);
}

/* Refuse more requests than can be sent in their intervals: a feed sends one at a time,
 * LIMIT_HTTP_SPACING_NS apart. */
static td_result check_http_budget(const feed_config *feed, td_err *err)
{
    double share = 0;
    for (size_t i = 0; i < feed->http_count; i++)
        share += (double)LIMIT_HTTP_SPACING_NS / (double)feed->http[i].every_ns;
    if (share <= 1)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "%.1f HTTP requests a second: a feed may have one", share);
    td_err_hint(err, "raise `every`");
    return TD_E_INVALID;
}

static td_result add_request(feed_config *feed, const char *text, td_err *err)
{
    size_t count = feed->http_count;
    if (count == LIMIT_FEED_HTTP)
        return td_err_set(err, TD_E_INVALID, "more than %u HTTP requests", LIMIT_FEED_HTTP);
    http_config *made = &feed->http[feed->http_count++];
    memset(made, 0, sizeof *made);
    td_result rc = read_request(feed, text, made, err);
    for (size_t k = 0; rc == TD_OK && k < count; k++)
        if (strcmp(made->name, feed->http[k].name) == 0)
            rc = td_err_set(err, TD_E_INVALID, "two HTTP requests are called '%s'", made->name);
    return rc;
}

/* The requests of the feed's client library; NULL: none. */
static const char *const *preset_of(const feed_config *feed)
{
    return feed->http_preset == NULL ? NULL
                                     : exchange_http_preset(feed->family->exchange,
                                                            feed->http_preset, feed->family->name);
}

static td_result check_preset(feed_config *feed, td_err *err)
{
    suggest_search search = {.written = td_bytes_str(feed->http_preset)};
    const http_preset *known = feed->family->exchange->http_presets;
    char similar[128];
    if (preset_of(feed) != NULL)
        return feed->net == NET_MAIN
                   ? TD_OK
                   : td_err_set(err, TD_E_INVALID, "http-preset is for the main network");
    if (feed->http_preset == NULL)
        return TD_OK;
    for (; known != NULL && known->name != NULL; known++)
        suggest_offer(&search, known->name);
    suggest_format(&search, similar, sizeof similar);
    td_err_set(err, TD_E_INVALID, "http-preset: no requests of '%s' are known for family '%s'",
               feed->http_preset, feed->family->name);
    td_err_hint(err, "%s%sgive each request: http, or --http NAME=URL", similar,
                similar[0] == '\0' ? "" : " ");
    return TD_E_INVALID;
}

static td_result finish_http(feed_config *feed, td_err *err)
{
    td_result rc = TD_OK;
    const char *const *preset = preset_of(feed);
    feed->http_count = 0;
    for (size_t i = 0; rc == TD_OK && i < feed->http_texts.count; i++)
        rc = add_request(feed, feed->http_texts.items[i], err);
    for (; rc == TD_OK && preset != NULL && *preset != NULL; preset++)
        rc = add_request(feed, *preset, err);
    return rc == TD_OK ? check_http_budget(feed, err) : rc;
}

/* ---- the list of instruments ---- */

static size_t count_patterns(const options_list *symbols, size_t *including)
{
    size_t count = 0;
    *including = 0;
    for (size_t i = 0; i < symbols->count; i++) {
        if (!instruments_is_pattern(symbols->items[i]))
            continue;
        count++;
        *including += symbols->items[i][0] != '!';
    }
    return count;
}

/* Add the request for the list, unless the feed already has it. */
static td_result add_listing(feed_config *feed, td_err *err)
{
    char text[LIMIT_URL_BYTES];
    for (size_t i = 0; i < feed->http_count; i++)
        if (strcmp(feed->http[i].url, feed->family->listing) == 0)
            feed->listing = i;
    if (feed->listing == LIMIT_FEED_HTTP) {
        (void)snprintf(text, sizeof text, "instruments=%s", feed->family->listing); /* fits */
        td_result rc = add_request(feed, text, err);
        if (rc != TD_OK)
            return rc;
        feed->listing = feed->http_count - 1;
        feed->http[feed->listing].url = feed->family->listing;
    }
    feed->http[feed->listing].every_ns = feed->instruments_every_ns;
    return check_http_budget(feed, err);
}

/* If a symbol is a pattern, the feed needs the list of instruments. The symbol "*" in a dialect
 * with lists is no pattern: the exchange itself sends all symbols. */
static td_result finish_listing(feed_config *feed, td_err *err)
{
    size_t including = 0;
    size_t count = count_patterns(&feed->symbols, &including);
    feed->listing = LIMIT_FEED_HTTP;
    if (count == 0 || (dialect_has_lists(feed->family->dialect) && feed->symbols.count == 1 &&
                       strcmp(feed->symbols.items[0], "*") == 0))
        return TD_OK;
    if (feed->family->listing == NULL) {
        td_err_set(err, TD_E_INVALID,
                   "family '%s' has no list of instruments for patterns of symbols",
                   feed->family->name);
        td_err_hint(err, "give symbols, or symbols_file, a file with one symbol a line");
        return TD_E_INVALID;
    }
    if (including > 0)
        return add_listing(feed, err);
    td_err_set(err, TD_E_INVALID, "all patterns exclude symbols");
    td_err_hint(err, "give also a pattern that includes some: '*' is all");
    return TD_E_INVALID;
}

/* ---- defaults and checks ---- */

/* Check the name: it becomes a part of file names and channel topics. */
static td_result check_name(const char *name, td_err *err)
{
    if (feed_name_is_valid(name) && name[0] != '_' && name[0] != '-')
        return TD_OK;
    return td_err_set(
        err, TD_E_INVALID,
        "'%s' is not a valid name of a feed: 1 to %u letters, digits, '-', '_' and '.', "
        "beginning with a letter or digit",
        name, LIMIT_NAME_BYTES - 1);
}

/* Find or make the family of a feed with raw topics, which has the feed's name. */
static td_result resolve_raw(feed_config *feed, td_err *err)
{
    const char *missing = feed->url == NULL ? "url" : feed->name == NULL ? "feed" : NULL;
    const char *other = feed->family_name != NULL    ? "family"
                        : feed->topics.count > 0     ? "topic"
                        : feed->symbols.count > 0    ? "symbol"
                        : feed->symbols_file != NULL ? "symbols-file"
                                                     : NULL;
    if (missing != NULL) {
        td_err_set(err, TD_E_INVALID, "a feed with raw topics needs --%s", missing);
        td_err_hint(err, "give an address (url) and a name for the archive (in a file name)");
        return TD_E_INVALID;
    }
    if (other != NULL) {
        td_err_set(err, TD_E_INVALID, "--%s does not go with raw topics", other);
        td_err_hint(err, "requests for topics are given as they are sent: --send TEXT");
        return TD_E_INVALID;
    }
    td_result rc = check_name(feed->name, err);
    return rc == TD_OK ? raw_family(feed->name, feed->url, feed->raw_topics.items,
                                    feed->raw_topics.count, &feed->family, err)
                       : rc;
}

/* Find the family by its name, or by a URL of the exchange; a raw feed has its own. */
static td_result resolve_family(feed_config *feed, td_err *err)
{
    if (feed->raw_topics.count > 0)
        return resolve_raw(feed, err);
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
    td_err_set(err, TD_E_INVALID, "no known family has the URL '%s'",
               td_url_redacted_plain(feed->url, shown, sizeof shown));
    td_err_hint(err, "name the family with --family (in a file: family), one of: %s",
                family_names());
    return TD_E_INVALID;
}

/* A key has a passphrase at exchanges whose requests have one. */
static td_result check_passphrase(const feed_config *feed, td_err *err)
{
    const int wants = feed->api_key_env != NULL && dialect_wants_passphrase(feed->family->dialect);
    if (wants == (feed->api_passphrase_env != NULL))
        return TD_OK;
    if (feed->api_key_env == NULL)
        return td_err_set(err, TD_E_INVALID, "a passphrase is that of a key: the key is missing");
    if (!wants)
        return td_err_set(err, TD_E_INVALID, "keys of family '%s' have no passphrase",
                          feed->family->name);
    td_err_set(err, TD_E_INVALID, "keys of family '%s' have a passphrase: it is missing",
               feed->family->name);
    td_err_hint(err, "name the environment variable that holds it: --api-passphrase-env "
                     "OKX_PASSPHRASE; in a configuration api_passphrase_env: OKX_PASSPHRASE");
    return TD_E_INVALID;
}

static td_result check_credentials(feed_config *feed, td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    const char *name = feed->family->name;
    int is_complete = feed->api_key_env != NULL && feed->api_secret_env != NULL;
    int is_public = feed->api_key_env == NULL && feed->api_secret_env == NULL;
    /* Every URL of a private family needs credentials. */
    int is_private = family_url(feed->family, NET_MAIN, ACCESS_PUBLIC) == NULL &&
                     family_url(feed->family, NET_MAIN, ACCESS_PRIVATE) != NULL;
    if (is_complete ? feed->family->dialect->ask_auth != NULL : is_public && !is_private)
        return check_passphrase(feed, err);
    if (is_private && feed->family->dialect->ask_auth == NULL) {
        td_err_set(err, TD_E_INVALID, "record cannot log in to family '%s'", name);
        td_err_hint(err, "tapedeck tap records the connection of a client that can");
        return TD_E_INVALID;
    }
    if (is_complete)
        return td_err_set(err, TD_E_INVALID, "family '%s' has no authentication", name);
    if (is_public)
        td_err_set(err, TD_E_INVALID, "family '%s' is private: it needs credentials", name);
    else
        td_err_set(err, TD_E_INVALID, "credentials are a key and a secret: one is missing");
    td_err_hint(err, "name the environment variables that hold them: --api-key-env BYBIT_KEY "
                     "--api-secret-env BYBIT_SECRET; in a configuration api_key_env: BYBIT_KEY "
                     "and api_secret_env: BYBIT_SECRET");
    return TD_E_INVALID;
}

/* Refuse an address of the exchange that belongs to other families than the named one. A server of
 * another host may have any path. */
static td_result check_same_family(const feed_config *feed, td_err *err)
{
    unsigned accesses;
    td_bytes url = td_bytes_str(feed->url);
    const int has_path = family_find_path(feed->family, td_url_split(url).path, &accesses) != NULL;
    const family *owner = has_path ? NULL : family_find_by_url(url);
    if (owner == NULL)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "this address of the exchange is of family '%s', not of '%s'",
               owner->name, feed->family->name);
    td_err_hint(err, "leave url out, or name family %s", owner->name);
    return TD_E_INVALID;
}

/* Find the path of the feed's topics, if the exchange does not send all of them at all addresses. A
 * server of another host may do so. */
static td_result find_topic_path(const feed_config *feed, const char **path, td_err *err)
{
    const char *first = NULL; /* topic */
    *path = NULL;
    for (size_t i = 0; i < feed->topics.count; i++) {
        td_bytes symbol;
        const topic_row *row = family_topic_row(feed->family, feed->topics.items[i], &symbol);
        if (row == NULL || row->path == NULL)
            continue;
        if (*path == NULL && feed->url != NULL &&
            family_find_by_url(td_bytes_str(feed->url)) == NULL)
            return TD_OK;
        if (*path != NULL && strcmp(*path, row->path) != 0) {
            td_err_set(err, TD_E_INVALID, "the exchange sends '%s' at %s, and '%s' at %s", first,
                       *path, feed->topics.items[i], row->path);
            td_err_hint(err, "make two feeds of them, each with a name of its own: --feed NAME, in "
                             "a configuration name: NAME");
            return TD_E_INVALID;
        }
        first = feed->topics.items[i];
        *path = row->path;
    }
    return TD_OK;
}

/* Refuse topics that the exchange grants at this address of its own, and does not send there. */
static td_result check_topic_path(const feed_config *feed, const char *path, td_err *err)
{
    const td_bytes url = td_bytes_str(feed->url);
    if (family_url_has_topic(url, path))
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "the exchange does not send these topics at this address");
    td_err_hint(err, "leave url out, or give one whose path begins with %s/", path);
    return TD_E_INVALID;
}

static td_result resolve_url(feed_config *feed, td_err *err)
{
    TD_ASSERT(feed->family != NULL);
    TD_ASSERT(feed->net < (int)(NET_TEST + 1));
    const family_net net = (family_net)feed->net;
    const char *path = NULL;
    td_result found = find_topic_path(feed, &path, err);
    if (found != TD_OK)
        return found;
    if (feed->url == NULL) {
        family_access access = feed->api_key_env == NULL ? ACCESS_PUBLIC : ACCESS_PRIVATE;
        feed->url = family_url_at(feed->family, net, access, path);
        if (feed->url == NULL)
            feed->url = family_url_at(
                feed->family, net, access == ACCESS_PUBLIC ? ACCESS_PRIVATE : ACCESS_PUBLIC, path);
    }
    if (feed->url == NULL)
        return td_err_set(err, TD_E_INVALID, "family '%s' has no %s address: give a URL",
                          feed->family->name, CONFIG_NET_NAMES[feed->net]);
    td_bytes scheme = td_url_split(td_bytes_str(feed->url)).scheme;
    if (!td_bytes_is(scheme, "wss") && !td_bytes_is(scheme, "ws")) {
        char shown[LIMIT_URL_BYTES];
        return td_err_set(err, TD_E_INVALID, "the URL '%s' begins with neither wss:// nor ws://",
                          td_url_redacted_plain(feed->url, shown, sizeof shown));
    }
    if (strlen(feed->url) >= LIMIT_URL_BYTES)
        return td_err_set(err, TD_E_INVALID, "a URL of %zu characters: at most %u are allowed",
                          strlen(feed->url), LIMIT_URL_BYTES - 1);
    td_server_url ignored;
    td_result rc = td_url_parse(feed->url, &ignored, err);
    if (rc != TD_OK)
        td_err_hint(err, "a URL is wss://HOST[:PORT]/PATH, or ws:// without TLS");
    if (rc == TD_OK)
        rc = check_same_family(feed, err);
    return rc == TD_OK ? check_topic_path(feed, path, err) : rc;
}

/* Set the default name. */
static td_result finish_name(feed_config *feed, td_err *err)
{
    if (feed->name == NULL)
        feed->name = feed->family->name;
    return check_name(feed->name, err);
}

static td_result check_binary(feed_config *feed, td_err *err)
{
    if (!feed->is_binary || feed->family->dialect->binary != NULL)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "family '%s' has no compressed frames", feed->family->name);
    td_err_hint(err, "leave it out, or false: only spot-v1 and spot-v2 have them");
    return TD_E_INVALID;
}

static td_result check_lengths(const options_list *texts, const char *what, size_t most,
                               td_err *err)
{
    for (size_t i = 0; i < texts->count; i++) {
        size_t length = strlen(texts->items[i]);
        if (length == 0 || length > most)
            return td_err_set(err, TD_E_INVALID, "a %s of %zu characters: 1 to %zu are allowed",
                              what, length, most);
    }
    return TD_OK;
}

static td_result check_topics(feed_config *feed, td_err *err)
{
    if (feed->topics.count == 0 && !dialect_subscribes_with_auth(feed->family->dialect)) {
        td_err_set(err, TD_E_INVALID, "no topic is given: there is nothing to subscribe to");
        td_err_hint(err, "'tapedeck topics --family %s' lists them", feed->family->name);
        return TD_E_INVALID;
    }
    return check_lengths(&feed->topics, "topic", LIMIT_TOPIC_BYTES - LIMIT_SYMBOL_BYTES - 1, err);
}

static td_result check_symbols(feed_config *feed, td_err *err)
{
    for (size_t i = 0; i < feed->symbols.count; i++) {
        for (const char *c = feed->symbols.items[i]; *c != '\0'; c++)
            if ((*c > 0 && *c <= ' ') || *c == '"' || *c == '\\')
                return td_err_set(
                    err, TD_E_INVALID,
                    "'%.60s' is not a symbol: blanks, quotes and '\\' are not allowed",
                    feed->symbols.items[i]);
    }
    return check_lengths(&feed->symbols, "symbol", LIMIT_SYMBOL_BYTES - 1, err);
}

/* What a feed sends as it is: only without topics, whose requests the recorder makes. */
static td_result check_sent(feed_config *feed, td_err *err)
{
    if (feed->sent.count == 0 || dialect_has_all(feed->family->dialect))
        return check_lengths(&feed->sent, "request", DIALECT_REQUEST_BYTES, err);
    td_err_set(err, TD_E_INVALID, "family %s has topics: the recorder makes its requests",
               feed->family->name);
    td_err_hint(err, "give --topic; --send is for feeds with --raw-topic");
    return TD_E_INVALID;
}

/* Fill in and check the settings of a feed. On failure, *key is the key that the user has to
 * change. */
static td_result finish_feed(feed_config *feed, const char **key, td_err *err)
{
    const char *chosen_by = feed->raw_topics.count > 0  ? "raw-topic"
                            : feed->family_name != NULL ? "family"
                                                        : "url";
    const char *credential = feed->api_key_env != NULL && feed->api_secret_env == NULL
                                 ? "api-secret-env"
                                 : "api-key-env";
    const struct {
        const char *key;
        td_result (*finish)(feed_config *feed, td_err *err);
    } steps[] = {
        {chosen_by, resolve_family}, {credential, check_credentials}, {"url", resolve_url},
        {"feed", finish_name},       {"topic", check_topics},         {"symbol", check_symbols},
        {"send", check_sent},        {"binary", check_binary},        {"http-preset", check_preset},
        {"http", finish_http},       {"symbol", finish_listing}};
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < sizeof steps / sizeof *steps; i++) {
        *key = steps[i].key;
        rc = steps[i].finish(feed, err);
    }
    return rc;
}

/* Refuse the name of an earlier feed. That feed has no name if it could not be finished. */
static td_result check_other_names(const recorder_config *config, size_t index, td_err *err)
{
    const char *name = config->feeds[index].name;
    for (size_t k = 0; k < index; k++) {
        if (config->feeds[k].name != NULL && strcmp(name, config->feeds[k].name) == 0)
            return td_err_set(err, TD_E_INVALID,
                              "two feeds are called '%s': give one of them another name", name);
    }
    return TD_OK;
}

td_result config_finish_feed(recorder_config *config, size_t index, td_err *err)
{
    feed_config *feed = &config->feeds[index];
    const char *key = NULL;
    td_result rc = finish_feed(feed, &key, err);
    if (rc == TD_OK) {
        key = "feed";
        rc = check_other_names(config, index, err);
    }
    if (rc != TD_OK)
        return config_err_add(config, index, key, rc, err);
    config->pipeline.feeds[index] = (pipeline_feed){
        .name = feed->name, .family = feed->family, .silence_factor = feed->silence_factor};
    return TD_OK;
}

td_result config_check_recorder(const recorder_config *config, td_err *err)
{
    const uint64_t min_free_bytes = config->pipeline.min_free_bytes;
    char host[TD_HOST_BYTES];
    uint16_t port;
    if (config->retain_free_bytes != 0 && min_free_bytes != FREE_SPACE_DEFAULT &&
        config->retain_free_bytes <= min_free_bytes) {
        td_err_set(err, TD_E_INVALID,
                   "retain_free is %" PRIu64 " bytes: it must be more than min_free, %" PRIu64
                   " bytes, at which recording ends",
                   config->retain_free_bytes, min_free_bytes);
        return config_err_add(config, CONFIG_NO_FEED, "retain_free", TD_E_INVALID, err);
    }
    if (config->status_listen != NULL &&
        td_host_port_parse(config->status_listen, host, &port, err) != TD_OK) {
        td_err_set(err, TD_E_INVALID, "%s%s: expected HOST:PORT, such as 127.0.0.1:9464",
                   config->file == NULL ? "--status-listen " : "", config->status_listen);
        return config_err_add(config, CONFIG_NO_FEED, "status_listen", TD_E_INVALID, err);
    }
    return TD_OK;
}

static void add_unset(td_buf *to, const char *variable)
{
    if (variable == NULL)
        return;
    td_buf_add(to, "unset ", strlen("unset "));
    td_buf_add(to, variable, strlen(variable));
    td_buf_add(to, "\n", 1);
}

void config_add_unsets(const recorder_config *config, td_buf *out)
{
    for (size_t i = 0; i < config->feed_count; i++) {
        add_unset(out, config->feeds[i].api_key_env);
        add_unset(out, config->feeds[i].api_secret_env);
        add_unset(out, config->feeds[i].api_passphrase_env);
    }
}

td_result config_finish(recorder_config *config, td_err *err)
{
    TD_ASSERT(config->feed_count <= LIMIT_FEEDS);
    if (config->feed_count == 0) {
        td_err_set(err, TD_E_INVALID, "no feed is given: 1 to %d are allowed", LIMIT_FEEDS);
        td_err_hint(err, "a feed has a line such as '- family: v5-linear' below 'feeds:'");
        return config_err_add(config, CONFIG_NO_FEED, FEEDS, TD_E_INVALID, err);
    }
    td_result rc = config_check_recorder(config, err);
    for (size_t i = 0; rc == TD_OK && i < config->feed_count; i++)
        rc = config_finish_feed(config, i, err);
    if (rc == TD_OK)
        config->pipeline.feed_count = config->feed_count;
    return rc;
}
