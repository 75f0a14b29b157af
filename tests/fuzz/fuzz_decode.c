/* Frames of any bytes through classification and both decoders. Besides not crashing:
 *   - what is behind a frame does not matter: with two different paddings everything comes out the
 * same;
 *   - the hot and the row-driven decoder agree: same verdict, same hash, same counts;
 *   - what a message or a refusal is written as is JSON that our own reader takes.
 * The first byte chooses the family. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "schema/decode.h"
#include "schema/json.h"
#include "schema/json_write.h"
#include "schema/message_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Instead of base/assert.c's, which ends the process quietly: the fuzzer has to see a crash. */
void td_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, condition);
    abort();
}

typedef struct outcome {
    frame_class frame_class;
    const topic_row *row;
    uint64_t exchange_ns;
    int is_decoded;
    decode_error why;
    uint64_t hash;
    uint32_t unknown_fields;
    uint32_t foreign_symbols;
} outcome;

static void check_json(json_parser *parser, const message *m, const outcome *o)
{
    td_buf text;
    td_err err;
    json_writer w;
    json_value root;
    td_buf_init(&text, (size_t)64 << 20);
    json_write_begin(&w, &text);
    json_write_object_begin(&w);
    if (o->is_decoded)
        message_json_members(&w, m);
    else
        message_json_raw(&w, td_bytes_str("topic"), &o->why);
    json_write_object_end(&w);
    td_result rc = json_write_end(&w, &err);
    TD_ASSERT(rc == TD_OK);
    if (text.size < LIMIT_FRAME_BYTES) {
        rc = json_parse(parser, td_buf_view(&text), JSON_COPIED, &root, &err);
        TD_ASSERT(rc == TD_OK);
    }
    td_buf_fini(&text);
}

static outcome run(decoder *d, json_parser *parser, const family *of, td_bytes frame,
                   decode_path path)
{
    outcome o = {0};
    classification what;
    message m;
    decoder_classify(d, of, frame, DIR_IN, TOPIC_NOW, &what);
    o.frame_class = what.frame_class;
    o.row = what.topic.row;
    o.exchange_ns = what.exchange_ns;
    if (what.frame_class != CLASS_DATA)
        return o;
    o.is_decoded = decoder_decode(d, &what.topic, frame, path, &m, &o.why);
    TD_ASSERT(o.is_decoded == (o.why.reason == DECODE_OK));
    if (o.is_decoded) {
        o.hash = message_hash64(&m);
        o.unknown_fields = m.head.unknown_fields;
        o.foreign_symbols = m.head.foreign_symbols;
    } else {
        /* of a compressed frame it is a byte of what comes out */
        TD_ASSERT(o.why.offset <= frame.size || (frame.data[0] != '{' && frame.data[0] != '['));
    }
    check_json(parser, &m, &o);
    return o;
}

static void check_same(const outcome *a, const outcome *b)
{
    TD_ASSERT(a->frame_class == b->frame_class);
    TD_ASSERT(a->row == b->row);
    TD_ASSERT(a->exchange_ns == b->exchange_ns);
    TD_ASSERT(a->is_decoded == b->is_decoded);
    TD_ASSERT(a->why.reason == b->why.reason);
    TD_ASSERT(a->why.offset == b->why.offset);
    TD_ASSERT(a->hash == b->hash);
    TD_ASSERT(a->unknown_fields == b->unknown_fields);
    TD_ASSERT(a->foreign_symbols == b->foreign_symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static decoder *d;
    static json_parser *parser;
    td_err err;
    if (d == NULL &&
        (decoder_open(&d, &err) != TD_OK || json_parser_open(0, &parser, &err) != TD_OK))
        abort();
    if (size == 0)
        return 0;
    size_t count = 0;
    const family *const *families = family_table(&count);
    const family *of = families[data[0] % count];
    size_t frame_size = size - 1;
    uint8_t *memory = malloc(frame_size + DECODE_PADDING_BYTES);
    if (memory == NULL)
        return 0;
    memcpy(memory, data + 1, frame_size);
    td_bytes frame = td_bytes_of(memory, frame_size);
    memset(memory + frame_size, 0, DECODE_PADDING_BYTES);
    outcome hot = run(d, parser, of, frame, DECODE_PATH_HOT);
    /* Digits, quotes and brackets behind the frame, as the next frame of a chunk has them. */
    for (size_t i = 0; i < DECODE_PADDING_BYTES; i++)
        memory[frame_size + i] = (uint8_t) "7\"}],{\"price\":\"1"[(i + size) % 16];
    outcome hot_again = run(d, parser, of, frame, DECODE_PATH_HOT);
    outcome rows = run(d, parser, of, frame, DECODE_PATH_ROWS);
    check_same(&hot, &hot_again);
    check_same(&hot, &rows);
    free(memory);
    return 0;
}
