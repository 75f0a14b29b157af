/* Inflating: data that zlib compressed is restored, in all three wrappings; limits hold, and broken
 * input is reported. The bytes of GZIP_HELLO are from `printf hello | gzip -n`, the bytes of
 * ZLIB_HELLO and RAW_HELLO from Python's zlib. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "schema/inflate.h"
#include "base/random.h"

enum { PADDING = 64, BYTES_MAX = 1 << 20 };

static const uint8_t GZIP_HELLO[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd,
    0xc9, 0xc9, 0x07, 0x00, 0x86, 0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00,
};
static const uint8_t ZLIB_HELLO[] = {
    0x78, 0x9c, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x06, 0x2c, 0x02, 0x15,
};
static const uint8_t RAW_HELLO[] = {
    0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00,
};
static inflater *open_one(void)
{
    inflater *made = inflater_open(BYTES_MAX, PADDING);
    return made;
}

static void test_wrappings(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const uint8_t *bytes;
        size_t size;
    } rows[] = {
        {"gzip", GZIP_HELLO, sizeof GZIP_HELLO},
        {"zlib", ZLIB_HELLO, sizeof ZLIB_HELLO},
        {"raw", RAW_HELLO, sizeof RAW_HELLO},
    };
    inflater *z = open_one();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        td_bytes out;
        print_message("%s\n", rows[i].name);
        assert_int_equal(inflater_run(z, td_bytes_of(rows[i].bytes, rows[i].size), &out, NULL),
                         TD_OK);
        assert_int_equal(out.size, 5);
        assert_memory_equal(out.data, "hello", 5);
        for (size_t at = 0; at < PADDING; at++)
            assert_int_equal(out.data[5 + at], 0);
    }
    inflater_close(z);
}

static void test_truncation_is_found(void **state)
{
    (void)state;
    inflater *z = open_one();
    for (size_t size = 0; size < sizeof GZIP_HELLO; size++) {
        td_bytes out;
        td_result rc = inflater_run(z, td_bytes_of(GZIP_HELLO, size), &out, NULL);
        assert_true(rc == TD_E_TRUNCATED || rc == TD_E_CORRUPT);
        assert_int_equal(out.size, 0);
    }
    for (size_t size = 2; size < sizeof ZLIB_HELLO; size++) {
        td_bytes out;
        assert_int_equal(inflater_run(z, td_bytes_of(ZLIB_HELLO, size), &out, NULL),
                         TD_E_TRUNCATED);
    }
    inflater_close(z);
}

/* A flipped byte after the head is found by the final checksum, or earlier. */
static void test_flips_are_found(void **state)
{
    (void)state;
    inflater *z = open_one();
    for (size_t at = 10; at < sizeof GZIP_HELLO; at++) {
        if (at == 16) /* the bits after the last symbol are unused */
            continue;
        uint8_t bytes[sizeof GZIP_HELLO];
        td_bytes out;
        memcpy(bytes, GZIP_HELLO, sizeof bytes);
        bytes[at] ^= 0x10;
        assert_int_not_equal(inflater_run(z, td_bytes_of(bytes, sizeof bytes), &out, NULL), TD_OK);
    }
    uint8_t more[sizeof GZIP_HELLO + 1] = {0};
    td_bytes out;
    memcpy(more, GZIP_HELLO, sizeof GZIP_HELLO);
    assert_int_equal(inflater_run(z, td_bytes_of(more, sizeof more), &out, NULL), TD_E_CORRUPT);
    inflater_close(z);
}

/* A thousand bytes that become a megabyte are accepted; one byte more is refused. */
static void test_output_is_limited(void **state)
{
    (void)state;
    inflater *z = open_one();
    uint8_t *zeros = calloc(1, BYTES_MAX + 1);
    assert_non_null(zeros);
    td_bytes out;
    for (size_t more = 0; more < 2; more++) {
        uint8_t bomb[4096];
        uLongf size = sizeof bomb;
        assert_int_equal(compress2(bomb, &size, zeros, BYTES_MAX + more, 9), Z_OK);
        assert_int_equal(inflater_run(z, td_bytes_of(bomb, size), &out, NULL),
                         more == 0 ? TD_OK : TD_E_LIMIT);
        assert_int_equal(out.size, more == 0 ? BYTES_MAX : 0);
    }
    free(zeros);
    /* the inflater can be used again */
    assert_int_equal(inflater_run(z, td_bytes_of(RAW_HELLO, sizeof RAW_HELLO), &out, NULL), TD_OK);
    inflater_close(z);
}

/* Noise is refused, or inflates to something within the limits. */
static void test_noise_is_limited(void **state)
{
    (void)state;
    inflater *z = open_one();
    td_random random;
    td_random_init(&random, 11);
    for (int i = 0; i < 2000; i++) {
        uint8_t bytes[64];
        td_bytes out;
        for (size_t at = 0; at < sizeof bytes; at++)
            bytes[at] = (uint8_t)td_random_next(&random);
        td_result rc = inflater_run(z, td_bytes_of(bytes, sizeof bytes), &out, NULL);
        assert_true(rc == TD_OK || rc == TD_E_CORRUPT || rc == TD_E_TRUNCATED);
        assert_true(out.size <= BYTES_MAX);
    }
    inflater_close(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrappings),        cmocka_unit_test(test_truncation_is_found),
        cmocka_unit_test(test_flips_are_found),  cmocka_unit_test(test_output_is_limited),
        cmocka_unit_test(test_noise_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
