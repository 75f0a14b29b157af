#include "view/answers.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/json/json_write.h"
#include "tape/frame_counts.h"
#include "tape/timeline.h"
#include "view/market.h"
#include "view/verb_child.h"

/* How often the timeline is read again, at most. */
#define UPDATE_NS TD_NS_PER_S

/* Most messages that are read for the frames of tiles: about half a second. */
enum { COUNTED_MESSAGES_MAX = 200 * 1000 };

/* In the 16 bits of a cell's gap reasons: the cell's frames are an estimate. */
#define TILE_ESTIMATE (1U << 15)

/* Steps of 1 ns (k = 0) to about 78 h (k = 48): a year has then few cells. */
enum { K_MAX = 48 };

struct view_answers {
    archive *from;
    char path[LIMIT_PATH_BYTES]; /* absolute, for verbs */
    const char *catalog;         /* NULL: the archive's own */
    view_answers *second;        /* of the second archive; NULL: only one is shown */
    const char *const *decoders; /* options, and a NULL */
    const options_list *families;
    const selection *wanted; /* NULL: everything */
    selection_window window;
    market_cache *cache;
    pthread_mutex_t lock; /* of all below, and of the archive */
    timeline *over_time;  /* NULL: not read yet */
    uint64_t updated_ns;  /* by the monotonic clock */
};

static const char *const NO_DECODERS[] = {NULL};
static const options_list NO_FAMILIES;

td_result view_answers_open(archive *from, const char *catalog_path, view_answers **out,
                            td_err *err)
{
    view_answers *made = td_alloc_zero(1, sizeof *made);
    char path[PATH_MAX];
    td_result rc = TD_OK;
    made->from = from;
    made->catalog = catalog_path;
    made->cache = market_cache_open_default();
    made->decoders = NO_DECODERS;
    made->families = &NO_FAMILIES;
    (void)pthread_mutex_init(&made->lock, NULL);
    if (archive_is_url(archive_path(from)))
        (void)snprintf(made->path, sizeof made->path, "%s", archive_path(from)); /* fits */
    else if (realpath(archive_path(from), path) == NULL)
        rc = td_err_set_os(err, errno, "cannot find '%s'", archive_path(from));
    else if (snprintf(made->path, sizeof made->path, "%s", path) >= (int)sizeof made->path)
        rc = td_err_set(err, TD_E_LIMIT, "the path of the archive is too long: %s", path);
    if (rc != TD_OK)
        view_answers_close(made);
    *out = rc == TD_OK ? made : NULL;
    return rc;
}

void view_answers_close(view_answers *self)
{
    if (self == NULL)
        return;
    timeline_close(self->over_time);
    market_cache_close(self->cache);
    (void)pthread_mutex_destroy(&self->lock);
    td_free(self);
}

void view_answers_pair(view_answers *self, view_answers *second)
{
    self->second = second;
}

void view_answers_set_decoders(view_answers *self, const char *const *options)
{
    self->decoders = options;
}

void view_answers_set_families(view_answers *self, const options_list *paths)
{
    self->families = paths;
}

void view_answers_select(view_answers *self, const selection *wanted, selection_window window)
{
    self->wanted = wanted;
    self->window = window;
}

const timeline *view_answers_timeline(const view_answers *self)
{
    return self->over_time;
}

int view_answers_has_row(const view_answers *self, const timeline_row *row)
{
    return self->wanted == NULL ||
           (selection_has_feed(self->wanted, row->feed) &&
            selection_has_topic(self->wanted, td_bytes_str(row->topic),
                                td_bytes_str(row->exchange_topic), td_bytes_str(row->symbol)));
}

void view_answers_range(const view_answers *self, uint64_t *first_ns, uint64_t *last_ns)
{
    size_t count;
    const timeline_row *rows = timeline_rows(self->over_time, &count);
    if (self->wanted == NULL) {
        timeline_range(self->over_time, first_ns, last_ns);
        return;
    }
    time_span all = TIME_SPAN_NONE;
    for (size_t i = 0; i < count; i++)
        if (rows[i].first_ns != 0 && view_answers_has_row(self, &rows[i]))
            all = time_span_join(all, (time_span){rows[i].first_ns, rows[i].last_ns + 1});
    all = time_span_clip(all, self->window);
    *first_ns = time_span_ns(all) > 0 ? all.from_ns : 0;
    *last_ns = time_span_ns(all) > 0 ? all.to_ns - 1 : 0;
}

/* 1 if a gap is selected. */
static int has_gap(const view_answers *self, const gap_row *gap)
{
    return self->wanted == NULL || selection_wants_gap(self->wanted, self->window, gap);
}

static size_t count_gaps(const view_answers *self)
{
    const gap_list *all = timeline_gaps(self->over_time);
    size_t count = 0;
    for (size_t i = 0; i < all->count; i++)
        count += (size_t)has_gap(self, &all->rows[i]);
    return count;
}

/* Read the archive for the first request; later only for "archive", which the page polls, so that
 * no tile waits for an update. */
static td_result update(view_answers *self, const view_request *request, td_err *err)
{
    td_result rc = TD_OK;
    if (self->over_time == NULL)
        rc = timeline_open(self->from, &self->over_time, err);
    else if (strcmp(request->path, "archive") == 0 &&
             clock_mono_ns(clock_real()) - self->updated_ns >= UPDATE_NS)
        rc = timeline_update(self->over_time, err);
    else
        return TD_OK;
    if (rc == TD_OK)
        self->updated_ns = clock_mono_ns(clock_real());
    return rc;
}

/* ---- the archive ---- */

static td_result write_archive(const view_answers *self, td_buf *out, td_err *err)
{
    json_writer json;
    size_t count;
    uint64_t first_ns;
    uint64_t last_ns;
    const timeline_row *rows = timeline_rows(self->over_time, &count);
    view_answers_range(self, &first_ns, &last_ns);
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_text(&json, "archive", archive_path(self->from));
    json_write_member_text(&json, "path", self->path);
    json_write_member_u64(&json, "now_ns", clock_wall_ns(clock_real()));
    json_write_member_bool(&json, "is_recording", timeline_is_live(self->over_time));
    json_write_member_bool(&json, "is_pair", self->second != NULL);
    json_write_member_bool(&json, "has_decoders", self->decoders[0] != NULL);
    json_write_member_u64(&json, "first_ns", first_ns);
    json_write_member_u64(&json, "last_ns", last_ns);
    json_write_member_u64(&json, "gaps", count_gaps(self));
    json_write_member_array_begin(&json, "rows");
    for (size_t i = 0; i < count; i++) {
        const timeline_row *row = &rows[i];
        if (!view_answers_has_row(self, row))
            continue;
        json_write_object_begin(&json);
        json_write_member_text(&json, "feed", row->feed);
        json_write_member_text(&json, "family", row->family);
        json_write_member_text(&json, "topic", row->topic);
        json_write_member_text(&json, "symbol", row->symbol);
        json_write_key(&json, "frames");
        if (row->frames == UINT64_MAX)
            json_write_null(&json);
        else
            json_write_u64(&json, row->frames);
        json_write_member_u64(&json, "first_ns", row->first_ns);
        json_write_member_u64(&json, "last_ns", row->last_ns);
        json_write_member_text(&json, "type", msg_type_name(row->type));
        json_write_member_bool(&json, "grouped", row->is_grouped);
        json_write_member_text(&json, "proof", topic_proof_name(row->proof));
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    return json_write_end(&json, err);
}

/* ---- gaps ---- */

/* Read a number of an argument. 0: it is absent or no number. */
static int read_number(const view_request *request, const char *name, uint64_t *out)
{
    const char *text = view_request_arg(request, name);
    char *end = NULL;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return 0;
    *out = strtoull(text, &end, 10);
    return *end == '\0';
}

static int compare_gaps(const void *a, const void *b)
{
    const gap_row *left = *(const gap_row *const *)a;
    const gap_row *right = *(const gap_row *const *)b;
    return (left->from_ns > right->from_ns) - (left->from_ns < right->from_ns);
}

static td_result write_gaps(const view_answers *self, time_span asked, td_buf *out, td_err *err)
{
    const gap_list *all = timeline_gaps(self->over_time);
    const gap_row **found = td_alloc_zero(all->count + 1, sizeof(const gap_row *));
    size_t count = 0;
    json_writer json;
    for (size_t i = 0; i < all->count; i++)
        if (has_gap(self, &all->rows[i]) && time_span_overlaps(asked, gap_row_span(&all->rows[i])))
            found[count++] = &all->rows[i];
    qsort(found, count, sizeof(const gap_row *), compare_gaps);
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_u64(&json, "count", count);
    json_write_member_array_begin(&json, "gaps");
    for (size_t i = count > GAPS_ANSWER_MAX ? count - GAPS_ANSWER_MAX : 0; i < count; i++) {
        json_write_object_begin(&json);
        gap_json_members(&json, found[i]);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    td_free(found);
    return json_write_end(&json, err);
}

/* Open the archive for one answer, so that other questions need not wait for it. */
static td_result open_own(const view_answers *self, archive **out, td_err *err)
{
    const archive_options options = {.io = archive_io(self->from),
                                     .clock = archive_clock(self->from),
                                     .catalog_path = self->catalog};
    return archive_open(&options, self->path, ARCHIVE_READ, out, err);
}

/* ---- tiles ---- */

/* Rows of the timeline in bands. */
typedef struct tile_bands {
    const timeline_row *rows;
    size_t row_count;
    uint32_t *order;   /* numbers of the wanted rows, sorted */
    uint32_t *band_of; /* for each row */
    uint32_t *firsts;  /* for each band: its first row in order */
    size_t wanted, count;
} tile_bands;

static int compare_rows(const void *a, const void *b, void *user)
{
    const timeline_row *rows = user;
    const timeline_row *left = &rows[*(const uint32_t *)a];
    const timeline_row *right = &rows[*(const uint32_t *)b];
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

static int is_same_topic(const timeline_row *left, const timeline_row *right)
{
    return strcmp(left->feed, right->feed) == 0 && strcmp(left->topic, right->topic) == 0;
}

/* Make bands: one for each topic. If feed and topic are given: one for each symbol of that topic.
 */
static tile_bands make_bands(const view_answers *self, const char *feed, const char *topic)
{
    tile_bands out = {0};
    out.rows = timeline_rows(self->over_time, &out.row_count);
    out.order = td_alloc_zero(out.row_count + 1, sizeof *out.order);
    out.band_of = td_alloc_zero(out.row_count + 1, sizeof *out.band_of);
    out.firsts = td_alloc_zero(out.row_count + 1, sizeof *out.firsts);
    for (uint32_t i = 0; i < out.row_count; i++) {
        int is_wanted = view_answers_has_row(self, &out.rows[i]) &&
                        (feed == NULL || (strcmp(out.rows[i].feed, feed) == 0 &&
                                          strcmp(out.rows[i].topic, topic) == 0));
        out.band_of[i] = TIMELINE_NO_BAND;
        if (is_wanted)
            out.order[out.wanted++] = i;
    }
    qsort_r(out.order, out.wanted, sizeof *out.order, compare_rows, (void *)out.rows);
    for (size_t i = 0; i < out.wanted; i++) {
        const timeline_row *row = &out.rows[out.order[i]];
        const timeline_row *before = i == 0 ? NULL : &out.rows[out.order[i - 1]];
        int is_new = before == NULL || !is_same_topic(before, row) ||
                     (feed != NULL && strcmp(before->symbol, row->symbol) != 0);
        if (is_new && out.count == TILE_BANDS_MAX)
            break;
        if (is_new)
            out.firsts[out.count++] = out.order[i];
        out.band_of[out.order[i]] = (uint32_t)out.count - 1;
    }
    return out;
}

/* Write tiles: a line of JSON, {"tiles": their number, "bands": [{feed, topic, symbol, rows},
 * ...]}; then for all cells of all tiles, band by band, the frames as 32-bit floats in
 * little-endian order, the gap reasons as bits of 16-bit numbers, with TILE_ESTIMATE, and the
 * received share in bytes (255: all rows, the whole step). */
static td_result write_tiles(const tile_bands *bands, timeline_grid grid,
                             const timeline_cell *cells, td_buf *out, td_err *err)
{
    _Static_assert(GAP_REASON_COUNT <= 15, "reasons are the lower bits of 16-bit numbers");
    size_t count = bands->count * grid.count;
    size_t *row_counts = td_alloc_zero(bands->count + 1, sizeof *row_counts);
    uint8_t *bytes = td_alloc_zero(count + 1, 7);
    json_writer json;
    for (size_t i = 0; i < bands->row_count; i++)
        if (bands->band_of[i] != TIMELINE_NO_BAND)
            row_counts[bands->band_of[i]]++;
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_u64(&json, "tiles", grid.count / TILE_CELLS);
    json_write_member_array_begin(&json, "bands");
    for (size_t i = 0; i < bands->count; i++) {
        const timeline_row *row = &bands->rows[bands->firsts[i]];
        json_write_object_begin(&json);
        json_write_member_text(&json, "feed", row->feed);
        json_write_member_text(&json, "topic", row->topic);
        json_write_member_text(&json, "symbol", row->symbol);
        json_write_member_u64(&json, "rows", row_counts[i]);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, err);
    for (size_t i = 0; i < count; i++) {
        float frames = (float)cells[i].frames;
        uint32_t bits;
        memcpy(&bits, &frames, sizeof bits);
        const size_t band = i / grid.count;
        double share =
            (double)cells[i].received_ns / (double)grid.step_ns / (double)row_counts[band];
        for (size_t k = 0; k < 4; k++)
            bytes[4 * i + k] = (uint8_t)(bits >> (8 * k));
        /* A little of a step is not nothing, and less than the whole of it not all. */
        bytes[6 * count + i] = (uint8_t)(share >= 1                  ? 255
                                         : cells[i].received_ns == 0 ? 0
                                                                     : 1 + (unsigned)(share * 253));
        const unsigned bits_of_cell = cells[i].gaps | (cells[i].is_estimate ? TILE_ESTIMATE : 0);
        bytes[4 * count + 2 * i] = (uint8_t)bits_of_cell;
        bytes[4 * count + 2 * i + 1] = (uint8_t)(bits_of_cell >> 8);
    }
    if (rc == TD_OK)
        rc = td_buf_append(out, "\n", 1, err);
    if (rc == TD_OK)
        rc = td_buf_append(out, bytes, 7 * count, err);
    td_free(row_counts);
    td_free(bytes);
    return rc;
}

/* What tiles are asked for. */
typedef struct tile_request {
    const char *feed, *topic; /* of the symbols; NULL: tiles of topics */
    timeline_grid grid;
} tile_request;

/* Answer from the timeline, and with counts, if they are not NULL. needs_frames may be NULL;
 * *needs_frames gets 1 if cells are estimates, and the frames of their time are few enough to be
 * counted. */
static td_result fill_tiles(view_answers *self, tile_request asked, const frame_counts *counts,
                            int *needs_frames, td_buf *out, td_err *err)
{
    tile_bands bands = make_bands(self, asked.feed, asked.topic);
    timeline_grid grid = asked.grid;
    while (grid.count > TILE_CELLS && bands.count * (grid.count / TILE_CELLS) > TILE_BANDS_MAX)
        grid.count -= TILE_CELLS;
    const size_t count = bands.count * grid.count;
    timeline_cell *cells = td_alloc_zero(count + 1, sizeof *cells);
    timeline_fill(self->over_time, bands.band_of, bands.count, grid, cells);
    if (counts != NULL)
        frame_counts_replace(counts, self->over_time, bands.band_of, grid.count, cells);
    if (needs_frames != NULL) {
        const time_span time = {grid.from_ns, grid.from_ns + grid.step_ns * grid.count};
        *needs_frames = 0;
        for (size_t i = 0; i < count && !*needs_frames; i++)
            *needs_frames = cells[i].is_estimate;
        *needs_frames &= timeline_messages(self->over_time, time) <= COUNTED_MESSAGES_MAX;
    }
    td_result rc = write_tiles(&bands, grid, cells, out, err);
    td_free(cells);
    td_free(bands.order);
    td_free(bands.band_of);
    td_free(bands.firsts);
    return rc;
}

/* Count the frames, from an archive of its own, so that other questions need not wait. NULL: they
 * cannot be read, and estimates stay. */
static frame_counts *count_frames(const view_answers *self, tile_request asked)
{
    archive *own = NULL;
    frame_counts *out = NULL;
    char feed[SELECTION_GLOB_BYTES];
    char topic[SELECTION_GLOB_BYTES];
    const char *const feeds[] = {feed};
    const char *const topics[] = {topic};
    selection wanted = {0};
    td_err err;
    td_err_clear(&err);
    if (asked.feed != NULL) {
        selection_glob_of(asked.feed, feed);
        selection_glob_of(asked.topic, topic);
        wanted = (selection){.feeds = {feeds, 1}, .topics = {topics, 1}};
    }
    if (open_own(self, &own, &err) != TD_OK ||
        frame_counts_read(own, &wanted, asked.grid, &out, &err) != TD_OK)
        out = NULL;
    archive_close(own);
    return out;
}

static td_result read_tile_request(const view_request *request, tile_request *out, td_err *err)
{
    const char *by = view_request_arg(request, "by");
    uint64_t k = 0;
    uint64_t i = 0;
    uint64_t count = 1;
    int by_symbol = by != NULL && strcmp(by, "symbol") == 0;
    out->feed = by_symbol ? view_request_arg(request, "feed") : NULL;
    out->topic = by_symbol ? view_request_arg(request, "topic") : NULL;
    int is_good = read_number(request, "k", &k) && read_number(request, "i", &i) && k <= K_MAX &&
                  i < (UINT64_MAX >> k) / TILE_CELLS - TILES_MAX && by != NULL &&
                  (view_request_arg(request, "n") == NULL ||
                   (read_number(request, "n", &count) && count >= 1 && count <= TILES_MAX)) &&
                  (by_symbol ? out->feed != NULL && out->topic != NULL &&
                                   strlen(out->feed) < LIMIT_TOPIC_BYTES &&
                                   strlen(out->topic) < LIMIT_TOPIC_BYTES
                             : strcmp(by, "topic") == 0);
    if (!is_good)
        return td_err_set(err, TD_E_INVALID, "tiles need k, i and by, and n from 1 to %d",
                          TILES_MAX);
    out->grid = (timeline_grid){(i * TILE_CELLS) << k, UINT64_C(1) << k, count * TILE_CELLS};
    return TD_OK;
}

static td_result answer_tiles(view_answers *self, const view_request *request, view_reply *reply,
                              td_err *err)
{
    tile_request asked = {0};
    int needs_frames = 0;
    reply->type = "application/octet-stream";
    (void)pthread_mutex_lock(&self->lock);
    td_result rc = update(self, request, err);
    if (rc == TD_OK)
        rc = read_tile_request(request, &asked, err);
    if (rc == TD_OK)
        rc = fill_tiles(self, asked, NULL, &needs_frames, &reply->body, err);
    (void)pthread_mutex_unlock(&self->lock);
    frame_counts *counts = rc == TD_OK && needs_frames ? count_frames(self, asked) : NULL;
    if (counts == NULL)
        return rc;
    td_buf_clear(&reply->body);
    (void)pthread_mutex_lock(&self->lock);
    rc = fill_tiles(self, asked, counts, NULL, &reply->body, err);
    (void)pthread_mutex_unlock(&self->lock);
    frame_counts_close(counts);
    return rc;
}

/* ---- the calendar ---- */

/* What the catalog shows of a day (view/answers.h). */
static const char *day_state(const timeline_cell *day)
{
    unsigned doubts = 0;
    unsigned holes = 0;
    for (unsigned i = 0; i < GAP_REASON_COUNT; i++) {
        doubts |= gap_reason_is_doubt((time_reason)i) ? 1U << i : 0;
        holes |= gap_reason_is_hole((time_reason)i) ? 1U << i : 0;
    }
    if (day->frames <= 0 && day->received_ns == 0)
        return (day->gaps & ~holes) != 0 ? "missing" : "empty";
    return (day->gaps & ~doubts) != 0 ? "part" : day->gaps != 0 ? "degraded" : "no_gap";
}

static void write_days(json_writer *json, uint64_t from_ns, uint64_t count,
                       const timeline_cell *first)
{
    json_write_object_begin(json);
    json_write_member_u64(json, "from_ns", from_ns);
    json_write_member_u64(json, "days", count);
    json_write_member_text(json, "state", day_state(first));
    json_write_member_array_begin(json, "reasons");
    for (unsigned i = 0; i < GAP_REASON_COUNT; i++)
        if ((first->gaps & 1U << i) != 0)
            json_write_text(json, time_reason_name((time_reason)i));
    json_write_array_end(json);
    json_write_member_u64(json, "frames", (uint64_t)(first->frames + 0.5));
    json_write_object_end(json);
}

static td_result write_calendar(view_answers *self, td_buf *out, td_err *err)
{
    size_t row_count;
    uint64_t first_ns;
    uint64_t last_ns;
    json_writer json;
    const timeline_row *rows = timeline_rows(self->over_time, &row_count);
    view_answers_range(self, &first_ns, &last_ns);
    const uint64_t first_day = first_ns / TD_NS_PER_DAY;
    const uint64_t count = last_ns == 0 ? 0 : last_ns / TD_NS_PER_DAY - first_day + 1;
    if (count > CALENDAR_DAYS_MAX)
        return td_err_set(err, TD_E_LIMIT, "the archive is longer than %d days", CALENDAR_DAYS_MAX);
    const timeline_grid grid = {first_day * TD_NS_PER_DAY, TD_NS_PER_DAY, (size_t)count};
    uint32_t *band_of = td_alloc_zero(row_count + 1, sizeof *band_of);
    timeline_cell *cells = td_alloc_zero(grid.count + 1, sizeof *cells);
    for (size_t i = 0; i < row_count; i++)
        band_of[i] = view_answers_has_row(self, &rows[i]) ? 0 : TIMELINE_NO_BAND;
    timeline_fill(self->over_time, band_of, 1, grid, cells);
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_array_begin(&json, "days");
    for (size_t i = 0; i < grid.count;) {
        size_t end = i + 1;
        while (end < grid.count && cells[i].frames <= 0 && cells[end].frames <= 0 &&
               cells[i].gaps == cells[end].gaps &&
               strcmp(day_state(&cells[i]), day_state(&cells[end])) == 0)
            end++;
        write_days(&json, grid.from_ns + i * TD_NS_PER_DAY, end - i, &cells[i]);
        i = end;
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    td_free(band_of);
    td_free(cells);
    return json_write_end(&json, err);
}

/* ---- markets ---- */

/* A request for a market's tile. Its texts belong to the request, or to the timeline, whose rows
 * stay. */
typedef struct market_request {
    market_name name;
    market_place at;
} market_request;

static td_result read_market(const view_request *request, market_request *out, td_err *err)
{
    const char *bin = view_request_arg(request, "bin");
    uint64_t k = 0;
    out->name.feed = view_request_arg(request, "feed");
    out->name.symbol = view_request_arg(request, "symbol");
    out->name.book = view_request_arg(request, "book");
    if (out->name.feed == NULL || out->name.symbol == NULL || out->name.book == NULL ||
        !read_number(request, "k", &k) || k < MARKET_K_MIN || k > MARKET_K_MAX ||
        !read_number(request, "i", &out->at.index) ||
        out->at.index >= (UINT64_MAX >> k) / MARKET_COLUMNS - 1 || bin == NULL ||
        td_decimal_parse(td_bytes_str(bin), &out->at.bin, NULL) != TD_OK ||
        out->at.bin.mantissa <= 0)
        return td_err_set(err, TD_E_INVALID, "a market needs feed, symbol, book, k, i and bin");
    out->at.k = (unsigned)k;
    return TD_OK;
}

static timeline_extent find_extent(void *user, const char *feed, time_span of)
{
    view_answers *self = user;
    (void)pthread_mutex_lock(&self->lock);
    timeline_extent out = timeline_extent_of(self->over_time, feed, of.from_ns, of.to_ns);
    (void)pthread_mutex_unlock(&self->lock);
    return out;
}

/* Mark the columns in which trades may be missing, as the timeline shows it. */
static void mark_trades(view_answers *self, const market_request *asked, market_tile *tile)
{
    _Static_assert((int)MARKET_COLUMNS == (int)TILE_CELLS, "a tile is a tile of the timeline");
    timeline_cell *cells = td_alloc_zero(TILE_CELLS, sizeof *cells);
    size_t count;
    (void)pthread_mutex_lock(&self->lock);
    const timeline_row *rows = timeline_rows(self->over_time, &count);
    uint32_t *band_of = td_alloc_zero(count + 1, sizeof *band_of);
    for (size_t i = 0; i < count; i++)
        band_of[i] = strcmp(rows[i].feed, asked->name.feed) == 0 &&
                             strcmp(rows[i].symbol, asked->name.symbol) == 0 &&
                             strcmp(rows[i].topic, asked->name.trades) == 0
                         ? 0
                         : TIMELINE_NO_BAND;
    const timeline_grid grid = {(asked->at.index * TILE_CELLS) << asked->at.k,
                                UINT64_C(1) << asked->at.k, TILE_CELLS};
    timeline_fill(self->over_time, band_of, 1, grid, cells);
    (void)pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < TILE_CELLS; i++)
        if (cells[i].gaps != 0 || cells[i].received_ns < grid.step_ns)
            tile->columns[i].state |= MARKET_TRADES_MISSING;
    td_free(band_of);
    td_free(cells);
}

static td_result answer_market(view_answers *self, const view_request *request, view_reply *reply,
                               td_err *err)
{
    market_request asked = {0};
    archive *own = NULL;
    market_tile *tile = td_alloc_zero(1, sizeof *tile);
    td_result rc = read_market(request, &asked, err);
    (void)pthread_mutex_lock(&self->lock);
    if (rc == TD_OK)
        rc = update(self, request, err);
    if (rc == TD_OK)
        asked.name.trades = market_find_trades(self->over_time, asked.name.feed, asked.name.symbol);
    (void)pthread_mutex_unlock(&self->lock);
    if (rc == TD_OK)
        rc = open_own(self, &own, err);
    const market_source source = {.from = own,
                                  .cache = self->cache,
                                  .name = asked.name,
                                  .extent = find_extent,
                                  .user = self,
                                  .is_cancelled = &request->is_cancelled};
    if (rc == TD_OK)
        rc = market_get(&source, asked.at, tile, err);
    if (rc == TD_OK) {
        mark_trades(self, &asked, tile);
        rc = market_tile_answer(tile, asked.name.trades[0] == '\0' ? NULL : asked.name.trades,
                                &reply->body, err);
    }
    market_tile_fini(tile);
    td_free(tile);
    archive_close(own);
    reply->type = "application/octet-stream";
    return rc;
}

/* ---- answers ---- */

static td_result answer_gaps(const view_answers *self, const view_request *request,
                             view_reply *reply, td_err *err)
{
    time_span asked = SELECTION_ALL_TIME;
    if ((view_request_arg(request, "from") != NULL &&
         !read_number(request, "from", &asked.from_ns)) ||
        (view_request_arg(request, "to") != NULL && !read_number(request, "to", &asked.to_ns)))
        return td_err_set(err, TD_E_INVALID, "from and to are times in ns");
    return write_gaps(self, asked, &reply->body, err);
}

/* Answer from the timeline. */
static td_result answer_over_time(view_answers *self, const view_request *request,
                                  view_reply *reply, td_err *err)
{
    td_result rc = update(self, request, err);
    if (rc != TD_OK)
        return rc;
    reply->type = "application/json";
    if (strcmp(request->path, "archive") == 0)
        return write_archive(self, &reply->body, err);
    if (strcmp(request->path, "gaps") == 0)
        return answer_gaps(self, request, reply, err);
    if (strcmp(request->path, "calendar") == 0)
        return write_calendar(self, &reply->body, err);
    return td_err_set(err, TD_E_NOTFOUND, "the page has no such question");
}

/* The archive that a request is about. Removes its prefix from the path. */
static view_answers *find_asked(view_answers *self, view_request *request)
{
    static const char PREFIX[] = "b/";
    const size_t size = sizeof PREFIX - 1;
    if (self->second == NULL || strncmp(request->path, PREFIX, size) != 0)
        return self;
    memmove(request->path, request->path + size, strlen(request->path + size) + 1);
    return self->second;
}

void view_answers_answer(void *user, view_request *request, view_reply *reply)
{
    view_answers *self = find_asked(user, request);
    if (strncmp(request->path, "verb/", sizeof "verb/" - 1) == 0) {
        const verb_child_given given = {self->path,
                                        self->second == NULL ? NULL : self->second->path,
                                        self->catalog, self->decoders, self->families};
        verb_child_answer(&given, request, reply);
        return;
    }
    td_err err;
    td_err_clear(&err);
    td_result rc;
    if (strcmp(request->path, "market") == 0) {
        rc = answer_market(self, request, reply, &err);
    } else if (strcmp(request->path, "tile") == 0) {
        rc = answer_tiles(self, request, reply, &err);
    } else {
        (void)pthread_mutex_lock(&self->lock);
        rc = answer_over_time(self, request, reply, &err);
        (void)pthread_mutex_unlock(&self->lock);
    }
    if (rc == TD_OK)
        reply->status = 200;
    else
        view_reply_fail(reply,
                        rc == TD_E_INVALID    ? 400
                        : rc == TD_E_NOTFOUND ? 404
                        : rc == TD_E_LIMIT    ? 413
                                              : 500,
                        err.text);
}
