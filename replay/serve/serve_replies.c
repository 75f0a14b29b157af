#include "replay/serve/serve_replies.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/json/json.h"
#include "replay/serve/serve_tape.h"

/* Move the times of a reply, if they are not sent as recorded. */
static void rebase(const serve *server, const topic_row *row, int64_t shift_s, td_buf *json)
{
    if (server->rebase == NULL)
        return;
    const td_bytes now = serve_rebase_frame(server->rebase, row, shift_s, td_buf_view(json));
    TD_ASSERT(now.size == json->size);
    memcpy(json->data, now.data, now.size);
}

/* 1 if the book's state is right as far as its frames can tell. */
static int has_state(const serve_book *b)
{
    const track *of = b == NULL ? NULL : symbol_topic_track(b->tape.state);
    return of != NULL && track_has_snapshot(of) && !track_is_broken(of);
}

static void log_unmade(const serve *server, const char *exchange_topic, const td_err *err)
{
    td_log_emit(server->options.log, TD_LOG_WARNING, "no snapshot of %s: %s", exchange_topic,
                err->text);
}

/* ---- the state of a book that the tape does not follow ---- */

static int is_wanted_book(void *user, const char *feed, const char *exchange_topic)
{
    const served_topic *of = user;
    return strcmp(of->exchange_topic, exchange_topic) == 0 && strcmp(of->feed, feed) == 0;
}

static int is_wanted_channel(void *user, const channel_info *info)
{
    const served_topic *of = user;
    return strcmp(of->topic, info->topic) == 0 && strcmp(of->symbol, info->symbol) == 0 &&
           strcmp(of->feed, info->feed) == 0;
}

/* Read a topic up to a moment and append the state of its book. If the book has no state then, or
 * the next frame does not continue it, append its next recorded snapshot, and set *at_ns to the
 * receive time of that. TD_EOF: there is neither. */
static td_result read_state(serve *server, cursor *from, serve_books *books, td_buf *json,
                            uint64_t *at_ns, td_err *err)
{
    const frame_ref *frame;
    serve_book *b;
    uint8_t is_snapshot;
    int is_lost = 0; /* 1: the next frame did not continue the state */
    td_result rc;
    while ((rc = cursor_next(from, &frame, err)) == TD_OK) {
        const int is_fetched = (frame->channel->info.form & FORM_FETCHED) != 0;
        if (frame->is_copy || (!is_fetched && frame->channel->info.line != 0))
            continue;
        if (!frame->is_lead_in && is_fetched) {
            *at_ns = frame->recv_ns;
            return td_buf_append(json, frame->bytes.data, frame->bytes.size, err);
        }
        const int is_next = !frame->is_lead_in && !is_lost && has_state(books->first);
        if (is_next)
            rc = serve_book_make(books->first, server->options.archive, server->maker, json, err);
        if (rc == TD_OK && (frame->is_lead_in || is_next))
            rc = serve_books_apply(books, server->reader, frame, &b, &is_snapshot, err);
        if (rc != TD_OK || (is_next && has_state(books->first)))
            return rc;
        if (is_next)
            td_buf_clear(json);
        is_lost |= is_next;
    }
    if (rc != TD_EOF || is_lost || !has_state(books->first))
        return rc;
    return serve_book_make(books->first, server->options.archive, server->maker, json, err);
}

static td_result put_state(serve *server, serve_tape *tape, const served_topic *of, td_buf *json,
                           td_err *err)
{
    const selection wanted = serve_tape_rest(server, tape);
    cursor_options reading = serve_tape_reading(server);
    serve_books books = {.wants = is_wanted_book, .user = (void *)of};
    cursor *from = NULL;
    uint64_t at_ns = 0;
    reading.wants_channel = is_wanted_channel;
    reading.user = (void *)of;
    td_result rc = cursor_open(server->options.archive, &wanted, &reading, &from, err);
    if (rc == TD_OK) {
        at_ns = cursor_get_window(from).from_ns;
        serve_books_begin(&books, server->options.feeds, from);
        rc = read_state(server, from, &books, json, &at_ns, err);
    }
    if (rc == TD_OK)
        rebase(server, of->row->snapshot_reply, serve_tape_shift_s(server, tape, at_ns), json);
    serve_books_fini(&books);
    cursor_close(from);
    return rc;
}

/* ---- requests ---- */

/* Remove what a list has after its first entries. */
static void limit_list(json_value list, size_t limit, td_buf *json)
{
    json_value entry;
    const size_t end = json_offset(list) + json_raw(list).size - 1;
    size_t kept = end;
    size_t i = 0;
    for (json_iter it = json_iter_of(list); json_next(&it, NULL, &entry); i++)
        if (i + 1 == limit)
            kept = json_offset(entry) + json_raw(entry).size;
    memmove(json->data + kept, json->data + end, json->size - end);
    json->size -= end - kept;
}

/* Remove what a reply has beyond the limit of levels that the request gives. A list begins with the
 * best level. */
static void limit_levels(const topic_row *row, td_bytes query, td_buf *json)
{
    const items_row *items = row->snapshot_reply->items;
    const size_t limit = family_snapshot_limit(row, query);
    json_value root, list;
    json_parser *parser = json_parser_open(LIMIT_HTTP_REPLY_BYTES);
    for (size_t i = 0; limit > 0 && i < TOPIC_ITEMS_MAX && items[i].path != NULL; i++)
        if ((items[i].flags & (ITEMS_BUY | ITEMS_SELL)) != 0 &&
            json_parse(parser, td_buf_view(json), JSON_COPIED, &root, NULL) == TD_OK &&
            json_find_path(root, items[i].path, &list) && json_type_of(list) == JSON_ARRAY)
            limit_list(list, limit, json);
    json_parser_close(parser);
}

/* Append the snapshot of a topic. */
static int put_snapshot(serve *server, serve_tape *tape, const served_topic *of, td_buf *json)
{
    td_err err;
    td_result rc = TD_EOF;
    serve_book *b = serve_tape_has_state(tape)
                        ? serve_books_find(&tape->books, of->feed, of->exchange_topic)
                        : NULL;
    if (has_state(b) && !b->has_ended)
        rc = serve_book_make(b, server->options.archive, server->maker, json, &err);
    if (rc == TD_OK)
        rebase(server, of->row->snapshot_reply, tape->shift_s, json);
    if (rc == TD_EOF)
        rc = put_state(server, tape, of, json, &err);
    if (rc != TD_OK && rc != TD_EOF)
        log_unmade(server, of->exchange_topic, &err);
    return rc == TD_OK;
}

/* Find the served topic whose snapshot is requested, and the tape whose moment counts. If several
 * topics have this request, it is for that of the newest tape whose clients have one. */
static const served_topic *find_topic(serve *server, td_bytes path, td_bytes query,
                                      serve_tape **tape)
{
    const serve_feeds *feeds = server->options.feeds;
    const served_topic *found = NULL;
    *tape = NULL;
    for (size_t i = 0; i < feeds->count; i++) {
        const served_feed *feed = &feeds->items[i];
        for (size_t k = 0; k < feed->topic_count && *tape == NULL; k++) {
            const served_topic *topic = &feed->topics[k];
            char symbol[LIMIT_TOPIC_BYTES];
            if (!family_is_snapshot_request(feed->family, topic->row, path, query, symbol) ||
                strcmp(symbol, topic->symbol) != 0)
                continue;
            found = topic;
            *tape = serve_tape_of_topic(server, topic);
        }
    }
    if (*tape == NULL)
        *tape = serve_newest_tape(server);
    return found;
}

int serve_reply(serve *server, td_bytes path, td_bytes query, td_buf *json)
{
    const serve_options *options = &server->options;
    td_err err;
    serve_tape *tape;
    const served_topic *of = find_topic(server, path, query, &tape);
    if (of != NULL && put_snapshot(server, tape, of, json)) {
        limit_levels(of->row, query, json);
        return 1;
    }
    const recorded_reply *reply =
        reply_list_find(&server->replies, path, query, serve_position(server));
    if (reply == NULL)
        return 0;
    td_result rc = recorded_reply_read(reply, options->archive, json, &err);
    if (rc != TD_OK)
        td_log_emit(options->log, TD_LOG_ERROR, "reading an HTTP reply: %s", err.text);
    int64_t age_ns = (int64_t)clock_wall_ns(options->clock) - (int64_t)reply->received_ns;
    if (rc == TD_OK)
        rebase(server, exchange_of(reply->family)->http_reply, age_ns / (int64_t)TD_NS_PER_S, json);
    return rc == TD_OK;
}

/* The answer of a family's document; NULL: it has no such answer. */
static const char *find_answer(const family *of, td_bytes method, td_bytes path)
{
    for (size_t i = 0; i < of->http_answer_count; i++)
        if (td_bytes_is(method, of->http_answers[i].method) &&
            td_bytes_is(path, of->http_answers[i].path))
            return of->http_answers[i].text;
    return NULL;
}

int serve_documented_reply(const serve *server, td_bytes method, td_bytes path,
                           char text[WIRE_ANSWER_BYTES])
{
    const serve_feeds *feeds = server->options.feeds;
    const char *found = NULL;
    for (size_t i = 0; i < feeds->count && found == NULL; i++)
        if (feeds->items[i].family != NULL)
            found = find_answer(feeds->items[i].family, method, path);
    if (found != NULL)
        (void)snprintf(text, WIRE_ANSWER_BYTES, "%s", found);
    return found != NULL;
}
