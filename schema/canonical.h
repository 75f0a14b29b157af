/* The canonical form of a message (docs/regress.md, "Canonical form"): bytes that are equal for
 * equal messages, whichever decoder they came from and however the frame was written: key order,
 * white space, trailing zeros and scaled spellings do not matter. Baselines hash it, and
 * the digest "messages" covers it. The same on every machine
 * and, within a version of the form, for every version of the programs: it has names and letters of
 * its own, not the numbers of enums.
 *
 * Not in it: topic and symbol, which are the stream's; unknown fields; that a scale is assumed;
 * message.beside.
 * Pure functions; any thread. */
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

/* Set in hashes of frames that were not decoded, and in no others. */
#define CANONICAL_FAILED UINT64_C(1)

/* XXH64 of the form, its type in front, with CANONICAL_FAILED cleared; 2 where that would be 0. */
uint64_t canonical_hash(const message *m);

/* Feed the form to a digest, without the type. Streams have one type each, and
 * a caller that digests several streams keeps them apart. */
void canonical_digest(const message *m, td_hasher *into);

/* Instead of the message of a control frame: XXH64 of 0xfe, class, success and the exchange's
 * topic; CANONICAL_FAILED cleared as above. */
uint64_t canonical_control(const classification *what);

/* Instead of the message of a frame that was not decoded: XXH64 of 0xff "not decoded " and the
 * reason's name, with CANONICAL_FAILED set. reason is not DECODE_OK. */
uint64_t canonical_failure(decode_reason reason);

#endif
