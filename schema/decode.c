#include "schema/decode.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "schema/bare_frame.h"
#include "schema/decode_fast.h"
#include "schema/decode_rows.h"
#include "schema/inflate.h"
#include "schema/list_frame.h"
#include "schema/topic_parts.h"

struct decoder {
    json_parser *parser;
    classifier *classifier;
    plan_cache plans;
    decode_memory memory;
    fast_decoder fast;
    row_decoder rows;
    uint64_t slow_count;
    inflater *inflater; /* NULL until the first compressed frame */
    td_buf named;       /* a frame that is a list, with names; or a bare one, with its object */
    td_buf spelled;     /* topic of a bare frame */
};

decoder *decoder_open(void)
{
    decoder *d = td_alloc_zero(1, sizeof *d);
    d->parser = json_parser_open(0);
    d->classifier = classifier_open();
    td_buf_init(&d->named, LIMIT_FRAME_BYTES + (size_t)LIST_NAMES_MAX * LIMIT_NAME_BYTES +
                               DECODE_PADDING_BYTES);
    td_buf_init(&d->spelled, LIMIT_TOPIC_BYTES);
    return d;
}

void decoder_close(decoder *d)
{
    if (d == NULL)
        return;
    plan_cache_fini(&d->plans);
    json_parser_close(d->parser);
    classifier_close(d->classifier);
    decode_memory_fini(&d->memory);
    row_decoder_fini(&d->rows);
    inflater_close(d->inflater);
    td_buf_fini(&d->named);
    td_buf_fini(&d->spelled);
    td_free(d);
}

static int refuse(decode_error *why, decode_reason reason)
{
    *why = (decode_error){.reason = reason};
    return 0;
}

/* Parse JSON with an object or array at the top. Returns 1, or 0 and *why. */
static int read_root(decoder *d, td_bytes text, json_value *root, decode_error *why)
{
    const td_result rc = json_parse(d->parser, text, JSON_PADDED, root, NULL);
    if (rc == TD_OK)
        return json_type_of(*root) >= JSON_ARRAY || refuse(why, DECODE_NOT_JSON);
    const json_error error = json_parse_error(d->parser);
    refuse(why, rc == TD_E_LIMIT    ? DECODE_LIMIT
                : error.is_encoding ? DECODE_NOT_UTF8
                                    : DECODE_NOT_JSON);
    why->offset = error.offset;
    return 0;
}

/* Set *why for a frame whose topic has no row: not JSON, an unknown topic, or no topic. */
static int refuse_unknown(decoder *d, const topic_match *topic, td_bytes frame, decode_error *why)
{
    json_value root;
    return read_root(d, frame, &root, why) &&
           refuse(why, topic->topic.size > 0 ? DECODE_UNKNOWN_TOPIC : DECODE_NO_TOPIC);
}

/* 1 if a frame looks compressed. */
static int looks_compressed(td_bytes frame)
{
    /* JSON begins with a bracket, a byte order mark, white space or the first byte of a scalar.
     * Compressed formats do not begin so (docs/wire.md 5.1), except raw deflate, which cannot be
     * recognized. */
    static const char FIRST[] = "{[\"-0123456789tfn \t\r\n\xef";
    return frame.size >= 2 && *frame.data != '{' && *frame.data != '[' &&
           memchr(FIRST, *frame.data, sizeof FIRST - 1) == NULL;
}

/* Get the bytes to decode: the frame's own, or its inflated text (with padding; valid until the
 * next compressed frame). Returns TD_OK, or the result of inflater_run(). */
static td_result inflate_frame(decoder *d, td_bytes frame, td_bytes *out)
{
    *out = frame;
    if (TD_LIKELY(!looks_compressed(frame)))
        return TD_OK;
    if (d->inflater == NULL)
        d->inflater = inflater_open(LIMIT_FRAME_BYTES, DECODE_PADDING_BYTES);
    return inflater_run(d->inflater, frame, out, NULL);
}

/* Get the text of a frame that is a list as an object; other frames stay. Valid until the next
 * list. */
static void name_list(decoder *d, const list_names *names, td_bytes *frame)
{
    static const uint8_t PADDING[DECODE_PADDING_BYTES];
    if (!list_frame_name(names, d->parser, *frame, &d->named))
        return;
    const size_t size = d->named.size;
    td_buf_add(&d->named, PADDING, sizeof PADDING);
    *frame = td_bytes_of(d->named.data, size);
}

/* Get the text of a bare frame with the object around it, whose topic the caller knows. Valid until
 * the next such frame, or list. */
static void wrap_bare(decoder *d, const frame_keys *keys, td_bytes topic, td_bytes *frame)
{
    static const uint8_t PADDING[DECODE_PADDING_BYTES];
    td_buf_clear(&d->named);
    if (bare_frame_wrap(keys, topic, *frame, &d->named, NULL) != TD_OK ||
        td_buf_append(&d->named, PADDING, sizeof PADDING, NULL) != TD_OK)
        return; /* too long: it stays, and is refused */
    *frame = td_bytes_of(d->named.data, d->named.size - sizeof PADDING);
}

/* Write a topic as frames spell it, in place of what is in d->spelled. */
static td_result spell_topic(decoder *d, const topic_match *topic)
{
    char name[LIMIT_TOPIC_BYTES], text[LIMIT_TOPIC_BYTES];
    const topic_row *row = topic->row;
    td_buf_clear(&d->spelled);
    if (!topic_row_has_symbol(row))
        return td_buf_append(&d->spelled, topic->topic.data, topic->topic.size, NULL);
    (void)snprintf(name, sizeof name, "%.*s", (int)topic->topic.size,
                   (const char *)topic->topic.data); /* fits: it is in the topic */
    const int size = topic_write(row, 1, name, topic->symbol, text, sizeof text);
    if (size < 0 || (size_t)size >= sizeof text)
        return TD_E_LIMIT;
    return row->spelling != NULL ? topic_spell(row->spelling, text, &d->spelled, NULL)
                                 : td_buf_append(&d->spelled, text, (size_t)size, NULL);
}

/* 1 if a frame of the topic, which is then in d->spelled, has another text in place of it. */
static int has_key(decoder *d, const topic_match *topic, td_bytes frame)
{
    const frame_keys *keys = topic->row->bare;
    json_value root, found;
    td_bytes text;
    return json_parse(d->parser, frame, JSON_COPIED, &root, NULL) == TD_OK &&
           json_find_key(root, keys->names[keys->topic], &found) && json_text(found, &text) &&
           spell_topic(d, topic) == TD_OK && !td_bytes_equal(text, td_buf_view(&d->spelled));
}

/* Get a frame in the form that rows describe. */
static void read_form(decoder *d, const topic_match *topic, td_bytes *frame)
{
    const topic_row *row = topic->row;
    if (row->list != NULL)
        name_list(d, row->list, frame);
    else if (row->bare != NULL && row->may_have_key && has_key(d, topic, *frame)) {
        *frame = bare_frame_strip(row->bare, d->parser, *frame);
        wrap_bare(d, row->bare, td_buf_view(&d->spelled), frame);
    } else if (row->bare != NULL && bare_frame_is(row->bare, d->parser, *frame) &&
               spell_topic(d, topic) == TD_OK)
        wrap_bare(d, row->bare, td_buf_view(&d->spelled), frame);
}

/* 1 if bytes look like text: a frame that cannot be inflated is then reported as invalid JSON
 * instead. */
static int is_text(td_bytes bytes)
{
    size_t size = bytes.size < 32 ? bytes.size : 32;
    for (size_t i = 0; i < size; i++)
        if (bytes.data[i] >= 0x7f || (bytes.data[i] < 0x20 && bytes.data[i] != '\n' &&
                                      bytes.data[i] != '\r' && bytes.data[i] != '\t'))
            return 0;
    return 1;
}

static int refuse_compressed(td_bytes frame, td_result rc, decode_error *why)
{
    if (is_text(frame))
        return refuse(why, DECODE_NOT_JSON);
    return refuse(why, rc == TD_E_LIMIT ? DECODE_LIMIT : DECODE_NOT_INFLATED);
}

/* Decode a frame on the fast path, if it can read it. */
static int try_fast(decoder *d, decode_plan *p, const topic_match *topic, td_bytes frame,
                    decode_path path, message *out)
{
    return path != DECODE_PATH_ROWS && p->is_fast &&
           decode_fast(&d->fast, &d->memory, p, topic, frame, path == DECODE_PATH_WHOLE, out);
}

/* decoder_decode() for an uncompressed frame. */
static int decode_plain(decoder *d, const topic_match *topic, td_bytes frame, decode_path path,
                        message *out, decode_error *why)
{
    decode_plan *p = plan_cache_get(&d->plans, topic->row);
    /* If the fast path refuses a frame, decode_rows() decodes it or reports the error. */
    if (try_fast(d, p, topic, frame, path, out))
        return 1;
    d->slow_count += path != DECODE_PATH_ROWS;
    json_value root;
    return read_root(d, frame, &root, why) &&
           decode_rows(&d->rows, &d->memory, p, topic, root, frame.size, path != DECODE_PATH_FAST,
                       out, why);
}

/* decoder_decode() for frames that are compressed, bare, lists, or of unknown topics. It is apart
 * from it, because its buffers and calls make that function slower. */
static __attribute__((noinline)) int decode_other(decoder *d, const topic_match *topic,
                                                  td_bytes frame, decode_path path, message *out,
                                                  decode_error *why)
{
    td_bytes whole = frame;
    td_result rc = inflate_frame(d, frame, &frame);
    if (rc != TD_OK)
        return refuse_compressed(whole, rc, why);
    if (topic->row == NULL)
        return refuse_unknown(d, topic, frame, why);
    if (topic->row->list != NULL && frame.size > 0 &&
        try_fast(d, plan_cache_get(&d->plans, topic->row), topic, frame, path, out))
        return 1;
    const uint8_t *given = frame.data;
    read_form(d, topic, &frame);
    int is_decoded = decode_plain(d, topic, frame, path, out, why);
    if (frame.data != given)
        why->offset = 0; /* it is one of d->named, which no caller sees */
    return is_decoded;
}

int decoder_decode(decoder *d, const topic_match *topic, td_bytes frame, decode_path path,
                   message *out, decode_error *why)
{
    *why = (decode_error){.reason = DECODE_OK};
    return TD_LIKELY(frame.size > 0 && *frame.data == '{' && topic->row != NULL &&
                     topic->row->list == NULL && !topic->row->may_have_key &&
                     (topic->row->bare == NULL || !bare_frame_may_be(topic->row->bare, frame)))
               ? decode_plain(d, topic, frame, path, out, why)
               : decode_other(d, topic, frame, path, out, why);
}

int decoder_survey(decoder *d, const topic_match *topic, td_bytes frame, message *out,
                   frame_survey *survey, decode_error *why)
{
    TD_ASSERT(topic->row != NULL);
    *why = (decode_error){.reason = DECODE_OK};
    *survey = (frame_survey){.text = frame};
    td_result rc = inflate_frame(d, frame, &survey->text);
    if (rc != TD_OK)
        return refuse_compressed(frame, rc, why);
    read_form(d, topic, &survey->text);
    d->rows.surveys = 1;
    int is_decoded = decode_plain(d, topic, survey->text, DECODE_PATH_ROWS, out, why);
    d->rows.surveys = 0;
    survey->root = (json_value){d->parser, 0};
    survey->members = d->rows.members;
    survey->member_count = d->rows.member_count;
    survey->unexpected = d->rows.unexpected;
    survey->unexpected_count = d->rows.unexpected_count;
    survey->unexpected_left_out = d->rows.unexpected_left_out;
    return is_decoded;
}

int decoder_survey_text(decoder *d, td_bytes frame, frame_survey *survey, decode_error *why)
{
    *why = (decode_error){.reason = DECODE_OK};
    *survey = (frame_survey){.text = frame};
    td_result rc = inflate_frame(d, frame, &survey->text);
    if (rc != TD_OK)
        return refuse_compressed(frame, rc, why);
    return read_root(d, survey->text, &survey->root, why);
}

/* 1 if a frame is a pong that is not JSON. */
static int is_text_pong(const family *of, td_bytes frame)
{
    const char *pong = exchange_of(of)->frames.pong;
    return pong != NULL && td_bytes_is(frame, pong);
}

int decoder_inflates(const family *of, td_bytes frame)
{
    return !is_text_pong(of, frame) && looks_compressed(frame);
}

void decoder_classify_as(decoder *d, const family *of, td_bytes topic, td_bytes frame,
                         uint64_t at_ns, classification *out)
{
    if (exchange_of(of)->frames.bare_count > 0)
        wrap_bare(d, &exchange_of(of)->frames, topic, &frame);
    classify_inbound(d->classifier, d->parser, of, frame, topic, at_ns, out);
}

void decoder_classify_answer(decoder *d, const family *of, td_bytes topic, td_bytes frame,
                             uint64_t at_ns, classification *out)
{
    classify_answer(d->classifier, d->parser, of, frame, topic, at_ns, out);
}

/* Classify an inbound frame that may be bare. */
static void classify_bare(decoder *d, const family *of, td_bytes frame, uint64_t at_ns,
                          classification *out)
{
    const frame_keys *keys = &exchange_of(of)->frames;
    char topic[LIMIT_TOPIC_BYTES];
    int is_open = 0;
    const size_t size = bare_frame_topic(keys, d->parser, frame, topic, &is_open);
    if (size > 0)
        decoder_classify_as(d, of, td_bytes_of(topic, size), frame, at_ns, out);
    else
        classify_inbound(d->classifier, d->parser, of, frame, (td_bytes){0}, at_ns, out);
    if (size == 0 && out->frame_class == CLASS_UNKNOWN)
        out->is_open = (uint8_t)bare_frame_is(keys, d->parser, frame);
    if (is_open == 0 || size == 0 || out->frame_class != CLASS_DATA)
        return;
    out->is_open = 1;
    out->topic = (topic_match){.topic = out->exchange_topic};
}

/* 1 if a frame of an account has the client's key in place of its topic (Binance's
 * /private/stream).
 */
static int is_by_key(const family *of, const classification *what)
{
    return what->frame_class == CLASS_DATA && what->topic.row == NULL && of != NULL &&
           of->topic_count > 0 && of->topics[0].may_have_key;
}

/* Classify a frame by its data, as if that were a bare frame. */
static void classify_by_data(decoder *d, const family *of, td_bytes frame, uint64_t at_ns,
                             classification *out)
{
    const frame_keys *keys = &exchange_of(of)->frames;
    char topic[LIMIT_TOPIC_BYTES];
    int is_open = 0;
    const td_bytes data = bare_frame_strip(keys, d->parser, frame);
    const size_t size = bare_frame_topic(keys, d->parser, data, topic, &is_open);
    if (size > 0 && !is_open)
        decoder_classify_as(d, of, td_bytes_of(topic, size), data, at_ns, out);
}

void decoder_classify(decoder *d, const family *of, td_bytes frame, channel_dir dir, uint64_t at_ns,
                      classification *out)
{
    if (dir == CHANNEL_IN && is_text_pong(of, frame)) {
        *out = (classification){.frame_class = CLASS_PONG, .success = -1};
        return;
    }
    if (dir == CHANNEL_IN && inflate_frame(d, frame, &frame) == TD_OK) {
        if (TD_UNLIKELY(of != NULL && of->list != NULL))
            name_list(d, of->list, &frame);
        if (TD_UNLIKELY(bare_frame_may_be(&exchange_of(of)->frames, frame)))
            classify_bare(d, of, frame, at_ns, out);
        else
            classify_inbound(d->classifier, d->parser, of, frame, (td_bytes){0}, at_ns, out);
        if (TD_UNLIKELY(is_by_key(of, out)))
            classify_by_data(d, of, frame, at_ns, out);
        return;
    }
    if (dir == CHANNEL_OUT && of != NULL && of->op_is_topic) {
        classify_inbound(d->classifier, d->parser, of, frame, (td_bytes){0}, at_ns, out);
        if (out->frame_class == CLASS_DATA)
            return;
    }
    *out = (classification){.frame_class = dir == CHANNEL_OUT ? CLASS_REQUEST : CLASS_UNKNOWN,
                            .success = -1};
}

uint64_t decoder_slow_count(const decoder *d)
{
    return d->slow_count;
}

const char *decode_reason_name(decode_reason reason)
{
#define REASON_NAME(id, name) name,
    static const char *const NAMES[DECODE_REASON_COUNT] = {DECODE_REASONS(REASON_NAME)};
#undef REASON_NAME
    TD_ASSERT(reason < DECODE_REASON_COUNT);
    return NAMES[reason];
}
