#include "replay/play/order_join.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "replay/play/open_requests.h"
#include "schema/message.h"

typedef struct recent_update {
    char order_id[ORDER_JOIN_TEXT_BYTES];
    char status[ORDER_JOIN_TEXT_BYTES];
    uint64_t at_ns;
} recent_update;

/* A request that was answered, by its id. */
typedef struct answered_request {
    const frame_conn *conn;
    uint64_t id; /* its hash */
} answered_request;

struct order_join {
    void (*done)(void *user, const joined_order *order);
    void *user;
    /* The orders of requests are numbered. `orders` has the numbers first to next - 1, each at the
     * index of its number modulo ORDER_JOIN_OPEN_MAX; orders that have ended are not open. */
    joined_order orders[ORDER_JOIN_OPEN_MAX];
    uint64_t first, next;
    open_requests *unanswered;
    recent_update recent[ORDER_JOIN_RECENT]; /* ring of the last updates, numbered the same way */
    uint64_t updates;
    answered_request answered[ORDER_JOIN_RECENT]; /* ring, likewise */
    uint64_t answers;
    uint64_t unasked;
};

order_join *order_join_open(void (*done)(void *user, const joined_order *order), void *user)
{
    order_join *j = td_alloc_zero(1, sizeof *j);
    j->done = done;
    j->user = user;
    j->unanswered = open_requests_open(ORDER_JOIN_OPEN_MAX);
    return j;
}

void order_join_close(order_join *j)
{
    open_requests_close(j->unanswered);
    td_free(j);
}

uint64_t order_join_unasked(const order_join *j)
{
    return j->unasked;
}

/* ---- requests that wait ---- */

static joined_order *order_at(order_join *j, uint64_t number)
{
    return &j->orders[number % ORDER_JOIN_OPEN_MAX];
}

static void end_order(order_join *j, joined_order *order)
{
    TD_ASSERT(order->is_open);
    order->is_open = 0;
    j->done(j->user, order);
    while (j->first < j->next && !order_at(j, j->first)->is_open)
        j->first++;
}

static joined_order *add_order(order_join *j)
{
    if (j->next - j->first == ORDER_JOIN_OPEN_MAX)
        end_order(j, order_at(j, j->first));
    joined_order *made = order_at(j, j->next++);
    *made = (joined_order){.is_open = 1};
    return made;
}

void order_join_finish(order_join *j)
{
    while (j->first < j->next)
        end_order(j, order_at(j, j->first));
}

/* ---- values of messages ---- */

static void copy_text(char out[ORDER_JOIN_TEXT_BYTES], td_bytes text)
{
    size_t size = text.size < ORDER_JOIN_TEXT_BYTES ? text.size : ORDER_JOIN_TEXT_BYTES - 1;
    if (size > 0)
        memcpy(out, text.data, size);
    out[size] = '\0';
}

/* Copy a member's text; "" if it is absent. */
static void copy_member(char out[ORDER_JOIN_TEXT_BYTES], const msg_value *values, size_t count,
                        msg_member member)
{
    const msg_value *value = msg_value_find(values, count, member);
    int is_text = value != NULL && value->type == VALUE_TEXT;
    copy_text(out, is_text ? value->as.text : td_bytes_str(""));
}

static void copy_item(char out[ORDER_JOIN_TEXT_BYTES], const msg_item *item, msg_member member)
{
    copy_member(out, item->values, item->value_count, member);
}

static int get_decimal(const msg_item *item, msg_member member, td_decimal *out)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    if (value == NULL || value->type != VALUE_DECIMAL)
        return 0;
    *out = value->as.decimal;
    return 1;
}

/* ---- requests ---- */

static void on_request(order_join *j, const frame_ref *frame, const msg_record *request)
{
    const topic_row *row = frame->content.what == NULL ? NULL : frame->content.what->topic.row;
    const request_name name = request_name_of(frame, request);
    const uint64_t number = open_requests_add(j->unanswered, &name);
    for (size_t i = 0; i < request->item_count; i++) {
        const msg_item *item = &request->items[i];
        joined_order *order = add_order(j);
        order->feed = frame->channel->info.feed;
        order->request = number;
        order->sent_ns = frame->recv_ns;
        order->index = i;
        order->does = row == NULL ? ORDER_UNSTATED : row->does;
        copy_text(order->op, request->head.topic);
        copy_member(order->request_id, request->values, request->value_count, MEMBER_REQUEST_ID);
        copy_item(order->link, item, MEMBER_ORDER_LINK_ID);
        copy_item(order->order_id, item, MEMBER_ORDER_ID);
        copy_item(order->symbol, item, MEMBER_SYMBOL);
        order->has_price = (uint8_t)get_decimal(item, MEMBER_PRICE, &order->price);
        order->has_size = (uint8_t)get_decimal(item, MEMBER_SIZE, &order->size);
    }
}

/* ---- updates ---- */

static int is_value(int is_wanted, td_decimal wanted, const msg_item *item, msg_member member)
{
    td_decimal found;
    return !is_wanted ||
           (get_decimal(item, member, &found) && td_decimal_compare(found, wanted) == 0);
}

/* 1 if an update of the request's order shows the requested change. */
static int shows(const joined_order *order, const msg_item *item, const char *status)
{
    if (order->does == ORDER_CANCELLED)
        return strcasestr(status, "cancel") != NULL; /* Cancelled, PartiallyFilledCanceled */
    if (order->does == ORDER_PLACED)
        return 1;
    return is_value(order->has_price, order->price, item, MEMBER_PRICE) &&
           is_value(order->has_size, order->size, item, MEMBER_SIZE);
}

static int is_same(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

static void on_entry(order_join *j, uint64_t at_ns, const msg_item *item)
{
    recent_update *now = &j->recent[j->updates++ % ORDER_JOIN_RECENT];
    char link[ORDER_JOIN_TEXT_BYTES];
    now->at_ns = at_ns;
    copy_item(now->order_id, item, MEMBER_ORDER_ID);
    copy_item(now->status, item, MEMBER_ORDER_STATUS);
    copy_item(link, item, MEMBER_ORDER_LINK_ID);
    for (uint64_t i = j->first; i < j->next; i++) {
        joined_order *order = order_at(j, i);
        if (!order->is_open || order->update_ns != 0 || order->does == ORDER_UNSTATED ||
            (!is_same(order->order_id, now->order_id) && !is_same(order->link, link)) ||
            !shows(order, item, now->status))
            continue;
        order->update_ns = at_ns;
        memcpy(order->status, now->status, sizeof order->status);
        memcpy(order->order_id, now->order_id, sizeof order->order_id);
        if (order->answer_ns != 0)
            end_order(j, order);
    }
}

/* Find an order's update that arrived before the answer, which has the order's id. */
static void find_recent(order_join *j, joined_order *order)
{
    uint64_t from = j->updates > ORDER_JOIN_RECENT ? j->updates - ORDER_JOIN_RECENT : 0;
    for (uint64_t i = from; i < j->updates && order->update_ns == 0; i++) {
        const recent_update *seen = &j->recent[i % ORDER_JOIN_RECENT];
        if (seen->at_ns < order->sent_ns || !is_same(seen->order_id, order->order_id))
            continue;
        order->update_ns = seen->at_ns;
        memcpy(order->status, seen->status, sizeof order->status);
    }
}

/* ---- answers ---- */

/* A member of an order's entry in the answer; else of the answer itself. NULL: absent. */
static const msg_value *find_answer(const msg_record *answer, size_t index, msg_member member)
{
    const msg_item *item = index < answer->item_count ? &answer->items[index] : NULL;
    const msg_value *value =
        item == NULL ? NULL : msg_value_find(item->values, item->value_count, member);
    return value != NULL ? value : msg_value_find(answer->values, answer->value_count, member);
}

static void read_verdict(joined_order *order, const msg_record *answer)
{
    const msg_value *code = find_answer(answer, order->index, MEMBER_CODE);
    const msg_value *accepted = find_answer(answer, order->index, MEMBER_IS_ACCEPTED);
    order->has_code = code != NULL && code->type == VALUE_INTEGER;
    order->code = order->has_code ? code->as.integer : 0;
    order->is_refused = order->code != 0 ||
                        (accepted != NULL && accepted->type == VALUE_BOOL && !accepted->as.is_true);
}

static void answer_order(order_join *j, joined_order *order, const frame_ref *frame,
                         const msg_record *answer)
{
    order->answer_ns = frame->recv_ns;
    order->exchange_ns = answer->head.exchange_ns;
    read_verdict(order, answer);
    if (order->order_id[0] == '\0' && order->index < answer->item_count) {
        copy_item(order->order_id, &answer->items[order->index], MEMBER_ORDER_ID);
        if (order->does != ORDER_UNSTATED)
            find_recent(j, order);
    }
    if (order->is_refused || order->update_ns != 0 || order->does == ORDER_UNSTATED)
        end_order(j, order);
}

static answered_request answered_of(const request_name *name)
{
    return (answered_request){name->conn, td_xxh64(name->id.data, name->id.size)};
}

/* 1 if the answer is a further one to a request: Kraken answers a batch for each of its orders,
 * with the op of a single one. */
static int is_further(const order_join *j, const request_name *answer)
{
    const answered_request now = answered_of(answer);
    const uint64_t count = j->answers < ORDER_JOIN_RECENT ? j->answers : ORDER_JOIN_RECENT;
    for (uint64_t i = 0; i < count && answer->id.size > 0; i++)
        if (j->answered[i].conn == now.conn && j->answered[i].id == now.id)
            return 1;
    return 0;
}

static void on_answer(order_join *j, const frame_ref *frame, const msg_record *answer)
{
    const request_name name = request_name_of(frame, answer);
    uint64_t number;
    if (!open_requests_take(j->unanswered, &name, &number)) {
        j->unasked += !is_further(j, &name);
        return;
    }
    if (name.id.size > 0)
        j->answered[j->answers++ % ORDER_JOIN_RECENT] = answered_of(&name);
    for (uint64_t i = j->first; i < j->next; i++) {
        joined_order *order = order_at(j, i);
        if (order->is_open && order->request == number)
            answer_order(j, order, frame, answer);
    }
}

void order_join_frame(order_join *j, const frame_ref *frame)
{
    const message *m = frame->content.message;
    if (m == NULL || frame->is_copy)
        return;
    if (m->head.type == MSG_ORDER_ENTRY && frame->channel->role == ROLE_OUT)
        on_request(j, frame, &m->record);
    else if (m->head.type == MSG_ORDER_ENTRY)
        on_answer(j, frame, &m->record);
    else if (m->head.type == MSG_ORDER)
        for (size_t i = 0; i < m->record.item_count; i++)
            on_entry(j, frame->recv_ns, &m->record.items[i]);
}
