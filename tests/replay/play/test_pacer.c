/* Deadlines and lateness. Expected times are computed by hand from the definition: deadline = start
 * + (tape time since the first frame) / speed, where longer pauses are cut to the maximum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/testing/clock_sim.h"
#include "replay/play/control.h"
#include "replay/play/lateness.h"
#include "replay/play/pacer.h"

enum { START_NS = 1000, FRAMES_MAX = 6 };
#define TAPE_NS UINT64_C(1618677785000000000)

/* ---- speeds ---- */

static void test_speed_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        td_result rc;
        const char *shown;
    } CASES[] = {
        {"1", TD_OK, "1"},
        {"10", TD_OK, "10"},
        {"0.5", TD_OK, "0.5"},
        {"max", TD_OK, "max"},
        {"2.50", TD_OK, "2.5"},
        {"0.000001", TD_OK, "0.000001"},
        {"0", TD_E_INVALID, ""},
        {"-1", TD_E_INVALID, ""},
        {"", TD_E_INVALID, ""},
        {"fast", TD_E_INVALID, ""},
        {"1x", TD_E_INVALID, ""},
        {"0.0000001", TD_E_INVALID, ""},
        {"1e19", TD_E_INVALID, ""},
        {"1e300", TD_E_INVALID, ""},
        {"9e18", TD_OK, "9000000000000000000"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        pacer_speed speed;
        td_err err;
        td_err_clear(&err);
        td_result rc = pacer_speed_parse(CASES[i].text, &speed, &err);
        assert_int_equal(rc, CASES[i].rc);
        if (rc != TD_OK) {
            assert_non_null(strstr(err.text, "a number from 0.000001 to 9e18"));
            assert_non_null(strstr(err.text, "max"));
            continue;
        }
        char shown[TD_DECIMAL_TEXT_BYTES];
        pacer_speed_format(speed, shown);
        assert_string_equal(shown, CASES[i].shown);
    }
}

/* ---- deadlines ---- */

typedef struct pace_case {
    const char *name;
    const char *speed;
    uint64_t gap_ns_max;
    uint64_t tape_ns[FRAMES_MAX];     /* since the first frame; a later 0 ends the list */
    uint64_t deadline_ns[FRAMES_MAX]; /* since the start; all 0 at full speed */
} pace_case;

static const pace_case PACES[] = {
    {"back in time is at once", "1", 0, {0, 500, 400, 600}, {0, 500, 500, 600}},
    {"as recorded", "1", 0, {0, 5, 5, 1000000, 86400000000000}, {0, 5, 5, 1000000, 86400000000000}},
    {"the greatest speed", "9e18", 0, {0, 1000, 86400000000000}, {0, 0, 0}},
    {"ten times", "10", 0, {0, 1000, 1001, 25000}, {0, 100, 100, 2500}},
    {"half", "0.5", 0, {0, 1000, 25000}, {0, 2000, 50000}},
    {"thousandths", "0.001", 0, {0, 1000, 2000000}, {0, 1000000, 2000000000}},
    {"long stretches are cut", "1", 100, {0, 50, 1000, 1100, 5000}, {0, 50, 150, 250, 350}},
    {"cut before it is scaled", "2", 100, {0, 50, 1000, 1100}, {0, 25, 75, 125}},
};

static void open_pacer(pacer *p, clock_sim *sim, const char *speed, uint64_t gap_ns_max)
{
    pacer_options options = {.clock = clock_sim_clock(sim), .gap_ns_max = gap_ns_max};
    td_err err;
    assert_int_equal(pacer_speed_parse(speed, &options.speed, &err), TD_OK);
    pacer_init(p, &options);
}

static void test_deadlines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof PACES / sizeof *PACES; i++) {
        const pace_case *c = &PACES[i];
        clock_sim *sim = clock_sim_open(0, START_NS);
        pacer p;
        open_pacer(&p, sim, c->speed, c->gap_ns_max);
        for (size_t k = 0; k < FRAMES_MAX && (k == 0 || c->tape_ns[k] != 0); k++) {
            uint64_t deadline_ns;
            assert_int_equal(pacer_wait(&p, TAPE_NS + c->tape_ns[k], &deadline_ns), PACER_GO);
            if (deadline_ns != START_NS + c->deadline_ns[k])
                fail_msg("%s: frame %zu due at %llu", c->name, k,
                         (unsigned long long)(deadline_ns - START_NS));
            assert_int_equal(clock_mono_ns(clock_sim_clock(sim)), deadline_ns);
        }
        assert_int_equal(p.late.ns_max, 0);
        clock_sim_close(sim);
    }
}

/* A late frame does not delay the next one: no drift. */
static void test_no_drift(void **state)
{
    (void)state;
    clock_sim *sim = clock_sim_open(0, START_NS);
    pacer p;
    open_pacer(&p, sim, "1", 0);
    uint64_t deadline_ns;
    for (uint64_t i = 0; i < 1000; i++) {
        assert_int_equal(pacer_wait(&p, TAPE_NS + i * 1000, &deadline_ns), PACER_GO);
        assert_int_equal(deadline_ns, START_NS + i * 1000);
        clock_sim_advance(sim, i % 10 == 0 ? 2500 : 1); /* some work takes longer */
    }
    assert_int_equal(p.late.count, 1000);
    assert_int_equal(p.late.ns_max, 1500);
    clock_sim_close(sim);
}

static void test_full_speed(void **state)
{
    (void)state;
    clock_sim *sim = clock_sim_open(0, START_NS);
    pacer p;
    open_pacer(&p, sim, "max", 0);
    uint64_t deadline_ns = 1;
    assert_int_equal(pacer_wait(&p, TAPE_NS, &deadline_ns), PACER_GO);
    assert_int_equal(pacer_wait(&p, TAPE_NS + 3600 * TD_NS_PER_S, &deadline_ns), PACER_GO);
    assert_int_equal(deadline_ns, 0);
    assert_int_equal(clock_sim_sleep_count(sim), 0);
    assert_int_equal(p.late.count, 0);
    clock_sim_close(sim);
}

/* ---- with a user ---- */

static pacer_answer press(pacer *p, char key)
{
    const control_command *command = control_find_key(key);
    return command == NULL ? PACER_GO : control_apply(p, command, &command->value);
}

/* A user: whenever the pacer idles, time passes, and a key may be pressed. */
typedef struct key_source {
    clock_sim *sim;
    pacer *pacer;
    uint64_t pass_ns;
    const char *keys; /* '_' presses no key */
} key_source;

static pacer_answer key_wait(void *ctx, uint64_t mono_ns)
{
    key_source *h = ctx;
    uint64_t now_ns = clock_mono_ns(clock_sim_clock(h->sim));
    uint64_t left_ns = mono_ns - now_ns;
    clock_sim_advance(h->sim, left_ns < h->pass_ns ? left_ns : h->pass_ns);
    const char key = (char)(*h->keys == '\0' ? '_' : *h->keys++);
    return press(h->pacer, key);
}

typedef struct key_case {
    const char *name;
    const char *keys;       /* one per 100 ns while waiting for the frame at tape time 1000 */
    uint64_t arrives_ns[2]; /* when that frame and the one at 1500 are released, since the start */
} key_case;

static const key_case KEYS[] = {
    {"nothing", "", {1000, 1500}},
    {"twice as fast at 100: 900 left take 450", "+", {550, 800}},
    {"half at 100: 900 left take 1800", "-", {1900, 2900}},
    {"there and back", "+-", {1000 - 100, 1500 - 100}},
    {"paused at 100, on at 400", " __ ", {1300, 1800}},
    {"full speed at 100", "m", {100, 100}},
    {"as recorded again", "+1", {900, 1400}},
    {"ten seconds forward at 100: both are due at once", "f", {100, 100}},
    {"paused at 100, stepped at 200, on at 300", " . ", {200, 800}},
};

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        clock_sim *sim = clock_sim_open(0, START_NS);
        pacer p;
        key_source h = {.sim = sim, .pacer = &p, .pass_ns = 100, .keys = KEYS[i].keys};
        pacer_options options = {
            .clock = clock_sim_clock(sim), .speed = {.value = {1, 0}}, .idle = {key_wait, &h}};
        pacer_init(&p, &options);
        uint64_t deadline_ns;
        assert_int_equal(pacer_wait(&p, TAPE_NS, &deadline_ns), PACER_GO);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(pacer_wait(&p, TAPE_NS + 1000 + k * 500, &deadline_ns), PACER_GO);
            uint64_t now_ns = clock_mono_ns(clock_sim_clock(sim)) - START_NS;
            if (now_ns != KEYS[i].arrives_ns[k])
                fail_msg("%s: frame %zu went at %llu, expected %llu", KEYS[i].name, k,
                         (unsigned long long)now_ns, (unsigned long long)KEYS[i].arrives_ns[k]);
        }
        clock_sim_close(sim);
    }
}

/* The frames that are released while a user presses keys. The tape is opened again at the last mark
 * before the target as often as the keys require it. */
typedef struct seek_case {
    const char *name;
    const char *keys;  /* one per 100 ns of waiting */
    const char *order; /* the frames, 'a' to 'f', 1 s apart; 'A' to 'F' on the way back */
} seek_case;

static const seek_case SEEKS[] = {
    {"stepped, and on", "... ", "abcdef"},
    {"back to where it was", ".., ", "abAbcdef"},
    {"two back", "...,, ", "abcBAbcdef"},
    {"back before the first", ".,, ", "aabcdef"},
    {"back, and a step", "..,. ", "abAbcdef"},
    {"ten seconds on, back ten: all of it again", ".fb ", "abcdefabcdef"},
    {"two at the end, one of which is undone", "f, ", "abcdefEf"},
};

static void test_seeks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof SEEKS / sizeof *SEEKS; i++) {
        clock_sim *sim = clock_sim_open(0, START_NS);
        pacer p;
        key_source h = {.sim = sim, .pacer = &p, .pass_ns = 100, .keys = SEEKS[i].keys};
        static pacer_marks marks;
        marks.count = marks.next_frames = 0;
        pacer_options options = {.clock = clock_sim_clock(sim),
                                 .speed = {.is_max = 1},
                                 .marks = &marks,
                                 .idle = {key_wait, &h}};
        char order[64];
        size_t count = 0;
        pacer_init(&p, &options);
        pacer_pause(&p);
        for (pacer_answer answer = PACER_REWIND; answer == PACER_REWIND;) {
            uint64_t deadline_ns;
            pacer_rewind(&p, pacer_find_mark(&p));
            answer = PACER_GO;
            for (uint64_t k = p.frames; k < FRAMES_MAX && answer == PACER_GO; k++) {
                answer = pacer_wait(&p, TAPE_NS + k * TD_NS_PER_S, &deadline_ns);
                if (answer == PACER_GO)
                    order[count++] = (char)((p.is_returning ? 'A' : 'a') + (int)k);
            }
            if (answer == PACER_GO)
                answer = pacer_end(&p);
        }
        order[count] = '\0';
        if (strcmp(order, SEEKS[i].order) != 0)
            fail_msg("%s: %s, expected %s", SEEKS[i].name, order, SEEKS[i].order);
        clock_sim_close(sim);
    }
}

/* Marks of a long tape with some frames of equal times: as many marks as fit, in order, not between
 * frames with equal times, and close before any target. */
static void test_marks(void **state)
{
    (void)state;
    enum { FRAMES = 5 * PACER_MARKS_MAX };
    static pacer_marks marks;
    clock_sim *sim = clock_sim_open(0, START_NS);
    pacer p;
    pacer_init(&p, &(pacer_options){
                       .clock = clock_sim_clock(sim), .speed = {.is_max = 1}, .marks = &marks});
    uint64_t deadline_ns;
    for (uint64_t i = 0; i < FRAMES; i++)
        assert_int_equal(pacer_wait(&p, TAPE_NS + i - (i % 5 == 1), &deadline_ns), PACER_GO);
    assert_in_range(marks.count, PACER_MARKS_MAX / 2, PACER_MARKS_MAX);
    for (size_t i = 0; i < marks.count; i++) {
        assert_int_equal(marks.items[i].recv_ns, TAPE_NS + marks.items[i].frames);
        assert_int_not_equal(marks.items[i].frames % 5, 1);
        assert_true(i == 0 || marks.items[i].frames > marks.items[i - 1].frames);
    }
    for (uint64_t target = 1; target < FRAMES; target += 97) {
        p.is_seeking = 1;
        p.target_frames = target;
        p.target_ns = 0;
        const pacer_mark *by_frame = pacer_find_mark(&p);
        assert_in_range(by_frame->frames, target > 64 ? target - 64 : 0, target - 1);
        p.target_ns = TAPE_NS + target;
        assert_ptr_equal(pacer_find_mark(&p), by_frame);
    }
    clock_sim_close(sim);
}

static void test_no_way_back_without_marks(void **state)
{
    (void)state;
    clock_sim *sim = clock_sim_open(0, START_NS);
    pacer p;
    pacer_init(&p, &(pacer_options){.clock = clock_sim_clock(sim), .speed = {.is_max = 1}});
    uint64_t deadline_ns;
    assert_int_equal(pacer_wait(&p, TAPE_NS, &deadline_ns), PACER_GO);
    assert_false(pacer_back(&p));
    assert_false(pacer_skip_back(&p, 0));
    pacer_skip(&p, 1);
    assert_int_equal(pacer_wait(&p, TAPE_NS + 1, &deadline_ns), PACER_GO);
    clock_sim_close(sim);
}

static void test_first_jumps_add_up(void **state)
{
    (void)state;
    clock_sim *sim = clock_sim_open(0, START_NS);
    pacer p;
    pacer_init(&p, &(pacer_options){.clock = clock_sim_clock(sim), .speed = {.is_max = 1}});
    assert_int_equal(pacer_due(&p, 100 * TD_NS_PER_S), 0);
    static const struct {
        char key;
        uint64_t target_s;
    } JUMPS[] = {{'f', 110}, {'f', 120}, {'b', 110}, {'b', 100}, {'b', 90}, {'b', 80}};
    for (size_t i = 0; i < sizeof JUMPS / sizeof *JUMPS; i++) {
        assert_int_equal(press(&p, JUMPS[i].key), PACER_GO);
        assert_int_equal(p.target_ns, JUMPS[i].target_s * TD_NS_PER_S);
    }
    clock_sim_close(sim);
}

static void test_quit(void **state)
{
    (void)state;
    clock_sim *sim = clock_sim_open(0, START_NS);
    pacer p;
    key_source h = {.sim = sim, .pacer = &p, .pass_ns = 100, .keys = "__q"};
    pacer_options options = {
        .clock = clock_sim_clock(sim), .speed = {.value = {1, 0}}, .idle = {key_wait, &h}};
    pacer_init(&p, &options);
    uint64_t deadline_ns;
    assert_int_equal(pacer_wait(&p, TAPE_NS, &deadline_ns), PACER_GO);
    assert_int_equal(pacer_wait(&p, TAPE_NS + 1000, &deadline_ns), PACER_STOP);
    clock_sim_close(sim);
}

/* Speeds stay printable: halving stops at six decimal places, doubling before an overflow. */
static void test_speed_bounds(void **state)
{
    (void)state;
    clock_sim *sim = clock_sim_open(0, START_NS);
    pacer p;
    open_pacer(&p, sim, "1", 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(press(&p, '-'), PACER_GO);
    char shown[TD_DECIMAL_TEXT_BYTES];
    pacer_speed_format(p.options.speed, shown);
    assert_string_equal(shown, "0.015625"); /* 1/64 */
    for (int i = 0; i < 100; i++)
        assert_int_equal(press(&p, '+'), PACER_GO);
    assert_true(p.options.speed.value.mantissa > 1000000);
    clock_sim_close(sim);
}

/* ---- lateness ---- */

static void test_lateness(void **state)
{
    (void)state;
    static lateness l;
    assert_int_equal(lateness_quantile_ns(&l, 500), 0);
    for (uint64_t i = 1; i <= 1000; i++)
        lateness_add(&l, i * 1000);
    assert_int_equal(l.count, 1000);
    assert_int_equal(l.ns_max, 1000000);
    static const struct {
        uint32_t per_mille;
        uint64_t exact_ns;
    } CASES[] = {{1, 1000}, {500, 500000}, {990, 990000}, {1000, 1000000}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        uint64_t got = lateness_quantile_ns(&l, CASES[i].per_mille);
        assert_in_range(got, CASES[i].exact_ns, CASES[i].exact_ns + CASES[i].exact_ns / 16);
    }
}

/* Small values are exact, and the largest value is allowed. */
static void test_lateness_edges(void **state)
{
    (void)state;
    static const uint64_t VALUES[] = {0, 1, 15, 16, 17, 31, 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof VALUES / sizeof *VALUES; i++) {
        static lateness l;
        l = (lateness){0};
        lateness_add(&l, VALUES[i]);
        assert_int_equal(lateness_quantile_ns(&l, 500), VALUES[i]);
        assert_int_equal(lateness_quantile_ns(&l, 0), VALUES[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_speed_parse),    cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_no_drift),       cmocka_unit_test(test_full_speed),
        cmocka_unit_test(test_keys),           cmocka_unit_test(test_first_jumps_add_up),
        cmocka_unit_test(test_quit),           cmocka_unit_test(test_seeks),
        cmocka_unit_test(test_marks),          cmocka_unit_test(test_no_way_back_without_marks),
        cmocka_unit_test(test_speed_bounds),   cmocka_unit_test(test_lateness),
        cmocka_unit_test(test_lateness_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
