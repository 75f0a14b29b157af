#include "remote/s3_http.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "base/alloc.h"

enum {
    /* A request ends if fewer bytes than this pass for so long. */
    SLOW_BYTES_PER_S = 16 << 10,
    SLOW_S = 60,
    IDLE_MAX = 64,           /* handles that keep a connection: as many as threads */
    HEADER_BYTES = 64 << 10, /* of a header that is sent */
    EXPECT_BYTES = 1 << 20,  /* content that is sent at once */
};

/* The interface that curl/curl.h declares. */
#define CURL_LIBRARY "libcurl.so.4"

/* The functions that are used, without "curl_". */
#define FUNCTIONS(DO)                                                                              \
    DO(global_init)                                                                                \
    DO(easy_init)                                                                                  \
    DO(easy_cleanup)                                                                               \
    DO(easy_reset)                                                                                 \
    DO(easy_setopt)                                                                                \
    DO(easy_getinfo)                                                                               \
    DO(easy_perform)                                                                               \
    DO(easy_strerror)                                                                              \
    DO(slist_append)                                                                               \
    DO(slist_free_all)
#define AS_MEMBER(name) __typeof__(curl_##name) *name; // NOLINT(bugprone-macro-parentheses)
#define AS_ROW(name)    {"curl_" #name, offsetof(curl_library, name)},

/* libcurl's functions, loaded when they are first used. Linked, it and the thirty libraries that it
 * needs would make each start of any program several times as long. */
typedef struct curl_library {
    FUNCTIONS(AS_MEMBER)
} curl_library;

struct s3_http {
    curl_library curl;
    pthread_mutex_t lock; /* of what follows */
    size_t idle_count;
    CURL *idle[IDLE_MAX];
};

/* An exchange while libcurl performs it. */
typedef struct transfer {
    s3_exchange *of;
    const curl_library *curl;
    CURL *handle;
    struct curl_slist *headers;
    uint64_t content_at;
    td_result content_rc;
    td_err content_err;
    uint8_t is_too_long;
    char reason[CURL_ERROR_SIZE]; /* libcurl's */
} transfer;

/* ---- libcurl ---- */

/* Load and start libcurl. Any thread: libcurl counts its starts. */
static td_result curl_library_load(curl_library *out, td_err *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } ROWS[] = {FUNCTIONS(AS_ROW)};
    void *library = dlopen(CURL_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    void *function = library;
    for (size_t i = 0; function != NULL && i < sizeof ROWS / sizeof ROWS[0]; i++) {
        function = dlsym(library, ROWS[i].name);
        memcpy((char *)out + ROWS[i].offset, &function, sizeof function);
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

td_result s3_http_open(s3_http **out, td_err *err)
{
    s3_http *http = td_alloc_zero(1, sizeof *http);
    *out = NULL;
    td_result rc = curl_library_load(&http->curl, err);
    if (rc != TD_OK) {
        td_free(http);
        return rc;
    }
    pthread_mutex_init(&http->lock, NULL);
    *out = http;
    return TD_OK;
}

void s3_http_close(s3_http *http)
{
    if (http == NULL)
        return;
    for (size_t i = 0; i < http->idle_count; i++)
        http->curl.easy_cleanup(http->idle[i]);
    pthread_mutex_destroy(&http->lock);
    td_free(http);
}

/* ---- handles ---- */

static CURL *acquire_handle(s3_http *http)
{
    pthread_mutex_lock(&http->lock);
    CURL *handle = http->idle_count == 0 ? NULL : http->idle[--http->idle_count];
    pthread_mutex_unlock(&http->lock);
    if (handle == NULL)
        handle = http->curl.easy_init();
    if (handle == NULL)
        td_out_of_memory(0);
    return handle;
}

/* Keep a handle with its connection. Only after a complete exchange: libcurl before 8.3 may reuse a
 * connection on which a part of a request was not sent. */
static void release_handle(s3_http *http, CURL *handle, int is_sound)
{
    http->curl.easy_reset(handle); /* before another thread may use it */
    pthread_mutex_lock(&http->lock);
    const int is_kept = is_sound && http->idle_count < IDLE_MAX;
    if (is_kept)
        http->idle[http->idle_count++] = handle;
    pthread_mutex_unlock(&http->lock);
    if (!is_kept)
        http->curl.easy_cleanup(handle);
}

/* ---- what libcurl calls ---- */

static size_t on_content(char *buf, size_t size, size_t count_of, void *user)
{
    transfer *t = user;
    const s3_content *content = t->of->content;
    const uint64_t left = content->bytes - t->content_at;
    const size_t bytes = size * count_of < left ? size * count_of : (size_t)left;
    if (content->file == NULL && bytes > 0)
        memcpy(buf, content->data + t->content_at, bytes);
    else if (bytes > 0)
        t->content_rc = td_io_read_exact(content->file, content->from + t->content_at, buf, bytes,
                                         &t->content_err);
    if (t->content_rc != TD_OK)
        return CURL_READFUNC_ABORT;
    t->content_at += bytes;
    t->of->sent_bytes += bytes;
    return bytes;
}

/* A request on a kept connection that the peer has closed is sent again by libcurl itself. */
static int on_seek(void *user, curl_off_t at, int origin)
{
    transfer *t = user;
    if (origin != SEEK_SET || at != 0)
        return CURL_SEEKFUNC_CANTSEEK;
    t->content_at = 0;
    return CURL_SEEKFUNC_OK;
}

static size_t on_body(char *data, size_t size, size_t count_of, void *user)
{
    transfer *t = user;
    t->is_too_long = td_buf_append(t->of->body, data, size * count_of, NULL) != TD_OK;
    return t->is_too_long ? 0 : size * count_of;
}

static size_t on_header(char *data, size_t size, size_t count_of, void *user)
{
    const transfer *t = user;
    const struct {
        const char *name;
        char *value;
    } fields[] = {
        {"content-range:", t->of->content_range},
        {"x-amz-bucket-region:", t->of->region},
        {"etag:", t->of->etag},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        size_t begin = strlen(fields[i].name);
        size_t end = size * count_of;
        if (end < begin || strncasecmp(data, fields[i].name, begin) != 0)
            continue;
        while (begin < end && data[begin] == ' ')
            begin++;
        while (end > begin && (uint8_t)data[end - 1] <= ' ')
            end--;
        (void)snprintf(fields[i].value, S3_FIELD_BYTES, "%.*s", (int)(end - begin), data + begin);
    }
    return size * count_of;
}

/* ---- one request ---- */

static void add_header(transfer *t, const char *name, const char *value)
{
    td_buf line;
    td_buf_init(&line, HEADER_BYTES);
    td_buf_print(&line, "%s: %s", name, value);
    td_buf_add(&line, "", 1);
    t->headers = t->curl->slist_append(t->headers, (const char *)line.data);
    td_buf_fini(&line);
    if (t->headers == NULL)
        td_out_of_memory(0);
}

static void set_options(transfer *t)
{
    const s3_exchange *exchange = t->of;
    const curl_library *curl = t->curl;
    CURL *handle = t->handle;
    if (curl->easy_setopt(handle, CURLOPT_URL, exchange->url) != CURLE_OK)
        td_out_of_memory(0);
    curl->easy_setopt(handle, CURLOPT_HTTPHEADER, t->headers);
    curl->easy_setopt(handle, CURLOPT_ERRORBUFFER, t->reason);
    curl->easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L); /* "." in a key is signed as it is */
    curl->easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl->easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, (long)exchange->connect_s);
    curl->easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES_PER_S);
    curl->easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)SLOW_S);
    curl->easy_setopt(handle, CURLOPT_TIMEOUT, (long)exchange->whole_s);
    curl->easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(handle, CURLOPT_WRITEDATA, t);
    curl->easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(handle, CURLOPT_HEADERDATA, t);
    if (exchange->ca_file[0] != '\0')
        curl->easy_setopt(handle, CURLOPT_CAINFO, exchange->ca_file);
    if (exchange->is_direct)
        curl->easy_setopt(handle, CURLOPT_NOPROXY, "*");
    if (exchange->content == NULL) {
        curl->easy_setopt(handle, CURLOPT_CUSTOMREQUEST, exchange->method);
        return;
    }
    curl->easy_setopt(handle, CURLOPT_UPLOAD, 1L);
    curl->easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)exchange->content->bytes);
    curl->easy_setopt(handle, CURLOPT_READFUNCTION, on_content);
    curl->easy_setopt(handle, CURLOPT_READDATA, t);
    curl->easy_setopt(handle, CURLOPT_SEEKFUNCTION, on_seek);
    curl->easy_setopt(handle, CURLOPT_SEEKDATA, t);
}

/* Perform. Writes of OpenSSL to a closed socket raise SIGPIPE (libcurl before 7.87), which would
 * end the program: it is blocked in this thread, and one that arrived is removed. */
static CURLcode perform(const transfer *t)
{
    sigset_t pipe_only;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    CURLcode code = t->curl->easy_perform(t->handle);
    const struct timespec now = {0, 0};
    if (!sigismember(&pending, SIGPIPE))
        while (sigtimedwait(&pipe_only, NULL, &now) == SIGPIPE)
            continue;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static s3_http_end explain(const transfer *t, CURLcode code, td_err *err)
{
    const char *address = t->of->address;
    long number = 0;
    if (code == CURLE_OUT_OF_MEMORY)
        td_out_of_memory(0);
    if (t->content_rc != TD_OK) {
        (void)td_err_pass(err, t->content_rc, &t->content_err);
        return S3_HTTP_NO_CONTENT;
    }
    if (t->is_too_long) {
        (void)td_err_set(err, TD_E_IO, "the reply is longer than asked for");
        return S3_HTTP_BROKEN;
    }
    /* libcurl's reason may have the password of a proxy, except for certificates. */
    const int is_untrusted =
        code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE;
    t->curl->easy_getinfo(t->handle, CURLINFO_OS_ERRNO, &number);
    if (code == CURLE_COULDNT_CONNECT && number != 0)
        (void)td_err_set_os(err, (int)number, "no connection to %s", address);
    else
        (void)td_err_set(err, TD_E_IO, "no reply from %s: %s", address,
                         is_untrusted && t->reason[0] != '\0' ? t->reason
                                                              : t->curl->easy_strerror(code));
    if (is_untrusted) {
        td_err_hint(err, "set AWS_CA_BUNDLE to a file with the certificate of the authority that "
                         "signed the store's");
        return S3_HTTP_UNTRUSTED;
    }
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ? S3_HTTP_UNREACHED
                                                                               : S3_HTTP_BROKEN;
}

s3_http_end s3_http_send(s3_http *http, s3_exchange *exchange, td_err *err)
{
    transfer t = {.of = exchange, .curl = &http->curl};
    exchange->status = 0;
    exchange->sent_bytes = 0;
    exchange->content_range[0] = exchange->region[0] = exchange->etag[0] = '\0';
    td_buf_clear(exchange->body);
    for (size_t i = 0; i < exchange->header_count; i++)
        add_header(&t, exchange->headers[i].name, exchange->headers[i].value);
    /* Only large contents wait for the peer's consent (100 Continue). */
    if (exchange->content != NULL && exchange->content->bytes <= EXPECT_BYTES)
        add_header(&t, "expect", "");
    t.handle = acquire_handle(http);
    set_options(&t);
    CURLcode code = perform(&t);
    http->curl.easy_getinfo(t.handle, CURLINFO_RESPONSE_CODE, &exchange->status);
    s3_http_end end = code == CURLE_OK ? S3_HTTP_REPLY : explain(&t, code, err);
    release_handle(http, t.handle, code == CURLE_OK && exchange->status / 100 == 2);
    http->curl.slist_free_all(t.headers);
    return end;
}
