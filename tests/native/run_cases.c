/* Runs many plans on a board: each compares its outputs with what the formulas of plan.h give. */
#include "board/board.h"
#include "edgecnn_native.h"

#include <string.h>

/* Offsets from the first byte; see test_microcontroller.py. */
struct record {
    uint32_t plan, plan_bytes, batch, inputs, outputs, input[4], output[4], output_bytes[4];
};

__asm__(".section .rodata\n.balign 64\n.global cases\ncases:\n.incbin \"cases.bin\"\n");
extern const uint8_t cases[];

static _Alignas(64) uint8_t memory[1 << 20];
static _Alignas(64) uint8_t results[1 << 20];

static int differs(const struct record *record, edgecnn_error *error)
{
    const edgecnn_options options = {.memory = memory, .memory_size = sizeof memory};
    const void *inputs[4] = {0};
    void *outputs[4] = {0};
    size_t at = 0;
    for (uint32_t i = 0; i < record->inputs; i++)
        inputs[i] = cases + record->input[i];
    for (uint32_t i = 0; i < record->outputs; at += (record->output_bytes[i++] + 63) / 64 * 64)
        outputs[i] = results + at;
    edgecnn_model *model = edgecnn_open_memory(cases + record->plan, record->plan_bytes, &options, error);
    if (model == NULL || edgecnn_run(model, (int)record->batch, inputs, outputs, error) != EDGECNN_OK)
        return 1;
    const char *name = edgecnn_chosen_kernels(model);
    for (int i = 0; (error->text[i] = name[i]) != 0; i++)
        ;
    for (uint32_t i = 0; i < record->outputs; i++)
        if (memcmp(outputs[i], cases + record->output[i], record->output_bytes[i]) != 0)
            return 1;
    return 0;
}

int main(void)
{
    const uint32_t count = *(const uint32_t *)(const void *)cases;
    const struct record *records = (const struct record *)(const void *)(cases + 64);
    edgecnn_error error = {0};
    for (uint32_t i = 0; i < count; i++) {
        if (differs(&records[i], &error)) {
            board_print("case ");
            board_print_number(i);
            board_print(": ");
        }
        board_print(error.text);
        board_print("\n");
    }
    return 0;
}
