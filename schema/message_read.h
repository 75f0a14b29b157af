/* Reads message JSON (schema/message_json.h) into messages, for the answers of users' decoders.
 * Numbers may be strings or JSON numbers; null and "" mean absent; an unknown name is a fault. */
#ifndef TD_SCHEMA_MESSAGE_READ_H
#define TD_SCHEMA_MESSAGE_READ_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json/json.h"
#include "schema/message_build.h"

/* Read a message from an object. beside is the name of a member of the object that does not belong
 * to the message ("n"), or NULL. The message uses only memory of arena. TD_E_INVALID: err tells
 * where and why ("levels[2].px: unknown member"). err may be NULL. */
TD_MUST_USE td_result message_read(message_builder *builder, json_value object, const char *beside,
                                   const message_subject *subject, td_arena *arena, message *out,
                                   td_err *err);

#endif
