/* Buffers, views and little-endian numbers. Expected results: base/buf.h, base/bytes.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void test_append_and_bound(void **state)
{
    (void)state;
    td_buf buf;
    td_err err = {0};
    td_buf_init(&buf, 1000);
    assert_int_equal(td_buf_append(&buf, NULL, 0, &err), TD_OK);
    assert_null(buf.data);
    for (int i = 0; i < 100; i++)
        assert_int_equal(td_buf_append(&buf, "0123456789", 10, &err), TD_OK);
    assert_int_equal(buf.size, 1000);
    assert_int_equal(td_buf_append(&buf, "x", 1, &err), TD_E_LIMIT);
    assert_int_equal(td_buf_reserve(&buf, SIZE_MAX, &err), TD_E_LIMIT);
    assert_int_equal(buf.size, 1000);
    assert_memory_equal(buf.data + 990, "0123456789", 10);
    td_buf_clear(&buf);
    uint8_t *kept = buf.data;
    assert_int_equal(td_buf_append(&buf, "new", 3, &err), TD_OK);
    assert_ptr_equal(buf.data, kept);
    assert_true(td_bytes_is(td_buf_view(&buf), "new"));
    td_buf_fini(&buf);
    assert_int_equal(buf.capacity, 0);
    assert_int_equal(buf.size_max, 1000);
    td_buf_fini(&buf);
}

static void test_reserve_makes_appending_free(void **state)
{
    (void)state;
    td_buf buf;
    td_buf_init(&buf, 1 << 20);
    assert_int_equal(td_buf_reserve(&buf, 5000, NULL), TD_OK);
    uint8_t *data = buf.data;
    for (int i = 0; i < 5000; i++)
        assert_int_equal(td_buf_append(&buf, "x", 1, NULL), TD_OK);
    assert_ptr_equal(buf.data, data);
    td_buf_fini(&buf);
}

static void test_printf(void **state)
{
    (void)state;
    td_buf buf;
    td_err err = {0};
    td_buf_init(&buf, 20);
    assert_int_equal(td_buf_printf(&buf, &err, "%s=%d,", "a", 1), TD_OK);
    assert_int_equal(td_buf_printf(&buf, &err, "%s", ""), TD_OK);
    td_buf_print(&buf, "%s=%d", "b", 22);
    assert_true(td_bytes_is(td_buf_view(&buf), "a=1,b=22"));
    assert_int_equal(td_buf_printf(&buf, &err, "%20d", 1), TD_E_LIMIT);
    assert_true(td_bytes_is(td_buf_view(&buf), "a=1,b=22"));
    td_buf_fini(&buf);
}

static void test_views(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } ROWS[] = {
        {"", "", 0},    {"a", "", 1},    {"a", "b", -1},
        {"ab", "a", 1}, {"ab", "b", -1}, {"\xff", "a", 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        td_bytes a = td_bytes_str(ROWS[i].a);
        td_bytes b = td_bytes_str(ROWS[i].b);
        int order = td_bytes_compare(a, b);
        assert_int_equal((order > 0) - (order < 0), ROWS[i].order);
        order = td_bytes_compare(b, a);
        assert_int_equal((order > 0) - (order < 0), -ROWS[i].order);
        assert_int_equal(td_bytes_equal(a, b), ROWS[i].order == 0);
    }
    assert_int_equal(td_bytes_str(NULL).size, 0);
    assert_true(td_bytes_is(td_bytes_of(NULL, 0), ""));
    assert_false(td_bytes_is(td_bytes_of("ab", 2), "abc"));
}

static void test_little_endian(void **state)
{
    (void)state;
    static const uint8_t BYTES[] = {0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7};
    assert_int_equal(td_le16(BYTES + 1), 0xfdfe);
    assert_int_equal(td_le32(BYTES + 1), 0xfbfcfdfe);
    assert_true(td_le64(BYTES + 1) == UINT64_C(0xf7f8f9fafbfcfdfe));
    uint8_t out[9] = {0};
    td_put_le64(out + 1, td_le64(BYTES + 1));
    assert_memory_equal(out + 1, BYTES + 1, 8);
    td_put_le16(out + 1, 0x1234);
    td_put_le32(out + 4, 0x89abcdef);
    static const uint8_t WANT[] = {0x00, 0x34, 0x12, 0xfc, 0xef, 0xcd, 0xab, 0x89, 0xf7};
    assert_memory_equal(out, WANT, sizeof WANT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_bound),
        cmocka_unit_test(test_reserve_makes_appending_free),
        cmocka_unit_test(test_printf),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_little_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
