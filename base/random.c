#include "base/random.h"

#include <errno.h>

#include <sys/random.h>

#include "base/assert.h"

/* xoshiro256** and splitmix64 by D. Blackman and S. Vigna (prng.di.unimi.it, public domain). */

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

void td_random_init(td_random *random, uint64_t seed)
{
    /* splitmix64 spreads a small seed over the state, as the authors advise; four of its outputs
     * are never all zero. */
    for (size_t i = 0; i < 4; i++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        random->state[i] = z ^ (z >> 31);
    }
    TD_ASSERT((random->state[0] | random->state[1] | random->state[2] | random->state[3]) != 0);
}

uint64_t td_random_next(td_random *random)
{
    uint64_t *s = random->state;
    TD_ASSERT_SLOW((s[0] | s[1] | s[2] | s[3]) != 0);
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t td_random_below(td_random *random, uint64_t bound)
{
    TD_ASSERT(bound > 0);
    /* Redraw values that would make small results likelier. */
    uint64_t unfair = (UINT64_MAX - bound + 1) % bound;
    uint64_t value;
    do
        value = td_random_next(random);
    while (value < unfair);
    return value % bound;
}

void td_random_system(void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = getrandom((char *)bytes + done, size - done, 0);
        if (n < 0 && errno == EINTR)
            continue;
        TD_ASSERT(n >= 0);
        done += (size_t)n;
        TD_ASSERT(done <= size);
    }
}
