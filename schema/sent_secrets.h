/* Finds secrets in messages from a client to an exchange, whatever the form of the request:
 *
 *   the value of a member with the name of a credential (base/credential.h), at any depth;
 *   all arguments (args, params, data …) of a request that authenticates: a member such as op or
 *     method, in the same or an enclosing object, contains auth, login, logon or signin. Numbers
 *     that are times (expires) are not secrets;
 *   a text that holds JSON or NAME=VALUE, and mentions a credential.
 *
 * Blanks and byte order marks before JSON are skipped, and names are compared with escapes
 * resolved. A message that is compressed or is not JSON is hidden as a whole if it mentions a
 * credential.
 *
 * Values that could also be market data are hidden only in this message: other frames are not
 * searched for them. Such values are short texts and numbers of fewer than eight digits. Unless
 * the value's name can only be the name of a secret, longer numbers, symbols, topics and words are
 * such values, too.
 *
 * After a client has sent credentials, the exchange may answer with new ones (access tokens, listen
 * keys). They are found in its frames by certain names only.
 *
 * One thread per object. */
#ifndef TD_SCHEMA_SENT_SECRETS_H
#define TD_SCHEMA_SENT_SECRETS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"

typedef struct sent_secrets sent_secrets;

/* Open a searcher. sent_secrets_close: NULL is fine. */
TD_NEVER_NULL sent_secrets *sent_secrets_open(void);
void sent_secrets_close(sent_secrets *self);

/* A range of bytes in the text. */
typedef struct sent_range {
    size_t offset, size;
} sent_range;

typedef struct sent_found {
    const sent_range *ranges; /* ascending, not overlapping; valid until the next call */
    size_t count;
    uint8_t is_whole; /* 1: the whole text is secret; count is 0 */
} sent_found;

/* Find the secrets of a message of at most LIMIT_FRAME_BYTES, or of other text from a client.
 * is_binary: as in frame_may_be_compressed. */
sent_found sent_secrets_find(sent_secrets *self, td_bytes text, int is_binary);

/* As sent_secrets_find, and overwrite what it finds with '*'. */
sent_found sent_secrets_hide(sent_secrets *self, uint8_t *text, size_t size, int is_binary);

/* Find the secrets that a frame of the exchange issues, for sent_secrets_next only: the values of
 * members whose names can only be those of credentials. Returns 1 if there are any. */
int sent_secrets_find_issued(sent_secrets *self, td_bytes frame);

/* Find the secrets of an HTTP answer, for sent_secrets_next only: after a request with credentials,
 * which may have made a key, as in a text that is sent; else those that the exchange issues.
 * Returns 1 if there are any. */
int sent_secrets_find_answer(sent_secrets *self, td_bytes body, int has_credentials);

/* Find the secrets of header fields ("Name: text\r\n"), for sent_secrets_next only. */
void sent_secrets_find_fields(sent_secrets *self, const char *fields);

/* Get the next value that the last search found and that must be hidden wherever it occurs. Its
 * escapes are resolved. *at is 0 at first. Returns 0 at the end. Valid until the next search. */
int sent_secrets_next(const sent_secrets *self, size_t *at, td_bytes *value);

/* 1 if a message may be compressed: it is binary, or does not begin like JSON. The exchange's and
 * clients' text messages are JSON; captures do not record which messages were binary. */
int frame_may_be_compressed(td_bytes frame, int is_binary);

#endif
