/* v5: maintenance notices, block trades, earn offers. */
#include "schema/topics/topics.h"

const family FAMILY_V5_MISC = {
    .name = "v5-misc",
    .dialect = DIALECT_V3,
    .endpoints = {PUBLIC("/v5/public/misc/status"), PUBLIC("/v5/public/rfq"),
                  PUBLIC("/v5/public/fp")},
    .topics = NULL,
    .topic_count = 0,
};
