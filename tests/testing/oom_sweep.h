/* A scene under memory that runs out: allocation 1, 2, 3 … of each kind fails, once or from there
 * on, until a run meets no failure. After each run, whatever came of it:
 *   - the result is TD_OK (the failure did no harm) or TD_E_NOMEM, with a text that says so;
 *   - the scene's own check holds, with memory again;
 *   - everything was given back: as many allocations of each kind live as before.
 * All n are tried with TAPEDECK_SWEEP=full (make sweep); without it the first OOM_DENSE and then
 * every so many-th, so that a sweep takes seconds. */
#ifndef TD_TESTS_TESTING_OOM_SWEEP_H
#define TD_TESTS_TESTING_OOM_SWEEP_H

#include "base/err.h"

typedef struct oom_scene {
    const char *name;
    unsigned stride;       /* without TAPEDECK_SWEEP */
    void *(*set_up)(void); /* with all the memory that there is */
    td_result (*act)(void *scene, td_err *err);
    void (*check)(void *scene, td_result rc);
    void (*tear_down)(void *scene);
} oom_scene;

/* Once, before SQLite is used. */
void oom_sweep_init(void);

/* All kinds, both modes; says how many were tried. Fails the running cmocka test. */
void oom_sweep(const oom_scene *scene);

#endif
