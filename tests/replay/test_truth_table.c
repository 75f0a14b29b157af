/* Marks and items of a truth file by the hash of their frame. Expected: the contract of
 * replay/truth_table.h, and the files below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "replay/truth_table.h"
#include "tests/testing/io_fault.h"

enum { FRAMES = 500, TEXT_MAX = 1 << 20, SWEEP_MAX = 500 };

static void add(td_buf *text, const char *line)
{
    assert_int_equal(td_buf_append(text, line, strlen(line), NULL), TD_OK);
}

static void add_mark(td_buf *text, const char *path, uint64_t xxh64, unsigned sha1)
{
    char line[256];
    (void)snprintf(line, sizeof line,
                   "{\"t\":\"book\",\"path\":\"%s\",\"xxh64\":\"%016llx\","
                   "\"levels_sha1\":\"%040x\"}\n",
                   path, (unsigned long long)xxh64, sha1); /* fits */
    add(text, line);
}

static void add_item(td_buf *text, uint64_t xxh64, unsigned index, unsigned value)
{
    char line[256];
    (void)snprintf(line, sizeof line,
                   "{\"t\":\"trade\",\"xxh64\":\"%016llx\",\"item\":%u,\"values\":{\"v\":%u}}\n",
                   (unsigned long long)xxh64, index, value); /* fits */
    add(text, line);
}

static void write_file(td_io io, td_buf *text)
{
    td_file *file = NULL;
    assert_int_equal(td_io_open(io, "truth.jsonl", TD_OPEN_CREATE, &file, NULL), TD_OK);
    assert_int_equal(td_io_append(file, text->data, text->size, NULL), TD_OK);
    td_io_close(file);
    td_buf_fini(text);
}

static truth_table *open_text(td_buf *text)
{
    io_fault *disk = io_fault_open();
    truth_table *table = NULL;
    td_err err;
    write_file(io_fault_io(disk), text);
    if (truth_table_open(io_fault_io(disk), "truth.jsonl", &table, &err) != TD_OK)
        fail_msg("%s", err.text);
    io_fault_close(disk);
    return table;
}

/* The values of a frame's items, with a space between them. */
static const char *values_of(truth_table *table, uint64_t xxh64)
{
    static char text[256];
    size_t size = 0;
    size_t count;
    const truth_item *items = truth_table_items(table, xxh64, &count);
    assert_int_equal(items == NULL, count == 0);
    text[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        td_bytes values = truth_item_values(table, &items[i]);
        assert_true(items[i].xxh64 == xxh64);
        assert_int_equal(items[i].index, i);
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%.*s", i == 0 ? "" : " ",
                                 (int)values.size, (const char *)values.data);
        assert_true(size < sizeof text);
    }
    return text;
}

static void test_marks(void **state)
{
    (void)state;
    const family *inverse = family_find(td_bytes_str("inverse"));
    td_buf text;
    td_buf_init(&text, TEXT_MAX);
    for (unsigned i = 0; i < FRAMES; i++)
        add_mark(&text, "/realtime", (uint64_t)i << 32 | 5, i);
    add_mark(&text, "/realtime", 5, 0xabc); /* the later one counts */
    add_mark(&text, "/v5/public/spot", 7, 1);
    add_item(&text, 9, 0, 1);
    truth_table *table = open_text(&text);
    for (unsigned i = 1; i < FRAMES; i++) {
        char sha1[TD_SHA1_HEX_BYTES];
        (void)snprintf(sha1, sizeof sha1, "%040x", i); /* fits */
        assert_string_equal(truth_table_mark(table, inverse, (uint64_t)i << 32 | 5), sha1);
        assert_null(truth_table_mark(table, inverse, (uint64_t)i << 32 | 6));
    }
    assert_string_equal(truth_table_mark(table, inverse, 5),
                        "0000000000000000000000000000000000000abc");
    assert_null(truth_table_mark(table, inverse, 7)); /* of another family */
    assert_null(truth_table_mark(table, inverse, 9)); /* an item is no mark */
    truth_table_close(table);
}

static void test_items(void **state)
{
    (void)state;
    td_buf text;
    td_buf_init(&text, TEXT_MAX);
    for (unsigned i = 0; i < FRAMES; i++)
        for (unsigned item = 0; item < 3; item++)
            add_item(&text, i + 100, item, i + item);
    /* The same frame twice, one after the other, and with others between. */
    for (unsigned twice = 0; twice < 2; twice++)
        for (unsigned item = 0; item < 2; item++)
            add_item(&text, 1, item, item);
    add_item(&text, 2, 0, 20);
    for (unsigned item = 0; item < 2; item++)
        add_item(&text, 1, item, item);
    add_item(&text, 100, 3, 3);
    truth_table *table = open_text(&text);
    for (unsigned i = 0; i < FRAMES; i++) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "{\"v\":%u} {\"v\":%u} {\"v\":%u}", i, i + 1,
                       i + 2); /* fits */
        assert_string_equal(values_of(table, i + 100), expected);
    }
    assert_string_equal(values_of(table, 1), "{\"v\":0} {\"v\":1}");
    assert_string_equal(values_of(table, 2), "{\"v\":20}");
    assert_string_equal(values_of(table, 3), "");
    size_t count;
    assert_non_null(truth_table_all_items(table, &count));
    assert_int_equal(count, 3 * FRAMES + 3);
    truth_table_close(table);
}

static void test_empty(void **state)
{
    (void)state;
    td_buf text;
    td_buf_init(&text, TEXT_MAX);
    add(&text, "{\"t\":\"fault\"}\n");
    truth_table *table = open_text(&text);
    assert_string_equal(values_of(table, 0), "");
    assert_null(truth_table_mark(table, family_find(td_bytes_str("inverse")), 0));
    truth_table_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests_name("truth_table", tests, NULL, NULL);
}
