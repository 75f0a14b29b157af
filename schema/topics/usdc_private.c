/* The private side of USDC options and perpetuals. */
#include "schema/topics/topics.h"

const family FAMILY_USDC_PRIVATE = {
    .name = "usdc-private",
    .dialect = DIALECT_USDC,
    .endpoints = {PRIVATE("/trade/option/usdc/private/v1")},
    .topics = NULL,
    .topic_count = 0,
};
