/* Requests to a scripted store: which replies are final, which are tried again, and what the errors
 * tell. Waits take no time (clock_sim.h). tests/e2e uses a real store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/time_text.h"
#include "remote/s3_store.h"
#include "tests/testing/clock_sim.h"
#include "tests/testing/files.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG"
#define TOKEN  "FwoGZXIvYXdzE"

enum {
    REPLIES_MAX = 8,
    HEAD_BYTES = 16384,
    ALL_BYTES = REPLIES_MAX * HEAD_BYTES,
    KEYS_BYTES = 1024,
    CONTENT_BYTES = 5
};

/* ---- the store ---- */

typedef struct reply {
    const char *head; /* after "HTTP/1.1 "; NULL: closes without a reply */
    const char *body;
    int missing_bytes; /* of the body, although they are announced */
} reply;

typedef struct scripted_store {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    const reply *replies; /* the last one that has a body repeats */
    unsigned request_count;
    char head[HEAD_BYTES]; /* of the latest request, with its body */
    char all[ALL_BYTES];   /* heads of all requests, as many as fit */
} scripted_store;

static void serve(scripted_store *store, int peer)
{
    char head[HEAD_BYTES] = "";
    size_t size = 0;
    size_t whole = SIZE_MAX;
    while (size < whole) {
        ssize_t got = read(peer, head + size, HEAD_BYTES - 1 - size);
        if (got <= 0)
            return;
        size += (size_t)got;
        head[size] = '\0';
        const char *end = strstr(head, "\r\n\r\n");
        const char *length = strcasestr(head, "\r\ncontent-length: ");
        if (end != NULL)
            whole =
                (size_t)(end + 4 - head) + (length == NULL ? 0 : strtoul(length + 18, NULL, 10));
    }
    pthread_mutex_lock(&store->lock);
    memcpy(store->head, head, size + 1);
    if (strlen(store->all) + size < ALL_BYTES)
        memcpy(store->all + strlen(store->all), head, size + 1);
    const reply *replies = store->replies;
    unsigned last = 0;
    while (last < store->request_count && last + 1 < REPLIES_MAX && replies[last + 1].body != NULL)
        last++;
    store->request_count++;
    const reply *answer = &replies[last];
    pthread_mutex_unlock(&store->lock);
    if (answer->head == NULL)
        return;
    char *text = NULL;
    int length =
        asprintf(&text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                 answer->head, strlen(answer->body), answer->body);
    ssize_t sent = write(peer, text, (size_t)(length - answer->missing_bytes));
    (void)sent; /* the client may have closed */
    free(text);
}

static void *run_store(void *user)
{
    scripted_store *store = user;
    for (;;) {
        int peer = accept(store->listener, NULL, NULL);
        if (peer < 0)
            return NULL;
        serve(store, peer);
        close(peer);
    }
}

static void start_store(scripted_store *store)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    char url[64];
    pthread_mutex_init(&store->lock, NULL);
    store->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(store->listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(store->listener, 16), 0);
    assert_int_equal(getsockname(store->listener, (struct sockaddr *)&address, &size), 0);
    store->port = ntohs(address.sin_port);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/s3/", store->port);
    setenv("AWS_ENDPOINT_URL", url, 1);
    setenv("AWS_ACCESS_KEY_ID", "AKIA", 1);
    setenv("AWS_SECRET_ACCESS_KEY", SECRET, 1);
    setenv("AWS_SESSION_TOKEN", TOKEN, 1);
    setenv("no_proxy", "*", 1);
    assert_int_equal(pthread_create(&store->thread, NULL, run_store, store), 0);
}

/* Let it give these replies from now on. */
static void script(scripted_store *store, const reply *replies)
{
    pthread_mutex_lock(&store->lock);
    store->replies = replies;
    store->request_count = 0;
    store->all[0] = '\0';
    pthread_mutex_unlock(&store->lock);
}

static void stop_store(scripted_store *store)
{
    shutdown(store->listener, SHUT_RDWR);
    pthread_join(store->thread, NULL);
    close(store->listener);
}

/* ---- requests ---- */

typedef enum test_verb { MAKE, READ, LIST, REMOVE } test_verb;

static td_result break_off(td_file *file, uint64_t at, void *buf, size_t size, size_t *got,
                           td_err *err)
{
    (void)file, (void)at, (void)buf, (void)size;
    *got = 0;
    return td_err_set(err, TD_E_CORRUPT, "the segment is damaged");
}

static td_result give_three_bytes(td_file *file, uint64_t at, void *buf, size_t size, size_t *got,
                                  td_err *err)
{
    (void)file, (void)err;
    *got = at < 3 ? 3 - (size_t)at : 0;
    *got = size < *got ? size : *got;
    memcpy(buf, "hel" + (at < 3 ? at : 3), *got);
    return TD_OK;
}

static td_result add_key(void *user, const s3_object *object, td_err *err)
{
    char *keys = user;
    (void)err;
    snprintf(keys + strlen(keys), KEYS_BYTES - strlen(keys), "%s=%d", object->key,
             (int)object->bytes);
    if (object->modified_ns != 0)
        snprintf(keys + strlen(keys), KEYS_BYTES - strlen(keys), "@%d.%03d",
                 (int)(object->modified_ns / TD_NS_PER_S),
                 (int)(object->modified_ns % TD_NS_PER_S / TD_NS_PER_MS));
    snprintf(keys + strlen(keys), KEYS_BYTES - strlen(keys), " ");
    return TD_OK;
}

#define XML(code, message)                                                                         \
    "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>" message "</Message></Error>"
#define PAGE(rest)                                                                                 \
    "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3\"><Name>b</Name>"                \
    "<Prefix/>" rest "</ListBucketResult>\n"
#define LAST "<IsTruncated>false</IsTruncated>"
#define MORE "<IsTruncated>true</IsTruncated><NextContinuationToken>t/2</NextContinuationToken>"
#define OBJECT(key)                                                                                \
    "<Contents><Key>" key "</Key><ETag>&quot;0&quot;</ETag><Size>7</Size></Contents>"
#define DATED(key, time)                                                                           \
    "<Contents><Key>" key "</Key><LastModified>" time "</LastModified><Size>7</Size></Contents>"
#define RANGE(text) "206 Partial Content\r\nContent-Range: bytes " text
#define MADE        "200 OK\r\nETag:\"0\""
#define BUSY                                                                                       \
    {                                                                                              \
        "503 Slow Down", XML("SlowDown", "Reduce your request rate"), 0                            \
    }

/* A read asks for bytes 3 to 7 of an object, a list for what follows "a". */
static const struct {
    const char *name;
    test_verb verb;
    reply replies[REPLIES_MAX];
    td_result want;
    unsigned requests;
    const char *text;    /* in the error; or the content, or the keys */
    const char *hint;    /* in it; NULL: none */
    const char *request; /* in the latest request; NULL: any */
} ROWS[] = {
    {"made", MAKE, {{MADE, "", 0}}, TD_OK, 1, "0", NULL, "if-none-match: *\r\n"},
    {"signed",
     MAKE,
     {{MADE, "", 0}},
     TD_OK,
     1,
     "0",
     NULL,
     "SignedHeaders=host;if-none-match;x-amz-content-sha256;x-amz-date;x-amz-security-token,"},
    {"path", MAKE, {{MADE, "", 0}}, TD_OK, 1, "0", NULL, "PUT /s3/bucket/p/k%3D1%20%2B HTTP"},
    {"busy, then made", MAKE, {BUSY, {NULL, "", 0}, {MADE, "", 0}}, TD_OK, 3, "0", NULL, "\nhello"},
    {"always busy",
     MAKE,
     {BUSY},
     TD_E_IO,
     S3_TRIES,
     "cannot make s3://bucket/p/k=1 +: tried 6 times: the store replies 503 SlowDown: Reduce",
     NULL,
     NULL},
    {"a gateway without its store",
     MAKE,
     {{"502 Bad Gateway", "<html>", 0}, {MADE, "", 0}},
     TD_OK,
     2,
     "0",
     NULL,
     NULL},
    {"was there", MAKE, {{"412 No", XML("PreconditionFailed", ""), 0}}, TD_OK, 1, "1", NULL, NULL},
    {"412 of something else",
     MAKE,
     {{"412 No", "", 0}},
     TD_E_IO,
     1,
     "412",
     "AWS_ENDPOINT_URL",
     NULL},
    {"another writer",
     MAKE,
     {{"409 Conflict", XML("ConditionalRequestConflict", ""), 0}, {MADE, "", 0}},
     TD_OK,
     2,
     "0",
     NULL,
     NULL},
    {"too slow",
     MAKE,
     {{"400 Bad", XML("RequestTimeout", ""), 0}, {MADE, "", 0}},
     TD_OK,
     2,
     "0",
     NULL,
     NULL},
    {"200 of another server",
     MAKE,
     {{"200 OK", "<html>", 0}},
     TD_E_IO,
     S3_TRIES,
     "ETag",
     NULL,
     NULL},
    {"skew",
     MAKE,
     {{"403 No", XML("RequestTimeTooSkewed", "a &lt; b &#x20ac;"), 0}},
     TD_E_IO,
     1,
     "403 RequestTimeTooSkewed: a < b \xe2\x82\xac",
     "clock",
     NULL},
    {"quota",
     MAKE,
     {{"403 No", XML("QuotaExceeded", ""), 0}},
     TD_E_NOSPACE,
     1,
     "QuotaExceeded",
     "quota",
     NULL},
    {"expired",
     MAKE,
     {{"400 Bad", XML("ExpiredToken", ""), 0}},
     TD_E_IO,
     1,
     "ExpiredToken",
     "temporary credentials",
     NULL},
    {"denied",
     MAKE,
     {{"403 No", XML("AccessDenied", ""), 0}},
     TD_E_IO,
     1,
     "AccessDenied",
     "s3:PutObject",
     NULL},
    {"wrong secret",
     MAKE,
     {{"403 No", XML("SignatureDoesNotMatch", ""), 0}},
     TD_E_IO,
     1,
     "SignatureDoesNotMatch",
     "AWS_SECRET_ACCESS_KEY",
     NULL},
    {"no bucket",
     MAKE,
     {{"404 No", XML("NoSuchBucket", ""), 0}},
     TD_E_NOTFOUND,
     1,
     "NoSuchBucket",
     "make the bucket",
     NULL},
    {"no conditional writes",
     MAKE,
     {{"501 No", XML("NotImplemented", ""), 0}},
     TD_E_UNSUPPORTED,
     1,
     "NotImplemented",
     "If-None-Match",
     NULL},
    {"another region",
     MAKE,
     {{"301 Moved\r\nx-amz-bucket-region: eu-west-1", XML("PermanentRedirect", ""), 0}},
     TD_E_IO,
     1,
     "301",
     "set AWS_REGION=eu-west-1",
     NULL},
    {"a signature for another region",
     MAKE,
     {{"400 Bad", "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region>", 0}},
     TD_E_IO,
     1,
     "400 AuthorizationHeaderMalformed",
     "set AWS_REGION=eu-west-2",
     NULL},
    {"another endpoint",
     MAKE,
     {{"307 Moved", "<Error><Code>TemporaryRedirect</Code><Endpoint>b.s3.x</Endpoint></Error>", 0}},
     TD_E_IO,
     1,
     "307",
     "b.s3.x",
     NULL},

    {"read", READ, {{RANGE("3-7/9"), "defgh", 0}}, TD_OK, 1, "defgh", NULL, "range: bytes=3-7\r\n"},
    {"the end", READ, {{RANGE("3-4/5"), "de", 0}}, TD_OK, 1, "de", NULL, NULL},
    {"after the end", READ, {{"416 No", XML("InvalidRange", ""), 0}}, TD_OK, 1, "", NULL, NULL},
    {"ends early",
     READ,
     {{RANGE("3-7/9"), "defgh", 2}, {RANGE("3-7/9"), "defgh", 0}},
     TD_OK,
     2,
     "defgh",
     NULL,
     NULL},
    {"less than asked for",
     READ,
     {{RANGE("3-4/9"), "de", 0}},
     TD_E_IO,
     S3_TRIES,
     "less than",
     NULL,
     NULL},
    {"another range",
     READ,
     {{RANGE("2-6/9"), "cdefg", 0}},
     TD_E_IO,
     S3_TRIES,
     "another range",
     NULL,
     NULL},
    {"a range of other bytes",
     READ,
     {{RANGE("3-7/9"), "defg", 0}},
     TD_E_IO,
     S3_TRIES,
     "another range",
     NULL,
     NULL},
    {"no range", READ, {{"206 OK", "defgh", 0}}, TD_E_IO, S3_TRIES, "another range", NULL, NULL},
    {"longer", READ, {{RANGE("3-8/9"), "defghi", 0}}, TD_E_IO, S3_TRIES, "longer than", NULL, NULL},
    {"the whole object",
     READ,
     {{"200 OK", "abcdefgh", 0}},
     TD_E_IO,
     S3_TRIES,
     "ignores Range",
     NULL,
     NULL},
    {"no object",
     READ,
     {{"404 No", XML("NoSuchKey", ""), 0}},
     TD_E_NOTFOUND,
     1,
     "NoSuchKey",
     NULL,
     NULL},
    {"404 of another server",
     READ,
     {{"404 No", "<html>", 0}},
     TD_E_IO,
     1,
     "404",
     "AWS_ENDPOINT_URL",
     NULL},

    {"empty list",
     LIST,
     {{"200 OK", PAGE(LAST), 0}},
     TD_OK,
     1,
     "",
     NULL,
     "GET /s3/bucket?list-type=2&prefix=p%2F&start-after=p%2Fa HTTP"},
    {"two pages",
     LIST,
     {{"200 OK", PAGE(MORE OBJECT("p/b&amp;1") OBJECT("p/c&#x3d;")), 0},
      {"200 OK", PAGE("<KeyCount>1</KeyCount>" LAST OBJECT("p/d/e")), 0}},
     TD_OK,
     2,
     "b&1=7 c==7 d/e=7 ",
     NULL,
     "?continuation-token=t%2F2&list-type=2&prefix=p%2F HTTP"},
    {"times",
     LIST,
     {{"200 OK",
       PAGE(LAST DATED("p/b", "1970-01-01T00:01:00.250Z") OBJECT("p/c")
                DATED("p/d", "1970-01-01T00:02:00Z")),
       0}},
     TD_OK,
     1,
     "b=7@60.250 c=7 d=7@120.000 ",
     NULL,
     NULL},
    {"another time",
     LIST,
     {{"200 OK", PAGE(LAST DATED("p/b", "yesterday")), 0}},
     TD_E_IO,
     1,
     "LastModified",
     NULL,
     NULL},
    {"a list that ends early",
     LIST,
     {{"200 OK", "<ListBucketResult>" LAST OBJECT("p/b"), 0},
      {"200 OK", PAGE(LAST OBJECT("p/b")), 0}},
     TD_OK,
     2,
     "b=7 ",
     NULL,
     NULL},
    {"a list without its keys",
     LIST,
     {{"200 OK", PAGE(LAST "<KeyCount>2</KeyCount>" OBJECT("p/b")), 0}},
     TD_E_IO,
     1,
     "KeyCount",
     NULL,
     NULL},
    {"a size without a key",
     LIST,
     {{"200 OK", PAGE(LAST "<Size>1</Size>"), 0}},
     TD_E_IO,
     1,
     "Size",
     NULL,
     NULL},
    {"a key without a size",
     LIST,
     {{"200 OK", PAGE(LAST "<Key>p/b</Key>"), 0}},
     TD_E_IO,
     1,
     "ends early",
     NULL,
     NULL},
    {"an unknown entity",
     LIST,
     {{"200 OK", PAGE(LAST OBJECT("p/&x;")), 0}},
     TD_E_IO,
     1,
     "Key",
     NULL,
     NULL},
    {"no token",
     LIST,
     {{"200 OK", PAGE("<IsTruncated>true</IsTruncated>"), 0}},
     TD_E_IO,
     1,
     "NextContinuationToken",
     NULL,
     NULL},
    {"the same page for ever",
     LIST,
     {{"200 OK", PAGE(MORE OBJECT("p/b")), 0}},
     TD_E_IO,
     2,
     "not in order",
     NULL,
     NULL},
    {"empty pages for ever",
     LIST,
     {{"200 OK", PAGE(MORE), 0}},
     TD_E_IO,
     100,
     "empty pages",
     NULL,
     NULL},
    {"keys of others",
     LIST,
     {{"200 OK", PAGE(LAST OBJECT("q/b")), 0}},
     TD_E_IO,
     1,
     "not asked for",
     NULL,
     NULL},

    {"removed",
     REMOVE,
     {BUSY, {"204 No Content", "", 0}},
     TD_OK,
     2,
     "",
     NULL,
     "DELETE /s3/bucket/p/k HTTP"},
    {"removed before",
     REMOVE,
     {{NULL, "", 0}, {"404 No", XML("NoSuchKey", ""), 0}},
     TD_OK,
     2,
     "",
     NULL,
     NULL},
    {"404 for a removal of another server",
     REMOVE,
     {{"404 No", "<html>", 0}},
     TD_E_IO,
     1,
     "cannot remove s3://bucket/p/k: the store replies 404",
     "AWS_ENDPOINT_URL",
     NULL},
    {"a removal that is no S3 store's",
     REMOVE,
     {{"200 OK", "<html>", 0}},
     TD_E_IO,
     S3_TRIES,
     "204",
     NULL,
     NULL},
    {"no permission to remove",
     REMOVE,
     {{"403 No", XML("AccessDenied", ""), 0}},
     TD_E_IO,
     1,
     "AccessDenied",
     "s3:DeleteObject",
     NULL},
};

static td_result request(s3_store *store, test_verb verb, char *out, td_err *err)
{
    int was_there = 0;
    size_t got = 0;
    static const uint8_t TEXT[] = "hello";
    s3_content content = {.bytes = CONTENT_BYTES, .data = TEXT};
    td_result rc = TD_OK;
    out[0] = '\0';
    switch (verb) {
    case MAKE:
        td_sha256_hex(TEXT, CONTENT_BYTES, content.sha256);
        rc = s3_store_make(store, "k=1 +", &content, &was_there, err);
        snprintf(out, KEYS_BYTES, "%d", was_there);
        break;
    case READ:
        rc = s3_store_read(store, "k", 3, out, 5, &got, err);
        out[got] = '\0';
        break;
    case LIST:
        rc = s3_store_list(store, "", "a", add_key, out, err);
        break;
    case REMOVE:
        rc = s3_store_remove(store, "k", err);
        break;
    }
    return rc;
}

static clock_sim *open_clock(td_clock *out)
{
    uint64_t wall_ns = 0;
    assert_int_equal(td_time_parse_rfc3339(td_bytes_str("2013-05-24T00:00:00Z"), &wall_ns, NULL),
                     TD_OK);
    clock_sim *sim = clock_sim_open(wall_ns, 1);
    *out = clock_sim_clock(sim);
    return sim;
}

static void test_replies(void **state)
{
    (void)state;
    scripted_store peer = {.request_count = 0};
    start_store(&peer);
    td_clock clock;
    clock_sim *sim = open_clock(&clock);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        print_message("%s\n", ROWS[i].name);
        td_err err;
        td_err_clear(&err);
        s3_store *store = NULL;
        const s3_options options = {.url = "s3://bucket/p/", .clock = &clock};
        assert_int_equal(s3_store_open(&options, &store, &err), TD_OK);
        script(&peer, ROWS[i].replies);
        char out[KEYS_BYTES];
        td_result rc = request(store, ROWS[i].verb, out, &err);
        const s3_traffic traffic = s3_store_traffic(store);
        s3_store_close(store);
        if (rc != ROWS[i].want)
            print_message("%s\n", err.text);
        assert_int_equal(rc, ROWS[i].want);
        pthread_mutex_lock(&peer.lock);
        assert_int_equal(peer.request_count, ROWS[i].requests);
        assert_int_equal(traffic.requests, ROWS[i].requests);
        if (rc == TD_OK)
            assert_string_equal(out, ROWS[i].text);
        else if (strstr(err.text, ROWS[i].text) == NULL)
            assert_string_equal(err.text, ROWS[i].text);
        if (strstr(err.hint, ROWS[i].hint == NULL ? "" : ROWS[i].hint) == NULL)
            assert_string_equal(err.hint, ROWS[i].hint);
        assert_null(strcasestr(peer.head, "\r\nexpect"));
        if (ROWS[i].request != NULL && strstr(peer.head, ROWS[i].request) == NULL)
            assert_string_equal(peer.head, ROWS[i].request);
        pthread_mutex_unlock(&peer.lock);
        assert_null(strstr(err.text, SECRET));
        assert_null(strstr(err.text, TOKEN));
    }
    clock_sim_close(sim);
    stop_store(&peer);
}

/* An error of the content's file is not tried again. */
static void test_content(void **state)
{
    (void)state;
    static const reply REPLIES[REPLIES_MAX] = {{MADE, "", 0}};
    static const td_io_ops BROKEN = {.read_at = break_off}, SHORT = {.read_at = give_three_bytes};
    scripted_store peer = {.replies = REPLIES};
    start_store(&peer);
    s3_store *store = NULL;
    td_err err;
    int was_there = 0;
    td_file file = {&BROKEN};
    const s3_options options = {.url = "s3://bucket"};
    assert_int_equal(s3_store_open(&options, &store, &err), TD_OK);
    s3_content content = {.bytes = CONTENT_BYTES, .sha256 = "0", .file = &file};
    assert_int_equal(s3_store_make(store, "k", &content, &was_there, &err), TD_E_CORRUPT);
    assert_string_equal(err.text, "cannot make s3://bucket/k: the segment is damaged");
    file.ops = &SHORT;
    assert_int_equal(s3_store_make(store, "k", &content, &was_there, &err), TD_E_TRUNCATED);
    assert_non_null(strstr(err.text, "cannot make s3://bucket/k: "));
    content.bytes = S3_OBJECT_BYTES_MAX + 1;
    assert_int_equal(s3_store_make(store, "k", &content, &was_there, &err), TD_E_LIMIT);
    content.bytes = 0;
    assert_int_equal(s3_store_make(store, "", &content, &was_there, &err), TD_E_INVALID);
    assert_int_equal(s3_store_traffic(store).requests, 2);
    s3_store_close(store);
    stop_store(&peer);
}

enum { THREADS = 4, READS = 50 };

static void *read_often(void *user)
{
    s3_store *store = user;
    for (unsigned i = 0; i < READS; i++) {
        char out[KEYS_BYTES];
        td_err err;
        assert_int_equal(request(store, READ, out, &err), TD_OK);
        assert_string_equal(out, "defgh");
    }
    return NULL;
}

/* Threads take over each other's handles. */
static void test_threads(void **state)
{
    (void)state;
    static const reply REPLIES[REPLIES_MAX] = {{RANGE("3-7/9"), "defgh", 0}};
    scripted_store peer = {.replies = REPLIES};
    start_store(&peer);
    s3_store *store = NULL;
    pthread_t threads[THREADS];
    const s3_options options = {.url = "s3://bucket"};
    assert_int_equal(s3_store_open(&options, &store, NULL), TD_OK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, store), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    const s3_traffic traffic = s3_store_traffic(store);
    assert_int_equal(traffic.requests, THREADS * READS);
    assert_int_equal(traffic.received_bytes, THREADS * READS * 5);
    s3_store_close(store);
    stop_store(&peer);
}

/* ---- configuration ---- */

static const char *const VARIABLES[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
};

/* Set only these variables: "NAME=VALUE NAME=VALUE". A value that begins with '@' is a path of the
 * scripted store, which may be NULL. */
static void set_environment(const char *text, const scripted_store *store)
{
    td_bytes rest = td_bytes_str(text);
    td_bytes part;
    for (size_t i = 0; i < sizeof VARIABLES / sizeof VARIABLES[0]; i++)
        unsetenv(VARIABLES[i]);
    while (td_bytes_next(&rest, ' ', &part)) {
        char *name = td_strndup((const char *)part.data, part.size);
        char *value = strchr(name, '=');
        char url[256];
        if (value != NULL) {
            *value++ = '\0';
            if (*value == '@' && store != NULL)
                snprintf(url, sizeof url, "http://127.0.0.1:%u%s", store->port, value + 1);
            setenv(name, *value == '@' ? url : value, 1);
        }
        td_free(name);
    }
}

static const char PROFILES[] = "# comment\n[default]\naws_access_key_id = AKID\n"
                               "aws_secret_access_key=" SECRET "\r\n[ other ]\n"
                               "aws_access_key_id=OTHER\naws_secret_access_key=abc=\n"
                               "aws_session_token = " TOKEN "\n[half]\naws_access_key_id=HALF\n";

#define KEYS "AWS_ACCESS_KEY_ID=ID AWS_SECRET_ACCESS_KEY=" SECRET " "

static const struct {
    const char *url;
    const char *environment;
    const char *want; /* the configuration as text; or a part of the error */
} CONFIGS[] = {
    {"s3://bucket", KEYS "AWS_REGION=eu-west-1",
     "https://bucket.s3.eu-west-1.amazonaws.com|| |ID|-"},
    {"s3://my.bucket/a//", KEYS "AWS_DEFAULT_REGION=eu-west-1",
     "https://s3.eu-west-1.amazonaws.com|/my.bucket|a/ |ID|-"},
    {"s3://bucket/a=1/b c", KEYS "AWS_ENDPOINT_URL=http://[::1]:9000/",
     "http://[::1]:9000|/bucket|a=1/b c/ |ID|-"},
    {"s3://bucket", KEYS "AWS_ENDPOINT_URL_S3=https://x/s3 AWS_ENDPOINT_URL=https://y",
     "https://x|/s3/bucket| |ID|-"},
    {"s3://bucket", KEYS "SSL_CERT_FILE=/ca AWS_CA_BUNDLE=/aws",
     "https://bucket.s3.us-east-1.amazonaws.com|| |ID|-/aws"},
    {"s3://bucket", "", "https://bucket.s3.us-east-1.amazonaws.com|| |AKID|-"},
    {"s3://bucket", "AWS_PROFILE=other",
     "https://bucket.s3.us-east-1.amazonaws.com|| |OTHER|" TOKEN},
    {"s3://bucket", "AWS_PROFILE=half", "no keys of profile 'half'"},
    {"s3://bucket", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent",
     "no credentials for the store: AWS_ACCESS_KEY_ID is not set, and '/nonexistent' has no keys "
     "of "
     "profile 'default'"},
    {"s3://bucket", "AWS_ACCESS_KEY_ID=ID", "AWS_SECRET_ACCESS_KEY is not set"},
    {"s3://bucket", "AWS_ACCESS_KEY_ID=ID AWS_SECRET_ACCESS_KEY=" SECRET "\n",
     "the secret access key of the store is malformed: byte 22"},
    {"s3://bucket", KEYS "AWS_REGION=a/b", "AWS_REGION 'a/b': not a region"},
    {"s3://bucket", KEYS "AWS_ENDPOINT_URL=x", "AWS_ENDPOINT_URL: "},
    {"s3://bucket", KEYS "AWS_ENDPOINT_URL=https://u:" SECRET "@x", "AWS_ENDPOINT_URL: "},
    {"s3://bucket", KEYS "AWS_ENDPOINT_URL=https://x?" SECRET, "AWS_ENDPOINT_URL: "},
    {"s3://", KEYS, "not the name of a bucket"},
    {"s3://ID:" SECRET "@bucket", KEYS, "not the name of a bucket"},
    {"s3://bucket/a//b", KEYS, "an empty name"},
    {"s3://bucket/../b", KEYS, "an empty name, \".\" or \"..\""},
    {"s3://bucket/a\nb", KEYS, "a control character"},
    {"http://bucket", KEYS, "does not begin with s3://"},
};

static void test_config(void **state)
{
    (void)state;
    char folder[TEMP_FOLDER_BYTES];
    char path[TEMP_FOLDER_BYTES + 16];
    temp_folder_make(TEMP_IN_MEMORY, folder);
    snprintf(path, sizeof path, "%s/credentials", folder);
    file_write_text(path, PROFILES);
    for (size_t i = 0; i < sizeof CONFIGS / sizeof CONFIGS[0]; i++) {
        print_message("%s %s\n", CONFIGS[i].url, CONFIGS[i].environment);
        set_environment(CONFIGS[i].environment, NULL);
        setenv("AWS_SHARED_CREDENTIALS_FILE", path,
               strstr(CONFIGS[i].environment, "_FILE") == NULL);
        s3_config config;
        td_err err;
        td_err_clear(&err);
        if (s3_config_read(CONFIGS[i].url, &config, &err) == TD_OK) {
            char text[16 << 10];
            snprintf(text, sizeof text, "%s|%s|%s |%s|%s%s", config.endpoint, config.bucket_path,
                     config.prefix, config.keys.key_id,
                     config.keys.token[0] == '\0' ? "-" : config.keys.token, config.ca_file);
            assert_string_equal(text, CONFIGS[i].want);
        } else {
            const int is_free = strstr(err.text, "profile 'default'") != NULL;
            assert_int_equal(err.code, is_free ? TD_E_NOTFOUND : TD_E_INVALID);
            if (strstr(err.text, CONFIGS[i].want) == NULL)
                assert_string_equal(err.text, CONFIGS[i].want);
            assert_true(strlen(err.hint) > 0);
            assert_null(strstr(err.text, SECRET));
            assert_null(strstr(err.hint, SECRET));
        }
    }
    temp_folder_remove(folder);
}

/* ---- roles ---- */

#define NOWHERE   "AWS_SHARED_CREDENTIALS_FILE=/nonexistent AWS_ENDPOINT_URL=@/s3/ "
#define CONTAINER NOWHERE "AWS_CONTAINER_CREDENTIALS_FULL_URI=@/keys?a=1 "
#define INSTANCE  NOWHERE "AWS_EC2_METADATA_SERVICE_ENDPOINT=@ "
/* The clock is at 2013-05-24T00:00:00Z. */
#define KEYS_OF(id, until)                                                                         \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"" SECRET               \
    "\",\"Token\":\"" TOKEN "\",\"Expiration\":\"2013-05-24T" until "Z\"}"
#define GIVES(id, until)                                                                           \
    {                                                                                              \
        "200 OK", KEYS_OF(id, until), 0                                                            \
    }
#define TOKEN_OF_SERVICE                                                                           \
    {                                                                                              \
        "200 OK", "service-token", 0                                                               \
    }
#define WITHOUT "no credentials for the store: AWS_ACCESS_KEY_ID is not set, and '/nonexistent' "

/* A store is opened, and makes an object. */
static const struct {
    const char *name;
    const char *environment;
    reply replies[REPLIES_MAX];
    td_result want;
    unsigned requests;
    const char *texts[3]; /* in the requests, or in the error */
} ROLES[] = {
    {"a container",
     CONTAINER "AWS_CONTAINER_AUTHORIZATION_TOKEN=of-variable",
     {GIVES("ASIA", "06:00:00"), {MADE, "", 0}},
     TD_OK,
     2,
     {"GET /keys?a=1 HTTP", "authorization: of-variable\r\n", "Credential=ASIA/"}},
    {"a token in a file",
     CONTAINER "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s",
     {GIVES("ASIA", "06:00:00"), {MADE, "", 0}},
     TD_OK,
     2,
     {"authorization: of-file\r\n", "x-amz-security-token: " TOKEN "\r\n", NULL}},
    {"an instance",
     INSTANCE,
     {TOKEN_OF_SERVICE, {"200 OK", "a role\nb", 0}, GIVES("ASIA", "06:00:00"), {MADE, "", 0}},
     TD_OK,
     4,
     {"PUT /latest/api/token HTTP", "GET /latest/meta-data/iam/security-credentials/a%20role HTTP",
      "x-aws-ec2-metadata-token: service-token\r\n"}},
    {"a service that fails once",
     CONTAINER,
     {{NULL, "", 0}, GIVES("ASIA", "06:00:00"), {MADE, "", 0}},
     TD_OK,
     3,
     {"Credential=ASIA/", NULL, NULL}},
    {"no container's credentials",
     CONTAINER,
     {{"403 No", SECRET, 0}},
     TD_E_IO,
     1,
     {WITHOUT "has no keys of profile 'default': the container's role: http://127.0.0.1:",
      " replies 403", NULL}},
    {"a service that always fails",
     CONTAINER,
     {{"500 No", SECRET, 0}},
     TD_E_IO,
     2,
     {"the container's role", "replies 500", NULL}},
    {"no role",
     INSTANCE,
     {TOKEN_OF_SERVICE, {"404 No", "", 0}},
     TD_E_INVALID,
     2,
     {WITHOUT, "the instance's role: http://127.0.0.1:", " replies 404"}},
    {"an empty name",
     INSTANCE,
     {TOKEN_OF_SERVICE, {"200 OK", "\n", 0}},
     TD_E_INVALID,
     2,
     {WITHOUT, "names no role", NULL}},
    {"not JSON", CONTAINER, {{"200 OK", SECRET, 0}}, TD_E_IO, 1, {WITHOUT, "JSON", NULL}},
    {"no token",
     CONTAINER,
     {{"200 OK", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"" SECRET "\"}", 0}},
     TD_E_IO,
     1,
     {WITHOUT, "replies without AccessKeyId, SecretAccessKey, Token and Expiration", NULL}},
    {"no credentials",
     INSTANCE,
     {TOKEN_OF_SERVICE,
      {"200 OK", "role", 0},
      {"200 OK", "{\"Code\":\"AssumeRoleUnauthorizedAccess\"}", 0}},
     TD_E_IO,
     3,
     {WITHOUT, "has no credentials: AssumeRoleUnauthorizedAccess", NULL}},
    {"malformed credentials",
     CONTAINER,
     {GIVES("A B", "06:00:00")},
     TD_E_IO,
     1,
     {WITHOUT, "the access key's id of the store is malformed: byte 2", NULL}},
    {"expired credentials",
     CONTAINER,
     {GIVES("ASIA", "00:00:00")},
     TD_E_IO,
     1,
     {WITHOUT, "gives credentials that expired at 2013-05-24T00:00:00", NULL}},
    {"no service",
     NOWHERE "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1",
     {{NULL, "", 0}},
     TD_E_INVALID,
     0,
     {WITHOUT, "the instance's role: no connection to http://127.0.0.1:1: ", NULL}},
    {"disabled",
     INSTANCE "AWS_EC2_METADATA_DISABLED=true",
     {{NULL, "", 0}},
     TD_E_INVALID,
     0,
     {WITHOUT, "AWS_EC2_METADATA_DISABLED is true", NULL}},
    {"a web identity",
     INSTANCE "AWS_WEB_IDENTITY_TOKEN_FILE=/token",
     {{NULL, "", 0}},
     TD_E_INVALID,
     0,
     {WITHOUT, "web identities are not supported", NULL}},
    {"http to another machine",
     NOWHERE "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://10.0.0.1/",
     {{NULL, "", 0}},
     TD_E_INVALID,
     0,
     {WITHOUT, "http to '10.0.0.1', which is neither a loopback nor a link-local address", NULL}},
    {"a relative URI that is no path",
     NOWHERE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=keys",
     {{NULL, "", 0}},
     TD_E_INVALID,
     0,
     {WITHOUT, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: not a path", NULL}},
    {"no file of the token",
     CONTAINER "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/nonexistent",
     {{NULL, "", 0}},
     TD_E_IO,
     0,
     {WITHOUT, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ", NULL}},
    {"a malformed token",
     CONTAINER "AWS_CONTAINER_AUTHORIZATION_TOKEN=" SECRET "\t",
     {{NULL, "", 0}},
     TD_E_IO,
     0,
     {WITHOUT, "the token of AWS_CONTAINER_AUTHORIZATION_TOKEN is malformed: byte 22", NULL}},
};

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        assert_string_equal(text, part);
}

static void test_roles(void **state)
{
    (void)state;
    scripted_store peer = {.request_count = 0};
    char folder[TEMP_FOLDER_BYTES];
    char path[TEMP_FOLDER_BYTES + 16];
    temp_folder_make(TEMP_IN_MEMORY, folder);
    snprintf(path, sizeof path, "%s/token", folder);
    file_write_text(path, "of-file\n");
    start_store(&peer);
    td_clock clock;
    clock_sim *sim = open_clock(&clock);
    for (size_t i = 0; i < sizeof ROLES / sizeof ROLES[0]; i++) {
        print_message("%s\n", ROLES[i].name);
        set_environment(ROLES[i].environment, &peer);
        const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        if (file != NULL && strcmp(file, "%s") == 0)
            setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
        script(&peer, ROLES[i].replies);
        td_err err;
        td_err_clear(&err);
        s3_store *store = NULL;
        char out[KEYS_BYTES];
        const s3_options options = {.url = "s3://bucket", .clock = &clock};
        td_result rc = s3_store_open(&options, &store, &err);
        if (rc == TD_OK)
            rc = request(store, MAKE, out, &err);
        s3_store_close(store);
        if (rc != ROLES[i].want)
            print_message("%s\n", err.text);
        assert_int_equal(rc, ROLES[i].want);
        pthread_mutex_lock(&peer.lock);
        assert_int_equal(peer.request_count, ROLES[i].requests);
        for (size_t j = 0; j < 3 && ROLES[i].texts[j] != NULL; j++)
            assert_has(rc == TD_OK ? peer.all : err.text, ROLES[i].texts[j]);
        pthread_mutex_unlock(&peer.lock);
        assert_true(rc == TD_OK || strlen(err.hint) > 0);
        assert_null(strstr(err.text, SECRET));
        assert_null(strstr(err.text, TOKEN));
    }
    clock_sim_close(sim);
    stop_store(&peer);
    temp_folder_remove(folder);
}

static void count_warnings(void *ctx, td_log_level level, const char *line)
{
    unsigned *warnings = ctx;
    assert_null(strstr(line, SECRET));
    *warnings += level == TD_LOG_WARNING;
}

/* The number of requests of this script, and a text of the latest one. */
static void assert_requests(scripted_store *store, unsigned count, const char *text)
{
    pthread_mutex_lock(&store->lock);
    assert_int_equal(store->request_count, count);
    assert_has(store->head, text);
    pthread_mutex_unlock(&store->lock);
}

/* Credentials are renewed 5 minutes before they expire; the old ones are used until then. */
static void test_renewal(void **state)
{
    (void)state;
    static const reply FIRST[REPLIES_MAX] = {GIVES("ASIA1", "01:00:00"), {MADE, "", 0}};
    static const reply LATER[REPLIES_MAX] = {{"404 No", "", 0}, {MADE, "", 0}};
    static const reply RENEWED[REPLIES_MAX] = {GIVES("ASIA2", "02:00:00"), {MADE, "", 0}};
    static const reply REFUSED[REPLIES_MAX] = {{"403 No", "", 0}};
    scripted_store peer = {.replies = FIRST};
    start_store(&peer);
    set_environment(CONTAINER, &peer);
    td_clock clock;
    clock_sim *sim = open_clock(&clock);
    unsigned warnings = 0;
    const td_log log = {.fn = count_warnings, .ctx = &warnings, .level_max = TD_LOG_WARNING};
    const s3_options options = {.url = "s3://bucket", .clock = &clock, .log = &log};
    s3_store *store = NULL;
    char out[KEYS_BYTES];
    td_err err;
    td_err_clear(&err);
    assert_int_equal(s3_store_open(&options, &store, &err), TD_OK);
    clock_sim_advance(sim, 3299 * TD_NS_PER_S);
    assert_int_equal(request(store, MAKE, out, &err), TD_OK);
    assert_requests(&peer, 2, "Credential=ASIA1/");
    clock_sim_advance(sim, TD_NS_PER_S);
    script(&peer, LATER);
    assert_int_equal(request(store, MAKE, out, &err), TD_OK);
    assert_requests(&peer, 2, "Credential=ASIA1/");
    assert_int_equal(request(store, MAKE, out, &err), TD_OK); /* asks for none so soon */
    assert_requests(&peer, 3, "Credential=ASIA1/");
    assert_int_equal(warnings, 1);
    clock_sim_advance(sim, 300 * TD_NS_PER_S);
    script(&peer, RENEWED);
    assert_int_equal(request(store, MAKE, out, &err), TD_OK);
    assert_requests(&peer, 2, "Credential=ASIA2/");
    clock_sim_advance(sim, 3600 * TD_NS_PER_S);
    script(&peer, REFUSED);
    assert_int_equal(request(store, MAKE, out, &err), TD_E_IO);
    assert_requests(&peer, S3_TRIES, "GET /keys?a=1 HTTP");
    assert_has(err.text,
               "cannot make s3://bucket/k=1 +: tried 6 times: the credentials expired and "
               "cannot be renewed: the container's role: http://127.0.0.1:");
    s3_store_close(store);
    clock_sim_close(sim);
    stop_store(&peer);
}

/* Of several threads that need new credentials, one asks for them. */
static void test_renewal_by_threads(void **state)
{
    (void)state;
    static const reply FIRST[REPLIES_MAX] = {GIVES("ASIA1", "01:00:00")};
    static const reply RENEWED[REPLIES_MAX] = {GIVES("ASIA2", "06:00:00"),
                                               {RANGE("3-7/9"), "defgh", 0}};
    scripted_store peer = {.replies = FIRST};
    start_store(&peer);
    set_environment(CONTAINER, &peer);
    td_clock clock;
    clock_sim *sim = open_clock(&clock);
    s3_store *store = NULL;
    pthread_t threads[THREADS];
    const s3_options options = {.url = "s3://bucket", .clock = &clock};
    assert_int_equal(s3_store_open(&options, &store, NULL), TD_OK);
    script(&peer, RENEWED);
    clock_sim_advance(sim, 3600 * TD_NS_PER_S);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, store), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    s3_store_close(store);
    clock_sim_close(sim);
    stop_store(&peer);
    assert_int_equal(peer.request_count, 1 + THREADS * READS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_renewal_by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
