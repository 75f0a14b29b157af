/* The canonical form of a message (docs/regress.md, "Canonical form"): equal messages give equal
 * bytes, whichever decoder produced them. The frame's key order, white space, trailing zeros and
 * scaled integers do not matter. Baselines store the hash of the form, and the digest "messages"
 * covers the form. The form is the same on every machine and, within a version of the form, in
 * every version of the programs, because it has names and fixed letters instead of enum numbers. */
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

/* The lowest bit of a hash: set for frames that were not decoded, clear for all others. */
#define CANONICAL_FAILED UINT64_C(1)

/* XXH64 of the message's type and its canonical form, with CANONICAL_FAILED cleared. Returns 2
 * instead of 0. */
uint64_t canonical_hash(const message *m);

/* Feed the canonical form, without the message's type, to a digest. A stream has one type; callers
 * that digest several streams keep them apart. */
void canonical_digest(const message *m, td_hasher *into);

/* The hash of a control frame, which has no message: XXH64 of the byte 0xfe, class, success and the
 * exchange's topic; CANONICAL_FAILED cleared as above. */
uint64_t canonical_control(const classification *what);

/* The hash of a frame that was not decoded: XXH64 of the byte 0xff, "not decoded " and the reason's
 * name, with CANONICAL_FAILED set. reason is not DECODE_OK. */
uint64_t canonical_failure(decode_reason reason);

#endif
