#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "pack/columns.h"
#include "pack/layout.h"
#include "pack/numbers.h"
#include "pack/pack.h"

/* A part of a template, with the literal before it. PART_LITERAL: that alone. */
typedef struct part {
    td_bytes literal;
    uint8_t kind;
    uint16_t column, elements; /* elements: of PART_ARRAY, the column of their templates */
} part;

typedef struct frame_template {
    size_t first, count; /* parts */
} frame_template;

/* A column: its streams, and what is known of its values. */
typedef struct column_reader {
    column_kind kind;
    column_rule rule;
    uint32_t scale_group;
    uint8_t needs_any;                 /* 1: this column's predictor or another's needs `any` */
    column_last any;                   /* the last number */
    state_array states;                /* column_state */
    number_reader digits, other;       /* of numbers */
    number_reader lists[COLUMN_LISTS]; /* of strings and texts one */
    in_stream text;
    td_bytes *strings; /* known ones */
    size_t string_count;
    uint32_t *lasts; /* by channel: the number of the last string, + 1 */
    size_t last_capacity;
} column_reader;

typedef struct decoder {
    column_reader *columns;
    size_t column_count;
    state_array *scales; /* scale_state */
    size_t scale_count;
    state_array maps[PACK_MAPS_MAX]; /* level_map */
    size_t states_left;
    uint16_t *channels; /* ids */
    uint32_t *lines;    /* of sequences */
    size_t channel_count;
    uint64_t record_count;
    in_stream others;
    part *parts;
    size_t part_count;
    frame_template *templates; /* the first one is TEMPLATE_FIRST */
    size_t template_count;
    uint8_t *out, *out_end;
    uint64_t work_left; /* values that may still be read: each takes a byte of a frame */
    uint32_t frame;
    uint16_t channel;
    uint8_t is_wrong;
} decoder;

/* ---- the table ---- */

static int read_number_column(const decoder *d, column_reader *of, in_stream *table,
                              stream_reader *streams)
{
    const uint8_t predictor = in_stream_byte(table);
    const uint64_t reference = in_stream_number(table);
    const uint8_t exponent = in_stream_byte(table);
    const uint64_t scale = in_stream_number(table);
    const int is_level = predictor >= PREDICT_LEVEL_KEY;
    if (predictor >= PREDICTORS || exponent > 2 * VALUE_DIGITS_MAX || scale >= d->scale_count ||
        reference >= (is_level ? PACK_MAPS_MAX : d->column_count))
        return 0;
    of->rule = (column_rule){(column_predictor)predictor, (uint32_t)reference,
                             exponent - VALUE_DIGITS_MAX};
    of->scale_group = (uint32_t)scale;
    int is_right = number_reader_open(&of->digits, table, streams) &&
                   number_reader_open(&of->other, table, streams);
    for (int k = 0; is_right && k < (is_level ? COLUMN_LISTS : 1); k++)
        is_right = number_reader_open(&of->lists[k], table, streams);
    return is_right;
}

static int read_columns(decoder *d, in_stream *table, stream_reader *streams)
{
    const uint64_t scale_count = in_stream_number(table);
    const uint64_t count = in_stream_number(table);
    if (scale_count > PACK_COLUMNS_MAX || count > PACK_COLUMNS_MAX || count < HEAD_COUNT)
        return 0;
    d->scale_count = (size_t)scale_count;
    d->scales = td_alloc_zero(d->scale_count + 1, sizeof *d->scales);
    d->column_count = (size_t)count;
    d->columns = td_alloc_zero(d->column_count, sizeof *d->columns);
    for (size_t i = 0; i < d->column_count; i++) {
        const uint8_t kind = in_stream_byte(table);
        column_reader *of = &d->columns[i];
        of->kind = (column_kind)kind;
        if (kind >= COLUMN_KINDS || (i < HEAD_COUNT && kind != COLUMN_NUMBER) ||
            !(kind == COLUMN_NUMBER ? read_number_column(d, of, table, streams)
                                    : number_reader_open(&of->lists[0], table, streams)))
            return 0;
        if (kind != COLUMN_NUMBER)
            of->text = stream_reader_take(streams);
    }
    for (size_t i = 0; i < d->column_count; i++) {
        column_reader *of = &d->columns[i];
        of->needs_any |= of->rule.predictor == PREDICT_ANY || of->rule.predictor == PREDICT_BEFORE;
        if (of->rule.predictor == PREDICT_REFERENCE)
            d->columns[of->rule.reference].needs_any = 1;
    }
    return !table->is_short;
}

/* 1 if a column has this kind, and exists. */
static int has_kind(const decoder *d, uint64_t at, column_kind kind)
{
    return at >= HEAD_COUNT && at < d->column_count && d->columns[at].kind == kind;
}

static int read_part(decoder *d, in_stream *from, part *out)
{
    const uint8_t kind = in_stream_byte(from);
    uint64_t values = 0;
    uint64_t elements = 0;
    *out = (part){.literal = {from->next, 0}, .kind = kind}; /* `put` may read beyond it */
    if (kind >= PART_KINDS)
        return 0;
    if (kind == PART_LITERAL) {
        out->literal = in_stream_bytes(from, in_stream_number(from));
        return !from->is_short;
    }
    values = in_stream_number(from);
    if (kind == PART_ARRAY)
        elements = in_stream_number(from);
    if (!has_kind(d, values, kind == PART_STRING ? COLUMN_STRING : COLUMN_NUMBER) ||
        (kind == PART_ARRAY && !has_kind(d, elements, COLUMN_NUMBER)))
        return 0;
    out->column = (uint16_t)values;
    out->elements = (uint16_t)elements;
    return !from->is_short;
}

/* A literal and the value after it become one part. */
static void add_part(decoder *d, frame_template *to, const part *next)
{
    part *last = to->count == 0 ? NULL : &d->parts[d->part_count - 1];
    if (last != NULL && last->kind == PART_LITERAL && next->kind != PART_LITERAL) {
        const td_bytes before = last->literal;
        *last = *next;
        last->literal = before;
        return;
    }
    d->parts = td_array_grow(d->parts, d->part_count, sizeof *d->parts);
    d->parts[d->part_count++] = *next;
    to->count++;
}

static int read_templates(decoder *d, uint64_t count, in_stream from)
{
    if (count > TEMPLATES_MAX || (size_t)(from.end - from.next) > TEMPLATES_BYTES_MAX)
        return 0;
    d->template_count = (size_t)count;
    d->templates = td_alloc_zero(d->template_count + 1, sizeof *d->templates);
    for (size_t i = 0; i < d->template_count; i++) {
        const td_bytes bytes = in_stream_bytes(&from, in_stream_number(&from));
        in_stream parts = {bytes.data, bytes.data + bytes.size, 0};
        frame_template *made = &d->templates[i];
        made->first = d->part_count;
        for (size_t part_count = 0; parts.next != parts.end; part_count++) {
            part next;
            if (part_count == TEMPLATE_PARTS_MAX || !read_part(d, &parts, &next))
                return 0;
            add_part(d, made, &next);
        }
    }
    return !from.is_short;
}

static int read_table(decoder *d, stream_reader *streams)
{
    in_stream table = stream_reader_last(streams);
    if (in_stream_byte(&table) != PACK_VERSION)
        return 0;
    d->record_count = in_stream_number(&table);
    const uint64_t channel_count = in_stream_number(&table);
    if (channel_count > PACK_CHANNELS_MAX)
        return 0;
    d->channel_count = (size_t)channel_count;
    d->channels = td_alloc_zero(d->channel_count + 1, sizeof *d->channels);
    d->lines = td_alloc_zero(d->channel_count + 1, sizeof *d->lines);
    for (size_t i = 0; i < d->channel_count; i++) {
        const uint64_t id = in_stream_number(&table);
        const uint64_t line = in_stream_number(&table);
        if (id > UINT16_MAX || line >= PACK_CHANNELS_MAX)
            return 0;
        d->channels[i] = (uint16_t)id;
        d->lines[i] = (uint32_t)line;
    }
    d->others = stream_reader_take(streams);
    if (!read_columns(d, &table, streams))
        return 0;
    const uint64_t template_count = in_stream_number(&table);
    const in_stream templates = stream_reader_take(streams);
    return !table.is_short && !streams->is_short && read_templates(d, template_count, templates);
}

/* ---- numbers ---- */

/* A price whose place is a stored difference to the last one. */
static int64_t read_key(decoder *d, column_reader *of, level_map *map, column_state *state)
{
    const int is_new = number_reader_next(&of->lists[0]) != 0;
    const int64_t place = wrapping_sum(state->last, number_reader_next(&of->lists[1]));
    const size_t index = (size_t)place;
    if (place < 0 || index > map->count || (!is_new && index == map->count)) {
        d->is_wrong = 1;
        return 0;
    }
    state->last = place;
    int64_t key = is_new ? (index == 0 ? 0 : level_map_at(map, index - 1)->key)
                         : level_map_at(map, index)->key;
    if (is_new)
        key = wrapping_sum(key, number_reader_next(&of->lists[2]));
    if (of->rule.predictor == PREDICT_LEVEL_KEY)
        level_map_touch(map, index, is_new, key);
    else
        level_map_end(map, index, is_new);
    return key;
}

static int64_t read_size(column_reader *of, level_map *map)
{
    int64_t value = 0;
    if (!map->is_touched || map->is_new)
        value = number_reader_next(&of->lists[1]);
    else if (number_reader_next(&of->lists[0]) != SIZE_REMOVES)
        value = wrapping_sum(level_map_value(map), number_reader_next(&of->lists[2]));
    level_map_put(map, value);
    return value;
}

static __attribute__((noinline)) int64_t
read_level(decoder *d, column_reader *of, column_state *state, unsigned scale, int is_alone)
{
    const int is_size = of->rule.predictor == PREDICT_LEVEL_VALUE;
    level_map *map =
        state_array_at(&d->maps[of->rule.reference], d->channel, sizeof *map, &d->states_left);
    int64_t value;
    if (map == NULL) {
        d->is_wrong = 1;
        return 0;
    }
    const uint64_t moved = map->moved;
    if (is_alone) {
        map->is_touched = 0;
        value = number_reader_next(&of->lists[is_size ? 1 : 2]);
    } else if (is_size) {
        level_map_align_values(map, scale);
        value = read_size(of, map);
    } else {
        level_map_align_keys(map, scale);
        value = read_key(d, of, map, state);
    }
    of->any = (column_last){value, d->frame + 1, (uint8_t)scale};
    const uint64_t work = (map->moved - moved) / 64;
    d->work_left -= work < d->work_left ? work : d->work_left;
    return value;
}

/* The next number of a column at a scale. channel: of its states. */
static inline __attribute__((always_inline)) int64_t
read_at_scale(decoder *d, column_reader *of, size_t channel, unsigned scale, int is_alone)
{
    column_state *state = state_array_at(&of->states, channel, sizeof *state, &d->states_left);
    if (state == NULL || d->work_left == 0) {
        d->is_wrong = 1;
        return 0;
    }
    d->work_left--;
    if (of->rule.predictor >= PREDICT_LEVEL_KEY)
        return read_level(d, of, state, scale, is_alone);
    const column_last *any =
        of->rule.predictor == PREDICT_REFERENCE ? &d->columns[of->rule.reference].any : &of->any;
    const int64_t value = wrapping_sum(column_predict(&of->rule, any, state, d->frame, scale),
                                       number_reader_next(&of->lists[0]));
    column_learn_for(of->rule.predictor, state, d->frame, value, scale);
    if (of->needs_any)
        of->any = (column_last){value, d->frame + 1, (uint8_t)scale};
    return value;
}

/* A number without digits after the point. */
static __attribute__((noinline)) int64_t read_plain(decoder *d, size_t column, size_t channel)
{
    return read_at_scale(d, &d->columns[column], channel, 0, 0);
}

/* ---- text ---- */

/* Fewer bytes are copied faster as so many, of streams (STREAM_PADDING_BYTES). */
enum { COPIED_BYTES = STREAM_PADDING_BYTES };

static inline void put(decoder *d, const uint8_t *bytes, size_t size)
{
    const size_t left = (size_t)(d->out_end - d->out);
    if (TD_LIKELY(size <= COPIED_BYTES && left >= COPIED_BYTES)) {
        memcpy(d->out, bytes, COPIED_BYTES);
    } else if (size > left) {
        d->is_wrong = 1;
        return;
    } else if (size > 0) {
        memcpy(d->out, bytes, size);
    }
    d->out += size;
}

static void put_byte(decoder *d, uint8_t byte)
{
    if (d->out == d->out_end)
        d->is_wrong = 1;
    else
        *d->out++ = byte;
}

/* Print a number with another count of digits than its scale. */
static __attribute__((noinline)) void put_digits(decoder *d, column_reader *of, scale_state *scale,
                                                 uint64_t how)
{
    uint8_t text[VALUE_TEXT_BYTES];
    const int is_alone = how >= DIGITS_ALONE;
    const unsigned digits = (unsigned)(is_alone ? how - DIGITS_ALONE : how - DIGITS_GIVEN);
    if (digits > VALUE_DIGITS_MAX) {
        d->is_wrong = 1;
        return;
    }
    if (!is_alone && digits > scale->scale)
        scale->scale = (uint8_t)digits;
    int64_t value = read_at_scale(d, of, d->channel, is_alone ? digits : scale->scale, is_alone);
    if (!is_alone)
        value = column_align(value, scale->scale, (int)digits);
    put(d, text, (size_t)(value_print_number(text, value, digits) - text));
}

static void put_number(decoder *d, column_reader *of)
{
    scale_state *scale =
        state_array_at(&d->scales[of->scale_group], d->channel, sizeof *scale, &d->states_left);
    const uint64_t how = (uint64_t)number_reader_next(&of->digits);
    if (TD_UNLIKELY(scale == NULL)) {
        d->is_wrong = 1;
        return;
    }
    if (TD_UNLIKELY(how != DIGITS_AS_SCALE)) {
        put_digits(d, of, scale, how);
        return;
    }
    unsigned digits = scale->scale;
    int64_t value = read_at_scale(d, of, d->channel, digits, 0);
    uint8_t *is_short = &scale->is_short[value == 0];
    *is_short ^= number_reader_next(&of->other) != 0;
    for (; *is_short && digits > 0 && value % 10 == 0; digits--)
        value /= 10;
    if (TD_LIKELY(d->out_end - d->out >= VALUE_TEXT_BYTES)) {
        d->out = value_print_number(d->out, value, digits);
        return;
    }
    uint8_t text[VALUE_TEXT_BYTES];
    put(d, text, (size_t)(value_print_number(text, value, digits) - text));
}

static void put_time(decoder *d, const part *at)
{
    uint8_t text[VALUE_TEXT_BYTES];
    const int64_t ticks = read_plain(d, at->column, d->channel);
    put(d, text, (size_t)(value_print_time(text, ticks, at->kind - PART_TIME) - text));
}

static void put_string(decoder *d, column_reader *of)
{
    const uint64_t which = (uint64_t)number_reader_next(&of->lists[0]);
    if (TD_UNLIKELY(d->channel >= of->last_capacity))
        of->lasts = td_array_reach(of->lasts, &of->last_capacity, d->channel, sizeof *of->lasts);
    uint32_t *last = &of->lasts[d->channel];
    if (which == 1) {
        const uint64_t size = in_stream_number(&of->text);
        const td_bytes text = in_stream_bytes(&of->text, size);
        of->strings = td_array_grow(of->strings, of->string_count, sizeof *of->strings);
        of->strings[of->string_count++] = text;
        *last = (uint32_t)of->string_count;
        d->is_wrong |= of->text.is_short;
    } else if (which >= 2) {
        *last = which - 2 < of->string_count ? (uint32_t)(which - 1) : 0;
    }
    if (*last == 0 || d->work_left == 0) {
        d->is_wrong = 1;
        return;
    }
    d->work_left--;
    const td_bytes text = of->strings[*last - 1];
    put(d, text.data, text.size);
}

static void put_template(decoder *d, uint64_t number, unsigned depth);

static void put_array(decoder *d, const part *at, unsigned depth)
{
    const int64_t count = read_plain(d, at->column, d->channel);
    put_byte(d, '[');
    for (int64_t i = 0; i < count && !d->is_wrong; i++) {
        if (i > 0)
            put_byte(d, ',');
        put_template(d, (uint64_t)read_plain(d, at->elements, d->channel), depth + 1);
    }
    put_byte(d, ']');
}

static void put_template(decoder *d, uint64_t number, unsigned depth)
{
    if (number < TEMPLATE_FIRST || number - TEMPLATE_FIRST >= d->template_count ||
        depth > FRAME_DEPTH_MAX) {
        d->is_wrong = 1;
        return;
    }
    const frame_template *of = &d->templates[number - TEMPLATE_FIRST];
    for (size_t i = 0; i < of->count && !d->is_wrong; i++) {
        const part *at = &d->parts[of->first + i];
        put(d, at->literal.data, at->literal.size);
        if (at->kind == PART_NUMBER)
            put_number(d, &d->columns[at->column]);
        else if (at->kind == PART_STRING)
            put_string(d, &d->columns[at->column]);
        else if (at->kind == PART_ARRAY)
            put_array(d, at, depth);
        else if (at->kind != PART_LITERAL)
            put_time(d, at);
    }
}

/* ---- records ---- */

/* A payload that is a text of the channel's own column: the next one with this channel. */
static void put_text(decoder *d, const uint32_t *text_columns)
{
    const size_t column_at = text_columns[d->channel];
    if (column_at == 0) {
        d->is_wrong = 1;
        return;
    }
    column_reader *of = &d->columns[column_at];
    const td_bytes text = in_stream_bytes(&of->text, (uint64_t)number_reader_next(&of->lists[0]));
    d->is_wrong |= of->text.is_short;
    put(d, text.data, text.size);
}

static void put_message(decoder *d, uint32_t *text_columns, uint32_t *next_text)
{
    uint8_t *head = d->out;
    const uint64_t time = (uint64_t)read_plain(d, HEAD_TIME, 0);
    const uint64_t template_number = (uint64_t)read_plain(d, HEAD_TEMPLATE, d->channel);
    if ((size_t)(d->out_end - d->out) < MESSAGE_HEAD_BYTES) {
        d->is_wrong = 1;
        return;
    }
    d->out += MESSAGE_HEAD_BYTES;
    if (template_number == TEMPLATE_TEXT) {
        while (text_columns[d->channel] == 0 && *next_text < d->column_count) {
            if (d->columns[*next_text].kind == COLUMN_TEXT)
                text_columns[d->channel] = *next_text;
            ++*next_text;
        }
        put_text(d, text_columns);
    } else {
        put_template(d, template_number, 0);
    }
    head[0] = RECORD_MESSAGE;
    td_put_le64(head + 1, (uint64_t)(d->out - head) - RECORD_PREFIX_BYTES);
    head += RECORD_PREFIX_BYTES;
    td_put_le16(head, d->channels[d->channel]);
    td_put_le32(head + 2, (uint32_t)read_plain(d, HEAD_SEQUENCE, d->lines[d->channel]));
    td_put_le64(head + 6, time);
    td_put_le64(head + 14, (uint64_t)read_plain(d, HEAD_PUBLISH, d->channel));
    d->frame++;
}

static void put_other(decoder *d)
{
    const td_bytes prefix = in_stream_bytes(&d->others, RECORD_PREFIX_BYTES);
    put(d, prefix.data, prefix.size);
    if (d->others.is_short) {
        d->is_wrong = 1;
        return;
    }
    const td_bytes content = in_stream_bytes(&d->others, td_le64(prefix.data + 1));
    put(d, content.data, content.size);
    d->is_wrong |= d->others.is_short;
}

static void put_records(decoder *d)
{
    /* columns of texts come in the order in which their channels have the first one */
    uint32_t *text_columns = td_alloc_zero(d->channel_count + 1, sizeof *text_columns);
    uint32_t next_text = HEAD_COUNT;
    for (uint64_t i = 0; i < d->record_count && !d->is_wrong; i++) {
        const uint64_t channel = (uint64_t)read_plain(d, HEAD_CHANNEL, 0);
        if (channel == 0) {
            put_other(d);
        } else if (channel <= d->channel_count) {
            d->channel = (uint16_t)(channel - 1);
            put_message(d, text_columns, &next_text);
        } else {
            d->is_wrong = 1;
        }
    }
    td_free(text_columns);
}

/* 1 if more numbers of a list were taken than it has: they counted as 0. */
static int are_lists_short(const decoder *d)
{
    int found = 0;
    for (size_t i = 0; i < d->column_count; i++) {
        const column_reader *of = &d->columns[i];
        found |= of->digits.is_short | of->other.is_short;
        for (size_t k = 0; k < COLUMN_LISTS; k++)
            found |= of->lists[k].is_short;
    }
    return found;
}

static void decoder_fini(decoder *d)
{
    for (size_t i = 0; i < d->column_count; i++) {
        column_reader *of = &d->columns[i];
        td_free(of->states.states);
        td_free(of->strings);
        td_free(of->lasts);
        number_reader_fini(&of->digits);
        number_reader_fini(&of->other);
        for (size_t k = 0; k < COLUMN_LISTS; k++)
            number_reader_fini(&of->lists[k]);
    }
    for (size_t i = 0; i < d->scale_count; i++)
        td_free(d->scales[i].states);
    for (size_t i = 0; i < PACK_MAPS_MAX; i++) {
        level_map *maps = d->maps[i].states;
        for (size_t k = 0; k < d->maps[i].capacity; k++)
            level_map_fini(&maps[k]);
        td_free(maps);
    }
    td_free(d->columns);
    td_free(d->scales);
    td_free(d->channels);
    td_free(d->lines);
    td_free(d->parts);
    td_free(d->templates);
}

td_result pack_decode(codec *coder, td_bytes packed, size_t raw_bytes, size_t padding_bytes,
                      td_buf *out, td_err *err)
{
    stream_reader streams;
    decoder d = {.work_left = 8 * (uint64_t)raw_bytes + 1024, .states_left = PACK_STATES_MAX};
    td_buf_clear(out);
    td_result rc = td_buf_reserve(out, raw_bytes + padding_bytes, err);
    if (rc != TD_OK)
        return rc;
    rc = stream_reader_open(&streams, coder, packed, err);
    if (rc == TD_OK && read_table(&d, &streams)) {
        d.out = out->data;
        d.out_end = out->data + raw_bytes;
        put_records(&d);
        if (d.is_wrong || are_lists_short(&d) || d.out != d.out_end)
            rc = td_err_set(err, TD_E_CORRUPT, "packed chunk: its columns do not give %zu bytes",
                            raw_bytes);
        out->size = rc == TD_OK ? raw_bytes : 0;
    } else if (rc == TD_OK) {
        rc = td_err_set(err, TD_E_CORRUPT, "packed chunk: its table is wrong");
    }
    decoder_fini(&d);
    stream_reader_fini(&streams);
    return rc;
}
