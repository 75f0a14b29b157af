#include "recorder/reload_apply.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/ledger.h"

enum { RELOADS_MAX = 1000 }; /* with other settings: each keeps the texts of its file */

struct reload_apply {
    reload_apply_options options;
    reload_plan plan;
    feed_setup *setups; /* of the feeds to add, in the order of plan.added */
    feed_slots past[LIMIT_FEEDS];
    gap_list ledger;
    subscription fresh[LIMIT_FEEDS]; /* of the changed feeds */
    uint8_t uses_texts; /* the running configuration has texts of the wanted one's file */
};

/* Set up the feeds to add: files, environment, list of instruments, and what earlier sessions have
 * of them. */
static td_result prepare_feeds(reload_apply *self, td_err *err)
{
    const reload_apply_options *o = &self->options;
    const archive_options reading = {.io = o->env.io, .clock = o->clock, .log = o->env.log};
    archive *from = NULL;
    archive_view *view = NULL;
    wire_loop *loop = NULL;
    td_result rc = wire_loop_open(o->clock, o->env.log, &loop, err);
    if (rc == TD_OK)
        rc = archive_open(&reading, archive_path(o->archive), ARCHIVE_READ, &from, err);
    feed_setup_env env = o->env;
    env.loop = loop;
    env.past = from;
    for (size_t i = 0; rc == TD_OK && i < self->plan.added_count; i++)
        rc = feed_setup_open(o->wanted, self->plan.added[i], &env, &self->setups[i], err);
    if (rc == TD_OK)
        rc = archive_view_open(from, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK)
        archive_gaps_of(view, &self->ledger);
    for (size_t i = 0; rc == TD_OK && i < self->plan.added_count; i++)
        rc = feed_read_past(view, &o->wanted->feeds[self->plan.added[i]], &self->setups[i],
                            clock_wall_ns(o->clock), &self->past[i], err);
    archive_view_close(view);
    archive_close(from);
    if (loop != NULL)
        wire_loop_close(loop);
    return rc;
}

td_result reload_apply_open(const reload_apply_options *options, reload_apply **out, td_err *err)
{
    reload_apply *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->setups = feed_setup_make_all();
    *options->changes = (reload_changes){0};
    *out = self;
    if (options->running->later_file_count >= RELOADS_MAX)
        return td_err_set(err, TD_E_LIMIT,
                          "%d new configurations were used in this session: start the "
                          "recorder again",
                          RELOADS_MAX);
    td_result rc = reload_compare(options->running, options->wanted, &self->plan, err);
    return rc == TD_OK && self->plan.added_count > 0 ? prepare_feeds(self, err) : rc;
}

int reload_apply_has_changes(const reload_apply *self)
{
    return self->plan.changed_count + self->plan.added_count + self->plan.removed_count > 0;
}

/* Make the changed feeds' new subscriptions. */
static td_result choose_topics(reload_apply *self, const feed_list *feeds, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < self->plan.changed_count; i++) {
        const reload_pair pair = self->plan.changed[i];
        instruments *listed = feeds->items[pair.running].setup->listed;
        if (listed != NULL)
            instruments_choose(listed, &self->options.wanted->feeds[pair.wanted].symbols);
        rc = feed_setup_choose_topics(self->options.wanted, pair.wanted, &self->options.env, listed,
                                      &self->fresh[i], err);
    }
    for (size_t i = 0; rc != TD_OK && i < self->plan.changed_count; i++) {
        const feed *unchanged = &feeds->items[self->plan.changed[i].running];
        if (unchanged->setup->listed != NULL)
            instruments_choose(unchanged->setup->listed, &unchanged->config->symbols);
    }
    return rc;
}

static void change_feed(reload_apply *self, feed_list *feeds, size_t number)
{
    const reload_pair pair = self->plan.changed[number];
    feed *changed = &feeds->items[pair.running];
    const feed_config *wanted = &self->options.wanted->feeds[pair.wanted];
    const uint32_t shard_count = feed_shard_count(changed);
    topic_numbers begun;
    topic_numbers ended;
    td_err err;
    if (pair.has_other_settings) {
        changed->config->topics = wanted->topics;
        changed->config->symbols = wanted->symbols;
        changed->config->symbols_file = wanted->symbols_file;
        self->uses_texts = 1;
    }
    if (subscription_change(&changed->setup->subscription, changed->config, &self->fresh[number],
                            &begun, &ended, &err) != TD_OK)
        td_log_emit(feeds->log, TD_LOG_ERROR,
                    "the new configuration is not recorded completely: %s", err.text);
    feed_end_topics(changed, &ended, GAP_DETAIL_REMOVED);
    feed_begin_topics(changed, shard_count, &begun);
    feed_send_changes(changed);
    if (changed->setup->listed != NULL)
        http_feed_list_again(changed->http, 0);
    self->options.changes->topics_added += begun.count;
    self->options.changes->topics_removed += ended.count;
    td_free(begun.items);
    td_free(ended.items);
}

static void add_feed(reload_apply *self, feed_list *feeds, size_t number)
{
    recorder_config *config = feeds->config;
    const size_t index = config->feed_count;
    config->feeds[index] = self->options.wanted->feeds[self->plan.added[number]];
    config->pipeline.feeds[index] =
        (pipeline_feed){.name = config->feeds[index].name,
                        .family = config->feeds[index].family,
                        .silence_factor = config->feeds[index].silence_factor};
    redactor_fini(&feeds->setups[index].redactor);
    feeds->setups[index] = self->setups[number];
    self->setups[number] = (feed_setup){0};
    redactor_init(&self->setups[number].redactor);
    config->feed_count++;
    config->pipeline.feed_count++;
    feed *added = feed_list_add(feeds);
    recording_begin_feed(feeds->recording, added->index);
    feed_open_gaps(added, &self->past[number], &self->ledger,
                   intake_now_ns(recording_intake(feeds->recording)));
    feed_emit_gaps(added);
    feed_open_http(added);
    feed_open_slots(added);
    feed_start_slots(added);
    http_feed_start(added->http);
}

/* End a feed as planned: its topics have ended when its connections close. */
static void remove_feed(feed *removed)
{
    topic_numbers ended;
    topic_numbers begun;
    const subscription none = {0};
    td_result rc = subscription_change(&removed->setup->subscription, removed->config, &none,
                                       &begun, &ended, NULL);
    TD_ASSERT(rc == TD_OK);
    feed_end_gaps(removed);
    feed_end_topics(removed, &ended, GAP_DETAIL_REMOVED);
    removed->config->is_removed = 1;
    http_feed_stop(removed->http);
    for (size_t i = 0; i < removed->slot_count; i++)
        connection_stop(removed->slots[i], CONNECTION_STOP_ORDERLY);
    td_free(ended.items);
    td_free(begun.items);
}

td_result reload_apply_run(reload_apply *self, feed_list *feeds, td_err *err)
{
    td_result rc = choose_topics(self, feeds, err);
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; i < self->plan.changed_count; i++)
        change_feed(self, feeds, i);
    for (size_t i = 0; i < self->plan.removed_count; i++)
        remove_feed(&feeds->items[self->plan.removed[i]]);
    for (size_t i = 0; i < self->plan.added_count; i++)
        add_feed(self, feeds, i);
    self->options.changes->feeds_added = self->plan.added_count;
    self->options.changes->feeds_removed = self->plan.removed_count;
    if (self->uses_texts || self->plan.added_count > 0)
        config_take_file(feeds->config, self->options.wanted);
    return TD_OK;
}

void reload_apply_close(reload_apply *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < LIMIT_FEEDS; i++) {
        feed_slots_fini(&self->past[i]);
        subscription_fini(&self->fresh[i]);
    }
    gap_list_fini(&self->ledger);
    feed_setup_close_all(self->setups);
    td_free(self);
}
