/* Secrets in what a client sends to an exchange, whatever the form of its request:
 *
 *   a value, at any depth, of a member that is named as a credential (base/credential.h);
 *   all arguments (args, params, data …) of a request that authenticates: a member such as op or
 *     method, here or in an enclosing object, contains auth, login, logon or signin. A number that
 *     is a time is left: expires;
 *   a text that holds JSON or NAME=VALUE, and mentions a credential.
 *
 * Blanks and byte order marks before JSON are skipped, and names are compared without escapes. A
 * message that is no JSON, or is compressed, is a secret as a whole if it mentions a credential.
 *
 * Values that may be market data are hidden here, but not wherever else they occur: numbers of
 * fewer than eight digits, short texts, and, unless the name leaves no doubt, symbols, topics and
 * words.
 *
 * One thread per object. */
#ifndef TD_CAPTURE_SENT_SECRETS_H
#define TD_CAPTURE_SENT_SECRETS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"

typedef struct sent_secrets sent_secrets;

TD_NEVER_NULL sent_secrets *sent_secrets_open(void);
void sent_secrets_close(sent_secrets *self);

/* Bytes of a text. */
typedef struct sent_place {
    size_t offset, size;
} sent_place;

typedef struct sent_found {
    const sent_place *places; /* in their order, apart from each other; valid until the next call */
    size_t count;
    uint8_t is_whole; /* 1: all of the text; no places */
} sent_found;

/* Find the secrets of a message of at most LIMIT_FRAME_BYTES, or of another text that a client
 * sends. is_binary: as frame_may_be_compressed. */
sent_found sent_secrets_find(sent_secrets *self, td_bytes text, int is_binary);

/* Find the secrets of header fields ("Name: text\r\n"), which have values only. */
void sent_secrets_find_fields(sent_secrets *self, const char *fields);

/* The next value of what was searched last that is to be hidden wherever it occurs; *at is 0 at
 * first. Escapes are resolved. 0: none is left. Valid until the next search. */
int sent_secrets_next(const sent_secrets *self, size_t *at, td_bytes *value);

/* 1 if a message may be compressed: it is binary, or does not begin as JSON does. Text that the
 * exchange or a client sends begins so; captures do not say which messages were binary. */
int frame_may_be_compressed(td_bytes frame, int is_binary);

#endif
