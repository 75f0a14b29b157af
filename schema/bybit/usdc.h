/* Shared by the USDC families: the envelope of dialect C, and fields whose names in the exchange's
 * first document differ from those on the wire (docs/wire.md 4.1). Tables only; only for
 * schema/bybit/. */
#ifndef TD_BYBIT_USDC_H
#define TD_BYBIT_USDC_H

#include "schema/bybit/topics.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */

/* Fields of every frame. id has no fixed form: topic, sequence and time in some frames, random text
 * in others. meaning is the member of creationTime in this topic. */
#define USDC_ENVELOPE_FIELDS(meaning)                                                              \
    FIELD(MEMBER_FRAME_ID, "id", FIELD_TEXT, UNIT_NONE, 0, 0),                                     \
        FIELD(meaning, "creationTime", FIELD_TIME, UNIT_MS, 0, 0)

/* Volatility and prices in a trade of an option. */
#define USDC_OPTION_TRADE_FIELDS                                                                   \
    FIELD(MEMBER_IV, "iv", FIELD_DECIMAL, UNIT_RATE, 0, 0),                                        \
        FIELD(MEMBER_MARK_IV, "markIv", FIELD_DECIMAL, UNIT_RATE, 0, 0),                           \
        FIELD(MEMBER_UNDERLYING_PRICE, "underlyingPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0),        \
        FIELD(MEMBER_MARK_PRICE, "markPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0),                    \
        FIELD(MEMBER_INDEX_PRICE, "indexPrice", FIELD_DECIMAL, UNIT_PRICE, 0, 0)

/* NOLINTEND(bugprone-macro-parentheses) */

#endif
