#include "schema/topic_parts.h"

#include <string.h>

#include "base/json/json_write.h"
#include "base/limits.h"
#include "schema/exchange.h"

/* ---- parts of requests ---- */

static int begins_with(td_bytes text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

static const topic_parameter *find_parameter(const topic_parts *parts, td_bytes name)
{
    for (size_t i = 0; i < parts->parameter_count; i++)
        if (td_bytes_is(name, parts->parameters[i].topic))
            return &parts->parameters[i];
    return NULL;
}

int topic_parts_is_whole(const topic_parts *parts, td_bytes name)
{
    return parts->without_symbol != NULL && td_bytes_is_any(name, parts->without_symbol);
}

int topic_parts_find(const topic_parts *parts, parts_frame frame, json_value root, json_value *out)
{
    const char *key = frame == PARTS_OF_REQUEST ? parts->request : parts->answer;
    *out = root;
    return key == NULL || (json_find(root, key, out) && json_type_of(*out) == JSON_OBJECT);
}

split_topic topic_parts_read(const topic_parts *parts, parts_frame frame, json_value root)
{
    split_topic out = {.of = NULL};
    if (!topic_parts_find(parts, frame, root, &root))
        return out;
    (void)dialect_text_scalar(root, parts->name, &out.name); /* missing parts stay empty */
    out.is_whole = (uint8_t)topic_parts_is_whole(parts, out.name);
    if (!dialect_text_first(root, parts->symbols, &out.symbol))
        for (const char *const *path = parts->symbols; *path != NULL && !out.has_list; path++)
            out.has_list = json_find_path(root, *path, &out.symbols) &&
                           json_type_of(out.symbols) == JSON_ARRAY && json_count(out.symbols) > 0;
    for (size_t i = 0; i < parts->parameter_count && out.of == NULL; i++) {
        const topic_parameter *of = &parts->parameters[i];
        if (of->prefix == NULL || !begins_with(out.name, of->prefix))
            continue;
        const size_t size = strlen(of->prefix);
        out.of = of;
        out.parameter = td_bytes_of(out.name.data + size, out.name.size - size);
        out.name = td_bytes_str(of->topic);
        return out;
    }
    out.of = find_parameter(parts, out.name);
    if (out.of != NULL && !dialect_text_scalar(root, out.of->path, &out.parameter) &&
        out.of->otherwise != NULL)
        out.parameter = td_bytes_str(out.of->otherwise);
    return out;
}

/* ---- topics of requests ---- */

static td_result append(td_buf *texts, td_bytes part, td_err *err)
{
    return part.size == 0 ? TD_OK : td_buf_append(texts, part.data, part.size, err);
}

/* Append name[.parameter].symbol, or the name alone, to texts. */
static td_result append_topic(td_buf *texts, const split_topic *of, td_bytes symbol, td_err *err)
{
    td_result rc = append(texts, of->name, err);
    if (of->is_whole)
        return rc;
    if (rc == TD_OK && of->of != NULL)
        rc = td_buf_append(texts, &of->of->joint, 1, err);
    if (rc == TD_OK && of->of != NULL)
        rc = append(texts, of->parameter, err);
    if (rc == TD_OK)
        rc = td_buf_append(texts, ".", 1, err);
    return rc == TD_OK ? append(texts, symbol, err) : rc;
}

/* Append a topic of the symbol, which may be empty. */
static td_result add_topic(dialect_parser *parser, const split_topic *of, td_bytes symbol,
                           td_err *err)
{
    td_result rc = append_topic(&parser->texts, of, symbol, err);
    return rc == TD_OK ? dialect_text_end(parser, err) : rc;
}

td_result topic_parts_compose(dialect_parser *parser, const split_topic *of, symbol_form form,
                              td_err *err)
{
    if (of->name.size + of->parameter.size > LIMIT_TOPIC_BYTES)
        return td_err_set(err, TD_E_LIMIT, "a topic of %zu bytes: at most %u are read",
                          of->name.size + of->parameter.size, LIMIT_TOPIC_BYTES);
    td_result rc = TD_OK;
    json_value element;
    td_bytes symbol = of->symbol;
    if (of->is_whole || (!of->has_list && form == SYMBOL_ONE))
        return add_topic(parser, of, symbol, err);
    td_bytes rest = symbol.data == NULL ? td_bytes_str("") : symbol;
    while (!of->has_list && rc == TD_OK && td_bytes_next(&rest, ',', &symbol))
        rc = add_topic(parser, of, symbol, err);
    if (!of->has_list)
        return rc;
    for (json_iter it = json_iter_of(of->symbols); rc == TD_OK && json_next(&it, NULL, &element);) {
        symbol = td_bytes_of(NULL, 0);
        (void)json_text(element, &symbol); /* else a topic without a symbol, which no server has */
        rc = add_topic(parser, of, symbol, err);
    }
    return rc;
}

size_t topic_stem_size(const char *topic)
{
    const char *dot = strrchr(topic, '.');
    return dot == NULL ? 0 : (size_t)(dot - topic);
}

/* A name that begins with a parameter's prefix would be read as this parameter. */
static const topic_parameter *find_prefix(const topic_parts *parts, td_bytes name)
{
    for (size_t i = 0; i < parts->parameter_count; i++)
        if (parts->parameters[i].prefix != NULL && begins_with(name, parts->parameters[i].prefix))
            return &parts->parameters[i];
    return NULL;
}

/* The parameter of a name that has it: "book-10". */
static const topic_parameter *find_joined(const topic_parts *parts, td_bytes name)
{
    for (size_t i = 0; i < parts->parameter_count; i++) {
        const topic_parameter *of = &parts->parameters[i];
        const size_t size = strlen(of->topic);
        if (of->joint != '.' && begins_with(name, of->topic) && name.size > size &&
            name.data[size] == (uint8_t)of->joint)
            return of;
    }
    return NULL;
}

td_result topic_parts_split(const topic_parts *parts, const char *topic, split_topic *out,
                            td_err *err)
{
    const size_t stem = topic_stem_size(topic), name = strcspn(topic, ".");
    if (strlen(topic) > LIMIT_TOPIC_BYTES)
        return td_err_set(err, TD_E_INVALID, "a topic of %zu characters: 1 to %u are allowed",
                          strlen(topic), LIMIT_TOPIC_BYTES);
    out->is_whole = (uint8_t)topic_parts_is_whole(parts, td_bytes_of(topic, name));
    if (out->is_whole && stem > 0)
        return td_err_set(err, TD_E_INVALID, "topic '%s': %.*s has no symbol", topic, (int)name,
                          topic);
    if (out->is_whole) {
        out->name = td_bytes_of(topic, name);
        return TD_OK;
    }
    if (name == 0 || stem == 0 || topic[stem + 1] == '\0')
        return td_err_set(err, TD_E_INVALID,
                          "topic '%s' names no symbol: this family needs one (depth.BTCUSDT)",
                          topic);
    out->name = td_bytes_of(topic, name);
    out->parameter = stem > name ? td_bytes_of(topic + name + 1, stem - name - 1) : (td_bytes){0};
    out->symbol = td_bytes_str(topic + stem + 1);
    out->of = find_parameter(parts, out->name);
    const topic_parameter *joined = find_joined(parts, out->name);
    if (joined != NULL) {
        const size_t before = strlen(joined->topic);
        out->of = joined;
        out->parameter = td_bytes_of(topic + before + 1, name - before - 1);
        out->name.size = before;
    }
    const topic_parameter *taken = find_prefix(parts, out->name);
    if (taken != NULL)
        return td_err_set(err, TD_E_INVALID, "topic '%s': write it as %s.PARAMETER.SYMBOL", topic,
                          taken->topic);
    if ((out->of == NULL || joined != NULL) && stem > name)
        return td_err_set(err, TD_E_INVALID, "topic '%s': %.*s has no parameter in this family",
                          topic, (int)name, topic);
    if (out->of != NULL && out->parameter.size == 0)
        return td_err_set(err, TD_E_INVALID,
                          "topic '%s': %.*s needs its %s, as %s%cPARAMETER.SYMBOL", topic,
                          (int)name, topic, out->of->path, out->of->topic, out->of->joint);
    return TD_OK;
}

int topic_parts_is_possible(const topic_parts *parts, td_bytes topic)
{
    td_bytes rest = topic, name, value;
    if (!td_bytes_next(&rest, '.', &name) || rest.data == NULL)
        return 1;
    const topic_parameter *of = find_parameter(parts, name);
    if (of == NULL || of->values == NULL)
        return 1;
    return td_bytes_next(&rest, '.', &value) && rest.data != NULL &&
           td_bytes_is_any(value, of->values);
}

/* ---- objects ---- */

/* The keys of what follows a topic's name; NULL: the topic has the usual key of a symbol. */
static const char *const *find_named(const topic_keys *keys, td_bytes name)
{
    for (const named_keys *row = keys->named; row != NULL && row->topic != NULL; row++)
        if (td_bytes_is(name, row->topic))
            return row->keys;
    return NULL;
}

int topic_has_object(const topic_keys *keys, json_value value)
{
    td_bytes name;
    return json_type_of(value) == JSON_OBJECT && json_find_text(value, keys->usual[0], &name);
}

td_result topic_read_object(const topic_keys *keys, json_value object, td_buf *out, td_err *err)
{
    td_bytes name, part;
    if (!json_find_text(object, keys->usual[0], &name))
        return TD_OK;
    const char *const *key = find_named(keys, name);
    td_result rc = append(out, name, err);
    for (key = key == NULL ? keys->usual + 1 : key;
         rc == TD_OK && *key != NULL && json_find_text(object, *key, &part); key++) {
        rc = td_buf_append(out, ".", 1, err);
        if (rc == TD_OK)
            rc = append(out, part, err);
    }
    return rc;
}

/* Add the members of what follows a topic's name. The last key has the rest. */
static size_t add_named(const char *const *keys, td_bytes rest, topic_member *out)
{
    size_t count = 0;
    for (; keys[count] != NULL && rest.data != NULL; count++) {
        out[count] = (topic_member){keys[count], rest};
        if (keys[count + 1] != NULL)
            (void)td_bytes_next(&rest, '.', &out[count].text); /* it has a part */
    }
    return count;
}

size_t topic_members(const topic_keys *keys, td_bytes topic, topic_member out[TOPIC_MEMBERS_MAX])
{
    const uint8_t *dot = topic.size == 0 ? NULL : memrchr(topic.data, '.', topic.size);
    td_bytes rest = topic, name = topic;
    (void)td_bytes_next(&rest, '.', &name); /* the first part, even if it is all */
    const char *const *named = find_named(keys, name);
    out[0] = (topic_member){keys->usual[0], name};
    if (named != NULL)
        return 1 + add_named(named, rest, out + 1);
    const size_t stem = dot == NULL ? 0 : (size_t)(dot - topic.data);
    out[0].text = stem == 0 ? topic : td_bytes_of(topic.data, stem);
    if (stem == 0)
        return 1;
    out[1] = (topic_member){keys->usual[1], td_bytes_of(dot + 1, topic.size - stem - 1)};
    return 2;
}

td_result topic_put_object(const topic_keys *keys, const char *topic, td_buf *out, td_err *err)
{
    topic_member members[TOPIC_MEMBERS_MAX];
    const size_t count = topic_members(keys, td_bytes_str(topic), members);
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    for (size_t i = 0; i < count; i++)
        json_write_member_bytes(&writer, members[i].key, members[i].text);
    json_write_object_end(&writer);
    return json_write_end(&writer, err);
}

/* ---- spellings ---- */

/* Read " or !*" at the end of a spelling; returns the size of the text before it, 0: it is wrong.
 */
static size_t parse_whole(const char *text, topic_spelling *out)
{
    static const char OR[] = " or ";
    const char *at = strstr(text, OR);
    if (at == NULL)
        return strlen(text);
    const char *begin = at + strlen(OR);
    const size_t size = strcspn(begin, "*");
    if (size == 0 || size > SPELLING_WHOLE_MAX || strcmp(begin + size, "*") != 0)
        return 0;
    memcpy(out->whole, begin, size);
    return (size_t)(at - text);
}

const char *topic_spelling_parse(const char *text, topic_spelling *out)
{
    static const char FAULT[] = "a spelling is \"{name}@{symbol}\" or \"{lower_symbol}@{name}\", "
                                "with up to 7 bytes between the names, and maybe \" or \", up to "
                                "7 bytes and \"*\" after it, not";
    static const struct {
        const char *first, *second;
        topic_spelling form;
    } FORMS[] = {
        {"{name}", "{symbol}", {.symbol_first = 0}},
        {"{name}", "{lower_symbol}", {.lowers = 1}},
        {"{symbol}", "{name}", {.symbol_first = 1}},
        {"{lower_symbol}", "{name}", {.symbol_first = 1, .lowers = 1}},
    };
    topic_spelling whole = {.whole = ""};
    const size_t size = parse_whole(text, &whole);
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        const size_t first = strlen(FORMS[i].first), second = strlen(FORMS[i].second);
        if (strncmp(text, FORMS[i].first, first) != 0 || size <= first + second ||
            size > first + second + SPELLING_SEPARATOR_MAX ||
            strncmp(text + size - second, FORMS[i].second, second) != 0)
            continue;
        *out = FORMS[i].form;
        memcpy(out->whole, whole.whole, sizeof out->whole);
        memcpy(out->separator, text + first, size - first - second);
        return NULL;
    }
    return FAULT;
}

/* 1 if a topic has no symbol, and is spelled as it is. */
static int is_whole(const topic_spelling *spelling, td_bytes topic)
{
    const size_t size = strlen(spelling->whole);
    return size > 0 && topic.size >= size && memcmp(topic.data, spelling->whole, size) == 0;
}

static td_result spell_symbol(const topic_spelling *spelling, const char *symbol, td_buf *out,
                              td_err *err)
{
    const size_t begin = out->size;
    td_result rc = td_buf_append(out, symbol, strlen(symbol), err);
    for (size_t i = begin; rc == TD_OK && spelling->lowers && i < out->size; i++)
        if (out->data[i] >= 'A' && out->data[i] <= 'Z')
            out->data[i] = (uint8_t)(out->data[i] - 'A' + 'a');
    return rc;
}

static td_result refuse_spelling(const topic_spelling *spelling, const char *topic, td_err *err)
{
    char plain[LIMIT_TOPIC_BYTES];
    const size_t size = strlen(topic);
    td_err_set(err, TD_E_INVALID, "topic '%s' names no symbol: this family needs one", topic);
    if (strstr(topic, spelling->separator) != NULL && size <= sizeof plain) {
        const size_t used = topic_read_spelling(spelling, td_bytes_of(topic, size), plain);
        td_err_hint(err, "write it as '%.*s'", (int)used, plain);
    }
    return TD_E_INVALID;
}

td_result topic_spell(const topic_spelling *spelling, const char *topic, td_buf *out, td_err *err)
{
    const size_t stem = topic_stem_size(topic);
    if (is_whole(spelling, td_bytes_str(topic)))
        return td_buf_append(out, topic, strlen(topic), err);
    if (stem == 0 || topic[stem + 1] == '\0')
        return refuse_spelling(spelling, topic, err);
    td_result rc = spelling->symbol_first ? spell_symbol(spelling, topic + stem + 1, out, err)
                                          : td_buf_append(out, topic, stem, err);
    if (rc == TD_OK)
        rc = td_buf_append(out, spelling->separator, strlen(spelling->separator), err);
    if (rc != TD_OK)
        return rc;
    return spelling->symbol_first ? td_buf_append(out, topic, stem, err)
                                  : spell_symbol(spelling, topic + stem + 1, out, err);
}

/* The separator in a spelled topic; NULL: no separator. A symbol has no separator, but a name may
 * have: the first one is that after a symbol, the last one that before it. */
static const uint8_t *find_separator(const topic_spelling *spelling, td_bytes text)
{
    const size_t gap = strlen(spelling->separator);
    const uint8_t *found = NULL;
    for (td_bytes rest = text; rest.size >= gap;) {
        const uint8_t *at = memmem(rest.data, rest.size, spelling->separator, gap);
        if (at == NULL)
            break;
        found = at;
        if (spelling->symbol_first)
            break;
        rest = td_bytes_of(at + 1, rest.size - (size_t)(at + 1 - rest.data));
    }
    return found;
}

size_t topic_read_spelling(const topic_spelling *spelling, td_bytes text, char *out)
{
    const size_t gap = strlen(spelling->separator);
    const uint8_t *mark = is_whole(spelling, text) ? NULL : find_separator(spelling, text);
    if (mark == NULL) {
        if (text.size > 0)
            memcpy(out, text.data, text.size);
        return text.size;
    }
    const td_bytes before = td_bytes_of(text.data, (size_t)(mark - text.data));
    const td_bytes after = td_bytes_of(mark + gap, text.size - before.size - gap);
    const td_bytes name = spelling->symbol_first ? after : before;
    const td_bytes symbol = spelling->symbol_first ? before : after;
    memcpy(out, name.data, name.size);
    out[name.size] = '.';
    char *at = out + name.size + 1;
    for (size_t i = 0; i < symbol.size; i++) {
        const uint8_t c = symbol.data[i];
        *at++ = (char)(spelling->lowers && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    return name.size + 1 + symbol.size;
}
