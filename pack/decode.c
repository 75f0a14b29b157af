#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "pack/columns.h"
#include "pack/frame_tokens.h"
#include "pack/layout.h"
#include "pack/numbers.h"
#include "pack/pack.h"

/* A part of a template. */
typedef struct part {
    uint8_t kind;
    uint16_t column, elements; /* elements: of PART_ARRAY, the column of their templates */
    td_bytes literal;
} part;

typedef struct template
{
    const part *parts;
    size_t count;
}
template;

/* The streams of a column. */
typedef struct column_reader {
    number_reader digits, other;       /* of numbers */
    number_reader lists[COLUMN_LISTS]; /* of strings and texts one */
    in_stream text;
    td_bytes *strings; /* known ones */
    size_t string_count;
    uint32_t *lasts; /* by channel: the number of the last string, + 1 */
    size_t last_capacity;
} column_reader;

typedef struct decoder {
    columns columns;
    column_reader *readers;
    uint16_t *channels; /* ids */
    uint32_t *lines;    /* of sequences */
    size_t channel_count;
    uint64_t record_count;
    in_stream others;
    part *parts;
    size_t part_count;
    template *templates; /* the first one is TEMPLATE_FIRST */
    size_t template_count;
    uint8_t *out, *out_end;
    uint64_t work_left; /* values that may still be read: each takes a byte of a frame */
    uint32_t frame;
    uint16_t channel;
    uint8_t is_wrong;
} decoder;

/* ---- the table ---- */

static int read_number_column(pack_column *of, column_reader *reader, size_t column_count,
                              size_t scale_count, in_stream *table, stream_reader *streams)
{
    const uint8_t predictor = in_stream_byte(table);
    const uint64_t reference = in_stream_number(table);
    const uint8_t exponent = in_stream_byte(table);
    const uint64_t scale = in_stream_number(table);
    const int is_level = predictor >= PREDICT_LEVEL_KEY;
    if (predictor >= PREDICTORS || exponent > 2 * VALUE_DIGITS_MAX || scale >= scale_count ||
        reference >= (is_level ? PACK_MAPS_MAX : column_count))
        return 0;
    of->predictor = (column_predictor)predictor;
    of->reference = (uint32_t)reference;
    of->exponent = exponent - VALUE_DIGITS_MAX;
    of->scale_group = (uint32_t)scale;
    int is_right = number_reader_open(&reader->digits, table, streams) &&
                   number_reader_open(&reader->other, table, streams);
    for (int k = 0; is_right && k < (is_level ? COLUMN_LISTS : 1); k++)
        is_right = number_reader_open(&reader->lists[k], table, streams);
    return is_right;
}

static int read_columns(decoder *d, in_stream *table, stream_reader *streams)
{
    columns *all = &d->columns;
    const uint64_t scale_count = in_stream_number(table);
    const uint64_t count = in_stream_number(table);
    if (scale_count > PACK_COLUMNS_MAX || count > PACK_COLUMNS_MAX || count < HEAD_COUNT)
        return 0;
    all->scale_count = (size_t)scale_count;
    all->scales = td_alloc_zero(all->scale_count + 1, sizeof *all->scales);
    all->count = (size_t)count;
    all->rows = td_alloc_zero(all->count, sizeof *all->rows);
    d->readers = td_alloc_zero(all->count, sizeof *d->readers);
    for (size_t i = 0; i < all->count; i++) {
        const uint8_t kind = in_stream_byte(table);
        column_reader *reader = &d->readers[i];
        all->rows[i].kind = (column_kind)kind;
        if (kind >= COLUMN_KINDS || (i < HEAD_COUNT && kind != COLUMN_NUMBER))
            return 0;
        if (kind == COLUMN_NUMBER) {
            if (!read_number_column(&all->rows[i], reader, all->count, all->scale_count, table,
                                    streams))
                return 0;
            continue;
        }
        if (!number_reader_open(&reader->lists[0], table, streams))
            return 0;
        reader->text = stream_reader_take(streams);
    }
    return !table->is_short;
}

/* 1 if a column has this kind, and exists. */
static int has_kind(const decoder *d, uint64_t at, column_kind kind)
{
    return at >= HEAD_COUNT && at < d->columns.count && d->columns.rows[at].kind == kind;
}

static int read_part(decoder *d, in_stream *from, part *out)
{
    const uint8_t kind = in_stream_byte(from);
    uint64_t values = 0;
    uint64_t elements = 0;
    *out = (part){.kind = kind};
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

static int read_templates(decoder *d, uint64_t count, in_stream from)
{
    const in_stream begin = from;
    size_t capacity = 0;
    if (count > TEMPLATES_MAX || (size_t)(from.end - from.next) > TEMPLATES_BYTES_MAX)
        return 0;
    d->template_count = (size_t)count;
    d->templates = td_alloc_zero(d->template_count + 1, sizeof *d->templates);
    for (int pass = 0; pass < 2; pass++) { /* count the parts, then read them */
        from = begin;
        d->part_count = 0;
        for (size_t i = 0; i < d->template_count; i++) {
            const td_bytes bytes = in_stream_bytes(&from, in_stream_number(&from));
            in_stream parts = {bytes.data, bytes.data + bytes.size, 0};
            const size_t first = d->part_count;
            while (parts.next != parts.end) {
                part one;
                if (from.is_short || !read_part(d, &parts, &one) ||
                    d->part_count - first == TEMPLATE_PARTS_MAX)
                    return 0;
                if (pass == 1)
                    d->parts[d->part_count] = one;
                d->part_count++;
            }
            if (pass == 1)
                d->templates[i] = (template){d->parts + first, d->part_count - first};
        }
        if (pass == 0) {
            capacity = d->part_count + 1;
            d->parts = td_alloc_zero(capacity, sizeof *d->parts);
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

static int64_t read_list(decoder *d, number_reader *from)
{
    const int64_t number = number_reader_next(from);
    d->is_wrong |= (uint8_t)number_reader_is_short(from);
    return number;
}

/* The place among n levels that follows a place by a stored difference. */
static size_t read_place(decoder *d, column_reader *reader, column_state *state, size_t count)
{
    const int64_t index =
        (int64_t)((uint64_t)state->last + (uint64_t)read_list(d, &reader->lists[1]));
    if (index < 0 || (uint64_t)index > count) {
        d->is_wrong = 1;
        return 0;
    }
    state->last = index;
    return (size_t)index;
}

static int64_t read_key(decoder *d, pack_column *of, column_reader *reader, channel_map *map,
                        column_state *state, unsigned scale, int is_alone)
{
    if (is_alone) {
        map->is_touched = 0;
        return read_list(d, &reader->lists[2]);
    }
    channel_map_align_keys(map, scale);
    const int is_new = read_list(d, &reader->lists[0]) != 0;
    const size_t index = read_place(d, reader, state, map->levels.count);
    if (d->is_wrong || (!is_new && index == map->levels.count)) {
        d->is_wrong = 1;
        return 0;
    }
    int64_t key = is_new ? (index == 0 ? 0 : level_map_at(&map->levels, index - 1)->key)
                         : level_map_at(&map->levels, index)->key;
    if (is_new)
        key = (int64_t)((uint64_t)key + (uint64_t)read_list(d, &reader->lists[2]));
    channel_map_touch(map, index, is_new, key, of->predictor);
    return key;
}

static int64_t read_value_of_level(decoder *d, column_reader *reader, channel_map *map,
                                   unsigned scale, int is_alone)
{
    if (is_alone) {
        map->is_touched = 0;
        return read_list(d, &reader->lists[1]);
    }
    channel_map_align_values(map, scale);
    int64_t value = 0;
    if (!map->is_touched || map->is_new)
        value = read_list(d, &reader->lists[1]);
    else if (read_list(d, &reader->lists[0]) != SIZE_REMOVES)
        value =
            (int64_t)((uint64_t)channel_map_value(map) + (uint64_t)read_list(d, &reader->lists[2]));
    channel_map_put(map, value);
    return value;
}

static int64_t read_level(decoder *d, pack_column *of, column_reader *reader, column_state *state,
                          unsigned scale, int is_alone)
{
    channel_map *map = columns_map(&d->columns, of->reference, d->channel);
    if (map == NULL) {
        d->is_wrong = 1;
        return 0;
    }
    const uint64_t moved = map->levels.moved;
    const int64_t value = of->predictor == PREDICT_LEVEL_VALUE
                              ? read_value_of_level(d, reader, map, scale, is_alone)
                              : read_key(d, of, reader, map, state, scale, is_alone);
    of->before = value;
    of->any_scale = (uint8_t)scale;
    of->before_frame = d->frame + 1;
    d->work_left -= (map->levels.moved - moved) / 64 < d->work_left
                        ? (map->levels.moved - moved) / 64
                        : d->work_left;
    return value;
}

/* The next number of a column at a scale. channel: of its states. */
static int64_t read_at_scale(decoder *d, size_t column_at, size_t channel, unsigned scale,
                             int is_alone)
{
    pack_column *of = &d->columns.rows[column_at];
    column_reader *reader = &d->readers[column_at];
    column_state *state = columns_state(&d->columns, of, channel);
    if (state == NULL || d->work_left == 0) {
        d->is_wrong = 1;
        return 0;
    }
    d->work_left--;
    if (of->predictor >= PREDICT_LEVEL_KEY)
        return read_level(d, of, reader, state, scale, is_alone);
    const int64_t value =
        (int64_t)((uint64_t)column_predict(&d->columns, of, state, d->frame, scale) +
                  (uint64_t)read_list(d, &reader->lists[0]));
    column_learn(of, state, d->frame, value, scale);
    return value;
}

/* A number without digits after the point. */
static int64_t read_plain(decoder *d, size_t column, size_t channel)
{
    return read_at_scale(d, column, channel, 0, 0);
}

/* ---- text ---- */

static void put(decoder *d, const void *bytes, size_t size)
{
    if (size > (size_t)(d->out_end - d->out)) {
        d->is_wrong = 1;
        return;
    }
    if (size > 0)
        memcpy(d->out, bytes, size);
    d->out += size;
}

static void put_number(decoder *d, size_t column_at)
{
    uint8_t text[VALUE_TEXT_BYTES];
    const pack_column *of = &d->columns.rows[column_at];
    column_reader *reader = &d->readers[column_at];
    scale_state *scale = columns_scale(&d->columns, of->scale_group, d->channel);
    const uint64_t how = (uint64_t)read_list(d, &reader->digits);
    const int is_alone = how >= DIGITS_ALONE;
    const unsigned given = (unsigned)(is_alone ? how - DIGITS_ALONE : how - DIGITS_GIVEN);
    if (scale == NULL || (how != DIGITS_AS_SCALE && given > VALUE_DIGITS_MAX) || d->is_wrong) {
        d->is_wrong = 1;
        return;
    }
    if (how != DIGITS_AS_SCALE && !is_alone && given > scale->scale)
        scale->scale = (uint8_t)given;
    int64_t value =
        read_at_scale(d, column_at, d->channel, is_alone ? given : scale->scale, is_alone);
    unsigned digits = is_alone || how != DIGITS_AS_SCALE ? given : scale->scale;
    if (how == DIGITS_AS_SCALE) {
        uint8_t *is_short = &scale->is_short[value == 0];
        *is_short ^= read_list(d, &reader->other) != 0;
        while (*is_short && digits > 0 && value % 10 == 0) {
            value /= 10;
            digits--;
        }
    } else if (!is_alone) {
        value = columns_align(value, scale->scale, (int)given);
    }
    const uint8_t *end = value_print_number(text, value, digits);
    put(d, text, (size_t)(end - text));
}

static void put_string(decoder *d, size_t column_at)
{
    column_reader *reader = &d->readers[column_at];
    const uint64_t which = (uint64_t)read_list(d, &reader->lists[0]);
    reader->lasts =
        td_array_reach(reader->lasts, &reader->last_capacity, d->channel, sizeof *reader->lasts);
    uint32_t *last = &reader->lasts[d->channel];
    if (which == 1) {
        const uint64_t size = in_stream_number(&reader->text);
        const td_bytes text = in_stream_bytes(&reader->text, size);
        reader->strings =
            td_array_grow(reader->strings, reader->string_count, sizeof *reader->strings);
        reader->strings[reader->string_count++] = text;
        *last = (uint32_t)reader->string_count;
        d->is_wrong |= reader->text.is_short;
    } else if (which >= 2) {
        *last = which - 2 < reader->string_count ? (uint32_t)(which - 1) : 0;
    }
    if (*last == 0 || d->work_left == 0) {
        d->is_wrong = 1;
        return;
    }
    d->work_left--;
    const td_bytes text = reader->strings[*last - 1];
    put(d, text.data, text.size);
}

static void put_template(decoder *d, uint64_t number, unsigned depth);

static void put_array(decoder *d, const part *at, unsigned depth)
{
    const int64_t count = read_plain(d, at->column, d->channel);
    put(d, "[", 1);
    for (int64_t i = 0; i < count && !d->is_wrong; i++) {
        if (i > 0)
            put(d, ",", 1);
        put_template(d, (uint64_t)read_plain(d, at->elements, d->channel), depth + 1);
    }
    put(d, "]", 1);
}

static void put_template(decoder *d, uint64_t number, unsigned depth)
{
    if (number < TEMPLATE_FIRST || number - TEMPLATE_FIRST >= d->template_count ||
        depth > FRAME_DEPTH_MAX) {
        d->is_wrong = 1;
        return;
    }
    const template *of = &d->templates[number - TEMPLATE_FIRST];
    for (size_t i = 0; i < of->count && !d->is_wrong; i++) {
        const part *at = &of->parts[i];
        if (at->kind == PART_LITERAL) {
            put(d, at->literal.data, at->literal.size);
        } else if (at->kind == PART_NUMBER) {
            put_number(d, at->column);
        } else if (at->kind == PART_STRING) {
            put_string(d, at->column);
        } else if (at->kind == PART_ARRAY) {
            put_array(d, at, depth);
        } else {
            uint8_t text[VALUE_TEXT_BYTES];
            const int64_t ticks = read_plain(d, at->column, d->channel);
            const uint8_t *end = value_print_time(text, ticks, at->kind - PART_TIME);
            put(d, text, (size_t)(end - text));
        }
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
    column_reader *reader = &d->readers[column_at];
    const td_bytes text = in_stream_bytes(&reader->text, (uint64_t)read_list(d, &reader->lists[0]));
    d->is_wrong |= reader->text.is_short;
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
        while (text_columns[d->channel] == 0 && *next_text < d->columns.count) {
            if (d->columns.rows[*next_text].kind == COLUMN_TEXT)
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

static void decoder_fini(decoder *d)
{
    for (size_t i = 0; d->readers != NULL && i < d->columns.count; i++) {
        td_free(d->readers[i].strings);
        td_free(d->readers[i].lasts);
    }
    td_free(d->readers);
    td_free(d->channels);
    td_free(d->lines);
    td_free(d->parts);
    td_free(d->templates);
    columns_fini(&d->columns);
}

td_result pack_decode(codec *coder, td_bytes packed, size_t raw_bytes, size_t padding_bytes,
                      td_buf *out, td_err *err)
{
    stream_reader streams;
    decoder d = {.work_left = 8 * (uint64_t)raw_bytes + 1024};
    td_buf_clear(out);
    td_result rc = td_buf_reserve(out, raw_bytes + padding_bytes, err);
    if (rc != TD_OK)
        return rc;
    rc = stream_reader_open(&streams, coder, packed, err);
    if (rc == TD_OK && read_table(&d, &streams)) {
        d.out = out->data;
        d.out_end = out->data + raw_bytes;
        put_records(&d);
        if (d.is_wrong || d.out != d.out_end)
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
