"""Boards: what their profiles hold, and what a network has too much of."""

from __future__ import annotations

from edgecnn_exporters.targets.mcu.boards import Need, board_of, boards
from edgecnn_exporters.targets.profile import target_profile, target_profiles


def test_every_profile_but_mcu_is_a_board_with_a_source() -> None:
    profiles = [each for each in target_profiles().values() if each.family == "mcu"]
    listed = {board.name: board for board in boards()}
    assert [each.name for each in profiles] == ["mcu", *listed]
    assert {board.core for board in listed.values()} == {
        "Cortex-M4",
        "Cortex-M7",
        "Cortex-M33",
        "Cortex-M55",
    }
    assert all(profile.source for profile in profiles)
    assert all(board.ram_bytes < board.flash_bytes for board in listed.values())


def test_a_chip_is_found_by_the_name_of_its_board() -> None:
    board = board_of(target_profile("NUCLEO-F446RE"))
    assert board is not None
    assert (board.flash_bytes, board.ram_bytes) == (512 * 1024, 128 * 1024)


def test_bytes_over_are_counted_for_flash_and_ram_apart() -> None:
    board = board_of(target_profile("nrf52840"))
    assert board is not None
    assert Need(1 << 20, 1 << 18).over(board) == (0, 0)
    assert Need((1 << 20) + 3, (1 << 18) + 5).over(board) == (3, 5)
