/* Memory that runs out, for sweeps: make allocation n fail for n = 1, 2, 3 … until a run meets no
 * failure, and check that all memory is freed. Linked into every test program in place of
 * base/alloc_raw.c, and without effect until a test makes it fail. Its state is the program's,
 * because td_alloc has no context; any thread may allocate. */
#ifndef TD_TESTS_TESTING_ALLOC_FAULT_H
#define TD_TESTS_TESTING_ALLOC_FAULT_H

#include <stdint.h>

typedef enum alloc_fault_mode {
    ALLOC_FAULT_ONCE,     /* that allocation; the next ones work */
    ALLOC_FAULT_FOR_EVER, /* that one and every later one */
} alloc_fault_mode;

/* Whose allocations. */
typedef enum alloc_fault_kind {
    ALLOC_OURS,
    ALLOC_LENT,   /* zstd's */
    ALLOC_SQLITE, /* only after alloc_fault_take_sqlite */
    ALLOC_FAULT_KINDS,
} alloc_fault_kind;

/* From now on, let allocation fail_at of that kind fail (1: the next one; 0: none). Counting starts
 * over, for all kinds; the others work. */
void alloc_fault_set_kind(alloc_fault_kind kind, uint64_t fail_at, alloc_fault_mode mode);

/* The same of ours. */
void alloc_fault_set(uint64_t fail_at, alloc_fault_mode mode);

/* 1 if one has failed since alloc_fault_set. */
int alloc_fault_did_fire(void);

/* Allocations of ours since alloc_fault_set. */
uint64_t alloc_fault_count(void);

/* Allocations of a kind that were not given back. */
int64_t alloc_fault_live(alloc_fault_kind kind);

/* Put ourselves between SQLite and its memory. Before its first use in this program. */
void alloc_fault_take_sqlite(void);

#endif
