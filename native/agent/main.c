/* Commands of the agent: edgecnn-agent MEMORY_BYTES STEP_SECONDS COMMAND ... */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Marks of edgecnn_runtime.parity.answers: an emulator counts the instructions between two. */
enum { MARKER = 0x7E570000, FIRST_RESULT = 1, FIRST_COUNTED = 16, WARMUP_RUNS = 2 };
enum { CHUNK_BYTES = 3 << 14 };

static void mark(int point) { getpriority(PRIO_PROCESS, (id_t)(MARKER + point)); }

static void add_tensor(const edgecnn_tensor *tensor, bool is_first)
{
    raw("%s{\"dtype\": \"%s\"", is_first ? "" : ", ", tensor->type == EDGECNN_UINT8 ? "uint8" : "float32");
    add_text("name", tensor->name);
    raw(", \"shape\": [");
    for (int i = 0; i < tensor->dimensions; i++)
        raw("%s%d", i ? ", " : "", (int)tensor->shape[i]);
    raw("]}");
}

/* describe PLAN */
static void describe(const char *plan)
{
    edgecnn_error error;
    edgecnn_tensor tensor;
    hold_memory();
    alarm(the_limits.step_seconds);
    edgecnn_model *model = edgecnn_open_file(plan, NULL, &error);
    if (model == NULL)
        stop("native refuses the model: %s", error.text);
    begin_event("plan");
    add_text("kernels", edgecnn_chosen_kernels(model));
    raw(", \"inputs\": [");
    for (int i = 0; edgecnn_input(model, i, &tensor); i++)
        add_tensor(&tensor, i == 0);
    raw("], \"outputs\": [");
    for (int i = 0; edgecnn_output(model, i, &tensor); i++)
        add_tensor(&tensor, i == 0);
    raw("]");
    end_event();
    edgecnn_close(model);
}

static void print_outputs(const subject *opened, int example)
{
    for (int output = 0; output < opened->output_count; output++) {
        const uint8_t *bytes = opened->outputs[output];
        size_t size = output_bytes(opened, output, opened->batch[example]);
        for (size_t begin = 0; begin < size; begin += CHUNK_BYTES) {
            size_t rest = size - begin;
            begin_event("output");
            add_whole("example", example);
            add_whole("output", output);
            add_bytes("base64", bytes + begin, rest < CHUNK_BYTES ? rest : CHUNK_BYTES);
            end_event();
        }
    }
}

/* prove PLAN INPUTS BATCHES THREADS COUNTED_RUNS: every example's outputs, then runs between marks. */
static void prove(const subject_words *words, int counted_runs)
{
    alarm(the_limits.step_seconds);
    subject opened = open_subject(words);
    int64_t peak = 0;
    for (int example = 0; example < opened.examples; example++) {
        run_example(&opened, example);
        if (example == 0) {
            mark(FIRST_RESULT);
            peak = peak_memory_bytes();
        }
        print_outputs(&opened, example);
        alarm(the_limits.step_seconds);
    }
    for (int i = 0; counted_runs && i < WARMUP_RUNS; i++)
        run_example(&opened, 0);
    for (int i = 0; i < counted_runs; i++) {
        mark(FIRST_COUNTED + i);
        run_example(&opened, 0);
    }
    if (counted_runs)
        mark(FIRST_COUNTED + counted_runs);
    begin_event("proved");
    add_whole("peak_memory_bytes", peak);
    add_text("kernels", edgecnn_chosen_kernels(opened.model));
    end_event();
}

/* profile PLAN INPUTS BATCHES THREADS RUNS: every layer's time in each of so many runs of one image. */
static void profile(const subject_words *words, int runs)
{
    edgecnn_error error;
    alarm(the_limits.step_seconds);
    subject opened = open_subject(words);
    int room = edgecnn_profile(opened.model, opened.inputs[0], opened.outputs, NULL, 0, &error);
    edgecnn_layer *layers = allocate(room < 0 ? 0 : (size_t)room, sizeof *layers);
    for (int i = 0; i < runs; i++) {
        alarm(the_limits.step_seconds);
        double begin = agent_seconds();
        int count = edgecnn_profile(opened.model, opened.inputs[0], opened.outputs, layers, room, &error);
        if (count < 0)
            stop("native failed: %s", error.text);
        begin_event("profiled");
        add_number("ms", (agent_seconds() - begin) * 1e3);
        raw(", \"layers\": [");
        for (int j = 0; j < count; j++) {
            raw("%s{\"ms\": %.6f", j ? ", " : "", layers[j].seconds * 1e3);
            add_text("name", layers[j].name);
            add_text("kind", layers[j].kind);
            raw("}");
        }
        raw("]");
        end_event();
    }
    free(layers);
}

int main(int count, char **words)
{
    if (count < 4)
        stop("expected MEMORY_BYTES STEP_SECONDS COMMAND: edgecnn on a workstation starts this");
    double memory = real(words[1]);
    /* More than this processor can address is no limit. */
    the_limits.memory_bytes = memory > 0 && memory < (double)SIZE_MAX ? (size_t)memory : 0;
    the_limits.step_seconds = (unsigned)number(words[2], 0, 1 << 30);
    const char *command = words[3];
    char **rest = words + 4;
    count -= 4;
    bool is_row = count >= 4;
    subject_words row = {0};
    if (is_row && (!strcmp(command, "prove") || !strcmp(command, "profile") || !strcmp(command, "cold")))
        row = (subject_words){rest[0], rest[1], rest[2], (int)number(rest[3], 1, 1024)};
    if (!strcmp(command, "machine") && count == 0)
        print_machine();
    else if (!strcmp(command, "describe") && count == 1)
        describe(rest[0]);
    else if (!strcmp(command, "prove") && count == 5)
        prove(&row, (int)number(rest[4], 0, 1000));
    else if (!strcmp(command, "profile") && count == 5)
        profile(&row, (int)number(rest[4], 1, 1000));
    else if (!strcmp(command, "cold") && count == 4)
        print_first_result(&row);
    else if (!strcmp(command, "keep") && count == 1)
        keep_folder(rest[0]);
    else if (!strcmp(command, "bench"))
        bench(count, rest);
    else
        stop("no command %s with %d words", command, count);
    return 0;
}
