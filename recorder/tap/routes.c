#include "recorder/tap/routes.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/url.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/family.h"
#include "schema/raw_family.h"

enum {
    NAMES_SHOWN_BYTES = 512,     /* of families, in a message */
    HOST_IN_NAME_BYTES_MAX = 40, /* leaves space for the path in the name of a feed */
};

static const td_bytes NO_QUERY = {NULL, 0};

struct tap_routes {
    tap_routes_options options;
    td_bytes host;           /* of upstream */
    uint8_t knows_exchange;  /* 1: by the host, or by the given families */
    uint8_t has_logged_full; /* 1: the limit of raw feeds was logged */
    pipeline_feed feeds[LIMIT_FEEDS];
    size_t count;     /* feeds so far */
    size_t described; /* feeds of families that existed at the start; then the feed of other paths
                         follows, and the raw feeds */
    size_t raw_max;
    dialect_parser *parser;
    char raw_topic[LIMIT_TOPIC_BYTES]; /* as the exchange's frames name it; empty: unknown */
};

static void add_feed(tap_routes *self, const family *of)
{
    self->feeds[self->count++] =
        (pipeline_feed){.name = of->name, .family = of, .redactor = self->options.redactor};
}

/* ---- families ---- */

/* 1 if a family is one of those that the user names. */
static int is_given(const tap_routes *self, const family *of)
{
    for (size_t i = 0; i < self->options.family_count; i++)
        if (strcmp(self->options.families[i], of->name) == 0)
            return 1;
    return 0;
}

/* 1 if a family is of the exchange of a family that the user names. */
static int is_of_given_exchange(const tap_routes *self, const family *of)
{
    for (size_t i = 0; i < self->options.family_count; i++)
        if (family_find(td_bytes_str(self->options.families[i]))->exchange == of->exchange)
            return 1;
    return 0;
}

static int have_same_path(const family *a, const family *b, const char **path)
{
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && a->endpoints[i].url != NULL; i++)
        for (size_t k = 0; k < FAMILY_ENDPOINTS_MAX && b->endpoints[k].url != NULL; k++) {
            *path = family_url_path(a->endpoints[i].url);
            if (strcmp(*path, family_url_path(b->endpoints[k].url)) == 0)
                return 1;
        }
    return 0;
}

/* Refuse unknown families, and two of which a path does not choose one. */
static td_result check_given(const tap_routes *self, td_err *err)
{
    const char *const *names = self->options.families;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < self->options.family_count; i++)
        if (family_find(td_bytes_str(names[i])) == NULL)
            rc = family_refuse(td_bytes_str(names[i]), err);
    for (size_t i = 1; rc == TD_OK && i < self->options.family_count; i++)
        for (size_t k = 0; rc == TD_OK && k < i; k++) {
            const family *one = family_find(td_bytes_str(names[k]));
            const family *other = family_find(td_bytes_str(names[i]));
            const char *path;
            if (one == other || !have_same_path(one, other, &path))
                continue;
            rc = td_err_set(err, TD_E_INVALID, "%s and %s have the same path %s", one->name,
                            other->name, path);
            td_err_hint(err, "give one of them");
        }
    return rc == TD_OK ? rc : td_err_add(err, rc, "--family");
}

/* Find the families that a connection to the upstream may be of. */
static td_result find_families(tap_routes *self, td_err *err)
{
    size_t count;
    const family *const *all = family_table(&count);
    int is_host_known = 0;
    for (size_t i = 0; i < count; i++)
        is_host_known |= family_is_at_host(all[i], self->host);
    self->knows_exchange = is_host_known || self->options.family_count > 0;
    for (size_t i = 0; i < count; i++) {
        const int is_possible = self->options.family_count > 0 ? is_of_given_exchange(self, all[i])
                                : is_host_known ? family_is_at_host(all[i], self->host)
                                                : 1;
        if (!is_possible)
            continue;
        if (self->count == LIMIT_FEEDS - 1)
            return td_err_set(err, TD_E_LIMIT,
                              "there are %zu families: with the feed of other paths at most %u can "
                              "be relayed",
                              count, LIMIT_FEEDS);
        add_feed(self, all[i]);
    }
    self->described = self->count;
    return TD_OK;
}

/* ---- raw feeds ---- */

/* Where the exchange's frames name their topic, as a JSON pointer. */
static void find_raw_topic(tap_routes *self)
{
    const frame_keys *keys = &exchange_of(self->feeds[0].family)->frames;
    if (!self->knows_exchange || keys->raw != NULL || keys->list != NULL ||
        keys->topic == FRAME_KEY_NONE)
        return;
    const td_bytes path =
        keys->topic_path != NULL ? td_bytes_str(keys->topic_path) : keys->names[keys->topic];
    (void)snprintf(self->raw_topic, sizeof self->raw_topic, "/%.*s", (int)path.size,
                   (const char *)path.data); /* a document's keys are short */
    for (char *c = self->raw_topic; *c != '\0'; c++)
        *c = (char)(*c == '.' ? '/' : *c);
}

static td_result make_raw(const tap_routes *self, const char *name, const char *url,
                          const family **out, td_err *err)
{
    const char *const known[] = {self->raw_topic};
    if (self->options.raw_count > 0)
        return raw_family(name, url, self->options.raw_topics, self->options.raw_count, out, err);
    return raw_family(name, url, known, self->raw_topic[0] != '\0', out, err);
}

static int name_has(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
}

/* Append a text to the name of a feed, with "_" for characters that it cannot have; cut if it does
 * not fit. */
static void add_to_name(char name[LIMIT_NAME_BYTES], td_bytes text)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < text.size && size + 1 < LIMIT_NAME_BYTES; i++) {
        const char c = (char)text.data[i];
        name[size++] = (char)(name_has(c) || c == '-' ? c : '_');
    }
    name[size] = '\0';
}

/* Append a text to a URL; cut if it does not fit. */
static void add_to_url(char url[LIMIT_URL_BYTES], td_bytes text)
{
    const size_t used = strlen(url);
    (void)snprintf(url + used, LIMIT_URL_BYTES - used, "%.*s", (int)text.size,
                   text.size == 0 ? "" : (const char *)text.data);
}

/* Begin the name and the address of a raw feed, by the host. A port is not part of them: a test
 * server may have another one each time. */
static void begin_raw(const tap_routes *self, char name[LIMIT_NAME_BYTES],
                      char url[LIMIT_URL_BYTES])
{
    const td_bytes host = self->host;
    const int is_ipv6 = memchr(host.data, ':', host.size) != NULL;
    name[0] = url[0] = '\0';
    add_to_name(name, td_bytes_str("raw-"));
    add_to_name(name, td_bytes_of(host.data, host.size < HOST_IN_NAME_BYTES_MAX
                                                 ? host.size
                                                 : HOST_IN_NAME_BYTES_MAX));
    add_to_url(url, td_bytes_str(is_ipv6 ? "wss://[" : "wss://"));
    add_to_url(url, host);
    add_to_url(url, td_bytes_str(is_ipv6 ? "]" : ""));
}

/* Write the name and the address of a path's feed: without the keys in the path, which begin with
 * "*" in a redacted URL. */
static void name_path(const tap_routes *self, td_bytes path, char name[LIMIT_NAME_BYTES],
                      char url[LIMIT_URL_BYTES])
{
    begin_raw(self, name, url);
    const size_t host_end = strlen(url);
    while (path.size > 0) {
        const uint8_t *end = memchr(path.data + 1, '/', path.size - 1);
        const size_t size = end == NULL ? path.size : (size_t)(end - path.data);
        const td_bytes part = td_bytes_of(path.data + 1, size - 1);
        const int is_key = part.size > 0 && part.data[0] == '*';
        add_to_name(name, td_bytes_str(part.size > 0 && !is_key ? "-" : ""));
        if (!is_key) {
            add_to_name(name, part);
            add_to_url(url, td_bytes_of(path.data, size));
        }
        path = td_bytes_of(path.data + size, path.size - size);
    }
    if (url[host_end] == '\0')
        add_to_url(url, td_bytes_str("/"));
}

static td_result open_others(tap_routes *self, td_err *err)
{
    char name[LIMIT_NAME_BYTES], url[LIMIT_URL_BYTES];
    const family *of;
    begin_raw(self, name, url);
    add_to_name(name, td_bytes_str("-others"));
    add_to_url(url, td_bytes_str("/others"));
    td_result rc = make_raw(self, name, url, &of, err);
    if (rc == TD_OK)
        add_feed(self, of);
    return rc;
}

static uint16_t others_of(const tap_routes *self)
{
    return (uint16_t)self->described;
}

static void log_raw(tap_routes *self, td_bytes path, uint16_t feed, const char *several)
{
    char shown[LIMIT_URL_BYTES];
    (void)snprintf(shown, sizeof shown, "%.*s", (int)path.size, (const char *)path.data);
    redactor_apply_text(self->options.redactor, (uint8_t *)shown, strlen(shown));
    if (several[0] != '\0')
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "%s is a path of several families (%s): its frames are recorded as %s, and not "
                    "decoded; --family chooses one",
                    shown, several, self->feeds[feed].name);
    else
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "%s is in no family: its frames are recorded as %s, and not decoded; "
                    "docs/families.md, \"Record first\", shows how to describe them for "
                    "--families",
                    shown, self->feeds[feed].name);
}

static uint16_t find_raw(tap_routes *self, td_bytes path, const char *several)
{
    char name[LIMIT_NAME_BYTES], url[LIMIT_URL_BYTES];
    const family *of;
    td_err ignored; /* another path has this name, or too many families were added */
    name_path(self, path, name, url);
    for (size_t i = self->described; i < self->count; i++)
        if (strcmp(self->feeds[i].name, name) == 0 &&
            strcmp(self->feeds[i].family->endpoints[0].url, url) == 0)
            return (uint16_t)i;
    if (self->count - self->described - 1 == self->raw_max ||
        make_raw(self, name, url, &of, &ignored) != TD_OK) {
        if (!self->has_logged_full)
            td_log_emit(self->options.log, TD_LOG_WARNING,
                        "further paths that are in no family are recorded as %s; the events of "
                        "their connections have the URLs",
                        self->feeds[others_of(self)].name);
        self->has_logged_full = 1;
        return others_of(self);
    }
    add_feed(self, of);
    log_raw(self, path, (uint16_t)(self->count - 1), several);
    return (uint16_t)(self->count - 1);
}

/* ---- the choice ---- */

/* 1 if all names that follow a family's path in a URL are topics of it, or keys. */
static int has_topics(tap_routes *self, const family *of, const char *url)
{
    unsigned accesses;
    dialect_request request;
    topic_match match;
    const td_bytes path = td_url_split(td_bytes_str(url)).path;
    const char *own = family_find_path(of, path, &accesses);
    int are_topics =
        own != NULL && request_of_url(self->parser, of->dialect, family_path_names(own, path),
                                      NO_QUERY, &request, NULL) == TD_OK;
    for (size_t i = 0; are_topics && i < request.arg_count; i++)
        are_topics =
            topic_match_text(of->topics, of->topic_count, request.args[i], TOPIC_NOW, &match);
    return are_topics;
}

/* 1 if the names that follow a family's path are topics of its exchange: at an unknown host, the
 * path of another exchange may begin like this one's. */
static int has_exchange_topics(tap_routes *self, const family *of, const char *url)
{
    int found = 0;
    for (size_t i = 0; !found && i < self->described; i++)
        found = self->feeds[i].family->exchange == of->exchange &&
                has_topics(self, self->feeds[i].family, url);
    return found;
}

static void add_several(char *names, const family *of)
{
    const size_t used = strlen(names);
    (void)snprintf(names + used, NAMES_SHOWN_BYTES - used, "%s%s", used == 0 ? "" : ", ",
                   of->name); /* cut if too long */
}

/* How well a family fits a URL: one that the user names fits best, whatever names follow its path
 * (Binance's clients connect to /ws/0, and request topics then). */
static unsigned rank_of(tap_routes *self, const family *of, const char *url)
{
    const family_fit fit = family_fit_url(of, td_bytes_str(url));
    if (is_given(self, of))
        return fit == FIT_NONE ? 0 : (unsigned)fit + FIT_HOST + 1;
    return fit == FIT_PATH_NAMES && !has_exchange_topics(self, of, url) ? 0 : (unsigned)fit;
}

uint16_t tap_routes_find(tap_routes *self, const char *url)
{
    char redacted[LIMIT_URL_BYTES], several[NAMES_SHOWN_BYTES] = "";
    unsigned best = 0;
    size_t found = 0, count = 0;
    (void)td_url_redacted(url, redacted, sizeof redacted);
    for (size_t i = 0; i < self->described; i++) {
        const unsigned rank = rank_of(self, self->feeds[i].family, redacted);
        if (rank == 0 || rank < best)
            continue;
        if (rank > best) {
            best = rank;
            found = i;
            count = 0;
            several[0] = '\0';
        }
        count++;
        add_several(several, self->feeds[i].family);
    }
    if (count == 1)
        return (uint16_t)found;
    return find_raw(self, td_url_split(td_bytes_str(redacted)).path, several);
}

/* Return the first component of a path: "/v5". */
static td_bytes first_segment(td_bytes path)
{
    const uint8_t *end = path.size < 2 ? NULL : memchr(path.data + 1, '/', path.size - 1);
    return td_bytes_of(path.data, end == NULL ? path.size : (size_t)(end - path.data));
}

uint16_t tap_routes_find_http(const tap_routes *self, td_bytes path)
{
    const td_bytes first = first_segment(path);
    for (size_t i = 0; i < self->described; i++) {
        const family *at = self->feeds[i].family;
        for (size_t k = 0; k < FAMILY_ENDPOINTS_MAX && at->endpoints[k].url != NULL; k++)
            if (td_bytes_equal(first_segment(td_bytes_str(family_url_path(at->endpoints[k].url))),
                               first))
                return (uint16_t)i;
    }
    return self->knows_exchange ? 0 : others_of(self);
}

/* ---- opening ---- */

td_result tap_routes_open(const tap_routes_options *options, tap_routes **out, td_err *err)
{
    tap_routes *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->host = td_url_split(td_bytes_str(options->upstream)).host;
    self->parser = dialect_parser_open();
    td_result rc = check_given(self, err);
    if (rc == TD_OK)
        rc = find_families(self, err);
    if (rc == TD_OK) {
        find_raw_topic(self);
        rc = open_others(self, err);
    }
    if (rc != TD_OK) {
        tap_routes_close(self);
        return rc;
    }
    self->raw_max = LIMIT_FEEDS - self->count;
    self->raw_max = self->raw_max < ROUTES_RAW_MAX ? self->raw_max : ROUTES_RAW_MAX;
    *out = self;
    return TD_OK;
}

const pipeline_feed *tap_routes_feeds(const tap_routes *self, size_t *count)
{
    *count = self->count;
    return self->feeds;
}

int tap_routes_is_raw(const tap_routes *self, uint16_t feed_index)
{
    return feed_index >= self->described;
}

void tap_routes_close(tap_routes *self)
{
    if (self == NULL)
        return;
    dialect_parser_close(self->parser);
    td_free(self);
}
