#include "sim/http_replies.h"

#include <string.h>

#include "base/url.h"
#include "sim/catalog.h"
#include "sim/template.h"

/* ---- replies as templates ---- */

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals */

#define V5(result) "{'retCode':0,'retMsg':'OK','result':{" result "},'retExtInfo':{},'time':$ts:e3}"
#define V5_LIST(category, item)                                                                    \
    V5("'category':'" category "','list':[@instruments({'symbol':'$symbol'," item "})]"            \
       ",'nextPageCursor':''")
#define CONTRACT(type)                                                                             \
    "'contractType':'" type "','status':'Trading','baseCoin':'$coin','quoteCoin':'$quote'"         \
    ",'launchTime':'1585526400000','deliveryTime':'0','deliveryFeeRate':'','priceScale':'2'"       \
    ",'leverageFilter':{'minLeverage':'1','maxLeverage':'100.00','leverageStep':'0.01'}"           \
    ",'priceFilter':{'minPrice':'$tick','maxPrice':'1999999.80','tickSize':'$tick'}"               \
    ",'lotSizeFilter':{'maxOrderQty':'1000000','minOrderQty':'$step','qtyStep':'$step'"            \
    ",'postOnlyMaxOrderQty':'1000000','maxMktOrderQty':'1000000','minNotionalValue':'5'}"          \
    ",'unifiedMarginTrade':true,'fundingInterval':480,'settleCoin':'$settle'"                      \
    ",'copyTrading':'none','upperFundingRate':'0.005','lowerFundingRate':'-0.005'"                 \
    ",'isPreListing':false,'preListingInfo':null,'displayName':''"
#define SPOT                                                                                       \
    "'baseCoin':'$coin','quoteCoin':'$quote','innovation':'0','status':'Trading'"                  \
    ",'marginTrading':'none','stTag':'0','lotSizeFilter':{'basePrecision':'$step'"                 \
    ",'quotePrecision':'0.00000001','minOrderQty':'$step','maxOrderQty':'1000000'"                 \
    ",'minOrderAmt':'1','maxOrderAmt':'4000000'},'priceFilter':{'tickSize':'$tick'}"
#define OPTION                                                                                     \
    "'status':'Trading','baseCoin':'$coin','quoteCoin':'$quote','settleCoin':'$settle'"            \
    ",'optionsType':'$option_type','launchTime':'1585526400000','deliveryTime':'1798185600000'"    \
    ",'deliveryFeeRate':'0.00015','priceFilter':{'minPrice':'$tick','maxPrice':'1110000'"          \
    ",'tickSize':'$tick'},'lotSizeFilter':{'maxOrderQty':'500','minOrderQty':'$step'"              \
    ",'qtyStep':'$step'},'displayName':''"

#define V2(result)                                                                                 \
    "{'ret_code':0,'ret_msg':'OK','ext_code':'','ext_info':'','result':" result                    \
    ",'time_now':'$ts:s'}"
#define V2_SYMBOL                                                                                  \
    "{'name':'$symbol','alias':'$symbol','status':'Trading','base_currency':'$coin'"               \
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

/* The instruments of a reply, while it is rendered. */
typedef struct listing {
    const http_markets *markets;
    const reply_row *row;
    td_bytes coin; /* baseCoin; empty: all */
    uint32_t at;   /* index of the next instrument, over all families */
    instrument now;
} listing;

/* Advance to the next instrument. Returns 0 at the end. */
static int next_instrument(listing *l)
{
    const http_markets *m = l->markets;
    const char *const *of = l->row->families;
    while (l->at < m->family_count * m->symbol_count) {
        uint32_t index = l->at++;
        const char *name = m->families[index / m->symbol_count]->name;
        int is_listed = (of[0] != NULL && strcmp(of[0], name) == 0) ||
                        (of[1] != NULL && strcmp(of[1], name) == 0);
        if (!is_listed)
            continue;
        l->now = catalog_instrument(catalog_find(name), index % m->symbol_count);
        if (l->coin.size == 0 || td_bytes_is(l->coin, l->now.base))
            return 1;
    }
    return 0;
}

static int set_instrument(void *user, sim_list_id list, size_t nth, sim_value *values)
{
    listing *l = user;
    (void)list; /* there is only one list */
    (void)nth;  /* not used, because l->at is the position */
    if (!next_instrument(l))
        return 0;
    const instrument *of = &l->now;
    const char *settle = of->settle != NULL ? of->settle : of->base;
    int is_in_usd = of->product == PRODUCT_INVERSE || of->product == PRODUCT_OPTION;
    values[SIM_SYMBOL] = sim_text(of->symbol);
    values[SIM_COIN] = sim_text(of->base);
    values[SIM_SETTLE] = sim_text(settle);
    values[SIM_QUOTE] = sim_text(is_in_usd ? "USD" : settle);
    values[SIM_TICK] = sim_number(of->tick, of->price_places);
    values[SIM_STEP] = sim_number(1, of->size_places);
    values[SIM_OPTION_TYPE] = sim_text(strstr(of->symbol, "-C") != NULL ? "Call" : "Put");
    return 1;
}

static td_bytes param(td_bytes query, const char *wanted)
{
    td_bytes name, value;
    while (td_url_next_param(&query, &name, &value))
        if (td_bytes_is(name, wanted))
            return value;
    return (td_bytes){0};
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
    const reply_row *row = find_row(path, param(query, "category"));
    if (row == NULL)
        return 0;
    listing instruments = {.markets = markets, .row = row, .coin = param(query, "baseCoin")};
    if (td_bytes_is(param(query, "status"), "PreLaunch")) /* all instruments are launched already */
        instruments.at = UINT32_MAX;
    sim_value values[SIM_COUNT] = {[SIM_TS] = sim_time(markets->now_ns)};
    const template_source source = {
        .values = values, .next_item = set_instrument, .user = &instruments};
    template *reply = template_open(row->text);
    (void)template_render(reply, &source, json); /* without optional parts it always succeeds */
    template_close(reply);
    return 1;
}
