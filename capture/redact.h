/* Secrets never reach a disk. They are searched by value in every frame of both directions (auth
 * acks echo them), in HTTP replies and in URLs, and overwritten by '*' in the same length. The
 * search finds
 *
 *   - the value, its letters in either case;
 *   - its base64, standard and URL-safe, wherever it begins within the encoded text. The characters
 *     beside it that hold a part of it as well are overwritten, too;
 *   - each of these as JSON or a URL may spell it (\u006b, \/, %6b), once.
 *
 * capture/redact_frame.h searches compressed frames.
 *
 * One index holds four-byte pieces of all of these forms; adding a secret extends it. In a text,
 * every (length of the shortest form - 3)th place is looked up in it, because each occurrence
 * covers at least one of these places. So a frame costs about one look-up per fifteen bytes,
 * however many secrets there are; a feed without credentials has no redactor and costs nothing. A
 * text with a backslash or a percent sign is searched a second time, unescaped piece by piece.
 *
 * Any thread: calls take a mutex. */
#ifndef TD_CAPTURE_REDACT_H
#define TD_CAPTURE_REDACT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

enum {
    REDACT_SIGNATURES_MAX = 16, /* of the latest connects: an echo may come late */
    REDACT_SECRET_BYTES_MIN = 4,
};

typedef struct redact_secret redact_secret;
typedef struct redact_index redact_index;

typedef struct redactor {
    pthread_mutex_t mutex;
    redact_secret **secrets; /* owned */
    uint32_t count;
    size_t capacity;
    uint32_t next_signature; /* which place the next signature takes once all are used */
    uint32_t fixed;          /* places that are never reused: key and secret */
    redact_index *index;     /* NULL before the first secret */
} redactor;

void redactor_init(redactor *self);
void redactor_fini(redactor *self);

/* Hide this value for good; one that is hidden already is fine. All of these come before the first
 * signature. TD_E_INVALID: shorter than REDACT_SECRET_BYTES_MIN, which would hit ordinary data, or
 * longer than LIMIT_SECRET_BYTES; TD_E_LIMIT: more than LIMIT_SECRETS. */
TD_MUST_USE td_result redactor_add(redactor *self, const char *secret, td_err *err);

/* Hide a value that is replaced on every connect; the oldest such value is forgotten at the bound.
 */
TD_MUST_USE td_result redactor_add_signature(redactor *self, const char *secret, td_err *err);

/* How a found value was written. */
typedef enum redact_spelling {
    REDACT_EXACT,
    REDACT_SPELT, /* as JSON or a URL may spell it */
} redact_spelling;

/* Hide a value that was found in a URL or a frame, as redactor_add; one that is shorter than
 * REDACT_SECRET_BYTES_MIN or has a zero byte is left, with TD_OK. */
TD_MUST_USE td_result redactor_add_found(redactor *self, td_bytes value, redact_spelling how,
                                         td_err *err);

/* Result of one search. */
typedef struct redaction {
    uint32_t count;      /* occurrences */
    size_t first_offset; /* of the first of them */
    size_t bytes;        /* overwritten, all together */
} redaction;

/* Overwrite every occurrence in bytes, in each of the forms above. */
redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size);

#endif
