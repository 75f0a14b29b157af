/* Any bytes as the document of a family. Besides not crashing: a refused document has an error that
 * names it, and of an accepted one every topic can be used: frames that are made from its row, and
 * the same frames with damage, are decoded or refused, alike on both paths, and followed. */
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/random.h"
#include "book/continuity.h"
#include "schema/decode.h"
#include "schema/family_file.h"
#include "tests/testing/bybit_dialects.h"
#include "tests/testing/fuzz_input.h"
#include "tests/testing/message_compare.h"
#include "tests/testing/row_frames.h"

enum {
    FRAMES_OF_A_TOPIC = 4,
    FIELDS_MAX = 24,  /* frames are made of topics with fewer fields: their texts are small */
    PATTERN_MAX = 40, /* and of short ones */
    TEXT_MAX = 1 << 20,
};

typedef struct fixture {
    decoder *decoder;
    td_buf text;
    td_random random;
} fixture;

static int find_text(void *user, td_bytes name, td_bytes *text)
{
    *text = *(const td_bytes *)user;
    return td_bytes_is(name, "fuzzed");
}

static uint64_t decode(fixture *fx, const topic_match *topic, decode_path path, message *out)
{
    static const char PADDING[DECODE_PADDING_BYTES];
    decode_error why;
    const size_t size = fx->text.size;
    fuzz_must(td_buf_append(&fx->text, PADDING, sizeof PADDING, NULL), NULL);
    const td_bytes frame = td_bytes_of(td_buf_view(&fx->text).data, size);
    fx->text.size = size;
    const int is_decoded = decoder_decode(fx->decoder, topic, frame, path, out, &why);
    return is_decoded ? message_hash64(out) : (uint64_t)why.reason;
}

/* Put another byte into the text, once or not at all. */
static void damage(fixture *fx)
{
    static const char BYTES[] = "\"{}[]:,0-.e";
    if (td_random_below(&fx->random, 2) != 0)
        fx->text.data[td_random_below(&fx->random, fx->text.size)] =
            (uint8_t)BYTES[td_random_below(&fx->random, sizeof BYTES - 1)];
}

static void follow(fixture *fx, const topic_match *topic)
{
    track *state = track_open(topic->row);
    for (int i = 0; i < FRAMES_OF_A_TOPIC; i++) {
        message m;
        verdict found;
        row_frame *frame = row_frame_make(topic->row, &fx->random);
        td_buf_clear(&fx->text);
        row_frame_write(frame, 0, &fx->random, &fx->text);
        damage(fx);
        const uint64_t by_row = decode(fx, topic, DECODE_PATH_ROWS, &m);
        const uint64_t fast = decode(fx, topic, DECODE_PATH_FAST, &m);
        TD_ASSERT(by_row == fast);
        if (by_row < DECODE_REASON_COUNT)
            track_skip(state);
        else
            track_apply(state, &m, &found);
        row_frame_free(frame);
    }
    track_close(state);
}

static void check_topic(fixture *fx, const topic_row *row)
{
    topic_match topic;
    if (row->field_count >= FIELDS_MAX || strlen(row->pattern) >= PATTERN_MAX || row->is_event ||
        row->snapshot_request != NULL)
        return;
    if (topic_match_text(row, 1, td_bytes_str(row_frame_topic(row)), row_frame_moment(row), &topic))
        follow(fx, &topic);
}

/* An undescribed family finds topics in any frame; here, in its own document. */
static void classify(fixture *fx, const family *of, td_bytes text)
{
    static const char PADDING[DECODE_PADDING_BYTES];
    classification found;
    td_buf_clear(&fx->text);
    fuzz_must(td_buf_append(&fx->text, text.data, text.size, NULL), NULL);
    fuzz_must(td_buf_append(&fx->text, PADDING, sizeof PADDING, NULL), NULL);
    decoder_classify(fx->decoder, of, td_bytes_of(fx->text.data, text.size), CHANNEL_IN, 1, &found);
    TD_ASSERT(found.topic.row == NULL);
    TD_ASSERT((found.frame_class == CLASS_DATA) == (found.exchange_topic.size > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fixture fx;
    td_bytes text = td_bytes_of(data, size);
    const family_texts texts = {.find = find_text, .exchange = find_bybit, .user = &text};
    td_arena *memory = td_arena_open();
    family made;
    td_err err;
    td_err_clear(&err);
    fx.decoder = decoder_open(); /* its plans belong to rows, which live as long as the family */
    td_buf_init(&fx.text, TEXT_MAX);
    td_random_init(&fx.random, size);
    if (family_file_read(&texts, "fuzzed", memory, &made, &err) == TD_OK) {
        TD_ASSERT(made.name != NULL);
        TD_ASSERT(made.dialect != NULL);
        for (size_t i = 0; i < made.topic_count; i++)
            check_topic(&fx, &made.topics[i]);
        if (made.exchange->frames.raw != NULL && size < TEXT_MAX / 2)
            classify(&fx, &made, text);
    } else {
        TD_ASSERT(strstr(err.text, ".yaml") != NULL);
    }
    td_buf_fini(&fx.text);
    decoder_close(fx.decoder);
    td_arena_close(memory);
    return 0;
}
