/* Lookups of names that hang or answer at once: how many run at a time, and which wait for others.
 * Expected: the rules at the top of wire/resolve.h. Time is simulated; a lookup that hangs waits
 * until the test releases it. */
#include "wire/resolve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>

#include "tests/testing/clock_sim.h"

/* The state of a test's lookups. */
typedef struct fixture {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_released; /* 1: hanging lookups may return */
    int inside;      /* lookups hanging now */
    int hung_calls;  /* lookups of names that hang */
    int calls;
    clock_sim *clock;
    resolver *names;
    int answers; /* answers delivered */
} fixture;

static fixture *present;

/* Replaces the system's function. Names that begin with "hang" hang; every name has one address,
 * valid on interface 7. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    static struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_scope_id = 7};
    static struct addrinfo info = {.ai_addr = (struct sockaddr *)&address,
                                   .ai_addrlen = sizeof address};
    fixture *f = present;
    (void)service;
    (void)hints;
    pthread_mutex_lock(&f->lock);
    f->calls++;
    if (strncmp(name, "hang", 4) == 0) {
        f->hung_calls++;
        f->inside++;
        pthread_cond_broadcast(&f->changed);
        while (!f->is_released)
            pthread_cond_wait(&f->changed, &f->lock);
        f->inside--;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    *out = &info;
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    (void)info;
}

static void notify(void *user)
{
    (void)user; /* the test polls */
}

static void open_fixture(fixture *f)
{
    *f = (fixture){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    f->clock = clock_sim_open(1, TD_NS_PER_S);
    present = f;
    f->names = resolver_open(clock_sim_clock(f->clock), NULL, notify, f);
}

static void release(fixture *f)
{
    pthread_mutex_lock(&f->lock);
    f->is_released = 1;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Waits until `count` lookups hang. */
static void until_inside(fixture *f, int count)
{
    pthread_mutex_lock(&f->lock);
    while (f->inside < count)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* TSan adds a thread of its own when a program creates its first one. */
#ifdef __SANITIZE_THREAD__
enum { OWN_THREADS = 2 };
#else
enum { OWN_THREADS = 1 };
#endif

/* The number of this process's threads besides the test's own, as the kernel lists them. */
static int threads_now(void)
{
    int count = -OWN_THREADS;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* Waits until at most `most` threads are left; ended ones are listed for a short time. */
static void until_threads(int most)
{
    while (threads_now() > most)
        sched_yield();
}

static void close_fixture(fixture *f)
{
    release(f);
    resolver_close(f->names);
    clock_sim_close(f->clock);
}

static void on_done(void *user, const resolve_answer *answer)
{
    fixture *f = user;
    assert_int_equal(answer->count, 1);
    assert_int_equal(answer->addresses[0].any.sa_family, AF_INET6);
    assert_int_equal(answer->addresses[0].v6.sin6_scope_id, 7);
    f->answers++;
}

static resolve_job *start(fixture *f, const char *name)
{
    resolve_job *job = NULL;
    assert_int_equal(resolver_start(f->names, name, on_done, f, &job, NULL), TD_OK);
    return job;
}

static void start_many(fixture *f, const char *prefix, int count)
{
    char name[32];
    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "%s%d", prefix, i);
        (void)start(f, name);
    }
}

static void until_answers(fixture *f, int count)
{
    while (f->answers < count) {
        resolver_deliver(f->names);
        sched_yield();
    }
    assert_int_equal(f->answers, count);
}

static void test_names_are_answered(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    start_many(&f, "fast", 100);
    until_answers(&f, 100);
    assert_int_equal(f.calls, 100);
    until_threads(0); /* idle threads end */
    close_fixture(&f);
}

/* Callers that want a name that is already being looked up wait for its answer. */
static void test_one_lookup_a_name(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    for (int i = 0; i < 50; i++)
        (void)start(&f, "hang");
    until_inside(&f, 1);
    resolve_job_cancel(start(&f, "hang"));
    clock_sim_advance(f.clock, 100 * TD_NS_PER_S);
    resolver_deliver(f.names);
    (void)start(&f, "hang");
    assert_int_equal(f.hung_calls, 1);
    release(&f);
    until_answers(&f, 51);
    assert_int_equal(f.hung_calls, 1);
    close_fixture(&f);
}

static void test_hung_names_delay_no_others(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    start_many(&f, "hang", LIMIT_RESOLVE_THREADS - 1);
    start_many(&f, "fast", 100);
    until_answers(&f, 100);
    until_inside(&f, LIMIT_RESOLVE_THREADS - 1);
    release(&f);
    until_answers(&f, 100 + LIMIT_RESOLVE_THREADS - 1);
    until_threads(0);
    close_fixture(&f);
}

/* Threads are bounded, however many names hang and for how long; after they return, all lookups
 * continue. */
static void test_threads_are_bounded(void **state)
{
    (void)state;
    enum { NAMES = 3 * LIMIT_RESOLVE_THREADS };
    fixture f;
    open_fixture(&f);
    start_many(&f, "hang", NAMES);
    until_inside(&f, LIMIT_RESOLVE_THREADS);
    clock_sim_advance(f.clock, RESOLVE_SLOW_NS);
    resolver_deliver(f.names);
    until_threads(LIMIT_RESOLVE_THREADS);
    assert_int_equal(f.hung_calls, LIMIT_RESOLVE_THREADS);
    release(&f);
    until_answers(&f, NAMES);
    close_fixture(&f);
}

static void test_names_are_bounded(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f);
    start_many(&f, "hang", LIMIT_RESOLVE_NAMES);
    resolve_job *job = NULL;
    td_err err;
    assert_int_equal(resolver_start(f.names, "more", on_done, &f, &job, &err), TD_E_LIMIT);
    assert_non_null(strstr(err.text, "more"));
    resolve_job *known = start(&f, "hang7"); /* waits for the running lookup */
    resolve_job_cancel(known);
    release(&f);
    until_answers(&f, LIMIT_RESOLVE_NAMES);
    close_fixture(&f);
}

/* A cancelled lookup ends without a callback, also after the resolver is closed; a lookup without a
 * thread is then dropped. */
static void test_cancel_and_close(void **state)
{
    (void)state;
    enum { NAMES = LIMIT_RESOLVE_THREADS + 1 };
    static fixture f; /* outlives the look-ups */
    open_fixture(&f);
    resolve_job *jobs[NAMES];
    char name[32];
    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(name, sizeof name, "hang%d", i);
        jobs[i] = start(&f, name);
    }
    until_inside(&f, LIMIT_RESOLVE_THREADS);
    for (int i = 0; i < NAMES; i++)
        resolve_job_cancel(jobs[i]);
    resolver_close(f.names); /* does not wait for the lookups */
    clock_sim_close(f.clock);
    release(&f);
    until_threads(0);
    assert_int_equal(f.hung_calls, LIMIT_RESOLVE_THREADS);
    assert_int_equal(f.answers, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_answered),
        cmocka_unit_test(test_one_lookup_a_name),
        cmocka_unit_test(test_hung_names_delay_no_others),
        cmocka_unit_test(test_threads_are_bounded),
        cmocka_unit_test(test_names_are_bounded),
        cmocka_unit_test(test_cancel_and_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
