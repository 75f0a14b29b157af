/* Tells the service manager that started this program how it does (sd_notify(3)): that it is ready,
 * that it is alive, that it stops. Without a manager that listens (NOTIFY_SOCKET) nothing happens.
 * One thread. */
#ifndef TD_CLI_SERVICE_H
#define TD_CLI_SERVICE_H

#include <stdint.h>

#include <sys/socket.h>
#include <sys/un.h>

typedef struct service {
    int fd; /* -1: no manager listens */
    struct sockaddr_un manager;
    socklen_t manager_bytes;
    uint64_t interval_ns; /* between two signs of life; 0: none are wanted */
    uint64_t next_mono_ns;
    uint8_t is_ready;
} service;

/* Read the environment. Errors count as no manager. */
void service_open(service *self);
void service_close(service *self);

/* The program works, at this monotonic time. The first call tells that it is ready, later ones at
 * the interval of the manager's watchdog that it is alive. status: a line for people. */
void service_alive(service *self, uint64_t mono_ns, const char *status);

/* The program ends now. */
void service_stopping(service *self);

#endif
