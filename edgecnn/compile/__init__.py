"""Plan and execution of ``edgecnn compile``, and the toolchains of this machine."""
