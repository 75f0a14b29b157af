#include "base/document.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/decimal.h"
#include "base/suggest.h"

enum { KEYS_MAX = 256, MEMBERS_MAX = 64 };

static const yaml_node_t *node_at(document_node at)
{
    return at.at;
}

size_t document_line(document_node at)
{
    return at.at == NULL ? 0 : node_at(at)->start_mark.line + 1;
}

td_result document_refuse(document_node at, const char *what, td_bytes found, td_err *err)
{
    return td_err_set(err, TD_E_INVALID, "%s.yaml:%zu: %s '%.*s'", at.of->name, document_line(at),
                      what, (int)(found.size < 80 ? found.size : 80),
                      found.data == NULL ? "" : (const char *)found.data);
}

td_result document_refuse_ignored(document_node at, const char *what, td_bytes found, td_err *err)
{
    return at.of->source == DOCUMENT_KEPT ? TD_OK : document_refuse(at, what, found, err);
}

td_result document_refuse_text(document_node at, const char *what, td_err *err)
{
    return document_refuse(at, what, document_text(at), err);
}

void document_hint_words(td_bytes found, const document_word *allowed, size_t count, td_err *err)
{
    enum { LIST_BYTES = 400 };
    suggest_search search = {.written = found};
    char similar[128];
    char list[LIST_BYTES] = "";
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(list);
        suggest_offer(&search, allowed[i].word);
        (void)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ",
                       allowed[i].word); /* cut if too long */
    }
    suggest_format(&search, similar, sizeof similar);
    td_err_hint(err, "%s%sallowed: %s", similar, similar[0] == '\0' ? "" : " ", list);
}

td_result document_refuse_word(document_node at, const char *what, const document_word *allowed,
                               size_t count, td_err *err)
{
    td_result rc = document_refuse_text(at, what, err);
    document_hint_words(document_text(at), allowed, count, err);
    return rc;
}

/* ---- nodes ---- */

static document_node node_of(const document *of, int index)
{
    return (document_node){.of = of, .at = yaml_document_get_node(of->yaml, index)};
}

/* 1 if a node has a type, or nothing: "key:". */
static int is_type(document_node at, yaml_node_type_t type)
{
    const td_bytes text = document_text(at);
    return at.at == NULL || (text.data != NULL ? text.size == 0 : node_at(at)->type == type);
}

document_node document_root(const document *of)
{
    return (document_node){.of = of, .at = yaml_document_get_root_node(of->yaml)};
}

td_bytes document_text(document_node at)
{
    if (at.word.data != NULL)
        return at.word;
    if (at.at == NULL || node_at(at)->type != YAML_SCALAR_NODE)
        return (td_bytes){0};
    return td_bytes_of(node_at(at)->data.scalar.value, node_at(at)->data.scalar.length);
}

int document_is(document_node at, const char *text)
{
    return td_bytes_is(document_text(at), text);
}

size_t document_size(document_node list)
{
    if (list.at == NULL || node_at(list)->type != YAML_SEQUENCE_NODE)
        return 0;
    return (size_t)(node_at(list)->data.sequence.items.top -
                    node_at(list)->data.sequence.items.start);
}

document_node document_entry(document_node list, size_t index)
{
    TD_ASSERT(index < document_size(list));
    return node_of(list.of, node_at(list)->data.sequence.items.start[index]);
}

size_t document_pair_count(document_node mapping)
{
    if (mapping.at == NULL || node_at(mapping)->type != YAML_MAPPING_NODE)
        return 0;
    return (size_t)(node_at(mapping)->data.mapping.pairs.top -
                    node_at(mapping)->data.mapping.pairs.start);
}

document_node document_key(document_node mapping, size_t index)
{
    const yaml_node_pair_t *pair = &node_at(mapping)->data.mapping.pairs.start[index];
    document_node key = node_of(mapping.of, pair->key);
    key.value = pair->value;
    return key;
}

document_node document_value(document_node mapping, size_t index)
{
    return node_of(mapping.of, node_at(mapping)->data.mapping.pairs.start[index].value);
}

document_node document_value_of(document_node key)
{
    return node_of(key.of, key.value);
}

document_node document_find(document_node mapping, const char *key)
{
    for (size_t i = 0; i < document_pair_count(mapping); i++)
        if (document_is(document_key(mapping, i), key))
            return document_value(mapping, i);
    return (document_node){.of = mapping.of};
}

/* ---- values ---- */

const char *document_copy(document_node at)
{
    return td_arena_text(at.of->memory, document_text(at));
}

td_result document_read_text(document_node at, const char **out, td_err *err)
{
    *out = document_copy(at);
    return document_text(at).data != NULL
               ? TD_OK
               : document_refuse_text(at, "a text is expected, not", err);
}

td_result document_read_texts(document_node list, size_t most, const char *const **out, td_err *err)
{
    const size_t count = document_size(list);
    td_result rc = TD_OK;
    const char **texts = td_arena_alloc(list.of->memory, (count + 1) * sizeof *texts);
    if (count == 0 || count > most) {
        rc = document_refuse_text(list, "a list of texts is expected, not", err);
        td_err_hint(err, "1 to %zu texts", most);
    }
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = document_read_text(document_entry(list, i), &texts[i], err);
    texts[count] = NULL;
    *out = texts;
    return rc;
}

td_result document_read_number(document_node at, uint64_t most, uint64_t *out, td_err *err)
{
    return td_digits_parse(document_text(at), most, out)
               ? TD_OK
               : document_refuse_text(at, "a number is expected, not", err);
}

/* 1; TD_E_INVALID if the text is not "true". */
static td_result read_true(document_node at, uint8_t *out, td_err *err)
{
    *out = (uint8_t)td_bytes_is(document_text(at), "true");
    return *out ? TD_OK : document_refuse_text(at, "only true is allowed, not", err);
}

td_result document_split(document_node at, document_words *out, td_err *err)
{
    td_bytes text = document_text(at);
    size_t i = 0;
    *out = (document_words){.count = 0};
    if (text.size == 0)
        return document_refuse(at, "a text is expected, not", text, err);
    while (i < text.size) {
        size_t from = i;
        while (i < text.size && text.data[i] != ' ')
            i++;
        if (i > from && out->count == DOCUMENT_WORDS_MAX)
            return document_refuse(at, "too many words in", text, err);
        if (i > from)
            out->at[out->count++] = (document_node){
                .of = at.of, .at = at.at, .word = td_bytes_of(text.data + from, i - from)};
        while (i < text.size && text.data[i] == ' ')
            i++;
    }
    return TD_OK;
}

int document_word_value(const document_word *table, size_t count, td_bytes word)
{
    for (size_t i = 0; i < count; i++)
        if (td_bytes_is(word, table[i].word))
            return table[i].value;
    return -1;
}

td_result document_read_word(document_node at, const char *what, const document_word *table,
                             size_t count, int *out, td_err *err)
{
    *out = document_word_value(table, count, document_text(at));
    return *out >= 0 ? TD_OK : document_refuse_word(at, what, table, count, err);
}

/* ---- rows ---- */

static td_result read_array(document_node list, size_t most, const char **out, td_err *err)
{
    const char *const *texts = NULL;
    size_t count = 0;
    const int is_empty = document_text(list).data == NULL && document_size(list) == 0;
    td_result rc = is_empty ? TD_OK : document_read_texts(list, most, &texts, err);
    for (; rc == TD_OK && texts != NULL && texts[count] != NULL; count++)
        out[count] = texts[count];
    out[count] = NULL;
    return rc;
}

static td_result read_bit(document_node at, const document_member *row, uint8_t *out, td_err *err)
{
    int bit = 0;
    td_result rc = document_read_word(at, row->what, row->words, row->word_count, &bit, err);
    *out |= rc == TD_OK ? (uint8_t)bit : 0;
    return rc;
}

/* Allocate zeros, to which a pointer in a struct then points. */
static void *allocate(document_node at, size_t bytes, void *pointer)
{
    void *made = memset(td_arena_alloc(at.of->memory, bytes), 0, bytes);
    memcpy(pointer, &made, sizeof made);
    return made;
}

td_result document_check_mapping(document_node at, td_err *err)
{
    return is_type(at, YAML_MAPPING_NODE)
               ? TD_OK
               : document_refuse_ignored(at, "a mapping is expected, not", document_text(at), err);
}

static td_result read_row(document_node at, const document_member *row, void *out, td_err *err)
{
    if (row->form != NULL)
        return document_read_form(at, row->form, out, err);
    return row->table != NULL ? document_read_members(at, row->table, out, err)
                              : row->read(at, out, err);
}

static td_result read_rows(document_node at, const document_member *row, void *out, td_err *err)
{
    const int is_map = row->type == DOCUMENT_MAP || row->type == DOCUMENT_PAIRS;
    const int is_pointer = row->type == DOCUMENT_MAP || row->type == DOCUMENT_LIST;
    const size_t count = is_map ? document_pair_count(at) : document_size(at);
    char *rows = (char *)out + row->offset;
    size_t uncounted, *read = &uncounted;
    td_result rc = TD_OK;
    if (is_map)
        rc = document_check_mapping(at, err);
    else if (!is_type(at, YAML_SEQUENCE_NODE))
        rc = document_refuse_ignored(at, "a list is expected, not", document_text(at), err);
    if (count < row->least || count > row->most) {
        char what[128];
        (void)snprintf(what, sizeof what, "%s %zu %s are expected, not",
                       row->least > 0 ? "1 to" : "at most", row->most, row->what);
        return document_refuse_text(at, what, err);
    }
    if (is_pointer)
        rows = allocate(at, (count + 1) * row->size, rows);
    else
        memset(rows, 0, row->most * row->size);
    if (row->count_offset > 0)
        read = (size_t *)(void *)((char *)out + row->count_offset);
    for (*read = 0; rc == TD_OK && *read < count; ++*read)
        rc = read_row(is_map ? document_key(at, *read) : document_entry(at, *read), row,
                      rows + *read * row->size, err);
    return rc;
}

td_result document_read_member(document_node at, const document_member *row, void *out, td_err *err)
{
    void *member = (char *)out + row->offset;
    uint64_t number = 0;
    td_result rc = TD_OK;
    switch (row->type) {
    case DOCUMENT_ELSEWHERE:
        break;
    case DOCUMENT_MAPPING:
        return document_check_mapping(at, err);
    case DOCUMENT_TEXT:
        return document_read_text(at, member, err);
    case DOCUMENT_TRUE:
        return read_true(at, member, err);
    case DOCUMENT_NUMBER:
        rc = document_read_number(at, row->most, &number, err);
        *(size_t *)member = (size_t)number;
        break;
    case DOCUMENT_WORD:
        return document_read_word(at, row->what, row->words, row->word_count, member, err);
    case DOCUMENT_BIT:
        return read_bit(at, row, member, err);
    case DOCUMENT_TEXTS:
        return document_read_texts(at, row->most, member, err);
    case DOCUMENT_ARRAY:
        return read_array(at, row->most, member, err);
    case DOCUMENT_STRUCT:
        return document_read_members(at, row->table, member, err);
    case DOCUMENT_POINTER:
        return document_read_members(at, row->table, allocate(at, row->size, member), err);
    case DOCUMENT_ROWS:
    case DOCUMENT_PAIRS:
    case DOCUMENT_LIST:
    case DOCUMENT_MAP:
        return read_rows(at, row, out, err);
    case DOCUMENT_OWN:
        return row->read(at, member, err);
    }
    return rc;
}

td_result document_read_form(document_node at, const document_form *form, void *out, td_err *err)
{
    document_words from;
    td_result rc = document_split(at, &from, err);
    if (rc == TD_OK && (from.count < form->least || from.count > form->most))
        rc = document_refuse_text(at, form->text, err);
    for (size_t i = 0; rc == TD_OK && i < from.count; i++)
        rc = document_read_member(from.at[i], &form->members[i < form->count ? i : form->count - 1],
                                  out, err);
    return rc;
}

/* ---- mappings ---- */

/* As document_refuse, with a text that begins with the mapping's name. */
static td_result refuse_table(document_node at, const document_table *table, const char *what,
                              td_bytes found, td_err *err)
{
    char text[128];
    (void)snprintf(text, sizeof text, "%s %s", table->name, what); /* names are short */
    return document_refuse(at, text, found, err);
}

static td_result refuse_key(document_node name, const document_table *table, td_err *err)
{
    document_word keys[MEMBERS_MAX];
    for (size_t i = 0; i < table->count; i++)
        keys[i] = (document_word){table->members[i].key, (int)i};
    td_result rc = refuse_table(name, table, "has no key", document_text(name), err);
    document_hint_words(document_text(name), keys, table->count, err);
    return rc;
}

/* The index of the row with a key; the number of rows if no row has it. */
static size_t find_row(const document_table *table, td_bytes key)
{
    size_t i = 0;
    while (i < table->count && !td_bytes_is(key, table->members[i].key))
        i++;
    return i;
}

td_result document_check_keys(document_node mapping, const document_table *table, td_err *err)
{
    td_result rc = TD_OK;
    const size_t count = mapping.of->source == DOCUMENT_KEPT ? 0 : document_pair_count(mapping);
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        if (find_row(table, document_text(document_key(mapping, i))) == table->count)
            rc = refuse_key(document_key(mapping, i), table, err);
    return rc;
}

td_result document_read_members(document_node mapping, const document_table *table, void *out,
                                td_err *err)
{
    document_node values[MEMBERS_MAX];
    const int ignores = table->was_ignored && mapping.of->source == DOCUMENT_KEPT;
    td_result rc = TD_OK;
    TD_ASSERT(table->count <= MEMBERS_MAX);
    memset(values, 0, table->count * sizeof *values);
    if (!is_type(mapping, YAML_MAPPING_NODE) && mapping.of->source != DOCUMENT_KEPT)
        return refuse_table(mapping, table, "is a mapping, not", document_text(mapping), err);
    for (size_t i = 0; i < document_pair_count(mapping); i++) {
        const document_node name = document_key(mapping, i);
        const size_t row = find_row(table, document_text(name));
        if (row < table->count)
            values[row] = document_value_of(name);
        else if (!ignores)
            return refuse_key(name, table, err);
    }
    for (size_t i = 0; rc == TD_OK && i < table->count; i++) {
        const document_member *row = &table->members[i];
        if (values[i].at != NULL)
            rc = document_read_member(values[i], row, out, err);
        else if (row->is_needed)
            rc = refuse_table(mapping, table, "needs", td_bytes_str(row->key), err);
    }
    return rc == TD_OK && table->check != NULL ? table->check(mapping, out, err) : rc;
}

/* ---- documents ---- */

/* Of two equal keys only one would count. */
static td_result check_keys(document_node mapping, td_err *err)
{
    const size_t count = document_pair_count(mapping);
    td_bytes keys[KEYS_MAX];
    if (count > KEYS_MAX)
        return document_refuse_text(mapping, "at most 256 keys are expected, not", err);
    for (size_t i = 0; i < count; i++) {
        keys[i] = document_text(document_key(mapping, i));
        for (size_t k = 0; k < i; k++)
            if (td_bytes_equal(keys[i], keys[k]))
                return document_refuse_text(document_key(mapping, i), "a key is there twice:", err);
    }
    return TD_OK;
}

static td_result check_document(const document *of, td_err *err)
{
    const yaml_node_t *end = ((yaml_document_t *)of->yaml)->nodes.top;
    td_result rc = TD_OK;
    for (yaml_node_t *at = ((yaml_document_t *)of->yaml)->nodes.start; rc == TD_OK && at < end;
         at++)
        rc = check_keys((document_node){.of = of, .at = at}, err);
    return rc;
}

/* 1 if the '&' at an offset can begin an anchor: no name, number or query comes before it. */
static int may_be_anchor(td_bytes text, size_t at)
{
    return at == 0 || (!isalnum(text.data[at - 1]) && text.data[at - 1] != '=');
}

const char *document_find_excess(td_bytes text)
{
    static const char TAG[] = "%TAG";
    static const uint8_t COUNTED[256] = {
        ['['] = 1, ['{'] = 1, [']'] = 1, ['}'] = 1, ['&'] = 1, ['%'] = 1};
    enum { OPEN_MAX = 1000, ANCHORS_MAX = 256 };
    size_t open = 0;
    size_t anchors = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];
        if (!COUNTED[c])
            continue;
        open += c == '[' || c == '{';
        open -= open > 0 && (c == ']' || c == '}');
        anchors += c == '&' && may_be_anchor(text, i);
        if (open > OPEN_MAX)
            return "more than 1000 brackets are open";
        if (anchors > ANCHORS_MAX)
            return "more than 256 anchors ('&')";
        if (c == '%' && text.size - i >= sizeof TAG - 1 &&
            memcmp(text.data + i, TAG, sizeof TAG - 1) == 0)
            return "a document with '%TAG'";
    }
    return NULL;
}

void document_close(document *d)
{
    yaml_document_delete(d->yaml);
    td_free(d->yaml);
}

static td_result load(yaml_parser_t *parser, const char *name, yaml_document_t *out, td_err *err)
{
    return yaml_parser_load(parser, out)
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "%s.yaml:%zu: %s", name,
                            parser->problem_mark.line + 1,
                            parser->problem == NULL ? "not YAML" : parser->problem);
}

/* Refuse a second document in the text: it would not be read. */
static td_result check_end(const document *of, yaml_parser_t *parser, td_err *err)
{
    yaml_document_t second;
    const document next = {.name = of->name, .yaml = &second, .source = of->source};
    if (of->source == DOCUMENT_KEPT || document_root(of).at == NULL)
        return TD_OK;
    td_result rc = load(parser, of->name, &second, err);
    if (rc != TD_OK)
        return rc;
    if (document_root(&next).at != NULL)
        rc = document_refuse(document_root(&next), "one document is allowed, no second one after",
                             td_bytes_str("---"), err);
    yaml_document_delete(&second);
    return rc;
}

td_result document_open(document *out, const char *name, td_bytes text, document_source source,
                        td_arena *memory, td_err *err)
{
    yaml_parser_t parser;
    yaml_document_t *made = td_alloc_zero(1, sizeof *made);
    *out = (document){name, made, source, memory, NULL};
    const char *excess = document_find_excess(text);
    if (excess != NULL) {
        td_free(made);
        return td_err_set(err, TD_E_INVALID, "%s.yaml:1: %s", name, excess);
    }
    if (!yaml_parser_initialize(&parser)) {
        td_free(made);
        return td_err_set(err, TD_E_INVALID, "%s.yaml: no memory", name);
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING); /* as document_find_excess reads it */
    yaml_parser_set_input_string(&parser, text.data, text.size);
    td_result rc = load(&parser, name, made, err);
    if (rc != TD_OK) {
        yaml_parser_delete(&parser);
        td_free(made);
        return rc;
    }
    rc = check_document(out, err);
    if (rc == TD_OK)
        rc = check_end(out, &parser, err);
    yaml_parser_delete(&parser);
    if (rc != TD_OK)
        document_close(out);
    return rc;
}
