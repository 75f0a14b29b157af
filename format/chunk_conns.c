#include "format/chunk_builder_impl.h"

#include "base/alloc.h"
#include "base/assert.h"

td_result conn_table_init(conn_table *table, td_err *err)
{
    *table = (conn_table){.conns = td_alloc_zero(CHAIN_CONNS_MAX, sizeof *table->conns)};
    if (table->conns == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %d connections", CHAIN_CONNS_MAX);
    return TD_OK;
}

void conn_table_fini(conn_table *table)
{
    td_free(table->conns);
    *table = (conn_table){0};
}

static int is_slot(const conn_state *state, uint32_t line, uint32_t shard)
{
    return state->conn.line == line && state->conn.shard == shard;
}

/* A connection not seen before: the newest of its slot from now on. */
static td_result add(conn_table *table, uint32_t line, uint32_t shard, uint32_t conn, uint32_t *out,
                     td_err *err)
{
    TD_ASSERT(conn > 0);
    TD_ASSERT(table->count <= CHAIN_CONNS_MAX);
    for (uint32_t i = 0; i < table->count; i++) {
        if (is_slot(&table->conns[i], line, shard) && table->conns[i].conn.conn > conn)
            return td_err_set(err, TD_E_INVALID,
                              "connection %u of line %u, shard %u comes after connection %u", conn,
                              line, shard, table->conns[i].conn.conn);
    }
    if (table->count == CHAIN_CONNS_MAX)
        return td_err_set(err, TD_E_LIMIT, "%d connections since the last chunk", CHAIN_CONNS_MAX);
    /* Earlier ones of the slot are over; the next chain record still lists what changed in them. */
    conn_table_close_slot(table, line, shard);
    uint32_t index = table->count++;
    table->conns[index] = (conn_state){
        .conn = {.line = line, .shard = shard, .conn = conn}, .is_current = 1, .is_touched = 1};
    *out = index;
    return TD_OK;
}

td_result conn_table_get(conn_table *table, uint32_t line, uint32_t shard, uint32_t conn,
                         uint32_t guess, uint32_t *out, td_err *err)
{
    if (conn == 0)
        return td_err_set(err, TD_E_INVALID, "line %u, shard %u: frame without a connection", line,
                          shard);
    if (guess < table->count && table->conns[guess].conn.conn == conn &&
        is_slot(&table->conns[guess], line, shard)) {
        *out = guess;
        return TD_OK;
    }
    for (uint32_t i = 0; i < table->count; i++) {
        if (table->conns[i].conn.conn == conn && is_slot(&table->conns[i], line, shard)) {
            *out = i;
            return TD_OK;
        }
    }
    return add(table, line, shard, conn, out, err);
}

void conn_table_sweep(conn_table *table)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        if (!table->conns[i].is_current)
            continue;
        table->conns[kept] = table->conns[i];
        table->conns[kept].is_touched = 0;
        kept++;
    }
    TD_ASSERT(kept <= table->count);
    table->count = kept;
}

void conn_table_close_slot(conn_table *table, uint32_t line, uint32_t shard)
{
    TD_ASSERT(table->count <= CHAIN_CONNS_MAX);
    uint32_t i = 0;
    while (i < table->count) {
        conn_state *state = &table->conns[i];
        if (!is_slot(state, line, shard)) {
            i++;
            continue;
        }
        state->is_current = 0;
        if (state->is_touched) {
            i++;
            continue;
        }
        /* Nothing new to say of it: its place is free at once. Order does not matter. */
        *state = table->conns[--table->count];
    }
}
