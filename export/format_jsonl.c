/* JSON lines in the order of the tape: one file per day, one message per line (docs/export.md). */
#include <stdio.h>

#include "base/alloc.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "export/export_writers.h"
#include "base/json/json_write.h"
#include "tape/message_line.h"
#include "tape/frame_json.h"

typedef struct jsonl_writer {
    const export_target *target;
    export_file *file; /* NULL before the first line */
    size_t gap_next;   /* index of the first gap in the target's gaps that is not written yet */
    uint64_t number;   /* of the last frame that got a number; counts from 1 in each day */
} jsonl_writer;

static void *open_jsonl(const export_target *target)
{
    jsonl_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    return made;
}

static void close_jsonl(void *writer)
{
    jsonl_writer *self = writer;
    if (self == NULL)
        return;
    export_file_abandon(self->file);
    td_free(self);
}

/* ---- lines ---- */

/* Begins an object in the day's file. */
static td_result begin_line(jsonl_writer *self, json_writer *json, td_err *err)
{
    char name[EXPORT_NAME_BYTES];
    td_result rc = TD_OK;
    if (self->file == NULL) {
        (void)snprintf(name, sizeof name, "messages_%s.jsonl", self->target->date);
        rc = export_file_open(self->target->files, name, EXPORT_PLAIN, &self->file, err);
    }
    if (rc != TD_OK)
        return rc;
    json_write_begin(json, export_file_buf(self->file));
    json_write_object_begin(json);
    return TD_OK;
}

/* Ends a line. Errors of the JSON writer are returned here. */
static td_result end_line(jsonl_writer *self, json_writer *json, td_err *err)
{
    json_write_object_end(json);
    td_result rc = json_write_end(json, err);
    if (rc == TD_OK)
        rc = td_buf_append(export_file_buf(self->file), "\n", 1, err);
    self->target->counts->rows++;
    return rc == TD_OK ? export_file_flush(self->file, err) : rc;
}

/* Writes the gaps that begin before recv_ns. */
static td_result write_gaps(jsonl_writer *self, uint64_t recv_ns, td_err *err)
{
    const export_target *target = self->target;
    td_result rc = TD_OK;
    while (rc == TD_OK && self->gap_next < target->gap_count &&
           target->gaps[self->gap_next]->from_ns < recv_ns) {
        json_writer json;
        rc = begin_line(self, &json, err);
        if (rc != TD_OK)
            break;
        json_write_member_text(&json, "type", "gap");
        gap_json_members(&json, target->gaps[self->gap_next++]);
        rc = end_line(self, &json, err);
    }
    return rc;
}

/* ---- messages ---- */

/* Writes a message as in all other JSON output (schema/message_json.h). A frame that cannot be
 * decoded gets a line, too: without it, the output would seem complete. Copies and HTTP answers get
 * neither number nor line. Control frames get a number only. */
static td_result on_frame(void *writer, const frame_ref *frame, const trust_answer *trust,
                          td_err *err)
{
    jsonl_writer *self = writer;
    const message *m = frame->content.message;
    unsigned flags = ROW_LAST_OF_FRAME;
    json_writer json;
    td_result rc = write_gaps(self, frame->recv_ns, err);
    self->number += !frame->is_copy && frame->channel->role != ROLE_HTTP;
    if (rc != TD_OK || frame->is_copy || !frame_role_is_of_topic(frame->channel->role))
        return rc;
    if (trust != NULL && msg_type_has_book(frame->row->type)) {
        flags |= trust->is_trusted && !trust->needs_copies ? 0U : (unsigned)ROW_NOT_TRUSTED;
        flags |= trust->is_snapshot ? (unsigned)ROW_SNAPSHOT : 0U;
    }
    flags |= frame->is_late ? (unsigned)ROW_LATE : 0U;
    flags |= m != NULL && m->head.kind == FRAME_SNAPSHOT ? (unsigned)ROW_SNAPSHOT : 0U;
    rc = begin_line(self, &json, err);
    if (rc != TD_OK)
        return rc;
    self->target->counts->frames++;
    self->target->counts->undecoded_frames += m == NULL;
    self->target->counts->possible_copies += frame->is_doubtful;
    message_line(&json, frame);
    frame_json_position(&json, frame);
    json_write_raw_key(&json, JSON_NAME("frame"));
    json_write_u64(&json, self->number);
    json_write_raw_key(&json, JSON_NAME("flags"));
    json_write_u64(&json, flags);
    return end_line(self, &json, err);
}

static td_result finish(void *writer, td_err *err)
{
    jsonl_writer *self = writer;
    td_result rc = write_gaps(self, UINT64_MAX, err);
    export_file *file = self->file;
    if (file == NULL || rc != TD_OK)
        return rc;
    self->file = NULL;
    return export_file_finish(file, NULL, err);
}

/* A type without columns: a line is a whole message, or a frame that was not decoded. */
static const export_type MESSAGES = {.name = "messages"};
static const export_named_type TYPES[] = {{"messages", &MESSAGES}, {NULL, NULL}};

const export_format EXPORT_JSONL = {
    .name = "jsonl",
    .summary = "one typed message per line, one file per day",
    .folder = "jsonl/",
    .grouping = EXPORT_PER_DAY,
    .reads = TAPE_READS_ALL,
    .types = TYPES,
    .open = open_jsonl,
    .frame = on_frame,
    .finish = finish,
    .close = close_jsonl,
};
