#include "tests/testing/alloc_fault.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"

static _Atomic uint64_t fault_at;
static _Atomic int fault_mode;
static _Atomic uint64_t call_count;
static _Atomic int has_fired;

void alloc_fault_set(uint64_t fail_at, alloc_fault_mode mode)
{
    atomic_store(&fault_at, 0); /* nothing fails while the rest changes */
    atomic_store(&fault_mode, (int)mode);
    atomic_store(&call_count, 0);
    atomic_store(&has_fired, 0);
    atomic_store(&fault_at, fail_at);
}

int alloc_fault_did_fire(void)
{
    return atomic_load(&has_fired);
}

uint64_t alloc_fault_count(void)
{
    return atomic_load(&call_count);
}

void *td_alloc_raw(void *old, size_t bytes)
{
    uint64_t number = atomic_fetch_add(&call_count, 1) + 1;
    uint64_t at = atomic_load(&fault_at);
    int is_for_ever = atomic_load(&fault_mode) == ALLOC_FAULT_FOR_EVER;
    if (at != 0 && (number == at || (is_for_ever && number > at))) {
        atomic_store(&has_fired, 1);
        return NULL;
    }
    return realloc(old, bytes);
}
