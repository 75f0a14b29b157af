#include "tape/merge.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"

/* Limit of decompressed bytes in memory, whatever the files claim: chunks of an ordinary archive
 * have 1 MiB, so LIMIT_MERGE_CHUNKS is reached first. */
#define MERGE_BYTES_MAX ((uint64_t)1 << 30)

struct merge {
    const source *sources;
    size_t source_count;
    /* The next chunk of each source; file NULL: get it from the source. */
    source_chunk next[MERGE_SOURCES_MAX];
    const source_options *options;
    td_workers *workers;
    content_pool *readers;
    block_pool *blocks;
    /* Overlapping chunks: a heap. Their next messages are compared in the tape's order. */
    chunk_load *heap[LIMIT_MERGE_CHUNKS];
    size_t heap_count;
    /* The fast path: while the first chunk's next message is before limit_ns, no other chunk needs
     * to be compared. */
    uint64_t limit_ns;
    /* Chunks that are read ahead, oldest first: a ring buffer. */
    chunk_load *ahead[MERGE_AHEAD_MAX];
    size_t ahead_first, ahead_count, ahead_max;
    chunk_load *spare[LIMIT_MERGE_CHUNKS + MERGE_AHEAD_MAX];
    size_t spare_count;
    uint64_t bytes;   /* decompressed bytes of the chunks in the heap */
    uint8_t is_given; /* 1: the last call returned the next message of heap[0] */
};

merge *merge_open(const source *sources, size_t source_count, const source_options *options,
                  td_workers *workers, content_pool *readers, unsigned ahead)
{
    TD_ASSERT(source_count <= MERGE_SOURCES_MAX);
    TD_ASSERT(ahead >= 1);
    TD_ASSERT(ahead <= MERGE_AHEAD_MAX);
    merge *m = td_alloc_zero(1, sizeof *m);
    m->blocks = options->blocks != NULL ? options->blocks : block_pool_open();
    m->sources = sources;
    m->source_count = source_count;
    m->options = options;
    m->workers = workers;
    m->readers = readers;
    m->ahead_max = ahead;
    return m;
}

static void close_load(chunk_load *load)
{
    load->from->ops->done(load->from->self, &load->chunk);
    chunk_load_close(load);
}

void merge_close(merge *m)
{
    if (m == NULL)
        return;
    for (; m->ahead_count > 0; m->ahead_count--) {
        chunk_load *load = m->ahead[m->ahead_first];
        m->ahead_first = (m->ahead_first + 1) % MERGE_AHEAD_MAX;
        if (load->is_submitted)
            td_workers_help(m->workers, &load->job);
        close_load(load);
    }
    for (size_t i = 0; i < m->heap_count; i++) {
        close_load(m->heap[i]);
    }
    for (size_t i = 0; i < m->source_count; i++) {
        if (m->next[i].file != NULL)
            m->sources[i].ops->done(m->sources[i].self, &m->next[i]);
    }
    for (size_t i = 0; i < m->spare_count; i++)
        chunk_load_close(m->spare[i]);
    if (m->options->blocks == NULL)
        block_pool_close(m->blocks);
    td_free(m);
}

/* ---- order of chunks ---- */

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

/* Compare messages with equal times: by session, feed, and the rest of the total order. */
static int compare_equal_times(const chunk_load *a, const chunk_load *b)
{
    const chunk_entry *left = &a->entries[a->at];
    const chunk_entry *right = &b->entries[b->at];
    const source_channel *l = &a->chunk.file->channels[left->channel];
    const source_channel *r = &b->chunk.file->channels[right->channel];
    const tape_session *l_session = l->feed->session;
    const tape_session *r_session = r->feed->session;
    int order = compare_u64(l_session->start_ns, r_session->start_ns);
    if (order == 0)
        order = strcmp(l_session->id, r_session->id);
    if (order == 0)
        order = strcmp(l->channel->info.feed, r->channel->info.feed);
    /* Within a session only events repeat a time; they are in the order in which they were
     * written. */
    if (order == 0 && (l->use == SOURCE_EVENT || r->use == SOURCE_EVENT))
        order = compare_u64(a->chunk.file->number, b->chunk.file->number);
    else if (order == 0) {
        order = compare_u64(l->channel->info.line, r->channel->info.line);
        if (order == 0)
            order = compare_u64(l->channel->info.shard, r->channel->info.shard);
        if (order == 0)
            order = compare_u64(l->channel->info.dir, r->channel->info.dir);
        if (order == 0)
            order = compare_u64(left->sequence, right->sequence);
    }
    if (order == 0)
        order = strcmp(a->chunk.file->name, b->chunk.file->name);
    return order != 0 ? order : compare_u64(a->chunk.index, b->chunk.index);
}

static uint64_t next_ns(const chunk_load *load)
{
    return load->entries[load->at].recv_ns;
}

static int load_before(const chunk_load *a, const chunk_load *b)
{
    if (next_ns(a) != next_ns(b))
        return next_ns(a) < next_ns(b);
    return compare_equal_times(a, b) < 0;
}

static void swap(chunk_load **heap, size_t a, size_t b)
{
    chunk_load *kept = heap[a];
    heap[a] = heap[b];
    heap[b] = kept;
}

static void sift_down(merge *m)
{
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < m->heap_count; child++) {
            if (load_before(m->heap[child], m->heap[least]))
                least = child;
        }
        if (least == at)
            return;
        swap(m->heap, at, least);
        at = least;
    }
}

static void push_heap(merge *m, chunk_load *load)
{
    size_t at = m->heap_count++;
    m->heap[at] = load;
    while (at > 0 && load_before(m->heap[at], m->heap[(at - 1) / 2])) {
        swap(m->heap, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

/* ---- loads ---- */

/* Release a chunk that was read to its end. Its block stays as long as it is held. */
static void release_load(merge *m, chunk_load *load)
{
    load->from->ops->done(load->from->self, &load->chunk);
    tape_block_release(load->block);
    load->block = NULL;
    TD_ASSERT(m->spare_count < sizeof m->spare / sizeof m->spare[0]);
    m->spare[m->spare_count++] = load;
}

/* The next chunk by time of all sources. TD_EOF if absent. */
static td_result next_chunk(merge *m, const source **from, source_chunk *out, td_err *err)
{
    source_chunk *least = NULL;
    for (size_t i = 0; i < m->source_count; i++) {
        const source *of = &m->sources[i];
        td_result rc = m->next[i].file != NULL ? TD_OK : of->ops->next(of->self, &m->next[i], err);
        if (rc != TD_OK && rc != TD_EOF)
            return rc;
        if (rc == TD_OK && (least == NULL || m->next[i].first_ns < least->first_ns)) {
            least = &m->next[i];
            *from = of;
        }
    }
    if (least == NULL)
        return TD_EOF;
    *out = *least;
    least->file = NULL;
    return TD_OK;
}

/* Start reading chunks until enough are ahead, or there are no more. */
static td_result read_ahead(merge *m, td_err *err)
{
    while (m->ahead_count < m->ahead_max) {
        const source *from = NULL;
        source_chunk chunk;
        td_result rc = next_chunk(m, &from, &chunk, err);
        if (rc != TD_OK)
            return rc == TD_EOF ? TD_OK : rc;
        chunk_load *load =
            m->spare_count > 0 ? m->spare[--m->spare_count] : td_alloc_zero(1, sizeof *load);
        load->options = m->options;
        load->readers = m->readers;
        load->blocks = m->blocks;
        load->from = from;
        load->chunk = chunk;
        load->job = (td_job){.run = chunk_load_run, .arg = load};
        load->is_submitted = m->workers != NULL;
        m->options->stats->chunks_read++;
        m->options->stats->bytes_read += chunk.stored_bytes;
        m->ahead[(m->ahead_first + m->ahead_count++) % MERGE_AHEAD_MAX] = load;
        if (load->is_submitted)
            td_workers_submit(m->workers, &load->job);
    }
    return TD_OK;
}

/* Log unreadable parts. TD_OK if the rest can be read without them. */
static td_result check_load(merge *m, const chunk_load *load, td_err *err)
{
    const source_chunk *chunk = &load->chunk;
    if (load->rc == TD_OK && load->damage_count == 0)
        return TD_OK;
    if (load->rc == TD_E_IO || load->is_fatal) {
        if (err != NULL)
            *err = load->err;
        return td_err_add(err, load->rc, "segment %s: chunk at %llu", chunk->file->name,
                          (unsigned long long)chunk->offset);
    }
    source_skip_chunk(m->options, chunk, load->rc == TD_OK ? ": a part of it" : "", load->err.text);
    return TD_OK;
}

static uint64_t ahead_ns(const merge *m)
{
    return m->ahead_count == 0 ? UINT64_MAX : m->ahead[m->ahead_first]->chunk.first_ns;
}

/* Add the oldest chunk that was read ahead to the merge. */
static td_result join_oldest(merge *m, td_err *err)
{
    TD_ASSERT(m->ahead_count > 0);
    chunk_load *load = m->ahead[m->ahead_first];
    if (m->heap_count == LIMIT_MERGE_CHUNKS || m->bytes + load->chunk.bytes > MERGE_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT,
                          "segment %s: more than %zu chunks (%llu bytes) overlap in time",
                          load->chunk.file->name, m->heap_count, (unsigned long long)m->bytes);
    m->ahead_first = (m->ahead_first + 1) % MERGE_AHEAD_MAX;
    m->ahead_count--;
    if (load->is_submitted)
        td_workers_help(m->workers, &load->job);
    else
        chunk_load_run(load);
    td_result rc = check_load(m, load, err);
    if (rc == TD_OK && load->rc == TD_OK && load->at < load->count) {
        load->held_bytes = block_held_bytes(load->block);
        m->bytes += load->held_bytes;
        push_heap(m, load);
    } else {
        release_load(m, load);
    }
    return rc == TD_OK ? read_ahead(m, err) : rc;
}

/* The first chunk has passed limit_ns: move it down in the heap, or release it at its end. */
static void leave_first(merge *m)
{
    chunk_load *first = m->heap[0];
    if (first->at == first->count) {
        m->bytes -= first->held_bytes;
        m->heap[0] = m->heap[--m->heap_count];
        release_load(m, first);
    }
    sift_down(m);
}

/* The time from which messages are held back. Sources return no chunk that begins after this time,
 * so at TD_EOF all chunks that sources returned are in the heap, and no chunk is being read. */
static uint64_t held_ns(const merge *m)
{
    return m->options->hold == NULL ? UINT64_MAX : m->options->hold->until_ns;
}

/* Add every chunk that may have a message before the first one, then compute how far the first
 * chunk can be read without comparing. */
static td_result prepare_first(merge *m, td_err *err)
{
    if (m->ahead_count == 0) {
        td_result rc = read_ahead(m, err);
        if (rc != TD_OK)
            return rc;
    }
    while (m->ahead_count > 0 && (m->heap_count == 0 || ahead_ns(m) <= next_ns(m->heap[0]))) {
        td_result rc = join_oldest(m, err);
        if (rc != TD_OK)
            return rc;
    }
    m->limit_ns = ahead_ns(m) < held_ns(m) ? ahead_ns(m) : held_ns(m);
    for (size_t child = 1; child <= 2 && child < m->heap_count; child++) {
        if (next_ns(m->heap[child]) < m->limit_ns)
            m->limit_ns = next_ns(m->heap[child]);
    }
    return m->heap_count > 0 && next_ns(m->heap[0]) < held_ns(m) ? TD_OK : TD_EOF;
}

static td_result give_first(const merge *m, merge_item *out, td_err *err)
{
    chunk_load *first = m->heap[0];
    out->from = &first->chunk.file->channels[first->entries[first->at].channel];
    return chunk_load_frame(first, &out->frame, err);
}

td_result merge_next(merge *m, merge_item *out, td_err *err)
{
    if (TD_LIKELY(m->is_given)) {
        chunk_load *first = m->heap[0];
        chunk_load_advance(first);
        if (TD_LIKELY(first->at < first->count && next_ns(first) < m->limit_ns)) {
            return give_first(m, out, err);
        }
        leave_first(m);
    }
    td_result rc = prepare_first(m, err);
    m->is_given = rc == TD_OK;
    return rc == TD_OK ? give_first(m, out, err) : rc;
}
