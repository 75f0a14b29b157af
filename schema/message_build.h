/* Builds messages from names and texts, for the answers of users' decoders. Names are those in
 * message JSON (schema/message_json.h); values get the type that the topic's row gives the member,
 * times are ns. All input is untrusted and checked: the result is valid by schema/message.h,
 * whatever the caller passes. One thread per builder. */
#ifndef TD_SCHEMA_MESSAGE_BUILD_H
#define TD_SCHEMA_MESSAGE_BUILD_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json/json.h"
#include "schema/message.h"
#include "schema/topic.h"

typedef struct message_builder message_builder;

/* What is known about a frame before it is decoded. */
typedef struct message_subject {
    const topic_row *row; /* the topic's row at the frame's time; NULL: no row, so every type of
                             message is possible */
    td_bytes topic;       /* without the symbol */
    td_bytes symbol;
} message_subject;

/* A value before its type is known. */
typedef struct written_value {
    json_type type;   /* null and an empty string count as absent */
    td_bytes text;    /* of a string, with escapes resolved; of any other value, as written */
    json_value json;  /* if has_json: the value in parsed form */
    uint8_t has_json; /* 0: if the field is FIELD_JSON, text is parsed */
    uint8_t is_time;  /* 1: a time as a number, time_ns; 0 counts as absent */
    uint64_t time_ns;
} written_value;

/* A time as a number, without the way through a text. */
written_value written_time(uint64_t ns);

/* Close accepts NULL. */
TD_NEVER_NULL message_builder *message_builder_open(void);
void message_builder_close(message_builder *b);

/* Begin a message; subject and arena are borrowed until it ends. Texts that are views into bytes
 * are not copied; bytes may be empty. Discards an unfinished message. */
void message_build_begin(message_builder *b, const message_subject *subject, td_bytes bytes,
                         td_arena *arena);

/* The functions below return nothing: the builder keeps the first fault and then ignores all calls.
 */

/* Add a member of the message itself. Without a row, "type" must precede any entry. */
void message_build_head(message_builder *b, td_bytes name, const written_value *value);

/* Begin an entry: a level, a trade, or an item. */
void message_build_entry(message_builder *b);

/* Add a member of the current entry, including "action". */
void message_build_member(message_builder *b, td_bytes name, const written_value *value);

/* Add a whole level or trade that has only these members. exchange_ns 0: absent. */
void message_build_level(message_builder *b, td_bytes action, td_bytes side, td_bytes price,
                         td_bytes size);
void message_build_trade(message_builder *b, td_bytes side, td_bytes price, td_bytes size,
                         uint64_t exchange_ns, td_bytes trade_id);

/* Report a fault that the caller found in the message; kept if it is the first one. */
void message_build_fault(message_builder *b, const char *format, ...) TD_PRINTF(2, 3);

/* 1 if there was a fault. */
int message_build_is_faulty(const message_builder *b);

/* The message's name for its entries: "levels", "trades" or "items". */
const char *message_build_entries_name(const message_builder *b);

/* Finish the message, in the arena. TD_E_INVALID if there was a fault; err tells where
 * ("levels[2].px: unknown member"). err may be NULL. */
TD_MUST_USE td_result message_build_end(message_builder *b, message *out, td_err *err);

#endif
