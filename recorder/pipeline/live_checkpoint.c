#include "recorder/pipeline/live_checkpoint.h"

#include "base/alloc.h"
#include "base/limits.h"

static void free_ready(ready_checkpoint *checkpoint)
{
    if (checkpoint == NULL)
        return;
    td_buf_fini(&checkpoint->record);
    td_free(checkpoint);
}

void live_checkpoint_fetch(live_checkpoint *self, feed_writer *writer)
{
    ready_checkpoint *ready = atomic_exchange_explicit(self, NULL, memory_order_acq_rel);
    if (ready != NULL)
        feed_writer_put_checkpoint(writer, ready->segment, &ready->record);
    free_ready(ready);
}

void live_checkpoint_fini(live_checkpoint *self)
{
    free_ready(atomic_load_explicit(self, memory_order_acquire));
}

void checkpoint_maker_init(checkpoint_maker *self, const td_log *log)
{
    self->log = log;
    checkpoint_builder_init(&self->builder);
    td_buf_init(&self->state, LIMIT_STATE_BYTES);
}

void checkpoint_maker_fini(checkpoint_maker *self)
{
    checkpoint_builder_fini(&self->builder);
    td_buf_fini(&self->state);
}

void checkpoint_maker_add(checkpoint_maker *self, const symbol_entry *entry)
{
    const symbol_topic *topic;
    int is_saved = 1;
    for (size_t i = 0; (topic = symbol_state_topic_at(entry->state, i)) != NULL; i++)
        is_saved &= topic->choice.count <= 1;
    is_saved = is_saved && symbol_state_save(entry->state, &self->state, NULL) == TD_OK;
    checkpoint_builder_add(&self->builder, td_bytes_str(entry->symbol),
                           is_saved ? td_buf_view(&self->state) : td_bytes_of(NULL, 0));
}

static void report_left_out(checkpoint_maker *self, const char *feed)
{
    const checkpoint_builder *builder = &self->builder;
    if (builder->omitted == 0)
        return;
    atomic_fetch_add_explicit(&self->left_out, builder->omitted, memory_order_relaxed);
    if (!self->is_left_out_logged)
        td_log_emit(self->log, TD_LOG_WARNING,
                    "%s: the states of %u of %u symbols are not in a checkpoint: they are too "
                    "large, or their topics come over several connections; reading these symbols "
                    "from the middle of the recording takes longer",
                    feed, builder->omitted, builder->count);
    self->is_left_out_logged = 1;
}

void checkpoint_maker_finish(checkpoint_maker *self, const char *feed, uint64_t from_ns,
                             uint32_t segment, live_checkpoint *out)
{
    report_left_out(self, feed);
    ready_checkpoint *ready = td_alloc_zero(1, sizeof *ready);
    ready->segment = segment;
    td_buf_init(&ready->record, LIMIT_RECORD_BYTES);
    checkpoint_builder_finish(&self->builder, from_ns, &ready->record);
    free_ready(atomic_exchange_explicit(out, ready, memory_order_acq_rel));
}
