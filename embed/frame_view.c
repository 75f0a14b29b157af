#include "embed/frame_view.h"

#include <string.h>

#include "base/decimal.h"

/* The public header's numbers equal the internal ones (checked here), so values are passed on
 * unchanged. */
_Static_assert((int)TAPEDECK_BUY == (int)SIDE_BUY, "sides");
_Static_assert((int)TAPEDECK_SELL == (int)SIDE_SELL, "sides");
_Static_assert((int)TAPEDECK_NO_SIDE == (int)SIDE_NONE, "sides");
_Static_assert((int)TAPEDECK_NO_ACTION == (int)ACTION_NONE, "actions");
_Static_assert((int)TAPEDECK_SET == (int)ACTION_SET, "actions");
_Static_assert((int)TAPEDECK_DELETE == (int)ACTION_DELETE, "actions");
_Static_assert((int)TAPEDECK_UPDATE == (int)ACTION_UPDATE, "actions");
_Static_assert((int)TAPEDECK_INSERT == (int)ACTION_INSERT, "actions");
_Static_assert((int)TAPEDECK_ABSENT == (int)VALUE_ABSENT, "types of values");
_Static_assert((int)TAPEDECK_TEXT == (int)VALUE_TEXT, "types of values");
_Static_assert((int)TAPEDECK_DECIMAL == (int)VALUE_DECIMAL, "types of values");
_Static_assert((int)TAPEDECK_INTEGER == (int)VALUE_INTEGER, "types of values");
_Static_assert((int)TAPEDECK_BOOL == (int)VALUE_BOOL, "types of values");
_Static_assert((int)TAPEDECK_SIDE == (int)VALUE_SIDE, "types of values");
_Static_assert((int)TAPEDECK_TIME_NS == (int)VALUE_TIME_NS, "types of values");
_Static_assert((int)TAPEDECK_JSON == (int)VALUE_JSON, "types of values");
_Static_assert((int)TAPEDECK_BIG_DECIMAL == (int)VALUE_BIG_DECIMAL, "types of values");
_Static_assert((int)TAPEDECK_UNTYPED == (int)FRAME_UNTYPED, "kinds");
_Static_assert((int)TAPEDECK_SNAPSHOT == (int)FRAME_SNAPSHOT, "kinds");
_Static_assert((int)TAPEDECK_DELTA == (int)FRAME_DELTA, "kinds");
_Static_assert((int)TAPEDECK_ERROR == (int)STRENGTH_ERROR, "strengths");
_Static_assert((int)TAPEDECK_WARNING == (int)STRENGTH_WARNING, "strengths");
_Static_assert((int)TAPEDECK_STATISTIC == (int)STRENGTH_STATISTIC, "strengths");
_Static_assert((int)TAPEDECK_DECIMAL_BYTES == (int)TD_DECIMAL_TEXT_BYTES, "texts");

static tapedeck_text text_of(td_bytes bytes)
{
    return (tapedeck_text){(const char *)bytes.data, bytes.size};
}

static tapedeck_decimal decimal_of(td_decimal value)
{
    return (tapedeck_decimal){.mantissa = value.mantissa, .scale = value.scale};
}

/* Convert a decimal. Returns 0 for a scale beyond 18, which a user's program may pass. */
static int decimal_from(tapedeck_decimal value, td_decimal *out)
{
    if (value.scale > TD_DECIMAL_SCALE_MAX)
        return 0;
    *out = (td_decimal){value.mantissa, (uint8_t)value.scale};
    return 1;
}

/* ---- frames ---- */

uint32_t frame_view_content(const message *m)
{
    if (m == NULL)
        return TAPEDECK_UNDECODED;
    if (message_is_record(m))
        return TAPEDECK_RECORD;
    return m->head.type == MSG_TRADE ? TAPEDECK_TRADES : TAPEDECK_BOOK;
}

void frame_view_set_message(frame_view *view, const message *m)
{
    tapedeck_frame *out = &view->frame;
    view->message = m;
    if (m == NULL)
        return;
    out->type = msg_type_name(m->head.type);
    out->kind = m->head.kind;
    out->entry_count = message_item_count(m);
    out->exchange_ns = m->head.exchange_ns;
    out->match_ns = m->head.match_ns;
    out->cross_seq = m->head.cross_seq;
    out->u = m->head.u;
    out->seq = m->head.seq;
    out->version = text_of(m->head.version);
    out->unknown_fields = m->head.unknown_fields;
    out->has_cross_seq = m->head.has_cross_seq;
    out->has_u = m->head.has_u;
    out->has_seq = m->head.has_seq;
    out->prev_seq = m->head.prev_seq;
    out->checksum = m->head.checksum;
    out->has_prev_seq = m->head.has_prev_seq;
    out->has_checksum = m->head.has_checksum;
}

void frame_view_set_verdict(frame_view *view, const verdict *judged, const track *from)
{
    tapedeck_frame *out = &view->frame;
    view->verdict = judged;
    out->is_book_broken = out->book != NULL && track_is_broken(from);
    if (judged == NULL)
        return;
    out->verdict = verdict_violation(judged) == NULL ? TAPEDECK_OK : TAPEDECK_VIOLATION;
    out->is_unchecked = judged->unchecked;
    out->rule_count = judged->count;
}

static const frame_view *view_of(const tapedeck_frame *frame)
{
    return frame->own;
}

/* Return the frame's message if it has that type and that entry, else NULL. */
static const message *message_with(const tapedeck_frame *frame, msg_type type, size_t index)
{
    const message *m = view_of(frame)->message;
    return m != NULL && m->head.type == type && index < message_item_count(m) ? m : NULL;
}

static int get_level(const tapedeck_frame *frame, size_t index, tapedeck_level *out)
{
    const message *m = message_with(frame, MSG_BOOK_CHANGE, index);
    if (m == NULL)
        return 0;
    msg_level level = message_level(m, index);
    *out = (tapedeck_level){.price = {.mantissa = level.price, .scale = level.price_scale},
                            .size = {.mantissa = level.size, .scale = level.size_scale},
                            .rpi_size = decimal_of(message_level_rpi(m, index)),
                            .side = level.side,
                            .action = level.action};
    return 1;
}

static int get_trade(const tapedeck_frame *frame, size_t index, tapedeck_trade *out)
{
    const message *m = message_with(frame, MSG_TRADE, index);
    if (m == NULL)
        return 0;
    msg_trade trade = message_trade(m, index);
    *out = (tapedeck_trade){.price = decimal_of(trade.price),
                            .size = decimal_of(trade.size),
                            .exchange_ns = trade.exchange_ns,
                            .symbol = text_of(trade.symbol),
                            .trade_id = text_of(trade.trade_id),
                            .tick_direction = text_of(trade.tick_direction),
                            .cross_seq = trade.cross_seq,
                            .seq = trade.seq,
                            .side = trade.side,
                            .has_cross_seq = trade.has_cross_seq,
                            .has_seq = trade.has_seq,
                            .is_block_trade = trade.is_block_trade,
                            .is_rpi_trade = trade.is_rpi_trade};
    return 1;
}

/* ---- values ---- */

/* Return the values of an entry or of the envelope; may be NULL. */
static const msg_value *values_of(const tapedeck_frame *frame, size_t entry, size_t *count)
{
    const message *m = view_of(frame)->message;
    *count = 0;
    if (m == NULL || (!message_is_record(m) && m->extra == NULL))
        return NULL;
    int is_record = message_is_record(m);
    if (entry == TAPEDECK_ENVELOPE) {
        *count = is_record ? m->record.value_count : m->extra->value_count;
        return is_record ? m->record.values : m->extra->values;
    }
    if (entry >= message_item_count(m))
        return NULL;
    const msg_item *item = is_record ? &m->record.items[entry] : &m->extra->items[entry];
    *count = item->value_count;
    return item->values;
}

static void set_value(const msg_value *value, tapedeck_value *out)
{
    *out = (tapedeck_value){.name = msg_member_name(value->member),
                            .type = value->type,
                            .is_scale_assumed = value->is_scale_assumed};
    switch (value->type) {
    case VALUE_ABSENT:
        break;
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BIG_DECIMAL:
        out->text = text_of(value->as.text);
        break;
    case VALUE_DECIMAL:
        out->decimal = decimal_of(value->as.decimal);
        break;
    case VALUE_INTEGER:
        out->integer = value->as.integer;
        break;
    case VALUE_BOOL:
        out->integer = value->as.is_true;
        break;
    case VALUE_SIDE:
        out->integer = value->as.side;
        break;
    case VALUE_TIME_NS:
        out->integer = (int64_t)value->as.time_ns;
        break;
    }
}

static int get_value(const tapedeck_frame *frame, size_t entry, size_t index, tapedeck_value *out)
{
    size_t count;
    const msg_value *values = values_of(frame, entry, &count);
    if (index >= count)
        return 0;
    set_value(&values[index], out);
    return 1;
}

static int get_value_named(const tapedeck_frame *frame, size_t entry, const char *name,
                           tapedeck_value *out)
{
    tapedeck_value value;
    for (size_t i = 0; get_value(frame, entry, i, &value); i++)
        if (strcmp(value.name, name) == 0) {
            *out = value;
            return 1;
        }
    return 0;
}

static uint32_t get_action(const tapedeck_frame *frame, size_t index)
{
    const message *m = view_of(frame)->message;
    if (m == NULL || index >= message_item_count(m) || m->head.type == MSG_TRADE)
        return TAPEDECK_NO_ACTION;
    return message_is_record(m) ? m->record.items[index].action : message_level(m, index).action;
}

static int get_rule(const tapedeck_frame *frame, size_t index, tapedeck_rule *out)
{
    const verdict *judged = view_of(frame)->verdict;
    if (judged == NULL || index >= judged->count)
        return 0;
    const verdict_item *item = &judged->items[index];
    *out = (tapedeck_rule){.name = rule_name(item->rule),
                           .strength = item->strength,
                           .expected = item->expected,
                           .found = item->found};
    return 1;
}

/* ---- books ---- */

size_t frame_view_level_count(const track *from, uint32_t side)
{
    const book *of = from == NULL ? NULL : track_book(from);
    return of == NULL || side > SIDE_SELL ? 0 : book_level_count(of, (msg_side)side);
}

size_t frame_view_levels(const track *from, uint32_t side, size_t first, size_t max,
                         tapedeck_book_level *out)
{
    const book *of = from == NULL ? NULL : track_book(from);
    size_t count = 0;
    book_level level;
    if (of == NULL || side > SIDE_SELL)
        return 0;
    while (count < max && book_level_at(of, (msg_side)side, first + count, &level)) {
        out[count] = (tapedeck_book_level){decimal_of(level.price), decimal_of(level.size)};
        count++;
    }
    return count;
}

/* ---- decimals ---- */

static int compare_decimals(tapedeck_decimal a, tapedeck_decimal b)
{
    td_decimal left = {0};
    td_decimal right = {0};
    if (!decimal_from(a, &left) || !decimal_from(b, &right))
        return 0;
    return td_decimal_compare(left, right);
}

static int decimal_at_scale(tapedeck_decimal value, uint32_t scale, int64_t *out)
{
    td_decimal from;
    int64_t mantissa;
    if (!decimal_from(value, &from) || scale > TD_DECIMAL_SCALE_MAX)
        return 0;
    if (scale < from.scale)
        from = td_decimal_shortest(from);
    if (scale < from.scale || td_decimal_rescale(from, (uint8_t)scale, &mantissa) != TD_OK)
        return 0;
    *out = mantissa;
    return 1;
}

static size_t format_decimal(tapedeck_decimal value, char out[TAPEDECK_DECIMAL_BYTES])
{
    td_decimal from;
    if (decimal_from(value, &from))
        return td_decimal_format(from, out);
    out[0] = '\0';
    return 0;
}

void frame_view_set_host(tapedeck_host *host)
{
    host->level = get_level;
    host->trade = get_trade;
    host->value = get_value;
    host->value_named = get_value_named;
    host->action = get_action;
    host->rule = get_rule;
    host->decimal_compare = compare_decimals;
    host->decimal_at_scale = decimal_at_scale;
    host->decimal_format = format_decimal;
}
