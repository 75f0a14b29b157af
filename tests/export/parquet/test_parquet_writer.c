/* Parquet files. The bytes of a small one are written here by hand from parquet.thrift;
 * tests/e2e/export/parquet_in_other_readers.test.mjs reads large ones with other readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/random.h"
#include "base/version.h"
#include "export/parquet/parquet_writer.h"

enum { FILE_BYTES_MAX = 64 << 20 };

static td_result append(void *ctx, td_bytes bytes, td_err *err)
{
    return td_buf_append(ctx, bytes.data, bytes.size, err);
}

static void add_hex(td_buf *to, const char *hex)
{
    for (; *hex != '\0'; hex += 2) {
        uint8_t byte =
            (uint8_t)(td_hex_digit((uint8_t)hex[0]) << 4 | td_hex_digit((uint8_t)hex[1]));
        td_buf_add(to, &byte, 1);
    }
}

static void add_text(td_buf *to, const char *text)
{
    td_buf_add(to, text, strlen(text));
}

#define CREATED_BY "tapedeck version " TAPEDECK_VERSION " (build " TAPEDECK_VERSION ")"

/* Appends the expected bytes of a file with one row: true in column b, null in the optional column
 * d. CRCs are from Python's zlib. */
static void add_expected(td_buf *to)
{
    add_text(to, "PAR1");
    /* The page header of b: a data page, 1 byte, 10 compressed, CRC; 1 value, PLAIN, levels RLE and
     * RLE. Then the zstd frame, one stored block. */
    add_hex(to, "1500"
                "1502"
                "1514"
                "158da481f30a"
                "1c"
                "1502150015061506"
                "00"
                "00");
    add_hex(to, "28b52ffd2001"
                "090000"
                "01");
    /* The page of d, 6 bytes: the size of the levels, and a run of one 0. */
    add_hex(to, "1500"
                "150c"
                "151e"
                "1591cae28708"
                "1c"
                "1502150015061506"
                "00"
                "00");
    add_hex(to, "28b52ffd2006"
                "310000"
                "02000000"
                "0200");
}

static void add_expected_footer(td_buf *to)
{
    size_t from = to->size;
    uint8_t size[4];
    add_hex(to, "1502");
    /* The schema: root; b: BOOLEAN, required; d: 16 bytes, optional, DECIMAL(38, 18) in both
     * notations. */
    add_hex(to, "193c"
                "48");
    add_hex(to, "06");
    add_text(to, "schema");
    add_hex(to, "150400"
                "15002500180162"
                "00"
                "150e15201502180164250a1524154c"
                "2c"
                "5c1524154c00"
                "00"
                "00");
    /* 1 row; 1 group of 2 columns. Column b: one page at offset 4; no nulls; smallest and largest
     * value 1, both exact. */
    add_hex(to, "1602"
                "191c");
    add_hex(to, "192c"
                "2600"
                "1c"
                "1500"
                "191500"
                "19180162"
                "150c"
                "1602"
                "1630"
                "1642"
                "2608"
                "3c"
                "3600"
                "280101"
                "180101"
                "11"
                "11"
                "00"
                "00"
                "00");
    /* Column d: encodings PLAIN and RLE; one page at offset 37; 1 null. */
    add_hex(to, "2600"
                "1c"
                "150e"
                "19250006"
                "19180164"
                "150c"
                "1602"
                "163a"
                "164c"
                "264a"
                "3c"
                "3602"
                "00"
                "00"
                "00");
    /* The group: 53 bytes, 71 compressed, 1 row, sorted by column 0, at offset 4. */
    add_hex(to, "166a"
                "1602"
                "191c1500121200"
                "1608"
                "168e01"
                "00");
    add_hex(to, "191c");
    add_hex(to, "18016b18017600");
    add_hex(to, "1824");
    add_text(to, CREATED_BY);
    add_hex(to, "192c"
                "1c0000"
                "1c0000"
                "00");
    td_put_le32(size, (uint32_t)(to->size - from));
    td_buf_add(to, size, sizeof size);
    add_text(to, "PAR1");
}

static void test_small_file(void **state)
{
    codec_slot coders = {NULL};
    (void)state;
    static const parquet_column COLUMNS[] = {{"b", PARQUET_BOOL, 0, 0},
                                             {"d", PARQUET_DECIMAL_128, 18, 1}};
    static const parquet_key_value PAIRS[] = {{"k", "v"}};
    static const parquet_schema SCHEMA = {COLUMNS, 2, PAIRS, 1, 0, 0};
    td_buf got;
    td_buf want;
    td_err err;
    td_buf_init(&got, FILE_BYTES_MAX);
    td_buf_init(&want, FILE_BYTES_MAX);
    parquet_writer *writer = parquet_open(&SCHEMA, (parquet_out){append, &got, &coders});
    parquet_put_integer(writer, 0, 1);
    parquet_put_null(writer, 1);
    assert_int_equal(parquet_end_row(writer, &err), TD_OK);
    assert_int_equal(parquet_finish(writer, &err), TD_OK);
    parquet_close(writer);
    add_expected(&want);
    add_expected_footer(&want);
    assert_int_equal(got.size, want.size);
    assert_memory_equal(got.data, want.data, want.size);
    td_buf_fini(&got);
    td_buf_fini(&want);
    codec_slot_fini(&coders);
}

/* 1 if a file with these numbers is marked as sorted: it contains the bytes of "sorting_columns",
 * which occur nowhere else in such a file. */
static int is_marked(const int64_t *values, size_t count)
{
    codec_slot coders = {NULL};
    static const parquet_column COLUMN = {"n", PARQUET_I64, 0, 0};
    static const parquet_schema SCHEMA = {&COLUMN, 1, NULL, 0, 0, 0};
    static const uint8_t MARK[] = {0x19, 0x1c, 0x15, 0x00, 0x12, 0x12, 0x00};
    td_buf got;
    td_err err;
    td_buf_init(&got, FILE_BYTES_MAX);
    parquet_writer *writer = parquet_open(&SCHEMA, (parquet_out){append, &got, &coders});
    for (size_t i = 0; i < count; i++) {
        parquet_put_integer(writer, 0, values[i]);
        assert_int_equal(parquet_end_row(writer, &err), TD_OK);
    }
    assert_int_equal(parquet_finish(writer, &err), TD_OK);
    parquet_close(writer);
    int is_there = memmem(got.data, got.size, MARK, sizeof MARK) != NULL;
    td_buf_fini(&got);
    codec_slot_fini(&coders);
    return is_there;
}

static void test_sorted(void **state)
{
    (void)state;
    assert_true(is_marked((const int64_t[]){-5, 3, 3, 8}, 4));
    assert_false(is_marked((const int64_t[]){-5, 3, 2, 8}, 4));
}

/* ---- decimals ---- */

typedef struct decimal_row {
    const char *text;
    parquet_kind kind;
    uint8_t scale;
    td_result rc;
} decimal_row;

static const decimal_row DECIMAL_ROWS[] = {
    {"9223372036854775807", PARQUET_DECIMAL_128, 18, TD_OK},
    {"0.000000000000000001", PARQUET_DECIMAL_128, 18, TD_OK},
    {"0.0000000000000001", PARQUET_DECIMAL_128, 16, TD_OK},
    {"0.00000000000000010", PARQUET_DECIMAL_128, 16, TD_OK}, /* the value has 16 places */
    {"0.00000000000000001", PARQUET_DECIMAL_128, 16, TD_E_LIMIT},
    {"999999999999999999", PARQUET_DECIMAL_64, 0, TD_OK},
    {"1000000000000000000", PARQUET_DECIMAL_64, 0, TD_E_LIMIT},
    {"-999999999.999999999", PARQUET_DECIMAL_64, 9, TD_OK},
    {"-1000000000", PARQUET_DECIMAL_64, 9, TD_E_LIMIT},
    {"0.5", PARQUET_DECIMAL_64, 0, TD_E_LIMIT},
};

static const decimal_row BIG_ROWS[] = {
    {"-99999999999999999999.999999999999999999", PARQUET_DECIMAL_128, 18, TD_OK},
    {"100000000000000000000", PARQUET_DECIMAL_128, 18, TD_E_LIMIT},
    {"99999999999999999999999999999999999999", PARQUET_DECIMAL_128, 0, TD_OK},
    {"0.0000000000000000001", PARQUET_DECIMAL_128, 18, TD_E_LIMIT},
    {"1", PARQUET_DECIMAL_64, 0, TD_E_LIMIT},
};

static void check_decimal(const decimal_row *row, int is_big)
{
    codec_slot coders = {NULL};
    const parquet_column column = {"price", row->kind, row->scale, 0};
    const parquet_schema schema = {&column, 1, NULL, 0, PARQUET_NOT_SORTED, 0};
    td_buf got;
    td_err err;
    td_decimal value = {0, 0};
    td_result rc;
    td_buf_init(&got, FILE_BYTES_MAX);
    parquet_writer *writer = parquet_open(&schema, (parquet_out){append, &got, &coders});
    if (is_big) {
        rc = parquet_put_big_decimal(writer, 0, td_bytes_str(row->text), &err);
    } else {
        assert_int_equal(td_decimal_parse(td_bytes_str(row->text), &value, &err), TD_OK);
        rc = parquet_put_decimal(writer, 0, value, &err);
    }
    if (rc != row->rc)
        fail_msg("%s: %s", row->text, td_result_name(rc));
    if (rc != TD_OK) {
        assert_non_null(strstr(err.text, "column price: "));
        assert_non_null(strstr(err.text, row->text));
    }
    parquet_close(writer);
    td_buf_fini(&got);
    codec_slot_fini(&coders);
}

static void test_decimals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof DECIMAL_ROWS / sizeof DECIMAL_ROWS[0]; i++)
        check_decimal(&DECIMAL_ROWS[i], 0);
    for (size_t i = 0; i < sizeof BIG_ROWS / sizeof BIG_ROWS[0]; i++)
        check_decimal(&BIG_ROWS[i], 1);
}

/* ---- memory ---- */

/* Receives a file in pieces; records the size of the largest and their number. */
typedef struct write_sizes {
    size_t largest;
    size_t count;
} write_sizes;

static td_result count_piece(void *ctx, td_bytes bytes, td_err *err)
{
    write_sizes *to = ctx;
    (void)err;
    to->largest = bytes.size > to->largest ? bytes.size : to->largest;
    to->count++;
    return TD_OK;
}

/* Incompressible texts end row groups long before PARQUET_GROUP_ROWS. */
static void test_groups_are_bounded(void **state)
{
    codec_slot coders = {NULL};
    (void)state;
    static const parquet_column COLUMN = {"text", PARQUET_TEXT, 0, 0};
    static const parquet_schema SCHEMA = {&COLUMN, 1, NULL, 0, PARQUET_NOT_SORTED, 0};
    enum { TEXT_BYTES = 16 << 10, TEXTS = 4096 };
    uint8_t *text = td_alloc(TEXT_BYTES);
    write_sizes got = {0, 0};
    td_random random;
    td_err err;
    td_random_init(&random, 1);
    parquet_writer *writer = parquet_open(&SCHEMA, (parquet_out){count_piece, &got, &coders});
    for (size_t i = 0; i < TEXTS; i++) {
        for (size_t at = 0; at < TEXT_BYTES; at += 8)
            td_put_le64(text + at, td_random_next(&random));
        parquet_put_text(writer, 0, td_bytes_of(text, TEXT_BYTES));
        assert_int_equal(parquet_end_row(writer, &err), TD_OK);
    }
    assert_int_equal(parquet_finish(writer, &err), TD_OK);
    parquet_close(writer);
    td_free(text);
    assert_in_range(got.largest, PARQUET_GROUP_BYTES, PARQUET_GROUP_BYTES + 2 * PARQUET_PAGE_BYTES);
    /* Each group is written at once, and the footer. */
    const size_t groups = (size_t)TEXTS * TEXT_BYTES / PARQUET_GROUP_BYTES;
    assert_in_range(got.count, groups - 2, groups + 2);
    codec_slot_fini(&coders);
}

/* Puts a row with four values that change and two that do not. */
static void put_busy_row(parquet_writer *writer, int64_t i)
{
    static const char *const WORDS[] = {"a", "b"};
    td_err err;
    parquet_put_integer(writer, 0, i * 1000003);
    parquet_put_integer(writer, 1, i * i);
    assert_int_equal(parquet_put_decimal(writer, 2, (td_decimal){i * 7919 % 10007, 2}, &err),
                     TD_OK);
    parquet_put_text(writer, 3, td_bytes_str(WORDS[i % 2]));
    assert_int_equal(parquet_put_decimal(writer, 4, (td_decimal){5, 1}, &err), TD_OK);
    parquet_put_null(writer, 5);
    assert_int_equal(parquet_end_row(writer, &err), TD_OK);
}

/* The row groups of a file do not depend on files that are written at the same time. */
static void test_groups_are_independent(void **state)
{
    codec_slot coders = {NULL};
    (void)state;
    enum { ROWS = 60000, FILES = 3 };
    static const parquet_column COLUMNS[] = {
        {"time", PARQUET_TIME_NS, 0, 0},      {"number", PARQUET_I64, 0, 0},
        {"price", PARQUET_DECIMAL_128, 2, 0}, {"word", PARQUET_TEXT, 0, 0},
        {"still", PARQUET_DECIMAL_128, 2, 0}, {"null", PARQUET_TEXT, 0, 1}};
    static const parquet_schema SCHEMA = {COLUMNS, 6, NULL, 0, PARQUET_NOT_SORTED, 0};
    td_buf alone;
    td_buf got[FILES];
    parquet_writer *writers[FILES];
    td_err err;
    td_buf_init(&alone, FILE_BYTES_MAX);
    parquet_writer *writer = parquet_open(&SCHEMA, (parquet_out){append, &alone, &coders});
    for (int64_t i = 0; i < ROWS; i++)
        put_busy_row(writer, i);
    assert_in_range(alone.size, 1, FILE_BYTES_MAX); /* row groups have been written */
    assert_int_equal(parquet_finish(writer, &err), TD_OK);
    parquet_close(writer);
    for (size_t file = 0; file < FILES; file++) {
        td_buf_init(&got[file], FILE_BYTES_MAX);
        writers[file] = parquet_open(&SCHEMA, (parquet_out){append, &got[file], &coders});
    }
    /* The others have begun earlier, so that their groups end at other times. */
    for (int64_t i = 0; i < ROWS; i++)
        for (size_t file = 0; file < FILES; file++)
            put_busy_row(writers[file], file == 0 ? i : i * (int64_t)file + ROWS / 3);
    for (size_t file = 0; file < FILES; file++) {
        assert_int_equal(parquet_finish(writers[file], &err), TD_OK);
        parquet_close(writers[file]);
    }
    assert_int_equal(got[0].size, alone.size);
    assert_memory_equal(got[0].data, alone.data, alone.size);
    for (size_t file = 0; file < FILES; file++)
        td_buf_fini(&got[file]);
    td_buf_fini(&alone);
    codec_slot_fini(&coders);
}

/* Words give the same file as texts, among nulls and texts and across row groups. */
static void test_words(void **state)
{
    codec_slot coders = {NULL};
    (void)state;
    enum { ROWS = 5000, CHOICES = 4 };
    static const char other_sell[] = "Sell"; /* equal bytes at another address */
    static const char *const WORDS[CHOICES] = {NULL, "Buy", "Sell", other_sell};
    static const parquet_column COLUMN = {"side", PARQUET_TEXT, 0, 1};
    static const parquet_schema SCHEMA = {&COLUMN, 1, NULL, 0, PARQUET_NOT_SORTED, 7};
    td_buf got[2];
    parquet_writer *writers[2];
    td_random random;
    td_err err;
    td_random_init(&random, 1);
    for (size_t i = 0; i < 2; i++) {
        td_buf_init(&got[i], FILE_BYTES_MAX);
        writers[i] = parquet_open(&SCHEMA, (parquet_out){append, &got[i], &coders});
    }
    for (size_t row = 0; row < ROWS; row++) {
        const char *word = WORDS[td_random_below(&random, CHOICES)];
        const int is_text = td_random_below(&random, 4) == 0;
        for (size_t i = 0; i < 2; i++) {
            if (word == NULL)
                parquet_put_null(writers[i], 0);
            else if (i == 0 || is_text)
                parquet_put_text(writers[i], 0, td_bytes_str(word));
            else
                parquet_put_word(writers[i], 0, word);
            assert_int_equal(parquet_end_row(writers[i], &err), TD_OK);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(parquet_finish(writers[i], &err), TD_OK);
        parquet_close(writers[i]);
    }
    assert_int_equal(got[0].size, got[1].size);
    assert_memory_equal(got[0].data, got[1].data, got[0].size);
    for (size_t i = 0; i < 2; i++)
        td_buf_fini(&got[i]);
    codec_slot_fini(&coders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_file),
        cmocka_unit_test(test_sorted),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_groups_are_bounded),
        cmocka_unit_test(test_groups_are_independent),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
