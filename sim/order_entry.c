#include "sim/order_entry.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "schema/decode.h"
#include "sim/account.h"

enum {
    ID_BYTES_MAX = 36, /* a request with a longer id is refused */
    /* Largest order, as a multiple of the usual size, so that its value fits 64 bits. */
    LOTS_MAX = 1000,
    TIMES_PRICE_MAX = 100, /* highest limit price, as a multiple of the first price */
    WINDOW_MS = 5000,      /* time window of a request that names no window */
    AHEAD_MS = 1000,       /* how far a client's clock may be ahead */
};

struct order_entry {
    decoder *decoder;
    td_buf frame; /* of a request, with the bytes that must follow it */
};

order_entry *order_entry_open(void)
{
    order_entry *e = td_alloc_zero(1, sizeof *e);
    e->decoder = decoder_open();
    td_buf_init(&e->frame, LIMIT_FRAME_BYTES + DECODE_PADDING_BYTES);
    return e;
}

void order_entry_close(order_entry *e)
{
    if (e == NULL)
        return;
    decoder_close(e->decoder);
    td_buf_fini(&e->frame);
    td_free(e);
}

/* ---- reading a request ---- */

/* A request while it is executed, and its result. */
typedef struct order_request {
    const order_entry_client *client;
    sim_family *markets;
    message asked;
    const msg_item *order; /* the only entry of asked */
    const sim_symbol *symbol;
    uint32_t index; /* index of the symbol */
    uint8_t is_spot;
    const account_order *done; /* the order that was placed, changed or cancelled */
} order_request;

/* A member of the order; NULL if absent. */
static const msg_value *value_of(const order_request *r, msg_member member)
{
    return msg_value_find(r->order->values, r->order->value_count, member);
}

/* A member that is text; empty if absent. */
static td_bytes text_of(const order_request *r, msg_member member)
{
    const msg_value *value = value_of(r, member);
    return value != NULL && value->type == VALUE_TEXT ? value->as.text : td_bytes_of(NULL, 0);
}

static int has_categories(const topic_row *row)
{
    size_t i = 0;
    while (i < row->field_count && row->fields[i].member != MEMBER_CATEGORY)
        i++;
    return i < row->field_count;
}

static refusal read_symbol(order_request *r)
{
    const td_bytes category = text_of(r, MEMBER_CATEGORY);
    const td_bytes name = text_of(r, MEMBER_SYMBOL);
    const int is_any = !has_categories(r->asked.head.row);
    refusal why = REFUSAL_UNKNOWN_CATEGORY;
    for (r->index = 0; (r->symbol = sim_family_traded(r->markets, r->index)) != NULL; r->index++) {
        const instrument *traded = &r->symbol->traded;
        if (traded->product == PRODUCT_SPREAD || /* spreads have orders of another kind */
            (!is_any && !td_bytes_is(category, account_category(traded))))
            continue;
        why = REFUSAL_UNKNOWN_SYMBOL;
        r->is_spot = traded->product == PRODUCT_SPOT;
        if (td_bytes_is(name, traded->symbol))
            return REFUSAL_NONE;
    }
    return why;
}

/* Read a positive number as an integer in units of 10^-places. Returns 0 if it is not one. */
static int read_units(const msg_value *number, uint8_t places, int64_t *out)
{
    if (number == NULL || number->type != VALUE_DECIMAL)
        return 0;
    const td_decimal value = td_decimal_shortest(number->as.decimal);
    return value.scale <= places && td_decimal_rescale(value, places, out) == TD_OK && *out > 0;
}

static refusal read_size(const order_request *r, const msg_value *number, int64_t *out)
{
    const instrument *traded = &r->symbol->traded;
    int is_fine =
        read_units(number, traded->size_places, out) && *out <= LOTS_MAX * traded->lots_typical;
    return is_fine ? REFUSAL_NONE : REFUSAL_BAD_SIZE;
}

/* Parse the limit price of an order; *out is the price in the engine's unit. */
static refusal read_limit(const order_request *r, const msg_value *number, int64_t *out)
{
    const instrument *traded = &r->symbol->traded;
    int64_t units;
    if (!read_units(number, traded->price_places, &units) || units % traded->tick != 0)
        return REFUSAL_BAD_PRICE;
    *out = units / traded->tick + traded->price_shift;
    return *out <= TIMES_PRICE_MAX * traded->first_price ? REFUSAL_NONE : REFUSAL_BAD_PRICE;
}

/* Read a client id. Frames contain it unchanged. Returns 0 if it is invalid. */
static int read_link(td_bytes text, char out[ACCOUNT_LINK_BYTES])
{
    if (text.size >= ACCOUNT_LINK_BYTES)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)text.data[i];
        int is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && (c < '0' || c > '9') && c != '-' && c != '_')
            return 0;
        out[i] = c;
    }
    out[text.size] = '\0';
    return 1;
}

/* Read how long an order waits: DURATION_GTC if the request does not say. */
static refusal read_duration(td_bytes text, account_duration *out)
{
    int i = DURATION_GTC;
    while (text.size > 0 && i < DURATION_COUNT && !td_bytes_is(text, ACCOUNT_DURATIONS[i]))
        i++;
    *out = (account_duration)i;
    return i < DURATION_COUNT ? REFUSAL_NONE : REFUSAL_BAD_ORDER;
}

/* 1 if the text is this word, whatever its case. */
static int is_word(td_bytes text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

/* ---- operations ---- */

static refusal create(order_request *r)
{
    account_terms terms = {.symbol = r->index};
    const msg_value *side = value_of(r, MEMBER_SIDE);
    const td_bytes type = text_of(r, MEMBER_ORDER_TYPE);
    const int is_market = is_word(type, "Market");
    if (side == NULL || side->as.side == SIDE_NONE || (!is_market && !is_word(type, "Limit")) ||
        !read_link(text_of(r, MEMBER_ORDER_LINK_ID), terms.link))
        return REFUSAL_BAD_ORDER;
    terms.side = side->as.side == SIDE_BUY ? MARKET_BUY : MARKET_SELL;
    refusal why = read_size(r, value_of(r, MEMBER_SIZE), &terms.size);
    if (why == REFUSAL_NONE && !is_market)
        why = read_limit(r, value_of(r, MEMBER_PRICE), &terms.limit);
    if (why == REFUSAL_NONE && !is_market)
        why = read_duration(text_of(r, MEMBER_TIME_IN_FORCE), &terms.duration);
    if (why != REFUSAL_NONE)
        return why;
    if (is_market) {
        terms.limit = market_any_price(terms.side);
        terms.duration = DURATION_IOC;
    }
    return account_place(sim_family_account(r->markets), r->symbol, &terms, &r->done);
}

/* The order to amend or cancel, or NULL. */
static account_order *find(const order_request *r)
{
    return account_find(sim_family_account(r->markets), r->symbol, r->index,
                        text_of(r, MEMBER_ORDER_ID), text_of(r, MEMBER_ORDER_LINK_ID));
}

/* Change an order. Values that the request omits stay the same. */
static refusal amend(order_request *r)
{
    account_order *order = find(r);
    const msg_value *qty = value_of(r, MEMBER_SIZE);
    const msg_value *price = value_of(r, MEMBER_PRICE);
    if (order == NULL)
        return REFUSAL_NO_ORDER;
    int64_t size = 0;
    int64_t limit = 0;
    refusal why = qty == NULL ? REFUSAL_NONE : read_size(r, qty, &size);
    if (why == REFUSAL_NONE && price != NULL)
        why = read_limit(r, price, &limit);
    if (why != REFUSAL_NONE)
        return why;
    r->done = order;
    return account_amend(sim_family_account(r->markets), r->symbol, order, size, limit);
}

static refusal cancel(order_request *r)
{
    account_order *order = find(r);
    if (order == NULL)
        return REFUSAL_NO_ORDER;
    account_cancel(order);
    r->done = order;
    return REFUSAL_NONE;
}

/* 1 if the request is outside its time window, or names no time. */
static int is_late(const order_request *r)
{
    const msg_record *m = &r->asked.record;
    const msg_value *sent = msg_value_find(m->values, m->value_count, MEMBER_SEND_TIME);
    const msg_value *window = msg_value_find(m->values, m->value_count, MEMBER_RECV_WINDOW);
    const int64_t window_ms = window == NULL ? WINDOW_MS : window->as.integer;
    const int64_t now_ms = (int64_t)r->client->now_ms;
    if (sent == NULL || window_ms <= 0)
        return 1;
    const int64_t at_ms = (int64_t)(sent->as.time_ns / TD_NS_PER_MS);
    return at_ms < now_ms - window_ms || at_ms >= now_ms + AHEAD_MS;
}

/* Decode the request, as all other frames of its topic, and its only order. Returns 0 if it cannot
 * be decoded, or has another number of orders. */
static int read_order(order_entry *e, order_request *r, td_bytes frame)
{
    const family *of = r->client->row->of;
    classification found;
    decode_error why;
    td_buf_clear(&e->frame);
    if (td_buf_reserve(&e->frame, frame.size + DECODE_PADDING_BYTES, NULL) != TD_OK)
        return 0;
    td_buf_add(&e->frame, frame.data, frame.size);
    const td_bytes padded = td_buf_view(&e->frame);
    decoder_classify(e->decoder, of, padded, CHANNEL_OUT, TOPIC_NOW, &found);
    if (found.topic.row == NULL ||
        !decoder_decode(e->decoder, &found.topic, padded, DECODE_PATH_ROWS, &r->asked, &why) ||
        !message_is_record(&r->asked) || r->asked.record.item_count != 1)
        return 0;
    r->order = &r->asked.record.items[0];
    return 1;
}

static refusal execute(order_entry *e, order_request *r, const dialect_request *request)
{
    const orders_row *topics = &r->client->row->orders;
    const struct {
        const char *topic;
        refusal (*execute)(order_request *r);
    } ops[] = {{topics->place, create}, {topics->change, amend}, {topics->cancel, cancel}};
    const size_t count = sizeof ops / sizeof *ops;
    size_t at = 0;
    while (at < count &&
           (ops[at].topic == NULL || !td_bytes_is(request->order_topic, ops[at].topic)))
        at++;
    if (at == count)
        return REFUSAL_INVALID_OP;
    if (!r->client->is_authed)
        return REFUSAL_NEEDS_AUTH;
    if (request->id.size > ID_BYTES_MAX || !read_order(e, r, request->frame))
        return REFUSAL_BAD_ORDER;
    if (r->client->checks_time && is_late(r))
        return REFUSAL_LATE;
    const refusal why = read_symbol(r);
    return why == REFUSAL_NONE ? ops[at].execute(r) : why;
}

td_result order_entry_answer(order_entry *e, sim_family *markets, const order_entry_client *client,
                             const dialect_request *request, td_buf *answer, td_err *err)
{
    order_request r = {.client = client, .markets = markets};
    dialect_request answered = *request;
    dialect_reply reply = {.conn_id = client->conn_id, .now_ms = client->now_ms};
    char id[SYMBOL_ID_BYTES];
    reply.refused = execute(e, &r, request);
    reply.is_spot = r.is_spot;
    if (reply.refused == REFUSAL_NONE) {
        account_format_id(r.symbol, r.done, id);
        reply.order_id = td_bytes_str(id);
        reply.order_link_id = td_bytes_str(r.done->terms.link);
    }
    answered.has_id &= request->id.size <= ID_BYTES_MAX;
    return dialect_build_answer(answer, &answered, &reply, err);
}
