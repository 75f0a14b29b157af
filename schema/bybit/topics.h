/* Shared by the files of schema/bybit/, each of which defines a family and the rows of its topics.
 * Only for schema/bybit/. Tables only. */
#ifndef TD_BYBIT_TOPICS_H
#define TD_BYBIT_TOPICS_H

#include "schema/bybit/dialects.h"
#include "schema/bybit/families.h"
#include "schema/family.h"
#include "schema/topic.h"

/* The exchange's words for the kind of a frame (docs/wire.md 4 lists them by family). */
extern const kind_word BYBIT_KINDS[];

/* Initializers of rows, for use inside other macros. */
/* NOLINTBEGIN(bugprone-macro-parentheses): arguments are literals and enumerators */
#define FIELD(member, key, type, unit, scale_e10, flags)                                           \
    {                                                                                              \
        member, key, type, unit, scale_e10, flags                                                  \
    }
#define ITEMS(path, action, kind, flags)                                                           \
    {                                                                                              \
        path, action, kind, flags                                                                  \
    }
#define RULE(rule, strength, member)                                                               \
    {                                                                                              \
        rule, strength, member                                                                     \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/* A table of fields and its length, as members of a topic_row. Every row uses TOPIC_FIELDS, which
 * also sets the exchange's kind words. */
#define TOPIC_ENVELOPE(table)                                                                      \
    .envelope = (table), .envelope_count = sizeof(table) / sizeof(table)[0]
#define TOPIC_FIELDS(table)                                                                        \
    .fields = (table), .field_count = sizeof(table) / sizeof(table)[0], .kind_words = BYBIT_KINDS

/* Rules of private topics. Each execution has its own id. An unchanged order may be sent again, but
 * with another time (or id of the frame). It is undocumented whether times can fall. */
#define EXECUTION_RULE RULE(RULE_ID_UNIQUE, STRENGTH_ERROR, MEMBER_EXEC_ID)
#define ORDER_RULES(time)                                                                          \
    RULE(RULE_FRAME_UNIQUE, STRENGTH_ERROR, MEMBER_NONE),                                          \
        RULE(RULE_ENTRY_TIME_WEAK, STRENGTH_STATISTIC, time)

/* A table of topics and its length, as members of a family. */
#define FAMILY_TOPICS(table) .topics = (table), .topic_count = sizeof(table) / sizeof(table)[0]

/* Hosts and paths: docs/wire.md 1.4. */
#define HOST_MAIN "wss://stream.bybit.com"
#define HOST_TEST "wss://stream-testnet.bybit.com"
#define HOST_DEMO "wss://stream-demo.bybit.com"

/* A path on both networks. */
#define PUBLIC(path)                                                                               \
    {NET_MAIN, ACCESS_PUBLIC, HOST_MAIN path},                                                     \
    {                                                                                              \
        NET_TEST, ACCESS_PUBLIC, HOST_TEST path                                                    \
    }
#define PRIVATE(path)                                                                              \
    {NET_MAIN, ACCESS_PRIVATE, HOST_MAIN path},                                                    \
    {                                                                                              \
        NET_TEST, ACCESS_PRIVATE, HOST_TEST path                                                   \
    }

#endif
