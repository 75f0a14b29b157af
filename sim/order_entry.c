#include "sim/order_entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/json/json_write.h"
#include "schema/dialect_text.h"
#include "sim/account.h"

enum {
    ID_BYTES_MAX = 36, /* a request with a longer id is refused */
    /* Largest order, as a multiple of the usual size, so that its value fits 64 bits. */
    LOTS_MAX = 1000,
    TIMES_PRICE_MAX = 100, /* highest limit price, as a multiple of the first price */
    WINDOW_MS = 5000,      /* time window of a request that names no window */
    AHEAD_MS = 1000,       /* how far a client's clock may be ahead */
};

/* ---- refusals ---- */

/* The exchange's codes and texts. Spot has other codes for refusals about orders. */
static const struct {
    unsigned code;
    const char *text;
    unsigned spot_code; /* 0: the same as code */
    const char *spot_text;
} REFUSALS[] = {
    [ACCOUNT_GRANTED] = {0, "OK", 0, NULL},
    [ACCOUNT_BAD_PARAMS] = {10001, "params error", 0, NULL},
    [ACCOUNT_BAD_SIZE] = {10001, "Qty invalid", 0, NULL},
    [ACCOUNT_BAD_PRICE] = {10001, "price invalid", 0, NULL},
    [ACCOUNT_NOT_AUTHED] = {10007, "User authentication failed.", 0, NULL},
    [ACCOUNT_LATE] = {10002, "The request time exceeds the time window range.", 0, NULL},
    [ACCOUNT_UNKNOWN_OP] = {10404, "op type is not found", 0, NULL},
    [ACCOUNT_UNKNOWN_CATEGORY] = {10404, "category is not correct/supported", 0, NULL},
    [ACCOUNT_UNKNOWN_SYMBOL] = {10001, "params error: symbol invalid", 170121, "Invalid symbol."},
    [ACCOUNT_NO_MONEY] = {110007, "ab not enough for new order", 170131, "Insufficient balance."},
    [ACCOUNT_NO_ORDER] = {110001, "order not exists or too late to cancel", 170213,
                          "Order does not exist."},
    [ACCOUNT_LINK_IN_USE] = {110072, "OrderLinkedID is duplicate", 170141,
                             "Duplicate clientOrderId"},
    [ACCOUNT_TOO_MANY] = {110020, "Cannot have more than 500 active orders.", 0, NULL},
    [ACCOUNT_FILLED_ABOVE] =
        {110063,
         "The number of contracts modified cannot be less than or equal to the filled"
         " quantity",
         0, NULL},
};

/* ---- reading a request ---- */

/* A request while it is executed, and its result. */
typedef struct order_request {
    const order_entry_client *client;
    const dialect_request *asked;
    sim_family *with;
    json_value order; /* the first element of args */
    const sim_symbol *symbol;
    uint32_t index; /* index of the symbol */
    uint8_t is_spot;
    const account_order *done; /* the order that was placed, changed or cancelled */
} order_request;

/* A member of the order as text, from a string or number; empty if absent. */
static td_bytes text_of(const order_request *r, const char *key)
{
    td_bytes text = {0};
    (void)dialect_text_scalar(r->order, key, &text);
    return text;
}

static account_refusal read_symbol(order_request *r)
{
    const td_bytes category = text_of(r, "category");
    const td_bytes name = text_of(r, "symbol");
    account_refusal why = ACCOUNT_UNKNOWN_CATEGORY;
    for (r->index = 0; (r->symbol = sim_family_traded(r->with, r->index)) != NULL; r->index++) {
        const instrument *traded = &r->symbol->traded;
        if (traded->product == PRODUCT_SPREAD || /* spreads have orders of another kind */
            !td_bytes_is(category, account_category(traded)))
            continue;
        why = ACCOUNT_UNKNOWN_SYMBOL;
        r->is_spot = traded->product == PRODUCT_SPOT;
        if (td_bytes_is(name, traded->symbol))
            return ACCOUNT_GRANTED;
    }
    return why;
}

/* Read a positive number as an integer in units of 10^-places. Returns 0 if it is not one. */
static int read_units(td_bytes text, uint8_t places, int64_t *out)
{
    td_decimal value;
    if (td_decimal_parse(text, &value, NULL) != TD_OK)
        return 0;
    value = td_decimal_shortest(value);
    return value.scale <= places && td_decimal_rescale(value, places, out) == TD_OK && *out > 0;
}

static account_refusal read_size(const order_request *r, td_bytes text, int64_t *out)
{
    const instrument *traded = &r->symbol->traded;
    int is_fine =
        read_units(text, traded->size_places, out) && *out <= LOTS_MAX * traded->lots_typical;
    return is_fine ? ACCOUNT_GRANTED : ACCOUNT_BAD_SIZE;
}

/* Parse the limit price of an order; *out is the price in the engine's unit. */
static account_refusal read_limit(const order_request *r, td_bytes text, int64_t *out)
{
    const instrument *traded = &r->symbol->traded;
    int64_t units;
    if (!read_units(text, traded->price_places, &units) || units % traded->tick != 0)
        return ACCOUNT_BAD_PRICE;
    *out = units / traded->tick + traded->price_shift;
    return *out <= TIMES_PRICE_MAX * traded->first_price ? ACCOUNT_GRANTED : ACCOUNT_BAD_PRICE;
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
static account_refusal read_duration(td_bytes text, account_duration *out)
{
    int i = DURATION_GTC;
    while (text.size > 0 && i < DURATION_COUNT && !td_bytes_is(text, ACCOUNT_DURATIONS[i]))
        i++;
    *out = (account_duration)i;
    return i < DURATION_COUNT ? ACCOUNT_GRANTED : ACCOUNT_BAD_PARAMS;
}

/* ---- operations ---- */

static account_refusal create(order_request *r)
{
    account_terms terms = {.symbol = r->index};
    td_bytes side = text_of(r, "side");
    td_bytes type = text_of(r, "orderType");
    int is_market = td_bytes_is(type, "Market");
    if ((!td_bytes_is(side, "Buy") && !td_bytes_is(side, "Sell")) ||
        (!is_market && !td_bytes_is(type, "Limit")) ||
        !read_link(text_of(r, "orderLinkId"), terms.link))
        return ACCOUNT_BAD_PARAMS;
    terms.side = td_bytes_is(side, "Buy") ? MARKET_BUY : MARKET_SELL;
    account_refusal why = read_size(r, text_of(r, "qty"), &terms.size);
    if (why == ACCOUNT_GRANTED && !is_market)
        why = read_limit(r, text_of(r, "price"), &terms.limit);
    if (why == ACCOUNT_GRANTED && !is_market)
        why = read_duration(text_of(r, "timeInForce"), &terms.duration);
    if (why != ACCOUNT_GRANTED)
        return why;
    if (is_market) {
        terms.limit = market_any_price(terms.side);
        terms.duration = DURATION_IOC;
    }
    return account_place(sim_family_account(r->with), r->symbol, &terms, &r->done);
}

/* The order to amend or cancel, or NULL. */
static account_order *find(const order_request *r)
{
    return account_find(sim_family_account(r->with), r->symbol, r->index, text_of(r, "orderId"),
                        text_of(r, "orderLinkId"));
}

/* Change an order. Values that the request omits stay the same. */
static account_refusal amend(order_request *r)
{
    account_order *order = find(r);
    td_bytes qty = text_of(r, "qty");
    td_bytes price = text_of(r, "price");
    if (order == NULL)
        return ACCOUNT_NO_ORDER;
    int64_t size = 0;
    int64_t limit = 0;
    account_refusal why = qty.size == 0 ? ACCOUNT_GRANTED : read_size(r, qty, &size);
    if (why == ACCOUNT_GRANTED && price.size > 0)
        why = read_limit(r, price, &limit);
    if (why != ACCOUNT_GRANTED)
        return why;
    r->done = order;
    return account_amend(sim_family_account(r->with), r->symbol, order, size, limit);
}

static account_refusal cancel(order_request *r)
{
    account_order *order = find(r);
    if (order == NULL)
        return ACCOUNT_NO_ORDER;
    account_cancel(order);
    r->done = order;
    return ACCOUNT_GRANTED;
}

/* 1 if the request is outside its time window. */
static int is_late(const order_request *r)
{
    json_value header;
    td_bytes text;
    int64_t at_ms = 0;
    int64_t window_ms = WINDOW_MS;
    int64_t now_ms = (int64_t)r->client->now_ms;
    if (!json_find(r->asked->root, "header", &header) ||
        !dialect_text_scalar(header, "X-BAPI-TIMESTAMP", &text) || !read_units(text, 0, &at_ms))
        return 1;
    if (dialect_text_scalar(header, "X-BAPI-RECV-WINDOW", &text) &&
        !read_units(text, 0, &window_ms))
        return 1;
    return at_ms < now_ms - window_ms || at_ms >= now_ms + AHEAD_MS;
}

static account_refusal execute(order_request *r)
{
    static const struct {
        const char *op;
        account_refusal (*execute)(order_request *r);
    } OPS[] = {{"order.create", create}, {"order.amend", amend}, {"order.cancel", cancel}};
    json_value args;
    size_t at = 0;
    while (at < sizeof OPS / sizeof *OPS && !td_bytes_is(r->asked->order_topic, OPS[at].op))
        at++;
    if (at == sizeof OPS / sizeof *OPS)
        return ACCOUNT_UNKNOWN_OP;
    if (!r->client->is_authed)
        return ACCOUNT_NOT_AUTHED;
    if (r->client->checks_time && is_late(r))
        return ACCOUNT_LATE;
    if (!json_find(r->asked->root, "args", &args) || json_type_of(args) != JSON_ARRAY ||
        json_count(args) != 1)
        return ACCOUNT_BAD_PARAMS;
    json_iter it = json_iter_of(args);
    if (!json_next(&it, NULL, &r->order) || json_type_of(r->order) != JSON_OBJECT)
        return ACCOUNT_BAD_PARAMS;
    account_refusal why = read_symbol(r);
    return why == ACCOUNT_GRANTED ? OPS[at].execute(r) : why;
}

/* ---- answers ---- */

static void write_header(json_writer *w, const order_request *r)
{
    const td_bytes frame = r->asked->frame;
    char text[40];
    (void)snprintf(text, sizeof text, "%" PRIu64, r->client->now_ms);
    json_write_key(w, "header");
    json_write_object_begin(w);
    json_write_member_text(w, "X-Bapi-Limit", "10");
    json_write_member_text(w, "X-Bapi-Limit-Status", "9");
    json_write_member_text(w, "X-Bapi-Limit-Reset-Timestamp", text);
    char trace[40];
    (void)snprintf(trace, sizeof trace, "%016" PRIx64 "%016" PRIx64,
                   td_xxh64(frame.data, frame.size), r->client->now_ms);
    json_write_member_text(w, "Traceid", trace);
    json_write_member_text(w, "Timenow", text);
    json_write_object_end(w);
}

static void write_data(json_writer *w, const order_request *r)
{
    char id[SYMBOL_ID_BYTES];
    json_write_key(w, "data");
    json_write_object_begin(w);
    if (r->done != NULL) {
        account_format_id(r->symbol, r->done, id);
        json_write_member_text(w, "orderId", id);
        json_write_member_text(w, "orderLinkId", r->done->terms.link);
    }
    json_write_object_end(w);
    json_write_key(w, "retExtInfo");
    json_write_object_begin(w);
    json_write_object_end(w);
}

void order_entry_answer(sim_family *with, const order_entry_client *client,
                        const dialect_request *request, td_buf *answer)
{
    order_request r = {.client = client, .asked = request, .with = with};
    const int is_id_short = request->id.size <= ID_BYTES_MAX;
    json_writer w;
    account_refusal why = is_id_short ? execute(&r) : ACCOUNT_BAD_PARAMS;
    if (why != ACCOUNT_GRANTED)
        r.done = NULL;
    int is_spot = r.is_spot && REFUSALS[why].spot_code != 0;
    json_write_begin(&w, answer);
    json_write_object_begin(&w);
    if (request->has_id && is_id_short)
        json_write_member_bytes(&w, "reqId", request->id);
    json_write_member_u64(&w, "retCode", is_spot ? REFUSALS[why].spot_code : REFUSALS[why].code);
    json_write_member_text(&w, "retMsg", is_spot ? REFUSALS[why].spot_text : REFUSALS[why].text);
    json_write_member_bytes(&w, "op", request->order_topic);
    write_data(&w, &r);
    write_header(&w, &r);
    json_write_member_text(&w, "connId", client->conn_id);
    json_write_object_end(&w);
    td_result rc = json_write_end(&w, NULL);
    TD_ASSERT(rc == TD_OK); /* answers are far smaller than the buffer */
}
