/* Spot, second generation. */
#include "schema/topics/topics.h"

const family FAMILY_SPOT_V2 = {
    .name = "spot-v2",
    .dialect = DIALECT_SPOT_V2,
    .endpoints = {PUBLIC("/spot/quote/ws/v2")},
    .topics = NULL,
    .topic_count = 0,
};
