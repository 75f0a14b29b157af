#include "recorder/config.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/suggest.h"
#include "base/url.h"
#include "capture/channel_router.h"
#include "format/segment_name.h"
#include "recorder/free_space.h"
#include "recorder/subscription.h"
#include "schema/dialect.h"

#define EVERY_DEFAULT_NS (UINT64_C(3600) * TD_NS_PER_S)

/* libyaml's document is read directly: its nodes know their lines, so that an unknown key, a wrong
 * value and a fault that only shows when the whole is checked can all be named by file and line. */
typedef struct config_file {
    char *path;
    yaml_document_t document;
} config_file;

/* A file of LIMIT_FEEDS feeds is far smaller. */
enum { CONFIG_FILE_BYTES_MAX = 1 << 20, CONFIG_KEY_BYTES = 64, CONFIG_KEYS_MAX = 40 };

/* Keys of a mapping, and the struct that their offsets refer to. */
typedef struct key_table {
    const option_row *rows;
    size_t row_count;
    void *target;
    const char *nested; /* a key that the caller reads itself: a list of mappings; NULL: none */
} key_table;

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

/* ---- a configuration file ---- */

static void close_file(config_file *file)
{
    if (file == NULL)
        return;
    yaml_document_delete(&file->document);
    td_free(file->path);
    td_free(file);
}

void config_fini(recorder_config *config)
{
    close_file(config->file);
    config_init(config);
}

static const char *scalar_text(const yaml_node_t *node)
{
    TD_ASSERT(node->type == YAML_SCALAR_NODE);
    return (const char *)node->data.scalar.value;
}

static td_result blame_node(const config_file *file, const yaml_node_t *node, td_result code,
                            td_err *err)
{
    return td_err_add(err, code, "%s:%zu", file->path, node->start_mark.line + 1);
}

/* The key of a row in a file: '_' for '-', and lists in the plural. */
static void file_key(const option_row *row, char out[CONFIG_KEY_BYTES])
{
    snprintf(out, CONFIG_KEY_BYTES, "%s%s", row->long_name, row->type == OPTION_LIST ? "s" : "");
    for (char *c = out; *c != '\0'; c++) {
        if (*c == '-')
            *c = '_';
    }
    if (strcmp(out, "feed") == 0)
        snprintf(out, CONFIG_KEY_BYTES, "name");
}

static const option_row *find_row(const key_table *table, const char *key)
{
    char name[CONFIG_KEY_BYTES];
    for (size_t i = 0; i < table->row_count; i++) {
        file_key(&table->rows[i], name);
        if (strcmp(name, key) == 0)
            return &table->rows[i];
    }
    return NULL;
}

static td_result unknown_key(const key_table *table, const char *key, td_err *err)
{
    char known[TD_ERR_HINT_BYTES * 2] = "";
    char names[CONFIG_KEYS_MAX][CONFIG_KEY_BYTES];
    suggest_search search = {.written = td_bytes_str(key)};
    TD_ASSERT(table->row_count <= CONFIG_KEYS_MAX);
    size_t used = 0;
    for (size_t i = 0; i < table->row_count; i++) {
        file_key(&table->rows[i], names[i]);
        suggest_offer(&search, names[i]);
        int length =
            snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", names[i]);
        TD_ASSERT(length > 0);
        TD_ASSERT((size_t)length < sizeof known - used);
        used += (size_t)length;
    }
    if (table->nested != NULL)
        suggest_offer(&search, table->nested);
    td_err_set(err, TD_E_INVALID, "unknown key '%s'; allowed are: %s%s%s", key, known,
               table->nested == NULL ? "" : ", ", table->nested == NULL ? "" : table->nested);
    char similar[128];
    suggest_format(&search, similar, sizeof similar);
    if (search.count > 0)
        td_err_hint(err, "%s", similar);
    return TD_E_INVALID;
}

static td_result set_flag(const option_row *row, const char *text, void *target, td_err *err)
{
    static const char *const YES[] = {"true", "yes", "on"};
    static const char *const NO[] = {"false", "no", "off"};
    uint8_t *flag = (uint8_t *)target + row->offset;
    for (size_t i = 0; i < sizeof YES / sizeof YES[0]; i++) {
        if (strcmp(text, YES[i]) == 0 || strcmp(text, NO[i]) == 0) {
            *flag = strcmp(text, YES[i]) == 0;
            return TD_OK;
        }
    }
    return td_err_set(err, TD_E_INVALID, "'%s' is neither true nor false", text);
}

static td_result set_scalar(const option_row *row, const yaml_node_t *node, void *target,
                            td_err *err)
{
    if (row->type == OPTION_FLAG)
        return set_flag(row, scalar_text(node), target, err);
    return options_set_value(row, scalar_text(node), 0, (uint8_t *)target + row->offset, err);
}

static td_result set_list(const config_file *file, const option_row *row, const yaml_node_t *node,
                          void *target, td_err *err)
{
    yaml_document_t *document = (yaml_document_t *)&file->document;
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        const yaml_node_t *entry = yaml_document_get_node(document, *item);
        td_result rc =
            entry->type == YAML_SCALAR_NODE
                ? options_set_value(row, scalar_text(entry), 0, (uint8_t *)target + row->offset,
                                    err)
                : td_err_set(err, TD_E_INVALID, "an entry of the list is not plain text");
        if (rc != TD_OK)
            return blame_node(file, entry, rc, err);
    }
    return TD_OK;
}

static td_result set_value(const config_file *file, const option_row *row, const yaml_node_t *key,
                           const yaml_node_t *value, void *target, td_err *err)
{
    TD_ASSERT(row != NULL);
    if (value->type == YAML_SEQUENCE_NODE && row->type == OPTION_LIST)
        return set_list(file, row, value, target, err);
    td_result rc = TD_E_INVALID;
    if (value->type != YAML_SCALAR_NODE)
        td_err_set(err, TD_E_INVALID, "a %s is given where %s is expected",
                   value->type == YAML_SEQUENCE_NODE ? "list" : "mapping",
                   row->type == OPTION_LIST ? "a list of plain texts" : "one plain value");
    else
        rc = set_scalar(row, value, target, err);
    if (rc == TD_OK)
        return TD_OK;
    rc = td_err_add(err, rc, "%s", scalar_text(key));
    return blame_node(file, value, rc, err);
}

/* Read one mapping into a table, except the nested key. */
static td_result read_mapping(const config_file *file, const yaml_node_t *mapping,
                              const key_table *table, td_err *err)
{
    yaml_document_t *document = (yaml_document_t *)&file->document;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(document, pair->value);
        if (key->type != YAML_SCALAR_NODE)
            return blame_node(file, key, td_err_set(err, TD_E_INVALID, "a key is not plain text"),
                              err);
        int is_nested = table->nested != NULL && strcmp(scalar_text(key), table->nested) == 0;
        const option_row *row = find_row(table, scalar_text(key));
        td_result rc =
            row == NULL && !is_nested ? unknown_key(table, scalar_text(key), err) : TD_OK;
        if (rc != TD_OK)
            return blame_node(file, key, rc, err);
        for (const yaml_node_pair_t *earlier = mapping->data.mapping.pairs.start; earlier < pair;
             earlier++) {
            const yaml_node_t *other = yaml_document_get_node(document, earlier->key);
            if (strcmp(scalar_text(other), scalar_text(key)) == 0)
                return blame_node(file, key,
                                  td_err_set(err, TD_E_INVALID,
                                             "'%s' is given twice (first in line %zu)",
                                             scalar_text(key), other->start_mark.line + 1),
                                  err);
        }
        if (!is_nested)
            rc = set_value(file, row, key, value, table->target, err);
        if (rc != TD_OK)
            return rc;
    }
    return TD_OK;
}

static const yaml_node_t *mapping_value(const config_file *file, const yaml_node_t *mapping,
                                        const char *wanted)
{
    yaml_document_t *document = (yaml_document_t *)&file->document;
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(document, pair->key);
        if (key->type == YAML_SCALAR_NODE && strcmp(scalar_text(key), wanted) == 0)
            return yaml_document_get_node(document, pair->value);
    }
    return NULL;
}

/* Entry index of a list, or NULL. */
static const yaml_node_t *list_entry(const config_file *file, const yaml_node_t *list, size_t index)
{
    if (list == NULL || list->type != YAML_SEQUENCE_NODE)
        return NULL;
    size_t count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
    return index < count ? yaml_document_get_node((yaml_document_t *)&file->document,
                                                  list->data.sequence.items.start[index])
                         : NULL;
}

static const yaml_node_t *feed_node(const config_file *file, size_t index)
{
    const yaml_node_t *root = yaml_document_get_root_node((yaml_document_t *)&file->document);
    return list_entry(file, mapping_value(file, root, "feeds"), index);
}

/* Where in its file a feed (index from 0) or, with NO_FEED, the recorder's part has a key: puts
 * "file:line: " before err's text. key NULL: the feed itself. */
static td_result blame_key(const config_file *file, size_t feed_index, const char *key,
                           td_result code, td_err *err)
{
    yaml_document_t *document = (yaml_document_t *)&file->document;
    const yaml_node_t *node =
        feed_index == NO_FEED ? yaml_document_get_root_node(document) : feed_node(file, feed_index);
    const yaml_node_t *value = NULL;
    size_t row_count;
    const option_row *rows = config_feed_rows(&row_count);
    for (size_t i = 0; key != NULL && i < row_count && value == NULL; i++) {
        char name[CONFIG_KEY_BYTES];
        file_key(&rows[i], name);
        if (strcmp(rows[i].long_name, key) == 0)
            value = mapping_value(file, node, name);
    }
    if (value == NULL && key != NULL && strcmp(key, "http") == 0)
        value = mapping_value(file, node, "http");
    if (value != NULL)
        node = value;
    if (node == NULL)
        return td_err_add(err, code, "%s", file->path);
    return blame_node(file, node, code, err);
}

/* A list of mappings, and how many may be in it. */
typedef struct nested_list {
    const char *what; /* "'feeds' must be a list of …" */
    const char *each; /* "a feed must be keys with values, such as …" */
    size_t count_max;
    const char *plural;
} nested_list;

/* The entries of a nested list: *count of them, each a mapping. */
static td_result check_list(const config_file *file, const yaml_node_t *list,
                            const yaml_node_t *blamed, const nested_list *wanted, size_t *count,
                            td_err *err)
{
    if (list == NULL || list->type != YAML_SEQUENCE_NODE)
        return blame_node(file, list == NULL ? blamed : list,
                          td_err_set(err, TD_E_INVALID, "%s", wanted->what), err);
    *count = (size_t)(list->data.sequence.items.top - list->data.sequence.items.start);
    if (*count > wanted->count_max)
        return blame_node(file, list,
                          td_err_set(err, TD_E_LIMIT, "%zu %s: at most %zu are allowed", *count,
                                     wanted->plural, wanted->count_max),
                          err);
    for (size_t i = 0; i < *count; i++) {
        const yaml_node_t *entry = list_entry(file, list, i);
        TD_ASSERT(entry != NULL);
        if (entry->type != YAML_MAPPING_NODE)
            return blame_node(file, entry, td_err_set(err, TD_E_INVALID, "%s", wanted->each), err);
    }
    return TD_OK;
}

static td_result read_http(feed_config *feed, const config_file *file, const yaml_node_t *node,
                           td_err *err)
{
    static const nested_list WANTED = {
        .what = "'http' must be a list of requests, each with name and url",
        .each = "an HTTP request must be keys with values: name, url, every",
        .count_max = LIMIT_FEED_HTTP,
        .plural = "HTTP requests",
    };
    const yaml_node_t *list = mapping_value(file, node, "http");
    if (list == NULL)
        return TD_OK;
    size_t count;
    td_result rc = check_list(file, list, node, &WANTED, &count, err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        key_table table = {.target = &feed->http[i]};
        table.rows = config_http_rows(&table.row_count);
        rc = read_mapping(file, list_entry(file, list, i), &table, err);
        feed->http_count = i + 1;
    }
    return rc;
}

static td_result read_feeds(recorder_config *config, const config_file *file, td_err *err)
{
    static const nested_list WANTED = {
        .what = "'feeds' must be a list of feeds, each with family and topics",
        .each = "a feed must be keys with values, such as family: inverse",
        .count_max = LIMIT_FEEDS,
        .plural = "feeds",
    };
    const yaml_node_t *root = yaml_document_get_root_node((yaml_document_t *)&file->document);
    size_t count;
    td_result rc = check_list(file, mapping_value(file, root, "feeds"), root, &WANTED, &count, err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        const yaml_node_t *node = feed_node(file, i);
        feed_config *feed = &config->feeds[i];
        config_feed_init(feed);
        key_table table = {.target = feed, .nested = "http"};
        table.rows = config_feed_rows(&table.row_count);
        rc = read_mapping(file, node, &table, err);
        if (rc == TD_OK)
            rc = read_http(feed, file, node, err);
        config->feed_count = i + 1;
    }
    return rc;
}

static td_result read_document(recorder_config *config, const config_file *file, td_err *err)
{
    const yaml_node_t *root = yaml_document_get_root_node((yaml_document_t *)&file->document);
    if (root == NULL)
        return td_err_set(err, TD_E_INVALID, "%s: the file is empty: it needs at least 'feeds'",
                          file->path);
    if (root->type != YAML_MAPPING_NODE)
        return blame_node(file, root,
                          td_err_set(err, TD_E_INVALID,
                                     "the file must hold keys with values, such as feeds: [...]"),
                          err);
    key_table table = {.target = config, .nested = "feeds"};
    table.rows = config_recorder_rows(&table.row_count);
    td_result rc = read_mapping(file, root, &table, err);
    return rc == TD_OK ? read_feeds(config, file, err) : rc;
}

static td_result parse(config_file *file, const uint8_t *bytes, size_t size, td_err *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        td_out_of_memory(0);
    yaml_parser_set_input_string(&parser, bytes, size);
    td_result rc = TD_OK;
    if (!yaml_parser_load(&parser, &file->document)) {
        rc = td_err_set(
            err, TD_E_INVALID, "%s:%zu: %s%s%s", file->path, parser.problem_mark.line + 1,
            parser.problem != NULL ? parser.problem : "no valid YAML",
            parser.context != NULL ? ", " : "", parser.context != NULL ? parser.context : "");
        memset(&file->document, 0, sizeof file->document);
    }
    yaml_parser_delete(&parser);
    return rc;
}

td_result config_load(recorder_config *config, td_io io, const char *path, td_err *err)
{
    TD_ASSERT(config->file == NULL);
    uint8_t *bytes = NULL;
    size_t size = 0;
    td_result rc = td_io_read_file(io, path, CONFIG_FILE_BYTES_MAX, &bytes, &size, err);
    if (rc != TD_OK)
        rc = td_err_add(err, rc, "cannot read configuration '%s'", path);
    if (rc == TD_OK) {
        config->file = td_alloc_zero(1, sizeof *config->file);
        config->file->path = td_strdup(path);
    }
    if (rc == TD_OK)
        rc = parse(config->file, bytes, size, err);
    if (rc == TD_OK)
        rc = read_document(config, config->file, err);
    td_free(bytes);
    return rc;
}

td_result config_blame(const recorder_config *config, size_t feed_index, const char *key,
                       td_result code, td_err *err)
{
    return config->file == NULL ? code : blame_key(config->file, feed_index, key, code, err);
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
