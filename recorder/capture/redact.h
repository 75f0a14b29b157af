/* Overwrites secrets by '*', in the same length, before they reach a disk. Known ones are searched
 * by value in every frame of both directions (auth acks echo them), in HTTP replies and in URLs.
 * The search finds a value in upper or lower case, also as JSON or a URL may spell it (\u006b, \/,
 * %6b). A compressed frame that contains one is overwritten as a whole. In what a client sends,
 * secrets are also found by their names (recorder/capture/sent_secrets.h), and are known from then
 * on.
 *
 * A table holds the first four characters of each secret; each place of a text is looked up in it.
 * A text with a backslash or a percent sign is searched a second time for spelt values. A feed
 * without credentials has no redactor and costs nothing.
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
#include "recorder/capture/sent_secrets.h"
#include "schema/inflate.h"

enum {
    /* Of the latest connects of all slots: an echo may come late. */
    REDACT_SIGNATURES_MAX = 512,
    REDACT_SECRET_BYTES_MIN = 4,
    REDACT_HEADS = 1 << 10,
};

typedef struct redact_secret redact_secret;

typedef struct redactor {
    pthread_mutex_t mutex;
    redact_secret **secrets; /* owned */
    uint32_t count;
    size_t capacity;
    uint32_t fixed;               /* places that are never reused: key and secret */
    uint8_t has_clients;          /* redactor_hide_sent */
    uint64_t uses;                /* orders signatures by their latest use */
    uint32_t heads[REDACT_HEADS]; /* by hash of a beginning: 1 + the first such secret; 0: none */
} redactor;

/* Disable core dumps of this process (prctl PR_SET_DUMPABLE, and RLIMIT_CORE for kernels that
 * write files): secrets are in its environment and requests, too. As a consequence other processes
 * of the same user cannot attach to it or read its /proc entries. TD_E_IO. */
TD_MUST_USE td_result redactor_forbid_core_dumps(td_err *err);

void redactor_init(redactor *self);
void redactor_fini(redactor *self);

/* Hide this value for good; one that is hidden already is fine. All of these come before the first
 * signature. TD_E_INVALID: shorter than REDACT_SECRET_BYTES_MIN, which would hit ordinary data, or
 * longer than LIMIT_SECRET_BYTES; TD_E_LIMIT: more than LIMIT_SECRETS. */
TD_MUST_USE td_result redactor_add(redactor *self, const char *secret, td_err *err);

/* Hide a value that is replaced on every connect. At the bound, the one that was added or added
 * again least recently is forgotten. */
TD_MUST_USE td_result redactor_add_signature(redactor *self, const char *secret, td_err *err);

/* How a value is written. */
typedef enum redact_spelling {
    REDACT_EXACT,
    REDACT_SPELT, /* as JSON or a URL may spell it */
} redact_spelling;

/* How long a value that was found is hidden. */
typedef enum redact_life {
    REDACT_FOR_GOOD,  /* as redactor_add */
    REDACT_AS_NEWEST, /* as redactor_add_signature: any number, also while frames are searched */
} redact_life;

/* Hide a value that was found in a URL or a frame; one that is shorter than
 * REDACT_SECRET_BYTES_MIN is left, with TD_OK. One that is longer than LIMIT_SECRET_BYTES is hidden
 * by parts of that size, which need places of their own. */
TD_MUST_USE td_result redactor_add_found(redactor *self, redact_life life, td_bytes value,
                                         redact_spelling how, td_err *err);

/* Hide the secrets of a URL (td_url_next_secret), each as redactor_add_found. */
TD_MUST_USE td_result redactor_add_url(redactor *self, redact_life life, td_bytes url, td_err *err);

/* Hide the values of what a client sent, or of its header fields, which were searched last. */
TD_MUST_USE td_result redactor_add_sent(redactor *self, redact_life life, const sent_secrets *sent,
                                        td_err *err);

/* Frames of clients come: search those from a client to the exchange by names, too. Before the
 * first frame. */
static inline void redactor_hide_sent(redactor *self)
{
    self->has_clients = 1;
}

/* Result of one search. */
typedef struct redaction {
    uint32_t count;      /* occurrences */
    size_t first_offset; /* of the first of them */
    size_t bytes;        /* overwritten, all together */
    uint8_t is_whole;    /* 1: the whole frame: it is compressed, or its form is unknown */
} redaction;

/* Overwrite every occurrence in bytes. */
redaction redactor_apply(redactor *self, uint8_t *bytes, size_t size);

/* The same, and what is found by name: bytes is a text that a client sent. */
redaction redactor_apply_sent(redactor *self, sent_secrets *sent, uint8_t *bytes, size_t size);

/* Searches frames, compressed ones (gzip, zlib, raw deflate; docs/wire.md 5.1) as far as they
 * inflate. */
typedef struct frame_redactor {
    inflater *inflater; /* made at the first frame that may be compressed */
    sent_secrets *sent; /* made at the first frame of a client */
    td_buf copy;        /* of the last frame */
} frame_redactor;

void frame_redactor_init(frame_redactor *self);
void frame_redactor_fini(frame_redactor *self);

/* Hide a frame's secrets. *out replaces the frame: frame itself, or a copy that is valid until the
 * next call and has DECODE_PADDING_BYTES (schema/decode.h) readable after it. is_binary: it
 * came as a binary message, and may be compressed; what does not begin as JSON does may be, too (a
 * capture does not say which messages were binary). At most LIMIT_FRAME_BYTES. */
redaction frame_redactor_apply(frame_redactor *self, redactor *secrets, td_bytes frame,
                               int is_binary, td_bytes *out);

/* The same for a frame from a client to the exchange, if the redactor hides what clients send. */
redaction frame_redactor_apply_sent(frame_redactor *self, redactor *secrets, td_bytes frame,
                                    int is_binary, td_bytes *out);

#endif
