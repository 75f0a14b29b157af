#include "replay/serve/serve_causes.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/row_table.h"
#include "replay/play/open_requests.h"

#define NO_REQUEST UINT32_MAX

/* Requests of one kind and op, at one feed. */
typedef struct request_series {
    const char *feed; /* the pointer in the channels of the feed */
    request_kind kind;
    char *op;             /* of REQUEST_ORDER; "" for other kinds */
    uint32_t first, last; /* numbers of requests */
    uint32_t next;        /* the one that a client sends next, or NO_REQUEST */
} request_series;

typedef struct recorded_request {
    uint64_t sent_ns;
    uint64_t delay_ns; /* of its answer; 0: it was not answered */
    uint32_t series;
    uint32_t next;                /* of the series, or NO_REQUEST */
    size_t frame_at, frame_count; /* its frames: a range of serve_causes.frames */
    serve_client *asker;          /* NULL: no client has sent it, or that one has left */
    char *asked_id;               /* id of the client's request, JSON text; NULL: not sent */
} recorded_request;

/* An order's id, or a client's id of an order, that a request names, or its answer. */
typedef struct order_name {
    char *text;
    uint32_t request;
} order_name;

struct serve_causes {
    request_series *series;
    size_t series_count;
    recorded_request *requests; /* in the order of the tape */
    size_t request_count;
    open_requests *unanswered; /* only while the recording is read; it numbers the requests as they
                                  are in `requests` */
    order_name *names;         /* only while the recording is read */
    size_t name_count;
    row_table names_by_text;
    caused_frame *frames; /* by request; of a request in the order of the tape */
    size_t frame_count;
    uint64_t frame_bytes;
    row_table frames_by_identity;
    caused_frame *due; /* by due_ns */
};

/* ---- requests ---- */

static request_series *find_series(const serve_causes *causes, const char *feed, request_kind kind,
                                   td_bytes op)
{
    for (size_t i = 0; i < causes->series_count; i++) {
        request_series *series = &causes->series[i];
        if (series->kind == kind && strcmp(series->feed, feed) == 0 && td_bytes_is(op, series->op))
            return series;
    }
    return NULL;
}

static request_series *get_series(serve_causes *causes, const char *feed, request_kind kind,
                                  td_bytes op)
{
    request_series *found = find_series(causes, feed, kind, op);
    if (found != NULL)
        return found;
    causes->series = td_array_grow(causes->series, causes->series_count, sizeof *causes->series);
    found = &causes->series[causes->series_count++];
    *found = (request_series){.feed = feed,
                              .kind = kind,
                              .op = td_strndup((const char *)op.data, op.size),
                              .first = NO_REQUEST,
                              .last = NO_REQUEST,
                              .next = NO_REQUEST};
    return found;
}

static td_result add_request(serve_causes *causes, const frame_ref *frame, const request_name *name,
                             td_err *err)
{
    if (causes->request_count == LIMIT_CAUSES) {
        td_err_set(err, TD_E_LIMIT, "the selection has more than %u requests of clients",
                   LIMIT_CAUSES);
        td_err_hint(err, "select less time with --from and --to");
        return TD_E_LIMIT;
    }
    request_series *series = get_series(causes, frame->channel->info.feed, name->kind, name->op);
    const uint32_t number = (uint32_t)open_requests_add(causes->unanswered, name);
    TD_ASSERT(number == causes->request_count);
    causes->requests =
        td_array_grow(causes->requests, causes->request_count, sizeof *causes->requests);
    causes->requests[causes->request_count++] =
        (recorded_request){.sent_ns = frame->recv_ns,
                           .series = (uint32_t)(series - causes->series),
                           .next = NO_REQUEST};
    if (series->first == NO_REQUEST)
        series->first = number;
    else
        causes->requests[series->last].next = number;
    series->last = number;
    return TD_OK;
}

/* Take the request of an answer; NO_REQUEST: it has no request. */
static uint32_t take_unanswered(serve_causes *causes, const request_name *answer)
{
    uint64_t number;
    return open_requests_take(causes->unanswered, answer, &number) ? (uint32_t)number : NO_REQUEST;
}

static void note_answer(serve_causes *causes, uint32_t number, uint64_t recv_ns)
{
    recorded_request *request = &causes->requests[number];
    request->delay_ns = recv_ns > request->sent_ns ? recv_ns - request->sent_ns : 0;
}

/* ---- names of orders ---- */

static td_bytes text_of(const msg_item *item, msg_member member)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    return value != NULL && value->type == VALUE_TEXT ? value->as.text : td_bytes_of(NULL, 0);
}

static void add_name(serve_causes *causes, td_bytes text, uint32_t request)
{
    if (text.size == 0)
        return;
    causes->names = td_array_grow(causes->names, causes->name_count, sizeof *causes->names);
    row_table_put(&causes->names_by_text, td_xxh64(text.data, text.size), causes->name_count);
    causes->names[causes->name_count++] =
        (order_name){.text = td_strndup((const char *)text.data, text.size), .request = request};
}

static void add_names(serve_causes *causes, const msg_record *of, uint32_t request)
{
    for (size_t i = 0; i < of->item_count; i++) {
        add_name(causes, text_of(&of->items[i], MEMBER_ORDER_ID), request);
        add_name(causes, text_of(&of->items[i], MEMBER_ORDER_LINK_ID), request);
    }
}

/* Of two requests the later one. */
static uint32_t later(uint32_t a, uint32_t b)
{
    return a == NO_REQUEST || (b != NO_REQUEST && b > a) ? b : a;
}

/* The last request before a time that has this name. */
static uint32_t find_named(const serve_causes *causes, td_bytes text, uint64_t before_ns)
{
    uint32_t found = NO_REQUEST;
    row_probe at = row_probe_of(td_xxh64(text.data, text.size));
    while (text.size > 0 && row_table_next(&causes->names_by_text, &at)) {
        const order_name *name = &causes->names[at.row];
        if (td_bytes_is(text, name->text) && causes->requests[name->request].sent_ns <= before_ns)
            found = later(found, name->request);
    }
    return found;
}

/* ---- frames ---- */

static td_result keep_frame(serve_causes *causes, const frame_ref *frame, uint32_t request,
                            td_err *err)
{
    const size_t size = frame->bytes.size;
    causes->frame_bytes += size;
    if (causes->frame_bytes > LIMIT_CAUSED_BYTES) {
        td_err_set(err, TD_E_LIMIT, "the selection has more than %zu MiB of private frames",
                   LIMIT_CAUSED_BYTES >> 20);
        td_err_hint(err, "select less time with --from and --to");
        return TD_E_LIMIT;
    }
    uint8_t *copy = td_alloc_zero(size + DECODE_PADDING_BYTES, 1);
    memcpy(copy, frame->bytes.data, size);
    causes->frames = td_array_grow(causes->frames, causes->frame_count, sizeof *causes->frames);
    caused_frame *kept = &causes->frames[causes->frame_count++];
    *kept = (caused_frame){.frame = *frame, .request = request};
    kept->frame.position = causes->frame_count;
    kept->frame.bytes = td_bytes_of(copy, size);
    kept->frame.content = (frame_content){0};
    kept->frame.is_read = 0;
    kept->frame.block = NULL;
    kept->frame.saved = NULL;
    kept->frame.conn = NULL; /* it lives as long as the cursor */
    return TD_OK;
}

static uint64_t identity_of(const frame_ref *frame)
{
    const uint64_t parts[] = {frame->channel->index, frame->recv_ns, frame->ordinal};
    return td_xxh64(parts, sizeof parts);
}

static int is_same_frame(const frame_ref *a, const frame_ref *b)
{
    return a->channel == b->channel && a->recv_ns == b->recv_ns && a->ordinal == b->ordinal;
}

int serve_causes_have(const serve_causes *causes, const frame_ref *frame)
{
    if (causes == NULL)
        return 0;
    row_probe at = row_probe_of(identity_of(frame));
    while (row_table_next(&causes->frames_by_identity, &at)) {
        if (is_same_frame(&causes->frames[at.row].frame, frame))
            return 1;
    }
    return 0;
}

/* ---- reading the recording ---- */

/* 1 if messages of this type follow from requests about orders: they name the order, or they come
 * with such a message. */
static int is_private(msg_type type)
{
    return type == MSG_ORDER || type == MSG_STOP_ORDER || type == MSG_EXECUTION ||
           type == MSG_POSITION || type == MSG_WALLET || type == MSG_GREEKS;
}

static int wants_channel(void *user, const channel_info *info)
{
    const frame_role role = channel_role(info);
    const family *of = family_find(td_bytes_str(info->family));
    (void)user;
    if (role == ROLE_OUT || role == ROLE_CONTROL)
        return 1;
    const topic_row *row =
        role == ROLE_DATA && of != NULL ? family_topic_named(of, info->topic) : NULL;
    return row != NULL && (row->type == MSG_ORDER_ENTRY || is_private(row->type));
}

static td_result read_order(serve_causes *causes, const frame_ref *frame, const msg_record *record,
                            td_err *err)
{
    const request_name name = request_name_of(frame, record);
    uint32_t request = (uint32_t)causes->request_count;
    td_result rc = TD_OK;
    if (frame->channel->role == ROLE_OUT) {
        rc = add_request(causes, frame, &name, err);
    } else {
        request = take_unanswered(causes, &name);
        rc = keep_frame(causes, frame, request, err);
        if (rc == TD_OK)
            causes->frames[causes->frame_count - 1].is_answer = 1;
        if (rc == TD_OK && request != NO_REQUEST)
            note_answer(causes, request, frame->recv_ns);
    }
    if (rc == TD_OK && request != NO_REQUEST)
        add_names(causes, record, request);
    return rc;
}

/* Read a request that is not about orders. */
static td_result read_request(const serve *server, serve_causes *causes, const frame_ref *frame,
                              td_err *err)
{
    dialect_request request;
    if (request_parse(server->answers, frame->channel->family->dialect, frame->bytes, &request,
                      NULL) != TD_OK ||
        request.kind > REQUEST_AUTH)
        return TD_OK;
    const request_name name = {.conn = frame->conn, .kind = request.kind, .id = request.id};
    return add_request(causes, frame, &name, err);
}

static void read_answer(const serve *server, serve_causes *causes, const frame_ref *frame)
{
    dialect_answer answer;
    uint32_t found = NO_REQUEST;
    if (answer_parse(server->answers, frame->channel->family->dialect, frame->bytes, &answer,
                     NULL) != TD_OK)
        return;
    for (unsigned kind = 0; kind <= REQUEST_AUTH && found == NO_REQUEST; kind++) {
        const int fits = kind == REQUEST_AUTH
                             ? answer.kind == ANSWER_AUTH
                             : answer.kind == ANSWER_TOPICS &&
                                   (answer.of == kind || answer.of == REQUEST_UNKNOWN);
        const request_name name = {
            .conn = frame->conn, .kind = (request_kind)kind, .id = answer.id};
        if (fits)
            found = take_unanswered(causes, &name);
    }
    if (found != NO_REQUEST)
        note_answer(causes, found, frame->recv_ns);
}

static td_result read_frame(const serve *server, serve_causes *causes, const frame_ref *frame,
                            td_err *err)
{
    const message *read = frame->content.message;
    const frame_channel *channel = frame->channel;
    if (frame->is_copy || channel->info.line != 0 || channel->family == NULL)
        return TD_OK;
    if (read != NULL && read->head.type == MSG_ORDER_ENTRY)
        return read_order(causes, frame, &read->record, err);
    if (channel->role == ROLE_OUT)
        return read_request(server, causes, frame, err);
    if (channel->role == ROLE_CONTROL)
        read_answer(server, causes, frame);
    else if (frame->row != NULL && is_private(frame->row->type))
        return keep_frame(causes, frame, NO_REQUEST, err);
    return TD_OK;
}

static td_result read_recording(const serve *server, cursor_options reading, serve_causes *causes,
                                td_err *err)
{
    const frame_ref *frame;
    cursor *tape = NULL;
    causes->unanswered = open_requests_open(LIMIT_CAUSES);
    reading.reads = TAPE_READS_ALL;
    reading.states = TAPE_STATES_NONE;
    reading.wants_channel = wants_channel;
    td_result rc =
        cursor_open(server->options.archive, server->options.wanted, &reading, &tape, err);
    while (rc == TD_OK) {
        rc = cursor_next(tape, &frame, err);
        if (rc == TD_OK)
            rc = read_frame(server, causes, frame, err);
    }
    open_requests_close(causes->unanswered);
    causes->unanswered = NULL;
    cursor_close(tape);
    return rc == TD_EOF ? TD_OK : rc;
}

/* ---- which request caused a frame ---- */

/* The last update of an order at a feed. */
typedef struct last_update {
    const char *feed;
    uint64_t recv_ns;
    uint32_t request;
} last_update;

static uint32_t find_cause(const serve_causes *causes, const frame_ref *frame,
                           const msg_record *record)
{
    uint32_t found = NO_REQUEST;
    for (size_t i = 0; i < record->item_count; i++) {
        const msg_item *item = &record->items[i];
        found = later(found, find_named(causes, text_of(item, MEMBER_ORDER_ID), frame->recv_ns));
        found =
            later(found, find_named(causes, text_of(item, MEMBER_ORDER_LINK_ID), frame->recv_ns));
    }
    return found;
}

static int names_orders(msg_type type)
{
    return type == MSG_ORDER || type == MSG_STOP_ORDER || type == MSG_EXECUTION;
}

static last_update *get_last(last_update **lasts, size_t *count, const char *feed)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp((*lasts)[i].feed, feed) == 0)
            return &(*lasts)[i];
    }
    *lasts = td_array_grow(*lasts, *count, sizeof **lasts);
    (*lasts)[*count] = (last_update){.feed = feed, .request = NO_REQUEST};
    return &(*lasts)[(*count)++];
}

/* Find the causes of the kept updates. Only now, because an update may precede the answer that
 * tells its order's id. */
static void find_causes(serve_causes *causes)
{
    content_reader *reader = content_reader_open(TAPE_READS_ALL);
    last_update *lasts = NULL;
    size_t last_count = 0;
    for (size_t i = 0; i < causes->frame_count; i++) {
        caused_frame *kept = &causes->frames[i];
        if (kept->is_answer)
            continue;
        frame_ref frame = kept->frame;
        content_read(reader, &frame);
        last_update *last = get_last(&lasts, &last_count, frame.channel->info.feed);
        if (names_orders(frame.row->type)) {
            if (frame.content.message != NULL)
                kept->request = find_cause(causes, &frame, &frame.content.message->record);
            *last = (last_update){last->feed, frame.recv_ns, kept->request};
        } else if (last->request != NO_REQUEST &&
                   frame.recv_ns <= last->recv_ns + CAUSE_FOLLOWS_NS) {
            kept->request = last->request;
        }
    }
    td_free(lasts);
    content_reader_close(reader);
}

static int compare_frames(const void *a, const void *b)
{
    const caused_frame *left = a, *right = b;
    if (left->request != right->request)
        return left->request < right->request ? -1 : 1;
    return left->frame.position < right->frame.position ? -1 : 1;
}

/* Order the frames by request, and free those without a cause, but for answers. */
static void index_frames(serve_causes *causes)
{
    size_t count = 0;
    for (size_t i = 0; i < causes->frame_count; i++) {
        const caused_frame *kept = &causes->frames[i];
        if (kept->request != NO_REQUEST || kept->is_answer)
            causes->frames[count++] = *kept;
        else
            td_free((void *)kept->frame.bytes.data);
    }
    causes->frame_count = count;
    if (count > 0)
        qsort(causes->frames, count, sizeof *causes->frames, compare_frames);
    for (size_t i = 0; i < count; i++) {
        const caused_frame *kept = &causes->frames[i];
        row_table_put(&causes->frames_by_identity, identity_of(&kept->frame), i);
        if (kept->request == NO_REQUEST)
            continue;
        recorded_request *request = &causes->requests[kept->request];
        if (request->frame_count++ == 0)
            request->frame_at = i;
    }
}

static void forget_names(serve_causes *causes)
{
    for (size_t i = 0; i < causes->name_count; i++)
        td_free(causes->names[i].text);
    td_free(causes->names);
    causes->names = NULL;
    causes->name_count = 0;
    row_table_fini(&causes->names_by_text);
}

static int has_orders(const serve_causes *causes)
{
    size_t i = 0;
    while (i < causes->series_count && causes->series[i].kind != REQUEST_ORDER)
        i++;
    return i < causes->series_count;
}

td_result serve_causes_open(const serve *server, const cursor_options *reading, serve_causes **out,
                            td_err *err)
{
    serve_causes *causes = td_alloc_zero(1, sizeof *causes);
    td_result rc = read_recording(server, *reading, causes, err);
    if (rc == TD_OK && !has_orders(causes)) {
        rc = td_err_set(err, TD_E_NOTFOUND, "the selection has no request about orders");
        td_err_hint(err, "--causal is for sessions that 'tapedeck tap' recorded: select the feeds "
                         "of the client's order entry and of its private topics");
    }
    if (rc != TD_OK) {
        serve_causes_close(causes);
        return td_err_add(err, rc, "--causal");
    }
    find_causes(causes);
    forget_names(causes);
    index_frames(causes);
    serve_causes_begin(causes, 0);
    *out = causes;
    return TD_OK;
}

void serve_causes_close(serve_causes *causes)
{
    if (causes == NULL)
        return;
    forget_names(causes);
    for (size_t i = 0; i < causes->series_count; i++)
        td_free(causes->series[i].op);
    for (size_t i = 0; i < causes->request_count; i++) {
        td_free(causes->requests[i].asked_id);
    }
    for (size_t i = 0; i < causes->frame_count; i++)
        td_free((void *)causes->frames[i].frame.bytes.data);
    row_table_fini(&causes->frames_by_identity);
    td_free(causes->series);
    td_free(causes->requests);
    td_free(causes->frames);
    td_free(causes);
}

/* ---- a client's requests ---- */

void serve_causes_begin(serve_causes *causes, uint64_t from_ns)
{
    causes->due = NULL;
    for (size_t i = 0; i < causes->request_count; i++) {
        td_free(causes->requests[i].asked_id);
        causes->requests[i].asked_id = NULL;
        causes->requests[i].asker = NULL;
    }
    for (size_t i = 0; i < causes->series_count; i++) {
        request_series *series = &causes->series[i];
        series->next = series->first;
        while (series->next != NO_REQUEST && causes->requests[series->next].sent_ns < from_ns)
            series->next = causes->requests[series->next].next;
    }
}

/* Take the next recorded request of one of the client's feeds, or NULL. */
static recorded_request *take_request(serve_causes *causes, const serve_client *client,
                                      request_kind kind, td_bytes op)
{
    for (size_t i = 0; i < client->feed_count; i++) {
        request_series *series = find_series(causes, client->feed_names[i], kind, op);
        if (series == NULL || series->next == NO_REQUEST)
            continue;
        recorded_request *taken = &causes->requests[series->next];
        series->next = taken->next;
        return taken;
    }
    return NULL;
}

static void add_due(serve_causes *causes, caused_frame *frame, uint64_t due_ns)
{
    caused_frame **at = &causes->due;
    while (*at != NULL && (*at)->due_ns <= due_ns)
        at = &(*at)->next_due;
    frame->due_ns = due_ns;
    frame->next_due = *at;
    *at = frame;
}

int serve_causes_ask(serve_causes *causes, serve_client *client, const dialect_request *request,
                     pacer_speed speed, uint64_t now_ns)
{
    recorded_request *recorded = take_request(causes, client, REQUEST_ORDER, request->order_topic);
    if (recorded == NULL)
        return 0;
    recorded->asker = client;
    recorded->asked_id = td_strndup((const char *)request->id_raw.data, request->id_raw.size);
    for (size_t i = 0; i < recorded->frame_count; i++) {
        caused_frame *frame = &causes->frames[recorded->frame_at + i];
        TD_ASSERT(frame->frame.recv_ns >= recorded->sent_ns);
        add_due(causes, frame,
                now_ns + pacer_real_ns(speed, frame->frame.recv_ns - recorded->sent_ns));
    }
    return 1;
}

uint64_t serve_causes_delay_ns(serve_causes *causes, const serve_client *client, request_kind kind,
                               pacer_speed speed)
{
    const recorded_request *recorded =
        kind > REQUEST_AUTH ? NULL : take_request(causes, client, kind, td_bytes_of(NULL, 0));
    return recorded == NULL ? 0 : pacer_real_ns(speed, recorded->delay_ns);
}

caused_frame *serve_causes_first(const serve_causes *causes)
{
    return causes->due;
}

serve_client *serve_causes_take(serve_causes *causes, td_bytes *id_raw)
{
    const caused_frame *first = causes->due;
    const recorded_request *request = &causes->requests[first->request];
    causes->due = first->next_due;
    *id_raw = td_bytes_str(request->asked_id);
    return request->asker;
}

void serve_causes_leave(serve_causes *causes, const serve_client *client)
{
    for (size_t i = 0; causes != NULL && i < causes->request_count; i++) {
        if (causes->requests[i].asker == client)
            causes->requests[i].asker = NULL;
    }
}

unsent_causes serve_causes_unsent(const serve_causes *causes)
{
    unsent_causes unsent = {0};
    for (size_t i = 0; i < causes->series_count; i++) {
        const request_series *series = &causes->series[i];
        if (series->kind != REQUEST_ORDER)
            continue;
        for (uint32_t at = series->next; at != NO_REQUEST; at = causes->requests[at].next) {
            const recorded_request *request = &causes->requests[at];
            if (unsent.op == NULL || request->sent_ns < unsent.sent_ns) {
                unsent.op = series->op;
                unsent.sent_ns = request->sent_ns;
            }
            unsent.requests++;
            unsent.frames += request->frame_count;
        }
    }
    return unsent;
}
