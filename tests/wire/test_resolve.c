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
typedef struct scene {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int is_released; /* 1: hanging lookups may return */
    int inside;      /* lookups hanging now */
    int hung_calls;  /* lookups of names that hang */
    int calls;
    clock_sim *clock;
    resolver *names;
    int answers; /* answers delivered */
} scene;

static scene *present;

/* Replaces the system's function. Names that begin with "hang" hang; every name has one address,
 * valid on interface 7. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    static struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_scope_id = 7};
    static struct addrinfo info = {.ai_addr = (struct sockaddr *)&address,
                                   .ai_addrlen = sizeof address};
    scene *s = present;
    (void)service;
    (void)hints;
    pthread_mutex_lock(&s->lock);
    s->calls++;
    if (strncmp(name, "hang", 4) == 0) {
        s->hung_calls++;
        s->inside++;
        pthread_cond_broadcast(&s->changed);
        while (!s->is_released)
            pthread_cond_wait(&s->changed, &s->lock);
        s->inside--;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
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

static void open_scene(scene *s)
{
    *s = (scene){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    s->clock = clock_sim_open(1, TD_NS_PER_S);
    present = s;
    s->names = resolver_open(clock_sim_clock(s->clock), NULL, notify, s);
}

static void release(scene *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_released = 1;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Waits until `count` lookups hang. */
static void until_inside(scene *s, int count)
{
    pthread_mutex_lock(&s->lock);
    while (s->inside < count)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
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

static void close_scene(scene *s)
{
    release(s);
    resolver_close(s->names);
    clock_sim_close(s->clock);
}

static void on_done(void *user, const resolve_answer *answer)
{
    scene *s = user;
    assert_int_equal(answer->count, 1);
    assert_int_equal(answer->addresses[0].any.sa_family, AF_INET6);
    assert_int_equal(answer->addresses[0].v6.sin6_scope_id, 7);
    s->answers++;
}

static resolve_job *start(scene *s, const char *name)
{
    resolve_job *job = NULL;
    assert_int_equal(resolver_start(s->names, name, on_done, s, &job, NULL), TD_OK);
    return job;
}

static void start_many(scene *s, const char *prefix, int count)
{
    char name[32];
    for (int i = 0; i < count; i++) {
        (void)snprintf(name, sizeof name, "%s%d", prefix, i);
        (void)start(s, name);
    }
}

static void until_answers(scene *s, int count)
{
    while (s->answers < count) {
        resolver_deliver(s->names);
        sched_yield();
    }
    assert_int_equal(s->answers, count);
}

static void test_names_are_answered(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    start_many(&s, "fast", 100);
    until_answers(&s, 100);
    assert_int_equal(s.calls, 100);
    until_threads(0); /* idle threads end */
    close_scene(&s);
}

/* Callers that want a name that is already being looked up wait for its answer. */
static void test_one_lookup_a_name(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    for (int i = 0; i < 50; i++)
        (void)start(&s, "hang");
    until_inside(&s, 1);
    resolve_job_cancel(start(&s, "hang"));
    clock_sim_advance(s.clock, 100 * TD_NS_PER_S);
    resolver_deliver(s.names);
    (void)start(&s, "hang");
    assert_int_equal(s.hung_calls, 1);
    release(&s);
    until_answers(&s, 51);
    assert_int_equal(s.hung_calls, 1);
    close_scene(&s);
}

static void test_hung_names_delay_no_others(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    start_many(&s, "hang", LIMIT_RESOLVE_THREADS - 1);
    start_many(&s, "fast", 100);
    until_answers(&s, 100);
    until_inside(&s, LIMIT_RESOLVE_THREADS - 1);
    release(&s);
    until_answers(&s, 100 + LIMIT_RESOLVE_THREADS - 1);
    until_threads(0);
    close_scene(&s);
}

/* Threads are bounded, however many names hang and for how long; after they return, all lookups
 * continue. */
static void test_threads_are_bounded(void **state)
{
    (void)state;
    enum { NAMES = 3 * LIMIT_RESOLVE_THREADS };
    scene s;
    open_scene(&s);
    start_many(&s, "hang", NAMES);
    until_inside(&s, LIMIT_RESOLVE_THREADS);
    clock_sim_advance(s.clock, RESOLVE_SLOW_NS);
    resolver_deliver(s.names);
    until_threads(LIMIT_RESOLVE_THREADS);
    assert_int_equal(s.hung_calls, LIMIT_RESOLVE_THREADS);
    release(&s);
    until_answers(&s, NAMES);
    close_scene(&s);
}

static void test_names_are_bounded(void **state)
{
    (void)state;
    scene s;
    open_scene(&s);
    start_many(&s, "hang", LIMIT_RESOLVE_NAMES);
    resolve_job *job = NULL;
    td_err err;
    assert_int_equal(resolver_start(s.names, "more", on_done, &s, &job, &err), TD_E_LIMIT);
    assert_non_null(strstr(err.text, "more"));
    resolve_job *known = start(&s, "hang7"); /* waits for the running lookup */
    resolve_job_cancel(known);
    release(&s);
    until_answers(&s, LIMIT_RESOLVE_NAMES);
    close_scene(&s);
}

/* A cancelled lookup ends without a callback, also after the resolver is closed; a lookup without a
 * thread is then dropped. */
static void test_cancel_and_close(void **state)
{
    (void)state;
    enum { NAMES = LIMIT_RESOLVE_THREADS + 1 };
    static scene s; /* outlives the look-ups */
    open_scene(&s);
    resolve_job *jobs[NAMES];
    char name[32];
    for (int i = 0; i < NAMES; i++) {
        (void)snprintf(name, sizeof name, "hang%d", i);
        jobs[i] = start(&s, name);
    }
    until_inside(&s, LIMIT_RESOLVE_THREADS);
    for (int i = 0; i < NAMES; i++)
        resolve_job_cancel(jobs[i]);
    resolver_close(s.names); /* does not wait for the lookups */
    clock_sim_close(s.clock);
    release(&s);
    until_threads(0);
    assert_int_equal(s.hung_calls, LIMIT_RESOLVE_THREADS);
    assert_int_equal(s.answers, 0);
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
