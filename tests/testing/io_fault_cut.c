#include "tests/testing/io_fault_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/random.h"

/* ---- what survives a power cut ---- */

enum { SECTOR_BYTES = 512, CHANCES = 8 };

/* How a disk behaves at a power cut. Some keep nearly everything, some nearly nothing, and some
 * write strictly in order; each kind reveals other bugs. */
typedef struct cut_luck {
    td_random random;
    unsigned keep_of_8; /* out of 8 changes, this many survive on average */
    int is_ordered;     /* nothing survives after the first lost change */
    int is_best;
} cut_luck;

typedef enum write_fate {
    FATE_WHOLE,
    FATE_NONE,
    FATE_PREFIX,  /* the first sectors */
    FATE_SECTORS, /* any of its sectors */
    FATE_ZEROS,   /* zeros: the file has grown, but its data was not written */
    FATE_COUNT,
} write_fate;

static cut_luck luck_init(uint64_t seed)
{
    cut_luck luck = {0};
    td_random_init(&luck.random, seed);
    luck.keep_of_8 = (unsigned)td_random_below(&luck.random, CHANCES + 1);
    luck.is_ordered = (int)td_random_below(&luck.random, 2);
    if (seed == IO_FAULT_CUT_WORST)
        luck.keep_of_8 = 0;
    luck.is_best = seed == IO_FAULT_CUT_BEST;
    return luck;
}

static int luck_keeps(cut_luck *luck)
{
    return luck->is_best || td_random_below(&luck->random, CHANCES) < luck->keep_of_8;
}

/* Chooses the fate of a write. One that is not kept whole can only be torn if the disk keeps
 * anything at all. */
static write_fate luck_fate(cut_luck *luck)
{
    if (luck_keeps(luck))
        return FATE_WHOLE;
    if (luck->keep_of_8 == 0)
        return FATE_NONE;
    return (write_fate)(FATE_NONE + td_random_below(&luck->random, FATE_COUNT - FATE_NONE));
}

/* The end of the sector that contains offset `at`, or the end of the write if that is earlier. */
static uint64_t sector_end(uint64_t at, uint64_t write_end)
{
    uint64_t end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
    return end < write_end ? end : write_end;
}

/* Applies the sectors of a write that survived. The file may have grown to the end of the last
 * one. */
static void keep_sectors(td_buf *content, const file_change *change, write_fate fate,
                         cut_luck *luck)
{
    uint64_t write_end = change->at + change->size;
    TD_ASSERT(change->bytes != NULL);
    TD_ASSERT(change->size > 0);
    uint64_t sectors = change->size / SECTOR_BYTES + 2;
    uint64_t stop = td_random_below(&luck->random, sectors);
    uint64_t number = 0;
    for (uint64_t at = change->at; at < write_end; number++) {
        uint64_t end = sector_end(at, write_end);
        int is_kept = fate == FATE_PREFIX ? number < stop : td_random_below(&luck->random, 2) == 0;
        file_change part = {.at = at, .size = end - at};
        part.bytes = change->bytes + (at - change->at);
        if (is_kept)
            content_apply(content, &part);
        at = end;
    }
}

static void cut_write(td_buf *content, const file_change *change, write_fate fate, cut_luck *luck)
{
    TD_ASSERT(fate < FATE_COUNT);
    TD_ASSERT(change->bytes != NULL || fate <= FATE_NONE);
    file_change grow = {.size = change->at + change->size};
    if (fate == FATE_WHOLE)
        content_apply(content, change);
    else if (fate == FATE_ZEROS && grow.size > content->size)
        content_apply(content, &grow);
    else if (fate == FATE_PREFIX || fate == FATE_SECTORS)
        keep_sectors(content, change, fate, luck);
}

/* Chooses the fate of a change that is not durable. Only a write may be torn, a truncation may
 * not. */
static write_fate change_fate(const file_change *change, cut_luck *luck)
{
    TD_ASSERT(!change->is_durable);
    if (change->bytes != NULL)
        return luck_fate(luck);
    return luck_keeps(luck) ? FATE_WHOLE : FATE_NONE;
}

/* Computes a file's content after the power cut. content: the durable bytes. */
static void cut_file(td_buf *content, const inode *node, cut_luck *luck)
{
    int is_over = 0;
    for (size_t i = 0; i < node->change_count; i++) {
        const file_change *change = &node->changes[i];
        write_fate fate = change->is_durable ? FATE_WHOLE : FATE_NONE;
        if (fate == FATE_NONE && !is_over)
            fate = change_fate(change, luck);
        cut_write(content, change, fate, luck);
        is_over = is_over || (fate != FATE_WHOLE && luck->is_ordered);
    }
}

/* Applies the changes of names that survived, which is decided before the content of files. */
static void cut_names(io_fault *to, const io_fault *from, cut_luck *luck)
{
    for (uint32_t i = 1; i < from->inode_count; i++) {
        const inode *node = disk_inode(from, i);
        uint32_t number = disk_add_inode(to, node->kind);
        TD_ASSERT(number == i);
        for (size_t n = 0; n < node->durable_names.count; n++) {
            const dir_name *name = &node->durable_names.rows[n];
            names_set(&to->inodes[i]->names, name->name, name->inode);
        }
    }
    for (size_t i = 0; i < from->name_change_count; i++) {
        const name_change *change = &from->name_changes[i];
        TD_ASSERT(change->set_count > 0);
        TD_ASSERT(change->set_count <= NAMES_OF_RENAME);
        int is_kept = luck_keeps(luck);
        for (unsigned s = 0; is_kept && s < change->set_count; s++) {
            const name_set *set = &change->sets[s];
            names_set(&to->inodes[set->dir]->names, set->name, set->inode);
        }
        if (!is_kept && luck->is_ordered)
            break;
    }
}

/* Makes the cache equal to the disk, as after a reboot. */
static void settle(inode *node)
{
    TD_ASSERT(node->change_count == 0);
    TD_ASSERT(node->durable.size == 0);
    for (size_t i = 0; i < node->names.count; i++)
        names_set(&node->durable_names, node->names.rows[i].name, node->names.rows[i].inode);
    td_buf_add(&node->durable, node->cache.data, node->cache.size);
}

io_fault *io_fault_power_cut(io_fault *disk, uint64_t seed)
{
    cut_luck luck = luck_init(seed);
    io_fault *after = disk_new();
    pthread_mutex_lock(&disk->mutex);
    after->free_bytes = disk->free_bytes;
    cut_names(after, disk, &luck);
    for (uint32_t i = 1; i < disk->inode_count; i++) {
        const inode *node = disk_inode(disk, i);
        inode *copy = disk_inode(after, i);
        td_buf_add(&copy->cache, node->durable.data, node->durable.size);
        cut_file(&copy->cache, node, &luck);
        settle(copy);
    }
    pthread_mutex_unlock(&disk->mutex);
    return after;
}

io_fault *io_fault_kill(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    io_fault *after = disk_clone(disk);
    pthread_mutex_unlock(&disk->mutex);
    return after;
}

/* ---- the log ---- */

static void free_row(log_row *row)
{
    td_free(row->name);
    td_free(row->to_name);
    td_free(row->bytes);
    td_free(row->path);
    td_free(row->to_path);
}

void disk_forget_log(io_fault *disk)
{
    for (size_t i = 0; i < disk->log_count; i++)
        free_row(&disk->log[i]);
    td_free(disk->log);
    disk->log = NULL;
    disk->log_count = 0;
    disk->log_capacity = 0;
    io_fault *base = disk->log_base;
    disk->log_base = NULL;
    io_fault_close(base);
}

static void row_fill(log_row *row, const disk_change *change, const char *path, const char *to_path)
{
    size_t size = change->bytes.size;
    *row = (log_row){.change = *change};
    row->name = td_strdup(change->name);
    row->to_name = td_strdup(change->to_name);
    row->path = td_strdup(path);
    row->to_path = td_strdup(to_path);
    if (size > 0)
        row->bytes = td_strndup((const char *)change->bytes.data, size);
    row->change.name = row->name;
    row->change.to_name = row->to_name;
    row->change.bytes = td_bytes_of(row->bytes, size);
}

void disk_note(io_fault *disk, const disk_change *change, const char *path, const char *to_path)
{
    if (disk->log_base == NULL)
        return;
    disk->log = td_array_reach(disk->log, &disk->log_capacity, disk->log_count, sizeof *disk->log);
    row_fill(&disk->log[disk->log_count++], change, path, to_path);
}

void io_fault_log_start(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    disk_forget_log(disk);
    disk->log_base = disk_clone(disk);
    pthread_mutex_unlock(&disk->mutex);
}

uint64_t io_fault_log_count(io_fault *disk)
{
    pthread_mutex_lock(&disk->mutex);
    uint64_t count = disk->log_count;
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

io_fault_log_row io_fault_log_get(io_fault *disk, uint64_t index)
{
    pthread_mutex_lock(&disk->mutex);
    TD_ASSERT(index < disk->log_count);
    const log_row *row = &disk->log[index];
    io_fault_log_row out = {.change = row->change.what, .path = row->path, .to_path = row->to_path};
    if (row->change.what == IO_FAULT_CHANGE_APPEND || row->change.what == IO_FAULT_CHANGE_OVERWRITE)
        out.size = row->change.bytes.size;
    else if (row->change.what == IO_FAULT_CHANGE_TRUNCATE)
        out.size = row->change.size;
    pthread_mutex_unlock(&disk->mutex);
    return out;
}

void io_fault_forward(io_fault *then, io_fault *disk, uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&disk->mutex);
    TD_ASSERT(disk->log_base != NULL);
    TD_ASSERT(from <= to);
    TD_ASSERT(to <= disk->log_count);
    for (uint64_t i = from; i < to; i++)
        disk_apply(then, &disk->log[i].change);
    pthread_mutex_unlock(&disk->mutex);
}

io_fault *io_fault_at(io_fault *disk, uint64_t change_count)
{
    pthread_mutex_lock(&disk->mutex);
    TD_ASSERT(disk->log_base != NULL);
    io_fault *then = disk_clone(disk->log_base);
    pthread_mutex_unlock(&disk->mutex);
    io_fault_forward(then, disk, 0, change_count);
    return then;
}
