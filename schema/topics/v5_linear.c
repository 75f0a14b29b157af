/* v5 linear: USDT and USDC perpetuals and futures. */
#include "schema/topics/topics.h"

const family FAMILY_V5_LINEAR = {
    .name = "v5-linear",
    .dialect = DIALECT_V3,
    .endpoints = {PUBLIC("/v5/public/linear")},
    .topics = NULL,
    .topic_count = 0,
};
