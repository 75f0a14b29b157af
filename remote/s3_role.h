/* Temporary credentials of a role: of a container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or
 * AWS_CONTAINER_CREDENTIALS_FULL_URI, set by ECS and by EKS Pod Identity), else of an EC2 instance
 * (the instance metadata service, version 2). AWS SDKs and Tools Reference Guide, "Container
 * credential provider", "IMDS credential provider".
 *
 * They are renewed S3_RENEW_NS before they expire. If that fails, the old ones are used, and it is
 * tried again, until they expire. No secret is in an error or in the log. Any thread: one renews,
 * others that need credentials meanwhile wait. */
#ifndef TD_REMOTE_S3_ROLE_H
#define TD_REMOTE_S3_ROLE_H

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "remote/s3_config.h"
#include "remote/s3_http.h"

#define S3_RENEW_NS (300 * TD_NS_PER_S)

typedef struct s3_role s3_role;

/* Read the variables, and request the first credentials, in a few seconds also where no service
 * answers. TD_E_INVALID: a variable, or neither a container's nor an instance's service is there;
 * TD_E_IO: it gives no credentials. http, config and log are used until close. */
TD_MUST_USE td_result s3_role_open(s3_http *http, const s3_config *config, const td_log *log,
                                   td_clock clock, s3_role **out, td_err *err);
void s3_role_close(s3_role *role); /* NULL is allowed */

/* Get the credentials, renewed if necessary. TD_E_IO: they expired, and could not be renewed. */
TD_MUST_USE td_result s3_role_get(s3_role *role, s3_credentials *out, td_err *err);

#endif
