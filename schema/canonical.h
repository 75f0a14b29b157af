/* The canonical form of a message (docs/regress.md, "Canonical form"): bytes that are equal for
 * equal messages, whichever decoder they came from and however the frame was written: key order,
 * white space, trailing zeros and scaled spellings do not matter. Baselines hash it, the digest
 * "messages" covers it, and decoders in other processes answer with it. The same on every machine
 * and, within a version of the form, for every version of the programs: it has names and letters of
 * its own, not the numbers of enums.
 *
 * Not in it: topic and symbol, which are the stream's; unknown fields; that a scale is assumed.
 * Pure functions; any thread. */
#ifndef TD_SCHEMA_CANONICAL_H
#define TD_SCHEMA_CANONICAL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "json/json.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/message.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { CANONICAL_VERSION = 1 };

/* Which members of books and trades it has. Of records it always has all. */
typedef enum canonical_members {
    CANONICAL_PLAIN, /* those of the plain structs */
    CANONICAL_WHOLE, /* also message.beside */
} canonical_members;

/* Append the form of a message, its type in front. TD_OK; TD_E_LIMIT (the buffer's
 * bound): then a part of it was appended. */
TD_MUST_USE td_result canonical_write(const message *m, canonical_members members, td_buf *out,
                                      td_err *err);

/* Set in hashes of frames that were not decoded, and in no others. */
#define CANONICAL_FAILED UINT64_C(1)

/* XXH64 of that form with CANONICAL_FAILED cleared, without making the form; 2 where that would be
 * 0. */
uint64_t canonical_hash(const message *m, canonical_members members);

/* Feed the form to a digest: CANONICAL_PLAIN, and without the type. Streams have one type each, and
 * a caller that digests several streams keeps them apart. */
void canonical_digest(const message *m, td_hasher *into);

/* What stands for the message of a control frame: XXH64 of 0xfe, class, success and the exchange's
 * topic; CANONICAL_FAILED cleared as above. */
uint64_t canonical_control(const classification *what);

/* What stands for the message of a frame that was not decoded: XXH64 of 0xff "not decoded " and the
 * reason's name, with CANONICAL_FAILED set. reason is not DECODE_OK. */
uint64_t canonical_failure(decode_reason reason);

/* Read a message out of canonical_write()'s form of either members. The form may come from outside:
 * everything is checked, and what is accepted has this form as CANONICAL_WHOLE again. The message
 * has views into form and arena; its row is NULL, topic and symbol are empty. parser is for values
 * that are JSON. TD_OK; TD_E_INVALID with a text that says what is wrong at which byte, and names
 * an unknown type or member; TD_E_LIMIT: the arena's bound. err may be NULL. */
TD_MUST_USE td_result canonical_read(td_bytes form, json_parser *parser, td_arena *arena,
                                     message *out, td_err *err);

#ifdef __cplusplus
}
#endif

#endif
