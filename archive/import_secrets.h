/* Secrets that a capture holds: API keys and signatures in its auth requests and in the queries of
 * its URLs. They are learnt while the capture is read for the first time, and overwritten by '*' in
 * the same length wherever they stand when it is written (docs/design.md, P2: acks echo them). A
 * capture without any costs nothing more than a look at its outbound frames. One thread. */
#ifndef TD_ARCHIVE_IMPORT_SECRETS_H
#define TD_ARCHIVE_IMPORT_SECRETS_H

#include <stdint.h>

#include "archive/import_line.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct import_secrets import_secrets;

enum {
    IMPORT_SECRETS_MAX = 1024,   /* a signature for each of a thousand connections */
    IMPORT_SECRET_BYTES_MIN = 4, /* a shorter one would hit ordinary data */
};

TD_MUST_USE td_result import_secrets_open(import_secrets **out, td_err *err);
void import_secrets_close(import_secrets *secrets);

/* Learn what a record gives away. TD_E_NOMEM; TD_E_LIMIT: more than IMPORT_SECRETS_MAX. */
TD_MUST_USE td_result import_secrets_learn(import_secrets *secrets, const import_record *record,
                                           td_err *err);

/* What was overwritten in a frame. */
typedef struct import_redaction {
    uint32_t count;  /* places */
    uint64_t offset; /* of the first */
    uint64_t bytes;  /* in all of them */
} import_redaction;

/* The frame as it may be written: frame itself, or a copy that is valid until the next call and has
 * DECODE_PADDING_BYTES behind it. TD_E_NOMEM. */
TD_MUST_USE td_result import_secrets_hide(import_secrets *secrets, td_bytes frame, td_bytes *out,
                                          import_redaction *found, td_err *err);

#endif
