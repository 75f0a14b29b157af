#include "tests/testing/decode_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "tests/testing/message_compare.h"

decoder_pair decoder_pair_open(void)
{
    decoder_pair pair;
    pair.fast = decoder_open();
    pair.rows = decoder_open();
    return pair;
}

void decoder_pair_close(decoder_pair *pair)
{
    decoder_close(pair->fast);
    decoder_close(pair->rows);
}

/* The topic of an answer about orders that does not name it: "private/buy" of
 * "private-buy.refused.json". */
static const topic_row *row_named(const family *of, const char *name)
{
    const topic_row *found = NULL;
    for (size_t i = 0; of->op_is_topic && i < of->topic_count; i++) {
        const topic_row *row = &of->topics[i];
        const size_t size = strlen(row->pattern);
        size_t same = 0;
        while (same < size && (name[same] == row->pattern[same] ||
                               (name[same] == '-' && row->pattern[same] == '/')))
            same++;
        if (row->type == MSG_ORDER_ENTRY && same == size && name[size] == '.' &&
            (found == NULL || size > strlen(found->pattern)))
            found = row;
    }
    return found;
}

void classify_as_named(decoder *d, const family *of, td_bytes frame, uint64_t at_ns,
                       const char *name, classification *what)
{
    char topic[LIMIT_TOPIC_BYTES];
    decoder_classify(d, of, frame, CHANNEL_IN, at_ns, what);
    const topic_row *row = what->frame_class == CLASS_DATA ? NULL : row_named(of, name);
    if (row != NULL)
        decoder_classify_answer(d, of, td_bytes_str(row->pattern), frame, at_ns, what);
    const td_bytes begun = what->exchange_topic;
    if (!what->is_open)
        return;
    const uint8_t *dot = memrchr(begun.data, '.', begun.size);
    assert_non_null(dot);
    snprintf(topic, sizeof topic, "%.*s%.*s", (int)strcspn(name, "."), name,
             (int)(begun.size - (size_t)(dot - begun.data)), (const char *)dot);
    decoder_classify_as(d, of, td_bytes_str(topic), frame, at_ns, what);
}

int decoder_pair_decode(decoder_pair *pair, const topic_match *topic, td_bytes frame, message *fast,
                        message *rows, decode_error *why)
{
    message own;
    decode_error rows_why;
    message *by_rows = rows == NULL ? &own : rows;
    int is_row = decoder_decode(pair->rows, topic, frame, DECODE_PATH_ROWS, by_rows, &rows_why);
    if (is_row)
        assert_whole_equal(pair->fast, topic, frame, by_rows);
    int is_fast = decoder_decode(pair->fast, topic, frame, DECODE_PATH_FAST, fast, why);
    assert_int_equal(is_fast, is_row);
    assert_int_equal(why->reason, rows_why.reason);
    assert_int_equal(why->offset, rows_why.offset);
    assert_true((why->field == NULL) == (rows_why.field == NULL));
    if (why->field != NULL)
        assert_string_equal(why->field, rows_why.field);
    if (is_fast) {
        assert_messages_equal(fast, by_rows);
        assert_int_equal(why->reason, DECODE_OK);
    }
    return is_fast;
}

int decode_fixture_open(void **state)
{
    static decode_fixture f;
    f = (decode_fixture){.decoders = decoder_pair_open()};
    *state = &f;
    return 0;
}

int decode_fixture_close(void **state)
{
    decode_fixture *f = *state;
    decoder_pair_close(&f->decoders);
    td_free(f->memory);
    return 0;
}

topic_match decode_fixture_match(const char *family_name, const char *topic)
{
    topic_match match;
    const family *of = family_find(td_bytes_str(family_name));
    assert_true(
        topic_match_text(of->topics, of->topic_count, td_bytes_str(topic), TOPIC_NOW, &match));
    return match;
}

int decode_fixture_frame(decode_fixture *f, const topic_match *topic, td_bytes frame, message *out,
                         decode_error *why)
{
    td_free(f->memory);
    f->memory = td_alloc(frame.size + DECODE_PADDING_BYTES);
    assert_non_null(f->memory);
    if (frame.size > 0)
        memcpy(f->memory, frame.data, frame.size);
    for (size_t i = 0; i < DECODE_PADDING_BYTES; i++)
        f->memory[frame.size + i] = (uint8_t) "}]\"0"[i % 4];
    frame.data = f->memory;
    return decoder_pair_decode(&f->decoders, topic, frame, out, NULL, why);
}

int decode_fixture_text(decode_fixture *f, const char *family_name, const char *topic,
                        const char *frame, message *out, decode_error *why)
{
    topic_match match = decode_fixture_match(family_name, topic);
    return decode_fixture_frame(f, &match, td_bytes_str(frame), out, why);
}
