/* v5: maintenance notices. Block trades (rfq.*) and earn offers (earn.*) have no rows: their frames
 * stay raw, and are counted (docs/wire.md 3.7). */
#include "schema/bybit/v3.h"

/* Maintenance notices. serviceTypes, product and uidSuffix are lists of numbers. */
static const field_row STATUS[] = {
    V3_FIELD(MEMBER_NOTICE_ID, "id", FIELD_TEXT, UNIT_NONE, FIELD_REQUIRED),
    V3_TEXT(MEMBER_TITLE, "title"),
    V3_TEXT(MEMBER_STATE, "state"),
    V3_MS(MEMBER_START, "begin"),
    V3_MS(MEMBER_END, "end"),
    V3_TEXT(MEMBER_HREF, "href"),
    V3_JSON(MEMBER_SERVICE_TYPES, "serviceTypes"),
    V3_JSON(MEMBER_PRODUCTS, "product"),
    V3_JSON(MEMBER_UID_SUFFIXES, "uidSuffix"),
    V3_TEXT(MEMBER_MAINTAIN_TYPE, "maintainType"),
    V3_TEXT(MEMBER_ENVIRONMENT, "env"),
};

static const topic_row TOPICS[] = {
    {
        .name = "system.status",
        .pattern = "system.status",
        .type = MSG_NOTICE,
        .title = "Maintenance of the exchange, planned, running and done",
        .time_member = MEMBER_EXCHANGE_TIME,
        .items = V3_ENTRIES("data", ACTION_NONE),
        TOPIC_ENVELOPE(V3_TIME_ENVELOPE),
        TOPIC_FIELDS(STATUS),
        .rules = {{RULE_TIME_WEAK, STRENGTH_WARNING, MEMBER_NONE}},
    },
};

const family FAMILY_V5_MISC = {
    .name = "v5-misc",
    .exchange = &BYBIT,
    .dialect = &BYBIT_V5,
    .endpoints = {PUBLIC("/v5/public/misc/status"), PUBLIC("/v5/public/rfq"),
                  PUBLIC("/v5/public/fp")},
    FAMILY_TOPICS(TOPICS),
};
