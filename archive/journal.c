#include "archive/journal.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/io.h"
#include "format/chain.h"
#include "format/mcap_decode.h"
#include "format/mcap_encode.h"
#include "format/torn.h"

#define JOURNAL_PROFILE "tapedeck"
#define JOURNAL_LIBRARY "tapedeck journal"

enum {
    /* Size of an entry's chain record, which lists no connections. The record's magic and
       covers_from follow its prefix. */
    CHAIN_BYTES = MCAP_PREFIX_BYTES + CHAIN_FIXED_BYTES + CHAIN_VALUE_BYTES,
    CHAIN_MAGIC_BYTES = 8,
    ENTRY_BYTES_MAX = 1 << 18, /* an entry with its chain record; gaps are the longest */
    WINDOW_BYTES = 1 << 20,
    /* Magic and header, which are the same in every journal. */
    PREFACE_BYTES = MCAP_MAGIC_BYTES + MCAP_PREFIX_BYTES + 4 + sizeof JOURNAL_PROFILE - 1 + 4 +
                    sizeof JOURNAL_LIBRARY - 1,
    SECTOR_BYTES = 512, /* unit that a disk writes as a whole */
    LOCK_TRIES_MAX = 500,
};
#define LOCK_PAUSE_NS (10 * TD_NS_PER_MS)

/* ---- entries ---- */

td_bytes journal_get(const journal_entry *entry, const char *key)
{
    const td_bytes wanted = td_bytes_str(key);
    for (size_t i = 0; i < entry->field_count; i++) {
        if (td_bytes_equal(entry->fields[i].key, wanted))
            return entry->fields[i].value;
    }
    return td_bytes_of(NULL, 0);
}

uint64_t journal_get_u64(const journal_entry *entry, const char *key, uint64_t fallback)
{
    uint64_t value = 0;
    return td_digits_parse(journal_get(entry, key), UINT64_MAX, &value) ? value : fallback;
}

void journal_get_text(const journal_entry *entry, const char *key, char *out, size_t out_bytes)
{
    TD_ASSERT(out_bytes > 0);
    td_bytes text = journal_get(entry, key);
    size_t size = text.size < out_bytes ? text.size : out_bytes - 1;
    if (size > 0)
        memcpy(out, text.data, size);
    out[size] = '\0';
}

journal_field journal_text(const char *key, const char *value)
{
    return (journal_field){.key = td_bytes_str(key), .value = td_bytes_str(value)};
}

journal_field journal_u64(const char *key, uint64_t value, char text[24])
{
    (void)snprintf(text, 24, "%llu", (unsigned long long)value);
    return journal_text(key, text);
}

const char *session_state_name(session_state state)
{
    static const char *const NAMES[] = {
        [SESSION_OPEN] = "open", [SESSION_STOPPED] = "stopped", [SESSION_CRASHED] = "crashed"};
    TD_ASSERT(state <= SESSION_CRASHED);
    return NAMES[state];
}

void journal_get_session(const journal_entry *entry, session_row *out)
{
    *out = (session_row){.state = SESSION_OPEN,
                         .pid = journal_get_u64(entry, "pid", 0),
                         .start_ns = journal_get_u64(entry, "start_ns", 0)};
    journal_get_text(entry, "session", out->session, sizeof out->session);
    journal_get_text(entry, "verb", out->verb, sizeof out->verb);
    journal_get_text(entry, "version", out->version, sizeof out->version);
}

/* ---- reading ---- */

/* The bytes after the last valid entry. */
typedef enum tail_state {
    TAIL_NONE,
    TAIL_TORN,    /* an entry that a crash cut short; never durable */
    TAIL_DAMAGED, /* may have been durable entries */
} tail_state;

/* Reads a file forward; keeps the end of its proved part and the chain value there. */
typedef struct journal_scan {
    td_file *file;
    uint64_t file_bytes;
    uint64_t valid_bytes; /* end of the last proved entry; 0 before the first */
    uint64_t last_start;  /* start of the last proved entry */
    uint64_t entry_count;
    td_hash128 value;
    tail_state tail; /* set at the end of reading */
    td_hasher *hasher;
    td_buf window; /* bytes of the file from window_from on */
    uint64_t window_from;
} journal_scan;

static td_result scan_init(journal_scan *c, td_file *file, td_err *err)
{
    *c = (journal_scan){.file = file, .hasher = td_hasher_open()};
    td_buf_init(&c->window, WINDOW_BYTES);
    td_buf_grow(&c->window, WINDOW_BYTES);
    return td_io_size(file, &c->file_bytes, err);
}

static void scan_fini(journal_scan *c)
{
    td_hasher_close(c->hasher);
    td_buf_fini(&c->window);
}

/* Get size bytes at offset at; TD_EOF if the file ends before. */
static td_result read_window(journal_scan *c, uint64_t at, size_t size, const uint8_t **out,
                             td_err *err)
{
    TD_ASSERT(size <= WINDOW_BYTES);
    if (at > c->file_bytes || size > c->file_bytes - at)
        return TD_EOF;
    if (at < c->window_from || at + size > c->window_from + c->window.size) {
        size_t got = 0;
        /* An entry is read in several steps: if possible, the window begins at the end of the
         * proved part, with the chain value before it. */
        uint64_t from = c->valid_bytes < CHAIN_VALUE_BYTES ? 0 : c->valid_bytes - CHAIN_VALUE_BYTES;
        if (at < from || at + size - from > WINDOW_BYTES)
            from = at;
        td_result rc = td_io_read_at(c->file, from, c->window.data, WINDOW_BYTES, &got, err);
        c->window_from = from;
        c->window.size = rc == TD_OK ? got : 0;
        if (rc != TD_OK)
            return rc;
        if (at + size > from + got)
            return TD_EOF; /* the file was cut meanwhile */
    }
    *out = c->window.data + (at - c->window_from);
    return TD_OK;
}

/* Size of a record, prefix included. TD_E_CORRUPT if it has another opcode or is too large. */
static td_result find_record(journal_scan *c, uint64_t at, uint8_t opcode, size_t *size,
                             td_err *err)
{
    const uint8_t *prefix = NULL;
    td_result rc = read_window(c, at, MCAP_PREFIX_BYTES, &prefix, err);
    if (rc != TD_OK)
        return rc;
    uint64_t content = td_le64(prefix + 1);
    if (prefix[0] != opcode || content > ENTRY_BYTES_MAX)
        return TD_E_CORRUPT;
    *size = MCAP_PREFIX_BYTES + (size_t)content;
    return TD_OK;
}

static td_result unpack(const uint8_t *record, size_t size, uint64_t offset, journal_field *fields,
                        journal_entry *out)
{
    mcap_metadata metadata;
    td_result rc = mcap_decode_metadata(
        td_bytes_of(record + MCAP_PREFIX_BYTES, size - MCAP_PREFIX_BYTES), &metadata, NULL);
    if (rc != TD_OK)
        return rc;
    *out = (journal_entry){.offset = offset, .act = metadata.name, .fields = fields};
    mcap_packed rest = metadata.pairs;
    mcap_pair pair;
    while (mcap_next_pair(&rest, &pair) && out->field_count < JOURNAL_FIELDS_MAX)
        fields[out->field_count++] = (journal_field){.key = pair.key, .value = pair.value};
    return TD_OK;
}

/* The layout of an entry: magic and header if it is the first, metadata, chain record. */
typedef struct journal_place {
    uint64_t from;
    size_t preface, metadata;
    size_t size; /* of preface, metadata and chain record; 0 unless the entry is complete */
} journal_place;

/* Find the parts of an entry by their lengths. TD_EOF if the file ends within it; TD_E_CORRUPT if
 * it is not an entry; TD_E_IO. */
static td_result find_entry(journal_scan *c, uint64_t from, journal_place *out, td_err *err)
{
    size_t size = 0;
    const uint8_t *bytes = NULL;
    *out = (journal_place){.from = from, .preface = from == 0 ? PREFACE_BYTES : 0};
    td_result rc = TD_OK;
    if (from == 0 && (rc = read_window(c, 0, MCAP_MAGIC_BYTES, &bytes, err)) == TD_OK &&
        memcmp(bytes, MCAP_MAGIC, MCAP_MAGIC_BYTES) != 0)
        rc = TD_E_CORRUPT;
    if (rc == TD_OK)
        rc = find_record(c, from + out->preface, MCAP_METADATA, &size, err);
    if (rc != TD_OK)
        return rc;
    out->metadata = size;
    rc = find_record(c, from + out->preface + out->metadata, CHAIN_OPCODE, &size, err);
    if (rc == TD_OK && size != CHAIN_BYTES)
        rc = TD_E_CORRUPT;
    if (rc != TD_OK)
        return rc;
    size += out->preface + out->metadata;
    rc = read_window(c, from, size, &bytes, err);
    out->size = rc == TD_OK ? size : 0;
    return rc;
}

/* Compute an entry's chain value from the previous one. If the bytes before the entry in the file
 * are the previous value, the value and the entry are hashed in place, which is cheaper. */
static td_result compute_value(journal_scan *c, const journal_place *place, td_hash128 previous,
                               td_hash128 *out, td_err *err)
{
    const uint8_t *bytes = NULL;
    if (place->from >= CHAIN_VALUE_BYTES) {
        td_result rc = read_window(c, place->from - CHAIN_VALUE_BYTES,
                                   CHAIN_VALUE_BYTES + place->size, &bytes, err);
        if (rc == TD_OK && memcmp(bytes, previous.bytes, CHAIN_VALUE_BYTES) == 0)
            *out = td_hash128_of(bytes, place->size);
        if (rc != TD_OK || memcmp(bytes, previous.bytes, CHAIN_VALUE_BYTES) == 0)
            return rc;
    }
    td_result rc = read_window(c, place->from, place->size, &bytes, err);
    if (rc == TD_OK)
        *out =
            chain_value(c->hasher, previous, td_bytes_of(bytes, place->size - CHAIN_VALUE_BYTES));
    return rc;
}

/* Check that the entry's chain record has the chain value that follows from the previous one and
 * the entry's bytes; else TD_E_CORRUPT. *value gets the computed value in both cases. */
static td_result prove(journal_scan *c, const journal_place *place, td_hash128 previous,
                       td_hash128 *value, td_err *err)
{
    chain_record record;
    const uint8_t *bytes = NULL;
    td_result rc = read_window(c, place->from, place->size, &bytes, err);
    if (rc != TD_OK)
        return rc;
    td_bytes chain = td_bytes_of(bytes + place->size - CHAIN_BYTES + MCAP_PREFIX_BYTES,
                                 CHAIN_BYTES - MCAP_PREFIX_BYTES);
    rc = chain_decode(chain, NULL, &record, NULL);
    if (rc != TD_OK || record.covers_from != place->from)
        return TD_E_CORRUPT;
    rc = compute_value(c, place, previous, value, err);
    if (rc != TD_OK)
        return rc;
    return td_hash128_equal(*value, record.value) ? TD_OK : TD_E_CORRUPT;
}

/* The chain value before an entry; zeros before the first one. */
static td_result value_before(journal_scan *c, uint64_t from, td_hash128 *out, td_err *err)
{
    const uint8_t *bytes = NULL;
    *out = (td_hash128){0};
    if (from < CHAIN_VALUE_BYTES)
        return TD_OK;
    td_result rc = read_window(c, from - CHAIN_VALUE_BYTES, CHAIN_VALUE_BYTES, &bytes, err);
    if (rc == TD_OK)
        memcpy(out->bytes, bytes, CHAIN_VALUE_BYTES);
    return rc;
}

/* Find the magic of a chain record at or after from, or TD_EOF. */
static td_result find_magic(journal_scan *c, uint64_t from, uint64_t *out, td_err *err)
{
    while (from <= c->file_bytes && c->file_bytes - from >= CHAIN_MAGIC_BYTES) {
        uint64_t left = c->file_bytes - from;
        size_t size = left < SECTOR_BYTES ? (size_t)left : SECTOR_BYTES;
        const uint8_t *bytes = NULL;
        td_result rc = read_window(c, from, size, &bytes, err);
        if (rc != TD_OK)
            return rc;
        const uint8_t *found = memmem(bytes, size, CHAIN_MAGIC, CHAIN_MAGIC_BYTES);
        if (found != NULL) {
            *out = from + (uint64_t)(found - bytes);
            return TD_OK;
        }
        from += size - (CHAIN_MAGIC_BYTES - 1);
    }
    return TD_EOF;
}

/* Find the next entry that can be proved, after one that cannot. An entry's chain record has the
 * entry's start, and the chain value in the file before the entry proves the entry. If the entry
 * begins at whole_end, perhaps only that value was changed: then try `computed` as well, the value
 * computed for the entry that ends at whole_end. TD_EOF if no entry is found. */
static td_result find_sound(journal_scan *c, uint64_t whole_end, td_hash128 computed, td_err *err)
{
    const uint64_t lost_from = c->valid_bytes;
    uint64_t magic = 0;
    td_result rc = TD_OK;
    for (uint64_t at = lost_from; (rc = find_magic(c, at, &magic, err)) == TD_OK; at = magic + 1) {
        const uint8_t *bytes = NULL;
        journal_place place;
        td_hash128 before;
        td_hash128 value;
        rc = read_window(c, magic, CHAIN_MAGIC_BYTES + 8, &bytes, err);
        uint64_t from = rc == TD_OK ? td_le64(bytes + CHAIN_MAGIC_BYTES) : 0;
        if (rc == TD_EOF || from <= lost_from || from >= magic || magic - from > ENTRY_BYTES_MAX)
            continue;
        if (rc == TD_OK)
            rc = find_entry(c, from, &place, err);
        if (rc == TD_OK)
            rc = value_before(c, from, &before, err);
        if (rc == TD_OK)
            rc = prove(c, &place, before, &value, err);
        if (rc == TD_E_CORRUPT && from == whole_end && place.size > 0) {
            before = computed;
            rc = prove(c, &place, before, &value, err);
        }
        if (rc == TD_OK) {
            c->valid_bytes = from;
            c->value = before;
            return TD_OK;
        }
        if (rc != TD_EOF && rc != TD_E_CORRUPT)
            return rc;
    }
    return rc;
}

/* The entry in place of unreadable bytes. */
static journal_entry damaged_entry(uint64_t from, uint64_t to, journal_field *fields,
                                   char number[24])
{
    fields[0] = journal_u64("bytes", to - from, number);
    return (journal_entry){
        .offset = from, .act = td_bytes_str(JOURNAL_DAMAGED), .fields = fields, .field_count = 1};
}

/* Get the next entry, proved by its chain record, or one of act JOURNAL_DAMAGED for unreadable
 * bytes before it (number is memory for that). TD_EOF at the end; TD_E_TRUNCATED if the rest cannot
 * be proved; TD_E_IO. The entry is valid until the next call. */
static td_result scan_next(journal_scan *c, journal_field *fields, char number[24],
                           journal_entry *entry, td_err *err)
{
    journal_place place;
    td_hash128 value = {0};
    const uint8_t *bytes = NULL;
    if (c->valid_bytes == c->file_bytes)
        return TD_EOF;
    const uint64_t from = c->valid_bytes;
    td_result rc = find_entry(c, from, &place, err);
    if (rc == TD_OK)
        rc = prove(c, &place, c->value, &value, err);
    if (rc == TD_OK)
        rc = read_window(c, from, place.size, &bytes, err);
    if (rc == TD_OK)
        rc = unpack(bytes + place.preface, place.metadata, from + place.preface, fields, entry);
    if (rc == TD_OK) {
        c->value = value;
        c->last_start = from;
        c->valid_bytes += place.size;
        c->entry_count++;
        return TD_OK;
    }
    if (rc != TD_EOF && rc != TD_E_CORRUPT)
        return rc;
    rc = find_sound(c, place.size == 0 ? 0 : from + place.size, value, err);
    if (rc == TD_OK)
        *entry = damaged_entry(from, c->valid_bytes, fields, number);
    return rc == TD_EOF ? TD_E_TRUNCATED : rc;
}

/* ---- the end of the file ---- */

/* 1 if the tail has a sector of zeros: the file has grown, but that sector was not written. */
static td_result has_unwritten_sector(journal_scan *c, int *out, td_err *err)
{
    uint64_t at = c->valid_bytes;
    *out = 0;
    while (at < c->file_bytes && !*out) {
        uint64_t end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        size_t size = (size_t)((end < c->file_bytes ? end : c->file_bytes) - at);
        const uint8_t *bytes = NULL;
        td_result rc = read_window(c, at, size, &bytes, err);
        if (rc != TD_OK)
            return rc;
        *out = bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
        at += size;
    }
    return TD_OK;
}

/* Whether the tail has a complete chain record, and chain records of more than one entry. */
typedef struct tail_chains {
    uint8_t has_whole;
    uint8_t has_more;
} tail_chains;

static td_result find_chains(journal_scan *c, tail_chains *out, td_err *err)
{
    const uint8_t *bytes = NULL;
    uint64_t magic = 0;
    *out = (tail_chains){0};
    td_result rc = find_magic(c, c->valid_bytes, &magic, err);
    if (rc != TD_OK)
        return rc == TD_EOF ? TD_OK : rc;
    out->has_whole = c->file_bytes - magic >= CHAIN_BYTES - MCAP_PREFIX_BYTES;
    rc = read_window(c, magic, CHAIN_MAGIC_BYTES + 8, &bytes, err);
    /* If magic and covers_from span two sectors, the second may not have been written. */
    if (rc == TD_OK && magic / SECTOR_BYTES == (magic + CHAIN_MAGIC_BYTES + 7) / SECTOR_BYTES)
        out->has_more = td_le64(bytes + CHAIN_MAGIC_BYTES) != c->valid_bytes;
    if (rc == TD_OK)
        rc = find_magic(c, magic + 1, &magic, err);
    out->has_more |= rc == TD_OK;
    return rc == TD_EOF ? TD_OK : rc;
}

/* Distinguish an entry that a crash cut short, which was never durable, from durable entries that
 * were changed later. A crash leaves the beginning of one entry, or some of its sectors with zeros
 * for the others. */
static td_result find_tail_state(journal_scan *c, td_err *err)
{
    journal_place place;
    tail_chains chains = {0};
    int is_unwritten = 0;
    td_result rc = find_entry(c, c->valid_bytes, &place, err);
    int is_short = rc == TD_EOF;
    if (rc != TD_OK && rc != TD_EOF && rc != TD_E_CORRUPT)
        return rc;
    rc = find_chains(c, &chains, err);
    if (rc == TD_OK)
        rc = has_unwritten_sector(c, &is_unwritten, err);
    if (rc != TD_OK)
        return rc == TD_EOF ? TD_OK : rc; /* the file was cut meanwhile */
    int is_torn = is_unwritten ? !chains.has_more : is_short && !chains.has_whole;
    c->tail = is_torn ? TAIL_TORN : TAIL_DAMAGED;
    return TD_OK;
}

/* Read to the end; fn may be NULL. */
static td_result read_entries(journal_scan *c, journal_fn *fn, void *user, td_err *err)
{
    journal_field fields[JOURNAL_FIELDS_MAX];
    journal_entry entry;
    char number[24];
    td_result rc;
    c->tail = TAIL_NONE;
    while ((rc = scan_next(c, fields, number, &entry, err)) == TD_OK) {
        if (fn != NULL)
            rc = fn(user, &entry, err);
        if (rc != TD_OK)
            return rc;
    }
    if (rc == TD_E_TRUNCATED)
        rc = find_tail_state(c, err);
    if (rc == TD_OK && c->tail == TAIL_DAMAGED) {
        entry = damaged_entry(c->valid_bytes, c->file_bytes, fields, number);
        rc = fn == NULL ? TD_OK : fn(user, &entry, err);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

static journal_state scan_state(const journal_scan *c)
{
    return (journal_state){.is_present = 1,
                           .file_bytes = c->file_bytes,
                           .valid_bytes = c->valid_bytes,
                           .entry_count = c->entry_count};
}

static td_result read_file(td_file *file, journal_fn *fn, void *user, journal_state *state,
                           td_err *err)
{
    journal_scan c;
    td_result rc = scan_init(&c, file, err);
    if (rc == TD_OK)
        rc = read_entries(&c, fn, user, err);
    *state = scan_state(&c);
    scan_fini(&c);
    return rc;
}

td_result journal_read(archive *a, journal_fn *fn, void *user, journal_state *state, td_err *err)
{
    *state = (journal_state){0};
    if (archive_is_single_file(a))
        return TD_OK;
    char path[LIMIT_PATH_BYTES];
    td_file *file = NULL;
    td_result rc = archive_join(a, JOURNAL_FILE, path, err);
    if (rc == TD_OK)
        rc = td_io_open(archive_io(a), path, TD_OPEN_READ, &file, err);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        return TD_OK;
    }
    if (rc == TD_OK)
        rc = read_file(file, fn, user, state, err);
    td_io_close(file);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "reading the journal");
}

/* ---- writing ---- */

struct journal {
    archive *archive;
    char path[LIMIT_PATH_BYTES];
    td_file *file;
    journal_scan scan; /* at the end, as far as this writer knows */
    td_buf out;
    uint64_t durable_bytes; /* end of the part that is known to be durable */
    uint8_t is_dead;        /* 1: a sync failed, so the writer cannot guarantee anything any more */
};

static td_result check_name(const journal *j, td_err *err)
{
    td_name_state state = TD_NAME_GONE;
    td_result rc = td_io_check_name(archive_io(j->archive), j->path, j->file, &state, err);
    if (rc != TD_OK || state == TD_NAME_SAME)
        return rc;
    rc = td_err_set(err, TD_E_NOTFOUND, "journal '%s' was %s while it was in use", j->path,
                    state == TD_NAME_GONE ? "removed or renamed" : "replaced");
    td_err_hint(err, "put it back if you can, and run 'tapedeck recover' and 'tapedeck verify'");
    return rc;
}

/* Current size of the file. Fails if the file ends before the proved entries do: tapedeck never
 * cuts these off. */
td_result journal_size(const journal *j, uint64_t *size, td_err *err)
{
    td_result rc = td_io_size(j->file, size, err);
    if (rc != TD_OK || *size >= j->scan.valid_bytes)
        return rc;
    rc = td_err_set(err, TD_E_NOTFOUND, "journal '%s' got shorter while it was in use", j->path);
    td_err_hint(err, "another program cut it: restore it from a backup, or run 'tapedeck verify'");
    return rc;
}

td_result journal_check_place(journal *j, td_err *err)
{
    uint64_t size = 0;
    td_result rc = check_name(j, err);
    return rc == TD_OK ? journal_size(j, &size, err) : rc;
}

/* Lock the journal, as each writer does for one entry. Fails after 5 s: the lock's holder is stuck.
 */
static td_result lock_journal(const journal *j, td_err *err)
{
    td_clock clock = archive_clock(j->archive);
    td_result rc = TD_E_BUSY;
    for (unsigned i = 0; i < LOCK_TRIES_MAX; i++) {
        td_err_clear(err);
        rc = td_io_lock_file(j->file, err);
        if (rc != TD_E_BUSY)
            break;
        clock_sleep_until(clock, clock_mono_ns(clock) + LOCK_PAUSE_NS);
    }
    if (rc != TD_OK)
        return td_err_add(err, rc, "cannot lock '%s'", j->path);
    /* A lock on a replaced file is of no use: later writers lock the file that has the name. */
    rc = check_name(j, err);
    if (rc != TD_OK)
        td_io_unlock_file(j->file);
    return rc;
}

/* Read to the end of the file: another writer may have appended. */
static td_result catch_up(journal *j, td_err *err)
{
    journal_scan *c = &j->scan;
    td_result rc = journal_size(j, &c->file_bytes, err);
    if (rc != TD_OK)
        return rc;
    td_buf_clear(&c->window); /* the window may hold a tail that was cut off since */
    return read_entries(c, NULL, NULL, err);
}

/* Continue after damaged bytes, which stay. The next entry shows that they are not a torn tail. */
static td_result pass_damage(journal *j, td_err *err)
{
    journal_scan *c = &j->scan;
    td_log_emit(archive_log(j->archive), TD_LOG_WARNING,
                "journal: %llu bytes at its end are damaged; they stay, and 'tapedeck gaps' lists "
                "the time that they may cover",
                (unsigned long long)(c->file_bytes - c->valid_bytes));
    td_result rc = value_before(c, c->file_bytes, &c->value, err);
    if (rc != TD_OK)
        return rc;
    c->valid_bytes = c->last_start = c->file_bytes;
    j->durable_bytes = c->file_bytes; /* so that renew_last leaves the damaged bytes alone */
    c->tail = TAIL_NONE;
    return TD_OK;
}

/* Cut off an entry that a crash cut short, after copying it to torn/. */
static td_result cut_tail(journal *j, td_err *err)
{
    journal_scan *c = &j->scan;
    if (c->tail == TAIL_DAMAGED)
        return pass_damage(j, err);
    if (c->valid_bytes == c->file_bytes)
        return TD_OK;
    char name[LIMIT_NAME_BYTES];
    char torn[LIMIT_PATH_BYTES];
    char kept[LIMIT_PATH_BYTES];
    (void)snprintf(name, sizeof name, JOURNAL_FILE ".%llu.tail",
                   (unsigned long long)c->valid_bytes);
    td_log_emit(archive_log(j->archive), TD_LOG_WARNING,
                "journal: %llu bytes at its end are incomplete; kept as torn/%s and cut off",
                (unsigned long long)(c->file_bytes - c->valid_bytes), name);
    td_result rc = archive_make_torn(j->archive, torn, err);
    if (rc == TD_OK)
        rc = torn_keep(archive_io(j->archive), torn, name, j->file, c->valid_bytes, kept, err);
    if (rc != TD_OK)
        rc = td_err_add(err, rc, "keeping the tail of '%s' in torn/", j->path);
    if (rc == TD_OK)
        rc = td_io_truncate(j->file, c->valid_bytes, err);
    if (rc == TD_OK)
        rc = td_io_sync(j->file, err);
    if (rc == TD_OK) {
        c->file_bytes = c->valid_bytes;
        c->tail = TAIL_NONE;
        td_buf_clear(&c->window);
    }
    return rc;
}

/* Open the file, or create it; another writer may create it at the same time. */
static td_result open_file(journal *j, td_err *err)
{
    td_io io = archive_io(j->archive);
    td_result rc = td_io_open(io, j->path, TD_OPEN_APPEND, &j->file, err);
    if (rc == TD_E_NOTFOUND)
        rc = td_io_open(io, j->path, TD_OPEN_CREATE, &j->file, err);
    return rc == TD_E_INVALID ? td_io_open(io, j->path, TD_OPEN_APPEND, &j->file, err) : rc;
}

static void encode_metadata(journal *j, const char *act, const journal_field *fields,
                            size_t field_count)
{
    td_buf pairs;
    td_buf_init(&pairs, SIZE_MAX);
    for (size_t i = 0; i < field_count; i++)
        mcap_pack_pair(&pairs, fields[i].key, fields[i].value);
    mcap_metadata metadata = {.name = td_bytes_str(act), .pairs = {.bytes = td_buf_view(&pairs)}};
    mcap_encode_metadata(&j->out, &metadata);
    td_buf_fini(&pairs);
}

/* Encode the whole entry into out, with magic and header if it is the first. */
static td_result encode_entry(journal *j, const char *act, const journal_field *fields,
                              size_t field_count, td_hash128 *value, td_err *err)
{
    journal_scan *c = &j->scan;
    td_buf_clear(&j->out);
    if (c->valid_bytes == 0) {
        mcap_header header = {.profile = td_bytes_str(JOURNAL_PROFILE),
                              .library = td_bytes_str(JOURNAL_LIBRARY)};
        mcap_encode_magic(&j->out);
        mcap_encode_header(&j->out, &header);
        TD_ASSERT(j->out.size == PREFACE_BYTES);
    }
    encode_metadata(j, act, fields, field_count);
    chain_record chain = {.covers_from = c->valid_bytes};
    chain_append_fields(&j->out, &chain);
    if (j->out.size + CHAIN_VALUE_BYTES > ENTRY_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "entry of %zu bytes", j->out.size);
    chain_start(c->hasher, c->value);
    td_hasher_update(c->hasher, j->out.data, j->out.size);
    *value = chain_append_value(&j->out, c->hasher);
    return TD_OK;
}

/* Make the last entry durable before an entry is chained to it. If another writer wrote the last
 * entry, that writer's sync may have failed, so the entry may be in the page cache only. Earlier
 * entries are durable: each was synced before the next was written. */
static td_result renew_last(journal *j, td_err *err)
{
    journal_scan *c = &j->scan;
    if (j->durable_bytes == c->valid_bytes)
        return TD_OK;
    td_result rc = td_io_rewrite(j->file, c->last_start, c->valid_bytes - c->last_start, err);
    if (rc == TD_OK)
        rc = td_io_sync(j->file, err);
    if (rc == TD_OK)
        j->durable_bytes = c->valid_bytes;
    return rc;
}

static td_result append_locked(journal *j, const char *act, const journal_field *fields,
                               size_t field_count, td_err *err)
{
    journal_scan *c = &j->scan;
    td_hash128 value;
    td_result rc = catch_up(j, err);
    if (rc == TD_OK)
        rc = cut_tail(j, err);
    if (rc == TD_OK)
        rc = renew_last(j, err);
    if (rc == TD_OK)
        rc = encode_entry(j, act, fields, field_count, &value, err);
    if (rc != TD_OK)
        return rc;
    rc = td_io_append(j->file, j->out.data, j->out.size, err);
    if (rc != TD_OK) {
        /* A part may have been written. If it cannot be cut off now, the next call cuts it off
         * before it writes. */
        if (td_io_truncate(j->file, c->valid_bytes, NULL) != TD_OK)
            td_log_emit(archive_log(j->archive), TD_LOG_WARNING,
                        "journal: part of an entry remains at its end");
        return rc;
    }
    rc = td_io_sync(j->file, err);
    if (rc != TD_OK) {
        j->is_dead = 1;
        return rc;
    }
    c->last_start = c->valid_bytes;
    c->valid_bytes += j->out.size;
    c->file_bytes = c->valid_bytes;
    j->durable_bytes = c->valid_bytes;
    c->entry_count++;
    c->value = value;
    return TD_OK;
}

/* Journal that an earlier journal was lost, if the archive has segments. */
static td_result enter_loss(journal *j, td_err *err)
{
    archive_listing listing;
    char number[24];
    const journal_field bytes = journal_u64("bytes", 0, number);
    td_result rc = archive_list_names(j->archive, &listing, err);
    if (rc == TD_OK && listing.segment_count > 0) {
        td_log_emit(archive_log(j->archive), TD_LOG_WARNING,
                    "journal: it is lost; a new one begins, and 'tapedeck gaps' lists the time "
                    "that it may have covered");
        rc = append_locked(j, JOURNAL_DAMAGED, &bytes, 1, err);
    }
    archive_listing_fini(&listing);
    return rc;
}

static td_result open_locked(journal *j, journal_fn *fn, void *user, journal_state *state,
                             td_err *err)
{
    td_result rc = open_file(j, err);
    if (rc == TD_OK)
        rc = lock_journal(j, err);
    if (rc != TD_OK)
        return rc;
    rc = scan_init(&j->scan, j->file, err);
    if (rc == TD_OK)
        rc = read_entries(&j->scan, fn, user, err);
    if (state != NULL)
        *state = scan_state(&j->scan);
    /* The file's name must be durable before the first entry, but the file's creator may have been
     * killed before it synced the folder. */
    if (rc == TD_OK && j->scan.valid_bytes == 0)
        rc = td_io_sync_dir(archive_io(j->archive), archive_path(j->archive), err);
    if (rc == TD_OK)
        rc = cut_tail(j, err);
    if (rc == TD_OK && j->scan.valid_bytes == 0)
        rc = enter_loss(j, err);
    td_io_unlock_file(j->file);
    return rc;
}

td_result journal_open(archive *a, journal_fn *fn, void *user, journal_state *state, journal **out,
                       td_err *err)
{
    TD_ASSERT(archive_get_mode(a) != ARCHIVE_READ);
    *out = NULL;
    journal *made = td_alloc_zero(1, sizeof *made);
    made->archive = a;
    td_buf_init(&made->out, SIZE_MAX);
    td_result rc = archive_join(a, JOURNAL_FILE, made->path, err);
    if (rc == TD_OK)
        rc = open_locked(made, fn, user, state, err);
    if (rc != TD_OK) {
        journal_close(made);
        return td_err_add(err, rc, "opening the journal");
    }
    *out = made;
    return TD_OK;
}

void journal_close(journal *j)
{
    if (j == NULL)
        return;
    scan_fini(&j->scan);
    td_buf_fini(&j->out);
    td_io_close(j->file);
    td_free(j);
}

td_result journal_append(journal *j, const char *act, const journal_field *fields,
                         size_t field_count, td_err *err)
{
    TD_ASSERT(field_count <= JOURNAL_FIELDS_MAX);
    if (j->is_dead)
        return td_err_set(err, TD_E_IO, "journal: an earlier sync failed");
    td_result rc = lock_journal(j, err);
    if (rc == TD_OK) {
        rc = append_locked(j, act, fields, field_count, err);
        td_io_unlock_file(j->file);
    }
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "journal: entry '%s'", act);
}

td_result journal_append_session(journal *j, const session_row *row, td_err *err)
{
    char numbers[2][24];
    const journal_field fields[] = {
        journal_text("session", row->session),
        journal_u64("start_ns", row->start_ns, numbers[0]),
        journal_text("verb", row->verb),
        journal_text("version", row->version),
        journal_u64("pid", row->pid, numbers[1]), /* last, because it may be omitted */
    };
    size_t count = sizeof fields / sizeof fields[0] - (row->pid == 0);
    return journal_append(j, JOURNAL_SESSION_START, fields, count, err);
}

td_result journal_append_segment(journal *j, const char *act, const journal_segment *segment,
                                 const journal_field *more, size_t more_count, td_err *err)
{
    char numbers[3][24];
    char chain[TD_HASH128_HEX_BYTES], source[TD_HASH128_HEX_BYTES];
    journal_field fields[JOURNAL_FIELDS_MAX] = {
        journal_text("segment", segment->path),
        journal_text("feed", segment->feed),
        journal_text("session", segment->session),
    };
    size_t count = 3;
    if (segment->totals != NULL) {
        td_hash128_hex(segment->totals->chain, chain);
        fields[count++] = journal_text("chain", chain);
        fields[count++] = journal_u64("messages", segment->totals->message_count, numbers[0]);
        fields[count++] = journal_u64("bytes", segment->totals->file_bytes, numbers[1]);
        fields[count++] = journal_u64("chunks", segment->totals->chunk_count, numbers[2]);
        td_hash128_hex(segment->totals->link, source);
        if (strcmp(source, chain) != 0)
            fields[count++] = journal_text("source_chain", source);
    }
    TD_ASSERT(count + more_count <= JOURNAL_FIELDS_MAX);
    for (size_t i = 0; i < more_count; i++)
        fields[count++] = more[i];
    return journal_append(j, act, fields, count, err);
}

int journal_get_gap(const journal_entry *entry, char texts[GAP_TEXTS_BYTES], gap_row *out)
{
    char *at = texts;
    *out = (gap_row){0};
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        if (member->type == GAP_MEMBER_REASON) {
            if (!gap_reason_parse(journal_get(entry, member->key), &out->reason))
                return 0;
        } else if (member->type == GAP_MEMBER_TEXT) {
            TD_ASSERT(member->text_bytes <= (size_t)(texts + GAP_TEXTS_BYTES - at));
            journal_get_text(entry, member->key, at, member->text_bytes);
            gap_member_set_text(out, member, at);
            at += member->text_bytes;
        } else {
            uint64_t number = journal_get_u64(entry, member->key, member->absent);
            gap_member_set_number(out, member, number);
        }
    }
    return 1;
}

td_result journal_append_gap(journal *j, const gap_row *row, td_err *err)
{
    char numbers[GAP_MEMBER_COUNT][24];
    journal_field fields[GAP_MEMBER_COUNT];
    size_t count = 0;
    for (size_t i = 0; i < GAP_MEMBER_COUNT; i++) {
        const gap_member *member = &GAP_MEMBERS[i];
        if (gap_member_is_absent(row, member))
            continue;
        fields[count++] =
            gap_member_is_text(member)
                ? journal_text(member->key, gap_member_text(row, member))
                : journal_u64(member->key, gap_member_number(row, member), numbers[i]);
    }
    return journal_append(j, JOURNAL_GAP, fields, count, err);
}
