/* USDC perpetuals: dialect A in public; their private side is usdc-private. */
#include "schema/topics/topics.h"

const family FAMILY_USDC_PERP = {
    .name = "usdc-perp",
    .dialect = DIALECT_OP,
    .endpoints = {PUBLIC("/perpetual/ws/v1/realtime_public")},
    .topics = NULL,
    .topic_count = 0,
};
