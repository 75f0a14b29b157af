#include "tests/testing/decode_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tests/testing/message_compare.h"

int decode_bench_open(void **state)
{
    static decode_bench b;
    td_err err;
    assert_int_equal(decoder_open(&b.hot, &err), TD_OK);
    assert_int_equal(decoder_open(&b.rows, &err), TD_OK);
    b.memory = NULL;
    *state = &b;
    return 0;
}

int decode_bench_close(void **state)
{
    decode_bench *b = *state;
    decoder_close(b->hot);
    decoder_close(b->rows);
    td_free(b->memory);
    return 0;
}

topic_match decode_bench_match(const char *family_name, const char *topic)
{
    topic_match match;
    const family *of = family_find(td_bytes_str(family_name));
    assert_true(
        topic_match_text(of->topics, of->topic_count, td_bytes_str(topic), TOPIC_NOW, &match));
    return match;
}

int decode_bench_frame(decode_bench *b, const topic_match *topic, td_bytes frame, message *out,
                       decode_error *why)
{
    td_free(b->memory);
    b->memory = td_alloc(frame.size + DECODE_PADDING_BYTES);
    assert_non_null(b->memory);
    if (frame.size > 0)
        memcpy(b->memory, frame.data, frame.size);
    for (size_t i = 0; i < DECODE_PADDING_BYTES; i++)
        b->memory[frame.size + i] = (uint8_t) "}]\"0"[i % 4];
    frame.data = b->memory;
    message rows;
    decode_error rows_why;
    int is_row = decoder_decode(b->rows, topic, frame, DECODE_PATH_ROWS, &rows, &rows_why);
    if (is_row)
        assert_whole_equal(b->hot, topic, frame, &rows);
    int is_hot = decoder_decode(b->hot, topic, frame, DECODE_PATH_FAST, out, why);
    assert_int_equal(is_hot, is_row);
    assert_int_equal(why->reason, rows_why.reason);
    assert_int_equal(why->offset, rows_why.offset);
    assert_true((why->field == NULL) == (rows_why.field == NULL));
    if (why->field != NULL)
        assert_string_equal(why->field, rows_why.field);
    if (is_hot) {
        assert_messages_equal(out, &rows);
        assert_int_equal(why->reason, DECODE_OK);
    }
    return is_hot;
}

int decode_bench_text(decode_bench *b, const char *family_name, const char *topic,
                      const char *frame, message *out, decode_error *why)
{
    topic_match match = decode_bench_match(family_name, topic);
    return decode_bench_frame(b, &match, td_bytes_str(frame), out, why);
}
