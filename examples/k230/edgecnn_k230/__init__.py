"""Canaan's K230 as a compile target of edgecnn: a worked example of a compiler plug-in."""
