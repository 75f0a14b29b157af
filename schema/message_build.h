/* Messages put together from names and texts, as decoders other than ours answer. Names are those
 * of message JSON (schema/message_json.h); values get the type that the topic's row gives the
 * member, times are ns. The result is what schema/message.h promises, whatever the caller passes:
 * everything comes from outside and is checked. One thread per builder. */
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
    const topic_row *row; /* that holds at its time; NULL: none, its type is anyone's guess */
    td_bytes topic;       /* without the symbol */
    td_bytes symbol;
} message_subject;

/* How a value was written. */
typedef enum written_kind {
    WRITTEN_ABSENT, /* null; an empty text counts as that, too */
    WRITTEN_TEXT,
    WRITTEN_NUMBER,
    WRITTEN_BOOL,
    WRITTEN_JSON, /* an object or array */
} written_kind;

/* A value before its type is known. */
typedef struct written_value {
    written_kind kind;
    td_bytes text;    /* of a JSON string the resolved one, else as written */
    json_value json;  /* if has_json: where it was read from */
    uint8_t has_json; /* 0: a member that is kept as JSON is parsed out of the text */
} written_value;

TD_NEVER_NULL message_builder *message_builder_open(void);
void message_builder_close(message_builder *b);

/* Begin a message; subject and arena are borrowed until its end. Texts that lie in bytes, which may
 * be empty, are not copied. What was begun before is dropped. */
void message_build_begin(message_builder *b, const message_subject *subject, td_bytes bytes,
                         td_arena *arena);

/* The calls below return nothing: the first fault is kept, and later calls do nothing. */

/* A member of the message itself. Without a row, "type" comes before any entry. */
void message_build_head(message_builder *b, td_bytes name, const written_value *value);

/* Begin an entry: a level, a trade, an item. */
void message_build_entry(message_builder *b);

/* A member of the entry that was begun last, "action" included. */
void message_build_member(message_builder *b, td_bytes name, const written_value *value);

/* A level, or a trade, with these members: an entry and its members in one. exchange_ns 0: absent.
 */
void message_build_level(message_builder *b, td_bytes action, td_bytes side, td_bytes price,
                         td_bytes size);
void message_build_trade(message_builder *b, td_bytes side, td_bytes price, td_bytes size,
                         uint64_t exchange_ns, td_bytes trade_id);

/* Keep a fault of the caller's own, if it is the first: what is wrong with the message. */
void message_build_fault(message_builder *b, const char *format, ...) TD_PRINTF(2, 3);

/* 1 if there was a fault. */
int message_build_is_faulty(const message_builder *b);

/* "levels", "trades" or "items": what the message calls its entries. */
const char *message_build_entries_name(const message_builder *b);

/* The message, in the arena. TD_E_INVALID: it is not one, with the place ("levels[2].px: unknown
 * member"). err may be NULL. */
TD_MUST_USE td_result message_build_end(message_builder *b, message *out, td_err *err);

#endif
