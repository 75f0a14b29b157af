#include "remote/s3_config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/io_posix.h"
#include "base/url.h"

enum {
    BUCKET_BYTES_MIN = 3, /* rules for names of buckets, S3 user guide */
    BUCKET_BYTES_MAX = 63,
    PREFIX_BYTES_MAX = 512, /* leaves as much for what is below it: a key has 1024 at most */
    REGION_BYTES_MAX = 63,
    FILE_BYTES_MAX = 1 << 20,  /* of the file of credentials */
    VALUE_BYTES_MAX = 8 << 10, /* of a credential: session tokens have some 1 KiB */
    SHOWN_BYTES = 512,
};

const char *s3_variable(const char *a, const char *b)
{
    const char *value = getenv(a);
    if (value == NULL || *value == '\0')
        value = b == NULL ? NULL : getenv(b);
    return value == NULL || *value == '\0' ? NULL : value;
}

/* 1 if the text has only letters, digits and the bytes of `others`. */
static int has_only(td_bytes text, const char *others)
{
    for (size_t i = 0; i < text.size; i++)
        if (!isalnum(text.data[i]) && (text.data[i] == '\0' || !strchr(others, text.data[i])))
            return 0;
    return 1;
}

/* ---- bucket and prefix ---- */

static td_result bad_url(const char *url, const char *why, td_err *err)
{
    char shown[SHOWN_BYTES];
    (void)td_err_set(err, TD_E_INVALID, "'%s': %s", td_url_redacted_plain(url, shown, sizeof shown),
                     why);
    td_err_hint(err, "give s3://BUCKET or s3://BUCKET/PREFIX; the store's address is "
                     "AWS_ENDPOINT_URL");
    return TD_E_INVALID;
}

static td_result read_url(const char *url, s3_config *out, td_err *err)
{
    if (strncmp(url, S3_SCHEME, strlen(S3_SCHEME)) != 0)
        return bad_url(url, "does not begin with " S3_SCHEME, err);
    td_bytes rest = td_bytes_str(url + strlen(S3_SCHEME));
    td_bytes part;
    (void)td_bytes_next(&rest, '/', &part); /* a text has a first part */
    if (part.size < BUCKET_BYTES_MIN || part.size > BUCKET_BYTES_MAX || !has_only(part, ".-_"))
        return bad_url(url, "not the name of a bucket", err);
    out->bucket = td_strndup((const char *)part.data, part.size);
    while (rest.size > 0 && rest.data[rest.size - 1] == '/')
        rest.size--;
    if (rest.size >= PREFIX_BYTES_MAX)
        return bad_url(url, "the prefix is too long", err);
    out->prefix = td_alloc_zero(1, rest.size + 2);
    if (rest.size == 0)
        return TD_OK;
    memcpy(out->prefix, rest.data, rest.size);
    out->prefix[rest.size] = '/';
    while (td_bytes_next(&rest, '/', &part)) {
        for (size_t i = 0; i < part.size; i++)
            if (part.data[i] < 0x20 || part.data[i] == 0x7f)
                return bad_url(url, "a control character in the prefix", err);
        if (part.size == 0 || td_bytes_is(part, ".") || td_bytes_is(part, ".."))
            return bad_url(url, "an empty name, \".\" or \"..\" in the prefix", err);
    }
    return TD_OK;
}

/* ---- address ---- */

static char *joined(const char *a, const char *b, const char *c)
{
    const size_t bytes = strlen(a) + strlen(b) + strlen(c) + 1;
    char *out = td_alloc(bytes);
    (void)snprintf(out, bytes, "%s%s%s", a, b, c);
    return out;
}

/* The address of a store other than AWS: the bucket is the first part of the path, because the
 * bucket's name as a host would need DNS names and certificates of its own. */
static td_result read_endpoint(const char *text, s3_config *out, td_err *err)
{
    td_server_url url;
    td_result rc = td_url_parse_http(text, &url, err);
    if (rc == TD_OK && strchr(url.target, '?') != NULL)
        rc = td_err_set(err, TD_E_INVALID, "it has a query");
    if (rc != TD_OK) {
        (void)td_err_add(err, rc, "AWS_ENDPOINT_URL");
        td_err_hint(err, "set it to the store's address, such as https://s3.example.com");
        return TD_E_INVALID;
    }
    size_t size = strlen(url.target);
    while (size > 0 && url.target[size - 1] == '/')
        url.target[--size] = '\0';
    out->host = td_strdup(url.authority);
    out->endpoint = joined(url.is_tls ? "https" : "http", "://", url.authority);
    out->bucket_path = joined(url.target, "/", out->bucket);
    return TD_OK;
}

static td_result read_address(s3_config *out, td_err *err)
{
    const char *region = s3_variable("AWS_REGION", "AWS_DEFAULT_REGION");
    out->region = td_strdup(region == NULL ? "us-east-1" : region);
    if (strlen(out->region) > REGION_BYTES_MAX || !has_only(td_bytes_str(out->region), "-")) {
        (void)td_err_set(err, TD_E_INVALID, "AWS_REGION '%.*s': not a region", REGION_BYTES_MAX,
                         out->region);
        td_err_hint(err, "set it to a name such as eu-central-1");
        return TD_E_INVALID;
    }
    out->ca_file = td_strdup(s3_variable("AWS_CA_BUNDLE", "SSL_CERT_FILE"));
    const char *endpoint = s3_variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
    if (endpoint != NULL)
        return read_endpoint(endpoint, out, err);
    char *service = joined("s3.", out->region, ".amazonaws.com");
    /* AWS's certificate covers one name below the service's, so not a bucket with a dot. */
    const int is_in_host = strchr(out->bucket, '.') == NULL;
    out->host = is_in_host ? joined(out->bucket, ".", service) : td_strdup(service);
    out->bucket_path = is_in_host ? td_strdup("") : joined("/", out->bucket, "");
    out->endpoint = joined("https://", out->host, "");
    td_free(service);
    return TD_OK;
}

/* ---- credentials ---- */

static td_bytes trimmed(td_bytes text)
{
    while (text.size > 0 && isspace(text.data[text.size - 1]))
        text.size--;
    while (text.size > 0 && isspace(text.data[0]))
        text = td_bytes_of(text.data + 1, text.size - 1);
    return text;
}

/* Read the credentials of a profile from the text of the file. */
static void read_profile(td_bytes text, const char *profile, s3_config *out)
{
    const struct {
        const char *name;
        char **value;
    } members[] = {
        {"aws_access_key_id", &out->keys.key_id},
        {"aws_secret_access_key", &out->keys.secret},
        {"aws_session_token", &out->keys.token},
    };
    int is_inside = 0;
    td_bytes line;
    while (td_bytes_next(&text, '\n', &line)) {
        line = trimmed(line);
        if (line.size > 1 && line.data[0] == '[' && line.data[line.size - 1] == ']')
            is_inside = td_bytes_is(trimmed(td_bytes_of(line.data + 1, line.size - 2)), profile);
        td_bytes name;
        if (!is_inside || line.size == 0 || !td_bytes_next(&line, '=', &name))
            continue;
        td_bytes value = trimmed(line);
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            if (td_bytes_is(trimmed(name), members[i].name) && value.size > 0 &&
                *members[i].value == NULL)
                *members[i].value = td_strndup((const char *)value.data, value.size);
    }
}

static td_result read_file(s3_config *out, td_err *err)
{
    const char *profile = s3_variable("AWS_PROFILE", NULL);
    const char *file = s3_variable("AWS_SHARED_CREDENTIALS_FILE", NULL);
    const char *home = getenv("HOME");
    char *path =
        file != NULL ? td_strdup(file) : joined(home == NULL ? "" : home, "/.aws/credentials", "");
    const int is_named = profile != NULL;
    if (!is_named)
        profile = "default";
    uint8_t *text = NULL;
    size_t size = 0;
    td_result rc = td_io_read_file(io_posix(), path, FILE_BYTES_MAX, &text, &size, err);
    if (rc == TD_OK)
        read_profile(td_bytes_of(text, size), profile, out);
    if (rc == TD_OK || rc == TD_E_NOTFOUND)
        rc = TD_OK;
    else
        rc = td_err_add(err, rc, "credentials of the store");
    if (rc == TD_OK && (out->keys.key_id == NULL || out->keys.secret == NULL)) {
        /* A role's credentials never replace the ones of a profile that was named, or of half a
         * one.
         */
        const int is_free = !is_named && out->keys.key_id == NULL && out->keys.secret == NULL;
        rc = td_err_set(err, is_free ? TD_E_NOTFOUND : TD_E_INVALID,
                        "no credentials for the store: AWS_ACCESS_KEY_ID is not set, and '%s' has "
                        "no keys of profile '%s'",
                        path, profile);
        td_err_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a "
                         "profile of ~/.aws/credentials, or give this machine a role");
    }
    if (text != NULL)
        explicit_bzero(text, size);
    td_free(text);
    td_free(path);
    return rc;
}

/* A credential becomes part of a header, and its value must not be in an error. */
static td_result check_value(const char *name, const char *value, td_err *err)
{
    size_t size = 0;
    while (value != NULL && value[size] > ' ' && value[size] <= '~' && size < VALUE_BYTES_MAX)
        size++;
    if (value == NULL || value[size] == '\0')
        return TD_OK;
    (void)td_err_set(err, TD_E_INVALID, "%s of the store is malformed: byte %zu", name, size + 1);
    td_err_hint(err, "copy it once more: it has neither spaces nor quotes nor line ends");
    return TD_E_INVALID;
}

td_result s3_credentials_check(const s3_credentials *keys, td_err *err)
{
    td_result rc = check_value("the access key's id", keys->key_id, err);
    if (rc == TD_OK)
        rc = check_value("the secret access key", keys->secret, err);
    return rc == TD_OK ? check_value("the session token", keys->token, err) : rc;
}

static void free_secret(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    td_free(text);
}

void s3_credentials_fini(s3_credentials *keys)
{
    td_free(keys->key_id);
    free_secret(keys->secret);
    free_secret(keys->token);
    *keys = (s3_credentials){.key_id = NULL};
}

static td_result read_credentials(s3_config *out, td_err *err)
{
    const char *key_id = s3_variable("AWS_ACCESS_KEY_ID", NULL);
    const char *secret = s3_variable("AWS_SECRET_ACCESS_KEY", NULL);
    if ((key_id == NULL) != (secret == NULL)) {
        (void)td_err_set(err, TD_E_INVALID, "%s is not set, but %s is",
                         key_id == NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                         key_id == NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
        td_err_hint(err, "set both, or neither and use a profile");
        return TD_E_INVALID;
    }
    td_result rc = TD_OK;
    if (key_id == NULL) {
        rc = read_file(out, err);
    } else {
        out->keys.key_id = td_strdup(key_id);
        out->keys.secret = td_strdup(secret);
        out->keys.token = td_strdup(s3_variable("AWS_SESSION_TOKEN", NULL));
    }
    return rc == TD_OK ? s3_credentials_check(&out->keys, err) : rc;
}

td_result s3_config_read(const char *url, s3_config *out, td_err *err)
{
    *out = (s3_config){.bucket = NULL};
    td_result rc = read_url(url, out, err);
    if (rc == TD_OK)
        rc = read_address(out, err);
    if (rc == TD_OK)
        rc = read_credentials(out, err);
    return rc;
}

void s3_config_fini(s3_config *config)
{
    td_free(config->bucket);
    td_free(config->prefix);
    td_free(config->endpoint);
    td_free(config->host);
    td_free(config->bucket_path);
    td_free(config->region);
    td_free(config->ca_file);
    s3_credentials_fini(&config->keys);
    *config = (s3_config){.bucket = NULL};
}
