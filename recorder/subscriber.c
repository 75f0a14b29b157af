#include "recorder/subscriber.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

typedef enum topic_state {
    TOPIC_QUEUED,
    TOPIC_REQUESTED,
    TOPIC_GRANTED,
    TOPIC_REFUSED,    /* waits for its retry */
    TOPIC_UNANSWERED, /* waits for its retry; its frames may arrive meanwhile */
    TOPIC_LEAVING,    /* has ended, or is renewed, and is to be unsubscribed */
    TOPIC_LEFT,       /* has ended; nothing is left to do */
    TOPIC_STATE_COUNT,
} topic_state;

typedef struct topic_progress {
    topic_state state;
    uint8_t is_ended;       /* 1: not wanted (subscriber_end) */
    uint8_t is_renewed;     /* 1: TOPIC_LEAVING, and subscribed again after that */
    uint32_t refusals;      /* consecutive, over all connections */
    uint64_t retry_mono_ns; /* for TOPIC_REFUSED and TOPIC_UNANSWERED */
} topic_progress;

/* Topics [first, first + count). */
typedef struct range {
    size_t first;
    size_t count;
} range;

enum { ID_BYTES = 24, DOUBLINGS_MAX = 16 };

/* A request that is not answered completely. */
typedef struct open_request {
    request_kind kind;
    range topics;
    size_t left; /* topics of the request without an answer */
    uint64_t sent_mono_ns;
    char id[ID_BYTES];
} open_request;

struct subscriber {
    subscriber_options options;
    topic_progress *rows; /* parallel to options.topics */
    size_t counts[TOPIC_STATE_COUNT];
    size_t ended_count;
    range *queue; /* a ring; only topics that are TOPIC_QUEUED count */
    size_t queue_capacity, queue_first, queue_count;
    open_request open[SUBSCRIBER_OPEN_MAX]; /* oldest first */
    size_t open_count;
    uint64_t serial; /* number of the latest request */
    td_buf names;    /* topics that the current call reports, joined by commas */
};

/* ---- states and texts ---- */

static void set_state(subscriber *self, size_t topic, topic_state state)
{
    TD_ASSERT(topic < self->options.topic_count);
    TD_ASSERT(self->counts[self->rows[topic].state] > 0);
    self->counts[self->rows[topic].state]--;
    self->counts[state]++;
    self->rows[topic].state = state;
}

static void add_name(subscriber *self, size_t topic)
{
    const char *name = self->options.topics[topic];
    if (self->names.size > 0)
        td_buf_add(&self->names, ",", 1);
    td_buf_add(&self->names, name, strlen(name));
}

/* Return the reported topics, with a NUL that names.size does not include. */
static const char *names_of(subscriber *self)
{
    td_buf_add(&self->names, "", 1);
    self->names.size--;
    return (const char *)self->names.data;
}

/* ---- the queue ---- */

static void grow_queue(subscriber *self)
{
    size_t capacity = 2 * self->queue_capacity;
    range *grown = td_alloc_zero(capacity, sizeof *grown);
    for (size_t i = 0; i < self->queue_count; i++)
        grown[i] = self->queue[(self->queue_first + i) % self->queue_capacity];
    td_free(self->queue);
    self->queue = grown;
    self->queue_capacity = capacity;
    self->queue_first = 0;
}

/* Queue the topics, except ended ones. */
static void queue_push(subscriber *self, range topics)
{
    TD_ASSERT(topics.count > 0);
    TD_ASSERT(self->queue_capacity > 0);
    if (self->queue_count == self->queue_capacity)
        grow_queue(self);
    self->queue[(self->queue_first + self->queue_count) % self->queue_capacity] = topics;
    self->queue_count++;
    for (size_t i = topics.first; i < topics.first + topics.count; i++)
        set_state(self, i, self->rows[i].is_ended ? TOPIC_LEFT : TOPIC_QUEUED);
}

/* The number of topics with this state from `first` on, before `end`. */
static size_t run_of(const subscriber *self, topic_state state, size_t first, size_t end)
{
    size_t count = 0;
    while (first + count < end && self->rows[first + count].state == state)
        count++;
    return count;
}

/* Remove as many topics from the queue's start as fit in one request. Returns 0 topics if none is
 * queued. */
static range queue_pop(subscriber *self)
{
    while (self->queue_count > 0) {
        range *first = &self->queue[self->queue_first];
        size_t end = first->first + first->count;
        size_t count = run_of(self, TOPIC_QUEUED, first->first, end);
        range taken = {first->first, 0};
        if (count > 0)
            taken.count =
                dialect_fit(self->options.dialect, self->options.topics + first->first, count);
        TD_ASSERT(taken.count <= count);
        first->first += count > 0 ? taken.count : first->count > 0;
        first->count = end - first->first;
        if (first->count == 0) {
            self->queue_first = (self->queue_first + 1) % self->queue_capacity;
            self->queue_count--;
        }
        if (count > 0)
            return taken;
    }
    return (range){0, 0};
}

static int is_waiting(topic_state state)
{
    return state == TOPIC_REFUSED || state == TOPIC_UNANSWERED;
}

/* Queue topics whose wait is over, each for a request of its own. */
static void queue_retries(subscriber *self, uint64_t mono_ns)
{
    if (self->counts[TOPIC_REFUSED] + self->counts[TOPIC_UNANSWERED] == 0)
        return;
    for (size_t i = 0; i < self->options.topic_count; i++)
        if (is_waiting(self->rows[i].state) && self->rows[i].retry_mono_ns <= mono_ns)
            queue_push(self, (range){i, 1});
}

/* ---- refusals ---- */

static void wait_for_retry(subscriber *self, size_t topic, topic_state state, uint64_t mono_ns)
{
    topic_progress *row = &self->rows[topic];
    uint32_t doublings = row->refusals < DOUBLINGS_MAX ? row->refusals : DOUBLINGS_MAX;
    uint64_t wait_ns = SUBSCRIBER_RETRY_NS << doublings;
    row->refusals++;
    row->retry_mono_ns =
        mono_ns + (wait_ns < SUBSCRIBER_RETRY_NS_MAX ? wait_ns : SUBSCRIBER_RETRY_NS_MAX);
    set_state(self, topic, state);
}

static void grant(subscriber *self, size_t topic)
{
    self->rows[topic].refusals = 0;
    set_state(self, topic, self->rows[topic].is_ended ? TOPIC_LEAVING : TOPIC_GRANTED);
    if (self->options.granted != NULL && !self->rows[topic].is_ended)
        self->options.granted(self->options.user, topic);
}

static void refuse_one(subscriber *self, size_t topic, const dialect_answer *answer,
                       uint64_t mono_ns)
{
    if (answer->is_repeat) { /* the topic is subscribed already: an answer was lost, or two filters
                                overlap */
        grant(self, topic);
        return;
    }
    if (self->rows[topic].is_ended) {
        set_state(self, topic, TOPIC_LEFT);
        return;
    }
    wait_for_retry(self, topic, TOPIC_REFUSED, mono_ns);
    add_name(self, topic);
}

/* Topics of one request were refused. If the range has only one topic, or the answer names the
 * refused topics, refuse these. Otherwise it is unknown which topic caused the refusal, so request
 * the two halves of the range. */
static void refuse_range(subscriber *self, range topics, const dialect_answer *answer,
                         uint64_t mono_ns)
{
    TD_ASSERT(topics.count > 0);
    int is_by_name = self->options.dialect->answers_topics && answer->failed_count > 0;
    if (topics.count == 1 || is_by_name) {
        for (size_t i = 0; i < topics.count; i++)
            refuse_one(self, topics.first + i, answer, mono_ns);
        return;
    }
    size_t half = topics.count / 2;
    queue_push(self, (range){topics.first, half});
    queue_push(self, (range){topics.first + half, topics.count - half});
}

/* ---- answers ---- */

static dialect_ask ask_of(const subscriber *self, const open_request *request)
{
    return (dialect_ask){.kind = request->kind,
                         .topics = self->options.topics + request->topics.first,
                         .count = request->topics.count,
                         .id = request->id,
                         .frames = self->options.frames};
}

static void close_request(subscriber *self, size_t index)
{
    TD_ASSERT(index < self->open_count);
    self->open_count--;
    memmove(&self->open[index], &self->open[index + 1],
            (self->open_count - index) * sizeof self->open[0]);
}

/* Topics are unsubscribed, or were not subscribed. */
static void apply_goodbye(open_request *request, const dialect_answer *answer)
{
    size_t named = answer->granted_count + answer->failed_count + (answer->symbol.size > 0);
    request->left =
        named == 0 || named >= request->left || answer->lists_all ? 0 : request->left - named;
}

/* Apply the answer to the request's topics. An answer without names is for all. Consecutive refused
 * topics are refused as one range. */
static void apply_answer(subscriber *self, open_request *request, const dialect_answer *answer,
                         uint64_t mono_ns)
{
    int names_any = dialect_answer_names_any(answer);
    range run = {0, 0};
    size_t end = request->topics.first + request->topics.count;
    for (size_t i = request->topics.first; i < end; i++) {
        int is_concerned =
            self->rows[i].state == TOPIC_REQUESTED &&
            (!names_any || dialect_answer_names(answer, request->kind, self->options.topics[i]));
        int is_refused = is_concerned && !dialect_answer_grants(answer, self->options.topics[i]);
        TD_ASSERT(!is_concerned || request->left > 0);
        if (is_concerned)
            request->left--;
        if (is_concerned && !is_refused)
            grant(self, i);
        if (is_refused && run.count++ == 0)
            run.first = i;
        if (run.count > 0 && (!is_refused || i + 1 == end)) {
            refuse_range(self, run, answer, mono_ns);
            run.count = 0;
        }
    }
}

/* 1 if a topic was withdrawn. */
static int withdraw(subscriber *self, const dialect_answer *answer, uint64_t mono_ns)
{
    if (answer->kind != ANSWER_TOPICS)
        return 0;
    for (size_t i = 0; i < self->options.topic_count; i++) {
        if (self->rows[i].state != TOPIC_GRANTED ||
            !dialect_answer_withdraws(answer, self->options.topics[i]))
            continue;
        wait_for_retry(self, i, TOPIC_REFUSED, mono_ns);
        add_name(self, i);
        if (self->options.withdrawn != NULL)
            self->options.withdrawn(self->options.user, i);
    }
    return self->names.size > 0;
}

int subscriber_answered(subscriber *self, const dialect_answer *answer, uint64_t mono_ns,
                        const char **refused)
{
    td_buf_clear(&self->names);
    int has_request = 0;
    for (size_t next = 0; next < self->open_count && (answer->lists_all || !has_request);) {
        const size_t i = next++;
        dialect_ask ask = ask_of(self, &self->open[i]);
        if (!dialect_answer_fits(answer, &ask))
            continue;
        has_request = 1;
        open_request request = self->open[i];
        if (request.kind == REQUEST_UNSUBSCRIBE)
            apply_goodbye(&request, answer);
        else
            apply_answer(self, &request, answer, mono_ns);
        if (request.left == 0)
            close_request(self, next = i);
        else
            self->open[i] = request;
    }
    int is_withdrawal = has_request || withdraw(self, answer, mono_ns);
    *refused = names_of(self);
    return is_withdrawal;
}

const char *subscriber_expired(subscriber *self, uint64_t mono_ns)
{
    td_buf_clear(&self->names);
    while (self->open_count > 0 && self->open[0].sent_mono_ns + SUBSCRIBER_ANSWER_NS <= mono_ns) {
        range topics = self->open[0].topics;
        request_kind kind = self->open[0].kind;
        close_request(self, 0);
        for (size_t i = topics.first; i < topics.first + topics.count; i++) {
            if (self->rows[i].state != TOPIC_REQUESTED || kind == REQUEST_UNSUBSCRIBE)
                continue; /* requested again and answered meanwhile */
            if (self->rows[i].is_ended) {
                set_state(self, i, TOPIC_LEAVING); /* it may be granted */
                continue;
            }
            wait_for_retry(self, i, TOPIC_UNANSWERED, mono_ns);
            add_name(self, i);
        }
        if (self->names.size > 0)
            return names_of(self);
    }
    return NULL;
}

/* ---- requests ---- */

/* The first topics that are to be unsubscribed, as many as fit in one request. */
static range leaving(const subscriber *self)
{
    size_t first = 0;
    size_t end = self->options.topic_count;
    if (self->counts[TOPIC_LEAVING] == 0)
        return (range){0, 0};
    while (self->rows[first].state != TOPIC_LEAVING)
        first++;
    size_t count = run_of(self, TOPIC_LEAVING, first, end);
    return (range){first, dialect_fit(self->options.dialect, self->options.topics + first, count)};
}

td_result subscriber_next(subscriber *self, uint64_t mono_ns, td_buf *out,
                          subscriber_request *request, td_err *err)
{
    td_buf_clear(&self->names);
    queue_retries(self, mono_ns);
    if (self->open_count == SUBSCRIBER_OPEN_MAX)
        return TD_EOF;
    range topics = leaving(self);
    request_kind kind = topics.count > 0 ? REQUEST_UNSUBSCRIBE : REQUEST_SUBSCRIBE;
    if (topics.count == 0)
        topics = queue_pop(self);
    if (topics.count == 0)
        return TD_EOF;
    open_request *made = &self->open[self->open_count++];
    *made = (open_request){
        .kind = kind, .topics = topics, .left = topics.count, .sent_mono_ns = mono_ns};
    (void)snprintf(made->id, sizeof made->id, "%s-%" PRIu64,
                   kind == REQUEST_SUBSCRIBE ? "sub" : "unsub", ++self->serial); /* fits */
    for (size_t i = topics.first; i < topics.first + topics.count; i++) {
        set_state(self, i, kind == REQUEST_SUBSCRIBE ? TOPIC_REQUESTED : TOPIC_LEFT);
        add_name(self, i);
        if (self->rows[i].is_renewed && kind == REQUEST_UNSUBSCRIBE)
            queue_push(self, (range){i, 1});
        self->rows[i].is_renewed = 0;
    }
    *request = (subscriber_request){.kind = kind, .topics = names_of(self)};
    dialect_ask ask = ask_of(self, made);
    return dialect_ask_topics(self->options.dialect, out, &ask, err);
}

/* Queue an added topic, in one request with the topic before it if that is the last in the queue.
 */
static void queue_added(subscriber *self, size_t topic)
{
    range *last = &self->queue[(self->queue_first + self->queue_count + self->queue_capacity - 1) %
                               self->queue_capacity];
    if (self->queue_count == 0 || last->first + last->count != topic) {
        queue_push(self, (range){topic, 1});
        return;
    }
    last->count++;
    set_state(self, topic, TOPIC_QUEUED);
}

void subscriber_add(subscriber *self, size_t topic)
{
    TD_ASSERT(topic <= self->options.topic_count);
    if (topic == self->options.topic_count) {
        self->rows = td_array_grow(self->rows, topic, sizeof *self->rows);
        self->rows[topic] = (topic_progress){.state = TOPIC_QUEUED};
        self->counts[TOPIC_QUEUED]++;
        self->options.topic_count++;
    } else if (!self->rows[topic].is_ended) {
        return;
    } else {
        self->rows[topic].is_ended = 0;
        self->ended_count--;
    }
    if (self->rows[topic].state != TOPIC_REQUESTED)
        queue_added(self, topic);
}

void subscriber_end(subscriber *self, size_t topic)
{
    TD_ASSERT(topic < self->options.topic_count);
    topic_progress *row = &self->rows[topic];
    if (row->is_ended)
        return;
    row->is_ended = 1;
    self->ended_count++;
    if (row->state == TOPIC_GRANTED || row->state == TOPIC_UNANSWERED || row->is_renewed)
        set_state(self, topic, TOPIC_LEAVING);
    else if (row->state != TOPIC_REQUESTED)
        set_state(self, topic, TOPIC_LEFT);
    row->is_renewed = 0;
}

int subscriber_renew(subscriber *self, size_t topic)
{
    TD_ASSERT(topic < self->options.topic_count);
    if (self->rows[topic].state != TOPIC_GRANTED)
        return 0;
    self->rows[topic].is_renewed = 1;
    set_state(self, topic, TOPIC_LEAVING);
    return 1;
}

uint64_t subscriber_due_ns(const subscriber *self)
{
    uint64_t due_ns = UINT64_MAX;
    if (self->open_count > 0)
        due_ns = self->open[0].sent_mono_ns + SUBSCRIBER_ANSWER_NS;
    if (self->counts[TOPIC_REFUSED] + self->counts[TOPIC_UNANSWERED] == 0)
        return due_ns;
    for (size_t i = 0; i < self->options.topic_count; i++)
        if (is_waiting(self->rows[i].state) && self->rows[i].retry_mono_ns < due_ns)
            due_ns = self->rows[i].retry_mono_ns;
    return due_ns;
}

int subscriber_is_answered(const subscriber *self)
{
    TD_ASSERT(self->counts[TOPIC_GRANTED] <= self->options.topic_count);
    return self->counts[TOPIC_QUEUED] + self->counts[TOPIC_REQUESTED] == 0;
}

int subscriber_covers(const subscriber *self, const subscriber *other)
{
    TD_ASSERT(self->options.topic_count == other->options.topic_count);
    for (size_t i = 0; i < other->options.topic_count; i++)
        if (other->rows[i].state == TOPIC_GRANTED && self->rows[i].state != TOPIC_GRANTED)
            return 0;
    return 1;
}

size_t subscriber_granted_count(const subscriber *self)
{
    return self->counts[TOPIC_GRANTED];
}

size_t subscriber_refused_count(const subscriber *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->options.topic_count; i++)
        count += self->rows[i].refusals > 0 && !self->rows[i].is_ended;
    return count;
}

size_t subscriber_wanted_count(const subscriber *self)
{
    return self->options.topic_count - self->ended_count;
}

/* ---- life ---- */

/* Queue first the good topics, then each unanswered topic alone. Refused topics continue to wait.
 */
void subscriber_restart(subscriber *self)
{
    size_t count = self->options.topic_count;
    self->open_count = 0;
    self->queue_count = self->queue_first = 0;
    for (size_t i = 0; i < count; i++) {
        size_t first = i;
        while (i < count && !is_waiting(self->rows[i].state))
            i++;
        if (i > first)
            queue_push(self, (range){first, i - first});
    }
    for (size_t i = 0; i < count; i++)
        if (self->rows[i].state == TOPIC_UNANSWERED)
            queue_push(self, (range){i, 1});
}

subscriber *subscriber_open(const subscriber_options *options)
{
    TD_ASSERT(options->dialect != NULL);
    TD_ASSERT(options->topic_count == 0 || !dialect_subscribes_with_auth(options->dialect));
    subscriber *self = td_alloc_zero(1, sizeof *self);
    size_t count = options->topic_count;
    self->options = *options;
    td_buf_init(&self->names, SIZE_MAX);
    self->queue_capacity = count + 1;
    for (size_t i = 0; i < count; i++) {
        self->rows = td_array_grow(self->rows, i, sizeof *self->rows);
        self->rows[i] = (topic_progress){.state = TOPIC_QUEUED};
    }
    self->queue = td_alloc_zero(self->queue_capacity, sizeof *self->queue);
    self->counts[TOPIC_QUEUED] = count;
    return self;
}

void subscriber_close(subscriber *self)
{
    if (self == NULL)
        return;
    td_buf_fini(&self->names);
    td_free(self->rows);
    td_free(self->queue);
    td_free(self);
}
