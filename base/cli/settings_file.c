#include "base/cli/settings_file.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/document.h"
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
    for (size_t i = 0; i < 6 && keys->renamed[i] != NULL; i += 2)
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

/* The key of a row's long name, or the name itself if it is no row's. */
static void key_of_name(const settings_keys *keys, const char *name, char out[KEY_BYTES])
{
    (void)snprintf(out, KEY_BYTES, "%s", name); /* names are short */
    for (size_t i = 0; i < keys->row_count; i++)
        if (strcmp(keys->rows[i].long_name, name) == 0)
            key_of(keys, &keys->rows[i], out);
}

setting settings_find(setting mapping, const settings_keys *keys, const char *name)
{
    char key[KEY_BYTES];
    key_of_name(keys, name, key);
    return find_key(mapping, key);
}

td_result settings_err_add_key(setting mapping, const settings_keys *keys, const char *name,
                               td_result code, td_err *err)
{
    char key[KEY_BYTES];
    key_of_name(keys, name, key);
    setting value = find_key(mapping, key);
    code = td_err_add(err, code, "%s", key);
    return settings_err_add(value.node != NULL ? value : mapping, code, err);
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
    if (strcmp(key, "<<") == 0)
        td_err_hint(err, "write the keys out: merge keys are not supported, *ALIAS as a value is");
    else if (search.name != NULL)
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

static td_result set_list(const option_row *row, setting key, setting list, void *out, td_err *err)
{
    setting entry;
    for (size_t i = 0; (entry = settings_entry(list, i)).node != NULL; i++) {
        td_result rc = is_text(entry) ? options_set_value(row, text_of(entry), 0, out, err)
                                      : td_err_set(err, TD_E_INVALID,
                                                   "found a list or mapping in the list, expected "
                                                   "plain texts");
        if (rc != TD_OK)
            return settings_err_add(entry, td_err_add(err, rc, "%s", text_of(key)), err);
    }
    return TD_OK;
}

static const char *kind_of(setting value)
{
    switch (value.node->type) {
    case YAML_SEQUENCE_NODE:
        return "list";
    case YAML_MAPPING_NODE:
        return "mapping";
    case YAML_NO_NODE:
    case YAML_SCALAR_NODE:
    default:
        return "plain value";
    }
}

static td_result check_nested(setting key, setting value, td_err *err)
{
    TD_ASSERT(value.node != NULL);
    if (value.node->type == YAML_SEQUENCE_NODE)
        return TD_OK;
    td_result rc = td_err_set(err, TD_E_INVALID,
                              "%s: found a %s, expected a list, whose entries begin with '- '",
                              text_of(key), kind_of(value));
    return settings_err_add(value, rc, err);
}

static td_result set_value(const option_row *row, setting key, setting value, void *target,
                           td_err *err)
{
    TD_ASSERT(row != NULL);
    TD_ASSERT(value.node != NULL);
    uint8_t *out = (uint8_t *)target + row->offset;
    if (value.node->type == YAML_SEQUENCE_NODE && row->type == OPTION_LIST)
        return set_list(row, key, value, out, err);
    td_result rc;
    if (!is_text(value))
        rc = td_err_set(err, TD_E_INVALID, "found a %s, expected %s", kind_of(value),
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
            rc =
                td_err_set(err, TD_E_INVALID, "'%s' is given twice: once is allowed", text_of(key));
        if (rc != TD_OK)
            return settings_err_add(key, rc, err);
        rc = is_nested ? check_nested(key, value, err) : set_value(row, key, value, target, err);
    }
    return rc;
}

/* ---- files ---- */

/* Describe why the file cannot be parsed. */
static td_result refuse(const settings_file *file, const yaml_parser_t *parser, td_bytes text,
                        td_err *err)
{
    size_t line = parser->problem_mark.line;
    if (parser->error == YAML_READER_ERROR) { /* has an offset instead */
        line = 0;
        for (size_t i = 0; i < text.size && i < parser->problem_offset; i++)
            line += text.data[i] == '\n';
        td_err_set(err, TD_E_INVALID, "%s:%zu: %s", file->path, line + 1, parser->problem);
        td_err_hint(err, "the file must be text in UTF-8 without control characters");
        return TD_E_INVALID;
    }
    td_err_set(err, TD_E_INVALID, "%s:%zu: %s%s%s", file->path, line + 1,
               parser->problem != NULL ? parser->problem : "no valid YAML",
               parser->context != NULL ? ", " : "", parser->context != NULL ? parser->context : "");
    td_err_hint(err,
                "YAML: indent with spaces only, the keys of a mapping equally; KEY: VALUE; lists "
                "are [A, B], or lines that begin with '- '");
    return TD_E_INVALID;
}

/* Refuse a second document: its content would be ignored. */
static td_result check_end(const settings_file *file, yaml_parser_t *parser, td_bytes text,
                           td_err *err)
{
    yaml_document_t second;
    if (yaml_document_get_root_node((yaml_document_t *)&file->document) == NULL)
        return TD_OK;
    if (!yaml_parser_load(parser, &second))
        return refuse(file, parser, text, err);
    const yaml_node_t *root = yaml_document_get_root_node(&second);
    td_result rc = root == NULL ? TD_OK
                                : td_err_set(err, TD_E_INVALID,
                                             "%s:%zu: a second document ('---'): one is allowed",
                                             file->path, root->start_mark.line + 1);
    yaml_document_delete(&second);
    return rc;
}

static td_result parse(settings_file *file, td_bytes text, td_err *err)
{
    yaml_parser_t parser;
    const char *excess = document_find_excess(text);
    if (excess != NULL)
        return td_err_set(err, TD_E_INVALID, "%s: %s", file->path, excess);
    if (!yaml_parser_initialize(&parser))
        td_out_of_memory(0);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* as document_find_excess reads it */
    yaml_parser_set_input_string(&parser, text.data, text.size);
    td_result rc = TD_OK;
    if (!yaml_parser_load(&parser, &file->document)) {
        rc = refuse(file, &parser, text, err);
        memset(&file->document, 0, sizeof file->document);
    } else {
        rc = check_end(file, &parser, text, err);
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
        return td_err_add(err, rc == TD_E_LIMIT ? TD_E_INVALID : rc, "cannot read '%s'", path);
    settings_file *file = td_alloc_zero(1, sizeof *file);
    file->path = td_strdup(path);
    rc = parse(file, td_bytes_of(bytes, size), err);
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
