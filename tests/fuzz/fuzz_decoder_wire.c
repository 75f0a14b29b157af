/* Any bytes from a decoder in another process, or to one. The first byte chooses: 'j' answers in
 * lines of JSON, 'b' binary answers, 'i' binary frames, 'g' a greeting, 'm' a mapping file. Answers
 * become messages, as in regress/decoder_pool.c. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/limits.h"
#include "regress/decoder_map.h"
#include "regress/decoder_wire.h"
#include "schema/canonical.h"
#include "schema/family.h"
#include "schema/message_read.h"
#include "tests/testing/fuzz_input.h"

typedef struct bench {
    json_parser *parser;
    message_builder *builder;
    td_arena *arena;
    message_subject subject;
} bench;

static void open_bench(bench *b)
{
    topic_match found;
    const family *of = family_find(td_bytes_str("linear"));
    fuzz_must(json_parser_open(LIMIT_DECODER_REPLY_BYTES, &b->parser, NULL), NULL);
    fuzz_must(message_builder_open(NULL, &b->builder, NULL), NULL);
    b->arena = td_arena_open((size_t)64 << 20);
    TD_ASSERT(b->arena != NULL);
    int is_found = topic_match_text(of->topics, of->topic_count, td_bytes_str("trade.BTCUSDT"),
                                    TOPIC_ANY_TIME, &found);
    TD_ASSERT(is_found);
    b->subject = (message_subject){found.row, found.topic, found.symbol};
}

static void read_message(bench *b, wire_form form, const wire_reply *reply)
{
    message m;
    td_err err;
    td_arena_reset(b->arena);
    td_result rc = form == WIRE_JSON
                       ? message_read(b->builder, reply->json, "n", &b->subject, b->arena, &m, &err)
                       : canonical_read(reply->body, b->parser, b->arena, &m, &err);
    if (rc == TD_OK && form == WIRE_BINARY)
        rc = message_fit(&m, &b->subject, &err);
    TD_ASSERT(rc == TD_OK || (rc == TD_E_INVALID && err.text[0] != '\0'));
    if (rc == TD_OK)
        TD_ASSERT(m.head.row == b->subject.row && canonical_hash(&m, CANONICAL_WHOLE) != 0);
}

static void read_answers(bench *b, wire_form form, td_bytes bytes)
{
    td_bytes answer;
    size_t used = 0;
    size_t seen = 0;
    for (size_t at = 0; wire_find_reply(form, td_bytes_of(bytes.data + at, bytes.size - at), &seen,
                                        &answer, &used) == 1;
         at += used, seen = 0) {
        wire_reply reply;
        td_err err;
        TD_ASSERT(used > 0 && used <= bytes.size - at);
        td_result rc = wire_read_reply(form, b->parser, answer, &reply, &err);
        TD_ASSERT(rc == TD_OK || (rc == TD_E_INVALID && err.text[0] != '\0'));
        if (rc == TD_OK && reply.answer == WIRE_MESSAGE)
            read_message(b, form, &reply);
    }
}

static void read_input(td_bytes bytes)
{
    wire_input input;
    size_t used = 0;
    for (size_t at = 0;
         wire_take_input(td_bytes_of(bytes.data + at, bytes.size - at), &used, &input) == 1;
         at += used)
        TD_ASSERT(used > 0 && used <= bytes.size - at);
}

static void read_greeting(bench *b, td_bytes bytes)
{
    wire_greeting greeting;
    td_err err;
    td_result rc = wire_read_welcome(b->parser, bytes, &greeting, &err);
    TD_ASSERT(rc == TD_OK || rc == TD_E_INVALID || rc == TD_E_UNSUPPORTED);
}

static void read_map(td_bytes bytes)
{
    decoder_map *map = NULL;
    td_err err;
    td_result rc = decoder_map_open(bytes, "map", &map, &err);
    TD_ASSERT(rc == TD_OK || (rc == TD_E_INVALID && strncmp(err.text, "map:", 4) == 0));
    decoder_map_close(rc == TD_OK ? map : NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bench b;
    if (b.parser == NULL)
        open_bench(&b);
    if (size == 0)
        return 0;
    uint8_t *copy = calloc(1, size + JSON_PADDING_BYTES);
    TD_ASSERT(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    td_bytes bytes = td_bytes_of(copy, size - 1);
    if (data[0] == 'j' || data[0] == 'b')
        read_answers(&b, data[0] == 'j' ? WIRE_JSON : WIRE_BINARY, bytes);
    else if (data[0] == 'i')
        read_input(bytes);
    else if (data[0] == 'g')
        read_greeting(&b, bytes);
    else if (data[0] == 'm')
        read_map(bytes);
    free(copy);
    return 0;
}
