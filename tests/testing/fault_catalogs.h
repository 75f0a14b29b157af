/* All versions of an archive's catalog during a recording, and files that may replace it after a
 * crash. SQLite does its own I/O on a real file, so the file is copied between two changes of the
 * simulated disk, when it is as the next process would find it. Copies are compressed; consecutive
 * equal ones are stored once. */
#ifndef TD_TESTS_TESTING_FAULT_CATALOGS_H
#define TD_TESTS_TESTING_FAULT_CATALOGS_H

#include <stdint.h>

#include "tests/testing/io_fault.h"

typedef struct fault_catalogs fault_catalogs;

/* The file to put in place of the catalog. */
typedef enum fault_catalog_kind {
    FAULT_CATALOG_MOMENT,
    FAULT_CATALOG_OLDER, /* any earlier version, chosen by the seed */
    FAULT_CATALOG_NONE,
    FAULT_CATALOG_GARBAGE,
    FAULT_CATALOG_KIND_COUNT,
} fault_catalog_kind;

/* Observe the catalog at path. */
fault_catalogs *fault_catalogs_open(const char *path);
void fault_catalogs_close(fault_catalogs *catalogs);

/* An io_fault_observer; user is a fault_catalogs. */
void fault_catalogs_observe(void *user, io_fault_op op, uint64_t change_count);

/* The number of different versions. */
uint64_t fault_catalogs_count(const fault_catalogs *catalogs);

/* Put a file in place of the catalog at path: the version when change_count changes had been made,
 * or another kind. 0 on failure. */
int fault_catalogs_put(const fault_catalogs *catalogs, fault_catalog_kind kind,
                       uint64_t change_count, uint64_t seed, const char *path);

#endif
