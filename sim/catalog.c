#include "sim/catalog.h"

#include <string.h>

#define OF(...)   {__VA_ARGS__}, sizeof((product[]){__VA_ARGS__}) / sizeof(product)
#define ACK_FIRST CATALOG_ACK_FIRST

/* v5's account trades all products of v5. */
#define V5_PRODUCTS PRODUCT_LINEAR, PRODUCT_INVERSE, PRODUCT_SPOT, PRODUCT_OPTION, PRODUCT_SPREAD

/* clang-format off: one family, one line */
static const catalog_row CATALOG[] = {
    {"inverse", OF(PRODUCT_INVERSE), 0, &ROWS_INVERSE, &ACCOUNT_INVERSE},
    {"linear", OF(PRODUCT_LINEAR), 0, &ROWS_LINEAR, &ACCOUNT_LINEAR},
    {"copytrade", OF(PRODUCT_LINEAR), 0, &ROWS_COPYTRADE, &ACCOUNT_COPYTRADE},
    {"usdc-perp", OF(PRODUCT_USDC_PERP), 0, &ROWS_USDC_PERP, NULL},
    {"usdc-option", OF(PRODUCT_OPTION), ACK_FIRST, &ROWS_USDC_OPTION, NULL},
    {"usdc-private", OF(PRODUCT_USDC_PERP, PRODUCT_OPTION), ACK_FIRST, NULL, &ACCOUNT_USDC},
    {"spot-v1", OF(PRODUCT_SPOT), ACK_FIRST, &ROWS_SPOT_V1, NULL},
    {"spot-v2", OF(PRODUCT_SPOT), ACK_FIRST, &ROWS_SPOT_V2, NULL},
    {"spot-private", OF(PRODUCT_SPOT), ACK_FIRST, NULL, &ACCOUNT_SPOT},
    {"contract-v3", OF(PRODUCT_LINEAR, PRODUCT_INVERSE), 0, &ROWS_CONTRACT_V3,
     &ACCOUNT_CONTRACT_V3},
    {"v5-linear", OF(PRODUCT_LINEAR), 0, &ROWS_V5_LINEAR, NULL},
    {"v5-inverse", OF(PRODUCT_INVERSE), 0, &ROWS_V5_LINEAR, NULL},
    {"v5-spot", OF(PRODUCT_SPOT), ACK_FIRST, &ROWS_V5_SPOT, NULL},
    {"v5-option", OF(PRODUCT_OPTION), ACK_FIRST, &ROWS_V5_OPTION, NULL},
    {"v5-private", OF(V5_PRODUCTS), ACK_FIRST, NULL, &ACCOUNT_V5},
    {"v5-trade", OF(PRODUCT_NONE), CATALOG_ORDERS, NULL, NULL},
    {"v5-spread", OF(PRODUCT_SPREAD), ACK_FIRST, &ROWS_V5_SPREAD, NULL},
    {"v5-misc", OF(PRODUCT_NONE), 0, &ROWS_V5_MISC, NULL},
};
/* clang-format on */

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
