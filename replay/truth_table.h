/* What a simulated exchange says that it sent (the truth file of `tapedeck sim`), in memory: each
 * connection's data frames in order of sending, and the marks of its books. Read only; one thread.
 */
#ifndef TD_REPLAY_TRUTH_TABLE_H
#define TD_REPLAY_TRUTH_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "schema/family.h"

/* A truth file of this size has some five million frames. */
#define TRUTH_FILE_BYTES_MAX ((uint64_t)1 << 30)

/* A data frame that was handed to a socket. */
typedef struct truth_entry {
    uint64_t n; /* ordinal on its connection, control frames counted */
    uint64_t xxh64;
} truth_entry;

/* A connection of the simulated exchange. */
typedef struct truth_conn {
    const family *family; /* of its path; NULL: none is known by that path */
    uint64_t conn;
    truth_entry *entries; /* by rising n */
    size_t entry_count;
    size_t entry_capacity;
} truth_conn;

typedef struct truth_table truth_table;

/* Read a truth file. TD_E_NOTFOUND, TD_E_IO, TD_E_LIMIT, TD_E_NOMEM; TD_E_INVALID names the line.
 */
TD_MUST_USE td_result truth_table_open(td_io io, const char *path, truth_table **out, td_err *err);
void truth_table_close(truth_table *table);

/* Connections; valid until close. */
size_t truth_table_conns(const truth_table *table, const truth_conn **out);

/* What the book of a topic must be right after the frame of this cross sequence: 40 hex digits, or
 * NULL if there is no mark for it. */
const char *truth_table_mark(const truth_table *table, const family *of, td_bytes topic,
                             td_bytes symbol, int64_t seq);

/* Marks in the table. */
size_t truth_table_mark_count(const truth_table *table);

#endif
