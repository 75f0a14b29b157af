#include "tests/testing/alloc_fault.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"

static _Atomic uint64_t fault_at;
static _Atomic int fault_kind;
static _Atomic int fault_mode;
static _Atomic uint64_t call_counts[ALLOC_FAULT_KINDS];
static _Atomic int64_t live_counts[ALLOC_FAULT_KINDS];
static _Atomic int has_fired;
static sqlite3_mem_methods sqlite_memory; /* its own */

void alloc_fault_set_kind(alloc_fault_kind kind, uint64_t fail_at, alloc_fault_mode mode)
{
    atomic_store(&fault_at, 0); /* nothing fails while the rest changes */
    atomic_store(&fault_kind, (int)kind);
    atomic_store(&fault_mode, (int)mode);
    for (int i = 0; i < ALLOC_FAULT_KINDS; i++)
        atomic_store(&call_counts[i], 0);
    atomic_store(&has_fired, 0);
    atomic_store(&fault_at, fail_at);
}

void alloc_fault_set(uint64_t fail_at, alloc_fault_mode mode)
{
    alloc_fault_set_kind(ALLOC_OURS, fail_at, mode);
}

int alloc_fault_did_fire(void)
{
    return atomic_load(&has_fired);
}

uint64_t alloc_fault_count(void)
{
    return atomic_load(&call_counts[ALLOC_OURS]);
}

int64_t alloc_fault_live(alloc_fault_kind kind)
{
    return atomic_load(&live_counts[kind]);
}

/* Count an allocation; 1 if it has to fail. */
static int must_fail(alloc_fault_kind kind)
{
    uint64_t number = atomic_fetch_add(&call_counts[kind], 1) + 1;
    uint64_t at = atomic_load(&fault_at);
    int is_for_ever = atomic_load(&fault_mode) == ALLOC_FAULT_FOR_EVER;
    if (at == 0 || atomic_load(&fault_kind) != (int)kind ||
        (number != at && !(is_for_ever && number > at)))
        return 0;
    atomic_store(&has_fired, 1);
    return 1;
}

static void *noted(alloc_fault_kind kind, int is_new, void *made)
{
    if (is_new && made != NULL)
        atomic_fetch_add(&live_counts[kind], 1);
    return made;
}

static void note_free(alloc_fault_kind kind, const void *memory)
{
    if (memory != NULL)
        atomic_fetch_sub(&live_counts[kind], 1);
}

/* ---- ours and zstd's ---- */

void *td_alloc_raw(void *old, size_t bytes)
{
    int is_new = old == NULL;
    return must_fail(ALLOC_OURS) ? NULL : noted(ALLOC_OURS, is_new, realloc(old, bytes));
}

void td_free_raw(void *memory)
{
    note_free(ALLOC_OURS, memory);
    free(memory);
}

void *td_alloc_lent(void *opaque, size_t bytes)
{
    (void)opaque;
    return must_fail(ALLOC_LENT) ? NULL : noted(ALLOC_LENT, 1, malloc(bytes));
}

void td_free_lent(void *opaque, void *memory)
{
    (void)opaque;
    note_free(ALLOC_LENT, memory);
    free(memory);
}

/* ---- SQLite's ---- */

static void *sqlite_malloc(int bytes)
{
    return must_fail(ALLOC_SQLITE) ? NULL : noted(ALLOC_SQLITE, 1, sqlite_memory.xMalloc(bytes));
}

static void *sqlite_realloc(void *old, int bytes)
{
    int is_new = old == NULL;
    return must_fail(ALLOC_SQLITE)
               ? NULL
               : noted(ALLOC_SQLITE, is_new, sqlite_memory.xRealloc(old, bytes));
}

static void sqlite_free(void *memory)
{
    note_free(ALLOC_SQLITE, memory);
    sqlite_memory.xFree(memory);
}

void alloc_fault_take_sqlite(void)
{
    int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory);
    TD_ASSERT(rc == SQLITE_OK);
    sqlite3_mem_methods ours = sqlite_memory;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    ours.xFree = sqlite_free;
    rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
    TD_ASSERT(rc == SQLITE_OK);
    rc = sqlite3_initialize(); /* what it keeps until exit is allocated before counting starts */
    TD_ASSERT(rc == SQLITE_OK);
}
