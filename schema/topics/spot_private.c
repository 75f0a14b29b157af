/* The private side of spot: frames are arrays of events. */
#include "schema/topics/topics.h"

const family FAMILY_SPOT_PRIVATE = {
    .name = "spot-private",
    .dialect = DIALECT_SPOT_PRIVATE,
    .endpoints = {PRIVATE("/spot/ws")},
    .topics = NULL,
    .topic_count = 0,
};
