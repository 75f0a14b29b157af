#include "schema/message.h"

#include "base/assert.h"

const char *msg_type_name(msg_type type)
{
#define TYPE_NAME(id, name) name,
    static const char *const NAMES[MSG_TYPE_COUNT] = {MSG_TYPES(TYPE_NAME)};
#undef TYPE_NAME
    TD_ASSERT(type < MSG_TYPE_COUNT);
    return NAMES[type];
}

const char *frame_kind_name(frame_kind kind)
{
    static const char *const NAMES[] = {
        [FRAME_UNTYPED] = "untyped",
        [FRAME_SNAPSHOT] = "snapshot",
        [FRAME_DELTA] = "delta",
        [FRAME_ANY] = "any",
    };
    TD_ASSERT(kind <= FRAME_ANY);
    return NAMES[kind];
}

const char *msg_side_name(msg_side side)
{
    static const char *const NAMES[] = {
        [SIDE_BUY] = "Buy", [SIDE_SELL] = "Sell", [SIDE_NONE] = "none"};
    TD_ASSERT(side <= SIDE_NONE);
    return NAMES[side];
}

const char *msg_action_name(msg_action action)
{
    static const char *const NAMES[] = {
        [ACTION_NONE] = "none",     [ACTION_SET] = "set",       [ACTION_DELETE] = "delete",
        [ACTION_UPDATE] = "update", [ACTION_INSERT] = "insert",
    };
    TD_ASSERT(action <= ACTION_INSERT);
    return NAMES[action];
}

td_bytes msg_member_text(msg_member member)
{
#define MEMBER_NAME(member, name, type)                                                            \
    [MEMBER_##member] = {(const uint8_t *)(name), sizeof(name) - 1},
    static const td_bytes NAMES[MEMBER_COUNT] = {[MEMBER_NONE] = {(const uint8_t *)"none", 4},
                                                 MEMBERS(MEMBER_NAME)};
#undef MEMBER_NAME
    TD_ASSERT(member < MEMBER_COUNT);
    TD_ASSERT(NAMES[member].data != NULL);
    return NAMES[member];
}

const char *msg_member_name(msg_member member)
{
    return (const char *)msg_member_text(member).data;
}

value_type msg_member_type(msg_member member)
{
#define MEMBER_TYPE(member, name, type) [MEMBER_##member] = VALUE_##type,
    static const uint8_t TYPES[MEMBER_COUNT] = {[MEMBER_NONE] = VALUE_ABSENT, MEMBERS(MEMBER_TYPE)};
#undef MEMBER_TYPE
    TD_ASSERT(member < MEMBER_COUNT);
    return (value_type)TYPES[member];
}

msg_member msg_member_find(td_bytes name)
{
    int first = MEMBER_NONE + 1;
    int last = MEMBER_COUNT - 1;
    while (first <= last) {
        int middle = (first + last) / 2;
        int order = td_bytes_compare(name, msg_member_text((msg_member)middle));
        if (order == 0)
            return (msg_member)middle;
        if (order < 0)
            last = middle - 1;
        else
            first = middle + 1;
    }
    return MEMBER_NONE;
}

int msg_struct_has(msg_type type, msg_member member)
{
    static const msg_member LEVEL[] = {MEMBER_SIDE, MEMBER_PRICE, MEMBER_SIZE, MEMBER_RPI_SIZE};
    static const msg_member TRADE[] = {
        MEMBER_SYMBOL,   MEMBER_SIDE,           MEMBER_PRICE,          MEMBER_SIZE,
        MEMBER_TRADE_ID, MEMBER_CROSS_SEQ,      MEMBER_TICK_DIRECTION, MEMBER_EXCHANGE_TIME,
        MEMBER_SEQ,      MEMBER_IS_BLOCK_TRADE, MEMBER_IS_RPI_TRADE,
    };
    TD_ASSERT(type == MSG_BOOK_CHANGE || type == MSG_TRADE);
    const msg_member *members = type == MSG_TRADE ? TRADE : LEVEL;
    size_t count =
        type == MSG_TRADE ? sizeof TRADE / sizeof TRADE[0] : sizeof LEVEL / sizeof LEVEL[0];
    for (size_t i = 0; i < count; i++)
        if (members[i] == member)
            return 1;
    return 0;
}

int msg_head_number(const msg_head *head, int64_t *out)
{
    if (!head->has_cross_seq && !head->has_seq && !head->has_u)
        return 0;
    *out = head->has_cross_seq ? head->cross_seq : head->has_seq ? head->seq : head->u;
    return 1;
}

int64_t *msg_head_place(msg_head *head, msg_member member, uint8_t **has)
{
    *has = member == MEMBER_CROSS_SEQ  ? &head->has_cross_seq
           : member == MEMBER_U        ? &head->has_u
           : member == MEMBER_SEQ      ? &head->has_seq
           : member == MEMBER_PREV_SEQ ? &head->has_prev_seq
                                       : &head->has_checksum;
    return member == MEMBER_CROSS_SEQ  ? &head->cross_seq
           : member == MEMBER_U        ? &head->u
           : member == MEMBER_SEQ      ? &head->seq
           : member == MEMBER_PREV_SEQ ? &head->prev_seq
           : member == MEMBER_CHECKSUM ? &head->checksum
                                       : NULL;
}

int msg_head_store(msg_head *head, msg_member time, const msg_value *value)
{
    uint8_t *has;
    int64_t *number;
    if (value->type == VALUE_TIME_NS && value->member == time) {
        head->exchange_ns = value->as.time_ns;
        return 1;
    }
    if (value->type == VALUE_TIME_NS && value->member == MEMBER_MATCH_TIME) {
        head->match_ns = value->as.time_ns;
        return 1;
    }
    if (value->type != VALUE_INTEGER ||
        (number = msg_head_place(head, value->member, &has)) == NULL)
        return 0;
    *number = value->as.integer;
    *has = 1;
    return 1;
}

void msg_head_note_symbol(msg_head *head, td_bytes own, int has_coin, uint8_t *is_set,
                          td_bytes symbol)
{
    if (own.size != 0 && (has_coin || !td_bytes_is(own, "*")))
        head->foreign_symbols += !has_coin && !td_bytes_equal(symbol, own);
    else if (!*is_set)
        head->symbol = symbol;
    else if (!td_bytes_equal(symbol, head->symbol))
        head->symbol = td_bytes_str("*");
    *is_set = 1;
}

size_t message_item_count(const message *m)
{
    if (message_is_record(m))
        return m->record.item_count;
    if (m->head.type == MSG_BOOK_CHANGE)
        return m->book.level_count;
    if (m->head.type == MSG_TRADE)
        return m->trades.trade_count;
    return 0;
}

const msg_value *msg_value_find(const msg_value *values, size_t count, msg_member member)
{
    for (size_t i = 0; i < count; i++)
        if (values[i].member == member)
            return &values[i];
    return NULL;
}

const td_decimal *msg_item_decimal(const msg_item *item, msg_member member)
{
    const msg_value *value = msg_item_value(item, member);
    return value != NULL && value->type == VALUE_DECIMAL ? &value->as.decimal : NULL;
}

size_t message_any_entry(const message *m,
                         int (*fits)(void *user, const td_decimal *price, const td_decimal *size),
                         void *user)
{
    size_t count = message_item_count(m);
    for (size_t i = 0; i < count; i++) {
        int found;
        if (m->head.type == MSG_BOOK_CHANGE) {
            const msg_level *at = &m->book.levels[i];
            const td_decimal price = {at->price, at->price_scale};
            const td_decimal size = {at->size, at->size_scale};
            found = fits(user, &price, &size);
        } else if (m->head.type == MSG_TRADE) {
            const msg_trade *at = &m->trades.trades[i];
            found = fits(user, &at->price, &at->size);
        } else {
            const msg_item *at = &m->record.items[i];
            found =
                fits(user, msg_item_decimal(at, MEMBER_PRICE), msg_item_decimal(at, MEMBER_SIZE));
        }
        if (found)
            return i + 1;
    }
    return 0;
}

td_bytes message_entry_symbol(const message *m, size_t index)
{
    const msg_value *value = NULL;
    if (m->head.type == MSG_TRADE)
        return m->trades.trades[index].symbol;
    if (message_is_record(m))
        value = msg_item_value(&m->record.items[index], MEMBER_SYMBOL);
    return value != NULL && value->type == VALUE_TEXT ? value->as.text : td_bytes_str("");
}

static int is_in(const td_decimal_range *range, const td_decimal *value)
{
    return (!range->has_low && !range->has_high) ||
           (value != NULL && td_decimal_range_has(range, *value));
}

static int is_in_both(void *user, const td_decimal *price, const td_decimal *size)
{
    const td_decimal_range *const *ranges = user;
    return is_in(ranges[0], price) && is_in(ranges[1], size);
}

int message_has_entry(const message *m, const td_decimal_range *price, const td_decimal_range *size)
{
    const td_decimal_range *ranges[] = {price, size};
    return message_any_entry(m, is_in_both, ranges) > 0;
}

int msg_size_with_rpi(td_decimal size, td_decimal rpi, td_decimal *out)
{
    int64_t whole = 0;
    int64_t part = 0;
    uint8_t scale = size.scale > rpi.scale ? size.scale : rpi.scale;
    if (td_decimal_rescale(size, scale, &whole) != TD_OK ||
        td_decimal_rescale(rpi, scale, &part) != TD_OK)
        return 0;
    out->scale = scale;
    return !__builtin_add_overflow(whole, part, &out->mantissa);
}

/* ---- from an entry's values to its plain struct ---- */

/* A decimal, or 0 if it is absent. */
static td_decimal decimal_of(const msg_item *item, msg_member member)
{
    const td_decimal *value = msg_item_decimal(item, member);
    return value != NULL ? *value : (td_decimal){0, 0};
}

/* A text, or an empty one if it is absent. */
static td_bytes text_of(const msg_item *item, msg_member member)
{
    const msg_value *value = msg_item_value(item, member);
    return value != NULL && value->type == VALUE_TEXT ? value->as.text : td_bytes_of(NULL, 0);
}

int msg_level_of(const msg_item *item, msg_level *out, td_decimal *rpi)
{
    const msg_value *side = msg_item_value(item, MEMBER_SIDE);
    const td_decimal *retail = msg_item_decimal(item, MEMBER_RPI_SIZE);
    const td_decimal price = decimal_of(item, MEMBER_PRICE);
    const td_decimal size = decimal_of(item, MEMBER_SIZE);
    *rpi = retail != NULL ? *retail : (td_decimal){0, 0};
    *out = (msg_level){.price = price.mantissa,
                       .price_scale = price.scale,
                       .size = size.mantissa,
                       .size_scale = size.scale,
                       .side = side == NULL ? (uint8_t)SIDE_NONE : side->as.side,
                       .action = (uint8_t)item->action};
    return msg_level_end(out, retail);
}

msg_trade msg_trade_of(const msg_item *item)
{
    const msg_value *side = msg_item_value(item, MEMBER_SIDE);
    const msg_value *time = msg_item_value(item, MEMBER_EXCHANGE_TIME);
    const msg_value *cross_seq = msg_item_value(item, MEMBER_CROSS_SEQ);
    const msg_value *seq = msg_item_value(item, MEMBER_SEQ);
    const msg_value *block = msg_item_value(item, MEMBER_IS_BLOCK_TRADE);
    const msg_value *rpi = msg_item_value(item, MEMBER_IS_RPI_TRADE);
    return (msg_trade){
        .price = decimal_of(item, MEMBER_PRICE),
        .size = decimal_of(item, MEMBER_SIZE),
        .exchange_ns = time == NULL ? 0 : time->as.time_ns,
        .cross_seq = cross_seq == NULL ? 0 : cross_seq->as.integer,
        .has_cross_seq = cross_seq != NULL,
        .seq = seq == NULL ? 0 : seq->as.integer,
        .has_seq = seq != NULL,
        .symbol = text_of(item, MEMBER_SYMBOL),
        .trade_id = text_of(item, MEMBER_TRADE_ID),
        .tick_direction = text_of(item, MEMBER_TICK_DIRECTION),
        .side = side == NULL ? (uint8_t)SIDE_NONE : side->as.side,
        .is_block_trade = (int8_t)(block == NULL ? -1 : block->as.is_true),
        .is_rpi_trade = (int8_t)(rpi == NULL ? -1 : rpi->as.is_true),
    };
}

void msg_trades_shorten(const msg_head *head, msg_trade *trades, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (td_bytes_equal(trades[i].symbol, head->symbol))
            trades[i].symbol = td_bytes_of(NULL, 0);
}

msg_level message_level(const message *m, size_t index)
{
    TD_ASSERT(m->head.type == MSG_BOOK_CHANGE);
    TD_ASSERT(index < m->book.level_count);
    return m->book.levels[index];
}

td_decimal message_level_rpi(const message *m, size_t index)
{
    TD_ASSERT(m->head.type == MSG_BOOK_CHANGE);
    TD_ASSERT(index < m->book.level_count);
    return m->book.rpi_sizes == NULL ? (td_decimal){0, 0} : m->book.rpi_sizes[index];
}

msg_trade message_trade(const message *m, size_t index)
{
    TD_ASSERT(m->head.type == MSG_TRADE);
    TD_ASSERT(index < m->trades.trade_count);
    return m->trades.trades[index];
}
