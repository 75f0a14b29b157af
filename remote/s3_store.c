#include "remote/s3_store.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/time_text.h"
#include "remote/s3_http.h"
#include "remote/s3_reply.h"
#include "remote/s3_role.h"
#include "remote/s3_sign.h"

enum {
    CONNECT_S = 10,
    /* A try ends after TRY_S, and the time that its content takes at this rate. */
    SLOW_BYTES_PER_S = 16 << 10,
    TRY_S = 120,
    URL_BYTES = 64 << 10,    /* encoded: an address, a key of 1,024 bytes, S3_TOKEN_BYTES */
    HEADER_BYTES = 16 << 10, /* of a header that is sent */
    EMPTY_PAGES_MAX = 100,   /* pages without a key that follow each other */
    HEADERS_MAX = 7,
};

/* Of a reply that is kept: a page of 1,000 keys with 1,024 bytes, each byte an entity. */
#define REPLY_BYTES ((size_t)8 << 20)

#define FIRST_WAIT_NS (TD_NS_PER_S / 2)

static const char EMPTY_SHA256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct s3_store {
    s3_config config;
    const td_log *log;
    td_clock clock;
    s3_http *http;
    s3_role *role;        /* NULL: the configuration has the credentials */
    pthread_mutex_t lock; /* of `random` */
    td_random random;
    _Atomic uint64_t requests, sent_bytes, received_bytes;
};

/* A request, and its reply. */
typedef struct s3_call {
    s3_store *store;
    char key[S3_KEY_BYTES * 2]; /* with the prefix; "": the bucket */
    const char *verb;           /* for errors */
    td_buf query;               /* of a list; empty: none */
    uint64_t from;              /* of a read */
    size_t size;                /* of a read; 0: not one */
    td_buf body;                /* of the reply */
    s3_exchange http;
    s3_error error;
} s3_call;

/* ---- opening ---- */

/* Get credentials of a role, because the environment lacks them, for the reason in `missing`. */
static td_result open_role(s3_store *store, const td_err *missing, td_err *err)
{
    td_result rc =
        s3_role_open(store->http, &store->config, store->log, store->clock, &store->role, err);
    if (rc == TD_OK)
        return rc;
    if (err != NULL && err->hint[0] == '\0')
        td_err_hint(err, "%s", missing->hint);
    return td_err_add(err, rc, "%s", missing->text);
}

static td_result open_store(s3_store *store, const char *url, td_err *err)
{
    td_err why;
    td_err_clear(&why);
    td_result rc = s3_config_read(url, &store->config, &why);
    if (rc != TD_OK && rc != TD_E_NOTFOUND)
        return td_err_pass(err, rc, &why);
    td_result loaded = s3_http_open(&store->http, err);
    return loaded == TD_OK && rc == TD_E_NOTFOUND ? open_role(store, &why, err) : loaded;
}

td_result s3_store_open(const s3_options *options, s3_store **out, td_err *err)
{
    *out = NULL;
    s3_store *store = td_alloc_zero(1, sizeof *store);
    store->log = options->log;
    store->clock = options->clock == NULL ? clock_real() : *options->clock;
    pthread_mutex_init(&store->lock, NULL);
    td_result rc = open_store(store, options->url, err);
    if (rc != TD_OK) {
        s3_store_close(store);
        return rc;
    }
    uint64_t seed = 0;
    td_random_system(&seed, sizeof seed);
    td_random_init(&store->random, seed);
    *out = store;
    return TD_OK;
}

void s3_store_close(s3_store *store)
{
    if (store == NULL)
        return;
    s3_role_close(store->role);
    s3_http_close(store->http);
    pthread_mutex_destroy(&store->lock);
    explicit_bzero(&store->config.keys, sizeof store->config.keys);
    td_free(store);
}

s3_traffic s3_store_traffic(const s3_store *store)
{
    return (s3_traffic){store->requests, store->sent_bytes, store->received_bytes};
}

/* ---- one try ---- */

/* Send the request once, signed for now. */
static s3_http_end send_signed(s3_call *call, const s3_credentials *keys, td_err *err)
{
    const s3_config *config = &call->store->config;
    s3_exchange *http = &call->http;
    const char *content_sha256 = http->content == NULL ? EMPTY_SHA256 : http->content->sha256;
    char date[TD_TIME_TEXT_BYTES], range[64];
    td_buf url, authorization;
    td_buf_init(&url, URL_BYTES);
    td_buf_init(&authorization, HEADER_BYTES);
    td_buf_print(&url, "%s", config->endpoint);
    const size_t path_at = url.size;
    td_buf_print(&url, "%s", config->bucket_path);
    if (call->key[0] != '\0' || url.size == path_at)
        td_buf_print(&url, "/");
    s3_sign_encode(td_bytes_str(call->key), "/", &url);
    const size_t path_size = url.size - path_at;
    td_buf_add(&url, "?", call->query.size > 0);
    td_buf_add(&url, call->query.data, call->query.size);
    td_buf_add(&url, "", 1);

    td_time_format_compact(clock_wall_ns(call->store->clock), date);
    (void)snprintf(range, sizeof range, "bytes=%" PRIu64 "-%" PRIu64, call->from,
                   call->from + call->size - 1);
    s3_pair headers[HEADERS_MAX]; /* sorted */
    size_t count_of = 0;
    headers[count_of++] = (s3_pair){"host", config->host};
    if (http->content != NULL)
        headers[count_of++] = (s3_pair){"if-none-match", "*"};
    if (call->size > 0)
        headers[count_of++] = (s3_pair){"range", range};
    headers[count_of++] = (s3_pair){"x-amz-content-sha256", content_sha256};
    headers[count_of++] = (s3_pair){"x-amz-date", date};
    if (keys->token[0] != '\0')
        headers[count_of++] = (s3_pair){"x-amz-security-token", keys->token};
    const s3_request request = {
        .method = http->method,
        .path = td_bytes_of(url.data + path_at, path_size),
        .query = td_buf_view(&call->query),
        .headers = headers,
        .header_count = count_of,
    };
    s3_sign_authorization(&request, config->region, keys->key_id, keys->secret, &authorization);
    TD_ASSERT(count_of < HEADERS_MAX);
    headers[count_of++] = (s3_pair){"authorization", (const char *)authorization.data};
    http->url = (const char *)url.data;
    http->headers = headers;
    http->header_count = count_of;
    const s3_http_end end = s3_http_send(call->store->http, http, err);
    http->url = NULL;
    http->headers = NULL;
    td_buf_fini(&authorization);
    td_buf_fini(&url);
    return end;
}

/* ---- errors ---- */

/* What happens after a failed try. */
typedef enum try_end { TRY_DONE, TRY_FINAL, TRY_PASSING } try_end;

static const struct {
    const char *code; /* of the store; S3 API reference, "Error responses" */
    td_result result;
    try_end end;
    const char *hint;
} ERRORS[] = {
    {"NoSuchBucket", TD_E_NOTFOUND, TRY_FINAL, "make the bucket, or correct its name"},
    {"NoSuchKey", TD_E_NOTFOUND, TRY_FINAL, NULL},
    {"AccessDenied", TD_E_IO, TRY_FINAL,
     "allow these credentials s3:ListBucket, s3:GetObject and s3:PutObject for this bucket, and "
     "s3:DeleteObject for prune"},
    {"InvalidAccessKeyId", TD_E_IO, TRY_FINAL,
     "check AWS_ACCESS_KEY_ID, or the profile, and that AWS_ENDPOINT_URL is its store"},
    {"SignatureDoesNotMatch", TD_E_IO, TRY_FINAL,
     "check AWS_SECRET_ACCESS_KEY, or the profile, and AWS_REGION"},
    {"ExpiredToken", TD_E_IO, TRY_FINAL, "get new temporary credentials"},
    {"RequestTimeTooSkewed", TD_E_IO, TRY_FINAL,
     "set this machine's clock: the store accepts a difference of 15 minutes"},
    {"QuotaExceeded", TD_E_NOSPACE, TRY_FINAL, "raise the store's quota, or remove objects"},
    {"XMinioStorageFull", TD_E_NOSPACE, TRY_FINAL, "the store's disks are full"},
    {"NotImplemented", TD_E_UNSUPPORTED, TRY_FINAL,
     "use a store that has conditional writes (If-None-Match) and ListObjectsV2"},
    {"XAmzContentSHA256Mismatch", TD_E_IO, TRY_PASSING,
     "the content changed while it was sent, or was damaged on its way"},
    {"RequestTimeout", TD_E_IO, TRY_PASSING, NULL},
    {"ConditionalRequestConflict", TD_E_IO, TRY_PASSING, NULL},
};

static try_end end_of_status(long status)
{
    const int is_passing = status == 408 || status == 429 || status == 500 || status == 502 ||
                           status == 503 || status == 504;
    return is_passing ? TRY_PASSING : TRY_FINAL;
}

/* The store is elsewhere: a status 3xx, or a signature for another region. */
static void hint_address(const s3_call *call, td_err *err)
{
    const char *region = call->error.region[0] != '\0' ? call->error.region : call->http.region;
    if (region[0] != '\0')
        td_err_hint(err, "the bucket is in region %s: set AWS_REGION=%s", region, region);
    else if (call->error.endpoint[0] != '\0')
        td_err_hint(err,
                    "the bucket is at %s: set AWS_REGION to its region, or "
                    "AWS_ENDPOINT_URL",
                    call->error.endpoint);
    else
        td_err_hint(err, "set AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL to its "
                         "store");
}

static try_end explain_status(s3_call *call, td_err *err)
{
    const s3_error *error = &call->error;
    td_result result = call->http.status == 507 ? TD_E_NOSPACE : TD_E_IO;
    try_end end = end_of_status(call->http.status);
    const char *hint = NULL;
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        if (strcmp(error->code, ERRORS[i].code) != 0)
            continue;
        result = ERRORS[i].result;
        end = ERRORS[i].end == TRY_PASSING ? TRY_PASSING : end;
        hint = ERRORS[i].hint;
    }
    (void)td_err_set(err, result, "the store replies %ld%s%s%s%s", call->http.status,
                     error->code[0] == '\0' ? "" : " ", error->code,
                     error->message[0] == '\0' ? "" : ": ", error->message);
    if (hint != NULL)
        td_err_hint(err, "%s", hint);
    else if (call->http.status / 100 == 3 || error->region[0] != '\0')
        hint_address(call, err);
    else if (error->code[0] == '\0' && end == TRY_FINAL)
        td_err_hint(err, "check that AWS_ENDPOINT_URL is the address of an S3 store: %s",
                    call->store->config.endpoint);
    return end;
}

static try_end explain_transport(s3_http_end end, td_err *err)
{
    if (end == S3_HTTP_UNREACHED)
        td_err_hint(err, "check AWS_ENDPOINT_URL or AWS_REGION, and the network");
    return end == S3_HTTP_UNREACHED || end == S3_HTTP_BROKEN ? TRY_PASSING : TRY_FINAL;
}

/* ---- replies ---- */

static try_end unsound(td_err *err, const char *what)
{
    (void)td_err_set(err, TD_E_IO, "no sound reply of an S3 store: %s", what);
    return TRY_PASSING;
}

/* Check that the content of a read is the range that was asked for, or its part before the end of
 * the object: "bytes FIRST-LAST/SIZE". */
static try_end check_range(const s3_call *call, td_err *err)
{
    td_bytes rest = td_bytes_str(call->http.content_range);
    td_bytes unit;
    td_bytes part;
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t size = 0;
    const int is_read =
        td_bytes_next(&rest, ' ', &unit) && td_bytes_is(unit, "bytes") &&
        td_bytes_next(&rest, '-', &part) && td_digits_parse(part, INT64_MAX, &first) &&
        td_bytes_next(&rest, '/', &part) && td_digits_parse(part, INT64_MAX, &last) &&
        td_digits_parse(rest, INT64_MAX, &size);
    if (call->body.size > call->size)
        return unsound(err, "longer than asked for");
    if (!is_read || first != call->from || last - first + 1 != call->body.size || last >= size)
        return unsound(err, "another range than was asked for");
    if (call->body.size < call->size && last + 1 != size)
        return unsound(err, "less than was asked for");
    return TRY_DONE;
}

static try_end judge_reply(s3_call *call, td_err *err)
{
    if (call->http.status / 100 != 2)
        s3_reply_error(td_buf_view(&call->body), &call->error);
    if (call->http.content != NULL) {
        if (call->http.status == 412 && strcmp(call->error.code, "PreconditionFailed") == 0)
            return TRY_DONE;
        if (call->http.status / 100 == 2 && call->http.etag[0] == '\0')
            return unsound(err, "an object without an ETag");
    } else if (call->size > 0) {
        if (call->http.status == 206)
            return check_range(call, err);
        if (call->http.status == 416 && strcmp(call->error.code, "InvalidRange") == 0)
            return TRY_DONE; /* the object ends before the range */
        if (call->http.status / 100 == 2)
            return unsound(err, "it ignores Range");
    } else if (strcmp(call->http.method, "DELETE") == 0) {
        if (call->http.status == 404 && strcmp(call->error.code, "NoSuchKey") == 0)
            return TRY_DONE;
        if (call->http.status / 100 == 2 && call->http.status != 204)
            return unsound(err, "a removal without status 204");
    } else if (call->http.status == 200 && !s3_reply_is_page(td_buf_view(&call->body))) {
        return unsound(err, "not a whole list");
    }
    return call->http.status / 100 == 2 ? TRY_DONE : explain_status(call, err);
}

static try_end try_once(s3_call *call, td_err *err)
{
    s3_store *store = call->store;
    s3_credentials keys = store->config.keys;
    if (store->role != NULL && s3_role_get(store->role, &keys, err) != TD_OK)
        return TRY_PASSING;
    call->error = (s3_error){.code = ""};
    store->requests++;
    const uint64_t begin_ns = clock_mono_ns(store->clock);
    const s3_http_end sent = send_signed(call, &keys, err);
    const try_end end =
        sent == S3_HTTP_REPLY ? judge_reply(call, err) : explain_transport(sent, err);
    store->sent_bytes += call->http.sent_bytes;
    store->received_bytes += call->http.status == 206 ? call->body.size : 0;
    td_log_emit(store->log, TD_LOG_DEBUG,
                "store: %s %s: status %ld, %" PRIu64 " bytes sent, %zu received, %" PRIu64 " ms",
                call->http.method, call->key, call->http.status, call->http.sent_bytes,
                call->body.size, (clock_mono_ns(store->clock) - begin_ns) / TD_NS_PER_MS);
    return end;
}

/* Wait before try n + 1: 0.5 s, doubled with each try, with jitter, so that clients that failed
 * together do not return together. */
static void wait_before_try(s3_store *store, unsigned n, const td_err *why)
{
    const uint64_t most_ns = FIRST_WAIT_NS << (n - 1);
    pthread_mutex_lock(&store->lock);
    const uint64_t wait_ns = most_ns / 2 + td_random_below(&store->random, most_ns / 2 + 1);
    pthread_mutex_unlock(&store->lock);
    td_log_emit(store->log, TD_LOG_INFO, "store: %s; try %u of %d in %" PRIu64 " ms", why->text,
                n + 1, S3_TRIES, wait_ns / TD_NS_PER_MS);
    const uint64_t until_ns = clock_mono_ns(store->clock) + wait_ns;
    while (clock_mono_ns(store->clock) < until_ns)
        clock_sleep_until(store->clock, until_ns);
}

/* Send a request until it is answered, or the tries are over. */
static td_result perform(s3_call *call, td_err *err)
{
    s3_store *store = call->store;
    const uint64_t begin_ns = clock_mono_ns(store->clock);
    td_err why;
    for (unsigned n = 1;; n++) {
        td_err_clear(&why);
        const try_end end = try_once(call, &why);
        if (end == TRY_DONE)
            return TD_OK;
        const int is_over = n == S3_TRIES || clock_mono_ns(store->clock) - begin_ns >= S3_TRY_NS;
        if (end == TRY_PASSING && !is_over) {
            wait_before_try(store, n, &why);
            continue;
        }
        (void)td_err_pass(err, why.code, &why);
        if (n > 1)
            (void)td_err_add(err, why.code, "tried %u times", n);
        return td_err_add(err, why.code, "cannot %s " S3_SCHEME "%s/%s", call->verb,
                          store->config.bucket,
                          call->key[0] == '\0' ? store->config.prefix : call->key);
    }
}

/* ---- objects ---- */

static td_result begin_call(s3_call *call, s3_store *store, const char *verb, const char *method,
                            const char *key, td_err *err)
{
    *call = (s3_call){.store = store,
                      .verb = verb,
                      .http = {.method = method,
                               .address = store->config.endpoint,
                               .ca_file = store->config.ca_file,
                               .connect_s = CONNECT_S,
                               .whole_s = TRY_S,
                               .body = &call->body}};
    td_buf_init(&call->body, REPLY_BYTES);
    td_buf_init(&call->query, URL_BYTES);
    const int size = snprintf(call->key, sizeof call->key, "%s%s", store->config.prefix, key);
    return *key != '\0' && size <= S3_KEY_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "a key of %zu bytes; a store takes 1 to %d",
                            strlen(key), S3_KEY_BYTES);
}

static void end_call(s3_call *call)
{
    td_buf_fini(&call->query);
    td_buf_fini(&call->body);
}

td_result s3_store_make(s3_store *store, const char *key, const s3_content *content, int *was_there,
                        td_err *err)
{
    s3_call call;
    *was_there = 0;
    if (content->bytes > S3_OBJECT_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "%s has %" PRIu64 " bytes; a store takes %" PRIu64, key,
                          content->bytes, S3_OBJECT_BYTES_MAX);
    td_result rc = begin_call(&call, store, "make", "PUT", key, err);
    call.http.content = content;
    call.http.whole_s += (unsigned)(content->bytes / SLOW_BYTES_PER_S);
    if (rc == TD_OK)
        rc = perform(&call, err);
    if (rc == TD_OK)
        *was_there = call.http.status == 412;
    end_call(&call);
    return rc;
}

td_result s3_store_read(s3_store *store, const char *key, uint64_t at, void *buf, size_t size,
                        size_t *got, td_err *err)
{
    s3_call call;
    *got = 0;
    if (size == 0)
        return TD_OK;
    td_result rc = begin_call(&call, store, "read", "GET", key, err);
    call.from = at;
    call.size = size;
    call.http.whole_s += (unsigned)(size / SLOW_BYTES_PER_S);
    td_buf_init(&call.body, size < REPLY_BYTES ? REPLY_BYTES : size);
    td_buf_grow(&call.body, size);
    if (rc == TD_OK)
        rc = perform(&call, err);
    if (rc == TD_OK && call.http.status == 206) {
        *got = call.body.size;
        memcpy(buf, call.body.data, *got);
    }
    end_call(&call);
    return rc;
}

td_result s3_store_remove(s3_store *store, const char *key, td_err *err)
{
    s3_call call;
    td_result rc = begin_call(&call, store, "remove", "DELETE", key, err);
    if (rc == TD_OK)
        rc = perform(&call, err);
    end_call(&call);
    return rc;
}

/* ---- lists ---- */

typedef struct s3_lister {
    const char *prefix; /* of the store */
    const char *begin;
    s3_object_fn *fn;
    void *user;
    td_result fn_rc;
    char last[S3_KEY_BYTES * 2]; /* latest key, with the prefix */
} s3_lister;

/* Keys that ascend also bound a list that a store repeats for ever. */
static td_result on_object(void *user, const s3_object *object, td_err *err)
{
    s3_lister *lister = user;
    const char *key = object->key;
    const size_t prefix = strlen(lister->prefix);
    if (strncmp(key, lister->prefix, prefix) != 0 ||
        strncmp(key + prefix, lister->begin, strlen(lister->begin)) != 0)
        return td_err_set(err, TD_E_IO, "the store lists '%s', which was not asked for", key);
    if (strcmp(key, lister->last) <= 0)
        return td_err_set(err, TD_E_IO, "the store lists '%s' after '%s': not in order", key,
                          lister->last);
    if (strlen(key + prefix) >= S3_KEY_BYTES)
        return td_err_set(err, TD_E_LIMIT, "the store lists a key of %zu bytes", strlen(key));
    (void)snprintf(lister->last, sizeof lister->last, "%s", key);
    const s3_object below = {key + prefix, object->bytes, object->modified_ns};
    lister->fn_rc = lister->fn(lister->user, &below, err);
    return lister->fn_rc;
}

static void add_param(td_buf *query, const char *name, const char *prefix, const char *value)
{
    td_buf_print(query, "%s%s=", query->size == 0 ? "" : "&", name);
    s3_sign_encode(td_bytes_str(prefix), "", query);
    s3_sign_encode(td_bytes_str(value), "", query);
}

td_result s3_store_list(s3_store *store, const char *begin, const char *after, s3_object_fn *fn,
                        void *user, td_err *err)
{
    const char *prefix = store->config.prefix;
    s3_lister lister = {.prefix = prefix, .begin = begin, .fn = fn, .user = user};
    s3_call call;
    unsigned empty_pages = 0;
    td_result rc = begin_call(&call, store, "list", "GET", *begin == '\0' ? "/" : begin, err);
    if (rc == TD_OK && strlen(prefix) + strlen(after) > S3_KEY_BYTES)
        rc = td_err_set(err, TD_E_INVALID, "a key of %zu bytes", strlen(after));
    if (rc != TD_OK)
        return rc;
    (void)snprintf(lister.last, sizeof lister.last, "%s%s", *after == '\0' ? "" : prefix, after);
    call.key[0] = '\0'; /* the bucket */
    s3_page *page = td_alloc_zero(1, sizeof *page);
    do {
        td_buf_clear(&call.query); /* parameters are sorted by name */
        if (page->is_truncated)
            add_param(&call.query, "continuation-token", "", page->token);
        add_param(&call.query, "list-type", "", "2");
        add_param(&call.query, "prefix", prefix, begin);
        if (!page->is_truncated && *after != '\0')
            add_param(&call.query, "start-after", prefix, after);
        rc = perform(&call, err);
        if (rc != TD_OK)
            break;
        rc = s3_reply_page(td_buf_view(&call.body), on_object, &lister, page, err);
        empty_pages = page->object_count == 0 ? empty_pages + 1 : 0;
        if (rc == TD_OK && empty_pages == EMPTY_PAGES_MAX)
            rc = td_err_set(err, TD_E_IO, "the store's list has %u empty pages", empty_pages);
        if (rc != TD_OK && rc != lister.fn_rc)
            rc = td_err_add(err, TD_E_IO, "cannot list " S3_SCHEME "%s/%s%s", store->config.bucket,
                            prefix, begin);
    } while (rc == TD_OK && page->is_truncated);
    td_free(page);
    end_call(&call);
    return rc;
}
