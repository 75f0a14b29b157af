/* Timers and waking. Expected: wire/client.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>

#include "wire/client.h"

static wire_loop *open_loop(void)
{
    wire_loop *loop = NULL;
    assert_int_equal(wire_loop_open(clock_real(), NULL, &loop, NULL), TD_OK);
    return loop;
}

typedef struct fired {
    wire_loop *loop;
    char order[16];
    size_t count;
    wire_timer *cancelled;
} fired;

typedef struct timer_arg {
    fired *all;
    char name;
} timer_arg;

static void on_timer(void *user)
{
    timer_arg *o = user;
    o->all->order[o->all->count++] = o->name;
}

static void cancel_other(void *user)
{
    timer_arg *o = user;
    on_timer(o);
    wire_timer_cancel(&o->all->cancelled);
    wire_timer_set(o->all->loop, &o->all->cancelled, 0, on_timer, &(timer_arg){o->all, 'x'});
    wire_timer_cancel(&o->all->cancelled);
}

static void run_until(fired *all, size_t count)
{
    while (all->count < count)
        assert_int_equal(wire_loop_run(all->loop, TD_NS_PER_S, NULL), TD_OK);
}

static void test_timers_in_order(void **state)
{
    (void)state;
    fired all = {.loop = open_loop()};
    uint64_t now_ns = clock_mono_ns(clock_real());
    timer_arg a = {&all, 'a'}, b = {&all, 'b'}, c = {&all, 'c'}, d = {&all, 'd'}, v = {&all, 'v'};
    wire_timer *unset = NULL;
    wire_timer_set(all.loop, NULL, now_ns + 3 * TD_NS_PER_MS, on_timer, &d);
    wire_timer_set(all.loop, NULL, now_ns + TD_NS_PER_MS, on_timer, &b);
    wire_timer_set(all.loop, NULL, now_ns + TD_NS_PER_MS, on_timer, &c);
    wire_timer_set(all.loop, NULL, now_ns, cancel_other, &a);
    wire_timer_set(all.loop, &all.cancelled, now_ns, on_timer, &v);
    wire_timer_set(all.loop, &unset, now_ns + 2 * TD_NS_PER_MS, on_timer, &v);
    wire_timer_cancel(&unset);
    wire_timer_cancel(&unset);
    run_until(&all, 4);
    assert_memory_equal(all.order, "abcd", 4);
    assert_true(clock_mono_ns(clock_real()) >= now_ns + 3 * TD_NS_PER_MS);
    wire_loop_close(all.loop);
}

static void set_again(void *user)
{
    timer_arg *o = user;
    o->all->count++;
    wire_timer_set(o->all->loop, NULL, 0, set_again, o);
}

/* Timers that keep adding timers which are due at once do not keep the loop from returning. */
static void test_timers_do_not_starve(void **state)
{
    (void)state;
    fired all = {.loop = open_loop()};
    timer_arg o = {&all, 'o'};
    wire_timer_set(all.loop, NULL, 0, set_again, &o);
    for (size_t i = 1; i <= 5; i++) {
        assert_int_equal(wire_loop_run(all.loop, TD_NS_PER_S, NULL), TD_OK);
        assert_int_equal(all.count, i);
    }
    wire_loop_close(all.loop); /* with a timer pending */
}

static void *wake_from_thread(void *loop)
{
    wire_loop_wake(loop);
    return NULL;
}

static wire_loop *signalled;

static void wake_from_handler(int signal_number)
{
    (void)signal_number;
    wire_loop_wake(signalled);
}

/* Without waking, each run would wait for an hour. */
static void test_wake_ends_the_wait(void **state)
{
    (void)state;
    wire_loop *loop = open_loop();
    uint64_t hour_ns = 3600 * TD_NS_PER_S;
    wire_loop_wake(loop); /* before the loop waits */
    assert_int_equal(wire_loop_run(loop, hour_ns, NULL), TD_OK);
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, wake_from_thread, loop), 0);
        assert_int_equal(wire_loop_run(loop, hour_ns, NULL), TD_OK);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    signalled = loop;
    struct sigaction action = {.sa_handler = wake_from_handler};
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(wire_loop_run(loop, hour_ns, NULL), TD_OK);
    wire_loop_close(loop);
}

static void test_cause_names(void **state)
{
    (void)state;
    assert_string_equal(wire_cause_name(WIRE_CAUSE_TLS_WRONG_HOST), "tls_wrong_host");
    for (int i = 0; i < WIRE_CAUSE_COUNT; i++)
        assert_non_null(wire_cause_name((wire_cause)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_in_order),
        cmocka_unit_test(test_timers_do_not_starve),
        cmocka_unit_test(test_wake_ends_the_wait),
        cmocka_unit_test(test_cause_names),
    };
    return cmocka_run_group_tests_name("wire/loop", tests, NULL, NULL);
}
