#include "base/scan.h"

const uint8_t *scan_many_digits(const uint8_t *p, uint64_t *value, size_t *count)
{
    uint64_t total = *value;
    size_t whole = 0; /* number of digits in whole words */
    uint64_t word = td_le64(p);
    uint64_t others;
    while ((others = scan_other_bytes(word)) == 0) {
        whole += 8;
        *count = whole;
        if (whole > SCAN_DIGITS_MAX)
            return p;
        total = total * 100000000 + scan_eight_digits(word ^ UINT64_C(0x3030303030303030));
        word = td_le64(p + whole);
    }
    size_t rest = (size_t)__builtin_ctzll(others) / 8;
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    /* Shifted in two steps, because a shift by 64 (rest 0) is undefined. */
    digits = digits << (56 - 8 * rest) << 8;
    *value = total * SCAN_POW10[rest] + scan_eight_digits(digits);
    *count = whole + rest;
    return p + *count;
}

/* scan_long_number() for all numbers, read with scan_digits(). */
static __attribute__((noinline)) const uint8_t *scan_any_number(const uint8_t *p, int64_t *mantissa,
                                                                uint8_t *scale)
{
    const int is_negative = *p == '-';
    uint64_t value = 0;
    size_t whole;
    size_t places = 0;
    p += is_negative;
    const uint8_t first = *p;
    p = scan_digits(p, &value, &whole);
    if (whole == 0 || (first == '0' && whole > 1))
        return NULL;
    if (*p == '.') {
        p = scan_digits(p + 1, &value, &places);
        if (places == 0)
            return NULL;
    }
    if (whole + places > SCAN_DIGITS_MAX)
        return NULL;
    *mantissa = (int64_t)(is_negative ? 0 - value : value);
    *scale = (uint8_t)places;
    return p;
}

/* Most are whole numbers of 8 to 16 digits, such as times and sequences: two words have them. */
const uint8_t *scan_long_number(const uint8_t *p, int64_t *mantissa, uint8_t *scale)
{
    const uint64_t zeros = UINT64_C(0x3030303030303030);
    uint64_t first = td_le64(p);
    uint64_t second = td_le64(p + 8);
    uint64_t others = scan_other_bytes(second);
    size_t digits = others == 0 ? 8 : (size_t)__builtin_ctzll(others) / 8;
    uint8_t next = p[8 + digits];
    if (scan_other_bytes(first) != 0 || *p == '0' || next == '.' || (next >= '0' && next <= '9'))
        return scan_any_number(p, mantissa, scale);
    uint64_t after = digits == 0 ? 0 : (second ^ zeros) << (64 - 8 * digits);
    *mantissa =
        (int64_t)(scan_eight_digits(first ^ zeros) * SCAN_POW10[digits] + scan_eight_digits(after));
    *scale = 0;
    return p + 8 + digits;
}

const uint8_t *scan_scalar(const uint8_t *p, const uint8_t *end)
{
    if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0)
        return p + 4;
    if (memcmp(p, "false", 5) == 0)
        return p + 5;
    int64_t mantissa;
    uint8_t scale;
    td_bytes text;
    if (*p == '"')
        return scan_string(p, end, &text);
    const uint8_t *after = scan_number(p, &mantissa, &scale);
    if (TD_LIKELY(after != NULL))
        return after;
    p += *p == '-';
    if (*p == '0')
        return NULL;
    after = p;
    while (after < end && *after >= '0' && *after <= '9') /* a long id */
        after++;
    return after > p ? after : NULL;
}
