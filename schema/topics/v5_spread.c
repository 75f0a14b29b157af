/* v5 spread combinations: answers as dialect C does (docs/wire.md 3). */
#include "schema/topics/topics.h"

const family FAMILY_V5_SPREAD = {
    .name = "v5-spread",
    .dialect = DIALECT_V5_OPTION,
    .endpoints = {PUBLIC("/v5/public/spread")},
    .topics = NULL,
    .topic_count = 0,
};
