#include "base/cli/settings_file.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/suggest.h"

enum { KEY_BYTES = 64 };

struct settings_file {
    char *path;
    yaml_document_t document;
};

/* ---- values ---- */

static setting value_of(const settings_file *file, int index)
{
    return (setting){file, yaml_document_get_node((yaml_document_t *)&file->document, index)};
}

static int is_text(setting value)
{
    return value.node != NULL && value.node->type == YAML_SCALAR_NODE;
}

static const char *text_of(setting value)
{
    TD_ASSERT(is_text(value));
    return (const char *)value.node->data.scalar.value;
}

setting settings_root(const settings_file *file)
{
    return (setting){file, yaml_document_get_root_node((yaml_document_t *)&file->document)};
}

setting settings_entry(setting list, size_t index)
{
    if (list.node == NULL || list.node->type != YAML_SEQUENCE_NODE)
        return (setting){list.file, NULL};
    const yaml_node_item_t *start = list.node->data.sequence.items.start;
    size_t count = (size_t)(list.node->data.sequence.items.top - start);
    return index < count ? value_of(list.file, start[index]) : (setting){list.file, NULL};
}

/* The value of a key; the key must be spelt exactly as in the file. */
static setting find_key(setting mapping, const char *key)
{
    if (mapping.node == NULL || mapping.node->type != YAML_MAPPING_NODE)
        return (setting){mapping.file, NULL};
    for (const yaml_node_pair_t *pair = mapping.node->data.mapping.pairs.start;
         pair < mapping.node->data.mapping.pairs.top; pair++) {
        setting name = value_of(mapping.file, pair->key);
        if (is_text(name) && strcmp(text_of(name), key) == 0)
            return value_of(mapping.file, pair->value);
    }
    return (setting){mapping.file, NULL};
}

td_result settings_err_add(setting value, td_result code, td_err *err)
{
    if (value.node == NULL)
        return td_err_add(err, code, "%s", value.file->path);
    return td_err_add(err, code, "%s:%zu", value.file->path, value.node->start_mark.line + 1);
}

/* ---- keys ---- */

static void key_of(const settings_keys *keys, const option_row *row, char out[KEY_BYTES])
{
    for (size_t i = 0; i < 4 && keys->renamed[i] != NULL; i += 2)
        if (strcmp(row->long_name, keys->renamed[i]) == 0) {
            (void)snprintf(out, KEY_BYTES, "%s", keys->renamed[i + 1]); /* rows are short */
            return;
        }
    (void)snprintf(out, KEY_BYTES, "%s%s", row->long_name, row->type == OPTION_LIST ? "s" : "");
    for (char *c = out; *c != '\0'; c++)
        if (*c == '-')
            *c = '_';
}

static const option_row *find_row(const settings_keys *keys, const char *key)
{
    char name[KEY_BYTES];
    for (size_t i = 0; i < keys->row_count; i++) {
        key_of(keys, &keys->rows[i], name);
        if (strcmp(name, key) == 0)
            return &keys->rows[i];
    }
    return NULL;
}

setting settings_find(setting mapping, const settings_keys *keys, const char *name)
{
    char key[KEY_BYTES];
    for (size_t i = 0; i < keys->row_count; i++) {
        if (strcmp(keys->rows[i].long_name, name) != 0)
            continue;
        key_of(keys, &keys->rows[i], key);
        return find_key(mapping, key);
    }
    return find_key(mapping, name);
}

static td_result unknown_key(const settings_keys *keys, const char *key, td_err *err)
{
    enum { KEYS_MAX = 40 };
    char names[KEYS_MAX][KEY_BYTES];
    char similar[128];
    suggest_search search = {.written = td_bytes_str(key)};
    TD_ASSERT(keys->row_count <= KEYS_MAX);
    for (size_t i = 0; i < keys->row_count; i++) {
        key_of(keys, &keys->rows[i], names[i]);
        suggest_offer(&search, names[i]);
    }
    if (keys->nested != NULL)
        suggest_offer(&search, keys->nested);
    td_err_set(err, TD_E_INVALID, "unknown key '%s'", key);
    suggest_format(&search, similar, sizeof similar);
    if (search.name != NULL)
        td_err_hint(err, "%s", similar);
    else
        td_err_hint(err, "keys are the verb's options with '_' for '-': --help lists them");
    return TD_E_INVALID;
}

/* ---- reading ---- */

static td_result set_flag(const char *text, uint8_t *flag, td_err *err)
{
    *flag = strcmp(text, "true") == 0;
    if (*flag || strcmp(text, "false") == 0)
        return TD_OK;
    return td_err_set(err, TD_E_INVALID, "'%s' is neither true nor false", text);
}

static td_result set_list(const option_row *row, setting list, void *out, td_err *err)
{
    setting entry;
    for (size_t i = 0; (entry = settings_entry(list, i)).node != NULL; i++) {
        td_result rc = is_text(entry) ? options_set_value(row, text_of(entry), 0, out, err)
                                      : td_err_set(err, TD_E_INVALID,
                                                   "an entry of the list is not plain text");
        if (rc != TD_OK)
            return settings_err_add(entry, rc, err);
    }
    return TD_OK;
}

static td_result set_value(const option_row *row, setting key, setting value, void *target,
                           td_err *err)
{
    TD_ASSERT(row != NULL);
    TD_ASSERT(value.node != NULL);
    uint8_t *out = (uint8_t *)target + row->offset;
    if (value.node->type == YAML_SEQUENCE_NODE && row->type == OPTION_LIST)
        return set_list(row, value, out, err);
    td_result rc;
    if (!is_text(value))
        rc = td_err_set(err, TD_E_INVALID, "found a %s, expected %s",
                        value.node->type == YAML_SEQUENCE_NODE ? "list" : "mapping",
                        row->type == OPTION_LIST ? "a list of plain texts" : "one plain value");
    else if (row->type == OPTION_FLAG)
        rc = set_flag(text_of(value), out, err);
    else
        rc = options_set_value(row, text_of(value), 0, out, err);
    if (rc == TD_OK)
        return TD_OK;
    rc = td_err_add(err, rc, "%s", text_of(key));
    return settings_err_add(value, rc, err);
}

td_result settings_read(setting mapping, const settings_keys *keys, void *target, td_err *err)
{
    td_result rc = TD_OK;
    if (mapping.node == NULL || mapping.node->type != YAML_MAPPING_NODE) {
        rc = td_err_set(err, TD_E_INVALID, "expected keys with values, such as %s", keys->example);
        return settings_err_add(mapping, rc, err);
    }
    for (const yaml_node_pair_t *pair = mapping.node->data.mapping.pairs.start;
         rc == TD_OK && pair < mapping.node->data.mapping.pairs.top; pair++) {
        setting key = value_of(mapping.file, pair->key);
        if (!is_text(key)) {
            rc = td_err_set(err, TD_E_INVALID, "a key is not plain text");
            return settings_err_add(key, rc, err);
        }
        int is_nested = keys->nested != NULL && strcmp(text_of(key), keys->nested) == 0;
        const option_row *row = find_row(keys, text_of(key));
        setting value = find_key(mapping, text_of(key));
        if (row == NULL && !is_nested)
            rc = unknown_key(keys, text_of(key), err);
        else if (value.node != value_of(mapping.file, pair->value).node)
            rc = td_err_set(err, TD_E_INVALID, "'%s' is given twice", text_of(key));
        if (rc != TD_OK)
            return settings_err_add(key, rc, err);
        if (!is_nested)
            rc = set_value(row, key, value, target, err);
    }
    return rc;
}

/* ---- files ---- */

static td_result parse(settings_file *file, const uint8_t *bytes, size_t size, td_err *err)
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

td_result settings_file_open(td_io io, const char *path, size_t bytes_max, settings_file **out,
                             td_err *err)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    td_result rc = td_io_read_file(io, path, bytes_max, &bytes, &size, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "cannot read '%s'", path);
    settings_file *file = td_alloc_zero(1, sizeof *file);
    file->path = td_strdup(path);
    rc = parse(file, bytes, size, err);
    td_free(bytes);
    if (rc == TD_OK)
        *out = file;
    else
        settings_file_close(file);
    return rc;
}

void settings_file_close(settings_file *file)
{
    if (file == NULL)
        return;
    yaml_document_delete(&file->document);
    td_free(file->path);
    td_free(file);
}
