#include "wire/resolve.h"

#include <string.h>

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/url.h"

struct resolve_job {
    resolver *owner;
    resolve_job *next;
    void (*done)(void *user,
                 const resolve_answer *answer); /* NULL: given up. Loop's thread only. */
    void *user;
    resolve_answer answer;
    char name[WIRE_HOST_BYTES];
};

struct resolver {
    pthread_mutex_t lock; /* guards all of the following */
    void (*notify)(void *user);
    void *user;
    resolve_job *first_done;
    resolve_job **last_done;
    size_t running_count;
    int is_closed;
};

td_result resolver_open(void (*notify)(void *user), void *user, resolver **out, td_err *err)
{
    resolver *r = td_alloc_zero(1, sizeof *r);
    *out = r;
    if (r == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a resolver");
    int rc = pthread_mutex_init(&r->lock, NULL);
    TD_ASSERT(rc == 0); /* cannot fail for a plain mutex on Linux */
    r->notify = notify;
    r->user = user;
    r->last_done = &r->first_done;
    return TD_OK;
}

static void resolver_free(resolver *r)
{
    TD_ASSERT(r->running_count == 0);
    while (r->first_done != NULL) {
        resolve_job *job = r->first_done;
        r->first_done = job->next;
        td_free(job);
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
    int is_last = r->running_count == 0;
    pthread_mutex_unlock(&r->lock);
    if (is_last)
        resolver_free(r); /* else the last running look-up does it */
}

static void take_address(resolve_answer *answer, const struct addrinfo *info)
{
    char *text = answer->addresses[answer->count];
    if (getnameinfo(info->ai_addr, info->ai_addrlen, text, RESOLVE_ADDRESS_BYTES, NULL, 0,
                    NI_NUMERICHOST) == 0)
        answer->count++;
}

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
        take_address(answer, i);
    freeaddrinfo(found);
}

static void *run_job(void *argument)
{
    resolve_job *job = argument;
    resolver *r = job->owner;
    look_up(job->name, &job->answer);
    pthread_mutex_lock(&r->lock);
    *r->last_done = job;
    r->last_done = &job->next;
    TD_ASSERT(r->running_count > 0);
    r->running_count--;
    int must_free = r->is_closed && r->running_count == 0;
    if (!r->is_closed)
        r->notify(r->user); /* under the lock: close cannot return before this is over */
    pthread_mutex_unlock(&r->lock);
    if (must_free)
        resolver_free(r);
    return NULL;
}

static td_result start_thread(resolve_job *job, td_err *err)
{
    resolver *r = job->owner;
    pthread_mutex_lock(&r->lock);
    TD_ASSERT(!r->is_closed);
    r->running_count++;
    pthread_mutex_unlock(&r->lock);
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, run_job, job);
    if (rc == 0) {
        pthread_detach(thread);
        return TD_OK;
    }
    pthread_mutex_lock(&r->lock);
    r->running_count--;
    pthread_mutex_unlock(&r->lock);
    return td_err_set_os(err, rc, "cannot start a thread to look up '%s'", job->name);
}

td_result resolver_start(resolver *r, const char *name,
                         void (*done)(void *user, const resolve_answer *answer), void *user,
                         resolve_job **out, td_err *err)
{
    *out = NULL;
    TD_ASSERT(strlen(name) < WIRE_HOST_BYTES);
    resolve_job *job = td_alloc_zero(1, sizeof *job);
    if (job == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to look up '%s'", name);
    job->owner = r;
    job->done = done;
    job->user = user;
    memcpy(job->name, name, strlen(name));
    td_result rc = start_thread(job, err);
    if (rc != TD_OK) {
        td_free(job);
        return rc;
    }
    *out = job;
    return TD_OK;
}

void resolve_job_cancel(resolve_job *job)
{
    if (job != NULL)
        job->done = NULL;
}

void resolver_deliver(resolver *r)
{
    pthread_mutex_lock(&r->lock);
    resolve_job *job = r->first_done;
    r->first_done = NULL;
    r->last_done = &r->first_done;
    pthread_mutex_unlock(&r->lock);
    while (job != NULL) {
        resolve_job *next = job->next;
        if (job->done != NULL)
            job->done(job->user, &job->answer);
        td_free(job);
        job = next;
    }
}
