#include "tape/reply_list.h"

#include <string.h>

#include "base/alloc.h"
#include "base/url.h"
#include "tape/cursor.h"

/* ---- reading the list ---- */

static int wants_http(void *user, const channel_info *info)
{
    (void)user;
    return info->dir == CHANNEL_HTTP || (info->form & FORM_FETCHED) != 0;
}

/* The URL of the next reply, from its event. */
typedef struct reply_head {
    char *feed, *what, *url;
    uint64_t received_ns; /* 0: the time of its frame */
} reply_head;

static void reply_head_fini(reply_head *next)
{
    td_free(next->feed);
    td_free(next->what);
    td_free(next->url);
    *next = (reply_head){0};
}

static void apply_event(reply_head *next, const frame_ref *frame)
{
    const event *ev = frame->event;
    if (ev == NULL || ev->kind != EVENT_HTTP)
        return;
    reply_head_fini(next);
    if (ev->url == NULL || ev->what == NULL || (ev->method != NULL && ev->method[0] != '\0'))
        return; /* not a GET: a reply to a client's POST, for example, is valid only once */
    int is_kept = ev->state != NULL && strcmp(ev->state, "kept") == 0;
    *next = (reply_head){.feed = td_strdup(frame->channel->info.feed),
                         .what = td_strdup(ev->what),
                         .url = td_strdup(ev->url),
                         .received_ns = is_kept ? ev->from_ns : 0};
}

/* Add a frame's reply if `next`, the event before the frame, is about the same reply: the frame's
 * topic is "http." and the event's `what`, or the snapshot of the topic `what`. */
static void add_reply(reply_list *replies, const reply_head *next, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    const char *dot = strchr(info->topic, '.');
    const char *name = info->dir != CHANNEL_HTTP ? info->exchange_topic
                       : dot == NULL             ? NULL
                                                 : dot + 1;
    if (next->url == NULL || name == NULL || strcmp(next->feed, info->feed) != 0 ||
        strcmp(next->what, name) != 0)
        return;
    replies->items = td_array_grow(replies->items, replies->count, sizeof *replies->items);
    replies->items[replies->count++] =
        (recorded_reply){.recv_ns = frame->recv_ns,
                         .received_ns = next->received_ns == 0 ? frame->recv_ns : next->received_ns,
                         .feed = td_strdup(info->feed),
                         .topic = td_strdup(info->topic),
                         .family = frame->channel->family,
                         .encoding = td_strdup(info->message_encoding),
                         .url = td_strdup(next->url),
                         .is_fetched = info->dir != CHANNEL_HTTP};
}

static td_result read_all(cursor *tape, reply_list *out, td_err *err)
{
    reply_head next = {0};
    const frame_ref *frame;
    td_result rc;
    while ((rc = cursor_next(tape, &frame, err)) == TD_OK) {
        if (wants_http(NULL, &frame->channel->info))
            add_reply(out, &next, frame);
        else
            apply_event(&next, frame);
    }
    reply_head_fini(&next);
    return rc == TD_EOF ? TD_OK : rc;
}

td_result reply_list_open(archive *from, const selection *wanted, const td_log *log,
                          reply_list *out, td_err *err)
{
    selection_window window;
    cursor_options reading = {.threads = 1, .log = log, .wants_channel = wants_http};
    const frame_ref *first;
    cursor *tape = NULL;
    td_result rc = cursor_find_window(from, wanted, log, &window, err);
    if (rc != TD_OK)
        return rc;
    out->from_ns = window.from_ns;
    const selection mine = {.to = {.kind = TD_TIME_ABSOLUTE, .ns = window.to_ns},
                            .has_to = window.to_ns != UINT64_MAX};
    rc = cursor_open(from, &mine, &reading, &tape, err);
    if (rc == TD_OK)
        rc = cursor_next(tape, &first, err);
    cursor_close(tape);
    if (rc != TD_OK)
        return rc == TD_EOF ? TD_OK : rc; /* no replies: events need not be read */
    reading.with_events = 1;
    rc = cursor_open(from, &mine, &reading, &tape, err);
    if (rc == TD_OK)
        rc = read_all(tape, out, err);
    cursor_close(tape);
    return rc;
}

void reply_list_fini(reply_list *replies)
{
    for (size_t i = 0; i < replies->count; i++) {
        td_free(replies->items[i].feed);
        td_free(replies->items[i].topic);
        td_free(replies->items[i].encoding);
        td_free(replies->items[i].url);
    }
    td_free(replies->items);
    *replies = (reply_list){0};
}

/* ---- queries ---- */

/* 1 if `other` has each parameter of `query`; *count: number of these parameters. */
static int has_all(td_bytes query, td_bytes other, size_t *count)
{
    td_bytes name, value;
    for (*count = 0; td_url_next_param(&query, &name, &value); ++*count) {
        td_bytes rest = other, name2, value2;
        int is_found = 0;
        while (!is_found && td_url_next_param(&rest, &name2, &value2))
            is_found = td_bytes_equal(name, name2) && td_bytes_equal(value, value2);
        if (!is_found)
            return 0;
    }
    return 1;
}

static int is_same_request(const char *url, td_bytes path, td_bytes query)
{
    const td_url its = td_url_split(td_bytes_str(url));
    size_t count, its_count;
    return td_bytes_equal(its.path, path) && has_all(query, its.query, &count) &&
           has_all(its.query, query, &its_count) && count == its_count;
}

const recorded_reply *reply_list_find(const reply_list *replies, td_bytes path, td_bytes query,
                                      uint64_t at_ns)
{
    const recorded_reply *found = NULL;
    for (size_t i = 0; i < replies->count; i++) {
        const recorded_reply *reply = &replies->items[i];
        if (found != NULL && reply->recv_ns > (at_ns == 0 ? replies->from_ns : at_ns))
            break;
        if (is_same_request(reply->url, path, query))
            found = reply;
    }
    return found;
}

/* Add a reply, unless the list has one to the same request. */
static void add_request(const recorded_reply **list, size_t *count, const recorded_reply *reply)
{
    const td_url its = td_url_split(td_bytes_str(reply->url));
    for (size_t i = 0; i < *count; i++)
        if (is_same_request(list[i]->url, its.path, its.query))
            return;
    list[(*count)++] = reply;
}

const recorded_reply **reply_list_at_begin(const reply_list *replies, size_t *count)
{
    const recorded_reply **list = td_alloc_zero(replies->count + 1, sizeof(recorded_reply *));
    size_t first_after = 0;
    *count = 0;
    while (first_after < replies->count && replies->items[first_after].recv_ns <= replies->from_ns)
        first_after++;
    for (size_t i = first_after; i > 0; i--)
        add_request(list, count, &replies->items[i - 1]);
    for (size_t i = first_after; i < replies->count; i++)
        add_request(list, count, &replies->items[i]);
    return list;
}

td_result recorded_reply_read(const recorded_reply *reply, archive *from, td_buf *out, td_err *err)
{
    const selection one = {.feeds = {(const char **)&reply->feed, 1},
                           .topics = {(const char **)&reply->topic, 1},
                           .from = {.kind = TD_TIME_ABSOLUTE, .ns = reply->recv_ns},
                           .to = {.kind = TD_TIME_ABSOLUTE, .ns = reply->recv_ns + 1},
                           .has_from = 1,
                           .has_to = 1};
    const frame_ref *frame;
    cursor *tape = NULL;
    td_result rc = cursor_open(from, &one, &(cursor_options){.threads = 1}, &tape, err);
    if (rc == TD_OK)
        rc = cursor_next(tape, &frame, err);
    if (rc == TD_EOF)
        rc = td_err_set(err, TD_E_NOTFOUND,
                        "the reply to '%s' is no longer in the archive: it was pruned or damaged",
                        reply->url);
    if (rc == TD_OK)
        rc = td_buf_append(out, frame->bytes.data, frame->bytes.size, err);
    cursor_close(tape);
    return rc;
}
