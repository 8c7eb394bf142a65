/* Fails the k-th call of the operating system that concerns a path below one folder.
 *
 * Loaded by LD_PRELOAD into a process and all its children. They share the file TORTURE_STATE, in which the program that
 * attacks writes the folder, the number of the call and the fault, and reads how many calls there were.
 */
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, FULL, BROKEN, KILL };                 /* FULL lasts from the k-th call on, BROKEN is one call */
enum { SPACE = 1, WRITING = 2, READING = 4 };       /* what a call needs; WRITING is any change of the disk */

struct state {
    long armed, fault, number, count, fired, attacker;
    char last[64];
    unsigned char needs[4096];                      /* of each call, by its number */
    char folder[PATH_MAX];
};
static struct state *state;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("TORTURE_STATE");
    if (path == NULL) return;
    int fd = ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open"))(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *memory = mmap(NULL, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED) state = memory;
}

static int below(const char *path) {
    size_t length = strlen(state->folder);
    return strncmp(path, state->folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* The program that attacks has the library, too. */
static int is_armed(void) { return state != NULL && state->armed && getpid() != state->attacker; }

static int concerns_fd(int fd) {
    if (!is_armed()) return 0;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int concerns(int folder, const char *path) {
    if (!is_armed() || path == NULL) return 0;
    if (path[0] == '/') return below(path);
    if (folder != AT_FDCWD) return concerns_fd(folder);
    char cwd[PATH_MAX];
    return getcwd(cwd, sizeof cwd) != NULL && below(cwd);
}

/* Counts a call; returns 0 to make it, or an error number. `halfway` writes a part before a process ends. */
static int hit(const char *name, int needs) {
    long count = __atomic_add_fetch(&state->count, 1, __ATOMIC_SEQ_CST);
    if (count < (long)sizeof state->needs) state->needs[count] = needs;
    if (state->number == 0 || state->fault == COUNT) return 0;
    if (state->fault == FULL) return count >= state->number && (needs & SPACE) ? (state->fired = 1, ENOSPC) : 0;
    if (count != state->number) return 0;
    state->fired = 1;
    strncpy(state->last, name, sizeof state->last - 1);
    return state->fault == BROKEN ? EIO : -1;
}

static void end(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARD(concerned, name, needs, failed)                \
    if (concerned) {                                         \
        int error = hit(#name, needs);                       \
        if (error < 0) end();                                \
        if (error > 0) { errno = error; return failed; }     \
    }
/* A killed or full write leaves the first half. */
#define GUARD_WRITE(concerned, name, half)                   \
    if (concerned) {                                         \
        int error = hit(#name, SPACE | WRITING);             \
        if (error < 0) { (void)!(half); end(); }             \
        if (error > 0) { errno = error; return -1; }         \
    }

static int open_needs(int flags) { return flags & O_CREAT ? SPACE | WRITING : READING; }

#define OPEN(name)                                                                  \
    int name(const char *path, int flags, ...) {                                    \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        GUARD(concerns(AT_FDCWD, path), name, open_needs(flags), -1)                \
        return NEXT(name)(path, flags, mode);                                       \
    }
#define OPENAT(name)                                                                \
    int name(int folder, const char *path, int flags, ...) {                        \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        GUARD(concerns(folder, path), name, open_needs(flags), -1)                  \
        return NEXT(name)(folder, path, flags, mode);                               \
    }
#define FOPEN(name)                                                                 \
    FILE *name(const char *path, const char *mode) {                                \
        GUARD(concerns(AT_FDCWD, path), name, mode[0] == 'r' ? READING : SPACE | WRITING, NULL) \
        return NEXT(name)(path, mode);                                              \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int fd, const void *data, size_t size) {
    GUARD_WRITE(concerns_fd(fd), write, NEXT(write)(fd, data, size / 2))
    return NEXT(write)(fd, data, size);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    GUARD_WRITE(concerns_fd(fd), pwrite, NEXT(pwrite)(fd, data, size / 2, offset))
    return NEXT(pwrite)(fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    GUARD_WRITE(concerns_fd(fd), pwrite64, NEXT(pwrite64)(fd, data, size / 2, offset))
    return NEXT(pwrite64)(fd, data, size, offset);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    GUARD_WRITE(concerns_fd(fd), writev, count > 1 ? NEXT(writev)(fd, parts, count / 2) : 0)
    return NEXT(writev)(fd, parts, count);
}
size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
    GUARD(is_armed() && concerns_fd(fileno(file)), fwrite, SPACE | WRITING, 0)
    return NEXT(fwrite)(data, size, count, file);
}
int fflush(FILE *file) {
    GUARD(file != NULL && is_armed() && concerns_fd(fileno(file)), fflush, SPACE | WRITING, EOF)
    return NEXT(fflush)(file);
}

#define ON_FD(name, needs) \
    int name(int fd) { GUARD(concerns_fd(fd), name, needs, -1) return NEXT(name)(fd); }
ON_FD(fsync, SPACE | WRITING)
ON_FD(fdatasync, SPACE | WRITING)

#define ON_PATH(name, needs) \
    int name(const char *path) { GUARD(concerns(AT_FDCWD, path), name, needs, -1) return NEXT(name)(path); }
ON_PATH(unlink, WRITING)
ON_PATH(rmdir, WRITING)

int unlinkat(int folder, const char *path, int flags) {
    GUARD(concerns(folder, path), unlinkat, WRITING, -1)
    return NEXT(unlinkat)(folder, path, flags);
}
int mkdir(const char *path, mode_t mode) {
    GUARD(concerns(AT_FDCWD, path), mkdir, SPACE | WRITING, -1)
    return NEXT(mkdir)(path, mode);
}
int mkdirat(int folder, const char *path, mode_t mode) {
    GUARD(concerns(folder, path), mkdirat, SPACE | WRITING, -1)
    return NEXT(mkdirat)(folder, path, mode);
}
int rename(const char *from, const char *to) {
    GUARD(concerns(AT_FDCWD, from), rename, WRITING, -1)
    return NEXT(rename)(from, to);
}
int renameat(int one, const char *from, int other, const char *to) {
    GUARD(concerns(one, from), renameat, WRITING, -1)
    return NEXT(renameat)(one, from, other, to);
}
int renameat2(int one, const char *from, int other, const char *to, unsigned flags) {
    GUARD(concerns(one, from), renameat2, WRITING, -1)
    return NEXT(renameat2)(one, from, other, to, flags);
}
int chmod(const char *path, mode_t mode) {
    GUARD(concerns(AT_FDCWD, path), chmod, WRITING, -1)
    return NEXT(chmod)(path, mode);
}
int fchmod(int fd, mode_t mode) {
    GUARD(concerns_fd(fd), fchmod, WRITING, -1)
    return NEXT(fchmod)(fd, mode);
}
int ftruncate(int fd, off_t size) {
    GUARD(concerns_fd(fd), ftruncate, SPACE | WRITING, -1)
    return NEXT(ftruncate)(fd, size);
}
int ftruncate64(int fd, off64_t size) {
    GUARD(concerns_fd(fd), ftruncate64, SPACE | WRITING, -1)
    return NEXT(ftruncate64)(fd, size);
}
int posix_fallocate(int fd, off_t offset, off_t size) {
    if (concerns_fd(fd)) {
        int error = hit("posix_fallocate", SPACE | WRITING);
        if (error < 0) end();
        if (error > 0) return error;
    }
    return NEXT(posix_fallocate)(fd, offset, size);
}
