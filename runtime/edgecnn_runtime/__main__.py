"""``python -m edgecnn_runtime``: the agent."""

from edgecnn_runtime.agent import main

if __name__ == "__main__":
    main()
