#include "sim/catalog.h"

#include <string.h>

#define TRADES(...)                                                                                \
    .products = {__VA_ARGS__}, .product_count = sizeof((product[]){__VA_ARGS__}) / sizeof(product)

static const catalog_row CATALOG[] = {
    {.family = "inverse",
     TRADES(PRODUCT_INVERSE),
     .streams = &ROWS_INVERSE,
     .account = &ACCOUNT_INVERSE},
    {.family = "linear",
     TRADES(PRODUCT_LINEAR),
     .streams = &ROWS_LINEAR,
     .account = &ACCOUNT_LINEAR},
    {.family = "copytrade",
     TRADES(PRODUCT_LINEAR),
     .words = WORDS_COPY_TRADING,
     .streams = &ROWS_COPYTRADE,
     .account = &ACCOUNT_COPYTRADE},
    {.family = "usdc-perp", TRADES(PRODUCT_USDC_PERP), .streams = &ROWS_USDC_PERP},
    {.family = "usdc-option",
     TRADES(PRODUCT_OPTION),
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_USDC_OPTION},
    {.family = "usdc-private",
     TRADES(PRODUCT_USDC_PERP, PRODUCT_OPTION),
     .flags = CATALOG_ACK_FIRST,
     .account = &ACCOUNT_USDC},
    {.family = "spot-v1",
     TRADES(PRODUCT_SPOT),
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_SPOT_V1},
    {.family = "spot-v2",
     TRADES(PRODUCT_SPOT),
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_SPOT_V2},
    {.family = "spot-private",
     TRADES(PRODUCT_SPOT),
     .flags = CATALOG_ACK_FIRST,
     .words = WORDS_SPOT,
     .account = &ACCOUNT_SPOT},
    {.family = "contract-v3",
     TRADES(PRODUCT_LINEAR, PRODUCT_INVERSE),
     .streams = &ROWS_CONTRACT_V3,
     .account = &ACCOUNT_CONTRACT_V3},
    {.family = "v5-linear", TRADES(PRODUCT_LINEAR), .streams = &ROWS_V5_LINEAR},
    {.family = "v5-inverse", TRADES(PRODUCT_INVERSE), .streams = &ROWS_V5_LINEAR},
    {.family = "v5-spot",
     TRADES(PRODUCT_SPOT),
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_V5_SPOT},
    {.family = "v5-option",
     TRADES(PRODUCT_OPTION),
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_V5_OPTION},
    {.family = "v5-private",
     TRADES(PRODUCT_LINEAR, PRODUCT_INVERSE, PRODUCT_SPOT, PRODUCT_OPTION, PRODUCT_SPREAD),
     .flags = CATALOG_ACK_FIRST,
     .account = &ACCOUNT_V5},
    {.family = "v5-spread",
     TRADES(PRODUCT_SPREAD),
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_V5_SPREAD},
    {.family = "v5-misc", TRADES(PRODUCT_NONE), .streams = &ROWS_V5_MISC},
};

const catalog_row *catalog_table(size_t *count)
{
    *count = sizeof CATALOG / sizeof CATALOG[0];
    return CATALOG;
}

const catalog_row *catalog_find(const char *family)
{
    for (size_t i = 0; i < sizeof CATALOG / sizeof CATALOG[0]; i++)
        if (strcmp(CATALOG[i].family, family) == 0)
            return &CATALOG[i];
    return NULL;
}

uint32_t catalog_symbol_count(const catalog_row *row, uint32_t wanted)
{
    enum { OF_EACH = 2 };
    return row->streams != NULL ? wanted
                                : row->product_count * (wanted < OF_EACH ? wanted : OF_EACH);
}

instrument catalog_instrument(const catalog_row *row, uint32_t index)
{
    return instrument_make(row->products[index % row->product_count], index / row->product_count);
}
