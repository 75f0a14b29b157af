/* What a simulated exchange sent (the truth file of `tapedeck sim`), in memory: each
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
#include "play/truth_result.h"
#include "schema/family.h"

/* A truth file of this size has some five million frames. */
#define TRUTH_FILE_BYTES_MAX ((size_t)1 << 30)

enum { TRUTH_PATH_BYTES = 64 };

/* A data frame that was handed to a socket. */
typedef struct truth_entry {
    uint64_t n; /* ordinal on its connection, control frames counted */
    uint64_t xxh64;
} truth_entry;

/* A connection of the simulated exchange. */
typedef struct truth_conn {
    char path[TRUTH_PATH_BYTES];
    uint64_t conn;
    truth_entry *entries; /* by rising n */
    size_t entry_count;
} truth_conn;

typedef struct truth_item {
    uint64_t xxh64; /* of the frame */
    uint32_t index; /* of the entry in it */
    truth_kind kind;
    uint8_t is_seen;    /* set by the caller that found it */
    size_t values_at;   /* its values as JSON text: truth_item_values */
    size_t values_size; /* an object: names of message members, and what they must be */
} truth_item;

typedef struct truth_table truth_table;

/* Read a truth file. TD_E_NOTFOUND, TD_E_IO, TD_E_LIMIT, TD_E_NOMEM; TD_E_INVALID names the line.
 */
TD_MUST_USE td_result truth_table_open(td_io io, const char *path, truth_table **out, td_err *err);
void truth_table_close(truth_table *table);

/* Connections; valid until close. */
size_t truth_table_conns(const truth_table *table, const truth_conn **out);

/* 1 if the connection is one to an address of this family. Families can share a path. */
int truth_conn_is_of(const truth_conn *conn, const family *of);

/* What the book of a topic must be right after the frame whose bytes have this hash: 40 hex digits,
 * or NULL if there is no mark for it. */
const char *truth_table_mark(const truth_table *table, const family *of, uint64_t xxh64);

/* What the entries of the frame of this hash tell: *count items in a row, NULL if there are none.
 */
truth_item *truth_table_items(truth_table *table, uint64_t xxh64, size_t *count);

/* All of them. */
const truth_item *truth_table_all_items(const truth_table *table, size_t *count);

/* Values of an item, as JSON text. */
td_bytes truth_item_values(const truth_table *table, const truth_item *item);

#endif
