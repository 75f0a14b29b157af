#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "archive/feed_strays.h"
#include "archive/verify_impl.h"

/* Segments by name, for as long as they are linked. */
typedef struct link_names {
    name_index files;      /* what is on the disk, by file name */
    name_index paths;      /* the same by path */
    name_index past_files; /* what the journal knows, by file name */
} link_names;

static void names_fini(link_names *names)
{
    name_index_fini(&names->files);
    name_index_fini(&names->paths);
    name_index_fini(&names->past_files);
}

/* Of what the journal knows under one name twice, the last counts. */
static td_result names_fill(link_names *names, const verification *v, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < v->segment_count && rc == TD_OK; i++) {
        const char *path = v->segments[i].listed->path;
        rc = name_index_put(&names->paths, segment_final_name(path), i, err);
        if (rc == TD_OK)
            rc = name_index_put(&names->files, segment_final_name(segment_file_name(path)), i, err);
    }
    for (size_t i = v->past.segment_count; i > 0 && rc == TD_OK; i--) {
        const char *name = segment_file_name(v->past.segments[i - 1].path);
        rc = name_index_put(&names->past_files, td_bytes_str(name), i - 1, err);
    }
    return rc;
}

static const checked_segment *find_segment(const verification *v, const name_index *index,
                                           const char *name)
{
    size_t at = name_index_find(index, td_bytes_str(name));
    TD_ASSERT(at == NAME_INDEX_NONE || at < v->segment_count);
    return at == NAME_INDEX_NONE ? NULL : &v->segments[at];
}

/* Last chain value of a segment that was pruned: the journal has kept it. */
static int find_pruned_chain(const verification *v, const link_names *names, const char *name,
                             td_hash128 *out)
{
    size_t at = name_index_find(&names->past_files, td_bytes_str(name));
    TD_ASSERT(at == NAME_INDEX_NONE || at < v->past.segment_count);
    if (at == NAME_INDEX_NONE || v->past.segments[at].stage != PAST_PRUNED)
        return 0;
    *out = v->past.segments[at].chain;
    return 1;
}

/* 1 if the file, or a folder above it, exists but may not be read; that is reported separately. */
static int is_unreadable(const verification *v, const char *path)
{
    for (size_t i = 0; i < v->listing.unexpected_count; i++) {
        const unexpected_file *file = &v->listing.unexpected[i];
        size_t length = strlen(file->path);
        if (file->kind == UNEXPECTED_OTHER && file->is_unreadable &&
            strncmp(path, file->path, length) == 0 &&
            (path[length] == '\0' || path[length] == '/' ||
             strcmp(path + length, SEGMENT_OPEN_SUFFIX) == 0))
            return 1;
    }
    return 0;
}

/* The same for a segment's file name; the journal has its folder. */
static int is_unreadable_name(const verification *v, const char *name)
{
    for (size_t i = 0; i < v->past.segment_count; i++) {
        const char *slash = strrchr(v->past.segments[i].path, '/');
        if (slash != NULL && strcmp(slash + 1, name) == 0 &&
            is_unreadable(v, v->past.segments[i].path))
            return 1;
    }
    return 0;
}

/* A segment must begin its chain with the last value of the one before it. */
static void check_link(verification *v, const link_names *names, const checked_segment *segment)
{
    const td_hash128 none = {0};
    const char *path = segment->listed->path;
    TD_ASSERT(segment->rc == TD_OK && segment->previous_segment != NULL);
    if (segment->previous_segment[0] == '\0') {
        if (!td_hash128_equal(segment->result.previous_chain, none))
            findings_add(&v->findings, VERIFY_DAMAGED, path, 0,
                         "chain: goes on from a value, but names no segment before it");
        return;
    }
    const checked_segment *before = find_segment(v, &names->files, segment->previous_segment);
    td_hash128 last;
    int is_known = before != NULL && before->rc == TD_OK;
    if (is_known)
        last = before->result.totals.chain;
    else if (before == NULL)
        is_known = find_pruned_chain(v, names, segment->previous_segment, &last);
    if (before == NULL && !is_known && is_unreadable_name(v, segment->previous_segment))
        return;
    if (before == NULL && !is_known)
        findings_add(&v->findings, VERIFY_DAMAGED, path, 0,
                     "chain: the segment before it, %s, is not there", segment->previous_segment);
    else if (is_known && !td_hash128_equal(segment->result.previous_chain, last))
        findings_add(&v->findings, VERIFY_DAMAGED, path, 0,
                     "chain: does not go on from the last value of %s", segment->previous_segment);
}

/* Its writer found it so, and stopped. A discarded one is in torn/. */
static void check_announced(verification *v, const past_segment *known,
                            const checked_segment *segment)
{
    uint64_t chunks =
        segment != NULL && segment->rc == TD_OK ? segment->result.totals.chunk_count : 0;
    if (chunks >= known->announced_chunks || known->stage == PAST_PRUNED)
        return;
    findings_add(
        &v->findings, VERIFY_DAMAGED, known->path, 0,
        "%llu chunks were announced durable in it, %llu are there: another program removed "
        "or changed it while it was being written",
        (unsigned long long)known->announced_chunks, (unsigned long long)chunks);
}

static void check_known(verification *v, const link_names *names, const past_segment *known)
{
    const checked_segment *segment = find_segment(v, &names->paths, known->path);
    check_announced(v, known, segment);
    if (known->stage == PAST_DISCARDED || (known->stage == PAST_PRUNED && segment == NULL))
        return;
    char torn[LIMIT_PATH_BYTES];
    if (known->stage == PAST_PRUNED)
        findings_add(&v->findings, VERIFY_SOUND, known->path, 0,
                     "was pruned, and is there: the next 'tapedeck prune' removes it");
    if (segment == NULL && archive_past_is_put_away(v->archive, known, torn)) {
        findings_add(&v->findings, VERIFY_RECOVERABLE, known->path, 0,
                     "recovery put it away whole, and did not come to its end");
        return;
    }
    if (segment == NULL && is_unreadable(v, known->path))
        return;
    if (segment == NULL) {
        findings_add(&v->findings, VERIFY_DAMAGED, known->path, 0,
                     "the journal knows this segment, and it is not there");
        return;
    }
    int has_end = known->stage == PAST_FINISHED || known->stage == PAST_PRUNED;
    if (!has_end || segment->rc != TD_OK)
        return; /* what is wrong with the file itself has been said */
    if (segment->listed->name.is_open)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "the journal says that this segment was finished");
    else if (!td_hash128_equal(known->chain, segment->result.totals.chain))
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "the journal knows another last chain value of this segment");
    else if (known->file_bytes != segment->listed->size_bytes)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "the journal knows this segment with %llu bytes, it has %llu",
                     (unsigned long long)known->file_bytes,
                     (unsigned long long)segment->listed->size_bytes);
}

/* A segment's first entry is durable before its first chunk. So entries are missing, or the file is
 * from another archive; the chain shows which. */
static void check_unknown(verification *v, const link_names *names, const stray_segment *stray)
{
    size_t at = name_index_find(&names->paths, segment_final_name(stray->path));
    TD_ASSERT(at < v->segment_count);
    const checked_segment *segment = &v->segments[at];
    if (segment->rc != TD_OK || segment->result.totals.chunk_count == 0)
        return;
    if (stray->is_linked)
        findings_add(&v->findings, VERIFY_RECOVERABLE, stray->path, 0,
                     "the journal does not know this segment, which goes on from the last that it "
                     "knows: the journal is older than the segments");
    else
        findings_add(&v->findings, VERIFY_DAMAGED, stray->path, 0,
                     "the journal does not know this segment: entries are missing there, or the "
                     "file is from elsewhere");
}

static td_result check_strays(verification *v, const link_names *names, td_err *err)
{
    stray_list strays = {0};
    td_result rc =
        v->has_journal ? stray_list_read(v->archive, &v->past, &v->listing, &strays, err) : TD_OK;
    for (size_t i = 0; i < strays.count && rc == TD_OK; i++)
        check_unknown(v, names, &strays.rows[i]);
    stray_list_fini(&strays);
    return rc;
}

static void check_session_end(verification *v, const past_session *session)
{
    int is_live = archive_session_is_live(&v->listing, v->live, session->session);
    if (!session->has_stopped && !session->is_crashed && !is_live)
        findings_add(&v->findings, VERIFY_RECOVERABLE, "", 0, "session %s ended without a stop",
                     session->session);
}

td_result verify_links(verification *v, td_err *err)
{
    link_names names = {0};
    TD_ASSERT(v->segment_count == 0 || v->segments != NULL);
    if (archive_is_single_file(v->archive))
        return TD_OK; /* its neighbours are elsewhere */
    td_result rc = names_fill(&names, v, err);
    for (size_t i = 0; i < v->segment_count && rc == TD_OK; i++) {
        const checked_segment *segment = &v->segments[i];
        if (segment->rc == TD_OK && segment->result.is_ours && segment->previous_segment != NULL)
            check_link(v, &names, segment);
    }
    if (rc == TD_OK)
        rc = check_strays(v, &names, err);
    for (size_t i = 0; i < v->past.segment_count && rc == TD_OK; i++)
        check_known(v, &names, &v->past.segments[i]);
    for (size_t i = 0; i < v->past.session_count && rc == TD_OK; i++)
        check_session_end(v, &v->past.sessions[i]);
    names_fini(&names);
    return rc;
}
