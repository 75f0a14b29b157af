/* Contract v3, public and private. */
#include "schema/topics/topics.h"

const family FAMILY_CONTRACT_V3 = {
    .name = "contract-v3",
    .dialect = DIALECT_V3,
    .endpoints = {PUBLIC("/contract/usdt/public/v3"), PUBLIC("/contract/inverse/public/v3"),
                  PRIVATE("/contract/private/v3")},
    .topics = NULL,
    .topic_count = 0,
};
