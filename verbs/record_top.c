#include "verbs/record_top.h"

#include "base/clock.h"
#include "base/io_posix.h"
#include "base/cli/units.h"
#include "verbs/record_status.h"

/* Count a second, since a count at an earlier screen. */
static uint64_t a_second(uint64_t now, uint64_t before, uint64_t elapsed_ns)
{
    return elapsed_ns == 0 || now < before
               ? 0
               : (uint64_t)((double)(now - before) * 1e9 / (double)elapsed_ns + 0.5);
}

static uint64_t frames_before(const record_top *self, const char *feed, uint64_t now)
{
    for (size_t i = 0; i < self->feed_count; i++)
        if (self->feeds[i] == feed)
            return self->feed_frames[i];
    return now;
}

static void describe_feed(const record_top *self, const supervisor_feed *feed, uint64_t elapsed_ns,
                          result_writer *r)
{
    const uint64_t wall_ns = clock_wall_ns(clock_real());
    char age[TD_TIME_TEXT_BYTES] = "-";
    const int is_down = feed->live_connections < feed->connections;
    if (feed->last_data_ns != 0 && feed->last_data_ns < wall_ns)
        td_duration_format(wall_ns - feed->last_data_ns, age);
    result_object_begin(r, NULL);
    result_text(r, "feed", feed->name);
    result_count(r, "topics", feed->topics);
    result_count(r, "topics_silent", feed->topics_silent);
    result_count(r, "topics_refused", feed->topics_refused);
    result_styled(r, "live", is_down ? TERMINAL_BAD : TERMINAL_GOOD, is_down ? "NOT LIVE" : "live");
    result_count(r, "connections", feed->connections);
    result_count(r, "live_connections", feed->live_connections);
    result_count(r, "rate",
                 a_second(feed->frames, frames_before(self, feed->name, feed->frames), elapsed_ns));
    result_count(r, "frames", feed->frames);
    result_note(r, "age", "%s", age);
    result_object_end(r, NULL);
}

static void describe_feeds(const record_top *self, const supervisor_feed *feeds, size_t count,
                           uint64_t elapsed_ns, result_writer *r)
{
    static const table_column COLUMNS[] = {
        {"feed", TABLE_LEFT, "{feed}"},
        {"", TABLE_LEFT, "{live}"},
        {"live", TABLE_RIGHT, "{live_connections}"},
        {"of", TABLE_RIGHT, "{connections}"},
        {"topics", TABLE_RIGHT, "{topics}"},
        {"frames/s", TABLE_RIGHT, "{rate}"},
        {"frames", TABLE_RIGHT, "{frames}"},
        {"last data", TABLE_RIGHT, "{age}"},
        {"silent", TABLE_RIGHT, "{topics_silent}"},
        {"refused", TABLE_RIGHT, "{topics_refused}"},
    };
    result_table_begin(r, "feeds", COLUMNS, sizeof COLUMNS / sizeof COLUMNS[0]);
    for (size_t i = 0; i < count; i++)
        describe_feed(self, &feeds[i], elapsed_ns, r);
    result_list_end(r);
}

static void describe_machine(const char *path, result_writer *r)
{
    td_space space = {0};
    double virtual_bytes = 0;
    double resident_bytes = 0;
    record_status_memory(&virtual_bytes, &resident_bytes);
    (void)!td_io_space(io_posix(), path, &space, NULL);
    result_size(r, "memory", (uint64_t)resident_bytes);
    result_size(r, "free", space.free_bytes);
    result_size(r, "disk", space.total_bytes);
}

void record_top_describe(record_top *self, const char *path, const supervisor_status *status,
                         const supervisor_feed *feeds, size_t feed_count, result_writer *r)
{
    const uint64_t mono_ns = clock_mono_ns(clock_real());
    const uint64_t elapsed_ns = self->mono_ns == 0 ? 0 : mono_ns - self->mono_ns;
    const recording_stats *of = &status->recording;
    char running[TD_TIME_TEXT_BYTES];
    char durable[TD_TIME_TEXT_BYTES];
    char slowest[TD_TIME_TEXT_BYTES];
    td_duration_format(status->elapsed_ns, running);
    td_duration_format(of->lag.last_ns, durable);
    td_duration_format(of->lag.max_ns, slowest);
    result_object_begin(r, NULL);
    result_text(r, "archive", path);
    result_note(r, "running", "%s", running);
    describe_feeds(self, feeds, feed_count, elapsed_ns, r);
    result_count(r, "rate", a_second(of->intake.frames_in, self->frames, elapsed_ns));
    result_size(r, "byte_rate", a_second(of->intake.bytes_in, self->bytes, elapsed_ns));
    result_count(r, "frames", of->intake.frames_in);
    result_size(r, "bytes", of->intake.bytes_in);
    result_count(r, "dropped", of->intake.frames_dropped);
    result_count(r, "gaps", of->intake.gaps);
    result_count(r, "broken", of->live_check.broken);
    result_note(r, "durable", "%s", durable);
    result_note(r, "slowest", "%s", slowest);
    result_number(r, "ring", of->ring_percent);
    describe_machine(path, r);
    result_object_end(r, "{archive}, for {running}\n\n{feeds}\n"
                         "{rate frame}/s  {byte_rate}/s  {frames frame}  {bytes}\n"
                         "{gaps gap}  {broken book} broken  {dropped frame} dropped\n"
                         "durable after {durable}, at most {slowest}  ring {ring} %\n"
                         "memory {memory}  disk {free} free of {disk}\n");
    *self = (record_top){.mono_ns = mono_ns,
                         .frames = of->intake.frames_in,
                         .bytes = of->intake.bytes_in,
                         .feed_count = feed_count};
    for (size_t i = 0; i < feed_count; i++) {
        self->feeds[i] = feeds[i].name;
        self->feed_frames[i] = feeds[i].frames;
    }
}
