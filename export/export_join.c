#include "export/export_join.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "export/export_folder.h"
#include "export/export_manifest.h"
#include "play/digest.h"

/* One shard's manifest. */
typedef struct join_shard {
    char path[LIMIT_PATH_BYTES];
    export_document document;
    json_iter days;               /* those after block */
    json_value block;             /* that was not joined */
    char date[EXPORT_DATE_BYTES]; /* of block; "": there are no more */
} join_shard;

typedef struct join_run {
    export_folder *folder;
    td_io io;
    export_spec spec; /* of which shard it is; nothing else is known */
    uint32_t count;   /* of shards */
    int is_by_day;
    td_bytes head; /* the common beginning, up to the shard */
    join_shard *shards;
    export_rest rest; /* of the day that is joined */
    export_facts facts;
    uint64_t days;
    uint64_t offset_ns; /* of the clock; only if has_offset */
    uint8_t has_offset;
} join_run;

/* ---- the shards of a folder ---- */

static td_result note_name(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    static const char BEGIN[] = "MANIFEST.";
    static const char OF[] = "-of-";
    join_run *run = user;
    uint64_t count;
    const char *of = strstr(name, OF);
    if (kind != TD_ENTRY_FILE || strncmp(name, BEGIN, sizeof BEGIN - 1) != 0 || of == NULL)
        return TD_OK;
    const char *digits = of + sizeof OF - 1;
    const char *end = strchr(digits, '.');
    if (end == NULL || strcmp(end, ".json") != 0 ||
        !td_digits_parse(td_bytes_of(digits, (size_t)(end - digits)), EXPORT_SHARDS_MAX, &count))
        return TD_OK;
    if (run->count != 0 && run->count != count)
        return td_err_set(err, TD_E_INVALID, "shards of %u and of %u are there", run->count,
                          (unsigned)count);
    run->count = (uint32_t)count;
    return TD_OK;
}

/* A shard goes to its next day. */
static td_result step(join_shard *shard, td_err *err)
{
    td_bytes date;
    shard->date[0] = '\0';
    if (!json_next(&shard->days, NULL, &shard->block))
        return TD_OK;
    if (!json_find_text(shard->block, "date", &date) || date.size == 0)
        return td_err_set(err, TD_E_INVALID, "a day lacks members");
    (void)snprintf(shard->date, sizeof shard->date, "%.*s", (int)date.size,
                   (const char *)date.data);
    return TD_OK;
}

static td_result open_shard(join_run *run, uint32_t i, td_err *err)
{
    join_shard *shard = &run->shards[i];
    char name[EXPORT_SHARD_NAME_BYTES];
    run->spec.shard = i + 1;
    run->spec.shard_count = run->count;
    export_manifest_name(&run->spec, name);
    td_result rc = export_folder_join(run->folder, name, "", shard->path, err);
    if (rc == TD_OK)
        rc =
            export_document_open(run->io, shard->path, td_bytes_of(NULL, 0), &shard->document, err);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        return td_err_set(err, rc, "shard %u of %u is missing: there is no %s", i + 1, run->count,
                          name);
    }
    if (rc != TD_OK)
        return rc;
    shard->days = json_iter_of(shard->document.days);
    return step(shard, err);
}

static td_result open_shards(join_run *run, const char *path, td_err *err)
{
    td_result rc = td_io_list(run->io, path, note_name, run, err);
    if (rc == TD_OK && run->count == 0) {
        td_err_set(err, TD_E_NOTFOUND, "no shard is there");
        td_err_hint(err, "`tapedeck export ... --shard 1/2` makes the first of two");
        return TD_E_NOTFOUND;
    }
    run->shards = td_alloc_zero(run->count + 1, sizeof *run->shards);
    for (uint32_t i = 0; rc == TD_OK && i < run->count; i++)
        rc = open_shard(run, i, err);
    return rc;
}

/* All shards begin with the same request. */
static td_result check_heads(join_run *run, td_err *err)
{
    static const char SHARD[] = "\"shard\":";
    json_value shard;
    td_bytes by;
    td_result rc = TD_OK;
    const export_document *first = &run->shards[0].document;
    if (!json_find(first->root, "shard", &shard) || !json_find_text(shard, "by", &by))
        return td_err_set(err, TD_E_INVALID, "'%s' is malformed", run->shards[0].path);
    run->head = td_bytes_of(first->text, json_offset(shard) - (sizeof SHARD - 1));
    run->is_by_day = td_bytes_is(by, "day");
    for (uint32_t i = 0; rc == TD_OK && i < run->count; i++) {
        const export_document *document = &run->shards[i].document;
        td_buf head;
        td_buf_init(&head, SIZE_MAX);
        td_buf_add(&head, run->head.data, run->head.size);
        run->spec.shard = i + 1;
        export_manifest_begin_days(&head, &run->spec, run->is_by_day);
        if (document->size < head.size || memcmp(document->text, head.data, head.size) != 0)
            rc = td_err_set(err, TD_E_INVALID, "shard %u of %u: it is of another export", i + 1,
                            run->count);
        td_buf_fini(&head);
    }
    return rc;
}

/* ---- one day ---- */

/* The date that comes next in any shard, or NULL. */
static const char *next_date(const join_run *run)
{
    const char *first = NULL;
    for (uint32_t i = 0; i < run->count; i++) {
        const char *date = run->shards[i].date;
        if (date[0] != '\0' && (first == NULL || strcmp(date, first) < 0))
            first = date;
    }
    return first;
}

static void add_lines(json_value root, const char *key, export_lines *to)
{
    json_value list;
    json_value element;
    if (!json_find(root, key, &list))
        return;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &element);)
        export_lines_add(to, json_raw(element));
}

/* A shard knows its own rows only, so the offset of its clock may be another one (export.c). */
static td_result check_clock(join_run *run, const export_facts *facts, td_err *err)
{
    uint64_t offset_ns = facts->totals[TOTAL_CLOCK_OFFSET_NS];
    if (facts->files == 0)
        return TD_OK;
    if (run->has_offset && offset_ns != run->offset_ns) {
        td_err_set(err, TD_E_INVALID,
                   "%" PRIu64 " ns are added to its times of receipt, %" PRIu64 " ns in others",
                   offset_ns, run->offset_ns);
        td_err_hint(err, "export without --shard: the recorder's clock was behind");
        return TD_E_INVALID;
    }
    run->has_offset = 1;
    run->offset_ns = offset_ns;
    return TD_OK;
}

/* Add a shard's block to the day; its head goes to out, or is that of the shards before. */
static td_result add_block(join_run *run, json_value block, td_buf *out, td_err *err)
{
    static const char REST[] = "\"found_gaps\":[";
    export_facts facts;
    json_value found;
    td_result rc = export_facts_read(block, &facts, err);
    if (rc != TD_OK)
        return rc;
    if (!json_find(block, "found_gaps", &found))
        return td_err_set(err, TD_E_INVALID, "a day is malformed");
    td_bytes head = td_bytes_of(json_raw(block).data,
                                json_offset(found) + 1 - (sizeof REST - 1) - json_offset(block));
    if (out->size == 0)
        td_buf_add(out, head.data, head.size);
    else if (!td_bytes_equal(td_buf_view(out), head))
        return td_err_set(err, TD_E_INVALID, "it was made from other segments than shard 1");
    rc = check_clock(run, &facts, err);
    if (rc != TD_OK)
        return rc;
    add_lines(block, "found_gaps", &run->rest.found_gaps);
    add_lines(block, "files", &run->rest.files);
    add_lines(block, "left_out_symbols", &run->rest.left_out);
    add_lines(block, "streams", &run->rest.streams);
    export_facts_add(&run->rest.facts, &facts, EXPORT_OF_SHARDS);
    return export_block_check(run->folder, block, err);
}

/* ---- the digest of a day ---- */

typedef struct joined_stream {
    char *feed, *topic, *symbol;
    channel_dir dir;
    digest_parts parts;
} joined_stream;

static char *text_of(json_value object, const char *key)
{
    td_bytes text = td_bytes_str("");
    (void)json_find_text(object, key, &text);
    return td_strndup((const char *)text.data, text.size);
}

static joined_stream read_stream(json_value row)
{
    joined_stream out = {.feed = text_of(row, "feed"),
                         .topic = text_of(row, "topic"),
                         .symbol = text_of(row, "symbol")};
    uint64_t dir = 0;
    (void)json_find_u64(row, "dir", &dir);
    out.dir = (channel_dir)dir;
    for (size_t i = 0; i < DIGEST_PARTS; i++) {
        td_bytes hex;
        if (!json_find_text(row, digest_part_name((digest_part)i), &hex) ||
            hex.size != 2 * sizeof out.parts.hash[i].bytes)
            continue;
        out.parts.has[i] = 1;
        for (size_t k = 0; k < sizeof out.parts.hash[i].bytes; k++)
            out.parts.hash[i].bytes[k] = (uint8_t)((unsigned)td_hex_digit(hex.data[2 * k]) << 4 |
                                                   (unsigned)td_hex_digit(hex.data[2 * k + 1]));
    }
    return out;
}

/* The order of a replay's streams. */
static int compare_streams(const void *a, const void *b)
{
    const joined_stream *x = a;
    const joined_stream *y = b;
    int order = strcmp(x->feed, y->feed);
    if (order == 0)
        order = strcmp(x->topic, y->topic);
    if (order == 0)
        order = strcmp(x->symbol, y->symbol);
    return order != 0 ? order : (x->dir > y->dir) - (x->dir < y->dir);
}

/* The streams are in no manifest of a run without shards. */
static td_result sum_streams(join_run *run, td_err *err)
{
    export_lines *lines = &run->rest.streams;
    joined_stream *streams = td_alloc_zero(lines->count + 1, sizeof *streams);
    json_parser *parser = json_parser_open(0);
    td_result rc = TD_OK;
    size_t count = 0;
    digest sum;
    for (; rc == TD_OK && count < lines->count; count++) {
        json_value row;
        rc = json_parse(parser, td_bytes_str(lines->items[count]), JSON_COPIED, &row, err);
        if (rc == TD_OK)
            streams[count] = read_stream(row);
    }
    qsort(streams, count, sizeof *streams, compare_streams);
    digest_init(&sum);
    for (size_t i = 0; i < count; i++) {
        const joined_stream *s = &streams[i];
        if (rc == TD_OK)
            digest_add_parts(&sum, s->feed, s->topic, s->symbol, s->dir, &s->parts);
        td_free(s->feed);
        td_free(s->topic);
        td_free(s->symbol);
    }
    digest_hex(&sum, run->rest.digests);
    digest_fini(&sum);
    td_free(streams);
    json_parser_close(parser);
    export_lines_fini(lines);
    return rc;
}

/* ---- all days ---- */

static td_result join_day(join_run *run, td_buf *out, td_err *err)
{
    uint32_t having = 0;
    td_result rc = TD_OK;
    char date[EXPORT_DATE_BYTES];
    (void)snprintf(date, sizeof date, "%s", next_date(run));
    for (uint32_t i = 0; i < run->count; i++) {
        join_shard *shard = &run->shards[i];
        if (strcmp(shard->date, date) != 0)
            continue;
        rc = add_block(run, shard->block, out, err);
        if (rc == TD_OK)
            rc = step(shard, err);
        if (rc != TD_OK)
            return td_err_add(err, rc, "shard %u of %u, %s", i + 1, run->count, date);
        having++;
    }
    if (having != (run->is_by_day ? 1 : run->count))
        return td_err_set(err, TD_E_INVALID, "%u of %u shards have %s", having, run->count, date);
    rc = sum_streams(run, err);
    if (rc != TD_OK)
        return rc;
    export_facts_add(&run->facts, &run->rest.facts, EXPORT_OF_DAYS);
    export_manifest_add_rest(out, &run->rest);
    return TD_OK;
}

static td_result join_days(join_run *run, td_err *err)
{
    td_buf text;
    td_result rc = TD_OK;
    td_buf_init(&text, SIZE_MAX);
    td_buf_add(&text, run->head.data, run->head.size);
    run->spec.shard_count = 0;
    export_manifest_begin_days(&text, &run->spec, 0);
    rc = export_folder_write(run->folder, td_buf_view(&text), err);
    while (rc == TD_OK && next_date(run) != NULL) {
        td_buf_clear(&text);
        run->rest = (export_rest){0};
        if (run->days++ > 0)
            rc = export_folder_write(run->folder, td_bytes_str(",\n"), err);
        if (rc == TD_OK)
            rc = join_day(run, &text, err);
        if (rc == TD_OK)
            rc = export_folder_write(run->folder, td_buf_view(&text), err);
        export_rest_fini(&run->rest);
    }
    td_buf_clear(&text);
    export_manifest_end(&text, &run->facts);
    if (rc == TD_OK)
        rc = export_folder_write(run->folder, td_buf_view(&text), err);
    td_buf_fini(&text);
    return rc;
}

static td_result join_all(join_run *run, const char *path, td_err *err)
{
    td_result rc = export_folder_check(run->folder, EXPORT_MANIFEST, err);
    if (rc == TD_OK)
        rc = open_shards(run, path, err);
    if (rc == TD_OK)
        rc = check_heads(run, err);
    if (rc == TD_OK)
        rc = join_days(run, err);
    if (rc == TD_OK)
        rc = export_folder_publish_manifest(run->folder, err);
    for (uint32_t i = 0; rc == TD_OK && i < run->count; i++) {
        td_err ignored;
        td_result removed = td_io_unlink(run->io, run->shards[i].path, &ignored);
        (void)removed; /* the common manifest is there */
    }
    return rc;
}

td_result export_join(td_io io, const char *path, export_result *out, td_err *err)
{
    join_run run = {.io = io};
    td_result rc = export_folder_open(io, path, EXPORT_MANIFEST, &run.folder, err);
    if (rc == TD_OK)
        rc = join_all(&run, path, err);
    if (rc != TD_OK && run.folder != NULL)
        export_folder_discard(run.folder, EXPORT_MANIFEST, EXPORT_PARTIAL);
    *out = (export_result){.files = run.facts.files,
                           .rows = run.facts.totals[TOTAL_ROWS],
                           .days = run.days,
                           .verdict = run.facts.verdict};
    for (uint32_t i = 0; run.shards != NULL && i < run.count; i++)
        export_document_close(&run.shards[i].document);
    td_free(run.shards);
    export_folder_close(run.folder);
    return rc == TD_OK ? rc : td_err_add(err, rc, "cannot join the shards in '%s'", path);
}
