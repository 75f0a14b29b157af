#include "sim/http_replies.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/url.h"
#include "sim/catalog.h"
#include "sim/template.h"

/* ---- replies as templates ---- */

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals */

#define V5(result) "{'retCode':0,'retMsg':'OK','result':{" result "},'retExtInfo':{},'time':$ts:e3}"
#define V5_LIST(category, item)                                                                    \
    V5("'category':'" category "','list':[@instruments({'symbol':'$symbol'," item "})]"            \
       ",'nextPageCursor':'$page'")
#define CONTRACT(type)                                                                             \
    "'contractType':'" type "','status':'$status','baseCoin':'$coin','quoteCoin':'$quote'"         \
    ",'launchTime':'1585526400000','deliveryTime':'0','deliveryFeeRate':'','priceScale':'2'"       \
    ",'leverageFilter':{'minLeverage':'1','maxLeverage':'100.00','leverageStep':'0.01'}"           \
    ",'priceFilter':{'minPrice':'$tick','maxPrice':'1999999.80','tickSize':'$tick'}"               \
    ",'lotSizeFilter':{'maxOrderQty':'1000000','minOrderQty':'$step','qtyStep':'$step'"            \
    ",'postOnlyMaxOrderQty':'1000000','maxMktOrderQty':'1000000','minNotionalValue':'5'}"          \
    ",'unifiedMarginTrade':true,'fundingInterval':480,'settleCoin':'$settle'"                      \
    ",'copyTrading':'none','upperFundingRate':'0.005','lowerFundingRate':'-0.005'"                 \
    ",'isPreListing':false,'preListingInfo':null,'displayName':''"
#define SPOT                                                                                       \
    "'baseCoin':'$coin','quoteCoin':'$quote','innovation':'0','status':'$status'"                  \
    ",'marginTrading':'none','stTag':'0','lotSizeFilter':{'basePrecision':'$step'"                 \
    ",'quotePrecision':'0.00000001','minOrderQty':'$step','maxOrderQty':'1000000'"                 \
    ",'minOrderAmt':'1','maxOrderAmt':'4000000'},'priceFilter':{'tickSize':'$tick'}"
#define OPTION                                                                                     \
    "'status':'$status','baseCoin':'$coin','quoteCoin':'$quote','settleCoin':'$settle'"            \
    ",'optionsType':'$option_type','launchTime':'1585526400000','deliveryTime':'1798185600000'"    \
    ",'deliveryFeeRate':'0.00015','priceFilter':{'minPrice':'$tick','maxPrice':'1110000'"          \
    ",'tickSize':'$tick'},'lotSizeFilter':{'maxOrderQty':'500','minOrderQty':'$step'"              \
    ",'qtyStep':'$step'},'displayName':''"

#define V2(result)                                                                                 \
    "{'ret_code':0,'ret_msg':'OK','ext_code':'','ext_info':'','result':" result                    \
    ",'time_now':'$ts:s'}"
#define V2_SYMBOL                                                                                  \
    "{'name':'$symbol','alias':'$symbol','status':'$status','base_currency':'$coin'"               \
    ",'quote_currency':'$quote','price_scale':2,'taker_fee':'0.0006','maker_fee':'0.0001'"         \
    ",'leverage_filter':{'min_leverage':1,'max_leverage':100,'leverage_step':'0.01'}"              \
    ",'price_filter':{'min_price':'$tick','max_price':'1999999.80','tick_size':'$tick'}"           \
    ",'lot_size_filter':{'max_trading_qty':1000000,'min_trading_qty':$step,'qty_step':$step}}"
#define USDC_PERP                                                                                  \
    "{'symbol':'$symbol','status':'ONLINE','baseCoin':'$coin','quoteCoin':'USD'"                   \
    ",'takerFeeRate':'0.00075','makerFeeRate':'-0.00025','minLeverage':'1','maxLeverage':'100'"    \
    ",'leverageStep':'0.01','minPrice':'$tick','maxPrice':'1999999.80','tickSize':'$tick'"         \
    ",'maxTradingQty':'1000000','minTradingQty':'$step','qtyStep':'$step','deliveryFeeRate':''"    \
    ",'deliveryTime':'0'}"
#define USDC_OPTION                                                                                \
    "{'symbol':'$symbol','status':'ONLINE','baseCoin':'$coin','quoteCoin':'USD'"                   \
    ",'settleCoin':'USDC','takerFee':'0.0003','makerFee':'0.0003','minLeverage':''"                \
    ",'maxLeverage':'','leverageStep':'','minOrderPrice':'$tick','maxOrderPrice':'10000000'"       \
    ",'minOrderSize':'$step','maxOrderSize':'200','tickSize':'$tick'"                              \
    ",'minOrderSizeIncrement':'$step','basicDeliveryFeeRate':'0.00015'"                            \
    ",'deliveryTime':'1798185600000'}"

/* NOLINTEND(bugprone-macro-parentheses) */

/* A path, or one category of it, and the families whose instruments the reply lists. */
typedef struct reply_row {
    const char *path;
    const char *category; /* NULL: any */
    const char *families[2];
    const char *text;
} reply_row;

#define INSTRUMENTS "/v5/market/instruments-info"

static const reply_row REPLIES[] = {
    {"/v5/market/time", NULL, {0}, V5("'timeSecond':'$ts:e0','timeNano':'$ts:e9'")},
    {INSTRUMENTS, "spot", {"v5-spot"}, V5_LIST("spot", SPOT)},
    {INSTRUMENTS, "linear", {"v5-linear"}, V5_LIST("linear", CONTRACT("LinearPerpetual"))},
    {INSTRUMENTS, "inverse", {"v5-inverse"}, V5_LIST("inverse", CONTRACT("InversePerpetual"))},
    {INSTRUMENTS, "option", {"v5-option"}, V5_LIST("option", OPTION)},
    {"/v2/public/time", NULL, {0}, V2("{}")},
    {"/v2/public/symbols", NULL, {"inverse", "linear"}, V2("[@instruments(" V2_SYMBOL ")]")},
    {"/option/usdc/openapi/public/v1/symbols",
     NULL,
     {"usdc-option"},
     "{'retCode':0,'retMsg':'OK','result':{'cursor':'','dataList':[@instruments(" USDC_OPTION
     ")]}}"},
    {"/perpetual/usdc/openapi/public/v1/symbols",
     NULL,
     {"usdc-perp"},
     "{'retCode':0,'retMsg':'OK','result':[@instruments(" USDC_PERP ")]}"},
};

/* ---- rendering ---- */

enum { STATUS_BYTES = 64 };

/* The instruments of a reply, while it is rendered. */
typedef struct listing {
    const http_markets *markets;
    const reply_row *row;
    td_bytes coin; /* baseCoin; empty: all */
    uint32_t at;   /* index of the next instrument, over all families */
    uint64_t left; /* instruments of this page */
    instrument now;
    char status[STATUS_BYTES];
} listing;

/* Find the instrument's line in the text of listed ones, and copy its status. */
static int is_listed(listing *l)
{
    const char *at = l->markets->listed;
    size_t size = strlen(l->now.symbol);
    (void)snprintf(l->status, sizeof l->status, "Trading");
    while (at != NULL) {
        if (strncmp(at, l->now.symbol, size) == 0 && strchr(" \n", at[size]) != NULL) {
            const char *status = at + size + 1;
            if (at[size] == ' ')
                (void)snprintf(l->status, sizeof l->status, "%.*s", (int)strcspn(status, "\n"),
                               status); /* a longer status is cut */
            return 1;
        }
        at = strchr(at, '\n');
        at = at == NULL ? NULL : at + 1;
    }
    return l->markets->listed == NULL;
}

/* Advance to the next instrument. Returns 0 at the end. */
static int next_instrument(listing *l)
{
    const http_markets *m = l->markets;
    const char *const *of = l->row->families;
    while (l->at < m->family_count * m->symbol_count) {
        uint32_t index = l->at++;
        const char *name = m->families[index / m->symbol_count]->name;
        int is_of_row = (of[0] != NULL && strcmp(of[0], name) == 0) ||
                        (of[1] != NULL && strcmp(of[1], name) == 0);
        if (!is_of_row)
            continue;
        l->now = catalog_instrument(catalog_find(name), index % m->symbol_count);
        if ((l->coin.size == 0 || td_bytes_is(l->coin, l->now.base)) && is_listed(l))
            return 1;
    }
    return 0;
}

static int set_instrument(void *user, sim_list_id list, size_t nth, sim_value *values)
{
    listing *l = user;
    (void)list; /* there is only one list */
    (void)nth;  /* not used, because l->at is the position */
    if (l->left == 0 || !next_instrument(l))
        return 0;
    l->left--;
    const instrument *of = &l->now;
    const char *settle = of->settle != NULL ? of->settle : of->base;
    int is_in_usd = of->product == PRODUCT_INVERSE || of->product == PRODUCT_OPTION;
    values[SIM_SYMBOL] = sim_text(of->symbol);
    values[SIM_STATUS] = sim_text(l->status);
    values[SIM_COIN] = sim_text(of->base);
    values[SIM_SETTLE] = sim_text(settle);
    values[SIM_QUOTE] = sim_text(is_in_usd ? "USD" : settle);
    values[SIM_TICK] = sim_number(of->tick, of->price_places);
    values[SIM_STEP] = sim_number(1, of->size_places);
    values[SIM_OPTION_TYPE] = sim_text(strstr(of->symbol, "-C") != NULL ? "Call" : "Put");
    return 1;
}

/* Begin the page that the query asks for, and name the page after it. A page's name is the number
 * of instruments before it, encoded like the exchange's names. */
static void begin_page(listing *l, td_bytes query, char page[STATUS_BYTES])
{
    td_bytes cursor = td_url_param(query, "cursor");
    uint64_t limit = 0;
    uint64_t skip = 0;
    page[0] = '\0';
    l->left = UINT64_MAX;
    if (td_bytes_is(td_url_param(query, "category"), "spot") ||
        !td_digits_parse(td_url_param(query, "limit"), UINT32_MAX, &limit) || limit == 0)
        return;
    size_t digits = cursor.size;
    while (digits > 0 && cursor.data[digits - 1] >= '0' && cursor.data[digits - 1] <= '9')
        digits--;
    (void)td_digits_parse(td_bytes_of(cursor.data + digits, cursor.size - digits), UINT32_MAX,
                          &skip); /* not a number: the first page */
    listing rest = *l;
    uint64_t count = 0;
    while (count < skip + limit && next_instrument(&rest)) {
        if (++count == skip)
            l->at = rest.at;
    }
    l->left = limit;
    if (next_instrument(&rest))
        (void)snprintf(page, STATUS_BYTES, "first%%3D%" PRIu64, skip + limit); /* fits */
}

const char *http_replies_template(size_t index, const char **path)
{
    if (index >= sizeof REPLIES / sizeof *REPLIES)
        return NULL;
    *path = REPLIES[index].path;
    return REPLIES[index].text;
}

static const reply_row *find_row(td_bytes path, td_bytes category)
{
    for (size_t i = 0; i < sizeof REPLIES / sizeof *REPLIES; i++)
        if (td_bytes_is(path, REPLIES[i].path) &&
            (REPLIES[i].category == NULL || td_bytes_is(category, REPLIES[i].category)))
            return &REPLIES[i];
    return NULL;
}

int http_replies_get(const http_markets *markets, td_bytes path, td_bytes query, td_buf *json)
{
    const reply_row *row = find_row(path, td_url_param(query, "category"));
    if (row == NULL)
        return 0;
    listing instruments = {.markets = markets, .row = row, .coin = td_url_param(query, "baseCoin")};
    if (td_bytes_is(td_url_param(query, "status"),
                    "PreLaunch")) /* all instruments are launched already */
        instruments.at = UINT32_MAX;
    char page[STATUS_BYTES];
    begin_page(&instruments, query, page);
    sim_value values[SIM_COUNT] = {
        [SIM_TS] = sim_time(markets->now_ns), [SIM_PAGE] = sim_text(page)};
    const template_source source = {
        .values = values, .next_item = set_instrument, .user = &instruments};
    template *reply = template_open(row->text);
    (void)template_render(reply, &source, json); /* without optional parts it always succeeds */
    template_close(reply);
    return 1;
}
