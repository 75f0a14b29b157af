#include "base/document.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/decimal.h"
#include "base/suggest.h"

enum { KEYS_MAX = 256 };

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

td_result document_refuse_word(document_node at, const char *what, td_bytes found,
                               const document_word *allowed, size_t count, td_err *err)
{
    td_result rc = document_refuse(at, what, found, err);
    document_hint_words(found, allowed, count, err);
    return rc;
}

/* ---- nodes ---- */

static document_node node_of(const document *of, int index)
{
    return (document_node){of, yaml_document_get_node(of->yaml, index)};
}

document_node document_root(const document *of)
{
    return (document_node){of, yaml_document_get_root_node(of->yaml)};
}

td_bytes document_text(document_node at)
{
    if (at.at == NULL || node_at(at)->type != YAML_SCALAR_NODE)
        return (td_bytes){0};
    return td_bytes_of(node_at(at)->data.scalar.value, node_at(at)->data.scalar.length);
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
    return node_of(mapping.of, node_at(mapping)->data.mapping.pairs.start[index].key);
}

document_node document_value(document_node mapping, size_t index)
{
    return node_of(mapping.of, node_at(mapping)->data.mapping.pairs.start[index].value);
}

document_node document_find(document_node mapping, const char *key)
{
    for (size_t i = 0; i < document_pair_count(mapping); i++)
        if (td_bytes_is(document_text(document_key(mapping, i)), key))
            return document_value(mapping, i);
    return (document_node){mapping.of, NULL};
}

/* ---- values ---- */

td_result document_read_text(td_arena *memory, document_node at, const char **out, td_err *err)
{
    const td_bytes text = document_text(at);
    *out = td_arena_text(memory, text);
    return text.data != NULL ? TD_OK : document_refuse(at, "a text is expected, not", text, err);
}

td_result document_read_texts(td_arena *memory, document_node list, size_t most,
                              const char *const **out, td_err *err)
{
    const size_t count = document_size(list);
    td_result rc = TD_OK;
    const char **texts = td_arena_alloc(memory, (count + 1) * sizeof *texts);
    if (count == 0 || count > most) {
        rc = document_refuse_text(list, "a list of texts is expected, not", err);
        td_err_hint(err, "1 to %zu texts", most);
    }
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = document_read_text(memory, document_entry(list, i), &texts[i], err);
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
            out->at[out->count++] = td_bytes_of(text.data + from, i - from);
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

td_result document_read_word(document_node at, const char *what, td_bytes word,
                             const document_word *table, size_t count, int *out, td_err *err)
{
    *out = document_word_value(table, count, word);
    return *out >= 0 ? TD_OK : document_refuse_word(at, what, word, table, count, err);
}

/* ---- mappings into structs ---- */

/* The member with a key; NULL: none has it. */
static const document_member *find_member(const document_member *members, size_t count,
                                          td_bytes key)
{
    for (size_t i = 0; i < count; i++)
        if (td_bytes_is(key, members[i].key))
            return &members[i];
    return NULL;
}

static td_result refuse_key(document_node name, const char *what, const document_member *members,
                            size_t count, td_err *err)
{
    document_word keys[KEYS_MAX];
    TD_ASSERT(count <= KEYS_MAX);
    for (size_t i = 0; i < count; i++)
        keys[i] = (document_word){members[i].key, (int)i};
    return document_refuse_word(name, what, document_text(name), keys, count, err);
}

static td_result read_array(document_node list, size_t most, td_arena *memory, const char **out,
                            td_err *err)
{
    const char *const *texts = NULL;
    size_t count = 0;
    const int is_empty = document_text(list).data == NULL && document_size(list) == 0;
    td_result rc = is_empty ? TD_OK : document_read_texts(memory, list, most, &texts, err);
    for (; rc == TD_OK && texts != NULL && texts[count] != NULL; count++)
        out[count] = texts[count];
    out[count] = NULL;
    return rc;
}

static td_result read_member(const document_member *row, document_node at, td_arena *memory,
                             void *user, void *out, td_err *err)
{
    void *member = (char *)out + row->offset;
    uint64_t number = 0;
    td_result rc = TD_OK;
    switch (row->type) {
    case DOCUMENT_ELSEWHERE:
        break;
    case DOCUMENT_TEXT:
        return document_read_text(memory, at, member, err);
    case DOCUMENT_TRUE:
        return read_true(at, member, err);
    case DOCUMENT_NUMBER:
        rc = document_read_number(at, row->most, &number, err);
        *(size_t *)member = (size_t)number;
        break;
    case DOCUMENT_WORD:
        return document_read_word(at, row->what, document_text(at), row->words, row->word_count,
                                  member, err);
    case DOCUMENT_TEXTS:
        return document_read_texts(memory, at, row->most, member, err);
    case DOCUMENT_ARRAY:
        return read_array(at, row->most, memory, member, err);
    case DOCUMENT_OWN:
        return row->read(user, at, out, err);
    }
    return rc;
}

td_result document_read_members(document_node mapping, const char *what,
                                const document_member *members, size_t count, td_arena *memory,
                                void *user, void *out, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < document_pair_count(mapping); i++) {
        const document_node name = document_key(mapping, i);
        const document_member *row = find_member(members, count, document_text(name));
        rc = row == NULL ? refuse_key(name, what, members, count, err)
                         : read_member(row, document_value(mapping, i), memory, user, out, err);
    }
    return rc;
}

td_result document_check_keys(document_node mapping, const char *what,
                              const document_member *members, size_t count, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0;
         mapping.of->source != DOCUMENT_KEPT && rc == TD_OK && i < document_pair_count(mapping);
         i++) {
        const document_node name = document_key(mapping, i);
        if (find_member(members, count, document_text(name)) == NULL)
            rc = refuse_key(name, what, members, count, err);
    }
    return rc;
}

/* ---- documents ---- */

/* Of two equal keys only one would count. */
static td_result check_keys(document_node mapping, td_err *err)
{
    const size_t count = document_pair_count(mapping);
    if (count > KEYS_MAX)
        return document_refuse_text(mapping, "at most 256 keys are expected, not", err);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (td_bytes_equal(document_text(document_key(mapping, i)),
                               document_text(document_key(mapping, k))))
                return document_refuse_text(document_key(mapping, i), "a key is there twice:", err);
    return TD_OK;
}

static td_result check_document(const document *of, td_err *err)
{
    const yaml_node_t *end = ((yaml_document_t *)of->yaml)->nodes.top;
    td_result rc = TD_OK;
    for (yaml_node_t *at = ((yaml_document_t *)of->yaml)->nodes.start; rc == TD_OK && at < end;
         at++)
        rc = check_keys((document_node){of, at}, err);
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
    enum { OPEN_MAX = 1000, ANCHORS_MAX = 256 };
    size_t open = 0;
    size_t anchors = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];
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

td_result document_open(document *out, const char *name, td_bytes text, document_source source,
                        td_err *err)
{
    yaml_parser_t parser;
    yaml_document_t *made = td_alloc_zero(1, sizeof *made);
    *out = (document){name, made, source};
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
    const int is_read = yaml_parser_load(&parser, made);
    td_result rc = is_read ? check_document(out, err)
                           : td_err_set(err, TD_E_INVALID, "%s.yaml:%zu: %s", name,
                                        parser.problem_mark.line + 1,
                                        parser.problem == NULL ? "not YAML" : parser.problem);
    yaml_parser_delete(&parser);
    if (rc != TD_OK && is_read)
        yaml_document_delete(made);
    if (rc != TD_OK)
        td_free(made);
    return rc;
}

void document_close(document *d)
{
    yaml_document_delete(d->yaml);
    td_free(d->yaml);
}
