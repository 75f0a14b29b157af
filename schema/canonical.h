/* The canonical form of a message (docs/regress.md, "Canonical form"): equal messages give equal
 * bytes, whichever decoder they came from and however the frame was written: key order, white
 * space, trailing zeros and scaled spellings do not matter. Baselines hash it, and the digest
 * "messages" covers it. It is the same on every machine and, within a version of the form, in every
 * version of the programs: it uses names and letters of its own instead of enum numbers.
 *
 * It excludes topic and symbol, which belong to the stream; unknown fields; is_scale_assumed; and
 * message.extra. Pure functions; any thread. */
#ifndef TD_SCHEMA_CANONICAL_H
#define TD_SCHEMA_CANONICAL_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/message.h"

enum { CANONICAL_VERSION = 1 };

/* Set only in hashes of frames that were not decoded. */
#define CANONICAL_FAILED UINT64_C(1)

/* XXH64 of the message's type and its form, with CANONICAL_FAILED cleared; 2 instead of 0. */
uint64_t canonical_hash(const message *m);

/* Feed the form to a digest, without the type. A stream has one type; callers that digest several
 * streams keep them apart. */
void canonical_digest(const message *m, td_hasher *into);

/* For a control frame, which has no message: XXH64 of 0xfe, class, success and the exchange's
 * topic; CANONICAL_FAILED cleared as above. */
uint64_t canonical_control(const classification *what);

/* For a frame that was not decoded: XXH64 of 0xff "not decoded " and the reason's name, with
 * CANONICAL_FAILED set. reason is not DECODE_OK. */
uint64_t canonical_failure(decode_reason reason);

#endif
