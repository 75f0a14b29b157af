/* Hashes. Expected values: the vectors of xxHash's own sanity test (github.com/Cyan4973/xxHash,
 * cli), whose input is generated below as there; Python's zlib.crc32, hashlib.sha1 and hmac; RFC
 * 3174; RFC 4231, 4.3; FIPS 180-2, B.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/hash.h"

enum { SANITY_BYTES = 2367 };

static void fill_sanity(uint8_t *buf)
{
    uint64_t gen = UINT64_C(2654435761);
    for (size_t i = 0; i < SANITY_BYTES; i++) {
        buf[i] = (uint8_t)(gen >> 56);
        gen *= UINT64_C(11400714785074694797);
    }
}

static const struct {
    size_t size;
    uint64_t low, high;
} XXH128_ROWS[] = {
    {0, UINT64_C(0x6001C324468D497F), UINT64_C(0x99AA06D3014798D8)},
    {1, UINT64_C(0xC44BDFF4074EECDB), UINT64_C(0xA6CD5E9392000F6A)},
    {6, UINT64_C(0x3E7039BDDA43CFC6), UINT64_C(0x082AFE0B8162D12A)},
    {12, UINT64_C(0x061A192713F69AD9), UINT64_C(0x6E3EFD8FC7802B18)},
    {81, UINT64_C(0x5E8BAFB9F95FB803), UINT64_C(0x4952F58181AB0042)},
    {222, UINT64_C(0xF1AEBD597CEC6B3A), UINT64_C(0x337E09641B948717)},
};

static void test_xxh3_128(void **state)
{
    (void)state;
    uint8_t buf[SANITY_BYTES];
    fill_sanity(buf);
    td_hasher *hasher = td_hasher_open();
    assert_non_null(hasher);
    for (size_t i = 0; i < sizeof XXH128_ROWS / sizeof XXH128_ROWS[0]; i++) {
        char want[40];
        snprintf(want, sizeof want, "%016llx%016llx", (unsigned long long)XXH128_ROWS[i].high,
                 (unsigned long long)XXH128_ROWS[i].low);
        char got[TD_HASH128_HEX_BYTES];
        td_hash128_hex(td_hash128_of(buf, XXH128_ROWS[i].size), got);
        assert_string_equal(got, want);
        td_hasher_reset(hasher);
        td_hasher_update(hasher, buf, XXH128_ROWS[i].size);
        td_hash128_hex(td_hasher_digest(hasher), got);
        assert_string_equal(got, want);
    }
    td_hasher_close(hasher);
    td_hasher_close(NULL);
}

/* The digest is the same for any split into pieces, and if it is read in between. */
static void test_streaming(void **state)
{
    (void)state;
    uint8_t buf[SANITY_BYTES];
    fill_sanity(buf);
    td_hasher *hasher = td_hasher_open();
    td_hasher_update(hasher, buf, 7);
    td_hasher_reset(hasher);
    for (size_t at = 0, step = 0; at < sizeof buf; at += step, step = (step * 3 + 1) % 300) {
        step = step < sizeof buf - at ? step : sizeof buf - at;
        td_hasher_update(hasher, buf + at, step);
        td_hash128 now = td_hasher_digest(hasher);
        td_hash128 whole = td_hash128_of(buf, at + step);
        assert_true(td_hash128_equal(now, whole));
    }
    td_hash128 all = td_hasher_digest(hasher);
    buf[1000] ^= 1;
    assert_false(td_hash128_equal(all, td_hash128_of(buf, sizeof buf)));
    td_hasher_close(hasher);
}

static void test_xxh64(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint64_t hash;
    } ROWS[] = {
        {0, UINT64_C(0xEF46DB3751D8E999)},
        {1, UINT64_C(0xE934A84ADB052768)},
        {14, UINT64_C(0x8282DCC4994E35C8)},
        {222, UINT64_C(0xB641AE8CB691C174)},
    };
    uint8_t buf[SANITY_BYTES];
    fill_sanity(buf);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        assert_true(td_xxh64(buf, ROWS[i].size) == ROWS[i].hash);
}

static void test_xxh64_streaming(void **state)
{
    (void)state;
    uint8_t buf[SANITY_BYTES];
    td_xxh64_state stream;
    fill_sanity(buf);
    td_xxh64_begin(&stream);
    assert_true(td_xxh64_end(&stream) == td_xxh64(buf, 0));
    td_xxh64_update(&stream, NULL, 0);
    for (size_t at = 0, step = 0; at < sizeof buf; at += step, step = (step * 3 + 1) % 300) {
        step = step < sizeof buf - at ? step : sizeof buf - at;
        td_xxh64_update(&stream, buf + at, step);
        assert_true(td_xxh64_end(&stream) == td_xxh64(buf, at + step));
    }
}

static void test_crc32(void **state)
{
    (void)state;
    static const char FOX[] = "The quick brown fox jumps over the lazy dog";
    assert_int_equal(td_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(td_crc32(0, FOX, 43), 0x414fa339);
    for (size_t cut = 0; cut <= 43; cut++)
        assert_int_equal(td_crc32(td_crc32(0, FOX, cut), FOX + cut, 43 - cut), 0x414fa339);
    assert_int_equal(td_crc32(0, NULL, 0), 0);
    assert_int_equal(td_crc32(0x414fa339, NULL, 0), 0x414fa339);
}

static void test_sha1(void **state)
{
    (void)state;
    char hex[TD_SHA1_HEX_BYTES];
    td_sha1_hex("abc", 3, hex);
    assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    td_sha1_hex("", 0, hex);
    assert_string_equal(hex, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* Must be the first test, because later ones use OpenSSL. */
static void test_begin(void **state)
{
    (void)state;
    assert_int_equal(td_hash_begin(), 1);
}

static void test_sha256(void **state)
{
    (void)state;
    static const char ABC[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    char hex[TD_SHA256_HEX_BYTES];
    td_sha256_hex("abc", 3, hex);
    assert_string_equal(hex, ABC);
    td_sha256_hex(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    td_sha256 *hash = td_sha256_open();
    td_sha256_update(hash, "a", 1);
    td_sha256_update(hash, NULL, 0);
    td_sha256_update(hash, "bc", 2);
    td_sha256_digest(hash, hex);
    assert_string_equal(hex, ABC);
    td_sha256_close(hash);
    td_sha256_close(NULL);
}

static void test_hmac_sha256(void **state)
{
    (void)state;
    static const char TEXT[] = "what do ya want for nothing?";
    char hex[TD_SHA256_HEX_BYTES];
    td_hmac_sha256_hex("Jefe", 4, TEXT, sizeof TEXT - 1, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    td_hmac_sha256_hex("", 0, "", 0, hex);
    assert_string_equal(hex, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    td_hmac_sha256_base64("", 0, "", 0, hex);
    assert_string_equal(hex, "thNnmggU2ex3L5XXeMNfxf8Wl8STcVZTxscSFEKSxa0=");
    assert_true(td_is_equal_secret("abc", "abc", 3));
    assert_false(td_is_equal_secret("abc", "abd", 3));
    assert_true(td_is_equal_secret("abc", "abd", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_xxh3_128),
        cmocka_unit_test(test_streaming),
        cmocka_unit_test(test_xxh64),
        cmocka_unit_test(test_xxh64_streaming),
        cmocka_unit_test(test_crc32),
        cmocka_unit_test(test_sha1),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
