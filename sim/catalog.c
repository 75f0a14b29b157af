/* Families of the simulated exchange. */
#include <string.h>

#include "sim/rows.h"
#include "sim/stream_row.h"

static const catalog_row CATALOG[] = {
    {.family = "inverse",
     .traded = PRODUCT_INVERSE,
     .streams = &ROWS_INVERSE,
     .account = &ACCOUNT_INVERSE},
    {.family = "linear",
     .traded = PRODUCT_LINEAR,
     .streams = &ROWS_LINEAR,
     .account = &ACCOUNT_LINEAR},
    {.family = "copytrade",
     .traded = PRODUCT_LINEAR,
     .streams = &ROWS_COPYTRADE,
     .account = &ACCOUNT_COPYTRADE},
    {.family = "usdc-perp",
     .traded = PRODUCT_USDC_PERP,
     .streams = &ROWS_USDC_PERP,
     .account_family = "usdc-private"},
    {.family = "usdc-option",
     .traded = PRODUCT_OPTION,
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_USDC_OPTION,
     .account_family = "usdc-private"},
    {.family = "usdc-private",
     .flags = CATALOG_ACK_FIRST,
     .account = &ACCOUNT_USDC,
     .markets = {"usdc-perp", "usdc-option"}},
    {.family = "spot-v1",
     .traded = PRODUCT_SPOT,
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_SPOT_V1,
     .account_family = "spot-private"},
    {.family = "spot-v2",
     .traded = PRODUCT_SPOT,
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_SPOT_V2},
    {.family = "spot-private",
     .flags = CATALOG_ACK_FIRST,
     .account = &ACCOUNT_SPOT,
     .markets = {"spot-v1"}},
    {.family = "contract-v3",
     .traded = PRODUCT_CONTRACT,
     .streams = &ROWS_CONTRACT_V3,
     .account = &ACCOUNT_CONTRACT_V3},
    {.family = "v5-linear",
     .traded = PRODUCT_LINEAR,
     .streams = &ROWS_V5_LINEAR,
     .account_family = "v5-private"},
    {.family = "v5-inverse",
     .traded = PRODUCT_INVERSE,
     .streams = &ROWS_V5_INVERSE,
     .account_family = "v5-private"},
    {.family = "v5-spot",
     .traded = PRODUCT_SPOT,
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_V5_SPOT,
     .account_family = "v5-private"},
    {.family = "v5-option",
     .traded = PRODUCT_OPTION,
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_V5_OPTION,
     .account_family = "v5-private"},
    {.family = "v5-private",
     .flags = CATALOG_ACK_FIRST,
     .account = &ACCOUNT_V5,
     .markets = {"v5-linear", "v5-inverse", "v5-spot", "v5-option", "v5-spread"}},
    {.family = "v5-spread",
     .traded = PRODUCT_SPREAD,
     .flags = CATALOG_ACK_FIRST,
     .streams = &ROWS_V5_SPREAD,
     .account_family = "v5-private"},
    {.family = "v5-misc", .traded = PRODUCT_NONE, .streams = &ROWS_V5_MISC},
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
