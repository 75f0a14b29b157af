#include "tests/testing/message_round.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/json/json_write.h"
#include "schema/canonical.h"
#include "schema/message_json.h"
#include "schema/message_read.h"

struct message_round {
    json_parser *parser;
    message_builder *builder;
    td_arena *arena;
    td_arena *again;
    td_buf text;
};

message_round *message_round_open(void)
{
    message_round *round = calloc(1, sizeof *round);
    round->parser = json_parser_open(0);
    round->builder = message_builder_open();
    round->arena = td_arena_open();
    round->again = td_arena_open();
    td_buf_init(&round->text, LIMIT_RECORD_BYTES);
    return round;
}

void message_round_close(message_round *round)
{
    td_buf_fini(&round->text);
    td_arena_close(round->arena);
    td_arena_close(round->again);
    message_builder_close(round->builder);
    json_parser_close(round->parser);
    free(round);
}

/* Reads a message from a text; 0 and err if the text is invalid. */
static int read_text(message_round *round, const message_subject *subject, td_bytes text,
                     td_arena *arena, message *out, td_err *err)
{
    json_value root;
    td_arena_reset(arena);
    td_result rc = json_parse(round->parser, text, JSON_COPIED, &root, err);
    if (rc == TD_OK)
        rc = message_read(round->builder, root, "n", subject, arena, out, err);
    TD_ASSERT(rc == TD_OK || rc == TD_E_INVALID || rc == TD_E_LIMIT);
    return rc == TD_OK;
}

/* Writes the message as JSON, reads it back, and compares. */
static void check(message_round *round, const message_subject *subject, const message *m)
{
    json_writer w;
    message again;
    td_err err;
    td_buf_clear(&round->text);
    json_write_begin(&w, &round->text);
    json_write_object_begin(&w);
    message_json_members(&w, m);
    json_write_object_end(&w);
    td_result rc = json_write_end(&w, &err);
    TD_ASSERT(rc == TD_OK);
    if (round->text.size > LIMIT_FRAME_BYTES)
        return;
    td_err_clear(&err);
    int is_read = read_text(round, subject, td_buf_view(&round->text), round->again, &again, &err);
    /* Without a row, a decimal is read back as a text. */
    int is_same =
        is_read && (subject->row == NULL || (canonical_hash(m) == canonical_hash(&again) &&
                                             td_bytes_equal(m->head.symbol, again.head.symbol)));
    if (!is_same)
        fprintf(stderr, "%.*s\n%s\n", (int)round->text.size, (const char *)round->text.data,
                is_read ? "is another message" : err.text);
    TD_ASSERT(is_same);
}

void message_round_check(message_round *round, const topic_match *topic, const message *m)
{
    const message_subject subject = {topic->row, topic->topic, topic->symbol};
    check(round, &subject, m);
}

int message_round_read(message_round *round, const message_subject *subject, td_bytes text,
                       message *out, td_err *err)
{
    td_err why;
    td_err_clear(&why);
    int is_read = read_text(round, subject, text, round->arena, out, &why);
    if (err != NULL)
        *err = why;
    if (is_read)
        check(round, subject, out);
    else
        TD_ASSERT(why.text[0] != '\0');
    return is_read;
}
