/* A machine at its limit of threads: programs in this folder are linked with pthread_create()
 * replaced (the linker's --wrap) by the one below. It creates TAPEDECK_TEST_THREADS threads and
 * refuses further ones, as the kernel does. Threads of shared libraries are not counted. */
#ifndef TD_TESTS_WRAPPED_FEW_THREADS_H
#define TD_TESTS_WRAPPED_FEW_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"

/* The linker's names for the real function and its replacement. */
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *arg)
{
    static atomic_ulong made;
    const char *allowed = getenv("TAPEDECK_TEST_THREADS");
    TD_ASSERT(allowed != NULL);
    if (atomic_fetch_add(&made, 1) >= strtoul(allowed, NULL, 10))
        return EAGAIN;
    return __real_pthread_create(thread, attributes, run, arg);
}

#endif
