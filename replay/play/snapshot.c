#include "replay/play/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "book/symbol_state.h"
#include "base/json/json.h"
#include "base/json/json_write.h"
#include "schema/bare_frame.h"
#include "schema/decode_value.h"
#include "schema/family.h"
#include "schema/list_frame.h"
#include "tape/cursor.h"

enum {
    PATH_BYTES = 256,     /* size of a path of keys; the longest of a row has some 30 bytes */
    SCALE_MAX = 18,       /* decimal places of a td_decimal */
    NUMBER_BYTES = 64,    /* a decimal with SCALE_MAX places, padded */
    POSITION_DIGITS = 12, /* an array index as text */
};

struct snapshot_maker {
    json_parser *model_parser;
    json_parser *last_parser;
    td_buf merged;
    td_buf named;   /* a frame that is a list, as an object */
    td_buf wrapped; /* a bare frame, with its object */
};

/* Numbers have the places of the model, or, if recorded places vary, their shortest form. */
typedef enum number_form { NUMBER_PADDED, NUMBER_SHORTEST } number_form;

/* How a recorded list of levels is written. */
typedef struct list_form {
    td_bytes words[2];    /* of SIDE_BUY and SIDE_SELL; empty: no level names this side */
    uint8_t buys_fall;    /* 1: of a list of both sides, buys begin with the best */
    td_decimal buy_price; /* of the first buy that names its side */
    size_t price_places, size_places; /* of the last level */
    number_form prices, sizes;
    uint8_t has_level;
} list_form;

/* State while one snapshot is made. */
typedef struct snapshot_job {
    const snapshot_source *from;
    const topic_row *row; /* of the recorded snapshot */
    json_value last;      /* the last frame */
    const book *levels;   /* the book; NULL: the snapshot is a ticker's */
    json_value entry;     /* for a ticker: the changed values in its delta */
    json_writer json;
    char path[PATH_BYTES]; /* keys from the top to the copied value */
    size_t path_size;
    frame_kind without; /* lists of frames of this kind are skipped */
    json_value level;   /* a recorded level; made levels are written in its form */
    uint8_t has_level;
    json_value newest; /* a level of the last frame: made levels have its times */
    uint8_t has_newest;
    list_form form;        /* of the list that is written */
    uint8_t is_impossible; /* 1: a level or member cannot be written in the recorded form */
} snapshot_job;

snapshot_maker *snapshot_maker_open(void)
{
    snapshot_maker *maker = td_alloc_zero(1, sizeof *maker);
    maker->model_parser = json_parser_open(0);
    maker->last_parser = json_parser_open(0);
    td_buf_init(&maker->merged, LIMIT_FRAME_BYTES);
    td_buf_init(&maker->named, 2 * LIMIT_FRAME_BYTES);
    td_buf_init(&maker->wrapped, LIMIT_FRAME_BYTES + LIMIT_TOPIC_BYTES);
    return maker;
}

void snapshot_maker_close(snapshot_maker *maker)
{
    if (maker == NULL)
        return;
    json_parser_close(maker->model_parser);
    json_parser_close(maker->last_parser);
    td_buf_fini(&maker->merged);
    td_buf_fini(&maker->named);
    td_buf_fini(&maker->wrapped);
    td_free(maker);
}

/* ---- frames of a book ---- */

void snapshot_source_init(snapshot_source *source)
{
    *source = (snapshot_source){.row = NULL};
    td_buf_init(&source->model, LIMIT_FRAME_BYTES);
    td_buf_init(&source->last, LIMIT_FRAME_BYTES);
}

void snapshot_source_fini(snapshot_source *source)
{
    book_close(source->retail);
    td_buf_fini(&source->model);
    td_buf_fini(&source->last);
}

/* Keep a second book with the same levels and the sizes of retail orders. */
static void apply_retail(snapshot_source *source, const message *m, int is_snapshot)
{
    if (source->retail == NULL)
        source->retail = book_open(source->row->book_depth);
    size_t count = message_item_count(m);
    msg_level *levels = td_alloc_zero(count + 1, sizeof *levels);
    for (size_t i = 0; i < count; i++) {
        td_decimal size = message_level_rpi(m, i);
        levels[i] = message_level(m, i);
        levels[i].size = size.mantissa;
        levels[i].size_scale = size.scale;
    }
    const msg_book retail = {.head = m->head, .levels = levels, .level_count = count};
    book_outcome outcome = {0}; /* ignored: the topic's track has its own book, which checks the
                                  frame */
    if (is_snapshot)
        book_replace(source->retail, &retail, &outcome);
    else
        book_apply(source->retail, &retail, &outcome);
    td_free(levels);
}

static td_result keep(td_buf *out, td_bytes bytes, td_err *err)
{
    td_buf_clear(out);
    return td_buf_append(out, bytes.data, bytes.size, err);
}

td_result snapshot_source_note(snapshot_source *source, const frame_ref *frame, int is_snapshot,
                               td_err *err)
{
    const message *m = frame->content.message;
    source->row = frame->row;
    if (m->head.type == MSG_BOOK_CHANGE && m->book.rpi_sizes != NULL)
        apply_retail(source, m, is_snapshot);
    td_result rc = is_snapshot ? keep(&source->model, frame->bytes, err) : TD_OK;
    int is_older = (frame->channel->info.form & FORM_FETCHED) != 0 && source->last.size > 0 &&
                   m->head.u < source->last_u;
    if (rc == TD_OK && !is_older) {
        source->last_u = m->head.u;
        rc = keep(&source->last, frame->bytes, err);
    }
    return rc;
}

static int has_retail(const topic_row *row)
{
    return topic_field(row->fields, row->field_count, MEMBER_RPI_SIZE) != NULL;
}

/* Read the recorded snapshot. A file that `cut` wrote may have a made snapshot instead. */
static td_result read_model(snapshot_source *source, cursor *tape, uint64_t snapshot_ns,
                            td_err *err)
{
    const frame_ref *frame;
    td_result rc = cursor_next(tape, &frame, err);
    /* Deltas may precede a snapshot that was fetched. */
    while (rc == TD_OK && frame->row->snapshot_request != NULL &&
           (frame->channel->info.form & FORM_FETCHED) == 0)
        rc = cursor_next(tape, &frame, err);
    if (rc == TD_OK && (frame->channel->info.form & FORM_FETCHED) != 0)
        snapshot_ns = frame->recv_ns;
    if (rc == TD_EOF || (rc == TD_OK && (frame->content.message == NULL ||
                                         (frame->recv_ns != snapshot_ns &&
                                          (frame->channel->info.form & FORM_MADE) == 0))))
        return td_err_set(err, TD_E_UNSUPPORTED, "a recorded frame of the book is missing");
    return rc == TD_OK ? snapshot_source_note(source, frame, 1, err) : rc;
}

td_result snapshot_source_read(snapshot_source *source, archive *from, const char *feed,
                               const char *symbol, const struct symbol_topic *topic, td_err *err)
{
    const choice_conn *conn = &topic->choice.conns[topic->choice.followed];
    const char *name = topic->name;
    selection wanted = {.feeds = {&feed, 1}, .topics = {&name, 1}, .symbols = {&symbol, 1}};
    const cursor_options reading = {.reads = TAPE_READS_MESSAGES};
    const frame_ref *frame;
    cursor *tape = NULL;
    selection_set_window(&wanted, (selection_window){conn->snapshot_ns, conn->last_ns + 1});
    td_result rc = cursor_open(from, &wanted, &reading, &tape, err);
    if (rc == TD_OK)
        rc = read_model(source, tape, conn->snapshot_ns, err);
    if (rc == TD_OK && !has_retail(topic->row))
        rc = cursor_seek(tape, conn->last_ns, err);
    while (rc == TD_OK) {
        rc = cursor_next(tape, &frame, err);
        if (rc == TD_OK && !frame->is_copy && frame->content.message != NULL)
            rc = snapshot_source_note(source, frame, 0, err);
    }
    cursor_close(tape);
    return rc == TD_EOF ? TD_OK : rc;
}

/* ---- paths ---- */

/* Append a key to the path; returns the size to restore. A path that is too long is not extended,
 * and matches no row. */
static size_t enter(snapshot_job *m, td_bytes key)
{
    size_t before = m->path_size;
    size_t dot = before > 0;
    if (before + dot + key.size >= sizeof m->path)
        return before;
    if (dot)
        m->path[m->path_size++] = '.';
    memcpy(m->path + m->path_size, key.data, key.size);
    m->path_size += key.size;
    return before;
}

static int is_at(const snapshot_job *m, const char *path)
{
    return td_bytes_is(td_bytes_of(m->path, m->path_size), path);
}

/* Find the row's list of entries at this path, except in frames of the kind `without`, or NULL. */
static const items_row *items_here(const snapshot_job *m)
{
    const items_row *items = m->row->items;
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && items[i].path != NULL; i++) {
        if (items[i].kind != m->without && is_at(m, items[i].path))
            return &items[i];
    }
    return NULL;
}

/* Find the first level of a frame, on either side. Returns 1 if there is one. */
static int find_level(snapshot_job *m, json_value value, json_value *out)
{
    json_value key, element;
    int is_found = 0;
    int is_object = json_type_of(value) == JSON_OBJECT;
    int is_list = !is_object && items_here(m) != NULL;
    for (json_iter it = json_iter_of(value); !is_found && json_next(&it, &key, &element);) {
        td_bytes name = {0};
        if (is_list) {
            *out = element;
            is_found = 1;
        } else if (!is_object) {
            is_found = find_level(m, element, out);
        } else if (json_text(key, &name)) {
            size_t before = enter(m, name);
            is_found = find_level(m, element, out);
            m->path_size = before;
        }
    }
    return is_found;
}

/* ---- numbers ---- */

static td_bytes text_of(json_value value)
{
    td_bytes text = json_raw(value);
    (void)json_text(value, &text); /* otherwise the value is a number, whose JSON is its text */
    return text;
}

/* Count the decimal places of a recorded number. */
static size_t places_of(td_bytes text)
{
    const uint8_t *point = text.size == 0 ? NULL : memchr(text.data, '.', text.size);
    return point == NULL ? 0 : (size_t)(text.data + text.size - point) - 1;
}

/* Write a number in the form of the model: as text or number, with at least as many decimal places,
 * because clients compare prices as text; or in its shortest form. */
static void write_like(snapshot_job *m, json_value model, td_decimal value, number_form form)
{
    char text[NUMBER_BYTES];
    _Static_assert(TD_DECIMAL_TEXT_BYTES + SCALE_MAX + 1 < NUMBER_BYTES, "a padded decimal fits");
    size_t size =
        td_decimal_format(form == NUMBER_SHORTEST ? td_decimal_shortest(value) : value, text);
    size_t places = places_of(td_bytes_of(text, size));
    size_t wanted = form == NUMBER_SHORTEST ? 0 : places_of(text_of(model));
    if (wanted > SCALE_MAX)
        wanted = SCALE_MAX;
    if (places == 0 && wanted > 0)
        text[size++] = '.';
    for (; places < wanted; places++)
        text[size++] = '0';
    if (json_type_of(model) == JSON_STRING)
        json_write_bytes(&m->json, td_bytes_of(text, size));
    else
        json_write_raw(&m->json, td_bytes_of(text, size));
}

/* Find the id of a level from its price: the id is the price times a power of ten that depends on
 * the symbol. Returns 0 if the model's id is not of that form. */
static int find_id(td_bytes model_id, td_bytes model_price, td_decimal price, td_decimal *out)
{
    td_decimal id, from;
    int64_t scaled = 0;
    if (td_decimal_parse(model_id, &id, NULL) != TD_OK ||
        td_decimal_parse(model_price, &from, NULL) != TD_OK)
        return 0;
    from = td_decimal_shortest(from);
    price = td_decimal_shortest(price);
    for (unsigned scale = from.scale; scale <= SCALE_MAX; scale++) {
        if (td_decimal_rescale(from, (uint8_t)scale, &scaled) != TD_OK || id.scale != 0 ||
            scaled != id.mantissa)
            continue;
        if (price.scale > scale || td_decimal_rescale(price, (uint8_t)scale, &scaled) != TD_OK)
            return 0;
        *out = (td_decimal){.mantissa = scaled, .scale = 0};
        return 1;
    }
    return 0;
}

/* ---- levels ---- */

static const field_row *field_of(const topic_row *row, td_bytes key)
{
    for (size_t i = 0; i < row->field_count; i++) {
        if (td_bytes_is(key, row->fields[i].key))
            return &row->fields[i];
    }
    return NULL;
}

/* Return the text of a recorded level's price or side, and its field; empty if absent. */
static td_bytes level_text(const topic_row *row, json_value level, msg_member member,
                           const field_row **field)
{
    json_value key, element;
    char position[POSITION_DIGITS];
    size_t index = 0;
    int is_object = json_type_of(level) == JSON_OBJECT;
    for (json_iter it = json_iter_of(level); json_next(&it, &key, &element); index++) {
        td_bytes name = {0};
        if (is_object)
            (void)json_text(key, &name); /* a key that is not text matches no field */
        else
            name = td_bytes_of(position, (size_t)snprintf(position, sizeof position, "%zu", index));
        *field = field_of(row, name);
        if (*field != NULL && (*field)->member == member)
            return text_of(element);
    }
    return td_bytes_of(NULL, 0);
}

/* Return the text of the recorded level's price. */
static td_bytes model_price(const snapshot_job *m)
{
    const field_row *field;
    return level_text(m->from->row, m->level, MEMBER_PRICE, &field);
}

/* Note how a level names its side, and whether buys rise or fall. */
static void note_side(list_form *form, td_bytes word, const field_row *field, td_bytes price_text)
{
    msg_value side;
    decode_reason why;
    td_decimal price;
    if (word.size == 0 || !decode_text(field, word, &side, &why) || side.as.side > SIDE_SELL)
        return;
    const int is_first = form->words[side.as.side].size == 0;
    form->words[side.as.side] = word;
    if (side.as.side != SIDE_BUY || td_decimal_parse(price_text, &price, NULL) != TD_OK)
        return;
    if (is_first)
        form->buy_price = price;
    else if (td_decimal_compare(price, form->buy_price) < 0)
        form->buys_fall = 1;
}

static list_form form_of(const topic_row *row, json_value list)
{
    list_form out = {.has_level = 0};
    json_value level;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &level); out.has_level = 1) {
        const field_row *field;
        const td_bytes price = level_text(row, level, MEMBER_PRICE, &field);
        const size_t price_places = places_of(price);
        const size_t size_places = places_of(level_text(row, level, MEMBER_SIZE, &field));
        const td_bytes word = level_text(row, level, MEMBER_SIDE, &field);
        if (out.has_level && price_places != out.price_places)
            out.prices = NUMBER_SHORTEST;
        if (out.has_level && size_places != out.size_places)
            out.sizes = NUMBER_SHORTEST;
        out.price_places = price_places;
        out.size_places = size_places;
        note_side(&out, word, field, price);
    }
    return out;
}

static void write_sizes(snapshot_job *m, json_value model, msg_member member, td_decimal size,
                        td_decimal retail)
{
    td_decimal own = size;
    retail.mantissa = -retail.mantissa;
    if (member == MEMBER_SIZE && !msg_size_with_rpi(size, retail, &own))
        m->is_impossible = 1;
    retail.mantissa = -retail.mantissa;
    write_like(m, model, member == MEMBER_SIZE ? own : retail, m->form.sizes);
}

/* Write one member of a level; the topic's row defines what the key means. */
static void write_field(snapshot_job *m, td_bytes key, json_value model, json_value newest,
                        msg_side side, const book_level *level, td_decimal retail)
{
    const field_row *field = field_of(m->from->row, key);
    msg_member member = field == NULL ? MEMBER_NONE : field->member;
    td_decimal id;
    if (member == MEMBER_PRICE) {
        write_like(m, model, level->price, m->form.prices);
    } else if (member == MEMBER_SIZE || member == MEMBER_RPI_SIZE) {
        write_sizes(m, model, member, level->size, retail);
    } else if (member == MEMBER_SIDE) {
        const td_bytes word = m->form.words[side];
        m->is_impossible |=
            word.size == 0 && field->type != FIELD_SIDE && field->type != FIELD_ANY_SIDE;
        json_write_bytes(&m->json, word.size == 0 ? td_bytes_str(msg_side_name(side)) : word);
    } else if (member == MEMBER_LEVEL_ID) {
        if (find_id(text_of(model), model_price(m), level->price, &id)) {
            write_like(m, model, id, NUMBER_PADDED);
        } else {
            m->is_impossible = 1;
            json_write_null(&m->json);
        }
    } else {
        int is_time = field != NULL && field->type == FIELD_TIME;
        json_write_raw(&m->json, json_raw(is_time ? newest : model));
    }
}

static void write_level(snapshot_job *m, msg_side side, size_t index)
{
    book_level level, retail = {0};
    int is_there = book_level_at(m->levels, side, index, &level);
    TD_ASSERT(is_there);
    if (m->from->retail != NULL && !book_level_at(m->from->retail, side, index, &retail))
        m->is_impossible = 1;
    json_value key, element, newest;
    size_t position = 0;
    char text[POSITION_DIGITS];
    int is_object = json_type_of(m->level) == JSON_OBJECT;
    int has_newest = m->has_newest && !is_object;
    json_iter at_newest = json_iter_of(has_newest ? m->newest : m->level);
    if (is_object)
        json_write_object_begin(&m->json);
    else
        json_write_array_begin(&m->json);
    for (json_iter it = json_iter_of(m->level); json_next(&it, &key, &element); position++) {
        td_bytes name = td_bytes_of(text, (size_t)snprintf(text, sizeof text, "%zu", position));
        has_newest = has_newest && json_next(&at_newest, NULL, &newest);
        if (is_object && !json_text(key, &name))
            continue;
        if (is_object)
            json_write_key_bytes(&m->json, name);
        write_field(m, name, element, has_newest ? newest : element, side, &level, retail.size);
    }
    if (is_object)
        json_write_object_end(&m->json);
    else
        json_write_array_end(&m->json);
}

/* ---- orders ---- */

/* Write a number with the places that the exchange wrote, as text or number. */
static void write_whole(snapshot_job *m, json_value model, td_decimal value)
{
    char text[TD_DECIMAL_TEXT_BYTES];
    const td_bytes written = td_bytes_of(text, td_decimal_format_whole(value, text));
    if (json_type_of(model) == JSON_STRING)
        json_write_bytes(&m->json, written);
    else
        json_write_raw(&m->json, written);
}

/* Write one member of an order. What an order has beside its own values is not known. */
static void write_order_field(snapshot_job *m, const field_row *field, json_value model,
                              const book_order *order)
{
    char time[TD_TIME_TEXT_BYTES];
    const msg_member member = field == NULL ? MEMBER_NONE : field->member;
    if (member == MEMBER_ORDER_ID) {
        json_write_bytes(&m->json, order->id);
    } else if (member == MEMBER_PRICE || member == MEMBER_SIZE) {
        write_whole(m, model, member == MEMBER_PRICE ? order->price : order->size);
    } else if (member == MEMBER_UPDATED_AT && field->unit == UNIT_RFC3339) {
        td_time_format(order->updated_ns, time);
        json_write_bytes(&m->json, td_bytes_str(time));
    } else {
        m->is_impossible = 1;
        json_write_null(&m->json);
    }
}

/* Write an order with the keys of a recorded one, but what happened to it. */
static void write_order(snapshot_job *m, const book_order *order)
{
    json_value key, element;
    json_write_object_begin(&m->json);
    for (json_iter it = json_iter_of(m->level); json_next(&it, &key, &element);) {
        td_bytes name;
        const field_row *field = json_text(key, &name) ? field_of(m->from->row, name) : NULL;
        if (field != NULL && field->member == MEMBER_EVENT_TYPE)
            continue;
        json_write_key_bytes(&m->json, json_text(key, &name) ? name : td_bytes_of(NULL, 0));
        write_order_field(m, field, element, order);
    }
    json_write_object_end(&m->json);
}

/* Write the book's orders in place of a recorded list of one side. */
static void write_orders(snapshot_job *m, const items_row *items)
{
    const msg_side side = (items->flags & ITEMS_BUY) != 0 ? SIDE_BUY : SIDE_SELL;
    book_order order;
    m->is_impossible |= (items->flags & (ITEMS_BUY | ITEMS_SELL)) == 0 ||
                        (m->has_level && json_type_of(m->level) != JSON_OBJECT);
    json_write_array_begin(&m->json);
    for (size_t i = 0; !m->is_impossible && order_set_at(book_orders(m->levels), side, i, &order);
         i++)
        write_order(m, &order);
    json_write_array_end(&m->json);
}

/* How many of a side's best levels are written: all, or, of a limited side, as many as make a
 * reader find it limited, too. */
static size_t reply_levels(const snapshot_job *m, msg_side side)
{
    const size_t count = book_level_count(m->levels, side);
    return book_is_whole(m->levels, side) ? count : family_snapshot_cut(m->from->row, count);
}

/* Write the book's levels in place of a recorded list. A list of one side begins with its best
 * level; a list of both sides has the buys first, with ascending prices (docs/wire.md 6.3) unless
 * the recorded one has not. */
static void write_levels(snapshot_job *m, json_value recorded, const items_row *items)
{
    size_t buys = reply_levels(m, SIDE_BUY);
    size_t sells = reply_levels(m, SIDE_SELL);
    const int is_one_side = (items->flags & (ITEMS_BUY | ITEMS_SELL)) != 0;
    m->form = form_of(m->from->row, recorded);
    const int begins_with_best = is_one_side || m->form.buys_fall;
    json_write_array_begin(&m->json);
    for (size_t i = 0; i < buys && (items->flags & ITEMS_SELL) == 0; i++)
        write_level(m, SIDE_BUY, begins_with_best ? i : buys - 1 - i);
    for (size_t i = 0; i < sells && (items->flags & ITEMS_BUY) == 0; i++)
        write_level(m, SIDE_SELL, i);
    json_write_array_end(&m->json);
}

/* ---- copying ---- */

/* Find the member of the last frame with the meaning of the present one of the model, which is a
 * reply, and has other paths. */
static int find_counterpart(const snapshot_job *m, json_value *out)
{
    const topic_row *row = m->from->row;
    msg_member member = MEMBER_NONE;
    for (size_t i = 0; i < m->row->envelope_count; i++)
        if (is_at(m, m->row->envelope[i].key))
            member = m->row->envelope[i].member;
    for (size_t i = 0; member != MEMBER_NONE && i < row->envelope_count; i++)
        if (row->envelope[i].member == member && json_find_path(m->last, row->envelope[i].key, out))
            return 1;
    return 0;
}

/* 1 if the present member is the number of the frame before, which a snapshot does not have: on OKX
 * it is -1 there, and clients check it. */
static int is_prev_seq(const snapshot_job *m)
{
    for (size_t i = 0; i < m->row->envelope_count; i++)
        if (m->row->envelope[i].member == MEMBER_PREV_SEQ && is_at(m, m->row->envelope[i].key))
            return 1;
    return 0;
}

/* Write a value of the model, or its counterpart in the last frame: all numbers and times come from
 * the last frame, only what is of the snapshot itself does not. */
static void copy_scalar(snapshot_job *m, json_value model, const json_value *last)
{
    json_value other;
    int is_own = is_at(m, topic_row_kind_key(m->row)) || is_prev_seq(m);
    if (m->row != m->from->row && find_counterpart(m, &other))
        last = &other;
    int is_newer = !is_own && last != NULL && json_type_of(*last) != JSON_OBJECT &&
                   json_type_of(*last) != JSON_ARRAY;
    json_write_raw(&m->json, json_raw(is_newer ? *last : model));
}

static void copy(snapshot_job *m, json_value model, const json_value *last);

/* 1 if `last` has a member that the model lacks. */
static int has_others(json_value model, json_value last)
{
    json_value key, element;
    if (json_type_of(last) != JSON_OBJECT)
        return 0;
    for (json_iter it = json_iter_of(last); json_next(&it, &key, &element);) {
        td_bytes name;
        if (!json_text(key, &name) || !json_find_key(model, name, &element))
            return 1;
    }
    return 0;
}

/* Find the entry of a ticker's delta, an object or the only element of a list. */
static int find_entry(const topic_row *row, json_value delta, json_value *out)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const char *path = row->items[i].path;
        size_t size = strcspn(path, ".");
        json_value more;
        int is_found =
            row->items[i].kind == FRAME_DELTA && json_find_key(delta, td_bytes_of(path, size), out);
        if (is_found && path[size] == '.')
            is_found = json_find(*out, path + size + 1, out);
        if (is_found && json_type_of(*out) == JSON_OBJECT)
            return 1;
        json_iter it = json_iter_of(is_found ? *out : delta);
        if (is_found && json_next(&it, NULL, out) && !json_next(&it, NULL, &more))
            return 1;
    }
    return 0;
}

static void copy_object(snapshot_job *m, json_value model, const json_value *last)
{
    json_value key, element, newer;
    if (m->levels == NULL && items_here(m) != NULL)
        last = &m->entry;
    if (m->levels == NULL && last != NULL && has_others(model, *last))
        m->is_impossible = 1;
    json_write_object_begin(&m->json);
    for (json_iter it = json_iter_of(model); json_next(&it, &key, &element);) {
        td_bytes name;
        if (!json_text(key, &name))
            continue;
        size_t before = enter(m, name);
        json_write_key_bytes(&m->json, name);
        copy(m, element, last != NULL && json_find_key(*last, name, &newer) ? &newer : NULL);
        m->path_size = before;
    }
    json_write_object_end(&m->json);
}

static void copy_array(snapshot_job *m, json_value model, const json_value *last)
{
    json_value element, newer;
    const items_row *items = items_here(m);
    if (items != NULL && m->levels != NULL && book_orders(m->levels) != NULL) {
        write_orders(m, items);
        return;
    }
    if (items != NULL) {
        write_levels(m, model, items);
        return;
    }
    int has_last = last != NULL && json_type_of(*last) == JSON_ARRAY;
    json_iter at_last = json_iter_of(has_last ? *last : model);
    json_write_array_begin(&m->json);
    for (json_iter it = json_iter_of(model); json_next(&it, NULL, &element);) {
        has_last = has_last && json_next(&at_last, NULL, &newer);
        copy(m, element, has_last ? &newer : NULL);
    }
    json_write_array_end(&m->json);
}

/* Copy a recorded value with everything in it. The recursion depth is at most LIMIT_JSON_DEPTH, the
 * parser's limit. */
static void copy(snapshot_job *m, json_value model, const json_value *last)
{
    json_type type = json_type_of(model);
    if (type == JSON_OBJECT)
        copy_object(m, model, last);
    else if (type == JSON_ARRAY)
        copy_array(m, model, last);
    else
        copy_scalar(m, model, last);
}

static td_result write_snapshot(snapshot_job *m, json_value model, const json_value *last,
                                td_buf *out, td_err *err)
{
    size_t before = out->size;
    json_write_begin(&m->json, out);
    copy(m, model, last);
    td_result rc = json_write_end(&m->json, err);
    if (rc == TD_OK && m->is_impossible)
        rc = td_err_set(err, TD_E_UNSUPPORTED, "it cannot be written in the recorded form");
    if (rc != TD_OK)
        out->size = before;
    return rc;
}

/* Parse a frame; one that is a list by the names of its elements. */
static td_result parse_frame(snapshot_maker *maker, json_parser *parser, const topic_row *row,
                             td_bytes frame, json_value *out, td_err *err)
{
    td_buf *copy = &maker->merged;
    td_buf_clear(copy);
    td_result rc = td_buf_reserve(copy, frame.size + JSON_PADDING_BYTES, err);
    if (rc != TD_OK)
        return rc;
    td_buf_add(copy, frame.data, frame.size);
    if (row->list != NULL && list_frame_name(row->list, parser, td_buf_view(copy), &maker->named))
        frame = td_buf_view(&maker->named);
    return json_parse(parser, frame, JSON_COPIED, out, err);
}

/* Give a bare frame the object around it, because the row's paths begin there. The snapshot is a
 * reply then, so the topic in this object is not copied. */
static td_result wrap_bare(snapshot_maker *maker, const topic_row *row, td_bytes *frame,
                           td_err *err)
{
    if (row->bare == NULL || !bare_frame_is(row->bare, maker->last_parser, *frame))
        return TD_OK;
    if (row->snapshot_reply == NULL)
        return td_err_set(err, TD_E_UNSUPPORTED, "a frame has no object that names its topic");
    td_buf_clear(&maker->wrapped);
    td_result rc =
        bare_frame_wrap(row->bare, td_bytes_str(row->name), *frame, &maker->wrapped, err);
    *frame = td_buf_view(&maker->wrapped);
    return rc;
}

static td_result parse_both(snapshot_maker *maker, const topic_row *row, td_bytes model,
                            td_bytes last, json_value *model_out, json_value *last_out, td_err *err)
{
    td_result rc = parse_frame(maker, maker->model_parser, row, model, model_out, err);
    if (rc == TD_OK)
        rc = wrap_bare(maker, row, &last, err);
    if (rc == TD_OK)
        rc = parse_frame(maker, maker->last_parser, row, last, last_out, err);
    return rc == TD_E_INVALID ? td_err_set(err, TD_E_UNSUPPORTED, "a frame is not JSON") : rc;
}

/* Append an object as the list whose elements it names. */
static td_result write_list(snapshot_maker *maker, const list_names *names, td_bytes object,
                            td_buf *out, td_err *err)
{
    json_value root, key, value, element;
    json_writer json;
    size_t i = 0;
    td_result rc = json_parse(maker->model_parser, object, JSON_COPIED, &root, err);
    if (rc != TD_OK)
        return rc;
    json_write_begin(&json, out);
    json_write_array_begin(&json);
    for (json_iter it = json_iter_of(root); json_next(&it, &key, &value); i++) {
        if (i != names->rest)
            json_write_raw(&json, json_raw(value));
        for (json_iter rest = json_iter_of(value);
             i == names->rest && json_next(&rest, NULL, &element);)
            json_write_raw(&json, json_raw(element));
    }
    json_write_array_end(&json);
    return json_write_end(&json, err);
}

/* Apply a delta to a ticker's snapshot. */
static td_result merge_delta(snapshot_maker *maker, const topic_row *row, td_buf *snapshot,
                             td_bytes delta, td_err *err)
{
    json_value model, last;
    const snapshot_source source = {.row = row};
    snapshot_job m = {.from = &source, .row = row, .without = FRAME_DELTA};
    td_result rc = parse_both(maker, row, td_buf_view(snapshot), delta, &model, &last, err);
    if (rc != TD_OK)
        return rc;
    td_buf_clear(&maker->merged);
    m.is_impossible = !find_entry(row, last, &m.entry);
    rc = write_snapshot(&m, model, &last, &maker->merged, err);
    return rc == TD_OK ? keep(snapshot, td_buf_view(&maker->merged), err) : rc;
}

td_result snapshot_make_ticker(snapshot_maker *maker, const ticker_frames *from, td_buf *out,
                               td_err *err)
{
    if (from == NULL || from->count == 0)
        return td_err_set(err, TD_E_UNSUPPORTED, "the ticker's frames are missing");
    td_result rc = keep(out, ticker_frames_bytes_at(from, 0), err);
    for (size_t i = 1; rc == TD_OK && i < from->count; i++)
        rc = merge_delta(maker, from->row, out, ticker_frames_bytes_at(from, i), err);
    if (rc != TD_OK)
        td_buf_clear(out);
    return rc;
}

td_result snapshot_make(snapshot_maker *maker, const snapshot_source *from, const book *levels,
                        td_buf *out, td_err *err)
{
    json_value model, last;
    snapshot_job m = {.from = from,
                      .row =
                          from->row->snapshot_reply != NULL ? from->row->snapshot_reply : from->row,
                      .without = FRAME_DELTA,
                      .levels = levels};
    TD_ASSERT(msg_type_has_book(from->row->type));
    if (td_bytes_equal(td_buf_view(&from->model), td_buf_view(&from->last)))
        return td_buf_append(out, from->model.data, from->model.size, err);
    td_result rc = parse_both(maker, from->row, td_buf_view(&from->model), td_buf_view(&from->last),
                              &model, &last, err);
    if (rc != TD_OK)
        return rc;
    m.last = last;
    /* if the recorded snapshot was empty, the last frame has the form */
    m.has_level = (uint8_t)(find_level(&m, model, &m.level) || find_level(&m, last, &m.level));
    m.without = FRAME_SNAPSHOT;
    m.has_newest = (uint8_t)find_level(&m, last, &m.newest);
    m.without = FRAME_DELTA;
    TD_ASSERT(m.path_size == 0);
    int is_empty =
        book_level_count(levels, SIDE_BUY) == 0 && book_level_count(levels, SIDE_SELL) == 0;
    if (!m.has_level && !is_empty)
        return td_err_set(err, TD_E_UNSUPPORTED, "no recorded level shows the form");
    for (msg_side at = SIDE_BUY; at <= SIDE_SELL; at++)
        if (!book_is_whole(levels, at) && !family_snapshot_is_cut(from->row, reply_levels(&m, at)))
            return td_err_set(err, TD_E_UNSUPPORTED, "levels of the book are not known");
    if (m.row->list == NULL)
        return write_snapshot(&m, model, &last, out, err);
    td_buf_clear(&maker->named);
    rc = write_snapshot(&m, model, &last, &maker->named, err);
    return rc == TD_OK ? write_list(maker, m.row->list, td_buf_view(&maker->named), out, err) : rc;
}
