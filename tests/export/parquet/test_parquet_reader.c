/* Reads and changes files of parquet_writer.h. Expected bytes: a file that the writer made with the
 * changed values. Damaged files are refused or read, and never crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "export/parquet/parquet_reader.h"

enum { FILE_BYTES_MAX = 1 << 20, COLUMNS = 6, LONG_BYTES = 70000 };

static const parquet_column COLUMNS_OF[COLUMNS] = {
    {"id", PARQUET_TEXT, 0, 0},   {"note", PARQUET_TEXT, 0, 1}, {"none", PARQUET_TEXT, 0, 1},
    {"flag", PARQUET_BOOL, 0, 0}, {"places", PARQUET_U8, 0, 0}, {"ns", PARQUET_TIME_NS, 0, 0}};

static td_result append(void *ctx, td_bytes bytes, td_err *err)
{
    return td_buf_append(ctx, bytes.data, bytes.size, err);
}

static td_buf write_file(const char *places, td_bytes note)
{
    const parquet_key_value pairs[] = {
        {"instrument_id", "price_precision"}, {"price_precision", places}, {"size_precision", "3"}};
    const parquet_schema schema = {COLUMNS_OF, COLUMNS, pairs, 3, 5, 0};
    td_buf out;
    td_err err;
    td_buf_init(&out, FILE_BYTES_MAX);
    parquet_writer *writer = parquet_open(&schema, (parquet_out){append, &out});
    parquet_put_text(writer, 0, td_bytes_str("BTCUSDT"));
    parquet_put_text(writer, 1, note);
    parquet_put_null(writer, 2);
    parquet_put_integer(writer, 3, 1);
    parquet_put_integer(writer, 4, 200);
    parquet_put_integer(writer, 5, INT64_C(1700000000000000001));
    assert_int_equal(parquet_end_row(writer, &err), TD_OK);
    assert_int_equal(parquet_finish(writer, &err), TD_OK);
    parquet_close(writer);
    return out;
}

static uint64_t footer_of(const td_buf *file)
{
    uint64_t size = 0;
    td_err err;
    assert_int_equal(
        parquet_footer_size(file->data + file->size - PARQUET_TAIL_BYTES, file->size, &size, &err),
        TD_OK);
    return size;
}

/* Sets an entry of a file's metadata, in memory. */
static td_result set_entry(td_buf *file, parquet_key_value entry, td_err *err)
{
    td_buf footer;
    size_t size = (size_t)footer_of(file);
    td_buf_init(&footer, FILE_BYTES_MAX);
    td_buf_add(&footer, file->data + file->size - size, size);
    td_result rc = parquet_footer_set(&footer, entry, err);
    file->size -= size;
    td_buf_add(file, footer.data, footer.size);
    td_buf_fini(&footer);
    return rc;
}

static void test_set(void **state)
{
    (void)state;
    td_err err;
    td_buf file = write_file("1", td_bytes_str("n"));
    td_buf wanted = write_file("12", td_bytes_str("n"));
    assert_int_equal(set_entry(&file, (parquet_key_value){"price_precision", "12"}, &err), TD_OK);
    assert_int_equal(set_entry(&file, (parquet_key_value){"class", "12"}, &err),
                     TD_OK); /* absent */
    assert_int_equal(file.size, wanted.size);
    assert_memory_equal(file.data, wanted.data, wanted.size);
    td_buf_fini(&file);
    td_buf_fini(&wanted);
}

static void free_values(parquet_value values[COLUMNS])
{
    for (size_t i = 0; i < COLUMNS; i++)
        td_free(values[i].text);
}

static void check_row(td_bytes note)
{
    td_err err;
    parquet_value values[COLUMNS];
    td_buf file = write_file("1", note);
    assert_int_equal(parquet_read_row(td_buf_view(&file), COLUMNS_OF, COLUMNS, values, &err),
                     TD_OK);
    assert_string_equal(values[0].text, "BTCUSDT");
    assert_int_equal(values[1].text_bytes, note.size);
    assert_memory_equal(values[1].text, note.data, note.size);
    assert_true(values[2].is_null);
    assert_int_equal(values[3].integer, 1);
    assert_int_equal(values[4].integer, 200);
    assert_int_equal(values[5].integer, INT64_C(1700000000000000001));
    free_values(values);
    td_buf_fini(&file);
}

/* Reads rows with texts that have bounds in the footer, that lack them, and that are larger than a
 * dictionary. */
static void test_row(void **state)
{
    (void)state;
    static char text[LONG_BYTES];
    memset(text, 'x', sizeof text);
    check_row(td_bytes_str(""));
    check_row(td_bytes_str("note"));
    check_row(td_bytes_of(text, 300));
    check_row(td_bytes_of(text, sizeof text));
}

static void read_damaged(const td_buf *file)
{
    td_err err;
    uint64_t size = 0;
    parquet_value values[COLUMNS];
    td_buf footer;
    if (parquet_read_row(td_buf_view(file), COLUMNS_OF, COLUMNS, values, &err) == TD_OK)
        free_values(values);
    if (file->size < PARQUET_TAIL_BYTES ||
        parquet_footer_size(file->data + file->size - PARQUET_TAIL_BYTES, file->size, &size,
                            &err) != TD_OK)
        return;
    td_buf_init(&footer, FILE_BYTES_MAX);
    td_buf_add(&footer, file->data + file->size - size, (size_t)size);
    td_result rc = parquet_footer_set(&footer, (parquet_key_value){"price_precision", "12"}, &err);
    assert_true(rc == TD_OK || rc == TD_E_INVALID);
    td_buf_fini(&footer);
}

static void test_damage(void **state)
{
    (void)state;
    td_err err;
    parquet_value values[COLUMNS];
    td_buf file = write_file("1", td_bytes_str("note"));
    for (size_t i = 0; i < file.size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            file.data[i] ^= (uint8_t)(1U << bit);
            read_damaged(&file);
            file.data[i] ^= (uint8_t)(1U << bit);
        }
    for (size_t size = file.size; file.size > 0; file.size--) {
        if (file.size < size)
            assert_int_equal(
                parquet_read_row(td_buf_view(&file), COLUMNS_OF, COLUMNS, values, &err),
                TD_E_INVALID);
        read_damaged(&file);
    }
    assert_int_equal(parquet_read_row(td_buf_view(&file), COLUMNS_OF, COLUMNS, values, &err),
                     TD_E_INVALID);
    td_buf_fini(&file);
    /* Columns that differ from the file's. */
    file = write_file("1", td_bytes_str("note"));
    assert_int_equal(parquet_read_row(td_buf_view(&file), COLUMNS_OF, COLUMNS - 1, values, &err),
                     TD_E_INVALID);
    td_buf_fini(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_row),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
