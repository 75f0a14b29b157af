#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/row_table.h"
#include "pack/columns.h"
#include "pack/frame_tokens.h"
#include "pack/layout.h"
#include "pack/numbers.h"
#include "pack/pack.h"

/* A number of a column, as it was read. */
typedef struct draft_number {
    int64_t value; /* at `scale` */
    uint32_t frame, event;
    uint16_t channel;
    uint8_t scale;
    uint8_t digits;   /* DIGITS_* */
    uint8_t is_other; /* 1: trailing zeros are written in the other way than last */
} draft_number;

/* The values of a column. */
typedef struct draft_column {
    draft_number *numbers;
    td_bytes *strings;  /* views into the records */
    uint16_t *channels; /* of the strings */
    size_t count, capacity;
    uint64_t map_key; /* of numbers in elements of an array: the same for arrays of one object */
    uint32_t first_in_element; /* column of the first number of these elements, + 1 */
    double cost;               /* bits, with its predictor */
} draft_column;

typedef struct encoder {
    codec *coder;
    pack_effort effort;
    columns columns; /* what is known of each column; each pass makes new states */
    draft_column *drafts;
    size_t draft_capacity;
    row_table by_key, by_scale, by_template;
    out_stream *templates; /* their parts as in the table, without the first one */
    size_t template_count, template_bytes;
    uint16_t *events; /* column of each value, in the order of reading */
    size_t event_count, event_capacity;
    uint16_t channels[PACK_CHANNELS_MAX];
    uint32_t channel_numbers[UINT16_MAX + 1]; /* place in channels, + 1 */
    size_t channel_count;
    uint32_t lines[PACK_CHANNELS_MAX]; /* of sequences, of each channel */
    uint32_t *line_lasts;
    size_t line_count;
    td_bytes *others; /* records that are no messages */
    size_t other_count;
    frame_tokens tokens;
    td_bytes payload;
    uint32_t frame;
    uint16_t channel;
    uint32_t first_number; /* of the element being read, + 1 */
    uint8_t is_full;       /* 1: a limit was reached */
} encoder;

/* ---- columns ---- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    return td_xxh64(bytes, size) * UINT64_C(0x9e3779b97f4a7c15) + (hash ^ hash >> 29) * 31;
}

static uint64_t mix_number(uint64_t hash, uint64_t number)
{
    return mix(hash, &number, sizeof number);
}

static uint32_t get_scale(encoder *e, uint64_t key)
{
    columns *all = &e->columns;
    row_probe at = row_probe_of(key);
    while (row_table_next(&e->by_scale, &at))
        if (all->scales[at.row].key == key)
            return at.row;
    all->scales = td_array_grow(all->scales, all->scale_count, sizeof *all->scales);
    all->scales[all->scale_count] = (scale_group){.key = key};
    row_table_put(&e->by_scale, key, all->scale_count);
    return (uint32_t)all->scale_count++;
}

static uint32_t get_column(encoder *e, uint64_t place, column_kind kind, uint64_t scale_key)
{
    columns *all = &e->columns;
    const uint64_t key = mix_number(place, (uint64_t)kind);
    row_probe at = row_probe_of(key);
    while (row_table_next(&e->by_key, &at))
        if (all->rows[at.row].key == key)
            return at.row;
    e->is_full |= all->count >= PACK_COLUMNS_MAX; /* the frame is read to its end */
    const uint32_t scale = kind == COLUMN_NUMBER ? get_scale(e, scale_key) : 0;
    all->rows = td_array_grow(all->rows, all->count, sizeof *all->rows);
    all->rows[all->count] = (pack_column){.key = key, .kind = kind, .scale_group = scale};
    e->drafts = td_array_grow(e->drafts, all->count, sizeof *e->drafts);
    e->drafts[all->count] = (draft_column){0};
    row_table_put(&e->by_key, key, all->count);
    return (uint32_t)all->count++;
}

static void add_event(encoder *e, uint32_t column)
{
    if (e->event_count == e->event_capacity) {
        e->event_capacity = e->event_capacity * 2 + 4096;
        e->events = td_realloc(e->events, e->event_capacity, sizeof *e->events);
    }
    e->events[e->event_count++] = (uint16_t)column;
}

static void reserve(draft_column *draft, column_kind kind)
{
    if (draft->count < draft->capacity)
        return;
    draft->capacity = draft->capacity * 2 + 16;
    if (kind == COLUMN_NUMBER)
        draft->numbers = td_realloc(draft->numbers, draft->capacity, sizeof *draft->numbers);
    else
        draft->strings = td_realloc(draft->strings, draft->capacity, sizeof *draft->strings);
    if (kind != COLUMN_NUMBER)
        draft->channels = td_realloc(draft->channels, draft->capacity, sizeof *draft->channels);
}

/* Add a whole number that needs no digits; returns its place among the column's. */
static size_t add_plain(encoder *e, uint32_t column, uint16_t channel, int64_t value)
{
    draft_column *draft = &e->drafts[column];
    reserve(draft, COLUMN_NUMBER);
    draft->numbers[draft->count] = (draft_number){
        .value = value, .frame = e->frame, .event = (uint32_t)e->event_count, .channel = channel};
    add_event(e, column);
    return draft->count++;
}

static void add_number(encoder *e, uint32_t column, int64_t mantissa, unsigned digits)
{
    columns *all = &e->columns;
    scale_state *scale = columns_scale(all, all->rows[column].scale_group, e->channel);
    if (scale == NULL) {
        e->is_full = 1;
        return;
    }
    const unsigned known = scale->scale;
    const unsigned up = digits < known ? known - digits : 0;
    draft_column *draft = &e->drafts[column];
    const int is_large = up > 0 && (mantissa > INT64_MAX / value_power[up] / 10 ||
                                    mantissa < INT64_MIN / value_power[up] / 10);
    const int is_minimal = digits == 0 || mantissa % 10 != 0;
    const size_t at = add_plain(e, column, e->channel, mantissa);
    draft_number *made = &draft->numbers[at];
    made->scale = (uint8_t)digits;
    if (is_large) {
        made->digits = (uint8_t)(DIGITS_ALONE + digits);
    } else if (digits > known || (digits < known && !is_minimal)) {
        made->digits = (uint8_t)(DIGITS_GIVEN + digits);
        scale->scale = (uint8_t)(digits > known ? digits : known);
    } else {
        uint8_t *is_short = &scale->is_short[mantissa == 0];
        made->is_other = *is_short ? !is_minimal : digits != known;
        *is_short ^= made->is_other;
    }
    if (!is_large) {
        made->value = mantissa * value_power[up];
        made->scale = scale->scale;
    }
}

static void add_string(encoder *e, uint32_t column, td_bytes text)
{
    draft_column *draft = &e->drafts[column];
    reserve(draft, COLUMN_STRING);
    draft->channels[draft->count] = e->channel;
    draft->strings[draft->count++] = text;
    add_event(e, column);
}

/* ---- templates ---- */

/* The number of a template; 0: there are too many. Takes parts over. */
static uint32_t get_template(encoder *e, out_stream *parts)
{
    const uint64_t hash = td_xxh64(parts->data, parts->size);
    row_probe at = row_probe_of(hash);
    while (row_table_next(&e->by_template, &at)) {
        const out_stream *known = &e->templates[at.row];
        if (td_bytes_equal(td_bytes_of(known->data, known->size),
                           td_bytes_of(parts->data, parts->size))) {
            out_stream_fini(parts);
            return at.row + TEMPLATE_FIRST;
        }
    }
    e->is_full |= e->template_count + TEMPLATE_FIRST == TEMPLATES_MAX ||
                  parts->size > TEMPLATES_BYTES_MAX - e->template_bytes;
    if (e->is_full) {
        out_stream_fini(parts);
        return TEMPLATE_TEXT;
    }
    e->templates = td_array_grow(e->templates, e->template_count, sizeof *e->templates);
    e->templates[e->template_count] = *parts;
    e->template_bytes += parts->size;
    row_table_put(&e->by_template, hash, e->template_count);
    *parts = (out_stream){0};
    return (uint32_t)(e->template_count++ + TEMPLATE_FIRST);
}

/* A template while it is made. */
typedef struct making {
    out_stream parts;
    size_t literal; /* begin of the text that no part has yet */
    size_t count;
} making;

static void add_literal(encoder *e, making *of, size_t end)
{
    if (end > of->literal) {
        out_stream_byte(&of->parts, PART_LITERAL);
        out_stream_number(&of->parts, end - of->literal);
        out_stream_add(&of->parts, e->payload.data + of->literal, end - of->literal);
        of->count++;
    }
    of->literal = end;
}

static void add_part(encoder *e, making *of, unsigned kind, uint32_t column, size_t end)
{
    out_stream_byte(&of->parts, (uint8_t)kind);
    out_stream_number(&of->parts, column);
    of->literal = end;
    e->is_full |= ++of->count > TEMPLATE_PARTS_MAX - 2;
}

/* The place of a value in a frame. */
typedef struct place {
    uint64_t path;               /* of the value */
    uint64_t scale;              /* numbers with the same one are written alike */
    uint64_t owner, owner_scale; /* of the container that it is in */
    uint64_t map_key;            /* 0, or of the array's elements */
} place;

static void read_scalar(encoder *e, making *of, const frame_token *token, const place *at)
{
    const td_bytes text = td_bytes_of(e->payload.data + token->begin, token->end - token->begin);
    int64_t value;
    unsigned digits;
    if (token->kind == TOKEN_WORD &&
        (text.data[0] == 't' || text.data[0] == 'f' || text.data[0] == 'n'))
        return; /* true, false, null: part of the literal */
    add_literal(e, of, token->begin);
    if (value_read_number(text, &value, &digits)) {
        const uint32_t column = get_column(e, at->path, COLUMN_NUMBER, at->scale);
        add_number(e, column, value, digits);
        add_part(e, of, PART_NUMBER, column, token->end);
        draft_column *draft = &e->drafts[column];
        draft->map_key = at->map_key;
        draft->first_in_element = e->first_number;
        e->first_number = e->first_number == 0 ? column + 1 : e->first_number;
    } else if (token->kind == TOKEN_STRING && value_read_time(text, &value, &digits)) {
        const uint32_t column = get_column(e, mix_number(at->path, digits), COLUMN_NUMBER, 0);
        (void)add_plain(e, column, e->channel, value);
        add_part(e, of, PART_TIME + digits, column, token->end);
    } else {
        const uint32_t column = get_column(e, at->path, COLUMN_STRING, 0);
        add_string(e, column, text);
        add_part(e, of, PART_STRING, column, token->end);
    }
}

static size_t read_value(encoder *e, making *of, size_t token, const place *at);

/* Read an array whose elements are parts of the template, by their places. */
static size_t read_list(encoder *e, making *of, size_t token, const place *at)
{
    size_t next = token + 1;
    for (uint64_t i = 0; e->tokens.items[next].kind != TOKEN_END; i++) {
        const place element = {mix_number(at->path, i), mix_number(at->scale, i), at->path,
                               at->scale, at->map_key};
        next = read_value(e, of, next, &element);
        next += e->tokens.items[next].kind == TOKEN_COMMA;
    }
    return next + 1;
}

/* Read an array whose elements have templates of their own. */
static size_t read_array(encoder *e, making *of, size_t token, const place *at)
{
    static const char COUNT[] = "count", ELEMENT[] = "element";
    const frame_token *items = e->tokens.items;
    const uint32_t counts = get_column(e, mix(at->path, COUNT, sizeof COUNT), COLUMN_NUMBER, 0);
    const uint32_t elements =
        get_column(e, mix(at->path, ELEMENT, sizeof ELEMENT), COLUMN_NUMBER, 0);
    const place element = {mix(at->path, "[]", 2), mix(at->owner_scale, "[]", 2), at->path,
                           at->scale, at->owner == 0 ? 1 : at->owner};
    const size_t count_at = add_plain(e, counts, e->channel, 0);
    size_t next = token + 1;
    int64_t count = 0;
    add_literal(e, of, items[token].begin);
    while (items[next].kind != TOKEN_END) {
        making one = {.literal = items[next - 1].end};
        const size_t element_at = add_plain(e, elements, e->channel, 0);
        const uint32_t outer = e->first_number;
        e->first_number = 0;
        next = read_value(e, &one, next, &element);
        e->first_number = outer;
        add_literal(e, &one, items[next].begin);
        e->drafts[elements].numbers[element_at].value = get_template(e, &one.parts);
        count++;
        next += items[next].kind == TOKEN_COMMA;
    }
    e->drafts[counts].numbers[count_at].value = count;
    add_part(e, of, PART_ARRAY, counts, items[next].end);
    out_stream_number(&of->parts, elements);
    return next + 1;
}

static size_t read_object(encoder *e, making *of, size_t token, const place *at)
{
    const frame_token *items = e->tokens.items;
    size_t next = token + 1;
    while (items[next].kind == TOKEN_KEY) {
        const uint8_t *key = e->payload.data + items[next].begin;
        const size_t size = items[next].end - items[next].begin;
        const place member = {mix(at->path, key, size), mix(at->scale, key, size), at->path,
                              at->scale, at->map_key};
        next = read_value(e, of, next + 1, &member);
    }
    return next + 1;
}

/* Read a value, and return the token after it. */
static size_t read_value(encoder *e, making *of, size_t token, const place *at)
{
    const frame_token *item = &e->tokens.items[token];
    if (item->kind == TOKEN_OBJECT)
        return read_object(e, of, token, at);
    if (item->kind != TOKEN_ARRAY) {
        read_scalar(e, of, item, at);
        return token + 1;
    }
    const frame_token *first = item + 1;
    const int is_empty = first->kind == TOKEN_END && first->begin == item->end;
    return is_empty || first->kind == TOKEN_OBJECT || first->kind == TOKEN_ARRAY
               ? read_array(e, of, token, at)
               : read_list(e, of, token, at);
}

/* ---- messages ---- */

static uint16_t get_channel(encoder *e, uint16_t id)
{
    if (e->channel_numbers[id] == 0) {
        if (e->channel_count == PACK_CHANNELS_MAX) {
            e->is_full = 1;
            return 0;
        }
        e->lines[e->channel_count] = UINT32_MAX;
        e->channels[e->channel_count++] = id;
        e->channel_numbers[id] = (uint32_t)e->channel_count;
    }
    return (uint16_t)(e->channel_numbers[id] - 1);
}

/* The line of sequences that a channel belongs to: the one that its first number continues. */
static uint16_t get_line(encoder *e, uint16_t channel, uint32_t sequence)
{
    uint32_t *line = &e->lines[channel];
    for (size_t i = 0; *line == UINT32_MAX && i < e->line_count; i++)
        if (e->line_lasts[i] + 1 == sequence)
            *line = (uint32_t)i;
    if (*line == UINT32_MAX) {
        *line = (uint32_t)e->line_count;
        e->line_lasts = td_array_grow(e->line_lasts, e->line_count, sizeof *e->line_lasts);
        e->line_count++;
    }
    e->line_lasts[*line] = sequence;
    return (uint16_t)*line;
}

static void read_payload(encoder *e, int with_templates)
{
    static const place ROOT = {1, 1, 0, 0, 0};
    const size_t template_at = add_plain(e, HEAD_TEMPLATE, e->channel, TEMPLATE_TEXT);
    making whole = {.literal = 0};
    if (!with_templates || !frame_tokens_find(&e->tokens, e->payload)) {
        const uint64_t key = mix_number(2, e->channel);
        add_string(e, get_column(e, key, COLUMN_TEXT, 0), e->payload);
        return;
    }
    e->first_number = 0;
    (void)read_value(e, &whole, 0, &ROOT);
    add_literal(e, &whole, e->payload.size);
    e->drafts[HEAD_TEMPLATE].numbers[template_at].value = get_template(e, &whole.parts);
}

static void read_message(encoder *e, td_bytes content, int with_templates)
{
    const uint16_t channel = get_channel(e, td_le16(content.data));
    const uint32_t sequence = td_le32(content.data + 2);
    (void)add_plain(e, HEAD_CHANNEL, 0, (int64_t)channel + 1);
    (void)add_plain(e, HEAD_TIME, 0, (int64_t)td_le64(content.data + 6));
    e->channel = channel;
    e->payload =
        td_bytes_of(content.data + MESSAGE_FIELDS_BYTES, content.size - MESSAGE_FIELDS_BYTES);
    read_payload(e, with_templates);
    (void)add_plain(e, HEAD_SEQUENCE, get_line(e, channel, sequence), sequence);
    (void)add_plain(e, HEAD_PUBLISH, channel, (int64_t)td_le64(content.data + 14));
    e->frame++;
}

/* Read all records. 0: they are no whole records, or a limit was reached. */
static int read_records(encoder *e, td_bytes records, int with_templates)
{
    for (uint64_t head = 0; head < HEAD_COUNT; head++)
        (void)get_column(e, mix_number(3, head), COLUMN_NUMBER, 0);
    while (records.size >= RECORD_PREFIX_BYTES && !e->is_full) {
        const uint64_t size = td_le64(records.data + 1);
        if (size > records.size - RECORD_PREFIX_BYTES)
            return 0;
        const td_bytes whole = td_bytes_of(records.data, RECORD_PREFIX_BYTES + (size_t)size);
        const td_bytes content = td_bytes_of(records.data + RECORD_PREFIX_BYTES, (size_t)size);
        if (whole.data[0] == RECORD_MESSAGE && size >= MESSAGE_FIELDS_BYTES) {
            read_message(e, content, with_templates);
        } else {
            (void)add_plain(e, HEAD_CHANNEL, 0, 0);
            e->others = td_array_grow(e->others, e->other_count, sizeof *e->others);
            e->others[e->other_count++] = whole;
        }
        records = td_bytes_of(records.data + whole.size, records.size - whole.size);
    }
    return records.size == 0 && !e->is_full;
}

/* ---- what to expect of a column ---- */

enum {
    TRIED_MIN = 8,       /* shorter columns get no reference */
    TRIED_MAX = 1 << 14, /* of longer columns the beginning is tried */
    REFERENCES_MAX = 24, /* columns that are tried as references, the nearest before and after */
};

static size_t tried_count(const draft_column *draft)
{
    return draft->count < TRIED_MAX ? draft->count : TRIED_MAX;
}

/* Differences between the first numbers and what a predictor expects; all but levels and
 * references. */
static void try_predictor(const draft_column *draft, column_predictor by, int64_t *out)
{
    columns scratch = {0};
    pack_column trial = {.predictor = by};
    for (size_t i = 0; i < tried_count(draft); i++) {
        const draft_number *n = &draft->numbers[i];
        column_state *state = columns_state(&scratch, &trial, n->channel);
        TD_ASSERT(state != NULL);
        out[i] = (int64_t)((uint64_t)n->value -
                           (uint64_t)column_predict(&scratch, &trial, state, n->frame, n->scale));
        column_learn(&trial, state, n->frame, n->value, n->scale);
    }
    td_free(trial.states);
}

/* The same for a reference to another column. */
static void try_reference(const draft_column *draft, const draft_column *other, int exponent,
                          int64_t *out)
{
    size_t next = 0;
    for (size_t i = 0; i < tried_count(draft); i++) {
        const draft_number *n = &draft->numbers[i];
        while (next < other->count && other->numbers[next].event < n->event)
            next++;
        const draft_number *last = next > 0 ? &other->numbers[next - 1] : NULL;
        const int64_t expected = last != NULL && last->frame == n->frame
                                     ? columns_align(last->value, last->scale, n->scale + exponent)
                                     : 0;
        out[i] = (int64_t)((uint64_t)n->value - (uint64_t)expected);
    }
}

/* The power of ten between the columns' numbers, from one frame that has both. 0: not found. */
static int find_exponent(const draft_column *draft, const draft_column *other, int *exponent)
{
    const draft_number *n = &draft->numbers[tried_count(draft) / 2];
    size_t low = 0;
    size_t high = other->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (other->numbers[middle].event < n->event)
            low = middle + 1;
        else
            high = middle;
    }
    const draft_number *last = low > 0 ? &other->numbers[low - 1] : NULL;
    if (last == NULL || last->frame != n->frame || last->value == 0 || n->value == 0 ||
        (last->value < 0) != (n->value < 0))
        return 0;
    const double ratio = log10((double)n->value / (double)last->value);
    const double whole = round(ratio);
    *exponent = (int)whole - n->scale + last->scale;
    return fabs(ratio - whole) < 0.02 && *exponent >= -VALUE_DIGITS_MAX &&
           *exponent <= VALUE_DIGITS_MAX;
}

/* Bits of a whole column, by what was tried. */
static double tried_cost(const draft_column *draft, const int64_t *numbers)
{
    const size_t tried = tried_count(draft);
    return numbers_cost(numbers, tried) * (double)draft->count / (double)tried;
}

static void choose_reference(encoder *e, size_t at, int64_t *numbers)
{
    draft_column *draft = &e->drafts[at];
    const size_t first = at > REFERENCES_MAX ? at - REFERENCES_MAX : 0;
    for (size_t i = 0; i < e->columns.count && draft->count >= TRIED_MIN; i++) {
        int exponent;
        if (i == at || (i < HEAD_COUNT && i != HEAD_TIME) ||
            (i >= HEAD_COUNT && at >= HEAD_COUNT && (i < first || i > at + REFERENCES_MAX / 4)) ||
            e->columns.rows[i].kind != COLUMN_NUMBER || e->drafts[i].count < draft->count / 4 ||
            !find_exponent(draft, &e->drafts[i], &exponent))
            continue;
        try_reference(draft, &e->drafts[i], exponent, numbers);
        const double cost = tried_cost(draft, numbers);
        if (cost < draft->cost * 0.98 - 64) {
            pack_column *of = &e->columns.rows[at];
            of->predictor = PREDICT_REFERENCE;
            of->reference = (uint32_t)i;
            of->exponent = exponent;
            draft->cost = cost;
        }
    }
}

static void choose_predictors(encoder *e)
{
    for (size_t i = 0; i < e->columns.count; i++) {
        draft_column *draft = &e->drafts[i];
        pack_column *of = &e->columns.rows[i];
        if (of->kind != COLUMN_NUMBER || draft->count == 0)
            continue;
        int64_t *numbers = td_alloc(tried_count(draft) * sizeof *numbers);
        draft->cost = HUGE_VAL;
        for (column_predictor by = PREDICT_ZERO; by <= PREDICT_BEFORE; by++) {
            try_predictor(draft, by, numbers);
            const double cost = tried_cost(draft, numbers);
            of->predictor = cost < draft->cost ? by : of->predictor;
            draft->cost = cost < draft->cost ? cost : draft->cost;
        }
        choose_reference(e, i, numbers);
        td_free(numbers);
    }
}

/* ---- numbers as they are stored ---- */

typedef struct list {
    int64_t *numbers;
    size_t count, capacity;
} list;

typedef struct column_lists {
    list lists[COLUMN_LISTS];
    size_t next; /* number of the column that is replayed next */
} column_lists;

static void append(list *to, int64_t number)
{
    if (to->count == to->capacity) {
        to->capacity = to->capacity * 2 + 64;
        to->numbers = td_realloc(to->numbers, to->capacity, sizeof *to->numbers);
    }
    to->numbers[to->count++] = number;
}

static void lists_fini(column_lists *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < COLUMN_LISTS; k++)
            td_free(all[i].lists[k].numbers);
    td_free(all);
}

/* A price: whether there is no level of it, its place after that of the last one, and of a new one
 * the difference to the level before. */
static void store_key(pack_column *of, channel_map *map, column_state *state, const draft_number *n,
                      list lists[COLUMN_LISTS])
{
    if (n->digits >= DIGITS_ALONE) {
        append(&lists[2], n->value);
        map->is_touched = 0;
        return;
    }
    channel_map_align_keys(map, n->scale);
    const size_t index = level_map_find(&map->levels, n->value);
    const int is_new =
        index == map->levels.count || level_map_at(&map->levels, index)->key != n->value;
    append(&lists[0], is_new);
    append(&lists[1], (int64_t)index - state->last);
    if (is_new)
        append(&lists[2],
               (int64_t)((uint64_t)n->value -
                         (uint64_t)(index == 0 ? 0 : level_map_at(&map->levels, index - 1)->key)));
    channel_map_touch(map, index, is_new, n->value, of->predictor);
    state->last = (int64_t)index;
}

/* A size: whether it removes the level; of a new level the size, else its change. */
static void store_value(channel_map *map, const draft_number *n, list lists[COLUMN_LISTS])
{
    if (n->digits >= DIGITS_ALONE) {
        append(&lists[1], n->value);
        map->is_touched = 0;
        return;
    }
    channel_map_align_values(map, n->scale);
    if (!map->is_touched || map->is_new) {
        append(&lists[1], n->value);
    } else {
        append(&lists[0], n->value == 0 ? SIZE_REMOVES : SIZE_CHANGES);
        if (n->value != 0)
            append(&lists[2], (int64_t)((uint64_t)n->value - (uint64_t)channel_map_value(map)));
    }
    channel_map_put(map, n->value);
}

static int is_level(const pack_column *of)
{
    return of->kind == COLUMN_NUMBER && of->predictor >= PREDICT_LEVEL_KEY;
}

/* Store a number. 0: there are too many states. */
static int store_number(columns *states, size_t column_at, const draft_number *n,
                        list lists[COLUMN_LISTS])
{
    pack_column *of = &states->rows[column_at];
    column_state *state = columns_state(states, of, n->channel);
    if (state == NULL)
        return 0;
    if (is_level(of)) {
        channel_map *map = columns_map(states, of->reference, n->channel);
        if (map == NULL)
            return 0;
        if (of->predictor == PREDICT_LEVEL_VALUE)
            store_value(map, n, lists);
        else
            store_key(of, map, state, n, lists);
        of->before = n->value;
        of->any_scale = n->scale;
        of->before_frame = n->frame + 1;
        return 1;
    }
    append(&lists[0], (int64_t)((uint64_t)n->value -
                                (uint64_t)column_predict(states, of, state, n->frame, n->scale)));
    column_learn(of, state, n->frame, n->value, n->scale);
    return 1;
}

/* Forget what was learned about numbers, but not what the columns are. */
static void reset_states(columns *all)
{
    for (size_t i = 0; i < all->count; i++) {
        pack_column *of = &all->rows[i];
        td_free(of->states);
        of->states = NULL;
        of->state_capacity = 0;
        of->any = of->before = 0;
        of->before_frame = 0;
        of->any_scale = 0;
    }
    for (size_t map = 0; map < PACK_MAPS_MAX; map++) {
        for (size_t i = 0; i < all->map_capacity[map]; i++)
            level_map_fini(&all->maps[map][i].levels);
        td_free(all->maps[map]);
        all->maps[map] = NULL;
        all->map_capacity[map] = 0;
    }
    all->state_count = 0;
}

/* Store the numbers of all columns, or only of the columns of one map, in the order in which a
 * reader needs them. NULL: too many states, or too much work. */
static column_lists *store_all(encoder *e, int map)
{
    columns *all = &e->columns;
    column_lists *out = td_alloc_zero(all->count, sizeof *out);
    int is_possible = 1;
    reset_states(all);
    for (size_t i = 0; i < e->event_count && is_possible; i++) {
        const size_t at = e->events[i];
        const pack_column *of = &all->rows[at];
        if (of->kind == COLUMN_NUMBER &&
            (map < 0 || (is_level(of) && of->reference == (uint32_t)map)))
            is_possible =
                store_number(all, at, &e->drafts[at].numbers[out[at].next++], out[at].lists);
    }
    if (is_possible)
        return out;
    lists_fini(out, all->count);
    return NULL;
}

/* ---- levels ---- */

static double lists_cost(const column_lists *of)
{
    double sum = 0;
    for (size_t k = 0; k < COLUMN_LISTS; k++)
        sum += numbers_cost(of->lists[k].numbers, of->lists[k].count);
    return sum;
}

/* The column of sizes that belongs to a column of prices: the next number of the same elements that
 * does not follow from other numbers. 0: none. */
static uint32_t find_sizes(const encoder *e, size_t prices)
{
    for (size_t i = HEAD_COUNT; i < e->columns.count; i++) {
        const draft_column *draft = &e->drafts[i];
        if (e->columns.rows[i].kind == COLUMN_NUMBER && draft->map_key != 0 &&
            draft->first_in_element == prices + 1 && draft->count == e->drafts[prices].count &&
            draft->cost > (double)draft->count * 2)
            return (uint32_t)i;
    }
    return 0;
}

/* Try to read the elements of all arrays of an object as levels, with a price first; keep it if
 * that is shorter. */
static void try_map(encoder *e, uint64_t map_key, uint32_t map)
{
    columns *all = &e->columns;
    pack_column *before = td_alloc(all->count * sizeof *before);
    double cost = 0;
    size_t prices = 0;
    memcpy(before, all->rows, all->count * sizeof *before);
    for (size_t i = HEAD_COUNT; i < all->count; i++) {
        draft_column *draft = &e->drafts[i];
        const uint32_t sizes = find_sizes(e, i);
        if (all->rows[i].kind != COLUMN_NUMBER || draft->map_key != map_key ||
            draft->first_in_element != 0)
            continue;
        cost += draft->cost;
        all->rows[i].predictor = sizes == 0 ? PREDICT_LEVEL_END : PREDICT_LEVEL_KEY;
        all->rows[i].reference = map;
        prices++;
        if (sizes == 0)
            continue;
        cost += e->drafts[sizes].cost;
        all->rows[sizes].predictor = PREDICT_LEVEL_VALUE;
        all->rows[sizes].reference = map;
    }
    column_lists *lists = prices == 0 ? NULL : store_all(e, (int)map);
    double now = lists == NULL ? HUGE_VAL : 0;
    for (size_t i = 0; lists != NULL && i < all->count; i++)
        if (is_level(&all->rows[i]) && all->rows[i].reference == map)
            now += lists_cost(&lists[i]);
    if (lists != NULL)
        lists_fini(lists, all->count);
    reset_states(all);
    for (size_t i = 0; now >= cost && i < all->count; i++)
        all->rows[i] = before[i];
    td_free(before);
}

static void choose_maps(encoder *e)
{
    uint64_t tried[PACK_MAPS_MAX];
    uint32_t count = 0;
    for (size_t i = HEAD_COUNT; i < e->columns.count && count < PACK_MAPS_MAX; i++) {
        uint32_t k = 0;
        while (k < count && tried[k] != e->drafts[i].map_key)
            k++;
        if (e->drafts[i].map_key == 0 || k < count)
            continue;
        tried[count] = e->drafts[i].map_key;
        try_map(e, e->drafts[i].map_key, count++);
    }
}

/* ---- writing ---- */

/* Strings of a column: 0 is the channel's last one again, 1 a new one, else the number of a known
 * one
 * + 2. */
static void write_strings(encoder *e, size_t column, out_stream *table, stream_writer *to)
{
    const draft_column *draft = &e->drafts[column];
    row_table known = {0};
    td_bytes *rows = NULL;
    size_t count = 0;
    size_t *lasts = td_alloc(PACK_CHANNELS_MAX * sizeof *lasts);
    list which = {0};
    out_stream text = {0};
    for (size_t i = 0; i < PACK_CHANNELS_MAX; i++)
        lasts[i] = SIZE_MAX;
    for (size_t i = 0; i < draft->count; i++) {
        size_t *last = &lasts[draft->channels[i]];
        const td_bytes one = draft->strings[i];
        const uint64_t hash = td_xxh64(one.data, one.size);
        size_t found = SIZE_MAX;
        row_probe at = row_probe_of(hash);
        while (found == SIZE_MAX && row_table_next(&known, &at))
            if (td_bytes_equal(rows[at.row], one))
                found = at.row;
        append(&which, found == SIZE_MAX ? 1 : found == *last ? 0 : (int64_t)found + 2);
        if (found == SIZE_MAX) {
            found = count;
            rows = td_array_grow(rows, count, sizeof *rows);
            rows[count] = one;
            row_table_put(&known, hash, count++);
            out_stream_number(&text, one.size);
            out_stream_add(&text, one.data, one.size);
        }
        *last = found;
    }
    numbers_write(which.numbers, which.count, e->effort, e->coder, table, to);
    stream_writer_take(to, &text, GROUP_STRING);
    td_free(which.numbers);
    td_free(lasts);
    td_free(rows);
    row_table_fini(&known);
}

static void write_text(encoder *e, size_t column, out_stream *table, stream_writer *to)
{
    const draft_column *draft = &e->drafts[column];
    list sizes = {0};
    out_stream text = {0};
    for (size_t i = 0; i < draft->count; i++) {
        append(&sizes, (int64_t)draft->strings[i].size);
        out_stream_add(&text, draft->strings[i].data, draft->strings[i].size);
    }
    numbers_write(sizes.numbers, sizes.count, e->effort, e->coder, table, to);
    stream_writer_take(to, &text, GROUP_TEXT);
    td_free(sizes.numbers);
}

/* How the numbers of a column are written as text. */
static void write_digits(encoder *e, size_t column, out_stream *table, stream_writer *to)
{
    const draft_column *draft = &e->drafts[column];
    list digits = {0};
    list other = {0};
    for (size_t i = 0; i < draft->count; i++) {
        append(&digits, draft->numbers[i].digits);
        if (draft->numbers[i].digits == DIGITS_AS_SCALE)
            append(&other, draft->numbers[i].is_other);
    }
    numbers_write(digits.numbers, digits.count, e->effort, e->coder, table, to);
    numbers_write(other.numbers, other.count, e->effort, e->coder, table, to);
    td_free(digits.numbers);
    td_free(other.numbers);
}

static void write_column(encoder *e, size_t column_at, const column_lists *lists, out_stream *table,
                         stream_writer *to)
{
    const pack_column *of = &e->columns.rows[column_at];
    const int list_count = is_level(of) ? COLUMN_LISTS : 1;
    out_stream_byte(table, (uint8_t)of->kind);
    if (of->kind == COLUMN_STRING)
        write_strings(e, column_at, table, to);
    else if (of->kind == COLUMN_TEXT)
        write_text(e, column_at, table, to);
    if (of->kind != COLUMN_NUMBER)
        return;
    out_stream_byte(table, (uint8_t)of->predictor);
    out_stream_number(table, of->reference);
    out_stream_byte(table, (uint8_t)(of->exponent + VALUE_DIGITS_MAX));
    out_stream_number(table, of->scale_group);
    write_digits(e, column_at, table, to);
    for (int k = 0; k < list_count; k++)
        numbers_write(lists->lists[k].numbers, lists->lists[k].count, e->effort, e->coder, table,
                      to);
}

static void write_table(encoder *e, const column_lists *lists, out_stream *table, stream_writer *to)
{
    out_stream others = {0};
    out_stream templates = {0};
    out_stream_byte(table, PACK_VERSION);
    out_stream_number(table, e->drafts[HEAD_CHANNEL].count);
    out_stream_number(table, e->channel_count);
    for (size_t i = 0; i < e->channel_count; i++) {
        out_stream_number(table, e->channels[i]);
        out_stream_number(table, e->lines[i]);
    }
    for (size_t i = 0; i < e->other_count; i++)
        out_stream_add(&others, e->others[i].data, e->others[i].size);
    stream_writer_take(to, &others, GROUP_STRING);
    out_stream_number(table, e->columns.scale_count);
    out_stream_number(table, e->columns.count);
    for (size_t i = 0; i < e->columns.count; i++)
        write_column(e, i, &lists[i], table, to);
    out_stream_number(table, e->template_count);
    for (size_t i = 0; i < e->template_count; i++) {
        out_stream_number(&templates, e->templates[i].size);
        out_stream_add(&templates, e->templates[i].data, e->templates[i].size);
    }
    stream_writer_take(to, &templates, GROUP_STRING);
}

static void encoder_fini(encoder *e)
{
    for (size_t i = 0; i < e->columns.count; i++) {
        td_free(e->drafts[i].numbers);
        td_free(e->drafts[i].strings);
        td_free(e->drafts[i].channels);
    }
    for (size_t i = 0; i < e->template_count; i++)
        out_stream_fini(&e->templates[i]);
    td_free(e->drafts);
    td_free(e->templates);
    td_free(e->events);
    td_free(e->line_lasts);
    td_free(e->others);
    columns_fini(&e->columns);
    row_table_fini(&e->by_key);
    row_table_fini(&e->by_scale);
    row_table_fini(&e->by_template);
    frame_tokens_fini(&e->tokens);
}

/* Pack in one of two ways: with templates, or payloads as texts. */
static td_result encode(codec *coder, td_bytes records, pack_effort effort, int with_templates,
                        td_buf *out, td_err *err)
{
    enum { LEVEL_FAST = 3, LEVEL_BEST = 19 };
    encoder *e = td_alloc_zero(1, sizeof *e);
    e->coder = coder;
    e->effort = effort;
    column_lists *lists = NULL;
    if (read_records(e, records, with_templates)) {
        choose_predictors(e);
        choose_maps(e);
        lists = store_all(e, -1);
    }
    td_result rc = TD_OK;
    if (lists == NULL) {
        rc = td_err_set(err, TD_E_LIMIT, "the records have too many parts for a packed chunk");
    } else {
        out_stream table = {0};
        stream_writer streams = {0};
        write_table(e, lists, &table, &streams);
        stream_writer_take(&streams, &table, GROUP_SHORT);
        rc = stream_writer_finish(&streams, coder, effort == PACK_FAST ? LEVEL_FAST : LEVEL_BEST,
                                  out, err);
        stream_writer_fini(&streams);
        lists_fini(lists, e->columns.count);
    }
    encoder_fini(e);
    td_free(e);
    return rc;
}

td_result pack_encode(codec *coder, td_bytes records, pack_effort effort, td_buf *out, td_err *err)
{
    td_buf templates;
    td_buf texts;
    td_buf_init(&templates, LIMIT_CHUNK_BYTES);
    td_buf_init(&texts, LIMIT_CHUNK_BYTES);
    const td_result with = encode(coder, records, effort, 1, &templates, err);
    td_result rc = encode(coder, records, effort, 0, &texts, err);
    if (with == TD_OK && (rc != TD_OK || templates.size < texts.size))
        rc = td_buf_append(out, templates.data, templates.size, err);
    else if (rc == TD_OK)
        rc = td_buf_append(out, texts.data, texts.size, err);
    td_buf_fini(&templates);
    td_buf_fini(&texts);
    return rc;
}
