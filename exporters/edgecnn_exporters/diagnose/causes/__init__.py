"""What can be wrong with one node. Each file knows some causes, and the ablation that confirms
each: mend that one thing in the node, and see whether it is right then."""
