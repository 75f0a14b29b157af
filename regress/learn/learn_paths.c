#include "regress/learn/learn_paths.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "base/time_text.h"

enum { DEPTH_MAX = 8 };

const char *path_key(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot == NULL ? path : dot + 1;
}

size_t path_list(const char *path)
{
    const char *end = NULL;
    for (const char *at = strstr(path, "[]"); at != NULL; at = strstr(at + 2, "[]"))
        end = at + 2;
    return end == NULL ? 0 : (size_t)(end - path);
}

const char *path_plain(const char *path, char out[LEARN_PATH_BYTES])
{
    size_t size = 0;
    for (; *path != '\0' && size < LEARN_PATH_BYTES - 1; path++)
        if (*path != '[' && *path != ']')
            out[size++] = *path;
    out[size] = '\0';
    return size == 0 ? "." : out;
}

/* ---- the table ---- */

static path_stat *find(const path_table *table, const char *path)
{
    for (size_t i = 0; i < table->count; i++) {
        TD_ASSERT(table->at[i] != NULL);
        if (strcmp(table->at[i]->path, path) == 0)
            return table->at[i];
    }
    return NULL;
}

const path_stat *path_table_find(const path_table *table, const char *path)
{
    return find(table, path);
}

/* Find or add a path; NULL: there are too many. */
static path_stat *get(path_table *table, const char *path)
{
    path_stat *expected = table->next < table->count ? table->at[table->next] : NULL;
    path_stat *known =
        expected != NULL && strcmp(expected->path, path) == 0 ? expected : find(table, path);
    if (known == NULL && table->count == LEARN_PATHS_MAX)
        return NULL;
    if (known == NULL) {
        known = td_arena_alloc(table->memory, sizeof *known);
        *known = (path_stat){.path = td_arena_text(table->memory, td_bytes_str(path)),
                             .digits_min = UINT32_MAX};
        table->next = table->count;
        table->at[table->count++] = known;
    }
    table->next += known == expected;
    return known;
}

/* ---- values ---- */

static void note_number(path_stat *stat, td_decimal value, td_bytes text)
{
    const uint8_t *point = text.size == 0 ? NULL : memchr(text.data, '.', text.size);
    const size_t digits = point == NULL ? text.size : (size_t)(point - text.data);
    stat->whole += point == NULL;
    stat->decimal += point != NULL;
    stat->zeros += value.mantissa == 0;
    stat->digits_min = digits < stat->digits_min ? (uint32_t)digits : stat->digits_min;
    stat->digits_max = digits > stat->digits_max ? (uint32_t)digits : stat->digits_max;
}

static void note_word(path_table *table, path_stat *stat, td_bytes text)
{
    for (size_t i = 0; i < stat->word_count; i++)
        if (td_bytes_is(text, stat->words[i]))
            return;
    if (stat->word_count == LEARN_WORDS_MAX || text.size > LEARN_WORD_BYTES_MAX)
        stat->has_more_words = 1;
    else
        stat->words[stat->word_count++] = td_arena_text(table->memory, text);
}

static void note_scalar(path_table *table, path_stat *stat, json_value value)
{
    const json_type type = json_type_of(value);
    td_bytes text = json_raw(value);
    td_decimal number;
    uint64_t ns;
    stat->texts += type == JSON_STRING;
    stat->numbers += type == JSON_NUMBER;
    stat->bools += type == JSON_BOOL;
    if (type == JSON_STRING && json_text(value, &text))
        note_word(table, stat, text);
    if (type == JSON_STRING && text.size > 10 && text.data[4] == '-')
        stat->rfc3339 += td_time_parse_rfc3339(text, &ns, NULL) == TD_OK;
    if ((type == JSON_NUMBER || type == JSON_STRING) && text.size > 0 &&
        td_decimal_parse(text, &number, NULL) == TD_OK)
        note_number(stat, number, text);
}

static void add_value(path_table *table, char *path, size_t size, json_value value, unsigned depth);

/* Add a member or element under its path, which is path[0..size) and the text. */
static void add_below(path_table *table, char *path, size_t size, const char *joint, td_bytes name,
                      json_value value, unsigned depth)
{
    const int more = snprintf(path + size, LEARN_PATH_BYTES - size, "%s%.*s", joint, (int)name.size,
                              name.size == 0 ? "" : (const char *)name.data);
    if (more > 0 && (size_t)more < LEARN_PATH_BYTES - size && depth < DEPTH_MAX)
        add_value(table, path, size + (size_t)more, value, depth + 1);
    path[size] = '\0';
}

/* 1 if a list has entries: objects, or lists. Other lists are values. */
static int has_entries(json_value list)
{
    json_value first;
    json_iter it = json_iter_of(list);
    return json_next(&it, NULL, &first) && json_type_of(first) >= JSON_ARRAY;
}

static void add_list(path_table *table, char *path, size_t size, json_value list, unsigned depth)
{
    json_value element, inner;
    size_t seen = 0;
    for (json_iter it = json_iter_of(list);
         seen < LEARN_ELEMENTS_MAX && json_next(&it, NULL, &element); seen++) {
        const int is_list = json_type_of(element) == JSON_ARRAY;
        size_t position = 0;
        memcpy(path + size, "[]", 3);
        if (!is_list)
            add_value(table, path, size + 2, element, depth + 1);
        for (json_iter in = json_iter_of(element); is_list && json_next(&in, NULL, &inner);) {
            char name[24];
            (void)snprintf(name, sizeof name, "%zu", position++); /* fits */
            add_below(table, path, size + 2, ".", td_bytes_str(name), inner, depth);
        }
        path[size] = '\0';
    }
}

static void add_value(path_table *table, char *path, size_t size, json_value value, unsigned depth)
{
    const json_type type = json_type_of(value);
    path_stat *stat = size == 0 ? NULL : get(table, path);
    if (stat != NULL) {
        stat->values++;
        stat->frames += stat->last_frame != table->frames;
        stat->last_frame = table->frames;
        stat->containers += type >= JSON_ARRAY;
        note_scalar(table, stat, value);
    }
    json_value key, element;
    td_bytes name;
    if (type == JSON_ARRAY && has_entries(value) && size + 3 < LEARN_PATH_BYTES)
        add_list(table, path, size, value, depth);
    for (json_iter it = json_iter_of(value); type == JSON_OBJECT && json_next(&it, &key, &element);)
        if (json_text(key, &name))
            add_below(table, path, size, size == 0 ? "" : ".", name, element, depth);
}

void path_table_add(path_table *table, json_value frame)
{
    char path[LEARN_PATH_BYTES] = "";
    table->frames++;
    table->next = 0;
    add_value(table, path, 0, frame, 0);
}
