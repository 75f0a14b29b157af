/* API key and secret of a feed, from the environment or from files only. Both stay in memory of
 * base/secret.h, because each connection signs with them again, and are overwritten when freed. */
#ifndef TD_RECORDER_CREDENTIALS_H
#define TD_RECORDER_CREDENTIALS_H

#include "base/err.h"
#include "base/io.h"
#include "capture/redact.h"
#include "recorder/config.h"

typedef struct credentials {
    char *api_key; /* owned, by td_secret_free; NULL without auth */
    char *api_secret;
} credentials;

/* Read a feed's credentials and add both to hide; the process makes no more core dumps. Nothing to
 * do without auth. TD_E_INVALID: a variable is not set, a file is empty, or others than its owner
 * may read or write it; TD_E_NOTFOUND, TD_E_IO. */
TD_MUST_USE td_result credentials_read(const feed_config *feed, td_io io, redactor *hide,
                                       credentials *out, td_err *err);
void credentials_fini(credentials *self);

#endif
