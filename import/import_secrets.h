/* Secrets that a capture holds: API keys and signatures in its auth requests, and those in its URLs
 * (base/url.h). They are learnt while the capture is read for the first time, and hidden wherever
 * they stand when it is written (docs/design.md, P2: acks echo them; capture/redact.h). A capture
 * without any costs nothing more than a look at its outbound frames. One thread. */
#ifndef TD_IMPORT_IMPORT_SECRETS_H
#define TD_IMPORT_IMPORT_SECRETS_H

#include <stdint.h>

#include "import/import_line.h"
#include "base/bytes.h"
#include "base/err.h"
#include "capture/redact.h"

typedef struct import_secrets import_secrets;

TD_NEVER_NULL import_secrets *import_secrets_open(void);
void import_secrets_close(import_secrets *secrets);

/* Learn the secrets of a record. TD_E_INVALID: a secret of more than LIMIT_SECRET_BYTES;
 * TD_E_LIMIT: more than LIMIT_SECRETS. */
TD_MUST_USE td_result import_secrets_learn(import_secrets *secrets, const import_record *record,
                                           td_err *err);

/* What was learnt, valid until close; NULL if nothing was. */
redactor *import_secrets_learnt(import_secrets *secrets);

#endif
