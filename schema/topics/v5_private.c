/* v5 private: all categories. */
#include "schema/topics/topics.h"

const family FAMILY_V5_PRIVATE = {
    .name = "v5-private",
    .dialect = DIALECT_V5_PRIVATE,
    .endpoints = {PRIVATE("/v5/private"), {NET_TEST, ACCESS_PRIVATE, HOST_DEMO "/v5/private"}},
    .topics = NULL,
    .topic_count = 0,
};
