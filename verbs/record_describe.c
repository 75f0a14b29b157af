#include "verbs/record_describe.h"

#include "base/clock.h"
#include "base/io_posix.h"
#include "base/process_memory.h"

/* Count a second, since a count at an earlier moment. */
static uint64_t a_second(uint64_t now, uint64_t before, uint64_t elapsed_ns)
{
    return elapsed_ns == 0 || now < before
               ? 0
               : (uint64_t)((double)(now - before) * 1e9 / (double)elapsed_ns + 0.5);
}

/* A feed that was added since then has no rate yet. */
static uint64_t frames_before(const record_counts *before, const supervisor_feed *feed)
{
    if (before->mono_ns == 0)
        return 0;
    for (size_t i = 0; i < before->feed_count; i++)
        if (before->feeds[i] == feed->name)
            return before->feed_frames[i];
    return feed->frames;
}

static void describe_feed(const supervisor_feed *feed, uint64_t rate, result_writer *r)
{
    const uint64_t wall_ns = clock_wall_ns(clock_real());
    char age[TD_TIME_TEXT_BYTES] = "-";
    const int is_down = feed->live_connections < feed->connections;
    if (feed->last_data_ns != 0 && feed->last_data_ns < wall_ns)
        td_duration_format(wall_ns - feed->last_data_ns, age);
    result_object_begin(r, NULL);
    result_text(r, "feed", feed->name);
    result_text(r, "family", feed->family);
    result_count(r, "topics", feed->topics);
    result_count(r, "topics_granted", feed->topics_granted);
    result_count(r, "topics_silent", feed->topics_silent);
    result_count(r, "topics_overdue", feed->topics_overdue);
    result_count(r, "topics_refused", feed->topics_refused);
    result_styled(r, "state", is_down ? TERMINAL_BAD : TERMINAL_GOOD,
                  is_down ? "NOT LIVE" : "live");
    result_count(r, "connections", feed->connections);
    result_count(r, "live_connections", feed->live_connections);
    result_count(r, "rate", rate);
    result_count(r, "frames", feed->frames);
    if (feed->last_data_ns == 0)
        result_null(r, "last_data_ns");
    else
        result_time(r, "last_data_ns", feed->last_data_ns);
    result_note(r, "age", "%s", age);
    result_object_end(r, NULL);
}

static void describe_feeds(const record_moment *now, const record_counts *before,
                           uint64_t elapsed_ns, result_writer *r)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, "{feed}"},
        {"", TABLE_LEFT, "{state}"},
        {"live", TABLE_RIGHT, "{live_connections}"},
        {"of", TABLE_RIGHT, "{connections}"},
        {"topics", TABLE_RIGHT, "{topics}"},
        {"frames/s", TABLE_RIGHT, "{rate}"},
        {"frames", TABLE_RIGHT, "{frames}"},
        {"last data", TABLE_RIGHT, "{age}"},
        {"granted", TABLE_RIGHT, "{topics_granted}"},
        {"silent", TABLE_RIGHT, "{topics_silent}"},
        {"refused", TABLE_RIGHT, "{topics_refused}"},
    };
    result_table_begin(r, "feeds", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < now->feed_count; i++) {
        const supervisor_feed *feed = &now->feeds[i];
        describe_feed(feed, a_second(feed->frames, frames_before(before, feed), elapsed_ns), r);
    }
    result_list_end(r);
}

static void describe_machine(const char *path, result_writer *r)
{
    td_space space = {0};
    (void)!td_io_space(io_posix(), path, &space, NULL);
    result_size(r, "memory_bytes", process_memory().resident_bytes);
    result_size(r, "disk_free_bytes", space.free_bytes);
    result_size(r, "disk_bytes", space.total_bytes);
}

static void describe_reloads(const record_moment *now, result_writer *r)
{
    result_count(r, "reloads", now->reloads);
    if (now->reload_ns == 0)
        result_null(r, "reload_ns");
    else
        result_time(r, "reload_ns", now->reload_ns);
    result_text(r, "reload_error", now->reload_error);
}

void record_describe(const record_moment *now, const record_counts *before, result_writer *r)
{
    const recording_stats *of = &now->status.recording;
    const uint64_t elapsed_ns = before->mono_ns == 0
                                    ? now->status.elapsed_ns
                                    : clock_mono_ns(clock_real()) - before->mono_ns;
    char running[TD_TIME_TEXT_BYTES];
    char durable[TD_TIME_TEXT_BYTES];
    char slowest[TD_TIME_TEXT_BYTES];
    td_duration_format(now->status.elapsed_ns, running);
    td_duration_format(of->lag.last_ns, durable);
    td_duration_format(of->lag.max_ns, slowest);
    result_object_begin(r, NULL);
    result_text(r, "archive", now->archive);
    result_text(r, "session", now->session);
    result_fraction(r, "elapsed_s", now->status.elapsed_ns / TD_NS_PER_MS, 3);
    result_note(r, "running", "%s", running);
    describe_feeds(now, before, elapsed_ns, r);
    result_count(r, "rate", a_second(of->intake.frames_in, before->frames, elapsed_ns));
    result_size(r, "byte_rate", a_second(of->intake.bytes_in, before->bytes, elapsed_ns));
    result_count(r, "frames", of->intake.frames_in);
    result_size(r, "bytes", of->intake.bytes_in);
    result_count(r, "dropped", of->intake.frames_dropped);
    result_count(r, "gaps", of->intake.gaps);
    result_count(r, "broken", of->live_check.broken);
    result_count(r, "http_failures", now->status.http_failures);
    result_number(r, "lag_ns", of->lag.last_ns);
    result_number(r, "lag_ns_max", of->lag.max_ns);
    result_note(r, "durable", "%s", durable);
    result_note(r, "slowest", "%s", slowest);
    result_number(r, "ring_percent", of->ring_percent);
    describe_machine(now->archive, r);
    describe_reloads(now, r);
    result_object_end(r, "{archive}, session {session}, for {running}\n\n{feeds}\n"
                         "{rate frame}/s  {byte_rate}/s  {frames frame}  {bytes}\n"
                         "{gaps gap}  {broken book} broken  {dropped frame} dropped\n"
                         "durable after {durable}, at most {slowest}  ring {ring_percent} %\n"
                         "memory {memory_bytes}  disk {disk_free_bytes} free of {disk_bytes}\n"
                         "[the last reload failed: {reload_error}\n]");
}

void record_counts_take(record_counts *self, const record_moment *now)
{
    *self = (record_counts){.mono_ns = clock_mono_ns(clock_real()),
                            .frames = now->status.recording.intake.frames_in,
                            .bytes = now->status.recording.intake.bytes_in,
                            .feed_count = now->feed_count};
    for (size_t i = 0; i < now->feed_count; i++) {
        self->feeds[i] = now->feeds[i].name;
        self->feed_frames[i] = now->feeds[i].frames;
    }
}
