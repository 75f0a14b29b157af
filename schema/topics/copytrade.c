/* Copy trading, the older form of document 003: its public side is that of linear, a USDT symbol
 * has the linear shapes (docs/wire.md 3). */
#include "schema/topics/topics.h"

const family FAMILY_COPYTRADE = {
    .name = "copytrade",
    .dialect = DIALECT_OP,
    .endpoints = {PUBLIC("/realtime_public"), PRIVATE("/realtime_private")},
    .topics = NULL,
    .topic_count = 0,
};
