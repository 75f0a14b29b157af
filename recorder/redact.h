/* Secrets never reach a disk: they are searched for by value in every frame of both directions
 * (auth acks echo them) and in URLs, and overwritten by '*' in the same length. Found by memory
 * search, so a feed without credentials costs nothing. One thread. */
#ifndef TD_RECORDER_REDACT_H
#define TD_RECORDER_REDACT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

/* API key, secret, and the signatures of the latest connections (an echo may come late). */
enum {
    REDACT_FIXED_MAX = 40,      /* key and secret, and those in a feed's URLs */
    REDACT_SIGNATURES_MAX = 16, /* of the latest connects */
    REDACT_SECRETS_MAX = REDACT_FIXED_MAX + REDACT_SIGNATURES_MAX,
    REDACT_SECRET_BYTES_MIN = 4,
};
_Static_assert(REDACT_FIXED_MAX >= 2 * (LIMIT_FEED_HTTP + 2), "two in each URL, key and secret");

typedef struct redactor {
    pthread_mutex_t mutex;
    char *secrets[REDACT_SECRETS_MAX]; /* owned */
    size_t lengths[REDACT_SECRETS_MAX];
    uint32_t count;
    uint32_t next_signature; /* which place the next signature takes once all are used */
    uint32_t fixed;          /* places that are never reused: key and secret */
} redactor;

void redactor_init(redactor *self);
void redactor_fini(redactor *self);

/* Hide this value for good; one that is hidden already is fine. Shorter than
 * REDACT_SECRET_BYTES_MIN: TD_E_INVALID, for it would hit ordinary data. All of these come before
 * the first signature. TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result redactor_add(redactor *self, const char *secret, td_err *err);

/* Hide a value that is replaced on every connect; the oldest such value is forgotten at the bound.
 */
TD_MUST_USE td_result redactor_add_signature(redactor *self, const char *secret, td_err *err);

/* What was overwritten. */
typedef struct redaction {
    uint32_t count;      /* occurrences */
    size_t first_offset; /* of the first of them */
    size_t bytes;        /* overwritten, all together */
} redaction;

/* Overwrite every occurrence in bytes: as it is, and as JSON or a URL may spell it (\u006b, \/,
 * %6b). */
redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size);

#endif
