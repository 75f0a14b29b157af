/* SQLite: one database per day, with a table for each type of messages and one for the gaps
 * (docs/export.md). Rows are in the order of the tape. An exact decimal is a text. A second column
 * has the decimal as a number; this column takes no disk space, because SQLite computes it when a
 * row is read. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/database.h"
#include "base/limits.h"
#include "export/export_format.h"
#include "export/export_name.h"

/* Statements that precede the insertions. */
enum { NO_JOURNAL, SORT_IN_FILES, BEGIN, COMMIT, FIRST_INSERT };

/* A table. Its insertion sets only the columns that had a value so far, because SQLite takes time
 * for each parameter, and a family fills a third of a table's columns. */
typedef struct table {
    const export_output *output;
    size_t *columns; /* indexes of all columns; the first set_count are set */
    size_t set_count;
    const export_source *source; /* the last row and its source; NULL: nothing is bound */
    export_row last;
} table;

typedef struct sqlite_writer {
    const export_target *target;
    export_file *file; /* NULL before the first row */
    database *db;
    database_kind kind;
    td_buf sql;              /* texts of the statements, each with a NUL */
    const char **statements; /* from FIRST_INSERT: insertions by table, then indexes by table */
    table *tables;
    size_t table_count;
    char (*texts)[ROW_TEXT_BYTES]; /* of a row's values, by column */
} sqlite_writer;

static void *open_sqlite(const export_target *target)
{
    sqlite_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    td_buf_init(&made->sql, SIZE_MAX);
    return made;
}

static void close_sqlite(void *writer)
{
    sqlite_writer *self = writer;
    if (self == NULL)
        return;
    database_close(self->db);
    export_file_abandon(self->file);
    td_buf_fini(&self->sql);
    for (size_t i = 0; i < self->table_count; i++)
        td_free(self->tables[i].columns);
    td_free(self->tables);
    td_free(self->texts);
    td_free(self->statements);
    td_free(self);
}

/* ---- texts ---- */

static void add(td_buf *sql, const char *text)
{
    td_buf_add(sql, text, strlen(text));
}

static void add_name(td_buf *sql, const char *before, const char *name, const char *after)
{
    add(sql, before);
    add(sql, name);
    add(sql, after);
}

/* 1 if a table's rows come from frames and have the columns of a frame; 0 for gaps and
 * instruments. */
static int has_frame_columns(const export_type *type)
{
    return (type->flags & EXPORT_ALL_SYMBOLS) == 0;
}

static void add_table(td_buf *sql, const export_output *output)
{
    const export_type *type = output->type;
    add_name(sql, "CREATE TABLE IF NOT EXISTS \"", output->name, "\" (");
    if (has_frame_columns(type))
        add(sql, "\"exchange\" TEXT NOT NULL, \"feed\" TEXT NOT NULL, \"symbol\" TEXT NOT NULL, "
                 "\"ts_recv\" INTEGER NOT NULL, \"ts_exch\" INTEGER, \"seq\" INTEGER, "
                 "\"frame\" INTEGER NOT NULL, \"flags\" INTEGER NOT NULL, "
                 "\"suspect\" INTEGER NOT NULL");
    for (size_t i = 0; i < type->column_count; i++) {
        const export_column *column = &type->columns[i];
        int is_integer = column->type == VALUE_INTEGER || column->type == VALUE_BOOL ||
                         column->type == VALUE_TIME_NS;
        add_name(sql, i > 0 || has_frame_columns(type) ? ", \"" : "\"", column->name,
                 is_integer ? "\" INTEGER" : "\" TEXT");
        if (column->type != VALUE_DECIMAL)
            continue;
        add_name(sql, ", \"", column->name, "_real\" REAL GENERATED ALWAYS AS (CAST(\"");
        add_name(sql, "", column->name, "\" AS REAL)) VIRTUAL");
    }
    add(sql, ");");
}

static void add_insert(td_buf *sql, const table *to)
{
    const int has_frame = has_frame_columns(to->output->type);
    const size_t count = to->set_count + (has_frame ? 9 : 0);
    add_name(sql, "INSERT INTO \"", to->output->name, "\" (");
    if (has_frame)
        add(sql, "exchange, feed, symbol, ts_recv, ts_exch, seq, frame, flags, suspect");
    for (size_t i = 0; i < to->set_count; i++)
        add_name(sql, i > 0 || has_frame ? ", \"" : "\"",
                 to->output->type->columns[to->columns[i]].name, "\"");
    add(sql, ") VALUES (");
    for (size_t i = 0; i < count; i++)
        add(sql, i == 0 ? "?" : ",?");
    td_buf_add(sql, ")", sizeof ")");
}

static void add_index(td_buf *sql, const export_output *output)
{
    const export_type *type = output->type;
    size_t time = 0; /* index of the first time column */
    add_name(sql, "CREATE INDEX \"", output->name, "_by_symbol\" ON ");
    add_name(sql, "\"", output->name, "\" (\"symbol\", ");
    while (!has_frame_columns(type) && type->columns[time].type != VALUE_TIME_NS)
        time++;
    add_name(sql, "\"", has_frame_columns(type) ? "ts_recv" : type->columns[time].name, "\")");
    td_buf_add(sql, "", 1);
}

/* Add the columns that have a value for the first time. Returns 1 if there are any. */
static int add_columns(table *to, const msg_value *values)
{
    const size_t before = to->set_count, count = to->output->type->column_count;
    unsigned types = VALUE_ABSENT; /* most rows add none */
    for (size_t i = before; i < count; i++)
        types |= (unsigned)values[to->columns[i]].type;
    for (size_t i = before; types != VALUE_ABSENT && i < count; i++) {
        const size_t column = to->columns[i];
        if (values[column].type == VALUE_ABSENT)
            continue;
        to->columns[i] = to->columns[to->set_count];
        to->columns[to->set_count++] = column;
        to->source = NULL;
    }
    return to->set_count > before;
}

static void make_tables(sqlite_writer *self)
{
    const export_target *target = self->target;
    size_t most = 0;
    self->tables = td_alloc_zero(target->output_count, sizeof *self->tables);
    for (size_t i = 0; i < target->output_count; i++) {
        const size_t columns = target->outputs[i].type->column_count;
        if (target->outputs[i].format != &EXPORT_SQLITE)
            continue;
        table *made = &self->tables[self->table_count++];
        *made = (table){.output = &target->outputs[i],
                        .columns = td_alloc_zero(columns, sizeof *made->columns)};
        for (size_t k = 0; k < columns; k++)
            made->columns[k] = k;
        if (!has_frame_columns(made->output->type))
            made->set_count = columns; /* an insertion has at least one */
        most = columns > most ? columns : most;
    }
    self->texts = td_alloc(most * sizeof *self->texts);
}

static void make_statements(sqlite_writer *self)
{
    td_buf *sql = &self->sql;
    make_tables(self);
    for (size_t i = 0; i < self->table_count; i++)
        add_table(sql, self->tables[i].output);
    td_buf_add(sql, "", 1);
    size_t count = FIRST_INSERT + 2 * self->table_count;
    for (size_t i = 0; i < self->table_count; i++)
        add_insert(sql, &self->tables[i]);
    for (size_t i = 0; i < self->table_count; i++)
        add_index(sql, self->tables[i].output);
    self->statements = td_alloc_zero(count, sizeof *self->statements);
    self->statements[NO_JOURNAL] = "PRAGMA journal_mode = MEMORY";
    self->statements[SORT_IN_FILES] = "PRAGMA temp_store = FILE"; /* sort in files, not in memory */
    self->statements[BEGIN] = "BEGIN";
    self->statements[COMMIT] = "COMMIT";
    const char *text = (const char *)sql->data; /* complete, so the address stays valid */
    for (size_t i = FIRST_INSERT; i < count; i++)
        self->statements[i] = text += strlen(text) + 1;
    self->kind = (database_kind){.name = "database",
                                 .table = (const char *)sql->data,
                                 .statements = self->statements,
                                 .statement_count = count,
                                 .value_bytes_max = 2 * LIMIT_FRAME_BYTES};
}

/* ---- rows ---- */

static td_result run(sqlite_writer *self, size_t statement, td_err *err)
{
    database_query query = database_query_begin(self->db, statement);
    return database_query_end(&query, database_query_next(&query, err));
}

/* Begins the one transaction of a file. SQLite's journal is in memory, because an incomplete file
 * is removed anyway. (A defensive connection ignores journal_mode OFF.) */
static td_result begin_file(sqlite_writer *self, td_err *err)
{
    char name[EXPORT_NAME_BYTES];
    (void)snprintf(name, sizeof name, "messages_%s.sqlite", self->target->date);
    td_result rc = export_file_open(self->target->files, name, EXPORT_PLAIN, &self->file, err);
    make_statements(self);
    if (rc == TD_OK)
        rc = database_open(&self->kind, export_file_path(self->file), DATABASE_WRITE, &self->db,
                           err);
    for (size_t i = NO_JOURNAL; rc == TD_OK && i <= BEGIN; i++)
        rc = run(self, i, err);
    return rc;
}

/* Binds a value: integers, booleans and times as numbers, other values as text. text: memory that
 * must stay valid until the row is written. */
static void bind_value(database_query *query, const msg_value *value, char text[ROW_TEXT_BYTES])
{
    if (value->type == VALUE_TEXT) /* first: most values */
        database_bind_bytes(query, value->as.text);
    else if (value->type == VALUE_ABSENT)
        database_bind_null(query);
    else if (value->type == VALUE_INTEGER)
        database_bind_i64(query, value->as.integer);
    else if (value->type == VALUE_BOOL)
        database_bind_i64(query, value->as.is_true);
    else if (value->type == VALUE_TIME_NS)
        database_bind_u64(query, value->as.time_ns);
    else
        database_bind_bytes(query, row_value_text(value, text));
}

static void bind_frame(database_query *query, const export_source *source, const export_row *row)
{
    database_bind_text(query, source->exchange);
    database_bind_text(query, row->channel->feed);
    database_bind_text(query, source->symbol);
    database_bind_u64(query, row->recv_ns);
    if (row->exchange_ns != 0)
        database_bind_u64(query, row->exchange_ns);
    else
        database_bind_null(query);
    if (row->has_number)
        database_bind_i64(query, row->number);
    else
        database_bind_null(query);
    database_bind_u64(query, row->frame);
}

/* The parameters that are the same for all rows of a frame stay bound. */
static void bind_frame_columns(database_query *query, table *to, const export_source *source,
                               const export_row *row)
{
    enum { OF_FRAME = 7 };
    const export_row *last = &to->last;
    const int is_same_frame = to->source == source && last->channel == row->channel &&
                              last->frame == row->frame && last->recv_ns == row->recv_ns &&
                              last->exchange_ns == row->exchange_ns &&
                              last->has_number == row->has_number && last->number == row->number;
    if (is_same_frame)
        query->next += OF_FRAME;
    else
        bind_frame(query, source, row);
    if (is_same_frame && last->flags == row->flags && last->is_suspect == row->is_suspect) {
        query->next += 2;
    } else {
        database_bind_u64(query, row->flags);
        database_bind_u64(query, row->is_suspect);
    }
    to->source = source;
    to->last = *row;
}

static size_t table_of(const sqlite_writer *self, const export_source *source)
{
    size_t i = 0;
    while (self->tables[i].output->type != source->type)
        i++;
    return i;
}

/* Prepare a table's insertion again, for its present columns. */
static td_result widen(sqlite_writer *self, size_t index, td_err *err)
{
    td_buf sql;
    td_buf_init(&sql, SIZE_MAX);
    add_insert(&sql, &self->tables[index]);
    td_result rc = database_prepare(self->db, FIRST_INSERT + index, (const char *)sql.data, err);
    td_buf_fini(&sql);
    return rc;
}

static td_result add_row(void *writer, const export_source *source, const export_row *row,
                         td_err *err)
{
    sqlite_writer *self = writer;
    td_result rc = self->file == NULL ? begin_file(self, err) : TD_OK;
    if (rc != TD_OK || row->is_gap)
        return rc;
    const size_t index = table_of(self, source);
    table *to = &self->tables[index];
    if (add_columns(to, row->values) && (rc = widen(self, index, err)) != TD_OK)
        return rc;
    database_query query = database_query_begin(self->db, FIRST_INSERT + index);
    if (has_frame_columns(source->type))
        bind_frame_columns(&query, to, source, row);
    for (size_t i = 0; i < to->set_count; i++)
        bind_value(&query, &row->values[to->columns[i]], self->texts[to->columns[i]]);
    return database_query_end_bound(&query, database_query_next(&query, err));
}

static td_result finish(void *writer, td_err *err)
{
    sqlite_writer *self = writer;
    export_file *file = self->file;
    td_result rc = TD_OK;
    if (file == NULL)
        return rc;
    for (size_t i = 0; rc == TD_OK && i < self->table_count; i++)
        rc = run(self, FIRST_INSERT + self->table_count + i, err);
    if (rc == TD_OK)
        rc = run(self, COMMIT, err);
    if (rc != TD_OK)
        return rc;
    database_close(self->db);
    self->db = NULL;
    self->file = NULL;
    return export_file_finish(file, NULL, err);
}

const export_format EXPORT_SQLITE = {
    .name = "sqlite",
    .summary = "SQLite databases, one per day, with a table for each type of messages",
    .folder = "sqlite/",
    .grouping = EXPORT_PER_DAY,
    .reads = TAPE_READS_MESSAGES,
    .types = EXPORT_MESSAGE_NAMES,
    .open = open_sqlite,
    .marks_suspect = 1,
    .row = add_row,
    .finish = finish,
    .close = close_sqlite,
};
