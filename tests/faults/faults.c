/* Loaded before the C library: fails, or ends the process, at the N-th call that changes something
 * below one folder. Says what it counted on a file of its own. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, KILL, FAIL, FAIL_ON, SIGNAL };

static int action, number, when, seen, budget = -1, no_exchange, log_to = -1;
static char below[PATH_MAX], only[64];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* What to do (COUNT .. SIGNAL) at call `at` of those named like `calls` (all where empty) below
 * `folder`, `what` being an errno or a signal; `bytes` may be written in all where not negative. */
void fault_arm(int act, int what, int at, const char *calls, const char *folder, int bytes,
               int exchange_missing, const char *log)
{
    action = act, number = what, when = at, seen = 0;
    budget = bytes, no_exchange = exchange_missing;
    snprintf(only, sizeof only, "%s", calls);
    log_to = -1;
    below[0] = 0;
    if (*log)
        log_to = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    snprintf(below, sizeof below, "%s", folder);
}

static int is_below(int at, const char *path)
{
    char full[PATH_MAX + 2], link[64];
    size_t length = strlen(below);
    ssize_t got;

    if (!length)
        return 0;
    if (path && path[0] == '/')
        return !strncmp(path, below, length);
    if (at == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    got = readlink(link, full, PATH_MAX);
    if (got < 0)
        return 0;
    full[got] = 0;
    return !strncmp(full, below, length);
}

/* Count a call; nonzero where it is to fail, with errno set. `half` is called before a kill. */
static int counts(const char *name, int at, const char *path, void (*half)(void *), void *with)
{
    if (!is_below(at, path) || (only[0] && !strstr(only, name)))
        return 0;
    seen++;
    if (log_to >= 0)
        dprintf(log_to, "%s %s\n", name, path ? path : "");
    if (action == KILL && seen == when) {
        if (half)
            half(with);
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
    if (action == SIGNAL && seen == when)
        raise(number);
    if ((action == FAIL && seen == when) || (action == FAIL_ON && seen >= when)) {
        errno = number;
        return 1;
    }
    return 0;
}

struct part { int file; const void *data; size_t size; };

static void write_half(void *with)
{
    struct part *part = with;
    if (REAL(write)(part->file, part->data, part->size / 2) < 0)
        return;
}

ssize_t write(int file, const void *data, size_t size)
{
    struct part part = { file, data, size };
    if (counts("write", file, NULL, write_half, &part))
        return -1;
    if (budget >= 0 && is_below(file, NULL)) {
        if (budget == 0) {
            errno = ENOSPC;
            return -1;
        }
        if (size > (size_t)budget)
            size = budget;
        budget -= size;
    }
    return REAL(write)(file, data, size);
}

#define MAKES (O_CREAT | O_TRUNC)
#define OPEN(name)                                                                   \
    int name(const char *path, int flags, ...)                                       \
    {                                                                                \
        va_list rest;                                                                \
        va_start(rest, flags);                                                       \
        mode_t mode = va_arg(rest, mode_t);                                          \
        va_end(rest);                                                                \
        if (flags & MAKES && counts("open", AT_FDCWD, path, NULL, NULL))             \
            return -1;                                                               \
        return REAL(name)(path, flags, mode);                                        \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                 \
    int name(int at, const char *path, int flags, ...)                               \
    {                                                                                \
        va_list rest;                                                                \
        va_start(rest, flags);                                                       \
        mode_t mode = va_arg(rest, mode_t);                                          \
        va_end(rest);                                                                \
        if (flags & MAKES && counts("open", at, path, NULL, NULL))                   \
            return -1;                                                               \
        return REAL(name)(at, path, flags, mode);                                    \
    }
OPENAT(openat)
OPENAT(openat64)

#define PATH_CALL(name, called, arguments, given)                                    \
    int name arguments                                                               \
    {                                                                                \
        return counts(called, AT_FDCWD, path, NULL, NULL) ? -1 : REAL(name) given;   \
    }
PATH_CALL(mkdir, "mkdir", (const char *path, mode_t mode), (path, mode))
PATH_CALL(unlink, "unlink", (const char *path), (path))
PATH_CALL(rmdir, "rmdir", (const char *path), (path))
PATH_CALL(chmod, "chmod", (const char *path, mode_t mode), (path, mode))
PATH_CALL(rename, "rename", (const char *path, const char *to), (path, to))
PATH_CALL(truncate, "truncate", (const char *path, off_t size), (path, size))

#define FILE_CALL(name, called, arguments, given)                                    \
    int name arguments { return counts(called, file, NULL, NULL, NULL) ? -1 : REAL(name) given; }
FILE_CALL(fsync, "fsync", (int file), (file))
FILE_CALL(fdatasync, "fsync", (int file), (file))
FILE_CALL(fchmod, "chmod", (int file, mode_t mode), (file, mode))
FILE_CALL(ftruncate, "truncate", (int file, off_t size), (file, size))
FILE_CALL(ftruncate64, "truncate", (int file, off64_t size), (file, size))

#define AT_CALL(name, called, arguments, given)                                      \
    int name arguments { return counts(called, at, path, NULL, NULL) ? -1 : REAL(name) given; }
AT_CALL(mkdirat, "mkdir", (int at, const char *path, mode_t mode), (at, path, mode))
AT_CALL(unlinkat, "unlink", (int at, const char *path, int flags), (at, path, flags))
AT_CALL(fchmodat, "chmod", (int at, const char *path, mode_t mode, int flags),
        (at, path, mode, flags))
AT_CALL(renameat, "rename", (int at, const char *path, int there, const char *to),
        (at, path, there, to))

int renameat2(int at, const char *path, int there, const char *to, unsigned flags)
{
    if (no_exchange && flags) {
        errno = EINVAL;
        return -1;
    }
    return counts("rename", at, path, NULL, NULL) ? -1
                                                  : REAL(renameat2)(at, path, there, to, flags);
}
