#include "wire/resolve.h"

#include <string.h>

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/url.h"

typedef enum lookup_state {
    LOOKUP_WAITING,
    LOOKUP_RUNNING,
    LOOKUP_DONE,
} lookup_state;

/* The look-up of one name. */
typedef struct lookup {
    struct lookup *next; /* in order of arrival */
    lookup_state state;
    uint8_t is_slow;   /* 1: logged as slow */
    resolve_job *jobs; /* loop's thread only */
    uint64_t added_ns;
    resolve_answer answer;
    char name[TD_HOST_BYTES];
} lookup;

struct resolve_job {
    lookup *of;
    resolve_job *next;
    void (*done)(void *user, const resolve_answer *answer);
    void *user;
};

struct resolver {
    td_clock clock;
    const td_log *log;
    void (*notify)(void *user);
    void *user;
    pthread_mutex_t lock; /* guards all members below */
    lookup *lookups;
    uint32_t lookup_count, thread_count;
    int is_closed; /* the last thread frees the resolver */
};

/* ---- the system call ---- */

static void look_up(const char *name, resolve_answer *answer)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(name, NULL, &hints, &found);
    answer->text = rc == 0 ? "" : gai_strerror(rc);
    if (rc != 0)
        return;
    for (struct addrinfo *i = found; i != NULL && answer->count < RESOLVE_ADDRESSES_MAX;
         i = i->ai_next)
        if (i->ai_addrlen <= sizeof(wire_address))
            memcpy(&answer->addresses[answer->count++], i->ai_addr, i->ai_addrlen);
    freeaddrinfo(found);
}

/* ---- life ---- */

resolver *resolver_open(td_clock clock, const td_log *log, void (*notify)(void *user), void *user)
{
    resolver *r = td_alloc(sizeof *r);
    *r = (resolver){.clock = clock, .log = log, .notify = notify, .user = user};
    int rc = pthread_mutex_init(&r->lock, NULL);
    TD_ASSERT(rc == 0); /* cannot fail on Linux */
    return r;
}

/* Unlock, and free the resolver if it is closed and no thread uses it. */
static void end_if_unused(resolver *r)
{
    int is_unused = r->is_closed && r->thread_count == 0;
    pthread_mutex_unlock(&r->lock);
    if (!is_unused)
        return;
    while (r->lookups != NULL) {
        lookup *l = r->lookups;
        TD_ASSERT(l->jobs == NULL);
        r->lookups = l->next;
        td_free(l);
    }
    pthread_mutex_destroy(&r->lock);
    td_free(r);
}

void resolver_close(resolver *r)
{
    if (r == NULL)
        return;
    pthread_mutex_lock(&r->lock);
    TD_ASSERT(!r->is_closed);
    r->is_closed = 1;
    end_if_unused(r);
}

/* The oldest look-up in this state, or NULL. */
static lookup *find_state(const resolver *r, lookup_state state)
{
    lookup *l = r->lookups;
    while (l != NULL && l->state != state)
        l = l->next;
    return l;
}

/* A look-up thread: look up names while any name waits. */
static void *run(void *argument)
{
    resolver *r = argument;
    lookup *l;
    pthread_mutex_lock(&r->lock);
    while (!r->is_closed && (l = find_state(r, LOOKUP_WAITING)) != NULL) {
        l->state = LOOKUP_RUNNING;
        pthread_mutex_unlock(&r->lock);
        look_up(l->name, &l->answer);
        pthread_mutex_lock(&r->lock);
        l->state = LOOKUP_DONE;
        if (!r->is_closed)
            r->notify(r->user); /* under the lock, so that resolver_close waits until it returns */
    }
    r->thread_count--;
    end_if_unused(r);
    return NULL;
}

/* ---- the loop's thread ---- */

static void unlink_lookup(resolver *r, const lookup *l)
{
    lookup **link = &r->lookups;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    r->lookup_count--;
}

/* Start a thread unless LIMIT_RESOLVE_THREADS run. Returns 0, or errno if no thread can look the
 * name up. */
static int start_thread(resolver *r)
{
    pthread_t thread;
    if (r->thread_count == LIMIT_RESOLVE_THREADS)
        return 0;
    int failure = pthread_create(&thread, NULL, run, r);
    if (failure != 0)
        return r->thread_count == 0 ? failure : 0;
    r->thread_count++;
    pthread_detach(thread);
    return 0;
}

static td_result add(resolver *r, const char *name, lookup **out, td_err *err)
{
    if (r->lookup_count == LIMIT_RESOLVE_NAMES)
        return td_err_set(err, TD_E_LIMIT,
                          "%u names are already being looked up: cannot look up '%s'",
                          LIMIT_RESOLVE_NAMES, name);
    lookup *l = td_alloc_zero(1, sizeof *l);
    memcpy(l->name, name, strlen(name));
    l->added_ns = clock_mono_ns(r->clock);
    lookup **last = &r->lookups;
    while (*last != NULL)
        last = &(*last)->next;
    *last = l;
    r->lookup_count++;
    int failure = start_thread(r);
    if (failure != 0) {
        unlink_lookup(r, l);
        td_free(l);
        return td_err_set_os(err, failure, "cannot start a thread to look up '%s'", name);
    }
    *out = l;
    return TD_OK;
}

td_result resolver_start(resolver *r, const char *name,
                         void (*done)(void *user, const resolve_answer *answer), void *user,
                         resolve_job **out, td_err *err)
{
    *out = NULL;
    TD_ASSERT(strlen(name) < TD_HOST_BYTES);
    resolve_job *job = td_alloc(sizeof *job);
    pthread_mutex_lock(&r->lock);
    TD_ASSERT(!r->is_closed);
    lookup *l = r->lookups;
    while (l != NULL && strcmp(l->name, name) != 0)
        l = l->next;
    td_result rc = l == NULL ? add(r, name, &l, err) : TD_OK;
    pthread_mutex_unlock(&r->lock);
    if (rc != TD_OK) {
        td_free(job);
        return rc;
    }
    TD_ASSERT(l != NULL);
    *job = (resolve_job){.of = l, .next = l->jobs, .done = done, .user = user};
    l->jobs = job;
    *out = job;
    return TD_OK;
}

void resolve_job_cancel(resolve_job *job)
{
    if (job == NULL)
        return;
    resolve_job **link = &job->of->jobs;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    td_free(job);
}

static void log_slow(resolver *r)
{
    uint64_t now_ns = r->lookups == NULL ? 0 : clock_mono_ns(r->clock);
    for (lookup *l = r->lookups; l != NULL; l = l->next) {
        if (l->is_slow || now_ns - l->added_ns < RESOLVE_SLOW_NS)
            continue;
        l->is_slow = 1;
        td_log_emit(r->log, TD_LOG_WARNING,
                    "looking up '%s' takes more than %d s, and new connections wait for it; is its "
                    "name server reachable?",
                    l->name, (int)(RESOLVE_SLOW_NS / TD_NS_PER_S));
    }
}

/* Remove and return the oldest finished look-up, or NULL. */
static lookup *take_done(resolver *r)
{
    pthread_mutex_lock(&r->lock);
    lookup *l = find_state(r, LOOKUP_DONE);
    if (l != NULL)
        unlink_lookup(r, l);
    else
        log_slow(r);
    pthread_mutex_unlock(&r->lock);
    return l;
}

void resolver_deliver(resolver *r)
{
    lookup *l;
    while ((l = take_done(r)) != NULL) {
        while (l->jobs != NULL) {
            resolve_job *job = l->jobs;
            l->jobs = job->next;
            job->done(job->user, &l->answer);
            td_free(job);
        }
        td_free(l);
    }
}
