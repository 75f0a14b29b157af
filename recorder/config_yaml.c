#include "recorder/config_impl.h"

#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/near.h"

/* libyaml's document is read directly: its nodes know their lines, so that an unknown key, a wrong
 * value and a fault that only shows when the whole is checked can all be named by file and line. */
struct config_file {
    char *path;
    yaml_document_t document;
};

/* A configuration of this size has thousands of feeds too many. */
enum { CONFIG_FILE_BYTES_MAX = 1 << 20, CONFIG_KEY_BYTES = 64, CONFIG_KEYS_MAX = 40 };

/* What a mapping is read into: rows and the struct that their offsets point into. */
typedef struct key_table {
    const option_row *rows;
    size_t row_count;
    void *target;
    const char *nested; /* a key that the caller reads itself: a list of mappings; NULL: none */
} key_table;

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
    near_search near = {.written = td_bytes_str(key)};
    TD_ASSERT(table->row_count <= CONFIG_KEYS_MAX);
    size_t used = 0;
    for (size_t i = 0; i < table->row_count; i++) {
        file_key(&table->rows[i], names[i]);
        near_offer(&near, names[i]);
        int length =
            snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", names[i]);
        TD_ASSERT(length > 0);
        TD_ASSERT((size_t)length < sizeof known - used);
        used += (size_t)length;
    }
    if (table->nested != NULL)
        near_offer(&near, table->nested);
    td_err_set(err, TD_E_INVALID, "unknown key '%s'; allowed are: %s%s%s", key, known,
               table->nested == NULL ? "" : ", ", table->nested == NULL ? "" : table->nested);
    char similar[128];
    near_format(&near, similar, sizeof similar);
    if (near.count > 0)
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
        td_result rc = entry->type == YAML_SCALAR_NODE
                           ? options_set_value(row, scalar_text(entry), 0,
                                               (uint8_t *)target + row->offset, err)
                           : td_err_set(err, TD_E_INVALID, "an entry of the list is no plain text");
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
        td_err_set(err, TD_E_INVALID, "a %s stands where %s is expected",
                   value->type == YAML_SEQUENCE_NODE ? "list" : "mapping",
                   row->type == OPTION_LIST ? "a list of plain texts" : "one plain value");
    else
        rc = set_scalar(row, value, target, err);
    if (rc == TD_OK)
        return TD_OK;
    rc = td_err_add(err, rc, "%s", scalar_text(key));
    return blame_node(file, value, rc, err);
}

/* Read one mapping into a table, but for what is nested in it. */
static td_result read_mapping(const config_file *file, const yaml_node_t *mapping,
                              const key_table *table, td_err *err)
{
    yaml_document_t *document = (yaml_document_t *)&file->document;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(document, pair->value);
        if (key->type != YAML_SCALAR_NODE)
            return blame_node(file, key, td_err_set(err, TD_E_INVALID, "a key is no plain text"),
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
                                             "'%s' stands twice (first in line %zu)",
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

td_result config_file_blame(const config_file *file, size_t feed_index, const char *key,
                            td_result code, td_err *err)
{
    yaml_document_t *document = (yaml_document_t *)&file->document;
    const yaml_node_t *node = feed_index == CONFIG_NO_FEED ? yaml_document_get_root_node(document)
                                                           : feed_node(file, feed_index);
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
        return td_err_set(err, TD_E_NOMEM, "no memory to read %s", file->path);
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
        if (config->file == NULL || (config->file->path = td_strdup(path)) == NULL)
            rc = td_err_set(err, TD_E_NOMEM, "no memory for a configuration");
    }
    if (rc == TD_OK)
        rc = parse(config->file, bytes, size, err);
    if (rc == TD_OK)
        rc = read_document(config, config->file, err);
    td_free(bytes);
    return rc;
}

void config_file_close(config_file *file)
{
    if (file == NULL)
        return;
    yaml_document_delete(&file->document);
    td_free(file->path);
    td_free(file);
}
