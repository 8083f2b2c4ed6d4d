/* edgecnn-agent: measures plans on a board without a Python. One static program, no files of its own.
 *
 * Each line on stdout is a JSON object with "event"; the last line on stderr says what went wrong.
 * edgecnn/devices/static_agent on the workstation starts it and judges what it prints.
 */
#ifndef EDGECNN_AGENT_H
#define EDGECNN_AGENT_H

#include "edgecnn_native.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A plan, opened, with its golden inputs in memory. */
typedef struct {
    edgecnn_model *model;
    int examples;
    int *batch;           /* images of each example */
    const void ***inputs; /* example -> one pointer per input */
    void **outputs;       /* one per output, with room for the largest batch */
    int output_count;
} subject;

/* What a subject is opened from; the words of the command line. */
typedef struct {
    const char *plan;
    const char *inputs;  /* a file: example after example, input after input, as the plan takes them */
    const char *batches; /* images of each example, as in "1,1,3" */
    int threads;
} subject_words;

/* Limits of a process that opens a plan; 0 for none. */
typedef struct {
    size_t memory_bytes;
    unsigned step_seconds;
} limits;

extern limits the_limits;

/* error.c: both end the process with exit code 1. */
_Noreturn void stop(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *allocate(size_t count, size_t size);
long number(const char *word, long least, long most);
double real(const char *word);

/* subject.c */
void hold_memory(void); /* from here on this process has no more than the_limits says */
subject open_subject(const subject_words *words);
void run_example(subject *opened, int example);
size_t output_bytes(const subject *opened, int output, int batch);
size_t tensor_bytes(const edgecnn_tensor *tensor);

/* json.c: every event is one line, printed whole. */
void begin_event(const char *event);
void end_event(void);
void add_number(const char *key, double value);
void add_whole(const char *key, int64_t value);
void add_text(const char *key, const char *text);
void add_bytes(const char *key, const uint8_t *bytes, size_t size); /* in base64 */
void raw(const char *format, ...) __attribute__((format(printf, 1, 2)));
void print_text(const char *text, size_t size); /* quoted and escaped */

/* machine.c */
void add_machine(double workers_seconds);
void print_machine(void);
double agent_seconds(void);
int64_t peak_memory_bytes(void);

/* watch.c */
void watch_stdin(void (*on_end)(void));
void lock_machine(const char *who, double wait_s);
_Noreturn void keep_folder(const char *path);

/* worker.c */
typedef struct {
    int pid;
    int to, from;
    double own_seconds;
    double *samples_ms;
    int samples;
} worker;

typedef struct {
    int runs;
    double last_ms;
    bool is_stable;
} warm_up;

worker start_worker(const subject_words *words);
/* Both are false where the worker died; its end is in the event that they print. */
bool warm(worker *running, int row, double limit_s, warm_up *result);
bool block(worker *running, int row, int runs);
void end_worker(worker *running);
void print_death(int row, int status);

/* bench.c */
void bench(int count, char **words);
void print_first_result(const subject_words *words);

#define MAX_RUNS_PER_BLOCK 500

#endif
