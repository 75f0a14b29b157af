/* All versions of an archive's catalog during a recording, and files that may replace it after a
 * crash. SQLite does its own I/O on a real file. So the file is copied before each change of the
 * simulated disk, in the state in which a process would find it after a crash there. Copies are
 * compressed; equal successive ones are stored once. */
#ifndef TD_TESTS_TESTING_FAULT_CATALOGS_H
#define TD_TESTS_TESTING_FAULT_CATALOGS_H

#include <stdint.h>

#include "tests/testing/io_fault.h"

typedef struct fault_catalogs fault_catalogs;

/* The file that replaces the catalog. */
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

/* Put a file in the place of the catalog at path: the version just before change number
 * change_count, or another kind. 0 on failure. */
int fault_catalogs_put(const fault_catalogs *catalogs, fault_catalog_kind kind,
                       uint64_t change_count, uint64_t seed, const char *path);

#endif
