/* Encodings of values, and Thrift's compact protocol. Expected bytes: the examples of Parquet's
 * Encodings.md where it has them, otherwise written by hand from it and from
 * thrift-compact-protocol.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "export/parquet/encoding.h"
#include "export/parquet/thrift.h"

enum { OUT_BYTES_MAX = 4096 };

static void check_bytes(td_buf *out, const char *want)
{
    char hex[2 * OUT_BYTES_MAX + 1] = "";
    for (size_t i = 0; i < out->size; i++) {
        hex[2 * i] = "0123456789abcdef"[out->data[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[out->data[i] & 15];
    }
    assert_string_equal(hex, want);
    td_buf_clear(out);
}

static void test_deltas(void **state)
{
    (void)state;
    td_buf out;
    td_buf_init(&out, OUT_BYTES_MAX);
    encode_deltas(&out, NULL, 0);
    check_bytes(&out, "8001040000");
    encode_deltas(&out, (const int64_t[]){1, 2, 3, 4, 5}, 5);
    check_bytes(&out, "80010405020200000000");
    encode_deltas(&out, (const int64_t[]){7, 5, 3, 1, 2, 3, 4, 5}, 8);
    check_bytes(&out, "800104080e0302000000c03f000000000000");
    /* The difference overflows: 2^64 - 1 becomes -1. */
    encode_deltas(&out, (const int64_t[]){INT64_MIN, INT64_MAX}, 2);
    check_bytes(&out, "80010402ffffffffffffffffff010100000000");
    td_buf_fini(&out);
}

/* Values that fill a second miniblock and a second block: 161 values have 128 + 32 differences. */
static void test_long_deltas(void **state)
{
    (void)state;
    td_buf out;
    int64_t values[161];
    td_buf_init(&out, OUT_BYTES_MAX);
    for (int i = 0; i < 161; i++)
        values[i] = i < 34 ? 0 : 1;
    encode_deltas(&out, values, 161);
    /* The only difference other than 0 is the second one of the second miniblock. */
    check_bytes(&out, "800104a10100"
                      "00"
                      "00010000"
                      "02000000"
                      "00"
                      "00000000");
    td_buf_fini(&out);
}

static void test_indexes(void **state)
{
    (void)state;
    td_buf out;
    td_buf_init(&out, OUT_BYTES_MAX);
    encode_indexes(
        &out, (const index_run[]){{0, 1}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}, {7, 1}},
        8);
    check_bytes(&out, "030388c6fa");
    encode_indexes(&out, (const index_run[]){{5, 4}}, 1);
    check_bytes(&out, "030805");
    encode_indexes(&out, (const index_run[]){{0, 1}}, 1);
    check_bytes(&out, "010200");
    encode_indexes(&out, (const index_run[]){{300, 2}}, 1);
    check_bytes(&out, "09042c01");
    /* Nine values have two groups, of which the second is padded. */
    encode_indexes(&out, (const index_run[]){{1, 1}, {0, 7}, {1, 1}}, 3);
    check_bytes(&out, "01050101");
    /* A run fills up the group of literals before it; eight or more of the rest are repeated. */
    encode_indexes(&out, (const index_run[]){{1, 1}, {0, 100}, {1, 2}}, 3);
    check_bytes(&out, "010301ba0100"
                      "0303");
    encode_indexes(&out, (const index_run[]){{1, 1}, {0, 14}, {1, 2}}, 3);
    check_bytes(&out, "01070180"
                      "01");
    td_buf_fini(&out);
}

/* More literals than one bit-packed run holds. */
static void test_many_indexes(void **state)
{
    (void)state;
    enum { COUNT = 600, RUN_GROUPS = 63 };
    index_run runs[COUNT];
    td_buf out;
    td_buf_init(&out, OUT_BYTES_MAX);
    for (size_t i = 0; i < COUNT; i++)
        runs[i] = (index_run){i % 2, 1};
    encode_indexes(&out, runs, COUNT);
    assert_int_equal(out.size, 1 + 1 + RUN_GROUPS + 1 + COUNT / 8 - RUN_GROUPS);
    assert_int_equal(out.data[1], RUN_GROUPS << 1 | 1);
    assert_int_equal(out.data[2 + RUN_GROUPS], (COUNT / 8 - RUN_GROUPS) << 1 | 1);
    td_buf_fini(&out);
}

static void test_bits(void **state)
{
    (void)state;
    td_buf out;
    td_buf_init(&out, OUT_BYTES_MAX);
    encode_bits(&out, (const int64_t[]){1, 0, 1, 1, 0, 0, 0, 0, 1}, 9);
    check_bytes(&out, "0d01");
    encode_run(&out, 1, 100);
    check_bytes(&out, "c80101");
    td_buf_fini(&out);
}

static void test_thrift(void **state)
{
    (void)state;
    td_buf out;
    td_buf_init(&out, OUT_BYTES_MAX);
    thrift to = {.out = &out};
    thrift_i32(&to, 1, -1);
    thrift_i64(&to, 3, INT64_MIN);
    thrift_bool(&to, 4, 1);
    thrift_bool(&to, 19, 0);
    thrift_begin(&to, 20);
    thrift_i8(&to, 1, 64);
    thrift_text(&to, 2, td_bytes_str("ab"));
    thrift_end(&to);
    thrift_list(&to, 21, THRIFT_I32, 2);
    thrift_item_i32(&to, 1);
    thrift_item_i32(&to, -64);
    thrift_list(&to, 22, THRIFT_STRUCT, 15);
    thrift_end(&to);
    check_bytes(&out, "1501"
                      "26ffffffffffffffffff01"
                      "11"
                      "f2"
                      "1c134018026162"
                      "00"
                      "1925027f"
                      "19fc0f"
                      "00");
    td_buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deltas),  cmocka_unit_test(test_long_deltas),
        cmocka_unit_test(test_indexes), cmocka_unit_test(test_many_indexes),
        cmocka_unit_test(test_bits),    cmocka_unit_test(test_thrift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
