#include "base/cli/service.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* Two signs of life in the time after which the manager gives up, and one more each 10 s, for the
 * status line, if it has no watchdog. */
enum { SIGNS = 2 };
#define STATUS_NS (10 * TD_NS_PER_S)

static uint64_t watchdog_ns(void)
{
    const char *us = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    if (us == NULL || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    return strtoull(us, NULL, 10) * 1000;
}

void service_open(service *self)
{
    const char *path = getenv("NOTIFY_SOCKET");
    const uint64_t limit_ns = watchdog_ns();
    *self = (service){.fd = -1, .manager = {.sun_family = AF_UNIX}};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof self->manager.sun_path)
        return;
    const size_t length = strlen(path);
    memcpy(self->manager.sun_path, path, length);
    if (path[0] == '@') /* an abstract name */
        self->manager.sun_path[0] = '\0';
    self->manager_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    self->interval_ns = limit_ns == 0 ? STATUS_NS : limit_ns / SIGNS;
    self->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void service_close(service *self)
{
    if (self->fd >= 0)
        (void)close(self->fd);
    self->fd = -1;
}

/* A message that the manager does not take is lost; the next one follows. */
static void tell(const service *self, const char *text)
{
    (void)!sendto(self->fd, text, strlen(text), MSG_NOSIGNAL,
                  (const struct sockaddr *)&self->manager, self->manager_bytes);
}

void service_alive(service *self, uint64_t mono_ns, const char *status)
{
    char text[512];
    if (self->fd < 0 || mono_ns < self->next_mono_ns)
        return;
    (void)snprintf(text, sizeof text, "%sWATCHDOG=1\nSTATUS=%s\n",
                   self->is_ready ? "" : "READY=1\n", status); /* cut if too long */
    self->is_ready = 1;
    self->next_mono_ns = mono_ns + self->interval_ns;
    tell(self, text);
}

void service_stopping(service *self)
{
    if (self->fd >= 0)
        tell(self, "STOPPING=1\n");
}
