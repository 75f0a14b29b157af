#include "recorder/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { SECRET_BYTES_MAX = 4096 };

static td_result read_file(td_io io, const char *path, char **out, td_err *err)
{
    char text[SECRET_BYTES_MAX + 1];
    size_t size = 0;
    td_file *file = NULL;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = td_io_read_at(file, 0, text, SECRET_BYTES_MAX, &size, err);
    td_io_close(file);
    if (rc != TD_OK)
        return td_err_add(err, rc, "cannot read the secret in '%s'", path);
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
        size--;
    if (size == 0)
        return td_err_set(err, TD_E_INVALID, "the file '%s' holds no secret", path);
    *out = td_strndup(text, size);
    return *out == NULL ? td_err_set(err, TD_E_NOMEM, "no memory for a secret") : TD_OK;
}

static td_result read_one(const char *variable, const char *path, td_io io, char **out, td_err *err)
{
    /* config_finish() has seen to it that one of the two is named. */
    TD_ASSERT((variable != NULL) != (path != NULL));
    if (variable == NULL)
        return read_file(io, path, out, err);
    const char *value = getenv(variable);
    if (value == NULL || value[0] == '\0') {
        td_err_set(err, TD_E_INVALID, "the environment variable %s is not set", variable);
        td_err_hint(err, "export %s=... before starting the recorder", variable);
        return TD_E_INVALID;
    }
    *out = td_strdup(value);
    return *out == NULL ? td_err_set(err, TD_E_NOMEM, "no memory for a secret") : TD_OK;
}

td_result credentials_read(const feed_config *feed, td_io io, redactor *hide, credentials *out,
                           td_err *err)
{
    memset(out, 0, sizeof *out);
    if (feed->auth == AUTH_NONE)
        return TD_OK;
    TD_ASSERT(hide != NULL);
    td_result rc = read_one(feed->api_key_env, feed->api_key_file, io, &out->api_key, err);
    if (rc == TD_OK)
        rc = read_one(feed->api_secret_env, feed->api_secret_file, io, &out->api_secret, err);
    if (rc == TD_OK)
        rc = redactor_add(hide, out->api_key, err);
    if (rc == TD_OK)
        rc = redactor_add(hide, out->api_secret, err);
    if (rc == TD_OK)
        return TD_OK;
    credentials_fini(out);
    return td_err_add(err, rc, "feed '%s'", feed->name);
}

static void forget(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    td_free(secret);
}

void credentials_fini(credentials *self)
{
    forget(self->api_key);
    forget(self->api_secret);
    memset(self, 0, sizeof *self);
}
