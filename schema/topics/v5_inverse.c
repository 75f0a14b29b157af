/* v5 inverse perpetuals and futures. */
#include "schema/topics/topics.h"

const family FAMILY_V5_INVERSE = {
    .name = "v5-inverse",
    .dialect = DIALECT_V3,
    .endpoints = {PUBLIC("/v5/public/inverse")},
    .topics = NULL,
    .topic_count = 0,
};
