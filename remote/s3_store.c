#include "remote/s3_store.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/time_text.h"
#include "remote/s3_reply.h"
#include "remote/s3_sign.h"

enum {
    CONNECT_S = 10,
    /* A try ends if fewer bytes than this pass for so long, and after TRY_S plus the time that its
     * content takes at that rate. */
    SLOW_BYTES_PER_S = 16 << 10,
    SLOW_S = 60,
    TRY_S = 120,
    IDLE_MAX = 64,           /* handles that keep a connection: as many as threads */
    PATH_BYTES = 8 << 10,    /* of an encoded path: a key has 1,024 bytes */
    QUERY_BYTES = 64 << 10,  /* of an encoded query: S3_TOKEN_BYTES, and two keys */
    HEADER_BYTES = 64 << 10, /* of a header that is sent */
    EXPECT_BYTES = 1 << 20,  /* content that is sent at once */
    EMPTY_PAGES_MAX = 100,   /* pages without a key that follow each other */
    FIELD_BYTES = 128,       /* of a header that is read */
    HEADERS_MAX = 6,
    PARAMS_MAX = 4,
};

/* Of a reply that is kept: a page of 1,000 keys with 1,024 bytes, each byte an entity. */
#define REPLY_BYTES ((size_t)8 << 20)

/* The interface that curl/curl.h declares. */
#define CURL_LIBRARY "libcurl.so.4"

#define FIRST_WAIT_NS (TD_NS_PER_S / 2)

static const char EMPTY_SHA256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* libcurl's functions, loaded when a store is first used. Linked, it and the thirty libraries that
 * it needs would make each start of any program several times as long. Each as in libcurl, without
 * "curl_". */
typedef struct curl_library {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *handle);
    void (*easy_reset)(CURL *handle);
    CURLcode (*easy_setopt)(CURL *handle, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *handle, CURLINFO info, ...);
    CURLcode (*easy_perform)(CURL *handle);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
} curl_library;

struct s3_store {
    s3_config config;
    const td_log *log;
    td_clock clock;
    curl_library curl;
    pthread_mutex_t lock; /* of what follows */
    td_random random;
    size_t idle_count;
    CURL *idle[IDLE_MAX];
    _Atomic uint64_t requests, sent_bytes, received_bytes;
};

/* A request, and its reply. */
typedef struct s3_call {
    s3_store *store;
    const char *method;
    char key[S3_KEY_BYTES * 2]; /* with the prefix; "": the bucket */
    s3_pair params[PARAMS_MAX];
    size_t param_count;
    const s3_content *content; /* of a PUT */
    uint8_t *into;             /* of a read */
    uint64_t into_at;
    size_t into_size;

    /* One try. */
    CURL *handle;
    uint64_t sent;
    td_result source_rc; /* of the content's source */
    td_err source_err;
    td_buf body; /* a reply that is not a read's content */
    size_t got;  /* of `into` */
    uint8_t is_too_long;
    long status;
    char content_range[FIELD_BYTES];
    char region[FIELD_BYTES];
    char etag[FIELD_BYTES];
    s3_error error;
    char transport[CURL_ERROR_SIZE]; /* libcurl's reason */
} s3_call;

/* ---- opening ---- */

/* Load and start libcurl, which stays loaded. Any thread: libcurl counts its starts. TD_E_NOTFOUND,
 * with a hint: it is not installed. */
static td_result curl_library_load(curl_library *out, td_err *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } FUNCTIONS[] = {
        {"curl_global_init", offsetof(curl_library, global_init)},
        {"curl_easy_init", offsetof(curl_library, easy_init)},
        {"curl_easy_cleanup", offsetof(curl_library, easy_cleanup)},
        {"curl_easy_reset", offsetof(curl_library, easy_reset)},
        {"curl_easy_setopt", offsetof(curl_library, easy_setopt)},
        {"curl_easy_getinfo", offsetof(curl_library, easy_getinfo)},
        {"curl_easy_perform", offsetof(curl_library, easy_perform)},
        {"curl_easy_strerror", offsetof(curl_library, easy_strerror)},
        {"curl_slist_append", offsetof(curl_library, slist_append)},
        {"curl_slist_free_all", offsetof(curl_library, slist_free_all)},
    };
    _Static_assert(sizeof FUNCTIONS / sizeof FUNCTIONS[0] * sizeof(void *) == sizeof *out,
                   "each function has a name");
    void *library = dlopen(CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    void *function = library;
    for (size_t i = 0; function != NULL && i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
        function = dlsym(library, FUNCTIONS[i].name);
        memcpy((char *)out + FUNCTIONS[i].offset, &function, sizeof function);
    }
    if (function == NULL) {
        const char *why = dlerror();
        td_result rc = td_err_set(err, TD_E_NOTFOUND, "libcurl cannot be loaded: %s",
                                  why == NULL ? CURL_LIBRARY : why);
        td_err_hint(err, "install it: apt-get install libcurl4");
        return rc;
    }
    if (out->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        td_out_of_memory(0);
    return TD_OK;
}

td_result s3_store_open(const s3_options *options, s3_store **out, td_err *err)
{
    *out = NULL;
    s3_store *store = td_alloc_zero(1, sizeof *store);
    store->log = options->log;
    store->clock = options->clock == NULL ? clock_real() : *options->clock;
    pthread_mutex_init(&store->lock, NULL);
    td_result rc = s3_config_read(options->url, &store->config, err);
    if (rc == TD_OK)
        rc = curl_library_load(&store->curl, err);
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
    for (size_t i = 0; i < store->idle_count; i++)
        store->curl.easy_cleanup(store->idle[i]);
    pthread_mutex_destroy(&store->lock);
    s3_config_fini(&store->config);
    td_free(store);
}

s3_traffic s3_store_traffic(const s3_store *store)
{
    return (s3_traffic){
        .requests = atomic_load_explicit(&store->requests, memory_order_relaxed),
        .sent_bytes = atomic_load_explicit(&store->sent_bytes, memory_order_relaxed),
        .received_bytes = atomic_load_explicit(&store->received_bytes, memory_order_relaxed),
    };
}

static void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

/* ---- handles ---- */

static CURL *acquire_handle(s3_store *store)
{
    pthread_mutex_lock(&store->lock);
    CURL *handle = store->idle_count == 0 ? NULL : store->idle[--store->idle_count];
    pthread_mutex_unlock(&store->lock);
    if (handle == NULL)
        handle = store->curl.easy_init();
    if (handle == NULL)
        td_out_of_memory(0);
    return handle;
}

/* Keep a handle with its connection. Only after a complete exchange: libcurl before 8.3 may reuse a
 * connection on which a part of a request was not sent. */
static void release_handle(s3_store *store, CURL *handle, int is_sound)
{
    store->curl.easy_reset(handle); /* before another thread may use it */
    pthread_mutex_lock(&store->lock);
    const int is_kept = is_sound && store->idle_count < IDLE_MAX;
    if (is_kept)
        store->idle[store->idle_count++] = handle;
    pthread_mutex_unlock(&store->lock);
    if (!is_kept)
        store->curl.easy_cleanup(handle);
}

/* ---- one try ---- */

static size_t on_source(char *buf, size_t size, size_t count_of, void *user)
{
    s3_call *call = user;
    const s3_content *content = call->content;
    const uint64_t left = content->bytes - call->sent;
    const size_t most = size * count_of < left ? size * count_of : (size_t)left;
    size_t got = 0;
    if (most == 0)
        return 0;
    call->source_rc = content->read(content->user, call->sent, buf, most, &got, &call->source_err);
    if (call->source_rc == TD_OK && got == 0)
        call->source_rc = td_err_set(&call->source_err, TD_E_TRUNCATED,
                                     "the content ends after %" PRIu64 " of %" PRIu64 " bytes",
                                     call->sent, content->bytes);
    if (call->source_rc != TD_OK)
        return CURL_READFUNC_ABORT;
    TD_ASSERT(got <= most);
    call->sent += got;
    count(&call->store->sent_bytes, got);
    return got;
}

/* A request on a kept connection that the store has closed is sent again by libcurl itself. */
static int on_seek(void *user, curl_off_t at, int origin)
{
    s3_call *call = user;
    if (origin != SEEK_SET || at != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    call->sent = 0;
    return CURL_SEEKFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t count_of, void *user)
{
    s3_call *call = user;
    const size_t bytes = size * count_of;
    long status = 0;
    call->store->curl.easy_getinfo(call->handle, CURLINFO_RESPONSE_CODE, &status);
    if (status == 206 && call->into != NULL) {
        call->is_too_long = bytes > call->into_size - call->got;
        if (call->is_too_long)
            return 0;
        memcpy(call->into + call->got, data, bytes);
        call->got += bytes;
        count(&call->store->received_bytes, bytes);
        return bytes;
    }
    call->is_too_long = td_buf_append(&call->body, data, bytes, NULL) != TD_OK;
    return call->is_too_long ? 0 : bytes;
}

static size_t on_header(char *data, size_t size, size_t count_of, void *user)
{
    s3_call *call = user;
    td_bytes value = td_bytes_of(data, size * count_of);
    td_bytes name = td_bytes_of(NULL, 0);
    (void)td_bytes_next(&value, ':', &name); /* other lines have no value */
    while (value.size > 0 && value.data[value.size - 1] <= ' ')
        value.size--;
    while (value.size > 0 && value.data[0] == ' ')
        value = td_bytes_of(value.data + 1, value.size - 1);
    const struct {
        const char *name;
        char *value;
    } fields[] = {
        {"content-range", call->content_range},
        {"x-amz-bucket-region", call->region},
        {"etag", call->etag},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (value.size == 0 || name.size != strlen(fields[i].name) ||
            strncasecmp((const char *)name.data, fields[i].name, name.size) != 0)
            continue;
        const size_t most = value.size < FIELD_BYTES ? value.size : FIELD_BYTES - 1;
        memcpy(fields[i].value, value.data, most);
        fields[i].value[most] = '\0';
    }
    return size * count_of;
}

static void add_header(const curl_library *curl, struct curl_slist **list, const char *name,
                       td_bytes value)
{
    td_buf line;
    td_buf_init(&line, HEADER_BYTES);
    td_buf_add(&line, name, strlen(name));
    td_buf_add(&line, ": ", 2);
    td_buf_add(&line, value.data, value.size);
    td_buf_add(&line, "", 1);
    struct curl_slist *next = curl->slist_append(*list, (const char *)line.data);
    explicit_bzero(line.data, line.size);
    td_buf_fini(&line);
    if (next == NULL)
        td_out_of_memory(0);
    *list = next;
}

static void set_url(const s3_call *call, td_bytes path, td_bytes query)
{
    td_buf url;
    td_buf_init(&url, PATH_BYTES + QUERY_BYTES);
    const char *endpoint = call->store->config.endpoint;
    td_buf_add(&url, endpoint, strlen(endpoint));
    td_buf_add(&url, path.data, path.size);
    td_buf_add(&url, "?", query.size > 0);
    td_buf_add(&url, query.data, query.size);
    td_buf_add(&url, "", 1);
    if (call->store->curl.easy_setopt(call->handle, CURLOPT_URL, url.data) != CURLE_OK)
        td_out_of_memory(0);
    td_buf_fini(&url);
}

/* Set the URL, and return the headers, signed for now. The caller frees the list. */
static struct curl_slist *sign(s3_call *call)
{
    const s3_config *config = &call->store->config;
    td_buf path;
    td_buf query;
    td_buf authorization;
    td_buf_init(&path, PATH_BYTES);
    td_buf_init(&query, QUERY_BYTES);
    td_buf_init(&authorization, HEADER_BYTES);
    td_buf_add(&path, config->bucket_path, strlen(config->bucket_path));
    td_buf_add(&path, "/", call->key[0] != '\0' || path.size == 0);
    s3_sign_encode(td_bytes_str(call->key), "/", &path);
    s3_sign_sort(call->params, call->param_count);
    s3_sign_query(call->params, call->param_count, &query);

    char date[TD_TIME_TEXT_BYTES];
    td_time_format_compact(clock_wall_ns(call->store->clock), date);
    char range[64];
    s3_pair headers[HEADERS_MAX] = {
        {"host", config->host},
        {"x-amz-date", date},
        {"x-amz-content-sha256", call->content == NULL ? EMPTY_SHA256 : call->content->sha256},
    };
    size_t header_count = 3;
    if (config->token != NULL)
        headers[header_count++] = (s3_pair){"x-amz-security-token", config->token};
    if (call->content != NULL)
        headers[header_count++] = (s3_pair){"if-none-match", "*"};
    if (call->into != NULL) {
        (void)snprintf(range, sizeof range, "bytes=%" PRIu64 "-%" PRIu64, call->into_at,
                       call->into_at + call->into_size - 1);
        headers[header_count++] = (s3_pair){"range", range};
    }
    TD_ASSERT(header_count <= HEADERS_MAX);
    s3_sign_sort(headers, header_count);
    const s3_request request = {
        .method = call->method,
        .path = td_buf_view(&path),
        .query = td_buf_view(&query),
        .headers = headers,
        .header_count = header_count,
    };
    s3_sign_authorization(&request, config->region, config->key_id, config->secret, &authorization);
    struct curl_slist *list = NULL;
    for (size_t i = 0; i < header_count; i++)
        add_header(&call->store->curl, &list, headers[i].name, td_bytes_str(headers[i].value));
    add_header(&call->store->curl, &list, "authorization", td_buf_view(&authorization));
    /* Only large contents wait for the store's consent (100 Continue). */
    if (call->content != NULL && call->content->bytes <= EXPECT_BYTES)
        add_header(&call->store->curl, &list, "expect", td_bytes_of(NULL, 0));
    set_url(call, request.path, request.query);
    td_buf_fini(&authorization);
    td_buf_fini(&query);
    td_buf_fini(&path);
    return list;
}

static void set_options(s3_call *call, struct curl_slist *headers)
{
    CURL *handle = call->handle;
    const curl_library *curl = &call->store->curl;
    const uint64_t bytes = call->content != NULL ? call->content->bytes : call->into_size;
    curl->easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl->easy_setopt(handle, CURLOPT_ERRORBUFFER, call->transport);
    curl->easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L); /* "." in a key is signed as it is */
    curl->easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl->easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl->easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES_PER_S);
    curl->easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
    curl->easy_setopt(handle, CURLOPT_TIMEOUT, (long)(TRY_S + bytes / SLOW_BYTES_PER_S));
    curl->easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(handle, CURLOPT_WRITEDATA, call);
    curl->easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(handle, CURLOPT_HEADERDATA, call);
    if (call->store->config.ca_file != NULL)
        curl->easy_setopt(handle, CURLOPT_CAINFO, call->store->config.ca_file);
    if (call->content == NULL)
        return;
    curl->easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl->easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)bytes);
    curl->easy_setopt(handle, CURLOPT_READFUNCTION, on_source);
    curl->easy_setopt(handle, CURLOPT_READDATA, call);
    curl->easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_seek);
    curl->easy_setopt(handle, CURLOPT_SEEKDATA, call);
}

/* Send. Writes of OpenSSL to a closed socket raise SIGPIPE (libcurl before 7.87), which would end
 * the program: it is blocked in this thread, and one that arrived is removed. */
static CURLcode send_request(const s3_call *call)
{
    sigset_t pipe_only;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    CURLcode code = call->store->curl.easy_perform(call->handle);
    const struct timespec now = {0, 0};
    if (!sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe_only, NULL, &now) == SIGPIPE)
            continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
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
     "allow these credentials s3:ListBucket, s3:GetObject and s3:PutObject for this bucket"},
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
    const char *region = call->error.region[0] != '\0' ? call->error.region : call->region;
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
    td_result result = call->status == 507 ? TD_E_NOSPACE : TD_E_IO;
    try_end end = end_of_status(call->status);
    const char *hint = NULL;
    for (size_t i = 0; i < sizeof ERRORS / sizeof ERRORS[0]; i++) {
        if (strcmp(error->code, ERRORS[i].code) != 0)
            continue;
        result = ERRORS[i].result;
        end = ERRORS[i].end == TRY_PASSING ? TRY_PASSING : end;
        hint = ERRORS[i].hint;
    }
    (void)td_err_set(err, result, "the store replies %ld%s%s%s%s", call->status,
                     error->code[0] == '\0' ? "" : " ", error->code,
                     error->message[0] == '\0' ? "" : ": ", error->message);
    if (hint != NULL)
        td_err_hint(err, "%s", hint);
    else if (call->status / 100 == 3 || error->region[0] != '\0')
        hint_address(call, err);
    else if (error->code[0] == '\0' && end == TRY_FINAL)
        td_err_hint(err, "check that AWS_ENDPOINT_URL is the address of an S3 store: %s",
                    call->store->config.endpoint);
    return end;
}

static try_end explain_transport(s3_call *call, CURLcode code, td_err *err)
{
    const char *endpoint = call->store->config.endpoint;
    long number = 0;
    if (code == CURLE_OUT_OF_MEMORY)
        td_out_of_memory(0);
    if (call->source_rc != TD_OK) {
        (void)td_err_pass(err, call->source_rc, &call->source_err);
        return TRY_FINAL;
    }
    if (call->is_too_long) {
        (void)td_err_set(err, TD_E_IO, "the store's reply is longer than asked for");
        return TRY_PASSING;
    }
    /* libcurl's reason may have the password of a proxy, except for certificates. */
    const int is_untrusted =
        code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
    call->store->curl.easy_getinfo(call->handle, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number != 0)
        (void)td_err_set_os(err, (int)number, "no connection to %s", endpoint);
    else
        (void)td_err_set(err, TD_E_IO, "no reply from %s: %s", endpoint,
                         is_untrusted && call->transport[0] != '\0'
                             ? call->transport
                             : call->store->curl.easy_strerror(code));
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT)
        td_err_hint(err, "check AWS_ENDPOINT_URL or AWS_REGION, and the network");
    if (!is_untrusted)
        return TRY_PASSING;
    td_err_hint(err,
                "set AWS_CA_BUNDLE to a file with the certificate of the authority that signed "
                "the store's");
    return TRY_FINAL;
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
    td_bytes rest = td_bytes_str(call->content_range);
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
    if (!is_read || first != call->into_at || last - first + 1 != call->got || last >= size)
        return unsound(err, "another range than was asked for");
    if (call->got < call->into_size && last + 1 != size)
        return unsound(err, "less than was asked for");
    return TRY_DONE;
}

static try_end judge_reply(s3_call *call, td_err *err)
{
    if (call->status / 100 != 2)
        s3_reply_error(td_buf_view(&call->body), &call->error);
    if (call->content != NULL) {
        if (call->status == 412 && strcmp(call->error.code, "PreconditionFailed") == 0)
            return TRY_DONE;
        if (call->status / 100 == 2 && call->etag[0] == '\0')
            return unsound(err, "an object without an ETag");
    } else if (call->into != NULL) {
        if (call->status == 206)
            return check_range(call, err);
        if (call->status == 416 && strcmp(call->error.code, "InvalidRange") == 0)
            return TRY_DONE; /* the object ends before the range */
        if (call->status / 100 == 2)
            return unsound(err, "it ignores Range");
    } else if (call->status == 200 && !s3_reply_is_page(td_buf_view(&call->body))) {
        return unsound(err, "not a whole list");
    }
    return call->status / 100 == 2 ? TRY_DONE : explain_status(call, err);
}

static try_end try_once(s3_call *call, td_err *err)
{
    s3_store *store = call->store;
    call->sent = 0;
    call->got = 0;
    call->source_rc = TD_OK;
    call->is_too_long = 0;
    call->status = 0;
    call->content_range[0] = call->region[0] = call->etag[0] = '\0';
    call->error = (s3_error){.code = ""};
    td_buf_clear(&call->body);
    call->handle = acquire_handle(store);
    struct curl_slist *headers = sign(call);
    set_options(call, headers);
    count(&store->requests, 1);
    const uint64_t begin_ns = clock_mono_ns(store->clock);
    CURLcode code = send_request(call);
    try_end end = TRY_FINAL;
    call->store->curl.easy_getinfo(call->handle, CURLINFO_RESPONSE_CODE, &call->status);
    if (code == CURLE_OK)
        end = judge_reply(call, err);
    else
        end = explain_transport(call, code, err);
    td_log_emit(store->log, TD_LOG_DEBUG,
                "store: %s %s: status %ld, %" PRIu64 " bytes sent, %zu received, %" PRIu64 " ms",
                call->method, call->key, call->status, call->sent, call->got + call->body.size,
                (clock_mono_ns(store->clock) - begin_ns) / TD_NS_PER_MS);
    release_handle(store, call->handle, code == CURLE_OK && call->status / 100 == 2);
    store->curl.slist_free_all(headers);
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
        const char *verb = call->content != NULL ? "make" : call->into != NULL ? "read" : "list";
        if (n > 1)
            (void)td_err_add(err, why.code, "tried %u times", n);
        return td_err_add(err, why.code, "cannot %s " S3_SCHEME "%s/%s", verb, store->config.bucket,
                          call->key[0] == '\0' ? store->config.prefix : call->key);
    }
}

/* ---- objects ---- */

static td_result begin_call(s3_call *call, s3_store *store, const char *method, const char *key,
                            td_err *err)
{
    *call = (s3_call){.store = store, .method = method};
    td_buf_init(&call->body, REPLY_BYTES);
    const int size = snprintf(call->key, sizeof call->key, "%s%s", store->config.prefix, key);
    return *key != '\0' && size <= S3_KEY_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "a key of %zu bytes; a store takes 1 to %d",
                            strlen(key), S3_KEY_BYTES);
}

td_result s3_store_make(s3_store *store, const char *key, const s3_content *content, int *was_there,
                        td_err *err)
{
    s3_call call;
    *was_there = 0;
    if (content->bytes > S3_OBJECT_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "%s has %" PRIu64 " bytes; a store takes %" PRIu64, key,
                          content->bytes, S3_OBJECT_BYTES_MAX);
    td_result rc = begin_call(&call, store, "PUT", key, err);
    call.content = content;
    if (rc == TD_OK)
        rc = perform(&call, err);
    if (rc == TD_OK)
        *was_there = call.status == 412;
    td_buf_fini(&call.body);
    return rc;
}

td_result s3_store_read(s3_store *store, const char *key, uint64_t at, void *buf, size_t size,
                        size_t *got, td_err *err)
{
    s3_call call;
    *got = 0;
    if (size == 0)
        return TD_OK;
    td_result rc = begin_call(&call, store, "GET", key, err);
    call.into = buf;
    call.into_at = at;
    call.into_size = size;
    if (rc == TD_OK)
        rc = perform(&call, err);
    if (rc == TD_OK)
        *got = call.got;
    td_buf_fini(&call.body);
    return rc;
}

/* ---- lists ---- */

typedef struct s3_lister {
    const char *prefix; /* of the store */
    const char *begin;
    s3_list_fn *fn;
    void *user;
    td_result fn_rc;
    char last[S3_KEY_BYTES * 2]; /* latest key, with the prefix */
} s3_lister;

/* Keys that ascend also bound a list that a store repeats for ever. */
static td_result on_object(void *user, const char *key, uint64_t bytes, td_err *err)
{
    s3_lister *lister = user;
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
    lister->fn_rc = lister->fn(lister->user, key + prefix, bytes, err);
    return lister->fn_rc;
}

td_result s3_store_list(s3_store *store, const char *begin, const char *after, s3_list_fn *fn,
                        void *user, td_err *err)
{
    const char *prefix = store->config.prefix;
    s3_lister lister = {.prefix = prefix, .begin = begin, .fn = fn, .user = user};
    char from[S3_KEY_BYTES * 2];
    s3_call call;
    td_result rc = begin_call(&call, store, "GET", *begin == '\0' ? "/" : begin, err);
    if (rc == TD_OK && strlen(prefix) + strlen(after) > S3_KEY_BYTES)
        rc = td_err_set(err, TD_E_INVALID, "a key of %zu bytes", strlen(after));
    if (rc != TD_OK)
        return rc;
    (void)snprintf(from, sizeof from, "%s%s", prefix, begin);
    (void)snprintf(lister.last, sizeof lister.last, "%s%s", *after == '\0' ? "" : prefix, after);
    call.key[0] = '\0'; /* the bucket */
    s3_page *page = td_alloc_zero(1, sizeof *page);
    unsigned empty_pages = 0;
    do {
        call.param_count = 0;
        call.params[call.param_count++] = (s3_pair){"list-type", "2"};
        call.params[call.param_count++] = (s3_pair){"prefix", from};
        if (page->is_truncated)
            call.params[call.param_count++] = (s3_pair){"continuation-token", page->token};
        else if (lister.last[0] != '\0')
            call.params[call.param_count++] = (s3_pair){"start-after", lister.last};
        rc = perform(&call, err);
        if (rc != TD_OK)
            break;
        rc = s3_reply_page(td_buf_view(&call.body), on_object, &lister, page, err);
        empty_pages = page->object_count == 0 ? empty_pages + 1 : 0;
        if (rc == TD_OK && empty_pages == EMPTY_PAGES_MAX)
            rc = td_err_set(err, TD_E_IO, "the store's list has %u empty pages", empty_pages);
        if (rc != TD_OK && rc != lister.fn_rc)
            rc = td_err_add(err, TD_E_IO, "cannot list " S3_SCHEME "%s/%s", store->config.bucket,
                            from);
    } while (rc == TD_OK && page->is_truncated);
    td_free(page);
    td_buf_fini(&call.body);
    return rc;
}
