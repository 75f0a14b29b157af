/* v5 spot. */
#include "schema/topics/topics.h"

const family FAMILY_V5_SPOT = {
    .name = "v5-spot",
    .dialect = DIALECT_V5_SPOT,
    .endpoints = {PUBLIC("/v5/public/spot")},
    .topics = NULL,
    .topic_count = 0,
};
