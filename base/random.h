/* Random numbers: a seeded generator (simulator, jitter, tests) and the system's (session ids). */
#ifndef TD_BASE_RANDOM_H
#define TD_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct td_random {
    uint64_t state[4]; /* xoshiro256**; never all zero */
} td_random;

/* Start from a seed; equal seeds give equal sequences on all machines. */
void td_random_init(td_random *random, uint64_t seed);

/* 64 random bits. */
uint64_t td_random_next(td_random *random);

/* Uniform in [0, bound), bound > 0, without bias. */
uint64_t td_random_below(td_random *random, uint64_t bound);

/* Random bytes from the operating system, for values that must differ between processes. Aborts if
 * the system has no random bytes. */
void td_random_system(void *bytes, size_t size);

#endif
