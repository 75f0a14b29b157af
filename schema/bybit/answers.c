/* Reads answers. The exchange's rules determine the kind of an answer (schema/exchange.h); this
 * file reads the other members.
 *
 * All members are optional: in real answers they are missing, empty or of another type
 * (docs/wire.md 5.2 to 5.5), and a client that rejects an answer never learns the result of its
 * request. Unreadable members count as absent. */
#include <string.h>

#include "base/assert.h"
#include "schema/bybit/dialects.h"
#include "schema/bybit/families.h"
#include "schema/exchange.h"

/* ---- single members ---- */

/* 1 if the object has the key, even if the value is null. */
static int has(json_value object, const char *key)
{
    json_value value;
    return json_find(object, key, &value);
}

/* The topic in a refusal's text; the reverse of bybit_refusal_text(). */
static td_bytes find_reason_topic(td_bytes reason)
{
    static const char MARK[] = "topic:";
    static const char BRACKET[] = "Invalid symbol :[";
    static const char NEEDS_AUTH[] = " needs auth first";
    size_t mark = sizeof MARK - 1;
    size_t bracket = sizeof BRACKET - 1;
    if (reason.size <= mark)
        return (td_bytes){0};
    const uint8_t *at = memmem(reason.data, reason.size, MARK, mark);
    if (at == NULL) {
        if (reason.size <= bracket + 1 || memcmp(reason.data, BRACKET, bracket) != 0 ||
            reason.data[reason.size - 1] != ']')
            return (td_bytes){0};
        return td_bytes_of(reason.data + bracket, reason.size - bracket - 1);
    }
    size_t begin = (size_t)(at - reason.data) + mark;
    TD_ASSERT(begin <= reason.size);
    td_bytes topic = td_bytes_of(reason.data + begin, reason.size - begin);
    size_t tail = sizeof NEEDS_AUTH - 1;
    if (topic.size > tail && memcmp(topic.data + topic.size - tail, NEEDS_AUTH, tail) == 0)
        topic.size -= tail;
    return topic;
}

static int is_repeat(td_bytes reason)
{
    static const char WORDS[] = "already subscribed";
    return reason.size > 0 && memmem(reason.data, reason.size, WORDS, sizeof WORDS - 1) != NULL;
}

/* ---- topics that an answer names ---- */

/* Append the topics of a list. A member that is missing or not a list has no topics. */
static td_result read_list(dialect_text *text, json_value object, const char *key, size_t *count,
                           td_err *err)
{
    json_value list;
    if (!json_find(object, key, &list) || json_type_of(list) != JSON_ARRAY)
        return TD_OK;
    return dialect_text_list(text, list, count, err);
}

static size_t list_size(json_value object, const char *key)
{
    json_value list;
    return json_find(object, key, &list) ? json_count(list) : 0;
}

/* Set the topics as granted or refused, depending on the answer's success. */
static void file_topics(dialect_answer *out, const dialect_text *text, size_t count)
{
    TD_ASSERT(count <= text->arg_capacity);
    TD_ASSERT(out->granted_count == 0);
    TD_ASSERT(out->failed_count == 0);
    if (out->success == 0) {
        out->failed = text->args;
        out->failed_count = count;
    } else {
        out->granted = text->args;
        out->granted_count = count;
    }
}

/* Read an answer of dialect C (USDC): data{successTopics, failTopics}, or the same with channels
 * instead of topics. */
static td_result read_command(dialect_text *text, json_value root, dialect_answer *out, td_err *err)
{
    static const char *const GRANTED[] = {"successTopics", "successChannels"};
    static const char *const FAILED[] = {"failTopics", "failChannels"};
    json_value data;
    if (!json_find(root, "data", &data))
        return TD_OK;
    size_t most = 0;
    for (size_t i = 0; i < 2; i++)
        most += list_size(data, GRANTED[i]) + list_size(data, FAILED[i]);
    size_t count = 0;
    td_result rc = dialect_text_reserve(text, most, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < 2 && rc == TD_OK; i++)
        rc = read_list(text, data, GRANTED[i], &count, err);
    out->granted = text->args;
    out->granted_count = count;
    for (size_t i = 0; i < 2 && rc == TD_OK; i++)
        rc = read_list(text, data, FAILED[i], &count, err);
    TD_ASSERT(count >= out->granted_count);
    TD_ASSERT(count <= text->arg_capacity);
    out->failed = text->args + out->granted_count; /* granted and refused topics are in one array */
    out->failed_count = count - out->granted_count;
    return rc;
}

/* Read an answer of dialects A (op) or B (v3, v5). A echoes the request, B names its op; some
 * answers do neither. */
static td_result read_op_answer(dialect_text *text, json_value root, td_bytes op,
                                dialect_answer *out, td_err *err)
{
    json_value request;
    size_t count = 0;
    out->of = bybit_op_kind(op);
    if (!json_find(root, "request", &request))
        return TD_OK;
    td_result rc = dialect_text_reserve(text, list_size(request, "args"), err);
    if (rc == TD_OK)
        rc = read_list(text, request, "args", &count, err);
    if (rc == TD_OK)
        file_topics(out, text, count);
    return rc;
}

/* Read an answer of dialect D (spot): the request and a code, or only a code. */
static td_result read_spot(dialect_text *text, json_value root, dialect_answer *out, td_err *err)
{
    td_bytes echo[SPOT_PARTS] = {{0}};
    td_bytes code;
    size_t count = 0;
    if (dialect_text_scalar(root, "code", &code) &&
        !dialect_text_scalar(root, "msg", &out->reason) &&
        !dialect_text_scalar(root, "desc", &out->reason))
        out->reason = code;
    bybit_spot_read(root, echo);
    if (echo[SPOT_EVENT].size > 0)
        out->of = td_bytes_is(echo[SPOT_EVENT], "cancel") ? REQUEST_UNSUBSCRIBE : REQUEST_SUBSCRIBE;
    if (echo[SPOT_TOPIC].size == 0 || echo[SPOT_SYMBOL].size == 0)
        return TD_OK;
    /* Only v1 accepts lists of symbols; its answers have the symbols at the top. */
    spot_symbols symbols = has(root, "symbol") ? SPOT_SYMBOL_LIST : SPOT_ONE_SYMBOL;
    td_result rc = bybit_spot_topics(text, echo, symbols, &count, err);
    if (rc == TD_OK)
        file_topics(out, text, count);
    return rc;
}

/* ---- whole answers ---- */

/* Read the members that control_find() needs. */
static void read_words(json_value root, frame_words *out)
{
    const frame_keys *keys = &BYBIT.frames;
    json_value value;
    memset(out, 0, sizeof *out);
    for (uint8_t i = 0; i < keys->count; i++) {
        if (!json_find_key(root, keys->names[i], &value))
            continue;
        out->json[i] = json_raw(value);
        if (!json_text(value, &out->text[i]))
            out->text[i] = (td_bytes){0};
    }
    out->op = out->text[keys->op];
    if (out->op.size == 0 && json_find_key(root, keys->names[keys->request], &value))
        (void)json_find_text(value, "op", &out->op); /* stays empty if absent */
}

/* Read an ack, or a refusal that names no known request. */
static td_result read_ack(dialect_text *text, json_value root, td_bytes op, dialect_answer *out,
                          td_err *err)
{
    td_bytes type = {0};
    out->kind = ANSWER_TOPICS;
    (void)json_find_text(root, "type", &type);
    if (td_bytes_is(type, "COMMAND_RESP"))
        return read_command(text, root, out, err);
    if (has(root, "success"))
        return read_op_answer(text, root, op, out, err);
    if (has(root, "event") || has(root, "code"))
        return read_spot(text, root, out, err);
    out->kind = ANSWER_NONE; /* order entry, which has no topics */
    return TD_OK;
}

td_result bybit_read_answer(dialect_text *text, json_value root, dialect_answer *out, td_err *err)
{
    frame_words words;
    read_words(root, &words);
    frame_class is = control_find(&BYBIT.frames, &words, &out->success);
    if (!dialect_text_scalar(root, "ret_msg", &out->reason))
        /* Stays empty if both members are missing. */
        (void)dialect_text_scalar(root, "retMsg", &out->reason);
    if (!dialect_text_scalar(root, "req_id", &out->id))
        (void)dialect_text_scalar(root, "id", &out->id);
    out->reason_topic = find_reason_topic(out->reason);
    out->is_repeat = (uint8_t)is_repeat(out->reason);
    switch (is) {
    case CLASS_PONG:
        out->kind = ANSWER_PONG;
        out->of = REQUEST_PING;
        break;
    case CLASS_PING:
        out->kind = ANSWER_PING;
        break;
    case CLASS_AUTH:
        out->kind = ANSWER_AUTH;
        out->of = REQUEST_AUTH;
        /* The only member of answers of dialect E (private spot). */
        (void)dialect_text_scalar(root, "auth", &out->reason);
        break;
    case CLASS_ACK:
    case CLASS_ERROR:
        return read_ack(text, root, words.op, out, err);
    case CLASS_DATA:
    case CLASS_REQUEST:
    case CLASS_UNKNOWN:
        break;
    }
    return TD_OK;
}
