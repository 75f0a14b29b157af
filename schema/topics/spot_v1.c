/* Spot, first generation. */
#include "schema/topics/topics.h"

const family FAMILY_SPOT_V1 = {
    .name = "spot-v1",
    .dialect = DIALECT_SPOT,
    .endpoints = {PUBLIC("/spot/quote/ws/v1")},
    .topics = NULL,
    .topic_count = 0,
};
