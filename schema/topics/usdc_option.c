/* USDC options. */
#include "schema/topics/topics.h"

const family FAMILY_USDC_OPTION = {
    .name = "usdc-option",
    .dialect = DIALECT_USDC,
    .endpoints = {PUBLIC("/trade/option/usdc/public/v1")},
    .topics = NULL,
    .topic_count = 0,
};
