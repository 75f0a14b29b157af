#include "pack/frame_model.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "pack/value_text.h"

enum {
    NEW_PARTS_MAX =
        1024, /* of a frame with more values, an object with any keys, they are a text */
};

void frame_model_fini(frame_model *self)
{
    td_free(self->columns);
    td_free(self->scales);
    td_free(self->templates);
    td_free(self->parts);
    td_free(self->contexts);
    td_free(self->found);
    out_stream_fini(&self->bytes);
    row_table_fini(&self->by_key);
    row_table_fini(&self->by_scale);
    row_table_fini(&self->by_template);
}

/* ---- columns ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    return td_xxh64(bytes, size) * UINT64_C(0x9e3779b97f4a7c15) + (hash ^ hash >> 29) * 31;
}

static uint64_t mix_number(uint64_t hash, uint64_t number)
{
    return mix(hash, &number, sizeof number);
}

static uint32_t get_scale(frame_model *self, uint64_t key)
{
    row_probe at = row_probe_of(key);
    while (row_table_next(&self->by_scale, &at))
        if (self->scales[at.row] == key)
            return at.row;
    self->scales = td_array_grow(self->scales, self->scale_count, sizeof *self->scales);
    self->scales[self->scale_count] = key;
    row_table_put(&self->by_scale, key, self->scale_count);
    return (uint32_t)self->scale_count++;
}

uint32_t frame_model_column(frame_model *self, uint64_t key, column_kind kind, uint64_t scale_key)
{
    key = mix_number(key, (uint64_t)kind);
    row_probe at = row_probe_of(key);
    while (row_table_next(&self->by_key, &at))
        if (self->columns[at.row].key == key && self->columns[at.row].kind == kind)
            return at.row;
    if (self->column_count == PACK_COLUMNS_MAX)
        return PACK_COLUMNS_MAX;
    const uint32_t scale = kind == COLUMN_NUMBER ? get_scale(self, scale_key) : 0;
    self->columns = td_array_grow(self->columns, self->column_count, sizeof *self->columns);
    self->columns[self->column_count] =
        (model_column){.key = key, .kind = kind, .scale_group = scale};
    row_table_put(&self->by_key, key, self->column_count);
    return (uint32_t)self->column_count++;
}

static uint32_t add_context(frame_model *self, const frame_place *place)
{
    self->contexts = td_array_grow(self->contexts, self->context_count, sizeof *self->contexts);
    self->contexts[self->context_count] = (model_context){.place = *place};
    return (uint32_t)self->context_count++;
}

/* ---- JSON ---- */

static int is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '+' || c == '.' || c == '_';
}

static const uint8_t *skip_spaces(const frame_model *self, const uint8_t *p)
{
    while (p < self->end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* The place of zero bytes in a word: the highest bit of the lowest one is right. */
static uint64_t zero_bytes(uint64_t word)
{
    return (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
}

/* The closing quote of a string, whose first byte is p; NULL: it is open. */
static const uint8_t *find_quote(const frame_model *self, const uint8_t *p)
{
    for (uint64_t found = 0; found == 0 && self->end - p >= 8; p += found == 0 ? 8 : 0) {
        const uint64_t word = td_le64(p);
        found = zero_bytes(word ^ UINT64_C(0x2222222222222222)) |
                zero_bytes(word ^ UINT64_C(0x5c5c5c5c5c5c5c5c));
        p += found == 0 ? 0 : __builtin_ctzll(found) / 8;
    }
    for (; p < self->end; p++) {
        if (*p == '"')
            return p;
        p += *p == '\\';
    }
    return NULL;
}

static const uint8_t *skip_word(const frame_model *self, const uint8_t *p)
{
    while (p < self->end && is_word(*p))
        p++;
    return p;
}

/* 1 if a word is true, false or null, or looks so: it belongs to the text between values. */
static int is_literal(uint8_t first)
{
    return first == 't' || first == 'f' || first == 'n';
}

/* The kind of a part that has this text: PART_NUMBER, PART_TIME + digits, or PART_STRING. */
static unsigned kind_of(td_bytes text, int is_string)
{
    int64_t value;
    unsigned digits;
    if (value_read_number(text, &value, &digits))
        return PART_NUMBER;
    return is_string && value_read_time(text, &value, &digits) ? PART_TIME + digits : PART_STRING;
}

/* ---- learning ---- */

/* A part of a template that is being made. */
typedef struct new_part {
    unsigned kind;
    td_bytes text; /* of the part in the frame */
    frame_place place;
} new_part;

typedef struct learning {
    const frame_model *model;
    new_part parts[NEW_PARTS_MAX];
    size_t part_count;
    const uint8_t *literal; /* begin of the text that no part has yet */
    uint8_t has_too_many;   /* 1: parts */
} learning;

/* Note a part, and the text before it. */
static void add_part(learning *l, unsigned kind, const uint8_t *begin, const uint8_t *end,
                     const frame_place *at)
{
    if (l->part_count + 2 > NEW_PARTS_MAX) {
        l->has_too_many = 1;
        return;
    }
    if (begin > l->literal)
        l->parts[l->part_count++] =
            (new_part){PART_LITERAL, td_bytes_of(l->literal, (size_t)(begin - l->literal)), *at};
    if (end > begin || kind != PART_LITERAL)
        l->parts[l->part_count++] =
            (new_part){kind, td_bytes_of(begin, (size_t)(end - begin)), *at};
    l->literal = end;
}

static const uint8_t *learn_value(learning *l, const uint8_t *p, const frame_place *at);

/* Read a key and its colon; returns the end. */
static const uint8_t *learn_key(const learning *l, const uint8_t *p, td_bytes *key)
{
    const frame_model *m = l->model;
    const uint8_t *end = *p == '"' ? find_quote(m, p + 1) : NULL;
    if (end == NULL)
        return NULL;
    *key = td_bytes_of(p + 1, (size_t)(end - p - 1));
    p = skip_spaces(m, end + 1);
    return p < m->end && *p == ':' ? p + 1 : NULL;
}

/* The end of an array whose brackets and strings are closed; NULL: it is open. */
static const uint8_t *skip_array(const frame_model *self, const uint8_t *p)
{
    for (size_t depth = 0; p < self->end; p++) {
        if (*p == '"') {
            p = find_quote(self, p + 1);
            if (p == NULL)
                return NULL;
        } else if (*p == '[' || *p == '{') {
            depth++;
        } else if ((*p == ']' || *p == '}') && --depth == 0) {
            return p + 1;
        }
    }
    return NULL;
}

/* Read an array or an object. Elements of an array with scalars are parts by their index; an array
 * of containers is one part. */
static const uint8_t *learn_container(learning *l, const uint8_t *begin, const frame_place *at)
{
    const frame_model *m = l->model;
    const uint8_t closing = *begin == '{' ? '}' : ']';
    const uint8_t *p = skip_spaces(m, begin + 1);
    if (at->depth == FRAME_DEPTH_MAX || p == m->end)
        return NULL;
    if (closing == ']' && (*p == '{' || *p == '[' || (*p == ']' && p == begin + 1))) {
        p = skip_array(m, begin);
        if (p != NULL)
            add_part(l, PART_ARRAY, begin, p, at);
        return p;
    }
    for (uint64_t index = 0; index > 0 || *p != closing; index++) {
        td_bytes key = td_bytes_of(&index, sizeof index);
        if (closing == '}')
            p = learn_key(l, p, &key);
        if (p == NULL)
            return NULL;
        const frame_place member = {mix(at->path, key.data, key.size),
                                    mix(at->scale, key.data, key.size),
                                    at->path,
                                    at->scale,
                                    at->map_key,
                                    at->depth + 1};
        p = learn_value(l, p, &member);
        p = p == NULL ? m->end : skip_spaces(m, p);
        if (p == m->end || (*p != ',' && *p != closing))
            return NULL;
        if (*p == closing)
            break;
        p = skip_spaces(m, p + 1);
        if (p == m->end)
            return NULL;
    }
    return p + 1;
}

/* Read a value and note its parts; returns its end. NULL: it is no JSON text. */
static const uint8_t *learn_value(learning *l, const uint8_t *p, const frame_place *at)
{
    const frame_model *m = l->model;
    p = skip_spaces(m, p);
    if (p == m->end)
        return NULL;
    if (*p == '{' || *p == '[')
        return learn_container(l, p, at);
    const int is_string = *p == '"';
    p += is_string;
    const uint8_t *end = is_string ? find_quote(m, p) : skip_word(m, p);
    if (end == NULL || (!is_string && end == p))
        return NULL;
    if (is_string || !is_literal(*p))
        add_part(l, kind_of(td_bytes_of(p, (size_t)(end - p)), is_string), p, end, at);
    return end + is_string;
}

/* Columns of an array's counts and elements. */
static void make_array(frame_model *self, model_part *part, const frame_place *at)
{
    static const char COUNT[] = "count", ELEMENT[] = "element";
    const frame_place element = {
        .path = mix(at->path, "[]", 2),
        .scale = mix(at->owner_scale, "[]", 2),
        .owner = at->path,
        .owner_scale = at->scale,
        .map_key = at->owner == 0 ? 1 : at->owner,
        .depth = at->depth + 1,
    };
    part->column =
        (uint16_t)frame_model_column(self, mix(at->path, COUNT, sizeof COUNT), COLUMN_NUMBER, 0);
    part->elements = (uint16_t)frame_model_column(self, mix(at->path, ELEMENT, sizeof ELEMENT),
                                                  COLUMN_NUMBER, 0);
    if (self->columns[part->elements].context == 0)
        self->columns[part->elements].context = add_context(self, &element);
}

/* Make a part with its columns. first_number: column of the template's first number, + 1. */
static void make_part(frame_model *self, const new_part *from, uint32_t *first_number)
{
    const frame_place *at = &from->place;
    model_part part = {.kind = (uint8_t)from->kind};
    if (from->kind == PART_NUMBER) {
        part.column = (uint16_t)frame_model_column(self, at->path, COLUMN_NUMBER, at->scale);
        self->columns[part.column].map_key = at->map_key;
        self->columns[part.column].first_in_element = *first_number;
        *first_number = *first_number == 0 ? part.column + 1U : *first_number;
    } else if (from->kind == PART_STRING) {
        part.column = (uint16_t)frame_model_column(self, at->path, COLUMN_STRING, 0);
    } else if (from->kind == PART_ARRAY) {
        make_array(self, &part, at);
    } else if (from->kind >= PART_TIME) {
        part.column = (uint16_t)frame_model_column(
            self, mix_number(at->path, from->kind - PART_TIME), COLUMN_NUMBER, 0);
    }
    out_stream_byte(&self->bytes, part.kind);
    out_stream_number(&self->bytes, from->kind == PART_LITERAL ? from->text.size : part.column);
    if (from->kind == PART_LITERAL) {
        part.literal_at = (uint32_t)self->bytes.size;
        part.literal_size = (uint32_t)from->text.size;
        out_stream_add(&self->bytes, from->text.data, from->text.size);
    } else if (from->kind == PART_ARRAY) {
        out_stream_number(&self->bytes, part.elements);
    }
    self->parts = td_array_grow(self->parts, self->part_count, sizeof *self->parts);
    self->parts[self->part_count++] = part;
}

/* The bytes of a template. */
static td_bytes bytes_of(const frame_model *self, size_t at)
{
    const model_template *of = &self->templates[at];
    return td_bytes_of(self->bytes.data + of->begin, of->size);
}

/* 1 if a template and its columns keep the limits, whatever columns are known. */
static int is_within_limits(const frame_model *self, const learning *l)
{
    enum { PART_BYTES_MAX = 8 }; /* without a literal's own bytes */
    size_t bytes = l->part_count * PART_BYTES_MAX;
    for (size_t i = 0; i < l->part_count; i++)
        bytes += l->parts[i].kind == PART_LITERAL ? l->parts[i].text.size : 0;
    return !l->has_too_many && l->part_count * 2 <= PACK_COLUMNS_MAX - self->column_count &&
           self->template_count + TEMPLATE_FIRST < TEMPLATES_MAX &&
           bytes <= TEMPLATES_BYTES_MAX - self->bytes.size;
}

/* Make a template of the parts, unless it is known; returns its number. */
static uint32_t make_template(frame_model *self, const learning *l)
{
    model_template made = {.begin = self->bytes.size, .first_part = self->part_count};
    uint32_t first_number = 0;
    for (size_t i = 0; i < l->part_count; i++)
        make_part(self, &l->parts[i], &first_number);
    made.size = self->bytes.size - made.begin;
    made.part_count = self->part_count - made.first_part;
    (void)out_stream_reserve(&self->bytes, STREAM_PADDING_BYTES);
    self->templates = td_array_grow(self->templates, self->template_count, sizeof made);
    self->templates[self->template_count] = made;
    const td_bytes bytes = bytes_of(self, self->template_count);
    const uint64_t hash = td_xxh64(bytes.data, bytes.size);
    row_probe at = row_probe_of(hash);
    while (row_table_next(&self->by_template, &at))
        if (td_bytes_equal(bytes_of(self, at.row), bytes)) {
            self->bytes.size = made.begin;
            self->part_count = made.first_part;
            return at.row + TEMPLATE_FIRST;
        }
    row_table_put(&self->by_template, hash, self->template_count);
    return (uint32_t)(self->template_count++ + TEMPLATE_FIRST);
}

/* The number of a template for the value at p. TEMPLATE_TEXT: there can be none. */
static uint32_t learn_template(frame_model *self, const frame_place *place, const uint8_t *p)
{
    learning *l = td_alloc(sizeof *l);
    TD_ASSERT(p != NULL);
    l->model = self;
    l->part_count = 0;
    l->literal = p;
    l->has_too_many = 0;
    uint32_t number = TEMPLATE_TEXT;
    const uint8_t *end = learn_value(l, p, place);
    if (end != NULL) {
        end = skip_spaces(self, end);
        add_part(l, PART_LITERAL, end, end, place);
        if (is_within_limits(self, l))
            number = make_template(self, l);
    }
    td_free(l);
    return number;
}

/* ---- reading ---- */

static found_value *add_found(frame_model *self, unsigned kind, uint16_t column)
{
    if (TD_UNLIKELY(self->found_count == self->found_capacity)) {
        self->found_capacity = self->found_capacity * 2 + 256;
        self->found = td_realloc(self->found, self->found_capacity, sizeof *self->found);
    }
    found_value *made = &self->found[self->found_count++];
    made->kind = (uint8_t)kind;
    made->column = column;
    return made;
}

/* Read a string or a time of a part; returns its end, or NULL if it is of another kind. */
static const uint8_t *read_text(frame_model *self, const model_part *part, const uint8_t *p)
{
    const int is_string = p > self->begin && p[-1] == '"';
    const uint8_t *end = is_string ? find_quote(self, p) : skip_word(self, p);
    if (end == NULL || (!is_string && (end == p || is_literal(*p))))
        return NULL;
    const td_bytes text = td_bytes_of(p, (size_t)(end - p));
    found_value *made = add_found(self, part->kind, part->column);
    made->text = (const char *)p;
    made->size = (uint32_t)text.size;
    if (part->kind != PART_STRING) {
        unsigned digits;
        return value_read_time(text, &made->number, &digits) && digits + PART_TIME == part->kind
                   ? end
                   : NULL;
    }
    const int may_be_other = text.size > 0 && *p <= '9' && kind_of(text, is_string) != PART_STRING;
    return may_be_other ? NULL : end;
}

static uint32_t read_value(frame_model *self, uint32_t context_at, const uint8_t **next);

static const uint8_t *read_array(frame_model *self, model_part part, const uint8_t *p)
{
    const size_t count_at = self->found_count;
    int64_t count = 0;
    if (p >= self->end - 1 || *p++ != '[' || self->depth == FRAME_DEPTH_MAX)
        return NULL;
    add_found(self, PART_ARRAY, part.column)->number = 0;
    if (*p == ']')
        return p + 1;
    const uint8_t *first = skip_spaces(self, p);
    if (first == self->end || (*first != '{' && *first != '['))
        return NULL;
    for (self->depth++;; p++, count++) {
        const size_t element_at = self->found_count;
        (void)add_found(self, PART_ARRAY, part.elements);
        const uint32_t number = read_value(self, self->columns[part.elements].context, &p);
        if (number == TEMPLATE_TEXT)
            return NULL;
        self->found[element_at].number = number;
        if (*p == ']')
            break;
    }
    self->depth--;
    self->found[count_at].number = count + 1;
    return p + 1;
}

/* 1 if a literal of a template is at p. `bytes` has STREAM_PADDING_BYTES after it. */
static int is_literal_at(const frame_model *self, const uint8_t *p, const model_part *part)
{
    const uint8_t *literal = self->bytes.data + part->literal_at;
    const size_t size = part->literal_size;
    const size_t left = (size_t)(self->end - p);
    if (TD_LIKELY(size <= 8 && left >= 8))
        return (td_le64(p) ^ td_le64(literal)) << (64 - size * 8) == 0;
    return size <= left && memcmp(p, literal, size) == 0;
}

static const uint8_t *read_number(frame_model *self, const model_part *part, const uint8_t *p)
{
    int64_t number;
    unsigned digits;
    p = value_scan_number(p, self->end, &number, &digits);
    if (p != NULL) {
        found_value *made = add_found(self, PART_NUMBER, part->column);
        made->number = number;
        made->digits = (uint8_t)digits;
    }
    return p;
}

/* Read what a template has; returns the end. NULL: something else is there. */
static const uint8_t *read_template(frame_model *self, uint32_t number, const uint8_t *p)
{
    const size_t first = self->templates[number - TEMPLATE_FIRST].first_part;
    const size_t end = first + self->templates[number - TEMPLATE_FIRST].part_count;
    for (size_t i = first; i < end && p != NULL; i++) {
        const model_part *part = &self->parts[i]; /* until an array, which may add parts */
        if (part->kind == PART_LITERAL) {
            if (!is_literal_at(self, p, part))
                return NULL;
            p += part->literal_size;
        } else if (part->kind == PART_NUMBER) {
            p = read_number(self, part, p);
        } else if (part->kind == PART_ARRAY) {
            p = read_array(self, *part, p);
        } else {
            p = read_text(self, part, p);
        }
    }
    return p;
}

/* 1 if a value of a context may end at p: a frame at its end, an element before the next one. */
static int is_end(const frame_model *self, uint32_t context_at, const uint8_t *p)
{
    if (p == self->end || self->contexts[context_at].place.depth == 0)
        return p == self->end && self->contexts[context_at].place.depth == 0;
    return *p == ',' || *p == ']';
}

/* Read a value by the templates that its context had last, or by a new one. */
static uint32_t read_value(frame_model *self, uint32_t context_at, const uint8_t **next)
{
    const uint8_t *begin = *next;
    const size_t found_before = self->found_count;
    const unsigned depth = self->depth;
    uint32_t number = TEMPLATE_TEXT;
    size_t at = 0;
    const uint8_t *end = NULL;
    for (; end == NULL && at < RECENT_COUNT; at++) {
        number = self->contexts[context_at].recent[at];
        if (number == TEMPLATE_TEXT)
            break;
        self->found_count = found_before;
        self->depth = depth;
        end = read_template(self, number, begin);
        if (end != NULL && !is_end(self, context_at, end))
            end = NULL;
    }
    if (end == NULL) {
        const frame_place place = self->contexts[context_at].place;
        number = learn_template(self, &place, begin);
        self->found_count = found_before;
        self->depth = depth;
        end = number == TEMPLATE_TEXT ? NULL : read_template(self, number, begin);
        if (end == NULL || !is_end(self, context_at, end))
            return TEMPLATE_TEXT;
        at = at < RECENT_COUNT ? at + 1 : RECENT_COUNT;
    }
    uint16_t *recent = self->contexts[context_at].recent;
    if (at > 1)
        memmove(recent + 1, recent, (at - 1) * sizeof *recent);
    recent[0] = (uint16_t)number;
    *next = end;
    return number;
}

uint32_t frame_model_read(frame_model *self, uint16_t channel, td_bytes frame)
{
    static const frame_place NOWHERE = {0}, FRAME = {.path = 1, .scale = 1};
    const uint8_t *p = frame.data;
    self->found_count = 0;
    self->depth = 0;
    self->begin = frame.data;
    self->end = frame.data + frame.size;
    if (frame.size == 0 || frame.size > UINT32_MAX)
        return TEMPLATE_TEXT;
    if (self->context_count == 0)
        (void)add_context(self, &NOWHERE);
    if (self->channel_contexts[channel] == 0)
        self->channel_contexts[channel] = add_context(self, &FRAME);
    return read_value(self, self->channel_contexts[channel], &p);
}
