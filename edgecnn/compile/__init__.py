"""What stands behind ``edgecnn compile``: the plan, folders for devices, and toolchains."""
