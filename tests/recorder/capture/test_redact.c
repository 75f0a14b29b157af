/* Expected: promise P2: same length, every occurrence, nothing else changed. zlib itself makes the
 * compressed streams (deflateInit2's window selects gzip, zlib or raw). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <zlib.h>

#include "recorder/capture/redact.h"

static void occurrences_are_overwritten_in_place(void **state)
{
    static const struct {
        const char *name, *input, *expected;
        uint32_t count;
        size_t first, bytes;
    } ROWS[] = {
        {"none", "{\"op\":\"ping\"}", "{\"op\":\"ping\"}", 0, 0, 0},
        {"auth", "{\"op\":\"auth\",\"args\":[\"KEY12345\",1,\"secret-sig\"]}",
         "{\"op\":\"auth\",\"args\":[\"********\",1,\"**********\"]}", 2, 22, 18},
        {"twice", "KEY12345KEY12345", "****************", 2, 0, 16},
        {"half", "KEY1234", "KEY1234", 0, 0, 0},
        {"at the end", "x=secret-sig", "x=**********", 1, 2, 10},
        {"escaped, of JSON", "\"\\u004bE\\u005912345\"", "\"******************\"", 1, 1, 18},
        {"escaped, in capitals", "{\\u004B\\u0045Y12345}", "{******************}", 1, 1, 18},
        {"escaped, of a URL", "k=%4bEY12345&s=secret%2Dsig", "k=**********&s=************", 2, 2,
         22},
        {"another character", "\\u014bEY12345 %4cEY12345", "\\u014bEY12345 %4cEY12345", 0, 0, 0},
        {"an escape that is cut off", "\\ %4 secret\\u00", "\\ %4 secret\\u00", 0, 0, 0},
        {"in other case", "key12345 KeY12345 SECRET-SIG", "******** ******** **********", 3, 0, 26},
        {"escaped twice, of a URL", "k=%254bEY%2531%32345", "k=******************", 1, 2, 18},
        {"escaped twice, of JSON", "{\\\\u004bEY1\\u005cu0032345}", "{************************}", 1,
         1, 24},
        {"one escape in the other", "%5cu004bEY12345 \\u00254bEY12345",
         "*************** ***************", 2, 0, 30},
        {"cut off, in a frame", "secret-si", "secret-si", 0, 0, 0},
        {"a backslash elsewhere", "\\\\KEY12345\\n", "\\\\********\\n", 1, 2, 8},
    };
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "KEY12345", NULL), TD_OK);
    assert_int_equal(redactor_add_signature(&hide, "secret-sig", NULL), TD_OK);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s", ROWS[i].input);
        redaction done = redactor_apply(&hide, (uint8_t *)text, strlen(text));
        if (strcmp(text, ROWS[i].expected) != 0 || done.count != ROWS[i].count ||
            done.first_offset != ROWS[i].first || done.bytes != ROWS[i].bytes)
            fail_msg("%s: '%s', %u at %zu", ROWS[i].name, text, done.count, done.first_offset);
    }
    redactor_fini(&hide);
}

/* Both orders of bytes; the frame is as long as before. */
static void utf16_is_searched(void **state)
{
    static const char TEXT[] = "{\"k\":\"KEY12345\"}";
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "KEY12345", NULL), TD_OK);
    for (size_t high = 0; high < 2; high++) {
        uint8_t wide[2 * (sizeof TEXT - 1)] = {0};
        for (size_t i = 0; i < sizeof TEXT - 1; i++)
            wide[2 * i + high] = (uint8_t)TEXT[i];
        redaction done = redactor_apply(&hide, wide, sizeof wide);
        assert_int_equal(done.count, 1);
        assert_int_equal(done.first_offset, 12 + high);
        assert_int_equal(done.bytes, 15);
        assert_int_equal(wide[28 + high], '"');
    }
    redactor_fini(&hide);
}

/* Where a text is cut off, a beginning of 12 characters or more is a secret. In frames it is data.
 */
static void the_beginning_of_a_secret_is_hidden_where_a_text_ends(void **state)
{
    static const struct {
        const char *text, *expected;
    } ROWS[] = {
        {"bad signature 0123456789ab", "bad signature ************"},
        {"bad signature 0123456789a", "bad signature 0123456789a"},
        {"h closed (code 1008: bad 0123456789abcdef)",
         "h closed (code 1008: bad ****************)"},
        {"bad '0123456789ABCDEF...'", "bad '****************...'"},
        {"0123456789abcdef is bad", "0123456789abcdef is bad"},
        {"0123456789abcdex", "0123456789abcdex"},
        {"%30123456789ab%6", "****************"},
        {"\\u00300123456789 \\u0030123456789ab\\u00", "\\u00300123456789 *********************"},
        {"0123456789abcdefg01 0123456789abcd", "******************* **************"},
        {"", ""},
    };
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add_signature(&hide, "0123456789abcdefg01", NULL), TD_OK);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s", ROWS[i].text);
        redactor_apply_text(&hide, (uint8_t *)text, strlen(text));
        assert_string_equal(text, ROWS[i].expected);
    }
    char frame[] = "{\"data\":\"0123456789abcdef\"}";
    assert_int_equal(redactor_apply(&hide, (uint8_t *)frame, sizeof frame - 1).count, 0);
    redactor_fini(&hide);
}

/* A key that is the beginning of the secret, and one inside it. */
static void a_secret_within_another_leaves_nothing_of_it(void **state)
{
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "demo", NULL), TD_OK);
    assert_int_equal(redactor_add(&hide, "demo-secret-1", NULL), TD_OK);
    assert_int_equal(redactor_add(&hide, "secret", NULL), TD_OK);
    char text[] = "demo demo-secret-1 secret demo%2dsecret-1.";
    redaction done = redactor_apply(&hide, (uint8_t *)text, strlen(text));
    assert_string_equal(text, "**** ************* ****** ***************.");
    assert_int_equal(done.first_offset, 0);
    redactor_fini(&hide);
}

static void short_secrets_are_refused(void **state)
{
    (void)state;
    td_err err;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "abc", &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "4"));
    redactor_fini(&hide);
}

/* A secret of LIMIT_SECRET_BYTES is hidden completely; a longer one is refused, from any source. */
static void long_secrets_are_hidden_whole_or_refused(void **state)
{
    (void)state;
    static char secret[LIMIT_SECRET_BYTES + 2];
    static char text[sizeof secret + 8];
    td_err err;
    redactor hide;
    redactor_init(&hide);
    memset(secret, 'x', LIMIT_SECRET_BYTES + 1);
    assert_int_equal(redactor_add(&hide, secret, &err), TD_E_INVALID);
    assert_non_null(
        strstr(err.text, "4097 bytes cannot be hidden in frames: only 4 to 4096 bytes can"));
    assert_int_equal(redactor_add_signature(&hide, secret, &err), TD_E_INVALID);
    secret[LIMIT_SECRET_BYTES] = '\0';
    assert_int_equal(
        redactor_add_found(&hide, REDACT_FOR_GOOD, td_bytes_str(secret), REDACT_EXACT, &err),
        TD_OK);
    snprintf(text, sizeof text, "<%s>", secret);
    assert_int_equal(redactor_apply(&hide, (uint8_t *)text, strlen(text)).bytes,
                     LIMIT_SECRET_BYTES);
    assert_null(strchr(text, 'x'));
    redactor_fini(&hide);
}

/* Any number of authentication requests: their keys and signatures are hidden in later frames. */
static void secrets_of_requests_are_hidden_as_they_are_met(void **state)
{
    (void)state;
    redactor hide;
    sent_secrets *sent = sent_secrets_open();
    redactor_init(&hide);
    for (int i = 0; i < 2 * REDACT_SIGNATURES_MAX; i++) {
        char frame[128];
        int size =
            snprintf(frame, sizeof frame,
                     "{\"op\":\"auth\",\"args\":[\"the-only-key\",1,\"signature-%04d\"]}", i);
        (void)sent_secrets_find(sent, td_bytes_of(frame, (size_t)size), 0);
        assert_int_equal(redactor_add_sent(&hide, REDACT_AS_NEWEST, sent, NULL), TD_OK);
        redaction found = redactor_apply(&hide, (uint8_t *)frame, (size_t)size);
        assert_int_equal(found.count, 2);
        assert_null(strstr(frame, "signature-"));
    }
    assert_int_equal(redactor_add_url(&hide, REDACT_AS_NEWEST,
                                      td_bytes_str("wss://h/p?token=t0kenT0ken&x=1"), NULL),
                     TD_OK);
    /* The key was used in every request, so it is not the oldest. */
    char echo[] = "signature-1023 the-only-key t0kenT0ken signature-0500";
    assert_int_equal(redactor_apply(&hide, (uint8_t *)echo, sizeof echo - 1).count, 3);
    assert_string_equal(echo, "************** ************ ********** signature-0500");
    assert_int_equal(hide.count, REDACT_SIGNATURES_MAX);
    sent_secrets_close(sent);
    redactor_fini(&hide);
}

/* A found value of any size is hidden completely; of a part, as much as is there. */
static void long_values_are_hidden_by_parts(void **state)
{
    static const size_t SIZES[] = {LIMIT_SECRET_BYTES + 1, 2 * LIMIT_SECRET_BYTES,
                                   5 * LIMIT_SECRET_BYTES - 1};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof SIZES / sizeof *SIZES; i++) {
        static uint8_t text[5 * LIMIT_SECRET_BYTES + 2];
        size_t size = SIZES[i / 2];
        redactor hide;
        redactor_init(&hide);
        for (size_t at = 0; at < sizeof text; at++)
            text[at] = (uint8_t)('a' + at * at / 7 % 26);
        text[0] = text[size + 1] = '"';
        assert_int_equal(redactor_add_found(&hide, i % 2 ? REDACT_FOR_GOOD : REDACT_AS_NEWEST,
                                            td_bytes_of(text + 1, size), REDACT_EXACT, NULL),
                         TD_OK);
        assert_int_equal(redactor_apply(&hide, text, size + 2).bytes, size);
        assert_int_equal(text[0], '"');
        assert_int_equal(text[1], '*');
        assert_int_equal(text[size], '*');
        redactor_fini(&hide);
    }
}

static void old_signatures_make_space_but_the_key_stays(void **state)
{
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "the-key", NULL), TD_OK);
    for (int i = 0; i < REDACT_SIGNATURES_MAX + 84; i++) {
        char signature[32];
        snprintf(signature, sizeof signature, "signature-%03d", i);
        assert_int_equal(redactor_add_signature(&hide, signature, NULL), TD_OK);
    }
    char text[] = "the-key signature-595 signature-590 signature-000";
    assert_int_equal(redactor_apply(&hide, (uint8_t *)text, sizeof text - 1).count, 3);
    assert_string_equal(text, "******* ************* ************* signature-000");
    redactor_fini(&hide);
}

/* ---- every form, at every position ---- */

typedef struct long_text {
    uint8_t bytes[1 << 16];
    size_t size;
} long_text;

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void put_bytes(long_text *out, const void *bytes, size_t size)
{
    assert_true(size <= sizeof out->bytes - out->size);
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

/* Appends the secret in a random spelling, in upper or lower case. */
static void put_secret(long_text *out, const char *secret, uint32_t *seed)
{
    unsigned spelling = next_random(seed) % 4;
    for (size_t i = 0; secret[i] != '\0'; i++) {
        char piece[8];
        int is_spelt = spelling > 0 && next_random(seed) % 3 == 0;
        int c = next_random(seed) % 2 ? toupper(secret[i]) : tolower(secret[i]);
        int length = !is_spelt       ? snprintf(piece, sizeof piece, "%c", c)
                     : spelling == 1 ? snprintf(piece, sizeof piece, "\\u%04x", (unsigned)c)
                     : spelling == 2 ? snprintf(piece, sizeof piece, "\\u%04X", (unsigned)c)
                                     : snprintf(piece, sizeof piece, "%%%02x", (unsigned)c);
        put_bytes(out, piece, (size_t)length);
    }
}

/* Resolves escapes, with other code than redact.c. */
static void unescape(const long_text *from, long_text *out)
{
    out->size = 0;
    for (size_t at = 0; at < from->size;) {
        unsigned code = 0;
        char piece[8] = "";
        memcpy(piece, from->bytes + at, from->size - at < 6 ? from->size - at : 6);
        int used = 0;
        if ((sscanf(piece, "\\u00%2x%n", &code, &used) != 1 || used != 6) &&
            (sscanf(piece, "%%%2x%n", &code, &used) != 1 || used != 3)) {
            code = from->bytes[at];
            used = 1;
        }
        uint8_t c = (uint8_t)code;
        put_bytes(out, &c, 1);
        at += (size_t)used;
    }
}

/* Checks that no spelling of the secret is left, in upper or lower case. */
static void check_gone(const long_text *in, const char *secret)
{
    static long_text plain;
    unescape(in, &plain);
    for (size_t at = 0; at + strlen(secret) <= plain.size; at++)
        assert_int_not_equal(strncasecmp((const char *)plain.bytes + at, secret, strlen(secret)),
                             0);
}

static void no_form_survives(void **state)
{
    (void)state;
    static const char *const SECRETS[] = {"Xy9-ab_C/d+eQ2wE4rT6", "kq7PzLw0nB3vT8yGhU1c",
                                          "8f14e45fceea167a5a36dedd4bea2543f14e45fce"};
    static long_text made;
    for (uint32_t round = 0; round < 100; round++) {
        uint32_t seed = round;
        redactor hide;
        redactor_init(&hide);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(i < 2 ? redactor_add(&hide, SECRETS[i], NULL)
                                   : redactor_add_signature(&hide, SECRETS[i], NULL),
                             TD_OK);
        made.size = 0;
        unsigned put = 0;
        size_t wanted = round % 10 == 9 ? 40000 : 600;
        while (made.size < wanted) {
            if (next_random(&seed) % 40 == 0) {
                put_bytes(&made, ":", 1); /* "%" before digits would be an escape */
                put_secret(&made, SECRETS[next_random(&seed) % 3], &seed);
                put++;
            } else {
                put_bytes(&made, &"{}\":,.x0%\\ "[next_random(&seed) % 11], 1);
            }
        }
        size_t size = made.size;
        redaction done = redactor_apply(&hide, made.bytes, made.size);
        assert_int_equal(size, made.size);
        assert_true(done.count > 0 || put == 0);
        size_t stars = 0;
        for (size_t i = 0; i < made.size; i++)
            stars += made.bytes[i] == '*';
        assert_int_equal(stars, done.bytes);
        for (size_t i = 0; i < 3; i++)
            check_gone(&made, SECRETS[i]);
        redactor_fini(&hide);
    }
}

/* Nothing else is changed: other frames, and keys that resemble the secret's. */
static void other_text_is_left(void **state)
{
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "kq7PzLw0nB3vT8yGhU1c", NULL), TD_OK);
    static char text[40000];
    static char copy[sizeof text];
    uint32_t seed = 7;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "kq7PzLw0nB3vT8yGhU1\\%"[next_random(&seed) % 21];
    memcpy(copy, text, sizeof text);
    redaction done = redactor_apply(&hide, (uint8_t *)text, sizeof text);
    assert_int_equal(done.count, 0);
    assert_memory_equal(text, copy, sizeof text);
    redactor_fini(&hide);
}

static void found_values_are_spelt_or_exact(void **state)
{
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add_found(&hide, REDACT_FOR_GOOD, td_bytes_str("p%40ss-word"),
                                        REDACT_ESCAPED, NULL),
                     TD_OK);
    assert_int_equal(
        redactor_add_found(&hide, REDACT_FOR_GOOD, td_bytes_str("raw%40"), REDACT_EXACT, NULL),
        TD_OK);
    assert_int_equal(
        redactor_add_found(&hide, REDACT_FOR_GOOD, td_bytes_str("abc"), REDACT_EXACT, NULL), TD_OK);
    assert_int_equal(hide.count, 2);
    char text[] = "p@ss-word p%40ss%2dword raw%40 raw@ abc";
    redactor_apply(&hide, (uint8_t *)text, sizeof text - 1);
    assert_string_equal(text, "********* ************* ****** raw@ abc");
    redactor_fini(&hide);
}

/* ---- frames ---- */

enum { GZIP = 15 + 16, ZLIB = 15, RAW = -15, BYTES = 4096 };

static const char TEXT[] =
    "{\"success\":true,\"request\":{\"op\":\"auth\",\"args\":[\"Key-0123456789\"]}}";
static const char HIDDEN[] =
    "{\"success\":true,\"request\":{\"op\":\"auth\",\"args\":[\"**************\"]}}";

static size_t compress_text(const char *text, size_t size, int window, int level, uint8_t *out)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    memcpy(&z.next_in, &text, sizeof z.next_in);
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = BYTES;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

typedef struct fixture {
    redactor secrets;
    frame_redactor frames;
    uint8_t bytes[BYTES];
    td_bytes out;
} fixture;

static int setup(void **state)
{
    static fixture f;
    redactor_init(&f.secrets);
    frame_redactor_init(&f.frames);
    assert_int_equal(redactor_add(&f.secrets, "Key-0123456789", NULL), TD_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    frame_redactor_fini(&f->frames);
    redactor_fini(&f->secrets);
    return 0;
}

static redaction apply(fixture *f, size_t size, int is_binary)
{
    return frame_redactor_apply(&f->frames, &f->secrets, td_bytes_of(f->bytes, size), is_binary,
                                &f->out);
}

static void check_overwritten(fixture *f, size_t size, int is_binary)
{
    redaction found = apply(f, size, is_binary);
    assert_true(found.is_whole);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.first_offset, 0);
    assert_int_equal(found.bytes, size);
    assert_int_equal(f->out.size, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(f->out.data[i], '*');
}

/* With any opcode, because the frame does not begin like JSON. Level 0 does not compress, so the
 * secret is readable in the frame. */
static void compressed_frames_are_overwritten(void **state)
{
    static const int WINDOWS[] = {GZIP, ZLIB, RAW};
    for (size_t i = 0; i < 3; i++)
        for (int level = 0; level <= 9; level += 9)
            for (int is_binary = 0; is_binary < 2; is_binary++) {
                fixture *f = *state;
                size_t size = compress_text(TEXT, sizeof TEXT - 1, WINDOWS[i], level, f->bytes);
                check_overwritten(f, size, is_binary);
            }
}

/* A truncated stream, one with a wrong checksum, one with bytes after it. */
static void broken_streams_are_overwritten(void **state)
{
    fixture *f = *state;
    for (int kind = 0; kind < 3; kind++) {
        size_t size = compress_text(TEXT, sizeof TEXT - 1, GZIP, 9, f->bytes);
        if (kind == 0)
            size -= 9;
        else if (kind == 1)
            f->bytes[size - 6] ^= 1;
        else
            f->bytes[size++] = 'x';
        check_overwritten(f, size, 1);
    }
}

static void a_frame_without_secrets_is_not_touched(void **state)
{
    fixture *f = *state;
    uint8_t before[BYTES];
    size_t size = compress_text(HIDDEN, sizeof HIDDEN - 1, GZIP, 1, f->bytes);
    memcpy(before, f->bytes, size);
    assert_int_equal(apply(f, size, 1).count, 0);
    assert_ptr_equal(f->out.data, f->bytes);
    assert_int_equal(f->out.size, size);
    assert_memory_equal(f->bytes, before, size);
}

static void frames_that_are_not_compressed(void **state)
{
    fixture *f = *state;
    for (int is_binary = 0; is_binary < 2; is_binary++) {
        memcpy(f->bytes, TEXT, sizeof TEXT - 1);
        assert_false(apply(f, sizeof TEXT - 1, is_binary).is_whole);
        assert_int_equal(f->out.size, sizeof TEXT - 1);
        assert_memory_equal(f->out.data, HIDDEN, sizeof HIDDEN - 1);
        apply(f, 0, is_binary);
        assert_int_equal(f->out.size, 0);
    }
}

/* Values are found by name only in frames from clients, and only if the redactor is set up for
 * clients. */
static void frames_of_clients(void **state)
{
    static const char SENT[] =
        "{\"op\":\"auth\",\"args\":[\"Key-0123456789\",1700000000000,\"short\"]}";
    fixture *f = *state;
    memcpy(f->bytes, SENT, sizeof SENT - 1);
    td_bytes frame = td_bytes_of(f->bytes, sizeof SENT - 1);
    for (int i = 0; i < 2; i++) {
        redaction found = frame_redactor_apply_sent(&f->frames, &f->secrets, frame, 0, &f->out);
        assert_int_equal(found.count, 1 + i);
        assert_int_equal(found.first_offset, 22);
        assert_int_equal(found.bytes, i ? 14 + 5 : 14);
        assert_int_equal(apply(f, frame.size, 0).count, 1);
        redactor_hide_sent(&f->secrets);
    }
    size_t size = compress_text(SENT, sizeof SENT - 1, GZIP, 9, f->bytes);
    frame = td_bytes_of(f->bytes, size);
    assert_true(frame_redactor_apply_sent(&f->frames, &f->secrets, frame, 1, &f->out).is_whole);
    assert_int_equal(f->out.data[0], '*');
}

/* The kernel reports it: prctl(2), getrlimit(2). */
static void no_core_dumps(void **state)
{
    struct rlimit limit;
    (void)state;
    assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
    for (int feed = 0; feed < 2; feed++) {
        assert_int_equal(redactor_forbid_core_dumps(NULL), TD_OK);
        assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
        assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
        assert_int_equal(limit.rlim_cur, 0);
        assert_int_equal(limit.rlim_max, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(occurrences_are_overwritten_in_place),
        cmocka_unit_test(utf16_is_searched),
        cmocka_unit_test(the_beginning_of_a_secret_is_hidden_where_a_text_ends),
        cmocka_unit_test(a_secret_within_another_leaves_nothing_of_it),
        cmocka_unit_test(short_secrets_are_refused),
        cmocka_unit_test(long_secrets_are_hidden_whole_or_refused),
        cmocka_unit_test(no_form_survives),
        cmocka_unit_test(other_text_is_left),
        cmocka_unit_test(found_values_are_spelt_or_exact),
        cmocka_unit_test(secrets_of_requests_are_hidden_as_they_are_met),
        cmocka_unit_test(long_values_are_hidden_by_parts),
        cmocka_unit_test(old_signatures_make_space_but_the_key_stays),
        cmocka_unit_test(no_core_dumps),
        cmocka_unit_test_setup_teardown(compressed_frames_are_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_streams_are_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_without_secrets_is_not_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_of_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(frames_that_are_not_compressed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
