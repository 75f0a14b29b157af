/* The canonical form against fixed vectors: tests/schema/canonical_vectors.json, from a separate
 * implementation of docs/regress.md (tests/e2e/regress/canonical_vectors.mjs). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "book/book.h"
#include "schema/canonical.h"
#include "schema/message_read.h"
#include "tests/testing/capture.h"

enum { FIELDS_MAX = 64 };

typedef struct vectors {
    uint8_t *file;
    json_parser *parser;
    json_value root;
    message_builder *builder;
    td_arena *arena;
} vectors;

static int vectors_open(void **state)
{
    size_t size;
    vectors *v = calloc(1, sizeof *v);
    assert_non_null(v);
    v->file = capture_read_file("tests/schema/canonical_vectors.json", &size);
    v->parser = json_parser_open(0);
    v->builder = message_builder_open();
    assert_int_equal(json_parse(v->parser, td_bytes_of(v->file, size), JSON_COPIED, &v->root, NULL),
                     TD_OK);
    v->arena = td_arena_open();
    *state = v;
    return 0;
}

static int vectors_close(void **state)
{
    vectors *v = *state;
    td_arena_close(v->arena);
    message_builder_close(v->builder);
    json_parser_close(v->parser);
    td_free(v->file);
    free(v);
    return 0;
}

static json_value list_of(const vectors *v, const char *name)
{
    json_value list;
    assert_true(json_find(v->root, name, &list));
    assert_true(json_count(list) > 0);
    return list;
}

static td_bytes text_of(json_value vector, const char *key)
{
    td_bytes text;
    assert_true(json_find_text(vector, key, &text));
    return text;
}

static void assert_hash(json_value vector, const char *key, uint64_t hash)
{
    char hex[17];
    td_bytes expected = text_of(vector, key);
    (void)snprintf(hex, sizeof hex, "%016llx", (unsigned long long)hash);
    if (!td_bytes_is(expected, hex))
        fail_msg("%.*s: %s is %s", (int)json_raw(vector).size, (const char *)json_raw(vector).data,
                 key, hex);
}

/* A row whose frames and entries have the vector's fields. */
static topic_row row_of(json_value vector, field_row fields[FIELDS_MAX])
{
    json_value types;
    json_value name;
    json_value type;
    json_value m;
    td_bytes text;
    size_t count = 0;
    topic_row row = {.name = "t", .pattern = "t", .type = MSG_BOOK_CHANGE};
    assert_true(json_find(vector, "types", &types));
    for (json_iter it = json_iter_of(types); json_next(&it, &name, &type); count++) {
        assert_true(count < FIELDS_MAX);
        assert_true(json_text(name, &text));
        fields[count] = (field_row){.key = "", .member = msg_member_find(text)};
        assert_true(json_text(type, &text));
        while (!td_bytes_is(text, field_type_name(fields[count].type)))
            fields[count].type++;
        if (fields[count].type == FIELD_SIDE)
            fields[count].type = FIELD_ANY_SIDE; /* one vector has no side */
    }
    if (!json_find(types, "version", &type))
        fields[count++] = (field_row){.key = "", .type = FIELD_TEXT, .member = MEMBER_VERSION};
    assert_true(json_find(vector, "message", &m));
    while (!td_bytes_is(text_of(m, "type"), msg_type_name(row.type)))
        row.type++;
    row.envelope = row.fields = fields;
    row.envelope_count = row.field_count = count;
    return row;
}

static void check_message(vectors *v, json_value vector)
{
    message m;
    td_err err;
    json_value written;
    field_row fields[FIELDS_MAX];
    const topic_row row = row_of(vector, fields);
    assert_true(json_find(vector, "message", &written));
    const message_subject subject = {&row, td_bytes_str("t"), td_bytes_str("S")};
    td_arena_reset(v->arena);
    if (message_read(v->builder, written, NULL, &subject, v->arena, &m, &err) != TD_OK)
        fail_msg("%.*s: %s", (int)json_raw(vector).size, (const char *)json_raw(vector).data,
                 err.text);
    assert_hash(vector, "hash", canonical_hash(&m));
}

static void test_messages(void **state)
{
    json_value vector;
    uint64_t version;
    vectors *v = *state;
    assert_true(json_find_u64(v->root, "version", &version));
    assert_int_equal(version, CANONICAL_VERSION);
    for (json_iter it = json_iter_of(list_of(v, "messages")); json_next(&it, NULL, &vector);)
        check_message(v, vector);
}

static void test_failures(void **state)
{
    json_value vector;
    const vectors *v = *state;
    json_value list = list_of(v, "failures");
    int reason = DECODE_OK;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &vector);) {
        td_bytes name = text_of(vector, "reason");
        for (reason = DECODE_OK + 1; reason < DECODE_REASON_COUNT; reason++)
            if (td_bytes_is(name, decode_reason_name((decode_reason)reason)))
                break;
        assert_true(reason < DECODE_REASON_COUNT);
        assert_hash(vector, "hash", canonical_failure((decode_reason)reason));
    }
    /* For a new reason, add a vector to REASONS in tests/e2e/regress/canonical_vectors.mjs. */
    assert_int_equal(json_count(list), DECODE_REASON_COUNT - 1);
}

static void test_control_frames(void **state)
{
    json_value vector;
    json_value success;
    const vectors *v = *state;
    for (json_iter it = json_iter_of(list_of(v, "controls")); json_next(&it, NULL, &vector);) {
        int is_true = -1;
        classification what = {.exchange_topic = text_of(vector, "topic")};
        assert_true(json_find(vector, "success", &success));
        what.success = (int8_t)(json_bool(success, &is_true) ? is_true : -1);
        what.frame_class = CLASS_DATA;
        while (!td_bytes_is(text_of(vector, "class"), frame_class_name(what.frame_class)))
            what.frame_class++;
        assert_hash(vector, "hash", canonical_control(&what));
    }
}

static td_decimal decimal_of(json_value level, const char *key)
{
    td_decimal value;
    assert_int_equal(td_decimal_parse(text_of(level, key), &value, NULL), TD_OK);
    return value;
}

static void test_books(void **state)
{
    json_value vector;
    json_value levels;
    json_value level;
    const vectors *v = *state;
    for (json_iter it = json_iter_of(list_of(v, "books")); json_next(&it, NULL, &vector);) {
        book *b;
        book_outcome outcome;
        msg_level made[8];
        size_t count = 0;
        assert_true(json_find(vector, "levels", &levels));
        assert_true(json_count(levels) <= 8);
        for (json_iter at = json_iter_of(levels); json_next(&at, NULL, &level); count++) {
            td_decimal price = decimal_of(level, "price");
            td_decimal size = decimal_of(level, "size");
            made[count] = (msg_level){
                .price = price.mantissa,
                .size = size.mantissa,
                .price_scale = price.scale,
                .size_scale = size.scale,
                .side = td_bytes_is(text_of(level, "side"), "Buy") ? SIDE_BUY : SIDE_SELL,
                .action = ACTION_SET,
            };
        }
        const msg_book snapshot = {
            .head.kind = FRAME_SNAPSHOT, .levels = made, .level_count = count};
        b = book_open(0);
        book_apply(b, &snapshot, &outcome);
        assert_hash(vector, "hash", book_hash_best(b, 0));
        book_close(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_control_frames),
        cmocka_unit_test(test_books),
    };
    return cmocka_run_group_tests(tests, vectors_open, vectors_close);
}
