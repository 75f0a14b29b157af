/* Message JSON (schema/message_json.h) back into messages: what other decoders answer. Numbers may
 * be strings or JSON numbers; null and "" are absent; an unknown name is a fault. */
#ifndef TD_SCHEMA_MESSAGE_READ_H
#define TD_SCHEMA_MESSAGE_READ_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json/json.h"
#include "schema/message_build.h"

/* Read a message out of an object; beside: a member of it that is not the message's ("n"), or NULL.
 * The message is in arena alone. TD_E_INVALID with the place and what is wrong there
 * ("levels[2].px: unknown member"). err may be NULL. */
TD_MUST_USE td_result message_read(message_builder *builder, json_value object, const char *beside,
                                   const message_subject *subject, td_arena *arena, message *out,
                                   td_err *err);

#endif
