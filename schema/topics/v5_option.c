/* v5 options: answers as dialect C does (docs/wire.md 3). */
#include "schema/topics/topics.h"

const family FAMILY_V5_OPTION = {
    .name = "v5-option",
    .dialect = DIALECT_V5_OPTION,
    .endpoints = {PUBLIC("/v5/public/option")},
    .topics = NULL,
    .topic_count = 0,
};
