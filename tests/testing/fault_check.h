/* Checks whether an archive on a simulated disk holds what it must after a fault. A failure is
 * described in one line. Returns instead of failing the test, because sweeps check
 * disks in processes of their own. */
#ifndef TD_TESTS_TESTING_FAULT_CHECK_H
#define TD_TESTS_TESTING_FAULT_CHECK_H

#include <stdint.h>

#include "archive/archive_recover.h"
#include "tests/testing/fault_recording.h"

enum { FAULT_WHAT_BYTES = 600 };

/* What must be on a disk. */
typedef struct fault_truth {
    uint64_t durable[FAULT_FEEDS]; /* frames of each feed, from the first on */
    uint64_t fed[FAULT_FEEDS];
} fault_truth;

fault_truth fault_truth_at(const fault_recording *recording, uint64_t change_count);

/* A place to check disks at: a recording's truth, and a catalog. */
typedef struct fault_place {
    const fault_recording *recording;
    char catalog[FAULT_PATH_BYTES];
    char what[FAULT_WHAT_BYTES]; /* what was wrong */
} fault_place;

/* What was found. */
typedef struct fault_found {
    int has_archive; /* 0: there is none yet, and nothing was durable */
    uint64_t frames[FAULT_FEEDS];
    uint64_t fed[FAULT_FEEDS];
    uint64_t lost; /* frames fed and not found: all of them in a gap */
} fault_found;

/* All return 1 if all is well, else 0 with place->what. */

/* Read every frame of the archive as it is: each as it was fed, at least the durable ones, none but
 * the last ones missing. */
int fault_check_frames(fault_place *place, io_fault *disk, const fault_truth *truth,
                       fault_found *found);

/* Recover; nothing durable may be lost. */
int fault_check_recover(fault_place *place, io_fault *disk, recover_report *report);

/* verify reports a sound archive, and the catalog equals a rebuilt one. */
int fault_check_sound(fault_place *place, io_fault *disk);

/* What is missing lies in an open crash gap of its feed. */
int fault_check_ledger(fault_place *place, io_fault *disk, fault_found *found);

/* Another recovery finds nothing to do, and changes no byte. */
int fault_check_settled(fault_place *place, io_fault *disk);

/* All of them, in that order; before recovery verify finds nothing worse than what that mends, and
 * readers list the gaps that they list after it. */
int fault_check_all(fault_place *place, io_fault *disk, const fault_truth *truth,
                    fault_found *found);

/* The power fails once more, with everything recovered and nothing being written: what was found to
 * be there must be on the disk by now. */
int fault_check_cut_again(fault_place *place, io_fault *disk, const fault_truth *truth,
                          fault_found *found);

/* Record on from what was found (fault_check_frames), stop cleanly, cut the power: the frames of
 * both sessions are there. */
int fault_check_record_on(fault_place *place, io_fault *disk, fault_found *found);

/* The catalog's dump, in memory of td_alloc; NULL with place->what. */
char *fault_dump(fault_place *place);

#endif
