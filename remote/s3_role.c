#include "remote/s3_role.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "base/json/json.h"
#include "base/time_text.h"
#include "base/url.h"

enum {
    CONNECT_S = 1, /* the service is on this machine, or one hop away */
    WHOLE_S = 3,
    TRIES = 2,
    ROLE_BYTES_MAX = 128, /* of a role's name; IAM allows 64 */
    REPLY_BYTES_MAX = 64 << 10,
    TOKEN_BYTES = 16 << 10, /* of a header's value, with the NUL */
    URL_BYTES = LIMIT_URL_BYTES + TD_HOST_BYTES + 16,
};

static const char CONTAINER_SERVICE[] = "http://169.254.170.2"; /* of ECS */
static const char METADATA_SERVICE[] = "http://169.254.169.254";
static const char METADATA_ROLES[] = "/latest/meta-data/iam/security-credentials/";

struct s3_role {
    s3_http *http;
    const s3_config *config;
    const td_log *log;
    td_clock clock;
    char address[TD_HOST_BYTES + 16]; /* of the service */
    char target[LIMIT_URL_BYTES];     /* of a container's credentials; "": an instance's service */
    pthread_mutex_t lock;             /* of what follows; held during a renewal */
    s3_credentials keys;
    uint64_t renew_ns;
};

/* ---- requests ---- */

/* Request a target of the service, with one header, unless its value is "". TD_E_NOTFOUND: no
 * reply, or 404; TD_E_IO: another status. The target, which may have a secret, is in no error. */
static td_result ask(const s3_role *role, const char *method, const char *target,
                     const s3_pair *header, td_buf *reply, td_err *err)
{
    char url[URL_BYTES];
    (void)snprintf(url, sizeof url, "%s%s", role->address, target);
    s3_exchange exchange = {
        .method = method,
        .address = role->address,
        .url = url,
        .headers = header,
        .header_count = header->value[0] != '\0',
        .ca_file = role->config->ca_file,
        .connect_s = CONNECT_S,
        .whole_s = WHOLE_S,
        .is_direct = 1, /* a proxy would learn the credentials */
        .body = reply,
    };
    s3_http_end end = S3_HTTP_BROKEN;
    for (unsigned n = 0; n < TRIES && (end != S3_HTTP_REPLY || exchange.status / 100 == 5); n++)
        end = s3_http_send(role->http, &exchange, err);
    if (end != S3_HTTP_REPLY)
        return TD_E_NOTFOUND;
    if (exchange.status == 200)
        return TD_OK;
    return td_err_set(err, exchange.status == 404 ? TD_E_NOTFOUND : TD_E_IO, "%s replies %ld",
                      role->address, exchange.status);
}

/* ---- documents ---- */

static td_result read_document(const s3_role *role, json_value document, s3_credentials *out,
                               td_err *err)
{
    td_bytes key_id, secret, token, text;
    if (json_find_text(document, "Code", &text) && !td_bytes_is(text, "Success"))
        return td_err_set(err, TD_E_IO, "%s has no credentials: %.*s", role->address,
                          (int)(text.size < ROLE_BYTES_MAX ? text.size : ROLE_BYTES_MAX),
                          (const char *)text.data);
    if (!json_find_text(document, "AccessKeyId", &key_id) ||
        !json_find_text(document, "SecretAccessKey", &secret) ||
        !json_find_text(document, "Token", &token) || key_id.size == 0 || secret.size == 0 ||
        token.size == 0 || !json_find_text(document, "Expiration", &text) ||
        td_time_parse_rfc3339(text, &out->expires_ns, NULL) != TD_OK)
        return td_err_set(err, TD_E_IO,
                          "%s replies without AccessKeyId, SecretAccessKey, Token and Expiration",
                          role->address);
    if (s3_credentials_set(out, key_id, secret, token, err) != TD_OK)
        return td_err_add(err, TD_E_IO, "%s", role->address);
    if (out->expires_ns > clock_wall_ns(role->clock))
        return TD_OK;
    char until[TD_TIME_TEXT_BYTES];
    td_time_format(out->expires_ns, until);
    (void)td_err_set(err, TD_E_IO, "%s gives credentials that expired at %s", role->address, until);
    td_err_hint(err, "set this machine's clock");
    return TD_E_IO;
}

static td_result read_reply(const s3_role *role, const td_buf *reply, s3_credentials *out,
                            td_err *err)
{
    json_parser *parser = json_parser_open(REPLY_BYTES_MAX);
    json_value document;
    td_result rc = json_parse(parser, td_buf_view(reply), JSON_COPIED, &document, NULL);
    rc = rc == TD_OK ? read_document(role, document, out, err)
                     : td_err_set(err, TD_E_IO, "%s does not reply with JSON", role->address);
    json_parser_close(parser);
    return rc;
}

/* ---- a container's and an instance's ---- */

/* Copy the first line of a text. TD_E_IO: it is longer, or cannot be a header's value. */
static td_result copy_line(td_bytes text, char out[TOKEN_BYTES], const char *of, td_err *err)
{
    size_t size = 0;
    while (size < text.size && size + 1 < TOKEN_BYTES && text.data[size] >= ' ' &&
           text.data[size] <= '~')
        size++;
    if (size < text.size && text.data[size] != '\r' && text.data[size] != '\n')
        return td_err_set(err, TD_E_IO, "%s is malformed: byte %zu", of, size + 1);
    (void)snprintf(out, TOKEN_BYTES, "%.*s", (int)size, (const char *)text.data);
    return TD_OK;
}

/* The value of the header Authorization, from a file, which is replaced from time to time, or from
 * a variable. "": neither is given. */
static td_result read_authorization(char out[TOKEN_BYTES], td_err *err)
{
    static const char VARIABLE[] = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    static const char FILE_VARIABLE[] = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    const char *path = s3_variable(FILE_VARIABLE, NULL);
    const char *value = s3_variable(VARIABLE, NULL);
    uint8_t *text = NULL;
    size_t size = 0;
    if (path == NULL)
        return copy_line(td_bytes_str(value == NULL ? "" : value), out,
                         "the token of AWS_CONTAINER_AUTHORIZATION_TOKEN", err);
    td_result rc = td_io_read_file(io_posix(), path, TOKEN_BYTES, &text, &size, err);
    rc = rc == TD_OK ? copy_line(td_bytes_of(text, size), out, "the token", err) : TD_E_IO;
    td_free(text);
    return rc == TD_OK ? rc : td_err_add(err, rc, "%s", FILE_VARIABLE);
}

static td_result ask_container(const s3_role *role, td_buf *reply, td_err *err)
{
    char value[TOKEN_BYTES];
    const s3_pair header = {"authorization", value};
    td_result rc = read_authorization(value, err);
    if (rc == TD_OK)
        rc = ask(role, "GET", role->target, &header, reply, err);
    /* The variable promises credentials, so their absence is an error of the service. */
    return rc == TD_OK ? rc : td_err_add(err, TD_E_IO, "the container's role");
}

/* Ask for the role's name, which is the first line of the reply, and for its credentials. */
static td_result ask_of_role(const s3_role *role, const s3_pair *header, td_buf *reply, td_err *err)
{
    char name[TOKEN_BYTES];
    td_buf target;
    td_result rc = ask(role, "GET", METADATA_ROLES, header, reply, err);
    if (rc == TD_OK)
        rc = copy_line(td_buf_view(reply), name, "the role's name", err);
    if (rc == TD_OK && (name[0] == '\0' || strlen(name) > ROLE_BYTES_MAX))
        rc = td_err_set(err, TD_E_NOTFOUND, "%s names no role", role->address);
    if (rc != TD_OK)
        return rc;
    td_buf_init(&target, URL_BYTES);
    td_buf_print(&target, "%s", METADATA_ROLES);
    s3_sign_encode(td_bytes_str(name), "", &target);
    td_buf_add(&target, "", 1);
    rc = ask(role, "GET", (const char *)target.data, header, reply, err);
    td_buf_fini(&target);
    return rc;
}

static td_result ask_instance(const s3_role *role, td_buf *reply, td_err *err)
{
    const s3_pair lifetime = {"x-aws-ec2-metadata-token-ttl-seconds", "21600"};
    char token[TOKEN_BYTES];
    const s3_pair header = {"x-aws-ec2-metadata-token", token};
    td_result rc = ask(role, "PUT", "/latest/api/token", &lifetime, reply, err);
    if (rc == TD_OK)
        rc = copy_line(td_buf_view(reply), token, "its token", err);
    if (rc == TD_OK)
        rc = ask_of_role(role, &header, reply, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "the instance's role");
}

static td_result renew(s3_role *role, td_err *err)
{
    s3_credentials fresh = {.key_id = ""};
    td_buf reply;
    td_buf_init(&reply, REPLY_BYTES_MAX);
    td_result rc = role->target[0] != '\0' ? ask_container(role, &reply, err)
                                           : ask_instance(role, &reply, err);
    if (rc == TD_OK)
        rc = read_reply(role, &reply, &fresh, err);
    td_buf_fini(&reply);
    if (rc == TD_OK)
        role->keys = fresh;
    return rc;
}

/* Set the time of the next renewal. Near the end it is half of what is left, so that a service
 * that fails, or gives credentials of a short life, is not asked for each request. */
static void plan_renewal(s3_role *role, uint64_t now_ns)
{
    const uint64_t left_ns = role->keys.expires_ns > now_ns ? role->keys.expires_ns - now_ns : 0;
    role->renew_ns = now_ns + (left_ns > S3_RENEW_NS ? left_ns - S3_RENEW_NS : left_ns / 2);
}

/* ---- opening ---- */

/* 1 if credentials may be sent to this address without TLS. */
static int is_local(const td_server_url *url)
{
    struct in6_addr address;
    if (url->is_ipv6)
        return inet_pton(AF_INET6, url->host, &address) == 1 &&
               (IN6_IS_ADDR_LOOPBACK(&address) || IN6_IS_ADDR_LINKLOCAL(&address) ||
                strcmp(url->host, "fd00:ec2::23") == 0); /* EKS */
    return strcasecmp(url->host, "localhost") == 0 ||
           (url->is_numeric &&
            (strncmp(url->host, "127.", 4) == 0 || strncmp(url->host, "169.254.", 8) == 0));
}

/* Split a variable's URL, of a service at its address. */
static td_result read_url(const char *name, const char *text, td_server_url *url, s3_role *role,
                          td_err *err)
{
    if (td_url_parse_http(text, url, err) != TD_OK)
        return td_err_add(err, TD_E_INVALID, "%s", name);
    (void)snprintf(role->address, sizeof role->address, "http%s://%s", url->is_tls ? "s" : "",
                   url->authority);
    return TD_OK;
}

static td_result read_variables(s3_role *role, td_err *err)
{
    const char *relative = s3_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", NULL);
    const char *full = s3_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI", NULL);
    const char *metadata = s3_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT", NULL);
    const char *disabled = s3_variable("AWS_EC2_METADATA_DISABLED", NULL);
    td_server_url url;
    td_result rc = TD_OK;
    if (relative != NULL) {
        if (*relative != '/' || strlen(relative) >= sizeof role->target)
            return td_err_set(err, TD_E_INVALID,
                              "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: not a path");
        (void)snprintf(role->address, sizeof role->address, "%s", CONTAINER_SERVICE);
        (void)snprintf(role->target, sizeof role->target, "%s", relative);
        return TD_OK;
    }
    if (full != NULL) {
        rc = read_url("AWS_CONTAINER_CREDENTIALS_FULL_URI", full, &url, role, err);
        if (rc == TD_OK && !url.is_tls && !is_local(&url))
            rc = td_err_set(err, TD_E_INVALID,
                            "AWS_CONTAINER_CREDENTIALS_FULL_URI: http to '%s', which is neither a "
                            "loopback nor a link-local address",
                            url.host);
        (void)snprintf(role->target, sizeof role->target, "%s", rc == TD_OK ? url.target : "");
        return rc;
    }
    if (s3_variable("AWS_WEB_IDENTITY_TOKEN_FILE", NULL) != NULL) /* of another role */
        return td_err_set(err, TD_E_INVALID,
                          "AWS_WEB_IDENTITY_TOKEN_FILE is set, but web identities are not "
                          "supported");
    if (disabled != NULL && strcasecmp(disabled, "true") == 0)
        return td_err_set(err, TD_E_INVALID,
                          "the instance's role is not used: AWS_EC2_METADATA_DISABLED is true");
    return read_url("AWS_EC2_METADATA_SERVICE_ENDPOINT",
                    metadata == NULL ? METADATA_SERVICE : metadata, &url, role, err);
}

td_result s3_role_open(s3_http *http, const s3_config *config, const td_log *log, td_clock clock,
                       s3_role **out, td_err *err)
{
    s3_role *role = td_alloc_zero(1, sizeof *role);
    *role = (s3_role){.http = http, .config = config, .log = log, .clock = clock};
    *out = NULL;
    pthread_mutex_init(&role->lock, NULL);
    td_result rc = read_variables(role, err);
    if (rc == TD_OK)
        rc = renew(role, err);
    if (rc != TD_OK) {
        s3_role_close(role);
        return rc == TD_E_NOTFOUND ? TD_E_INVALID : rc;
    }
    plan_renewal(role, clock_wall_ns(clock));
    *out = role;
    return TD_OK;
}

void s3_role_close(s3_role *role)
{
    if (role == NULL)
        return;
    explicit_bzero(&role->keys, sizeof role->keys);
    pthread_mutex_destroy(&role->lock);
    td_free(role);
}

td_result s3_role_get(s3_role *role, s3_credentials *out, td_err *err)
{
    td_result rc = TD_OK;
    td_err why;
    pthread_mutex_lock(&role->lock);
    const uint64_t now_ns = clock_wall_ns(role->clock);
    if (now_ns >= role->renew_ns) {
        td_err_clear(&why);
        rc = renew(role, &why);
        if (rc != TD_OK && now_ns < role->keys.expires_ns) {
            td_log_emit(role->log, TD_LOG_WARNING, "credentials of the store are not renewed: %s",
                        why.text);
            rc = TD_OK;
        }
        if (rc == TD_OK)
            plan_renewal(role, now_ns);
    }
    if (rc == TD_OK)
        *out = role->keys;
    pthread_mutex_unlock(&role->lock);
    if (rc == TD_OK)
        return TD_OK;
    (void)td_err_pass(err, TD_E_IO, &why);
    return td_err_add(err, TD_E_IO, "the credentials expired and cannot be renewed");
}
