/* Classification, by the rules of the family's exchange: the first matching rule decides.
 *
 * The members of a frame's object are read in one of two ways. An ordinary data frame is read from
 * both ends, byte by byte, and its entries are skipped; any other frame is read with the JSON
 * reader's index. In both ways, the same functions then find the topic's row and the exchange's
 * time. If these functions need more than the ends of a frame (SEEN_UNSURE), the frame is read with
 * the index, so that both ways give the same answer for valid JSON.
 *
 * Expected load: every frame of a recorder. Instructions per frame (callgrind; the simulated
 * exchange's inverse and v5-linear frames of 400 bytes): 1,640 and 1,800 from both ends; 4,770 and
 * 5,100 with the index, of which building the index takes 1,810 and 1,880.
 *
 * Classification does not validate frames. A frame that is malformed between its ends gets its
 * topic, and the decoder reports the error. The index is not validated either, unless keys or topic
 * have escapes: escapes can be resolved only in a valid text. */
#include "schema/classify.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/scan.h"
#include "base/json/json_tokens.h"
#include "schema/decode_value.h"
#include "schema/dialect.h"
#include "schema/exchange.h"

enum { CLASSIFIER_TOPICS_MAX = 256, TOPIC_ENTRY_BYTES = 64 };

/* A topic's text and its match, whose views are in this text. */
typedef struct topic_entry {
    const family *of; /* NULL: unused */
    topic_match match;
    size_t bytes;
    uint8_t text[TOPIC_ENTRY_BYTES];
} topic_entry;

struct classifier {
    topic_entry topics[CLASSIFIER_TOPICS_MAX]; /* indexed by a hash of the text */
    char composed[LIMIT_TOPIC_BYTES];          /* memory for a topic composed of its parts */
};

/* A member of an object. Its value is token if the frame is indexed, otherwise json. */
typedef struct member {
    td_bytes key;
    td_bytes json; /* a scalar, as written */
    uint32_t token;
} member;

/* How many members are kept; an order of spot has some 40. A known key is found even beyond them.
 */
enum { MEMBERS_MAX = 64 };
/* The members of a frame's object, or of an event's. */
typedef struct members {
    const frame_keys *keys; /* the exchange's known keys */
    json_parser *parser;
    const json_index *index; /* the parser's index; NULL: the frame is not indexed */
    uint32_t object;         /* token of the object */
    /* If the frame is not indexed: the opening bracket of its entries, and the frame's end. */
    const uint8_t *data;
    const uint8_t *end;
    uint32_t count;
    /* For each known key the token of its first value; 0: absent. Always 0 for FRAME_KEY_NONE. */
    uint32_t known[FRAME_KEYS_MAX + 1];
    uint8_t has_escapes; /* 1: a key has escapes */
    uint8_t is_checked;  /* 1: the text is valid, and escapes in keys are resolved */
    uint8_t is_partial;  /* 1: members between two arrays or objects of the frame may be missing */
    member at[MEMBERS_MAX];
} members;

/* The inputs and the output of a classification. */
typedef struct job {
    classifier *memory;
    json_parser *parser;
    const json_index *index;
    const family *of;       /* NULL: no topic is matched */
    const frame_keys *keys; /* keys of the family's exchange */
    td_bytes asked;         /* the topic of a frame that several topics share; empty: unknown */
    uint64_t at_ns;         /* selects the valid rows */
    classification *out;
} job;

/* Whether a value is present; SEEN_UNSURE: only the index can tell. */
typedef enum seen { SEEN_FOUND, SEEN_ABSENT, SEEN_UNSURE } seen;

classifier *classifier_open(void)
{
    return td_alloc_zero(1, sizeof(classifier));
}

void classifier_close(classifier *c)
{
    td_free(c);
}

/* ---- members from both ends of a frame ---- */

/* 1 if a frame with this value of the key keys->shared may be a control frame. */
static int may_be_control(const frame_keys *keys, td_bytes json)
{
    if (json_has_escape(json))
        return 1;
    const control_rule *rules = keys->rules + keys->shared_first;
    for (size_t i = 0; i < keys->shared_count; i++)
        if (json.size == rules[i].text.size + 2 &&
            memcmp(json.data + 1, rules[i].text.data, rules[i].text.size) == 0)
            return 1;
    return 0;
}

/* Add a member. Returns 0 if the frame may be a control frame, or has too many members. */
static int add_plain(members *m, td_bytes key, const uint8_t *value, const uint8_t *value_end)
{
    td_bytes json = td_bytes_of(value, (size_t)(value_end - value));
    uint8_t known = frame_key_find(m->keys, key);
    if (json_has_escape(key))
        return 0;
    if (known != FRAME_KEY_NONE && (known != m->keys->shared || may_be_control(m->keys, json)))
        return 0;
    if (m->count == MEMBERS_MAX)
        return 0;
    member *added = &m->at[m->count++];
    added->key = key;
    added->json = json;
    return 1;
}

/* Read the topic at the start of a data frame ({"topic":"…"). Returns the position after it, or
 * NULL. */
static const uint8_t *read_topic(const members *m, const uint8_t *begin, td_bytes *topic)
{
    td_bytes start = m->keys->data_start;
    if ((size_t)(m->end - begin) < start.size + 6 || memcmp(begin, start.data, start.size) != 0)
        return NULL;
    return scan_text(begin + start.size - 1, m->end, topic);
}

/* Read the members from the comma at p up to the entries. Returns 1 with m->data set, or 0 if the
 * frame must be indexed. */
static int read_head(members *m, const uint8_t *p)
{
    while (p != NULL && p + 4 < m->end && *p == ',') {
        td_bytes key;
        p = scan_string(p + 1, m->end, &key);
        if (p == NULL || *p != ':')
            return 0;
        const uint8_t *value = ++p;
        if (*p == '[' || *p == '{') {
            m->data = p;
            return td_bytes_equal(key, m->keys->names[m->keys->data]) && p < m->end;
        }
        p = scan_scalar(p, m->end);
        if (p == NULL || !add_plain(m, key, value, p))
            return 0;
    }
    return 0;
}

/* The opening quote of the string that ends before end; NULL if there is no string, or a backslash
 * precedes one of its quotes. */
static const uint8_t *string_start(const members *m, const uint8_t *end)
{
    if (end - m->data < 3 || end[-1] != '"' || end[-2] == '\\')
        return NULL;
    const uint8_t *quote = memrchr(m->data, '"', (size_t)(end - 1 - m->data));
    return quote == NULL || quote == m->data || quote[-1] == '\\' ? NULL : quote;
}

/* The start of the scalar that ends before end; NULL if it cannot be read backwards. */
static const uint8_t *scalar_start(const members *m, const uint8_t *end)
{
    if (end[-1] == '"')
        return string_start(m, end);
    const uint8_t *p = end;
    while (p > m->data && ((p[-1] >= '0' && p[-1] <= '9') || (p[-1] >= 'a' && p[-1] <= 'z') ||
                           p[-1] == '.' || p[-1] == '-'))
        p--;
    return p == end || p == m->data ? NULL : p;
}

/* Read the members after the entries, from the end of the frame back to a closing bracket. Returns
 * 0 if the frame must be indexed. */
static int read_tail(members *m)
{
    const uint8_t *end = m->end - 1; /* end of the current member's value */
    if (*end != '}')
        return 0;
    while (end > m->data && end[-1] != ']' && end[-1] != '}') {
        const uint8_t *value = scalar_start(m, end);
        if (value == NULL || value - m->data < 4 || value[-1] != ':')
            return 0;
        const uint8_t *quote = string_start(m, value - 1);
        if (quote == NULL || quote[-1] != ',')
            return 0;
        if (!add_plain(m, td_bytes_of(quote + 1, (size_t)(value - 2 - (quote + 1))), value, end))
            return 0;
        end = quote - 1;
    }
    return end > m->data;
}

/* ---- members over an index ---- */

/* Initialize without members. Does not clear the array, which is large and mostly unused. */
static void members_init(members *m, const frame_keys *keys, json_parser *parser, uint32_t object)
{
    m->keys = keys;
    m->parser = parser;
    m->index = json_parser_tokens(parser);
    m->object = object;
    m->count = 0;
    memset(m->known, 0, sizeof m->known);
    m->has_escapes = m->is_checked = m->is_partial = 0;
}

static void add_member(members *m, td_bytes key, uint32_t token)
{
    m->has_escapes |= (uint8_t)json_has_escape(key);
    if (m->count < MEMBERS_MAX) {
        member *added = &m->at[m->count++];
        added->key = key;
        added->token = token;
    }
    uint8_t known = frame_key_find(m->keys, key);
    if (known != FRAME_KEY_NONE && m->known[known] == 0)
        m->known[known] = token;
}

static void add_key(members *m, const json_index *index, uint32_t token)
{
    td_bytes key = json_string_token(index, token);
    if (key.data != NULL)
        add_member(m, key, token + 2);
}

/* 1 if a scalar begins at a token. */
static int is_scalar_at(const json_index *index, uint32_t token)
{
    uint8_t first = json_char(index, token);
    return first != '{' && first != '[' && first != 0;
}

/* Read the members from a token on, up to the object's end or the first array or object. Returns
 * the token after them. */
typedef enum stop { STOP_AT_END, STOP_AT_CONTAINER } stop;
static uint32_t read_forwards(members *m, uint32_t token, stop where)
{
    const json_index *index = m->index;
    while (json_char(index, token) == '"' && json_char(index, token + 1) == ':') {
        add_key(m, index, token);
        if (where == STOP_AT_CONTAINER && !is_scalar_at(index, token + 2))
            return token + 2;
        token = json_skip_value(index, token + 2);
        if (json_char(index, token) != ',')
            return token;
        token++;
    }
    return token;
}

/* Read all members of the object at a token. */
static void read_object(members *m, const frame_keys *keys, json_parser *parser, uint32_t object)
{
    members_init(m, keys, parser, object);
    (void)read_forwards(m, object + 1, STOP_AT_END); /* the position is not needed */
}

/* Read scalar members backwards from the end of the frame: "key" : value , … } */
static void read_backwards(members *m, uint32_t first)
{
    const json_index *index = m->index;
    uint32_t token = index->count - 1;
    while (token > first + 4) {
        uint8_t value = json_char(index, token - 1);
        if (value == '}' || value == ']' || json_char(index, token - 2) != ':' ||
            json_char(index, token - 3) != '"')
            return;
        add_key(m, index, token - 3);
        if (json_char(index, token - 4) != ',')
            return;
        token -= 4;
    }
}

/* Read the members of the frame's own object: all if it is small, otherwise those before the data
 * and the scalars after the data. */
static void read_frame(members *m, const frame_keys *keys, json_parser *parser)
{
    /* Frames with fewer tokens are read whole; the longest known control frame, an ack of ten
     * topics, has 60. */
    enum { SMALL_TOKENS = 96 };
    const json_index *index = json_parser_tokens(parser);
    TD_ASSERT(json_char(index, 0) == '{');
    members_init(m, keys, parser, 0);
    int is_whole = json_char(index, index->count - 1) == '}';
    uint32_t token = 1;
    for (;;) {
        token = read_forwards(m, token, STOP_AT_CONTAINER);
        if (token >= index->count || is_scalar_at(index, token))
            return;
        int is_data = m->known[keys->data] == token;
        int has_topic = m->known[keys->topic] != 0;
        if (is_whole && is_data && (index->count > SMALL_TOKENS || has_topic)) {
            read_backwards(m, token);
            m->is_partial = 1;
            if (m->known[keys->topic] == 0) /* it was neither before the data nor at the end */
                read_object(m, keys, parser, 0);
            return;
        }
        token = json_skip_value(index, token);
        if (json_char(index, token) != ',')
            return;
        token++;
    }
}

/* Read an object's members again, with the escapes in their keys resolved. If the text is invalid,
 * the escapes stay. */
static void resolve_escapes(members *m)
{
    json_value key;
    json_value element;
    td_bytes text;
    json_value root;
    json_parser *parser = m->parser;
    uint32_t object = m->object;
    td_bytes all = td_bytes_of(m->index->bytes, m->index->size);
    if (json_parse(parser, all, JSON_PADDED, &root, NULL) != TD_OK)
        return;
    TD_ASSERT(json_char(m->index, object) == '{');
    members_init(m, m->keys, parser, object);
    m->is_checked = 1;
    json_value of = {parser, object};
    for (json_iter it = json_iter_of(of); json_next(&it, &key, &element);)
        if (json_text(key, &text))
            add_member(m, text, element.token);
}

/* The string at a token (0: absent), with its escapes resolved if m->is_checked; data is NULL if it
 * is not a string. */
static td_bytes text_at(const members *m, uint32_t token)
{
    td_bytes text = td_bytes_of(NULL, 0);
    if (token == 0 || token >= m->index->count)
        return text;
    if (m->is_checked && json_text((json_value){m->parser, token}, &text))
        return text;
    return json_string_token(m->index, token);
}

/* ---- values of members ---- */

static const member *find_member(const members *m, td_bytes key)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (td_bytes_equal(m->at[i].key, key))
            return &m->at[i];
    return NULL;
}

/* Token of a key's value in the object whose first key is at token; 0 if absent. Does not use
 * `members`, because an entry may have more than MEMBERS_MAX. */
static uint32_t find_in_object(const json_index *index, uint32_t token, td_bytes key)
{
    while (json_char(index, token) == '"' && json_char(index, token + 1) == ':') {
        if (td_bytes_equal(json_string_token(index, token), key))
            return token + 2;
        token = json_skip_value(index, token + 2);
        if (json_char(index, token) != ',')
            return 0;
        token++;
    }
    return 0;
}

/* Token of the element whose position is the key, in the list at token; 0 if absent. */
static uint32_t find_in_list(const json_index *index, uint32_t token, td_bytes key)
{
    uint64_t place = 0;
    if (json_char(index, token) != '[' || !td_digits_parse(key, UINT32_MAX, &place))
        return 0;
    for (token++; place > 0; place--, token++) {
        token = json_skip_value(index, token);
        if (json_char(index, token) != ',')
            return 0;
    }
    return json_char(index, token) == ']' ? 0 : token;
}

/* Token of a key's value in the object at token; 0 if absent, or if it is not an object. */
static uint32_t find_key(const members *m, uint32_t token, td_bytes key)
{
    json_value value;
    if (json_char(m->index, token) != '{')
        return 0;
    if (!m->is_checked)
        return find_in_object(m->index, token + 1, key);
    /* with the escapes in keys resolved */
    return json_find_key((json_value){m->parser, token}, key, &value) ? value.token : 0;
}

/* Token of the value at a path, through the first element of arrays; 0 if absent. Only for indexed
 * frames. */
static uint32_t follow(const members *m, const char *path)
{
    const json_index *index = m->index;
    size_t size = strcspn(path, ".");
    const member *found = find_member(m, td_bytes_of(path, size));
    uint32_t token = found == NULL ? 0 : found->token;
    while (token != 0 && path[size] == '.') {
        token += json_char(index, token) == '[';
        path += size + 1;
        size = strcspn(path, ".");
        token = find_key(m, token, td_bytes_of(path, size));
    }
    return token;
}

/* find_in_object() without an index, for the entry at p. Reads only the entry's first members.
 * SEEN_UNSURE if the key is not among them, or if they have escapes or white space. */
static seen scan_in_entry(const uint8_t *p, const uint8_t *end, td_bytes key, td_bytes *json)
{
    enum { SCANNED_MAX = 16 };
    for (int i = 0; i < SCANNED_MAX && (*p == '{' || *p == ',') && p + 4 < end; i++) {
        td_bytes found;
        p = scan_string(p + 1, end, &found);
        if (p == NULL || *p != ':')
            return SEEN_UNSURE;
        const uint8_t *value = p + 1;
        p = value < end ? scan_scalar(value, end) : NULL;
        if (p == NULL || p >= end)
            return SEEN_UNSURE;
        if (td_bytes_equal(found, key)) {
            *json = td_bytes_of(value, (size_t)(p - value));
            return SEEN_FOUND;
        }
    }
    return SEEN_UNSURE;
}

/* ---- the exchange's time ---- */

/* Read a time in canonical form. Returns 0 without setting *ns if it has another form. */
static int scan_field(const field_row *field, td_bytes json, uint64_t *ns)
{
    uint64_t unit_ns = field_unit_ns(field->unit);
    uint64_t time = 0;
    if (unit_ns == 0 || scan_time(json.data, unit_ns, &time) != json.data + json.size || time == 0)
        return 0;
    *ns = time;
    return 1;
}

/* Read the time at a token, in any form without escapes. A value that the decoder would reject
 * counts as absent. */
static seen read_field(const members *m, const field_row *field, uint32_t token, uint64_t *ns)
{
    const json_index *index = m->index;
    field_row as_time = *field; /* a number may be the time */
    msg_value value;
    decode_error why;
    as_time.type = FIELD_TIME;
    if (token == 0 || token >= index->count || !is_scalar_at(index, token))
        return SEEN_ABSENT;
    td_bytes json = json_token(index, token);
    if (scan_field(field, json, ns))
        return SEEN_FOUND;
    if (json_has_escape(json) ||
        !decode_field(NULL, &as_time, (json_value){m->parser, token}, &value, &why) ||
        value.type != VALUE_TIME_NS || value.as.time_ns == 0)
        return SEEN_ABSENT;
    *ns = value.as.time_ns;
    return SEEN_FOUND;
}

/* 1 if the field's member is the one with the topic's time. */
static int is_time(const topic_row *row, const field_row *field)
{
    return field->member == row->time_member &&
           (field->type == FIELD_TIME || topic_row_time_unit_ns(row) != 0);
}

/* Read the time from a field of the envelope. */
static seen envelope_field(const members *m, const field_row *field, uint64_t *ns)
{
    if (m->index != NULL)
        return read_field(m, field, follow(m, field->key), ns);
    if (strchr(field->key, '.') != NULL)
        return SEEN_UNSURE;
    const member *found = find_member(m, td_bytes_str(field->key));
    return found == NULL                        ? SEEN_ABSENT
           : scan_field(field, found->json, ns) ? SEEN_FOUND
                                                : SEEN_UNSURE;
}

/* Read the time from a field of the first entry. */
static seen entry_field(const members *m, const items_row *items, const field_row *field,
                        uint64_t *ns)
{
    td_bytes key = td_bytes_str(field->key);
    if (m->index == NULL) {
        const uint8_t *p = *m->data == '[' ? m->data + 1 : m->data;
        td_bytes json;
        if (!td_bytes_is(m->keys->names[m->keys->data], items->path) || *p != '{' ||
            scan_in_entry(p, m->end, key, &json) != SEEN_FOUND || !scan_field(field, json, ns))
            return SEEN_UNSURE;
        return SEEN_FOUND;
    }
    const json_index *index = m->index;
    int is_own = items->path[0] == '\0';
    uint32_t token = is_own ? m->object : follow(m, items->path);
    if (token == 0 && !is_own)
        return SEEN_ABSENT;
    token += json_char(index, token) == '[';
    if (items->flags & ITEMS_POSITIONAL)
        return read_field(m, field, find_in_list(index, token, key), ns);
    if (json_char(index, token) != '{')
        return SEEN_ABSENT;
    return read_field(m, field, find_in_object(index, token + 1, key), ns);
}

/* Read the time of the first entry at a path, from the preferred field if there is one. */
static seen entry_time(const members *m, const topic_row *row, const items_row *items, uint64_t *ns)
{
    for (int is_preferred = 1; is_preferred >= 0; is_preferred--) {
        for (size_t i = 0; i < row->field_count; i++) {
            const field_row *field = &row->fields[i];
            if (!is_time(row, field) || ((field->flags & FIELD_PREFERRED) != 0) != is_preferred)
                continue;
            seen found = entry_field(m, items, field, ns);
            if (found != SEEN_ABSENT)
                return found;
        }
    }
    return SEEN_ABSENT;
}

/* ---- the time of a book's levels ---- */

/* The levels at a path, whose times are compared. */
typedef struct level_times {
    const members *m;
    const items_row *items;
    const field_row *field;
    uint64_t latest_ns;
} level_times;

static void note_level(level_times *of, uint32_t token)
{
    const json_index *index = of->m->index;
    const td_bytes key = td_bytes_str(of->field->key);
    uint64_t ns = 0;
    token = (of->items->flags & ITEMS_POSITIONAL) != 0 ? find_in_list(index, token, key)
                                                       : find_key(of->m, token, key);
    if (read_field(of->m, of->field, token, &ns) == SEEN_FOUND && ns > of->latest_ns)
        of->latest_ns = ns;
}

/* Note the levels at the rest of a path from a value: of an array, in each of its elements. */
static void note_levels(level_times *of, const char *path, uint32_t token)
{
    const json_index *index = of->m->index;
    const size_t size = strcspn(path, ".");
    const int is_list = json_char(index, token) == '[';
    uint32_t at = token + (uint32_t)is_list;
    uint32_t found;
    do {
        if (size == 0)
            note_level(of, at);
        else if ((found = find_key(of->m, at, td_bytes_of(path, size))) != 0)
            note_levels(of, path + size + (path[size] == '.'), found);
        at = is_list ? json_skip_value(index, at) : 0;
        at = json_char(index, at) == ',' ? at + 1 : 0;
    } while (at != 0);
}

/* The latest time of a book's levels. SEEN_UNSURE only if the frame is not indexed. */
static seen book_time(const members *m, const topic_row *row, uint64_t *ns)
{
    const field_row *field = topic_field(row->fields, row->field_count, row->time_member);
    level_times of = {.m = m, .field = field};
    if (field == NULL)
        return SEEN_ABSENT;
    if (m->index == NULL)
        return SEEN_UNSURE;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const char *path = row->items[i].path;
        const size_t size = strcspn(path, ".");
        const member *found = find_member(m, td_bytes_of(path, size));
        of.items = &row->items[i];
        if (found != NULL || size == 0)
            note_levels(&of, path + size + (path[size] == '.'),
                        found != NULL ? found->token : m->object);
    }
    *ns = of.latest_ns;
    return of.latest_ns != 0 ? SEEN_FOUND : SEEN_ABSENT;
}

/* Read a frame's time: from the envelope, else from the first entry, of a book from its levels; 0
 * if absent. SEEN_UNSURE only if the frame is not indexed. */
static seen exchange_time(const members *m, const topic_row *row, uint64_t *ns)
{
    seen found = row->time_member == MEMBER_NONE ? SEEN_FOUND : SEEN_ABSENT;
    *ns = 0;
    for (size_t i = 0; found == SEEN_ABSENT && i < row->envelope_count; i++)
        if (is_time(row, &row->envelope[i]))
            found = envelope_field(m, &row->envelope[i], ns);
    if (found == SEEN_ABSENT && row->type == MSG_BOOK_CHANGE)
        found = book_time(m, row, ns);
    for (size_t i = 0; found == SEEN_ABSENT && row->type != MSG_BOOK_CHANGE &&
                       i < TOPIC_ITEMS_MAX && row->items[i].path != NULL;
         i++)
        found = entry_time(m, row, &row->items[i], ns);
    return found == SEEN_ABSENT && m->index == NULL ? SEEN_UNSURE : found;
}

/* ---- topics ---- */

/* The cache entry for a topic's text. */
static topic_entry *cache_entry(classifier *c, td_bytes text)
{
    TD_ASSERT(text.size > 0);
    uint64_t mix = text.size;
    /* Hash the last bytes, in which symbols differ. */
    for (size_t i = 1; i <= text.size && i <= 8; i++)
        mix = mix * 31 + text.data[text.size - i];
    mix = mix * 31 + text.data[text.size / 2];
    return &c->topics[mix % CLASSIFIER_TOPICS_MAX];
}

/* 1 if the cache entry is this text's match and valid at the job's time. */
static int entry_matches(const topic_entry *entry, const job *j, td_bytes text)
{
    return entry->of == j->of && td_bytes_equal(td_bytes_of(entry->text, entry->bytes), text) &&
           (!topic_row_is_dated(entry->match.row) ||
            topic_row_is_valid(entry->match.row, j->at_ns));
}

/* As topic_match_text() over the family's rows, with a cache, because a connection has few topics
 * and many frames: 200 instructions per frame instead of 600 (inverse) to 1,550 (v5-linear).
 * Returns 0 if no row matches. */
static int match_topic(const job *j, td_bytes text, topic_match *out)
{
    const family *of = j->of;
    if (text.size == 0 || text.size > TOPIC_ENTRY_BYTES)
        return topic_match_text(of->topics, of->topic_count, text, j->at_ns, out);
    topic_entry *entry = cache_entry(j->memory, text);
    if (!entry_matches(entry, j, text)) {
        memcpy(entry->text, text.data, text.size);
        entry->bytes = text.size;
        entry->of = topic_match_text(of->topics, of->topic_count,
                                     td_bytes_of(entry->text, text.size), j->at_ns, &entry->match)
                        ? of
                        : NULL;
    }
    *out = entry->match;
    return entry->of != NULL;
}

/* A topic that is being composed. */
typedef struct topic_text {
    char *text; /* LIMIT_TOPIC_BYTES of memory */
    size_t size;
} topic_text;

/* Append a part of a topic; a dot precedes all but the first. Returns 0 if the part is empty or
 * does not fit. */
static int add_part(topic_text *out, td_bytes part)
{
    if (part.size == 0 || out->size + 1 + part.size >= LIMIT_TOPIC_BYTES)
        return 0;
    if (out->size > 0)
        out->text[out->size++] = '.';
    memcpy(out->text + out->size, part.data, part.size);
    out->size += part.size;
    return 1;
}

/* Append a part of a topic from another member of the frame: a string, or a number as written. */
static int add_part_at(const members *m, const char *path, topic_text *out)
{
    const json_index *index = m->index;
    uint32_t token = follow(m, path);
    if (token == 0 || token >= index->count || !is_scalar_at(index, token))
        return 0;
    td_bytes text = text_at(m, token);
    return add_part(out, text.data != NULL ? text : json_token(index, token));
}

/* Compose a topic as a row defines it, in the classifier's memory; of a row that shares its frames,
 * without the part that they lack. Returns 0 if the frame does not belong to the row. */
static int compose(const job *j, const topic_row *row, const members *m, td_bytes wire,
                   td_bytes *out)
{
    if (row->symbol_path == NULL || !topic_row_is_frame_topic(row, (td_bytes){0}, wire))
        return 0;
    topic_text composed = {j->memory->composed, 0};
    const td_bytes name = row->shares_frames || topic_row_is_joined(row)
                              ? wire
                              : td_bytes_of(row->pattern, strcspn(row->pattern, "{") - 1);
    if (!add_part(&composed, name) ||
        (row->parameter_path != NULL && !add_part_at(m, row->parameter_path, &composed)) ||
        !add_part_at(m, row->symbol_path, &composed))
        return 0;
    *out = td_bytes_of(composed.text, composed.size);
    return 1;
}

/* The topic of a text as the exchange spells it, in the classifier's memory. */
static td_bytes unspelled(const job *j, td_bytes wire)
{
    const topic_spelling *spelling = j->of->spelling;
    if (spelling == NULL || wire.size > sizeof j->memory->composed)
        return wire;
    return td_bytes_of(j->memory->composed,
                       topic_read_spelling(spelling, wire, j->memory->composed));
}

/* The topic that the connection asked for, in the classifier's memory; 0: it is not one of those
 * that share the row's frames. */
static int match_asked(const job *j, const topic_row *row, td_bytes *topic, topic_match *out)
{
    if (j->asked.size > sizeof j->memory->composed || !match_topic(j, j->asked, out) ||
        !(out->row == row || topic_rows_share_frames(out->row, row)))
        return 0;
    memcpy(j->memory->composed, j->asked.data, j->asked.size);
    *topic = td_bytes_of(j->memory->composed, j->asked.size);
    return match_topic(j, *topic, out);
}

/* Find the row of a frame's topic, as written or composed; *topic becomes the matched text, or what
 * is known of it. */
static int match_data(const job *j, const members *m, td_bytes *topic, topic_match *out)
{
    td_bytes wire = *topic;
    for (size_t i = 0; i < j->of->topic_count; i++) {
        const topic_row *row = &j->of->topics[i];
        if (!compose(j, row, m, wire, topic))
            continue;
        if (row->shares_frames && j->asked.size > 0)
            return match_asked(j, row, topic, out);
        j->out->is_open = row->shares_frames;
        if (row->shares_frames)
            return 0;
        if (match_topic(j, *topic, out))
            return 1;
    }
    *topic = unspelled(j, wire);
    return match_topic(j, *topic, out) && out->row->symbol_path == NULL;
}

/* ---- data frames ---- */

/* Classify an inbound frame in the usual form, without indexing it: first the topic, then scalars,
 * "data" with an object or array, and scalars to the end. Returns 0 without setting *out if the
 * frame has another form and must be indexed. */
static int classify_plain(const job *j, td_bytes frame)
{
    members m; /* members that only indexed frames use stay unset */
    td_bytes wire;
    topic_match topic;
    uint64_t exchange_ns;
    m.keys = j->keys;
    m.index = NULL;
    m.end = frame.data + frame.size;
    m.count = 0;
    const uint8_t *p = j->of == NULL ? NULL : read_topic(&m, frame.data, &wire);
    if (p == NULL || !read_head(&m, p) || !read_tail(&m))
        return 0;
    TD_ASSERT_SLOW(m.data > frame.data);
    TD_ASSERT_SLOW(m.data < m.end);
    if (TD_UNLIKELY(j->of->spelling != NULL))
        wire = unspelled(j, wire);
    if (!match_topic(j, wire, &topic) || topic.row->symbol_path != NULL ||
        exchange_time(&m, topic.row, &exchange_ns) != SEEN_FOUND)
        return 0;
    j->out->frame_class = CLASS_DATA;
    j->out->topic = topic;
    j->out->exchange_topic = wire;
    j->out->exchange_ns = exchange_ns;
    return 1;
}

/* Find the frame's row and time. Returns 1 if both were found. */
static int fill_data(const job *j, const members *m, td_bytes topic)
{
    topic_match match = {.row = NULL};
    classification *out = j->out;
    int is_known = j->of != NULL && match_data(j, m, &topic, &match);
    out->exchange_topic = topic;
    out->topic = is_known ? match : (topic_match){.topic = topic};
    out->exchange_ns = 0;
    return is_known && exchange_time(m, match.row, &out->exchange_ns) == SEEN_FOUND;
}

/* The token of a topic that is the value of topic_key, or inside this value; 0 if absent. */
static uint32_t topic_token(const members *m, uint8_t topic_key)
{
    const char *path = topic_key == m->keys->topic ? m->keys->topic_path : NULL;
    return path == NULL ? m->known[topic_key] : follow(m, path);
}

/* Fill in the topic and time of a data frame or event, whose topic is the value of topic_key. Does
 * nothing if that value is empty or not a string. */
static void classify_data(const job *j, const members *m, uint8_t topic_key)
{
    td_bytes topic = text_at(m, topic_token(m, topic_key));
    if (topic.size == 0)
        return;
    j->out->frame_class = CLASS_DATA;
    if (fill_data(j, m, topic) || !m->is_partial || j->out->is_open)
        return;
    /* Members that were not read, between arrays or objects, may have the missing row or time. */
    members all;
    read_object(&all, m->keys, m->parser, m->object);
    (void)fill_data(j, &all, topic); /* what is still missing is absent */
}

/* Classify a data frame by its keys. If the topic has escapes, or if no row was found and the frame
 * has escapes anywhere (parts of the topic may be in other members, such as spot's symbol), resolve
 * them and classify again. */
static void classify_topic(const job *j, members *m)
{
    td_bytes all = td_bytes_of(m->index->bytes, m->index->size);
    classify_data(j, m, j->keys->topic);
    if (!m->is_checked && (json_has_escape(j->out->exchange_topic) ||
                           (j->out->topic.row == NULL && json_has_escape(all)))) {
        resolve_escapes(m);
        if (m->is_checked)
            classify_data(j, m, j->keys->topic);
    }
    /* A frame without data may be an answer, unless its topic is known. */
    if (j->out->topic.row == NULL && m->known[j->keys->data] == 0)
        *j->out = (classification){.frame_class = CLASS_UNKNOWN, .success = -1};
}

/* Classify a list of events, or one event (spot's private frames). */
static void classify_event(const job *j, uint32_t object)
{
    const frame_keys *keys = j->keys;
    members event;
    if (json_char(j->index, object) != '{')
        return;
    read_object(&event, keys, j->parser, object);
    if (event.has_escapes || json_has_escape(text_at(&event, event.known[keys->event])))
        resolve_escapes(&event);
    int is_listed = object != 0; /* an event outside a list must have a time */
    if (!event.known[keys->topic] && (is_listed || event.known[keys->event_time]))
        classify_data(j, &event, keys->event);
}

/* ---- control frames ---- */

/* 1 if a value by which control frames are recognized has escapes. */
static int has_escaped_words(const members *m)
{
    const frame_keys *keys = m->keys;
    for (uint8_t i = 0; i < keys->count; i++)
        if (m->known[i] != 0 && i != keys->event && i != keys->event_time &&
            json_has_escape(text_at(m, m->known[i])))
            return 1;
    return 0;
}

/* The op of the request that an answer echoes. */
static td_bytes echoed_op(const members *m)
{
    uint32_t token = m->known[m->keys->request];
    uint8_t op = m->keys->op;
    members inside;
    if (token == 0 || json_char(m->index, token) != '{')
        return td_bytes_of(NULL, 0);
    read_object(&inside, m->keys, m->parser, token);
    if (inside.has_escapes || json_has_escape(text_at(&inside, inside.known[op])))
        resolve_escapes(&inside);
    return text_at(&inside, inside.known[op]);
}

/* The class by the exchange's rules; CLASS_UNKNOWN if the frame is not a control frame. */
static frame_class classify_control(const members *m, classification *out)
{
    const json_index *index = m->index;
    frame_words words;
    memset(&words, 0, sizeof words);
    for (uint8_t i = 0; i < m->keys->count; i++) {
        uint32_t token = m->known[i];
        if (token == 0 || token >= index->count)
            continue;
        words.json[i] = json_token(index, token);
        words.text[i] = text_at(m, token);
    }
    words.op = words.text[m->keys->op];
    if (words.op.size == 0)
        words.op = echoed_op(m);
    return control_find(m->keys, &words, &out->success);
}

/* ---- undescribed frames ---- */

/* Find the value at a JSON pointer. */
static int find_pointer(json_value at, const char *pointer, json_value *out)
{
    while (*pointer == '/') {
        const td_bytes key = td_bytes_of(pointer + 1, strcspn(pointer + 1, "/"));
        uint64_t place = 0;
        json_value name;
        json_value found;
        pointer += 1 + key.size;
        if (json_type_of(at) == JSON_OBJECT) {
            if (!json_find_key(at, key, &found))
                return 0;
        } else if (json_type_of(at) == JSON_ARRAY && td_digits_parse(key, UINT32_MAX, &place)) {
            json_iter it = json_iter_of(at);
            do
                if (!json_next(&it, &name, &found))
                    return 0;
            while (place-- > 0);
        } else
            return 0;
        at = found;
    }
    *out = at;
    return 1;
}

/* Compose the topic of an undescribed frame. Without its first part it has no topic. */
static void classify_raw(const job *j, td_bytes frame)
{
    topic_text composed = {j->memory->composed, 0};
    json_value root;
    json_value part;
    if (json_parse(j->parser, frame, JSON_PADDED, &root, NULL) != TD_OK)
        return;
    for (const char *const *at = j->keys->raw; *at != NULL; at++) {
        td_bytes text;
        if (find_pointer(root, *at, &part) && json_type_of(part) < JSON_ARRAY &&
            !json_is_null(part))
            (void)add_part(&composed, json_text(part, &text) ? text : json_raw(part));
        if (composed.size == 0)
            return;
    }
    if (composed.size == 0) /* it is not known where */
        return;
    j->out->frame_class = CLASS_DATA;
    j->out->exchange_topic = td_bytes_of(composed.text, composed.size);
    j->out->topic = (topic_match){.topic = j->out->exchange_topic};
}

/* ---- frames ---- */

static void classify_indexed(const job *j)
{
    uint8_t first = json_char(j->index, 0);
    if (first == '[') {
        classify_event(j, 1);
        return;
    }
    if (first != '{')
        return;
    members m;
    topic_match match;
    read_frame(&m, j->keys, j->parser);
    /* In order entry, the op of a request or answer is its topic, if a row has this topic. */
    const int may_be_entry =
        j->of != NULL && j->of->op_is_topic && topic_token(&m, j->keys->topic) == 0;
    if (may_be_entry && m.is_partial && m.known[j->keys->op] == 0)
        read_object(&m, j->keys, j->parser, 0); /* the op may be between two arrays or objects */
    if (m.has_escapes || has_escaped_words(&m))
        resolve_escapes(&m);
    if (may_be_entry && m.known[j->keys->op] != 0 &&
        match_topic(j, text_at(&m, m.known[j->keys->op]), &match)) {
        classify_data(j, &m, j->keys->op);
        return;
    }
    frame_class control = classify_control(&m, j->out);
    if (control != CLASS_UNKNOWN)
        j->out->frame_class = control;
    else if (m.known[j->keys->topic])
        classify_topic(j, &m);
    else
        classify_event(j, 0);
}

void classify_inbound(classifier *c, json_parser *parser, const family *of, td_bytes frame,
                      td_bytes asked, uint64_t at_ns, classification *out)
{
    const job j = {c,     parser, json_parser_tokens(parser), of, &exchange_of(of)->frames, asked,
                   at_ns, out};
    *out = (classification){.frame_class = CLASS_UNKNOWN, .success = -1};
    if (TD_UNLIKELY(j.keys->raw != NULL)) {
        classify_raw(&j, frame);
        return;
    }
    if (classify_plain(&j, frame))
        return;
    if (json_parser_index(parser, frame, JSON_PADDED) == TD_OK)
        classify_indexed(&j);
}

void classify_answer(classifier *c, json_parser *parser, const family *of, td_bytes frame,
                     td_bytes topic, uint64_t at_ns, classification *out)
{
    const job j = {c,     parser, json_parser_tokens(parser), of, &exchange_of(of)->frames, {0},
                   at_ns, out};
    members m;
    *out = (classification){.frame_class = CLASS_UNKNOWN, .success = -1};
    if (json_parser_index(parser, frame, JSON_PADDED) != TD_OK || json_char(j.index, 0) != '{')
        return;
    read_object(&m, j.keys, parser, 0);
    out->frame_class = CLASS_DATA;
    (void)fill_data(&j, &m, topic);
}

int frame_begins_as_data(const family *of, td_bytes frame)
{
    td_bytes start = exchange_of(of)->frames.data_start;
    /* A start that ends before the topic's text may be an answer's, too (Bitstamp's {"data":{"). */
    const int is_proof = start.size < 2 || start.data[start.size - 2] == ':';
    return is_proof && !of->dialect->echoes_topics && frame.size > start.size &&
           memcmp(frame.data, start.data, start.size) == 0;
}

const char *frame_class_name(frame_class c)
{
    static const char *const NAMES[] = {
        [CLASS_DATA] = "data",       [CLASS_ACK] = "ack",         [CLASS_AUTH] = "auth",
        [CLASS_PING] = "ping",       [CLASS_PONG] = "pong",       [CLASS_ERROR] = "error",
        [CLASS_REQUEST] = "request", [CLASS_UNKNOWN] = "unknown",
    };
    TD_ASSERT(c <= CLASS_UNKNOWN);
    return NAMES[c];
}
