#include "wire/resolve.h"

#include <string.h>

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/url.h"

enum { SLOW_NAMES_MAX = 64 }; /* remembered; a recorder's hosts are fewer */

typedef enum lookup_state {
    LOOKUP_WAITING,
    LOOKUP_RUNNING,
    LOOKUP_DONE,
} lookup_state;

/* One name on its way. */
typedef struct lookup {
    struct lookup *next; /* in order of coming */
    lookup_state state;
    uint8_t was_slow;  /* the last time */
    uint8_t is_slow;   /* it does not count as one of the threads any more */
    resolve_job *jobs; /* loop's thread only */
    uint64_t started_ns;
    resolve_answer answer;
    char name[TD_HOST_BYTES];
} lookup;

struct resolve_job {
    resolver *owner;
    lookup *of;
    resolve_job *next;
    void (*done)(void *user, const resolve_answer *answer);
    void *user;
};

struct resolver {
    resolver_options options;
    pthread_mutex_t lock;   /* guards all of the following */
    pthread_cond_t changed; /* a name waits, a thread ends, it closes */
    lookup *lookups;
    uint32_t lookup_count, waiting_count, running_count, slow_count;
    uint32_t running_again_count; /* running, not slow yet, of names that were slow */
    uint32_t thread_count, idle_count;
    char slow_names[SLOW_NAMES_MAX][TD_HOST_BYTES]; /* "": free */
    uint32_t slow_next;                             /* the place to use if none is free */
    int is_closed;
    int is_left; /* closed while look-ups were running: the last of them frees it */
};

/* ---- the system's way ---- */

static void add_address(resolve_answer *answer, const struct addrinfo *info)
{
    char *text = answer->addresses[answer->count];
    if (getnameinfo(info->ai_addr, info->ai_addrlen, text, RESOLVE_ADDRESS_BYTES, NULL, 0,
                    NI_NUMERICHOST) == 0)
        answer->count++;
}

static void ask_system(void *user, const char *name, resolve_answer *answer)
{
    (void)user;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(name, NULL, &hints, &found);
    answer->text = rc == 0 ? "" : gai_strerror(rc);
    if (rc != 0)
        return;
    for (struct addrinfo *i = found; i != NULL && answer->count < RESOLVE_ADDRESSES_MAX;
         i = i->ai_next)
        add_address(answer, i);
    freeaddrinfo(found);
}

/* ---- life ---- */

resolver *resolver_open(const resolver_options *options)
{
    resolver *r = td_alloc_zero(1, sizeof *r);
    int rc = pthread_mutex_init(&r->lock, NULL);
    TD_ASSERT(rc == 0); /* neither can fail on Linux */
    rc = pthread_cond_init(&r->changed, NULL);
    TD_ASSERT(rc == 0);
    r->options = *options;
    if (r->options.look_up == NULL)
        r->options.look_up = ask_system;
    return r;
}

static void resolver_free(resolver *r)
{
    TD_ASSERT(r->thread_count == 0);
    while (r->lookups != NULL) {
        lookup *l = r->lookups;
        TD_ASSERT(l->jobs == NULL);
        r->lookups = l->next;
        td_free(l);
    }
    pthread_cond_destroy(&r->changed);
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
    pthread_cond_broadcast(&r->changed);
    while (r->thread_count > r->running_count)
        pthread_cond_wait(&r->changed, &r->lock);
    r->is_left = r->thread_count > 0;
    int is_left = r->is_left;
    pthread_mutex_unlock(&r->lock);
    if (!is_left)
        resolver_free(r);
}

/* ---- names that were slow ---- */

static uint32_t slow_place(const resolver *r, const char *name)
{
    uint32_t at = 0;
    while (at < SLOW_NAMES_MAX && strcmp(r->slow_names[at], name) != 0)
        at++;
    return at;
}

static void note_pace(resolver *r, const lookup *l)
{
    uint32_t at = slow_place(r, l->name);
    int is_slow = clock_mono_ns(r->options.clock) - l->started_ns >= RESOLVE_SLOW_NS;
    if (at < SLOW_NAMES_MAX && !is_slow)
        r->slow_names[at][0] = '\0';
    if (at < SLOW_NAMES_MAX || !is_slow)
        return;
    at = slow_place(r, "");
    if (at == SLOW_NAMES_MAX) {
        at = r->slow_next;
        r->slow_next = (r->slow_next + 1) % SLOW_NAMES_MAX;
    }
    memcpy(r->slow_names[at], l->name, sizeof l->name);
}

/* ---- the threads ---- */

/* The next name to ask for; NULL: none now. */
static lookup *pick(const resolver *r)
{
    int may_be_slow = r->running_again_count < LIMIT_RESOLVE_THREADS / 2;
    for (lookup *l = r->lookups; l != NULL; l = l->next) {
        if (l->state == LOOKUP_WAITING && (!l->was_slow || may_be_slow))
            return l;
    }
    return NULL;
}

static void begin(resolver *r, lookup *l)
{
    TD_ASSERT(l->state == LOOKUP_WAITING);
    l->state = LOOKUP_RUNNING;
    l->started_ns = clock_mono_ns(r->options.clock);
    r->waiting_count--;
    r->running_count++;
    r->running_again_count += l->was_slow;
}

static void end(resolver *r, lookup *l)
{
    TD_ASSERT(l->state == LOOKUP_RUNNING);
    l->state = LOOKUP_DONE;
    if (!r->is_closed) /* then the clock may be gone */
        note_pace(r, l);
    r->running_count--;
    r->slow_count -= l->is_slow;
    r->running_again_count -= l->was_slow && !l->is_slow;
}

/* A thread that was replaced when its look-up became slow is one too many. */
static int is_needed(const resolver *r)
{
    return !r->is_closed && r->thread_count - r->slow_count <= LIMIT_RESOLVE_THREADS;
}

static void *run(void *argument)
{
    resolver *r = argument;
    pthread_mutex_lock(&r->lock);
    while (is_needed(r)) {
        lookup *l = pick(r);
        if (l == NULL) {
            r->idle_count++;
            pthread_cond_wait(&r->changed, &r->lock);
            r->idle_count--;
            continue;
        }
        begin(r, l);
        pthread_mutex_unlock(&r->lock);
        r->options.look_up(r->options.user, l->name, &l->answer);
        pthread_mutex_lock(&r->lock);
        end(r, l);
        if (!r->is_closed)
            r->options.notify(r->options.user); /* under the lock: close cannot return before */
        pthread_cond_broadcast(&r->changed);
    }
    r->thread_count--;
    int must_free = r->is_left && r->thread_count == 0;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    if (must_free)
        resolver_free(r);
    return NULL;
}

/* Look-ups that have become slow leave their places to others. */
static void give_places(resolver *r)
{
    uint64_t now_ns = clock_mono_ns(r->options.clock);
    for (lookup *l = r->lookups; l != NULL; l = l->next) {
        if (l->state != LOOKUP_RUNNING || l->is_slow || now_ns - l->started_ns < RESOLVE_SLOW_NS)
            continue;
        l->is_slow = 1;
        r->slow_count++;
        r->running_again_count -= l->was_slow;
        td_log_emit(r->options.log, TD_LOG_WARNING,
                    "looking up '%s' takes more than %d s: it is not looked up again before that "
                    "ends; is its name server reachable?",
                    l->name, (int)(RESOLVE_SLOW_NS / TD_NS_PER_S));
    }
}

/* A thread for a name that waits, if no thread is free and one more is allowed. 0, or errno. */
static int ensure_thread(resolver *r)
{
    give_places(r);
    if (r->waiting_count == 0)
        return 0;
    pthread_cond_signal(&r->changed);
    if (r->idle_count >= r->waiting_count ||
        r->thread_count - r->slow_count >= LIMIT_RESOLVE_THREADS ||
        r->thread_count == LIMIT_RESOLVE_THREADS_MAX)
        return 0;
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, run, r);
    if (failure != 0)
        return failure;
    r->thread_count++;
    pthread_detach(thread);
    return 0;
}

/* ---- the loop's thread ---- */

static lookup *find(const resolver *r, const char *name)
{
    lookup *l = r->lookups;
    while (l != NULL && strcmp(l->name, name) != 0)
        l = l->next;
    return l;
}

/* Take it off the list and free it. */
static void drop(resolver *r, lookup *l)
{
    lookup **link = &r->lookups;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    r->lookup_count--;
    r->waiting_count -= l->state == LOOKUP_WAITING;
    td_free(l);
}

static td_result add(resolver *r, const char *name, lookup **out, td_err *err)
{
    if (r->lookup_count == LIMIT_RESOLVE_NAMES)
        return td_err_set(err, TD_E_LIMIT, "%u names are being looked up: no place for '%s'",
                          LIMIT_RESOLVE_NAMES, name);
    lookup *l = td_alloc_zero(1, sizeof *l);
    memcpy(l->name, name, strlen(name));
    l->was_slow = slow_place(r, name) < SLOW_NAMES_MAX;
    lookup **last = &r->lookups;
    while (*last != NULL)
        last = &(*last)->next;
    *last = l;
    r->lookup_count++;
    r->waiting_count++;
    int failure = ensure_thread(r);
    if (failure != 0 && r->thread_count == 0) {
        drop(r, l);
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
    resolve_job *job = td_alloc_zero(1, sizeof *job);
    pthread_mutex_lock(&r->lock);
    TD_ASSERT(!r->is_closed);
    lookup *l = find(r, name);
    td_result rc = l == NULL ? add(r, name, &l, err) : TD_OK;
    pthread_mutex_unlock(&r->lock);
    if (rc != TD_OK) {
        td_free(job);
        return rc;
    }
    TD_ASSERT(l != NULL);
    *job = (resolve_job){.owner = r, .of = l, .next = l->jobs, .done = done, .user = user};
    l->jobs = job;
    *out = job;
    return TD_OK;
}

/* Drop a name without callers unless it is being looked up already. */
static void forget(resolver *r, lookup *l)
{
    pthread_mutex_lock(&r->lock);
    if (l->state == LOOKUP_WAITING)
        drop(r, l);
    pthread_mutex_unlock(&r->lock);
}

void resolve_job_cancel(resolve_job *job)
{
    if (job == NULL)
        return;
    lookup *l = job->of;
    resolve_job **link = &l->jobs;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    resolver *r = job->owner;
    td_free(job);
    if (l->jobs == NULL)
        forget(r, l);
}

/* The oldest answer, off the list; NULL: absent. */
static lookup *take_done(resolver *r)
{
    pthread_mutex_lock(&r->lock);
    lookup **link = &r->lookups;
    while (*link != NULL && (*link)->state != LOOKUP_DONE)
        link = &(*link)->next;
    lookup *l = *link;
    if (l != NULL) {
        *link = l->next;
        r->lookup_count--;
    } else if (r->waiting_count > 0 || r->running_count > 0) {
        (void)ensure_thread(r); /* without one it is tried again at the next turn */
    }
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
