#include "base/cli/stop_signal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

#define SECOND_WITHIN_NS (5 * TD_NS_PER_S)

/* A second signal within this time is ignored as a repeat: timeout(1) signals the process and then
 * its group. */
#define SECOND_AFTER_NS (TD_NS_PER_S / 10)

/* The exit status of a process that a signal ended is this plus the signal's number, as in shells.
 */
enum { EXIT_BY_SIGNAL = 128 };

struct stop_signal {
    pthread_t thread;
    sigset_t signals;
    stop_signal_calls calls;
    atomic_int is_closing;
    atomic_int has_arrived; /* only a flag: no other data is published by it */
};

static void release(const stop_signal *self, int is_released)
{
    if (self->calls.release != NULL)
        self->calls.release(self->calls.user, is_released);
}

static void *run(void *arg)
{
    stop_signal *self = arg;
    td_clock clock = clock_real();
    uint64_t first_ns = 0;
    int number;
    while (sigwait(&self->signals, &number) == 0) {
        if (atomic_load_explicit(&self->is_closing, memory_order_acquire))
            break;
        if (number == SIGTSTP) {
            /* Stop as SIGTSTP does by default, with the terminal restored. */
            release(self, 1);
            (void)raise(SIGSTOP); /* stops the process before this thread continues */
            release(self, 0);
            continue;
        }
        if (number == SIGHUP && self->calls.hangup != NULL && self->calls.hangup(self->calls.user))
            continue;
        uint64_t now_ns = clock_mono_ns(clock);
        if (first_ns != 0 && now_ns - first_ns < SECOND_AFTER_NS)
            continue;
        if (number == SIGQUIT || (first_ns != 0 && now_ns - first_ns < SECOND_WITHIN_NS)) {
            release(self, 1);
            _exit(EXIT_BY_SIGNAL + number);
        }
        first_ns = now_ns;
        atomic_store_explicit(&self->has_arrived, 1, memory_order_relaxed);
        if (self->calls.stop != NULL)
            self->calls.stop(self->calls.user);
    }
    return NULL;
}

static void stopping_signals(sigset_t *signals, int with_terminal)
{
    struct sigaction hangup;
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    /* An ignored SIGHUP, as by nohup(1), must not be blocked, because a blocked signal is queued
     * even if it is ignored. */
    if (sigaction(SIGHUP, NULL, &hangup) != 0 || hangup.sa_handler != SIG_IGN)
        sigaddset(signals, SIGHUP);
    if (with_terminal) {
        sigaddset(signals, SIGTSTP);
        sigaddset(signals, SIGQUIT);
    }
}

void stop_signal_block(int with_terminal)
{
    sigset_t signals;
    stopping_signals(&signals, with_terminal);
    int failure = pthread_sigmask(SIG_BLOCK, &signals, NULL);
    TD_ASSERT(failure == 0);
}

td_result stop_signal_open(const stop_signal_calls *calls, stop_signal **out, td_err *err)
{
    stop_signal *self = td_alloc_zero(1, sizeof *self);
    self->calls = *calls;
    stopping_signals(&self->signals, calls->release != NULL);
    int failure = pthread_create(&self->thread, NULL, run, self);
    if (failure != 0) {
        td_free(self);
        return td_err_set_os(err, failure, "cannot wait for signals");
    }
    *out = self;
    return TD_OK;
}

int stop_signal_arrived(const stop_signal *self)
{
    return self != NULL && atomic_load_explicit(&self->has_arrived, memory_order_relaxed) != 0;
}

void stop_signal_close(stop_signal *self)
{
    if (self == NULL)
        return;
    atomic_store_explicit(&self->is_closing, 1, memory_order_release);
    /* The thread receives the signal by sigwait. All threads block it, so it does not end the
     * process. NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread,cert-pos44-c) */
    pthread_kill(self->thread, SIGTERM);
    pthread_join(self->thread, NULL);
    td_free(self);
}
