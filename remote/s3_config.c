#include "remote/s3_config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io_posix.h"

enum {
    BUCKET_BYTES_MIN = 3,     /* rules for names of buckets, S3 user guide */
    FILE_BYTES_MAX = 1 << 20, /* of the file of credentials */
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
    if (part.size < BUCKET_BYTES_MIN || part.size >= sizeof out->bucket || !has_only(part, ".-_"))
        return bad_url(url, "not the name of a bucket", err);
    memcpy(out->bucket, part.data, part.size);
    while (rest.size > 0 && rest.data[rest.size - 1] == '/')
        rest.size--;
    if (rest.size == 0)
        return TD_OK;
    if (rest.size + 1 >= sizeof out->prefix)
        return bad_url(url, "the prefix is too long", err);
    memcpy(out->prefix, rest.data, rest.size);
    out->prefix[rest.size] = '/';
    for (const char *at = out->prefix; *at != '\0'; at++)
        if ((uint8_t)*at < 0x20 || *at == 0x7f)
            return bad_url(url, "a control character in the prefix", err);
    return td_path_is_below(rest)
               ? TD_OK
               : bad_url(url, "an empty name, \".\" or \"..\" in the prefix", err);
}

/* ---- address ---- */

/* The address of a store other than AWS: the bucket is the first part of the path, because the
 * bucket's name as a host would need DNS names and certificates of its own. */
static td_result read_endpoint(const char *text, s3_config *out, td_err *err)
{
    td_server_url url;
    td_result rc = td_url_parse_http(text, &url, err);
    if (rc == TD_OK) {
        size_t size = strlen(url.target);
        while (size > 0 && url.target[size - 1] == '/')
            size--;
        (void)snprintf(out->host, sizeof out->host, "%s", url.authority);
        (void)snprintf(out->endpoint, sizeof out->endpoint, "http%s://%s", url.is_tls ? "s" : "",
                       url.authority);
        const int path_bytes = snprintf(out->bucket_path, sizeof out->bucket_path, "%.*s/%s",
                                        (int)size, url.target, out->bucket);
        if (path_bytes >= (int)sizeof out->bucket_path)
            rc = td_err_set(err, TD_E_INVALID, "its path is too long");
        if (strchr(url.target, '?') != NULL)
            rc = td_err_set(err, TD_E_INVALID, "it has a query");
    }
    if (rc != TD_OK) {
        (void)td_err_add(err, TD_E_INVALID, "AWS_ENDPOINT_URL");
        td_err_hint(err, "set it to the store's address, such as https://s3.example.com");
        return TD_E_INVALID;
    }
    return TD_OK;
}

static td_result read_address(s3_config *out, td_err *err)
{
    const char *region = s3_variable("AWS_REGION", "AWS_DEFAULT_REGION");
    const char *ca_file = s3_variable("AWS_CA_BUNDLE", "SSL_CERT_FILE");
    const char *endpoint = s3_variable("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL");
    const int region_bytes =
        snprintf(out->region, sizeof out->region, "%s", region == NULL ? "us-east-1" : region);
    if (region_bytes >= (int)sizeof out->region || !has_only(td_bytes_str(out->region), "-")) {
        (void)td_err_set(err, TD_E_INVALID, "AWS_REGION '%s': not a region", out->region);
        td_err_hint(err, "set it to a name such as eu-central-1");
        return TD_E_INVALID;
    }
    (void)snprintf(out->ca_file, sizeof out->ca_file, "%s", ca_file == NULL ? "" : ca_file);
    if (endpoint != NULL)
        return read_endpoint(endpoint, out, err);
    /* AWS's certificate covers one name below the service's, so not a bucket with a dot. */
    const int is_in_host = strchr(out->bucket, '.') == NULL;
    (void)snprintf(out->host, sizeof out->host, "%s%ss3.%s.amazonaws.com",
                   is_in_host ? out->bucket : "", is_in_host ? "." : "", out->region);
    (void)snprintf(out->bucket_path, sizeof out->bucket_path, "%s%s", is_in_host ? "" : "/",
                   is_in_host ? "" : out->bucket);
    (void)snprintf(out->endpoint, sizeof out->endpoint, "https://%s", out->host);
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

/* Find the credentials of a profile in the text of the file: id, secret, token. */
static void find_profile(td_bytes text, const char *profile, td_bytes keys[3])
{
    static const char *const NAMES[] = {"aws_access_key_id", "aws_secret_access_key",
                                        "aws_session_token"};
    int is_inside = 0;
    td_bytes line;
    while (td_bytes_next(&text, '\n', &line)) {
        line = trimmed(line);
        if (line.size > 1 && line.data[0] == '[' && line.data[line.size - 1] == ']')
            is_inside = td_bytes_is(trimmed(td_bytes_of(line.data + 1, line.size - 2)), profile);
        td_bytes name;
        if (!is_inside || line.size == 0 || !td_bytes_next(&line, '=', &name))
            continue;
        for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
            if (td_bytes_is(trimmed(name), NAMES[i]) && keys[i].size == 0)
                keys[i] = trimmed(line);
    }
}

static td_result read_file(s3_config *out, td_err *err)
{
    const char *profile = s3_variable("AWS_PROFILE", NULL);
    const char *file = s3_variable("AWS_SHARED_CREDENTIALS_FILE", NULL);
    const char *home = getenv("HOME");
    const char *name = profile == NULL ? "default" : profile;
    char path[LIMIT_PATH_BYTES];
    td_bytes keys[3] = {{NULL, 0}};
    uint8_t *text = NULL;
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%s%s",
                   file != NULL   ? file
                   : home == NULL ? ""
                                  : home,
                   file != NULL ? "" : "/.aws/credentials");
    td_result rc = td_io_read_file(io_posix(), path, FILE_BYTES_MAX, &text, &size, err);
    if (rc != TD_OK && rc != TD_E_NOTFOUND)
        return td_err_add(err, rc, "credentials of the store");
    find_profile(td_bytes_of(text, size), name, keys);
    if (keys[0].size == 0 || keys[1].size == 0) {
        /* A role's credentials never replace the ones of a profile that was named, or of half a
         * one. */
        const int is_free = profile == NULL && keys[0].size == 0 && keys[1].size == 0;
        rc = td_err_set(err, is_free ? TD_E_NOTFOUND : TD_E_INVALID,
                        "no credentials for the store: AWS_ACCESS_KEY_ID is not set, and '%s' has "
                        "no keys of profile '%s'",
                        path, name);
        td_err_hint(err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a "
                         "profile of ~/.aws/credentials, or give this machine a role");
    } else {
        rc = s3_credentials_set(&out->keys, keys[0], keys[1], keys[2], err);
    }
    td_free(text);
    return rc;
}

td_result s3_credentials_set(s3_credentials *keys, td_bytes key_id, td_bytes secret, td_bytes token,
                             td_err *err)
{
    const struct {
        const char *name;
        td_bytes from;
        char *to;
        size_t to_bytes;
    } texts[] = {
        {"the access key's id", key_id, keys->key_id, sizeof keys->key_id},
        {"the secret access key", secret, keys->secret, sizeof keys->secret},
        {"the session token", token, keys->token, sizeof keys->token},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const td_bytes from = texts[i].from;
        size_t size = 0;
        while (size < from.size && size + 1 < texts[i].to_bytes && from.data[size] > ' ' &&
               from.data[size] <= '~') {
            texts[i].to[size] = (char)from.data[size];
            size++;
        }
        texts[i].to[size] = '\0';
        if (size == from.size)
            continue;
        (void)td_err_set(err, TD_E_INVALID, "%s of the store is malformed: byte %zu", texts[i].name,
                         size + 1);
        td_err_hint(err, "copy it once more: it has neither spaces nor quotes nor line ends");
        return TD_E_INVALID;
    }
    return TD_OK;
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
    return key_id == NULL
               ? read_file(out, err)
               : s3_credentials_set(&out->keys, td_bytes_str(key_id), td_bytes_str(secret),
                                    td_bytes_str(s3_variable("AWS_SESSION_TOKEN", NULL)), err);
}

td_result s3_config_read(const char *url, s3_config *out, td_err *err)
{
    *out = (s3_config){.bucket = ""};
    td_result rc = read_url(url, out, err);
    if (rc == TD_OK)
        rc = read_address(out, err);
    return rc == TD_OK ? read_credentials(out, err) : rc;
}
