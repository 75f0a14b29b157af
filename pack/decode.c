#include <string.h>

#include "base/alloc.h"
#include "base/decimal.h"
#include "pack/columns.h"
#include "pack/layout.h"
#include "pack/numbers.h"
#include "pack/pack.h"

/* A column: its streams, and what is known of its values. */
typedef struct column_reader {
    column_rule rule;
    uint8_t kind;                /* column_kind */
    uint8_t needs_any;           /* 1: this column's predictor or another's needs `any` */
    uint8_t is_fixed;            /* 1: each number is the constant of its list */
    uint8_t has_digits;          /* 0: all of `digits` are DIGITS_AS_SCALE */
    uint8_t has_other;           /* 0: all of `other` are 0 */
    state_array states;          /* column_state */
    state_array *scales;         /* scale_state */
    state_array *maps;           /* level_map; NULL: neither a price nor a size */
    const column_last *before;   /* what column_predict needs: `any` of this column, or another's */
    column_last any;             /* the last number */
    number_reader digits, other; /* of numbers */
    number_reader lists[COLUMN_LISTS]; /* of strings and texts one */
    in_stream text;
    td_bytes *strings; /* known ones */
    size_t string_count;
    uint32_t *lasts; /* by channel: the number of the last string, + 1 */
    size_t last_capacity;
} column_reader;

enum { PIECE_BYTES = STREAM_PADDING_BYTES }; /* short texts are copied as so many: it is faster */

/* A part of a template, with the literal before it, of at most PIECE_BYTES. PART_LITERAL: that
 * alone. */
typedef struct part {
    td_bytes literal;
    column_reader *values, *elements; /* elements: of PART_ARRAY, their templates */
    uint8_t kind;
} part;

typedef struct frame_template {
    size_t first, count; /* parts */
} frame_template;

enum { ROOM_BYTES = 64 }; /* at least VALUE_TEXT_BYTES and STREAM_PADDING_BYTES */

typedef struct decoder {
    column_reader *columns;
    size_t column_count;
    state_array *scales; /* scale_state */
    size_t scale_count;
    state_array maps[PACK_MAPS_MAX]; /* level_map */
    int64_t states_left;             /* less than 0: there were too many */
    uint16_t *channels;              /* ids */
    uint32_t *lines;                 /* of sequences */
    size_t channel_count;
    uint64_t record_count;
    in_stream others;
    part *parts;
    size_t part_count;
    frame_template *templates; /* the first one is TEMPLATE_FIRST */
    size_t template_count;
    uint8_t *out_end;
    uint8_t *roomy_end; /* before it a number's or a stream's text may be written without a check */
    int64_t work_left;  /* values that may still be read: each takes a byte of a frame */
    uint32_t frame;
    uint16_t channel;
    uint8_t is_wrong;
} decoder;

/* ---- the table ---- */

static int take_stream(stream_reader *from, in_stream *out)
{
    const in_stream *taken = stream_reader_take(from, 1);
    if (taken != NULL)
        *out = *taken;
    return taken != NULL;
}

static int read_number_column(decoder *d, column_reader *of, in_stream *table,
                              stream_reader *streams)
{
    const uint8_t predictor = in_stream_byte(table);
    const uint64_t reference = in_stream_number(table);
    const uint8_t exponent = in_stream_byte(table);
    const uint64_t scale = in_stream_number(table);
    const int is_level = predictor >= PREDICT_LEVEL_KEY;
    const int is_elsewhere = predictor == PREDICT_REFERENCE;
    if (predictor >= PREDICTORS || exponent > 2 * VALUE_DIGITS_MAX || scale >= d->scale_count ||
        reference >= (is_level ? PACK_MAPS_MAX : d->column_count))
        return 0;
    of->rule = (column_rule){(column_predictor)predictor, (uint32_t)reference,
                             exponent - VALUE_DIGITS_MAX};
    of->scales = &d->scales[scale];
    of->maps = is_level ? &d->maps[reference] : NULL;
    of->before = is_elsewhere ? &d->columns[reference].any : &of->any;
    int is_right = number_reader_open(&of->digits, table, streams) &&
                   number_reader_open(&of->other, table, streams);
    for (int k = 0; is_right && k < (is_level ? COLUMN_LISTS : 1); k++)
        is_right = number_reader_open(&of->lists[k], table, streams);
    of->has_digits = !number_reader_is_always(&of->digits, DIGITS_AS_SCALE);
    of->has_other = !number_reader_is_always(&of->other, 0);
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
        of->kind = kind;
        if (kind >= COLUMN_KINDS || (i < HEAD_COUNT && kind != COLUMN_NUMBER) ||
            !(kind == COLUMN_NUMBER ? read_number_column(d, of, table, streams)
                                    : number_reader_open(&of->lists[0], table, streams)))
            return 0;
        if (kind != COLUMN_NUMBER && !take_stream(streams, &of->text))
            return 0;
    }
    for (size_t i = 0; i < d->column_count; i++) {
        column_reader *of = &d->columns[i];
        of->needs_any |= of->rule.predictor == PREDICT_ANY || of->rule.predictor == PREDICT_BEFORE;
        if (of->rule.predictor == PREDICT_REFERENCE)
            d->columns[of->rule.reference].needs_any = 1;
    }
    for (size_t i = 0; i < d->column_count; i++) {
        column_reader *of = &d->columns[i];
        of->is_fixed = of->kind == COLUMN_NUMBER && of->rule.predictor == PREDICT_ZERO &&
                       of->lists[0].form == NUMBERS_CONSTANT && !of->needs_any;
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
        return out->literal.size > 0 && !from->is_short;
    }
    values = in_stream_number(from);
    if (kind == PART_ARRAY)
        elements = in_stream_number(from);
    if (!has_kind(d, values, kind == PART_STRING ? COLUMN_STRING : COLUMN_NUMBER) ||
        (kind == PART_ARRAY && !has_kind(d, elements, COLUMN_NUMBER)))
        return 0;
    out->values = &d->columns[values];
    out->elements = &d->columns[elements];
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
            for (; next.literal.size > PIECE_BYTES; next.literal.size -= PIECE_BYTES) {
                add_part(d, made, &(part){.literal = {next.literal.data, PIECE_BYTES}});
                next.literal.data += PIECE_BYTES;
            }
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
    if (!take_stream(streams, &d->others) || !read_columns(d, &table, streams))
        return 0;
    const uint64_t template_count = in_stream_number(&table);
    in_stream templates;
    return take_stream(streams, &templates) && !table.is_short &&
           read_templates(d, template_count, templates);
}

/* ---- numbers ---- */

/* A price without a level, whose place would be this. */
static int64_t read_new_key(decoder *d, column_reader *of, level_map *map, size_t place)
{
    if (place > map->count) {
        d->is_wrong = 1;
        return 0;
    }
    const int64_t key = wrapping_sum(place == 0 ? 0 : level_map_at(map, place - 1)->key,
                                     number_reader_next(&of->lists[2]));
    if (of->rule.predictor == PREDICT_LEVEL_KEY)
        level_map_touch_new(map, place, key);
    else
        level_map_touch_none(map);
    return key;
}

/* Levels that were moved count as work. */
static inline void count_moved(decoder *d, level_map *map)
{
    enum { MOVED_MAX = 4096, MOVED_OF_WORK = 64 };
    if (TD_LIKELY(map->moved < MOVED_MAX))
        return;
    d->work_left -= (int64_t)(map->moved / MOVED_OF_WORK);
    d->is_wrong |= d->work_left < 0;
    map->moved = 0;
}

/* A price: its place is a stored difference to the last one. digits: DIGITS_ALONE for one that is
 * not in the map. */
static int64_t read_price(decoder *d, column_reader *of, unsigned scale, uint64_t digits)
{
    level_map *map = state_array_at(of->maps, d->channel, sizeof *map, &d->states_left);
    count_moved(d, map);
    if (TD_UNLIKELY(digits >= DIGITS_ALONE)) {
        level_map_touch_none(map);
        return number_reader_next(&of->lists[2]);
    }
    level_map_align_keys(map, scale);
    column_state *state = state_array_at(&of->states, d->channel, sizeof *state, &d->states_left);
    const int is_new = number_reader_next(&of->lists[0]) != 0;
    state->last = wrapping_sum(state->last, number_reader_next(&of->lists[1]));
    const size_t place = (size_t)state->last;
    if (is_new)
        return read_new_key(d, of, map, place);
    if (TD_UNLIKELY(place >= map->count)) {
        d->is_wrong = 1;
        return 0;
    }
    const int64_t key = level_map_at(map, place)->key;
    if (of->rule.predictor == PREDICT_LEVEL_KEY)
        level_map_touch(map, place);
    else
        level_map_remove(map, place);
    return key;
}

/* A size: that of the level of the last price, and a stored difference. */
static int64_t read_size(decoder *d, column_reader *of, unsigned scale, uint64_t digits)
{
    level_map *map = state_array_at(of->maps, d->channel, sizeof *map, &d->states_left);
    int64_t value = 0;
    if (TD_UNLIKELY(digits >= DIGITS_ALONE)) {
        level_map_touch_none(map);
        return number_reader_next(&of->lists[1]);
    }
    level_map_align_values(map, scale);
    if (map->touched == NULL)
        value = number_reader_next(&of->lists[1]);
    else if (number_reader_next(&of->lists[0]) != SIZE_REMOVES)
        value = wrapping_sum(map->touched->value, number_reader_next(&of->lists[2]));
    level_map_put(map, value);
    return value;
}

/* What is expected by the channel's own numbers of the column, and a difference. */
static inline __attribute__((always_inline)) int64_t add_expected(decoder *d, column_reader *of,
                                                                  column_predictor predictor,
                                                                  size_t channel, unsigned scale,
                                                                  int64_t difference)
{
    column_state *state = state_array_at(&of->states, channel, sizeof *state, &d->states_left);
    const int64_t value = wrapping_sum(
        difference, column_predict(&of->rule, predictor, of->before, state, d->frame, scale));
    column_learn_for(predictor, state, d->frame, value, scale);
    return value;
}

/* The same by a predictor that is not frequent. */
static __attribute__((noinline)) int64_t add_rarely_expected(decoder *d, column_reader *of,
                                                             size_t channel, unsigned scale,
                                                             int64_t difference)
{
    return add_expected(d, of, of->rule.predictor, channel, scale, difference);
}

/* The next number of a column at a scale. channel: of its states. digits: DIGITS_ALONE for a price
 * or size that is not in its map. */
static inline __attribute__((always_inline)) int64_t
read_number(decoder *d, column_reader *of, size_t channel, unsigned scale, uint64_t digits)
{
    int64_t value;
    if (of->maps != NULL) {
        value = of->rule.predictor == PREDICT_LEVEL_VALUE ? read_size(d, of, scale, digits)
                                                          : read_price(d, of, scale, digits);
    } else {
        const column_predictor predictor = of->rule.predictor;
        value = number_reader_next(&of->lists[0]);
        if (predictor == PREDICT_LAST)
            value = add_expected(d, of, PREDICT_LAST, channel, scale, value);
        else if (predictor == PREDICT_ANY || predictor == PREDICT_REFERENCE)
            value = wrapping_sum(value,
                                 column_predict_elsewhere(&of->rule, of->before, d->frame, scale));
        else if (predictor != PREDICT_ZERO)
            value = add_rarely_expected(d, of, channel, scale, value);
    }
    if (of->needs_any)
        of->any = (column_last){value, d->frame + 1, (uint8_t)scale};
    return value;
}

/* A number without digits after the point, which may print nothing: it counts as work. */
static inline __attribute__((always_inline)) int64_t read_plain(decoder *d, column_reader *of,
                                                                size_t channel)
{
    if (of->is_fixed)
        return of->lists[0].constant;
    d->is_wrong |= --d->work_left < 0;
    return read_number(d, of, channel, 0, DIGITS_AS_SCALE);
}

/* ---- text: each function writes at `out`, and returns the end of what it wrote ---- */

static __attribute__((noinline)) uint8_t *put_exactly(decoder *d, uint8_t *out,
                                                      const uint8_t *bytes, size_t size)
{
    if (size > (size_t)(d->out_end - out)) {
        d->is_wrong = 1;
        return out;
    }
    if (size > 0)
        memcpy(out, bytes, size);
    return out + size;
}

/* At most PIECE_BYTES of a stream. */
static inline uint8_t *put_piece(decoder *d, uint8_t *out, const uint8_t *bytes, size_t size)
{
    if (TD_UNLIKELY(out >= d->roomy_end))
        return put_exactly(d, out, bytes, size);
    memcpy(out, bytes, PIECE_BYTES);
    return out + size;
}

static inline uint8_t *put(decoder *d, uint8_t *out, const uint8_t *bytes, size_t size)
{
    if (TD_UNLIKELY(size > PIECE_BYTES))
        return put_exactly(d, out, bytes, size);
    return put_piece(d, out, bytes, size);
}

static uint8_t *put_byte(decoder *d, uint8_t *out, uint8_t byte)
{
    if (out == d->out_end) {
        d->is_wrong = 1;
        return out;
    }
    *out = byte;
    return out + 1;
}

static inline uint8_t *put_value(decoder *d, uint8_t *out, int64_t value, unsigned scale,
                                 unsigned least)
{
    uint8_t text[VALUE_TEXT_BYTES];
    if (TD_LIKELY(out < d->roomy_end))
        return td_decimal_print(out, value, scale, least);
    return put_exactly(d, out, text, (size_t)(td_decimal_print(text, value, scale, least) - text));
}

/* Print a number with another count of digits than its scale. */
static __attribute__((noinline)) uint8_t *put_digits(decoder *d, uint8_t *out, column_reader *of,
                                                     scale_state *scale, uint64_t how)
{
    const int is_alone = how >= DIGITS_ALONE;
    const unsigned digits = (unsigned)(is_alone ? how - DIGITS_ALONE : how - DIGITS_GIVEN);
    if (digits > VALUE_DIGITS_MAX) {
        d->is_wrong = 1;
        return out;
    }
    if (!is_alone && digits > scale->scale)
        scale->scale = (uint8_t)digits;
    int64_t value = read_number(d, of, d->channel, is_alone ? digits : scale->scale, how);
    if (!is_alone)
        value = column_align(value, scale->scale, (int)digits);
    return put_value(d, out, value, digits, digits);
}

static inline __attribute__((always_inline)) uint8_t *put_number(decoder *d, uint8_t *out,
                                                                 column_reader *of)
{
    scale_state *scale = state_array_at(of->scales, d->channel, sizeof *scale, &d->states_left);
    if (of->has_digits) {
        const uint64_t how = (uint64_t)number_reader_next(&of->digits);
        if (how != DIGITS_AS_SCALE)
            return put_digits(d, out, of, scale, how);
    }
    const int64_t value = read_number(d, of, d->channel, scale->scale, DIGITS_AS_SCALE);
    uint8_t *is_short = &scale->is_short[value == 0];
    if (of->has_other)
        *is_short ^= number_reader_next(&of->other) != 0;
    return put_value(d, out, value, scale->scale, *is_short ? 0 : scale->scale);
}

static uint8_t *put_time(decoder *d, uint8_t *out, const part *at)
{
    uint8_t text[VALUE_TEXT_BYTES];
    const int64_t ticks = read_plain(d, at->values, d->channel);
    return put_exactly(d, out, text,
                       (size_t)(value_print_time(text, ticks, at->kind - PART_TIME) - text));
}

static inline __attribute__((always_inline)) uint8_t *put_string(decoder *d, uint8_t *out,
                                                                 column_reader *of)
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
    if (TD_UNLIKELY(*last == 0 || --d->work_left < 0)) {
        d->is_wrong = 1;
        return out;
    }
    const td_bytes text = of->strings[*last - 1];
    return put(d, out, text.data, text.size);
}

static uint8_t *put_array(decoder *d, uint8_t *out, const part *array, unsigned depth);

static inline __attribute__((always_inline)) uint8_t *put_template(decoder *d, uint8_t *out,
                                                                   uint64_t number, unsigned depth)
{
    if (TD_UNLIKELY(number < TEMPLATE_FIRST || number - TEMPLATE_FIRST >= d->template_count)) {
        d->is_wrong = 1;
        return out;
    }
    const frame_template *of = &d->templates[number - TEMPLATE_FIRST];
    size_t left = of->count;
    for (const part *at = left > 0 ? &d->parts[of->first] : NULL; left > 0; at++, left--) {
        out = put_piece(d, out, at->literal.data, at->literal.size);
        if (at->kind == PART_NUMBER)
            out = put_number(d, out, at->values);
        else if (at->kind == PART_STRING)
            out = put_string(d, out, at->values);
        else if (at->kind == PART_ARRAY)
            out = put_array(d, out, at, depth + 1);
        else if (at->kind != PART_LITERAL)
            out = put_time(d, out, at);
    }
    return out;
}

/* depth: of its elements. */
static uint8_t *put_array(decoder *d, uint8_t *out, const part *array, unsigned depth)
{
    const int64_t count = read_plain(d, array->values, d->channel);
    if (depth > FRAME_DEPTH_MAX) {
        d->is_wrong = 1;
        return out;
    }
    out = put_byte(d, out, '[');
    for (int64_t i = 0; i < count && !d->is_wrong; i++) {
        if (i > 0)
            out = put_byte(d, out, ',');
        out = put_template(d, out, (uint64_t)read_plain(d, array->elements, d->channel), depth);
    }
    return put_byte(d, out, ']');
}

/* ---- records ---- */

/* A payload that is a text of the channel's own column: the next one with this channel. */
static uint8_t *put_text(decoder *d, uint8_t *out, const uint32_t *text_columns)
{
    const size_t column_at = text_columns[d->channel];
    if (column_at == 0) {
        d->is_wrong = 1;
        return out;
    }
    column_reader *of = &d->columns[column_at];
    const td_bytes text = in_stream_bytes(&of->text, (uint64_t)number_reader_next(&of->lists[0]));
    d->is_wrong |= of->text.is_short;
    return put(d, out, text.data, text.size);
}

static uint8_t *put_message(decoder *d, uint8_t *head, uint32_t *text_columns, uint32_t *next_text)
{
    const uint64_t time = (uint64_t)read_plain(d, &d->columns[HEAD_TIME], 0);
    const uint64_t template_number =
        (uint64_t)read_plain(d, &d->columns[HEAD_TEMPLATE], d->channel);
    uint8_t *out = head + MESSAGE_HEAD_BYTES;
    if ((size_t)(d->out_end - head) < MESSAGE_HEAD_BYTES) {
        d->is_wrong = 1;
        return head;
    }
    if (template_number == TEMPLATE_TEXT) {
        while (text_columns[d->channel] == 0 && *next_text < d->column_count) {
            if (d->columns[*next_text].kind == COLUMN_TEXT)
                text_columns[d->channel] = *next_text;
            ++*next_text;
        }
        out = put_text(d, out, text_columns);
    } else {
        out = put_template(d, out, template_number, 0);
    }
    head[0] = RECORD_MESSAGE;
    td_put_le64(head + 1, (uint64_t)(out - head) - RECORD_PREFIX_BYTES);
    head += RECORD_PREFIX_BYTES;
    td_put_le16(head, d->channels[d->channel]);
    td_put_le32(head + 2,
                (uint32_t)read_plain(d, &d->columns[HEAD_SEQUENCE], d->lines[d->channel]));
    td_put_le64(head + 6, time);
    td_put_le64(head + 14, (uint64_t)read_plain(d, &d->columns[HEAD_PUBLISH], d->channel));
    d->frame++;
    return out;
}

static uint8_t *put_other(decoder *d, uint8_t *out)
{
    const td_bytes prefix = in_stream_bytes(&d->others, RECORD_PREFIX_BYTES);
    if (d->others.is_short) {
        d->is_wrong = 1;
        return out;
    }
    const td_bytes content = in_stream_bytes(&d->others, td_le64(prefix.data + 1));
    out = put_exactly(d, out, prefix.data, prefix.size);
    out = put_exactly(d, out, content.data, content.size);
    d->is_wrong |= d->others.is_short;
    return out;
}

/* All records. */
static uint8_t *put_records(decoder *d, uint8_t *out)
{
    /* columns of texts come in the order in which their channels have the first one */
    uint32_t *text_columns = td_alloc_zero(d->channel_count + 1, sizeof *text_columns);
    uint32_t next_text = HEAD_COUNT;
    for (uint64_t i = 0; i < d->record_count && !d->is_wrong; i++) {
        const uint64_t channel = (uint64_t)read_plain(d, &d->columns[HEAD_CHANNEL], 0);
        if (channel == 0) {
            out = put_other(d, out);
        } else if (channel <= d->channel_count) {
            d->channel = (uint16_t)(channel - 1);
            out = put_message(d, out, text_columns, &next_text);
        } else {
            d->is_wrong = 1;
        }
    }
    td_free(text_columns);
    return out;
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
    decoder d = {.work_left = 8 * (int64_t)raw_bytes + 1024, .states_left = PACK_STATES_MAX};
    td_buf_clear(out);
    td_result rc = td_buf_reserve(out, raw_bytes + padding_bytes, err);
    if (rc != TD_OK)
        return rc;
    rc = stream_reader_open(&streams, coder, packed, err);
    if (rc == TD_OK && read_table(&d, &streams)) {
        d.out_end = out->data + raw_bytes;
        d.roomy_end = raw_bytes > ROOM_BYTES ? d.out_end - ROOM_BYTES : out->data;
        const uint8_t *end = put_records(&d, out->data);
        if (d.is_wrong || d.states_left < 0 || are_lists_short(&d) || end != d.out_end)
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
