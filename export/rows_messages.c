/* Rows from the entries of a message type, with exactly the entries' members. */
#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "export/export_type.h"
#include "schema/entry_order.h"
#include "schema/family.h"

enum {
    COLUMNS_MAX = MEMBER_COUNT + 2,
    ACTION = MESSAGE_TOPIC + 1, /* only if entries of the type have actions */
};

/* The columns of a type. column_of: index of a member's column; 0 if it has no column. */
typedef struct type_columns {
    export_column columns[COLUMNS_MAX];
    size_t count;
    uint8_t has_actions;
    uint16_t column_of[MEMBER_COUNT];
} type_columns;

static type_columns COLUMNS[MSG_TYPE_COUNT];

/* ---- columns ---- */

static void add_column(type_columns *to, const char *name, value_type type)
{
    TD_ASSERT(to->count < COLUMNS_MAX);
    to->columns[to->count++] = (export_column){name, type};
}

/* Adds columns for members, except the symbol and the envelope's exchange time, which every row
 * already has. The member "seq" becomes "entry_seq", because rows have their own "seq". A member
 * that topics define with different types becomes a text. */
static void add_members(type_columns *to, const field_row *fields, size_t count, int is_envelope)
{
    for (size_t i = 0; i < count; i++) {
        msg_member member = fields[i].member;
        value_type type = field_value_type(fields[i].type);
        if (member == MEMBER_NONE || member == MEMBER_SYMBOL ||
            (is_envelope && member == MEMBER_EXCHANGE_TIME))
            continue;
        if (to->column_of[member] == 0) {
            to->column_of[member] = (uint16_t)to->count;
            add_column(to, member == MEMBER_SEQ ? "entry_seq" : msg_member_name(member), type);
        } else if (to->columns[to->column_of[member]].type != type) {
            to->columns[to->column_of[member]].type = VALUE_TEXT;
        }
    }
}

/* Calls visit with all topics of the type. */
static void each_topic(msg_type type, type_columns *to,
                       void (*visit)(type_columns *to, const topic_row *row))
{
    size_t count;
    const family *const *families = family_table(&count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < families[i]->topic_count; k++)
            if (families[i]->topics[k].type == type)
                visit(to, &families[i]->topics[k]);
}

static void note_actions(type_columns *to, const topic_row *row)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        to->has_actions |= row->items[i].action != ACTION_NONE;
}

static void add_topic(type_columns *to, const topic_row *row)
{
    add_members(to, row->envelope, row->envelope_count, 1);
    add_members(to, row->fields, row->field_count, 0);
}

/* Entries have the side of their place if no field has it. */
static void add_side(type_columns *to, const topic_row *row)
{
    static const field_row SIDE = {.member = MEMBER_SIDE, .type = FIELD_SIDE};
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++)
        if ((row->items[i].flags & (ITEMS_BUY | ITEMS_SELL)) != 0)
            add_members(to, &SIDE, 1, 0);
}

/* i: of the message type. */
static void make_columns(size_t i)
{
    type_columns *to = &COLUMNS[i];
    each_topic((msg_type)i, to, note_actions);
    add_column(to, "topic", VALUE_TEXT);
    if (to->has_actions)
        add_column(to, "action", VALUE_TEXT);
    each_topic((msg_type)i, to, add_topic);
    each_topic((msg_type)i, to, add_side);
    EXPORT_MESSAGE_TYPES[i].columns = to->columns;
    EXPORT_MESSAGE_TYPES[i].column_count = to->count;
}

void export_message_types_init(const export_type *const *types, size_t count)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < MSG_TYPE_COUNT; i++)
        for (size_t k = 0; k < count && COLUMNS[i].count == 0; k++)
            if (types[k] == &EXPORT_MESSAGE_TYPES[i])
                make_columns(i);
    (void)pthread_mutex_unlock(&lock);
}

/* ---- rows ---- */

/* A row's values while it is being built. */
typedef struct entry_row {
    const type_columns *type;
    msg_value values[COLUMNS_MAX];
    char texts[COLUMNS_MAX][ROW_TEXT_BYTES]; /* memory for numbers in text columns */
} entry_row;

static void set(entry_row *to, msg_member member, msg_value value)
{
    size_t at = to->type->column_of[member];
    if (at == 0)
        return;
    value_type type = value.type;
    if (to->type->columns[at].type == VALUE_TEXT &&
        (type == VALUE_DECIMAL || type == VALUE_INTEGER || type == VALUE_SIDE ||
         type == VALUE_BOOL))
        value = row_text(row_value_text(&value, to->texts[at]));
    to->values[at] = value;
}

static void set_all(entry_row *to, const msg_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        set(to, values[i].member, values[i]);
}

static void set_integer(entry_row *to, msg_member member, int is_present, int64_t value)
{
    if (is_present)
        set(to, member, row_integer(value));
}

static void set_text(entry_row *to, msg_member member, td_bytes text)
{
    if (text.size > 0)
        set(to, member, row_text(text));
}

/* Sets the members that all entries of a message share. */
static void set_head(entry_row *to, const message *m)
{
    const msg_head *head = &m->head;
    to->values[MESSAGE_TOPIC] = row_text(head->topic);
    set_integer(to, MEMBER_CROSS_SEQ, head->has_cross_seq, head->cross_seq);
    set_integer(to, MEMBER_U, head->has_u, head->u);
    set_integer(to, MEMBER_SEQ, head->has_seq, head->seq);
    set_integer(to, MEMBER_PREV_SEQ, head->has_prev_seq, head->prev_seq);
    set_integer(to, MEMBER_CHECKSUM, head->has_checksum, head->checksum);
    if (head->match_ns != 0)
        set(to, MEMBER_MATCH_TIME, row_time(head->match_ns));
    set_text(to, MEMBER_VERSION, head->version);
    if (message_is_record(m))
        set_all(to, m->record.values, m->record.value_count);
    else if (m->extra != NULL)
        set_all(to, m->extra->values, m->extra->value_count);
}

/* Sets the members of a level as the frame has them: a deleted level has no size, other sizes
 * exclude RPI orders. */
static void set_level(entry_row *to, const message *m, size_t index)
{
    const msg_level level = message_level(m, index);
    td_decimal rpi = message_level_rpi(m, index);
    td_decimal size = {level.size, level.size_scale};
    to->values[ACTION] = row_text(td_bytes_str(msg_action_name((msg_action)level.action)));
    set(to, MEMBER_SIDE, (msg_value){.type = VALUE_SIDE, .as.side = level.side});
    set(to, MEMBER_PRICE, row_decimal((td_decimal){level.price, level.price_scale}));
    if (level.action == ACTION_DELETE) {
        set(to, MEMBER_RPI_SIZE, row_absent());
        set(to, MEMBER_SIZE, row_absent());
        return;
    }
    if (m->book.rpi_sizes != NULL) {
        set(to, MEMBER_RPI_SIZE, row_decimal(rpi));
        int is_exact = msg_size_with_rpi(size, (td_decimal){-rpi.mantissa, rpi.scale}, &size);
        TD_ASSERT(is_exact); /* cannot fail: the level's size includes the RPI size */
    }
    set(to, MEMBER_SIZE, row_decimal(size));
}

static void set_trade(entry_row *to, const msg_trade *trade)
{
    set(to, MEMBER_SIDE, (msg_value){.type = VALUE_SIDE, .as.side = trade->side});
    set(to, MEMBER_PRICE, row_decimal(trade->price));
    set(to, MEMBER_SIZE, row_decimal(trade->size));
    if (trade->exchange_ns != 0)
        set(to, MEMBER_EXCHANGE_TIME, row_time(trade->exchange_ns));
    set_text(to, MEMBER_TRADE_ID, trade->trade_id);
    set_text(to, MEMBER_TICK_DIRECTION, trade->tick_direction);
    set_integer(to, MEMBER_CROSS_SEQ, trade->has_cross_seq, trade->cross_seq);
    set_integer(to, MEMBER_SEQ, trade->has_seq, trade->seq);
    if (trade->is_block_trade >= 0)
        set(to, MEMBER_IS_BLOCK_TRADE, row_bool(trade->is_block_trade));
    if (trade->is_rpi_trade >= 0)
        set(to, MEMBER_IS_RPI_TRADE, row_bool(trade->is_rpi_trade));
}

/* Sets an entry's own values, and *symbol if the entry names one. */
static void set_entry(entry_row *to, const message *m, size_t index, td_bytes *symbol)
{
    const msg_item *item = NULL;
    if (message_is_record(m))
        item = &m->record.items[index];
    else if (m->extra != NULL)
        item = &m->extra->items[index];
    if (item != NULL) {
        const msg_value *named = msg_value_find(item->values, item->value_count, MEMBER_SYMBOL);
        set_all(to, item->values, item->value_count);
        if (named != NULL && named->type == VALUE_TEXT)
            *symbol = named->as.text;
        if (message_is_record(m) && to->type->has_actions && item->action != ACTION_NONE)
            to->values[ACTION] = row_text(td_bytes_str(msg_action_name(item->action)));
    }
    if (m->head.type == MSG_BOOK_CHANGE) {
        set_level(to, m, index);
    } else if (m->head.type == MSG_TRADE) {
        const msg_trade trade = message_trade(m, index);
        set_trade(to, &trade);
        if (trade.symbol.size > 0)
            *symbol = trade.symbol;
    }
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    const message *m = seen->message;
    td_result rc = TD_OK;
    (void)maker;
    if (m == NULL || seen->frame->is_lead_in)
        return TD_OK;
    entry_row to;
    to.type = &COLUMNS[m->head.type];
    size_t count = message_item_count(m);
    int has_symbols = export_entries_have_symbols(m->head.row);
    int lacks_frames = seen->trust != NULL && seen->trust->needs_copies; /* copies give no rows */
    const export_row common = export_row_of(seen);
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        export_row row = common;
        td_bytes symbol = m->head.symbol;
        if (i == 0 || m->head.type != MSG_BOOK_CHANGE || m->extra != NULL) {
            memset(to.values, 0, to.type->count * sizeof to.values[0]);
            set_head(&to, m); /* levels without further members have the same ones */
        }
        set_entry(&to, m, entry_order_at(seen->order, i), &symbol);
        row.flags |= i + 1 == count ? (unsigned)ROW_LAST_OF_FRAME : 0U;
        row.flags |= lacks_frames ? (unsigned)ROW_NOT_TRUSTED : 0U;
        row.is_suspect |= (uint8_t)lacks_frames;
        const int is_own = !has_symbols && td_bytes_equal(symbol, m->head.symbol);
        row.symbol = is_own || td_bytes_is(symbol, "*") ? td_bytes_of(NULL, 0) : symbol;
        row.values = to.values;
        rc = out->put(out->ctx, &row, err);
    }
    return rc;
}

/* ---- the types ---- */

#define MESSAGE_TYPES(X)                                                                           \
    X(BOOK_CHANGE, "book_changes")                                                                 \
    X(TRADE, "trades")                                                                             \
    X(TICKER, "tickers")                                                                           \
    X(KLINE, "klines")                                                                             \
    X(LIQUIDATION, "liquidations")                                                                 \
    X(INSURANCE, "insurances")                                                                     \
    X(ORDER, "orders")                                                                             \
    X(STOP_ORDER, "stop_orders")                                                                   \
    X(EXECUTION, "executions")                                                                     \
    X(POSITION, "positions")                                                                       \
    X(WALLET, "wallets")                                                                           \
    X(GREEKS, "greeks")                                                                            \
    X(INDEX, "indexes")                                                                            \
    X(NOTICE, "notices")                                                                           \
    X(ORDER_ENTRY, "order_entries")                                                                \
    X(BOOK_ORDERS, "book_orders")

#define TYPE_ROW(type_name, plural)                                                                \
    [MSG_##type_name] = {.name = (plural),                                                         \
                         .flags = EXPORT_NO_SYMBOL,                                                \
                         .message = MSG_##type_name,                                               \
                         .frame = on_frame},
export_type EXPORT_MESSAGE_TYPES[MSG_TYPE_COUNT] = {MESSAGE_TYPES(TYPE_ROW)};
