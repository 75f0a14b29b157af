/* Overwrites secrets with '*', in the same length, before they reach a disk. Known secrets are
 * searched by value in every frame of both directions (auth acks echo them), in HTTP replies and in
 * URLs. The search ignores case, and finds values in UTF-16 and as JSON or a URL may escape them
 * (\u006b, \/, %6b), once or twice. A compressed frame that contains a secret is overwritten as a
 * whole. Secrets that clients send are also found by their names (schema/sent_secrets.h),
 * and are searched by value from then on.
 *
 * A table is indexed by the first four characters of each secret. The four characters at each
 * offset of a text are looked up in the table. A text with a backslash or a percent sign is
 * searched two more times, with escapes resolved, and one with zero bytes as UTF-16. A feed without
 * credentials has no redactor and costs nothing.
 *
 * redactor: any thread, calls take a mutex. frame_redactor: one thread. */
#ifndef TD_CAPTURE_REDACT_H
#define TD_CAPTURE_REDACT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "schema/sent_secrets.h"
#include "schema/inflate.h"

enum {
    /* Signatures that are kept, from the latest connects of all slots, because the exchange may
       echo them late. */
    REDACT_SIGNATURES_MAX = 512,
    REDACT_SECRET_BYTES_MIN = 4,
    /* A shorter beginning of a secret at the end of a text may be a word of the text. */
    REDACT_CUT_BYTES_MIN = 12,
    REDACT_HEADS = 1 << 10,
};

typedef struct redact_secret redact_secret;

typedef struct redactor {
    pthread_mutex_t mutex;
    redact_secret **secrets; /* owned */
    uint32_t count;
    size_t capacity;
    uint32_t fixed;      /* number of secrets at the front that are never replaced: keys */
    uint8_t has_clients; /* 1: redactor_hide_sent was called */
    uint64_t uses;       /* counts uses of signatures; the least recently used one is replaced */
    uint32_t heads[REDACT_HEADS]; /* by hash of a secret's first bytes: 1 + index of the first such
                                     secret; 0: empty */
} redactor;

/* Disable core dumps of this process (prctl PR_SET_DUMPABLE, and RLIMIT_CORE for kernels that write
 * files): its environment and requests contain secrets. Other processes of the same user then
 * cannot attach to it or read its /proc entries. TD_E_IO. */
TD_MUST_USE td_result redactor_forbid_core_dumps(td_err *err);

/* Start without secrets; fini overwrites and frees them. */
void redactor_init(redactor *self);
void redactor_fini(redactor *self);

/* Hide this value for good; adding it again is fine. Add all such values before the first
 * signature. TD_E_INVALID: shorter than REDACT_SECRET_BYTES_MIN, which would hit ordinary data, or
 * longer than LIMIT_SECRET_BYTES; TD_E_LIMIT: more than LIMIT_SECRETS. */
TD_MUST_USE td_result redactor_add(redactor *self, const char *secret, td_err *err);

/* Hide a value that changes with every connect. Beyond REDACT_SIGNATURES_MAX, the least recently
 * added one is forgotten; adding a value again renews it. */
TD_MUST_USE td_result redactor_add_signature(redactor *self, const char *secret, td_err *err);

/* How a value's characters are written. */
typedef enum redact_escapes {
    REDACT_EXACT,
    REDACT_ESCAPED,       /* with JSON or URL escapes, which are resolved */
    REDACT_ESCAPED_TWICE, /* with escapes of escapes: %2561, \\u0061 */
    REDACT_UTF16,         /* with a zero byte between two characters */
} redact_escapes;

/* How long a found value stays hidden. */
typedef enum redact_life {
    REDACT_FOR_GOOD,  /* as redactor_add */
    REDACT_AS_NEWEST, /* as redactor_add_signature, but in any number and at any time */
} redact_life;

/* Hide a value that was found in a URL or a frame. A value shorter than REDACT_SECRET_BYTES_MIN is
 * ignored, with TD_OK. A value longer than LIMIT_SECRET_BYTES is hidden in parts of that size, each
 * a secret of its own. */
TD_MUST_USE td_result redactor_add_found(redactor *self, redact_life life, td_bytes value,
                                         redact_escapes how, td_err *err);

/* Hide the secrets of a URL (td_url_next_secret), each as redactor_add_found. */
TD_MUST_USE td_result redactor_add_url(redactor *self, redact_life life, td_bytes url, td_err *err);

/* Hide the values that the last search with `sent` found. */
TD_MUST_USE td_result redactor_add_sent(redactor *self, redact_life life, const sent_secrets *sent,
                                        td_err *err);

/* In frames that clients send, also search for secrets by the names of the frames' members. Call
 * before the first frame. */
static inline void redactor_hide_sent(redactor *self)
{
    self->has_clients = 1;
}

/* Result of one search. */
typedef struct redaction {
    uint32_t count;      /* occurrences that were overwritten */
    size_t first_offset; /* offset of the first */
    size_t bytes;        /* total bytes overwritten */
    uint8_t is_whole; /* 1: the whole frame was overwritten, because it is compressed or its format
                         is unknown */
} redaction;

/* Overwrite every occurrence of a secret in bytes. */
redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size);

/* The same for a text that may be cut off, such as a close reason or a line for the log, but not
 * for data: a run of REDACT_CUT_BYTES_MIN or more characters that begins a secret, after which no
 * letter or digit follows, is overwritten, too. */
redaction redactor_apply_text(redactor *self, uint8_t *bytes, size_t size);

/* As redactor_apply_text for a text that a client sent; also overwrites secrets that are found by
 * name. */
redaction redactor_apply_sent(redactor *self, sent_secrets *sent, uint8_t *bytes, size_t size);

/* Searches frames. Compressed frames (gzip, zlib, raw deflate; docs/wire.md 5.1) are searched as
 * far as they inflate. */
typedef struct frame_redactor {
    inflater *inflater; /* NULL until the first frame that may be compressed */
    sent_secrets *sent; /* NULL until the first frame of a client */
    td_buf copy;        /* copy of the last frame */
} frame_redactor;

/* init allocates nothing; fini frees what frames needed. */
void frame_redactor_init(frame_redactor *self);
void frame_redactor_fini(frame_redactor *self);

/* Hide a frame's secrets. Use *out instead of the frame: it is the frame itself, or a copy that is
 * valid until the next call and has DECODE_PADDING_BYTES (schema/decode.h) readable after it.
 * is_binary: the frame is a binary message, which may be compressed. Any frame that does not begin
 * like JSON may be compressed, too, because captures do not record which messages were binary. The
 * frame has at most LIMIT_FRAME_BYTES. */
redaction frame_redactor_apply(frame_redactor *self, redactor *secrets, td_bytes frame,
                               int is_binary, td_bytes *out);

/* The same for a frame from a client to the exchange: after redactor_hide_sent, also overwrites
 * secrets that are found by name. */
redaction frame_redactor_apply_sent(frame_redactor *self, redactor *secrets, td_bytes frame,
                                    int is_binary, td_bytes *out);

#endif
