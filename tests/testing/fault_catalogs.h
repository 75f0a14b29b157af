/* The catalogs that an archive has had while it was recorded, and what else may stand in their
 * place after a crash. SQLite does its own I/O on a real file, so its files are copied between two
 * changes of the simulated disk: they are then as the next process would find them. Copies are
 * compressed; equal ones in a row are one. */
#ifndef TD_TESTS_TESTING_FAULT_CATALOGS_H
#define TD_TESTS_TESTING_FAULT_CATALOGS_H

#include <stdint.h>

#include "tests/testing/io_fault.h"

typedef struct fault_catalogs fault_catalogs;

/* What a place gets. */
typedef enum fault_catalog_kind {
    FAULT_CATALOG_MOMENT,
    FAULT_CATALOG_OLDER, /* any of an earlier moment, chosen by the seed */
    FAULT_CATALOG_NONE,
    FAULT_CATALOG_GARBAGE,
    FAULT_CATALOG_KIND_COUNT,
} fault_catalog_kind;

/* Observe the catalog at path. */
fault_catalogs *fault_catalogs_open(const char *path);
void fault_catalogs_close(fault_catalogs *catalogs);

/* An io_fault_observer; user is a fault_catalogs. */
void fault_catalogs_observe(void *user, io_fault_op op, uint64_t change_count);

/* How many different ones there were. */
uint64_t fault_catalogs_count(const fault_catalogs *catalogs);

/* Put one of the moment when so many changes had been made (or of a kind) to path, in place of what
 * is there. 0 if that cannot be done. */
int fault_catalogs_put(const fault_catalogs *catalogs, fault_catalog_kind kind,
                       uint64_t change_count, uint64_t seed, const char *path);

#endif
