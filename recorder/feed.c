#include "recorder/feed.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/random.h"

/* A fetched snapshot that was too old is replaced soon: the next one is newer. */
#define FETCH_AGAIN_NS (10 * TD_NS_PER_S)
#define LIST_AGAIN_NS  (5 * TD_NS_PER_S)

uint32_t feed_line_count(const feed *self)
{
    return config_line_numbers(self->config);
}

uint32_t feed_shard_count(const feed *self)
{
    return self->setup->subscription.shard_count;
}

connection *feed_connection(const feed *self, size_t line, size_t shard)
{
    const size_t at = shard * feed_line_count(self) + line;
    return line < feed_line_count(self) && at < self->slot_count ? self->slots[at] : NULL;
}

static connection *slot_of_topic(const feed *self, uint32_t line, size_t topic)
{
    return feed_connection(self, line, subscription_shard_of(&self->setup->subscription, topic));
}

connection *feed_idle_connection(const feed *self, uint32_t shard)
{
    for (size_t line = 0; line < feed_line_count(self); line++) {
        connection *slot = feed_connection(self, line, shard);
        if (slot != NULL && connection_get_status(slot).is_idle)
            return slot;
    }
    return NULL;
}

int feed_waits_for_list(const feed *self)
{
    return self->setup->listed != NULL && self->setup->subscription.topic_count == 0;
}

/* ---- gaps ---- */

static void write_gap(void *user, uint16_t feed_index, const gap_row *row)
{
    const feed_list *self = user;
    const event gap_event = {.kind = EVENT_GAP, .gap = *row};
    intake_event(recording_intake(self->recording), feed_index, &gap_event);
}

/* A gap opens or ends. */
static void on_gap(void *user, uint16_t feed_index, const gap_row *row)
{
    const feed *self = user;
    connection *others[LIMIT_FEED_LINE_NUMBERS];
    size_t count = 0;
    write_gap(self->list, feed_index, row);
    if (row->to_ns == GAP_OPEN)
        return;
    for (size_t line = 0; line < feed_line_count(self); line++) {
        connection *other = feed_connection(self, line, row->shard);
        if (line != row->line && other != NULL)
            others[count++] = other;
    }
    if (count > 0)
        covered_gaps_add(self->list->covered, feed_index, row, others, count);
}

td_result feed_read_past(archive_view *view, const feed_config *config, const feed_setup *setup,
                         uint64_t before_ns, feed_slots *out, td_err *err)
{
    const feed_slots_query query = {.feed = config->name,
                                    .before_ns = before_ns,
                                    .shard_count = setup->subscription.shard_count,
                                    .is_control_data = config->api_key_env != NULL};
    td_result rc = feed_slots_read(view, &query, out, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "gaps of feed '%s'", config->name);
}

void feed_open_gaps(feed *self, const feed_slots *past, const gap_list *ledger, uint64_t start_ns)
{
    open_gaps_options options = {.feed = self->config,
                                 .wanted = &self->setup->subscription,
                                 .past = past,
                                 .ledger = ledger,
                                 .start_ns = start_ns,
                                 .feed_index = self->index,
                                 .emit = on_gap,
                                 .user = self};
    for (; options.line < feed_line_count(self); options.line++)
        self->gaps[options.line] = open_gaps_open(&options);
}

td_result feed_put_gaps(const feed *self, uint32_t line, td_err *err)
{
    size_t count = 0;
    const gap_row *begun = open_gaps_begun(self->gaps[line], &count);
    return archive_writer_put_gaps(recording_writer(self->list->recording), begun, count, err);
}

void feed_emit_gaps(feed *self)
{
    size_t count = 0;
    for (size_t line = 0; line < feed_line_count(self); line++) {
        const gap_row *begun = open_gaps_begun(self->gaps[line], &count);
        for (size_t i = 0; i < count; i++)
            on_gap(self, self->index, &begun[i]);
    }
}

void feed_list_split_gaps(const feed_list *self)
{
    const uint64_t now_ns = intake_now_ns(recording_intake(self->recording));
    for (size_t i = 0; i < self->count; i++) {
        const feed *of = &self->items[i];
        for (size_t line = 0; of->config->lines > 1 && line < feed_line_count(of); line++)
            for (uint32_t shard = 0; shard < feed_shard_count(of); shard++)
                open_gaps_split(of->gaps[line], shard, now_ns);
    }
}

/* ---- slots ---- */

static void open_slot(feed *self, uint16_t line, uint32_t shard)
{
    TD_ASSERT(self->setup->budget != NULL);
    const feed_setup *setup = self->setup;
    connection_options options = {
        .env = &self->list->env,
        .feed = self->config,
        .feed_index = self->index,
        .line = line,
        .shard = shard,
        .api_key = setup->api_key,
        .api_secret = setup->api_secret,
        .api_passphrase = setup->api_passphrase,
        .redactor = self->pipeline->redactor,
        .budget = setup->budget,
        .gaps = self->gaps[line],
        .topic_first = setup->subscription.shards[shard],
        .shard_count = setup->subscription.shard_count,
    };
    options.topics = subscription_shard(&setup->subscription, shard, &options.topic_count);
    td_random_system(&options.seed, sizeof options.seed);
    self->slots = td_array_grow(self->slots, self->slot_count, sizeof(connection *));
    connection *made = connection_open(&options);
    self->slots[self->slot_count++] = made;
    const takeover *replaces = self->list->replaces;
    const takeover_slot *before =
        replaces == NULL ? NULL : takeover_find(replaces, self->config->name, line, shard);
    if (before != NULL)
        connection_set_last_number(made, before->conn);
}

/* Shards may have been added since the last call. */
void feed_open_slots(feed *self)
{
    const size_t lines = feed_line_count(self);
    for (size_t at = self->slot_count; at < lines * feed_shard_count(self); at++)
        open_slot(self, (uint16_t)(at % lines), (uint32_t)(at / lines));
}

static void start_shard(const feed *self, uint32_t shard)
{
    size_t missing = self->config->lines;
    connection *idle;
    for (size_t line = 0; line < feed_line_count(self); line++)
        missing -=
            missing > 0 && !connection_get_status(feed_connection(self, line, shard)).is_idle;
    for (; missing > 0 && (idle = feed_idle_connection(self, shard)) != NULL; missing--)
        connection_start(idle);
}

void feed_start_slots(const feed *self)
{
    if (feed_waits_for_list(self))
        return;
    for (uint32_t shard = 0; shard < feed_shard_count(self); shard++)
        start_shard(self, shard);
}

void feed_on_live(const feed *self)
{
    for (size_t i = 0; self->config->lines > 1 && i < self->slot_count; i++)
        connection_prove(self->slots[i]);
    http_feed_live(self->http);
}

connection *feed_list_next_slot(const feed_list *self, const connection *slot)
{
    size_t i = 0;
    size_t next = 0;
    if (slot != NULL) {
        i = connection_feed(slot);
        next = connection_shard(slot) * (size_t)feed_line_count(&self->items[i]) +
               connection_line(slot) + 1;
    }
    for (; i < self->count; i++, next = 0)
        if (next < self->items[i].slot_count)
            return self->items[i].slots[next];
    return NULL;
}

void feed_list_stop(const feed_list *self, connection_stop_mode mode)
{
    connection *slot = NULL;
    while ((slot = feed_list_next_slot(self, slot)) != NULL)
        connection_stop(slot, mode);
}

/* ---- topics that begin and end ---- */

void feed_send_changes(const feed *self)
{
    for (size_t line = 0; line < feed_line_count(self); line++)
        for (uint32_t shard = 0; shard < feed_shard_count(self); shard++)
            connection_send_changes(feed_connection(self, line, shard));
}

void feed_begin_topics(feed *self, uint32_t shard_count_before, const topic_numbers *begun)
{
    for (uint32_t line = 0; line < feed_line_count(self); line++) {
        open_gaps_added(self->gaps[line]);
        for (size_t i = 0; i < begun->count; i++)
            if (subscription_shard_of(&self->setup->subscription, begun->items[i]) <
                shard_count_before)
                connection_add_topic(slot_of_topic(self, line, begun->items[i]), begun->items[i]);
    }
    feed_open_slots(self);
    feed_start_slots(self);
}

void feed_end_topics(const feed *self, const topic_numbers *ended, const char *why)
{
    uint64_t now_ns = intake_now_ns(recording_intake(self->list->recording));
    for (uint32_t line = 0; line < feed_line_count(self); line++)
        for (size_t i = 0; i < ended->count; i++) {
            connection_end_topic(slot_of_topic(self, line, ended->items[i]), ended->items[i], why);
            open_gaps_ended(self->gaps[line], ended->items[i], now_ns, why);
        }
}

void feed_end_gaps(const feed *self)
{
    const uint64_t now_ns = intake_now_ns(recording_intake(self->list->recording));
    for (uint32_t line = 0; line < feed_line_count(self); line++)
        open_gaps_removed(self->gaps[line], now_ns);
}

/* ---- instruments that are listed or ended ---- */

static void begin_symbols(feed *self, const symbol_list *symbols)
{
    td_err err;
    topic_numbers changed;
    subscription *topics = &self->setup->subscription;
    const uint32_t shard_count = topics->shard_count;
    if (subscription_add(topics, self->config, symbols, &changed, &err) != TD_OK)
        td_log_emit(self->list->log, TD_LOG_ERROR,
                    "new instruments are not recorded completely: %s", err.text);
    feed_begin_topics(self, shard_count, &changed);
    td_free(changed.items);
}

static void end_symbols(const feed *self, const symbol_list *symbols)
{
    topic_numbers changed;
    subscription_end(&self->setup->subscription, self->config, symbols, &changed);
    feed_end_topics(self, &changed, GAP_DETAIL_INSTRUMENT_ENDED);
    td_free(changed.items);
}

static void log_symbols(const feed *self, const char *what, const symbol_list *symbols)
{
    for (size_t i = 0; i < symbols->count; i++)
        td_log_emit(self->list->log, TD_LOG_INFO, "%s: %s %s", self->config->name,
                    symbols->items[i], what);
}

/* The list of instruments was read: record what it begins, and no longer what it ends. */
static void follow_list(feed *self)
{
    const instruments *listed = self->setup->listed;
    symbol_list begun = {0};
    symbol_list ended = {0};
    begun.items = (const char **)instruments_begun(listed, &begun.count);
    ended.items = (const char **)instruments_ended(listed, &ended.count);
    feed_setup_log_odd(self->config, listed, self->list->log);
    log_symbols(self, "is listed: recording begins", &begun);
    log_symbols(self, "has ended: it is no longer recorded", &ended);
    if (ended.count > 0)
        end_symbols(self, &ended);
    if (begun.count > 0)
        begin_symbols(self, &begun);
    if (begun.count + ended.count > 0)
        feed_send_changes(self);
    if (instruments_is_unsure(listed))
        http_feed_list_again(self->http, LIST_AGAIN_NS);
}

static const char *begin_list(void *user, uint16_t feed_index)
{
    const feed *self = user;
    (void)feed_index;
    return instruments_begin(self->setup->listed);
}

static const char *on_listed(void *user, uint16_t feed_index, td_bytes reply)
{
    feed *self = user;
    const char *query = NULL;
    td_err err;
    (void)feed_index;
    if (instruments_take(self->setup->listed, reply, &query, &err) != TD_OK)
        td_log_emit(self->list->log, TD_LOG_WARNING, "%s: the list of instruments is not used: %s",
                    self->config->name, err.text);
    else if (query == NULL)
        follow_list(self);
    return query;
}

void feed_open_http(feed *self)
{
    http_feed_options options = {.loop = self->list->loop,
                                 .intake = recording_intake(self->list->recording),
                                 .clock = self->list->clock,
                                 .log = self->list->log,
                                 .feed = self->config,
                                 .feed_index = self->index,
                                 .redactor = self->pipeline->redactor,
                                 .list_begin = begin_list,
                                 .listed = on_listed,
                                 .user = self};
    self->http = http_feed_open(&options);
}

/* ---- broken books and silent topics ---- */

/* The topic of the feed's subscription that a gap is of, if subscribing it again may help: a book
 * that one snapshot makes whole, or a silent topic; SIZE_MAX: it is not. */
static size_t topic_of_gap(const feed *self, const gap_row *gap)
{
    const family *spoken = self->config->family;
    const subscription *all = &self->setup->subscription;
    char name[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    td_bytes symbol;
    (void)topic_write(spoken->topics, spoken->topic_count, gap->topic, td_bytes_str(gap->symbol),
                      name, sizeof name); /* fits: both are bounded */
    size_t topic = name_index_find(&all->by_name, td_bytes_str(name));
    const topic_row *row = family_topic_row(spoken, name, &symbol);
    int is_recorded = topic != NAME_INDEX_NONE && !all->is_ended[topic];
    int can_heal = row != NULL && topic_row_has_state(row) && gap->reason == GAP_SEQUENCE;
    return is_recorded && (can_heal || gap->reason == GAP_STALE) ? topic : SIZE_MAX;
}

/* 1 if the topic's snapshot is fetched over HTTP. */
static int is_fetched(const feed *self, size_t topic)
{
    return snapshot_fetch_has(self->config, self->setup->subscription.topics[topic]);
}

/* A topic is silent for longer than usual, or was. Returns 1 if it is a gap. */
static int take_silence(const feed *self, size_t topic, const gap_row *gap)
{
    const connection *slot = slot_of_topic(self, gap->line, topic);
    if (slot == NULL)
        return 0;
    const connection_status at = connection_get_status(slot);
    open_gaps *gaps = self->gaps[gap->line];
    if (gap->to_ns != GAP_OPEN)
        open_gaps_heard(gaps, topic, gap->to_ns);
    else if (!at.is_live || at.connects != gap->conn ||
             !open_gaps_silent(gaps, topic, gap->conn, gap->from_ns, gap->detail))
        return 0;
    td_log_emit(self->list->log, gap->to_ns == GAP_OPEN ? TD_LOG_WARNING : TD_LOG_INFO,
                "%s %s.%s: %s (%s)", self->config->name, gap->topic, gap->symbol,
                gap->to_ns == GAP_OPEN ? "silent" : "heard again", gap->detail);
    return 1;
}

void feed_on_granted(const feed *self, const connection *by, size_t topic)
{
    const heal_topic granted = {self->index, connection_line(by), topic};
    if (is_fetched(self, topic))
        snapshot_fetch_add(self->list->snapshots, &granted);
}

void feed_on_found(const feed *self, const gap_row *gap)
{
    const heal_topic topic = {self->index, gap->line, topic_of_gap(self, gap)};
    if (topic.number == SIZE_MAX ||
        (gap->reason == GAP_STALE && !take_silence(self, topic.number, gap)) ||
        self->config->heal != HEAL_RESUBSCRIBE)
        return;
    if (gap->to_ns == GAP_OPEN)
        heal_broken(self->list->heal, &topic, clock_mono_ns(self->list->clock),
                    is_fetched(self, topic.number) ? FETCH_AGAIN_NS : HEAL_WAIT_NS);
    else
        heal_whole(self->list->heal, &topic);
}

void feed_list_heal(const feed_list *self, uint64_t mono_ns)
{
    heal_topic topic;
    while (heal_next(self->heal, mono_ns, &topic)) {
        const feed *of = &self->items[topic.feed_index];
        if (is_fetched(of, topic.number))
            snapshot_fetch_add(self->snapshots, &topic);
        else if (!of->config->is_removed)
            connection_renew_topic(slot_of_topic(of, topic.line, topic.number), topic.number);
    }
}

static const char *wanted_snapshot(void *user, const heal_topic *topic)
{
    const feed_list *self = user;
    const feed *of = &self->items[topic->feed_index];
    const connection *slot = slot_of_topic(of, topic->line, topic->number);
    return slot == NULL || of->setup->subscription.is_ended[topic->number]
               ? NULL
               : connection_open_topic(slot, topic->number);
}

static void put_snapshot(void *user, const heal_topic *topic, td_bytes reply, uint64_t recv_mono_ns)
{
    const feed_list *self = user;
    connection_put_snapshot(
        slot_of_topic(&self->items[topic->feed_index], topic->line, topic->number), topic->number,
        reply, recv_mono_ns);
}

/* ---- the list ---- */

void feed_list_init(feed_list *self)
{
    self->covered = covered_gaps_open(write_gap, self);
    self->heal = heal_open();
}

feed *feed_list_add(feed_list *self)
{
    const size_t index = self->count++;
    TD_ASSERT(index < self->config->feed_count);
    feed *added = &self->items[index];
    *added = (feed){.list = self,
                    .index = (uint16_t)index,
                    .config = &self->config->feeds[index],
                    .pipeline = &self->config->pipeline.feeds[index],
                    .setup = &self->setups[index]};
    if (added->setup->redactor.count > 0)
        added->pipeline->redactor = &added->setup->redactor;
    return added;
}

void feed_list_open_snapshots(feed_list *self)
{
    const snapshot_fetch_options options = {.loop = self->loop,
                                            .intake = recording_intake(self->recording),
                                            .clock = self->clock,
                                            .log = self->log,
                                            .config = self->config,
                                            .wanted = wanted_snapshot,
                                            .put = put_snapshot,
                                            .user = self};
    self->snapshots = snapshot_fetch_open(&options);
}

void feed_list_stop_http(const feed_list *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].http != NULL)
            http_feed_stop(self->items[i].http);
    if (self->snapshots != NULL)
        snapshot_fetch_stop(self->snapshots);
}

void feed_list_fini(feed_list *self)
{
    for (size_t i = 0; i < self->count; i++) {
        feed *closed = &self->items[i];
        for (size_t at = 0; at < closed->slot_count; at++)
            connection_close(closed->slots[at]);
        td_free(closed->slots);
        for (size_t line = 0; line < LIMIT_FEED_LINE_NUMBERS; line++)
            open_gaps_close(closed->gaps[line]);
        http_feed_close(closed->http);
    }
    covered_gaps_close(self->covered);
    heal_close(self->heal);
    snapshot_fetch_close(self->snapshots);
}
