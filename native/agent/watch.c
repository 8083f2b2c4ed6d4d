/* Lifeline over stdin, lock of the machine, and the folder of a bench that goes when it ends. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* The workstation writes a line every few seconds; a broken link ends the lines, not the stream. */
enum { SILENCE_MS = 30000, POLL_MS = 250, HOLDER_BYTES = 4096, REMOVALS = 20 };

static void *watch(void *on_end)
{
    struct pollfd watched = {STDIN_FILENO, POLLIN, 0};
    char heartbeats[4096];
    for (;;) {
        int ready = poll(&watched, 1, SILENCE_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || read(STDIN_FILENO, heartbeats, sizeof heartbeats) <= 0)
            break;
    }
    ((void (*)(void))on_end)();
    _exit(1);
}

void watch_stdin(void (*on_end)(void))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, watch, (void *)on_end) != 0)
        stop("no thread to watch its input");
    pthread_detach(thread);
}

static void sleep_ms(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void print_holder(const char *holder)
{
    begin_event("waiting");
    add_text("holder_json", holder);
    end_event();
}

/* The lock of edgecnn_runtime.host.lock: one bench at a time, whichever agent it has. The kernel frees
 * it when the process ends. */
void lock_machine(const char *who, double wait_s)
{
    const char *folder = getenv("TMPDIR");
    char path[4096], holder[HOLDER_BYTES] = "";
    snprintf(path, sizeof path, "%s/edgecnn-bench.lock", folder && *folder ? folder : "/tmp");
    int file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 && errno == ENOENT)
        file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_CREAT, 0666);
    if (file < 0)
        stop("cannot lock the machine: %s: %s; set TMPDIR", path, strerror(errno));
    fchmod(file, 0666);
    double end = agent_seconds() + wait_s;
    for (bool is_told = false; flock(file, LOCK_EX | LOCK_NB) != 0; is_told = true) {
        ssize_t size = pread(file, holder, sizeof holder - 1, 0);
        holder[size > 0 ? size : 0] = 0;
        if (!is_told)
            print_holder(holder);
        if (agent_seconds() >= end)
            stop("another bench holds this machine: %.300s; wait for it", holder);
        sleep_ms(POLL_MS);
    }
    char since[16];
    time_t now = time(NULL);
    strftime(since, sizeof since, "%H:%M:%S", localtime(&now));
    /* `who` comes quoted from the workstation. */
    int size = snprintf(holder, sizeof holder, "{\"who\": %s, \"pid\": %d, \"since\": \"%s\"}", who,
                        (int)getpid(), since);
    size = size < (int)sizeof holder ? size : (int)sizeof holder - 1;
    if (ftruncate(file, 0) != 0 || pwrite(file, holder, (size_t)size, 0) != size)
        return; /* only the name of the holder is lost */
}

static char kept[4096];

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
    (void)facts, (void)kind, (void)place;
    return remove(path), 0;
}

static void remove_tree(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* Programs that write there end at the same time, some of them a little later. */
static void remove_kept(void)
{
    for (int i = 0; i < REMOVALS; i++) {
        remove_tree(kept);
        if (access(kept, F_OK) != 0)
            return;
        sleep_ms(100);
    }
}

static void remove_and_end(int signal)
{
    (void)signal;
    remove_kept();
    _exit(1);
}

/* Folders that a power cut left: nobody holds their lock. */
static void remove_abandoned(const char *parent)
{
    DIR *folder = opendir(parent);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s/.kept", parent, entry->d_name);
        int lock = open(path, O_RDWR | O_CLOEXEC);
        bool is_abandoned = lock < 0 ? errno == ENOENT : flock(lock, LOCK_EX | LOCK_NB) == 0;
        path[strlen(path) - strlen("/.kept")] = 0;
        if (is_abandoned)
            remove_tree(path);
        if (lock >= 0)
            close(lock);
    }
    if (folder)
        closedir(folder);
}

void keep_folder(const char *path)
{
    char lock[4096 + 8], parent[4096];
    if (snprintf(kept, sizeof kept, "%s", path) >= (int)sizeof kept || strchr(kept, '/') == NULL)
        stop("%.100s is no path of a folder", path);
    memcpy(parent, kept, sizeof parent);
    *strrchr(parent, '/') = 0;
    mkdir(parent, 0700);
    int whole = open(parent, O_RDONLY | O_CLOEXEC);
    flock(whole, LOCK_EX);
    remove_abandoned(parent);
    if (mkdir(kept, 0700) != 0)
        stop("cannot create %s: %s", kept, strerror(errno));
    snprintf(lock, sizeof lock, "%s/.kept", kept);
    int held = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (held < 0 || flock(held, LOCK_EX) != 0)
        stop("cannot lock %s: %s", kept, strerror(errno));
    close(whole);
    for (const int *one = (const int[]){SIGHUP, SIGINT, SIGTERM, 0}; *one; one++)
        signal(*one, remove_and_end);
    watch_stdin(remove_kept);
    begin_event("kept");
    end_event();
    for (;;)
        pause();
}
