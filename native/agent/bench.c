/* The measuring loop: rows warmed up, then timed in turn, then started cold.
 *
 * Rounds, their order and the length of a block are those of edgecnn_runtime.measure.rounds. */
#include "agent.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MIN_ROUNDS_FOR_VERDICT = 8, MOST_ROWS = 64, ROW_WORDS = 6, JOB_WORDS = 8 };
#define STATE_EVERY_S 1.0

/* A row of the job; `cold` fresh processes are started, of which `cold_done` were before. */
typedef struct {
    subject_words words;
    worker running;
    int runs; /* of a block */
    int cold, cold_done;
} row;

typedef struct {
    double warmup_s, block_ms, max_s, sustained_s; /* sustained_s below 0: by rounds */
    int rounds, done_rounds;
} plan;

static row rows[MOST_ROWS];
static int row_count;

static void kill_all(void)
{
    for (int i = 0; i < row_count; i++)
        if (rows[i].running.pid)
            kill(rows[i].running.pid, SIGKILL);
}

static double workers_seconds(void)
{
    double sum = 0;
    for (int i = 0; i < row_count; i++)
        sum += rows[i].running.own_seconds;
    return sum;
}

static void print_end(const char *event)
{
    begin_event(event);
    add_machine(workers_seconds());
    end_event();
}

static void print_progress(double done)
{
    begin_event("progress");
    add_number("done", done < 1 ? done : 1);
    end_event();
}

/* Warms up each row alive and settles its number of runs a block; how many rows are alive. */
static int warm_up_rows(const plan *wanted)
{
    int alive = 0;
    for (int i = 0; i < row_count; i++) {
        warm_up warmed;
        if (!warm(&rows[i].running, i, wanted->warmup_s, &warmed))
            continue;
        double runs = nearbyint(wanted->block_ms / fmax(warmed.last_ms, 1e-6));
        rows[i].runs = (int)fmin(MAX_RUNS_PER_BLOCK, fmax(1, runs));
        begin_event("warm-up");
        add_whole("row", i);
        add_whole("runs", warmed.runs);
        add_number("last_ms", warmed.last_ms);
        raw(", \"is_stable\": %s", warmed.is_stable ? "true" : "false");
        end_event();
        alive++;
    }
    return alive;
}

/* A B C, C B A, then B C A, A C B, ...: each is first, last and beside each other equally often. */
static int row_at(int number, int place, const int *order, int count)
{
    int start = number / 2 % count;
    int step = number % 2 == 0 ? place : count - 1 - place;
    return order[(start + step) % count];
}

static bool is_time_for(const plan *wanted, int number, double begin)
{
    double now = agent_seconds();
    if (wanted->sustained_s >= 0)
        return number < wanted->done_rounds + MIN_ROUNDS_FOR_VERDICT ||
               now < begin + wanted->sustained_s;
    if (number >= wanted->rounds)
        return false;
    return number < MIN_ROUNDS_FOR_VERDICT || number % 2 != 0 || now < begin + wanted->max_s;
}

static double share_done(const plan *wanted, int number, double at_s)
{
    if (wanted->sustained_s >= 0)
        return at_s / fmax(wanted->sustained_s, 1e-9);
    return fmax((number + 1.0) / wanted->rounds, fmin(1, at_s / fmax(wanted->max_s, 1e-9)));
}

typedef struct {
    int row, count;
    double samples_ms[MAX_RUNS_PER_BLOCK];
} timed_block;

static void print_round(int number, double at_s, const timed_block *blocks, int count, bool has_state)
{
    begin_event("round");
    add_whole("number", number);
    raw(", \"at_s\": %.3f, \"blocks\": [", at_s);
    for (int i = 0; i < count; i++) {
        raw("%s{\"row\": %d, \"samples_ms\": [", i ? ", " : "", blocks[i].row);
        for (int j = 0; j < blocks[i].count; j++)
            raw("%s%.6f", j ? ", " : "", blocks[i].samples_ms[j]);
        raw("], \"energy_j\": null}");
    }
    raw("]");
    if (has_state)
        add_machine(workers_seconds());
    end_event();
}

static void time_rows(const plan *wanted)
{
    int order[MOST_ROWS], count = 0, alive;
    static timed_block blocks[MOST_ROWS];
    for (int i = 0; i < row_count; i++)
        if (rows[i].running.pid)
            order[count++] = i;
    print_end("before");
    double begin = agent_seconds(), last_state = begin;
    alive = count;
    for (int number = wanted->done_rounds; alive && is_time_for(wanted, number, begin); number++) {
        int timed = 0;
        for (int place = 0; place < count; place++) {
            int i = row_at(number, place, order, count);
            worker *running = &rows[i].running;
            if (!running->pid)
                continue;
            if (!block(running, i, rows[i].runs)) {
                alive--;
                continue;
            }
            blocks[timed].row = i;
            blocks[timed].count = running->samples;
            memcpy(blocks[timed++].samples_ms, running->samples_ms,
                   sizeof(double) * (size_t)running->samples);
        }
        double now = agent_seconds();
        bool has_state = now - last_state >= STATE_EVERY_S;
        last_state = has_state ? now : last_state;
        print_round(number, now - begin, blocks, timed, has_state);
        print_progress(0.8 * share_done(wanted, number, now - begin));
    }
    print_end("after");
}

/* Starts this program anew and waits for its first result; false where it gives none. */
static bool start_cold(int i)
{
    char threads[16], memory[32], seconds[16], *self = "/proc/self/exe";
    const subject_words *words = &rows[i].words;
    snprintf(threads, sizeof threads, "%d", words->threads);
    snprintf(memory, sizeof memory, "%zu", the_limits.memory_bytes);
    snprintf(seconds, sizeof seconds, "%u", the_limits.step_seconds);
    int up[2], status = 0;
    if (pipe(up) != 0)
        stop("no pipe for a cold start");
    fflush(stdout);
    double begin = agent_seconds();
    int pid = fork();
    if (pid == 0) {
        dup2(up[1], STDOUT_FILENO);
        execl(self, "edgecnn-agent", memory, seconds, "cold", words->plan, words->inputs,
              words->batches, threads, (char *)NULL);
        _exit(127);
    }
    close(up[1]);
    double end = 0;
    long long peak = 0, base = 0;
    FILE *answer = fdopen(up[0], "r");
    int read = pid < 0 || !answer ? 0 : fscanf(answer, "%lf %lld %lld", &end, &peak, &base);
    if (answer)
        fclose(answer);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (read != 3 || status != 0) {
        print_death(i, status);
        return false;
    }
    begin_event("cold");
    add_whole("row", i);
    raw(", \"sample_ms\": %.6f", (end - begin) * 1e3);
    add_whole("peak_memory_bytes", peak);
    add_whole("base_memory_bytes", base);
    end_event();
    return true;
}

void print_first_result(const subject_words *words)
{
    int64_t base = peak_memory_bytes();
    alarm(the_limits.step_seconds);
    subject opened = open_subject(words);
    run_example(&opened, 0);
    printf("%.9f %lld %lld\n", agent_seconds(), (long long)peak_memory_bytes(), (long long)base);
}

/* bench WHO WAIT_S WARMUP_S ROUNDS BLOCK_MS MAX_S SUSTAINED_S DONE_ROUNDS
 *       [PLAN INPUTS BATCHES THREADS COLD COLD_DONE] ... */
void bench(int count, char **words)
{
    if (count < JOB_WORDS || (count - JOB_WORDS) % ROW_WORDS != 0 ||
        (count - JOB_WORDS) / ROW_WORDS > MOST_ROWS)
        stop("bench has %d words", count);
    plan wanted = {.warmup_s = real(words[2]),
                   .rounds = (int)number(words[3], 1, 1 << 30),
                   .block_ms = real(words[4]),
                   .max_s = real(words[5]),
                   .sustained_s = real(words[6]),
                   .done_rounds = (int)number(words[7], 0, 1 << 30)};
    signal(SIGPIPE, SIG_IGN);
    watch_stdin(kill_all);
    if (real(words[1]) >= 0)
        lock_machine(words[0], real(words[1]));
    for (char **word = words + JOB_WORDS; word < words + count; word += ROW_WORDS) {
        row *one = &rows[row_count];
        one->words = (subject_words){word[0], word[1], word[2], (int)number(word[3], 1, 1024)};
        one->cold = (int)number(word[4], 0, 1 << 20);
        one->cold_done = (int)number(word[5], 0, 1 << 20);
        one->running = start_worker(&one->words);
        row_count++;
    }
    if (warm_up_rows(&wanted) > 0)
        time_rows(&wanted);
    for (int i = 0; i < row_count; i++) {
        bool is_alive = rows[i].running.pid != 0;
        end_worker(&rows[i].running);
        for (int done = rows[i].cold_done; is_alive && done < rows[i].cold; done++)
            is_alive = start_cold(i);
        print_progress(0.8 + 0.2 * (i + 1) / row_count);
    }
    print_progress(1);
}
