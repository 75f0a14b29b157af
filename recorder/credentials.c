#include "recorder/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/secret.h"

/* A file's secret may end in a line break. */
enum { SECRET_FILE_BYTES_MAX = LIMIT_SECRET_BYTES + sizeof "\r\n" - 1 };

static td_result refuse_open_file(const char *path, td_err *err)
{
    td_err_set(err, TD_E_INVALID,
               "users other than its owner may read or write the file '%s', which holds a secret",
               path);
    td_err_hint(err, "chmod 600 '%.200s', and make a new key if others have an account here", path);
    return TD_E_INVALID;
}

static td_result read_bytes(td_io io, const char *path, char *text, size_t *size, td_err *err)
{
    td_file *file = NULL;
    int is_private = 0;
    td_result rc = td_io_open(io, path, TD_OPEN_READ, &file, err);
    if (rc == TD_OK)
        rc = td_io_is_private(file, &is_private, err);
    if (rc == TD_OK && !is_private) {
        td_io_close(file);
        return refuse_open_file(path, err);
    }
    if (rc == TD_OK)
        rc = td_io_read_at(file, 0, text, SECRET_FILE_BYTES_MAX + 1, size, err);
    td_io_close(file);
    return rc == TD_OK ? rc : td_err_add(err, rc, "cannot read the secret in '%s'", path);
}

static td_result read_file(td_io io, const char *path, char **out, td_err *err)
{
    size_t size = 0;
    char *text = td_secret_alloc(SECRET_FILE_BYTES_MAX + 2);
    td_result rc = read_bytes(io, path, text, &size, err);
    if (rc == TD_OK && size > SECRET_FILE_BYTES_MAX)
        rc = td_err_set(err, TD_E_INVALID,
                        "the file '%s' is too long for a secret, of %u bytes at most", path,
                        LIMIT_SECRET_BYTES);
    if (rc == TD_OK && memchr(text, '\0', size) != NULL)
        rc = td_err_set(err, TD_E_INVALID, "the secret in '%s' is not a text: it has a zero byte",
                        path);
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
        text[--size] = '\0';
    if (rc == TD_OK && size == 0)
        rc = td_err_set(err, TD_E_INVALID, "the file '%s' holds no secret", path);
    if (rc == TD_OK)
        *out = text;
    else
        td_secret_free(text);
    return rc;
}

static td_result read_one(const char *variable, const char *path, td_io io, char **out, td_err *err)
{
    /* config_finish() requires exactly one of the two. */
    TD_ASSERT((variable != NULL) != (path != NULL));
    if (variable == NULL)
        return read_file(io, path, out, err);
    const char *value = getenv(variable);
    if (value == NULL || value[0] == '\0') {
        td_err_set(err, TD_E_INVALID, "the environment variable %s is not set", variable);
        td_err_hint(err, "export %s=... before starting the recorder", variable);
        return TD_E_INVALID;
    }
    *out = td_secret_copy(value, strlen(value));
    return TD_OK;
}

td_result credentials_read(const feed_config *feed, td_io io, redactor *hide, credentials *out,
                           td_err *err)
{
    memset(out, 0, sizeof *out);
    if (feed->auth == AUTH_NONE)
        return TD_OK;
    TD_ASSERT(hide != NULL);
    td_result rc = td_secret_forbid_core_dumps(err);
    if (rc == TD_OK)
        rc = read_one(feed->api_key_env, feed->api_key_file, io, &out->api_key, err);
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

void credentials_fini(credentials *self)
{
    td_secret_free(self->api_key);
    td_secret_free(self->api_secret);
    memset(self, 0, sizeof *self);
}
