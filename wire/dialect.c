#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/dialect_impl.h"

static const struct {
    const dialect *table;
} TABLES[] = {{&DIALECT_OP_TABLE}};

const dialect *dialect_find(dialect_id id)
{
    for (size_t i = 0; i < sizeof TABLES / sizeof *TABLES; i++) {
        if (TABLES[i].table->id == id)
            return TABLES[i].table;
    }
    return NULL;
}

/* ---- subscriptions ---- */

/* Offset of the last dot, or size if there is none. */
static size_t last_dot(td_bytes text)
{
    for (size_t i = text.size; i > 0; i--) {
        if (text.data[i - 1] == '.')
            return i - 1;
    }
    return text.size;
}

/* Is symbol one of "A|B|C", or is the list "*"? */
static int list_has(td_bytes list, td_bytes symbol)
{
    if (td_bytes_is(list, "*"))
        return 1;
    while (list.size > 0) {
        const uint8_t *bar = memchr(list.data, '|', list.size);
        size_t size = bar == NULL ? list.size : (size_t)(bar - list.data);
        if (td_bytes_equal(td_bytes_of(list.data, size), symbol))
            return 1;
        size_t behind = size + (bar != NULL);
        list = td_bytes_of(list.data + behind, list.size - behind);
    }
    return 0;
}

int dialect_filter_covers(td_bytes subscription, td_bytes exchange_topic)
{
    if (td_bytes_equal(subscription, exchange_topic))
        return 1;
    size_t topic_dot = last_dot(exchange_topic);
    if (topic_dot == exchange_topic.size)
        return 0; /* no symbol: only the very text covers it */
    td_bytes stem = td_bytes_of(exchange_topic.data, topic_dot);
    if (td_bytes_equal(subscription, stem))
        return 1;
    size_t dot = last_dot(subscription);
    if (dot == subscription.size || !td_bytes_equal(td_bytes_of(subscription.data, dot), stem))
        return 0;
    td_bytes list = td_bytes_of(subscription.data + dot + 1, subscription.size - dot - 1);
    td_bytes symbol =
        td_bytes_of(exchange_topic.data + topic_dot + 1, exchange_topic.size - topic_dot - 1);
    return list_has(list, symbol);
}

/* ---- words and names ---- */

static void reason_text(char out[DIALECT_REASON_BYTES], const char *before, td_bytes topic,
                        const char *behind)
{
    int size = (int)(topic.size < DIALECT_REASON_BYTES / 2 ? topic.size : DIALECT_REASON_BYTES / 2);
    int length = snprintf(out, DIALECT_REASON_BYTES, "%s%.*s%s", before, size,
                          (const char *)topic.data, behind);
    TD_ASSERT(length > 0);
    TD_ASSERT(length < DIALECT_REASON_BYTES);
}

void dialect_unknown_topic(td_bytes topic, char out[DIALECT_REASON_BYTES])
{
    reason_text(out, "error:handler not found,topic:", topic, "");
}

void dialect_needs_auth(td_bytes topic, char out[DIALECT_REASON_BYTES])
{
    reason_text(out, "error:topic:", topic, " needs auth first");
}

void dialect_conn_id(uint64_t high, uint64_t low, char out[DIALECT_CONN_ID_BYTES])
{
    uint64_t versioned = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    uint64_t variant = (low & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    int length = snprintf(out, DIALECT_CONN_ID_BYTES,
                          "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                          versioned >> 32, versioned >> 16 & 0xffff, versioned & 0xffff,
                          variant >> 48, variant & UINT64_C(0xffffffffffff));
    TD_ASSERT(length == DIALECT_CONN_ID_BYTES - 1);
}

/* ---- signatures ---- */

td_result dialect_sign(const dialect_auth *auth, char out[DIALECT_SIGNATURE_BYTES], td_err *err)
{
    char text[40];
    int length = snprintf(text, sizeof text, "GET/realtime%" PRIu64, auth->expires_ms);
    TD_ASSERT(length > 0);
    TD_ASSERT((size_t)length < sizeof text);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (HMAC(EVP_sha256(), auth->secret, (int)strlen(auth->secret), (const unsigned char *)text,
             (size_t)length, digest, &size) == NULL)
        return td_err_set(err, TD_E_NOMEM, "cannot sign with HMAC-SHA256");
    TD_ASSERT(size * 2 + 1 == DIALECT_SIGNATURE_BYTES);
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = HEX[digest[i] >> 4];
        out[2 * i + 1] = HEX[digest[i] & 15];
    }
    out[DIALECT_SIGNATURE_BYTES - 1] = '\0';
    return TD_OK;
}

/* ---- reading requests ---- */

/* A client's request has kilobytes; what is larger is not read at all. */
enum { REQUEST_BYTES_MAX = 1 << 20, ARGS_AT_FIRST = 64 };

struct request_parser {
    json_parser *json;
    td_bytes *args;
    size_t arg_capacity;
};

td_result request_parser_open(request_parser **out, td_err *err)
{
    *out = NULL;
    request_parser *parser = td_alloc_zero(1, sizeof *parser);
    if (parser == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a parser of requests");
    td_result rc = json_parser_open(REQUEST_BYTES_MAX, &parser->json, err);
    if (rc != TD_OK) {
        request_parser_close(parser);
        return rc;
    }
    *out = parser;
    return TD_OK;
}

void request_parser_close(request_parser *parser)
{
    if (parser == NULL)
        return;
    json_parser_close(parser->json);
    td_free(parser->args);
    td_free(parser);
}

static td_result reserve_args(request_parser *parser, size_t count, td_err *err)
{
    if (count > DIALECT_ARGS_MAX)
        return td_err_set(err, TD_E_LIMIT, "%zu args: at most %d are read", count,
                          DIALECT_ARGS_MAX);
    if (count <= parser->arg_capacity)
        return TD_OK;
    size_t capacity = count < ARGS_AT_FIRST ? ARGS_AT_FIRST : count;
    td_bytes *args = td_realloc(parser->args, capacity, sizeof *args);
    if (args == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu args", count);
    parser->args = args;
    parser->arg_capacity = capacity;
    return TD_OK;
}

static td_result read_args(request_parser *parser, json_value args, dialect_request *out,
                           td_err *err)
{
    if (json_is_null(args))
        return TD_OK;
    if (json_type_of(args) != JSON_ARRAY)
        return td_err_set(err, TD_E_INVALID, "args is no list");
    td_result rc = reserve_args(parser, json_count(args) + 1, err); /* + 1: never NULL when empty */
    if (rc != TD_OK)
        return rc;
    json_value element;
    for (json_iter it = json_iter_of(args); json_next(&it, NULL, &element);) {
        td_bytes text;
        if (!json_text(element, &text))
            text = json_raw(element); /* numbers: auth's expires is one as often as a string */
        TD_ASSERT(out->arg_count < parser->arg_capacity);
        parser->args[out->arg_count++] = text;
    }
    out->args = parser->args;
    return TD_OK;
}

static request_kind kind_of(td_bytes op)
{
    static const struct {
        const char *op;
        request_kind kind;
    } KINDS[] = {
        {"subscribe", REQUEST_SUBSCRIBE},
        {"unsubscribe", REQUEST_UNSUBSCRIBE},
        {"auth", REQUEST_AUTH},
        {"ping", REQUEST_PING},
    };
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (td_bytes_is(op, KINDS[i].op))
            return KINDS[i].kind;
    }
    return REQUEST_UNKNOWN;
}

td_result request_parse(request_parser *parser, const dialect *spoken, td_bytes frame,
                        dialect_request *out, td_err *err)
{
    TD_ASSERT(spoken->id == DIALECT_OP); /* the others' requests have other shapes */
    *out = (dialect_request){.kind = REQUEST_UNKNOWN, .frame = frame};
    json_value root;
    td_result rc = json_parse(parser->json, frame, JSON_COPIED, &root, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "request");
    if (json_type_of(root) != JSON_OBJECT)
        return td_err_set(err, TD_E_INVALID, "request: no JSON object");
    td_bytes op = {0};
    if (json_find_text(root, "op", &op))
        out->kind = kind_of(op);
    json_find_text(root, "req_id", &out->id);
    json_value args;
    if (!json_find(root, "args", &args))
        return TD_OK;
    rc = read_args(parser, args, out, err);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "request");
}
