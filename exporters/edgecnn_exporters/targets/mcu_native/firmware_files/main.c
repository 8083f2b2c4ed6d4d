/* Runs the golden example and compares the results with those of the workstation. Make it your own program:
 * edgecnn does not replace it. */
#include "board/board.h"
#include "edgecnn_native.h"
#include "golden.h"
#include "network.h"

static _Alignas(64) uint8_t memory[NETWORK_MEMORY_BYTES];
static uint8_t results[NETWORK_OUTPUT_BYTES];

static int count_different(void)
{
    int different = 0;
    for (int i = 0; i < NETWORK_OUTPUT_BYTES; i++)
        different += results[i] != golden_output[i];
    return different;
}

int main(void)
{
    edgecnn_error error;
    const edgecnn_options options = {.memory = memory, .memory_size = sizeof memory};
    void *outputs[NETWORK_OUTPUTS];
    for (int i = 0, at = 0; i < NETWORK_OUTPUTS; at += network_outputs[i++].bytes)
        outputs[i] = results + at;
    edgecnn_model *model = edgecnn_open_memory(network_plan, NETWORK_PLAN_BYTES, &options, &error);
    if (model == NULL) {
        board_print(error.text);
        return 1;
    }
    board_start_ticks();
    if (edgecnn_run(model, 1, golden_inputs, outputs, &error) != EDGECNN_OK) {
        board_print(error.text);
        return 1;
    }
    uint32_t ticks = board_ticks();
    board_print("kernels ");
    board_print(edgecnn_chosen_kernels(model));
    board_print("\nmemory ");
    board_print_number(edgecnn_memory_size(network_plan, NETWORK_PLAN_BYTES, &options, &error));
    board_print("\nstack ");
    board_print_number(board_stack_used());
    board_print("\nticks ");
    board_print_number(ticks);
    board_print("\nresults");
    for (int i = 0; i < NETWORK_OUTPUT_BYTES; i++) {
        board_print(" ");
        board_print_number(results[i]);
    }
    int different = count_different();
    board_print(different ? "\ngolden: different, " : "\ngolden: equal, ");
    board_print_number((uint32_t)different);
    board_print(" integers differ\n");
    return different != 0;
}
