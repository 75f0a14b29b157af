#include "pack/streams.h"

#include "base/alloc.h"

enum {
    SHORT_BYTES = 512,
    STREAMS_MAX = 1 << 16,
    /* in the directory, how a group is stored */
    STORED_AS_IS = 0,
    STORED_ZSTD = 1,
};

/* ---- writing ---- */

uint8_t *out_stream_reserve(out_stream *self, size_t size)
{
    if (size > self->capacity - self->size) {
        self->capacity = (self->size + size) * 2 + 64;
        self->data = td_realloc(self->data, self->capacity, 1);
    }
    return self->data + self->size;
}

void out_stream_add(out_stream *self, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(out_stream_reserve(self, size), bytes, size);
    self->size += size;
}

void out_stream_byte(out_stream *self, uint8_t value)
{
    *out_stream_reserve(self, 1) = value;
    self->size++;
}

void out_stream_number(out_stream *self, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        out_stream_byte(self, (uint8_t)(value | 0x80));
    out_stream_byte(self, (uint8_t)value);
}

void out_stream_fini(out_stream *self)
{
    td_free(self->data);
    *self = (out_stream){0};
}

void stream_writer_take(stream_writer *self, out_stream *stream, stream_group group)
{
    if (self->count == STREAMS_MAX) {
        self->is_full = 1;
        out_stream_fini(stream);
        return;
    }
    self->streams = td_array_grow(self->streams, self->count, sizeof *self->streams);
    self->groups = td_array_grow(self->groups, self->count, 1);
    self->groups[self->count] =
        group == GROUP_OWN && stream->size < SHORT_BYTES ? GROUP_SHORT : (uint8_t)group;
    self->streams[self->count++] = *stream;
    *stream = (out_stream){0};
}

/* Append bytes, compressed if that is shorter; note in `head` how, and the stored size. */
static td_result store(codec *coder, int level, const out_stream *bytes, out_stream *head,
                       td_buf *out, td_err *err)
{
    const size_t bound = codec_bound(bytes->size);
    td_result rc = td_buf_reserve(out, bound, err);
    if (rc != TD_OK)
        return rc;
    uint8_t *to = out->data + out->size;
    size_t stored = codec_compress(coder, level, td_bytes_of(bytes->data, bytes->size), to, bound);
    const int is_smaller = stored < bytes->size;
    if (!is_smaller)
        stored = bytes->size;
    if (!is_smaller && stored > 0)
        memcpy(to, bytes->data, stored);
    out->size += stored;
    out_stream_byte(head, is_smaller ? STORED_ZSTD : STORED_AS_IS);
    out_stream_number(head, stored);
    return TD_OK;
}

/* Store the streams of a group that several share. */
static td_result store_group(const stream_writer *self, stream_group group, codec *coder, int level,
                             out_stream *directory, td_buf *out, td_err *err)
{
    out_stream all = {0};
    for (size_t i = 0; i < self->count; i++)
        if (self->groups[i] == group)
            out_stream_add(&all, self->streams[i].data, self->streams[i].size);
    const td_result rc = all.size > 0 ? store(coder, level, &all, directory, out, err) : TD_OK;
    out_stream_fini(&all);
    return rc;
}

td_result stream_writer_finish(stream_writer *self, codec *coder, int level, td_buf *out,
                               td_err *err)
{
    out_stream directory = {0};
    out_stream head = {0};
    td_buf groups;
    td_buf packed; /* the directory */
    if (self->is_full)
        return td_err_set(err, TD_E_LIMIT, "a packed chunk has at most %d streams", STREAMS_MAX);
    td_result rc = TD_OK;
    td_buf_init(&groups, out->size_max);
    td_buf_init(&packed, out->size_max);
    out_stream_number(&directory, self->count);
    for (size_t i = 0; i < self->count; i++)
        out_stream_number(&directory,
                          (uint64_t)self->streams[i].size * GROUP_COUNT + self->groups[i]);
    for (int group = 0; group < GROUP_OWN && rc == TD_OK; group++)
        rc = store_group(self, (stream_group)group, coder, level, &directory, &groups, err);
    for (size_t i = 0; i < self->count && rc == TD_OK; i++)
        if (self->groups[i] == GROUP_OWN)
            rc = store(coder, level, &self->streams[i], &directory, &groups, err);
    out_stream_number(&head, directory.size);
    if (rc == TD_OK)
        rc = store(coder, level, &directory, &head, &packed, err);
    out_stream_add(&head, packed.data, packed.size);
    if (rc == TD_OK)
        rc = td_buf_append(out, head.data, head.size, err);
    if (rc == TD_OK)
        rc = td_buf_append(out, groups.data, groups.size, err);
    out_stream_fini(&directory);
    out_stream_fini(&head);
    td_buf_fini(&groups);
    td_buf_fini(&packed);
    return rc;
}

void stream_writer_fini(stream_writer *self)
{
    for (size_t i = 0; i < self->count; i++)
        out_stream_fini(&self->streams[i]);
    td_free(self->streams);
    td_free(self->groups);
    *self = (stream_writer){0};
}

/* ---- reading ---- */

uint64_t in_stream_number(in_stream *self)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t byte = in_stream_byte(self);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    self->is_short = 1;
    return 0;
}

td_bytes in_stream_bytes(in_stream *self, uint64_t size)
{
    const size_t left = (size_t)(self->end - self->next);
    const td_bytes found = td_bytes_of(self->next, size < left ? (size_t)size : left);
    self->is_short |= size > left;
    self->next += found.size;
    return found;
}

static td_result corrupt(td_err *err, const char *what)
{
    return td_err_set(err, TD_E_CORRUPT, "packed chunk: %s", what);
}

/* Decompress size bytes to the end of a buffer. */
static td_result expand(codec *coder, td_bytes stored, int is_zstd, size_t size, td_buf *to,
                        td_err *err)
{
    td_result rc = td_buf_reserve(to, size, err);
    if (rc != TD_OK)
        return corrupt(err, "its streams are too long");
    if (is_zstd) {
        if (codec_expand(coder, stored, to->data + to->size, size) != size)
            return corrupt(err, "a stream cannot be decompressed");
    } else if (stored.size == size) {
        if (size > 0)
            memcpy(to->data + to->size, stored.data, size);
    } else {
        return corrupt(err, "a stream has another size than its directory");
    }
    to->size += size;
    return TD_OK;
}

/* Expand one group: of GROUP_OWN one stream. */
static td_result expand_group(stream_reader *self, codec *coder, in_stream *directory,
                              in_stream *packed, size_t size, td_err *err)
{
    if (size == 0)
        return TD_OK;
    const uint8_t how = in_stream_byte(directory);
    const td_bytes stored = in_stream_bytes(packed, in_stream_number(directory));
    if (directory->is_short || packed->is_short || how > STORED_ZSTD)
        return corrupt(err, "its directory is wrong");
    return expand(coder, stored, how == STORED_ZSTD, size, &self->bytes, err);
}

/* Read sizes and groups of the streams. */
static td_result read_directory(stream_reader *self, in_stream *directory, uint8_t **groups,
                                size_t **sizes, td_err *err)
{
    size_t all = 0;
    const uint64_t count = in_stream_number(directory);
    if (count > STREAMS_MAX || count > (uint64_t)(directory->end - directory->next))
        return corrupt(err, "its directory is wrong");
    self->count = (size_t)count;
    self->streams = td_alloc_zero(self->count + 1, sizeof *self->streams);
    *groups = td_alloc_zero(self->count + 1, 1);
    *sizes = td_alloc_zero(self->count + 1, sizeof(size_t));
    for (size_t i = 0; i < self->count; i++) {
        const uint64_t both = in_stream_number(directory);
        (*groups)[i] = (uint8_t)(both % GROUP_COUNT);
        if (both / GROUP_COUNT > PACK_STREAMS_BYTES_MAX - all)
            return corrupt(err, "its streams are too long");
        (*sizes)[i] = (size_t)(both / GROUP_COUNT);
        all += (*sizes)[i];
    }
    return directory->is_short ? corrupt(err, "its directory is wrong") : TD_OK;
}

/* Expand all groups, then set where each stream is: the streams of a group follow each other. */
static td_result expand_all(stream_reader *self, codec *coder, in_stream *directory,
                            in_stream *packed, const uint8_t *groups, const size_t *sizes,
                            td_err *err)
{
    td_result rc = TD_OK;
    size_t begins[GROUP_COUNT] = {0};
    size_t group_bytes[GROUP_COUNT] = {0};
    size_t all = STREAM_PADDING_BYTES; /* streams point to it, also empty ones */
    for (size_t i = 0; i < self->count; i++) {
        group_bytes[groups[i]] += sizes[i];
        all += sizes[i];
    }
    td_buf_grow(&self->bytes, all);
    for (int group = 0; group < GROUP_COUNT; group++)
        begins[group] = group == 0 ? 0 : begins[group - 1] + group_bytes[group - 1];
    for (int group = 0; group < GROUP_OWN && rc == TD_OK; group++)
        rc = expand_group(self, coder, directory, packed, group_bytes[group], err);
    for (size_t i = 0; i < self->count && rc == TD_OK; i++)
        if (groups[i] == GROUP_OWN)
            rc = expand_group(self, coder, directory, packed, sizes[i], err);
    for (size_t i = 0; i < self->count && rc == TD_OK; i++) {
        self->streams[i].next = self->bytes.data + begins[groups[i]];
        self->streams[i].end = self->streams[i].next + sizes[i];
        begins[groups[i]] += sizes[i];
    }
    return rc;
}

td_result stream_reader_open(stream_reader *self, codec *coder, td_bytes packed, td_err *err)
{
    in_stream in = {packed.data, packed.data + packed.size, 0};
    td_buf directory;
    uint8_t *groups = NULL;
    size_t *sizes = NULL;
    *self = (stream_reader){0};
    td_buf_init(&self->bytes, PACK_STREAMS_BYTES_MAX + STREAM_PADDING_BYTES);
    td_buf_init(&directory, (size_t)STREAMS_MAX * 32);
    td_buf_grow(&directory, 1);
    const uint64_t size = in_stream_number(&in);
    const uint8_t how = in_stream_byte(&in);
    const td_bytes stored = in_stream_bytes(&in, in_stream_number(&in));
    td_result rc = in.is_short || how > STORED_ZSTD || size > directory.size_max
                       ? corrupt(err, "its directory is wrong")
                       : expand(coder, stored, how == STORED_ZSTD, (size_t)size, &directory, err);
    in_stream read = {directory.data, directory.data + directory.size, 0};
    if (rc == TD_OK)
        rc = read_directory(self, &read, &groups, &sizes, err);
    if (rc == TD_OK)
        rc = expand_all(self, coder, &read, &in, groups, sizes, err);
    td_free(groups);
    td_free(sizes);
    td_buf_fini(&directory);
    return rc;
}

void stream_reader_fini(stream_reader *self)
{
    td_buf_fini(&self->bytes);
    td_free(self->streams);
    *self = (stream_reader){0};
}

in_stream *stream_reader_take(stream_reader *self, size_t count)
{
    if (count > self->count - self->next) {
        self->is_short = 1;
        return NULL;
    }
    self->next += count;
    return &self->streams[self->next - count];
}

in_stream stream_reader_last(const stream_reader *self)
{
    return self->count > 0 ? self->streams[self->count - 1] : (in_stream){0};
}
