/* Worker of a bench: one row in a process of its own, so that a crash ends that row alone. */
#include "agent.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW_RUNS = 5, OPEN = 'o', WARM_UP = 'w', BLOCK = 'b' };
#define STABLE 0.02 /* two windows of warm-up agree; edgecnn_runtime.measure.timing has the same */

typedef struct {
    int what;
    int runs;
    double limit_s;
} request;

typedef struct {
    warm_up warmed;
    int samples;
    double own_seconds;
} reply;

static int ascending(const void *one, const void *other)
{
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    double upper = values[count / 2];
    return count % 2 ? upper : (values[count / 2 - 1] + upper) / 2;
}

static double timed_ms(subject *opened)
{
    double begin = agent_seconds();
    run_example(opened, 0);
    return (agent_seconds() - begin) * 1e3;
}

/* Runs until the medians of two consecutive windows agree, or the limit has passed. */
static warm_up warm_up_subject(subject *opened, double limit_s)
{
    double end = agent_seconds() + limit_s, previous = INFINITY, window[WINDOW_RUNS];
    for (int runs = 0;;) {
        int count = 0;
        do
            window[count++] = timed_ms(opened);
        while (count < WINDOW_RUNS && agent_seconds() < end);
        double now = median(window, count);
        runs += count;
        bool agrees = previous != 0 ? fabs(now / previous - 1) <= STABLE : now == 0;
        if (agrees || agent_seconds() >= end)
            return (warm_up){runs, now, agrees};
        previous = now;
    }
}

static bool send_whole(int pipe, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = write(pipe, (const char *)bytes + done, size - done);
        if (wrote <= 0)
            return false;
        done += (size_t)wrote;
    }
    return true;
}

static bool receive_whole(int pipe, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(pipe, (char *)bytes + done, size - done);
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static double processor_seconds(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (double)spent.tv_sec + 1e-9 * (double)spent.tv_nsec;
}

static _Noreturn void serve(const subject_words *words, int from, int to)
{
    alarm(the_limits.step_seconds);
    subject opened = open_subject(words);
    alarm(0);
    request asked;
    double samples[MAX_RUNS_PER_BLOCK];
    while (receive_whole(from, &asked, sizeof asked)) {
        reply answer = {0};
        alarm(the_limits.step_seconds);
        if (asked.what == WARM_UP)
            answer.warmed = warm_up_subject(&opened, asked.limit_s);
        for (; answer.samples < asked.runs; answer.samples++)
            samples[answer.samples] = timed_ms(&opened);
        alarm(0);
        answer.own_seconds = processor_seconds();
        if (!send_whole(to, &answer, sizeof answer) ||
            !send_whole(to, samples, sizeof *samples * (size_t)answer.samples))
            break;
    }
    _exit(0);
}

worker start_worker(const subject_words *words)
{
    int down[2], up[2];
    if (pipe(down) != 0 || pipe(up) != 0)
        stop("no pipe for a row");
    fflush(stdout);
    int pid = fork();
    if (pid < 0)
        stop("no process for a row");
    if (pid == 0) {
        close(down[1]);
        close(up[0]);
        serve(words, down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    return (worker){.pid = pid,
                    .to = down[1],
                    .from = up[0],
                    .samples_ms = allocate(MAX_RUNS_PER_BLOCK, sizeof(double))};
}

void end_worker(worker *running)
{
    if (running->pid == 0)
        return;
    kill(running->pid, SIGKILL);
    waitpid(running->pid, NULL, 0);
    close(running->to);
    close(running->from);
    free(running->samples_ms);
    *running = (worker){0};
}

void print_death(int row, int status)
{
    begin_event("died");
    add_whole("row", row);
    if (WIFSIGNALED(status))
        add_whole("signal", WTERMSIG(status));
    else
        add_whole("exit_code", WEXITSTATUS(status));
    end_event();
}

static bool ask(worker *running, int row, request asked, reply *answer)
{
    if (send_whole(running->to, &asked, sizeof asked) &&
        receive_whole(running->from, answer, sizeof *answer) && answer->samples == asked.runs &&
        receive_whole(running->from, running->samples_ms,
                      sizeof(double) * (size_t)answer->samples)) {
        running->own_seconds = answer->own_seconds;
        running->samples = answer->samples;
        return true;
    }
    int status = 0;
    kill(running->pid, SIGKILL); /* where it answers nonsense; one that has ended keeps its status */
    waitpid(running->pid, &status, 0);
    print_death(row, status);
    close(running->to);
    close(running->from);
    free(running->samples_ms);
    *running = (worker){0};
    return false;
}

bool warm(worker *running, int row, double limit_s, warm_up *result)
{
    reply answer;
    bool is_alive = ask(running, row, (request){WARM_UP, 0, limit_s}, &answer);
    if (is_alive)
        *result = answer.warmed;
    return is_alive;
}

bool block(worker *running, int row, int runs)
{
    reply answer;
    return ask(running, row, (request){BLOCK, runs, 0}, &answer);
}
